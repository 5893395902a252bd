"""The trials of a Tuner: what it hands out, and the record of what became of each.

What every call asks for (how many run, where the search stands, the history) is kept at hand. Only the history, a tuple
of all trials, is made anew after each change: a tenth of a millisecond at 3,000 of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from tuning.completion import Tally
from tuning.contracts import Number
from tuning.documents import shown
from tuning.errors import Fault, InvalidSpec
from tuning.history import History, Observation
from tuning.space import Value
from tuning.states import Goal, TrialState


@dataclass(frozen=True, slots=True)
class Trial:
    """A point to try: ``reason`` and ``numbers`` say why this one. What becomes of it is in ``Tuner.trials``.

    ``resumed``: it was paused, and goes on from where it stopped; or from its beginning, if that cannot be.
    """

    number: int
    config: dict[str, Value]
    reason: str
    numbers: dict[str, Number]
    resumed: bool = False
    static: Mapping[str, Value] = field(default_factory=dict)
    # ``config`` is its user's to change; this is what was asked for.
    _point: Mapping[str, Value] | None = field(default=None, compare=False, repr=False)

    @property
    def arguments(self) -> dict[str, Value]:
        """``config``, and what is the same in every trial."""
        return {**self.static, **self.config}

    @property
    def point(self) -> Mapping[str, Value]:
        """``config`` as it was asked for, whatever was made of it since."""
        return self.config if self._point is None else self._point


def _unchanging(*_: Any, **__: Any) -> NoReturn:
    raise TypeError("this is the record of what was tried; change a copy of it: dict(trial.config)")


class Point(dict[str, Value]):
    """The configuration of a recorded trial: a dict that nobody changes by mistake."""

    __setitem__ = __delitem__ = __ior__ = _unchanging
    clear = pop = popitem = setdefault = update = _unchanging

    def __reduce__(self) -> tuple[type[Point], tuple[dict[str, Value]]]:
        return Point, (dict(self),)


class Trials:
    """Own trials by number, which are put in as they change, and the ``inherited`` ones."""

    def __init__(self, goal: Goal, inherited: tuple[Observation, ...], comparable: bool) -> None:
        past = tuple(replace(trial, config=Point(trial.config)) for trial in inherited)
        self.running = 0
        self.tally = Tally(goal)
        self._own: dict[int, Observation] = {}
        self._history = History(goal, (), past, comparable)
        self._current = True

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_own": dict(self._own), "tally": copy(self.tally)}

    def __len__(self) -> int:
        return len(self._own)

    def __getitem__(self, number: int) -> Observation:
        return self._own[number]

    def put(self, trial: Observation) -> Observation:
        """Record a new trial, or what has become of one that had not ended."""
        known = self._own.get(trial.number)
        self.running += (trial.state is TrialState.RUNNING) - (known is not None and known.state is TrialState.RUNNING)
        if trial.state.terminal:
            self.tally.add(trial)
        self._own[trial.number] = trial
        self._current = False
        return trial

    def history(self, budget: int | None) -> History:
        """Everything so far; the same object as long as it is the same."""
        if not self._current or self._history.budget != budget:
            self._history = replace(self._history, own=tuple(self._own.values()), budget=budget)
            self._current = True
        return self._history

    def find(self, trial: object) -> Observation:
        """The record of a trial that runs.

        Raises:
            InvalidSpec: it is no trial.
            ValueError: it is of another tuner, or does not run.
        """
        if not isinstance(trial, (Trial, Observation)):
            message = f"is {shown(trial)}; give the trial itself: one that ask returned, or one of tuner.trials"
            raise InvalidSpec([Fault("trial", message, "type")])
        found = self._own.get(trial.number)
        if found is None:
            raise ValueError(f"trial {trial.number} is not of this tuner")
        if found.config != (trial.point if isinstance(trial, Trial) else trial.config):
            raise ValueError(f"trial {trial.number} is not of this tuner, whose own is {shown(dict(found.config))}")
        if found.state is TrialState.PAUSED:
            raise ValueError(f"trial {trial.number} is paused; ask gives it back when it goes on")
        if found.state.terminal:
            raise ValueError(f"trial {trial.number} is over already: {found.state}")
        return found
