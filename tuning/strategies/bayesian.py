"""Bayesian optimisation with a Gaussian process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

from tuning.contracts import Number, Suggestion
from tuning.errors import SpaceExhausted
from tuning.history import History, Observation
from tuning.parameters import Floats
from tuning.registry import Info, Option
from tuning.space import SearchSpace
from tuning.strategies import gp
from tuning.strategies.acquisition import TITLES, Acquisition, Kind
from tuning.strategies.candidates import Proposal, propose
from tuning.strategies.targets import Targets
from tuning.strategies.untried import draw_untried

_FITTED = 250  # observations that the kernel is fitted on
_CONDITIONED = 700  # observations that the posterior is conditioned on
_ANCHORS = 5

INFO = Info(
    name="bayesian",
    title="Bayesian",
    summary="Models the objective with a Gaussian process and tries the point that promises most. Learns from all "
    "earlier trials and from warm-start parents; fewer trials at a time make it better.",
    options=(
        Option(
            "n_initial_points",
            "integer",
            None,
            1,
            1000,
            help="Trials of the space-filling design before the model is used; left out, the number of hyperparameters "
            "plus 2. Parents' trials count towards it.",
        ),
        Option(
            "kind",
            "choice",
            "ei",
            choices=("ei", "ucb", "poi"),
            help="What makes a point promising: expected improvement (ei), upper confidence bound (ucb) or probability "
            "of improvement (poi).",
        ),
        Option("kappa", "float", 2.5, 0, 1000, help="For ucb: how many standard deviations to add to the mean."),
        Option(
            "xi",
            "float",
            0.0,
            0,
            10,
            help="For ei and poi: the improvement asked for, in standard deviations of the objective.",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class _Model:
    """The fitted model, the transform of its targets, and what it was fitted on."""

    posterior: gp.Posterior
    targets: Targets
    anchors: Floats
    own: int
    inherited: int


class Bayesian:
    """A Gaussian process over all usable trials, and the untried point of highest acquisition.

    Initial design: the centre, then scrambled Sobol points, by trial number. Pending trials are believed to give what
    the model expects of them. A failed trial counts as if it had the worst value seen, since its configuration may be
    what broke it; lost and stopped trials without a value are ignored. Inherited trials of comparable value are
    observations like the own ones.
    """

    def __init__(
        self, n_initial_points: int | None = None, kind: Kind = "ei", kappa: float = 2.5, xi: float = 0.0
    ) -> None:
        self.n_initial_points = n_initial_points
        self.kind = kind
        self.kappa = kappa
        self.xi = xi

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        used = history.used_keys(space)
        inherited = tuple(trial for trial in history.inherited if trial.usable) if history.comparable else ()
        model: _Model | None = None
        believed = [space.encode(trial.config) for trial in history.pending]
        suggestions: list[Suggestion] = []
        for number in numbers:
            rng = np.random.default_rng([seed, number])
            try:
                if self._initial_left(space, history, inherited, number) > 0:
                    suggestion = self._initial(space, used, number, len(inherited), seed, rng)
                else:
                    model = model or _fit(space, history, inherited)
                    suggestion = self._modelled(space, history, model, believed, used, rng)
            except SpaceExhausted:
                if suggestions:
                    break
                raise
            used.add(space.key(suggestion.config))
            believed.append(space.encode(suggestion.config))
            suggestions.append(suggestion)
        return suggestions

    def _design_size(self, space: SearchSpace, inherited: int) -> int:
        wanted = self.n_initial_points or len(space) + 2
        return max(0, wanted - inherited)

    def _initial_left(
        self, space: SearchSpace, history: History, inherited: tuple[Observation, ...], number: int
    ) -> int:
        """How many trials from ``number`` on are of the initial design: goes on until there are two values to model."""
        known = len(inherited) + len(history.finished)
        return max(self._design_size(space, len(inherited)) - number + 1, 2 - known)

    def _initial(
        self, space: SearchSpace, used: set[str], number: int, inherited: int, seed: int, rng: np.random.Generator
    ) -> Suggestion:
        size = self._design_size(space, inherited)
        point = _design_point(space, number, seed)
        config = space.decode(point)
        if space.key(config) in used:
            config = draw_untried(space, used, rng)
        if number <= size:
            return Suggestion(config, f"initial design {number} of {size}", {"design": number, "design_size": size})
        reason = "space-filling point: fewer than 2 trials have a value to learn from"
        return Suggestion(config, reason, {"design": number, "design_size": size})

    def _modelled(
        self,
        space: SearchSpace,
        history: History,
        model: _Model,
        believed: list[Floats],
        used: set[str],
        rng: np.random.Generator,
    ) -> Suggestion:
        d = len(space)
        pending = np.array(believed).reshape(-1, d)
        posterior = model.posterior.believe(space.unit_features(pending))
        # Against noise, the value to improve on is what the model expects at the best trial, not its lucky draw.
        incumbent = float(posterior.predict(posterior.scaled * posterior.kernel.columns)[0].min())
        acquisition = Acquisition(posterior, incumbent, self.kind, self.kappa, self.xi)
        proposal = propose(acquisition, space, model.anchors, used, rng)
        return self._explained(space, history, model, acquisition, proposal, len(pending))

    def _explained(
        self,
        space: SearchSpace,
        history: History,
        model: _Model,
        acquisition: Acquisition,
        proposal: Proposal,
        pending: int,
    ) -> Suggestion:
        means, sds = acquisition.posterior.predict(space.unit_features(proposal.unit[None]))
        mean, sd = float(means[0]), float(sds[0])
        sign = history.goal.sign
        ends = model.targets.to_loss(np.array([mean - sd, mean, mean + sd, acquisition.incumbent]))
        expected, best = -sign * float(ends[1]), -sign * float(ends[3])
        spread = float(abs(ends[2] - ends[0]) / 2)
        worth = acquisition.readable(proposal.score)
        sources = f"{model.own} trials" + (f" and {model.inherited} of the parents" if model.inherited else "")
        sources += f", {pending} running" if pending else ""
        reason = (
            f"Gaussian process on {sources}: expects {expected:.6g} +- {spread:.3g} here against {best:.6g} at the "
            f"best trial; {TITLES[self.kind]} {worth:.3g}"
        )
        numbers: dict[str, Number] = {
            "model": "gp",
            "own_trials": model.own,
            "inherited_trials": model.inherited,
            "pending_trials": pending,
            "mean": expected,
            "sd": spread,
            "incumbent": best,
            "acquisition": self.kind,
            "acquisition_value": worth,
        }
        return Suggestion(proposal.config, reason, numbers)


def _design_point(space: SearchSpace, number: int, seed: int) -> Floats:
    """The unit point of the initial design for trial ``number``: the centre first, then scrambled Sobol points."""
    if number <= 1:
        return np.full(len(space), 0.5)
    sobol = qmc.Sobol(len(space), scramble=True, rng=np.random.default_rng([seed]))
    if number > 2:
        sobol.fast_forward(number - 2)
    point: Floats = sobol.random(1)[0]
    return point


def _fit(space: SearchSpace, history: History, inherited: tuple[Observation, ...]) -> _Model:
    trials = [*inherited, *history.finished]
    losses = np.array([-history.goal.sign * float(trial.value or 0.0) for trial in trials])
    failed = history.failed
    units = np.array([space.encode(trial.config) for trial in (*trials, *failed)])
    losses = np.concatenate([losses, np.full(len(failed), losses.max())])
    kept = _kept(losses, _CONDITIONED)
    units, losses = units[kept], losses[kept]
    targets = Targets.fit(losses)
    features = space.unit_features(units)
    groups = np.repeat(np.arange(len(space)), [parameter.width for parameter in space.parameters])
    fitted = _kept(losses, _FITTED)
    kernel = gp.fit(features[fitted], targets.values[fitted], groups)
    posterior = gp.condition(kernel, features / kernel.columns, targets.values)
    anchors = space.snap(units[np.argsort(losses, kind="stable")[:_ANCHORS]])
    return _Model(posterior, targets, anchors, len(history.finished) + len(failed), len(inherited))


def _kept(losses: Floats, most: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Indices of at most ``most`` observations: the best two fifths of that many, and an even spread of the others."""
    if len(losses) <= most:
        return np.arange(len(losses))
    order = np.argsort(losses, kind="stable")
    best = order[: 2 * most // 5]
    rest = np.sort(order[2 * most // 5 :])
    spread = rest[np.linspace(0, len(rest) - 1, most - len(best)).astype(int)]
    return np.sort(np.concatenate([best, spread]))
