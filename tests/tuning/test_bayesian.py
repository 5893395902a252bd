"""Bayesian optimisation: the contract, that it finds good points, and that warm start makes it better."""

import math
import subprocess
import sys
import time
from statistics import NormalDist

import numpy as np
import pytest

from tests.tuning.strategy_suite import MIXED, StrategySuite, bowl, observation
from tuning import strategies
from tuning.history import History, Observation
from tuning.simulate import simulate
from tuning.space import Float, Integer, SearchSpace
from tuning.states import Goal, TrialState

SEEDS = range(3)
PLANE = SearchSpace((Float("x", 0.0, 1.0), Float("y", 0.0, 1.0)))


class TestBayesian(StrategySuite):
    name = "bayesian"


class TestBayesianWithConfidenceBound(StrategySuite):
    name = "bayesian"
    options = {"kind": "ucb", "kappa": 1.0, "n_initial_points": 3}


def run(name="bayesian", seed=0, trials=25, objective=bowl, space=MIXED, options=None, **more):
    return simulate(strategies.create(name, options or {}), space, objective, trials, seed=seed, **more)


def inherited(history, name="parent"):
    return tuple(Observation(t.number, t.config, t.state, t.value, t.curve, inherited_from=name) for t in history.own)


def median(history):
    return float(np.median([trial.value for trial in history.finished]))


@pytest.mark.parametrize("kind", ["ei", "ucb", "poi"])
def test_it_beats_random_on_a_smooth_function(kind):
    """F44: the same number of trials, clearly better on every seed."""
    for seed in SEEDS:
        best = run(seed=seed, options={"kind": kind}).best.value
        assert best > run("random", seed=seed).best.value + 0.02
    assert best > -0.1


def test_parallel_trials_cost_little():
    for seed in SEEDS:
        assert run(seed=seed, trials=28, parallel=4).best.value > run("random", seed=seed, trials=28).best.value + 0.02


def test_a_minimum_at_a_corner_is_reached_exactly():
    space = SearchSpace((Float("x", 0.0, 1.0), Integer("n", 1, 200)))
    history = run(space=space, objective=lambda c: c["x"] + c["n"] / 200, goal=Goal.MINIMIZE, trials=20)
    assert (history.best.config["x"], history.best.config["n"]) == (pytest.approx(0, abs=0.01), 1)


def test_warm_start_from_identical_jobs_is_better_than_both_parents():
    """F1, F25, F26: most trials of the child lie in the best corner, so its median is above both parents' medians."""
    for seed in range(3):
        parents = {name: run(name, seed=seed, trials=25, parallel=2) for name in ("random", "bayesian")}
        trials = tuple(trial for name, history in parents.items() for trial in inherited(history, name))
        child = run(seed=seed + 100, trials=20, parallel=2, inherited=trials)
        assert median(child) > max(map(median, parents.values()))
        assert child.best.value >= max(history.best.value for history in parents.values()) - 0.01


def test_with_inherited_evidence_there_is_no_initial_design():
    parent = inherited(run("random", trials=12))
    (first,) = strategies.create("bayesian", {}).suggest(MIXED, History(Goal.MAXIMIZE, (), parent), [1], 0)
    assert first.numbers["model"] == "gp"
    assert "0 trials and 12 of the parents" in first.reason
    cold = strategies.create("bayesian", {}).suggest(MIXED, History(Goal.MAXIMIZE, (), parent[:2]), [1, 5, 6], 0)
    assert [one.reason for one in cold[:2]] == ["Initial design 1 of 5.", "Initial design 5 of 5."]
    assert cold[2].numbers["model"] == "gp"


def test_points_that_parents_completed_are_not_run_again_where_values_are_comparable():
    space = SearchSpace((Integer("n", 1, 10),))
    parent = tuple(observation(n, {"n": n}, float(n)) for n in range(1, 10))
    child = run(space=space, objective=lambda c: float(c["n"]), inherited=inherited(History(Goal.MAXIMIZE, parent)))
    assert [trial.config for trial in child.own] == [{"n": 10}]


def shifted(config):
    """Another scale and a slightly other optimum: what a similar data set does to an objective."""
    moved = {**config, "lr": min(1.0, config["lr"] * 2), "momentum": max(0.0, config["momentum"] - 0.05)}
    return 1000.0 + 50.0 * math.tanh(bowl(moved))


def test_transfer_learning_uses_parents_of_another_scale():
    """F11: the parents' values are not comparable, the region where they are good is."""
    parent = inherited(run(trials=30, seed=1))
    ahead = []
    for seed in SEEDS:
        warm = run(objective=shifted, seed=seed, trials=10, inherited=parent, comparable=False)
        cold = run(objective=shifted, seed=seed, trials=10)
        ahead.append(warm.best.value - cold.best.value)
    assert min(ahead) > 0


def test_transfer_begins_in_the_parents_good_regions():
    parents = inherited(run(trials=20, seed=1), "a") + inherited(run(trials=20, seed=2), "b")
    suggestions = {}
    run(
        objective=shifted,
        trials=5,
        inherited=parents,
        comparable=False,
        on_suggestion=lambda number, one: suggestions.update({number: one}),
    )
    assert suggestions[1].reason.startswith("Before own results: what the parents expect most of, tried by ")
    assert "the first point of a space-filling design" in suggestions[2].reason
    assert "far from the trials so far" in suggestions[3].reason
    assert "40 of the parents (weight " in suggestions[4].reason


def test_parents_with_too_few_trials_to_model_are_left_out():
    trial = run("random", trials=1)
    parents = sum((inherited(trial, name) for name in "abcdefgh"), ())
    history = run(trials=9, inherited=parents, comparable=False)
    assert len(history.own) == 9


def test_a_misleading_parent_is_forgotten():
    upside_down = inherited(run(objective=lambda c: -bowl(c), trials=30, seed=1))
    for seed in range(2):
        weights = []
        misled = run(
            seed=seed,
            trials=25,
            inherited=upside_down,
            comparable=False,
            on_suggestion=lambda number, one, weights=weights: weights.append(one.numbers.get("parents_weight")),
        )
        assert misled.best.value > run("random", seed=seed).best.value
        assert weights[0] is None and weights[-1] < 0.1


def test_reasons_tell_model_mean_uncertainty_and_acquisition():
    suggestions = {}
    run(trials=9, parallel=2, on_suggestion=lambda number, one: suggestions.update({number: one}))
    assert suggestions[1].reason == "Initial design 1 of 7."
    numbers = suggestions[9].numbers
    assert suggestions[9].reason.startswith("Gaussian process on 7 trials, 1 running: expects ")
    assert {"mean", "sd", "incumbent", "acquisition_value"} <= numbers.keys()
    assert numbers["sd"] > 0 and -5 < numbers["mean"] < 1 and numbers["acquisition"] == "ei"


@pytest.mark.parametrize("goal", [Goal.MAXIMIZE, Goal.MINIMIZE])
@pytest.mark.parametrize(
    "options", [{"kind": "ucb", "kappa": 1.5}, {"kind": "ei"}, {"kind": "ei", "xi": 0.2}, {"kind": "poi", "xi": 0.2}]
)
def test_the_acquisition_value_is_what_the_shown_numbers_give(options, goal):
    """F48: in the objective's unit, to be checked by hand, however far the model's own unit is from it."""
    found = {}
    run(
        space=PLANE,
        trials=9,
        goal=goal,
        objective=lambda c: 6000 - goal.sign * math.exp(4 * c["x"]) * (1 + c["y"]),
        options=options,
        on_suggestion=lambda number, one: found.update({number: one}),
    )
    numbers = found[9].numbers
    mean, sd = numbers["mean"], numbers["sd"]
    assert numbers.get("xi") == pytest.approx(options.get("xi"))
    z = (goal.sign * (mean - numbers["incumbent"]) - numbers.get("xi", 0.0)) / sd
    by_hand = {
        "ucb": mean + goal.sign * 1.5 * sd,
        "ei": sd * (z * NormalDist().cdf(z) + NormalDist().pdf(z)),
        "poi": NormalDist().cdf(z),
    }
    assert numbers["acquisition_value"] == pytest.approx(by_hand[options["kind"]], rel=1e-6)
    assert numbers.get("kappa") == options.get("kappa")


def test_the_first_point_is_the_centre():
    (first,) = strategies.create("bayesian", {}).suggest(PLANE, History(Goal.MAXIMIZE), [1], 0)
    assert first.config == {"x": 0.5, "y": 0.5}


def test_the_initial_design_fills_the_space():
    history = run(space=PLANE, options={"n_initial_points": 33}, trials=33, objective=lambda c: c["x"])
    quarters = {(trial.config["x"] > 0.5, trial.config["y"] > 0.5) for trial in history.own[1:5]}
    assert len(quarters) == 4


@pytest.mark.parametrize(("most", "central"), [(1.2, False), (2.5, True)])
def test_under_constraints_the_initial_design_is_of_points_that_they_allow_and_says_which(most, central):
    """F39, F44: a design that draws at random in place of forbidden points would be random search."""
    space = SearchSpace.from_json(
        {
            "parameters": [{"name": name, "type": "float", "min": 0, "max": 1} for name in "abcd"],
            "constraints": [f"a + b + c + d <= {most}"],
        }
    )
    found = strategies.create("auto", {}).suggest(space, History(Goal.MAXIMIZE), list(range(1, 7)), 0)
    evenly = strategies.create("sobol", {}).suggest(space, History(Goal.MAXIMIZE), list(range(1, 7)), 0)
    assert (found[0].config == dict.fromkeys("abcd", 0.5)) == central
    assert [one.config for one in found[central:]] == [one.config for one in evenly][: 6 - central]
    assert f", number {6 - central} of those that the constraints allow" in found[5].reason
    assert found[5].reason.startswith("Initial design 6 of 6 (point ")


def test_failed_trials_repel():
    """A failed trial counts as the worst value: a region in which everything fails is left."""

    def broken(config):
        return None if config["x"] > 0.5 else config["x"] - (config["y"] - 0.5) ** 2

    history = run(space=PLANE, objective=broken, trials=25)
    late = [trial.state for trial in history.own[10:]]
    assert late.count(TrialState.FAILED) < len(late) / 2
    assert history.best.config["x"] > 0.4


def test_noise_does_not_tie_it_to_a_lucky_point():
    rng = np.random.default_rng(0)
    history = run(objective=lambda c: bowl(c) + 0.1 * rng.normal(), trials=35)
    late = [bowl(trial.config) for trial in history.own[20:]]
    assert np.median(late) > -0.3


def test_ten_thousand_observations_are_survived():
    rng = np.random.default_rng(0)
    own = []
    for number in range(1, 10_001):
        config = MIXED.sample(rng)
        own.append(observation(number, config, bowl(config)))
    (one,) = strategies.create("bayesian", {}).suggest(MIXED, History(Goal.MAXIMIZE, tuple(own)), [10_001], 0)
    assert bowl(one.config) > -0.2


def test_a_hundred_parameters_are_survived():
    space = SearchSpace(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(100)))
    history = run(space=space, objective=lambda c: -sum((v - 0.3) ** 2 for v in c.values()), trials=16)
    assert history.best.number > 10


def test_a_suggestion_at_100_observations_is_quick():
    """The aim is 0.06 s of one core in 6 dimensions; this catches a lost order of magnitude on a busy machine."""
    rng = np.random.default_rng(0)
    space = SearchSpace((*MIXED.parameters, Float("extra", 0.0, 1.0)))
    configs = [space.sample(rng) for _ in range(100)]
    own = tuple(observation(i + 1, config, bowl(config)) for i, config in enumerate(configs))
    strategy = strategies.create("bayesian", {})
    spent = []
    for number in (101, 102, 103):
        began = time.process_time()
        strategy.suggest(space, History(Goal.MAXIMIZE, own), [number], 0)
        spent.append(time.process_time() - began)
    assert min(spent) < 0.3


def test_the_initial_design_stays_short_with_many_hyperparameters():
    designs = []
    space = SearchSpace(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(40)))
    run(
        space=space,
        objective=lambda c: c["x1"],
        trials=12,
        on_suggestion=lambda number, one: designs.append("design" in one.numbers),
    )
    assert designs == [True] * 10 + [False] * 2


def steps(config):
    """What the accuracy on few test rows looks like: the best of it is wide, and a little more lies in a corner."""
    return 0.9 if config["x"] > 0.9 and config["y"] > 0.9 else 0.8 if config["x"] + config["y"] > 0.6 else 0.2


def test_a_plateau_is_explored():
    told = {}
    history = run(space=PLANE, objective=steps, trials=20, on_suggestion=lambda number, one: told.update({number: one}))
    assert history.best.value == 0.9
    explored = {number: one for number, one in told.items() if "tied_points" in one.numbers}
    assert explored and all(number % 2 == 0 for number in explored)
    for one in explored.values():
        assert one.numbers["acquisition"] == "ucb" and one.numbers["tied_points"] >= 3
        assert f"{one.numbers['tied_points']} points share the best value" in one.reason


def test_exploring_looks_inside_and_not_at_the_corners():
    """The confidence bound is greatest in corners, which are little of the volume: so are plateaus' better places."""
    told = {}
    space = SearchSpace(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(5)))
    run(
        space=space,
        objective=lambda c: min(0.5, c["x0"]),
        trials=26,
        on_suggestion=lambda number, one: told.update({number: one}),
    )
    explored = [one.config for one in told.values() if "tied_points" in one.numbers]
    assert len(explored) > 5
    assert all(0.0 < value < 1.0 for config in explored for value in config.values())


def test_one_point_run_again_and_again_is_no_plateau():
    own = [observation(n, {"x": n / 10, "y": 0.5}, n / 10) for n in range(1, 7)]
    own += [observation(n, {"x": 0.7, "y": 0.5}, 0.7) for n in range(7, 12)]
    (one,) = strategies.create("bayesian", {}).suggest(PLANE, History(Goal.MAXIMIZE, tuple(own)), [12], 0)
    assert "tied_points" not in one.numbers and one.numbers["acquisition"] == "ei"


def test_suggesting_loads_neither_the_optimisers_nor_the_statistics_of_scipy():
    """They would take 40 MB of each process."""
    program = """
import sys
from tuning import Tuner
tuner = Tuner([{"name": "x", "type": "float", "min": 0, "max": 1}, {"name": "y", "type": "float", "min": 0, "max": 1}])
for _ in range(6):
    (trial,) = tuner.ask()
    tuner.tell(trial, trial.config["x"])
print([name for name in ("scipy.optimize", "scipy.stats", "sklearn") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
