"""Jobs that are over and run again, in part or as a whole: what changes and limits mean for them (F29, F30)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from hpt_web.accounts.errors import Conflict, Invalid
from hpt_web.accounts.models import Project, Quota, User
from hpt_web.jobs.doors import actions, changes, reruns
from hpt_web.jobs.models import Attempt, Decision, TuningJob
from hpt_web.jobs.running.follow import Follower
from tests.web.jobs.lab import Team, live, state, trial
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_changes import finishes, obeys

NewJob = Callable[..., TuningJob]


def change(team: Team, job: TuningJob, *, by: User | None = None, **document: object) -> None:
    changes.change_job(actor=by or team.alice, project="lab", name=job.name, document=document)


def rerun(team: Team, job: TuningJob) -> None:
    reruns.copy_trial(actor=team.alice, project="lab", name=job.name, number=1, document={})


@pytest.fixture
def stopped(new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower) -> TuningJob:
    job = new_job(limits={"max_trials": 20, "max_parallel": 2})
    actions.stop_job(actor=team.alice, project="lab", name=job.name)
    for token in live(job):
        backend.ends(token, ended_by="stop")
    follower.claim()
    assert state(job) == "Stopped"
    return job


def test_other_ways_to_run_what_was_asked_for_do_not_end_it(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    """What a person has run again goes on when the parallelism changes, although the search has reached its target."""
    job = new_job(limits={"max_trials": 9, "max_parallel": 1}, completion={"target": 0.4})
    follower.claim()
    finishes(backend, follower, live(job)[0])
    assert state(job) == "Completed"
    rerun(team, job)
    change(team, job, limits={"max_parallel": 3})
    (token,) = live(job)
    assert token not in backend.stopped and state(job) == "Running"
    with pytest.raises(Conflict, match="over again at once"):
        change(team, job, limits={"max_trials": 15})
    finishes(backend, follower, token)
    assert state(job) == "Completed" and job.trials.count() == 2


def test_a_stopped_job_that_runs_a_trial_again_is_no_search_again(
    stopped: TuningJob, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    reruns.retry_trial(actor=team.alice, project="lab", name=stopped.name, number=1, document={})
    change(team, stopped, limits={"max_parallel": 1, "max_trials": 30})
    (token,) = live(stopped)
    finishes(backend, follower, token)
    assert state(stopped) == "Stopped" and stopped.trials.count() == 2


def test_a_job_that_runs_again_is_one_more_for_the_limits(stopped: TuningJob, new_job: NewJob, team: Team) -> None:
    new_job(name="other")
    Quota.objects.create(user=team.alice, resource=Quota.Resource.QUEUED_JOBS, limit=1)
    asked = {"actor": team.alice, "project": "lab", "name": stopped.name, "document": {}}
    for call in (changes.resume_job, lambda **asked: reruns.retry_trial(**asked, number=1)):
        with pytest.raises(Invalid, match="1 job is not over yet, and the quota of alice allows 1"):
            call(**asked)
    assert state(stopped) == "Stopped"


def test_changes_are_held_against_the_limits_of_whoever_made_the_job(new_job: NewJob, team: Team) -> None:
    """Its trials count as theirs, whoever asks for more of them."""
    job = new_job()
    Quota.objects.create(user=team.alice, resource=Quota.Resource.TRIALS_PER_JOB, limit=5)
    with pytest.raises(Invalid, match="the quota of alice allows 5 trials per job"):
        change(team, job, by=team.bob, limits={"max_trials": 50})
    Quota.objects.filter(user=team.alice).update(user=team.bob, project=None)
    change(team, job, by=team.bob, limits={"max_trials": 50})
    assert Project.objects.get(slug="lab").jobs.get(name=job.name).max_trials == 50


@pytest.mark.parametrize("where", ["waiting for a place", "ending with its job", "retried since"])
def test_what_a_person_has_stopped_for_itself_does_not_go_on_with_its_job(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower, where: str
) -> None:
    """F30, wherever the trial was when it was stopped; and what was run again since does."""
    job = new_job(limits={"max_trials": 9, "max_parallel": 2})
    at: dict[str, Any] = {"actor": team.alice, "project": "lab", "name": "first"}
    if where == "waiting for a place":
        changes.pause_job(**at, document={"mode": "now"})
        for token in live(job):
            obeys(backend, follower, token)
        actions.stop_trial(**at, number=1)
        actions.stop_job(**at)
    elif where == "ending with its job":
        actions.stop_job(**at)
        actions.stop_trial(**at, number=1)
    else:
        first = live(job)[0]
        actions.stop_trial(**at, number=1)
        changes.pause_job(**at, document={"mode": "drain"})
        obeys(backend, follower, first)
        reruns.retry_trial(**at, number=1, document={})
        assert trial(job).state == "Queued", "it waits for the job"
        actions.stop_job(**at)
    for token in live(job):
        obeys(backend, follower, token)
    assert (state(job), trial(job).state, trial(job, 2).state) == ("Stopped", "Stopped", "Stopped")
    changes.resume_job(**at, document={})
    assert trial(job).state == ("Starting" if where == "retried since" else "Stopped")
    assert trial(job, 2).state == "Starting"
    told = Decision.objects.filter(job=job, trial=None, kind="resume").latest("id")
    assert told.numbers == {"trials": 2 if where == "retried since" else 1}


def test_what_is_out_of_time_does_not_go_on_with_its_job_either(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 9, "max_parallel": 1, "trial_seconds": 60})
    at: dict[str, Any] = {"actor": team.alice, "project": "lab", "name": "first"}
    changes.pause_job(**at, document={"mode": "now"})
    obeys(backend, follower, *live(job))
    Attempt.objects.update(started_at=F("ended_at") - timedelta(seconds=61))
    actions.stop_job(**at)
    changes.resume_job(**at, document={})
    assert trial(job).state == "Stopped" and Decision.objects.filter(trial=trial(job), kind="retry").count() == 0
