"""The circuit breaker: so many trials in a row failed equally that the next ones would as well, so the job is paused.

Failures are data, and one that is the point's own fault is left to the strategy. But equal ones, one after the other,
are a fault of the script, its data or its machine: to go on spends the budget on nothing. A person looks, mends it, and
has the job go on, as a whole or with some trials; what failed before that is not counted again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import F

from hpt_web.jobs.models import Attempt, Decision, Trial, TuningJob
from tuning.contracts import Number
from tuning.specification import MAX_EQUAL_FAILURES
from tuning.states import TrialState

LONGEST_LINE = 300
# Lost trials are no failures of their own, and say nothing of the others.
_SAYS_SOMETHING = [TrialState.COMPLETED, TrialState.EARLY_STOPPED, TrialState.STOPPED, TrialState.FAILED]


@dataclass(frozen=True, slots=True)
class Trip:
    """Why the job is paused; `trial` is the newest of those that failed, with the end of its log in `numbers`."""

    reason: str
    trial: Trial
    numbers: dict[str, Number]


@dataclass(frozen=True, slots=True)
class Signature:
    """What two failures have in common if they are equal."""

    exit_code: int | None
    signal: int | None
    line: str


def signature(attempt: Attempt) -> Signature:
    """How an attempt failed: its exit code or signal, and the last line of its log without what differs by chance."""
    return Signature(attempt.exit_code, attempt.signal, normalised(last_line(attempt.failure)))


def last_line(log: str) -> str:
    return next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")


def normalised(line: str) -> str:
    """The line with every word that holds a digit (a number, an address, a temporary file's name) as `#`."""
    return " ".join("#" if any(map(str.isdigit, word)) else word for word in line.split())[:LONGEST_LINE]


def tripped(job: TuningJob, counts: Mapping[str, int]) -> Trip | None:
    """Whether the last `limits.max_equal_failures` trials failed equally. `counts` are the job's trials by state."""
    most = job.spec["limits"].get("max_equal_failures", MAX_EQUAL_FAILURES)
    failed = counts.get(TrialState.FAILED, 0)
    if failed and job.spec.get("check_first") and not job.trials.filter(objective__isnull=False).exists():
        most = 1  # the first trial is checked before the rest start
    if most is None or failed < most:
        return None
    trials = job.trials.filter(state__in=_SAYS_SOMETHING)
    resumed = job.decisions.filter(kind=Decision.Kind.RESUME).order_by("-id").values_list("at", flat=True).first()
    if resumed is not None:
        trials = trials.filter(ended_at__gt=resumed)
    newest = list(trials.order_by("-ended_at", "-number")[:most])
    if len(newest) < most or any(trial.state != TrialState.FAILED for trial in newest):
        return None
    attempts = list(Attempt.objects.filter(trial__in=newest, number=F("trial__attempt")))
    found = {signature(attempt) for attempt in attempts}
    if len(attempts) < most or len(found) != 1:  # of one without an attempt nobody can say how it failed
        return None
    return _trip(newest[0], most, found.pop())


def _trip(trial: Trial, count: int, common: Signature) -> Trip:
    failure = trial.failure
    line = last_line(failure)[:LONGEST_LINE]
    what = trial.reason.rstrip(".")
    last = f" Its last line: {line}" if line and line.rstrip(".") != what else ""
    which = "The last trial failed" if count == 1 else f"The last {count} trials failed equally"
    numbers: dict[str, Number] = {"count": count, "limit": count, "log_tail": failure or what}
    if common.exit_code is not None:
        numbers["exit_code"] = common.exit_code
    if common.signal is not None:
        numbers["signal"] = common.signal
    reason = f"Paused by the service. {which}; trial {trial.number} says: {what}.{last}"
    return Trip(reason, trial, numbers)
