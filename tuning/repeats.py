"""Running each point several times, where one run says little: the seed that the script gets differs, the point not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from tuning.averages import mean
from tuning.contracts import Scheduler, Strategy, Suggestion
from tuning.errors import SpaceExhausted
from tuning.history import History, Observation, best_of, keys_of
from tuning.space import SearchSpace, Value
from tuning.states import TrialState

MAX_REPEATS = 100


class Repeated:
    """A strategy whose points are each run ``times`` times, one after the other (failed runs count), then the next.

    ``strategy`` sees each point as one trial: the first, second, ... point of the job, with the mean of the values of
    its runs so far, so that its initial design and its model are those of a search without repeats. A scheduler sees
    the trials themselves, since it judges each run by its curve.

    Raises:
        ValueError: ``times`` is less than 1.
    """

    def __init__(self, times: int, strategy: Strategy) -> None:
        if times < 1:
            raise ValueError(f"times is {times}; a point is run at least once")
        self.times = times
        self.strategy = strategy

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        points = _points(space, history)
        due = [self._again(point, run) for point in points for run in range(len(point.runs) + 1, self.times + 1)]
        suggestions = due[: len(numbers)]
        rest = numbers[len(suggestions) :]
        if not rest:
            return suggestions
        try:
            fresh = self._fresh(space, history, points, list(zip(numbers, suggestions, strict=False)), rest, seed)
        except SpaceExhausted:
            if suggestions:
                return suggestions
            raise
        for first, one in zip(rest[:: self.times], fresh, strict=False):
            point = _Point([Observation(first, one.config, TrialState.QUEUED)])
            suggestions.append(replace(one, numbers={**one.numbers, "run": 1, "runs": self.times}))
            suggestions += [self._again(point, run) for run in range(2, self.times + 1)]
        return suggestions[: len(numbers)]

    def _fresh(
        self,
        space: SearchSpace,
        history: History,
        points: list[_Point],
        given: list[tuple[int, Suggestion]],
        rest: Sequence[int],
        seed: int,
    ) -> list[Suggestion]:
        """New points, one for every ``times`` of the numbers ``rest``; ``given`` are the runs that come before them."""
        if isinstance(self.strategy, Scheduler):
            pending = [Observation(number, one.config, TrialState.QUEUED) for number, one in given]
            seen = replace(history, own=(*history.own, *pending))
            return self.strategy.suggest(space, seen, rest[:: self.times], seed)
        seen = replace(history, own=tuple(point.seen(number) for number, point in enumerate(points, 1)))
        wanted = range(len(points) + 1, len(points) + 1 + math.ceil(len(rest) / self.times))
        return self.strategy.suggest(space, seen, wanted, seed)

    def _again(self, point: _Point, run: int) -> Suggestion:
        first = point.runs[0]
        config: dict[str, Value] = dict(first.config)
        return Suggestion(
            config,
            f"Run {run} of {self.times} of the point of trial {first.number}.",
            {"first_trial": first.number, "run": run, "runs": self.times},
        )


class _Point(NamedTuple):
    """One point and its runs, at least one, in the order of their numbers."""

    runs: list[Observation]

    def seen(self, number: int) -> Observation:
        """The point as one trial. Completed with the mean of the runs that gave a value, else as its last run."""
        values = [run.value for run in self.runs if run.usable and run.value is not None]
        running = [run for run in self.runs if not run.state.terminal]
        last = self.runs[-1]
        if not values:
            return replace((running or [last])[0], number=number, value=None, curve=())
        return Observation(number, last.config, TrialState.COMPLETED, mean(values))


def _points(space: SearchSpace, history: History) -> list[_Point]:
    """The points of a job's own trials, by their first trial."""
    points: dict[str, _Point] = {}
    for trial, key in zip(history.own, keys_of(space, history.own), strict=True):
        points.setdefault(key, _Point([])).runs.append(trial)
    return list(points.values())


def best_point(space: SearchSpace, history: History, times: int) -> Observation | None:
    """The own point with the best mean of its values, of those whose ``times`` runs have ended (the first of equals).

    ``number`` is the one of its first run. One run of several may be the best by luck; their mean hardly is.
    """
    whole = [p for p in _points(space, history) if len([run for run in p.runs if run.state.terminal]) >= times]
    return best_of(history.goal, [seen for p in whole if (seen := p.seen(p.runs[0].number)).usable])
