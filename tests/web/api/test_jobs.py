"""Tuning jobs and trials over REST. What the jobs do is tested elsewhere; here is what the addresses make of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hpt_web.api.views import trials
from hpt_web.jobs.models import TuningJob
from tests import factories
from tests.factories import World, job_document
from tests.web.api.kit import Api
from tuning.states import JobState, TrialState

JOBS = "projects/lab/jobs"
FIRST = f"{JOBS}/first"


# --- creating ---------------------------------------------------------------------------------------------------------


def test_a_job_is_created_from_its_document(bob: Api) -> None:
    answer = bob.post(JOBS, job_document(name="second"))
    assert answer.status == 201
    job = answer.json
    assert (job["name"], job["state"], job["created_by"]) == ("second", "Pending", "bob")
    assert job["algorithm"] == {"name": "line", "version": 1}
    assert job["specification"]["space"][0]["scale"] == "log"
    assert job["specification"]["channels"] == {"train": {"dataset": "table", "version": 1}}
    assert (job["counts"], job["best"], job["overall_best"], job["parents"]) == ({}, None, None, [])
    assert bob.get(f"{JOBS}/second").json == job


SEARCH: dict[str, Any] = {
    "constraints": ["lr * depth < 0.5"],
    "initial_points": [{"lr": 0.01, "depth": 2}],
    "repeats": 2,
    "completion": {
        "target": 0.95,
        "max_not_improving": 5,
        "converged": 4,
        "tolerance": 0.02,
        "max_completed": 8,
        "max_finished": 9,
        "max_gpu_hours": None,
    },
    "profile": None,
}
BOTH = [
    {"name": "lr", "type": "loguniform", "low": -6, "high": -2},
    {"name": "depth", "type": "quniform", "low": 1, "high": 10, "q": 1},
]


def test_every_member_that_says_how_to_search_comes_back(bob: Api) -> None:
    answer = bob.post(JOBS, job_document(name="second", space=BOTH, static={}, **SEARCH))
    assert answer.status == 201, answer.json
    stored = answer.json["specification"]
    assert {name: stored[name] for name in SEARCH} == SEARCH
    assert [parameter["type"] for parameter in stored["space"]] == ["float", "quniform"]
    again = bob.post(JOBS, {**stored, "name": "third"})  # a clone
    assert again.status == 201, again.json
    assert again.json["specification"] == {**stored, "name": "third"}


def test_a_condition_comes_back(bob: Api) -> None:
    when = {"parameter": "depth", "in": [3, 4]}
    space = [
        {"name": "depth", "type": "choice", "range": [3, 6]},
        {"name": "lr", "type": "float", "min": 0.1, "max": 0.5, "step": 0.1, "when": when},
    ]
    answer = bob.post(JOBS, job_document(name="second", space=space, static={}))
    assert answer.status == 201, answer.json
    assert answer.json["specification"]["space"][0]["values"] == [3, 4, 5]
    assert answer.json["specification"]["space"][1]["when"] == when


def test_a_job_stored_before_these_members_has_their_defaults(vera: Api, world: World) -> None:
    world.job.spec = {name: value for name, value in world.job.spec.items() if name not in SEARCH}
    world.job.save()
    stored = vera.get(FIRST).json["specification"]
    assert (stored["constraints"], stored["initial_points"], stored["repeats"]) == ([], [], 1)
    assert stored["completion"]["target"] is None and stored["profile"] is None
    assert vera.get(f"{FIRST}/snapshot").status == 200


def test_advice_is_told_beside_the_faults(alice: Api) -> None:
    """F47."""
    uniform = [{"name": "lr", "type": "uniform", "low": 0.001, "high": 0.1}]
    drive = job_document(name="second", profile="hyperdrive", strategy={"name": "bayesian"}, space=uniform)
    checked = alice.post("projects/lab/job-checks", drive).json
    assert checked["faults"] == []
    assert [found["field"] for found in checked["advice"]] == ["limits.max_trials"]
    assert alice.post(JOBS, drive).status == 201


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"name": "FIRST"}, "name"),
    ({"name": "no spaces"}, "name"),
    ({"algorithm": {"name": "none"}}, "algorithm.name"),
    ({"channels": {}}, "channels.train"),
    ({"objective": {"metric": "f2", "goal": "maximize"}}, "objective.metric"),
    ({"space": [{"name": "lr", "type": "float", "min": 0.1, "max": 0.01}]}, "space[0].min"),
    ({"space": [{"name": "lr", "type": "float", "min": 0, "max": 1, "scale": "log"}]}, "space[0].min"),
    ({"strategy": {"name": "psychic"}}, "strategy.name"),
    ({"limits": {"max_trials": 0}}, "limits.max_trials"),
    ({"surprise": 1}, "surprise"),
    ({"constraints": ["lr <"]}, "constraints[0]"),
    ({"initial_points": [{}]}, "initial_points[0]"),
    ({"repeats": "twice"}, "repeats"),
    ({"completion": {"target": "best"}}, "completion.target"),
    ({"profile": "aws"}, "profile"),
    ({"profile": "modelarts"}, "strategy.name"),
]


@pytest.mark.parametrize(("change", "field"), FAULTS, ids=[f"{n}-{field}" for n, (_, field) in enumerate(FAULTS)])
def test_a_fault_is_named_in_both_places(alice: Api, change: dict[str, Any], field: str) -> None:
    document = job_document(**{"name": "second", **change})
    refused = alice.post(JOBS, document)
    assert refused.status == 400
    assert field in refused.fields, refused.json
    assert alice.post("projects/lab/job-checks", document).json["faults"] == refused.json["faults"]
    assert TuningJob.objects.count() == 1


def test_a_check_creates_nothing_and_shows_the_rules(alice: Api) -> None:
    warm = {"type": "IDENTICAL_DATA_AND_ALGORITHM", "parents": ["first"]}
    checked = alice.post(
        "projects/lab/job-checks", job_document(name="child", strategy={"name": "bayesian"}, warm_start=warm)
    )
    assert checked.status == 200
    rules = {rule["rule"]: rule for rule in checked.json["warm_start"]}
    assert {"F13", "F14", "F15", "F18"} <= set(rules)
    assert all(rule["detail"] for rule in rules.values())
    assert checked.json["numbers"] == {"trials": 10, "parallel": 2, "longest_seconds": 5 * 86400, "parameters": 1}
    assert TuningJob.objects.count() == 1


# --- looking ----------------------------------------------------------------------------------------------------------


def test_a_finished_job_tells_its_best(vera: Api) -> None:
    job = vera.get(FIRST).json
    assert job["counts"] == {"Completed": 3}
    assert job["best"]["trial"] == 3
    assert job["best"]["objective"] == pytest.approx(0.3)


def test_the_overall_best_is_that_of_the_family(alice: Api, world: World) -> None:
    """F10: only for IDENTICAL_DATA_AND_ALGORITHM."""
    version = world.job.algorithm_version
    for name, kind in (("same", "IDENTICAL_DATA_AND_ALGORITHM"), ("other", "TRANSFER_LEARNING")):
        child = factories.job(world.alice, "lab", version, name=name, trials=1)
        child.spec["warm_start"] = {"type": kind, "parents": ["first"]}
        child.save()
        child.parent_links.create(parent=world.job, position=0)
    same = alice.get(f"{JOBS}/same").json
    assert same["overall_best"] == {"job": "first", "trial": 3, "objective": pytest.approx(0.3)}
    assert same["parents"] == ["first"]
    assert alice.get(f"{JOBS}/other").json["overall_best"] is None
    listed = {job["name"]: job["overall_best"] for job in alice.get(JOBS).json["items"]}
    assert listed == {"same": same["overall_best"], "other": None, "first": None}
    assert alice.get(FIRST).json["children"] == ["same", "other"]


def test_jobs_are_listed_newest_first_and_filtered(alice: Api, world: World) -> None:
    version = world.job.algorithm_version
    for n in range(5):
        job = factories.job(world.alice, "lab", version, name=f"job-{n}", trials=0)
        state = JobState.RUNNING if n % 2 else JobState.FAILED
        TuningJob.objects.filter(pk=job.pk).update(created_at=job.created_at + timedelta(seconds=n), state=state)

    def names(query: str) -> list[str]:
        return [found["name"] for found in alice.get(f"{JOBS}?{query}").json["items"]]

    assert names("") == ["job-4", "job-3", "job-2", "job-1", "job-0", "first"]
    assert names("state=Running") == ["job-3", "job-1"]
    assert names("state=Running,Completed&q=F") == ["first"]
    assert names("algorithm=LINE&limit=2") == ["job-4", "job-3"]
    assert names("algorithm=none") == []
    assert set(alice.get(f"{JOBS}?state=Busy").fields) == {"state"}
    page = alice.get(f"{JOBS}?limit=4").json
    assert [found["name"] for found in alice.get(f"{JOBS}?limit=4&cursor={page['next']}").json["items"]] == [
        "job-0",
        "first",
    ]


def test_a_snapshot_is_columns_with_a_cursor(vera: Api) -> None:
    snapshot = vera.get(f"{FIRST}/snapshot").json
    assert snapshot["cursor"] == 2
    trials_ = snapshot["trials"]
    assert trials_["number"] == [1, 2, 3]
    assert trials_["state"] == ["Completed"] * 3
    assert trials_["hyperparameters"] == {"lr": pytest.approx([0.01, 0.02, 0.03])}
    assert snapshot["job"] == vera.get(FIRST).json
    rows = vera.get(f"{FIRST}/trials").json["items"]
    for column in set(trials_) - {"hyperparameters"}:
        assert trials_[column] == [row[column] for row in rows], column


def test_trials_are_filtered_by_state(vera: Api, world: World) -> None:
    factories.trial(world.job, 4, TrialState.FAILED)
    assert [found["number"] for found in vera.get(f"{FIRST}/trials?state=Failed,Lost").json["items"]] == [4]
    assert set(vera.get(f"{FIRST}/trials?state=failed").fields) == {"state"}


def test_a_trial_has_its_attempts_and_last_values(vera: Api) -> None:
    trial = vera.get(f"{FIRST}/trials/2").json
    assert trial["metrics"] == {"f1": {"step": 3, "value": pytest.approx(0.18)}}
    assert trial["static"] == {"depth": 3}
    assert trial["attempts"][0]["outcome"] == "exited"
    assert trial["attempts"][0]["exit_code"] == 0


def test_curves_are_columns_per_metric(vera: Api) -> None:
    [series] = vera.get(f"{FIRST}/trials/1/metrics").json["items"]
    assert (series["metric"], series["steps"]) == ("f1", [1, 2, 3])
    assert len(series["times"]) == 3
    assert vera.get(f"{FIRST}/trials/1/metrics?metric=none").json["items"] == []


def test_events_go_on_from_a_cursor(vera: Api) -> None:
    first = vera.get(f"{FIRST}/events?limit=1").json
    assert [event["seq"] for event in first["events"]] == [1]
    rest = vera.get(f"{FIRST}/events?since={first['cursor']}").json
    assert [event["kind"] for event in rest["events"]] == ["decision"]
    assert vera.get(f"{FIRST}/events?since={rest['cursor']}").json == {"events": [], "cursor": 2}


def test_decisions_say_why(vera: Api) -> None:
    [decision] = vera.get(f"{FIRST}/trials/2/decisions").json["items"]
    assert (decision["trial"], decision["kind"], decision["numbers"]) == (2, "suggest", {"u": 1})
    assert len(vera.get(f"{FIRST}/decisions").json["items"]) == 3


def test_what_is_over_cannot_be_stopped(alice: Api) -> None:
    for address in (f"{FIRST}/stop", f"{FIRST}/trials/1/stop"):
        answer = alice.post(address)
        assert answer.status == 409
        assert "Completed" in answer.json["detail"]


def test_a_pending_job_is_stopped_once(bob: Api, world: World) -> None:
    bob.post(JOBS, job_document(name="second"))
    assert [bob.post(f"{JOBS}/second/stop").status for _ in range(2)] == [200, 200]
    assert bob.get(f"{JOBS}/second").json["reason"] == "Stopped by bob."


# --- logs -------------------------------------------------------------------------------------------------------------


class Logs:
    """A backend of which only the logs are asked."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def log_size(self, attempt: str) -> int:
        return len(self._content)

    def read_log(self, attempt: str, offset: int, limit: int) -> bytes:
        return self._content[offset : offset + limit]


TEXT = "epoch 1 f1=0.5 ✓\nörtlich 🎉 ende\n"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "backend", lambda: Logs(TEXT.encode()))


def test_a_log_is_read_from_its_end_or_from_an_offset(vera: Api, log: None) -> None:
    size = len(TEXT.encode())
    whole = vera.get(f"{FIRST}/trials/1/logs").json
    assert whole == {"attempt": 1, "offset": 0, "next": size, "size": size, "text": TEXT, "ended": True}
    assert vera.get(f"{FIRST}/trials/1/logs?offset=-5").json["text"] == "ende\n"
    assert vera.get(f"{FIRST}/trials/1/logs?offset=8&limit=6").json["text"] == "f1=0.5"
    assert vera.get(f"{FIRST}/trials/1/logs?offset=9999").json == whole | {"offset": size, "next": size, "text": ""}
    assert vera.get(f"{FIRST}/trials/1/logs?attempt=2").status == 404


@pytest.mark.parametrize("step", range(4, 12))
def test_pieces_of_a_log_join_without_a_broken_character(vera: Api, log: None, step: int) -> None:
    text, offset = "", 0
    while offset < len(TEXT.encode()):
        piece = vera.get(f"{FIRST}/trials/1/logs?offset={offset}&limit={step}").json
        assert piece["next"] > offset
        text, offset = text + piece["text"], piece["next"]
    assert text == TEXT


def test_bytes_that_are_no_text_are_replaced(vera: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "backend", lambda: Logs(b"\x80\x80\x80\x80\xff\xfe\xc3"))
    piece = vera.get(f"{FIRST}/trials/1/logs").json
    assert set(piece["text"]) == {"\ufffd"}


def test_a_real_backend_has_no_log_before_the_first_line(vera: Api, settings: Any, tmp_path: Path) -> None:
    assert vera.get(f"{FIRST}/trials/1/logs").json["text"] == ""


# --- figures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("figure", ["progress", "parameter", "density", "curves", "usage"])
def test_figures_are_drawn_or_say_why_not(vera: Api, figure: str) -> None:
    answer = vera.get(f"projects/lab/figures/{figure}?job=first&parameter=lr").json
    assert (answer["figure"] is None) != (answer["unavailable"] is None)
    assert answer["figure"]["data"] if answer["figure"] else answer["unavailable"].endswith(".")


def test_several_jobs_are_compared(vera: Api, world: World) -> None:
    factories.job(world.alice, "lab", world.job.algorithm_version, name="second")
    figure = vera.get("projects/lab/figures/progress?job=first&job=SECOND").json["figure"]
    assert {trace["meta"]["job"] for trace in figure["data"] if "job" in trace["meta"]} == {"first", "second"}


def test_a_figure_names_its_jobs(vera: Api) -> None:
    assert vera.get("projects/lab/figures/progress").status == 400
    assert vera.get("projects/lab/figures/progress?job=none").status == 404
    assert vera.get("projects/lab/figures/progress?" + "job=first&" * 21).status == 400


# --- costs ------------------------------------------------------------------------------------------------------------

LISTS = {
    "projects": lambda world, n: factories.project(world.alice, f"p-{n}"),
    "projects/lab/members": lambda world, n: world.lab.memberships.create(
        user=factories.person(f"p-{n}"), role="viewer"
    ),
    "projects/lab/datasets": lambda world, n: factories.dataset_version(world.alice, "lab", f"d-{n}"),
    "projects/lab/datasets/table/versions": lambda world, n: factories.dataset_version(world.alice, "lab"),
    "projects/lab/algorithms": lambda world, n: factories.algorithm_version(world.alice, "lab", f"a-{n}"),
    "projects/lab/algorithms/line/versions": lambda world, n: factories.algorithm_version(world.alice, "lab"),
    "projects/lab/jobs": lambda world, n: factories.job(world.alice, "lab", world.job.algorithm_version, f"j-{n}"),
    "projects/lab/jobs/first/trials": lambda world, n: factories.trial(world.job, 10 + n),
    "projects/lab/jobs/first/decisions": lambda world, n: factories.trial(world.job, 10 + n),
    "projects/lab/jobs/first/snapshot": lambda world, n: factories.trial(world.job, 10 + n),
    "projects/lab/figures/progress?job=first": lambda world, n: factories.trial(world.job, 10 + n),
    "projects/lab/figures/curves?job=first": lambda world, n: factories.trial(world.job, 10 + n),
    "access-keys": lambda world, n: factories.access_key(world.alice, project="lab"),
}


@pytest.mark.parametrize("address", LISTS)
def test_a_list_asks_the_database_as_often_however_long_it_is(
    world: World, alice: Api, address: str, django_assert_max_num_queries: Any, django_assert_num_queries: Any
) -> None:
    LISTS[address](world, 0)
    with django_assert_max_num_queries(18) as few:
        alice.get(address)
    for n in range(1, 6):
        LISTS[address](world, n)
    with django_assert_num_queries(len(few)):
        alice.get(address)
