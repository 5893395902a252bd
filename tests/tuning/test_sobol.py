"""Quasi-random search (F38): the contract, its evenness, and that a trial's point depends on its number only."""

import time

import numpy as np
import pytest
from scipy.stats import qmc

from tests.tuning.strategy_suite import MIXED, SMALL, StrategySuite
from tuning import strategies
from tuning.history import History
from tuning.simulate import simulate
from tuning.space import Float, SearchSpace
from tuning.space_rules import MAX_PARAMETERS
from tuning.states import Goal
from tuning.strategies.sobol import point

SOBOL = strategies.create("sobol", {})
SQUARE = SearchSpace((Float("x", 0.0, 1.0), Float("y", 0.0, 1.0)))


class TestSobol(StrategySuite):
    name = "sobol"


def configs(space, numbers, seed=0):
    return [one.config for one in SOBOL.suggest(space, History(Goal.MAXIMIZE), numbers, seed)]


@pytest.mark.parametrize("seed", [0, 1, 77])
def test_each_of_16_cells_gets_one_of_16_trials(seed):
    """What random search does not do: 16 trials on a 4 x 4 grid of cells leave none empty."""
    found = configs(SQUARE, list(range(1, 17)), seed)
    cells = {(int(config["x"] * 4), int(config["y"] * 4)) for config in found}
    assert len(cells) == 16


def test_a_trial_depends_on_its_number_and_the_seed_only():
    together = configs(MIXED, [1, 2, 3, 4, 5])
    assert [configs(MIXED, [number])[0] for number in (1, 2, 3, 4, 5)] == together
    history = simulate(SOBOL, MIXED, lambda config: None, trials=4, parallel=3)
    assert [trial.config for trial in history.own] == together[:4]
    assert configs(MIXED, [1], seed=1) != together[:1]


def test_repeated_points_of_a_small_space_are_replaced_and_say_so():
    suggestions = SOBOL.suggest(SMALL, History(Goal.MAXIMIZE), list(range(1, 7)), 0)
    assert len({SMALL.key(one.config) for one in suggestions}) == 6
    assert {one.reason.split(" of ")[0] for one in suggestions} > {"Point 1"}
    assert any("has been tried" in one.reason for one in suggestions)


def test_late_trials_are_as_cheap_as_early_ones():
    space = SearchSpace(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(20)))
    configs(space, [1])
    times = []
    for _ in range(5):
        begin = time.process_time()
        configs(space, [10_000])
        times.append(time.process_time() - begin)
    assert np.median(times) < 0.02


@pytest.mark.filterwarnings("ignore")  # a single point is not balanced, says scipy
@pytest.mark.parametrize("dimensions", [1, 2, 7, MAX_PARAMETERS])
def test_the_points_are_those_of_scipy(dimensions):
    for seed, index in ((0, 0), (0, 1), (3, 2), (3, 17), (99, 9_999)):
        sequence = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng([seed]))
        if index:
            sequence.fast_forward(index)
        assert np.array_equal(point(dimensions, index, seed), sequence.random(1)[0])


TRIANGLE = SearchSpace.from_json(
    {
        "parameters": [{"name": name, "type": "float", "min": 0, "max": 1} for name in "xy"],
        "constraints": ["x + y <= 1"],
    }
)


def unevenness(found):
    """The greatest difference of the share of points in a corner of the triangle and the share of its area (0 to 1)."""
    points = np.array([[config["x"], config["y"]] for config in found])
    corners = [(i / 8, j / 8) for i in range(1, 8) for j in range(1, 8 - i + 1)]
    return max(abs(np.mean((points < corner).all(axis=1)) - 2 * np.prod(corner)) for corner in corners)


def test_what_constraints_leave_is_filled_as_evenly():
    """F38, F39: not by random points in place of those that are forbidden."""
    ours, drawn = [], []
    for seed in range(10):
        suggestions = SOBOL.suggest(TRIANGLE, History(Goal.MAXIMIZE), list(range(1, 33)), seed)
        ours.append(unevenness([one.config for one in suggestions]))
        random = strategies.create("random", {}).suggest(TRIANGLE, History(Goal.MAXIMIZE), list(range(1, 33)), seed)
        drawn.append(unevenness([one.config for one in random]))
    assert np.mean(ours) < 0.6 * np.mean(drawn)


def test_under_constraints_a_trial_is_the_next_point_that_they_allow_and_says_so():
    suggestions = SOBOL.suggest(TRIANGLE, History(Goal.MAXIMIZE), [1, 2, 3, 4], 0)
    indices = [int(one.numbers["point"]) - 1 for one in suggestions]
    forbidden = [index for index in range(indices[-1]) if index not in indices]
    assert [point(2, index, 0).sum() <= 1 for index in indices] == [True] * 4
    assert forbidden and [point(2, index, 0).sum() <= 1 for index in forbidden] == [False] * len(forbidden)
    assert suggestions[3].reason == (
        f"Point {indices[3] + 1} of a Sobol sequence, number 4 of those that the constraints allow."
    )
    assert SOBOL.suggest(TRIANGLE, History(Goal.MAXIMIZE), [4], 0)[0] == suggestions[3]


def test_when_the_constraints_allow_no_more_points_it_draws_and_says_so():
    (one,) = SOBOL.suggest(TRIANGLE, History(Goal.MAXIMIZE), [100_000], 0)
    assert TRIANGLE.allows(one.config)
    assert one.reason == "A random untried point: the constraints allow no more of the first 8,192 of a Sobol sequence."
