"""Grid search: the contract, and its order."""

import time

import pytest

from tests.tuning.strategy_suite import (
    CONDITIONAL,
    CONSTRAINED,
    MIXED,
    SMALL,
    SMALL_CONDITIONAL,
    SMALL_CONSTRAINED,
    StrategySuite,
)
from tuning import strategies
from tuning.errors import SpaceExhausted
from tuning.history import History
from tuning.simulate import simulate
from tuning.space import Categorical, Constraint, Float, SearchSpace
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


@pytest.mark.parametrize("constraint", ["x0 > 0.9", "x0 + x9 > 1.9", "x39 > 0.9"])
def test_a_constraint_on_a_huge_grid_costs_no_more_than_the_points_that_are_asked_for(constraint):
    space = SearchSpace(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(40)), (Constraint(constraint),))
    grid = strategies.create("grid", {})
    before = time.process_time()
    assert all(space.allows(one.config) for one in grid.suggest(space, History(Goal.MAXIMIZE), [1, 2, 3], 0))
    assert time.process_time() - before < 1.0


def test_a_grid_without_any_allowed_point_is_exhausted_at_once():
    parameters = tuple(Float(f"x{i}", 0.0, 1.0) for i in range(40))
    space = SearchSpace(parameters, (Constraint("0.8 < x30 and x30 < 0.9"),))  # the grid has 0.75 and 1
    with pytest.raises(SpaceExhausted, match="All 0 points of the grid have been tried"):
        strategies.create("grid", {}).suggest(space, History(Goal.MAXIMIZE), [1], 0)


def test_a_grid_of_which_hardly_any_point_is_allowed_ends_and_says_so():
    space = SearchSpace(
        tuple(Float(f"x{i}", 0.0, 1.0) for i in range(12)), (Constraint("0.6 < x10 * x11 and x10 * x11 < 0.7"),)
    )
    with pytest.raises(SpaceExhausted, match="No further point of the grid was found that satisfies the constraints"):
        strategies.create("grid", {}).suggest(space, History(Goal.MAXIMIZE), [1], 0)


@pytest.mark.parametrize("space", [MIXED, CONDITIONAL, CONSTRAINED, SMALL_CONDITIONAL, SMALL_CONSTRAINED])
def test_points_that_are_found_one_by_one_are_those_of_the_list(space):
    every = [
        config
        for config in _branches(space, [list(p.grid(3)) for p in space.parameters], {})
        if all(constraint.holds(config) for constraint in space.constraints)
    ]
    assert [repr(config) for config in space.grid(3)] == [repr(config) for config in every]
    points = space.grid_points(3)
    assert list(points.untried(set())) == list(enumerate(every)) == list(points.untried(set()))
    odd = {space.key(config) for config in every[1::2]}
    assert [config for _, config in points.untried(odd)] == every[::2] and not points.cut


def _branches(space, axes, begun, index=0):
    """All combinations, in the plainest way."""
    if index == len(axes):
        yield begun
    elif (when := space.parameters[index].when) is not None and not when.met_by(begun):
        yield from _branches(space, axes, begun, index + 1)
    else:
        for value in axes[index]:
            yield from _branches(space, axes, {**begun, space.parameters[index].name: value}, index + 1)


def test_a_huge_grid_is_not_listed():
    huge = SearchSpace(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(40)))
    (one,) = strategies.create("grid", {}).suggest(huge, History(Goal.MAXIMIZE), [1], 0)
    assert huge.problem_with(one.config) is None
    assert one.numbers["points"] == 5**40
    assert MIXED.grid_size(5) == 5**4 * 3
