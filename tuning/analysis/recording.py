"""The curves of trials that have run, and a board on which they are played again report by report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from operator import itemgetter
from typing import Literal

import numpy as np

from tuning import averages
from tuning.earlystop import curves
from tuning.earlystop.board import Reports
from tuning.history import History, Observation
from tuning.parameters import Floats
from tuning.states import Goal, TrialState

_BROKEN = frozenset({TrialState.FAILED, TrialState.LOST})

# What happened to a trial, in the order in which things of one moment are played.
Kind = Literal["start", "report", "end"]
_ORDER: dict[Kind, int] = {"start": 0, "report": 1, "end": 2}


@dataclass(frozen=True, slots=True)
class RecordedTrial:
    """A trial as it ran. Times are seconds on one clock; ``times`` are those of its reports, as many as its curve has.

    ``ended_at`` is None for a trial that runs.
    """

    trial: Observation
    started_at: float | None = None
    ended_at: float | None = None
    times: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """``place`` of the trial in the recording; ``count``: how many reports it has made with this one."""

    at: float
    kind: Kind
    place: int
    count: int = 0


@dataclass(frozen=True)
class Recording:
    """The trials of a job, by number, with the inherited ones that policies may compare with.

    ``timed`` says whether things are played in the order in which they happened. Where a trial that reported has no
    start or end, nobody knows that order: then each trial is played to its end before the one of the next number.
    Reports without times of their own are spread evenly from their trial's start to its end.
    """

    goal: Goal
    trials: tuple[RecordedTrial, ...]
    inherited: tuple[Observation, ...] = ()
    comparable: bool = True

    @classmethod
    def of(cls, history: History, trials: Iterable[RecordedTrial] | None = None) -> Recording:
        """The own trials of a history, with their times if they are given as ``trials``."""
        recorded = [RecordedTrial(trial) for trial in history.own] if trials is None else list(trials)
        recorded.sort(key=lambda one: one.trial.number)
        return cls(history.goal, tuple(recorded), history.inherited, history.comparable)

    @cached_property
    def timed(self) -> bool:
        return all(_is_timed(one) for one in self.trials if one.trial.curve)

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """Everything that happened to trials that reported, in order."""
        found: list[Event] = []
        for place, one in enumerate(self.trials):
            if not one.trial.curve:
                continue
            times = _report_times(one) if self.timed else [float(place)] * len(one.trial.curve)
            began = one.started_at if self.timed and one.started_at is not None else times[0]
            found.append(Event(min(began, times[0]), "start", place))
            found += [Event(at, "report", place, count) for count, at in enumerate(times, 1)]
            if one.trial.state.terminal:
                ended = one.ended_at if self.timed and one.ended_at is not None else times[-1]
                found.append(Event(max(ended, times[-1]), "end", place, len(times)))
        number = {place: one.trial.number for place, one in enumerate(self.trials)}
        return tuple(sorted(found, key=lambda e: (e.at, _ORDER[e.kind], number[e.place], e.count)))

    @cached_property
    def tables(self) -> Tables:
        """The curves of own trials, then those of inherited ones that compare."""
        others = self.inherited if self.comparable else ()
        return Tables.of(self.goal, [*(one.trial for one in self.trials), *others])


@dataclass(frozen=True)
class Tables:
    """``values``, ``bests`` and ``averages``, each (trials, reports): of report n, and up to report n; then NaN.

    As policies compare them (``earlystop.curves``): a value that is not finite is the worst, and in no average, which
    is NaN where there is no other.
    """

    trials: Sequence[Observation]
    values: Floats
    bests: Floats
    averages: Floats

    @classmethod
    def of(cls, goal: Goal, trials: Sequence[Observation]) -> Tables:
        reported = [curves.values(trial) for trial in trials]
        found = [[curves.judged(goal, value) for value in values] for values in reported]
        width = max((len(values) for values in found), default=0)
        better: Callable[[float, float], float] = max if goal is Goal.MAXIMIZE else min
        return cls(
            trials,
            _table(found, width),
            _table([list(accumulate(values, better)) for values in found], width),
            # Not a running sum: its last bit may differ from that of the mean that a policy takes.
            _table([_averages(values) for values in reported], width),
        )


class RecordedBoard:
    """The curves up to a moment of the replay. ``report`` and ``end`` play on; the rest is what policies ask.

    A statistic up to report n stands ready for every n, also beyond a trial's last report, where it stays what it was.
    """

    def __init__(self, recording: Recording) -> None:
        self.goal = recording.goal
        self._recording = recording
        self._tables = tables = recording.tables
        trials, width = tables.values.shape
        self._places = {one.trial.number: place for place, one in enumerate(recording.trials)}
        self._numbers = np.array([-1 if t.inherited_from is not None else t.number for t in tables.trials])
        self._counts = np.zeros(trials, dtype=np.intp)
        self._over = np.zeros(trials, dtype=bool)
        self._sound = np.ones(trials, dtype=bool)
        self._bests = np.full((width, trials), np.nan)
        self._averages = np.full((width, trials), np.nan)
        self._top: list[float] = [-math.inf * self.goal.sign] * width
        self._reported = 0  # sound trials that have
        for place in range(len(recording.trials), trials):
            self._sound[place] = tables.trials[place].state not in _BROKEN
            self._over[place] = tables.trials[place].state.terminal
            for count in range(1, len(tables.trials[place].curve) + 1):
                self.report(place, count)

    def report(self, place: int, count: int) -> None:
        """The trial makes its ``count``-th report."""
        if self._sound[place]:
            self._reported += int(self._counts[place] == 0)
            self._raise_top(place, count)
        self._counts[place] = count
        self._bests[count - 1 :, place] = self._tables.bests[place, count - 1]
        self._averages[count - 1 :, place] = self._tables.averages[place, count - 1]

    def end(self, place: int, state: TrialState) -> None:
        self._over[place] = True
        if state not in _BROKEN:
            return
        self._sound[place] = False
        self._reported -= int(self._counts[place] > 0)
        self._top = [-math.inf * self.goal.sign] * len(self._top)
        for other in np.flatnonzero(self._sound):
            for number in range(1, self._counts[other] + 1):
                self._raise_top(int(other), number)

    def _raise_top(self, place: int, number: int) -> None:
        value, sign = float(self._tables.values[place, number - 1]), self.goal.sign
        for at in range(number - 1, len(self._top)):
            if sign * self._top[at] >= sign * value:
                break
            self._top[at] = value

    # --- what policies ask ---

    def reports(self, number: int) -> Reports:
        place = self._places.get(number)
        count = 0 if place is None else int(self._counts[place])
        if place is None or not count:
            return Reports(0, math.nan, math.nan)
        at = (place, count - 1)
        return Reports(count, float(self._tables.values[at]), float(self._tables.bests[at]))

    def median_average(self, interval: int) -> tuple[float, int]:
        row = self._averages[interval - 1]
        return _median(row, len(row) - int(np.count_nonzero(np.isnan(row))))

    def earlier_average(self, number: int, interval: int) -> tuple[float, int]:
        far = (self._counts >= interval) | (self._over & (self._counts > 0))
        found = self._averages[interval - 1][far & self._sound & (self._numbers < number)]
        return _median(found, len(found) - int(np.count_nonzero(np.isnan(found))))

    def best(self, interval: int) -> tuple[float, int]:
        return (self._top[interval - 1], self._reported) if self._reported else (math.nan, 0)

    def bests_better_than(self, number: int, value: float, interval: int, *, running: bool) -> tuple[int, int]:
        return self._better(self._bests[interval - 1], number, value, interval, running=running)

    def values_better_than(self, number: int, value: float, interval: int) -> tuple[int, int]:
        return self._better(self._tables.values[:, interval - 1], number, value, interval, running=False)

    def _better(self, row: Floats, number: int, value: float, interval: int, *, running: bool) -> tuple[int, int]:
        there = (self._counts >= interval) & self._sound
        if running:
            there &= ~self._over
        there[self._places[number]] = False
        better = row > value if self.goal is Goal.MAXIMIZE else row < value
        return int(np.count_nonzero(better & there)), int(np.count_nonzero(there)) + 1


class RecordedHistory:
    """The same as a history, for a policy that knows no boards. Slower: it is made anew for each report."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._own: dict[int, Observation] = {}

    def start(self, place: int) -> None:
        trial = self._recording.trials[place].trial
        self._own[place] = replace(trial, state=TrialState.RUNNING, value=None, curve=())

    def report(self, place: int, count: int) -> None:
        curve = self._recording.trials[place].trial.curve[:count]
        self._own[place] = replace(self._own[place], curve=curve, value=curve[-1][1])

    def end(self, place: int, state: TrialState) -> None:
        self._own[place] = replace(self._own[place], state=state)

    def history(self) -> History:
        own = tuple(trial for _, trial in sorted(self._own.items(), key=itemgetter(0)))
        return History(self._recording.goal, own, self._recording.inherited, self._recording.comparable)


def _median(found: Floats, count: int) -> tuple[float, int]:
    """The median of the first ``count`` by size (NaN are the largest); (NaN, 0) of none."""
    if not count:
        return math.nan, 0
    middle = count // 2
    if count % 2:
        return float(np.partition(found, middle)[middle]), count
    pair = np.partition(found, (middle - 1, middle))
    return averages.middle(float(pair[middle - 1]), float(pair[middle])), count


def _averages(values: list[float]) -> list[float]:
    """The averages up to each report; NaN where nothing is finite yet."""
    finite: list[float] = []
    found: list[float] = []
    for value in values:
        finite += [value] if math.isfinite(value) else []
        found.append(averages.mean(finite) if finite else math.nan)
    return found


def _table(rows: Sequence[Sequence[float]], width: int) -> Floats:
    table = np.full((len(rows), width), np.nan)
    for place, row in enumerate(rows):
        table[place, : len(row)] = row
    return table


def _is_timed(one: RecordedTrial) -> bool:
    if len(one.times) == len(one.trial.curve):
        return True
    return one.started_at is not None and one.ended_at is not None


def _report_times(one: RecordedTrial) -> list[float]:
    """Times that never go back."""
    reports = len(one.trial.curve)
    if len(one.times) == reports:
        return list(accumulate(map(float, one.times), max))
    start, end = one.started_at or 0.0, one.ended_at or 0.0
    return [start + max(end - start, 0.0) * count / reports for count in range(1, reports + 1)]
