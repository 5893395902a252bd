"""F100: where an axis ends and when it is logarithmic."""

import pytest

from hpt_web.figures import axes
from tuning.states import Goal


@pytest.mark.parametrize(
    ("low", "high", "declared", "scale"),
    [
        (1, 51, False, "log10"),
        (1, 50, False, "log2"),
        (1, 11, False, "log2"),
        (1, 10, False, "linear"),
        (1, 10, True, "log2"),
        (0, 1000, False, "linear"),
        (-1, 1000, False, "linear"),
        (3, 3, True, "linear"),
    ],
)
def test_scales(low: float, high: float, declared: bool, scale: str) -> None:
    assert axes.scale_for(low, high, declared) == scale


def test_an_accuracy_is_never_logarithmic_and_a_loss_over_decades_is() -> None:
    assert not axes.log_objective([0.01, 0.99], Goal.MAXIMIZE)
    assert axes.log_objective([0.01, 0.99], Goal.MINIMIZE)
    assert not axes.log_objective([0.0, 0.99], Goal.MINIMIZE)


def test_diverged_trials_are_left_out_of_the_range_and_counted() -> None:
    values = [0.90, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, 0.98, -50.0]
    clip = axes.clip(values, Goal.MAXIMIZE)
    assert clip.hidden == 1
    assert clip.low is not None
    assert 0 < clip.low < 0.9
    low, high = axes.clipped_range(values, clip)
    assert low == clip.low
    assert high > 0.98
    mirrored = axes.clip([-value for value in values], Goal.MINIMIZE)
    assert mirrored.high == -clip.low


def test_a_very_good_trial_is_never_hidden() -> None:
    assert axes.clip([0.1] * 20 + [0.11, 0.95], Goal.MAXIMIZE) == axes.Clip()


def test_few_or_even_results_are_not_clipped() -> None:
    assert axes.clip([0.9, 0.9, -50.0], Goal.MAXIMIZE) == axes.Clip()
    assert axes.clip([i / 10 for i in range(20)], Goal.MAXIMIZE) == axes.Clip()


def test_a_range_of_one_value_has_a_width() -> None:
    for value in (0.0, 3.0, -2.0):
        low, high = axes.padded(value, value, "linear")
        assert low < value < high


@pytest.mark.parametrize(("seconds", "unit"), [(30, "seconds"), (600, "minutes"), (9000, "hours"), (400_000, "days")])
def test_units_of_time(seconds: float, unit: str) -> None:
    assert axes.time_unit(seconds)[0] == unit
