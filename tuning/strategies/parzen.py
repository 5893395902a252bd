"""Parzen estimators over a search space: a kernel per trial, as products over the hyperparameters.

Symbols and shapes
    n, m, d   trials (kernels), query points, hyperparameters
    K         values of a discrete hyperparameter
Densities are with respect to the unit coordinate of a continuous hyperparameter and to the values of a discrete one, so
that an integer gets the mass of its cell: however narrow the kernel, a value has at most probability 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tuning import normal
from tuning.parameters import Floats
from tuning.space import Parameter, SearchSpace

_LISTED = 200  # ordered values up to this many have their own cells; more are as good as continuous
_WIDTH = 0.7  # of a single trial's kernel, in standard deviations of the trials
_NARROWEST = 0.01  # of the range, for a continuous hyperparameter
_NARROWEST_CELL = 0.5  # of the mean cell, for ordered values: their neighbours must stay in reach
_BLOCK = 2**18  # elements of an array of points by kernels at a time, 2 MB
_SPREAD_WORTH = 2.0  # how many trials the prior belief is worth that they are spread over the whole range


@dataclass(frozen=True, slots=True)
class Axis:
    """One hyperparameter. ``edges`` (K + 1,) are those of the cells of its values; None if it is continuous."""

    index: int
    edges: Floats | None
    nominal: bool  # values have no order: a kernel is near none but its own

    def places(self, units: Floats) -> NDArray[np.intp]:
        """The index of the value at each of the unit coordinates (m,)."""
        assert self.edges is not None
        return np.clip(np.searchsorted(self.edges, units, side="right") - 1, 0, len(self.edges) - 2)


def axes_of(space: SearchSpace) -> tuple[Axis, ...]:
    """The hyperparameters that can vary."""
    return tuple(_axis(index, p) for index, p in enumerate(space.parameters) if p.size != 1)


def _axis(index: int, parameter: Parameter) -> Axis:
    if parameter.size is None or (parameter.size > _LISTED and not parameter.nominal):
        return Axis(index, None, nominal=False)
    centres = np.sort(parameter.encode_all(list(parameter.grid(parameter.size))))
    return Axis(index, np.concatenate([[0.0], (centres[1:] + centres[:-1]) / 2, [1.0]]), parameter.nominal)


@dataclass(frozen=True)
class Parzen:
    """A kernel at each of ``units`` (n, d), snapped, of weight ``weights`` (n,), and a uniform one of weight 1."""

    axes: tuple[Axis, ...]
    units: Floats
    weights: Floats

    @cached_property
    def shares(self) -> Floats:
        """The probability (n + 1,) of each kernel, the uniform one last."""
        weights = np.append(self.weights, 1.0)
        shares: Floats = weights / weights.sum()
        return shares

    @cached_property
    def widths(self) -> Floats:
        """Standard deviation (d,) of the kernels: Scott's rule with the spread of the trials.

        The mean square distance from the mean is mixed with that of a uniform distribution, 1 / 12: a few trials that
        happen to agree prove little.
        """
        total = max(float(self.weights.sum()), 1e-9)
        mean = self.weights @ self.units / total
        squares = self.weights @ (self.units - mean) ** 2
        spread = np.sqrt((squares + _SPREAD_WORTH / 12) / (total + _SPREAD_WORTH))
        shrunk = math.pow(max(len(self.units), 1), -1.0 / (len(self.axes) + 4))
        narrowest = np.full(self.units.shape[1], _NARROWEST)
        for axis in self.axes:
            if axis.edges is not None:
                narrowest[axis.index] = _NARROWEST_CELL / (len(axis.edges) - 1)
        widths: Floats = np.maximum(_WIDTH * shrunk * spread, narrowest)
        return widths

    def log_density(self, points: Floats) -> Floats:
        """log density (m,) at the snapped unit points (m, d)."""
        density = np.empty(len(points))
        rows = max(1, _BLOCK // (len(self.units) + 1))
        for first in range(0, len(points), rows):
            block = slice(first, first + rows)
            density[block] = self._log_density(points[block])
        return density

    def _log_density(self, points: Floats) -> Floats:
        # In place where it can be: with thousands of kernels, arrays of (m, n) are most of what TPE takes.
        logs = np.zeros((len(points), len(self.units) + 1))
        kernels, uniform = logs[:, :-1], logs[:, -1]
        for axis in self.axes:
            at = points[:, axis.index]
            if axis.edges is None:
                squares = at[:, None] - self.units[:, axis.index]
                squares /= self.widths[axis.index]
                squares *= squares
                squares *= 0.5
                kernels -= squares
                continue
            places, (masses, columns) = axis.places(at), self._log_masses[axis.index]
            kernels += masses[places[:, None], columns]
            uniform += np.log(np.diff(axis.edges))[places]
        kernels -= self._log_norms
        logs += np.log(self.shares)
        most = logs.max(axis=1)
        logs -= most[:, None]
        density: Floats = most + np.log(np.sum(np.exp(logs, out=logs), axis=1))
        return density

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        """Unit points (count, d), not snapped; hyperparameters that cannot vary are at 0.5."""
        kernels = rng.choice(len(self.units) + 1, size=count, p=self.shares)
        draws = rng.random((count, len(self.axes)))
        points = np.full((count, self.units.shape[1]), 0.5)
        near = kernels < len(self.units)
        for column, axis in enumerate(self.axes):
            u = draws[:, column]
            points[:, axis.index] = u
            centres = self.units[kernels[near], axis.index]
            if axis.nominal and axis.edges is not None:
                points[near, axis.index] = self._drawn(axis, centres, u[near], rng)
            else:
                width = self.widths[axis.index]
                low, high = normal.cdf(-centres / width), normal.cdf((1.0 - centres) / width)
                points[near, axis.index] = centres + width * normal.quantile(low + u[near] * (high - low))
        inside: Floats = np.clip(points, 0.0, 1.0)
        return inside

    def _drawn(self, axis: Axis, centres: Floats, u: Floats, rng: np.random.Generator) -> Floats:
        """The centres, of which a share is drawn anew."""
        drawn: Floats = np.where(rng.random(len(centres)) < self._anew(axis), u, centres)
        return drawn

    def _anew(self, axis: Axis) -> float:
        """How much of a kernel on values without order is uniform: less as trials accumulate."""
        assert axis.edges is not None
        values = len(axis.edges) - 1
        return values / (values + len(self.units))

    @cached_property
    def _log_norms(self) -> Floats:
        """log (n,) of what the normals of the continuous hyperparameters, cut to [0, 1], are divided by."""
        logs = np.zeros(len(self.units))
        for axis in self.axes:
            if axis.edges is None:
                centres, width = self.units[:, axis.index], float(self.widths[axis.index])
                inside = normal.cdf((1.0 - centres) / width) - normal.cdf(-centres / width)
                logs += np.log(inside * (width * math.sqrt(2.0 * math.pi)))
        return logs

    @cached_property
    def _log_masses(self) -> dict[int, tuple[Floats, NDArray[np.intp]]]:
        """log probability (K, c) of each value under kernels at each of c centres, and the column (n,) of each kernel;
        by the index of a discrete hyperparameter."""
        return {axis.index: self._masses(axis, axis.edges) for axis in self.axes if axis.edges is not None}

    def _masses(self, axis: Axis, edges: Floats) -> tuple[Floats, NDArray[np.intp]]:
        centres, columns = np.unique(self.units[:, axis.index], return_inverse=True)
        if axis.nominal:
            values, anew = len(edges) - 1, self._anew(axis)
            masses = np.full((values, len(centres)), anew / values)
            masses[axis.places(centres), np.arange(len(centres))] += 1.0 - anew
        else:
            below = normal.cdf((edges[:, None] - centres) / self.widths[axis.index])
            masses = np.diff(below, axis=0) / (below[-1] - below[0])
        return np.log(np.maximum(masses, 1e-300)), columns
