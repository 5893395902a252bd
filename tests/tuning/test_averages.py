"""Means and medians of values that are as large as floats get: between them, whatever their sum."""

import math
import random
import statistics
import sys

import pytest

from tuning.averages import mean, median, middle

FAR = sys.float_info.max


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([FAR, FAR], FAR),
        ([FAR] * 3, FAR),  # a third of it, rounded and tripled, would be beyond it
        ([-FAR] * 7, -FAR),
        ([FAR, FAR, -FAR, -FAR], 0.0),
        ([FAR, FAR, 0.0, 0.0], FAR / 2),
        ([1.7e308, 1.7e308, 1.0], 1.7e308 / 3 * 2),
        ([5e-324, 5e-324], 5e-324),
        ([0.003] * 3, 0.003),
    ],
)
def test_the_mean_of_the_largest_and_the_least_floats(values, expected):
    assert mean(values) == pytest.approx(expected, rel=1e-15, abs=0)
    assert min(values) <= mean(values) <= max(values)


def test_other_means_are_those_of_the_standard_library():
    """To the last bit: what was judged once must be judged so again."""
    rng = random.Random(1)
    for _ in range(500):
        values = [rng.uniform(-1, 1) * 10.0 ** rng.randint(-9, 9) for _ in range(rng.randint(1, 20))]
        assert mean(values) == statistics.fmean(values)
        assert median(values) == statistics.median(values)


def test_the_median_lies_between_the_two_in_the_middle():
    assert median([FAR, FAR]) == middle(FAR, FAR) == FAR
    assert median([-FAR, 1.7e308, FAR, FAR]) == pytest.approx(1.7e308 / 2 + FAR / 2)
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert middle(5e-324, 5e-324) == 5e-324
    assert math.isfinite(middle(-FAR, FAR))
