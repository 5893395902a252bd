"""The mean and the median of reported values, which may be as large as floats get.

A script that has nothing better to say prints the largest float: a sum of two of them is beyond it. What is between the
values must not be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean


def mean(values: Sequence[float]) -> float:
    """The mean of at least one finite value; never beyond the least or the largest of them."""
    try:
        found = fmean(values)
    except OverflowError:  # of the sum; divided by a power of two, values keep their digits
        exponent = len(values).bit_length()
        return math.ldexp(mean([math.ldexp(value, -exponent) for value in values]), exponent)
    return min(max(found, min(values)), max(values))


def middle(low: float, high: float) -> float:
    """The mean of two finite values."""
    between = (low + high) / 2
    return between if math.isfinite(between) else low / 2 + high / 2


def median(values: Sequence[float]) -> float:
    """The median of at least one finite value."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else middle(ordered[half - 1], ordered[half])
