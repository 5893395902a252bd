"""The reported values that policies compare: alike for every policy.

Each report of the objective is an interval (F59), one that is not finite too: a training that diverged. No value is
worse than it, whatever its sign; in averages, where one would leave nothing of the others, it is passed over.
"""

from __future__ import annotations

import math
from itertools import chain

from tuning.averages import mean
from tuning.contracts import Number
from tuning.history import History, Observation
from tuning.states import Goal, TrialState

_ROUNDING = 1e-12  # relative
_BROKEN = frozenset({TrialState.FAILED, TrialState.LOST})


def values(trial: Observation | None) -> list[float]:
    """The values of a trial in the order of reporting, NaN and infinities among them; empty for an unknown trial."""
    return [value for _, value in trial.curve] if trial else []


def worst(goal: Goal) -> float:
    """What a value that is not finite counts as."""
    return -math.inf * goal.sign


def judged(goal: Goal, value: float) -> float:
    """The value as it is compared."""
    return value if math.isfinite(value) else worst(goal)


def average(found: list[float]) -> float | None:
    """The mean of the finite ones; None if there is none."""
    finite = [value for value in found if math.isfinite(value)]
    return mean(finite) if finite else None


def shown(value: float) -> str:
    """A value in a reason."""
    return f"{value:.6g}" if math.isfinite(value) else "(not a finite number)"


def finite(**numbers: float) -> dict[str, Number]:
    """Those of a verdict's numbers that are: JSON has no others."""
    return {name: value for name, value in numbers.items() if math.isfinite(value)}


def sound(history: History) -> list[Observation]:
    """The trials whose values may be a bar for others: own ones, and inherited ones where values are comparable.

    Failed and lost trials are left out: what a script prints before it breaks (a score of 1 on an empty test set) may
    be a bar that no honest trial can reach.
    """
    others = history.inherited if history.comparable else ()
    return [trial for trial in chain(history.own, others) if trial.state not in _BROKEN]


def best(goal: Goal, found: list[float]) -> float:
    """The best of at least one value; ``worst`` if none is finite."""
    return max((judged(goal, value) for value in found), key=lambda value: goal.sign * value)


def clearly_better(goal: Goal, a: float, b: float, *, scale: float = 0.0) -> bool:
    """Whether ``a`` is better than ``b`` by more than rounding can make of equal values: a constant curve is not worse
    than its own average, nor 0.6 than 0.8 - 0.2. ``scale``: the largest of the numbers of which they are differences.
    """
    return goal.better(a, b) and not math.isclose(a, b, rel_tol=_ROUNDING, abs_tol=_ROUNDING * scale)
