"""Trials once more: retry what failed or was stopped, run a point again, try it changed; pre-empt a spot trial.

A retried trial keeps its number, and its result counts once. A copy is a trial of its own, beside the search's budget.
If the job is over, it runs only what was asked for, and is over again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from django.db import transaction
from django.db.models import Max

from hpt_web.accounts import refusals
from hpt_web.accounts.audit import record
from hpt_web.accounts.errors import Conflict, Forbidden, Invalid
from hpt_web.accounts.models import Role, User
from hpt_web.jobs import tasks
from hpt_web.jobs.documents.amending import (
    amend,
    close,
    locked,
    must_have_no_heirs,
    must_have_room,
    must_not_be_stopping,
)
from hpt_web.jobs.events import Entry, append, decide, job_entry, trial_entry
from hpt_web.jobs.lifecycle import ask_anew, reopen_job, reopen_trial
from hpt_web.jobs.models import Decision, Trial, TuningJob
from hpt_web.jobs.queries import job_for, live_attempts, trial_for
from hpt_web.jobs.running import dispatch, launching
from tuning import specification
from tuning.documents import Document
from tuning.errors import Fault
from tuning.space import Value
from tuning.states import TRIALS_REOPENED, JobState, TrialState

FROM = ("checkpoint", "scratch")


@refusals.counted
def retry_trial(*, actor: User, project: str, name: str, number: int, document: object) -> Trial:
    """Run a trial that failed, was lost or was stopped again, under the same number. Needs the role editor.

    `{"from": "checkpoint"}` goes on from what it left, `"scratch"` begins anew; if left out, from the checkpoint if
    there is one.

    Raises:
        Conflict: it did not end so, left no checkpoint, or its job is being stopped.
    """
    found = trial_for(actor, project, name, number, Role.EDITOR)
    doc = Document(document)
    begin = doc.choice("from", FROM, default="")
    close(doc)
    with transaction.atomic():
        job = _ready(found.job)
        trial = job.trials.select_for_update(no_key=True).get(pk=found.pk)
        trial.job = job
        checkpoint = _may_be_retried(trial, begin)
        entries = _queued_again(actor, trial, checkpoint=checkpoint)
        entries += _go_on(job, f"Runs trial {number} again, as {actor.username} asked.")
        _tell(actor, "trial.retry", trial, entries, {"from": FROM[0] if checkpoint else FROM[1]})
    return trial


@refusals.counted
def retry_failed(*, actor: User, project: str, name: str, document: object) -> TuningJob:
    """Run all trials of a job that failed or were lost again, each as `retry_trial` does. Needs the role editor.

    Raises:
        Conflict: there are none, one of them left no checkpoint but is to go on from it, or the job is being stopped.
    """
    found = job_for(actor, project, name, Role.EDITOR)
    doc = Document(document)
    begin = doc.choice("from", FROM, default="")
    close(doc)
    with transaction.atomic():
        job = _ready(found)
        entries: list[Entry] = []
        numbers = []
        states = [TrialState.FAILED, TrialState.LOST]
        for trial in job.trials.select_for_update(no_key=True).filter(state__in=states).order_by("number"):
            trial.job = job
            entries += _queued_again(actor, trial, checkpoint=_may_be_retried(trial, begin))
            numbers.append(trial.number)
        if not numbers:
            raise Conflict(f"No trial of {job.name!r} failed or was lost; there is nothing to run again.")
        which = "the trial" if len(numbers) == 1 else f"the {len(numbers)} trials"
        entries += _go_on(job, f"Runs {which} that failed again, as {actor.username} asked.")
        data = {"trials": numbers, "from": begin}
        record(actor=actor, action="job.retry", target_kind="job", target=job.name, project=job.project, data=data)
        append(job.pk, [*entries, job_entry(job)])
        transaction.on_commit(partial(tasks.nudge, job.pk))
    return job


def _queued_again(actor: User, trial: Trial, *, checkpoint: bool) -> list[Entry]:
    """Have a trial that is over wait for a place once more; the events that tell it."""
    fields: dict[str, object] = {"retried_after": trial.attempt, "discarded_at": None}
    if not checkpoint:
        trial.attempts.update(superseded=True)
        fields |= {"fresh_after": trial.attempt, "objective": None, "best_objective": None}
        if trial.continues:  # not any more
            fields |= {"continues": False, "origin": None}
    how = "from its checkpoint" if checkpoint else "from the beginning"
    reason = f"Runs again {how}, as {actor.username} asked.{_once_unpaused(trial.job)}"
    reopen_trial(trial, TrialState.QUEUED, reason=reason, **fields)
    return [trial_entry(trial), decide(trial.job, Decision.Kind.RETRY, reason, trial=trial)]


def _ready(found: TuningJob) -> TuningJob:
    """The job, locked, if trials may be added to it now."""
    job = locked(found)
    must_not_be_stopping(job, "try again")
    return job


def _may_be_retried(trial: Trial, begin: str) -> bool:
    """Whether it would go on from a checkpoint; raises Conflict if it cannot be run again as asked."""
    which = f"Trial {trial.number} of {trial.job.name!r}"
    if trial.state not in TRIALS_REOPENED:
        over = TrialState(trial.state).terminal
        remedy = "its result stands. Run a copy of it instead." if over else "it is not over yet."
        raise Conflict(f"{which} is {trial.state}: {remedy}")
    for heir in trial.copies.filter(state__in=dispatch.ABOUT_TO_RUN).select_related("job"):
        if dispatch.begins_at_origin(heir):
            raise Conflict(f"Trial {heir.number} of {heir.job.name!r} is about to go on from its checkpoint; wait.")
    checkpoint = dispatch.goes_on(trial)
    if begin == FROM[0] and not checkpoint:
        gone = " any more: the rule `keep` or a clean-up has removed it" if trial.discarded_at else ""
        raise Conflict(f"{which} has no checkpoint{gone}; run it again from scratch.")
    return checkpoint and begin != FROM[1]


@refusals.counted
def copy_trial(*, actor: User, project: str, name: str, number: int, document: object, changed: bool = False) -> Trial:
    """Run the point of a trial once more, as a new trial with the same seed. Needs the role editor.

    `changed`: `{"hyperparameters": {...}}` says what is different (null leaves one out); with the job's seed. The new
    trial is one more than max_trials, which grows by one, so that the search keeps its budget.

    Raises:
        Invalid: the changed point is none of the space, or one more trial is not allowed.
        Conflict: the job is being stopped.
    """
    found = trial_for(actor, project, name, number, Role.EDITOR)
    doc = Document(document)
    changes = doc.mapping("hyperparameters") if changed else {}
    close(doc)
    with transaction.atomic():
        job = _ready(found.job)
        origin = job.trials.get(pk=found.pk)
        origin.job = job
        point, reason = _changed(origin, changes), _why_copied(actor, origin, changes)
        amend(job, {"limits": {"max_trials": job.max_trials + 1}}).write(job)
        newest: int = job.trials.aggregate(newest=Max("number"))["newest"]
        trial = Trial.objects.create(
            job=job,
            number=newest + 1,
            hyperparameters=point,
            origin=origin,
            seed=None if changes else launching.seed_of(origin),
            reason=reason,
        )
        trial.refresh_from_db(fields=["created_at"])
        told = decide(job, Decision.Kind.SUGGEST, reason, trial=trial, numbers={"trial": number})
        entries = [trial_entry(trial), told]
        entries += _go_on(job, f"Runs trial {trial.number}, as {actor.username} asked.")
        _tell(actor, "trial.clone" if changes else "trial.rerun", trial, entries, {"origin": number, **changes})
    return trial


def _changed(origin: Trial, changes: Mapping[str, object]) -> dict[str, Value]:
    space = specification.stored(origin.job.spec).space
    point = {name: value for name, value in {**origin.hyperparameters, **changes}.items() if value is not None}
    if changes and (problem := space.problem_with(point)):
        raise Invalid([Fault("hyperparameters", f"are no point of the search space: {problem}", "range")])
    return space.canonical(point)


def _why_copied(actor: User, origin: Trial, changes: Mapping[str, object]) -> str:
    once = _once_unpaused(origin.job)
    if not changes:
        return f"The point and the seed of trial {origin.number} once more, as {actor.username} asked.{once}"
    values = ", ".join(f"{name} = {value}" for name, value in changes.items())
    return f"Trial {origin.number} with {values}, as {actor.username} asked.{once}"


def _once_unpaused(job: TuningJob) -> str:
    """What is true of the trial for as long as it waits."""
    paused = job.state == JobState.PAUSED
    return " The job was paused then: it waits until that is unpaused, and for a place." if paused else ""


def _go_on(job: TuningJob, reason: str) -> list[Entry]:
    """Have a job that is over run what was asked for, and nothing else; the events that tell that it goes on. What had
    failed before that does not pause it again (`breaker`)."""
    if job.ended_at is None:
        ask_anew(job)
        return []
    must_have_no_heirs(job)
    must_have_room(job)
    reopen_job(job, reason=reason, reopened={"state": job.state, "reason": job.reason})
    return [decide(job, Decision.Kind.RESUME, reason)]


def _tell(actor: User, action: str, trial: Trial, entries: list[Entry], data: Mapping[str, object]) -> None:
    job = trial.job
    where = f"{job.name}/{trial.number}"
    record(actor=actor, action=action, target_kind="trial", target=where, project=job.project, data=data)
    append(job.pk, [*entries, job_entry(job)])
    transaction.on_commit(partial(tasks.nudge, job.pk))


def preempt_trial(*, actor: User, project: str, name: str, number: int, document: object) -> Trial:
    """Take the place of a running spot trial, which goes on later from its checkpoint. Needs an administrator.

    Raises:
        Forbidden: anybody else.
        Conflict: the job is not a spot job, or the trial does not run.
    """
    trial = trial_for(actor, project, name, number, Role.EDITOR)
    if not actor.is_superuser:
        raise Forbidden("Only an administrator takes the place of a running trial; stop it instead.")
    doc = Document(document)
    why = doc.text("reason", default="", longest=500)
    close(doc)
    if not trial.job.spec.get("spot"):
        raise Conflict(f"Job {trial.job.name!r} is no spot job; its trials are stopped, not pre-empted.")
    with transaction.atomic():
        attempt = live_attempts().select_for_update(of=("self",), no_key=True).filter(trial=trial).first()
        if attempt is None or attempt.stop_requested_at is not None:
            trial = trial_for(actor, project, name, number)
            raise Conflict(f"Trial {number} of {name!r} is {trial.state}; it has no place to give back.")
        entries = dispatch.preempt(attempt, f"Pre-empted by {actor.username}{': ' + why if why else ''}.")
        _tell(actor, "trial.preempt", attempt.trial, entries, {"reason": why})
    return attempt.trial
