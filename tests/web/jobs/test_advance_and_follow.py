"""The way of a trial: written, launched, followed, settled; and what happens when somebody dies on the way."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from hpt_web.jobs.doors import actions
from hpt_web.jobs.models import Attempt, Decision, Event, MetricPoint, Trial, TuningJob
from hpt_web.jobs.queries import cursor_of, curves_of, job_row
from hpt_web.jobs.running import dispatch, follow
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.running.sweep import suspend, sweep
from tests.web.jobs.lab import Team, live, state, trial
from tests.web.jobs.scripted import ScriptedBackend
from tuning.backends.warden.log import LIMIT_REACHED

NewJob = Callable[..., TuningJob]


def points(job: TuningJob) -> list[tuple[int, str, int, float]]:
    rows = MetricPoint.objects.filter(attempt__trial__job=job).order_by("attempt__trial__number", "metric", "step")
    return [
        (row.attempt.trial.number, row.metric, row.step, row.value) for row in rows.select_related("attempt__trial")
    ]


def feed_is_gap_free(job: TuningJob) -> bool:
    numbers = list(Event.objects.filter(job=job).order_by("seq").values_list("seq", flat=True))
    return numbers == list(range(1, len(numbers) + 1)) and cursor_of(job) == len(numbers)


def test_a_job_runs_its_budget_and_completes(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> None:
    job = new_job()
    assert state(job) == "Running"
    for number in (1, 2):
        (token,) = live(job)
        backend.prints(token, f"loss=2\nscore=0.{number}\nscore=0.{number}5\n")
        backend.ends(token)
        follower.claim()
    assert state(job) == "Completed"
    assert job.reason == "All 2 trials have ended."
    assert [t.state for t in job.trials.order_by("number")] == ["Completed", "Completed"]
    assert points(job) == [
        (1, "loss", 1, 2.0), (1, "score", 1, 0.1), (1, "score", 2, 0.15),
        (2, "loss", 1, 2.0), (2, "score", 1, 0.2), (2, "score", 2, 0.25),
    ]  # fmt: skip
    assert job_row(job)["best"] == {"trial": 2, "objective": 0.25}
    assert trial(job).objective == 0.15  # the last value (F63)
    assert feed_is_gap_free(job)
    assert Decision.objects.filter(job=job, kind="suggest").count() == 2


def test_advancing_twice_starts_nothing_twice(new_job: NewJob, backend: ScriptedBackend) -> None:
    job = new_job()
    before = list(Event.objects.filter(job=job).values_list("seq", flat=True))
    for _ in range(3):
        dispatch.advance(job.pk)
    assert len(live(job)) == 1 and len(backend.plays) == 1
    assert list(Event.objects.filter(job=job).values_list("seq", flat=True)) == before  # and says nothing new


def test_lines_are_counted_once_whoever_reads_them(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job()
    (token,) = live(job)
    follower.claim()
    backend.prints(token, "score=0.1\nsco")
    follower.look([token])
    second = Follower("second", backend, follower.nudge)
    backend.prints(token, "re=0.2\n")
    # Given the first one's lease ran out, and the second took over and read on.
    Attempt.objects.update(lease_until="2000-01-01T00:00:00Z")
    second.claim()
    # When the first one wakes up and reads the same lines from where it stood,
    follower.look([token])
    # Then its write is refused, and nothing is there twice.
    assert points(job) == [(1, "score", 1, 0.1), (1, "score", 2, 0.2)]
    assert token not in follower.followed
    assert feed_is_gap_free(job)


def test_a_flood_keeps_nobody_waiting(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "READ_BYTES", 64)
    job = new_job(limits={"max_trials": 2, "max_parallel": 2})
    loud, quiet = live(job)
    follower.claim()
    backend.prints(loud, "score=0.1\n" + 30 * "nothing to see here\n" + "score=0.2\n")
    backend.ends(loud)
    backend.prints(quiet, "score=0.5\n")
    backend.ends(quiet)
    follower.look([loud, quiet])
    assert [t.state for t in job.trials.order_by("number")] == ["Running", "Completed"]
    stopped = threading.Event()
    monkeypatch.setattr(backend, "wait", lambda attempts, timeout: (timeout and stopped.set()) or set())
    follower.run(stopped, threading.Event())  # until it has nothing to read any more, and would sleep
    assert points(job)[:2] == [(1, "score", 1, 0.1), (1, "score", 2, 0.2)]
    assert state(job) == "Completed"


def test_an_attempt_that_vanishes_is_retried_and_then_lost(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 1, "max_parallel": 1, "max_attempts": 2})
    (first,) = live(job)
    follower.claim()
    backend.prints(first, "score=0.5\n")
    follower.look([first])
    backend.vanishes(first)
    follower.look([first])
    (second,) = live(job)
    assert second != first and trial(job).attempt == 2
    assert trial(job).objective is None  # it begins anew, without a checkpoint
    assert curves_of(job, "score") == {}  # what the lost attempt said is kept, but is no part of the curve
    assert MetricPoint.objects.count() == 1
    backend.vanishes(second)
    follower.claim()
    assert trial(job).state == "Lost"
    assert "all 2 attempts are used" in trial(job).reason
    assert state(job) == "Failed"
    assert backend.plays[second].spec.hyperparameters == backend.plays[first].spec.hyperparameters


def test_a_lost_trial_is_no_failure_of_the_script(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    """Demand 4: only FAILED counts for max_failures."""
    job = new_job(limits={"max_trials": 2, "max_parallel": 1, "max_failures": 0, "max_attempts": 1})
    (first,) = live(job)
    backend.vanishes(first)
    follower.claim()
    assert trial(job).state == "Lost" and state(job) == "Running"
    backend.ends(live(job)[0], 1)
    follower.claim()
    assert state(job) == "Failed" and job.reason == "1 trials failed, and max_failures is 0."


def test_a_retry_resumes_from_its_checkpoint(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> None:
    """F30: same configuration, same checkpoint folder, --resume-from."""
    job = new_job()
    (first,) = live(job)
    spec = backend.plays[first].spec
    spec.checkpoints.mkdir(parents=True)
    (spec.checkpoints / "model").write_text("half a model")
    backend.prints(first, "score=0.1\nscore=0.2\n")
    follower.claim()
    backend.vanishes(first)
    follower.look([first])
    (second,) = live(job)
    assert backend.plays[second].spec.command[-2:] == ("--resume-from", str(spec.checkpoints))
    backend.prints(second, "score=0.3\n")
    follower.claim()
    assert curves_of(job, "score")[1] == {"steps": [1, 2, 3], "values": [0.1, 0.2, 0.3]}


def test_only_one_live_attempt_of_a_trial(new_job: NewJob) -> None:
    job = new_job()
    attempt = Attempt.objects.get(trial__job=job)
    with pytest.raises(IntegrityError, match="one_live_attempt_per_trial"), transaction.atomic():
        Attempt.objects.create(trial=attempt.trial, number=2, token="other", backend="process")


def test_a_message_that_was_lost_costs_one_sweep(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpt_web.jobs.tasks.nudge", lambda job, **_: None)  # the broker lost its data
    job = new_job()
    assert state(job) == "Pending"
    sweep(backend, follower.nudge)
    assert state(job) == "Running" and len(live(job)) == 1


def test_an_attempt_written_but_not_launched_is_launched_by_the_sweep(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job()
    (token,) = live(job)
    backend.plays.clear()  # as if the worker was killed between its commit and the launch
    sweep(backend, follower.nudge)
    assert token not in backend.plays  # it may be about to
    Attempt.objects.update(created_at="2000-01-01T00:00:00Z")
    sweep(backend, follower.nudge)
    assert token in backend.plays


def test_an_attempt_is_launched_by_the_sweep_on_a_host_whose_clock_is_wrong(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new_job()
    (token,) = live(job)
    backend.plays.clear()
    Attempt.objects.update(created_at=Now() - timedelta(seconds=10))
    slow = timezone.now() - timedelta(seconds=120)
    monkeypatch.setattr(timezone, "now", lambda: slow)
    sweep(backend, follower.nudge)
    assert token in backend.plays


def test_what_runs_without_a_live_row_is_killed(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> None:
    job = new_job()
    (token,) = live(job)
    Attempt.objects.update(ended_at="2026-01-01T00:00:00Z", outcome="lost")
    sweep(backend, follower.nudge)
    assert backend.stopped[token] == 0


def test_what_ends_while_a_sweep_begins_is_not_said_to_run(
    new_job: NewJob,
    backend: ScriptedBackend,
    follower: Follower,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It was listed as running, and settled before the sweep read the rows (F82; I4 of docs/chaos.md)."""
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    (token,) = live(job)
    backend.prints(token, "score=1\n")
    look = backend.list_owned

    def look_and_end() -> list[str]:
        owned = look()
        if token in owned:
            backend.ends(token)
            follower.claim()
        return owned

    monkeypatch.setattr(backend, "list_owned", look_and_end)
    sweep(backend, follower.nudge)
    assert trial(job).state == "Completed"
    assert "runs although it is over" not in caplog.text and token not in backend.stopped


def test_stop_job_stops_its_trials_and_ends(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 9, "max_parallel": 2})
    actions.stop_job(actor=team.bob, project="lab", name="FIRST")
    assert state(job) == "Stopping"
    tokens = live(job)
    assert set(backend.stopped) == set(tokens) and len(tokens) == 2
    backend.prints(tokens[0], "score=0.4\n")
    for token in tokens:
        backend.ends(token, None, signal=15, ended_by="stop")
    follower.claim()
    assert state(job) == "Stopped" and job.reason == "Stopped by bob."
    assert [t.state for t in job.trials.order_by("number")] == ["Stopped", "Stopped"]
    assert trial(job).objective == 0.4
    assert actions.stop_job(actor=team.bob, project="lab", name="first").state == "Stopped"  # again is the same


def test_stop_trial_lets_the_job_go_on(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job()
    (token,) = live(job)
    actions.stop_trial(actor=team.bob, project="lab", name="first", number=1)
    assert trial(job).state == "Stopping"
    backend.ends(token, None, signal=15, ended_by="stop")
    follower.claim()
    assert trial(job).state == "Stopped" and trial(job).reason == "Stopped by bob."
    assert live(job) != [token] and state(job) == "Running"


@pytest.mark.parametrize(
    ("printed", "end", "becomes", "says"),
    [
        ("nothing of use\n", {}, "Failed", "no line of its output matched the regex"),
        ("score=nan\n", {}, "Failed", "its only values were refused"),
        ("score=1e999\n", {}, "Failed", "its only values were refused"),
        ("score=0.5\nTraceback\n", {"exit_code": 1}, "Failed", "It ended with exit code 1."),
        ("score=0.5\n", {"exit_code": None, "signal": 11}, "Failed", "It was killed by signal SIGSEGV."),
        ("score=0.5\n", {"exit_code": None, "signal": 9, "ended_by": "wall_seconds"}, "Stopped", "longer than trial"),
        (
            "score=0.5\n",
            {"exit_code": None, "signal": 9, "ended_by": "memory_bytes"},
            "Failed",
            "It used more memory than a container may that declares no memory_mb",
        ),
        ("score=0.5\n", {"exit_code": None, "signal": 9}, "Failed", "SIGKILL, as the system does when the host runs"),
        (
            "score=0.5\n",
            {"exit_code": None, "signal": 9, "ended_by": "processes"},
            "Failed",
            "more processes than a trial may (HPT_TRIAL_PROCESSES = ",
        ),
        (
            "score=0.5\n[hpt] the channel 'train' cannot\n",
            {"exit_code": None, "signal": 9, "ended_by": "pipes"},
            "Failed",
            "A channel could not be given through its pipe to the end",
        ),
        ("score=0.5", {}, "Completed", ""),  # the last line needs no line end
        ("score=0.5\n", {"log_lost_bytes": 1234}, "Completed", "1,234 bytes could not be written, as on a full disk."),
        ("nothing\n", {"log_lost_bytes": 9}, "Failed", "matched the regex. Some output is missing: 9 bytes"),
        (f"score=0.5\n{LIMIT_REACHED} of 7 bytes", {"log_lost_bytes": 9}, "Completed", "9 bytes came when its log was"),
    ],
)
def test_endings(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, printed: str, end: dict, becomes: str, says: str
) -> None:
    job = new_job()
    (token,) = live(job)
    backend.prints(token, printed)
    backend.ends(token, **end)
    follower.claim()
    first = trial(job)
    assert first.state == becomes
    assert says in first.reason
    if becomes == "Failed":
        assert printed.splitlines()[-1] in first.failure
    assert len(live(job)) == 1  # the job goes on with the next


def test_a_failure_file_says_more_than_the_log(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> None:
    job = new_job()
    (token,) = live(job)
    backend.ends(token, 1, failure="the table has no column y")
    follower.claim()
    assert trial(job).failure == "the table has no column y"


def test_a_job_of_failures_fails(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> None:
    job = new_job(limits={"max_trials": 9, "max_parallel": 1, "max_failures": 1})
    for _ in range(2):
        (token,) = live(job)
        backend.ends(token, 3)
        follower.claim()
    assert state(job) == "Failed" and job.reason == "2 trials failed, and max_failures is 1."


def test_a_policy_stops_a_poor_trial_with_its_numbers(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    """F67: median stopping."""
    job = new_job(
        early_stopping={"name": "median", "options": {"delay_evaluation": 2}},
        limits={"max_trials": 4, "max_parallel": 1},
    )
    for value in ("0.8", "0.9", "0.7"):
        (token,) = live(job)
        backend.prints(token, f"score={value}\n" * 3)
        backend.ends(token)
        follower.claim()
    (token,) = live(job)
    follower.claim()
    backend.prints(token, "score=0.1\n")
    follower.look([token])
    assert token not in backend.stopped  # before delay_evaluation
    backend.prints(token, "score=0.1\n")
    follower.look([token])
    assert token in backend.stopped
    decision = Decision.objects.get(job=job, kind="early_stop")
    assert "worse than 0.75, the median" in decision.reason and trial(job, 4).state == "Stopping"
    backend.ends(token, None, signal=15, ended_by="stop")
    follower.look([token])
    assert trial(job, 4).state == "EarlyStopped" and trial(job, 4).objective == 0.1
    assert state(job) == "Completed"


def test_suspend_and_go_on(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> None:
    job = new_job(limits={"max_trials": 2, "max_parallel": 2, "max_attempts": 1})
    tokens = live(job)
    follower.claim()
    backend.ends(tokens[0], None, signal=15, ended_by="stop")
    backend.prints(tokens[1], "score=0.3\n")
    backend.ends(tokens[1], 0)
    assert suspend(backend, grace=0, patience=5) == 2
    assert [t.state for t in job.trials.order_by("number")] == ["Queued", "Completed"]
    sweep(backend, follower.nudge)
    assert trial(job).state == "Starting" and trial(job).attempt == 2  # though max_attempts is 1: not its fault
    assert state(job) == "Running"


def test_what_has_ended_stays_ended(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> None:
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    (token,) = live(job)
    backend.prints(token, "score=1\n")
    backend.ends(token)
    follower.claim()
    ended = Trial.objects.values_list("state", "ended_at").get(job=job)
    dispatch.advance(job.pk)
    sweep(backend, follower.nudge)
    assert Trial.objects.values_list("state", "ended_at").get(job=job) == ended
    assert state(job) == "Completed" and feed_is_gap_free(job)


def test_two_jobs_share_the_host(new_job: NewJob, backend: ScriptedBackend, follower: Follower, settings) -> None:
    settings.HPT_TRIAL_SLOTS = 2
    greedy = new_job(limits={"max_trials": 9, "max_parallel": 9})
    late = new_job(name="second", limits={"max_trials": 9, "max_parallel": 9})
    assert len(live(greedy)) == 2 and live(late) == []
    late.refresh_from_db()
    assert "this host runs 2 at once: first 2" in late.reason
    token = live(greedy)[0]
    backend.prints(token, "score=1\n")
    backend.ends(token)
    follower.claim()
    assert len(live(greedy)) == 1 and len(live(late)) == 1  # what got free went to who had less
