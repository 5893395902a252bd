"""Whether a model foretells trials: the closed form, and that searches without such a model go on spreading."""

import numpy as np
import pytest

from tests.tuning.strategy_suite import observation
from tuning import strategies
from tuning.history import History
from tuning.space import Float, SearchSpace
from tuning.states import Goal
from tuning.strategies import gp
from tuning.strategies.skill import skill

RNG = np.random.default_rng(3)
FEATURES = RNG.random((25, 3))
SMOOTH = np.sin(4 * FEATURES[:, 0]) + FEATURES[:, 1]
NOISE = RNG.normal(size=25)
GROUPS = np.arange(3)
SPACE = SearchSpace(tuple(Float(f"x{index}", 0.0, 1.0) for index in range(3)))


def standard(values):
    return (values - values.mean()) / values.std()


def suggest(values, number=None, count=25, **options):
    own = tuple(
        observation(trial, dict(zip(("x0", "x1", "x2"), map(float, features), strict=True)), float(value))
        for trial, (features, value) in enumerate(zip(FEATURES[:count], values[:count], strict=True), 1)
    )
    strategy = strategies.create("bayesian", options)
    (one,) = strategy.suggest(SPACE, History(Goal.MINIMIZE, own), [number or count + 1], 0)
    return one


def test_it_is_what_leaving_each_trial_out_gives():
    kernel, targets = gp.Kernel(np.array([0.5, 0.7, 1.0]), 1.3, 0.05), standard(SMOOTH)
    model = gp.condition(kernel, FEATURES, targets)
    gains = []
    for index in range(25):
        others = np.arange(25) != index
        left = gp.condition(kernel, FEATURES[others], targets[others], model.mean)
        mean, sd = (float(one[0]) for one in left.predict(FEATURES[index : index + 1]))
        variance = sd**2 + kernel.noise
        ours = -0.5 * np.log(variance) - 0.5 * (targets[index] - mean) ** 2 / variance
        plain = np.array([targets[k] - np.delete(targets, k).mean() for k in range(25)])
        gains.append(ours + 0.5 * np.log(plain.var()) + 0.5 * plain[index] ** 2 / plain.var())
    assert skill(model) == pytest.approx(np.mean(gains))


def test_a_smooth_function_is_foretold_and_noise_is_not():
    assert skill(gp.model(FEATURES, standard(SMOOTH), GROUPS)) > 0.5
    noise = standard(NOISE)
    assert skill(gp.condition(gp.fit(FEATURES, noise, GROUPS, 1e-2), FEATURES, noise)) < 0.2
    assert skill(gp.model(FEATURES, np.zeros(25), GROUPS)) == 0.0


@pytest.mark.parametrize("values", [NOISE, np.full(25, 0.5)], ids=["noise", "one value"])
def test_without_skill_the_design_goes_on_in_three_trials_of_four(values):
    design = {number: one for number in (26, 27, 28, 29) if "skill" in (one := suggest(values, number)).numbers}
    assert sorted(design) == [26, 27, 29]
    assert len({SPACE.key(one.config) for one in design.values()}) == 3
    for one in design.values():
        assert one.numbers["skill"] < 0.2 and one.numbers["model"] == "gp"
        assert "foretells trials hardly better than their mean" in one.reason


def test_the_design_that_goes_on_is_one_sequence_with_the_first_trials():
    later = strategies.create("bayesian", {"n_initial_points": 100})
    (designed,) = later.suggest(SPACE, History(Goal.MINIMIZE, ()), [27], 0)
    assert suggest(NOISE, 27).config == designed.config


def test_a_point_of_the_design_that_was_tried_is_not_tried_again():
    taken = suggest(NOISE, 27).config
    own = [observation(n, {f"x{i}": float(f[i]) for i in range(3)}, 0.5) for n, f in enumerate(FEATURES, 1)]
    history = History(Goal.MINIMIZE, (*own, observation(26, taken, 0.5)))
    (one,) = strategies.create("bayesian", {}).suggest(SPACE, history, [27], 0)
    assert "skill" in one.numbers and SPACE.key(one.config) != SPACE.key(taken)


def test_a_model_with_skill_is_asked_and_so_is_one_of_few_trials():
    assert "skill" not in suggest(SMOOTH, 26).numbers
    assert "skill" not in suggest(NOISE, count=14).numbers


def test_who_asks_for_the_confidence_bound_gets_it():
    assert "skill" not in suggest(NOISE, kind="ucb").numbers
