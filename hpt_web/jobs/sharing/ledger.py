"""The ledger of usage: what each attempt held and for how long, written once, in the transaction that ends it.

Every figure of usage is a sum of its rows. What somebody has used lately counts less the longer ago it was; that is
asked at every admission, so it is kept in memory and brought up to date from the newest rows, at a cost that does not
grow with the ledger.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import Q, Sum
from django.utils import timezone

from hpt_web.accounts.models import Project, Quota, User
from hpt_web.accounts.pools import CPU, host_gpus
from hpt_web.jobs.models import Attempt, UsageEntry
from hpt_web.jobs.sharing.demands import Spent
from tuning.states import TrialState

DAY = 86400.0
MEBIBYTE = 1024 * 1024
REBUILT_EVERY = 600.0  # seconds; finds what was committed out of the order of its ids
FORGOTTEN_AFTER = 10  # half-lives
RECENT_TRIALS = 30  # of a job: what is typical of it
# Of the job `j`: the median seconds of its newest attempts that were over by themselves, as SQL; flat in their number.
TYPICAL_SECONDS = f"""(
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FROM (
        SELECT seconds FROM jobs_usageentry
        WHERE job_id = j.id AND outcome NOT IN ('lost', 'suspended', 'preempted', 'not_started')
        ORDER BY id DESC LIMIT {RECENT_TRIALS}
    ) newest
)"""  # noqa: S608
# Of the attempt `a` of the job `j`: its place was free since the end of the attempt that had it before (of those that
# are free it takes the one that was so for longest), unless the job came to ask for it later, or the trial itself.
_WAITED = """
    CASE WHEN a.free_places > 0 THEN GREATEST(0, EXTRACT(EPOCH FROM a.created_at - GREATEST(
        a.asked_at,
        (SELECT e.ended_at FROM jobs_usageentry e WHERE e.job_id = j.id AND e.ended_at <= a.created_at
         ORDER BY e.id DESC OFFSET a.free_places - 1 LIMIT 1),
        (SELECT max(b.ended_at) FROM jobs_attempt b WHERE b.trial_id = a.trial_id AND b.number < a.number)
    ))) END
"""
_OF_OUTCOME = {
    Attempt.Outcome.LOST: UsageEntry.Outcome.LOST,
    Attempt.Outcome.PAUSED: UsageEntry.Outcome.PAUSED,
    Attempt.Outcome.SUSPENDED: UsageEntry.Outcome.SUSPENDED,
    "preempted": UsageEntry.Outcome.PREEMPTED,
    Attempt.Outcome.NOT_STARTED: UsageEntry.Outcome.NOT_STARTED,
}
_OF_STATE = {
    TrialState.COMPLETED: UsageEntry.Outcome.COMPLETED,
    TrialState.EARLY_STOPPED: UsageEntry.Outcome.EARLY_STOPPED,
    TrialState.STOPPED: UsageEntry.Outcome.STOPPED,
}


def enter(attempt: Attempt, state: TrialState) -> None:
    """Write what an attempt has held that has just ended; `state` is what its trial becomes."""
    sql, arguments = entering(attempt, state, attempt.outcome, ended="jobs_attempt")
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} WHERE a.id = %s", [*arguments, attempt.pk])


def entering(attempt: Attempt, state: TrialState, outcome: str, *, ended: str) -> tuple[str, list[Any]]:
    """The statement that writes it, and its arguments; `ended` names where the attempt's row is read."""
    used = _OF_OUTCOME.get(outcome) or _OF_STATE.get(state, UsageEntry.Outcome.FAILED)
    # From the rows, as their times are the database's; the attempt's row is locked, as it has been ended just now.
    sql = f"""
        INSERT INTO jobs_usageentry (
            attempt_id, attempt_number, trial_number, job_id, job_name, project_id, project_slug, team, priority,
            user_id, pool, devices, seconds, gpu_seconds, cost, waited, outcome, ended_at
        )
        SELECT
            a.id, a.number, t.number, j.id, j.name, p.id, p.slug,
            COALESCE(m.name, ''), COALESCE(m.priority, 0), j.created_by_id, a.pool, a.device_count,
            held.seconds, held.seconds * %s,
            held.seconds * a.device_count * a.share / 3600
                * COALESCE((SELECT price FROM accounts_pool WHERE name = a.pool), 0),
            {_WAITED}, %s, a.ended_at
        FROM {ended} a
        JOIN jobs_trial t ON t.id = a.trial_id
        JOIN jobs_tuningjob j ON j.id = t.job_id
        JOIN accounts_project p ON p.id = j.project_id
        LEFT JOIN accounts_team m ON m.id = p.team_id,
        LATERAL (SELECT GREATEST(0, EXTRACT(EPOCH FROM a.ended_at - a.created_at)) AS seconds) held
    """  # noqa: S608
    return sql, [gpus_of(attempt), used]


def gpus_of(attempt: Attempt) -> float:
    """How many GPUs an attempt holds: whole ones, or of each that it shares the part of the memory that it takes."""
    if attempt.pool not in ("", CPU):
        return attempt.device_count * attempt.share
    # Of an attempt from before shared GPUs were counted in their pool.
    if not attempt.devices:
        return 0.0
    job = attempt.trial.job
    taken = ((job.spec["resources"] or job.algorithm_version.resources).get("gpu_memory_mb") or 0) * MEBIBYTE
    sizes = {device.id: device.memory_bytes for device in host_gpus()}
    return sum(min(1.0, taken / sizes[name]) if taken and name in sizes else 1.0 for name in attempt.devices)


# --- what is asked of it ----------------------------------------------------------------------------------------------


def week_begins(now: datetime | None = None) -> datetime:
    """The Monday, 00:00 UTC, of the week."""
    day = _midnight(now)
    return day - timedelta(days=day.weekday())


def month_begins(now: datetime | None = None) -> datetime:
    """The first, 00:00 UTC, of the month."""
    return _midnight(now).replace(day=1)


def _midnight(now: datetime | None) -> datetime:
    return (now or timezone.now()).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


# The limits on GPU-hours, by their periods.
PERIODS = {
    Quota.Resource.GPU_HOURS_PER_WEEK: ("week", week_begins, timedelta(days=7)),
    Quota.Resource.GPU_HOURS_PER_MONTH: ("month", month_begins, timedelta(days=31)),
}


class Hours(NamedTuple):
    """GPU-hours of a person in a project, which may be gone since."""

    project: int | None
    user: int
    hours: float


def gpu_hours_since(since: datetime) -> list[Hours]:
    """By the ledger, and what those that run have held so far; their sum is everybody's."""
    entries = UsageEntry.objects.filter(ended_at__gte=since, gpu_seconds__gt=0).order_by()
    sums = entries.values("project_id", "user_id").annotate(total=Sum("gpu_seconds"))
    found = [Hours(project, user, total / 3600) for project, user, total in
             sums.values_list("project_id", "user_id", "total")]  # fmt: skip
    holds = ~Q(devices=[]) | ~Q(pool__in=["", CPU])
    now = timezone.now()
    for attempt in Attempt.objects.filter(holds, ended_at__isnull=True).select_related("trial__job__algorithm_version"):
        job, seconds = attempt.trial.job, (now - attempt.created_at).total_seconds()
        found.append(Hours(job.project_id, job.created_by_id, seconds * gpus_of(attempt) / 3600))
    return found


def gpu_hours_of(quota: Quota, hours: Iterable[Hours]) -> float:
    """Those that count towards a limit."""
    return sum(
        one.hours for one in hours if quota.project_id in (None, one.project) and quota.user_id in (None, one.user)
    )


def spent(quotas: Sequence[Quota]) -> list[Spent]:
    """Those of the limits on GPU-hours that are used up; no query if there are none of them."""
    now, found = timezone.now(), []
    for resource, (period, begins, length) in PERIODS.items():
        of_it = [quota for quota in quotas if quota.resource == resource]
        hours = gpu_hours_since(begins(now)) if of_it else []
        ends = begins(begins(now) + length)  # of 31 days at the latest the next month has begun
        for quota in of_it:
            if (used := gpu_hours_of(quota, hours)) >= quota.limit:
                project = quota.project.slug if quota.project else None
                user = quota.user.username if quota.user else None
                left = (ends - now).total_seconds()
                found.append(Spent(used, quota.limit, period, f"{ends:%Y-%m-%d}", left, project, user))
    return found


class Recent:
    """Device-seconds by project, person and pool, of which half is forgotten with every half-life.

    Each attempt counts `entry` seconds more than it ran. It is a memory of the ledger and no truth: it only decides
    between equals, and any process can make it anew.
    """

    def __init__(self, entry: float) -> None:
        self._entry = entry
        self._lock = threading.Lock()
        self._used: dict[tuple[int, int, str], float] = {}
        self._at = self._rebuilt = 0.0
        self._last = 0

    def used(self) -> dict[tuple[int, int, str], float]:
        """As of now, by the ids of project and person and the pool's name."""
        with self._lock:
            now = time.time()
            self._update(now, anew=not 0 <= now - self._rebuilt < REBUILT_EVERY)
            return dict(self._used)

    def _update(self, now: float, *, anew: bool) -> None:
        half = settings.HPT_HALF_LIFE_DAYS * DAY
        if anew:
            self._used, self._last, self._rebuilt = {}, 0, now
        else:
            kept = 0.5 ** (max(0.0, now - self._at) / half)
            self._used = {key: seconds * kept for key, seconds in self._used.items()}
        self._at = now
        sql = """
            SELECT project_id, user_id, pool, max(id), sum(
                   (seconds + %s) * CASE WHEN pool <> %s AND gpu_seconds > 0 THEN gpu_seconds / seconds ELSE devices END
                   * 0.5 ^ (GREATEST(0, EXTRACT(EPOCH FROM now() - ended_at)) / %s))
            FROM jobs_usageentry
            WHERE id > %s AND ended_at > now() - make_interval(secs => %s) AND pool <> '' AND project_id IS NOT NULL
            GROUP BY project_id, user_id, pool
        """
        with connection.cursor() as cursor:
            cursor.execute(sql, [self._entry, CPU, half, self._last, half * FORGOTTEN_AFTER])
            for project, user, pool, last, seconds in cursor.fetchall():
                self._used[project, user, pool] = self._used.get((project, user, pool), 0.0) + float(seconds)
                self._last = max(self._last, last)


def by_name(
    used: dict[tuple[int, int, str], float], teams: Mapping[int, str | None], people: Mapping[int, str]
) -> dict[tuple[str, str, str], float]:
    """The same by the names of team and person; those of `teams` (by project) and `people` are known already."""
    if others := {key[0] for key in used} - teams.keys():
        teams = {**teams, **dict(Project.objects.filter(pk__in=others).values_list("pk", "team__name"))}
    if strangers := {key[1] for key in used} - people.keys():
        people = {**people, **dict(User.objects.filter(pk__in=strangers).values_list("pk", "username"))}
    found: dict[tuple[str, str, str], float] = {}
    for (project, user, pool), seconds in used.items():
        if project in teams and user in people:
            key = teams[project] or "", people[user], pool
            found[key] = found.get(key, 0.0) + seconds
    return found
