"""Conditional hyperparameters and constraints between hyperparameters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tuning.strategy_suite import CONDITIONAL, CONSTRAINED, SMALL_CONDITIONAL, SMALL_CONSTRAINED
from tuning.constraints import Constraint
from tuning.errors import InvalidSpec
from tuning.space import Categorical, Condition, Float, Integer, SearchSpace

SGD = {"optimizer": "sgd", "lr": 0.1, "momentum": 0.5, "nesterov": "yes"}


def test_what_is_not_active_is_absent():
    rng = np.random.default_rng(0)
    seen = {frozenset(CONDITIONAL.sample(rng)) for _ in range(100)}
    assert seen == {
        frozenset({"optimizer", "lr"}),
        frozenset({"optimizer", "lr", "beta-2"}),
        frozenset({"optimizer", "lr", "momentum"}),
        frozenset({"optimizer", "lr", "momentum", "nesterov"}),
    }


def test_whatever_stands_in_place_of_an_inactive_value_is_the_same_point():
    rms = {"optimizer": "rms", "lr": 0.1}
    more = {**rms, "momentum": 0.9, "beta-2": 0.99}
    assert CONDITIONAL.key(rms) == CONDITIONAL.key(more)
    assert np.array_equal(CONDITIONAL.encode(rms), CONDITIONAL.encode(more))
    units = np.random.default_rng(0).random((50, 5))
    units[:, 0] = CONDITIONAL.encode(rms)[0]
    assert len(np.unique(CONDITIONAL.snap(units)[:, 2:], axis=0)) == 1
    assert CONDITIONAL.project(more) == rms


def test_problems_of_activity_are_named():
    assert CONDITIONAL.problem_with(SGD) is None
    assert CONDITIONAL.problem_with({**SGD, "optimizer": "rms"}) == (
        "momentum is given, but is active only where optimizer is sgd; "
        "nesterov is given, but is active only where momentum is 0.5 or 0.9"
    )
    assert CONDITIONAL.problem_with({"optimizer": "adam", "lr": 0.1}) == "beta-2 is missing"


def test_grids_and_sizes_count_each_point_once():
    points = list(SMALL_CONDITIONAL.grid(9))
    assert len(points) == SMALL_CONDITIONAL.size == SMALL_CONDITIONAL.grid_size(9) == 12
    assert points[0] == {"a": "x", "b": 1, "c": 0} and points[-1] == {"a": "y", "c": 8}
    assert [tuple(point.values()) for point in SMALL_CONSTRAINED.grid(9)] == [
        (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4),
    ]  # fmt: skip
    assert SMALL_CONSTRAINED.size == SMALL_CONSTRAINED.grid_size(4) == 6
    huge = SearchSpace((Integer("a", 0, 2**52), Integer("b", 0, 2**52)), (Constraint("a != b"),))
    assert huge.size is None


def test_documents_are_read_back():
    for space in (CONDITIONAL, CONSTRAINED, SMALL_CONDITIONAL, SMALL_CONSTRAINED):
        assert SearchSpace.from_json(space.document()) == space
    assert CONDITIONAL.to_json()[2]["when"] == {"parameter": "optimizer", "in": ["sgd"]}
    assert SMALL_CONSTRAINED.document()["constraints"] == ["a < b"]


A = {"name": "a", "type": "categorical", "values": ["x", "y"]}
B = {"name": "b", "type": "float", "min": 0, "max": 1}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([A, {**B, "when": {"parameter": "c", "in": ["x"]}}], {"space[1].when.parameter": "unknown"}),
        ([{**B, "when": {"parameter": "a", "in": ["x"]}}, A], {"space[0].when.parameter": "invalid"}),
        ([{**B, "when": {"parameter": "b", "in": [1]}}], {"space[0].when.parameter": "invalid"}),
        ([A, {**B, "when": {"parameter": "a", "in": ["z"]}}], {"space[1].when.in[0]": "range"}),
        ([A, {**B, "when": {"parameter": "a", "in": []}}], {"space[1].when.in": "required"}),
        ([A, {**B, "when": {"parameter": "a"}}], {"space[1].when.in": "required"}),
        ([A, {**B, "when": {"parameter": "a", "in": ["x", "x"]}}], {"space[1].when.in[1]": "duplicate"}),
        ([A, {**B, "when": "a == x"}], {"space[1].when": "type"}),
        ([A, {**B, "when": {"parameter": "a", "in": ["x"], "not": 1}}], {"space[1].when.not": "unknown"}),
        ([B, {**A, "when": {"parameter": "b", "in": [0.5]}}], {"space[1].when.parameter": "range"}),
        ({"parameters": [A], "constraints": "a"}, {"space.constraints": "type"}),
        ({"parameters": [A, B], "constraints": ["b < c"]}, {"space.constraints[0]": "invalid"}),
        ({"parameters": [A, B], "constraints": ["a < b"]}, {"space.constraints[0]": "invalid"}),
        ({"parameters": [A, B], "constraints": ["b > 0.1", "b > 2"]}, {"space.constraints": "range"}),
        ({"parameters": [{**B, "min": 2}], "constraints": ["b <"]},
         {"space.parameters[0].min": "range", "space.constraints[0]": "invalid"}),
        ({"parameters": [A], "bounds": 1}, {"space.bounds": "unknown"}),
    ],
)  # fmt: skip
def test_bad_documents_are_refused_by_field(document, expected):
    with pytest.raises(InvalidSpec) as caught:
        SearchSpace.from_json(document)
    assert {fault.field: fault.code for fault in caught.value.faults} == expected


@pytest.mark.parametrize(
    ("text", "config", "holds"),
    [
        ("a < b", {"a": 1, "b": 2}, True),
        ("a < b < 3", {"a": 1, "b": 3}, False),
        ("`batch-size` * a <= 100", {"batch-size": 16, "a": 6}, True),
        ("`lambda` + 1 == 3", {"lambda": 2}, True),
        ("opt == 'sgd' or lr <= 0.1", {"opt": "adam", "lr": 0.5}, False),
        ("not (opt != 'sgd') and lr > -1e-3", {"opt": "sgd", "lr": 0}, True),
        ("max(a, b, 2) - min(a, b) == abs(-5)", {"a": 7, "b": 2}, True),
        ("a // 2 == 3 and a % 2 == 1 and a ** 2 == 49 and a / 2 == 3.5", {"a": 7}, True),
        ("1 / a > 0", {"a": 0}, False),
        ("a ** a ** a > 0", {"a": 1000}, False),
        ("(0 - a) ** 0.5 > 0", {"a": 4}, False),
        ("a < b", {"a": 5}, True),  # b is not active
        ("a == b", {"a": "x", "b": 1}, False),
    ],
)
def test_constraints_are_calculated(text, config, holds):
    constraint = Constraint(text)
    assert constraint.holds(config) is holds
    assert Constraint(constraint.text) == constraint


def test_constraints_have_one_canonical_form():
    assert Constraint("(a)*2<=`b`").text == "a * 2 <= b"
    assert Constraint("`batch-size`<10").text == "`batch-size` < 10"
    assert Constraint("`lambda`<10").names == {"lambda"}
    assert Constraint("max(`max`, a) < 3").names == {"max", "a"}


def test_a_name_keeps_its_letters():
    """Python reads \N{MICRO SIGN} as the Greek letter, and \N{LATIN SMALL LIGATURE FI} as two letters; texts stay."""
    for name in ("\N{MICRO SIGN}", "\N{LATIN SMALL LIGATURE FI}t"):
        parameters = (Float(name, 0, 1), Categorical("b", (name, "z")))
        for text in (f"{name} < 0.5 or b == '{name}'", f"`{name}` < 0.5 or b == '{name}'"):
            space = SearchSpace(parameters, (Constraint(text),))
            assert space.constraints[0].names == {name, "b"}
            assert SearchSpace.from_json(space.document()) == space
            assert space.allows({name: 0.9, "b": name}) and not space.allows({name: 0.9, "b": "z"})


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a + 1", "1 < 2", "a <", "a < b; c", "a = 1", "a is b", "a in b", "a if b else c", "lambda: a < 1",
        "__import__('os').system('true') < a", "a.__class__ == 1", "a[0] < 1", "f'{a}' == 'x'", "open(a) < 1",
        "min(a) < 1", "min(a, key=b) < 1", "[a] < [b]", "a < True", "a < None", "a < 1j", "a == b'x'", "a + 'x' < 1",
        "-'x' < a", "not a", "a and b", "(a < b) + 1 < 2", "(a := 1) < 2", "a < " + "9" * 400, "(" * 400 + "a < 1",
        "a < " + " + ".join(["1"] * 90), "a" * 600 + " < 1", "a == 'x`b`y'", "a < `b", "a\n< 1 # `", "a < \0", "*a < 1",
        "a @ b < 1", "~a < 1", "a << 2 < 1", "await a < 1", "a < ...", 3, None,
    ],
)  # fmt: skip
def test_all_else_is_refused(text):
    with pytest.raises(InvalidSpec) as caught:
        Constraint(text)
    assert len(caught.value.faults) == 1


@given(st.text("ab01 <>=+-*/%()'`.,!notrdm\n", max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        constraint = Constraint(text)
    except InvalidSpec:
        return
    assert constraint.holds(dict.fromkeys(constraint.names, 1.5)) in (True, False)
    assert Constraint(constraint.text).text == constraint.text


def test_narrow_constraints_are_met_and_impossible_ones_are_told():
    narrow = SearchSpace((Float("a", 0, 1), Float("b", 0, 1)), (Constraint("abs(a - b) < 0.005"),))
    rng = np.random.default_rng(0)
    assert all(narrow.problem_with(narrow.sample(rng)) is None for _ in range(5))
    assert "breaks the constraint abs(a - b) < 0.005" in narrow.problem_with({"a": 0.1, "b": 0.2})
    with pytest.raises(InvalidSpec, match=r"none of 1,000 random points, nor by one that was searched for \(a > 2\)"):
        SearchSpace((Float("a", 0, 1),), (Constraint("a > 2"),))


def test_a_condition_on_itself_is_told_as_that():
    with pytest.raises(InvalidSpec, match="is 'b', the hyperparameter itself; name another one"):
        SearchSpace((Categorical("a", ("x",)), Float("b", 0, 1, when=Condition("b", (1,)))))


def test_conditions_made_in_code_are_checked_too():
    with pytest.raises(InvalidSpec):
        Condition("", ("x",))
    with pytest.raises(InvalidSpec):
        SearchSpace((Categorical("a", ("x",)), Float("b", 0, 1, when=Condition("a", ("y",)))))
