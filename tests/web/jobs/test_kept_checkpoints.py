"""Checkpoints that something may go on from stay, whatever the rule `keep` says, and no longer than that (F29, F30;
demand 24)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from hpt_web.accounts.models import Project
from hpt_web.jobs import tasks
from hpt_web.jobs.doors import actions, changes, cleanup, reruns
from hpt_web.jobs.models import Attempt, TuningJob
from hpt_web.jobs.outputs import retention
from hpt_web.jobs.running import dispatch, launching
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.sharing.stored import bytes_of_trials
from tests.web.jobs.lab import Team, live, state, trial
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_changes import fails, finishes, obeys, reports, writes_a_checkpoint
from tests.web.jobs.test_retention import furnish, run
from tests.web.jobs.test_scheduling import PausesAll, scheduler  # noqa: F401  a fixture

NewJob = Callable[..., TuningJob]
CHECKPOINT = len("weights")
THE_BEST = {"best": 1, "last": 0}


@pytest.fixture
def bob(team: Team) -> dict[str, Any]:
    """An editor, and the job `first`, to which he does something."""
    return {"actor": team.bob, "project": "lab", "name": "first"}


def kept(job: TuningJob) -> list[int]:
    """The numbers of the trials of which a checkpoint is on disk."""
    return [one.number for one in job.trials.order_by("number") if launching.has_checkpoint(one)]


def on_disk(job: TuningJob) -> int:
    """The bytes of all checkpoints of a job, whichever folder they lie in."""
    folder = launching.checkpoint_folder(trial(job)).parent
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def look_again(job: TuningJob) -> None:
    """What is done some minutes after something had to stay."""
    assert TuningJob.objects.filter(pk=job.pk, keep_due_at__gt=timezone.now()).update(keep_due_at=timezone.now())
    retention.clear()


# --- of trials that were interrupted ----------------------------------------------------------------------------------


def four_that_were_stopped(new_job: NewJob, backend: ScriptedBackend, follower: Follower, bob: Any) -> TuningJob:
    """The job and trials 1 to 4, which were stopped together and left a checkpoint each; the fourth is the best."""
    job = new_job(limits={"max_trials": 4, "max_parallel": 4}, keep=THE_BEST)
    tokens = live(job)
    for number, token in enumerate(tokens, 1):
        furnish(token)
        reports(backend, follower, token, number / 10)
    actions.stop_job(**bob)
    for token in tokens:
        obeys(backend, follower, token)
        retention.clear()
    assert state(job) == "Stopped"
    return job


def test_what_was_stopped_with_its_job_goes_on_from_its_checkpoints(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, bob: Any
) -> None:
    job = four_that_were_stopped(new_job, backend, follower, bob)
    retention.clear()
    assert kept(job) == [1, 2, 3, 4]
    assert retention.stored([job.pk])[job.pk].checkpoints == 4 * CHECKPOINT, "it counts as stored"
    models = [(launching.backend().folder(one.token) / "model").exists() for one in Attempt.objects.order_by("pk")]
    assert models == [False, False, False, True], "outputs, which nothing goes on from, go by the rule"
    changes.resume_job(**bob, document={})
    again = Attempt.objects.filter(ended_at=None)
    assert [(one.trial.number, one.resumed) for one in again.order_by("trial__number")] == [
        (number, True) for number in (1, 2, 3, 4)
    ]
    for number, token in enumerate(live(job), 1):
        furnish(token)
        finishes(backend, follower, token, number / 10)
    assert state(job) == "Completed"
    retention.clear()
    assert kept(job) == [4] and retention.stored([job.pk])[job.pk].checkpoints == CHECKPOINT
    assert trial(job, 1).discarded_at is not None


def test_a_job_that_is_completed_keeps_nothing_to_go_on_from(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    """The last of its trials is looked at before it is over; nothing else ends that would have its rule applied."""
    job = new_job(limits={"max_trials": 9, "max_parallel": 3}, keep=THE_BEST, completion={"max_finished": 1})
    first, *others = live(job)
    for token in others:
        writes_a_checkpoint(backend, token)
    finishes(backend, follower, first, 0.9)
    assert state(job) == "Stopping"
    for token in others:
        backend.ends(token, ended_by="stop")
    follower.nudge = lambda _: None  # the worker comes late
    follower.claim()
    retention.clear()
    assert kept(job) == [2, 3], "it may end as Stopped yet"
    dispatch.advance(job.pk)
    assert state(job) == "Completed"
    retention.clear()
    assert kept(job) == [] and bytes_of_trials() == 0
    assert trial(job, 3).discarded_at is not None
    job.refresh_from_db()
    assert job.keep_due_at is None, "it is looked at no more"


def test_a_stopped_job_that_is_deleted_leaves_nothing(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, team: Team, bob: Any
) -> None:
    job = four_that_were_stopped(new_job, backend, follower, bob)
    parent = launching.checkpoint_folder(trial(job)).parent
    document = {"what": ["jobs"], "prefix": "first", "exact": True}
    cleanup.clean_up(actor=team.alice, project="lab", document=document)
    assert not parent.exists() and bytes_of_trials() == 0
    retention.clear()


Way = Callable[[ScriptedBackend, Follower, TuningJob, Any], None]


def _runs(backend: ScriptedBackend, follower: Follower, job: TuningJob, bob: Any) -> None:
    """Nothing happens to the trial before its job is stopped."""


def _stopped(backend: ScriptedBackend, follower: Follower, job: TuningJob, bob: Any) -> None:
    (token,) = live(job)
    actions.stop_trial(**bob, number=2)
    obeys(backend, follower, token)


def _held(backend: ScriptedBackend, follower: Follower, job: TuningJob, bob: Any) -> None:
    changes.pause_job(**bob, document={"mode": "now"})
    obeys(backend, follower, live(job)[0])


def _stopped_while_held(backend: ScriptedBackend, follower: Follower, job: TuningJob, bob: Any) -> None:
    _held(backend, follower, job, bob)
    actions.stop_trial(**bob, number=2)


def _out_of_time(backend: ScriptedBackend, follower: Follower, job: TuningJob, bob: Any) -> None:
    backend.ends(live(job)[0], None, ended_by="wall_seconds")
    follower.claim()


def _preempted(backend: ScriptedBackend, follower: Follower, job: TuningJob, bob: Any) -> None:
    changes.pause_job(**bob, document={})  # it does not go on at once
    with transaction.atomic():
        dispatch.preempt(Attempt.objects.get(trial__job=job, ended_at=None), "Somebody else comes first.")
    obeys(backend, follower, live(job)[0])


def _lost(backend: ScriptedBackend, follower: Follower, job: TuningJob, bob: Any) -> None:
    changes.pause_job(**bob, document={})
    backend.vanishes(live(job)[0])
    follower.claim()


def _retried(backend: ScriptedBackend, follower: Follower, job: TuningJob, bob: Any) -> None:
    changes.pause_job(**bob, document={})
    _stopped(backend, follower, job, bob)
    reruns.retry_trial(**bob, number=2, document={"from": "checkpoint"})


def _retried_and_stopped(backend: ScriptedBackend, follower: Follower, job: TuningJob, bob: Any) -> None:
    _retried(backend, follower, job, bob)
    actions.stop_trial(**bob, number=2)


@pytest.mark.parametrize(
    ("way", "goes_on"),
    [
        (_runs, True), (_held, True), (_preempted, True), (_lost, True), (_retried, True),
        (_stopped, False), (_stopped_while_held, False), (_retried_and_stopped, False), (_out_of_time, False),
    ],
)  # fmt: skip
def test_exactly_what_goes_on_with_its_job_is_kept(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, bob: Any, way: Way, goes_on: bool
) -> None:
    job = new_job(limits={"max_trials": 4, "max_parallel": 1}, keep=THE_BEST)
    run(backend, follower, job, 0.9)
    (token,) = live(job)
    reports(backend, follower, token, 0.1)
    writes_a_checkpoint(backend, token)
    way(backend, follower, job, bob)
    actions.stop_job(**bob)
    for token in live(job):
        obeys(backend, follower, token)
    assert (state(job), trial(job, 2).state) == ("Stopped", "Stopped")
    retention.clear()
    assert (2 in kept(job)) == goes_on
    changes.resume_job(**bob, document={})
    assert (trial(job, 2).state != "Stopped") == goes_on
    if goes_on:
        assert Attempt.objects.get(trial=trial(job, 2), ended_at=None).resumed


def test_what_waited_for_its_scheduler_is_kept_while_it_may_be_promoted(
    new_job: NewJob,
    backend: ScriptedBackend,
    follower: Follower,
    bob: Any,
    scheduler: PausesAll,  # noqa: F811
) -> None:
    job = new_job(limits={"max_trials": 3, "max_parallel": 1}, keep=THE_BEST)
    run(backend, follower, job, 0.9)
    (token,) = live(job)
    reports(backend, follower, token, 0.1)
    obeys(backend, follower, token)
    retention.clear()
    assert (trial(job, 2).state, kept(job)) == ("Paused", [1, 2])
    actions.stop_job(**bob)
    obeys(backend, follower, live(job)[0], checkpoint=False)
    retention.clear()
    assert (state(job), trial(job, 2).state, kept(job)) == ("Stopped", "Stopped", [1, 2])
    changes.resume_job(**bob, document={})
    assert trial(job, 2).state == "Paused"
    finishes(backend, follower, live(job)[0], 0.2)
    assert (state(job), trial(job, 2).state) == ("Completed", "EarlyStopped"), "nobody is promoted"
    retention.clear()
    assert kept(job) == [1]


# --- what was removed, and is there again -----------------------------------------------------------------------------


def test_the_rule_applies_again_to_what_was_removed_and_ran_again(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, bob: Any
) -> None:
    job = new_job(limits={"max_trials": 9, "max_parallel": 1}, keep=THE_BEST)
    run(backend, follower, job, 0.9)
    (token,) = live(job)
    furnish(token)
    writes_a_checkpoint(backend, token)
    fails(backend, follower, token)
    retention.clear()
    assert trial(job, 2).discarded_at is not None
    actions.stop_job(**bob)
    obeys(backend, follower, live(job)[0], checkpoint=False)
    assert state(job) == "Stopped"
    changes.resume_job(**bob, document={"failed": True})
    assert trial(job, 2).discarded_at is None
    again = run(backend, follower, job, 0.1)
    retention.clear()
    assert not (again / "model").exists() and kept(job) == [1]
    assert trial(job, 2).discarded_at is not None


# --- what came before a trial began anew ------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [None, {"best": 1, "last": 1}])
def test_what_came_before_a_trial_began_anew_is_counted_and_removed(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, bob: Any, keep: dict[str, int] | None
) -> None:
    job = new_job(limits={"max_trials": 1, "max_parallel": 1}, keep=keep)
    for again in range(3):
        (token,) = live(job)
        folder = backend.plays[token].spec.checkpoints
        folder.mkdir(parents=True)
        (folder / "weights").write_bytes(b"w" * 1000)
        counted = bytes_of_trials(project=Project.objects.get(slug="lab"))
        assert counted == (1000 if again else 0), "what was there when it was to begin anew counts until it is removed"
        fails(backend, follower, token, line="")
        retention.clear()
        assert [path.name for path in folder.parent.iterdir()] == [folder.name]
        assert retention.stored([job.pk])[job.pk].checkpoints == on_disk(job) == 1000
        if again < 2:
            reruns.retry_trial(**bob, number=1, document={"from": "scratch"})


def test_what_is_to_begin_anew_and_never_does_leaves_nothing(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, bob: Any
) -> None:
    job = new_job(limits={"max_trials": 2, "max_parallel": 1})
    (token,) = live(job)
    writes_a_checkpoint(backend, token)
    fails(backend, follower, token)
    retention.clear()
    changes.pause_job(**bob, document={"mode": "now"})
    reruns.retry_trial(**bob, number=1, document={"from": "scratch"})
    actions.stop_trial(**bob, number=1)
    retention.clear()
    assert retention.stored([job.pk])[job.pk].checkpoints == on_disk(job) == CHECKPOINT
    actions.stop_job(**bob)
    for token in live(job):
        obeys(backend, follower, token, checkpoint=False)
    retention.clear()
    assert retention.stored([job.pk])[job.pk].checkpoints == on_disk(job) == 0


# --- what another job's trial goes on from ----------------------------------------------------------------------------


@pytest.fixture
def origin(new_job: NewJob, backend: ScriptedBackend, follower: Follower, monkeypatch: pytest.MonkeyPatch) -> TuningJob:
    """A job that is over, whose rule does not keep the checkpoint of trial 1, for which trial 1 of `child` waits."""
    job = new_job(limits={"max_trials": 2, "max_parallel": 1}, keep=THE_BEST)
    run(backend, follower, job, 0.1)
    with monkeypatch.context() as patched:
        patched.setattr(tasks, "nudge", lambda *_, **__: None)  # no worker has taken it up yet
        patched.setattr(follower, "nudge", dispatch.advance)
        new_job(name="child", resume_child_runs=["first/1"], limits={"max_trials": 1, "max_parallel": 1})
        run(backend, follower, job, 0.9)
    retention.clear()
    assert state(job) == "Completed" and kept(job) == [1, 2]
    return job


def child() -> TuningJob:
    return TuningJob.objects.get(name="child")


def test_what_another_trial_waits_for_stays_until_that_has_its_copy(
    origin: TuningJob, backend: ScriptedBackend, follower: Follower
) -> None:
    look_again(origin)
    assert kept(origin) == [1, 2]
    model = launching.backend().folder(Attempt.objects.get(trial=trial(origin)).token) / "model"
    assert not model.exists(), "nothing goes on from that"
    dispatch.advance(child().pk)
    assert kept(child()) == [1]
    look_again(origin)
    assert kept(origin) == [2] and trial(origin).discarded_at is not None
    finishes(backend, follower, live(child())[0])
    retention.clear()
    assert kept(child()) == [1]
    origin.refresh_from_db()
    assert origin.keep_due_at is None, "it is looked at no more"


def test_what_could_not_be_copied_stays_for_a_retry(
    origin: TuningJob, follower: Follower, bob: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full when the trial that goes on from it was started."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(launching, "_appear", full)
        dispatch.advance(child().pk)
    assert trial(child()).state == "Failed"
    retention.clear()
    look_again(origin)
    assert kept(origin) == [1, 2]
    reruns.retry_trial(**{**bob, "name": "child"}, number=1, document={})
    assert kept(child()) == [1], "it begins with its copy"
    look_again(origin)
    assert kept(origin) == [2]


def test_what_another_trial_waits_for_goes_with_the_job_of_that(
    origin: TuningJob, follower: Follower, team: Team, bob: Any
) -> None:
    actions.stop_job(**{**bob, "name": "child"})
    retention.clear()
    assert state(child()) == "Stopped"
    look_again(origin)
    assert kept(origin) == [1, 2], "the child may be resumed"
    document = {"what": ["jobs"], "prefix": "child", "exact": True}
    cleanup.clean_up(actor=team.alice, project="lab", document=document)
    look_again(origin)
    assert kept(origin) == [2]
    assert retention.stored([origin.pk])[origin.pk].checkpoints == on_disk(origin)
