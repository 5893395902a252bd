"""What a Prometheus server scrapes: in its format, equal to what the pages say, and for administrators alone."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db.models import Sum
from django.utils import timezone
from pytest_django.fixtures import Settings

from hpt_web.accounts.actions import set_quota
from hpt_web.api.metrics import Family, Sample, written
from hpt_web.jobs.models import LedgerSums, TuningJob, UsageEntry
from hpt_web.jobs.sharing import sums
from tests import factories
from tests.factories import World
from tests.web.api.kit import Api

PAIR = r'[a-z_]+="(?:[^"\\\n]|\\["\\n])*"'
LINE = re.compile(rf"(?P<name>[a-z_]+)(?:\{{(?P<labels>{PAIR}(?:,{PAIR})*)\}})? (?P<value>[0-9.e+-]+)")


def read(text: str) -> dict[str, dict[str, float]]:
    """By family and labels; whatever is no line of the format fails."""
    found: dict[str, dict[str, float]] = {}
    typed: set[str] = set()
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("#"):
            _, word, name, *_ = line.split(" ", 3)
            assert word in ("HELP", "TYPE")
            typed.add(name)
            continue
        match = LINE.fullmatch(line)
        assert match and match["name"] in typed, line
        samples = found.setdefault(match["name"], {})
        assert (match["labels"] or "") not in samples, "each series once"
        samples[match["labels"] or ""] = float(match["value"])
    return found


@pytest.fixture
def root(world: World) -> Api:
    return Api(bearer=factories.access_key(world.root, scopes=["read"])[1])


def scrape(root: Api) -> dict[str, dict[str, float]]:
    answer = root.get("metrics")
    assert (answer.status, answer.media_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return read(answer.content.decode())


def test_figures_are_those_of_the_pages(root: Api, alice: Api, world: World, settings: Settings) -> None:
    settings.HPT_TRIAL_SLOTS, settings.HPT_GPUS = 4, "0:80GB,1:80GB"
    job = TuningJob.objects.get(name="first")
    row = {"job": job, "job_name": job.name, "project": job.project, "project_slug": "lab", "user": job.created_by,
           "trial_number": 1, "attempt_number": 1, "ended_at": timezone.now() - timedelta(hours=1)}  # fmt: skip
    for seconds, outcome in ((100.0, "completed"), (50.0, "completed"), (7.0, "failed")):
        UsageEntry.objects.create(
            **row, pool="gpu-80gb", devices=2, seconds=seconds, gpu_seconds=2 * seconds, cost=1.5, waited=seconds,
            outcome=outcome,
        )  # fmt: skip
    set_quota(actor=world.root, resource="storage_bytes", limit=1000, project=world.lab)
    found = scrape(root)
    assert found["hpt_pool_devices"] == {'pool="cpu"': 4, 'pool="gpu-80gb"': 2}
    of = 'project="lab",pool="gpu-80gb",outcome="{}"'
    assert found["hpt_attempts_total"][of.format("completed")] == 2
    assert (
        found["hpt_usage_gpu_seconds_total"] | {of.format("completed"): 300, of.format("failed"): 14}
        == (found["hpt_usage_gpu_seconds_total"])
    )
    assert sum(found["hpt_usage_seconds_total"].values()) == root.get("usage").json["total"]["seconds"]
    assert found["hpt_wait_seconds"]['pool="gpu-80gb",quantile="0.5"'] == 50
    quota = 'resource="storage_bytes",project="lab",user="",pool=""'
    stored = alice.get("projects/lab/storage").json["total"]
    assert (found["hpt_quota_limit"][quota], found["hpt_quota_used"][quota]) == (1000, stored)
    assert sum(size for of, size in found["hpt_stored_bytes"].items() if '"lab"' in of) == stored
    assert alice.get("metrics").status == 403


def test_the_ledger_is_read_once_and_every_row_counts(root: Api, world: World) -> None:
    def enter(hours: float, seconds: float, outcome: str = "completed") -> None:
        UsageEntry.objects.create(
            job_name="first", project=world.lab, project_slug="lab", user=world.alice, trial_number=1, attempt_number=1,
            ended_at=timezone.now() - timedelta(hours=hours), pool="cpu", devices=1, seconds=seconds,
            gpu_seconds=0, outcome=outcome,
        )  # fmt: skip

    def told() -> dict[str, float]:
        seconds = scrape(root)["hpt_usage_seconds_total"]
        assert sum(seconds.values()) == UsageEntry.objects.aggregate(held=Sum("seconds"))["held"]
        return {of.split('"')[5]: value for of, value in seconds.items() if 'project="lab"' in of}

    sums.add_up()  # of nothing
    for hours, seconds in ((50, 1.5), (2, 2.5), (0.1, 4)):
        enter(hours, seconds)
    before = told()
    sums.add_up()
    known = LedgerSums.objects.get()
    assert UsageEntry.objects.filter(pk__gt=known.last_entry).count() == 1, "the newest may not be the last to come"
    assert told() == before
    enter(0, 8), enter(1.5, 16, "failed")
    assert told() == {"completed": 16, "failed": 16}
    for _ in range(2):
        sums.add_up()
    assert told() == {"completed": 16, "failed": 16} and LedgerSums.objects.get().last_entry > known.last_entry
    UsageEntry.objects.filter(pk__lte=known.last_entry).update(seconds=0)
    assert sum(row.seconds for row in sums.ever()) == 32, "those are not read again"


def test_labels_are_escaped_and_empty_families_left_out() -> None:
    text = written(
        [Family("hpt_a", "gauge", "One\nline.", [Sample({"x": 'a"b\\c\nd'}, 1.0)]), Family("hpt_b", "gauge", "", [])]
    )
    assert text == '# HELP hpt_a One\\nline.\n# TYPE hpt_a gauge\nhpt_a{x="a\\"b\\\\c\\nd"} 1.0\n'
    assert list(read(text)) == ["hpt_a"]
