"""Algorithms and their versions: every fault of the document at once, immutable, equivalence only by an owner (F9)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, transaction

from hpt_web.accounts.models import AuditEvent
from hpt_web.catalog.models import AlgorithmVersion, DatasetVersion
from hpt_web.jobs.models import JobChannel, Trial
from hpt_web.jobs.running import dispatch, launching
from tests import factories
from tests.factories import SCRIPT, World, algorithm_document
from tests.web.api.kit import Answer, Api

VERSIONS = "projects/lab/algorithms/line/versions"
NO_DIGEST = "sha256:" + "0" * 64


def add(api: Api, **changes: Any) -> Answer:
    return api.post(VERSIONS, algorithm_document(**changes))


def test_a_version_is_stored_complete_with_its_defaults(alice: Api) -> None:
    answer = add(alice, resources={"gpus": 1}, environment={"OMP_NUM_THREADS": "1"})
    assert answer.status == 201
    version = answer.json
    assert (version["number"], version["kind"], version["created_by"]) == (2, "script", "alice")
    assert version["source"]["files"] == [{"name": "train.py", "size": len(SCRIPT)}]
    assert version["resources"] == {"cpus": 1.0, "memory_mb": None, "gpus": 1, "gpu_memory_mb": None} | {
        "pool": None,
        "keep_alive_seconds": 0,
    }
    assert version["channels"] == [{"name": "train", "required": True, "description": ""}]
    assert version["strategies"] == []  # any
    assert version["hyperparameters"][1] == {
        "name": "depth", "type": "integer", "default": 3, "min": 1, "max": 10, "values": None, "tunable": True,
        "description": "",
    }  # fmt: skip
    assert alice.get(f"{VERSIONS}/2").json == version
    assert alice.get("projects/lab/algorithms/line").json["latest_version"] == version
    assert alice.get(f"{VERSIONS}/2/file?name=train.py").json == {
        "name": "train.py",
        "text": SCRIPT,
        "truncated": False,
    }
    assert alice.get(f"{VERSIONS}/2/file?name=../secrets").status == 404


def test_the_digest_is_that_of_what_runs(alice: Api) -> None:
    first = alice.get(f"{VERSIONS}/1").json["digest"]
    same = add(alice, hyperparameters=[], metrics=[{"name": "loss", "regex": "(x)"}], objectives=[])
    assert same.json["digest"] == first  # what it declares does not change what runs
    script = {"source": {"files": {"train.py": "print(2)"}}}
    variable = {"environment": {"DEPTH": "2"}}
    entry = {"source": {"files": {"train.py": SCRIPT, "b.py": ""}}, "entry_point": "b.py"}
    digests = {add(alice, **change).json["digest"] for change in (script, variable, entry)}
    assert len(digests | {first}) == 4


def test_a_bundle_is_used_by_its_digest(alice: Api) -> None:
    bundle = alice.upload("projects/lab/bundles?filename=train.py", SCRIPT.encode()).json["digest"]
    assert add(alice, source={"bundle": bundle}).json["digest"] == alice.get(f"{VERSIONS}/1").json["digest"]


def test_the_bundle_of_another_project_is_not_there(charlie: Api, world: World) -> None:
    """Who knows a digest has not got what is behind it."""
    bundle = AlgorithmVersion.objects.get().bundle
    charlie.post("projects/other/algorithms", {"name": "mine"})
    answer = charlie.post("projects/other/algorithms/mine/versions", algorithm_document(source={"bundle": bundle}))
    assert set(answer.fields) == {"source.bundle"}


def test_an_image_needs_no_entry_point(alice: Api) -> None:
    document = algorithm_document(source={"image": "registry.example.org:5000/team/train:1.2"})
    del document["entry_point"]
    answer = alice.post(VERSIONS, document)
    assert (answer.status, answer.json["kind"], answer.json["source"]["files"]) == (201, "image", [])


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"source": None}, "source"),
    ({"source": {}}, "source"),
    ({"source": {"files": {"a.py": ""}, "image": "a"}}, "source"),
    ({"source": {"files": {}}}, "source.files"),
    ({"source": {"files": {"train.py": 5}}}, "source.files['train.py']"),
    ({"source": {"files": {"../train.py": ""}}, "entry_point": "../train.py"}, "source.files"),
    ({"source": {"files": {"a.py": "", "A.py": ""}}}, "source.files"),
    ({"source": {"bundle": "sha256:1"}}, "source.bundle"),
    ({"source": {"bundle": NO_DIGEST}}, "source.bundle"),
    ({"source": {"image": "team/UPPER"}}, "source.image"),
    ({"source": {"image": "a b; rm -rf /"}}, "source.image"),
    ({"source": {"image": "--privileged"}}, "source.image"),
    ({"source": {"git": "x"}}, "source.git"),
    ({"entry_point": None}, "entry_point"),
    ({"entry_point": "other.py"}, "entry_point"),
    ({"entry_point": "train"}, "entry_point"),
    ({"metrics": []}, "metrics"),
    ({"metrics": [{"name": "f1", "regex": "(a"}]}, "metrics[0].regex"),
    ({"metrics": [{"name": "f1", "regex": "no group"}]}, "metrics[0].regex"),
    ({"metrics": [{"name": "f1", "regex": "(a)(b)"}]}, "metrics[0].regex"),
    ({"metrics": [{"name": "f1", "regex": "(a)\\1"}]}, "metrics[0].regex"),
    ({"metrics": [{"name": "f1", "regex": "(" + "a" * 512 + ")"}]}, "metrics[0].regex"),
    ({"metrics": [{"name": "f1", "regex": "(a)"}] * 2}, "metrics[1].name"),
    ({"objectives": [{"metric": "none", "goal": "maximize"}]}, "objectives[0].metric"),
    ({"objectives": [{"metric": "f1", "goal": "up"}]}, "objectives[0].goal"),
    ({"objectives": [{"metric": "f1", "goal": "maximize"}] * 2}, "objectives[1].metric"),
    ({"strategies": "tpe"}, "strategies"),
    ({"strategies": ["tpe"] * 100}, "strategies"),
    ({"strategies": ["tpe", "luck"]}, "strategies[1]"),
    ({"strategies": ["tpe", "tpe"]}, "strategies[1]"),
    ({"hyperparameters": {}}, "hyperparameters"),
    ({"hyperparameters": ["lr"]}, "hyperparameters[0]"),
    ({"hyperparameters": [{"type": "float"}]}, "hyperparameters[0].name"),
    ({"hyperparameters": [{"name": "-x", "type": "float"}]}, "hyperparameters[0].name"),
    ({"hyperparameters": [{"name": "a b", "type": "float"}]}, "hyperparameters[0].name"),
    ({"hyperparameters": [{"name": "x", "type": "double"}]}, "hyperparameters[0].type"),
    ({"hyperparameters": [{"name": "x", "type": "float"}] * 2}, "hyperparameters[1].name"),
    ({"hyperparameters": [{"name": "x", "type": "float", "min": 2, "max": 1}]}, "hyperparameters[0].min"),
    ({"hyperparameters": [{"name": "x", "type": "float", "min": "low"}]}, "hyperparameters[0].min"),
    ({"hyperparameters": [{"name": "x", "type": "integer", "min": 0.5}]}, "hyperparameters[0].min"),
    ({"hyperparameters": [{"name": "x", "type": "integer", "max": 10**400}]}, "hyperparameters[0].max"),
    ({"hyperparameters": [{"name": "x", "type": "float", "default": True}]}, "hyperparameters[0].default"),
    ({"hyperparameters": [{"name": "x", "type": "float", "min": 1, "default": 0}]}, "hyperparameters[0].default"),
    ({"hyperparameters": [{"name": "x", "type": "float", "values": [1]}]}, "hyperparameters[0].values"),
    ({"hyperparameters": [{"name": "x", "type": "categorical"}]}, "hyperparameters[0].values"),
    ({"hyperparameters": [{"name": "x", "type": "categorical", "values": []}]}, "hyperparameters[0].values"),
    ({"hyperparameters": [{"name": "x", "type": "categorical", "values": ["a", "a"]}]}, "hyperparameters[0].values[1]"),
    ({"hyperparameters": [{"name": "x", "type": "categorical", "values": [[]]}]}, "hyperparameters[0].values[0]"),
    ({"hyperparameters": [{"name": "x", "type": "categorical", "values": ["a"], "default": "b"}]},
     "hyperparameters[0].default"),
    ({"hyperparameters": [{"name": "x", "type": "text", "tunable": True}]}, "hyperparameters[0].tunable"),
    ({"hyperparameters": [{"name": "x", "type": "text", "default": 5}]}, "hyperparameters[0].default"),
    ({"hyperparameters": [{"name": "x", "type": "float", "tunable": "yes"}]}, "hyperparameters[0].tunable"),
    ({"hyperparameters": [{"name": "x", "type": "float", "low": 1}]}, "hyperparameters[0].low"),
    ({"hyperparameters": [{"name": f"x{n}", "type": "float"} for n in range(101)]}, "hyperparameters"),
    ({"channels": [{"name": "../train"}]}, "channels[0].name"),
    ({"channels": [{"name": "train"}, {"name": "train"}]}, "channels[1].name"),
    ({"channels": [{"name": "train", "required": 1}]}, "channels[0].required"),
    ({"channels": [{"name": "train", "content_type": 7}]}, "channels[0].content_type"),
    ({"channels": [{"name": "train_1"}, {"name": "train", "input_mode": "Pipe"}]}, "channels[0].name"),
    ({"channels": [{"name": "train", "input_mode": "Pump"}]}, "channels[0].input_mode"),
    ({"resources": {"cpus": 0}}, "resources.cpus"),
    ({"resources": {"gpus": -1}}, "resources.gpus"),
    ({"resources": {"memory": 5}}, "resources.memory"),
    ({"environment": {"HPT_X": "1"}}, "environment.HPT_X"),
    ({"environment": {"LD_PRELOAD": "/tmp/x.so"}}, "environment.LD_PRELOAD"),
    ({"environment": {"A=B": "1"}}, "environment.A=B"),
    ({"environment": {"A": 1}}, "environment.A"),
    ({"environment": ["A"]}, "environment"),
    ({"equivalent_to": 99}, "equivalent_to"),
    ({"equivalent_to": "1"}, "equivalent_to"),
    ({"colour": "red"}, "colour"),
]  # fmt: skip


def test_a_channel_may_say_what_is_in_it_and_that_files_are_wanted(alice: Api) -> None:
    channel = {"name": "train", "required": True, "description": "", "content_type": "text/csv"}
    made = add(alice, channels=[{**channel, "input_mode": "FastFile"}])
    assert (made.status, made.json["channels"]) == (201, [channel]), "it is files in any case"


def test_trials_read_a_channel_through_pipes_if_it_says_so(alice: Api, world: World) -> None:
    channels = [{"name": "train", "input_mode": "Pipe"}, {"name": "more", "input_mode": "Pipe", "required": False}]
    made = add(alice, channels=channels)
    assert [channel["input_mode"] for channel in made.json["channels"]] == ["Pipe", "Pipe"]
    plain = dispatch.write_attempt(Trial.objects.create(job=world.job, number=9, hyperparameters={"lr": 0.1}))
    assert launching.launch_spec(plain).pipes == frozenset()
    job = factories.job(world.alice, "lab", AlgorithmVersion.objects.get(number=2), "piped")
    JobChannel.objects.create(job=job, name="train", dataset_version=DatasetVersion.objects.get())
    piped = dispatch.write_attempt(Trial.objects.create(job=job, number=9, hyperparameters={"lr": 0.1}))
    spec = launching.launch_spec(piped)
    assert (spec.pipes, set(spec.channels)) == ({"train"}, {"train"}), "of those that the job has"


@pytest.mark.parametrize(("change", "field"), FAULTS, ids=[f"{n}-{field}" for n, (_, field) in enumerate(FAULTS)])
def test_a_fault_is_named_by_its_field(alice: Api, change: dict[str, Any], field: str) -> None:
    answer = add(alice, **change)
    assert answer.status == 400
    assert field in answer.fields, answer.json
    assert AlgorithmVersion.objects.count() == 1


def test_all_faults_are_named_at_once(alice: Api) -> None:
    """Those of the shape, those of the values and those that need the database."""
    answer = alice.post(
        VERSIONS,
        {
            "source": {"bundle": NO_DIGEST},
            "hyperparameters": [{"name": "", "type": "float", "min": 3, "max": 1}, 7],
            "metrics": [{"name": "f1", "regex": "("}, {"name": "", "regex": "(a)"}],
            "objectives": [{"metric": "f1", "goal": "up"}],
            "environment": {"PATH": "/tmp"},
            "equivalent_to": 5,
            "extra": None,
        },
    )
    assert set(answer.fields) == {
        "source.bundle", "entry_point", "hyperparameters[0].name", "hyperparameters[0].min", "hyperparameters[1]",
        "metrics[0].regex", "metrics[1].name", "objectives[0].goal", "environment.PATH", "equivalent_to", "extra",
    }  # fmt: skip


def test_only_an_owner_declares_versions_equivalent(alice: Api, bob: Api, world: World) -> None:
    """F9: the flag "does not affect the algorithm itself", with an audit entry."""
    change = {"source": {"files": {"train.py": "import logging\n"}}, "equivalent_to": 1}
    refused = add(bob, **change)
    assert refused.status == 403
    assert "role owner" in refused.json["detail"]
    made = add(alice, **change)
    assert made.json["equivalent_to"] == 1
    again = add(alice, source={"files": {"train.py": "import sys\n"}}, equivalent_to=2)
    identities = set(AlgorithmVersion.objects.values_list("identity", flat=True))
    assert len(identities) == 1  # through the whole chain
    assert made.json["digest"] != again.json["digest"]
    event = AuditEvent.objects.latest("id")
    assert (event.action, event.data["equivalent_to"]) == ("algorithm.add_version", 2)


def test_a_version_never_changes(world: World) -> None:
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        AlgorithmVersion.objects.update(entry_point="other.py")


def test_an_algorithm_that_a_job_used_stays(alice: Api, world: World) -> None:
    answer = alice.delete("projects/lab/algorithms/line")
    assert answer.status == 409
    assert "1 tuning job" in answer.json["detail"]


def test_an_algorithm_with_equivalent_versions_can_go(alice: Api, world: World) -> None:
    factories.algorithm_version(world.alice, "lab", name="spare")
    factories.algorithm_version(world.alice, "lab", name="spare", equivalent_to=1)
    assert alice.delete("projects/lab/algorithms/spare").status == 204


def test_strategies_and_policies_describe_their_options(alice: Api) -> None:
    strategies = {found["name"]: found for found in alice.get("strategies").json["items"]}
    assert {"random", "grid", "bayesian"} <= set(strategies)
    policies = {found["name"]: found for found in alice.get("policies").json["items"]}
    assert "median" in policies
    for entry in [*strategies.values(), *policies.values()]:
        assert entry["title"] and entry["summary"]
        assert all(option["help"] for option in entry["options"])
