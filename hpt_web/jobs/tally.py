"""Sums over a job's trials that every step asks for, brought up to date at a cost that hardly grows with them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tuning.history import Observation
from tuning.states import Goal, TrialState

UNMEASURED = (TrialState.FAILED, TrialState.LOST)  # what they reported is no result


@dataclass(frozen=True, slots=True)
class Tally:
    """How many trials are in each state, and the objectives of those that have one: (value, -number), in order."""

    counts: Mapping[str, int]
    measured: Sequence[tuple[float, int]]

    @classmethod
    def of(cls, trials: Iterable[Observation]) -> Tally:
        return cls({}, ()).changed((), trials)

    def changed(self, before: Iterable[Observation], after: Iterable[Observation]) -> Tally:
        """With trials that were like `before` and are like `after` now."""
        counts, measured = Counter(self.counts), list(self.measured)
        for trial in before:
            counts[str(trial.state)] -= 1
            if (entry := _entry(trial)) is not None:
                del measured[bisect_left(measured, entry)]
        for trial in after:
            counts[str(trial.state)] += 1
            if (entry := _entry(trial)) is not None:
                insort(measured, entry)
        return Tally({state: count for state, count in counts.items() if count}, measured)

    def best(self, goal: Goal) -> tuple[int, float] | None:
        """The trial with the best objective, the first of equals, and that."""
        if not self.measured:
            return None
        if goal is Goal.MAXIMIZE:
            value, number = self.measured[-1]
        else:  # of equals the last one here is the first trial
            value, number = self.measured[bisect_left(self.measured, (self.measured[0][0], 1)) - 1]
        return -number, value

    def middle(self) -> tuple[float, float] | None:
        """The two objectives in the middle, which are one if their number is odd."""
        if not self.measured:
            return None
        return self.measured[(len(self.measured) - 1) // 2][0], self.measured[len(self.measured) // 2][0]


def _entry(trial: Observation) -> tuple[float, int] | None:
    return None if trial.value is None or trial.state in UNMEASURED else (trial.value, -trial.number)
