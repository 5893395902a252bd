"""The standard normal distribution, at arrays of any shape.

``scipy.special`` has these, and takes 25 MB of every process that suggests.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from tuning.scales import Floats

_SQRT_HALF = math.sqrt(0.5)
_INVERSE = NormalDist().inv_cdf


def cdf(z: Floats) -> Floats:
    """The probabilities of less than ``z``, each to rounding, far out on the lower side too; shape kept."""
    return 0.5 * _each(math.erfc, z * -_SQRT_HALF)


def quantile(probabilities: Floats) -> Floats:
    """What ``cdf`` has been taken of, infinite at 0 and 1; shape kept."""
    return _each(_quantile, probabilities)


def _quantile(probability: float) -> float:
    if 0.0 < probability < 1.0:
        return _INVERSE(probability)
    return -math.inf if probability <= 0.0 else math.inf


def _each(function: Callable[[float], float], values: Floats) -> Floats:
    return np.fromiter(map(function, values.ravel().tolist()), float, values.size).reshape(values.shape)
