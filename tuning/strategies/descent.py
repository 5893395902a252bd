"""The least value of a smooth function in a box: L-BFGS on the coordinates that the box does not hold.

The direction is the two-loop recursion of Nocedal and Wright, Numerical Optimization (2006), 7.4, and the step follows
it bent into the box, after Bertsekas, Projected Newton methods for optimization problems with simple constraints (SIAM
Journal on Control and Optimization 20, 1982). It ends where ``scipy.optimize``'s L-BFGS-B does, in as many evaluations;
importing that would take 17 MB more of every process that suggests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuning.parameters import Floats

Objective = Callable[[Floats], tuple[float, Floats]]  # a point (k,) to the value there and its gradient (k,)

_MEMORY = 10  # steps that the direction is made of
_FLAT = 1e-5  # the largest slope that counts as none
_GAIN = 2e-9  # relative decrease of a step below which no more is worth it
_ARMIJO = 1e-4
_SHORTENED = 12  # times at most
_CURVED = 1e-10  # what a step must tell of the curvature to be remembered


@dataclass(frozen=True, slots=True)
class _Step:
    """How far a step went, and how much the gradient changed on it, both (k,)."""

    moved: Floats
    bent: Floats

    def on(self, free: NDArray[np.bool_]) -> _Step:
        return _Step(self.moved * free, self.bent * free)

    @property
    def curved(self) -> bool:
        return float(self.moved @ self.bent) > _CURVED * float(self.bent @ self.bent)


def descend(objective: Objective, start: Floats, low: Floats, high: Floats, most: int) -> Floats:
    """The last point (k,) of at most ``most`` steps downhill from ``start``, within ``low`` and ``high`` (k,).

    Where ``objective`` is not finite, no step goes; at the start, it stays there.
    """
    x = np.clip(start, low, high)
    value, gradient = objective(x)
    steps: list[_Step] = []
    for _ in range(most):
        if not np.abs(np.clip(x - gradient, low, high) - x).max(initial=0.0) > _FLAT:
            break
        free = ((x > low) | (gradient < 0.0)) & ((x < high) | (gradient > 0.0))
        found = _line(objective, x, value, gradient, _direction(gradient * free, steps, free), low, high)
        if found is None and steps:  # what is remembered leads nowhere: straight down
            steps = []
            found = _line(objective, x, value, gradient, _direction(gradient * free, steps, free), low, high)
        if found is None:
            break
        after, reached, slope = found
        step = _Step(after - x, slope - gradient)
        if step.curved:
            steps = [*steps, step][-_MEMORY:]
        gain = value - reached
        x, value, gradient = after, reached, slope
        if gain <= _GAIN * max(abs(value), abs(value + gain), 1.0):
            break
    return x


def _direction(slope: Floats, steps: list[_Step], free: NDArray[np.bool_]) -> Floats:
    """Downhill, by the inverse Hessian that the steps make expect on the free coordinates; the first step is short."""
    told = [step for step in (step.on(free) for step in steps) if step.curved]
    scaled = _scaled(slope, told)
    if float(scaled @ slope) > 0.0 and told:
        return -scaled * free
    return -slope * min(1.0, 1.0 / float(np.sqrt(slope @ slope)))


def _scaled(slope: Floats, steps: list[_Step]) -> Floats:
    result = slope.copy()
    shares = []
    for step in reversed(steps):
        share = float(step.moved @ result) / float(step.moved @ step.bent)
        result -= share * step.bent
        shares.append(share)
    if steps:
        result *= float(steps[-1].moved @ steps[-1].bent) / float(steps[-1].bent @ steps[-1].bent)
    for step, share in zip(steps, reversed(shares), strict=True):
        result += (share - float(step.bent @ result) / float(step.moved @ step.bent)) * step.moved
    return result


def _line(
    objective: Objective, x: Floats, value: float, gradient: Floats, way: Floats, low: Floats, high: Floats
) -> tuple[Floats, float, Floats] | None:
    """The first point on the ``way``, bent into the box, that is low enough (Armijo), its value and its gradient."""
    share = 1.0
    for _ in range(_SHORTENED):
        after = np.clip(x + share * way, low, high)
        expected = float(gradient @ (after - x))
        if not expected < 0.0:  # the box has bent the way uphill; not so near to its beginning
            share *= 0.5
            continue
        found, slope = objective(after)
        if found <= value + _ARMIJO * expected:
            return after, found, slope
        # Next where the parabola through both values and the slope is least, if that is neither near nor far.
        least = -0.5 * expected / (found - value - expected) if np.isfinite(found) else 0.0
        share *= min(0.5, max(0.1, least))
    return None
