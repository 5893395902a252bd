"""Parzen estimators: they are distributions, on every kind of hyperparameter, and draw what they say."""

import time

import numpy as np
import pytest

from tuning.space import Categorical, Float, Integer, SearchSpace
from tuning.strategies.parzen import Parzen, axes_of

LINE = SearchSpace((Float("x", 0.0, 1.0),))
COUNT = SearchSpace((Integer("n", 1, 5),))
LOG_COUNT = SearchSpace((Integer("n", 1, 64, "log"),))
CHOICE = SearchSpace((Categorical("c", ("a", "b", "c")),))


def parzen(space, configs, weights=None):
    units = np.array([space.encode(config) for config in configs]).reshape(-1, len(space))
    return Parzen(axes_of(space), units, np.ones(len(units)) if weights is None else np.array(weights))


def masses(space, found):
    """The probability of every point of a countable space."""
    units = np.array([space.encode(config) for config in space.grid(space.size)])
    return np.exp(found.log_density(units))


def test_a_continuous_density_integrates_to_1():
    middles = (np.arange(2000) + 0.5) / 2000
    for configs in ([], [{"x": 0.0}], [{"x": 0.3}, {"x": 0.31}, {"x": 0.9}]):
        density = np.exp(parzen(LINE, configs).log_density(middles[:, None]))
        assert density.mean() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("space", [COUNT, LOG_COUNT, CHOICE, SearchSpace((*COUNT.parameters, *CHOICE.parameters))])
def test_the_masses_of_discrete_points_sum_to_1(space):
    points = list(space.grid(space.size))
    for configs in ([], points[:1], points[-2:] * 5):
        assert masses(space, parzen(space, configs)).sum() == pytest.approx(1, abs=1e-9)


def test_many_trials_of_one_value_leave_every_other_value_possible():
    found = masses(COUNT, parzen(COUNT, [{"n": 3}] * 1000))
    assert 0.6 < found[2] < 1 and found.min() > 1e-5


def test_neighbours_of_an_integer_are_likelier_than_far_values_and_categories_have_none():
    count = masses(COUNT, parzen(COUNT, [{"n": 1}] * 4))
    assert count[0] > count[1] > count[2] > count[4]
    choice = masses(CHOICE, parzen(CHOICE, [{"c": "a"}] * 4))
    assert choice[0] > choice[1] == pytest.approx(choice[2])


def test_weights_shift_the_density():
    configs = [{"x": 0.2}, {"x": 0.8}]
    low, high = np.exp(parzen(LINE, configs, [3.0, 1.0]).log_density(np.array([[0.2], [0.8]])))
    assert low > 1.3 * high


@pytest.mark.parametrize("space", [COUNT, CHOICE])
def test_draws_have_the_probabilities_that_the_density_says(space):
    points = list(space.grid(space.size))
    found = parzen(space, [points[0], points[0], points[2]])
    drawn = space.snap(found.draw(20_000, np.random.default_rng(0)))
    shares = [np.mean(drawn[:, 0] == space.encode(point)[0]) for point in points]
    assert shares == pytest.approx(masses(space, found), abs=0.015)


def test_continuous_draws_have_the_density():
    found = parzen(LINE, [{"x": 0.1}, {"x": 0.15}, {"x": 0.7}])
    shares = np.histogram(found.draw(40_000, np.random.default_rng(0))[:, 0], bins=10, range=(0, 1))[0] / 4000
    middles = (np.arange(1000) + 0.5) / 1000
    density = np.exp(found.log_density(middles[:, None])).reshape(10, 100).mean(axis=1)
    assert shares == pytest.approx(density, abs=0.06)


def test_kernels_are_narrower_where_trials_agree_and_as_they_accumulate():
    space = SearchSpace((Float("x", 0.0, 1.0), Float("y", 0.0, 1.0)))
    rng = np.random.default_rng(0)
    configs = [{"x": 0.5 + 0.01 * float(rng.normal()), "y": float(rng.random())} for _ in range(100)]
    few, many = parzen(space, configs[:10]).widths, parzen(space, configs).widths
    assert many[0] < 0.3 * many[1]
    assert (many < few).all()


def test_parameters_of_one_value_do_not_count():
    space = SearchSpace((Float("x", 0.0, 1.0), Float("fixed", 2.0, 2.0), Categorical("c", ("only",))))
    assert [axis.index for axis in axes_of(space)] == [0]
    found = parzen(space, [{"x": 0.5, "fixed": 2.0, "c": "only"}])
    drawn = found.draw(10, np.random.default_rng(0))
    assert (drawn[:, 1:] == 0.5).all()


def test_a_long_list_of_integers_is_as_good_as_continuous():
    assert axes_of(SearchSpace((Integer("n", 1, 100_000),)))[0].edges is None
    assert axes_of(SearchSpace((Categorical("c", tuple(range(500))),)))[0].edges is not None


def test_a_hundred_categories_of_a_thousand_values_are_laid_out_at_once():
    space = SearchSpace(tuple(Categorical(f"c{index}", tuple(range(1000))) for index in range(100)))
    begun = time.perf_counter()
    axes = axes_of(space)
    assert time.perf_counter() - begun < 1.0  # value by value it took 5 s, for every suggestion of TPE
    assert [len(axis.edges) for axis in axes] == [1001] * 100
