"""Running a strategy against a function instead of real trials: what would this search do?"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from tuning.contracts import Policy, Scheduler, Strategy, Suggestion
from tuning.errors import SpaceExhausted
from tuning.history import History, Observation
from tuning.rungs import last_value
from tuning.space import Config, SearchSpace
from tuning.states import Goal, TrialState

Objective = Callable[[Config], float | Iterable[float | None] | None]


def simulate(
    strategy: Strategy,
    space: SearchSpace,
    objective: Objective,
    trials: int,
    *,
    goal: Goal = Goal.MAXIMIZE,
    parallel: int = 1,
    seed: int = 0,
    inherited: tuple[Observation, ...] = (),
    comparable: bool = True,
    policy: Policy | None = None,
    checkpoints: bool = True,
    on_suggestion: Callable[[int, Suggestion], None] | None = None,
) -> History:
    """The history after ``trials`` trials, ``parallel`` of them running at a time; the oldest running one ends first.

    ``objective`` gives a trial's value, or its curve: a value for each unit of resource (epoch), which running trials
    spend in turn. A trial whose last value is None or not finite has failed, also if it is stopped there. ``policy``,
    or the strategy if it is a Scheduler, judges each value. A promoted trial goes on where it was; without
    ``checkpoints`` it begins again. The search ends early if the space is exhausted; trials that are paused then are
    over.
    """
    run = _Run(strategy, space, objective, trials, goal, parallel, seed, inherited, comparable, policy, checkpoints)
    while True:
        run.fill(on_suggestion)
        if not run.running:
            return run.ended()
        run.step()


class _Run:
    """A search in its course. ``running`` holds the numbers of running trials, whose turn is next first."""

    def __init__(
        self,
        strategy: Strategy,
        space: SearchSpace,
        objective: Objective,
        trials: int,
        goal: Goal,
        parallel: int,
        seed: int,
        inherited: tuple[Observation, ...],
        comparable: bool,
        policy: Policy | None,
        checkpoints: bool,
    ) -> None:
        self.strategy, self.space, self.objective, self.seed = strategy, space, objective, seed
        self.budget, self.parallel, self.checkpoints = trials, parallel, checkpoints
        self.scheduler = strategy if isinstance(strategy, Scheduler) else None
        self.policy = policy or self.scheduler
        self.own: list[Observation] = []
        self.curves: dict[int, Sequence[float | None]] = {}
        self.running: deque[int] = deque()
        self._rest = (inherited, comparable)
        self._goal = goal

    def history(self) -> History:
        return History(self._goal, tuple(self.own), *self._rest, self.budget)

    def fill(self, on_suggestion: Callable[[int, Suggestion], None] | None) -> None:
        """Let as many trials run as there is room for: promoted ones, then new ones."""
        self._promote()
        wanted = min(self.parallel - len(self.running), self.budget - len(self.own))
        if wanted <= 0:
            return
        numbers = range(len(self.own) + 1, len(self.own) + 1 + wanted)
        exhausted = False
        try:
            suggestions = self.strategy.suggest(self.space, self.history(), numbers, self.seed)
        except SpaceExhausted:
            suggestions, exhausted = [], True
        for number, suggestion in zip(numbers, suggestions, strict=False):
            self.own.append(Observation(number, suggestion.config, TrialState.RUNNING))
            self.running.append(number)
            if on_suggestion:
                on_suggestion(number, suggestion)
        if exhausted or (len(suggestions) < wanted and self.scheduler is None):
            self.budget = len(self.own)
            self._promote()  # a bracket that was to be filled is as full as it gets

    def _promote(self) -> None:
        if self.scheduler is None:
            return
        for promotion in self.scheduler.promote(self.history(), self.parallel - len(self.running)):
            trial = self.own[promotion.number - 1]
            curve = trial.curve if self.checkpoints else ()
            self.own[promotion.number - 1] = replace(
                trial, state=TrialState.RUNNING, promotions=trial.promotions + 1, curve=curve
            )
            self.running.append(promotion.number)

    def step(self) -> None:
        """Give the next running trial one unit of resource."""
        number = self.running.popleft()
        trial = self.own[number - 1]
        if number not in self.curves:
            found = self.objective(trial.config)
            self.curves[number] = tuple(found) if isinstance(found, Iterable) else (found,)
        curve = self.curves[number]
        at = trial.curve[-1][0] if trial.curve else 0
        value = curve[at] if at < len(curve) else None
        if value is None or (not math.isfinite(value) and at + 1 == len(curve)):
            self.own[number - 1] = replace(trial, state=TrialState.FAILED)
            return
        trial = self.own[number - 1] = replace(trial, curve=(*trial.curve, (at + 1, value)))
        if at + 1 == len(curve):
            self.own[number - 1] = replace(trial, state=TrialState.COMPLETED, value=value)
            return
        verdict = self.policy.judge(number, self.history()) if self.policy else None
        if verdict is None or not verdict.stop:
            self.running.append(number)
        elif verdict.pause:
            self.own[number - 1] = replace(trial, state=TrialState.PAUSED)
        elif math.isfinite(value):
            self.own[number - 1] = stopped(trial)
        else:
            self.own[number - 1] = replace(trial, state=TrialState.FAILED)

    def ended(self) -> History:
        self.own = [stopped(trial) if trial.state is TrialState.PAUSED else trial for trial in self.own]
        return self.history()


def stopped(trial: Observation) -> Observation:
    """A trial that was given up, with the value it had come to."""
    return replace(trial, state=TrialState.EARLY_STOPPED, value=last_value(trial))
