"""Random search, and what it makes of warm-start parents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuning.contracts import Number, Suggestion
from tuning.history import History, Observation
from tuning.parameters import Floats
from tuning.registry import Info, Option
from tuning.space import SearchSpace, Value
from tuning.strategies.parents import TRUST, Parent, weighed
from tuning.strategies.untried import draw_untried, in_turn

GOOD_SHARE = 0.2  # of each parent's trials, the best make the good region
CATEGORY_CHANGE = 0.2  # chance that a categorical value of a good trial is drawn anew
_MOST = 0.9  # of the trials may lie near parents: it takes uniform ones to tell whether the parents are right

INFO = Info(
    name="random",
    title="Random",
    summary="Draws every trial independently and uniformly. With warm-start parents, a stated share of the trials is "
    "drawn near the parents' best ones, less as own results contradict them.",
    options=(
        Option(
            "parent_share",
            "float",
            0.5,
            0,
            1,
            help="With warm-start parents: the share of the trials, at the start, that are drawn near one of the best "
            "fifth of a parent's trials instead of uniformly (at most 0.9). It falls, to 0 if need be, as own results "
            "contradict the parents' order.",
        ),
    ),
)


class RandomSearch:
    """Uniform points; with inherited observations, a share of ``parent_share`` near the parents' good regions.

    Good are the best fifth of each parent's trials by rank within that parent, so that it does not matter whether
    the parents' values are comparable with the job's own.

    A parent is believed by min(1, w / 0.7), where w is the weight that own results leave it (see parents.py; 0.7 at the
    start). The share is ``parent_share`` times the belief in the parent that is believed most, and is divided among the
    parents as they are believed. Trials come in pairs, of which a share of a half means one: so both kinds are seen
    early, the uniform one first. A uniform trial is the one that a job without parents has under the same number.
    """

    def __init__(self, parent_share: float = 0.5) -> None:
        self.parent_share = parent_share

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        space = space.focused
        used = history.used_keys(space)
        regions = _regions(space, history) if history.inherited and self.parent_share > 0.0 else []

        def suggest(number: int) -> Suggestion:
            suggestion = self._one(space, used, regions, number, seed)
            used.add(space.key(suggestion.config))
            return suggestion

        return in_turn(numbers, suggest)

    def _one(
        self, space: SearchSpace, used: set[str], regions: Sequence[_Region], number: int, seed: int
    ) -> Suggestion:
        rng = np.random.default_rng([seed, number])
        if not regions:
            return Suggestion(draw_untried(space, used, rng), "Uniform random.", {"uniform_share": 1.0})
        share = min(self.parent_share * max(region.belief for region in regions), _MOST)
        evidence = _evidence(regions)
        numbers: dict[str, Number] = {
            "uniform_share": 1.0 - share,
            "parent_share": share,
            "parents_weight": max(region.weight for region in regions),
            "own_trials": regions[0].own,
        }
        if _toss(number, seed) >= share:
            config = draw_untried(space, used, rng)
            rest = f"as {1 - share:.0%} of the trials are; the others lie near the parents' best"
            reason = f"Uniform random, {rest if share > 0.0 else 'as the parents are forgotten'}"
            return Suggestion(config, f"{reason}: {evidence}.", numbers)
        weights = np.array([region.belief * len(region.good) for region in regions])
        region = regions[int(rng.choice(len(regions), p=weights / weights.sum()))]
        near = region.good[int(rng.integers(len(region.good)))]
        config = draw_untried(space, used, rng, lambda r: _near(space, near, region.spread, r))
        reason = (
            f"Random near trial {near.number} of {near.inherited_from}, one of its best {len(region.good)}, as "
            f"{share:.0%} of the trials are: {evidence}."
        )
        numbers |= {
            "parent": near.inherited_from or "",
            "parent_trial": near.number,
            "good_trials": len(region.good),
        }
        return Suggestion(config, reason, numbers)


@dataclass(frozen=True, slots=True)
class _Region:
    """Where a parent's ``good`` trials lie, how far to step there, and what ``own`` trials leave of its weight."""

    parent: str
    good: tuple[Observation, ...]
    spread: Floats
    weight: float
    own: int

    @property
    def belief(self) -> float:
        """From 0 to 1, which it is at the start: what agrees with own results is not believed more than was asked."""
        return min(1.0, self.weight / TRUST)


def _regions(space: SearchSpace, history: History) -> list[_Region]:
    own = len(history.finished) + len(history.failed)
    return [
        _Region(parent.name, good, _spread(space, good), parent.weight, own)
        for parent in weighed(space, history)
        if (good := good_region(parent))
    ]


def good_region(parent: Parent) -> tuple[Observation, ...]:
    """The best fifth (at least one) of a parent's trials, best first."""
    return parent.trials[: math.ceil(GOOD_SHARE * len(parent.trials))]


def _evidence(regions: Sequence[_Region]) -> str:
    own = regions[0].own
    weights = ", ".join(f"{region.parent} {region.weight:.2f}" for region in regions)
    if own == 0:
        return f"no own results yet, weight of {weights}"
    return f"the order of {own} own results leaves a weight of {weights} ({TRUST:g} at the start)"


def _toss(number: int, seed: int) -> float:
    """Uniform on 0 to 1, half apart for the two trials of a pair; not of the stream that draws the trial's point."""
    draw = float(np.random.default_rng([seed, (number + 1) // 2, 1]).random())
    if number <= 2:
        draw /= 2.0  # not the first: Hyperband's rungs, which know nothing better yet, would let a bad one through
    return (draw + 0.5 * (number % 2)) % 1.0


def _spread(space: SearchSpace, good: Sequence[Observation]) -> Floats:
    """How far to step per unit coordinate: half the spread of the good trials, within 2 % and 20 % of the range.

    The spread is that of the trials in which the hyperparameter is active.
    """
    units = space.encode_all([trial.config for trial in good])
    found = units.std(axis=0)
    for index, parameter in enumerate(space.parameters):
        active = [parameter.name in trial.config for trial in good]
        if any(active) and not all(active):
            found[index] = units[active, index].std()
    spread: Floats = np.clip(0.5 * found, 0.02, 0.2)
    return spread


def _near(
    space: SearchSpace,
    trial: Observation,
    spread: Floats,
    rng: np.random.Generator,
) -> dict[str, Value]:
    units = space.encode(trial.config)
    for index, parameter in enumerate(space.parameters):
        if parameter.name not in trial.config:  # not active there: it has no value to stay near
            units[index] = rng.random()
        elif parameter.nominal:
            if rng.random() < CATEGORY_CHANGE:
                units[index] = rng.random()
        else:
            # Reflection at the ends keeps the density there; clipping would pile trials up on them.
            step = units[index] + rng.normal(0.0, spread[index])
            units[index] = 1.0 - abs(1.0 - abs(step) % 2.0)
    return space.decode(units)
