"""Scales of numeric axes, and lattices of evenly spaced values on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ScaleName = Literal["linear", "log", "reverse-log", "auto"]

_AUTO_RATIO = 100.0  # a range over two decades is searched by its logarithm
_NARROW = 1e-6  # of a value: in a narrower range, nine digits of the value would tell too few points apart
_NEAR_STEPS = 5  # neighbours on a lattice are 1, 2, 4, ... 2**(this - 1) places away


@dataclass(frozen=True, slots=True)
class Scale:
    """A strictly increasing transform of a numeric axis, on which search is uniform. Defined for above < x < below."""

    forward: Callable[[Floats], Floats]
    inverse: Callable[[Floats], Floats]
    above: float = -math.inf
    below: float = math.inf

    def inside(self, low: float, high: float, half: float) -> tuple[float, float]:
        """``low - half`` and ``high + half``, where that leaves the domain half way to its end instead."""
        low_end = max(low - half, _half_way(low, self.above)) if math.isfinite(self.above) else low - half
        high_end = min(high + half, _half_way(high, self.below)) if math.isfinite(self.below) else high + half
        return low_end, high_end

    def short(self, value: float, span: float) -> float:
        """``value`` to 9 digits of the range (log: of itself; reverse-log: of its distance to 1).

        That is finer than any training can tell, and short to read. It also hides the last bits, in which two machines
        may differ.
        """
        digits = 8 - math.floor(math.log10(span))
        if math.isfinite(self.above) and span > _NARROW * value:
            return float(f"{value:.9g}")
        if math.isfinite(self.below):
            digits = max(digits, 8 - math.floor(math.log10(self.below - value)))
        return round(value, digits)


def _half_way(value: float, end: float) -> float:
    """``value`` itself where no float lies between the two."""
    middle = (value + end) / 2
    return value if middle == end else middle


SCALES: dict[str, Scale] = {
    "linear": Scale(forward=lambda x: x, inverse=lambda t: t),
    "log": Scale(forward=np.log, inverse=np.exp, above=0.0),
    "reverse-log": Scale(forward=lambda x: -np.log1p(-x), inverse=lambda t: -np.expm1(-t), below=1.0),
}
SCALE_NAMES = (*SCALES, "auto")


def resolved(scale: str, low: float, high: float, *, whole: bool) -> str:
    """The scale that ``auto`` means for a range; any other scale as it is.

    log where low > 0 and high / low >= 100; reverse-log for a continuous range within 0 <= x < 1 whose distance to 1
    shrinks as much, (1 - low) / (1 - high) >= 100; else linear.
    """
    if scale != "auto":
        return scale
    if low > 0 and high / low >= _AUTO_RATIO:
        return "log"
    if not whole and low >= 0 and high < 1 and (1 - low) / (1 - high) >= _AUTO_RATIO:
        return "reverse-log"
    return "linear"


@dataclass(frozen=True, slots=True)
class Lattice:
    """The values low + k * step, k = 0 ... count - 1, each owning a cell of the unit interval on its scale."""

    low: float
    step: float
    count: int
    scale: Scale

    def _ends(self) -> tuple[float, float]:
        """The scaled axis is half a step wider at each end, so that the end values get whole cells."""
        top = self.low + (self.count - 1) * self.step
        low, high = self.scale.forward(np.array(self.scale.inside(self.low, top, self.step / 2)))
        return float(low), float(high)

    def units(self, values: Floats) -> Floats:
        """The unit coordinates of values of the lattice; shape kept."""
        low, high = self._ends()
        units: Floats = (self.scale.forward(values) - low) / (high - low)
        return units

    def places(self, u: Floats) -> Floats:
        """The k of the values at unit coordinates ``u``; shape kept."""
        low, high = self._ends()
        return self._nearest(self.scale.inverse(low + np.clip(u, 0.0, 1.0) * (high - low)))

    def _nearest(self, values: Floats) -> Floats:
        """The k of the lattice's values nearest to ``values``; of two equally near ones, the even multiple of step."""
        odd = round(self.low / self.step) % 2
        k: Floats = np.clip(np.rint((values - self.low) / self.step + odd) - odd, 0, self.count - 1)
        return k

    def place(self, u: float) -> int:
        return int(self.places(np.array([u]))[0])

    def snap(self, u: Floats) -> Floats:
        low, high = self._ends()
        snapped: Floats = (self.scale.forward(self.low + self.places(u) * self.step) - low) / (high - low)
        return snapped

    def spread(self, points: int) -> Iterator[int]:
        """At most ``points`` different k, even on the scale, both ends included (one point: the middle)."""
        if self.count <= points:
            yield from range(self.count)
        elif points == 1:
            yield self.place(0.5)
        else:
            ends = np.array([self.low, self.low + (self.count - 1) * self.step])
            low, high = self.scale.forward(ends)
            k = self._nearest(self.scale.inverse(np.linspace(low, high, points)))
            yield from (int(place) for place in np.unique(k))

    def near(self, u: float) -> list[int]:
        """The k around the one at ``u``, in growing distance."""
        k = self.place(u)
        steps = (k + sign * 2**power for power in range(_NEAR_STEPS) for sign in (-1, 1))
        return [step for step in steps if 0 <= step < self.count]
