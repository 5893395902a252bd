"""The tree-structured Parzen estimator (Bergstra et al., Algorithms for hyper-parameter optimization, 2011)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from tuning.contracts import Number, Suggestion
from tuning.history import History
from tuning.parameters import Floats
from tuning.registry import Info, Option
from tuning.space import Config, SearchSpace, Value
from tuning.strategies.parents import parents_of, parents_test, tests_parents
from tuning.strategies.parzen import Axis, Parzen, axes_of
from tuning.strategies.untried import draw_untried, free, in_turn, mended_units

_CANDIDATES = 128
_MENDED = 16
_SPLIT = 2  # trials with a value that it takes to tell good from bad

INFO = Info(
    name="tpe",
    title="TPE",
    summary="Models where good trials lie and where the others do (tree-structured Parzen estimator), and tries the "
    "point where the ratio is highest. Fast with thousands of trials and with many categorical hyperparameters. Learns "
    "from warm-start parents.",
    options=(
        Option(
            "n_initial_points",
            "integer",
            20,
            1,
            1000,
            help="Random trials before the model is used. For a job of 50 trials or fewer, 10 with a gamma of 0.1 "
            "finds better points. Parents' trials count towards it.",
        ),
        Option(
            "gamma",
            "float",
            0.25,
            # F49: any share between 0 and 1. Beyond these it is the same, with all the trials that a job may have.
            1e-6,
            0.999999,
            help="The share of the trials, by objective, that counts as good.",
        ),
        Option(
            "estimators",
            "choice",
            "joint",
            choices=("joint", "separate"),
            help="joint: one pair of estimators over all hyperparameters, which keeps together what was good together. "
            "separate: a pair for each hyperparameter, whose values are chosen each for itself, as in the first TPE.",
        ),
    ),
)


class TPE:
    """The untried point of highest l(x) / g(x), of candidates drawn from l.

    l is the Parzen estimator of the ceil(gamma n) best of n trials, the better ones weighing more; g that of the others
    and of failed and running trials: a running trial counts as bad until it is known, so that parallel trials spread.
    An estimator has one kernel for each trial, a product over the hyperparameters (multivariate, as in Falkner et al.,
    BOHB, 2018). With ``separate`` ones there is an l and a g for each hyperparameter, as Bergstra et al. and ModelArts
    have it: the point is made of the values of highest l / g of each. The next best values of each make the next point.

    Inherited trials of comparable value are observations like the own ones. Each parent whose values are not comparable
    has an l and a g of its own, by its own ranks; candidates are drawn from its l too, and its log l(x) / g(x), times
    the trust that the own results leave it (see parents.py) and divided by the number of parents, is added.
    A few of the first trials are uniform, to tell whether the parents are right.
    """

    def __init__(
        self, n_initial_points: int = 20, gamma: float = 0.25, estimators: Literal["joint", "separate"] = "joint"
    ) -> None:
        self.n_initial_points = n_initial_points
        self.gamma = gamma
        self.estimators = estimators

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        return in_turn(numbers, _Search(self, space.focused, history, seed).suggest) if numbers else []


@dataclass(frozen=True, slots=True)
class _Split:
    """Good trials and others as estimators; ``trust`` is how much the log of their ratio counts."""

    good: Parzen
    others: Parzen
    trust: float = 1.0

    def log_ratio(self, points: Floats) -> Floats:
        ratio: Floats = self.trust * (self.good.log_density(points) - self.others.log_density(points))
        return ratio

    def along(self, axis: Axis) -> _Split:
        """The same trials by one hyperparameter."""
        return _Split(replace(self.good, axes=(axis,)), replace(self.others, axes=(axis,)), self.trust)


def _ratios(splits: Sequence[_Split], points: Floats) -> Floats:
    total: Floats = np.sum([split.log_ratio(points) for split in splits], axis=0)
    return total


def _drawn(splits: Sequence[_Split], rng: np.random.Generator) -> Floats:
    """Unit points (n, d), not snapped, of all that have good trials."""
    return np.vstack([split.good.draw(_CANDIDATES, rng) for split in splits if len(split.good.units)])


class _Search:
    """One call of ``TPE.suggest``: each suggestion is a running trial for the next."""

    def __init__(self, options: TPE, space: SearchSpace, history: History, seed: int) -> None:
        self.options, self.space, self.history, self.seed = options, space, history, seed
        self.used = history.used_keys(space)
        self.axes = axes_of(space)
        inherited = [trial for trial in history.inherited if trial.usable]
        pooled = inherited if history.comparable else []
        # A stable sort: of equal trials, the earlier is the better.
        ranked = sorted([*pooled, *history.finished], key=lambda trial: -history.goal.sign * (trial.value or 0.0))
        self.valued = len(ranked)
        self.inherited = len(inherited)
        self.random = max(0, options.n_initial_points - len(inherited))
        good = math.ceil(options.gamma * len(ranked))
        self.bar = ranked[good - 1].value if ranked else None
        self.good = self._units([trial.config for trial in ranked[:good]])
        others = [*ranked[good:], *history.failed, *history.pending]
        self.others = self._units([trial.config for trial in others])
        self.pending = len(history.pending)

    def _units(self, configs: Sequence[Config]) -> Floats:
        return self.space.encode_all(configs)

    @cached_property
    def parents(self) -> list[_Split]:
        """The parents whose values are not comparable, and that are trusted."""
        found = parents_of(self.space, self.history)
        splits = []
        for parent in found:
            if len(parent.trials) < _SPLIT or parent.trust == 0.0:
                continue
            good = math.ceil(self.options.gamma * len(parent.trials))
            units = self._units([trial.config for trial in parent.trials])
            splits.append(self._split(units[:good], units[good:], parent.trust / len(found)))
        return splits

    def _split(self, good: Floats, others: Floats, trust: float = 1.0) -> _Split:
        weights = np.arange(len(good), 0, -1) * 2 / (len(good) + 1)
        return _Split(Parzen(self.axes, good, weights), Parzen(self.axes, others, np.ones(len(others))), trust)

    def suggest(self, number: int) -> Suggestion:
        """The suggestion for trial ``number``. Raises SpaceExhausted."""
        rng = np.random.default_rng([self.seed, number])
        unknown = self.valued < _SPLIT and not self.parents
        if number <= self.random or unknown:
            suggestion = self._random(number, rng)
        elif self.parents and tests_parents(number):
            suggestion = parents_test(self.space, self.used, rng)
        else:
            suggestion = self._modelled(rng)
        self.used.add(self.space.key(suggestion.config))
        self.others = np.vstack([self.others, self.space.encode(suggestion.config)])
        self.pending += 1
        return suggestion

    def _random(self, number: int, rng: np.random.Generator) -> Suggestion:
        reason = f"Random point {number} of {self.random} before the model is used."
        if number > self.random:
            reason = f"Random point: fewer than {_SPLIT} trials have a value to learn from."
        config = draw_untried(self.space, self.used, rng)
        return Suggestion(config, reason, {"initial_point": number, "n_initial_points": self.random})

    def _modelled(self, rng: np.random.Generator) -> Suggestion:
        splits = [self._split(self.good, self.others), *self.parents]
        if self.options.estimators == "separate":
            drawn, splits = self._composed(splits, rng)
        else:
            drawn = _drawn(splits, rng)
        points = self._mended(self.space.snap(drawn), rng)
        ratios = _ratios(splits, points)
        for index in np.argsort(-ratios, kind="stable"):
            config = self.space.decode(points[index])
            if free(self.space, config, self.used):
                return self._explained(config, float(ratios[index]))
        config = draw_untried(self.space, self.used, rng)
        unit = self.space.encode(config)[None]
        return self._explained(config, float(sum(split.log_ratio(unit)[0] for split in splits)))

    def _composed(self, splits: Sequence[_Split], rng: np.random.Generator) -> tuple[Floats, list[_Split]]:
        """Points of the best values of each hyperparameter, of the next best, and so on; and what judged them."""
        points, judges = _drawn(splits, rng), []
        for axis in self.axes:
            along = [split.along(axis) for split in splits]
            drawn = _drawn(along, rng)
            points[:, axis.index] = drawn[np.argsort(-_ratios(along, drawn), kind="stable"), axis.index]
            judges += along
        return points, judges

    def _mended(self, points: Floats, rng: np.random.Generator) -> Floats:
        """Of a scarce space some of the points are mended. (With all of them, searches are worse.)"""
        some = np.arange(len(points)) % (_CANDIDATES // _MENDED) == 0
        points[some] = mended_units(self.space, points[some], rng)
        return points

    def _explained(self, config: dict[str, Value], log_ratio: float) -> Suggestion:
        ratio = math.exp(min(log_ratio, 700.0))
        numbers: dict[str, Number] = {
            "model": "tpe",
            "good_trials": len(self.good),
            "other_trials": len(self.others),
            "pending_trials": self.pending,
            "ratio": ratio,
        }
        trials = f"{self.valued} own trials"
        if self.bar is not None:
            numbers["bar"] = self.bar
            trials = f"the {len(self.good)} good trials ({self.bar:.6g} or better)"
        weighed = ""
        if self.parents:
            trust = sum(parent.trust for parent in self.parents)
            numbers |= {"inherited_trials": self.inherited, "parents_weight": trust}
            weighed = f" and the good ones of {self.inherited} of the parents (weight {trust:.2f})"
        running = f", {self.pending} running" if self.pending else ""
        reason = (
            f"Parzen estimators: {ratio:.3g} times as likely among {trials}{weighed} as among the "
            f"{len(self.others)} others{running}."
        )
        return Suggestion(config, reason, numbers)
