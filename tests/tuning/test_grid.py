"""Grid search: the contract, and its order."""

import pytest

from tests.tuning.strategy_suite import MIXED, SMALL, StrategySuite
from tuning import strategies
from tuning.history import History
from tuning.simulate import simulate
from tuning.space import Categorical, Float, SearchSpace
from tuning.states import Goal


class TestGrid(StrategySuite):
    name = "grid"


def test_three_by_two_values_are_six_trials():
    """F46."""
    space = SearchSpace((Categorical("batch", (16, 32, 64)), Categorical("opt", ("sgd", "adam"))))
    history = simulate(strategies.create("grid", {}), space, lambda config: 1.0, trials=1000, parallel=3)
    assert [trial.config for trial in history.own] == list(space.grid(5))
    assert len(history.own) == 6


def test_the_number_of_points_per_axis_is_an_option():
    space = SearchSpace((Float("x", 0.0, 1.0), Float("y", 1e-2, 1.0, "log")))
    history = simulate(strategies.create("grid", {"points_per_axis": 3}), space, lambda config: 1.0, trials=1000)
    points = [(trial.config["x"], trial.config["y"]) for trial in history.own]
    assert points[0] == (0.0, 0.01) and points[2:4] == [(0.0, 1.0), (0.5, 0.01)]
    assert points[1] == pytest.approx((0.0, 0.1))
    assert len(history.own) == 9


def test_the_reason_counts_the_points():
    (one, two) = strategies.create("grid", {}).suggest(SMALL, History(Goal.MAXIMIZE), [1, 2], 0)
    assert (one.reason, two.reason) == ("Grid point 1 of 6.", "Grid point 2 of 6.")
    assert two.numbers == {"point": 2, "points": 6}


def test_a_huge_grid_is_not_listed():
    huge = SearchSpace(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(40)))
    (one,) = strategies.create("grid", {}).suggest(huge, History(Goal.MAXIMIZE), [1], 0)
    assert huge.problem_with(one.config) is None
    assert one.numbers["points"] == 5**40
    assert MIXED.grid_size(5) == 5**4 * 3
