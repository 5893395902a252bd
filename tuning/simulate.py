"""Running a strategy against a function instead of real trials: what would this search do?"""

from __future__ import annotations

import math
from collections.abc import Callable

from tuning.contracts import Strategy, Suggestion
from tuning.errors import SpaceExhausted
from tuning.history import History, Observation
from tuning.space import Config, SearchSpace
from tuning.states import Goal, TrialState

Objective = Callable[[Config], float | None]


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
    on_suggestion: Callable[[int, Suggestion], None] | None = None,
) -> History:
    """The history after ``trials`` trials, ``parallel`` of them running at a time; the oldest running one ends first.

    A trial whose objective is None or not finite has failed. The search ends early if the space is exhausted.
    """
    own: list[Observation] = []

    def history() -> History:
        return History(goal, tuple(own), inherited, comparable)

    exhausted = False
    while True:
        running = [index for index, trial in enumerate(own) if not trial.state.terminal]
        wanted = 0 if exhausted else min(parallel - len(running), trials - len(own))
        if wanted > 0:
            numbers = range(len(own) + 1, len(own) + 1 + wanted)
            try:
                suggestions = strategy.suggest(space, history(), numbers, seed)
            except SpaceExhausted:
                suggestions = []
            exhausted = len(suggestions) < wanted
            for number, suggestion in zip(numbers, suggestions, strict=False):
                own.append(Observation(number, suggestion.config, TrialState.RUNNING))
                if on_suggestion:
                    on_suggestion(number, suggestion)
        elif running:
            own[running[0]] = _ended(own[running[0]], objective)
        else:
            return history()


def _ended(trial: Observation, objective: Objective) -> Observation:
    value = objective(trial.config)
    if value is None or not math.isfinite(value):
        return Observation(trial.number, trial.config, TrialState.FAILED)
    return Observation(trial.number, trial.config, TrialState.COMPLETED, value, ((1, value),))
