"""A new job's first trials go on where trials of another one stood: resume_child_runs (F29)."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

import pytest

from hpt_web.accounts.errors import Conflict, Invalid
from hpt_web.jobs import tasks
from hpt_web.jobs.doors import actions, changes, reruns
from hpt_web.jobs.doors.cleanup import clean_up
from hpt_web.jobs.models import Attempt, Decision, TuningJob
from hpt_web.jobs.queries import points_of
from hpt_web.jobs.running import dispatch, launching
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.running.sweep import sweep
from tests.web.jobs.elsewhere import New
from tests.web.jobs.lab import Team, live, trial
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_changes import fails, finishes, reports, writes_a_checkpoint

NewJob = Callable[..., TuningJob]
ONE = {"max_trials": 1, "max_parallel": 1}


def test_a_new_job_continues_trials_of_another_one(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    (token,) = live(job)
    reports(backend, follower, token, 0.1, 0.2)
    writes_a_checkpoint(backend, token)
    finishes(backend, follower, token, 0.3)
    child = new_job(name="child", resume_child_runs=["FIRST/1"], static={"n": 4}, seed=8)
    first = trial(child)
    assert first.hyperparameters == trial(job).hyperparameters and first.objective == 0.3
    (going,) = live(child)
    play = backend.plays[going].spec
    assert "--resume-from" in play.command and (play.checkpoints / "model").read_text() == "weights"
    assert play.environment["HPT_SEED"] == "7", "the seed of the trial that it continues"
    finishes(backend, follower, going, 0.4)
    assert list(points_of(first).values_list("step", "value")) == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4)]
    assert trial(child).objective == 0.4 and trial(job).objective == 0.3
    decision = Decision.objects.filter(trial=first).earliest("id")
    assert decision.reason == "Continues trial 1 of first from its checkpoint, as the job asks."
    assert live(child) and trial(child, 2).origin is None, "the search goes on after it"


@pytest.fixture
def left(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> TuningJob:
    """A job whose only trial has left a checkpoint and reported 0.1, 0.2 and 0.3."""
    job = new_job(limits=ONE)
    (token,) = live(job)
    reports(backend, follower, token, 0.1, 0.2)
    writes_a_checkpoint(backend, token)
    finishes(backend, follower, token, 0.3)
    return job


def heir(new_job: NewJob) -> TuningJob:
    return new_job(name="child", limits=ONE, resume_child_runs=["first/1"])


def has_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(launching, "_appear", full)


@pytest.mark.parametrize("document", [{}, {"from": "checkpoint"}])
def test_a_trial_whose_first_start_failed_goes_on_where_the_other_stood(
    left: TuningJob,
    new_job: NewJob,
    team: Team,
    backend: ScriptedBackend,
    follower: Follower,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    document: dict[str, Any],
) -> None:
    """F29 holds for the trial, not only for its first attempt."""
    with monkeypatch.context() as full:
        has_no_room(full)
        child = heir(new_job)
        assert trial(child).state == "Failed" and "No space left on device" in trial(child).reason
    settings.HPT_TRIAL_SLOTS = 0
    reruns.retry_trial(actor=team.alice, project="lab", name="child", number=1, document=document)
    said = clean_up(actor=team.alice, project="lab", document={"what": ["jobs"], "prefix": "first"})
    assert [(item.name, item.reason) for item in said.kept] == [
        ("first", "another job is about to continue one of its trials")
    ]
    settings.HPT_TRIAL_SLOTS = 1
    tasks.nudge(child.pk)
    assert Decision.objects.get(trial=trial(child), kind="retry").reason.startswith("Runs again from its checkpoint")
    (token,) = live(child)
    play = backend.plays[token].spec
    assert "--resume-from" in play.command and (play.checkpoints / "model").read_text() == "weights"
    assert (trial(child).objective, trial(child).best_objective) == (0.3, 0.3)
    finishes(backend, follower, token, 0.2)
    assert list(points_of(trial(child)).values_list("step", "value")) == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.2)]
    assert (trial(child).objective, trial(child).best_objective) == (0.2, 0.3)


@pytest.mark.parametrize("started", [True, False])
def test_from_scratch_it_continues_nobody_any_more(
    left: TuningJob,
    new_job: NewJob,
    team: Team,
    backend: ScriptedBackend,
    follower: Follower,
    settings: Any,
    started: bool,
) -> None:
    if not started:
        settings.HPT_TRIAL_SLOTS = 0
    child = heir(new_job)
    if started:
        fails(backend, follower, *live(child))
    else:
        actions.stop_trial(actor=team.alice, project="lab", name="child", number=1)
        settings.HPT_TRIAL_SLOTS = 1
    reruns.retry_trial(actor=team.alice, project="lab", name="child", number=1, document={"from": "scratch"})
    (token,) = live(child)
    play = backend.plays[token].spec
    assert "--resume-from" not in play.command and not (play.checkpoints / "model").exists()
    assert trial(child).objective is None and not points_of(trial(child)).exists()
    fails(backend, follower, token)
    with pytest.raises(Conflict, match="has no checkpoint"):
        reruns.retry_trial(actor=team.alice, project="lab", name="child", number=1, document={"from": "checkpoint"})


def test_it_never_begins_anew_unasked_where_the_other_one_has_lost_its_checkpoint(
    left: TuningJob,
    new_job: NewJob,
    team: Team,
    backend: ScriptedBackend,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = dispatch.launch

    def just_before(attempt: Attempt) -> None:
        folder = launching.checkpoint_folder(trial(left))
        if folder.is_dir():
            folder.rename(folder.with_name("gone"))
        real(attempt)

    monkeypatch.setattr(dispatch, "launch", just_before)
    child = heir(new_job)
    assert (trial(child).state, live(child)) == ("Failed", [])
    assert trial(child).reason == (
        "It could not be started: the checkpoint from which it was to go on is gone; run it again from scratch"
    )
    reruns.retry_trial(actor=team.alice, project="lab", name="child", number=1, document={})
    (token,) = live(child)
    assert "--resume-from" not in backend.plays[token].spec.command
    assert "from the beginning" in Decision.objects.get(trial=trial(child), kind="retry").reason


@pytest.mark.parametrize("by", ["hand", "clean-up"])
def test_nor_where_that_was_lost_while_it_waited(
    left: TuningJob,
    new_job: NewJob,
    team: Team,
    backend: ScriptedBackend,
    settings: Any,
    by: str,
) -> None:
    """Its job was stopped before it had begun, the other one deleted, and then it is resumed."""
    settings.HPT_TRIAL_SLOTS = 0
    child = heir(new_job)
    who: dict[str, Any] = {"actor": team.alice, "project": "lab"}
    if by == "hand":
        folder = launching.checkpoint_folder(trial(left))
        folder.rename(folder.with_name("gone"))
    else:
        actions.stop_job(name="child", **who)
        assert clean_up(document={"what": ["jobs"], "prefix": "first"}, **who).kept == []
        changes.resume_job(name="child", document={}, **who)
    settings.HPT_TRIAL_SLOTS = 1
    tasks.nudge(child.pk)
    assert (trial(child).state, live(child)) == ("Failed", [])
    assert trial(child).reason == (
        "It could not be started: the checkpoint from which it was to go on is gone; run it again from scratch"
    )
    reruns.retry_trial(name="child", number=1, document={}, **who)
    (token,) = live(child)
    assert "--resume-from" not in backend.plays[token].spec.command
    assert trial(child).objective is None and not points_of(trial(child)).exists()


def test_one_that_runs_elsewhere_and_was_not_heard_of_begins_there_again(
    elsewhere: New, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    first = elsewhere(limits=ONE)
    first.ask()
    first.report(1, 0.1, 0.2)
    first.tell(1, value=0.3)
    second = elsewhere(name="child", limits={**ONE, "max_attempts": 2}, resume_child_runs=["first/1"])
    for attempt in (1, 2):
        (handed,) = second.ask().trials
        assert (handed.attempt, handed.resume, trial(second.job).objective) == (attempt, True, 0.3)
        second.report(1, 0.4, attempt=attempt)
        assert list(points_of(trial(second.job)).values_list("value", flat=True)) == [0.1, 0.2, 0.3, 0.4]
        second.is_silent()
        sweep(backend, follower.nudge)


@pytest.mark.parametrize(
    ("changes_", "field", "says"),
    [
        ({"resume_child_runs": ["first/9"]}, "resume_child_runs[0]", "no tuning job"),
        ({"resume_child_runs": ["first/1"]}, "resume_child_runs[0]", "which is Starting"),
        ({"resume_child_runs": ["first"]}, "resume_child_runs[0]", "'my-job/3'"),
        ({"resume_child_runs": "first/1"}, "resume_child_runs", "list"),
        ({"resume_child_runs": ["first/1", "First/1"]}, "resume_child_runs[1]", "again"),
    ],
)
def test_what_cannot_be_continued(new_job: NewJob, changes_: dict[str, Any], field: str, says: str) -> None:
    new_job()
    with pytest.raises(Invalid) as refused:
        new_job(name="child", **changes_)
    (fault,) = [fault for fault in refused.value.faults if fault.field == field]
    assert says in fault.message


def test_a_trial_without_a_checkpoint_or_of_another_space_is_not_continued(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    (token,) = live(job)
    finishes(backend, follower, token)
    with pytest.raises(Invalid, match="left no checkpoint"):
        new_job(name="child", resume_child_runs=["first/1"])
    writes_a_checkpoint(backend, token)
    with pytest.raises(Invalid, match="no point of the search space"):
        new_job(
            name="child",
            resume_child_runs=["first/1"],
            space=[{"name": "x", "type": "float", "min": 0.99999, "max": 1}],
        )
