"""Gaussian process regression with a Matern-5/2 kernel, one length scale per hyperparameter, by MAP.

Symbols and shapes
    n, m      observations, query points
    D, d      feature columns, hyperparameters (a categorical one has a column per value and one length scale)
    X, Z      features of observations (n, D) and of query points (m, D), and divided by their length scales
    y         targets (n,), standardised
    l, s, v   length scales (d,), signal variance, noise variance; theta = logs of all, shape (d + 2,)
    K         s * matern(X, X) + v * I, shape (n, n)
    c         constant mean by generalised least squares: (1' K^-1 y) / (1' K^-1 1)
    alpha     K^-1 (y - c), shape (n,)

Formulas: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), 2.25, 2.26, 5.8, 5.9. The priors on
theta keep the model sane with few observations: a length scale near 0.5 * d^0.4, so that the correlation across the
cube does not vanish as dimensions are added, and little noise.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from tuning.parameters import Floats
from tuning.strategies import lapack
from tuning.strategies.descent import descend

_BLAS = ThreadpoolController()

Groups = NDArray[np.intp]

_MAX_ITERATIONS = 40
_SAMPLE = 80  # observations whose optimum is the start for a fit to more than twice as many
_REFINEMENTS = 8
_PIECE = 256  # points that are predicted at once
_BLOCK = 64  # rows that are mirrored at once
_WIDE = 512  # columns, with more of which most are of values that no observation has; those are left out of products
_BELOW = np.tri(_BLOCK, k=-1, dtype=bool)
_LENGTH_SD, _SIGNAL_SD, _NOISE_SD = 1.0, 1.0, 2.0  # of the normal priors on theta
_NOISE_MEDIAN = 1e-3
_BOUNDS = {"length": (0.01, 100.0), "signal": (0.02, 50.0), "noise": (1e-6, 2.0)}


@dataclass(frozen=True, slots=True)
class Kernel:
    """Hyperparameters of the model; ``columns`` are the length scales repeated for each feature column, shape (D,)."""

    columns: Floats
    signal: float
    noise: float

    def covariance(self, scaled: Floats, others: Floats) -> Floats:
        """s * matern between scaled features, shape (m, n)."""
        root, decay = _distance(scaled, others)
        decay *= self.signal
        covariance: Floats = root * root
        covariance /= 3.0
        covariance += root
        covariance += 1.0
        covariance *= decay
        return covariance

    def covariance_and_slope(self, scaled: Floats, others: Floats) -> tuple[Floats, Floats]:
        """The covariance (m, n), and what ``gradient`` weighs the differences of the rows with, (m, n).

        dk/dz = -(5/3) s (1 + r) exp(-r) (z - x), where r is sqrt(5) times the distance of z and x.
        """
        root, decay = _distance(scaled, others)
        slope = (-5.0 / 3.0) * self.signal * (1.0 + root) * decay
        return self.signal * (1.0 + root + root * root / 3.0) * decay, slope

    def gradient(self, scaled: Floats, others: Floats, by: Floats) -> Floats:
        """The gradient by features (m, D) of sum_j w_ij k_ij, where ``by`` (m, n) is w times the slope."""
        gradient: Floats = (scaled * by.sum(axis=1, keepdims=True) - by @ others) / self.columns
        return gradient


def one_thread() -> AbstractContextManager[object]:
    """Keep BLAS on one thread meanwhile.

    On matrices this small its threads mostly wait for each other (4 to 10 times the CPU time, measured), and how many
    there are changes the rounding, so that another machine could suggest another point.
    """
    limit: AbstractContextManager[object] = _BLAS.limit(limits=1, user_api="blas")
    return limit


class Model(Protocol):
    """What acquisition functions and the search for their maximum ask of a model of the (transformed) loss."""

    @property
    def incumbent(self) -> float:
        """The least mean at any observation: against noise, better than the least observed value."""
        ...

    def predict(self, features: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation, shape (m,), of the noise-free function at ``features`` (m, D)."""
        ...

    def predict_gradient(self, features: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Mean (m,), standard deviation (m,), and their gradients by feature (m, D)."""
        ...


@dataclass(frozen=True, slots=True)
class Posterior:
    """The model given its observations. ``scaled`` is X divided by length scales; ``inverse`` is K^-1."""

    kernel: Kernel
    features: Floats
    scaled: Floats
    targets: Floats
    inverse: Floats
    alpha: Floats
    mean: float

    @property
    def incumbent(self) -> float:
        # The mean at the observations is K alpha + c without the noise on K's diagonal, that is y - v alpha.
        return float((self.targets - self.kernel.noise * self.alpha).min())

    def predict(self, features: Floats) -> tuple[Floats, Floats]:
        # Piece by piece: the covariances of thousands of points at once are the most memory that a suggestion takes.
        pieces = [self._predict(features[i : i + _PIECE]) for i in range(0, max(len(features), 1), _PIECE)]
        means, sds = zip(*pieces, strict=True)
        return np.concatenate(means), np.concatenate(sds)

    def _predict(self, features: Floats) -> tuple[Floats, Floats]:
        k = self.kernel.covariance(features / self.kernel.columns, self.scaled)
        variance = self.kernel.signal - np.einsum("mn,mn->m", k @ self.inverse, k)
        return self.mean + k @ self.alpha, np.sqrt(np.maximum(variance, 1e-12))

    def predict_gradient(self, features: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        z = features / self.kernel.columns
        k, slope = self.kernel.covariance_and_slope(z, self.scaled)
        v = k @ self.inverse
        sd = np.sqrt(np.maximum(self.kernel.signal - np.einsum("mn,mn->m", v, k), 1e-12))
        mean_gradient = self.kernel.gradient(z, self.scaled, slope * self.alpha)
        half = self.kernel.gradient(z, self.scaled, slope * v)
        return self.mean + k @ self.alpha, sd, mean_gradient, -half / sd[:, None]

    def believe(self, features: Floats) -> Posterior:
        """The model after observing its own mean at ``features`` (m, D): pending points as kriging believers."""
        if not len(features):
            return self
        targets = np.concatenate([self.targets, self.predict(features)[0]])
        # The mean is kept: believing one's own prediction must not move it.
        return condition(self.kernel, np.vstack([self.features, features]), targets, self.mean)


def model(features: Floats, targets: Floats, groups: Groups) -> Posterior:
    """Fit the kernel to ``features`` (n, D) and ``targets`` (n,) and condition on them."""
    return condition(fit(features, targets, groups), features, targets)


def condition(kernel: Kernel, features: Floats, targets: Floats, mean: float | None = None) -> Posterior:
    """The posterior given features (n, D) and targets (n,); ``mean`` is by least squares unless given."""
    scaled = features / kernel.columns
    inverse = np.empty((len(scaled), len(scaled)))
    for i in range(0, len(scaled), _PIECE):
        inverse[i : i + _PIECE] = kernel.covariance(scaled[i : i + _PIECE], scaled)
    inverse[np.diag_indices_from(inverse)] += kernel.noise
    _invert(inverse)
    if mean is None:
        ones = inverse.sum(axis=0)
        mean = float(ones @ targets / ones.sum())
    return Posterior(kernel, features, scaled, targets, inverse, inverse @ (targets - mean), mean)


def fit(features: Floats, targets: Floats, groups: Groups, noise: float = _NOISE_MEDIAN) -> Kernel:
    """The kernel of highest posterior density given ``features`` (n, D) and standardised ``targets`` (n,).

    ``groups`` (D,) is the index of the hyperparameter that each feature column belongs to; ``noise`` is the median of
    the noise variance before anything is observed. Many observations are preceded by a sample of them: from its
    optimum, the fit to all takes a third of the steps.
    """
    d = int(groups.max()) + 1
    centre = np.concatenate([np.full(d, np.log(0.5 * d**0.4)), [0.0, np.log(noise)]])
    spread = np.concatenate([np.full(d, _LENGTH_SD), [_SIGNAL_SD, _NOISE_SD]])
    limits = np.log([_BOUNDS["length"]] * d + [_BOUNDS["signal"], _BOUNDS["noise"]])
    start = centre
    stages = [(features, targets, _MAX_ITERATIONS)]
    if len(targets) > 2 * _SAMPLE:
        sample = np.linspace(0, len(targets) - 1, _SAMPLE).astype(int)
        stages = [(features[sample], targets[sample], _MAX_ITERATIONS), (features, targets, _REFINEMENTS)]
    for x, y, iterations in stages:
        seen, of = (x[:, there], groups[there]) if (there := _present(x)) is not None else (x, groups)
        objective = partial(_negative_log_posterior, features=seen, targets=y, groups=of, centre=centre, spread=spread)
        start = descend(objective, start, limits[:, 0], limits[:, 1], iterations)
    return _kernel(start, groups)


def _kernel(theta: Floats, groups: Groups) -> Kernel:
    return Kernel(np.exp(theta[:-2])[groups], float(np.exp(theta[-2])), float(np.exp(theta[-1])))


def _negative_log_posterior(
    theta: Floats,
    features: Floats,
    targets: Floats,
    groups: Groups,
    centre: Floats,
    spread: Floats,
) -> tuple[float, Floats]:
    """The objective of ``fit`` and its gradient by theta. The constant mean is profiled out."""
    kernel = _kernel(theta, groups)
    x = features / kernel.columns
    root, decay = _distance(x, x)
    slope = kernel.signal * (1.0 + root) * decay
    signal = slope + (kernel.signal / 3.0) * root * root * decay
    inverse = signal.copy()
    inverse[np.diag_indices_from(inverse)] += kernel.noise
    half_log_determinant = _invert(inverse)
    ones = inverse.sum(axis=0)
    residual = targets - ones @ targets / ones.sum()
    alpha = inverse @ residual
    standard = (theta - centre) / spread
    value = 0.5 * float(residual @ alpha) + half_log_determinant + 0.5 * float(standard @ standard)

    # dL/dt = tr((K^-1 - alpha alpha') dK/dt) / 2
    weight = inverse
    weight -= np.outer(alpha, alpha)
    by_distance = np.multiply(weight, slope, out=slope)
    # sum_ij W_ij (x_ik - x_jk)^2 = 2 (sum_i x_ik^2 W_i. - x_k' W x_k), for all columns k at once
    by_column = by_distance.sum(1) @ (x * x) - np.einsum("ik,ik->k", x, by_distance @ x)
    gradient = np.empty_like(theta)
    gradient[:-2] = (5.0 / 3.0) * np.bincount(groups, weights=by_column, minlength=len(theta) - 2)
    gradient[-2] = 0.5 * float(np.vdot(weight, signal))
    gradient[-1] = 0.5 * kernel.noise * float(np.trace(weight))
    return value, gradient + standard / spread


def _present(features: Floats) -> NDArray[np.intp] | None:
    """Of many columns, those that are not 0 in all rows (n, D); None where there are few, to be taken as they are."""
    return np.flatnonzero(features.any(axis=0)) if features.shape[1] > _WIDE else None


def _distance(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """sqrt(5) times the distances between rows, shape (m, n), and their exp(-x)."""
    there = _present(b)
    root = a @ (-10.0 * b.T) if there is None else a[:, there] @ (-10.0 * b[:, there].T)
    root += 5.0 * (a * a).sum(1)[:, None]
    root += 5.0 * (b * b).sum(1)
    np.maximum(root, 0.0, out=root)
    np.sqrt(root, out=root)
    return root, np.exp(-root)


def _invert(matrix: Floats) -> float:
    """Invert a symmetric positive definite matrix in its place; return half the log determinant that it had.

    A copy of it would be 4 MB with the most observations, and takes as long as the arithmetic of a small one.
    """
    diagonal = matrix.diagonal().copy()
    jitter = 0.0
    # Symmetric, so that the transposed view is the same matrix in the order that LAPACK wants. The lower triangle of
    # that view, the upper of ``matrix``, is worked in; what is below the diagonal stays, and makes it anew if need be.
    while lapack.dpotrf(matrix.T, lower=1, clean=0, overwrite_a=1)[1]:
        jitter = max(10.0 * jitter, 1e-9 * float(diagonal.mean()))
        _mirror(matrix.T)
        matrix[np.diag_indices_from(matrix)] = diagonal + jitter
    half_log_determinant = float(np.log(matrix.diagonal()).sum())
    lapack.dpotri(matrix.T, lower=1, overwrite_c=1)
    _mirror(matrix)
    return half_log_determinant


def _mirror(matrix: Floats) -> None:
    """Copy what is above the diagonal below it, in pieces that the processor's cache holds."""
    for i in range(0, len(matrix), _BLOCK):
        j = i + _BLOCK
        matrix[j:, i:j] = matrix[i:j, j:].T
        square = matrix[i:j, i:j]
        np.copyto(square, square.T, where=_BELOW[: len(square), : len(square)])
