"""Narrower ranges from finished trials: what is left out and why, what is never left out, and when nothing is said."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.tuning.space_generators import spaces
from tests.tuning.strategy_suite import MIXED, bowl
from tuning import specification, strategies
from tuning.analysis.narrowing import Narrowing, narrow
from tuning.analysis.unavailable import Unavailable
from tuning.history import History, Observation
from tuning.simulate import simulate
from tuning.space import Categorical, Condition, Constraint, Expression, Float, Integer, SearchSpace
from tuning.states import Goal, TrialState


def observed(space, objective, n=60, *, seed=0, goal=Goal.MAXIMIZE):
    return simulate(strategies.create("random", {}), space, objective, n, seed=seed, goal=goal)


def answer(*args, **kwargs) -> Narrowing:
    found = narrow(*args, **kwargs)
    assert isinstance(found, Narrowing), found
    return found


def one(found, name):
    return next(parameter for parameter in found.parameters if parameter.name == name)


FOREST = SearchSpace(
    (
        Integer("n-estimators", 10, 200),
        Integer("max-depth", 1, 20),
        Float("min-weight-fraction-leaf", 0.0, 0.5),
    )
)


def forest(config):
    """More trees are better, much up to 100; the leaves should be light; the depth does not matter."""
    return 1 - math.exp(-config["n-estimators"] / 50) - 4 * config["min-weight-fraction-leaf"] ** 2


def test_the_documents_example_is_narrowed_to_the_many_trees():
    """F40: n-estimators 10-200 becomes about 100-200 in the child."""
    found = answer(FOREST, observed(FOREST, forest))
    trees = one(found, "n-estimators")
    assert 60 <= trees.after["min"] <= 130 and trees.after["max"] == 200
    assert trees.reason.startswith("11 of the 12 good trials lie within") and "would have left out" in trees.reason
    leaves = one(found, "min-weight-fraction-leaf")
    assert leaves.after["min"] == 0 and leaves.after["max"] < 0.4
    assert not one(found, "max-depth").changed
    assert (
        one(found, "max-depth").reason
        == "Kept: the 12 good trials are spread like any 12 that were run when they were."
    )
    assert found.excluded > 10 and found.best_excluded < 0.9 and 0.1 < found.volume < 0.6


def test_what_does_not_matter_is_seldom_narrowed():
    narrowed = 0
    for seed in range(40):
        space = SearchSpace((Float("x", 0.0, 1.0), Float("noise", 0.0, 1.0), Categorical("c", ("a", "b", "c"))))
        found = answer(space, observed(space, lambda c: -abs(c["x"] - 0.3), 40, seed=seed))
        assert one(found, "x").changed and one(found, "x").after["min"] < 0.3 < one(found, "x").after["max"]
        narrowed += one(found, "noise").changed + one(found, "c").changed
    assert narrowed <= 8  # 4 of 80 are to be expected


def test_the_habit_of_a_search_is_no_evidence():
    """A search that looked in one corner for another hyperparameter's sake says nothing of this one."""
    rng = np.random.default_rng(0)
    space = SearchSpace((Float("x", 0.0, 1.0), Float("y", 0.0, 1.0)))
    own = []
    for number in range(1, 61):
        x, y = float(rng.random()), float(0.4 + 0.2 * rng.random() if number % 10 else rng.random())
        own.append(Observation(number, {"x": x, "y": y}, TrialState.COMPLETED, -((x - 0.5) ** 2)))
    found = answer(space, History(Goal.MAXIMIZE, tuple(own)))
    assert one(found, "x").changed and not one(found, "y").changed


def closing_in(rng, objective, space, trials=60):
    """A search that looks closer and closer around one point in every hyperparameter, whatever it finds."""
    own = []
    for number in range(1, trials + 1):
        width = 1.0 - 0.9 * number / trials
        config = {
            p.name: p.values[int(rng.random() * len(p.values) * (width if number > trials / 3 else 1.0))]
            if isinstance(p, Categorical)
            else float(0.4 * (1.0 - width) + width * rng.random())
            for p in space.parameters
        }
        own.append(Observation(number, config, TrialState.COMPLETED, objective(config)))
    return History(Goal.MAXIMIZE, tuple(own))


def test_a_search_that_closes_in_is_no_evidence_that_the_rest_is_bad():
    """The good trials come late, when all axes are looked at in one corner only: those without effect as well."""
    space = SearchSpace(
        (*(Float(name, 0.0, 1.0) for name in ("x", "idle", "idler")), Categorical("c", ("a", "b", "c", "d")))
    )
    narrowed = {"x": 0, "idle": 0, "idler": 0, "c": 0}
    for seed in range(40):
        found = narrow(space, closing_in(np.random.default_rng(seed), lambda c: -abs(c["x"] - 0.4), space))
        for parameter in found.parameters if isinstance(found, Narrowing) else ():
            narrowed[parameter.name] += parameter.changed
    assert narrowed["x"] >= 36
    assert narrowed["idle"] + narrowed["idler"] + narrowed["c"] <= 9  # 6 of 120 are to be expected


def test_what_does_not_matter_is_seldom_narrowed_after_a_search_that_learns():
    """A strategy draws all axes together where it found good points: of all trials drawn at random, none would do."""
    space = SearchSpace(tuple(Float(name, 0.0, 1.0) for name in ("a", "b", "i", "j", "k", "l")))
    matter = inert = 0
    for seed in range(8):
        history = simulate(
            strategies.create("tpe", {}),
            space,
            lambda c: -((c["a"] - 0.3) ** 2) - (c["b"] - 0.6) ** 2,
            60,
            seed=seed,
        )
        found = narrow(space, history)
        changed = [one.changed for one in found.parameters] if isinstance(found, Narrowing) else [False] * 6
        matter, inert = matter + sum(changed[:2]), inert + sum(changed[2:])
    assert inert <= 5 and matter >= 7


@pytest.mark.parametrize("goal", Goal)
def test_a_range_is_narrowed_on_its_own_scale(goal):
    space = SearchSpace((Float("lr", 1e-6, 1.0, "log"), Float("beta", 0.0, 0.9999, "reverse-log")))

    def objective(config):
        return -goal.sign * (abs(math.log10(config["lr"]) + 3) + abs(math.log10(1 - config["beta"]) + 2))

    found = answer(space, observed(space, objective, 150, goal=goal))
    lr, beta = one(found, "lr").after, one(found, "beta").after
    assert 1e-5 < lr["min"] < 1e-3 < lr["max"] < 1e-1 and lr["scale"] == "log"
    assert 0.8 < beta["min"] < 0.99 < beta["max"] < 0.9999 and beta["scale"] == "reverse-log"
    assert all(len(f"{end:g}") <= 9 for end in (*lr.values(), *beta.values()) if isinstance(end, float))


def test_steps_and_rounded_expressions_keep_their_values():
    space = SearchSpace(
        (
            Integer("batch", 8, 512, step=8),
            Float("dropout", 0.0, 0.9, step=0.05),
            Expression("units", "quniform", 16, 1024, 16),
            Expression("decay", "lognormal", -3.0, 1.0),
        )
    )

    def objective(config):
        return -abs(config["batch"] - 128) / 500 - abs(config["dropout"] - 0.2) - abs(config["units"] - 256) / 1000

    found = answer(space, observed(space, objective, 200))
    batch, dropout, units, decay = found.space.parameters
    assert batch.low % 8 == 0 and batch.high % 8 == 0 and batch.low < 128 < batch.high < 512
    assert dropout.problem_with(0.2) is None and dropout.high < 0.9
    assert units.problem_with(256) is None and units.low % 16 == 0 and units.high < 1024
    assert decay == space.parameters[3] and one(found, "decay").reason.startswith("Kept")


def test_values_without_a_good_trial_are_dropped_if_they_had_their_chance():
    values = ("sgd", "adam", "rms", "rare")
    space = SearchSpace((Categorical("optimizer", values), Float("x", 0.0, 1.0)))
    own = tuple(
        Observation(n, {"optimizer": "rare" if n == 1 else values[n % 3], "x": n / 100}, TrialState.COMPLETED, value)
        for n in range(1, 61)
        for value in [{"sgd": 0.0, "adam": 1.0, "rms": 0.9}[values[n % 3]] * (n > 1) + (n * 37 % 60) / 100]
    )
    found = answer(space, History(Goal.MAXIMIZE, own))
    assert one(found, "optimizer").after["values"] == ["adam", "rms", "rare"]
    assert one(found, "optimizer").reason.startswith("None of the 12 good trials has sgd (20 trials)")
    assert one(found, "optimizer").kept == 0.75


CONDITIONAL = SearchSpace(
    (
        Categorical("optimizer", ("sgd", "adam", "rms")),
        Float("momentum", 0.0, 1.0, when=Condition("optimizer", ("sgd", "adam"))),
        Float("rho", 0.0, 1.0, when=Condition("optimizer", ("rms",))),
    )
)


def test_conditions_speak_of_values_that_are_left():
    """sgd goes; rms stays although it is as bad: rho waits for it, and the child must have all hyperparameters."""

    def objective(config):
        return 1 - abs(config["momentum"] - 0.8) if config["optimizer"] == "adam" else 0.0

    found = answer(CONDITIONAL, observed(CONDITIONAL, objective, 90))
    assert found.space.parameters[0].values == ("adam", "rms")
    assert found.space.parameters[1].when.values == ("adam",) and found.space.parameters[1].low > 0.3
    assert found.space.parameters[2] == CONDITIONAL.parameters[2]
    assert one(found, "rho").reason == "Kept: it is active in 0 of the good trials only."


def test_constraints_stay_and_hold():
    space = SearchSpace((Integer("warmup", 1, 100), Integer("epochs", 1, 100)), (Constraint("warmup < epochs"),))
    found = answer(space, observed(space, lambda c: -abs(c["epochs"] - 30), 80))
    assert found.space.constraints == space.constraints and one(found, "epochs").changed


def test_failed_trials_are_bad_ones():
    space = SearchSpace((Float("lr", 0.0, 1.0),))
    found = answer(space, observed(space, lambda c: None if c["lr"] > 0.6 else 0.5 + c["lr"] / 10, 60))
    assert found.parameters[0].after["max"] < 0.8 and found.parameters[0].after["min"] > 0.3


def test_inherited_trials_count_where_they_are_comparable():
    history = observed(MIXED, bowl, 60)
    parents = tuple(Observation(t.number, t.config, t.state, t.value, inherited_from="p") for t in history.own)
    found = answer(MIXED, History(Goal.MAXIMIZE, (), parents))
    assert found.trials == 60 and found.good == ()
    assert isinstance(narrow(MIXED, History(Goal.MAXIMIZE, (), parents, comparable=False)), Unavailable)


@pytest.mark.parametrize(
    ("objective", "trials", "part"),
    [
        (bowl, 14, "14 trials have a result; 15 are needed"),
        (lambda c: 1.0, 40, "40 of 40 trials are equally good"),
        (lambda c: None, 40, "0 trials have a result"),
    ],
)
def test_thin_evidence_is_refused_with_a_reason(objective, trials, part):
    found = narrow(MIXED, observed(MIXED, objective, trials))
    assert isinstance(found, Unavailable) and part in found.reason


def test_where_nothing_stands_out_nothing_is_left_out():
    rng = np.random.default_rng(3)
    space = SearchSpace((Float("x", 0.0, 1.0),))
    found = narrow(space, observed(space, lambda c: float(rng.random()), 40))
    assert isinstance(found, Unavailable) and "spread over the whole range" in found.reason


@settings(max_examples=40)
@given(spaces(), st.integers(0, 99), st.sampled_from(list(Goal)))
@example(SearchSpace((Float("x", 0.0, 1.3501013207663277, step=0.6750506603831639),)), 0, Goal.MINIMIZE)
@example(SearchSpace((Float("x", 0.0, 2.225073858507e-311),)), 0, Goal.MAXIMIZE)
def test_the_best_is_never_excluded_and_the_space_is_valid(space, seed, goal):
    rng = np.random.default_rng(seed)
    places = rng.random((40, len(space)))
    weights = rng.normal(size=len(space))
    own = tuple(
        Observation(n, space.decode(u), TrialState.COMPLETED, float(u @ weights)) for n, u in enumerate(places, 1)
    )
    history = History(goal, own)
    found = narrow(space, history)
    if isinstance(found, Unavailable):
        return
    assert found.space.problem_with(history.best.config) is None
    document = found.space.to_json()
    assert SearchSpace.from_json(document) == found.space and document != space.to_json()
    assert [p.name for p in found.space.parameters] == [p.name for p in space.parameters]
    assert [p.kind for p in found.space.parameters] == [p.kind for p in space.parameters]
    outside = [t for t in own if found.space.problem_with(t.config)]
    assert len(outside) == found.excluded
    for parameter in found.parameters:
        assert parameter.changed or parameter.kept == 1
        assert parameter.reason and 0 < parameter.kept <= 1
    for config in found.space.decode(rng.random(len(space))), found.space.decode([0.0] * len(space)):
        assert all(p.problem_with(config[p.name]) is None for p in space.parameters if p.name in config)


def test_the_same_history_gives_the_same_ranges():
    history = observed(MIXED, bowl)
    assert repr(answer(MIXED, history)) == repr(answer(MIXED, history))


def test_the_child_job_can_be_made_of_it():
    """F4, F7: the ranges go into a job's document as they are."""
    found = answer(MIXED, observed(MIXED, bowl))
    spec = specification.parse(
        {
            "name": "child",
            "algorithm": {"name": "a"},
            "objective": {"metric": "m", "goal": "maximize"},
            "space": found.space.to_json(),
            "warm_start": {"type": "IDENTICAL_DATA_AND_ALGORITHM", "parents": ["parent"]},
        }
    )
    assert spec.space == found.space


def test_what_is_active_is_found_once_for_each_trial_however_many_hyperparameters():
    projected = []

    class Counted(SearchSpace):
        def project(self, config):
            projected.append(1)
            return super().project(config)

    history = observed(FOREST, forest)
    assert narrow(Counted(FOREST.parameters), history) == answer(FOREST, history)
    assert len(projected) == len(history.own)
