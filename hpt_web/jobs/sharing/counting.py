"""What counts towards each limit now: the numbers that stand beside the limits, for many of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db.models import Count, Max, Sum

from hpt_web.accounts.models import Quota
from hpt_web.accounts.pools import CPU
from hpt_web.catalog.models import DatasetVersion, StoredBundle
from hpt_web.jobs.models import EXTERNAL, Attempt, TuningJob
from hpt_web.jobs.sharing import ledger
from hpt_web.jobs.sharing.stored import of_trials

Resource = Quota.Resource


class _Amount(NamedTuple):
    """So much of a person in a project; of devices, of that pool."""

    project: int | None
    user: int
    amount: float
    pool: str = ""


def used(quotas: Sequence[Quota]) -> dict[int, float]:
    """By the ids of the limits; a fixed number of queries, whatever their number. Of the trials per job it is the most
    that a job asks for which is not over."""
    amounts = {resource: list(_amounts(Resource(resource))) for resource in {quota.resource for quota in quotas}}
    found = {}
    for quota in quotas:
        counted = [each.amount for each in amounts[quota.resource] if _counts(each, quota)]
        most = quota.resource == Resource.TRIALS_PER_JOB
        found[quota.pk] = max(counted, default=0.0) if most else sum(counted)
    return found


def _counts(amount: _Amount, quota: Quota) -> bool:
    return (
        quota.project_id in (None, amount.project)
        and quota.user_id in (None, amount.user)
        and quota.pool == amount.pool
    )


def _amounts(resource: Quota.Resource) -> Iterable[_Amount]:
    if resource in (Resource.RUNNING_TRIALS, Resource.DEVICES):
        return _running(devices=resource == Resource.DEVICES)
    if resource in (Resource.QUEUED_JOBS, Resource.TRIALS_PER_JOB):
        jobs = TuningJob.objects.filter(ended_at__isnull=True).order_by().values("project_id", "created_by_id")
        amount = Count("pk") if resource == Resource.QUEUED_JOBS else Max("max_trials")
        return [_Amount(*row) for row in jobs.annotate(n=amount).values_list("project_id", "created_by_id", "n")]
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
