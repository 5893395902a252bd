"""The search space: reading it with every fault, transforming it, listing it, recognising points."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tuning.space_generators import spaces
from tuning import Tuner
from tuning.errors import InvalidSpec
from tuning.space import Categorical, Condition, Constraint, Expression, Float, Integer, SearchSpace


@given(spaces())
def test_a_space_survives_its_document(space):
    document = json.loads(json.dumps(space.to_json()))
    assert SearchSpace.from_json(document) == space
    assert SearchSpace.from_json(document).to_json() == document


@given(spaces(), st.integers(0, 2**32))
def test_samples_are_points_of_the_space(space, seed):
    config = space.sample(np.random.default_rng(seed))
    assert space.problem_with(config) is None
    assert json.loads(json.dumps(config)) == config


@given(spaces(), st.integers(0, 2**32))
def test_encode_is_inside_the_cube_and_decodes_to_the_same_point(space, seed):
    config = space.sample(np.random.default_rng(seed))
    unit = space.encode(config)
    assert np.all((unit >= 0) & (unit <= 1))
    back = space.decode(unit)
    assert back.keys() == config.keys()
    for parameter in space.parameters:
        if parameter.name not in config:
            continue
        if parameter.size is None:
            near = 1e-7 * max(parameter.high - parameter.low, abs(config[parameter.name]))
            assert back[parameter.name] == pytest.approx(config[parameter.name], abs=near)
        else:
            assert back[parameter.name] == config[parameter.name]


@given(spaces(), st.integers(0, 2**32))
def test_snapped_units_are_fixed_points_and_mean_the_same_configuration(space, seed):
    units = np.random.default_rng(seed).random((5, len(space)))
    snapped = space.snap(units)
    assert np.allclose(space.snap(snapped), snapped, atol=1e-9)
    for unit, same in zip(units, snapped, strict=True):
        discrete = [p.name for p in space.parameters if p.size is not None]
        meant, snapped_to = space.decode(unit), space.decode(same)
        assert meant.keys() == snapped_to.keys()
        assert [meant.get(name) for name in discrete] == [snapped_to.get(name) for name in discrete]


@given(spaces(), st.integers(0, 2**32))
def test_features_are_the_same_from_units_and_from_configurations(space, seed):
    rng = np.random.default_rng(seed)
    configs = [space.sample(rng) for _ in range(3)]
    units = np.array([space.encode(config) for config in configs])
    features = space.features(configs)
    assert features.shape == (3, space.width) == (3, len(space.groups))
    assert np.array_equal(features, space.unit_features(units))


@given(spaces(), st.integers(0, 2**32))
def test_many_configurations_are_encoded_and_named_as_each_alone(space, seed):
    rng = np.random.default_rng(seed)
    configs = [space.sample(rng) for _ in range(4)]
    assert np.array_equal(space.encode_all(configs), [space.encode(config) for config in configs])
    assert space.keys(configs) == [space.key(config) for config in configs]
    assert space.encode_all([]).shape == (0, len(space))


@given(spaces(), st.integers(0, 2**32))
def test_a_point_has_one_form_whatever_its_numbers_came_as(space, seed):
    config = space.sample(np.random.default_rng(seed))
    numbers = {name for name, value in config.items() if not isinstance(value, str)}
    for form in (lambda value: value, float, str, np.float64):
        came = {name: form(value) if name in numbers else value for name, value in config.items()}
        assert repr(space.canonical(came)) == repr(config)


def test_what_is_no_value_keeps_its_form_for_the_problem_to_be_told():
    sizes = SearchSpace((Integer("n", 1, 5), Categorical("c", ("18", "34")), Float("x", 0.0, 1.0, step=0.5)))
    wrong = {"n": "2.5", "c": 19, "x": "nan"}
    assert sizes.canonical(wrong) == {"n": 2.5, "c": 19, "x": "nan"}
    assert repr(sizes.canonical({"n": "1_0", "c": 18.0, "x": "5e-1"})) == "{'n': '1_0', 'c': '18', 'x': 0.5}"
    assert sizes.canonical({"n": True, "c": "9" * 400, "x": 10**400}) == {"n": True, "c": "9" * 400, "x": 10**400}


@given(spaces(), st.integers(1, 4))
def test_the_grid_has_the_size_it_says_and_no_point_twice(space, points):
    if space.grid_size(points) > 2000:
        return
    configs = list(space.grid(points))
    assert len(configs) == space.grid_size(points)
    assert len({space.key(config) for config in configs}) == len(configs)
    assert all(space.problem_with(config) is None for config in configs)


def test_a_log_scale_is_uniform_in_the_logarithm():
    """F33: of 1e-4 to 1, a linear scale spends 90 % above 0.1, a log scale a quarter."""
    rng = np.random.default_rng(0)
    linear, log = Float("x", 1e-4, 1.0), Float("x", 1e-4, 1.0, "log")
    above = [np.mean([p.decode(u) > 0.1 for u in rng.random(4000)]) for p in (linear, log)]
    assert above == pytest.approx([0.9, 0.25], abs=0.03)


def test_every_integer_is_equally_likely_also_the_ends():
    rng = np.random.default_rng(0)
    counts = np.bincount([Integer("n", 1, 4).decode(u) for u in rng.random(8000)])
    assert counts[0] == 0
    assert counts[1:] == pytest.approx(np.full(4, 2000), rel=0.1)


def test_the_ends_of_a_range_are_reached_exactly():
    for parameter in (Float("x", 1e-5, 0.3, "log"), Float("x", 0.1, 0.7), Integer("n", 3, 900, "log")):
        assert (parameter.decode(0.0), parameter.decode(1.0)) == (parameter.low, parameter.high)


def test_suggested_floats_are_short():
    assert [Float("x", 0.0, 1.0).decode(u) for u in (1 / 3, 0.1 + 0.2)] == [0.33333333, 0.3]
    assert Float("x", 1e-5, 1e-1, "log").decode(0.25) == 0.0001
    assert Float("x", 1.0, 1.0 + 1e-9).decode(0.5) == 1.0000000005
    assert Float("x", -8e307, 8e307).decode(0.50001) == 1.6e303


def test_extreme_ranges_keep_inside():
    wide = Float("x", -8e307, 8e307)
    tiny = Float("x", 5e-324, 1e-300, "log")
    for u in (0.0, 1e-12, 0.3, 0.5, 1 - 1e-12, 1.0):
        assert wide.low <= wide.decode(u) <= wide.high
        assert tiny.low <= tiny.decode(u) <= tiny.high


def test_sizes():
    assert SearchSpace((Integer("a", 1, 3), Categorical("b", ("x", "y")))).size == 6
    assert SearchSpace((Integer("a", 1, 3), Float("b", 0, 1))).size is None
    assert SearchSpace((Float("b", 2.0, 2.0), Integer("a", 7, 7))).size == 1


def test_one_value_spaces_work_everywhere():
    space = SearchSpace((Float("a", 2.0, 2.0), Integer("b", 7, 7), Categorical("c", ("only",))))
    expected = {"a": 2.0, "b": 7, "c": "only"}
    assert space.sample(np.random.default_rng(0)) == expected
    assert space.decode(space.encode(expected)) == expected
    assert list(space.grid(5)) == [expected]


def test_the_grid_of_three_by_two_is_six():
    """F46: Azure's example."""
    space = SearchSpace((Categorical("batch", (16, 32, 64)), Categorical("opt", ("sgd", "adam"))))
    configs = list(space.grid(5))
    assert len(configs) == 6
    assert configs[:3] == [{"batch": 16, "opt": "sgd"}, {"batch": 16, "opt": "adam"}, {"batch": 32, "opt": "sgd"}]


def test_grid_points_are_even_on_the_scale():
    assert list(Float("x", 1e-4, 1.0, "log").grid(5)) == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    assert list(Float("x", 0.0, 1.0).grid(3)) == [0.0, 0.5, 1.0]
    assert list(Float("x", 0.0, 1.0).grid(1)) == [0.5]
    assert len(list(Float("x", 1.0, 1.0 + 1e-15).grid(9))) == 6  # as many as there are
    assert list(Integer("n", 1, 3).grid(5)) == [1, 2, 3]
    assert list(Integer("n", 0, 100).grid(5)) == [0, 25, 50, 75, 100]


def test_keys_tell_points_apart_and_survive_rounding():
    space = SearchSpace((Float("x", 0, 1), Categorical("c", ("1", "a"))))
    key = space.key({"x": 0.1 + 0.2, "c": "a"})
    assert key == space.key({"c": "a", "x": 0.3})
    assert key != space.key({"x": 0.300001, "c": "a"})
    assert key != space.key({"x": 0.3, "c": "1"})
    assert space.key({"x": 1, "c": "a"}) == space.key({"x": 1.0, "c": "a"})


def test_problem_with_names_everything_wrong():
    space = SearchSpace((Float("x", 0, 1), Integer("n", 1, 5), Categorical("c", ("a", "b"))))
    problem = space.problem_with({"x": 2, "n": 1.5, "y": 1})
    for part in ("x is 2, outside 0", "n is 1.5, not a whole number", "c is missing", "y is not a hyperparameter"):
        assert part in problem
    assert space.problem_with({"x": math.nan, "n": True, "c": "z"}).count(";") == 2
    assert space.problem_with({"x": 10**400, "n": 10**400, "c": 10**400}).count(";") == 2


FLOAT = {"name": "x", "type": "float", "min": 0, "max": 1}
CHOICE = {"name": "c", "type": "categorical"}
BAD = [
    ("not a list", 1, {"space": "type"}),
    ("a job's document", {"x": 1}, {"space.x": "unknown", "space.parameters": "type"}),
    ("empty", [], {"space": "required"}),
    ("too many", [{**FLOAT, "name": f"x{i}"} for i in range(101)], {"space": "limit"}),
    ("not an object", [3], {"space[0]": "type"}),
    ("no type", [{"name": "x"}], {"space[0].type": "required"}),
    ("unknown type", [{"name": "x", "type": "bool"}], {"space[0].type": "unknown"}),
    ("unknown field", [{**FLOAT, "stepp": 2}], {"space[0].stepp": "unknown"}),
    ("step beyond the range", [{**FLOAT, "step": 2}], {"space[0].step": "range"}),
    ("no name", [{**FLOAT, "name": ""}], {"space[0].name": "required"}),
    ("name is an option", [{**FLOAT, "name": "-x"}], {"space[0].name": "invalid"}),
    ("name with a space", [{**FLOAT, "name": "a b"}], {"space[0].name": "invalid"}),
    ("same name", [FLOAT, FLOAT], {"space[1].name": "duplicate"}),
    ("no range", [{"name": "x", "type": "float"}], {"space[0].min": "required", "space[0].max": "required"}),
    ("texts as range", [{**FLOAT, "min": "0"}], {"space[0].min": "type"}),
    ("boolean as range", [{**FLOAT, "max": True}], {"space[0].max": "type"}),
    ("min above max", [{**FLOAT, "min": 2}], {"space[0].min": "range"}),
    ("not a number", [{**FLOAT, "max": math.nan}], {"space[0].max": "range"}),
    ("infinite", [{**FLOAT, "max": 10**400}], {"space[0].max": "range"}),
    ("too wide", [{**FLOAT, "min": -1.7e308, "max": 1.7e308}], {"space[0].max": "range"}),
    ("log of zero", [{**FLOAT, "scale": "log"}], {"space[0].min": "range"}),
    ("unknown scale", [{**FLOAT, "scale": "cubic"}], {"space[0].scale": "unknown"}),
    ("fractional integer", [{**FLOAT, "type": "integer", "max": 1.5}], {"space[0].max": "type"}),
    ("integer beyond exactness", [{**FLOAT, "type": "integer", "max": 2**60}], {"space[0].max": "range"}),
    ("no values", [CHOICE], {"space[0].values": "required"}),
    ("empty values", [{**CHOICE, "values": []}], {"space[0].values": "required"}),
    ("values alike", [{**CHOICE, "values": ["a", 1, "1"]}], {"space[0].values[2]": "duplicate"}),
    ("boolean value", [{**CHOICE, "values": [True]}], {"space[0].values[0]": "type"}),
    ("control character", [{**CHOICE, "values": ["a\0"]}], {"space[0].values[0]": "invalid"}),
]  # fmt: skip


@pytest.mark.parametrize(("document", "expected"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_documents_are_refused_by_field(document, expected):
    with pytest.raises(InvalidSpec) as caught:
        SearchSpace.from_json(document)
    assert {fault.field: fault.code for fault in caught.value.faults} == expected
    assert all(fault.message for fault in caught.value.faults)


def test_all_faults_are_found_at_once():
    with pytest.raises(InvalidSpec) as caught:
        SearchSpace.from_json(
            [
                {"name": "-a", "type": "float", "min": 3, "max": 1, "scale": "log", "q": 1},
                {"name": "b", "type": "integer", "min": 0, "max": "9"},
                {"name": "b", "type": "categorical", "values": []},
            ],
            field="job.space",
        )
    fields = [fault.field for fault in caught.value.faults]
    assert sorted(fields) == [
        "job.space[0].min", "job.space[0].name", "job.space[0].q", "job.space[1].max", "job.space[2].name",
        "job.space[2].values",
    ]  # fmt: skip


def test_faults_can_be_sent_whatever_the_document_holds():
    with pytest.raises(InvalidSpec) as caught:
        SearchSpace.from_json([{"name": "\ud800", "type": "float", "min": "\ud800", "max": 1, "\ud800": 1}])
    assert len(caught.value.faults) == 3
    for fault in caught.value.faults:
        (fault.field + fault.message).encode()


def test_messages_name_the_value_and_the_remedy():
    with pytest.raises(InvalidSpec) as caught:
        SearchSpace.from_json([{"name": "lr", "type": "float", "min": 0, "max": 1, "scale": "log"}])
    assert caught.value.faults[0].message == (
        "is 0.0; a log scale needs min above 0: raise min or use scale linear"
    )  # fmt: skip


def test_parameters_made_in_code_are_checked_too():
    with pytest.raises(InvalidSpec):
        Float("x", 2, 1)
    with pytest.raises(InvalidSpec):
        Categorical("x", ())
    with pytest.raises(InvalidSpec):
        SearchSpace(())


def test_a_space_made_in_code_takes_lists_and_what_a_notebook_holds():
    parts = [Categorical("c", ["a", "b"]), Float("x", np.float32(0), 1), Integer("n", np.int64(1), np.int64(9))]
    parts += [Float("y", 0, 1, when=Condition("c", ["a"])), Expression("q", "quniform", 0, np.int64(4), np.int64(2))]
    space = SearchSpace(parts, [Constraint("x < 0.5")])
    document = json.loads(json.dumps(space.document()))
    assert hash(space) == hash(SearchSpace.from_json(document))
    assert space == SearchSpace.from_json(document)
    for strategy in ("auto", "sobol"):
        tuner = Tuner(space, strategy=strategy)
        for trial in tuner.ask(3):
            assert json.loads(json.dumps(trial.config)) == trial.config
            tuner.tell(trial, 1.0)
        assert tuner.ask()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Float("x", "1", 5), "min: is '1'; give a number"),
        (lambda: Float("x", 0, None), "max: is None; give a number"),
        (lambda: Integer("x", 1, 5.0), "max: is 5.0; give a whole number, or use a float"),
        (lambda: Integer("x", 0, 8, step=True), "step: is True; give a number"),
        (lambda: Expression("x", "normal", [1], 2), "mu: is [1]; give a number"),
        (lambda: Categorical("x", "ab"), "values: is 'ab'; give a list of values"),
        (lambda: Condition("c", "adam"), "when.in: is 'adam'; give a list of values"),
        (lambda: SearchSpace([{"name": "x"}]), "space[0]: is {'name': 'x'}; give a Float, Integer, Cat"),
        (lambda: SearchSpace((Float("x", 0, 1),), ("x < 1",)), "space.constraints[0]: is 'x < 1'; give a Constraint"),
        (lambda: SearchSpace(Float("x", 0, 1)), "space: is Float(name='x', "),
    ],
)
def test_what_code_gets_wrong_is_named_with_the_remedy(make, told):
    with pytest.raises(InvalidSpec) as error:
        make()
    assert str(error.value).startswith(told)


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({"type": "choice", "values": range(1, 5)}, {"type": "choice", "values": [1, 2, 3, 4]}),
        ({"type": "choice", "range": range(1, 9, 2)}, {"type": "choice", "range": [1, 9, 2]}),
        ({"type": "categorical", "values": np.arange(3)}, {"type": "categorical", "values": [0, 1, 2]}),
        ({"type": "integer", "min": np.int64(1), "max": np.int64(9)}, {"type": "integer", "min": 1, "max": 9}),
        ({"type": "float", "min": np.float32(0), "max": 1}, {"type": "float", "min": 0.0, "max": 1.0}),
    ],
)
def test_a_space_takes_what_a_notebook_holds(given, written):
    """F34: a choice of a range object; by a list or by an object, in a Tuner or without one."""
    space = SearchSpace.from_json([{"name": "b", **given}])
    assert space == SearchSpace.from_json([{"name": "b", **written}])
    assert space == SearchSpace.from_json({"parameters": [{"name": "b", **given}]})
    assert SearchSpace.from_json(space.to_json()) == space


def test_what_no_list_holds_is_refused_and_not_read_for_ever():
    nested: object = 1
    for _ in range(3000):
        nested = [nested]
    for odd in (range(10**30), nested):
        with pytest.raises(InvalidSpec):
            SearchSpace.from_json([{"name": "b", "type": "choice", "values": odd}])
