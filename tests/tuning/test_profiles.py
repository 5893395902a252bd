"""F41: the vendors' rules, asked for by name; tables of jobs and the fields at which each service refuses them."""

from dataclasses import replace

import pytest

from tests.tuning.strategy_suite import CONDITIONAL, CONSTRAINED, MIXED
from tuning import Tuner, earlystop, strategies
from tuning.errors import InvalidSpec
from tuning.profiles import PROFILES, Search, advice, profile_faults, whole_grid, with_defaults
from tuning.space import Categorical, Expression, Float, Integer, SearchSpace
from tuning.specification import read

MODELARTS_TPE = {"n_initial_points": 20, "gamma": 0.25, "estimators": "separate"}
LR = Float("lr", 0.0, 0.1)
CHOICE = Categorical("optimizer", ("sgd", "adam"))


class Policy:
    def judge(self, number, history):
        raise AssertionError


def space(*parameters):
    return SearchSpace(parameters)


def floats(count):
    return space(*(Float(f"x{index}", 0, 1) for index in range(count)))


def choices(count):
    return space(Categorical("c", tuple(range(count))))


def fields(profile, searched, **members):
    faults = profile_faults(profile, Search(searched, **members))
    assert {fault.code for fault in faults} <= {"limit"}
    assert all(PROFILES[profile].title in fault.message for fault in faults)
    return [fault.field for fault in faults]


@pytest.mark.parametrize(
    ("profile", "searched", "static", "refused"),
    [
        ("sagemaker", floats(30), 70, []),  # F41
        ("sagemaker", floats(31), 0, ["space"]),
        ("sagemaker", floats(30), 71, ["space"]),
        ("sagemaker", choices(30), 0, []),
        ("sagemaker", choices(31), 0, ["space[0].values"]),
        ("sagemaker", MIXED, 0, []),
        ("sagemaker", space(Integer("n", 0, 8, step=4)), 0, ["space[0].step"]),
        ("sagemaker", CONSTRAINED, 0, ["space[2].type", "space[3].type", "constraints"]),
        ("modelarts", floats(40), 0, []),  # F39, C13
        ("modelarts", MIXED, 0, ["space[2].type", "space[3].type", "space[4].type"]),
        ("modelarts", space(Expression("x", "normal", 0, 1)), 0, ["space[0].type"]),
        ("hyperdrive", choices(1000), 500, []),
    ],
)
def test_a_space_is_held_to_the_service(profile, searched, static, refused):
    assert fields(profile, searched, static=static) == refused


@pytest.mark.parametrize(
    ("parameter", "strategies_that_may"),
    [
        (CHOICE, {"random", "sobol", "grid", "bayesian"}),
        (LR, {"random", "sobol", "bayesian"}),  # uniform
        (Expression("q", "quniform", 0, 10, 2), {"random", "sobol", "bayesian"}),
        (Float("lr", 1e-4, 0.1, "log"), {"random", "sobol"}),  # loguniform
        (Integer("n", 0, 9), {"random", "sobol"}),  # randint
        (Expression("x", "normal", 10, 3), {"random", "sobol"}),
        (Expression("x", "qlognormal", 0, 1, 1), {"random", "sobol"}),
        (Float("x", 0.0, 0.9, "reverse-log"), set()),  # there is no such expression, nor for these:
        (Float("x", 0.0, 1.0, step=0.1), set()),
        (Integer("n", 1, 9), set()),
        (Integer("n", 0, 8, step=4), set()),
    ],
)
def test_hyperdrive_has_expressions_and_fewer_for_grid_and_bayesian(parameter, strategies_that_may):
    """F36 to F38, F46."""
    may = {
        name for name in PROFILES["hyperdrive"].strategies if not fields("hyperdrive", space(parameter), strategy=name)
    }
    assert may == strategies_that_may


def test_hyperdrive_has_neither_conditions_nor_constraints():
    refused = fields("hyperdrive", CONDITIONAL, strategy="random")
    assert [field for field in refused if field.endswith("when")] == [
        "space[2].when",
        "space[3].when",
        "space[4].when",
    ]
    assert "constraints" in fields("hyperdrive", CONSTRAINED, strategy="random")


@pytest.mark.parametrize(
    ("profile", "strategy", "policy", "refused"),
    [
        ("sagemaker", "bayesian", None, []),
        ("sagemaker", "random", "automatic", []),
        ("sagemaker", "grid", None, []),
        ("sagemaker", "hyperband", None, []),
        ("sagemaker", "hyperband", "automatic", ["early_stopping"]),  # F45, C18
        ("sagemaker", "tpe", None, ["strategy.name"]),  # F42
        ("sagemaker", "random", "median", ["early_stopping.name"]),
        ("hyperdrive", "random", "bandit", []),  # F64 to F68
        ("hyperdrive", "grid", "median", []),
        ("hyperdrive", "sobol", "truncation", []),
        ("hyperdrive", "random", "automatic", ["early_stopping.name"]),
        ("hyperdrive", "bayesian", None, []),
        ("hyperdrive", "bayesian", "median", ["early_stopping"]),  # F46, F71, C3
        ("hyperdrive", "anneal", "asha", ["strategy.name", "early_stopping.name"]),
        ("modelarts", "tpe", None, []),  # F48 to F50
        ("modelarts", "anneal", None, []),
        ("modelarts", "random", None, ["strategy.name"]),
        ("modelarts", "tpe", "median", ["early_stopping.name"]),  # F73: by request only
    ],
)
def test_strategies_and_policies_are_those_of_the_service(profile, strategy, policy, refused):
    searched = space(CHOICE) if strategy == "grid" else space(LR)
    assert fields(profile, searched, strategy=strategy, policy=policy, max_trials=2) == refused


@pytest.mark.parametrize(
    ("profile", "members", "refused"),
    [
        ("sagemaker", {"max_trials": 750, "max_parallel": 100}, []),  # F81, C1
        ("sagemaker", {"max_trials": 751, "max_parallel": 101}, ["limits.max_trials", "limits.max_parallel"]),
        ("sagemaker", {"max_trials": 10_000, "strategy": "random"}, []),
        ("sagemaker", {"max_seconds": 120}, []),  # F80
        ("sagemaker", {"max_seconds": 119}, ["limits.max_seconds"]),
        ("sagemaker", {"max_seconds": 15_768_001}, ["limits.max_seconds"]),
        ("hyperdrive", {"max_trials": 1000, "max_parallel": 100}, []),  # F75, F76
        ("hyperdrive", {"max_trials": 1001, "max_parallel": 101}, ["limits.max_trials", "limits.max_parallel"]),
        ("modelarts", {"max_trials": 10_000, "max_parallel": 1000, "max_seconds": 1}, []),
    ],
)
def test_counts_are_those_of_the_service(profile, members, refused):
    assert fields(profile, space(LR), **members) == refused


@pytest.mark.parametrize(
    ("searched", "max_trials", "refused"),
    [
        (space(CHOICE, Categorical("b", (1, 2, 3))), 6, []),
        (space(CHOICE, Categorical("b", (1, 2, 3))), 5, ["limits.max_trials"]),
        (space(CHOICE, Categorical("b", (1, 2, 3))), 7, ["limits.max_trials"]),
        (space(CHOICE, LR), 6, ["space[1].type"]),
        (space(CHOICE, Integer("n", 1, 3)), 6, ["space[1].type"]),
    ],
)
def test_sagemakers_grid_is_categorical_and_run_whole(searched, max_trials, refused):
    """F42."""
    assert fields("sagemaker", searched, strategy="grid", max_trials=max_trials) == refused


def test_the_size_of_a_grid_is_known_where_it_is_run_whole():
    search = Search(space(CHOICE, Categorical("b", (1, 2, 3))), strategy="grid", repeats=2)
    assert whole_grid("sagemaker", search) == 12
    assert whole_grid("hyperdrive", search) is None
    assert whole_grid(None, search) is None
    assert whole_grid("sagemaker", replace(search, strategy="random")) is None
    assert whole_grid("sagemaker", replace(search, space=space(LR))) is None


@pytest.mark.parametrize(
    ("profile", "strategy", "max_trials", "advised"),
    [
        ("hyperdrive", "bayesian", 40, None),
        ("hyperdrive", "bayesian", 39, "20 trials or more for each hyperparameter with bayesian: 40 for 2"),
        ("hyperdrive", "random", 1, None),
        ("sagemaker", "bayesian", 1, None),
    ],
)
def test_twenty_trials_for_each_hyperparameter_are_advised_not_asked(profile, strategy, max_trials, advised):
    """F47."""
    found = advice(profile, Search(floats(2), strategy=strategy, max_trials=max_trials))
    assert [fault.field for fault in found] == (["limits.max_trials"] if advised else [])
    assert all(advised in fault.message and fault.code == "advice" for fault in found)


@pytest.mark.parametrize(
    ("document", "filled"),
    [
        ({}, {}),
        ({"profile": None}, {}),
        ({"profile": "aws"}, {}),
        ({"profile": ["sagemaker"]}, {}),
        # F48: its own defaults, where the job says nothing.
        (
            {"profile": "modelarts"},
            {
                "seed": 1,
                "strategy": {"name": "bayesian", "options": {"kind": "ucb", "kappa": 2.5, "xi": 0.0}},
                "limits": {"max_trials": 20},
            },
        ),
        (
            {"profile": "modelarts", "seed": 5, "strategy": {"name": "tpe", "options": {"gamma": 0.1}}},
            {"strategy": {"name": "tpe", "options": MODELARTS_TPE | {"gamma": 0.1}}},  # F49
        ),
        (
            {"profile": "modelarts", "strategy": {"name": "anneal"}, "limits": {"max_trials": 7}},
            {"strategy": {"name": "anneal", "options": {"avg_best_idx": 2.0, "shrink_coef": 0.1}}},  # F50
        ),
        # F76: all at once unless the job says how many.
        ({"profile": "hyperdrive", "limits": {"max_trials": 50}}, {"limits": {"max_trials": 50, "max_parallel": 50}}),
        (
            {"profile": "hyperdrive", "limits": {"max_trials": 500}},
            {"limits": {"max_trials": 500, "max_parallel": 100}},
        ),
        ({"profile": "hyperdrive", "limits": {"max_trials": 50, "max_parallel": 4}}, {}),
        # What is wrong stays as it is, for the reader to name.
        ({"profile": "modelarts", "seed": 1, "strategy": 7, "limits": []}, {}),
        (
            {
                "profile": "modelarts",
                "seed": 1,
                "strategy": {"name": "tpe", "options": 7},
                "limits": {"max_trials": "x"},
            },
            {},
        ),
    ],
)
def test_a_silent_document_takes_the_services_defaults(document, filled):
    found = with_defaults(document)
    for name, value in {**document, **filled}.items():
        assert found[name] == value


def test_defaults_and_names_are_those_that_the_engine_has():
    offered = {info.name for info in strategies.catalogue()} | {"hyperband"}
    for profile in PROFILES.values():
        assert set(profile.strategies) <= offered
        assert set(profile.policies) <= {info.name for info in earlystop.catalogue()}
        for name, options in profile.options_unset.items():
            strategies.create(name, options)


@pytest.mark.parametrize(
    ("profile", "searched", "arguments", "filled"),
    [
        ("modelarts", space(LR), {}, ("Bayesian", 1, 20)),
        ("modelarts", space(LR), {"seed": None}, ("Bayesian", 1, 20)),
        ("modelarts", space(LR), {"seed": 0}, ("Bayesian", 0, 20)),
        ("modelarts", space(LR), {"strategy": "tpe", "max_trials": 7, "seed": 5}, ("TPE", 5, 7)),
        ("sagemaker", space(LR), {}, ("Bayesian", 0, 750)),
        ("sagemaker", space(LR), {"strategy": "random"}, ("RandomSearch", 0, 10_000)),
        ("sagemaker", choices(5), {"strategy": "grid"}, ("Grid", 0, 5)),  # F42
        ("hyperdrive", space(CHOICE), {"max_trials": 4}, ("Bayesian", 0, 4)),
    ],
)
def test_a_tuner_takes_the_defaults_of_its_profile(profile, searched, arguments, filled):
    tuner = Tuner(searched, profile=profile, **arguments)
    assert (type(tuner._strategy).__name__, tuner.seed, tuner.max_trials) == filled
    if profile == "modelarts" and tuner.seed == 1:
        assert (tuner._strategy.kind, tuner._strategy.kappa) == ("ucb", 2.5)  # F48


@pytest.mark.parametrize(
    ("profile", "arguments", "refused"),
    [
        ("sagemaker", {"max_trials": 751, "completion": {"max_seconds": 60}}, ["max_trials", "completion.max_seconds"]),
        ("sagemaker", {"strategy": "tpe", "early_stopping": "median"}, ["strategy.name", "early_stopping.name"]),
        ("hyperdrive", {"early_stopping": {"name": "bandit", "slack_factor": 0.1}}, ["early_stopping"]),  # F46, F71
        ("modelarts", {"early_stopping": Policy()}, ["early_stopping.name"]),
        ("modelarts", {"strategy": strategies.create("tpe", {}), "repeats": 0}, ["repeats", "strategy.name"]),
        ("aws", {"seed": -1}, ["seed", "profile"]),
    ],
)
def test_a_tuner_is_held_to_its_profile(profile, arguments, refused):
    with pytest.raises(InvalidSpec) as raised:
        Tuner(space(LR), profile=profile, **arguments)
    assert sorted(fault.field for fault in raised.value.faults) == sorted(refused)


RANGES = [
    {"name": "lr", "type": "float", "min": 1e-4, "max": 1.0},
    {"name": "n", "type": "integer", "min": 1, "max": 4000},
    {"name": "m", "type": "float", "min": 0.5, "max": 0.999},
    {"name": "x", "type": "float", "min": 1e-4, "max": 1.0, "scale": "linear"},
    {"name": "c", "type": "categorical", "values": [1, 2]},
]


def test_a_silent_scale_is_auto_on_sagemaker():
    """F33: as the Python SDK has it; the page, the API and a notebook alike."""
    tuner = Tuner(RANGES, profile="sagemaker")
    assert [one.scale for one in tuner.space.parameters[:4]] == ["log", "log", "reverse-log", "linear"]
    assert Tuner({"parameters": RANGES}, profile="sagemaker").space == tuner.space
    spec, _ = read({"profile": "sagemaker", "space": RANGES})
    assert spec.space == tuner.space
    assert read({**spec.to_json(), "profile": "sagemaker"})[0].space == spec.space
    for profile in (None, "hyperdrive", "modelarts"):
        assert read({"profile": profile, "space": RANGES})[0].space.parameters[0].scale == "linear"
    assert with_defaults({"profile": "sagemaker", "space": 7})["space"] == 7
    assert with_defaults({"profile": "sagemaker", "space": [7]})["space"] == [7]


def test_modelarts_takes_any_share_between_0_and_1():
    """F49: gamma, the ends excluded."""
    for gamma in (0.005, 0.995, 1e-6):
        tuner = Tuner(space(LR), strategy="tpe", profile="modelarts", gamma=gamma, n_initial_points=3, max_trials=8)
        for trial in (trial for _ in range(8) for trial in tuner.ask()):
            tuner.tell(trial, trial.config["lr"])
        assert tuner.trials[-1].value is not None
    for gamma in (0, 1, 0.0, 1.0):
        with pytest.raises(InvalidSpec, match="give a number from"):
            Tuner(space(LR), strategy="tpe", gamma=gamma)


def test_an_unknown_profile_is_refused():
    with pytest.raises(InvalidSpec, match="use one of sagemaker, hyperdrive, modelarts"):
        profile_faults("aws", Search(MIXED))


def test_no_limit_of_a_vendor_holds_by_itself():
    assert len(floats(100)) == 100
    assert choices(1000).size == 1000


@pytest.mark.parametrize(("profile", "refused"), [("sagemaker", True), ("hyperdrive", False), ("modelarts", False)])
def test_sagemaker_takes_three_trials_without_improvement_or_more(profile, refused):
    """F80: BestObjectiveNotImproving.MaxNumberOfTrainingJobsNotImproving."""
    for trials, faults in ((2, ["completion.max_not_improving"]), (3, []), (None, [])):
        found = fields(profile, floats(1), strategy="bayesian", max_not_improving=trials)
        assert found == (faults if refused else [])


def test_a_notebook_and_a_job_are_held_to_it():
    completion = {"max_not_improving": 2}
    with pytest.raises(InvalidSpec, match=r"completion\.max_not_improving: is 2; Amazon SageMaker .* takes 3 trials"):
        Tuner([{"name": "x", "type": "float", "min": 0, "max": 1}], profile="sagemaker", completion=completion)
