"""From the rows to the plan's arguments: what there is, what runs, what jobs want, what is guaranteed and limited.

The cost does not grow with trials that are over. A plan of all jobs is made when one of them may start something; many
idle ones that ask within a second share one (`likely`), as the answer is the same as long as nothing has started, ended
or been changed by a person. Under the admission lock it is asked whether it still is (`granted`), and if not, all is
planned anew.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.utils import timezone

from hpt_web.accounts.models import PoolShare, Project, Quota, User
from hpt_web.accounts.pools import CPU, PoolInfo, pools
from hpt_web.catalog.models import AlgorithmVersion
from hpt_web.jobs.models import EXTERNAL, TuningJob
from hpt_web.jobs.rows import select
from hpt_web.jobs.sharing import checking, devices, ledger, placing, waiting
from hpt_web.jobs.sharing.admission import ENTRY_SECONDS, Demand, Grant, Holding, Limit, Pool, Share, Spent, plan
from hpt_web.jobs.sharing.allotting import Floor, Wish
from hpt_web.jobs.sharing.demands import MIN_RUN_SECONDS
from hpt_web.jobs.sharing.placing import ELSEWHERE, Place, Terms
from tuning.states import JobState

# Held from the last count of what runs to the commit of what will run: no two jobs see the same free place.
ADMISSION_LOCK = 0x48505401
STARTING = [JobState.PENDING, JobState.RUNNING]  # the states in which a job may start trials
SHARED_SECONDS = 1.0

__all__ = ["ADMISSION_LOCK", "ELSEWHERE", "Place", "Situation", "demands", "grants", "likely", "situation"]

recent = ledger.Recent(ENTRY_SECONDS)


class Situation(NamedTuple):
    """The plan's arguments."""

    pools: Sequence[PoolInfo]
    demands: Sequence[Demand]
    shares: Mapping[tuple[str, str], Share]
    limits: Sequence[Limit]
    usage: Mapping[tuple[str, str, str], float]
    spent: Sequence[Spent]
    places: Mapping[int, Place]  # by the job's id
    wishes: Mapping[int, Wish | None]  # for devices, by the job's id
    unchecked: Collection[int] = ()  # the jobs whose first trial is checked before the rest start
    most: Mapping[int, int] = {}  # how many trials each job would ever run at once, by its id
    others: Mapping[int, Sequence[PoolInfo]] = {}  # where else the trials of jobs that name no pool could run

    @property
    def roomy(self) -> bool:
        """Whether each job has room for all that it would ever run at once, however many the others run."""
        if any(self.wishes.values()) or self.unchecked or self.spent:
            return False
        fullest = [replace(one, wanted=max(one.live, self.most[one.job])) for one in self.demands]
        return not any(grant.missing or grant.reason for grant in self._replace(demands=fullest).plan().values())

    def plan(self) -> dict[int, Grant]:
        found = [_pool(pool) for pool in self.pools]
        floor = devices.floor(self.wishes, self.demands)
        terms: dict[str, Any] = {"shares": self.shares, "limits": self.limits, "usage": self.usage}
        planned = plan(found, self.demands, spent=self.spent, floor=floor, **terms)
        if floor is not None:
            planned |= {job: self._with_others(job, planned[job], floor) for job in self.others}
        for job in self.unchecked:
            if not planned[job].missing:
                planned[job] = replace(planned[job], reason=checking.REASON)
        return planned

    def _with_others(self, job: int, grant: Grant, floor: Floor) -> Grant:
        """Of a job that waits, and could have named a pool that has room: with this in its reason."""
        if not grant.missing or grant.start:
            return grant
        idle = floor.elsewhere(job, {pool.name: devices.of_pool(pool) for pool in self.others[job]})
        return replace(grant, reason=f"{grant.reason} {waiting.elsewhere(idle)}") if idle else grant


def _pool(pool: PoolInfo) -> Pool:
    min_run = MIN_RUN_SECONDS if pool.min_run_seconds is None else pool.min_run_seconds
    return Pool(pool.name, pool.size, CPU if pool.has_gpus else "", min_run)


def situation(asking: int = 0, seen: Seen | None = None) -> Situation:
    """All of it, in a fixed number of queries; the job `asking` would take whatever it gets. `seen` is what has just
    been seen, if it has."""
    stamps, running = seen or _seen()
    found, shares, quotas = _declared(stamps)
    jobs = _jobs()
    limits = _limits(quotas)
    places, wishes, others = {}, {}, {}
    for job, row in jobs.items():
        of = row["project__slug"], row["created_by__username"], row["project__team__name"] or ""
        terms = placing.terms_of(*of, shares, limits)
        places[job] = placing.place(_resources(row), found, terms)
        wishes[job] = devices.wish(_resources(row), placing.pool_of(_resources(row), found, terms))
        if wishes[job] is not None and _resources(row).get("pool") is None:
            able = placing.choices(_resources(row), found, terms)
            others[job] = [pool for pool in able if pool.name != places[job].pool]
    unchecked = checking.unchecked([job for job, row in jobs.items() if row["spec__check_first"]])
    for job in unchecked:
        jobs[job]["max_parallel"] = 1
    demands = [_demand(row, running.get(job, ()), places[job], asks=job == asking) for job, row in jobs.items()]
    spent = ledger.spent(quotas)
    # Usage decides between those who want a place: of one nobody need ask, but who shows it.
    usage = _usage(jobs, running) if seen is None or sum(one.wanted > one.live for one in demands) > 1 else {}
    most = {job: row["max_parallel"] if row["state"] in STARTING else 0 for job, row in jobs.items()}
    return Situation(found, demands, shares, limits, usage, spent, places, wishes, unchecked, most, others)


def demands(asking: int = 0) -> list[Demand]:
    """What every job that is not over runs and wants."""
    return list(situation(asking).demands)


# --- grants -----------------------------------------------------------------------------------------------------------


class Seen(NamedTuple):
    """What changes whenever a trial starts or ends, or a person changes anything."""

    stamps: tuple[object, ...]  # the newest changes by people, and what is declared, as numbers
    running: Mapping[int, Sequence[_Running]]  # what live attempts on this host hold, by the job's id

    def same(self, other: Seen) -> bool:
        """Whether the same runs, and nobody has changed anything."""
        return self.stamps == other.stamps and self._attempts() == other._attempts()

    def _attempts(self) -> list[int]:
        return [held.attempt for attempts in self.running.values() for held in attempts]


class _Shared(NamedTuple):
    """The newest plan of this process that was made for nobody in particular, and what it was made of."""

    seen: Seen
    at: float
    situation: Situation
    grants: Mapping[int, Grant]
    roomy: bool

    @classmethod
    def of(cls, seen: Seen, situation: Situation, grants: Mapping[int, Grant]) -> _Shared:
        shared = cls(seen, time.monotonic(), situation, grants, roomy=False)
        return shared._replace(roomy=shared.suits_all and situation.roomy)

    def fits(self, seen: Seen) -> bool:
        return self.seen.same(seen) and self.is_new

    @property
    def is_new(self) -> bool:
        return time.monotonic() - self.at <= SHARED_SECONDS

    @property
    def suits_all(self) -> bool:
        """Whether every job may start whatever it wants."""
        return not any(grant.missing or grant.reason for grant in self.grants.values())


_shared: _Shared | None = None  # replaced as a whole, as several threads use it


class Granted(NamedTuple):
    """What a job may start, what each of its trials takes, and which devices they may get."""

    grant: Grant
    place: Place
    wish: Wish | None


def grants(asking: int = 0) -> dict[int, Grant]:
    """How many trials each job may start now, by its id; the job `asking` would take whatever it gets."""
    return situation(asking).plan()


def likely(job: TuningJob, live: int | None = None) -> Grant:
    """What `job` may start, as of at most a second ago; ask `granted` before anything is started.

    Who knows how many of its trials are `live` gets an answer without a question to the database while nobody waits
    for anything: whatever the job's own bound leaves. That may be too much, never too little.
    """
    if job.waits:  # it wants nothing in a plan that it does not ask for
        return grants(asking=job.pk)[job.pk]
    known = _shared
    if live is not None and known is not None and known.is_new and job.pk in known.grants and known.suits_all:
        return Grant(max(0, job.max_parallel - live), running=live)
    return _newest(job.pk)[job.pk]


def granted(job: TuningJob) -> Granted:
    """The same for whoever holds the admission lock, exactly: what `likely` said if nothing has started or ended and
    nobody has changed anything since, else planned anew; unless there is room for whatever could start."""
    global _shared
    known, seen = _shared, _seen()
    if known is not None and (job.waits or job.pk not in known.grants):
        known = None
    if known is not None and known.roomy and known.is_new and known.seen.stamps == seen.stamps:
        running = len(seen.running.get(job.pk, ()))
        grant = Grant(max(0, job.max_parallel - running), running=running)
        return Granted(grant, known.situation.places[job.pk], None)
    if known is not None and known.fits(seen):
        now, planned = known.situation, known.grants
    else:
        now = situation(asking=job.pk, seen=seen)
        planned = now.plan()
        if not job.waits:  # as it would be for nobody in particular
            _shared = _Shared.of(seen, now, planned)
    grant = planned[job.pk]
    room = max(0, job.max_parallel - grant.running)  # by the job's row, which is locked
    wish = now.wishes[job.pk]
    own = wish and replace(wish, planned=grant.devices)
    return Granted(replace(grant, start=min(grant.start, room)), now.places[job.pk], own)


def waiting_jobs(*, besides: int) -> list[int]:
    """Jobs that could start something if they were advanced now."""
    return [job for job, grant in _newest().items() if grant.start and job != besides]


def planned(job_id: int) -> Grant | None:
    """What a job gets by the plan of now, which is at most a second old; None if it is in no plan."""
    return _newest().get(job_id)


def in_line() -> set[int]:
    """The jobs of which nothing runs, and for which there is no place now."""
    return {
        job
        for job, grant in _newest().items()
        if grant.missing and not grant.start and not grant.running and not grant.preempts
    }


def _newest(needed: int | None = None) -> Mapping[int, Grant]:
    """The shared plan, made anew if it is old, something has changed, or the job `needed` is not in it."""
    global _shared
    seen, known = _seen(), _shared
    if known is None or not known.fits(seen) or (needed and needed not in known.grants):
        found = situation(seen=seen)
        known = _shared = _Shared.of(seen, found, found.plan())
    return known.grants


def _seen() -> Seen:
    """All of it as of one moment, in one query."""
    answers = select(_SEEN)
    running: dict[int, list[_Running]] = {}
    for job, *held in (answer[_STAMPS:] for answer in answers):
        if job is not None:
            running.setdefault(job, []).append(_Running(*held))
    return Seen((*answers[0][:_STAMPS], settings.HPT_TRIAL_SLOTS, settings.HPT_GPUS), running)


def terms_for(user: User, project: Project) -> Terms:
    """What trials of this person's jobs in a project may hold of each pool."""
    team = project.team.name if project.team else ""
    return placing.terms_of(project.slug, user.username, team, _shares(), _limits(_quotas()))


# As one number for each table: the few rows that limit what may start.
_DECLARED = ", ".join(
    f"(SELECT sum(hashtextextended(r::text, 0)) FROM {table} r)"  # noqa: S608
    for table in ("accounts_pool", "accounts_poolshare", "accounts_quota")
)


# --- rows -------------------------------------------------------------------------------------------------------------


# Plain SQL, as a plan is made whenever a trial has ended: the ORM takes longer to write these than they take.
_JOBS = f"""
    SELECT j.id AS pk, j.name, j.state, j.waits, j.lacks_image, j.max_parallel, j.max_trials, j.reopened::text,
           j.project_id, p.slug AS project__slug, t.name AS project__team__name,
           j.created_by_id, u.username AS created_by__username,
           COALESCE(t.priority, 0) AS priority,
           (j.spec->'resources')::text AS spec__resources, j.spec->'spot' = 'true' AS spec__spot,
           j.spec->'check_first' = 'true' AS spec__check_first,
           v.resources::text AS algorithm_version__resources,
           COALESCE((SELECT max(number) FROM jobs_trial WHERE job_id = j.id), 0) AS total,
           (SELECT count(*) FROM jobs_trial WHERE job_id = j.id AND state = 'Queued') AS queued,
           (SELECT count(*) FROM jobs_trial WHERE job_id = j.id AND state = 'Paused') AS paused,
           CASE WHEN j.started_at IS NOT NULL THEN {ledger.TYPICAL_SECONDS} END AS typical
    FROM jobs_tuningjob j JOIN accounts_project p ON p.id = j.project_id LEFT JOIN accounts_team t ON t.id = p.team_id
    JOIN accounts_user u ON u.id = j.created_by_id JOIN catalog_algorithmversion v ON v.id = j.algorithm_version_id
    WHERE j.ended_at IS NULL AND v.kind <> '{AlgorithmVersion.Kind.EXTERNAL}' ORDER BY j.id
"""  # noqa: S608
_STAMPS = 4
# Not only the newest: numbers are given out before the commit, and one that was begun earlier may end later.
_CHANGES = "SELECT sum(id) FROM (SELECT id FROM accounts_auditevent ORDER BY id DESC LIMIT 100) newest"
_SEEN = f"""
    SELECT stamps.*, held.* FROM (SELECT ({_CHANGES}), {_DECLARED}) stamps LEFT JOIN (
        SELECT t.job_id, a.id, a.pool, a.device_count, a.share, a.created_at, a.stop_requested_at IS NOT NULL
        FROM jobs_attempt a JOIN jobs_trial t ON t.id = a.trial_id
        WHERE a.ended_at IS NULL AND a.backend <> '{EXTERNAL}'
    ) held ON true ORDER BY held.id
"""  # noqa: S608


def _jobs() -> dict[int, dict[str, Any]]:
    """Those that are not over, by their ids, with how long a trial of theirs typically takes."""
    with connection.cursor() as cursor:
        cursor.execute(_JOBS)
        names = [column.name for column in cursor.description]
        found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in found:
        for name in ("spec__resources", "algorithm_version__resources"):
            row[name] = json.loads(row[name]) if row[name] else None
    return {row["pk"]: row for row in found}


def _resources(row: dict[str, Any]) -> Mapping[str, Any]:
    resources: Mapping[str, Any] = row["spec__resources"] or row["algorithm_version__resources"]
    return resources


class _Running(NamedTuple):
    attempt: int
    pool: str
    devices: int
    share: float
    since: datetime
    ending: bool


def _demand(row: dict[str, Any], running: Sequence[_Running], place: Place, *, asks: bool) -> Demand:
    now, typical = timezone.now(), row["typical"]
    return Demand(
        job=row["pk"],
        name=row["name"],
        project=row["project__slug"],
        wanted=_wanted(row, live=len(running), asks=asks),
        user=row["created_by__username"],
        team=row["project__team__name"] or "",
        pool=place.pool,
        devices=place.units,
        running=tuple(_holding(held, typical, now) for held in running),
        typical=typical,
        spot=bool(row["spec__spot"]),
        share=place.share,
        priority=row["priority"],
        pending=_pending(row),
    )


def _holding(held: _Running, typical: float | None, now: datetime) -> Holding:
    ran = (now - held.since).total_seconds()
    left = None if typical is None else max(typical - ran, typical / 10)  # one that is over its time already
    if held.ending:
        grace = float(settings.HPT_PREEMPT_GRACE_SECONDS)
        left = grace if left is None else min(left, grace)
    return Holding(held.pool, held.devices * held.share, left, held.attempt, ran, held.ending)


def _wanted(row: dict[str, Any], *, live: int, asks: bool) -> int:
    """Paused trials want a place as much as new ones. A job whose strategy waits for results wants nothing more until
    it asks itself, which it does whenever something of it has moved; one without its image wants nothing at all."""
    if row["state"] not in STARTING or (row["lacks_image"] and not asks):
        return live
    wanted: int = live + (_pending(row) if asks or not row["waits"] else row["queued"])
    most: int = row["max_parallel"]
    return max(live, min(most, wanted))


def _pending(row: dict[str, Any]) -> int:
    """The trials that a job has yet to start, unless its rules end it before."""
    if row["state"] not in STARTING:
        return 0
    queued: int = row["queued"]
    if row["reopened"] is not None:  # it only runs again what is queued
        return queued
    more: int = row["paused"] + max(0, row["max_trials"] - row["total"])
    return queued + more


class _Declared(NamedTuple):
    """What people have declared: pools, teams' shares, limits."""

    pools: Sequence[PoolInfo]
    shares: Mapping[tuple[str, str], Share]
    quotas: Sequence[Quota]


_known: tuple[tuple[object, ...], float, _Declared] | None = None  # as of which rows, and when it was read


def _declared(stamps: tuple[object, ...]) -> _Declared:
    """Read again if any of its rows has changed; the names in it may be a second old."""
    global _known
    known, now = _known, time.monotonic()
    if known is None or known[0] != stamps or now - known[1] > SHARED_SECONDS:
        known = _known = stamps, now, _Declared(pools(), _shares(), _quotas())
    return known[2]


def _shares() -> dict[tuple[str, str], Share]:
    rows = PoolShare.objects.values_list("team__name", "pool", "guaranteed", "cap", "weight", "lends")
    return {(team, pool): Share(g, cap, weight, lends) for team, pool, g, cap, weight, lends in rows}


def _quotas() -> list[Quota]:
    """Those of what runs, not of what may be asked for."""
    kinds = [Quota.Resource.RUNNING_TRIALS, Quota.Resource.DEVICES, *ledger.PERIODS]
    return list(Quota.objects.filter(resource__in=kinds).select_related("project", "user").order_by("pk"))


def _limits(quotas: Sequence[Quota]) -> list[Limit]:
    return [
        Limit(
            quota.limit,
            quota.project.slug if quota.project else None,
            quota.user.username if quota.user else None,
            quota.pool,
        )
        for quota in quotas
        if quota.resource not in ledger.PERIODS
    ]


def _usage(
    jobs: Mapping[int, dict[str, Any]], running: Mapping[int, Sequence[_Running]]
) -> dict[tuple[str, str, str], float]:
    """What has been used lately, with what runs."""
    used = recent.used()
    now = timezone.now()
    for job, attempts in running.items():
        if job not in jobs:
            continue
        for held in attempts:
            key = jobs[job]["project_id"], jobs[job]["created_by_id"], held.pool
            seconds = (now - held.since).total_seconds() + ENTRY_SECONDS
            used[key] = used.get(key, 0.0) + seconds * held.devices * held.share
    teams = {row["project_id"]: row["project__team__name"] for row in jobs.values()}
    people = {row["created_by_id"]: row["created_by__username"] for row in jobs.values()}
    return ledger.by_name(used, teams, people)
