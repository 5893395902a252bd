"""Logarithms of the standard normal distribution, accurate far out on its lower side, where what is expected vanishes.

Symbols
    pdf, cdf    of the standard normal distribution
    R           Mills' ratio cdf(-x) / pdf(x) of x > 0
"""

from __future__ import annotations

import math

import numpy as np

from tuning.normal import cdf
from tuning.parameters import Floats

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
_FAR = 20.0  # standard deviations, beyond which the asymptotic series of Mills' ratio is exact to rounding
_ODD = range(17, 1, -2)  # its factors; the first that is left out is 5e-14 of the sum


def log_cdf(z: Floats) -> Floats:
    """log cdf(z), shape (m,)."""
    near = np.maximum(z, -_FAR)
    tail = _tail(near)
    above = np.where(near < 0.0, np.log(np.maximum(tail, 1e-300)), np.log1p(-tail))
    if len(z) == 0 or z.min() >= -_FAR:
        return above
    low = np.minimum(z, -_FAR)
    result: Floats = np.where(z >= -_FAR, above, _log_pdf(low) - np.log(-low) + np.log1p(-_lacks(low)))
    return result


def log_improvement(z: Floats) -> Floats:
    """log(pdf(z) + z cdf(z)), shape (m,): of how much a standard normal variable is expected to be below z."""
    near = np.maximum(z, -_FAR)
    tail = _tail(near)
    above: Floats = np.log(np.exp(_log_pdf(near)) + near * np.where(near < 0.0, tail, 1.0 - tail))
    if len(z) == 0 or z.min() >= -_FAR:
        return above
    low = np.minimum(z, -_FAR)
    result: Floats = np.where(z >= -_FAR, above, _log_pdf(low) + np.log(_lacks(low)))
    return result


def _log_pdf(z: Floats) -> Floats:
    return -0.5 * z * z - LOG_SQRT_2PI


def _tail(z: Floats) -> Floats:
    """cdf(-|z|)."""
    return cdf(-np.abs(z))


def _lacks(z: Floats) -> Floats:
    """1 - |z| R, of z below -20: 1/z^2 - 3/z^4 + 15/z^6 - ... (Abramowitz and Stegun 26.2.12)."""
    square = 1.0 / (z * z)
    series = np.ones_like(z)
    for factor in _ODD:
        series = 1.0 - factor * square * series
    lacks: Floats = square * series
    return lacks
