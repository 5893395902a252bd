"""Jobs that are over and run again, in part or as a whole: what changes and limits mean for them (F29, F30)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hpt_web.accounts.errors import Conflict, Invalid
from hpt_web.accounts.models import Project, Quota, User
from hpt_web.jobs.doors import actions, changes, reruns
from hpt_web.jobs.models import TuningJob
from hpt_web.jobs.running.follow import Follower
from tests.web.jobs.lab import Team, live, state
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_changes import finishes

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
