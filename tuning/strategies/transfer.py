"""Learning from parents whose objective values are not comparable with the child's (TRANSFER_LEARNING).

Per parent, a Gaussian process on the normal scores of its ranks says where that job's good region lies. The child's own
model is own value = sum of b_p * source_p + Gaussian process, a linear model with uncertain weights b. Before the child
has results they are normal around a trusting start; with each result they are what it leaves of them. So a parent that
the results contradict is forgotten, one whose order they reverse is used upside down, and as long as that is open, the
model is unsure just where the parents are most outspoken, which is where the search then looks.

Symbols and shapes
    n, m, p   own observations, query points, parents
    H, R      sources at the observations (n, p), and what the residual process does not know of a source (m, p)
    b, S      mean (p,) and covariance (p, p) of the weights; b0 and B are those before any result
    K         covariance of the residual process at the observations, noise included (n, n)

Formulas: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), 2.41 and 2.42.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from scipy.special import ndtri

from tuning.history import History, Observation
from tuning.parameters import Floats
from tuning.space import SearchSpace
from tuning.strategies import gp

STARTERS = 3  # own trials chosen by the parents alone, before there is anything to weigh the parents with
_TRUST, _TRUST_SD = 0.7, 0.5  # of the summed weights before the child has results of its own
_ROUGH_NOISE = 0.5  # variance about the sources while the residual process is not known yet
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
class Basis:
    """The sources, standardised by ``shift`` and ``scale`` (p,), and the weights before any result.

    ``start`` (p,) is their mean and ``spread`` their standard deviation.
    """

    sources: tuple[Source, ...]
    shift: Floats
    scale: Floats
    start: Floats
    spread: float

    def at(self, features: Floats) -> Floats:
        """The standardised sources (m, p) at ``features`` (m, D)."""
        columns = [source.posterior.predict(features)[0] for source in self.sources]
        standard: Floats = (np.column_stack(columns) - self.shift) / self.scale
        return standard

    def gradient(self, features: Floats) -> tuple[Floats, Floats]:
        """The standardised sources (m, p) and their gradients (m, p, D)."""
        found = [source.posterior.predict_gradient(features) for source in self.sources]
        values = np.column_stack([value for value, _, _, _ in found])
        gradients = np.stack([gradient for _, _, gradient, _ in found], axis=1)
        return (values - self.shift) / self.scale, gradients / self.scale[:, None]


@dataclass(frozen=True, slots=True)
class Transferred:
    """The residual process on top of the weighted sources. ``weights`` (p,) and ``unsure`` (p, p) are b and S;
    ``residual`` is given what the weighted sources leave of the ``targets`` (n,), ``known`` each source in their place.
    """

    basis: Basis
    weights: Floats
    unsure: Floats
    targets: Floats
    residual: gp.Posterior
    known: tuple[gp.Posterior, ...]

    @property
    def incumbent(self) -> float:
        return float(self.predict(self.residual.features)[0].min())

    def predict(self, features: Floats) -> tuple[Floats, Floats]:
        sources = self.basis.at(features)
        mean, sd = self.residual.predict(features)
        rest = sources - np.column_stack([known.predict(features)[0] for known in self.known])
        return mean + sources @ self.weights, np.sqrt(sd * sd + np.einsum("mp,pq,mq->m", rest, self.unsure, rest))

    def predict_gradient(self, features: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        mean, sd, mean_gradient, sd_gradient = self.residual.predict_gradient(features)
        sources, gradients = self.basis.gradient(features)
        known = [one.predict_gradient(features) for one in self.known]
        rest = sources - np.column_stack([value for value, _, _, _ in known])
        rest_gradients = gradients - np.stack([gradient for _, _, gradient, _ in known], axis=1)
        turned = rest @ self.unsure
        total = np.sqrt(sd * sd + np.einsum("mp,mp->m", turned, rest))
        by_rest = np.einsum("mp,mpd->md", turned, rest_gradients)
        mean_gradient = mean_gradient + np.einsum("p,mpd->md", self.weights, gradients)
        total_gradient = (sd[:, None] * sd_gradient + by_rest) / total[:, None]
        return mean + sources @ self.weights, total, mean_gradient, total_gradient

    def believe(self, features: Floats) -> Transferred:
        if not len(features):
            return self
        targets = np.concatenate([self.targets, self.predict(features)[0]])
        return _given(self.basis, self.residual.kernel, np.vstack([self.residual.features, features]), targets)


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
    count = len(sources)
    shift, scale = predicted.mean(axis=0), np.maximum(predicted.std(axis=0), _SPREAD_FLOOR)
    basis = Basis(sources, shift, scale, np.full(count, _TRUST / count), _TRUST_SD / math.sqrt(count))
    standard = (predicted - shift) / scale
    # Rough weights, by ridge regression, are good enough to learn the residual's length scales with.
    ridge = _ROUGH_NOISE / basis.spread**2 * np.eye(count)
    surprise = standard.T @ (targets - standard @ basis.start)
    rough = basis.start + np.linalg.solve(standard.T @ standard + ridge, surprise)
    return _given(basis, gp.fit(features, targets - standard @ rough, groups), features, targets)


def _given(basis: Basis, kernel: gp.Kernel, features: Floats, targets: Floats) -> Transferred:
    """The model with this residual kernel, given observations."""
    sources = basis.at(features)
    known = tuple(gp.condition(kernel, features, column, 0.0) for column in sources.T)
    inverse = known[0].inverse
    precision = np.eye(len(basis.start)) / basis.spread**2 + sources.T @ inverse @ sources
    unsure: Floats = np.asarray(np.linalg.inv(precision), dtype=np.float64)
    surprise = targets - sources @ basis.start
    ones = inverse.sum(axis=0)
    surprise = surprise - ones @ surprise / ones.sum()
    weights = basis.start + unsure @ (sources.T @ (inverse @ surprise))
    residual = gp.condition(kernel, features, targets - sources @ weights)
    return Transferred(basis, weights, unsure, targets, residual, known)
