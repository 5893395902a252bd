"""A job's document: read with every fault at its field, written in one canonical form, old ones read as before."""

import json

import pytest

from tuning import specification, strategies
from tuning.completion import Criteria
from tuning.contracts import Scheduler
from tuning.errors import InvalidSpec
from tuning.specification import LATER_MEMBERS, advice, complete, parse, read

SPACE = [
    {"name": "warmup", "type": "integer", "min": 1, "max": 50},
    {"name": "epochs", "type": "integer", "min": 1, "max": 100},
]
CATEGORICAL = [
    {"name": "a", "type": "categorical", "values": ["x", "y"]},
    {"name": "b", "type": "categorical", "values": [1, 2, 3]},
]
HYPERBAND = {"name": "hyperband", "options": {"max_resource": 27}}


def document(**changes):
    return {
        "name": "first",
        "algorithm": {"name": "line"},
        "objective": {"metric": "score", "goal": "maximize"},
        "space": SPACE,
        "strategy": {"name": "random"},
    } | changes


def refused(**changes):
    """Field -> message of everything that is wrong."""
    with pytest.raises(InvalidSpec) as error:
        parse(document(**changes))
    return {fault.field: fault.message for fault in error.value.faults}


def test_the_new_members_have_defaults_and_a_canonical_form():
    stored = parse(document()).to_json()
    assert {name: stored[name] for name in LATER_MEMBERS} == {
        "constraints": [],
        "initial_points": [],
        "repeats": 1,
        "completion": {
            "target": None,
            "max_not_improving": None,
            "converged": None,
            "tolerance": 0.01,
            "max_completed": None,
            "max_finished": None,
            "max_gpu_hours": None,
        },
        "profile": None,
        "runs_in": None,
        "image": None,
        "resume_child_runs": [],
        "spot": False,
        "check_first": False,
        "keep": None,
    }
    assert stored["space"] == parse(stored).space.to_json()


def test_what_is_given_is_kept_and_read_back():
    spec = parse(
        document(
            constraints=["warmup<epochs/2"],
            initial_points=[{"epochs": 100, "warmup": 10}],
            repeats=3,
            completion={"target": 1, "max_not_improving": 5, "max_gpu_hours": 2},
            profile=None,
        )
    )
    stored = json.loads(json.dumps(spec.to_json(), allow_nan=False))
    assert stored["constraints"] == ["warmup < epochs / 2"]
    assert stored["initial_points"] == [{"warmup": 10, "epochs": 100}]
    assert stored["repeats"] == 3
    assert spec.completion == Criteria(target=1.0, max_not_improving=5, max_gpu_hours=2.0)
    assert parse(stored) == spec
    assert parse(stored).to_json() == stored


def test_a_document_stored_before_reads_as_it_did():
    old = {name: value for name, value in parse(document()).to_json().items() if name not in LATER_MEMBERS}
    spec, faults = read(old)
    assert not faults
    assert spec == parse(document())
    assert complete(old) == spec.to_json()
    assert complete(spec.to_json() | {"repeats": 4})["repeats"] == 4


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"constraints": "a < b"}, "constraints", "list"),
        ({"constraints": ["warmup <"]}, "constraints[0]", "no comparison"),
        ({"constraints": ["warmup < epochs", "warmup < steps"]}, "constraints[1]", "names steps, no hyperparameter"),
        ({"constraints": ["warmup > 100"]}, "constraints", "none of 1,000 random points"),
        ({"constraints": [7]}, "constraints[0]", "is 7"),
        ({"constraints": ["epochs < depth"], "static": {"depth": 3}}, "constraints[0]", "depth is 3"),
        ({"space": {"parameters": SPACE}}, "space", "give a list of hyperparameters"),
        ({"space": 7}, "space", "give a list of hyperparameters"),
        ({"space": [SPACE[0], SPACE[0]]}, "space[1].name", "the name of space[0] as well"),
        (
            {
                "space": [{**SPACE[0], "when": {"parameter": "kind", "in": ["a"]}}],
                "static": {"kind": "a"},
            },
            "space[0].when.parameter",
            "'kind', which is static",
        ),
        ({"initial_points": {}}, "initial_points", "give a list of objects"),
        ({"initial_points": [{"warmup": 1}]}, "initial_points[0]", "epochs is missing"),
        ({"initial_points": [{"warmup": 0, "epochs": 1}]}, "initial_points[0]", "outside 1 to 50"),
        ({"initial_points": [{"warmup": 1, "epochs": 1}] * 2}, "initial_points[1]", "the same point"),
        (
            {"constraints": ["warmup < epochs"], "initial_points": [{"warmup": 9, "epochs": 9}]},
            "initial_points[0]",
            "breaks the constraint warmup < epochs",
        ),
        ({"repeats": 0}, "repeats", "1 to 100"),
        ({"repeats": 101}, "repeats", "1 to 100"),
        ({"repeats": 1.5}, "repeats", "whole number"),
        ({"completion": []}, "completion", "JSON object"),
        ({"completion": {"targets": 1}}, "completion.targets", "max_not_improving"),
        ({"completion": {"target": "high"}}, "completion.target", "'high'"),
        ({"completion": {"target": True}}, "completion.target", "True"),
        ({"completion": {"target": 10**400}}, "completion.target", "objective"),
        ({"completion": {"max_not_improving": 0}}, "completion.max_not_improving", "1 to 10000"),
        ({"completion": {"converged": 2.5}}, "completion.converged", "whole number"),
        ({"completion": {"tolerance": -0.1}}, "completion.tolerance", "0 to 1"),
        ({"completion": {"max_completed": "3"}}, "completion.max_completed", "'3'"),
        ({"completion": {"max_finished": -1}}, "completion.max_finished", "-1"),
        ({"completion": {"max_gpu_hours": 0}}, "completion.max_gpu_hours", "above 0"),
        ({"completion": {"max_gpu_hours": float("nan")}}, "completion.max_gpu_hours", "nan"),
        ({"profile": "aws"}, "profile", "sagemaker, hyperdrive, modelarts"),
        ({"profile": ["sagemaker"]}, "profile", "or null"),
        ({"profile": "sagemaker", "strategy": {"name": "tpe"}}, "strategy.name", "Amazon"),
        ({"profile": "hyperdrive", "space": SPACE[:1]}, "space[0].type", "linear integer from 1"),
        ({"strategy": HYPERBAND, "early_stopping": {"name": "median"}}, "early_stopping", "leave it out"),  # C18
        ({"strategy": {"name": "hyperband"}}, "strategy.options.max_resource", "no static hyperparameter"),  # F45
    ],
)
def test_each_fault_names_its_field(changes, field, says):
    found = refused(**changes)
    assert set(found) == {field}
    assert says in found[field]


def test_all_faults_at_once():
    found = refused(
        name="",
        constraints=["warmup <", "1 < 2"],
        repeats=0,
        completion={"target": "x", "converged": 0},
        profile="aws",
        limits={"max_trials": 0},
    )
    assert found.keys() == {
        "name", "constraints[0]", "constraints[1]", "repeats", "completion.target", "completion.converged", "profile",
        "limits.max_trials",
    }  # fmt: skip


def test_a_profiles_faults_are_told_with_the_others():
    found = refused(profile="modelarts", repeats=0, strategy={"name": "random"})
    assert found.keys() == {"repeats", "strategy.name", "space[0].type", "space[1].type"}


def test_a_wrong_space_still_tells_what_else_a_profile_refuses():
    found = refused(profile="sagemaker", space=[], limits={"max_trials": 10_001})
    assert found.keys() == {"space", "limits.max_trials"}


def test_hyperband_takes_its_epochs_from_the_statics_and_keeps_them():
    """F45: pinned, so that the stored document says what runs."""
    spec = parse(document(space=SPACE[:1], strategy={"name": "hyperband"}, static={"epochs": "30"}))
    assert spec.to_json()["strategy"] == {"name": "hyperband", "options": {"max_resource": 30}}
    assert parse(spec.to_json()) == spec
    plan = strategies.planned(spec.strategy.name, spec.strategy.options, spec.initial_points, spec.repeats)
    assert isinstance(plan, Scheduler)


def test_a_profile_fills_what_the_document_leaves_open():
    """F48, F76: what the service would do, written down."""
    space = [{"name": "lr", "type": "float", "min": 0, "max": 1}]
    bare = {"space": space, "strategy": None}
    arts = parse(document(**bare, profile="modelarts")).to_json()
    assert arts["strategy"] == {"name": "bayesian", "options": {"kind": "ucb", "kappa": 2.5, "xi": 0.0}}
    assert (arts["seed"], arts["limits"]["max_trials"]) == (1, 20)
    drive = parse(document(**bare, profile="hyperdrive", limits={"max_trials": 60})).to_json()
    assert drive["limits"]["max_parallel"] == 60
    assert parse(drive).to_json() == drive


@pytest.mark.parametrize(
    ("limits", "trials"),
    [({}, 6), ({"max_trials": 6}, 6), ({"max_trials": 5}, None), ({"max_trials": None, "max_parallel": 2}, 6)],
)
def test_sagemakers_grid_has_as_many_trials_as_points(limits, trials):
    """F42: inferred, and if given it must be equal."""
    changes = {"space": CATEGORICAL, "strategy": {"name": "grid"}, "profile": "sagemaker", "limits": limits}
    if trials is None:
        assert "give 6" in refused(**changes)["limits.max_trials"]
    else:
        assert parse(document(**changes)).limits.max_trials == trials
    assert parse(document(**{**changes, "profile": None})).limits.max_trials == (limits.get("max_trials") or 10)


def test_a_grid_too_large_for_the_service_is_refused():
    values = [{"name": name, "type": "categorical", "values": list(range(30))} for name in "abc"]
    changes = {"space": values, "strategy": {"name": "grid"}, "profile": "sagemaker"}
    assert "at most 750" in refused(**changes)["limits.max_trials"]


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({}, None, ""),
        (
            {"limits": {"max_trials": 1}, "initial_points": [{"warmup": n, "epochs": 9} for n in (1, 2)]},
            "initial_points",
            "has 2 points; only 1 trials are run",
        ),
        (
            {"limits": {"max_trials": 3}, "repeats": 2, "initial_points": [{"warmup": n, "epochs": 9} for n in (1, 2)]},
            "initial_points",
            "2 times each",
        ),
        ({"completion": {"max_gpu_hours": 5}}, "completion.max_gpu_hours", "no GPUs"),
        ({"completion": {"max_gpu_hours": 5}, "resources": {"gpus": 1}}, None, ""),
        (
            {
                "profile": "hyperdrive",
                "strategy": {"name": "bayesian"},
                "space": [{"name": "x", "type": "uniform", "low": 0, "high": 1}],
            },
            "limits.max_trials",
            "20 for 1",
        ),
    ],
)
def test_advice_is_given_and_refuses_nothing(changes, field, says):
    """F47 and what is probably not meant."""
    found = advice(parse(document(**changes)))
    assert [fault.field for fault in found] == ([field] if field else [])
    assert all(says in fault.message and fault.code == "advice" for fault in found)


def test_every_choice_of_the_catalogue_is_read_back():
    for info in strategies.catalogue():
        options = {"max_resource": 9} if info.schedules else {}
        spec = parse(document(strategy={"name": info.name, "options": options}))
        assert specification.parse(spec.to_json()) == spec
