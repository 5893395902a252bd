"""Every move of a job, a trial or an attempt, each as one conditional UPDATE: whoever comes second moves nothing.

The tables of allowed moves stand in tuning.states; here they are read backwards ("from which states may it get there").
Each function answers whether it was this call that moved, so that what follows a move happens exactly once.

Who may move a trial: while an attempt of it is live, whoever has locked that attempt; while none is, whoever has locked
its job, as its step may be about to start it. So what a step has read of trials that wait holds until it commits.
"""

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from hpt_web.jobs import rows
from hpt_web.jobs.models import Attempt, Decision, Trial, TuningJob
from tuning.states import JOB_MOVES, JOBS_REOPENED, TRIAL_MOVES, TRIALS_REOPENED, JobState, TrialState


def _one_of(states: Iterable[JobState | TrialState]) -> str:
    """As SQL, which is the same text at each call: it is planned once."""
    return " OR ".join(f"state = '{state}'" for state in states) or "false"


JOB_SOURCES = {to: _one_of(state for state, moves in JOB_MOVES.items() if to in moves) for to in JobState}
TRIAL_SOURCES = {to: _one_of(state for state, moves in TRIAL_MOVES.items() if to in moves) for to in TrialState}
# Stops after which the trial goes on later, having had time for a checkpoint.
GO_ON_LATER = [Attempt.StopKind.PAUSE, Attempt.StopKind.HOLD, Attempt.StopKind.PREEMPT]
# Those that give way to another one. A person's wish and the job's end mean that the trial shall not go on, and the
# first of them also that it shall not when its job is resumed.
_JOBS_END_BEFORE = [*GO_ON_LATER, Attempt.StopKind.SUSPEND]
_GIVES_WAY_TO = {
    Attempt.StopKind.USER: [*_JOBS_END_BEFORE, Attempt.StopKind.JOB],
    Attempt.StopKind.JOB: _JOBS_END_BEFORE,
}


def move_job(job: TuningJob, to: JobState, *, reason: str) -> bool:
    """Move `job` and stamp its times; `job` itself is brought up to date if it moved."""
    fields: dict[str, object] = {"state": to, "reason": reason}
    now = timezone.now()
    if to is JobState.RUNNING and job.started_at is None:
        fields["started_at"] = now
    if to is JobState.PAUSED:
        fields["paused_at"] = now
    elif job.paused_at is not None:
        fields |= {"paused_at": None, "idle_seconds": _idle_seconds(job, job.paused_at), "asks_since": now}
    if to.terminal:  # which of its trials' files are kept depends on what it ended as
        fields |= {"ended_at": now, "reopened": None, "keep_due_at": now}
    return rows.update(job, fields, JOB_SOURCES[to])


def reopen_job(job: TuningJob, *, reason: str, **fields: object) -> bool:
    """Have a job that is over run again, because a person wants it."""
    assert job.ended_at is not None
    fields |= {"state": JobState.RUNNING, "reason": reason, "ended_at": None, "stop_requested_at": None}
    fields |= {"waits": False, "idle_seconds": _idle_seconds(job, job.ended_at)}
    fields["asks_since"] = now = timezone.now()
    fields["started_at"] = job.started_at or now
    return rows.update(job, fields, _one_of(sorted(JOBS_REOPENED)))


def ask_anew(job: TuningJob) -> None:
    """A person has given a job something to run that it had not: what it waits for is counted from here."""
    rows.update(job, {"asks_since": timezone.now()}, "true")


def _idle_seconds(job: TuningJob, since: datetime) -> float:
    return job.idle_seconds + (seconds_since(since) if job.started_at is not None else 0.0)


def seconds_run(job: TuningJob) -> float:
    """For how long the job has run so far, without the time in which it was paused or over."""
    if job.started_at is None:
        return 0.0
    return seconds_since(job.started_at) - _idle_seconds(job, job.paused_at or timezone.now())


def reopen_trial(trial: Trial, to: TrialState, **fields: object) -> bool:
    """Have a trial that is over run again, because a person wants it; `to` is Queued, or Paused if it was before.

    What it leaves from here on is kept or not as if nothing of it had been removed before.
    """
    fields |= {"state": to, "ended_at": None, "failure": "", "discarded_at": None}
    return rows.update(trial, fields, _one_of(sorted(TRIALS_REOPENED)))


def stopped_with_its_job(trial: Trial) -> bool:
    """Whether a trial was only interrupted by the end of its job, and goes on when that is resumed: nobody has stopped
    it for itself since it was last to run, and it was not out of its time."""
    if trial.state != TrialState.STOPPED:
        return False
    decisions = trial.decisions.order_by("-id").values_list("kind", flat=True)
    if decisions.filter(kind__in=[Decision.Kind.STOP, Decision.Kind.RETRY]).first() == Decision.Kind.STOP:
        return False
    newest = trial.attempts.filter(number__gt=trial.retried_after).order_by("-number").first()
    if newest is None or newest.outcome != Attempt.Outcome.STOPPED:
        return True  # it waited to go on
    return newest.stop_kind == Attempt.StopKind.JOB


def move_trial(trial: Trial, to: TrialState, **fields: object) -> bool:
    """Move `trial`, with whatever else changes at the same moment (`reason`, `objective`, ...)."""
    return rows.update(trial, moved(trial, to, **fields), TRIAL_SOURCES[to])


def moved(trial: Trial, to: TrialState, **fields: object) -> dict[str, object]:
    """What changes in `trial` with this move."""
    fields["state"] = to
    now = timezone.now()
    if to is TrialState.RUNNING and trial.started_at is None:
        fields["started_at"] = now
    if to.terminal:
        fields["ended_at"] = now
    return fields


def end_attempt(attempt: Attempt, outcome: Attempt.Outcome, **fields: object) -> bool:
    """Close a live attempt, which gives its reservation back. Exactly one caller is told that it did."""
    return rows.update(attempt, ended(outcome, **fields), "ended_at IS NULL")


def ended(outcome: Attempt.Outcome, **fields: object) -> dict[str, object]:
    """What changes in an attempt with its end."""
    return fields | {"outcome": outcome, "ended_at": timezone.now()}


def request_stop(attempt: Attempt, kind: Attempt.StopKind, reason: str) -> bool:
    """Ask for the end of a live attempt. The first request stands, unless it gives way to this one: a person's wish
    survives a shutdown after it, and one before it."""
    fields: dict[str, object] = {"stop_requested_at": timezone.now(), "stop_kind": kind, "stop_reason": reason}
    gives_way = [str(earlier) for earlier in _GIVES_WAY_TO.get(kind, ())]
    free = "ended_at IS NULL AND (stop_requested_at IS NULL OR stop_kind = ANY(%s))"
    return rows.update(attempt, fields, free, gives_way)


def grace_of(attempt: Attempt) -> float:
    """For how many seconds an attempt that was asked to stop may go on: longer if it is to write a checkpoint."""
    checkpoint = attempt.stop_kind in GO_ON_LATER
    return float(settings.HPT_PREEMPT_GRACE_SECONDS if checkpoint else settings.HPT_STOP_GRACE_SECONDS)


def seconds_since(moment: datetime) -> float:
    return (timezone.now() - moment).total_seconds()
