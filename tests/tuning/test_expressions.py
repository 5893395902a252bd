"""HyperDrive's parameter expressions (F34 to F38), scales (F33), steps and ordered categories."""

import math

import numpy as np
import pytest
from scipy import stats

from tuning.errors import InvalidSpec
from tuning.space import Categorical, Expression, Float, Integer, SearchSpace


def read(document):
    (parameter,) = SearchSpace.from_json([{"name": "x", **document}]).parameters
    return parameter


CANONICAL = [
    # F34: choice of values, of a list and of a range, whose end is excluded
    ({"type": "choice", "values": [16, 32, 64, 128]}, Categorical("x", (16, 32, 64, 128))),
    ({"type": "choice", "range": [1, 5]}, Categorical("x", (1, 2, 3, 4))),
    ({"type": "choice", "range": [3]}, Categorical("x", (0, 1, 2))),
    ({"type": "choice", "range": [10, 0, -5], "ordered": True}, Categorical("x", (10, 5), ordered=True)),
    # F38: the upper end is excluded
    ({"type": "randint", "upper": 10}, Integer("x", 0, 9)),
    # F36, F37: uniform as it is; the bounds of loguniform are natural-log exponents
    ({"type": "uniform", "low": 0.05, "high": 0.1}, Float("x", 0.05, 0.1)),
    ({"type": "loguniform", "low": -3, "high": 0}, Float("x", math.exp(-3), 1.0, "log")),
    ({"type": "normal", "mu": 10, "sigma": 3}, Expression("x", "normal", 10.0, 3.0)),
    ({"type": "quniform", "low": 1, "high": 10, "q": 2}, Expression("x", "quniform", 1.0, 10.0, 2.0)),
    # F33: auto says what it became
    ({"type": "float", "min": 1e-4, "max": 1, "scale": "auto"}, Float("x", 1e-4, 1.0, "log")),
    ({"type": "float", "min": 0.1, "max": 1, "scale": "auto"}, Float("x", 0.1, 1.0, "linear")),
    ({"type": "float", "min": 0.5, "max": 0.999, "scale": "auto"}, Float("x", 0.5, 0.999, "reverse-log")),
    ({"type": "float", "min": 0, "max": 1, "scale": "auto"}, Float("x", 0.0, 1.0, "linear")),
    ({"type": "integer", "min": 10, "max": 1000, "scale": "auto"}, Integer("x", 10, 1000, "log")),
    ({"type": "integer", "min": 0, "max": 1000, "scale": "auto"}, Integer("x", 0, 1000, "linear")),
]


@pytest.mark.parametrize(("document", "parameter"), CANONICAL)
def test_each_has_one_canonical_form(document, parameter):
    assert read(document) == parameter
    assert read(parameter.to_json()) == parameter
    assert "auto" not in parameter.to_json().values()


# F35, F36: the formula of each expression in terms of X, uniform or normal.
FORMULAS = {
    "quniform": (0.5, 20.0, 3.0, lambda x: np.round(x / 3.0) * 3.0),
    "qloguniform": (0.0, 4.0, 2.0, lambda x: np.round(np.exp(x) / 2.0) * 2.0),
    "normal": (10.0, 3.0, None, lambda x: x),
    "qnormal": (10.0, 3.0, 0.5, lambda x: np.round(x / 0.5) * 0.5),
    "lognormal": (-1.0, 0.5, None, np.exp),
    "qlognormal": (2.0, 0.5, 1.0, lambda x: np.round(np.exp(x))),
}


@pytest.mark.parametrize("form", FORMULAS)
def test_values_follow_the_formula(form):
    """At cumulative probability u the value is the formula of the quantile of X, so samples have its distribution."""
    a, b, q, formula = FORMULAS[form]
    parameter = Expression("x", form, a, b, q)
    u = (np.arange(2000) + 0.5) / 2000
    x = stats.norm.ppf(u, a, b) if "normal" in form else a + (b - a) * u
    assert [parameter.decode(at) for at in u] == pytest.approx(list(formula(x)), rel=1e-7)
    rng = np.random.default_rng(0)
    draws = [parameter.decode(at) for at in rng.random(4000)]
    expected = formula(rng.normal(a, b, 4000) if "normal" in form else rng.uniform(a, b, 4000))
    assert stats.ks_2samp(draws, expected).pvalue > 0.001


def test_the_ends_of_a_rounded_range_are_half_as_likely():
    """F35: round(uniform(0, 4) / 2) * 2 is 0 or 4 a quarter of the time each, 2 half of it."""
    parameter = Expression("x", "quniform", 0.0, 4.0, 2.0)
    values = [parameter.decode(u) for u in np.random.default_rng(1).random(8000)]
    assert [values.count(v) / 8000 for v in (0, 2, 4)] == pytest.approx([0.25, 0.5, 0.25], abs=0.02)
    assert parameter.size == 3 and list(parameter.grid(9)) == [0, 2, 4]


def test_whole_quanta_give_whole_numbers():
    whole, half = Expression("x", "qnormal", 10, 3, 2), Expression("x", "qnormal", 10, 3, 0.5)
    assert (whole.kind, half.kind) == ("integer", "float")
    assert type(whole.decode(0.3)) is int and type(half.decode(0.3)) is float


def test_normals_end_at_six_standard_deviations():
    parameter = Expression("x", "normal", 10.0, 3.0)
    assert (parameter.low, parameter.high) == (parameter.decode(0.0), parameter.decode(1.0)) == (-8.0, 28.0)
    assert parameter.problem_with(29) is None and parameter.encode(29) == pytest.approx(1.0)
    for value in (-8.0, -7.9, 10.0, 27.9, 28.0):
        assert parameter.decode(parameter.encode(value)) == pytest.approx(value, abs=1e-6)
    assert list(parameter.grid(1)) == [10.0]
    assert list(parameter.grid(3)) == pytest.approx([7.0977, 10.0, 12.9023], abs=1e-3)


def test_problems_of_values_are_named():
    assert "not a multiple of 0.5" in Expression("x", "qnormal", 0, 1, 0.5).problem_with(0.3)
    assert "not 0.1 plus a multiple of 0.1" in Float("x", 0.1, 0.5, step=0.1).problem_with(0.25)
    assert Float("x", 0.1, 0.5, step=0.1).problem_with(0.1 + 2 * 0.1) is None
    assert "not 1 plus a multiple of 4" in Integer("x", 1, 30, step=4).problem_with(4)


def test_reverse_log_is_uniform_in_the_logarithm_of_the_distance_to_one():
    """F33: of 0 to 0.999, a third of the draws lies above each further nine."""
    parameter = Float("x", 0.0, 0.999, "reverse-log")
    assert [parameter.decode(k / 3) for k in range(4)] == pytest.approx([0.0, 0.9, 0.99, 0.999])
    assert parameter.decode(2 / 3) == 0.99
    assert list(Float("x", 0.0, 1e-60, "reverse-log").grid(3)) == [0.0, 5e-61, 1e-60]
    assert list(parameter.grid(4)) == pytest.approx([0.0, 0.9, 0.99, 0.999])


def test_steps_are_taken_from_min_and_all_are_equally_likely():
    parameter = Float("x", 0.1, 0.75, step=0.2)
    assert (parameter.size, list(parameter.grid(10))) == (4, [0.1, 0.3, 0.5, 0.7])
    draws = [parameter.decode(u) for u in np.random.default_rng(0).random(8000)]
    assert [draws.count(v) for v in (0.1, 0.3, 0.5, 0.7)] == pytest.approx([2000] * 4, rel=0.1)
    assert list(Integer("n", 16, 64, step=16).grid(10)) == [16, 32, 48, 64]
    assert list(Integer("n", 1, 100, "log", step=9).grid(3)) == [1, 10, 100]
    assert SearchSpace((parameter, Integer("n", 16, 64, step=16))).size == 16


def test_ordered_categories_are_near_their_neighbours():
    ordered = SearchSpace((Categorical("x", (16, 32, 64, 128), ordered=True),))
    features = ordered.features([{"x": value} for value in (16, 32, 128)])[:, 0]
    assert ordered.width == 1
    assert abs(features[0] - features[1]) < abs(features[0] - features[2])
    assert ordered.to_json() == [{"name": "x", "type": "categorical", "values": [16, 32, 64, 128], "ordered": True}]


BAD = [
    ({"type": "normal", "mu": 0, "sigma": 0}, "sigma", "range"),
    ({"type": "normal", "low": 0, "high": 1}, "high", "unknown"),
    ({"type": "lognormal", "mu": 800, "sigma": 1}, "mu", "range"),
    ({"type": "quniform", "low": 0, "high": 1}, "q", "required"),
    ({"type": "quniform", "low": 0, "high": 1, "q": 0}, "q", "range"),
    ({"type": "quniform", "low": 0, "high": 1, "q": 1e-300}, "q", "range"),
    ({"type": "quniform", "low": 2, "high": 1, "q": 1}, "low", "range"),
    ({"type": "uniform", "low": 2, "high": 1}, "low", "range"),
    ({"type": "uniform", "low": 2}, "high", "required"),
    ({"type": "loguniform", "low": 0, "high": 1000}, "high", "range"),
    ({"type": "loguniform", "low": math.nan, "high": 1}, "low", "range"),
    ({"type": "randint", "upper": 0}, "upper", "range"),
    ({"type": "randint", "upper": 2.5}, "upper", "type"),
    ({"type": "choice", "range": [1, 5], "values": [1]}, "range", "duplicate"),
    ({"type": "choice", "range": [1, 5, 0]}, "range", "type"),
    ({"type": "choice", "range": [10**30]}, "range", "limit"),
    ({"type": "choice", "range": [5, 5]}, "values", "required"),
    ({"type": "choice"}, "values", "required"),
    ({"type": "categorical", "values": ["a"], "ordered": "yes"}, "ordered", "type"),
    ({"type": "integer", "min": 0, "max": 9, "scale": "reverse-log"}, "scale", "invalid"),
    ({"type": "float", "min": 0, "max": 1, "scale": "reverse-log"}, "max", "range"),
    ({"type": "float", "min": -1, "max": 0.5, "scale": "reverse-log"}, "min", "range"),
    ({"type": "float", "min": 0, "max": 1, "step": 0}, "step", "range"),
    ({"type": "float", "min": 0, "max": 1, "step": 1e-300}, "step", "range"),
    ({"type": "float", "min": 0, "max": 1, "step": "x"}, "step", "type"),
    ({"type": "integer", "min": 0, "max": 9, "step": 1.5}, "step", "type"),
]


@pytest.mark.parametrize(("document", "field", "code"), BAD)
def test_bad_expressions_are_refused_by_field(document, field, code):
    with pytest.raises(InvalidSpec) as caught:
        read(document)
    assert (f"space[0].{field}", code) in [(fault.field, fault.code) for fault in caught.value.faults]
    assert all(fault.message for fault in caught.value.faults)


@pytest.mark.parametrize(
    "parameter",
    [
        Expression("x", "qlognormal", 1, 3, 0.02718281828459),
        Expression("x", "quniform", 0, 1e8, 0.02718281828459),
        Float("x", 1e6, 1000000.07, step=2.3456789e-4),
    ],
)
def test_what_it_suggests_is_a_value_however_fine_the_steps(parameter):
    """A large multiple of a small quantum is only as exact as its 15 digits."""
    values = [parameter.decode(u) for u in np.append(1.0 - np.geomspace(1e-9, 0.5, 300), 1.0)]
    assert [value for value in values if parameter.problem_with(value)] == []
    assert parameter.problem_with(values[0] + 0.4 * (parameter.step if isinstance(parameter, Float) else parameter.q))


@pytest.mark.parametrize(
    ("form", "a", "b"),
    [("quniform", 0.0, 5e-324), ("quniform", -1e-310, 1e-310), ("qnormal", 0.0, 5e-324), ("qlognormal", 0.0, 5e-324)],
)
def test_a_quantum_far_beyond_its_range_gives_no_warning(form, a, b):
    parameter = Expression("x", form, a, b, 1.0)
    with np.errstate(all="raise", under="ignore"):
        middle = parameter.decode(0.5)
        assert parameter.decode(parameter.encode(middle)) == middle == (form == "qlognormal")
        assert np.isfinite(parameter.snap(np.array([0.0, 0.5, 1.0]))).all()
