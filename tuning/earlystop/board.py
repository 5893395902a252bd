"""What policies ask of the trials' curves, so that each rule stands once and is fed from two sources.

``HistoryBoard`` answers from one moment's history, as a policy is given it. A replay (``analysis.recording``) answers
from curves that it plays on: to rebuild everything at each of a hundred thousand reports would take minutes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Protocol, runtime_checkable

from tuning.averages import median
from tuning.contracts import Verdict
from tuning.earlystop import curves
from tuning.history import History
from tuning.states import Goal


@dataclass(frozen=True, slots=True)
class Reports:
    """An own trial's reports so far: how many (``interval``), the ``last`` and the ``best``.

    The values are NaN where there is no report yet; one that is not finite is ``curves.worst``.
    """

    interval: int
    last: float
    best: float


class Board(Protocol):
    """The curves of own trials, and of inherited ones where values are comparable, at one moment.

    *Sound* trials are those that have not failed or been lost. A statistic "up to report N" is of a trial's reports 1
    to N, as many as it has. Averages are of finite values (a trial without any has none);
    else a value that is not finite is worse than any that is.
    """

    @property
    def goal(self) -> Goal: ...

    def reports(self, number: int) -> Reports:
        """The own trial's; none for an unknown one."""
        ...

    def median_average(self, interval: int) -> tuple[float, int]:
        """The median of all trials' averages up to report ``interval``, and of how many; (NaN, 0) if there is none."""
        ...

    def earlier_average(self, number: int, interval: int) -> tuple[float, int]:
        """The same of the sound inherited ones and those of a lower number; running ones only if they have come to
        ``interval``. (NaN, 0) if there is none.
        """
        ...

    def best(self, interval: int) -> tuple[float, int]:
        """The best value up to report ``interval`` of the sound trials that have reported, and how many these are.

        (NaN, 0) if there is none; ``curves.worst`` if none has a finite value by then.
        """
        ...

    def bests_better_than(self, number: int, value: float, interval: int, *, running: bool) -> tuple[int, int]:
        """How many other sound trials' bests up to ``interval`` are better than ``value``, and how many trials have
        come to ``interval``, the own trial ``number`` included. ``running``: of those that have not ended.
        """
        ...

    def values_better_than(self, number: int, value: float, interval: int) -> tuple[int, int]:
        """The same for the values of report ``interval`` itself."""
        ...


@runtime_checkable
class BoardPolicy(Protocol):
    """A policy that can also judge by a board; its ``judge`` is ``judge_on`` with a ``HistoryBoard``."""

    def judge(self, number: int, history: History) -> Verdict: ...

    def judge_on(self, number: int, board: Board) -> Verdict: ...


@dataclass(frozen=True, slots=True)
class HistoryBoard:
    history: History

    @property
    def goal(self) -> Goal:
        return self.history.goal

    def reports(self, number: int) -> Reports:
        found = curves.values(self.history.trial(number))
        if not found:
            return Reports(0, float("nan"), float("nan"))
        return Reports(len(found), curves.judged(self.goal, found[-1]), curves.best(self.goal, found))

    def median_average(self, interval: int) -> tuple[float, int]:
        others = self.history.inherited if self.history.comparable else ()
        reported = (curves.values(trial)[:interval] for trial in chain(self.history.own, others))
        return _median(curves.average(found) for found in reported)

    def earlier_average(self, number: int, interval: int) -> tuple[float, int]:
        return _median(
            curves.average(found[:interval])
            for trial in curves.sound(self.history)
            if trial.inherited_from is not None or trial.number < number
            if len(found := curves.values(trial)) >= (1 if trial.state.terminal else interval)
        )

    def best(self, interval: int) -> tuple[float, int]:
        reported = [found[:interval] for trial in curves.sound(self.history) if (found := curves.values(trial))]
        if not reported:
            return float("nan"), 0
        return curves.best(self.goal, [value for found in reported for value in found]), len(reported)

    def bests_better_than(self, number: int, value: float, interval: int, *, running: bool) -> tuple[int, int]:
        others = [
            curves.best(self.goal, found[:interval])
            for found, terminal in self._others(number, interval)
            if not (running and terminal)
        ]
        return sum(self.goal.better(other, value) for other in others), len(others) + 1

    def values_better_than(self, number: int, value: float, interval: int) -> tuple[int, int]:
        others = [curves.judged(self.goal, found[interval - 1]) for found, _ in self._others(number, interval)]
        return sum(self.goal.better(other, value) for other in others), len(others) + 1

    def _others(self, number: int, interval: int) -> list[tuple[list[float], bool]]:
        """The values of the other sound trials that have come to ``interval``, and whether each has ended."""
        return [
            (found, trial.state.terminal)
            for trial in curves.sound(self.history)
            if not (trial.number == number and trial.inherited_from is None)
            and len(found := curves.values(trial)) >= interval
        ]


def _median(averages: Iterable[float | None]) -> tuple[float, int]:
    found = [average for average in averages if average is not None]
    return (median(found), len(found)) if found else (float("nan"), 0)
