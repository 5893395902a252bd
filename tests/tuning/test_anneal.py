"""Annealing (F50): the contract, and hyperopt's formulas by numbers."""

import math
from collections import Counter

import numpy as np
import pytest

from tests.tuning.strategy_suite import MIXED, StrategySuite, bowl, observation
from tuning import Tuner, strategies
from tuning.expressions import Expression
from tuning.history import History, Observation
from tuning.simulate import simulate
from tuning.space import Categorical, Float, SearchSpace
from tuning.states import Goal, TrialState

LINE = SearchSpace((Float("x", 0.0, 1.0),))
NUMBERS = list(range(101, 1101))


class TestAnneal(StrategySuite):
    name = "anneal"


class TestAnnealAroundTheBest(StrategySuite):
    name = "anneal"
    options = {"avg_best_idx": 1.0, "shrink_coef": 1.0}


def suggestions(space, configs, numbers=NUMBERS, goal=Goal.MAXIMIZE, **options):
    """The trials' values are their positions: of ``configs``, the last is the best."""
    own = tuple(observation(n, config, float(n)) for n, config in enumerate(configs, start=1))
    return strategies.create("anneal", options).suggest(space, History(goal, own), numbers, 0)


def test_the_rank_is_geometric_with_the_given_mean():
    configs = [{"x": n / 100} for n in range(100)]
    ranks = Counter(one.numbers["rank"] for one in suggestions(LINE, configs))
    assert ranks[1] == pytest.approx(500, abs=60)
    assert ranks[2] == pytest.approx(250, abs=50)
    ranks = [one.numbers["rank"] for one in suggestions(LINE, configs, avg_best_idx=5)]
    assert np.mean(ranks) == pytest.approx(5, abs=0.6)
    assert {one.numbers["centre"] for one in suggestions(LINE, configs, avg_best_idx=1)} == {100}
    assert {one.numbers["centre"] for one in suggestions(LINE, configs, goal=Goal.MINIMIZE, avg_best_idx=1)} == {1}


def test_the_rank_is_at_most_that_of_the_worst():
    found = suggestions(LINE, [{"x": 0.1}, {"x": 0.2}], avg_best_idx=50)
    assert Counter(one.numbers["rank"] for one in found)[2] > 900


@pytest.mark.parametrize(
    ("centre", "trials", "coefficient", "low", "high"),
    [
        (0.5, 10, 0.1, 0.25, 0.75),  # 1 / (1 + 10 * 0.1) = half of the range
        (0.5, 5, 0.2, 0.25, 0.75),
        (0.1, 10, 0.1, 0.0, 0.5),  # the window stays inside
        (0.95, 10, 0.1, 0.5, 1.0),
        (0.3, 10, 0.0, 0.0, 1.0),
        (0.5, 9, 1.0, 0.45, 0.55),
    ],
)
def test_the_window_is_uniform_and_shrinks_with_the_number_of_trials(centre, trials, coefficient, low, high):
    configs = [*({"x": 0.01 * n} for n in range(trials - 1)), {"x": centre}]
    found = suggestions(LINE, configs, avg_best_idx=1, shrink_coef=coefficient)
    values = np.array([one.config["x"] for one in found])
    assert low <= values.min() and values.max() <= high
    shares = np.histogram(values, bins=4, range=(low, high))[0]
    assert shares.min() > 200
    assert found[0].numbers["share_of_range"] == 1 / (1 + trials * coefficient)


def test_the_window_is_on_the_scale_of_the_hyperparameter():
    space = SearchSpace((Float("lr", 1e-4, 1.0, "log"),))
    configs = [*({"lr": 0.1 + n / 100} for n in range(9)), {"lr": 0.01}]
    values = [one.config["lr"] for one in suggestions(space, configs, avg_best_idx=1)]
    assert 0.99e-3 < min(values) < 1.2e-3 and 0.08 < max(values) < 0.101


@pytest.mark.parametrize("centre", [100.0, 130.0, 155.0])
@pytest.mark.parametrize(
    ("form", "q"), [("normal", None), ("qnormal", 0.001), ("lognormal", None), ("qlognormal", 1e-5)]
)
def test_a_normal_one_is_normal_about_its_value_with_sigma_s(form, q, centre):
    """Without regard to how likely the value is itself: 155 is 5.5 sigma out. s = 1 / 2 of ten trials, sigma 10."""
    exponential = "log" in form
    space = SearchSpace((Expression("n", form, 1.0 if exponential else 100.0, 0.1 if exponential else 10.0, q),))
    value = math.exp(centre / 100) if exponential else centre
    value = value if q is None else round(value / q) * q
    configs = [*({"n": space.decode([0.4 + n / 50])["n"]} for n in range(9)), {"n": value}]
    found = [one.config["n"] for one in suggestions(space, configs, NUMBERS[:400], avg_best_idx=1)]
    drawn = np.log(found) * 100 if exponential else np.array(found)
    below = drawn[drawn <= centre]  # above, the distribution ends at 6 sigma
    assert len(below) / len(drawn) == pytest.approx(0.5, abs=0.1)
    assert np.sqrt(np.mean((below - centre) ** 2)) == pytest.approx(5, abs=0.6)


def test_a_category_keeps_its_value_with_1_minus_s_plus_its_share_of_s():
    """p' = (1 - s) [kept] + s p: with s = 1/2 and 4 values, 0.625 for the kept one and 0.125 for each other."""
    space = SearchSpace((Categorical("c", ("a", "b", "c", "d")), Float("x", 0.0, 1.0)))
    configs = [{"c": "b", "x": 0.5 + n / 100} for n in range(10)]
    counts = Counter(one.config["c"] for one in suggestions(space, configs))
    assert counts["b"] == pytest.approx(625, abs=50)
    assert all(counts[c] == pytest.approx(125, abs=40) for c in "acd")


def test_without_values_it_draws_uniformly_and_says_so():
    own = (Observation(1, {"x": 0.5}, TrialState.FAILED), Observation(2, {"x": 0.6}, TrialState.RUNNING))
    found = strategies.create("anneal", {}).suggest(LINE, History(Goal.MAXIMIZE, own), NUMBERS, 0)
    assert np.histogram([one.config["x"] for one in found], bins=4, range=(0, 1))[0].min() > 200
    assert found[0].reason == "Uniform random: no trial has a value yet."


def test_the_reason_names_the_trial():
    configs = [{"x": n / 10} for n in range(10)]
    reason = suggestions(LINE, configs, avg_best_idx=1)[0].reason
    assert reason == "Random near trial 10, number 1 of 10 trials by objective, on 50.0% of the range."


def test_it_beats_random():
    for seed in range(3):
        found, random = (
            simulate(strategies.create(name, {}), MIXED, bowl, trials=50, seed=seed) for name in ("anneal", "random")
        )
        assert np.median([t.value for t in found.own]) > np.median([t.value for t in random.own]) + 0.2
        assert found.best.value > -0.2


def inherited(xs, name="a"):
    """A parent's trials; the value is the position: the last is the best."""
    return tuple(
        Observation(n, {"x": x}, TrialState.COMPLETED, float(n), inherited_from=name) for n, x in enumerate(xs, start=1)
    )


def test_parents_of_the_same_objective_are_among_the_ranked_trials():
    """F1, F2: identical data and algorithm."""
    history = History(Goal.MAXIMIZE, (observation(1, {"x": 0.2}, 1.5),), inherited([0.9, 0.5]))
    found = strategies.create("anneal", {"avg_best_idx": 1}).suggest(LINE, history, [5], 0)[0]
    assert found.reason.startswith("Random near trial 2 of a, number 1 of 3 trials by objective")


def test_parents_of_another_scale_give_the_centre_first_and_ever_more_seldom():
    """F11: with weight w and n own trials, with probability w / (w + n / 8); the first trial is as without parents."""
    anneal = strategies.create("anneal", {"avg_best_idx": 1})
    parents = inherited([0.5, 0.1]) + inherited([0.5, 0.5, 0.9], "b")
    history = History(Goal.MAXIMIZE, (), parents, comparable=False)
    first, third = anneal.suggest(LINE, history, [1, 3], 0)
    assert first.config == anneal.suggest(LINE, History(Goal.MAXIMIZE), [1], 0)[0].config
    assert third.numbers["parents_weight"] == pytest.approx(1.4)
    centre, trials = ("trial 2 of a", 2) if "of a" in third.reason else ("trial 3 of b", 3)
    assert centre in third.reason and third.numbers["share_of_range"] == pytest.approx(1 / (1 + 0.7 * trials * 0.1))
    own = tuple(observation(n, {"x": 0.3}, 0.0) for n in range(1, 9))
    found = anneal.suggest(LINE, History(Goal.MAXIMIZE, own, parents, comparable=False), NUMBERS, 0)
    weight = found[0].numbers["parents_weight"]
    of_parents = sum(" of a," in one.reason or " of b," in one.reason for one in found)
    assert of_parents / len(found) == pytest.approx(weight / (weight + 1), abs=0.06)


def test_misleading_parents_are_forgotten():
    """F12: own results of the opposite order leave no trust, and the parents are not asked again."""
    own = tuple(observation(n, {"x": n / 12}, float(n)) for n in range(1, 12))
    history = History(Goal.MAXIMIZE, own, inherited([1 - n / 20 for n in range(20)]), comparable=False)
    found = strategies.create("anneal", {}).suggest(LINE, history, NUMBERS, 0)
    assert all(" of a," not in one.reason and "parents_weight" not in one.numbers for one in found)
    (tested,) = strategies.create("anneal", {}).suggest(
        LINE, History(Goal.MAXIMIZE, own[:1], history.inherited, comparable=False), [2], 0
    )
    assert tested.reason == "Uniform random: to compare with the trials that were chosen after the parents."


WITH_CONDITION = SearchSpace.from_json(
    [
        {"name": "opt", "type": "categorical", "values": ["adam", "sgd"]},
        {"name": "lr", "type": "float", "min": 0, "max": 1},
        {"name": "m", "type": "float", "min": 0, "max": 1, "when": {"parameter": "opt", "in": ["sgd"]}},
    ]
)


def test_what_was_not_active_at_the_centre_is_drawn_from_its_whole_range():
    """F50: the centre has no value of it to stay near, and the middle of the range is none."""
    own = tuple(observation(n, {"opt": "adam", "lr": n / 100}, 1 - abs(n / 100 - 0.3)) for n in range(1, 101))
    anneal = strategies.create("anneal", {})
    found = anneal.suggest(WITH_CONDITION, History(Goal.MAXIMIZE, own), range(101, 1101), 0)
    switched = [one.config["m"] for one in found if one.config["opt"] == "sgd"]
    assert len(switched) > 30 and np.std(switched) == pytest.approx(12**-0.5, abs=0.05)
    rates = [one.config["lr"] for one in found]
    assert np.std(rates) < 0.1, "what is active there is drawn near it, as ever"


def test_it_finds_the_best_value_of_a_conditional_hyperparameter():
    """F50: in 27 % of 60 searches before it was drawn so; random search always does."""
    found = 0
    for seed in range(12):
        tuner = Tuner(WITH_CONDITION, "maximize", "anneal", seed, max_trials=100)
        while not tuner.done:
            for trial in tuner.ask():
                bonus = 1 - 8 * abs(trial.config["m"] - 0.93) if "m" in trial.config else 0.0
                tuner.tell(trial, 1 - abs(trial.config["lr"] - 0.3) + bonus)
        found += tuner.best().value > 1.0
    assert found >= 9


def test_where_everything_is_active_the_draws_are_what_they_were():
    """Recorded before conditional hyperparameters were drawn apart: figures of unconditional spaces stay."""
    tuner = Tuner(MIXED, "maximize", "anneal", 3, max_trials=12)
    while not tuner.done:
        for trial in tuner.ask():
            tuner.tell(trial, bowl(trial.config))
    last = {"lr": 0.0282860942, "momentum": 0.632991068, "units": 65, "layers": 3, "optimizer": "sgd"}
    assert tuner.trials[-1].config == last
