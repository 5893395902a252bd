"""Learning from parents whose objective values are not comparable with the child's (TRANSFER_LEARNING).

Per parent, a Gaussian process on the normal scores of its ranks says where that job's good region lies. The child's own
model is the residual: own value = sum of weight_p * source_p + Gaussian process. The weights are re-estimated at every
suggestion from the child's own results alone, by ridge regression from a trusting start, and never below 0: a parent
that the child's results contradict is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from scipy.optimize import nnls
from scipy.special import ndtri

from tuning.history import History, Observation
from tuning.parameters import Floats
from tuning.space import SearchSpace
from tuning.strategies import gp

STARTERS = 3  # own trials chosen by the parents alone, before there is anything to weigh the parents with
_TRUST = 0.7  # sum of the weights before the child has results of its own
_TRUST_WORTH = 2.0  # how many own results that start is worth
_SPREAD_FLOOR = 0.1  # of a source over the own trials, in its standard deviations
_FITTED = 200
_TOP = 10


@dataclass(frozen=True, slots=True)
class Source:
    """One parent: its model on normal scores (low is good), its trials' units (n, d) and features, best first."""

    parent: str
    posterior: gp.Posterior
    units: Floats
    features: Floats


@dataclass(frozen=True, slots=True)
class Transferred:
    """The residual model on top of the weighted sources; ``shift`` and ``scale`` (p,) standardise each source."""

    sources: tuple[Source, ...]
    weights: Floats
    shift: Floats
    scale: Floats
    residual: gp.Posterior

    @property
    def incumbent(self) -> float:
        return float(self.predict(self.residual.features)[0].min())

    def predict(self, features: Floats) -> tuple[Floats, Floats]:
        mean, sd = self.residual.predict(features)
        for source, weight, shift, scale in self._weighted():
            mean = mean + weight * (source.posterior.predict(features)[0] - shift) / scale
        return mean, sd

    def predict_gradient(self, features: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        mean, sd, mean_gradient, sd_gradient = self.residual.predict_gradient(features)
        for source, weight, shift, scale in self._weighted():
            value, _, gradient, _ = source.posterior.predict_gradient(features)
            mean = mean + weight * (value - shift) / scale
            mean_gradient = mean_gradient + (weight / scale) * gradient
        return mean, sd, mean_gradient, sd_gradient

    def believe(self, features: Floats) -> Transferred:
        believed = self.residual.believe(features)
        return Transferred(self.sources, self.weights, self.shift, self.scale, believed)

    def _weighted(self) -> list[tuple[Source, float, float, float]]:
        rows = zip(self.sources, self.weights.tolist(), self.shift.tolist(), self.scale.tolist(), strict=True)
        return [row for row in rows if row[1] > 0.0]


def sources_of(space: SearchSpace, history: History) -> tuple[Source, ...]:
    """A source for each parent with at least two usable trials."""
    trials = sorted((t for t in history.inherited if t.usable), key=lambda t: t.inherited_from or "")
    families = [(name, list(group)) for name, group in groupby(trials, key=lambda t: t.inherited_from or "")]
    return tuple(_source(space, history, name, family) for name, family in families if len(family) > 1)


def _source(space: SearchSpace, history: History, name: str, trials: list[Observation]) -> Source:
    losses = np.array([-history.goal.sign * (trial.value or 0.0) for trial in trials])
    order = np.argsort(losses, kind="stable")[:_FITTED]
    # Ties share the mean of their ranks, so that a plateau is one.
    ranks = np.searchsorted(np.sort(losses), losses, side="left") + np.searchsorted(np.sort(losses), losses, "right")
    scores = ndtri(np.clip(ranks / (2 * len(losses)), 0.5 / len(losses), 1 - 0.5 / len(losses)))
    units = np.array([space.encode(trials[index].config) for index in order])
    features = space.unit_features(units)
    return Source(name, gp.model(features, scores[order], space.groups), units, features)


def starter(sources: tuple[Source, ...], space: SearchSpace, taken: Floats) -> tuple[Floats, str]:
    """A unit point (d,) from the parents' trials alone, and why. ``taken`` (k, d): units of the own trials so far.

    First the parents' trial that all of them together expect most of, then good ones far from what has been taken:
    if the parents mislead about where exactly the best lies, the spread finds out.
    """
    units = np.vstack([source.units[:_TOP] for source in sources])
    names = [source.parent for source in sources for _ in source.units[:_TOP]]
    features = space.unit_features(units)
    expected = np.mean([source.posterior.predict(features)[0] for source in sources], axis=0)
    if not len(taken):
        best = int(np.argmin(expected))
        return units[best], f"what the parents expect most of, tried by {names[best]}"
    others = space.unit_features(taken)
    distance = np.sqrt(((features[:, None] - others[None]) ** 2).sum(-1)).min(1)
    furthest = int(np.argmax(distance))
    return units[furthest], f"one of the {_TOP} best of {names[furthest]}, far from the trials so far"


def transferred(sources: tuple[Source, ...], features: Floats, targets: Floats, groups: gp.Groups) -> Transferred:
    """The child's model, given its own observations: ``features`` (n, D) and standardised ``targets`` (n,)."""
    predicted = np.column_stack([source.posterior.predict(features)[0] for source in sources])
    shift = predicted.mean(axis=0)
    scale = np.maximum(predicted.std(axis=0), _SPREAD_FLOOR)
    standard = (predicted - shift) / scale
    weights = _weights(standard, targets)
    residual = gp.model(features, targets - standard @ weights, groups)
    return Transferred(sources, weights, shift, scale, residual)


def _weights(standard: Floats, targets: Floats) -> Floats:
    """argmin |targets - standard w|^2 + worth |w - start|^2 over w >= 0, as non-negative least squares."""
    count = standard.shape[1]
    start = np.full(count, _TRUST / count)
    rows = np.vstack([standard, np.sqrt(_TRUST_WORTH) * np.eye(count)])
    found: Floats = nnls(rows, np.concatenate([targets, np.sqrt(_TRUST_WORTH) * start]))[0]
    return found
