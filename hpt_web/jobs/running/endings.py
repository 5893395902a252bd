"""How an attempt's end becomes the trial's: decided by a pure function, applied in the caller's transaction.

what happened                                     trial becomes
exit 0, the objective was reported                Completed; its reason says so if some output is missing
exit 0, the objective was never reported          Failed: it says so, with the end of the log
another exit code, or a signal of its own         Failed, with the failure file or the end of the log
longer than trial_seconds, its attempts together  Stopped, what it reported counts
more memory, processes or disk than it may have   Failed, naming the limit
stopped by a policy / a person / the job's end    EarlyStopped / Stopped / Stopped
paused by its scheduler                           Paused: it may be promoted, and goes on then
pre-empted, or stopped with its job's pause       Queued again, without counting for max_attempts
the service was shut down under it                Queued again; not the trial's fault, and no limit counts it
vanished without an exit code                     Queued again while attempts remain, then Lost
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from django.conf import settings

from hpt_web.jobs.events import Entry, decide, trial_entry
from hpt_web.jobs.lifecycle import end_attempt, move_trial, moved
from hpt_web.jobs.models import EXTERNAL, Attempt, Decision, Trial, TuningJob
from hpt_web.jobs.running import allowance
from hpt_web.jobs.sharing import ledger
from tuning.backends import Phase, Status
from tuning.backends.warden.log import LIMIT_REACHED
from tuning.states import TRIAL_MOVES, TrialState

# Reached from Running only by way of Stopping.
_AFTER_A_STOP = (TrialState.STOPPED, TrialState.EARLY_STOPPED, TrialState.PAUSED)


@dataclass(frozen=True, slots=True)
class End:
    """What becomes of a trial and its attempt. `failure` is the long text for a person, `reason` one sentence."""

    state: TrialState
    outcome: Attempt.Outcome
    reason: str
    failure: str = ""


def losses(trial: Trial) -> int:
    """How many of its attempts have vanished, since a person last had it run again."""
    return trial.attempts.filter(outcome=Attempt.Outcome.LOST, number__gt=trial.retried_after).count()


def ending(attempt: Attempt, status: Status, *, reported: bool, lost_before: int, log_tail: str) -> End:
    """What an attempt that no longer runs means for its trial.

    `reported`: the objective has a finite value. `lost_before`: earlier attempts of the trial that vanished.
    """
    spec = attempt.trial.job.spec
    kind = attempt.stop_kind
    if status.phase is Phase.ENDED and status.ended_by is None and status.exit_code == 0:
        return _finished(attempt, status, spec["objective"]["metric"], reported=reported, log_tail=log_tail)
    if status.ended_by == "wall_seconds":
        reason = allowance.why_over(spec["limits"]["trial_seconds"])
        return End(TrialState.STOPPED, Attempt.Outcome.STOPPED, reason)
    stopped = status.ended_by == "stop" or status.phase is not Phase.ENDED
    if kind == Attempt.StopKind.SUSPEND and stopped:
        return End(TrialState.QUEUED, Attempt.Outcome.SUSPENDED, "The service was shut down; the trial runs again.")
    if kind == Attempt.StopKind.HOLD and stopped:
        return End(TrialState.QUEUED, Attempt.Outcome.PAUSED, f"{attempt.stop_reason} It goes on with the job.")
    if kind == Attempt.StopKind.PREEMPT and stopped:
        reason = f"{attempt.stop_reason} It goes on when there is room."
        return End(TrialState.QUEUED, Attempt.Outcome.PREEMPTED, reason)
    if kind == Attempt.StopKind.PAUSE and stopped:
        return End(TrialState.PAUSED, Attempt.Outcome.PAUSED, attempt.stop_reason)
    if kind and stopped:
        state = TrialState.EARLY_STOPPED if kind == Attempt.StopKind.POLICY else TrialState.STOPPED
        return End(state, Attempt.Outcome.STOPPED, attempt.stop_reason)
    if status.phase is not Phase.ENDED:
        return _lost(attempt, lost_before, most=spec["limits"]["max_attempts"])
    return _failed(attempt, status, log_tail)


def _finished(attempt: Attempt, status: Status, metric: str, *, reported: bool, log_tail: str) -> End:
    missing = _missing(status.log_lost_bytes, log_tail)
    if reported:
        return End(TrialState.COMPLETED, Attempt.Outcome.EXITED, missing)
    refused = attempt.trial.decisions.filter(kind=Decision.Kind.METRIC, numbers__metric=metric).first()
    why = f"its only values were refused: {refused.reason}" if refused else "no line of its output matched the regex"
    reason = f"It ended without a value of its objective {metric!r}: {why}".rstrip(".") + "."
    return End(TrialState.FAILED, Attempt.Outcome.EXITED, f"{reason} {missing}".rstrip(), _tail(log_tail))


def _missing(lost: int, log_tail: str) -> str:
    """What is to be known of a curve in which points may be missing: the trial printed more than could be kept."""
    if not lost:
        return ""
    why = "came when its log was full" if LIMIT_REACHED in log_tail else "could not be written, as on a full disk"
    return f"Some output is missing: {lost:,} bytes {why}. Values among them do not count."


def _failed(attempt: Attempt, status: Status, log_tail: str) -> End:
    if status.ended_by == "memory_bytes":
        reason = _out_of_memory(attempt.trial.job)
    elif status.ended_by == "processes":
        reason = f"It started more processes than a trial may (HPT_TRIAL_PROCESSES = {settings.HPT_TRIAL_PROCESSES})."
    elif status.ended_by == "disk_bytes":
        most = f"HPT_TRIAL_DISK_MB = {settings.HPT_TRIAL_DISK_MB}"
        reason = f"It wrote more than a trial may ({most}), its checkpoints and outputs together."
    elif status.ended_by == "pipes":
        reason = "A channel could not be given through its pipe to the end; what is wrong is told in the log."
    elif status.signal is not None:
        name = signal.Signals(status.signal).name if status.signal in set(signal.Signals) else str(status.signal)
        why = ", as the system does when the host runs out of memory" if name == "SIGKILL" else ""
        reason = f"It was killed by signal {name}{why}."
    else:
        reason = f"It ended with exit code {status.exit_code}."
    return End(TrialState.FAILED, Attempt.Outcome.EXITED, reason, status.failure or _tail(log_tail))


def _out_of_memory(job: TuningJob) -> str:
    if declared := (job.spec["resources"] or job.algorithm_version.resources).get("memory_mb"):
        what = f"its resources allow (memory_mb = {declared})"
    else:
        what = "a container may that declares no memory_mb, nearly all of this host's: declare what it needs"
    return f"It used more memory than {what}, all of its processes together."


def _lost(attempt: Attempt, lost_before: int, *, most: int) -> End:
    so_far = lost_before + 1
    what = f"Attempt {attempt.number} vanished without an exit code"
    if attempt.backend == EXTERNAL:
        silent = attempt.trial.job.spec["limits"]["trial_seconds"]
        what = f"Attempt {attempt.number} was not heard of for trial_seconds = {silent}"
    if so_far < most:
        return End(TrialState.QUEUED, Attempt.Outcome.LOST, f"{what}; {so_far} of {most} attempts are used.")
    reason = f"{what}, and all {most} attempts are used."
    return End(TrialState.LOST, Attempt.Outcome.LOST, reason)


def _tail(log: str) -> str:
    return f"The end of its log:\n{log}" if log else "It printed nothing."


# What gave its place back was not lost: it does not run again, it goes on.
_QUEUED_BY = {
    Attempt.Outcome.PAUSED: Decision.Kind.PAUSE,
    Attempt.Outcome.PREEMPTED: Decision.Kind.PREEMPT,
}


def settle(attempt: Attempt, status: Status, end: End) -> list[Entry]:
    """Write the end of `attempt` and of its trial; the events that tell it. Nothing if somebody else was first."""
    trial = attempt.trial
    if not end_attempt(attempt, end.outcome, **how(status, end)):
        return []
    ledger.enter(attempt, end.state)
    if by_way_of := _by_way_of(attempt, end):
        move_trial(trial, by_way_of)
    if not move_trial(trial, end.state, **_after(attempt, end)):
        return []
    return told(trial, end)


def how(status: Status, end: End) -> dict[str, object]:
    """What is kept of an attempt that is over."""
    return {"exit_code": status.exit_code, "signal": status.signal, "failure": end.failure}


def _by_way_of(attempt: Attempt, end: End) -> TrialState | None:
    """The state through which the trial goes on its way to the end, if there is one between."""
    state = attempt.trial.state
    if state == TrialState.STARTING and (end.state.terminal or end.state is TrialState.PAUSED):
        return TrialState.STOPPING if attempt.stop_kind else TrialState.RUNNING
    return TrialState.STOPPING if state == TrialState.RUNNING and end.state in _AFTER_A_STOP else None


def becomes(attempt: Attempt, end: End) -> dict[str, object]:
    """What changes in the trial with the end of its attempt; nothing if that does not lead there from where it is."""
    trial = attempt.trial
    by_way_of = _by_way_of(attempt, end)
    if end.state not in TRIAL_MOVES[by_way_of or TrialState(trial.state)]:
        return {}
    between = moved(trial, by_way_of) if by_way_of else {}
    return between | moved(trial, end.state, **_after(attempt, end))


def _after(attempt: Attempt, end: End) -> dict[str, object]:
    """What is kept in the trial of an attempt that is over."""
    ran = attempt.trial.ran_seconds
    if attempt.started_at is not None and attempt.ended_at is not None:
        ran += max(0.0, (attempt.ended_at - attempt.started_at).total_seconds())
    return {"reason": end.reason, "failure": end.failure, "ran_seconds": round(ran, 3)}


def told(trial: Trial, end: End) -> list[Entry]:
    """The events of a trial whose attempt is over."""
    entries = [trial_entry(trial)]
    if end.state is TrialState.QUEUED:
        entries.append(decide(trial.job, _QUEUED_BY.get(end.outcome, Decision.Kind.RETRY), end.reason, trial=trial))
    return entries
