"""Fewer numbers, the same picture: rounding to what can be seen, and thinning of long curves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

DIGITS = 5
# Beyond this a float64 has no digits left to give.
MAX_DIGITS = 15
# How many candidates per kept point the first, cheap pass leaves to the second (4 in the MinMaxLTTB paper).
PRESELECTION = 4


def digits_for(values: Iterable[float]) -> int:
    """Significant digits that show the values' differences: 5, and more where they differ only behind leading digits.

    Accuracies of 0.99871 to 0.99879 would become stairs with 5 digits; their spread has to be resolved, not their size.
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return DIGITS
    spread = max(finite) - min(finite)
    size = max(abs(max(finite)), abs(min(finite)))
    if spread == 0 or not math.isfinite(spread) or size == 0:
        return DIGITS
    return min(MAX_DIGITS, max(DIGITS, DIGITS + math.ceil(math.log10(size / spread)) - 1))


def rounded(values: Sequence[float], digits: int) -> list[float]:
    """The values with so many significant digits: as many as `digits_for` finds for all that share an axis."""
    form = f".{digits}g"
    return [float(format(value, form)) for value in values]


def thin(x: Sequence[float], y: Sequence[float], keep: int) -> list[int]:
    """Indices of at most ``keep`` points that draw the same line, the first and the last among them.

    Largest-Triangle-Three-Buckets (Steinarsson 2013, "Downsampling Time Series for Visual Representation") over the
    minima and maxima of four times as many buckets (MinMaxLTTB: Van der Donckt et al. 2023, arXiv 2305.00332), which
    keeps a long curve cheap. Values must be finite, x ascending.
    """
    n = len(x)
    if keep < 3:
        raise ValueError(f"keep is {keep}; a line needs at least 3 points")
    if n <= keep:
        return list(range(n))
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if n > keep * PRESELECTION * 2:
        candidates = _extremes(ys, keep * PRESELECTION)
        chosen = _largest_triangles(xs[candidates], ys[candidates], keep)
        return [int(candidates[i]) for i in chosen]
    return _largest_triangles(xs, ys, keep)


def _extremes(ys: NDArray[np.float64], keep: int) -> NDArray[np.intp]:
    """Indices of the first and last value and of each bucket's minimum and maximum, ascending."""
    edges = np.linspace(1, len(ys) - 1, keep // 2 + 1).astype(np.intp)
    picked = {0, len(ys) - 1}
    for start, stop in itertools.pairwise(edges.tolist()):
        if stop > start:
            bucket = ys[start:stop]
            picked.add(start + int(bucket.argmin()))
            picked.add(start + int(bucket.argmax()))
    return np.array(sorted(picked), dtype=np.intp)


def _largest_triangles(xs: NDArray[np.float64], ys: NDArray[np.float64], keep: int) -> list[int]:
    n = len(xs)
    if n <= keep:
        return list(range(n))
    edges = np.linspace(1, n - 1, keep - 1).astype(np.intp)
    sizes = np.diff(edges)
    mean_x = [*(np.add.reduceat(xs[: n - 1], edges[:-1]) / sizes).tolist(), float(xs[-1])]
    mean_y = [*(np.add.reduceat(ys[: n - 1], edges[:-1]) / sizes).tolist(), float(ys[-1])]
    flat_x, flat_y, bounds = xs.tolist(), ys.tolist(), edges.tolist()
    chosen = [0]
    at_x, at_y = flat_x[0], flat_y[0]
    for bucket in range(keep - 2):
        to_x, to_y = mean_x[bucket + 1] - at_x, mean_y[bucket + 1] - at_y
        best, largest = bounds[bucket], -1.0
        for i in range(bounds[bucket], bounds[bucket + 1]):
            area = abs((flat_x[i] - at_x) * to_y - to_x * (flat_y[i] - at_y))
            if area > largest:
                best, largest = i, area
        chosen.append(best)
        at_x, at_y = flat_x[best], flat_y[best]
    chosen.append(n - 1)
    return chosen
