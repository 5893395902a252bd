"""Submit limits: what is asked for beyond them is refused, with their numbers. What would run beyond a limit waits
instead (`admission`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from django.db import connection
from django.db.models import Q, QuerySet

from hpt_web.accounts.errors import Invalid
from hpt_web.accounts.models import Project, Quota, User
from hpt_web.accounts.pools import PoolInfo, pools
from hpt_web.jobs.models import TuningJob
from hpt_web.jobs.sharing import capacity, devices, ledger, placing
from hpt_web.jobs.sharing.placing import Terms
from hpt_web.jobs.sharing.stored import storage_faults
from tuning.errors import Fault
from tuning.specification import JobSpec, Resources

SUBMIT_LOCK = 0x48505403  # held from the counting of jobs to the commit of one more


class Exceeded(Fault):
    """What a limit refuses; its row goes along for those who count, and is not told."""

    quota: Quota

    @classmethod
    def by(cls, quota: Quota, field: str, message: str) -> Exceeded:
        fault = cls(field, message, "quota")
        object.__setattr__(fault, "quota", quota)  # a fault is frozen
        return fault


def quota_faults(user: User, project: Project, spec: JobSpec) -> list[Fault]:
    """What a new job would exceed."""
    return [*bound_faults(user, project, spec), *more_faults(user, project, spec)]


def more_faults(user: User, project: Project, spec: JobSpec, *, more_jobs: bool = True) -> list[Fault]:
    """What stands against more trials, beside the bounds of a single job; `more_jobs`: the job is not among those yet
    that are not over."""
    limits = _limits(user, project)
    faults: list[Fault] = []
    if more_jobs:
        faults += [Exceeded.by(quota, "", message) for quota, message in _queued(limits)]
        for quota in limits.filter(resource=Quota.Resource.STORAGE_BYTES):
            faults += [Exceeded.by(quota, "", message) for message in storage_faults(quota)]
    if spec.resources is not None and spec.resources.gpus:
        faults += [Exceeded.by(quota, "resources.gpus", message) for quota, message in _gpu_hours(limits)]
    return faults


def bound_faults(user: User, project: Project, spec: JobSpec, before: JobSpec | None = None) -> list[Fault]:
    """What a single job asks for beyond its bounds; of one that is changed only what is more than `before`."""
    asked, had = _asked(spec), {} if before is None else _asked(before)
    more = {resource: number for resource, number in asked.items() if before is None or number > had[resource]}
    faults: list[Fault] = []
    for quota in _limits(user, project).filter(resource__in=list(more)):
        if more[quota.resource] > quota.limit:
            field, what = _BOUNDS[quota.resource]
            allowed = f"{quota.limit} {what.format('' if quota.limit == 1 else 's')}"
            message = f"is {more[quota.resource]}; the quota of {quota.whose} allows {allowed}"
            faults.append(Exceeded.by(quota, field, message))
    return faults


def _asked(spec: JobSpec) -> dict[str, int]:
    limits = spec.limits
    return {
        Quota.Resource.TRIALS_PER_JOB: limits.max_trials,
        Quota.Resource.PARALLEL_PER_JOB: limits.max_parallel,
        Quota.Resource.SECONDS_PER_TRIAL: limits.trial_seconds,
        Quota.Resource.GPUS_PER_TRIAL: spec.resources.gpus if spec.resources is not None else 0,
    }


# Limits on single jobs: the member of a document that each bounds, and of what it allows so many, {} for a plural's s.
_BOUNDS = {
    str(Quota.Resource.TRIALS_PER_JOB): ("limits.max_trials", "trial{} per job"),
    str(Quota.Resource.PARALLEL_PER_JOB): ("limits.max_parallel", "trial{} of a job at once"),
    str(Quota.Resource.SECONDS_PER_TRIAL): ("limits.trial_seconds", "second{} per trial"),
    str(Quota.Resource.GPUS_PER_TRIAL): ("resources.gpus", "GPU{} per trial"),
}


def refuse_more_jobs(user: User, project: Project) -> None:
    """Raise Invalid, as `quota_faults` would have it, if there is no room for one more job that is not over.

    Within a transaction: it holds a lock until the commit, so that of jobs that are made at once only as many are as
    the limit allows.
    """
    limits = _limits(user, project)
    if not limits.filter(resource=Quota.Resource.QUEUED_JOBS).exists():
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SUBMIT_LOCK])
    if faults := [Exceeded.by(quota, "", message) for quota, message in _queued(limits)]:
        raise Invalid(faults)


def place_faults(user: User, project: Project, spec: JobSpec) -> list[Fault]:
    """A pool that is not there or not for this job; trials that need more GPUs than there are, or more of their
    memory, and could never start."""
    if spec.resources is None or (spec.resources.pool is None and not spec.resources.gpus):
        return []
    resources, found = asdict(spec.resources), pools()
    terms = capacity.terms_for(user, project)
    if spec.resources.pool is not None:
        able = placing.choices(resources, found, terms)
        pool = next((pool for pool in found if pool.name == spec.resources.pool), None)
        if problem := _problem_with(pool, spec.resources, terms):
            shown = f"{spec.resources.pool!r}, {problem}; {_remedy(able)}"
            return [Fault("resources.pool", f"is {shown}", "unknown" if pool is None else "invalid")]
    return _device_faults(spec.resources, found) or _share_faults(spec.resources, found, terms)


def _problem_with(pool: PoolInfo | None, resources: Resources, terms: Terms) -> str:
    if pool is None:
        return "which is no pool of this installation"
    if pool.has_gpus and not resources.gpus:
        return "whose devices are GPUs, and resources.gpus is 0: set it to 1 or more"
    if resources.gpus and not pool.has_gpus:
        return f"which has no GPUs, and resources.gpus is {resources.gpus}"
    asked = asdict(resources)
    if not placing.fits(asked, pool):
        memory = f" with {pool.memory_bytes:,} bytes each" if resources.gpu_memory_mb and pool.memory_bytes else ""
        return f"which has {pool.size} of its devices for trials{memory}, less than each trial asks for"
    if not placing.may_hold(asked, pool, terms):
        return f"of which the project may hold {terms.most[pool.name]} at once, less than each trial asks for"
    return ""


def _remedy(able: Sequence[PoolInfo]) -> str:
    if not able:
        return "leave it out, or ask an administrator for a share of one"
    return f"choose {' or '.join(f'{pool.name!r} ({pool.size})' for pool in able)}, or leave it out"


def _device_faults(resources: Resources, found: Sequence[PoolInfo]) -> list[Fault]:
    if not (gpus := resources.gpus):
        return []
    largest = max((pool.size for pool in found if pool.has_gpus), default=0)
    if not largest:
        message = f"is {gpus}; this installation has no GPUs to give, set it to 0"
    elif gpus > largest:
        message = f"is {gpus}; the largest pool of GPUs has {largest}, set it to that or less"
    elif why := devices.never(asdict(resources), placing.pool_of(asdict(resources), found)):
        message = f"is {resources.gpu_memory_mb}, and can never be had: {why[0].lower()}{why[1:].rstrip('.')}"
        return [Fault("resources.gpu_memory_mb", message, "unsupported")]
    else:
        return []
    return [Fault("resources.gpus", message, "unsupported")]


def _share_faults(resources: Resources, found: Sequence[PoolInfo], terms: Terms) -> list[Fault]:
    """Of trials with GPUs whose pool is not named: of each pool in which they fit the project may hold too little."""
    if not resources.gpus or resources.pool is not None or placing.choices(asdict(resources), found, terms):
        return []
    fit = [pool.name for pool in found if pool.has_gpus and placing.fits(asdict(resources), pool)]
    may = ", ".join(f"{terms.most.get(name, 0)} of pool {name!r}" for name in fit)
    remedy = "ask for less, or have an administrator raise that share or limit"
    return [Fault("resources.gpus", f"is {resources.gpus}; the project may hold {may} at once: {remedy}", "quota")]


def _limits(user: User, project: Project) -> QuerySet[Quota]:
    scope = Q(project=project, user=None) | Q(project=None, user=user) | Q(project=project, user=user)
    return Quota.objects.filter(scope | Q(project=None, user=None)).select_related("project", "user").order_by("pk")


def _queued(limits: QuerySet[Quota]) -> list[tuple[Quota, str]]:
    found = []
    for quota in limits.filter(resource=Quota.Resource.QUEUED_JOBS):
        jobs = TuningJob.objects.filter(ended_at__isnull=True)
        jobs = jobs.filter(project=quota.project) if quota.project else jobs
        jobs = jobs.filter(created_by=quota.user) if quota.user else jobs
        if (unfinished := jobs.count()) >= quota.limit:
            unended = f"{unfinished} {'job is' if unfinished == 1 else 'jobs are'} not over yet"
            message = f"cannot be queued: {unended}, and the quota of {quota.whose} allows {quota.limit}"
            found.append((quota, message))
    return found


def _gpu_hours(limits: QuerySet[Quota]) -> list[tuple[Quota, str]]:
    found = []
    for quota in limits.filter(resource__in=ledger.PERIODS):
        period, begins, _ = ledger.PERIODS[Quota.Resource(quota.resource)]
        since = begins()
        used = ledger.gpu_hours_of(quota, ledger.gpu_hours_since(since))
        if used >= quota.limit:
            message = (
                f"cannot be given: {used:.1f} GPU-hours are used in the {period} from {since:%Y-%m-%d} on, "
                f"and the quota of {quota.whose} allows {quota.limit}"
            )
            found.append((quota, message))
    return found
