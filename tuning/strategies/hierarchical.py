"""A Gaussian process on top of those of warm-start parents whose values are on other scales.

    own value  =  c + sum of b_p * source_p + residual

The sources are the parents' posteriors, the residual is a Matern process, and the weights b are normal. All three are
uncertain, and their covariances add up: far from the parents' trials their word is worth little, and while it is open
what a parent is worth, the model is unsure just where that parent is most outspoken, so that the search looks there.
One whose order the own results reverse is used upside down; one that explains nothing of them is left out altogether.

Symbols and shapes
    n, m, p   own observations, query points, parents;  n_p  a parent's trials
    H         standardised means of the sources at the observations (n, p)
    C_p       covariance that a parent's own trials X_p leave: k_p(x, z) - k_p(x, X_p) K_p^-1 k_p(X_p, z)
    K         residual + spread^2 H H' + sum of doubt_p C_p + noise, (n, n)
    alpha     K^-1 (y - c - H start), (n,)

After Tighineanu et al., Transfer learning with Gaussian processes for Bayesian optimization (AISTATS 2022); the
uncertain weights are Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), 2.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuning.parameters import Floats
from tuning.strategies import gp

_JITTER = 1e-8


@dataclass(frozen=True, slots=True)
class Source:
    """One parent: its model on normal scores (low is good), its trials' units (n, d) and features, best first."""

    parent: str
    posterior: gp.Posterior
    units: Floats
    features: Floats

    def pull(self, features: Floats) -> Floats:
        """K_p^-1 k_p(X_p, features), shape (n_p, n)."""
        kernel = self.posterior.kernel
        pull: Floats = self.posterior.inverse @ kernel.covariance(self.posterior.scaled, features / kernel.columns)
        return pull

    def predict(self, features: Floats, others: Floats, pull: Floats) -> tuple[Floats, Floats, Floats]:
        """Mean and variance (m,) at ``features`` (m, D), and their C_p (m, n) with ``others`` (n, D) of this ``pull``.

        The same as the posterior's own prediction; here the covariance with the parent's trials is needed only once.
        """
        posterior, kernel = self.posterior, self.posterior.kernel
        scaled = features / kernel.columns
        k = kernel.covariance(scaled, posterior.scaled)
        variance = kernel.signal - np.einsum("mn,mn->m", k @ posterior.inverse, k)
        covariance = kernel.covariance(scaled, others / kernel.columns) - k @ pull
        return posterior.mean + k @ posterior.alpha, np.maximum(variance, 1e-12), covariance

    def covariance_gradient(self, features: Floats, others: Floats, pull: Floats, by: Floats) -> Floats:
        """The gradient by features of sum_j by_ij C_p,ij, for weights ``by`` (m, n); shape (m, D)."""
        kernel = self.posterior.kernel
        direct = _covariance_gradient(kernel, features, others / kernel.columns, by)
        return direct - _covariance_gradient(kernel, features, self.posterior.scaled, by @ pull.T)


@dataclass(frozen=True, slots=True)
class Basis:
    """The sources, standardised by ``shift`` and ``scale`` (p,), and the weights before any result.

    ``start`` (p,) is their mean and ``spread`` (p,) their standard deviation; ``doubt`` (p,) is how much of a source's
    own variance is the child's.
    """

    sources: tuple[Source, ...]
    shift: Floats
    scale: Floats
    start: Floats
    spread: Floats
    doubt: Floats

    def predict(
        self, features: Floats, others: Floats, pulls: Sequence[Floats], means: Floats | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """The standardised means (m, p) and the variance (m,) of all that is inherited at ``features`` (m, D), and its
        covariance (m, n) with ``others`` (n, D), of these ``pulls`` and standardised ``means`` (the same, if None).
        """
        found = [source.predict(features, others, pull) for source, pull in zip(self.sources, pulls, strict=True)]
        shape = (len(self.sources), len(features))  # of none, too
        ours: Floats = (np.reshape([mean for mean, _, _ in found], shape).T - self.shift) / self.scale
        variance = np.reshape([one for _, one, _ in found], shape).T @ self.doubt + ours**2 @ self.spread**2
        covariance = (self.spread**2 * ours) @ (ours if means is None else means).T
        for doubt, (_, _, one) in zip(self.doubt.tolist(), found, strict=True):
            covariance += doubt * one
        return ours, variance, covariance

    def trusting(self, levels: Floats) -> Basis:
        """The sources of a level above 0, each with its share ``levels`` (p,) of what it contributes."""
        kept = np.flatnonzero(levels)
        level = levels[kept]
        sources = tuple(self.sources[index] for index in kept)
        start, spread, doubt = level * self.start[kept], level * self.spread[kept], level**2 * self.doubt[kept]
        return Basis(sources, self.shift[kept], self.scale[kept], start, spread, doubt)

    def gradients(self, features: Floats) -> tuple[Floats, Floats]:
        """The gradients of those means (m, p, D) and of that variance (m, D)."""
        found = [source.posterior.predict_gradient(features) for source in self.sources]
        shape = (len(self.sources), *features.shape)
        means = (np.reshape([mean for mean, _, _, _ in found], shape[:2]).T - self.shift) / self.scale
        by_means = np.reshape([by_mean for _, _, by_mean, _ in found], shape).swapaxes(0, 1) / self.scale[:, None]
        by_variance = 2 * np.einsum("mp,mpd->md", self.spread**2 * means, by_means)
        for doubt, (_, sd, _, by_sd) in zip(self.doubt.tolist(), found, strict=True):
            by_variance += 2 * doubt * sd[:, None] * by_sd
        return by_means, by_variance


@dataclass(frozen=True, slots=True)
class Inherited:
    """What the parents give at some features (n, D): ``means`` H (n, p), ``pulls`` and their part of K (n, n)."""

    basis: Basis
    features: Floats
    means: Floats
    pulls: tuple[Floats, ...]
    covariance: Floats

    @classmethod
    def at(cls, basis: Basis, features: Floats) -> Inherited:
        pulls = tuple(source.pull(features) for source in basis.sources)
        means, _, covariance = basis.predict(features, features, pulls)
        return cls(basis, features, means, pulls, (covariance + covariance.T) / 2)

    def predict(self, features: Floats) -> tuple[Floats, Floats, Floats]:
        """See ``Basis.predict``; the covariance is with what is inherited at the features here."""
        return self.basis.predict(features, self.features, self.pulls, self.means)

    def covariance_gradient(self, features: Floats, by_means: Floats, by: Floats) -> Floats:
        """The gradient (m, D) of sum_j by_ij covariance_ij; ``by_means`` (m, p, D) are the gradients of the means."""
        total: Floats = np.einsum("mp,mpd->md", self.basis.spread**2 * (by @ self.means), by_means)
        for source, doubt, pull in zip(self.basis.sources, self.basis.doubt.tolist(), self.pulls, strict=True):
            total += doubt * source.covariance_gradient(features, self.features, pull, by)
        return total


@dataclass(frozen=True, slots=True)
class Transferred:
    """The child's model given its observations; ``kernel`` is the residual's, ``mean`` is c.

    ``evidence`` is the log marginal likelihood, but for a constant.
    """

    inherited: Inherited
    kernel: gp.Kernel
    targets: Floats
    inverse: Floats
    alpha: Floats
    mean: float
    evidence: float

    @classmethod
    def given(cls, inherited: Inherited, kernel: gp.Kernel, targets: Floats, mean: float | None = None) -> Transferred:
        """The posterior given targets (n,); ``mean`` is by least squares unless given."""
        scaled = inherited.features / kernel.columns
        covariance = inherited.covariance + kernel.covariance(scaled, scaled)
        diagonal = np.diag_indices_from(covariance)
        covariance[diagonal] += kernel.noise + _JITTER * float(np.mean(covariance[diagonal]))
        inverse = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
        surprise = targets - inherited.means @ inherited.basis.start
        if mean is None:
            ones = inverse.sum(axis=0)
            mean = float(ones @ surprise / ones.sum())
        alpha = inverse @ (surprise - mean)
        evidence = -0.5 * float((surprise - mean) @ alpha) - 0.5 * float(np.linalg.slogdet(covariance)[1])
        return cls(inherited, kernel, targets, inverse, alpha, mean, evidence)

    @property
    def basis(self) -> Basis:
        return self.inherited.basis

    @property
    def weights(self) -> Floats:
        """What the results have made of the weights (p,): their posterior means."""
        weights: Floats = self.basis.start + self.basis.spread**2 * (self.inherited.means.T @ self.alpha)
        return weights

    @property
    def incumbent(self) -> float:
        # The mean at the observations is that of all covariance but the noise on the diagonal: y - noise * alpha.
        return float((self.targets - self.kernel.noise * self.alpha).min())

    def predict(self, features: Floats) -> tuple[Floats, Floats]:
        mean, sd, _ = self._predict(features)
        return mean, sd

    def predict_gradient(self, features: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        mean, sd, pull = self._predict(features)
        by_means, by_variance = self.basis.gradients(features)
        by_mean = np.einsum("p,mpd->md", self.basis.start, by_means)
        by_mean += self._covariance_gradient(features, by_means, np.broadcast_to(self.alpha, pull.shape))
        by_variance -= 2 * self._covariance_gradient(features, by_means, pull)
        return mean, sd, by_mean, by_variance / (2 * sd[:, None])

    def believe(self, features: Floats) -> Transferred:
        if not len(features):
            return self
        targets = np.concatenate([self.targets, self.predict(features)[0]])
        inherited = Inherited.at(self.basis, np.vstack([self.inherited.features, features]))
        # The mean is kept: believing one's own prediction must not move it.
        return Transferred.given(inherited, self.kernel, targets, self.mean)

    def _predict(self, features: Floats) -> tuple[Floats, Floats, Floats]:
        """Mean and standard deviation (m,), and the covariance with the observations times K^-1, (m, n)."""
        means, variance, covariance = self.inherited.predict(features)
        columns = self.kernel.columns
        covariance += self.kernel.covariance(features / columns, self.inherited.features / columns)
        pull: Floats = covariance @ self.inverse
        variance = self.kernel.signal + variance - np.einsum("mn,mn->m", pull, covariance)
        mean = self.mean + means @ self.basis.start + covariance @ self.alpha
        return mean, np.sqrt(np.maximum(variance, 1e-12)), pull

    def _covariance_gradient(self, features: Floats, by_means: Floats, by: Floats) -> Floats:
        scaled = self.inherited.features / self.kernel.columns
        residual = _covariance_gradient(self.kernel, features, scaled, by)
        return residual + self.inherited.covariance_gradient(features, by_means, by)


def _covariance_gradient(kernel: gp.Kernel, features: Floats, scaled: Floats, by: Floats) -> Floats:
    """The gradient by features (m, D) of sum_j by_ij k(x_i, z_j), z_j scaled (n, D)."""
    x = features / kernel.columns
    _, slope = kernel.covariance_and_slope(x, scaled)
    return kernel.gradient(x, scaled, slope * by)
