"""What limits refuse is counted by limit and project, for administrators (quotas C: quota-denied requests)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from hpt_web.accounts import refusals
from hpt_web.accounts.models import Refusal
from hpt_web.jobs.models import TuningJob
from tests import factories
from tests.factories import World
from tests.web.api.kit import Api


def counted(root: Api, query: str = "") -> dict[tuple[str, str, int], tuple[int, int]]:
    """Refused requests and people, by project, limit and its number."""
    found = root.get(f"usage/refusals?{query}").json
    assert found["total"] == sum(row["refused"] for row in found["items"])
    return {(row["project"], row["resource"], row["limit"]): (row["refused"], row["people"]) for row in found["items"]}


def test_each_refused_job_counts_for_each_limit_that_it_met(root: Api, alice: Api, bob: Api) -> None:
    root.post("quotas", {"project": "lab", "resource": "queued_jobs", "limit": 0})
    root.post("quotas", {"resource": "trials_per_job", "limit": 4})
    for api in (alice, alice, bob):
        assert api.post("projects/LAB/jobs", factories.job_document(name="second")).status == 409
    document = factories.job_document(name="third", limits={"max_trials": 2, "max_parallel": 1})
    assert alice.post("projects/lab/jobs", document).status == 409
    assert counted(root) == {("lab", "queued_jobs", 0): (4, 2), ("lab", "trials_per_job", 4): (3, 2)}
    (row,) = [row for row in root.get("usage/refusals").json["items"] if row["resource"] == "queued_jobs"]
    assert row["whose"] == "project 'lab'"
    assert Refusal.objects.count() == 4  # a row for each person and limit a day


def test_what_was_only_looked_at_or_is_wrong_for_another_reason_does_not_count(root: Api, alice: Api) -> None:
    root.post("quotas", {"project": "lab", "resource": "queued_jobs", "limit": 0})
    assert alice.post("projects/lab/job-checks", factories.job_document(name="second")).json["faults"]
    assert counted(root) == {}
    for quota in root.get("quotas").json["items"]:
        root.delete(f"quotas/{quota['id']}")
    assert alice.post("projects/lab/jobs", {"name": "bad"}).status == 400
    assert counted(root) == {}


def test_changes_copies_and_uploads_are_counted_too(world: World, root: Api, alice: Api) -> None:
    TuningJob.objects.filter(pk=world.job.pk).update(ended_at=None, state="Running")
    root.post("quotas", {"project": "lab", "resource": "trials_per_job", "limit": 10})
    root.post("quotas", {"user": "alice", "resource": "storage_bytes", "limit": 0})
    job = "projects/lab/jobs/first"
    assert alice.patch(job, {"limits": {"max_trials": 11}}).status == 409
    assert alice.post(f"{job}/trials/1/rerun", {}).status == 409
    assert counted(root) == {("lab", "trials_per_job", 10): (2, 1)}
    bundle = alice.upload("projects/lab/bundles?filename=more.py", b"print('more')")
    assert bundle.status == 409
    assert counted(root)["lab", "storage_bytes", 0] == (1, 1)


def test_they_are_counted_by_day_and_forgotten_after_a_year(world: World, root: Api, alice: Api) -> None:
    def row(day: date, count: int) -> None:
        Refusal.objects.create(
            day=day, project_slug="lab", user=world.bob, resource="queued_jobs", whose="the installation", limit=0,
            count=count, last_at=datetime(day.year, day.month, day.day, tzinfo=UTC),
        )  # fmt: skip

    today = timezone.now().astimezone(UTC).date()
    for ago, count in ((0, 1), (6, 2), (7, 4), (399, 8), (refusals.KEPT_FOR.days + 1, 16)):
        row(today - timedelta(days=ago), count)
    since = f"since={today - timedelta(days=6)}"
    assert counted(root, since) == {("lab", "queued_jobs", 0): (3, 1)}
    assert counted(root, f"{since}&until={today}") == {("lab", "queued_jobs", 0): (2, 1)}
    root.post("quotas", {"resource": "queued_jobs", "limit": 0})
    alice.post("projects/lab/jobs", factories.job_document(name="second"))
    assert counted(root) == {("lab", "queued_jobs", 0): (16, 2)}
    assert root.get("usage/refusals?since=x&until=y").fields.keys() == {"since", "until"}


@pytest.mark.parametrize(("who", "status"), [("root", 200), ("alice", 403), ("bob", 403), ("charlie", 403)])
def test_only_administrators_see_them(world: World, who: Any, status: int) -> None:
    assert Api(getattr(world, who)).get("usage/refusals").status == status
