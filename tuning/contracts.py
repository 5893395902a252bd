"""The two contracts of the engine: what a strategy and an early-stopping policy promise.

Both are pure: they hold nothing but their options, are given the whole history at each call, and answer the same for
the same arguments in any process. tests/tuning/strategy_suite.py and policy_suite.py are these contracts as tests;
every implementation inherits them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

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
    """Whether a trial should be stopped now, and why (also why not)."""

    stop: bool
    reason: str
    numbers: dict[str, Number] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.reason:
            raise ValueError("a verdict must say why")


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
