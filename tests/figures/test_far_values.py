"""Values as far as floats go are drawn, by every figure, with finite numbers only."""

import math
import random
import sys
from typing import Any

import numpy as np
import pytest

from hpt_web.figures import FIGURES, Curve, Drawing, FigureOptions, JobTrials, ParameterAxis, Unavailable
from hpt_web.figures.data import LARGEST
from hpt_web.figures.density import bandwidth
from tests.figures.jobs import curve, drawn, trial
from tuning.states import Goal

FAR = sys.float_info.max
VALUES = [[FAR], [FAR, -FAR], [1e308, 0.0], [5e-324, 1.0, FAR], [5e-324, 1e-310, 2e-308], [0.1, 0.2, 0.3, 0.4, -FAR]]


def numbers(part: Any) -> list[float]:
    if isinstance(part, dict):
        return [number for member in part.values() for number in numbers(member)]
    if isinstance(part, (list, tuple)):
        return [number for member in part for number in numbers(member)]
    return [part] if isinstance(part, (int, float)) else []


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", VALUES, ids=str)
@pytest.mark.parametrize("goal", list(Goal))
@pytest.mark.parametrize("name", [name for name in FIGURES if name != "usage"])
def test_every_figure_draws_them(values: list[float], goal: Goal, name: str) -> None:
    """F95 to F100: no axis, margin or rounded number is beyond the floats (JSON would have null there)."""
    rng = random.Random(1)
    trials = [trial(number, rng.choice(values), x=rng.choice(values)) for number in range(1, 25)]
    curves: list[Curve] = [curve(number, [rng.choice(values) for _ in range(2500)]) for number in range(1, 4)]
    one = JobTrials("a", goal, "f1", (ParameterAxis("x", -FAR, FAR),), tuple(trials), tuple(curves))
    result = FIGURES[name].build([one], FigureOptions(parameter=None if name == "density" else "x"))
    if isinstance(result, Unavailable):
        assert name == "density"
        return
    assert isinstance(result, Drawing)
    assert all(math.isfinite(number) for number in numbers(drawn(result).to_plotly_json()))


def test_what_is_beyond_is_drawn_at_the_end() -> None:
    assert trial(1, FAR).objective == LARGEST
    assert trial(1, -FAR).objective == -LARGEST
    assert trial(1, 5e-324, lr=0.1).objective == 5e-324
    assert not trial(1, math.inf).measured


def test_the_bandwidth_has_no_square_of_the_largest_floats() -> None:
    values = np.array([1.0, 2.0, 4.0, 9.0])
    assert bandwidth(values * 2.0**900) == bandwidth(values) * 2.0**900
