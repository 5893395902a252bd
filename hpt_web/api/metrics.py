"""What a Prometheus server scrapes: pools, teams, jobs that wait, usage, limits and stored bytes, as text.

The format is Prometheus' text exposition, version 0.0.4: for each family its help, its type and a line for each sample.
Figures are those of the pages, from the same functions. Sums of the ledger are told as counters: rows are only added to
it. What was waited and saved is told of the last days.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

from django.db.models import Count, F, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from hpt_web.accounts.models import Project, Quota, Refusal, User
from hpt_web.catalog.quotas import bytes_by_project
from hpt_web.jobs.models import EXTERNAL, Attempt, TuningJob, UsageEntry
from hpt_web.jobs.outputs.retention import stored_by_project
from hpt_web.jobs.sharing import sums
from hpt_web.jobs.sharing.counting import used
from hpt_web.jobs.sharing.queueing import Queue, queue_for

WAITS_DAYS = 1
SAVINGS_DAYS = 7
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Sample(NamedTuple):
    labels: Mapping[str, str]
    value: float


class Family(NamedTuple):
    name: str
    kind: str  # gauge or counter
    help: str
    samples: list[Sample]


def written(families: Iterable[Family]) -> str:
    """The families that have a sample, as Prometheus reads them."""
    return "".join(line for family in families if family.samples for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.help.translate(_ESCAPES)}\n# TYPE {family.name} {family.kind}\n"
    for labels, value in family.samples:
        pairs = ",".join(f'{name}="{text.translate(_ESCAPES)}"' for name, text in labels.items())
        yield f"{family.name}{f'{{{pairs}}}' if pairs else ''} {value!r}\n"


def collected(admin: User) -> list[Family]:
    """Everything, in some dozen queries; of the ledger only the last hours and, for what was saved, days are read."""
    queue = queue_for(admin)
    return [*_pools(queue), *_teams(queue), *_jobs(queue), *_ledger(), *_recent(), *_limits(), _storage()]


def _gauge(name: str, told: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> Family:
    return Family(f"hpt_{name}", "gauge", told, [Sample(labels, float(value)) for labels, value in samples])


def _counter(name: str, told: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> Family:
    return _gauge(f"{name}_total", told, samples)._replace(kind="counter")


def _pools(queue: Queue) -> list[Family]:
    pools = [({"pool": state.pool.name}, state) for state in queue.pools]
    return [
        _gauge("pool_devices", "Devices given to trials.", [(of, state.pool.size) for of, state in pools]),
        _gauge("pool_present", "Devices that the host has.", [(of, state.pool.present) for of, state in pools]),
        _gauge("pool_held", "Devices that trials hold now.", [(of, state.held) for of, state in pools]),
        _gauge("pool_missing", "Trials that could run, but wait.", [(of, state.missing) for of, state in pools]),
        _gauge("pool_waiting_jobs", "Jobs with such trials.", [(of, state.waiting_jobs) for of, state in pools]),
    ]


def _teams(queue: Queue) -> list[Family]:
    teams = [({"team": one.team, "pool": one.pool}, one) for one in queue.teams]
    borrowed = [(of, max(0.0, one.held - one.share.guaranteed)) for of, one in teams]
    return [
        _gauge("team_held", "Devices that a team holds now.", [(of, one.held) for of, one in teams]),
        _gauge("team_guaranteed", "Devices guaranteed to it.", [(of, one.share.guaranteed) for of, one in teams]),
        _gauge("team_borrowed", "What it holds beyond its guarantee.", borrowed),
    ]


def _jobs(queue: Queue) -> list[Family]:
    states = TuningJob.objects.filter(ended_at__isnull=True).order_by().values_list("project__slug", "state")
    live = Attempt.objects.filter(ended_at__isnull=True).exclude(backend=EXTERNAL).order_by()
    running = live.values_list("trial__job__project__slug", "pool").annotate(n=Count("pk"))
    waiting = [job for job in queue.jobs if job.missing > job.may_start]
    asking = TuningJob.objects.filter(project__slug__in={job.project for job in waiting}, ended_at__isnull=True)
    since = {(p, n): at for p, n, at in asking.annotate(at=Coalesce("asks_since", "created_at")).values_list(
        "project__slug", "name", "at")}  # fmt: skip
    now, oldest = timezone.now(), dict[str, float]()
    for job in waiting:
        if at := since.get((job.project, job.name)):
            oldest[job.pool] = max(oldest.get(job.pool, 0.0), (now - at).total_seconds())
    return [
        _gauge("jobs", "Jobs that are not over.",
               [({"project": p, "state": state}, n) for p, state, n in states.annotate(n=Count("pk"))]),
        _gauge("running_trials", "Trials that run on this host.",
               [({"project": p, "pool": pool}, n) for p, pool, n in running]),
        _gauge("oldest_wait_seconds", "Since when the job that waits longest asks for more of a pool.",
               [({"pool": pool}, seconds) for pool, seconds in oldest.items()]),
    ]  # fmt: skip


def _ledger() -> list[Family]:
    found = [({"project": row.project, "pool": row.pool, "outcome": row.outcome}, row) for row in sums.ever()]
    words = (
        ("attempts", "attempts", "Attempts of trials that are over, by what became of them."),
        ("usage_seconds", "seconds", "Seconds for which they held their places."),
        ("usage_gpu_seconds", "gpu_seconds", "GPU-seconds that they held."),
        ("usage_cost", "cost", "Their cost at the prices of the pools."),
    )
    return [_counter(name, told, [(of, getattr(row, figure)) for of, row in found]) for name, figure, told in words]


def _recent() -> list[Family]:
    now = timezone.now()
    lately = UsageEntry.objects.filter(ended_at__gte=now - timedelta(days=WAITS_DAYS))
    waits = lately.order_by().values_list("pool").annotate(p50=sums.Percentile("waited", part=0.5),
                                                           p95=sums.Percentile("waited", part=0.95))  # fmt: skip
    quantiles = [
        ({"pool": pool, "quantile": quantile}, value)
        for pool, p50, p95 in waits
        for quantile, value in (("0.5", p50), ("0.95", p95))
        if value is not None
    ]
    week = UsageEntry.objects.filter(ended_at__gte=now - timedelta(days=SAVINGS_DAYS))
    projects = sums.grouped(week, {"of": F("project_slug")})["of"]
    saved = [({"project": row["key"] or ""}, row) for row in projects]
    told = f"that early stopping saved in {SAVINGS_DAYS} days, an estimate."
    return [
        _gauge("wait_seconds", f"From a free place to the start, of what ended in {WAITS_DAYS} day.", quantiles),
        _gauge("saved_seconds", f"Seconds {told}", [(of, row["saved_seconds"]) for of, row in saved]),
        _gauge("saved_gpu_seconds", f"GPU-seconds {told}", [(of, row["saved_gpu_seconds"]) for of, row in saved]),
    ]


def _limits() -> list[Family]:
    quotas = list(Quota.objects.select_related("project", "user").order_by("pk"))
    counted = used(quotas)
    found = [
        (
            {
                "resource": quota.resource,
                "project": quota.project.slug if quota.project else "",
                "user": quota.user.username if quota.user else "",
                "pool": quota.pool,
            },
            quota,
        )
        for quota in quotas
    ]
    refused = Refusal.objects.order_by().values_list("resource").annotate(n=Sum("count"))
    return [
        _gauge("quota_limit", "A limit; empty labels: of all.", [(of, quota.limit) for of, quota in found]),
        _gauge("quota_used", "What counts towards it now.", [(of, counted[quota.pk]) for of, quota in found]),
        _counter("quota_refusals", "Requests that a limit refused.", [({"resource": of}, n) for of, n in refused]),
    ]


def _storage() -> Family:
    catalogue, trials, slugs = bytes_by_project(), stored_by_project(), dict(Project.objects.values_list("pk", "slug"))
    found = [({"project": slugs[pk], "kind": "catalogue"}, size) for pk, size in catalogue.items() if pk in slugs]
    for pk, sizes in trials.items():
        if pk in slugs:
            found.append(({"project": slugs[pk], "kind": "outputs"}, sizes.outputs))
            found.append(({"project": slugs[pk], "kind": "checkpoints"}, sizes.checkpoints))
    return _gauge("stored_bytes", "Datasets and code, logs and outputs, and checkpoints.", found)
