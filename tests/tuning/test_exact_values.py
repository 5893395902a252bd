"""Values next to 0, next to each other and far out: each is itself, and has one identity (F33, F35, F36)."""

import math

import numpy as np
import pytest
from scipy import stats

from tuning import Tuner
from tuning.errors import InvalidSpec
from tuning.history import Observation
from tuning.parameter_rules import number_text, same_value
from tuning.space import Expression, Float, SearchSpace
from tuning.states import TrialState

AROUND_ZERO = {"name": "x", "type": "float", "min": -0.3, "max": 0.3, "step": 0.1}
BELOW_IT = {"name": "y", "type": "integer", "min": 1, "max": 2}
STRATEGIES = ["random", "sobol", "grid", "anneal", "tpe", "bayesian"]


# --- steps (F33) ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0.1, 0.05, 0.3, 0.7, 1 / 3, 1 / 7, math.pi / 10])
def test_a_stepped_range_that_passes_zero_holds_it(step):
    for half in range(1, 30):
        values = list(Float("x", -half * step, half * step, step=step).grid(99))
        assert len(values) == 2 * half + 1 and "0.0" in map(repr, values)


@pytest.mark.parametrize("end", [1, 10, 100, 1000])
def test_steps_of_a_tenth_are_short_numbers(end):
    values = list(Float("x", -end, end, step=0.1).grid(10**6))
    assert values == [k / 10 for k in range(-10 * end, 10 * end + 1)]


def test_what_is_not_rounding_stays():
    assert list(Float("x", -1e-9, 50.0, step=25.0).grid(9)) == [-1e-9, 24.999999999, 49.999999999]
    assert list(Float("x", 0.25, 1.0, step=1 / 3).grid(9)) == [0.25, 0.583333333333333, 0.916666666666667]


def test_zero_is_met_by_points_constraints_and_conditions():
    assert Tuner([AROUND_ZERO], initial_points=[{"x": 0}]).ask()[0].config == {"x": 0.0}
    space = SearchSpace.from_json({"parameters": [AROUND_ZERO], "constraints": ["x <= 0"]})
    assert [point["x"] for point in space.grid(9)] == [-0.3, -0.2, -0.1, 0.0]
    space = SearchSpace.from_json([AROUND_ZERO, {**BELOW_IT, "when": {"parameter": "x", "in": [0]}}])
    assert [point for point in space.grid(9) if "y" in point] == [{"x": 0.0, "y": 1}, {"x": 0.0, "y": 2}]


def test_conditions_name_the_values_of_their_parent():
    thirds = {"name": "x", "type": "float", "min": 0, "max": 1, "step": 1 / 3}
    space = SearchSpace.from_json([thirds, {**BELOW_IT, "when": {"parameter": "x", "in": [1 / 3, 0.333333333333333]}}])
    assert space.parameters[1].when.values == (0.333333333333333,)
    assert sum("y" in point for point in space.grid(9)) == 2
    assert space.problem_with({"x": 1 / 3, "y": 1}) is None and "y is missing" in space.problem_with({"x": 1 / 3})
    assert SearchSpace.from_json(space.document()) == space


def test_minus_zero_is_zero():
    with pytest.raises(InvalidSpec, match="the same point as"):
        Tuner([{"name": "x", "type": "float", "min": -1, "max": 1}], initial_points=[{"x": 0.0}, {"x": -0.0}])
    space = SearchSpace((Float("x", -0.0, 1.0),))
    assert repr(space.decode([0.0])) == repr(space.canonical({"x": -0.0})) == "{'x': 0.0}"
    with pytest.raises(InvalidSpec, match="the same as"):
        SearchSpace.from_json([{"name": "x", "type": "categorical", "values": [0.0, -0.0]}])


# --- digits -----------------------------------------------------------------------------------------------------------


def test_whole_numbers_are_told_apart_to_their_last_digit():
    seeds = [20261122170501, 20261122170502, 20261122170503]
    listed = Tuner([{"name": "seed", "type": "categorical", "values": seeds}], strategy="grid")
    assert [trial.config["seed"] for trial in listed.ask(9)] == seeds
    assert not same_value(*seeds[:2]) and not same_value(seeds[0], str(seeds[1]))
    assert same_value(seeds[0], str(seeds[0]))
    assert same_value(0.1 + 0.2, 0.3) and same_value(-0.0, 0.0)


@pytest.mark.parametrize("least", [10**15, 2**53 - 5, -(2**53)])
def test_every_large_whole_number_is_reached(least):
    tuner = Tuner([{"name": "n", "type": "integer", "min": least, "max": least + 5}], strategy="random")
    assert sorted(trial.config["n"] - least for trial in tuner.ask(9)) == [0, 1, 2, 3, 4, 5]


def test_a_narrow_range_far_out_has_many_points():
    tuner = Tuner([{"name": "x", "type": "float", "min": 1e9, "max": 1e9 + 1e-3}], strategy="random")
    assert len(tuner.ask(50)) == 50
    narrow = Tuner([{"name": "x", "type": "lognormal", "mu": 20, "sigma": 1e-9}], strategy="random")
    assert len(narrow.ask(50)) == 50
    assert len(Tuner([{"name": "x", "type": "categorical", "values": [1.5, 1.5 + 1e-14]}], strategy="grid").ask(9)) == 2


@pytest.mark.parametrize("value", [0, 3, 3.0, -7, 0.1, 1e-5, 2.5e8, 123456789012, 1 / 3, -1e-300])
def test_ordinary_numbers_are_named_by_twelve_digits(value):
    """Jobs that run while HPT is updated know their points again."""
    space = SearchSpace((Float("x", -1e9, 1e12),))
    assert space.key({"x": value}) == number_text(value) == format(float(value), ".12g")


# --- expressions that reach far (F35, F36) ----------------------------------------------------------------------------

WIDE = [
    {"type": "qlognormal", "mu": 10, "sigma": 5, "q": 1},
    {"type": "qlognormal", "mu": 0, "sigma": 7, "q": 1},
    {"type": "qlognormal", "mu": 8, "sigma": 6, "q": 1},
    {"type": "qloguniform", "low": 0, "high": 40, "q": 1},
    {"type": "qnormal", "mu": 0, "sigma": 1e16, "q": 1},
    {"type": "lognormal", "mu": 0, "sigma": 120},
]


@pytest.mark.parametrize("document", WIDE, ids=lambda document: f"{document['type']}-{document.get('sigma')}")
def test_a_wide_expression_is_truncated_to_what_can_be_held(document):
    space = SearchSpace.from_json([{"name": "x", **document}])
    (parameter,) = space.parameters
    assert parameter.high <= (2**53 if "q" in document else math.exp(701))
    for u in np.linspace(0, 1, 101):
        value = parameter.decode(u)
        assert parameter.problem_with(value) is None and math.isfinite(value)
        assert 0.0 <= parameter.encode(value) <= 1.0
        assert parameter.decode(parameter.encode(value)) == pytest.approx(value, rel=1e-4)
    assert len(Tuner(space, strategy="random").ask(9)) == 9


def test_what_is_left_of_a_truncated_normal_has_its_distribution():
    parameter = Expression("x", "qnormal", 0.0, 1e16, 1)
    assert (parameter.decode(0.0), parameter.decode(1.0)) == pytest.approx((-(2**53), 2**53), rel=1e-12)
    end = 2**53 / 1e16
    for u in (0.01, 0.3, 0.75):
        assert parameter.decode(u) == pytest.approx(1e16 * stats.truncnorm.ppf(u, -end, end), rel=1e-9)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"type": "qlognormal", "mu": 60, "sigma": 5, "q": 1}, "q"),
        ({"type": "quniform", "low": 0, "high": 1e20, "q": 1}, "q"),
        ({"type": "qloguniform", "low": 0, "high": 100, "q": 1}, "q"),
        ({"type": "lognormal", "mu": 0, "sigma": 2000}, "sigma"),
        ({"type": "lognormal", "mu": 800, "sigma": 1}, "mu"),
        ({"type": "qloguniform", "low": 0, "high": 800, "q": 1}, "high"),
    ],
)
def test_what_would_lose_most_of_its_values_is_refused(document, field):
    with pytest.raises(InvalidSpec) as caught:
        SearchSpace.from_json([{"name": "x", **document}])
    assert [fault.field for fault in caught.value.faults] == [f"space[0].{field}"]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("form", ["normal", "qnormal", "lognormal"])
def test_first_points_and_earlier_trials_may_lie_far_out_in_the_tail(form, strategy):
    """A normal has no ends: those at 6 standard deviations are of what is suggested."""
    quantum = {"q": 0.1} if form.startswith("q") else {}
    earlier = [Observation(1, {"x": 7.1}, TrialState.COMPLETED, 1.0)]
    tuner = Tuner(
        [{"name": "x", "type": form, "mu": 0, "sigma": 0.3, **quantum}],
        strategy=strategy,
        initial_points=[{"x": 6.3}, {"x": 50}],
        inherited=earlier,
        max_trials=7,
    )
    assert not tuner.dropped
    while not tuner.done:
        for trial in tuner.ask():
            tuner.tell(trial, -abs(trial.config["x"] - 2))
    assert [trial.config["x"] for trial in tuner.trials[:2]] == [6.3, 50.0] and len(tuner.trials) == 7


def test_what_a_normal_never_gives_is_refused_as_before():
    with pytest.raises(InvalidSpec, match="a lognormal has none there"):
        Tuner([{"name": "x", "type": "lognormal", "mu": 0, "sigma": 1}], initial_points=[{"x": -1}])
    assert "not a multiple" in Expression("x", "qnormal", 0, 1, 0.5).problem_with(9.3)
    assert "outside" in Expression("x", "quniform", 0, 4, 2).problem_with(6)
