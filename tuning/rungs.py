"""Rungs: the resources at which trials are compared, and what each trial had come to there.

A trial's resource is the step of its objective's reports (epochs, as a rule). With min_resource r, max_resource R and
reduction factor eta the rungs are at r, r eta, r eta^2, ... below R; whoever is let past the last one runs to its end.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from itertools import chain

from tuning.history import History, Observation
from tuning.states import TrialState

_BROKEN = frozenset({TrialState.FAILED, TrialState.LOST})


def levels(least: int, most: int, factor: float) -> tuple[int, ...]:
    """The resources of the rungs, ascending, whole and below ``most``; none where ``least`` is not below it."""
    found: list[int] = []
    exact = float(least)
    while round(exact) < most:
        if not found or round(exact) > found[-1]:
            found.append(round(exact))
        exact *= factor
    return tuple(found)


def resource(trial: Observation) -> int:
    """The step of a trial's last report; 0 before the first."""
    return trial.curve[-1][0] if trial.curve else 0


def last_value(trial: Observation) -> float | None:
    """The value that a trial ended with, or the last finite one it reported; None if there is none."""
    if trial.value is not None and math.isfinite(trial.value):
        return trial.value
    return next((value for _, value in reversed(trial.curve) if math.isfinite(value)), None)


def value_at(trial: Observation, level: int) -> float | None:
    """The value of the first finite report at or after ``level``; None if the trial has not come that far.

    A trial that completed before counts with its last value: there is nothing more to come of it.
    """
    for _, value in trial.curve[bisect_left(trial.curve, level, key=lambda point: point[0]) :]:
        if math.isfinite(value):
            return value
    return last_value(trial) if trial.state is TrialState.COMPLETED else None


@dataclass(frozen=True, slots=True)
class Place:
    """A trial at a rung. ``value`` is None for one that was promoted from here and had to begin again since."""

    trial: Observation
    value: float | None


def sound(history: History) -> list[Observation]:
    """The trials that others may be compared with: own ones, and inherited ones where values are comparable.

    Failed and lost trials are left out: what a script prints before it breaks may be a bar that no honest trial can
    reach.
    """
    others = history.inherited if history.comparable else ()
    return [trial for trial in chain(history.own, others) if trial.state not in _BROKEN]


def ranked(history: History, places: list[Place]) -> list[Place]:
    """The best first, of equals the older one; those whose value is gone lead, since they were among the best."""
    sign = history.goal.sign
    return sorted(places, key=lambda p: (p.value is not None, -sign * (p.value or 0.0), p.trial.number))
