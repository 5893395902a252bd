"""Every move of a job, a trial or an attempt, each as one conditional UPDATE: whoever comes second moves nothing.

The tables of allowed moves stand in tuning.states; here they are read backwards ("from which states may it get there").
Each function answers whether it was this call that moved, so that what follows a move happens exactly once.
"""

from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from hpt_web.jobs.models import Attempt, Trial, TuningJob
from tuning.states import JOB_MOVES, TRIAL_MOVES, JobState, TrialState

JOB_SOURCES = {to: [state for state, moves in JOB_MOVES.items() if to in moves] for to in JobState}
TRIAL_SOURCES = {to: [state for state, moves in TRIAL_MOVES.items() if to in moves] for to in TrialState}


def move_job(job: TuningJob, to: JobState, *, reason: str) -> bool:
    """Move `job` and stamp its times; `job` itself is brought up to date if it moved."""
    fields: dict[str, object] = {"state": to, "reason": reason}
    now = timezone.now()
    if to is JobState.RUNNING:
        fields["started_at"] = now
    if to.terminal:
        fields["ended_at"] = now
    return _moved(job, TuningJob.objects.filter(pk=job.pk, state__in=JOB_SOURCES[to]).update(**fields), fields)


def move_trial(trial: Trial, to: TrialState, **fields: object) -> bool:
    """Move `trial`, with whatever else changes at the same moment (`reason`, `objective`, ...)."""
    fields["state"] = to
    now = timezone.now()
    if to is TrialState.RUNNING and trial.started_at is None:
        fields["started_at"] = now
    if to.terminal:
        fields["ended_at"] = now
    return _moved(trial, Trial.objects.filter(pk=trial.pk, state__in=TRIAL_SOURCES[to]).update(**fields), fields)


def end_attempt(attempt: Attempt, outcome: Attempt.Outcome, **fields: object) -> bool:
    """Close a live attempt, which gives its reservation back. Exactly one caller is told that it did."""
    fields |= {"outcome": outcome, "ended_at": timezone.now()}
    return _moved(attempt, Attempt.objects.filter(pk=attempt.pk, ended_at__isnull=True).update(**fields), fields)


def request_stop(attempt: Attempt, kind: Attempt.StopKind, reason: str) -> bool:
    """Ask for the end of a live attempt. The first request stands: a person's wish survives a shutdown after it.

    Only a pause gives way to a person and to the job's end: both mean that the trial shall not go on later.
    """
    fields: dict[str, object] = {"stop_requested_at": timezone.now(), "stop_kind": kind, "stop_reason": reason}
    free = Q(stop_requested_at__isnull=True)
    if kind in (Attempt.StopKind.USER, Attempt.StopKind.JOB):
        free |= Q(stop_kind=Attempt.StopKind.PAUSE)
    return _moved(attempt, Attempt.objects.filter(free, pk=attempt.pk, ended_at__isnull=True).update(**fields), fields)


def _moved(row: TuningJob | Trial | Attempt, count: int, fields: dict[str, object]) -> bool:
    if count:
        for name, value in fields.items():
            setattr(row, name, value)
    return count == 1


def seconds_since(moment: datetime) -> float:
    return (timezone.now() - moment).total_seconds()
