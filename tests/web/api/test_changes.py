"""Pausing, resuming, extending, running again and files over REST: what it looks like, and what is told."""

from __future__ import annotations

import io
import tarfile
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from hpt_web.jobs import tasks
from hpt_web.jobs.models import Attempt
from hpt_web.jobs.outputs import retention
from hpt_web.jobs.running import dispatch, launching
from hpt_web.jobs.running.follow import Follower
from tests import factories
from tests.factories import World
from tests.web.api.kit import Api
from tests.web.jobs.scripted import ScriptedBackend

JOB = "projects/lab/jobs/second"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> ScriptedBackend:
    scripted = ScriptedBackend()
    monkeypatch.setattr(launching, "backend", lambda: scripted)
    return scripted


@pytest.fixture
def follower(world: World, backend: ScriptedBackend, bob: Api, monkeypatch: pytest.MonkeyPatch) -> Follower:
    """The workers' part is done at once; bob's job `second` runs its first trial."""

    def nudge(job: int, *, parents: bool = False) -> None:
        dispatch.advance(job)

    monkeypatch.setattr(tasks, "nudge", nudge)
    document = factories.job_document(name="second", spot=True, limits={"max_trials": 2, "max_parallel": 1})
    assert bob.post("projects/lab/jobs", document).status == 201
    return Follower("test", backend, nudge)


def live() -> str:
    return Attempt.objects.get(trial__job__name="second", ended_at__isnull=True).token


def finish(backend: ScriptedBackend, follower: Follower, exit_code: int = 0) -> None:
    token = live()
    backend.prints(token, "f1=0.5\n")
    backend.ends(token, exit_code)
    follower.claim()


def test_a_job_is_paused_changed_and_goes_on(bob: Api, backend: ScriptedBackend, follower: Follower) -> None:
    paused = bob.post(f"{JOB}/pause", {"mode": "now"})
    assert (paused.status, paused.json["state"], paused.json["reason"]) == (200, "Paused", "Paused by bob.")
    assert bob.get("projects/lab/jobs?state=Paused").json["items"][0]["name"] == "second"
    changed = bob.patch(JOB, {"limits": {"max_trials": 3, "max_equal_failures": None}, "keep": {"best": 2}})
    assert changed.status == 200
    assert changed.json["max_trials"] == 3 and changed.json["state"] == "Paused"
    assert changed.json["specification"]["limits"]["max_equal_failures"] is None
    assert changed.json["specification"]["keep"] == {"best": 2, "last": 1}
    backend.ends(live(), 0, ended_by="stop")
    follower.claim()
    assert bob.post(f"{JOB}/unpause").json["state"] == "Running"
    again = bob.post(f"{JOB}/unpause")
    assert again.status == 409 and "is Running, not paused" in again.json["detail"]
    decisions = bob.get(f"{JOB}/decisions").json["items"]
    assert {"pause", "change", "resume"} <= {decision["kind"] for decision in decisions}
    bad = bob.patch(JOB, {"limits": {"max_trials": 0}, "seed": 3})
    assert bad.status == 400 and bad.fields.keys() == {"limits.max_trials", "seed"}


def test_a_stopped_job_is_resumed_and_a_finished_one_extended(
    bob: Api, backend: ScriptedBackend, follower: Follower
) -> None:
    assert bob.post(f"{JOB}/stop").status == 200
    backend.ends(live(), 0, ended_by="stop")
    follower.claim()
    assert bob.get(JOB).json["state"] == "Stopped"
    assert bob.post(f"{JOB}/resume", {}).json["state"] == "Running"
    for _ in range(2):
        finish(backend, follower)
    assert bob.get(JOB).json["state"] == "Completed"
    refused = bob.patch(JOB, {"limits": {"max_parallel": 2}})
    assert refused.status == 409 and "over again at once" in refused.json["detail"]
    assert bob.patch(JOB, {"limits": {"max_trials": 3}}).json["state"] == "Running"


def test_trials_run_again(bob: Api, backend: ScriptedBackend, follower: Follower) -> None:
    finish(backend, follower, exit_code=3)
    finish(backend, follower)
    at = f"{JOB}/trials"
    assert bob.get(f"{at}/1").json["checkpoint"] is False
    refused = bob.post(f"{at}/1/retry", {"from": "checkpoint"})
    assert refused.status == 409 and "run it again from scratch" in refused.json["detail"]
    assert bob.post(f"{JOB}/retry", {"from": "nowhere"}).fields.keys() == {"from"}
    retried = bob.post(f"{JOB}/retry")
    assert (retried.status, retried.json["state"]) == (200, "Running")
    assert bob.get(f"{at}/1").json["failure"] == ""
    assert bob.get(JOB).json["reopened"] is True
    finish(backend, follower)
    first, second = bob.get(f"{at}/1").json["attempts"]
    assert (first["number"], first["superseded"], second["number"], second["resumed"]) == (1, True, 2, False)
    assert (second["pool"], second["devices"]) == ("cpu", [])
    copy = bob.post(f"{at}/2/rerun")
    assert copy.status == 201
    assert copy.json["origin"] == {"job": "second", "trial": 2, "continues": False}
    assert copy.json["seed"] == bob.get(f"{at}/2").json["seed"]
    finish(backend, follower)
    clone = bob.post(f"{at}/2/clone", {"hyperparameters": {"lr": 0.05}})
    assert (clone.status, clone.json["hyperparameters"], clone.json["number"]) == (201, {"lr": 0.05}, 4)
    wrong = bob.post(f"{at}/2/clone", {"hyperparameters": {"lr": 5}})
    assert wrong.status == 400 and wrong.fields.keys() == {"hyperparameters"}
    finish(backend, follower)
    job = bob.get(JOB).json
    assert (job["state"], job["reopened"], job["max_trials"]) == ("Completed", False, 4)


def test_only_an_administrator_preempts(world: World, bob: Api, backend: ScriptedBackend, follower: Follower) -> None:
    at = f"{JOB}/trials/1/preempt"
    refused = bob.post(at)
    assert refused.status == 403 and "administrator" in refused.json["detail"]
    root = Api(world.root)
    stopping = root.post(at, {"reason": "maintenance"}).json
    assert stopping["state"] == "Stopping" and "may take up to 120 s to save its work" in stopping["reason"]
    (attempt,) = stopping["attempts"]
    left = datetime.fromisoformat(attempt["stops_by"]) - timezone.now()
    assert 60 < left.total_seconds() <= 120
    backend.ends(live(), 0, ended_by="stop")
    follower.claim()
    first = root.get(f"{JOB}/trials/1").json
    assert [attempt["outcome"] for attempt in first["attempts"]] == ["preempted", None]
    assert [attempt["stops_by"] for attempt in first["attempts"]] == [None, None]


def test_files_are_listed_downloaded_and_counted(
    vera: Api, charlie: Api, backend: ScriptedBackend, follower: Follower
) -> None:
    folder = backend.folder(live())
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "weights.pt").write_bytes(b"123")
    (folder / "model" / "latest.pt").symlink_to("weights.pt")
    (folder / "model" / "log").symlink_to("../log")
    (folder / "log").write_text("f1=0.5\n")
    finish(backend, follower)
    retention.clear()
    at = f"{JOB}/trials/1/artifacts"
    listed = vera.get(at).json
    assert (listed["attempt"], listed["truncated"], listed["discarded_at"]) == (1, False, None)
    assert [(item["path"], item["bytes"]) for item in listed["items"]] == [("model/weights.pt", 3)]
    assert listed["links"] == [{"path": "model/latest.pt", "target": "weights.pt"}]
    reason = "a link to '../log', which may lead out of its folder"
    assert listed["left_out"] == [{"path": "model/log", "reason": reason}]
    file = vera.get(f"{at}/file?path=model/weights.pt")
    assert (file.status, file.content) == (200, b"123")
    assert file.headers["Content-Disposition"] == 'attachment; filename="weights.pt"'
    for path in ("model/../log", "../../secrets/django", "log", ""):
        assert vera.get(f"{at}/file?path={path}").status == 404
    archive = vera.get(f"{at}/model.tar.gz")
    assert archive.headers["Content-Disposition"] == 'attachment; filename="model.tar.gz"'
    with tarfile.open(fileobj=io.BytesIO(archive.content)) as packed:
        link, member = packed.getmembers()
        assert (link.name, link.linkname) == ("latest.pt", "weights.pt")
        assert (member.name, packed.extractfile(member).read()) == ("weights.pt", b"123")  # type: ignore[union-attr]
    assert vera.get(f"{at}/output.tar.gz").status == vera.get(f"{at}/log.tar.gz").status == 404
    assert charlie.get(f"{at}/model.tar.gz").status == 404
    assert vera.get(f"{at}?attempt=7").status == 404
    assert charlie.get(at).status == 404
    kept = 3 + len("f1=0.5\n") + len("weights.pt") + len("../log")  # a link's text is on the disk too
    assert vera.get(JOB).json["bytes"] == {"checkpoints": 0, "outputs": kept}
    storage: dict[str, Any] = vera.get("projects/lab/storage").json
    assert storage["outputs"] == kept and [job["job"] for job in storage["jobs"]] == ["second"]


def test_a_job_continues_a_trial_and_says_what_it_cannot(
    bob: Api, backend: ScriptedBackend, follower: Follower
) -> None:
    folder = backend.plays[live()].spec.checkpoints
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model").write_text("weights")
    finish(backend, follower)
    document = factories.job_document(name="third", static={"depth": 4}, resume_child_runs=["second/1", "second/9"])
    refused = bob.post("projects/lab/job-checks", document).json
    assert [fault["field"] for fault in refused["faults"]] == ["resume_child_runs[1]"]
    assert refused["advice"][0]["message"] == "ran with depth = 3, and goes on with 4"
    made = bob.post("projects/lab/jobs", {**document, "resume_child_runs": ["second/1"]})
    assert made.status == 201 and made.json["specification"]["resume_child_runs"] == ["second/1"]
    trial = bob.get("projects/lab/jobs/third/trials/1").json
    assert trial["origin"] == {"job": "second", "trial": 1, "continues": True} and trial["objective"] == 0.5
