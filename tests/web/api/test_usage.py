"""Usage: every figure is the sum of the rows that are listed, of one's own projects only (design 8)."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils.dateparse import parse_datetime

from hpt_web.accounts.models import Project, User
from hpt_web.api.views import usage
from hpt_web.jobs.models import UsageEntry
from tests.factories import World
from tests.web.api.kit import Api

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def entry(world: World, number: int, **more: Any) -> UsageEntry:
    values = {
        "attempt_number": 1, "trial_number": number, "job": world.job, "job_name": "first", "project": world.lab,
        "project_slug": "lab", "user": world.alice, "pool": "cpu", "devices": 1, "seconds": 10.0 * number,
        "gpu_seconds": 0.0, "outcome": "completed", "ended_at": MONDAY + timedelta(days=number),
    }  # fmt: skip
    return UsageEntry.objects.create(**{**values, **more})


@pytest.fixture
def ledger(world: World) -> World:
    other = Project.objects.get(slug="other")
    for number in range(1, 8):
        entry(world, number)
    entry(world, 8, outcome="failed", user=world.bob)
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
    entry(world, 40, project=other, project_slug="other", user=world.charlie, job=None, job_name="theirs")
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


def total(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {
        "attempts": len(rows), "seconds": sum(row["seconds"] for row in rows),
        "gpu_seconds": sum(row["gpu_seconds"] for row in rows), "cost": sum(row["cost"] for row in rows),
    }  # fmt: skip


QUERIES = ["", "user=alice", "user=BOB", "job=second", "outcome=completed,failed", "pool=a100", "since=2026-03-05",
           "until=2026-03-05", "since=2026-03-04T00:00:00Z&until=2026-03-08T00:00:00%2B00:00&outcome=completed",
           "user=nobody"]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize(("who", "path"), [("vera", "projects/lab/usage"), ("root", "usage")])
def test_every_figure_is_the_sum_of_the_rows_listed(ledger: World, who: str, path: str, query: str) -> None:
    api = Api(getattr(ledger, who))
    rows = listed(api, f"{path}/entries", query)
    sums = api.get(f"{path}?period=week&{query}").json
    assert sums["total"] == total(rows)
    keys = {
        "by_project": lambda row: row["project"],
        "by_user": lambda row: row["user"],
        "by_job": lambda row: f"{row['project']}/{row['job']}",
        "by_outcome": lambda row: row["outcome"],
        "by_pool": lambda row: row["pool"],
        "by_period": _week,
    }
    for name, key in keys.items():
        expected = {value: total([row for row in rows if key(row) == value]) for value in {key(row) for row in rows}}
        assert {found.pop("key"): found for found in sums[name]} == expected, name


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
        assert found == [{name: str(value) for name, value in row.items()} for row in rows]
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
        "devices": 4, "seconds": 90.0, "gpu_seconds": 360.0, "cost": 0.25, "outcome": "early_stopped",
        "ended_at": "2026-03-11T00:00:00.000Z",
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
    monkeypatch.setattr(usage, "MOST_KEYS", 3)
    by_period = alice.get("projects/lab/usage?period=day").json["by_period"]
    assert [row["key"] for row in by_period] == ["2026-03-11", "2026-03-10", "2026-03-09", None]
    assert by_period[3] == {"key": None, "attempts": 6, "seconds": 210.0, "gpu_seconds": 0.0, "cost": 0.0}


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
