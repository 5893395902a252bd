"""What runs and what waits, as one person may see it: jobs of their projects by name, all others as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hpt_web.accounts.access import visible_projects
from hpt_web.accounts.models import User
from hpt_web.accounts.pools import CPU, PoolInfo
from hpt_web.jobs.sharing import capacity
from hpt_web.jobs.sharing.admission import Demand, Grant


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job that is not over. It runs `running` trials, each with `devices` of its pool, and `missing` more could run;
    `may_start` begin in the next moment, the others wait, and `reason` says why."""

    project: str
    name: str
    user: str
    team: str
    pool: str
    devices: int
    running: int
    missing: int
    may_start: int
    place: int | None
    reason: str
    starts_in: float | None


@dataclass(slots=True)
class PoolState:
    """A pool with what trials hold of it, and what of that is held and wanted by jobs that the person may not see."""

    pool: PoolInfo
    held: int = 0
    waiting_jobs: int = 0
    missing: int = 0
    others: dict[str, int] = field(default_factory=lambda: {"jobs": 0, "held": 0, "missing": 0})


@dataclass(frozen=True, slots=True)
class Queue:
    pools: Sequence[PoolState]
    jobs: Sequence[QueuedJob]


def queue_for(user: User) -> Queue:
    """The queue as of now: those that wait in the order of their places, then those that want nothing more."""
    now = capacity.situation()
    grants = now.plan()
    visible = set(visible_projects(user).values_list("slug", flat=True))
    states = {pool.name: PoolState(pool) for pool in now.pools}
    jobs = []
    for demand in now.demands:
        grant = grants[demand.job]
        seen = demand.project in visible
        _count(states, demand, grant, seen=seen)
        if seen:
            jobs.append(_queued(demand, grant))
    jobs.sort(key=lambda job: (job.pool, job.place is None, job.place or 0))
    return Queue(list(states.values()), jobs)


def _count(states: dict[str, PoolState], demand: Demand, grant: Grant, *, seen: bool) -> None:
    for holding in demand.running:
        for pool, held in ((holding.pool, holding.devices), (CPU, 0 if holding.pool == CPU else 1)):
            if state := states.get(pool):
                state.held += held
                state.others["held"] += 0 if seen else held
    if state := states.get(demand.pool):
        state.waiting_jobs += grant.missing > 0
        state.missing += grant.missing
        state.others["jobs"] += not seen
        state.others["missing"] += 0 if seen else grant.missing


def _queued(demand: Demand, grant: Grant) -> QueuedJob:
    return QueuedJob(
        project=demand.project,
        name=demand.name,
        user=demand.user,
        team=demand.team,
        pool=demand.pool,
        devices=demand.devices,
        running=demand.live,
        missing=grant.missing,
        may_start=grant.start,
        place=grant.place or None,
        reason=grant.reason,
        starts_in=grant.starts_in,
    )
