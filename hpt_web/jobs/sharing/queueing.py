"""What runs and what waits, as one person may see it: jobs of their projects by name, all others as numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings

from hpt_web.accounts.access import visible_projects
from hpt_web.accounts.models import Team, User
from hpt_web.accounts.pools import CPU, PoolInfo
from hpt_web.jobs.models import EXTERNAL, Attempt, TuningJob
from hpt_web.jobs.sharing import capacity
from hpt_web.jobs.sharing.admission import Demand, Grant, Share
from hpt_web.jobs.sharing.capacity import Situation
from tuning.states import JobState


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job that is not over. It runs `running` trials, each with `devices` of its pool, and `missing` more could run;
    `may_start` begin in the next moment, the others wait, and `reason` says why."""

    project: str
    name: str
    user: str
    team: str
    pool: str
    devices: float
    running: int
    missing: int
    may_start: int
    place: int | None
    reason: str
    starts_in: float | None
    spot: bool
    giving_way: int  # trials of others that were asked for their places


@dataclass(slots=True)
class PoolState:
    """A pool with what trials hold of it, and what of that is held and wanted by jobs that the person may not see."""

    pool: PoolInfo
    held: float = 0
    waiting_jobs: int = 0
    missing: int = 0
    others: dict[str, float] = field(default_factory=lambda: {"jobs": 0, "held": 0, "missing": 0})


@dataclass(frozen=True, slots=True)
class Holder:
    """A running trial on this host and what it holds: of so many devices the part `share`; whose it is only if the
    person may see it. One of a pool of GPUs takes a slot of the host besides. `giving_way`: it was asked for its
    place, and ends in a moment."""

    pool: str
    devices: int
    share: float
    gpus: Sequence[str]
    spot: bool
    giving_way: bool
    kept_container: bool
    project: str | None = None
    job: str | None = None
    user: str | None = None
    trial: int | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a team stands in a pool; `used_seconds` are device-seconds, of which half is forgotten with every half-life.
    The team is empty for the projects that are in none."""

    team: str
    pool: str
    share: Share
    held: float
    used_seconds: float
    priority: int


@dataclass(frozen=True, slots=True)
class Queue:
    pools: Sequence[PoolState]
    jobs: Sequence[QueuedJob]
    holders: Sequence[Holder]
    teams: Sequence[Standing]
    half_life_days: float


def reason_of(job: TuningJob) -> str:
    """Why a job starts no more now. Its row has the words of its last step; who holds what it waits for may have
    changed since, so of one that waits for room the plan is asked."""
    held_back = job.waits or job.lacks_image or job.stop_requested_at is not None
    waits_for_room = job.reason and job.state == JobState.RUNNING and not held_back
    grant = capacity.planned(job.pk) if waits_for_room else None
    return job.reason if grant is None else grant.text


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
    return Queue(
        pools=list(states.values()),
        jobs=jobs,
        holders=_holders(visible),
        teams=_standings(now, _visible_teams(user)),
        half_life_days=settings.HPT_HALF_LIFE_DAYS,
    )


def _holders(visible: Collection[str]) -> list[Holder]:
    """The oldest first; what others hold, without whose it is and since when."""
    live = Attempt.objects.filter(ended_at__isnull=True).exclude(backend=EXTERNAL).order_by("pk")
    rows = live.values_list(
        "pool", "device_count", "share", "devices", "trial__job__spec__spot", "stop_kind", "kept_container",
        "trial__job__project__slug", "trial__job__name", "trial__job__created_by__username", "trial__number",
        "created_at",
    )  # fmt: skip
    found = []
    for pool, count, share, gpus, spot, stop_kind, kept, *whose in rows:
        held = pool, count, share, gpus, bool(spot), stop_kind == Attempt.StopKind.PREEMPT, kept
        found.append(Holder(*held, *(whose if whose[0] in visible else ())))
    return found


def _visible_teams(user: User) -> dict[str, int]:
    """Those of one's own projects, with their priorities; an administrator sees all, but not by a key that is held to a
    project."""
    key = user.origin.access_key
    if user.is_superuser and (key is None or key.project_id is None):
        return {"": 0, **dict(Team.objects.values_list("name", "priority"))}
    found = visible_projects(user).values_list("team__name", "team__priority")
    return {name or "": priority or 0 for name, priority in found}


def _standings(now: Situation, visible: Mapping[str, int]) -> list[Standing]:
    held: dict[tuple[str, str], float] = {}
    for demand in now.demands:
        for holding in demand.running:
            for pool, count in ((holding.pool, holding.devices), (CPU, 0 if holding.pool == CPU else 1)):
                held[demand.team, pool] = held.get((demand.team, pool), 0) + count
    used: dict[tuple[str, str], float] = {}
    for (team, _, pool), seconds in now.usage.items():
        used[team, pool] = used.get((team, pool), 0.0) + seconds
    known = {pool.name for pool in now.pools}
    found = sorted(of for of in {*now.shares, *held, *used} if of[0] in visible and of[1] in known)
    return [
        Standing(*of, now.shares.get(of, Share()), held.get(of, 0), used.get(of, 0.0), visible[of[0]]) for of in found
    ]


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
        spot=demand.spot,
        giving_way=len(grant.preempts),
    )
