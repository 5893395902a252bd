"""The tree-structured Parzen estimator (Bergstra et al., Algorithms for hyper-parameter optimization, 2011)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tuning.contracts import Number, Suggestion
from tuning.history import History
from tuning.parameters import Floats
from tuning.registry import Info, Option
from tuning.space import Config, SearchSpace, Value
from tuning.strategies.parzen import Parzen, axes_of
from tuning.strategies.untried import draw_untried, free, in_turn

_CANDIDATES = 128
_SPLIT = 2  # trials with a value that it takes to tell good from bad

INFO = Info(
    name="tpe",
    title="TPE",
    summary="Models where good trials lie and where the others do (tree-structured Parzen estimator), and tries the "
    "point where the ratio is highest. Fast with thousands of trials and with many categorical hyperparameters. Cannot "
    "be warm-started.",
    options=(
        Option(
            "n_initial_points",
            "integer",
            20,
            1,
            1000,
            help="Random trials before the model is used. For a job of 50 trials or fewer, 10 with a gamma of 0.1 "
            "finds better points.",
        ),
        Option(
            "gamma",
            "float",
            0.25,
            0.01,
            0.99,
            help="The share of the trials, by objective, that counts as good.",
        ),
    ),
)


class TPE:
    """The untried point of highest l(x) / g(x), of candidates drawn from l.

    l is the Parzen estimator of the ceil(gamma n) best of n trials, the better ones weighing more; g that of the others
    and of failed and running trials: a running trial counts as bad until it is known, so that parallel trials spread.
    """

    def __init__(self, n_initial_points: int = 20, gamma: float = 0.25) -> None:
        self.n_initial_points = n_initial_points
        self.gamma = gamma

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        return in_turn(numbers, _Search(self, space, history, seed).suggest) if numbers else []


class _Search:
    """One call of ``TPE.suggest``: each suggestion is a running trial for the next."""

    def __init__(self, options: TPE, space: SearchSpace, history: History, seed: int) -> None:
        self.options, self.space, self.seed = options, space, seed
        self.used = history.used_keys(space)
        self.axes = axes_of(space)
        inherited = [trial for trial in history.inherited if trial.usable] if history.comparable else []
        # A stable sort: of equal trials, the earlier is the better.
        ranked = sorted([*inherited, *history.finished], key=lambda trial: -history.goal.sign * (trial.value or 0.0))
        self.valued = len(ranked)
        self.random = max(0, options.n_initial_points - len(inherited))
        good = math.ceil(options.gamma * len(ranked))
        self.bar = ranked[good - 1].value if ranked else None
        self.good = self._units([trial.config for trial in ranked[:good]])
        others = [*ranked[good:], *history.failed, *history.pending]
        self.others = self._units([trial.config for trial in others])
        self.pending = len(history.pending)

    def _units(self, configs: Sequence[Config]) -> Floats:
        return self.space.encode_all(configs)

    def suggest(self, number: int) -> Suggestion:
        """The suggestion for trial ``number``. Raises SpaceExhausted."""
        rng = np.random.default_rng([self.seed, number])
        suggestion = self._random(number, rng) if number <= self.random or self.valued < _SPLIT else self._modelled(rng)
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
        count = len(self.good)
        good = Parzen(self.axes, self.good, np.arange(count, 0, -1) * 2 / (count + 1))
        others = Parzen(self.axes, self.others, np.ones(len(self.others)))
        points = self.space.snap(good.draw(_CANDIDATES, rng))
        ratios = good.log_density(points) - others.log_density(points)
        for index in np.argsort(-ratios, kind="stable"):
            config = self.space.decode(points[index])
            if free(self.space, config, self.used):
                return self._explained(config, float(ratios[index]))
        config = draw_untried(self.space, self.used, rng)
        unit = self.space.encode(config)[None]
        return self._explained(config, float(good.log_density(unit)[0] - others.log_density(unit)[0]))

    def _explained(self, config: dict[str, Value], log_ratio: float) -> Suggestion:
        assert self.bar is not None
        ratio = math.exp(min(log_ratio, 700.0))
        numbers: dict[str, Number] = {
            "model": "tpe",
            "good_trials": len(self.good),
            "other_trials": len(self.others),
            "pending_trials": self.pending,
            "bar": self.bar,
            "ratio": ratio,
        }
        running = f", {self.pending} running" if self.pending else ""
        reason = (
            f"Parzen estimators: {ratio:.3g} times as likely among the {len(self.good)} good trials ({self.bar:.6g} or "
            f"better) as among the {len(self.others)} others{running}."
        )
        return Suggestion(config, reason, numbers)
