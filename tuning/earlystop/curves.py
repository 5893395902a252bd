"""The reported values that policies compare: alike for every policy."""

from __future__ import annotations

import math
from itertools import chain

from tuning.history import History, Observation
from tuning.states import Goal, TrialState

_ROUNDING = 1e-12  # relative
_BROKEN = frozenset({TrialState.FAILED, TrialState.LOST})


def values(trial: Observation | None) -> list[float]:
    """The finite values of a trial in the order of reporting; empty for an unknown trial."""
    return [value for _, value in trial.curve if math.isfinite(value)] if trial else []


def sound(history: History) -> list[Observation]:
    """The trials whose values may be a bar for others: own ones, and inherited ones where values are comparable.

    Failed and lost trials are left out: what a script prints before it breaks (a score of 1 on an empty test set) may
    be a bar that no honest trial can reach.
    """
    others = history.inherited if history.comparable else ()
    return [trial for trial in chain(history.own, others) if trial.state not in _BROKEN]


def best(goal: Goal, found: list[float]) -> float:
    """The best of at least one value."""
    return max(found, key=lambda value: goal.sign * value)


def clearly_better(goal: Goal, a: float, b: float, *, scale: float = 0.0) -> bool:
    """Whether ``a`` is better than ``b`` by more than rounding can make of equal values: a constant curve is not worse
    than its own average, nor 0.6 than 0.8 - 0.2. ``scale``: the largest of the numbers of which they are differences.
    """
    return goal.better(a, b) and not math.isclose(a, b, rel_tol=_ROUNDING, abs_tol=_ROUNDING * scale)
