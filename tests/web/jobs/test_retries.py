"""Trials once more: retried under their number, copied as new ones, and what that means for a job that was over."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from hpt_web.accounts.errors import Conflict, Forbidden, Invalid, NotVisible
from hpt_web.accounts.models import AuditEvent
from hpt_web.jobs.doors import actions, changes, reruns
from hpt_web.jobs.models import Attempt, Decision, Trial, TuningJob
from hpt_web.jobs.queries import points_of
from hpt_web.jobs.running.follow import Follower
from tests.web.jobs.lab import Team, live, state, trial
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_advance_and_follow import feed_is_gap_free
from tests.web.jobs.test_changes import fails, finishes, obeys, reports, writes_a_checkpoint

NewJob = Callable[..., TuningJob]
Again = Callable[..., Trial]
ONE = {"max_trials": 1, "max_parallel": 1}


@pytest.fixture
def again(team: Team) -> Again:
    def act(verb: Callable[..., Trial], number: int = 1, document: Any = None, **more: Any) -> Trial:
        document = {} if document is None else document
        return verb(actor=team.bob, project="lab", name="first", number=number, document=document, **more)

    return act


def test_a_failed_trial_is_retried_from_its_checkpoint_under_its_number(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, again: Again
) -> None:
    job = new_job(limits=ONE)
    (token,) = live(job)
    reports(backend, follower, token, 0.1, 0.2)
    writes_a_checkpoint(backend, token)
    fails(backend, follower, token)
    assert (state(job), trial(job).state) == ("Failed", "Failed")
    again(reruns.retry_trial)
    assert state(job) == "Running" and job.ended_at is None
    (token,) = live(job)
    assert "--resume-from" in backend.plays[token].spec.command
    finishes(backend, follower, token, 0.3)
    assert (state(job), job.reason) == ("Completed", "The job's only trial has ended.")
    done = trial(job)
    assert (done.state, done.objective, done.failure, done.attempt) == ("Completed", 0.3, "", 2)
    assert list(points_of(done).values_list("step", "value")) == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert Decision.objects.get(job=job, kind="retry").reason == "Runs again from its checkpoint, as bob asked."
    assert AuditEvent.objects.get(action="trial.retry").data == {"from": "checkpoint"}
    ran = [(run.ended_at - run.started_at).total_seconds() for run in done.attempts.all() if run.ended_at]
    assert len(ran) == 2 and done.ran_seconds == pytest.approx(sum(ran), abs=2e-3), "not the time between them"
    Trial.objects.update(ran_seconds=0)
    with connection.cursor() as cursor:  # what the migration makes of trials that there were
        cursor.execute(import_module("hpt_web.jobs.migrations.0013_seconds_run").FROM_ATTEMPTS)
    assert trial(job).ran_seconds == pytest.approx(sum(ran), abs=2e-3)
    assert feed_is_gap_free(job)


def test_all_that_failed_are_retried_at_once(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    retry: dict[str, Any] = {"project": "lab", "name": "first", "document": {}}
    job = new_job(limits={"max_trials": 3, "max_parallel": 3})
    tokens = live(job)
    writes_a_checkpoint(backend, tokens[0])
    with pytest.raises(Conflict, match="No trial of 'first' failed or was lost"):
        reruns.retry_failed(actor=team.bob, **retry)
    fails(backend, follower, tokens[0])
    fails(backend, follower, tokens[1])
    finishes(backend, follower, tokens[2], 0.5)
    assert state(job) == "Completed"
    with pytest.raises(Forbidden):
        reruns.retry_failed(actor=team.vera, **retry)
    with pytest.raises(NotVisible):
        reruns.retry_failed(actor=team.charlie, **retry)
    with pytest.raises(Conflict, match="Trial 2 of 'first' has no checkpoint"):
        reruns.retry_failed(actor=team.bob, **retry | {"document": {"from": "checkpoint"}})
    assert (state(job), live(job)) == ("Completed", []), "all of them or none"
    reruns.retry_failed(actor=team.bob, **retry)
    first, second = live(job)
    assert ["--resume-from" in backend.plays[token].spec.command for token in (first, second)] == [True, False]
    for token in (first, second):
        finishes(backend, follower, token, 0.3)
    assert (state(job), job.max_trials, job.trials.count()) == ("Completed", 3, 3)
    assert AuditEvent.objects.get(action="job.retry").data == {"trials": [1, 2], "from": ""}
    assert feed_is_gap_free(job)


def test_in_a_paused_job_it_says_that_it_waits_for_the_job(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower, again: Again
) -> None:
    job = new_job(limits={"max_trials": 2, "max_parallel": 2})
    fails(backend, follower, live(job)[0])
    changes.pause_job(actor=team.bob, project="lab", name="first", document={})
    retried, copy = again(reruns.retry_trial), again(reruns.copy_trial)
    for waiting in (retried, copy):
        assert waiting.reason.endswith(
            "as bob asked. The job was paused then: it waits until that is unpaused, and for a place."
        )
    changes.unpause_job(actor=team.bob, project="lab", name="first")
    assert len(live(job)) == 2 and trial(job).reason == "", "it has started"


def test_from_scratch_forgets_the_checkpoint_and_what_was_reported(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, again: Again
) -> None:
    job = new_job(limits=ONE)
    (token,) = live(job)
    old = backend.plays[token].spec.checkpoints
    reports(backend, follower, token, 0.9)
    writes_a_checkpoint(backend, token)
    fails(backend, follower, token)
    again(reruns.retry_trial, document={"from": "scratch"})
    (token,) = live(job)
    spec = backend.plays[token].spec
    assert "--resume-from" not in spec.command and spec.checkpoints != old
    assert trial(job).objective is None
    finishes(backend, follower, token, 0.3)
    assert list(points_of(trial(job)).values_list("step", "value")) == [(1, 0.3)]
    assert trial(job).best_objective == 0.3


def test_a_trial_without_a_checkpoint_begins_anew_unless_one_is_asked_for(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, again: Again
) -> None:
    job = new_job(limits=ONE)
    fails(backend, follower, *live(job))
    with pytest.raises(Conflict, match="has no checkpoint; run it again from scratch"):
        again(reruns.retry_trial, document={"from": "checkpoint"})
    assert state(job) == "Failed"
    again(reruns.retry_trial)
    assert trial(job).reason == "" and len(live(job)) == 1


def test_only_what_did_not_complete_is_retried(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, again: Again
) -> None:
    job = new_job()
    with pytest.raises(Conflict, match="is Starting: it is not over yet"):
        again(reruns.retry_trial)
    finishes(backend, follower, *live(job))
    with pytest.raises(Conflict, match="its result stands"):
        again(reruns.retry_trial)
    with pytest.raises(Invalid, match="checkpoint, scratch"):
        again(reruns.retry_trial, document={"from": "memory"})


def test_attempts_that_were_lost_before_a_retry_do_not_count(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, again: Again
) -> None:
    job = new_job(limits={**ONE, "max_attempts": 2})
    for _ in range(2):
        backend.vanishes(*live(job))
        follower.claim()
    assert (trial(job).state, state(job)) == ("Lost", "Failed")
    again(reruns.retry_trial)
    backend.vanishes(*live(job))
    follower.claim()
    assert len(live(job)) == 1, "it has as many attempts as at first"
    finishes(backend, follower, *live(job))
    assert state(job) == "Completed"


def test_a_job_that_was_over_runs_nothing_but_what_was_asked_for_and_is_what_it_was(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower, again: Again
) -> None:
    job = new_job(limits={"max_trials": 5, "max_parallel": 2})
    fails(backend, follower, live(job)[0])
    actions.stop_job(actor=team.alice, project="lab", name="first")
    for token in live(job):
        obeys(backend, follower, token)
    assert (state(job), job.trials.count()) == ("Stopped", 3)
    again(reruns.retry_trial, 1)
    again(reruns.retry_trial, 2)
    assert state(job) == "Running" and len(live(job)) == 2
    for token in live(job):
        finishes(backend, follower, token)
    assert (state(job), job.reason, job.trials.count()) == ("Stopped", "Stopped by alice.", 3)
    assert job.reopened is None


def test_rules_that_ended_a_job_do_not_stop_the_retry(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, again: Again
) -> None:
    job = new_job(limits={"max_trials": 5, "max_parallel": 2}, completion={"target": 0.8})
    first, second = live(job)
    fails(backend, follower, first)
    finishes(backend, follower, second, 0.9)
    for token in live(job):
        obeys(backend, follower, token)
    assert state(job) == "Completed"
    count = job.trials.count()
    again(reruns.retry_trial, 1)
    assert len(live(job)) == 1
    finishes(backend, follower, *live(job), 0.1)
    assert state(job) == "Completed" and "0.8" in job.reason and job.trials.count() == count


def test_a_failed_job_whose_failures_were_mended_is_not_failed_any_more(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, again: Again
) -> None:
    job = new_job(limits={"max_trials": 3, "max_parallel": 1, "max_failures": 0})
    fails(backend, follower, *live(job))
    again(reruns.retry_trial)
    finishes(backend, follower, *live(job))
    assert state(job) == "Stopped" and job.reason.endswith("trials ran again since; resume it.")


# --- copies -----------------------------------------------------------------------------------------------------------


def test_a_rerun_is_a_new_trial_with_the_same_point_and_seed_beside_the_budget(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, again: Again
) -> None:
    job = new_job(limits={"max_trials": 2, "max_parallel": 1})
    (token,) = live(job)
    finishes(backend, follower, token)
    copy = again(reruns.copy_trial)
    assert (copy.number, copy.hyperparameters) == (3, trial(job).hyperparameters)
    job.refresh_from_db()
    assert job.max_trials == 3 and job.spec["limits"]["max_trials"] == 3
    while live(job):
        finishes(backend, follower, *live(job))
    assert (state(job), job.trials.count()) == ("Completed", 3)
    copied = Attempt.objects.get(trial=copy).token
    assert backend.plays[copied].spec.environment["HPT_SEED"] == backend.plays[token].spec.environment["HPT_SEED"]
    assert backend.plays[copied].spec.hyperparameters == backend.plays[token].spec.hyperparameters
    reason = Decision.objects.filter(trial=copy, kind="suggest").get().reason
    assert reason == "The point and the seed of trial 1 once more, as bob asked."


@pytest.mark.parametrize("rule", ["max_finished", "max_completed"])
@pytest.mark.parametrize("changed", [False, True])
def test_a_copy_takes_nothing_of_what_the_rules_give_the_search(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, again: Again, rule: str, changed: bool
) -> None:
    job = new_job(limits={"max_trials": 9, "max_parallel": 1}, completion={rule: 3})
    finishes(backend, follower, *live(job))
    document = {"hyperparameters": {"x": 0.25}} if changed else {}
    again(reruns.copy_trial, document=document, changed=changed)
    while live(job):
        finishes(backend, follower, *live(job))
    assert (state(job), job.trials.count()) == ("Completed", 4)
    numbers = Decision.objects.get(job=job, kind="limit").numbers
    assert (numbers["count"], numbers["limit"]) == (3, 3)
    again(reruns.copy_trial, number=2)
    finishes(backend, follower, *live(job))
    assert (state(job), job.trials.count()) == ("Completed", 5)


@pytest.mark.parametrize("rules", [{"max_not_improving": 3}, {"converged": 3}])
@pytest.mark.parametrize("profile", [None, "sagemaker"])
def test_nor_does_a_copy_end_a_search_as_a_trial_that_brought_nothing(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, again: Again, rules: Any, profile: str | None
) -> None:
    """F80: it is the search's trials that fail to improve."""
    job = new_job(limits={"max_trials": 9, "max_parallel": 1}, completion=rules, profile=profile)
    finishes(backend, follower, *live(job), 0.5)
    for _ in range(4):
        again(reruns.copy_trial)  # next in line
    for _ in range(5):
        finishes(backend, follower, *live(job), 0.5)
    assert (state(job), trial(job, 6).state) == ("Running", "Completed")
    for _ in range(2):
        assert state(job) == "Running"
        finishes(backend, follower, *live(job), 0.5)
    assert (state(job), job.trials.count()) == ("Completed", 8)
    assert Decision.objects.get(job=job, kind="limit").numbers["rule"] in ("no_improvement", "convergence")


def test_a_copy_may_be_the_best_one_and_what_a_search_has_to_beat(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, again: Again
) -> None:
    job = new_job(limits={"max_trials": 9, "max_parallel": 1}, completion={"max_not_improving": 3})
    finishes(backend, follower, *live(job), 0.5)
    finishes(backend, follower, *live(job), 0.4)
    again(reruns.copy_trial, document={"hyperparameters": {"x": 0.25}}, changed=True)
    finishes(backend, follower, *live(job), 0.4)
    finishes(backend, follower, *live(job), 0.9)
    for _ in range(3):
        assert state(job) == "Running"
        finishes(backend, follower, *live(job), 0.8)
    assert state(job) == "Completed"
    assert job.reason == "No improvement in 3 trials: the best is still trial 4 with 0.9."


def test_a_rerun_in_a_job_that_is_over_takes_it_back_and_over_again(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, again: Again
) -> None:
    job = new_job(limits=ONE)
    finishes(backend, follower, *live(job))
    copy = again(reruns.copy_trial)
    assert state(job) == "Running" and trial(job, 2).pk == copy.pk
    finishes(backend, follower, *live(job), 0.7)
    assert (state(job), job.trials.count()) == ("Completed", 2)


def test_a_clone_changes_some_values_and_each_must_fit(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, again: Again
) -> None:
    job = new_job(limits=ONE)
    finishes(backend, follower, *live(job))
    with pytest.raises(Invalid, match="no point of the search space"):
        again(reruns.copy_trial, document={"hyperparameters": {"x": 7, "y": 1}}, changed=True)
    assert job.trials.count() == 1 and state(job) == "Completed"
    copy = again(reruns.copy_trial, document={"hyperparameters": {"x": 1}}, changed=True)
    assert repr(copy.hyperparameters) == "{'x': 1.0}"  # as the search would have suggested it
    assert Decision.objects.get(trial=copy, kind="suggest").reason == "Trial 1 with x = 1, as bob asked."
    assert copy.reason == "Trial 1 with x = 1, as bob asked.", "while it waits"
    assert backend.plays[live(job)[0]].spec.hyperparameters["x"] == "1.0"


def test_only_editors_run_trials_again(new_job: NewJob, team: Team) -> None:
    new_job()
    for verb in (reruns.retry_trial, reruns.copy_trial):
        with pytest.raises(Forbidden):
            verb(actor=team.vera, project="lab", name="first", number=1, document={})
        with pytest.raises(NotVisible):
            verb(actor=team.charlie, project="lab", name="first", number=1, document={})
