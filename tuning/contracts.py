"""The contracts of the engine: what a strategy, an early-stopping policy and a scheduler promise.

All are pure: they hold nothing but their options, are given the whole history at each call, and answer the same for
the same arguments in any process. tuning/testing/ holds these contracts as tests; every implementation inherits them,
also one of another package (plugins.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from tuning.history import History
from tuning.space import SearchSpace, Value

Number = float | int | str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One point to try. ``reason`` is a sentence for the trial's page, ``numbers`` the same facts for programs."""

    config: dict[str, Value]
    reason: str
    numbers: dict[str, Number] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.reason:
            raise ValueError("a suggestion must say why")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a trial should be stopped now, and why (also why not).

    ``pause`` goes with ``stop``: the trial gives its place back, but is not over. Its scheduler may promote it later.
    """

    stop: bool
    reason: str
    numbers: dict[str, Number] = field(default_factory=dict)
    pause: bool = False

    def __post_init__(self) -> None:
        if not self.reason:
            raise ValueError("a verdict must say why")
        if self.pause and not self.stop:
            raise ValueError("a verdict that pauses also stops")


@dataclass(frozen=True, slots=True)
class Promotion:
    """A paused trial that should go on, from its checkpoint if it left one."""

    number: int
    reason: str
    numbers: dict[str, Number] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.reason:
            raise ValueError("a promotion must say why")


class Strategy(Protocol):
    """Chooses the next points."""

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        """Suggest one point for each trial number in ``numbers``, in that order.

        ``numbers`` are the numbers (>= 1) of the trials about to be written; none of them is in ``history`` yet. The
        answer may be shorter when the space runs out. No point of ``history.own``, pending ones included, is suggested
        again, and no point twice in one answer. All randomness is seeded by ``seed`` and the number.

        Raises:
            SpaceExhausted: not even one untried point is left.
        """
        ...


class Policy(Protocol):
    """Decides whether a running trial is worth going on with."""

    def judge(self, number: int, history: History) -> Verdict:
        """Judge trial ``number`` of ``history.own`` at its last report.

        To be asked at each report of the objective; ``earlystop.judge_reports`` does so for several that came together.
        """
        ...


@runtime_checkable
class Scheduler(Strategy, Policy, Protocol):
    """A strategy that also decides how far each trial goes (Hyperband and its kin); no other policy goes with it.

    Its ``suggest`` may answer fewer points than asked for, or none, while it waits for trials that run. It never waits
    when nothing runs and ``promote`` has nothing: then it suggests, or raises SpaceExhausted.
    """

    def promote(self, history: History, room: int) -> list[Promotion]:
        """The paused trials of ``history.own`` that should go on now, the best first, at most ``room`` (>= 0).

        They are asked for before new points. Once the trials of the job's budget have all been written and nothing
        runs, an empty answer means that whoever is still paused is over (EarlyStopped).
        """
        ...
