"""In which pool a job's trials run, and what each of them takes there.

A job may name its pool (`resources.pool`). Else its trials with GPUs get one in which they fit and of which their
project may hold as much: first one of which something is guaranteed to its team, then the largest, then by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from hpt_web.accounts.pools import CPU, PoolInfo
from hpt_web.jobs.sharing import devices
from hpt_web.jobs.sharing.demands import Limit, Shares
from hpt_web.jobs.sharing.devices import Resources

NO_GPUS = "gpu"  # the pool of jobs that need GPUs where there are none
PARTS = 1024  # a GPU is shared in so many parts, so that sums of them are exact


class Place(NamedTuple):
    """What each trial of a job takes: of so many devices of a pool the part `share`."""

    pool: str
    devices: int
    share: float = 1.0

    @property
    def units(self) -> float:
        return self.devices * self.share


ELSEWHERE = Place("", 0)


class Terms(NamedTuple):
    """What the trials of a job may hold at once of each pool (those that are not named: all), and what is guaranteed
    to its team."""

    most: Mapping[str, int]
    guaranteed: Mapping[str, int]


NO_TERMS = Terms({}, {})


def terms_of(project: str, user: str, team: str, shares: Shares, limits: Iterable[Limit]) -> Terms:
    most = {pool: share.cap for (of, pool), share in shares.items() if of == team and share.cap is not None}
    for limit in limits:
        if limit.pool and limit.project in (None, project) and limit.user in (None, user):
            most[limit.pool] = min(limit.most, most.get(limit.pool, limit.most))
    return Terms(most, {pool: share.guaranteed for (of, pool), share in shares.items() if of == team})


def place(resources: Resources, found: Sequence[PoolInfo], terms: Terms = NO_TERMS) -> Place:
    """What each trial takes; of a pool that is not there as well, which then has no room."""
    request = devices.request_of(resources)
    if not request.count:
        return Place(resources.get("pool") or CPU, 1)
    pool = pool_of(resources, found, terms)
    name = pool.name if pool else resources.get("pool") or NO_GPUS
    return Place(name, request.count, _share(request.memory_bytes, pool))


def _share(memory: int | None, pool: PoolInfo | None) -> float:
    """The part of each device that a trial takes. Of devices whose memory nobody has told us it takes all."""
    if memory is None or pool is None or not pool.memory_bytes:
        return 1.0
    return max(1, math.floor(PARTS * min(1.0, memory / pool.memory_bytes))) / PARTS


def pool_of(resources: Resources, found: Sequence[PoolInfo], terms: Terms = NO_TERMS) -> PoolInfo | None:
    """The pool in which the trials run; None if it is not there."""
    name = resources.get("pool")
    if name is not None or not resources.get("gpus"):
        return next((pool for pool in found if pool.name == (name or CPU)), None)

    def preferred(pool: PoolInfo) -> tuple[bool, bool, bool, bool, int, str]:
        """Where none will do, one comes first that would if a number was raised: its devices grow no larger."""
        fitting, able = fits(resources, pool), may_hold(resources, pool, terms)
        small = not _large_enough(resources, pool)
        guaranteed = bool(terms.guaranteed.get(pool.name))
        return not (fitting and able), not fitting, small, not guaranteed, -pool.size, pool.name

    return min((pool for pool in found if pool.has_gpus), key=preferred, default=None)


def fits(resources: Resources, pool: PoolInfo) -> bool:
    """Whether a pool is large enough for one trial."""
    return _large_enough(resources, pool) and (resources.get("gpus") or 1) <= pool.size


def _large_enough(resources: Resources, pool: PoolInfo) -> bool:
    """Whether its devices have the memory that a trial asks for, however many there are."""
    memory = devices.request_of(resources).memory_bytes
    return memory is None or pool.memory_bytes is None or memory <= pool.memory_bytes


def may_hold(resources: Resources, pool: PoolInfo, terms: Terms) -> bool:
    """Whether the project's share and limits of the pool are enough for one trial."""
    most = terms.most.get(pool.name)
    units = (resources.get("gpus") or 1) * _share(devices.request_of(resources).memory_bytes, pool)
    return most is None or units <= most


def choices(resources: Mapping[str, Any], found: Sequence[PoolInfo], terms: Terms) -> list[PoolInfo]:
    """The pools that one may choose for such trials."""
    gpus = bool(resources.get("gpus"))
    return [
        pool for pool in found if pool.has_gpus == gpus and fits(resources, pool) and may_hold(resources, pool, terms)
    ]
