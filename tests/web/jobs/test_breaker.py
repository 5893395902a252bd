"""Equal failures in a row pause the job, with the log's end in the reason (demand 8)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from hpt_web.jobs.doors import actions, changes, reruns
from hpt_web.jobs.models import Decision, Trial, TuningJob
from hpt_web.jobs.queries import counts_by_state
from hpt_web.jobs.running import dispatch
from hpt_web.jobs.running.breaker import normalised, tripped
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.sharing.queueing import queue_for
from tests.web.jobs.lab import Team, live, state
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_changes import fails, finishes

NewJob = Callable[..., TuningJob]


def limits(**more: Any) -> dict[str, Any]:
    return {"max_trials": 20, "max_parallel": 1, **more}


def test_five_equal_failures_pause_the_job_and_unpausing_goes_on(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits=limits())
    for number in range(5):
        assert state(job) == "Running"
        fails(backend, follower, *live(job), f"step {number}\nOut of memory at 0x7f{number}a")
    assert state(job) == "Paused" and live(job) == [] and job.trials.count() == 5
    assert job.reason == (
        "Paused by the service. The last 5 trials failed equally; trial 5 says: It ended with exit code 1. "
        "Its last line: Out of memory at 0x7f4a"
    )
    decision = Decision.objects.get(job=job, kind="failures")
    assert decision.trial is not None and decision.trial.number == 5
    assert decision.numbers["count"] == 5 and decision.numbers["exit_code"] == 1
    assert str(decision.numbers["log_tail"]).endswith("step 4\nOut of memory at 0x7f4a")
    changes.unpause_job(actor=team.alice, project="lab", name="first")
    for _ in range(4):
        fails(backend, follower, *live(job), "Out of memory at 0x1")
    assert state(job) == "Running", "what failed before is not counted again"
    fails(backend, follower, *live(job), "Out of memory at 0x1")
    assert state(job) == "Paused" and job.trials.count() == 10


@pytest.mark.parametrize(
    "ends",
    [
        [("a", 1), ("b", 1), ("a", 1), ("b", 1)],  # other lines
        [("a", 1), ("a", 2), ("a", 1), ("a", 2)],  # other exit codes
        [("a", 1), None, ("a", 1), None, ("a", 1)],  # successes between
    ],
)
def test_failures_that_differ_do_not(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, ends: list[tuple[str, int] | None]
) -> None:
    job = new_job(limits=limits(max_equal_failures=2))
    for end in ends:
        if end is None:
            finishes(backend, follower, *live(job))
        else:
            fails(backend, follower, *live(job), *end)
    assert state(job) == "Running"


def test_it_is_the_jobs_to_say_how_many_or_never(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> None:
    job = new_job(limits=limits(max_equal_failures=1))
    backend.ends(*live(job))  # a trial that ends without its objective
    follower.claim()
    assert state(job) == "Paused" and "It ended without a value of its objective 'score'" in job.reason
    other = new_job(name="other", limits=limits(max_equal_failures=None))
    for _ in range(7):
        fails(backend, follower, *live(other))
    assert state(other) == "Running"


def test_what_runs_beside_them_goes_on(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> None:
    job = new_job(limits=limits(max_parallel=3, max_equal_failures=2))
    first, second, third = live(job)
    fails(backend, follower, first)
    fails(backend, follower, second)
    assert state(job) == "Paused" and third in live(job)
    assert not backend.stopped


def test_the_first_trial_is_checked_before_the_rest_start(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(check_first=True, limits=limits(max_parallel=3, max_equal_failures=None))
    (first,) = live(job)
    job.refresh_from_db()
    assert job.reason == "The first trial is checked before the rest start: none has reported the objective yet."
    backend.ends(first)
    follower.claim()
    assert state(job) == "Paused" and job.trials.count() == 1
    assert "It ended without a value of its objective 'score'" in job.reason
    changes.unpause_job(actor=team.alice, project="lab", name="first")
    (second,) = live(job)
    backend.prints(second, "score=0.5\n")
    follower.claim()
    follower.look([second])
    dispatch.advance(job.pk)
    assert len(live(job)) == 3, "it has reported, and still runs"
    fails(backend, follower, live(job)[1])
    assert state(job) == "Running" and job.reason == ""
    (queued,) = queue_for(team.alice).jobs
    assert (queued.running, queued.missing, queued.spot, queued.giving_way) == (3, 0, False, 0)


def test_failed_trials_without_an_attempt_say_nothing_of_the_others(new_job: NewJob) -> None:
    job = new_job(limits=limits(max_equal_failures=2, max_parallel=1))
    now = timezone.now()
    Trial.objects.bulk_create(
        Trial(job=job, number=number, state="Failed", hyperparameters={}, ended_at=now) for number in (8, 9)
    )
    assert tripped(job, counts_by_state([job.pk])[job.pk]) is None


def test_lines_that_differ_by_chance_are_the_same() -> None:
    assert normalised("CUDA: tried 2.00 GiB at 0x7ffe  (pid 4711)") == "CUDA: tried # GiB at # (pid #"
    assert normalised("KeyError: 'lr'") != normalised("KeyError: 'depth'")


@pytest.fixture
def tripped_job(new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower) -> TuningJob:
    """Equal failures have paused it, twice, and alice has stopped it."""
    job = new_job(limits=limits(max_equal_failures=2))
    for _ in range(2):
        fails(backend, follower, *live(job))
    changes.unpause_job(actor=team.alice, project="lab", name="first")
    for _ in range(2):
        fails(backend, follower, *live(job))
    assert state(job) == "Paused"
    actions.stop_job(actor=team.alice, project="lab", name="first")
    assert state(job) == "Stopped" and job.trials.count() == 4
    return job


FIRST: dict[str, Any] = {"project": "lab", "name": "first"}
AGAIN: dict[str, Callable[..., object]] = {
    "retry": partial(reruns.retry_trial, number=2, document={}, **FIRST),
    "retry-failed": partial(reruns.retry_failed, document={}, **FIRST),
    "rerun": partial(reruns.copy_trial, number=1, document={}, **FIRST),
    "clone": partial(reruns.copy_trial, number=1, document={"hyperparameters": {"x": 0.5}}, changed=True, **FIRST),
}


@pytest.mark.parametrize("door", AGAIN)
def test_what_failed_before_a_job_that_was_over_runs_trials_again_does_not_pause_it(
    tripped_job: TuningJob, team: Team, backend: ScriptedBackend, follower: Follower, door: str
) -> None:
    AGAIN[door](actor=team.bob)
    (first, *_) = live(tripped_job)
    assert state(tripped_job) == "Running"
    finishes(backend, follower, first)
    while live(tripped_job):
        finishes(backend, follower, *live(tripped_job))
    assert state(tripped_job) == "Stopped" and tripped_job.reason == "Stopped by alice."
    resumed = tripped_job.decisions.filter(kind="resume").order_by("id").last()
    assert resumed is not None and resumed.reason.startswith("Runs ") and resumed.reason.endswith(", as bob asked.")


def test_nor_does_it_pause_a_job_that_had_failed(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits=limits(max_trials=4, max_parallel=4, max_equal_failures=3))
    for token in live(job):
        fails(backend, follower, token)
    assert state(job) == "Failed"
    reruns.retry_trial(actor=team.bob, number=1, document={}, **FIRST)
    assert state(job) == "Running" and len(live(job)) == 1
    fails(backend, follower, *live(job))
    assert state(job) == "Failed"
    reruns.retry_failed(actor=team.bob, document={}, **FIRST)
    for token in live(job):
        fails(backend, follower, token)
    assert (state(job), live(job)) == ("Failed", []), "of nothing more to run, nothing is paused"
