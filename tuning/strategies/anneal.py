"""Annealing: random search that draws ever closer to good trials, after hyperopt's anneal (J. Bergstra)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from tuning.contracts import Number, Suggestion
from tuning.expressions import FORMS, Expression
from tuning.history import History, Observation
from tuning.parameters import Floats
from tuning.registry import Info, Option
from tuning.space import SearchSpace, Value
from tuning.strategies.parents import Parent, parents_of, parents_test, tests_parents
from tuning.strategies.untried import draw_untried, in_turn

_OWN_PER_PARENT = 8.0  # own trials that are worth as much as one parent that is trusted fully
_STANDARD = NormalDist()

INFO = Info(
    name="anneal",
    title="Anneal",
    summary="Picks one of the best trials and draws near it, ever closer as trials accumulate. A runner-up may be "
    "picked, which leads out of local optima. Learns from warm-start parents.",
    options=(
        Option(
            "avg_best_idx",
            "float",
            2.0,
            1,
            1000,
            help="Mean of the geometric distribution that picks among the trials sorted by their objective: 1 always "
            "picks the best, 2 the best every other time.",
        ),
        Option(
            "shrink_coef",
            "float",
            0.1,
            0,
            1000,
            help="How fast the neighbourhood shrinks: after T trials its width is 1 / (1 + T x shrink_coef) of the "
            "range. 0 keeps it at the whole range.",
        ),
    ),
)


class Anneal:
    """Draw near the trial of rank Geometric(1 / avg_best_idx) - 1 (0 is the best; at most the worst).

    With T usable trials the neighbourhood is s = 1 / (1 + T shrink_coef) of the range: a numeric hyperparameter is
    uniform, on its scale, on a window of width s whose centre is moved so that the window stays inside the range; a
    categorical one keeps its value with probability 1 - s and is else drawn anew. A normal or lognormal one, rounded or
    not, is normal about its value (about its logarithm), with a standard deviation of sigma s. The rate is not
    adaptive. A hyperparameter that is not active in that trial has no value to stay near, and is drawn anew. Without
    any usable trial the point is drawn from the whole space. Failed trials are ignored; running ones only keep their
    points from being drawn again. Unlike in hyperopt, all hyperparameters are drawn around the same trial, so that good
    combinations survive.

    Inherited trials of comparable value are among the ranked ones. Parents whose values are not comparable have
    rankings of their own. One of them gives the centre instead with probability w / (w + n / 8), where n is the number
    of own trials with a value and w is the parents' weight (see parents.py) summed up: less and less, and never where
    own results contradict them. The neighbourhood is then smaller, by that parent's weight times its trials. The first
    trial, which is the same as without parents, and a few more are uniform, to tell whether the parents are right.
    """

    def __init__(self, avg_best_idx: float = 2.0, shrink_coef: float = 0.1) -> None:
        self.avg_best_idx = avg_best_idx
        self.shrink_coef = shrink_coef

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        space = space.focused
        used = history.used_keys(space)
        inherited = [trial for trial in history.inherited if trial.usable] if history.comparable else []
        # A stable sort: of equal trials, the earlier is the better.
        ranked = sorted([*inherited, *history.finished], key=lambda trial: -history.goal.sign * (trial.value or 0.0))
        parents = parents_of(space, history)

        def suggest(number: int) -> Suggestion:
            rng = np.random.default_rng([seed, number])
            if (number == 1 or tests_parents(number)) and any(parent.weight for parent in parents):
                suggestion = parents_test(space, used, rng)
            else:
                suggestion = self._one(space, used, ranked, parents, rng)
            used.add(space.key(suggestion.config))
            return suggestion

        return in_turn(numbers, suggest)

    def _one(
        self,
        space: SearchSpace,
        used: set[str],
        ranked: Sequence[Observation],
        parents: Sequence[Parent],
        rng: np.random.Generator,
    ) -> Suggestion:
        trials: float = len(ranked)
        numbers: dict[str, Number] = {}
        weight = sum(parent.weight for parent in parents)
        if weight > 0.0:
            numbers["parents_weight"] = weight
            if rng.random() < weight / (weight + len(ranked) / _OWN_PER_PARENT):
                shares = np.array([parent.weight for parent in parents]) / weight
                parent = parents[int(rng.choice(len(parents), p=shares))]
                ranked, trials = parent.trials, trials + parent.weight * len(parent.trials)
        if not ranked:
            config = draw_untried(space, used, rng)
            return Suggestion(config, "Uniform random: no trial has a value yet.", {"trials": 0})
        rank = min(int(rng.geometric(1.0 / self.avg_best_idx)), len(ranked))
        centre = ranked[rank - 1]
        share = 1.0 / (1.0 + trials * self.shrink_coef)
        unit = space.encode(centre.config)
        active = [parameter.name in centre.config for parameter in space.parameters]
        config = draw_untried(space, used, rng, lambda r: _near(space, unit, active, share, r))
        whose = f"trial {centre.number}" + (f" of {centre.inherited_from}" if centre.inherited_from else "")
        reason = (
            f"Random near {whose}, number {rank} of {len(ranked)} trials by objective, on {share:.1%} of the range."
        )
        numbers |= {"centre": centre.number, "rank": rank, "trials": len(ranked), "share_of_range": share}
        return Suggestion(config, reason, numbers)


def _near(
    space: SearchSpace, centre: Floats, active: Sequence[bool], share: float, rng: np.random.Generator
) -> dict[str, Value]:
    """A point of the neighbourhood of ``share`` around the unit point ``centre`` (d,), of which some are ``active``."""
    draws = rng.random(len(space))
    middle = np.clip(centre, share / 2, 1.0 - share / 2)
    unit = middle + (draws - 0.5) * share
    anew = rng.random(len(space)) < share
    for index, parameter in enumerate(space.parameters):
        if not active[index]:
            unit[index] = draws[index]
        elif parameter.nominal:
            unit[index] = draws[index] if anew[index] else centre[index]
        elif isinstance(parameter, Expression) and FORMS[parameter.form][0]:
            # Units are cumulative probabilities: in standard deviations from mu, the step is one of sigma s.
            step = share * _deviations(draws[index])
            unit[index] = _STANDARD.cdf(_deviations(centre[index]) + step)
    return space.decode(unit)


def _deviations(probability: float) -> float:
    """The quantile of the standard normal distribution; of 0 and 1, far out on its sides."""
    return _STANDARD.inv_cdf(min(max(float(probability), 1e-15), 1.0 - 1e-15))
