"""Usage: every figure is the sum of the rows that are listed, of one's own projects only (design 8)."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.utils.dateparse import parse_datetime

from hpt_web.accounts.models import Project, Team, User
from hpt_web.jobs.models import Attempt, Trial, TuningJob, UsageEntry
from hpt_web.jobs.sharing import sums
from tests import factories
from tests.factories import World
from tests.web.api.kit import Api

ALL = {"attempts", "seconds", "gpu_seconds", "cost", "wait_p50", "wait_p95", "saved_seconds", "saved_gpu_seconds"}
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def entry(world: World, number: int, **more: Any) -> UsageEntry:
    values = {
        "attempt_number": 1, "trial_number": number, "job": world.job, "job_name": "first", "project": world.lab,
        "project_slug": "lab", "user": world.alice, "pool": "cpu", "devices": 1, "seconds": 10.0 * number,
        "gpu_seconds": 0.0, "waited": 3.0 * number, "outcome": "completed", "ended_at": MONDAY + timedelta(days=number),
        "team": "vision", "priority": 3,
    }  # fmt: skip
    return UsageEntry.objects.create(**{**values, **more})


@pytest.fixture
def ledger(world: World) -> World:
    other = Project.objects.get(slug="other")
    for number in range(1, 8):
        entry(world, number)
    entry(world, 8, outcome="failed", user=world.bob, waited=None)
    entry(
        world,
        9,
        pool="a100",
        devices=4,
        gpu_seconds=360.0,
        cost=0.25,
        outcome="early_stopped",
        job=None,
        job_name="second",
    )
    Team.objects.create(name="speech", priority=9).projects.add(world.lab)  # it has moved since
    theirs: dict[str, Any] = {"project": other, "project_slug": "other", "user": world.charlie, "job_name": "theirs"}
    entry(world, 40, job=None, team="", priority=0, **theirs)
    return world


def listed(api: Api, path: str, query: str = "") -> list[dict[str, Any]]:
    """All rows, over all pages."""
    rows, cursor = [], ""
    while True:
        found = api.get(f"{path}?limit=3&{query}&cursor={cursor}").json
        rows += found["items"]
        if found["next"] is None:
            return rows
        cursor = found["next"]


def total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    waits = [row["waited"] for row in rows if row["waited"] is not None]
    added = {name: sum(row[name] for row in rows) for name in sums.ADDED if name != "attempts"}
    parts = {f"wait_p{part}": pytest.approx(float(np.percentile(waits, part))) if waits else None for part in (50, 95)}
    return {"attempts": len(rows), **added, **parts}


QUERIES = ["", "user=alice", "user=BOB", "job=second", "outcome=completed,failed", "pool=a100", "since=2026-03-05",
           "until=2026-03-05", "since=2026-03-04T00:00:00Z&until=2026-03-08T00:00:00%2B00:00&outcome=completed",
           "user=nobody"]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize(("who", "path"), [("vera", "projects/lab/usage"), ("root", "usage")])
def test_every_figure_is_the_sum_of_the_rows_listed(ledger: World, who: str, path: str, query: str) -> None:
    api = Api(getattr(ledger, who))
    rows = listed(api, f"{path}/entries", query)
    found = api.get(f"{path}?period=week&{query}").json
    assert found["total"] == total(rows)
    keys = {
        "by_project": lambda row: row["project"],
        "by_team": lambda row: row["team"],
        "by_priority": lambda row: str(row["priority"]),
        "by_user": lambda row: row["user"],
        "by_job": lambda row: f"{row['project']}/{row['job']}",
        "by_outcome": lambda row: row["outcome"],
        "by_pool": lambda row: row["pool"],
        "by_period": _week,
    }
    for name, key in keys.items():
        expected = {value: total([row for row in rows if key(row) == value]) for value in {key(row) for row in rows}}
        told = {each.pop("key"): each for each in found[name]}
        assert {key: {part: each[part] for part in each if part in ALL} for key, each in told.items()} == expected, name


def test_a_deleted_job_is_apart_from_a_new_one_of_its_name(ledger: World, alice: Api) -> None:
    for number, was in ((50, None), (60, 7), (70, 7), (80, 8)):
        entry(ledger, number, job=None, deleted_job=was)
    rows = alice.get("projects/lab/usage").json["by_job"]
    found = [(row["seconds"], row["deleted"], row["id"]) for row in rows if row["key"] == "lab/first"]
    own = (sum(10 * number for number in range(1, 9)), False, ledger.job.pk)
    assert sorted(found) == [own, (500, True, None), (800, True, 8), (1300, True, 7)]
    last = {row["id"]: row["last_at"] for row in rows}
    assert parse_datetime(last[7]) == MONDAY + timedelta(days=70)


def _week(row: dict[str, Any]) -> str:
    ended = parse_datetime(row["ended_at"])
    assert ended is not None
    return f"{ended - timedelta(days=ended.weekday()):%Y-%m-%d}"


@pytest.mark.parametrize("query", ["", "user=alice&outcome=completed"])
def test_the_file_has_the_same_rows(ledger: World, query: str) -> None:
    for api, path in ((Api(ledger.vera), "projects/lab/usage"), (Api(ledger.root), "usage")):
        answer = api.get(f"{path}/file?{query}")
        found = list(csv.DictReader(io.StringIO(answer.content.decode())))
        rows = listed(api, f"{path}/entries", query)
        texts = [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
        assert found == texts
        assert answer.headers["Content-Disposition"].startswith("attachment")


def test_the_file_is_no_spreadsheet_program(ledger: World, alice: Api) -> None:
    """A person may be called +1 and be a formula to whoever opens the file."""
    User.objects.filter(pk=ledger.bob.pk).update(username="+1")
    assert ",'+1," in alice.get("projects/lab/usage/file").content.decode()


def test_the_rows_are_the_newest_first(ledger: World, alice: Api) -> None:
    rows = listed(alice, "projects/lab/usage/entries")
    assert [row["trial"] for row in rows] == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert rows[0] | {"id": 0} == {
        "id": 0, "project": "lab", "user": "alice", "job": "second", "trial": 9, "attempt": 1, "pool": "a100",
        "devices": 4, "seconds": 90.0, "gpu_seconds": 360.0, "cost": 0.25, "waited": 27.0, "outcome": "early_stopped",
        "ended_at": "2026-03-11T00:00:00.000Z", "saved_seconds": 0.0, "saved_gpu_seconds": 0.0, "team": "vision",
        "priority": 3,
    }  # fmt: skip


@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_periods(ledger: World, alice: Api, period: str) -> None:
    keys = [row["key"] for row in alice.get(f"projects/lab/usage?period={period}").json["by_period"]]
    assert (
        keys
        == {
            "day": [f"2026-03-{day:02}" for day in range(11, 2, -1)],
            "week": ["2026-03-09", "2026-03-02"],
            "month": ["2026-03-01"],
        }[period]
    )


def test_many_keys_are_summed_beyond_the_first(ledger: World, alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "MOST_KEYS", 3)
    by_period = alice.get("projects/lab/usage?period=day").json["by_period"]
    assert [row["key"] for row in by_period] == ["2026-03-11", "2026-03-10", "2026-03-09", None]
    assert by_period[3] == {
        "key": None, "attempts": 6, "seconds": 210.0, "gpu_seconds": 0.0, "cost": 0.0, "wait_p50": None,
        "wait_p95": None, "saved_seconds": 0.0, "saved_gpu_seconds": 0.0,
    }  # fmt: skip


# --- what early stopping saved ----------------------------------------------------------------------------------------


@pytest.fixture
def stopped(world: World) -> World:
    """The trials 1 to 3 of a job were completed after 10, 20 and 30 seconds; 4 was stopped on two GPUs, 5 later than
    is typical, and 6 was paused, went on, and was given up. Another job has no completed trial."""
    ran(world.job, 1, 10)
    ran(world.job, 2, 5, outcome="lost")
    ran(world.job, 2, 5, 2, outcome="paused")
    ran(world.job, 2, 15, 3)
    ran(world.job, 3, 30)
    ran(world.job, 4, 8, outcome="early_stopped", pool="a100", devices=2, gpu_seconds=16.0)
    ran(world.job, 5, 25, outcome="early_stopped")
    ran(world.job, 6, 3, outcome="paused")
    ran(world.job, 6, 2, 2, outcome="paused")
    other = factories.job(world.alice, "lab", world.job.algorithm_version, name="second", trials=0)
    ran(other, 1, 3, outcome="early_stopped")
    return world


def ran(job: TuningJob, number: int, seconds: float, attempt: int = 1, **more: Any) -> None:
    state = "Completed" if number < 4 and job.name == "first" else "EarlyStopped"
    trial, _ = Trial.objects.get_or_create(job=job, number=number, defaults={"hyperparameters": {}})
    row, _ = Attempt.objects.get_or_create(
        trial=trial, number=attempt, defaults={"token": f"{job.pk}-{number}-{attempt}", "ended_at": MONDAY,
                                               "outcome": "exited"},
    )  # fmt: skip
    Trial.objects.filter(pk=trial.pk).update(state=state, attempt=attempt)
    values = {
        "attempt": row, "attempt_number": attempt, "trial_number": number, "job": job, "job_name": job.name,
        "project": job.project, "project_slug": job.project.slug, "user": job.created_by, "pool": "cpu", "devices": 1,
        "seconds": seconds, "gpu_seconds": 0.0, "outcome": "completed", "ended_at": MONDAY,
    }  # fmt: skip
    UsageEntry.objects.create(**{**values, **more})


def test_what_early_stopping_saved_stands_with_the_last_attempt_of_each_trial(stopped: World, alice: Api) -> None:
    rows = listed(alice, "projects/lab/usage/entries")
    found = {
        (row["job"], row["trial"], row["attempt"]): (row["saved_seconds"], row["saved_gpu_seconds"]) for row in rows
    }
    assert {key: saved for key, saved in found.items() if saved != (0, 0)} == {
        ("first", 4, 1): (12, 24),  # 20 are typical
        ("first", 6, 2): (15, 0),
    }


@pytest.mark.parametrize(
    ("query", "saved"),
    [("", 27), ("outcome=paused", 15), ("job=second", 0), ("pool=a100", 12), ("until=2026-03-01", 0)],
)
def test_what_is_typical_of_a_job_does_not_depend_on_the_rows_asked_for(
    stopped: World, alice: Api, query: str, saved: float
) -> None:
    found = alice.get(f"projects/lab/usage?{query}").json
    assert found["total"]["saved_seconds"] == saved
    for name in ("by_project", "by_team", "by_priority", "by_user", "by_job", "by_outcome", "by_pool", "by_period"):
        assert sum(row["saved_seconds"] for row in found[name]) == saved, name
    table = csv.DictReader(io.StringIO(alice.get(f"projects/lab/usage/file?{query}").content.decode()))
    assert sum(float(row["saved_seconds"]) for row in table) == saved


def test_a_job_shows_what_it_used_as_the_ledger_has_it(stopped: World, vera: Api, charlie: Api) -> None:
    for name in ("first", "second"):
        shown = vera.get(f"projects/lab/jobs/{name}").json["usage"]
        assert shown == vera.get(f"projects/lab/usage?job={name}").json["total"]
    assert charlie.get("projects/lab/jobs/first").status == 404
    assert vera.get("projects/lab/jobs/first/snapshot").json["job"]["usage"]["saved_gpu_seconds"] == 24


# --- who, and what may be asked ---------------------------------------------------------------------------------------


def test_faults_of_the_query_are_named_at_once(alice: Api) -> None:
    answer = alice.get("projects/lab/usage/entries?since=yesterday&until=2026-13-01&outcome=done,failed")
    assert answer.status == 400
    assert set(answer.fields) == {"since", "until", "outcome"}
    assert alice.get("projects/lab/usage?period=year").fields.keys() == {"period"}


@pytest.mark.parametrize("who", ["alice", "bob", "vera", "charlie", "root"])
def test_who_sees_what(ledger: World, who: str) -> None:
    person: User = getattr(ledger, who)
    for path in ("projects/lab/usage", "projects/lab/usage/entries", "projects/lab/usage/file"):
        assert Api(person).get(path).status == (404 if who == "charlie" else 200)
    for path in ("usage", "usage/entries", "usage/file"):
        assert Api(person).get(path).status == (200 if who == "root" else 403)
