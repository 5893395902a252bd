"""Ask and tell over REST: who may, what it looks like, and an access key's way through a whole job."""

from __future__ import annotations

from typing import Any

import pytest

from hpt_web.jobs import tasks
from hpt_web.jobs.running import dispatch
from tests import factories
from tests.factories import World
from tests.web.api.kit import Api

ASK = "projects/lab/jobs/second/ask"
TRIAL = "projects/lab/jobs/second/trials/1"


@pytest.fixture
def script(world: World, monkeypatch: pytest.MonkeyPatch) -> Api:
    """Alice's script, with a job to run; the workers' part is done at once."""

    def advance(job: int, *, parents: bool = False) -> None:
        dispatch.advance(job)

    monkeypatch.setattr(tasks, "nudge", advance)
    factories.algorithm_version(
        world.alice, "lab", "notebook", source={"external": True}, entry_point="", metrics=[{"name": "f1"}], channels=[]
    )
    api = Api(bearer=factories.access_key(world.alice)[1])
    document = factories.job_document(
        name="second", algorithm={"name": "notebook"}, channels={}, limits={"max_trials": 2, "max_parallel": 1}
    )
    assert api.post("projects/lab/jobs", document).status == 201
    return api


@pytest.mark.django_db(transaction=True)
def test_a_script_with_a_key_runs_a_job(script: Api) -> None:
    for number, value in ((1, 0.25), (2, 0.5)):
        asked = script.post(ASK, {"n": 1})
        assert asked.status == 200
        (handed,) = asked.json["trials"]
        assert handed["number"] == number and handed["hyperparameters"].keys() == {"lr", "depth"}
        assert (asked.json["wait"], asked.json["state"]) == (None, "Running")
        at = f"projects/lab/jobs/second/trials/{number}"
        report = {"attempt": handed["attempt"], "points": [{"value": value, "step": 3}]}
        answer = script.post(f"{at}/report", report)
        assert answer.json == {"stop": False, "pause": False, "reason": "Go on.", "numbers": {}, "stored": 1}
        told = script.post(f"{at}/tell", {"attempt": handed["attempt"]})
        assert (told.status, told.json["state"], told.json["objective"]) == (200, "Completed", value)
        assert script.get(f"{at}/metrics").json["items"][0]["steps"] == [3]
        assert script.get(f"{at}/logs").json["text"] == ""
    over = script.post(ASK)
    assert over.json == {"trials": [], "wait": None, "state": "Completed"}
    assert script.get("projects/lab/jobs/second").json["best"] == {"trial": 2, "objective": 0.5}
    assert len(script.get("projects/lab/jobs/second/snapshot").json["trials"]["number"]) == 2


@pytest.mark.django_db(transaction=True)
def test_only_editors_ask_and_tell(script: Api, alice: Api, bob: Api, vera: Api, charlie: Api, nobody: Api) -> None:
    assert bob.post(ASK).json["trials"][0]["number"] == 1  # bob edits, and what he was handed out alice may tell of
    calls: list[tuple[str, dict[str, Any]]] = [
        (ASK, {}),
        (f"{TRIAL}/report", {"attempt": 1, "points": [{"value": 0.5}]}),
        (f"{TRIAL}/tell", {"attempt": 1, "value": 0.5}),
    ]
    for path, body in calls:
        for person, status in ((nobody, 401), (charlie, 404), (vera, 403)):
            assert person.post(path, body).status == status
            assert person.post(path, {"nonsense": 1}).status == status, "a stranger learns nothing from faults"
    assert alice.get(f"{TRIAL}/metrics").json["items"] == []
    assert alice.post(f"{TRIAL}/tell", {"attempt": 1, "value": 0.5}).status == 200


@pytest.mark.django_db(transaction=True)
def test_faults_and_conflicts_are_told(script: Api, alice: Api) -> None:
    assert alice.post(ASK, {"n": "two"}).fields.keys() == {"n"}
    assert alice.post(ASK, [1]).status == 400
    assert alice.post(ASK).status == 200
    assert alice.post(f"{TRIAL}/report", {"attempt": 1, "points": [{"value": None}]}).fields.keys() == {
        "points[0].value"
    }
    assert alice.call("POST", f"{TRIAL}/tell", raw=b'{"attempt": 1, "value": NaN}').status == 400
    assert alice.post("projects/lab/jobs/second/trials/9/tell", {"attempt": 1, "value": 1}).status == 404
    assert alice.post(f"{TRIAL}/tell", {"attempt": 1, "value": 0.5}).status == 200
    again = alice.post(f"{TRIAL}/tell", {"attempt": 1, "value": 0.75})
    assert again.status == 409 and "was told of at" in again.json["detail"]
    hosted = alice.post("projects/lab/jobs/first/ask")
    assert hosted.status == 409 and "run by the service itself" in hosted.json["detail"]


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"source": {"external": True, "image": "a:1"}}, {"source"}),
        ({"source": {"external": False}}, {"source"}),
        ({"source": {"external": "yes"}}, {"source.external", "source"}),
        ({"entry_point": "train.py"}, {"entry_point"}),
        ({"environment": {"A": "1"}}, {"environment"}),
        ({"metrics": []}, {"metrics"}),
        ({"metrics": [{"name": ""}, {"name": "a", "pattern": "x"}]}, {"metrics[0].name", "metrics[1].pattern"}),
    ],
)
def test_what_is_wrong_with_an_external_version(alice: Api, changes: dict[str, Any], faults: set[str]) -> None:
    document = factories.algorithm_document(source={"external": True}, metrics=[{"name": "f1"}])
    del document["entry_point"]
    answer = alice.post("projects/lab/algorithms/line/versions", document | changes)
    assert answer.status == 400 and faults <= answer.fields.keys()


def test_an_external_version(alice: Api) -> None:
    document = factories.algorithm_document(source={"external": True}, metrics=[{"name": "f1", "regex": "("}])
    del document["entry_point"]
    made = [alice.post("projects/lab/algorithms/line/versions", document).json for _ in range(2)]
    assert made[0]["kind"] == "external"
    assert made[0]["source"] == {"bundle": None, "image": None, "files": [], "external": True}
    assert made[0]["metrics"] == [{"name": "f1", "regex": ""}]
    assert made[0]["digest"] != made[1]["digest"], "nobody knows what runs elsewhere: a new version is another thing"
    number = made[0]["number"]
    assert alice.get(f"projects/lab/algorithms/line/versions/{number}/file?name=train.py").status == 404
