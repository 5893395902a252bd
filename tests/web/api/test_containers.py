"""What administrators decide of containers: the network of an algorithm's trials; and what they see of the host."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from hpt_web.accounts.models import AuditEvent
from hpt_web.jobs.models import Trial
from hpt_web.jobs.running import dispatch, launching
from tests import factories
from tests.factories import World, algorithm_document
from tests.web.api.kit import Api

LINE = "projects/lab/algorithms/line"


def test_a_network_is_an_administrators_to_grant(alice: Api, bob: Api, root: Api) -> None:
    for other in (alice, bob):
        answer = other.patch(LINE, {"network": "training", "description": "mine"})
        assert (answer.status, answer.json["type"]) == (403, "forbidden")
    assert alice.get(LINE).json["network"] == alice.get(LINE).json["description"] == "", "nothing half done"
    assert root.patch(LINE, {"network": "training"}).json["network"] == "training"
    assert bob.get(LINE).json["network"] == "training", "everybody sees it"
    assert alice.patch(LINE, {"description": "new"}).json["network"] == "training"
    assert root.patch(LINE, {"network": ""}).json["network"] == ""
    events = AuditEvent.objects.filter(action="algorithm.network").order_by("id")
    assert [(event.actor.username, event.data["network"]) for event in events if event.actor] == [
        ("root", "training"),
        ("root", ""),
    ]


@pytest.mark.parametrize("network", ["host", "default", "container:other", "a/b", "-x", "slirp4netns"])
def test_the_hosts_own_network_is_nobodys_to_grant(root: Api, network: str) -> None:
    answer = root.patch(LINE, {"network": network})
    assert (answer.status, list(answer.fields)) == (400, ["network"])


def test_only_containers_are_put_into_it(world: World) -> None:
    line = world.job.algorithm_version.algorithm
    line.network = "training"
    line.save()
    trial = Trial.objects.create(job=world.job, number=9, hyperparameters={"lr": 0.1})
    attempt = dispatch.write_attempt(trial)
    assert launching.launch_spec(attempt).network is None
    attempt.backend = launching.CONTAINER
    attempt.trial.job.spec["image"] = "sha256:" + "0" * 64
    attempt.trial.job.algorithm_version.algorithm.refresh_from_db()
    spec = launching.launch_spec(attempt)
    assert (spec.network, spec.image) == ("training", "sha256:" + "0" * 64)
    assert spec.command[0] == "python3"
    assert spec.entrypoint == ()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"runs_in": "moon"}, "runs_in"),
        ({"base_image": "a b"}, "base_image"),
        ({"runs_in": "process", "base_image": "python:3"}, "base_image"),
        ({"source": {"image": "team/train:1"}, "entry_point": "", "runs_in": "process"}, "runs_in"),
        ({"source": {"image": "team/train:1"}, "entry_point": "", "base_image": "python:3"}, "base_image"),
    ],
)
def test_a_version_that_could_run_nowhere_is_refused(alice: Api, changes: dict[str, object], field: str) -> None:
    answer = alice.post(f"{LINE}/versions", algorithm_document(**changes))
    assert (answer.status, list(answer.fields)) == (400, [field])


def test_a_base_image_is_part_of_what_runs(alice: Api) -> None:
    made = [alice.post(f"{LINE}/versions", algorithm_document(**own)).json for own in ({}, {"base_image": "python:3"})]
    assert made[0]["digest"] != made[1]["digest"]
    assert (made[1]["base_image"], made[1]["runs_in"]) == ("python:3", None)


def test_without_an_engine_a_job_in_containers_is_refused(alice: Api, settings: Settings) -> None:
    settings.HPT_DOCKER = ""
    for own, field in (({}, "image"), ({"image": "python:3"}, "image")):
        answer = alice.post("projects/lab/job-checks", factories.job_document(name="new", runs_in="container", **own))
        faults = {fault["field"]: fault["message"] for fault in answer.json["faults"]}
        assert list(faults) == [field]
    assert "HPT_DOCKER" in faults["image"]


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"keep_alive_seconds": 60}, "these trials run as processes, and only a container is kept for the next"),
        ({"keep_alive_seconds": 3601}, "3600"),
        ({"keep_alive_seconds": -1}, "0"),
        ({"keep_alive_seconds": "soon"}, "soon"),
    ],
)
def test_what_cannot_be_kept_alive_is_refused(alice: Api, resources: dict[str, object], said: str) -> None:
    answer = alice.post("projects/lab/job-checks", factories.job_document(name="new", resources=resources))
    faults = [fault for fault in answer.json["faults"] if fault["field"] == "resources.keep_alive_seconds"]
    assert said in " ".join(fault["message"] for fault in faults)


def test_a_container_is_kept_for_its_own_job_alone(world: World) -> None:
    """And a document that was stored before there was such a thing keeps none."""
    attempt = dispatch.write_attempt(Trial.objects.create(job=world.job, number=9, hyperparameters={"lr": 0.1}))
    attempt.trial.job.spec["image"] = "sha256:" + "0" * 64
    attempt.trial.job.spec["resources"] = {"cpus": 1, "memory_mb": None, "gpus": 0, "keep_alive_seconds": 60}
    assert (launching.launch_spec(attempt).pool, launching.launch_spec(attempt).keep_alive_seconds) == ("", 0)
    attempt.backend = launching.CONTAINER
    spec = launching.launch_spec(attempt)
    assert (spec.pool, spec.keep_alive_seconds) == (str(world.job.pk), 60)
    del attempt.trial.job.spec["resources"]["keep_alive_seconds"]
    assert launching.launch_spec(attempt).keep_alive_seconds == 0


def test_the_host_is_shown_to_administrators(root: Api, alice: Api, settings: Settings) -> None:
    settings.HPT_GPUS, settings.HPT_DOCKER = "0:80GB", "unix:///nowhere/docker.sock"
    assert alice.get("host").status == 403
    host = root.get("host").json
    assert [(gpu["id"], gpu["memory_bytes"], gpu["busy"]) for gpu in host["gpus"]] == [("0", 80 * 10**9, None)]
    assert host["images"] is None
    assert host["engine"] == "unix:///nowhere/docker.sock"
    assert "does not answer" in host["concerns"][0]
