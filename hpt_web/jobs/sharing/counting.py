"""What counts towards each limit now: the numbers that stand beside the limits, for many of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Aggregate, Count, FloatField, Max, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.utils import timezone

from hpt_web.accounts.models import Quota
from hpt_web.accounts.pools import CPU
from hpt_web.catalog.models import DatasetVersion, StoredBundle
from hpt_web.jobs.models import EXTERNAL, Attempt, TuningJob
from hpt_web.jobs.sharing import ledger
from hpt_web.jobs.sharing.stored import of_trials

Resource = Quota.Resource
PACE = timedelta(days=7)  # the days that a forecast takes as a measure: a week has its weekend


def _most(path: str) -> Max:
    """Of a number in the jobs' documents; those without it do not count."""
    return Max(Cast(KT(f"spec__{path}"), FloatField()))


_OF_ONE_JOB: Mapping[str, Aggregate] = {
    Resource.TRIALS_PER_JOB: Max("max_trials"),
    Resource.PARALLEL_PER_JOB: Max("max_parallel"),
    Resource.SECONDS_PER_TRIAL: _most("limits__trial_seconds"),
    Resource.GPUS_PER_TRIAL: _most("resources__gpus"),
}


class _Amount(NamedTuple):
    """So much of a person in a project; of devices, of that pool."""

    project: int | None
    user: int
    amount: float
    pool: str = ""


def used(quotas: Sequence[Quota]) -> dict[int, float]:
    """By the ids of the limits; a fixed number of queries, whatever their number. Of limits on single jobs it is the
    most that a job asks for which is not over."""
    amounts = {resource: list(_amounts(Resource(resource))) for resource in {quota.resource for quota in quotas}}
    found = {}
    for quota in quotas:
        counted = [each.amount for each in amounts[quota.resource] if _counts(each, quota)]
        most = quota.resource in _OF_ONE_JOB
        found[quota.pk] = max(counted, default=0.0) if most else sum(counted)
    return found


class Forecast(NamedTuple):
    """Of a limit on GPU-hours: how many it will be when the period `ends`, and when the limit is reached, if it is.
    At the pace of the last days; nobody knows what people will ask for."""

    at_end: float
    ends: datetime
    reached: datetime | None


def forecasts(quotas: Sequence[Quota], counted: Mapping[int, float]) -> dict[int, Forecast]:
    """By the ids of those limits that have a period; `counted` is what `used` says."""
    timed = [quota for quota in quotas if quota.resource in ledger.PERIODS]
    if not timed:
        return {}
    now = timezone.now()
    lately = ledger.gpu_hours_since(now - PACE)
    found = {}
    for quota in timed:
        _, begins, longest = ledger.PERIODS[Resource(quota.resource)]
        ends = begins(begins() + longest)
        found[quota.pk] = forecast(counted[quota.pk], quota.limit, ledger.gpu_hours_of(quota, lately), now, ends)
    return found


def forecast(so_far: float, limit: float, lately: float, now: datetime, ends: datetime) -> Forecast:
    """`lately` are the hours within `PACE` before `now`."""
    at_end = so_far + lately * ((ends - now) / PACE)
    if so_far >= limit:
        return Forecast(at_end, ends, now)
    return Forecast(at_end, ends, now + PACE * ((limit - so_far) / lately) if at_end > limit else None)


def _counts(amount: _Amount, quota: Quota) -> bool:
    return (
        quota.project_id in (None, amount.project)
        and quota.user_id in (None, amount.user)
        and quota.pool == amount.pool
    )


def _amounts(resource: Quota.Resource) -> Iterable[_Amount]:
    if resource in (Resource.RUNNING_TRIALS, Resource.DEVICES):
        return _running(devices=resource == Resource.DEVICES)
    if resource == Resource.QUEUED_JOBS or resource in _OF_ONE_JOB:
        jobs = TuningJob.objects.filter(ended_at__isnull=True).order_by().values("project_id", "created_by_id")
        sums = jobs.annotate(n=_OF_ONE_JOB.get(resource, Count("pk")))
        return [
            _Amount(project, user, n or 0) for project, user, n in sums.values_list("project_id", "created_by_id", "n")
        ]
    if resource == Resource.STORAGE_BYTES:
        return _stored()
    _, begins, _ = ledger.PERIODS[resource]
    return [_Amount(*hours) for hours in ledger.gpu_hours_since(begins())]


def _running(*, devices: bool) -> Iterable[_Amount]:
    """Trials, or what they hold of each pool: one of a pool of GPUs takes a slot of this host besides."""
    live = Attempt.objects.filter(ended_at__isnull=True).exclude(backend=EXTERNAL)
    rows = live.values_list("trial__job__project_id", "trial__job__created_by_id", "pool", "device_count", "share")
    for project, user, pool, count, share in rows:
        if not devices:
            yield _Amount(project, user, 1)
            continue
        yield _Amount(project, user, count * share, pool)
        if pool != CPU:
            yield _Amount(project, user, 1, CPU)


def _stored() -> Iterable[_Amount]:
    for rows, project in ((DatasetVersion.objects, "dataset__project_id"), (StoredBundle.objects, "project_id")):
        sums = rows.order_by().values(project, "created_by_id").annotate(n=Sum("size"))
        yield from (_Amount(*row) for row in sums.values_list(project, "created_by_id", "n"))
    yield from (_Amount(*row) for row in of_trials())
