"""The registries of strategies and policies, and their options."""

import pytest

from tuning import strategies
from tuning.errors import InvalidSpec
from tuning.registry import Info, Option, Registry

NAMES = ["auto", "bayesian", "tpe", "anneal", "random", "sobol", "grid", "hyperband"]


def faults(name, options, field="strategy"):
    with pytest.raises(InvalidSpec) as caught:
        strategies.create(name, options, field)
    return {fault.field: fault.message for fault in caught.value.faults}


def test_the_strategies_are_offered_in_this_order():
    assert [info.name for info in strategies.catalogue()] == NAMES


def test_an_unknown_name_lists_the_known_ones():
    assert faults("guess", {}) == {"strategy.name": f"is 'guess'; choose one of {', '.join(NAMES)}"}


@pytest.mark.parametrize(
    ("options", "field", "part"),
    [
        ({"kind": "mean"}, "kind", "choose one of ei, ucb, poi"),
        ({"kind": 3}, "kind", "choose one of"),
        ({"kappa": -1}, "kappa", "give a number from 0 to 1000"),
        ({"kappa": "2"}, "kappa", "give a number"),
        ({"kappa": float("nan")}, "kappa", "give a number"),
        ({"kappa": True}, "kappa", "give a number"),
        ({"n_initial_points": 2.5}, "n_initial_points", "give a whole number from 1 to 1000"),
        ({"n_initial_points": 0}, "n_initial_points", "is 0"),
        ({"gamma": 1}, "gamma", "its options are: n_initial_points, kind, kappa, xi"),
        ({"kapa": 1}, "kapa", "(did you mean kappa?); its options are"),
        ({"num_samples": 20}, "num_samples", "(limits.max_trials in a job's document); set that"),  # F48
    ],
)
def test_bad_options_name_value_and_remedy(options, field, part):
    (found,) = faults("bayesian", options, "job.strategy").items()
    assert found[0] == f"job.strategy.options.{field}" and part in found[1]


def test_an_option_left_out_or_null_has_its_meaning():
    assert strategies.create("bayesian", {"n_initial_points": None}).n_initial_points is None
    assert strategies.create("bayesian", {"kappa": 3}).kappa == 3
    assert "kappa" in str(faults("bayesian", {"kappa": None}))


def test_names_may_be_anything_hashable_or_not():
    with pytest.raises(InvalidSpec):
        strategies.create(["x"], {})


def test_a_registry_builds_with_every_option():
    registry: Registry[dict] = Registry()
    registry.add(
        Info("a", "A", "", (Option("n", "integer", 1, 0, 9), Option("c", "choice", "x", choices=("x",)))), dict
    )
    assert registry.create("a", {"n": 3}, "f") == {"n": 3, "c": "x"}
    assert [info.name for info in registry.catalogue()] == ["a"]
