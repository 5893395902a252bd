"""Changes to whole jobs while they run or when they are over: pause, go on, resume, extend. Doors as in `actions`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from django.db import transaction

from hpt_web.accounts import refusals
from hpt_web.accounts.audit import record
from hpt_web.accounts.errors import Conflict
from hpt_web.accounts.models import Role, User
from hpt_web.jobs import tasks
from hpt_web.jobs.documents.amending import (
    amend,
    close,
    extends,
    locked,
    must_go_on,
    must_have_ended_parents,
    must_have_no_heirs,
    must_have_room,
    must_not_be_stopping,
)
from hpt_web.jobs.events import Entry, append, decide, job_entry, trial_entry
from hpt_web.jobs.lifecycle import ask_anew, move_job, reopen_job, reopen_trial, stopped_with_its_job
from hpt_web.jobs.models import Attempt, Decision, Trial, TuningJob
from hpt_web.jobs.outputs import retention
from hpt_web.jobs.queries import job_for, live_attempts
from hpt_web.jobs.running import allowance
from hpt_web.jobs.running.dispatch import ACTIVE, stop_attempt
from tuning.documents import Document
from tuning.states import JobState, TrialState

MODES = ("drain", "now")


def pause_job(*, actor: User, project: str, name: str, document: object) -> TuningJob:
    """Start nothing more of a job until it goes on. Needs the role editor.

    `{"mode": "drain"}` (if left out) lets what runs go to its end; `"now"` stops it with time for a checkpoint, from
    which it goes on later. A paused job that drains may be paused "now" as well.

    Raises:
        Conflict: the job is over, or about to be.
    """
    job = job_for(actor, project, name, Role.EDITOR)
    doc = Document(document)
    mode = doc.choice("mode", MODES, default=MODES[0])
    close(doc)
    with transaction.atomic():
        job = locked(job)
        must_not_be_stopping(job, "it cannot be paused, only resumed")
        if job.state not in (*ACTIVE, JobState.PAUSED):
            raise Conflict(f"Job {job.name!r} is {job.state}; there is nothing to pause.")
        reason = f"Paused by {actor.username}."
        running = list(live_attempts().filter(trial__job=job))
        entries: list[Entry] = []
        if mode == "now":
            for attempt in running:
                entries += stop_attempt(attempt, Attempt.StopKind.HOLD, reason)
        if not move_job(job, JobState.PAUSED, reason=reason) and not entries:
            return job  # paused already, and nothing of it is to be stopped
        said = f"{reason[:-1]}{_fate(len(running), mode)}."
        entries.append(decide(job, Decision.Kind.PAUSE, said, numbers={"mode": mode, "running": len(running)}))
        _audit(actor, "job.pause", job, mode=mode)
        append(job.pk, [*entries, job_entry(job)])
        transaction.on_commit(partial(tasks.nudge, job.pk))
    return job


def _fate(running: int, mode: str) -> str:
    if not running:
        return ""
    one = running == 1
    if mode == "drain":
        return f": {_trials(running)} that {'runs goes to its' if one else 'run go to their'} end"
    return f": {_trials(running)} that {'runs is' if one else 'run are'} stopped, to go on with the job"


def unpause_job(*, actor: User, project: str, name: str) -> TuningJob:
    """Let a paused job go on. Needs the role editor.

    Raises:
        Conflict: the job is not paused.
    """
    job = job_for(actor, project, name, Role.EDITOR)
    with transaction.atomic():
        job = locked(job)
        must_not_be_stopping(job, "resume it")
        if not (job.state == JobState.PAUSED and move_job(job, JobState.RUNNING, reason="")):
            raise Conflict(f"Job {job.name!r} is {job.state}, not paused.{_instead(job)}")
        _audit(actor, "job.unpause", job)
        append(job.pk, [decide(job, Decision.Kind.RESUME, f"Goes on, by {actor.username}."), job_entry(job)])
        transaction.on_commit(partial(tasks.nudge, job.pk))
    return job


def _instead(job: TuningJob) -> str:
    return " Resume it." if job.state in (JobState.STOPPED, JobState.FAILED) else ""


@refusals.counted
def resume_job(*, actor: User, project: str, name: str, document: object) -> TuningJob:
    """Have a job that was stopped, or failed, go on with its search (F30). Needs the role editor.

    Trials that ended with it go on from their checkpoints, with the same hyperparameters; those without one begin
    anew. Trials that a person or a policy had stopped for themselves stay as they are. `failed`: those that failed or
    were lost run again, too; of a failed job they do unless it is false.

    Raises:
        Conflict: it is something else than stopped or failed, or would be over again at once.
    """
    job = job_for(actor, project, name, Role.EDITOR)
    doc = Document(document)
    failed = doc.flag("failed") if doc.has("failed") else None
    close(doc)
    with transaction.atomic():
        job = locked(job)
        must_not_be_stopping(job, "resume it")
        if job.state not in (JobState.STOPPED, JobState.FAILED):
            raise Conflict(f"Job {job.name!r} is {job.state}, not stopped.{_why_not_resumed(job)}")
        must_have_no_heirs(job)
        must_have_ended_parents(job)
        must_have_room(job)
        reason = f"Resumed by {actor.username}."
        entries = _resume_trials(job, reason, failed=job.state == JobState.FAILED if failed is None else failed)
        reopen_job(job, reason=reason)
        must_go_on(job)
        trials = sum(entry.kind == "trial" for entry in entries)
        said = f"{reason[:-1]}: {_trials(trials)} run again, and the search goes on."
        entries.append(decide(job, Decision.Kind.RESUME, said, numbers={"trials": trials}))
        _audit(actor, "job.resume", job, trials=trials)
        append(job.pk, [*entries, job_entry(job)])
        transaction.on_commit(partial(tasks.nudge, job.pk))
    return job


def _why_not_resumed(job: TuningJob) -> str:
    if job.state == JobState.PAUSED:
        return " Unpause it."
    return " Extend its limits to have it go on." if job.state == JobState.COMPLETED else ""


def _resume_trials(job: TuningJob, reason: str, *, failed: bool) -> list[Entry]:
    states = [TrialState.STOPPED, *([TrialState.FAILED, TrialState.LOST] if failed else [])]
    entries: list[Entry] = []
    for trial in job.trials.select_for_update(no_key=True).filter(state__in=states).order_by("number"):
        trial.job = job
        stopped = trial.state == TrialState.STOPPED
        if stopped and (allowance.is_over(trial) or not stopped_with_its_job(trial)):
            continue
        to = TrialState.PAUSED if stopped and _awaited_promotion(trial) else TrialState.QUEUED
        # Whoever stopped it with its job only interrupted it: it has what it had left of its time and attempts.
        anew = {} if stopped else {"retried_after": trial.attempt}
        if reopen_trial(trial, to, reason=reason, **anew):
            entries += [trial_entry(trial), decide(job, Decision.Kind.RETRY, reason, trial=trial)]
    return entries


def _awaited_promotion(trial: Trial) -> bool:
    """Whether a trial that was stopped while it waited did so for its scheduler, and not for a place."""
    newest = trial.attempts.filter(number__gt=trial.retried_after).order_by("-number").first()
    if newest is None or newest.outcome != Attempt.Outcome.PAUSED or newest.stop_kind != Attempt.StopKind.PAUSE:
        return False
    told = trial.decisions.filter(kind__in=[Decision.Kind.PAUSE, Decision.Kind.PROMOTE]).order_by("-id").first()
    return told is None or told.kind == Decision.Kind.PAUSE


@refusals.counted
def change_job(*, actor: User, project: str, name: str, document: object) -> TuningJob:
    """Change `limits`, `completion` or `keep` of a job, member by member. Needs the role editor.

    What runs goes on: lower limits stop nothing. A job that was completed or failed goes on if its limits or rules are
    changed; one that was stopped does when it is resumed. One of these that only runs some trials again goes on with
    its search if it was not stopped, and more is asked for: trials, time, failures, or other completion rules.

    Raises:
        Invalid: with every fault of the document.
        Conflict: the job is being stopped, or would be over again at once.
    """
    job = job_for(actor, project, name, Role.EDITOR)
    with transaction.atomic():
        job = locked(job)
        must_not_be_stopping(job, "change it")
        amended = amend(job, document)
        if not amended.changes:
            return job
        amended.write(job)
        ask_anew(job)
        said = f"Changed by {actor.username}: {amended}."
        entries = [decide(job, Decision.Kind.CHANGE, said, numbers=_numbers(amended.changes))]
        if job.state in (JobState.COMPLETED, JobState.FAILED) and amended.changes.keys() != {"keep"}:
            must_have_no_heirs(job)
            must_have_ended_parents(job)
            must_have_room(job)
            reopen_job(job, reason=f"Extended by {actor.username}.")
            must_go_on(job)
            entries.append(decide(job, Decision.Kind.RESUME, f"Goes on, extended by {actor.username}."))
        elif job.reopened and job.reopened["state"] != JobState.STOPPED and extends(amended.changes):
            job.reopened = None  # it only ran some trials again, and is a search again now
            job.save(update_fields=["reopened"])
            must_go_on(job)
        changes = {path: list(pair) for path, pair in amended.changes.items()}
        _audit(actor, "job.change", job, changes=changes)
        append(job.pk, [*entries, job_entry(job)])
        transaction.on_commit(partial(tasks.nudge, job.pk))
        transaction.on_commit(partial(retention.apply, job.pk))
    return job


def _numbers(changes: Mapping[str, tuple[object, object]]) -> dict[str, float | int | str]:
    pairs = {path: new for path, (_, new) in changes.items()}
    return {path: new for path, new in pairs.items() if isinstance(new, (int, float, str))}


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count} trials"


def _audit(actor: User, action: str, job: TuningJob, **data: object) -> None:
    record(actor=actor, action=action, target_kind="job", target=job.name, project=job.project, data=data)
