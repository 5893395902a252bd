"""Rounding and thinning."""

import math
import random

import pytest

from hpt_web.figures.sampling import digits_for, rounded, thin


def test_five_digits_where_values_differ_in_the_first_ones() -> None:
    assert digits_for([0.123456789, 0.9]) == 5
    assert rounded([0.123456789, 0.9], 5) == [0.12346, 0.9]
    assert digits_for([]) == digits_for([1234567.0]) == 5


def test_more_digits_where_values_differ_only_in_the_last_ones() -> None:
    values = [0.998711, 0.998712, 0.998719]
    assert rounded(values, digits_for(values)) == values
    assert digits_for([1e6 + 0.001, 1e6]) == 13


@pytest.mark.parametrize("values", [[math.nan], [math.inf, 1.0], [0.0, 0.0], [1e308, -1e308], [5e-324, 0.0]])
def test_odd_values_do_not_break_rounding(values: list[float]) -> None:
    assert len(rounded(values, digits_for(values))) == len(values)


@pytest.mark.parametrize("n", [3, 4, 5, 10, 11, 79, 80, 81, 100, 1000, 20_000])
@pytest.mark.parametrize("keep", [3, 4, 10])
def test_thin_keeps_the_number_the_ends_and_the_order(n: int, keep: int) -> None:
    rng = random.Random(n)
    values = [rng.random() for _ in range(n)]
    kept = thin(range(n), values, keep)
    assert len(kept) == min(n, keep)
    assert kept == sorted(set(kept))
    assert (kept[0], kept[-1]) == (0, n - 1)


def test_thin_keeps_a_single_spike() -> None:
    for n in (500, 50_000):
        values = [0.0] * n
        values[n // 3] = 1.0
        assert n // 3 in thin(range(n), values, 20)


def test_thin_needs_three_points() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        thin([1], [1], 2)
