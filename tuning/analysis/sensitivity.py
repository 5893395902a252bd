"""Sobol indices: which share of a function's variance over the unit cube is due to which of its arguments.

Symbols and shapes
    d, S      arguments, functions evaluated side by side
    M, N      points for main effects, base points for total effects (the first N of the M)
Formulas: the main effect V(E[f | u_i]) / V by the means of bins (the variance of the bin means, less what noise within
the bins adds to it); the total effect E[(f(A) - f(A with u_i from B))^2] / 2V (Jansen, 1999).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuning.parameters import Floats

MOST_BINS = 64  # of an argument's axis: finer than any effect that trials can show


@dataclass(frozen=True, slots=True)
class Design:
    """Unit points at which a function must be known: ``points`` (M, d), and for each argument the first N of them
    with that one argument replaced, ``changed`` (d, N, d).
    """

    points: Floats
    changed: Floats

    @classmethod
    def draw(cls, d: int, points: int, base: int, rng: np.random.Generator) -> Design:
        first = _latin(points, d, rng)
        second = _latin(base, d, rng)
        changed = np.repeat(first[None, :base], d, axis=0)
        for index in range(d):
            changed[index, :, index] = second[:, index]
        return cls(first, changed)

    def evaluate(self, function: Callable[[Floats], Floats]) -> tuple[Floats, Floats]:
        """Values at ``points`` (M, S) and at ``changed`` (d, N, S) of ``function``: (m, d) -> (m, S)."""
        d, base, _ = self.changed.shape
        values = function(np.vstack([self.points, self.changed.reshape(-1, d)]))
        return values[: len(self.points)], values[len(self.points) :].reshape(d, base, -1)


@dataclass(frozen=True, slots=True)
class Effects:
    """Shares of the variance, ``main`` and ``total`` (d, S); 0 for a function that is constant.

    Main effects sum to at most 1; a total effect is at least the main one and at most 1. The errors are standard ones,
    by the finite number of points: ``main_error`` at most, ``total_error`` (d,) of each argument.
    """

    main: Floats
    total: Floats
    main_error: float
    total_error: Floats


def effects_of(values: Floats, changed: Floats, cells: list[NDArray[np.intp]]) -> Effects:
    """The effects of the arguments of functions by their ``values`` (M, S) and ``changed`` (d, N, S) at a design.

    ``cells`` holds, for each argument, the bin (M,) in which each of the points lies.
    """
    variance = values.var(axis=0)
    scale = np.where(variance > 0.0, variance, np.inf)
    main = np.array([_between(values, cell, variance) for cell in cells]) / scale
    main /= np.maximum(1.0, main.sum(axis=0))
    base = values[: changed.shape[1]]
    squares = [0.5 * (base - other) ** 2 / scale for other in changed]
    total = np.array([square.mean(axis=0) for square in squares])
    error = np.array([square.std(axis=0).mean() for square in squares]) / math.sqrt(len(base))
    return Effects(main, np.clip(total, main, 1.0), 0.7 / math.sqrt(len(values)), error)


def _between(values: Floats, cell: NDArray[np.intp], variance: Floats) -> Floats:
    """The variance (S,) of the means of the cells, without the part that variance within the cells explains."""
    order = np.argsort(cell, kind="stable")
    starts = np.flatnonzero(np.diff(cell[order], prepend=-1))
    counts = np.diff(starts, append=len(cell))[:, None]
    means = np.add.reduceat(values[order], starts, axis=0) / counts
    between = np.sum(counts * (means - values.mean(axis=0)) ** 2, axis=0) / len(cell)
    by_chance = (len(starts) - 1) * (variance - between) / max(len(cell) - len(starts), 1)
    effect: Floats = np.maximum(between - by_chance, 0.0)
    return effect


def _latin(points: int, d: int, rng: np.random.Generator) -> Floats:
    """A Latin hypercube: each argument takes one value in each of ``points`` equal intervals."""
    places = np.column_stack([rng.permutation(points) for _ in range(d)])
    sample: Floats = (places + rng.random((points, d))) / points
    return sample
