"""trial_seconds bound a trial, whatever the number of its attempts: pausing it again and again gives no more time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hpt_web.jobs.doors import actions, changes, reruns
from hpt_web.jobs.models import Attempt, TuningJob, UsageSample
from hpt_web.jobs.running import launching
from hpt_web.jobs.running.follow import Follower
from tests.web.jobs.lab import Team, live, state, trial
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_changes import fails, finishes, obeys

NewJob = Callable[..., TuningJob]
FIRST: dict[str, Any] = {"project": "lab", "name": "first"}


def ran(token: str, seconds: float) -> None:
    """As if the attempt, which is over, had run for so long."""
    Attempt.objects.filter(token=token).update(started_at=F("ended_at") - timedelta(seconds=seconds))


def time_of(backend: ScriptedBackend, token: str) -> float:
    most = backend.plays[token].spec.limits.wall_seconds
    assert most is not None
    return most


@pytest.fixture
def job(new_job: NewJob, follower: Follower) -> TuningJob:
    return new_job(limits={"max_trials": 2, "max_parallel": 1, "trial_seconds": 10})


@pytest.fixture
def paused(job: TuningJob, team: Team, backend: ScriptedBackend, follower: Follower) -> Callable[[float], None]:
    """Pause the job after its trial has run for so long, and have it go on."""

    def act(seconds: float) -> None:
        (token,) = live(job)
        follower.claim()
        changes.pause_job(actor=team.bob, document={"mode": "now"}, **FIRST)
        obeys(backend, follower, token)
        ran(token, seconds)
        changes.unpause_job(actor=team.bob, **FIRST)

    return act


def test_a_trial_that_is_paused_again_and_again_has_no_more_time_than_one_that_is_not(
    job: TuningJob, paused: Callable[[float], None], backend: ScriptedBackend, follower: Follower
) -> None:
    assert time_of(backend, *live(job)) == 10
    for seconds, left in ((4, 6), (3, 3), (2.5, 0.5), (0.47, 0.1)):
        paused(seconds)
        assert time_of(backend, *live(job)) == pytest.approx(left)
    paused(0.2)
    first, (second,) = trial(job), live(job)
    assert (first.state, first.reason) == ("Stopped", "Ran longer than trial_seconds = 10.")
    assert first.attempt == 5, "no attempt without time"
    assert Attempt.objects.get(token=second).trial.number == 2 and time_of(backend, second) == 10
    finishes(backend, follower, second)
    assert state(job) == "Completed"


def test_who_has_no_time_left_in_a_job_of_which_nothing_else_is_to_run_ends_it(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 1, "max_parallel": 1, "trial_seconds": 5})
    (token,) = live(job)
    follower.claim()
    changes.pause_job(actor=team.bob, document={"mode": "now"}, **FIRST)
    obeys(backend, follower, token)
    ran(token, 6)
    changes.unpause_job(actor=team.bob, **FIRST)
    assert (state(job), trial(job).state) == ("Completed", "Stopped")


def test_stopping_and_resuming_its_job_gives_no_time_back_but_a_retry_does(
    job: TuningJob, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    (token,) = live(job)
    follower.claim()
    actions.stop_job(actor=team.bob, **FIRST)
    obeys(backend, follower, token)
    ran(token, 4)
    changes.resume_job(actor=team.bob, document={}, **FIRST)
    (token,) = live(job)
    assert time_of(backend, token) == pytest.approx(6)
    fails(backend, follower, token)
    ran(token, 5)
    reruns.retry_trial(actor=team.bob, number=1, document={}, **FIRST)
    (token, _) = [*live(job), ""][:2]
    finishes(backend, follower, token)
    retried = Attempt.objects.get(trial=trial(job), number=3)
    assert time_of(backend, retried.token) == 10


@pytest.mark.parametrize(("seen", "left"), [(None, 10), (4, 6)])
def test_a_lost_attempt_counts_until_it_was_last_seen(
    job: TuningJob, backend: ScriptedBackend, follower: Follower, seen: int | None, left: float
) -> None:
    """It is found out when the host is back, hours later."""
    (token,) = live(job)
    follower.claim()
    attempt = Attempt.objects.get(token=token)
    began = timezone.now() - timedelta(hours=9)
    Attempt.objects.filter(pk=attempt.pk).update(started_at=began)
    if seen is not None:
        at = began + timedelta(seconds=seen)
        UsageSample.objects.create(attempt=attempt, n=0, at=at, cpus=1, memory_bytes=1)
    backend.vanishes(token)
    follower.claim()
    (again,) = live(job)
    assert Attempt.objects.get(token=again).number == 2 and time_of(backend, again) == pytest.approx(left)


def test_what_the_service_itself_has_ended_does_not_count(
    job: TuningJob, paused: Callable[[float], None], backend: ScriptedBackend
) -> None:
    paused(4)
    Attempt.objects.filter(trial__job=job, number=1).update(outcome="suspended")
    assert launching.launch_spec(Attempt.objects.get(token=live(job)[0])).limits.wall_seconds == 10


def test_a_first_attempt_asks_nothing_for_it(job: TuningJob, follower: Follower) -> None:
    attempt = Attempt.objects.select_related("trial__job").get(token=live(job)[0])
    launching.launch_spec(attempt)
    with CaptureQueriesContext(connection) as queries:
        launching.launch_spec(attempt)
    assert not [query for query in queries if "usagesample" in query["sql"]]
