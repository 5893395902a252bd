"""What one job's trials print or leave, however odd, keeps neither the follower nor anybody else's trials."""

import math
import sys
import threading
from collections.abc import Callable

import pytest
from django.db import DataError, OperationalError

from hpt_web.jobs.models import Decision, MetricPoint, TuningJob
from hpt_web.jobs.running import follow, judging, reports
from hpt_web.jobs.running.follow import Follower
from tests.web.jobs.elsewhere import Elsewhere
from tests.web.jobs.lab import live, state, trial
from tests.web.jobs.scripted import ScriptedBackend
from tuning import earlystop
from tuning.backends import Phase, Status

NewJob = Callable[..., TuningJob]
FAR = sys.float_info.max
TWO = {"max_trials": 2, "max_parallel": 2}
ODD = 0.123  # the value with which the tests below make something fail


def values(job: TuningJob, number: int = 1) -> list[float]:
    found = MetricPoint.objects.filter(attempt__trial__job=job, attempt__trial__number=number, metric="score")
    return list(found.order_by("step").values_list("value", flat=True))


@pytest.mark.parametrize(
    "policy",
    [
        {"name": "median"},
        {"name": "automatic"},
        {"name": "bandit", "options": {"slack_factor": 0.2}},
        {"name": "truncation", "options": {"truncation_percentage": 60}},
        {"name": "asha", "options": {"reduction_factor": 2}},
    ],
)
def test_the_largest_float_is_judged_and_keeps_nobody(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, policy: dict[str, object]
) -> None:
    """F67: of two of them there is no sum; a script that has nothing better to say prints them."""
    job = new_job(objective={"metric": "score", "goal": "minimize"}, early_stopping=policy, limits=TWO)
    other = new_job(name="other")
    (good, poor), (bystander,) = live(job), live(other)
    follower.claim()
    for _ in range(3):
        backend.prints(good, "score=1\n")
        backend.prints(bystander, "score=2\n")
        follower.look([good, bystander])
        backend.prints(poor, f"score={FAR}\n")
        follower.look([poor])
    assert values(job, 1) == [1.0] * 3 and values(other) == [2.0] * 3
    assert (trial(job, 1).state, trial(job, 2).state) == ("Running", "Stopping")
    (why,) = Decision.objects.filter(kind="early_stop")
    assert all(math.isfinite(number) for number in why.numbers.values())
    backend.ends(good)
    backend.ends(poor, exit_code=None, signal=15, ended_by="stop")
    follower.claim()
    assert state(job) == "Completed" and trial(job, 2).state == "EarlyStopped"


def test_a_policy_that_breaks_stops_nothing_and_is_told(
    new_job: NewJob,
    backend: ScriptedBackend,
    follower: Follower,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """F57: in the log, with the trial; what it reports is stored as ever."""
    judging._say_once.cache_clear()
    monkeypatch.setattr(earlystop, "judge_reports", lambda *_, **__: 1 / 0)
    job = new_job(early_stopping={"name": "median"})
    (token,) = live(job)
    follower.claim()
    for _ in range(3):
        backend.prints(token, "score=1\n")
        follower.look([token])
    assert values(job) == [1.0] * 3 and trial(job).state == "Running"
    assert caplog.text.count(f"Trial 1 of job {job.pk} goes on unjudged: ZeroDivisionError") == 1
    backend.ends(token)
    follower.claim()
    assert trial(job).state == "Completed"


def test_a_policy_that_breaks_elsewhere_says_go_on(elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlystop, "judge_reports", lambda *_, **__: 1 / 0)
    script = elsewhere(early_stopping={"name": "median"})
    script.ask()
    assert not script.report(1, FAR).stop


def test_a_policy_that_cannot_be_made_stops_nothing(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "whole_history", lambda *_, **__: {}["gone"])
    job = new_job(early_stopping={"name": "median"})
    backend.prints(live(job)[0], "score=1\n")
    follower.claim()
    assert values(job) == [1.0] and trial(job).state == "Running"


def test_a_verdict_that_cannot_be_stored_is_none(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F57: its values are, and the trial goes on."""
    stop = earlystop.create("median", {}).judge(9, judging.whole_history(new_job(name="none"), curves=True))
    odd = type(stop)(True, "Stopped.", {"bar": math.inf})
    monkeypatch.setattr(earlystop, "judge_reports", lambda *_, **__: odd)
    job = new_job(early_stopping={"name": "median"}, limits=TWO)
    for token in live(job):
        backend.prints(token, "score=1\n")
    follower.claim()
    follower.claim()
    assert values(job, 1) == values(job, 2) == [1.0]
    assert trial(job).state == "Running"


def test_what_cannot_be_stored_of_a_trial_is_left_out_with_a_word(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its siblings' values of the same look are stored, and so is what it prints next."""
    break_on_odd_values(monkeypatch)
    job, other = new_job(limits=TWO), new_job(name="other")
    (odd, sibling), (bystander,) = live(job), live(other)
    for token, value in ((odd, ODD), (sibling, 1), (bystander, 2)):
        backend.prints(token, f"score={value}\n")
    follower.claim()
    follower.claim()
    backend.prints(odd, "score=3\n")
    follower.look([odd])
    assert (values(job, 1), values(job, 2), values(other)) == ([3.0], [1.0], [2.0])
    (why,) = Decision.objects.filter(kind="metric", trial=trial(job, 1))
    assert "could not be stored" in why.reason
    for token in (odd, sibling):
        backend.ends(token)
    follower.claim()
    assert state(job) == "Completed"


def test_a_trial_of_which_only_odd_values_came_fails(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no objective, and its job does not wait for ever."""
    break_on_odd_values(monkeypatch)
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    (token,) = live(job)
    backend.prints(token, f"score={ODD}\n")
    backend.ends(token)
    follower.claim()
    assert trial(job).state == "Failed" and state(job) == "Failed"


def break_on_odd_values(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = reports.storing, reports.write_lines

    def refused(values: list[float]) -> None:
        if ODD in values:
            raise DataError("invalid value")

    def storing(points, at, **options):  # type: ignore[no-untyped-def]
        refused([point.value for point in points])
        return stored[0](points, at, **options)

    def write_lines(given, follower):  # type: ignore[no-untyped-def]
        refused([point.value for report in given for point in report.points])
        return stored[1](given, follower)

    monkeypatch.setattr(reports, "storing", storing)
    monkeypatch.setattr(follow, "write_lines", write_lines)


def test_an_end_that_no_column_holds_is_an_end_that_nobody_knows(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    """A process may write what its warden would have written."""
    job = new_job(limits={"max_trials": 1, "max_parallel": 1, "max_attempts": 1})
    (token,) = live(job)
    follower.claim()
    backend.plays[token].status = Status(phase=Phase.ENDED, exit_code=2**70, ended_at=1e300)
    follower.claim()
    assert trial(job).state == "Lost" and state(job) == "Failed"


def test_an_attempt_that_cannot_be_read_keeps_nobody(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, other = new_job(), new_job(name="other")
    (odd,), (bystander,) = live(job), live(other)
    read_log = backend.read_log

    def refuses(attempt: str, offset: int, limit: int) -> bytes:
        if attempt == odd:
            raise PermissionError(attempt)
        return read_log(attempt, offset, limit)

    monkeypatch.setattr(backend, "read_log", refuses)
    for token in (odd, bystander):
        backend.prints(token, "score=1\n")
        backend.ends(token)
    follower.claim()
    assert trial(other).state == "Completed" and trial(job).state == "Starting"
    monkeypatch.undo()


def test_one_jobs_deadlock_keeps_nobody_and_loses_nothing(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, other = new_job(), new_job(name="other")
    (odd,), (bystander,) = live(job), live(other)
    stored = Follower._stored

    def deadlock(self: Follower, news: list[follow.News], *, only_lines: bool) -> bool:
        if news[0].followed.attempt.token == odd:
            raise OperationalError("deadlock detected")
        return stored(self, news, only_lines=only_lines)

    for token in (odd, bystander):
        backend.prints(token, "score=1\n")
    with monkeypatch.context() as patched:
        patched.setattr(Follower, "_stored", deadlock)
        with pytest.raises(OperationalError):
            follower.claim()
    assert values(other) == [1.0] and values(job) == []
    follower.claim()
    assert values(job) == [1.0]


def test_the_follower_goes_on_whatever_is_raised(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, stopped, raised = new_job(), threading.Event(), []

    def wait(attempts: object, timeout: float) -> set[str]:
        if raised:
            stopped.set()
        else:
            raised.append(True)
            raise RuntimeError("odd")
        return set()

    monkeypatch.setattr(backend, "wait", wait)
    backend.prints(live(job)[0], "score=1\n")
    follower.run(stopped, threading.Event())
    assert stopped.is_set() and values(job) == [1.0]
