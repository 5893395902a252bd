"""Which hyperparameters matter (F107): the share of the objective's variance that each explains, and how sure that is.

A functional analysis of variance over the whole search space (Hooker 2007; Hutter, Hoos and Leyton-Brown 2014), with a
Gaussian process instead of a forest: on functions with known indices its error is a half to a tenth of a forest's. The
uncertainty is that of the function given the trials: indices of functions drawn from the posterior (Marrel et al. 2009;
drawn by Matheron's rule, Wilson et al. 2020), and what the model cannot explain, which may be anybody's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuning.analysis.sensitivity import MOST_BINS, Design, Effects, effects_of
from tuning.analysis.unavailable import Unavailable
from tuning.history import History, Observation
from tuning.parameters import Floats, Parameter
from tuning.space import SearchSpace
from tuning.strategies import gp

_LEAST_TRIALS = 10
_LEAST_EXPLAINED = 0.1  # of the variance between trials, out of sample: less is what pure noise may give by chance
_FITTED, _CONDITIONED = 250, 1000  # trials for the kernel and for the posterior, which cost their cube
_FUNCTIONS = 24  # drawn from the posterior
_WAVES = 512  # of which each function's prior part is made
_POINTS, _CHANGED, _LEAST_BASE = 4096, 10_000, 256  # points at which they are known: see sensitivity.Design
# What the model does not explain may be anybody's, and most likely is that of those who have much: so many deviations.
# Chosen such that on known functions 19 of 20 indices lie within two deviations.
_DOUBT, _DOUBT_OF_SHARE = 0.3, 0.2
_OUTLIER = 5.0  # interquartile ranges beyond the median, on the bad side: worse values are as bad
_CHUNK = 1024


@dataclass(frozen=True, slots=True)
class Importance:
    """One hyperparameter's share of the variance: ``mean`` and ``std`` of its main effect, what it does by itself.

    ``total_mean`` and ``total_std`` are its total effect, which adds all interactions that it takes part in.
    """

    name: str
    mean: float
    std: float
    total_mean: float
    total_std: float


@dataclass(frozen=True, slots=True)
class Importances:
    """``parameters`` in the order of the space; their means sum to at most 1, and the rest are ``interactions``.

    ``trials`` were learnt from; ``failed`` had no value and were left out. ``explained`` is the share of the variance
    between trials that the model predicts of trials it has not seen.
    """

    parameters: tuple[Importance, ...]
    interactions: float
    trials: int
    failed: int
    explained: float

    @property
    def ranked(self) -> tuple[Importance, ...]:
        """The most important first, by total effect."""
        return tuple(sorted(self.parameters, key=lambda one: -one.total_mean))


def importance(
    space: SearchSpace, history: History, *, best_share: float = 1.0, seed: int = 0
) -> Importances | Unavailable:
    """The importance of each hyperparameter of ``space``, from the own trials and comparable inherited ones.

    Every hyperparameter counts as uniform on its scale and independent of the others; constraints are not looked at. A
    conditional one has an effect where it is active. A hyperparameter with one value has importance 0. Of extremely
    bad values only that they are bad is used. With a ``best_share`` of 0.25 only differences within the best quarter
    of the trials count: what matters to get from good to better. The same arguments give the same answer.
    """
    trials = [*history.finished, *(history.inherited if history.comparable else ())]
    trials = [trial for trial in trials if trial.usable]
    varying = [index for index, parameter in enumerate(space.parameters) if parameter.size != 1]
    if reason := _too_little(trials, len(varying)):
        return Unavailable(reason, {"trials": len(trials), "needed": _needed(len(varying))})
    losses = np.array([-history.goal.sign * float(trial.value or 0.0) for trial in trials])
    with gp.one_thread():
        model = _Model.fit(space, trials, losses)
        if model.explained < _LEAST_EXPLAINED:
            return Unavailable(
                f"The hyperparameters explain {model.explained:.0%} of the differences between the "
                f"{len(trials)} trials so far: no effect can be told from noise yet.",
                {"trials": len(trials), "explained": model.explained},
            )
        effects = _effects(space, model, varying, best_share, np.random.default_rng([seed, len(space)]))
    unexplained = 1.0 - model.explained
    found = {
        index: Importance(
            space.parameters[index].name,
            *_summary(effects.main[k], effects.main_error, unexplained),
            *_summary(effects.total[k], float(effects.total_error[k]), unexplained),
        )
        for k, index in enumerate(varying)
    }
    shares = [found.get(i, Importance(p.name, 0.0, 0.0, 0.0, 0.0)) for i, p in enumerate(space.parameters)]
    alone = sum(share.mean for share in shares)
    rest = 1.0 - alone if alone > 0.0 or effects.total.any() else 0.0
    return Importances(tuple(shares), max(rest, 0.0), len(trials), len(history.failed), model.explained)


def _needed(varying: int) -> int:
    return max(_LEAST_TRIALS, varying + 2)


def _too_little(trials: list[Observation], varying: int) -> str | None:
    if not varying:
        return "No hyperparameter can vary: each has one value only."
    if len(trials) < _needed(varying):
        return f"{len(trials)} trials have a result; {_needed(varying)} are needed for {varying} hyperparameters."
    if len({trial.value for trial in trials}) == 1:
        return f"All {len(trials)} trials have the same value: nothing makes a difference so far."
    return None


def _summary(shares: Floats, error: float, unexplained: float) -> tuple[float, float]:
    """Mean and standard deviation of a share (functions,), with the ``error`` of its estimate."""
    mean = float(shares.mean())
    doubt = math.hypot(_DOUBT * unexplained, _DOUBT_OF_SHARE * math.sqrt(unexplained * mean))
    return mean, math.hypot(float(shares.std()), error, doubt)


@dataclass(frozen=True, slots=True)
class _Model:
    """The posterior on standardised losses, and the share of their variance that it predicts out of sample."""

    posterior: gp.Posterior
    explained: float

    @classmethod
    def fit(cls, space: SearchSpace, trials: list[Observation], losses: Floats) -> _Model:
        kept = _spread(len(trials), _CONDITIONED)
        features = space.features([trials[index].config for index in kept])
        targets = _standardised(losses[kept])
        fitted = _spread(len(kept), _FITTED)
        kernel = gp.fit(features[fitted], targets[fitted], space.groups)
        return cls(gp.condition(kernel, features, targets), _explained(features, targets, space.groups))

    def draw(self, count: int, rng: np.random.Generator) -> _Functions:
        kernel, scaled = self.posterior.kernel, self.posterior.scaled
        # The spectrum of a Matern-5/2 kernel is a t distribution with 5 degrees of freedom.
        waves = rng.standard_normal((scaled.shape[1], _WAVES)) * np.sqrt(5.0 / rng.chisquare(5.0, _WAVES))
        phases = rng.uniform(0.0, 2.0 * math.pi, _WAVES)
        weights = math.sqrt(2.0 * kernel.signal / _WAVES) * rng.standard_normal((_WAVES, count))
        noise = math.sqrt(kernel.noise) * rng.standard_normal((len(scaled), count))
        prior = np.cos(scaled @ waves + phases) @ weights
        residuals = (self.posterior.targets - self.posterior.mean)[:, None] - prior - noise
        return _Functions(self.posterior, waves, phases, weights, self.posterior.inverse @ residuals)


@dataclass(frozen=True, slots=True)
class _Functions:
    """Functions drawn from a posterior: a draw from the prior, corrected by what it gets wrong at the trials."""

    posterior: gp.Posterior
    waves: Floats
    phases: Floats
    weights: Floats
    corrections: Floats

    def __call__(self, features: Floats) -> Floats:
        """Values (m, count) at ``features`` (m, D)."""
        scaled = features / self.posterior.kernel.columns
        covariance = self.posterior.kernel.covariance(scaled, self.posterior.scaled)
        values: Floats = np.cos(scaled @ self.waves + self.phases) @ self.weights + covariance @ self.corrections
        return values + self.posterior.mean


def _explained(features: Floats, targets: Floats, groups: NDArray[np.intp]) -> float:
    """1 - (error of predicting each trial from all the others)^2 / variance, at least 0.

    Leave-one-out by Rasmussen and Williams (2006), 5.12. The kernel is that of the half of the trials in which the
    predicted one is not: one that was fitted to it as well explains a third of pure noise.
    """
    kept = _spread(len(targets), 2 * _FITTED)
    features, targets = features[kept], targets[kept]
    errors = np.empty(len(targets))
    halves = np.arange(len(targets)) % 2 == 0
    for half in (halves, ~halves):
        posterior = gp.condition(gp.fit(features[half], targets[half], groups), features, targets)
        errors[~half] = (posterior.alpha / np.diag(posterior.inverse))[~half]
    return max(1.0 - float(np.mean(errors**2)) / max(float(targets.var()), 1e-12), 0.0)


def _effects(
    space: SearchSpace, model: _Model, varying: list[int], best_share: float, rng: np.random.Generator
) -> Effects:
    functions = model.draw(_FUNCTIONS, rng)
    worst = float(np.quantile(model.posterior.targets, best_share)) if best_share < 1.0 else math.inf

    def values(varied: Floats) -> Floats:
        units = np.full((len(varied), len(space)), 0.5)
        units[:, varying] = varied
        features = space.unit_features(space.snap(units))
        found = [functions(features[start : start + _CHUNK]) for start in range(0, len(features), _CHUNK)]
        return np.minimum(np.vstack(found), worst)

    base = min(max(_CHANGED // len(varying), _LEAST_BASE), _POINTS)
    design = Design.draw(len(varying), _POINTS, base, rng)
    cells = [_cells(space.parameters[index], design.points[:, k]) for k, index in enumerate(varying)]
    return effects_of(*design.evaluate(values), cells)


def _cells(parameter: Parameter, units: Floats) -> NDArray[np.intp]:
    """The bin of each unit coordinate: one per value where they are few or have no order, else equal parts of the axis.

    A conditional hyperparameter's own coordinate is used, whether it is active or not: by its place it says nothing of
    the one that decides.
    """
    if parameter.nominal or (parameter.size is not None and parameter.size <= MOST_BINS):
        return np.unique(parameter.snap(units), return_inverse=True)[1].astype(np.intp)
    return np.minimum(units * MOST_BINS, MOST_BINS - 1).astype(np.intp)


def _spread(count: int, most: int) -> NDArray[np.intp]:
    """Indices of at most ``most`` of ``count``, evenly spread."""
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).astype(np.intp)


def _standardised(losses: Floats) -> Floats:
    # Values near the largest float must not overflow; a power of two changes no digit of the others.
    losses = np.ldexp(losses, -math.frexp(float(np.abs(losses).max()))[1])
    low, middle, high = np.quantile(losses, [0.25, 0.5, 0.75])
    if high > low:
        losses = np.minimum(losses, middle + _OUTLIER * (high - low))
    centred = losses - np.mean(losses)
    scale = float(np.abs(centred).max()) or 1.0
    standard: Floats = centred / scale
    return standard / (float(standard.std()) or 1.0)
