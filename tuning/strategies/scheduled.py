"""A scheduler whose suggestions pass through a wrapper stays a scheduler."""

from __future__ import annotations

from collections.abc import Sequence

from tuning.contracts import Promotion, Scheduler, Strategy, Suggestion, Verdict
from tuning.history import History
from tuning.space import SearchSpace


class Scheduled:
    """Suggests by ``strategy``, a wrapper around ``scheduler``; judges and promotes by ``scheduler`` itself."""

    def __init__(self, strategy: Strategy, scheduler: Scheduler) -> None:
        self.strategy = strategy
        self.scheduler = scheduler

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        return self.strategy.suggest(space, history, numbers, seed)

    def judge(self, number: int, history: History) -> Verdict:
        return self.scheduler.judge(number, history)

    def promote(self, history: History, room: int) -> list[Promotion]:
        return self.scheduler.promote(history, room)
