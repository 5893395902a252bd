"""What is kept of trials that are over: logs always; of checkpoints and outputs what the job's rule says (`keep`), or
its project's if it names none.

An attempt that is over is cleared of its code, inputs and temporary files, which can be made again. Then its trial's
files stay or go by the rule: the best trials, and those that ended last. The best one is never removed.

Whatever the rule says, a checkpoint stays for as long as something may go on from it: the trial itself, if it was only
interrupted by the end of its job and that can be resumed, so until the job is completed or deleted; or a trial of
another job that has not taken its copy yet. What nothing can go on from any more goes, rule or none: the checkpoints
from before a trial began anew. Until it is removed, all of it counts as stored.
"""

from __future__ import annotations

import logging
import os
import stat
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, Sum
from django.utils import timezone

from hpt_web.accounts.models import Project
from hpt_web.jobs.lifecycle import stopped_with_its_job
from hpt_web.jobs.models import EXTERNAL, Attempt, Trial, TuningJob
from hpt_web.jobs.running import allowance, launching
from tuning.backends.folder import remove
from tuning.backends.skeletons import reclaim
from tuning.states import TRIALS_REOPENED, Goal, JobState, TrialState
from tuning.trial_rules import Keep

logger = logging.getLogger(__name__)

OUTPUT = ("model", "output")
AT_ONCE = 200  # attempts, or jobs, looked at by one call, so that a sweep stays short
LOOK_AGAIN = timedelta(minutes=5)  # after which it is seen whether what another job's trial needed can go
_WITH_RESULT = (TrialState.COMPLETED, TrialState.EARLY_STOPPED, TrialState.STOPPED)


@dataclass(frozen=True, slots=True)
class Ended:
    """A trial that is over, as the rule sees it; `order` grows with the time at which it ended."""

    number: int
    state: TrialState
    objective: float | None
    order: float


def expendable(trials: Iterable[Ended], keep: Keep, goal: Goal) -> set[int]:
    """The numbers of the trials whose files may go: neither among the best (the first of equals) nor among the last."""
    trials = list(trials)
    measured = [trial for trial in trials if trial.objective is not None and trial.state in _WITH_RESULT]
    best = sorted(measured, key=lambda trial: (-goal.sign * (trial.objective or 0.0), trial.number))[: keep.best]
    last = sorted(trials, key=lambda trial: (trial.order, trial.number))[-keep.last :] if keep.last else []
    kept = {trial.number for trial in (*best, *last)}
    return {trial.number for trial in trials} - kept


# --- sizes ------------------------------------------------------------------------------------------------------------


def size_of(path: Path) -> int:
    """The bytes in a file or folder, as far as they can be seen; no link is followed."""
    return _size(str(path))


def _size(path: str) -> int:
    try:
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode):
            return found.st_size
        with os.scandir(path) as entries:
            return sum(_size(entry.path) for entry in entries)
    except (OSError, RecursionError):
        return 0


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes that a job's ended trials take: `outputs` are their logs, models and other output."""

    checkpoints: int = 0
    outputs: int = 0

    @property
    def total(self) -> int:
        return self.checkpoints + self.outputs


def stored(jobs: Iterable[int]) -> dict[int, Stored]:
    """For each job id, what it takes; two queries for any number of jobs. A trial counts from its attempt's end on."""
    ids = list(jobs)
    trials = Trial.objects.filter(job__in=ids, checkpoint_bytes__gt=0).values_list("job").order_by()
    checkpoints = dict(trials.annotate(bytes=Sum("checkpoint_bytes")))
    attempts = Attempt.objects.filter(trial__job__in=ids, kept_bytes__gt=0).values_list("trial__job").order_by()
    outputs = dict(attempts.annotate(bytes=Sum("kept_bytes")))
    return {job: Stored(int(checkpoints.get(job, 0)), int(outputs.get(job, 0))) for job in ids}


def stored_by_project() -> dict[int, Stored]:
    """For each project id what all of its jobs take; two queries."""
    trials = Trial.objects.filter(checkpoint_bytes__gt=0).order_by().values_list("job__project")
    checkpoints = dict(trials.annotate(bytes=Sum("checkpoint_bytes")))
    attempts = Attempt.objects.filter(kept_bytes__gt=0).order_by().values_list("trial__job__project")
    outputs = dict(attempts.annotate(bytes=Sum("kept_bytes")))
    return {pk: Stored(int(checkpoints.get(pk, 0)), int(outputs.get(pk, 0))) for pk in {*checkpoints, *outputs}}


# --- clearing ---------------------------------------------------------------------------------------------------------


def clear() -> int:
    """Clear the attempts that have ended since the last call, and apply the rules of their jobs; how many there were.

    Whoever dies in the middle leaves the row as it was, and the next call does it once more.
    """
    ended = Attempt.objects.filter(ended_at__isnull=False, kept_bytes__isnull=True).order_by("pk")
    needed = ("backend", "token", "trial__job_id", "trial__number", "trial__fresh_after")
    found = list(ended.select_related("trial").only(*needed)[:AT_ONCE])
    for attempt in found:
        attempt.kept_bytes = 0 if attempt.backend == EXTERNAL else _clear(attempt.token)
        attempt.trial.checkpoint_bytes = _without_superseded(attempt.trial)
    _note("jobs_trial", "checkpoint_bytes", {attempt.trial_id: attempt.trial.checkpoint_bytes for attempt in found})
    _note("jobs_attempt", "kept_bytes", {attempt.pk: attempt.kept_bytes for attempt in found})
    for job in sorted({attempt.trial.job_id for attempt in found}):
        apply(job)
    for project in Project.objects.filter(keep_due=True).order_by("pk"):
        _apply_to_all(project)
    due = TuningJob.objects.filter(keep_due_at__lte=timezone.now()).order_by("keep_due_at", "pk")
    for one in list(due[:AT_ONCE]):
        _apply_as_due(one)
    return len(found)


def _apply_as_due(job: TuningJob) -> None:
    """Apply the rule of a job that has ended, or of which something had to stay, unless another process does; once more
    if it ends again meanwhile, or this process dies."""
    row, later = TuningJob.objects.filter(pk=job.pk), timezone.now() + LOOK_AGAIN
    if not row.filter(keep_due_at=job.keep_due_at).update(keep_due_at=later):
        return
    anew = list(job.trials.filter(fresh_after__gt=0).order_by("number"))
    _note("jobs_trial", "checkpoint_bytes", {trial.pk: _without_superseded(trial) for trial in anew})
    if not apply(job.pk) and not any(map(_is_awaited, anew)):
        row.filter(keep_due_at=later).update(keep_due_at=None)


def _apply_to_all(project: Project) -> None:
    """Apply a project's changed rule to its jobs that name none; again, if it was changed once more meanwhile."""
    for job in TuningJob.objects.filter(project=project).order_by("pk").values_list("pk", flat=True):
        apply(job)
    Project.objects.filter(pk=project.pk, keep=project.keep).update(keep_due=False)


def _note(table: str, column: str, values: Mapping[int, int | None]) -> None:
    """Write one number into each of these rows that has another, with one statement."""
    sql = f"""
        UPDATE {table} SET {column} = new.bytes FROM unnest(%s::bigint[], %s::bigint[]) AS new (id, bytes)
        WHERE {table}.id = new.id AND {table}.{column} IS DISTINCT FROM new.bytes
    """  # noqa: S608
    if values:
        with connection.cursor() as cursor:
            cursor.execute(sql, [list(values), list(values.values())])


def _clear(token: str) -> int:
    """Remove what can be made again; the bytes of what stays."""
    folder = launching.backend().folder(token)
    if not (folder / "output").is_symlink():
        reclaim(folder)
    return size_of(folder)


def rule_of(job: TuningJob) -> dict[str, int] | None:
    """The job's own rule, or else its project's; None keeps all."""
    rule: dict[str, int] | None = job.spec.get("keep") or job.project.keep
    return rule


def apply(job_id: int) -> int:
    """Remove the files of the job's trials that its rule does not keep; of how many of them the checkpoint stays for
    now, for a trial of another job."""
    job = TuningJob.objects.select_related("project").filter(pk=job_id).first()
    rule = rule_of(job) if job is not None else None
    if job is None or not rule:
        return 0
    ended = job.trials.filter(ended_at__isnull=False).order_by("number")
    rows = ended.values_list("number", "state", "objective", "ended_at")
    trials = [Ended(number, TrialState(state), value, at.timestamp()) for number, state, value, at in rows if at]
    out = expendable(trials, Keep(**rule), Goal(job.goal))
    there = dict(ended.filter(discarded_at__isnull=True).values_list("number", "pk"))
    awaited = sum(_drop(pk) for number, pk in there.items() if number in out)
    if awaited:
        TuningJob.objects.filter(pk=job_id, keep_due_at=None).update(keep_due_at=timezone.now() + LOOK_AGAIN)
    return awaited


def _drop(pk: int) -> bool:
    """Remove what a trial left that the rule does not keep: its outputs, and its checkpoint unless something may go on
    from it; whether a trial of another job may."""
    with transaction.atomic():
        trial = Trial.objects.select_for_update(no_key=True).filter(pk=pk, ended_at__isnull=False).first()
        awaited = trial is not None and _is_awaited(trial)
        if awaited or (trial is not None and _may_be_resumed(trial)):
            discard(pk, (OUTPUTS,))
        elif discard(pk, (CHECKPOINTS, OUTPUTS)) is not None:
            Trial.objects.filter(pk=pk).update(discarded_at=timezone.now())
    return awaited


# --- what a checkpoint is needed for ----------------------------------------------------------------------------------


def _may_be_resumed(trial: Trial) -> bool:
    """Whether the trial is to go on if its job is resumed, now or once that is stopped."""
    goes_on = stopped_with_its_job(trial) and not allowance.is_over(trial)
    return goes_on and trial.job.state != JobState.COMPLETED


def _is_awaited(trial: Trial) -> bool:
    """Whether a trial of another job is to begin with a copy of this one's checkpoint: it waits for a place, or was
    stopped or failed before it had the copy and may be run again."""
    heirs = trial.copies.filter(continues=True, fresh_after=0, discarded_at=None)
    may_run = Q(ended_at=None) | Q(state__in=TRIALS_REOPENED)
    without = heirs.filter(may_run).exclude(attempts__started_at__isnull=False)
    return any(not launching.checkpoint_folder(heir).is_dir() for heir in without)


def _without_superseded(trial: Trial) -> int:
    """Remove the checkpoints from before the trial was to begin anew; the bytes of those that stay."""
    if trial.fresh_after and not _is_awaited(trial):
        current = launching.checkpoint_folder(trial)
        for folder in _checkpoint_folders(trial):
            if folder != current:
                remove(folder)
    return sum(map(size_of, _checkpoint_folders(trial)))


# --- removing ---------------------------------------------------------------------------------------------------------

CHECKPOINTS, OUTPUTS = "checkpoints", "outputs"  # what can be removed of a trial


def discard(pk: int, what: Collection[str], *, rehearsal: bool = False) -> int | None:
    """Remove a trial's checkpoints, its outputs or both; the bytes that this frees. In a `rehearsal` nothing goes.
    A trial of which nothing of both is left any more is marked as `discarded_at`, by a rule or by hand.

    None if they have to stay: it runs again, a trial of another job is about to go on from its checkpoints, or what it
    left was not looked at yet (`clear`).
    """
    with transaction.atomic():
        trial = Trial.objects.select_for_update(no_key=True).filter(pk=pk, ended_at__isnull=False).first()
        if trial is None or (CHECKPOINTS in what and _is_awaited(trial)):
            return None
        attempts = list(trial.attempts.exclude(backend=EXTERNAL))
        if any(attempt.kept_bytes is None for attempt in attempts):
            return None
        freed = _without_checkpoints(trial, rehearsal=rehearsal) if CHECKPOINTS in what else 0
        if OUTPUTS in what:
            freed += sum(_without_outputs(attempt, rehearsal=rehearsal) for attempt in attempts)
        if freed and not rehearsal and not _left(trial, attempts):
            Trial.objects.filter(pk=pk).update(discarded_at=timezone.now())
    return freed


def _left(trial: Trial, attempts: Iterable[Attempt]) -> bool:
    """Whether there is a checkpoint or an output yet."""
    folders = [launching.backend().folder(attempt.token) / name for attempt in attempts for name in OUTPUT]
    return any(map(size_of, (*_checkpoint_folders(trial), *folders)))


def _without_checkpoints(trial: Trial, *, rehearsal: bool) -> int:
    folders = _checkpoint_folders(trial)
    freed = sum(map(size_of, folders))
    if not rehearsal:
        for folder in folders:
            remove(folder)
        Trial.objects.filter(pk=trial.pk).update(checkpoint_bytes=0)
    return freed


def _without_outputs(attempt: Attempt, *, rehearsal: bool) -> int:
    """Its log stays."""
    folder = launching.backend().folder(attempt.token)
    freed = sum(size_of(folder / name) for name in OUTPUT)
    if not rehearsal:
        for name in OUTPUT:
            remove(folder / name)
        Attempt.objects.filter(pk=attempt.pk).update(kept_bytes=size_of(folder))
    return freed


def _checkpoint_folders(trial: Trial) -> list[Path]:
    """All that it ever used: it may have begun anew (`launching.checkpoint_folder`)."""
    parent = Path(settings.HPT_HOME / "checkpoints" / str(trial.job_id))
    names = (str(trial.number), *(f"{trial.number}-{n}" for n in range(1, trial.fresh_after + 1)))
    return [folder for name in names if os.path.lexists(folder := parent / name)]


def largest(jobs: Iterable[TuningJob]) -> list[tuple[TuningJob, Stored]]:
    """The jobs by what they take, the largest first."""
    rows = {job.pk: job for job in jobs}
    sizes: dict[int, Stored] = defaultdict(Stored, stored(rows))
    return sorted(((job, sizes[pk]) for pk, job in rows.items()), key=lambda pair: (-pair[1].total, pair[0].name))
