"""When a search is over: the completion rules of the documents, as pure functions of what has happened.

Each rule answers with a ``Completion`` once it is met, else with None; ``first_met`` asks all that a job has set.
Trials count in the order of their numbers. A limit is met when it is reached (>=), not when it is passed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tuning.contracts import Number
from tuning.errors import Fault, InvalidSpec
from tuning.history import History, best_of
from tuning.states import TrialState

TOLERANCE = 0.01  # SageMaker's CompleteOnConvergence: an improvement of at most 1 % is none


@dataclass(frozen=True, slots=True)
class Completion:
    """Why a search is over: the rule that is met, a sentence with the numbers, and the numbers."""

    rule: str
    reason: str
    numbers: dict[str, Number] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a search has used so far: wall-clock seconds since it began, and hours of GPUs over all its trials."""

    seconds: float = 0.0
    gpu_hours: float = 0.0


@dataclass(frozen=True, slots=True)
class Criteria:
    """The rules of one search; None switches a rule off.

    ``converged`` is the number of trials that ``convergence`` looks back on, ``tolerance`` its relative improvement.

    Raises:
        InvalidSpec: with a fault for each value that cannot be met or makes no sense, field = the attribute.
    """

    target: float | None = None
    max_not_improving: int | None = None
    converged: int | None = None
    tolerance: float = TOLERANCE
    max_started: int | None = None
    max_completed: int | None = None
    max_finished: int | None = None
    max_seconds: float | None = None
    max_gpu_hours: float | None = None

    def __post_init__(self) -> None:
        faults = [
            Fault(name, f"is {count!r}; give a whole number of trials from 1", "range")
            for name in ("max_not_improving", "converged", "max_started", "max_completed", "max_finished")
            if (count := getattr(self, name)) is not None and not count >= 1
        ]
        faults += [
            Fault(name, f"is {limit!r}; give a number above 0", "range")
            for name in ("max_seconds", "max_gpu_hours")
            if (limit := getattr(self, name)) is not None and not limit > 0
        ]
        if self.target is not None and not math.isfinite(self.target):
            faults.append(Fault("target", f"is {self.target!r}; give a finite number", "range"))
        if not 0 <= self.tolerance < math.inf:
            faults.append(Fault("tolerance", f"is {self.tolerance!r}; give a number from 0, such as 0.01", "range"))
        if faults:
            raise InvalidSpec(faults)


def first_met(criteria: Criteria, history: History, spent: Spent) -> Completion | None:
    """The first rule that is met; of several at once, one about results before one about limits."""
    rules = (
        criteria.target is not None and target_reached(history, criteria.target),
        criteria.max_not_improving is not None and no_improvement(history, criteria.max_not_improving),
        criteria.converged is not None and convergence(history, criteria.converged, criteria.tolerance),
        count_reached(history, criteria.max_started, criteria.max_completed, criteria.max_finished),
        criteria.max_seconds is not None and time_is_up(spent.seconds, criteria.max_seconds),
        criteria.max_gpu_hours is not None and gpu_hours_are_spent(spent.gpu_hours, criteria.max_gpu_hours),
    )
    return next((met for met in rules if met), None)


def target_reached(history: History, target: float) -> Completion | None:
    """Met when an ended trial's objective is at least as good as ``target``. (A running trial may get worse again.)"""
    best = history.best
    if best is None or best.value is None or history.goal.better(target, best.value):
        return None
    reason = f"Target reached: trial {best.number} has {best.value:.6g}, and {target:.6g} was asked for."
    return Completion("target", reason, {"trial": best.number, "value": best.value, "target": target})


def no_improvement(history: History, trials: int) -> Completion | None:
    """Met when ``trials`` trials with a value came after the best one (the first of equals)."""
    best = history.best
    if best is None or best.value is None:
        return None
    after = sum(trial.number > best.number for trial in history.finished)
    if after < trials:
        return None
    reason = f"No improvement in {after} trials: the best is still trial {best.number} with {best.value:.6g}."
    return Completion(
        "no_improvement", reason, {"trial": best.number, "value": best.value, "trials_since": after, "limit": trials}
    )


def convergence(history: History, trials: int, tolerance: float = TOLERANCE) -> Completion | None:
    """Met when the last ``trials`` trials with a value improved the best by at most ``tolerance``, relative to it.

    A best of 0 has no relative improvement: there, any improvement counts.
    """
    ended = sorted(history.finished, key=lambda trial: trial.number)
    before = best_of(history.goal, tuple(ended[:-trials]))
    now = history.best
    if before is None or before.value is None or now is None or now.value is None:
        return None
    gained = max(0.0, history.goal.sign * (now.value - before.value))
    if gained > tolerance * abs(before.value):
        return None
    reason = (
        f"Converged: the last {trials} trials moved the best from {before.value:.6g} to {now.value:.6g}, by no more "
        f"than {tolerance:.6g} of it."
    )
    numbers: dict[str, Number] = {"before": before.value, "now": now.value, "trials": trials, "tolerance": tolerance}
    return Completion("convergence", reason, numbers)


def counts(history: History) -> Mapping[str, int]:
    """How many own trials have started, completed (ran to their own end) and finished (ended in whatever way)."""
    return {
        "started": len(history.own),
        "completed": sum(trial.state is TrialState.COMPLETED for trial in history.own),
        "finished": sum(trial.state.terminal for trial in history.own),
    }


def count_reached(
    history: History, started: int | None = None, completed: int | None = None, finished: int | None = None
) -> Completion | None:
    """Met when as many trials as one of the given limits have started, completed or finished."""
    limits = {"started": started, "completed": completed, "finished": finished}
    for name, count in counts(history).items():
        limit = limits[name]
        if limit is not None and count >= limit:
            reason = f"{count} trials {name}, and the limit is {limit}."
            return Completion(f"trials_{name}", reason, {"count": count, "limit": limit})
    return None


def time_is_up(seconds: float, limit: float) -> Completion | None:
    """Met when the search has run for ``limit`` seconds of wall-clock time."""
    if seconds < limit:
        return None
    reason = f"Time is up: {seconds:.0f} s since the start, and the limit is {limit:.0f} s."
    return Completion("duration", reason, {"seconds": seconds, "limit": limit})


def gpu_hours_are_spent(hours: float, limit: float) -> Completion | None:
    """Met when all trials together have used ``limit`` hours of GPUs."""
    if hours < limit:
        return None
    reason = f"GPU hours are spent: {hours:.2f} h, and the limit is {limit:.2f} h."
    return Completion("gpu_hours", reason, {"gpu_hours": hours, "limit": limit})
