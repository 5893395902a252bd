"""Submit limits: what is asked for beyond them is refused, with their numbers. What would run beyond a limit waits
instead (`admission`)."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from hpt_web.accounts.errors import OverQuota
from hpt_web.accounts.models import Project, Quota, User
from hpt_web.accounts.pools import CPU, pools
from hpt_web.jobs.models import Attempt, TuningJob, UsageEntry
from hpt_web.jobs.sharing import capacity, ledger
from tuning.errors import Fault
from tuning.specification import JobSpec

SUBMIT_LOCK = 0x48505403  # held from the counting of jobs to the commit of one more
_PERIODS = {
    Quota.Resource.GPU_HOURS_PER_WEEK: (ledger.week_begins, "week"),
    Quota.Resource.GPU_HOURS_PER_MONTH: (ledger.month_begins, "month"),
}


def quota_faults(user: User, project: Project, spec: JobSpec, *, more_jobs: bool = True) -> list[Fault]:
    """What a job would exceed; `more_jobs`: it is not among those yet that are not over."""
    limits = _limits(user, project)
    faults = []
    for quota in limits.filter(resource=Quota.Resource.TRIALS_PER_JOB, limit__lt=spec.limits.max_trials):
        message = f"is {spec.limits.max_trials}; the quota allows {quota.limit} trials per job"
        faults.append(Fault("limits.max_trials", message, "quota"))
    if more_jobs:
        faults += [Fault("", message, "quota") for message in _queued(limits)]
    if spec.resources is not None and spec.resources.gpus:
        faults += [Fault("resources.gpus", message, "quota") for message in _gpu_hours(limits)]
    return faults


def refuse_more_jobs(user: User, project: Project) -> None:
    """Raise OverQuota if there is no room for one more job that is not over.

    Within a transaction: it holds a lock until the commit, so that of jobs that are made at once only as many are as
    the limit allows.
    """
    limits = _limits(user, project)
    if not limits.filter(resource=Quota.Resource.QUEUED_JOBS).exists():
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SUBMIT_LOCK])
    for message in _queued(limits):
        raise OverQuota(f"The job {message}.")


def gpu_faults(spec: JobSpec) -> list[Fault]:
    """A job whose trials need more GPUs than any pool has, or more of their memory, could never start."""
    if spec.resources is None or not (gpus := spec.resources.gpus):
        return []
    largest = max((pool.size for pool in pools() if pool.has_gpus), default=0)
    if not largest:
        message = f"is {gpus}; this installation has no GPUs to give, set it to 0"
    elif gpus > largest:
        message = f"is {gpus}; the largest pool of GPUs has {largest}, set it to that or less"
    elif why := capacity.never(asdict(spec.resources)):
        message = f"is {spec.resources.gpu_memory_mb}, and can never be had: {why[0].lower()}{why[1:].rstrip('.')}"
        return [Fault("resources.gpu_memory_mb", message, "unsupported")]
    else:
        return []
    return [Fault("resources.gpus", message, "unsupported")]


def _limits(user: User, project: Project) -> QuerySet[Quota]:
    scope = Q(project=project, user=None) | Q(project=None, user=user) | Q(project=project, user=user)
    return Quota.objects.filter(scope | Q(project=None, user=None)).select_related("project", "user").order_by("pk")


def _queued(limits: QuerySet[Quota]) -> list[str]:
    found = []
    for quota in limits.filter(resource=Quota.Resource.QUEUED_JOBS):
        jobs = TuningJob.objects.filter(ended_at__isnull=True)
        jobs = jobs.filter(project=quota.project) if quota.project else jobs
        jobs = jobs.filter(created_by=quota.user) if quota.user else jobs
        if (unfinished := jobs.count()) >= quota.limit:
            found.append(f"cannot be queued: {unfinished} jobs are not over yet, and the quota allows {quota.limit}")
    return found


def _gpu_hours(limits: QuerySet[Quota]) -> list[str]:
    found = []
    for quota in limits.filter(resource__in=_PERIODS):
        begins, period = _PERIODS[Quota.Resource(quota.resource)]
        since = begins()
        used = gpu_hours_since(since, project=quota.project, user=quota.user)
        if used >= quota.limit:
            found.append(
                f"cannot be given: {used:.1f} GPU-hours are used in the {period} from {since:%Y-%m-%d} on, "
                f"and the quota allows {quota.limit}"
            )
    return found


def gpu_hours_since(since: datetime, *, project: Project | None, user: User | None) -> float:
    """The GPU-hours by the ledger, and what those that run have held so far."""
    entries = UsageEntry.objects.filter(ended_at__gte=since)
    holds = ~Q(devices=[]) | ~Q(pool__in=["", CPU])
    live = Attempt.objects.filter(holds, ended_at__isnull=True).select_related("trial__job__algorithm_version")
    if project is not None:
        entries, live = entries.filter(project=project), live.filter(trial__job__project=project)
    if user is not None:
        entries, live = entries.filter(user=user), live.filter(trial__job__created_by=user)
    now = timezone.now()
    running = sum((now - attempt.created_at).total_seconds() * ledger.gpus_of(attempt) for attempt in live)
    return ledger.gpu_hours(entries) + running / 3600
