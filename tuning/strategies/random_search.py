"""Random search, and what it makes of warm-start parents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from tuning.contracts import Number, Suggestion
from tuning.history import History, Observation
from tuning.parameters import Floats
from tuning.registry import Info, Option
from tuning.space import SearchSpace, Value
from tuning.strategies.untried import draw_untried, in_turn

GOOD_SHARE = 0.2  # of each parent's trials, the best make the good region
CATEGORY_CHANGE = 0.2  # chance that a categorical value of a good trial is drawn anew

INFO = Info(
    name="random",
    title="Random",
    summary="Draws every trial independently and uniformly. With warm-start parents, a stated share of the trials is "
    "drawn near the parents' best ones.",
    options=(
        Option(
            "parent_share",
            "float",
            0.5,
            0,
            1,
            help="With warm-start parents: the chance of a trial to be drawn near one of the best fifth of a parent's "
            "trials instead of uniformly.",
        ),
    ),
)


class RandomSearch:
    """Uniform points; with inherited observations, a share of ``parent_share`` near the parents' good region.

    Good are the best fifth of each parent's trials by rank within that parent, so that it does not matter whether
    the parents' values are comparable with the job's own.
    """

    def __init__(self, parent_share: float = 0.5) -> None:
        self.parent_share = parent_share

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        used = history.used_keys(space)
        good = good_region(history)

        def suggest(number: int) -> Suggestion:
            suggestion = self._one(space, used, good, np.random.default_rng([seed, number]))
            used.add(space.key(suggestion.config))
            return suggestion

        return in_turn(numbers, suggest)

    def _one(self, space: SearchSpace, used: set[str], good: list[Observation], rng: np.random.Generator) -> Suggestion:
        if not good or rng.random() >= self.parent_share:
            share = 1 - self.parent_share if good else 1.0
            rest = f", as {share:.0%} of the trials are; the others lie near the parents' best" if good else ""
            return Suggestion(draw_untried(space, used, rng), f"Uniform random{rest}.", {"uniform_share": share})
        near = good[int(rng.integers(len(good)))]
        spread = _spread(space, good)
        config = draw_untried(space, used, rng, lambda r: _near(space, near, spread, r))
        reason = (
            f"Random near trial {near.number} of {near.inherited_from}, one of the best {len(good)} of the parents."
        )
        numbers: dict[str, Number] = {
            "parent": near.inherited_from or "",
            "parent_trial": near.number,
            "good_trials": len(good),
            "parent_share": self.parent_share,
        }
        return Suggestion(config, reason, numbers)


def good_region(history: History) -> list[Observation]:
    """The best fifth (at least one) of the usable trials of each parent, best first within a parent."""
    good: list[Observation] = []
    trials = [trial for trial in history.inherited if trial.usable]
    by_parent = sorted(trials, key=lambda trial: trial.inherited_from or "")
    for _, group in groupby(by_parent, key=lambda trial: trial.inherited_from or ""):
        ranked = sorted(group, key=lambda trial: -history.goal.sign * (trial.value or 0.0))
        good.extend(ranked[: math.ceil(GOOD_SHARE * len(ranked))])
    return good


def _spread(space: SearchSpace, good: list[Observation]) -> Floats:
    """How far to step per unit coordinate: half the spread of the good trials, within 2 % and 20 % of the range."""
    units = space.encode_all([trial.config for trial in good])
    spread: Floats = np.clip(0.5 * units.std(axis=0), 0.02, 0.2)
    return spread


def _near(
    space: SearchSpace,
    trial: Observation,
    spread: Floats,
    rng: np.random.Generator,
) -> dict[str, Value]:
    units = space.encode(trial.config)
    for index, parameter in enumerate(space.parameters):
        if parameter.nominal:
            if rng.random() < CATEGORY_CHANGE:
                units[index] = rng.random()
        else:
            # Reflection at the ends keeps the density there; clipping would pile trials up on them.
            step = units[index] + rng.normal(0.0, spread[index])
            units[index] = 1.0 - abs(1.0 - abs(step) % 2.0)
    return space.decode(units)
