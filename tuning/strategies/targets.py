"""Objective values made fit for a Gaussian model: clipped, power-transformed, standardised; and back.

The power transform is Yeo and Johnson's (Biometrika 87, 2000), its exponent by maximum likelihood. Losses of real
models have long tails on the bad side; without the transform a few disasters set the scale for everything else.

The inverse is learnt where there are losses. A little beyond them it may explode, or end: what people read goes on in
straight lines there instead (``told``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuning.parameters import Floats

_EXPONENTS = np.linspace(-3.0, 3.0, 121)
_ROOM = 128.0  # a power of 2: what is divided by it keeps its digits
# Nodes and weights of Gauss-Hermite quadrature with 5 points, for the standard normal distribution.
_NODES = np.sqrt([5.0 + 10.0**0.5, 5.0 - 10.0**0.5, 0.0, 5.0 - 10.0**0.5, 5.0 + 10.0**0.5]) * [-1, -1, 0, 1, 1]
_WEIGHTS = np.array([7.0 - 2 * 10.0**0.5, 7.0 + 2 * 10.0**0.5, 32.0, 7.0 + 2 * 10.0**0.5, 7.0 - 2 * 10.0**0.5]) / 60.0
_CLIP = 30.0  # interquartile ranges above the median; beyond, only "very bad" is worth knowing


@dataclass(frozen=True, slots=True)
class Targets:
    """``values``, shape (n,), are the transformed losses, with mean 0 and standard deviation 1 (0 if all are equal)."""

    values: Floats
    centre: float
    scale: float
    exponent: float
    mean: float
    sd: float

    @classmethod
    def fit(cls, losses: Floats) -> Targets:
        """Learn the transform of ``losses``, shape (n,), finite, n >= 1."""
        # Values near the largest float must not overflow in differences, nor in squares.
        losses = losses / _ROOM
        low, middle, high = np.quantile(losses, [0.25, 0.5, 0.75])
        clipped = np.minimum(losses, middle + _CLIP * (high - low)) if high > low else losses
        unit = float(np.abs(clipped).max()) or 1.0
        centre, scale = float(np.mean(clipped / unit)), float(np.std(clipped / unit))
        standard = (clipped / unit - centre) / (scale or 1.0)
        exponent = _best_exponent(standard)
        bent = _bend(standard, exponent)
        mean, sd = float(bent.mean()), float(bent.std()) or 1.0
        return cls((bent - mean) / sd, centre * unit * _ROOM, scale * unit * _ROOM or 1.0, exponent, mean, sd)

    def to_loss(self, values: Floats | float) -> Floats:
        """The losses that have these transformed values."""
        bent = np.asarray(values, dtype=float) * self.sd + self.mean
        with np.errstate(over="ignore"):
            loss: Floats = np.nan_to_num(_unbend(bent, self.exponent) * self.scale + self.centre)
        return loss

    def told(self, mean: float, sd: float = 0.0) -> tuple[float, float]:
        """Mean and standard deviation of the loss whose transformed value is normal with ``mean`` and ``sd``.

        Bounded however unsure the model is: beyond the losses that the transform was learnt from, its inverse goes on
        as it ended, but not steeper than it is over all of them.
        """
        found = self._extended((mean + sd * _NODES) * self.sd + self.mean)
        middle = float(_WEIGHTS @ found)
        spread = float(np.sqrt(_WEIGHTS @ (found - middle) ** 2))
        with np.errstate(over="ignore"):
            loss, of_loss = np.nan_to_num([middle * self.scale + self.centre, spread * self.scale])
        return float(loss), float(of_loss)

    def _extended(self, bent: Floats) -> Floats:
        """The inverse of the bend, in straight lines beyond the values that it was learnt from."""
        low, high = (end * self.sd + self.mean for end in (self.values.min(), self.values.max()))
        first, last = _unbend(np.array([low, high]), self.exponent)
        slope = (last - first) / (high - low) if high > low else 1.0
        below = min(slope, _slope(first, self.exponent)) * np.minimum(bent - low, 0.0)
        above = min(slope, _slope(last, self.exponent)) * np.maximum(bent - high, 0.0)
        extended: Floats = _unbend(np.clip(bent, low, high), self.exponent) + below + above
        return extended

    def gain(self, value: float, better: float) -> float:
        """How far below the transformed ``value`` lies a loss that is less than its own by ``better``."""
        if not better:
            return 0.0
        with np.errstate(over="ignore"):
            loss = np.nan_to_num((np.asarray(self.to_loss(value)) - better - self.centre) / self.scale)
            return float(np.nan_to_num(value - (_bend(loss, self.exponent) - self.mean) / self.sd))


def _best_exponent(x: Floats) -> float:
    """The exponent of highest likelihood among 121; 1 (no bend) where there is too little to tell."""
    if len(x) < 4 or np.ptp(x) == 0.0:
        return 1.0
    slope = np.sum(np.sign(x) * np.log1p(np.abs(x)))
    bent = np.array([_bend(x, exponent) for exponent in _EXPONENTS])
    variance = np.maximum(bent.var(axis=1), 1e-300)
    likelihood = -0.5 * len(x) * np.log(variance) + (_EXPONENTS - 1.0) * slope
    return float(_EXPONENTS[int(np.argmax(likelihood))])


def _bend(x: Floats, exponent: float) -> Floats:
    bent: Floats = np.where(
        x >= 0.0, _power(np.maximum(x, 0.0), exponent), -_power(np.maximum(-x, 0.0), 2.0 - exponent)
    )
    return bent


def _unbend(y: Floats, exponent: float) -> Floats:
    x: Floats = np.where(y >= 0.0, _root(np.maximum(y, 0.0), exponent), -_root(np.maximum(-y, 0.0), 2.0 - exponent))
    return x


def _slope(x: float, exponent: float) -> float:
    """How fast ``x`` grows with its bent value."""
    return float((1.0 + abs(x)) ** (1.0 - exponent if x >= 0.0 else exponent - 1.0))


def _power(x: Floats, exponent: float) -> Floats:
    """((x + 1) ** exponent - 1) / exponent, and its limit log(x + 1) at 0."""
    power: Floats = np.expm1(exponent * np.log1p(x)) / exponent if abs(exponent) > 1e-9 else np.log1p(x)
    return power


def _root(y: Floats, exponent: float) -> Floats:
    """The inverse of ``_power``; for a negative exponent cut off where ``_power`` ends."""
    if abs(exponent) <= 1e-9:
        return np.expm1(y)
    root: Floats = np.expm1(np.log(np.maximum(1.0 + exponent * y, 1e-9)) / exponent)
    return root
