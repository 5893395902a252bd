"""When a search is over: the completion rules of the documents, as pure functions of what has happened.

Each rule is given where the search stands and answers with a ``Completion`` once it is met, else with None;
``first_met`` asks all that a job has set. Trials count in the order of their numbers. A limit is met when it is reached
(>=), not when it is passed.
"""

from __future__ import annotations

import math
from bisect import bisect, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tuning.contracts import Number
from tuning.errors import Fault, InvalidSpec
from tuning.history import History, Observation
from tuning.states import Goal, TrialState

TOLERANCE = 0.01  # SageMaker's CompleteOnConvergence: an improvement of at most 1 % is none


@dataclass(frozen=True, slots=True)
class Completion:
    """Why a search is over: the rule that is met, a sentence with the numbers, and the numbers."""

    rule: str
    reason: str
    numbers: dict[str, Number] = field(default_factory=dict)


class Result(NamedTuple):
    trial: int
    value: float


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rules need to know of a search, so that a service can ask its database instead of loading all trials.

    ``best`` is the best value of the own trials that ended with one (the first of equals). ``since_improved`` is how
    many trials have ended with a value or failed after the last one that was better than all before it by more than
    the share ``improvement`` of the best of them; while none has a value, how many have failed. ``before`` is the best
    value of all but the last ``n`` that ended with one (for ``convergence``; None if there are no more than n).
    ``started`` counts the own trials, ``completed`` those that ran to their own end, and ``finished`` those that ended
    in whatever way.
    """

    goal: Goal
    best: Result | None = None
    since_improved: int = 0
    improvement: float = 0.0
    before: float | None = None
    started: int = 0
    completed: int = 0
    finished: int = 0


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

    @property
    def rules(self) -> bool:
        """Whether any rule is set."""
        return any(getattr(self, name) is not None for name in self.__slots__ if name != "tolerance")


def first_met(criteria: Criteria, history: History, spent: Spent) -> Completion | None:
    """The first rule that is met; of several at once, one about results before one about limits."""
    if not criteria.rules:  # it takes all of the trials to tell where a search stands
        return None
    return met_by(criteria, standing(history, criteria.converged), spent)


def met_by(criteria: Criteria, now: Standing, spent: Spent) -> Completion | None:
    """``first_met`` for a caller that has no history at hand, only where it stands."""
    rules = (
        criteria.target is not None and target_reached(now, criteria.target),
        criteria.max_not_improving is not None and no_improvement(now, criteria.max_not_improving),
        criteria.converged is not None and convergence(now, criteria.converged, criteria.tolerance),
        count_reached(now, criteria.max_started, criteria.max_completed, criteria.max_finished),
        criteria.max_seconds is not None and time_is_up(spent.seconds, criteria.max_seconds),
        criteria.max_gpu_hours is not None and gpu_hours_are_spent(spent.gpu_hours, criteria.max_gpu_hours),
    )
    return next((met for met in rules if met), None)


class Tally:
    """The trials that have ended, counted as they do, so that where a search stands is known at no cost."""

    def __init__(self, goal: Goal, trials: Iterable[Observation] = ()) -> None:
        self._goal = goal
        self._told: list[int] = []  # the numbers of those that ended with a value or failed, ascending
        self._valued: list[Result] = []  # by number
        self._best: list[Result] = []  # of those up to and with each of the valued ones; the first of equals
        self._completed = self._finished = 0
        for trial in trials:
            self.add(trial)

    def __copy__(self) -> Tally:
        same = Tally(self._goal)
        same._told, same._valued, same._best = [*self._told], [*self._valued], [*self._best]
        same._completed, same._finished = self._completed, self._finished
        return same

    def add(self, trial: Observation) -> None:
        """Count a trial that has ended; others are let pass. Each is to be added once."""
        self._completed += trial.state is TrialState.COMPLETED
        self._finished += trial.state.terminal
        if trial.usable or trial.state in (TrialState.FAILED, TrialState.COMPLETED):
            insort(self._told, trial.number)
        if trial.usable and trial.value is not None:
            place = bisect(self._valued, (trial.number,))
            self._valued.insert(place, Result(trial.number, trial.value))
            del self._best[place:]  # few: trials end nearly in the order of their numbers
            for one in self._valued[place:]:
                best = self._best[-1] if self._best else one
                self._best.append(one if self._goal.better(one.value, best.value) else best)

    def standing(self, started: int, window: int | None = None, improvement: float = 0.0) -> Standing:
        """Where a search stands that has ``started`` so many trials; ``before`` is filled for the rule that looks back
        on ``window`` of them.
        """
        best, last = self._best[-1] if self._best else None, self._last_improvement(improvement)
        return Standing(
            goal=self._goal,
            best=best,
            since_improved=len(self._told) - (bisect(self._told, last.trial) if last else 0),
            improvement=improvement,
            before=None if window is None or len(self._best) <= window else self._best[-window - 1].value,
            started=started,
            completed=self._completed,
            finished=self._finished,
        )

    def _last_improvement(self, share: float) -> Result | None:
        """From one best value back to the one before it, until the step was large enough."""
        place = len(self._best)
        while place > 0:
            best = self._best[place - 1]
            place = bisect(self._valued, (best.trial,))
            if place == 0 or improves(self._goal, best.value, self._best[place - 1].value, share):
                return best
        return None


def standing(history: History, window: int | None = None, improvement: float = 0.0) -> Standing:
    """Where a history stands; see ``Tally.standing``."""
    return Tally(history.goal, history.own).standing(len(history.own), window, improvement)


def improves(goal: Goal, value: float, best: float, share: float = 0.0) -> bool:
    """Whether ``value`` is better than ``best`` by more than ``share`` of it.

    A best of 0 has no share: there, anything better is. What is beyond the largest float is reached by no value.
    """
    return goal.sign * value > goal.sign * best + share * abs(best)


def target_reached(now: Standing, target: float) -> Completion | None:
    """Met when an ended trial's objective is at least as good as ``target``. (A running trial may get worse again.)"""
    best = now.best
    if best is None or now.goal.better(target, best.value):
        return None
    reason = f"Target reached: trial {best.trial} has {best.value:.6g}, and {target:.6g} was asked for."
    return Completion("target", reason, {"trial": best.trial, "value": best.value, "target": target})


def no_improvement(now: Standing, trials: int) -> Completion | None:
    """Met when ``trials`` trials came after the last improvement, or at all while none has a value.

    What an improvement is ``now`` was told: anything that is better than all before it, or, as SageMaker has it, what
    is so by more than 1 % (profiles.py).
    A failed trial is one that brought no improvement (F80 counts "training jobs that have failed to improve"); one that
    was lost, or stopped before it had a value, says nothing of its point and is not counted.
    """
    best = now.best
    if now.since_improved < trials:
        return None
    least = f" of more than {100 * now.improvement:g} %" if now.improvement else ""
    since = f"No improvement{least} in {_trials(now.since_improved)}"
    numbers: dict[str, Number] = {"trials_since": now.since_improved, "limit": trials}
    if best is None:
        return Completion("no_improvement", f"{since}: none has given a value.", numbers)
    if now.improvement:
        numbers["improvement"] = now.improvement
    reason = f"{since}: the best is {'' if least else 'still '}trial {best.trial} with {best.value:.6g}."
    return Completion("no_improvement", reason, {"trial": best.trial, "value": best.value, **numbers})


def convergence(now: Standing, trials: int, tolerance: float = TOLERANCE) -> Completion | None:
    """Met when the last ``trials`` trials with a value improved the best by at most ``tolerance``, relative to it.

    A best of 0 has no relative improvement: there, any improvement counts. ``now`` must have been taken with a window
    of ``trials``.
    """
    if now.before is None or now.best is None:
        return None
    if improves(now.goal, now.best.value, now.before, tolerance):
        return None
    last = "the last trial" if trials == 1 else f"the last {trials} trials"
    reason = (
        f"Converged: {last} moved the best from {now.before:.6g} to {now.best.value:.6g}, by no more than "
        f"{tolerance:.6g} of it."
    )
    numbers: dict[str, Number] = {"before": now.before, "now": now.best.value, "trials": trials, "tolerance": tolerance}
    return Completion("convergence", reason, numbers)


def count_reached(
    now: Standing, started: int | None = None, completed: int | None = None, finished: int | None = None
) -> Completion | None:
    """Met when as many trials as one of the given limits have started, completed or finished."""
    limits = {"started": (now.started, started), "completed": (now.completed, completed)}
    for name, (count, limit) in (limits | {"finished": (now.finished, finished)}).items():
        if limit is not None and count >= limit:
            have = "has" if count == 1 else "have"
            reason = f"{_trials(count)} {have} {name}, and the limit is {limit}."
            return Completion(f"trials_{name}", reason, {"count": count, "limit": limit})
    return None


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count} trials"


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
