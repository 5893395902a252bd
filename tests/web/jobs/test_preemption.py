"""Spot trials give their place to others and go on later; that is no failure (F77; demand 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hpt_web.accounts.errors import Conflict, Forbidden, NotVisible
from hpt_web.accounts.models import User
from hpt_web.jobs.doors import reruns
from hpt_web.jobs.models import Attempt, Decision, TuningJob
from hpt_web.jobs.queries import points_of
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.running.sweep import sweep
from tests.web.jobs.lab import Team, live, state, trial
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_changes import finishes, obeys, reports

NewJob = Callable[..., TuningJob]
SPOT = {"spot": True, "limits": {"max_trials": 1, "max_parallel": 1, "max_attempts": 1}}


@pytest.fixture
def root(team: Team) -> User:
    return User.objects.create(username="root", is_superuser=True)


def preempt(actor: User, **document: Any) -> None:
    reruns.preempt_trial(actor=actor, project="lab", name="first", number=1, document=document)


def test_a_preempted_trial_goes_on_from_its_checkpoint_and_no_attempt_is_used_up(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, root: User, settings: Any
) -> None:
    settings.HPT_PREEMPT_GRACE_SECONDS = 90
    job = new_job(**SPOT)
    for value in (0.1, 0.2, 0.3):
        (token,) = live(job)
        reports(backend, follower, token, value)
        preempt(root, reason="a guarantee is due")
        assert backend.stopped[token] == 90 and trial(job).state == "Stopping"
        sweep(backend, follower.nudge)
        assert backend.stopped[token] == 90, "the sweep leaves it its time"
        obeys(backend, follower, token)
    (token,) = live(job)
    assert "--resume-from" in backend.plays[token].spec.command
    finishes(backend, follower, token, 0.4)
    assert (state(job), trial(job).state, trial(job).attempt) == ("Completed", "Completed", 4)
    assert list(points_of(trial(job)).values_list("step", flat=True)) == [1, 2, 3, 4]
    outcomes = Attempt.objects.filter(trial__job=job).order_by("number").values_list("outcome", flat=True)
    assert list(outcomes) == ["preempted", "preempted", "preempted", "exited"]
    decision = Decision.objects.filter(job=job, kind="preempt").first()
    assert decision is not None and decision.reason == "Pre-empted by root: a guarantee is due."


def test_one_that_vanishes_or_finishes_meanwhile(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, root: User
) -> None:
    job = new_job(**SPOT)
    preempt(root)
    backend.vanishes(*live(job))
    follower.claim()
    (token,) = live(job)
    assert Attempt.objects.get(trial__job=job, number=1).outcome == "preempted", "killed at the end of its time"
    preempt(root)
    finishes(backend, follower, token)
    assert (state(job), trial(job).state) == ("Completed", "Completed"), "it came to its own end first"


def test_who_may_and_what_cannot_be_preempted(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower, root: User
) -> None:
    job = new_job(**SPOT)
    for person, refusal in ((team.charlie, NotVisible), (team.vera, Forbidden), (team.alice, Forbidden)):
        with pytest.raises(refusal):
            preempt(person)
    preempt(root)
    with pytest.raises(Conflict, match="has no place to give back"):
        preempt(root)
    obeys(backend, follower, *live(job))
    finishes(backend, follower, *live(job))
    with pytest.raises(Conflict, match="is Completed"):
        preempt(root)
    TuningJob.objects.update(spec={**job.spec, "spot": False})
    with pytest.raises(Conflict, match="is no spot job"):
        preempt(root)
