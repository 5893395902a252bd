"""Which GPUs a trial gets: by their ids, all that it asks for or none, reserved with the row of its attempt.

A job whose trials take only a part of a GPU's memory shares GPUs with others of its kind: its trials count as slots of
the host, and the memory of the devices is what bounds them. What runs is known from the rows of live attempts alone, so
that whoever dies in between loses nothing: the next one finds the same devices held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from hpt_web.accounts.pools import PoolInfo, host_gpus
from hpt_web.jobs.models import EXTERNAL, Attempt
from hpt_web.jobs.sharing.admission import Grant
from tuning.backends import gpus
from tuning.backends.gpus import Device, Request

MEBIBYTE = 1024 * 1024
Resources = Mapping[str, Any]  # of a job's document, or its algorithm's


class Wish(NamedTuple):
    """What each trial of a job asks for, and the devices that it may get."""

    request: Request
    devices: Sequence[Device]


def request_of(resources: Resources) -> Request:
    memory = resources.get("gpu_memory_mb")
    return Request(resources.get("gpus") or 0, memory * MEBIBYTE if memory else None)


def shares(resources: Resources) -> bool:
    """Whether its trials take only a part of each of their GPUs."""
    request = request_of(resources)
    return request.count > 0 and request.memory_bytes is not None


def wish(resources: Resources, pool: PoolInfo | None) -> Wish | None:
    """None if the trials need no GPU; without a device to choose from if there is no such pool."""
    request = request_of(resources)
    if request.count == 0:
        return None
    given = set(pool.ids[: pool.size]) if pool is not None else set()
    return Wish(request, [device for device in host_gpus() if device.id in given])


def never(resources: Resources, pool: PoolInfo | None) -> str | None:
    """Why no trial can ever have what it asks for; None if it can."""
    wished = wish(resources, pool)
    return gpus.never(wished.devices, wished.request) if wished is not None else None


def held() -> list[gpus.Grant]:
    """What live attempts hold."""
    live = Attempt.objects.filter(ended_at__isnull=True).exclude(backend=EXTERNAL).exclude(devices=[])
    rows = live.values_list("devices", "trial__job__spec__resources", "trial__job__algorithm_version__resources")
    return [gpus.Grant(tuple(ids), request_of(own or declared).memory_bytes) for ids, own, declared in rows]


def assign(wished: Wish | None, most: int) -> list[tuple[str, ...]]:
    """The devices of up to `most` trials that start now, fewer if there is no room for all. Whoever asks holds the
    admission lock until the rows are committed."""
    return [()] * most if wished is None else [grant.devices for grant in _fitting(wished, held(), most)]


def _fitting(wished: Wish, taken: Sequence[gpus.Grant], most: int) -> list[gpus.Grant]:
    """Up to `most` grants beside those that are `taken`."""
    found: list[gpus.Grant] = []
    while len(found) < most and (grant := gpus.allocate(wished.devices, [*taken, *found], wished.request)):
        found.append(grant)
    return found


def bounded(grants: dict[int, Grant], wishes: Mapping[int, Wish | None], pools: Mapping[int, str]) -> dict[int, Grant]:
    """The grants cut down to what the devices of each job have room for, with the reason: a whole one may be wanted
    where only parts are free. `pools` are the jobs' by their ids: who is cut down is the next in line there."""
    starting = {job: wished for job, wished in wishes.items() if wished is not None and grants[job].start}
    taken = held() if starting else []
    cut: dict[str, list[int]] = {}
    for job, wished in starting.items():
        grant = grants[job]
        fitting = _fitting(wished, taken, grant.start)
        if len(fitting) < grant.start:
            missing = grant.missing + grant.start - len(fitting)
            more = f"{missing} more trial{'s' if missing > 1 else ''} could run, but each"
            reason = f"{more} {gpus.waiting(wished.devices, [*taken, *fitting], wished.request)}."
            grants[job] = replace(grant, start=len(fitting), missing=missing, reason=reason)
            if not grant.place:
                cut.setdefault(pools[job], []).append(job)
    for pool, first in cut.items():
        behind = [job for job, grant in grants.items() if grant.place and pools.get(job) == pool]
        total = len(first) + len(behind)
        for job in behind:
            grants[job] = replace(grants[job], place=grants[job].place + len(first), waiting=total)
        for place, job in enumerate(first, 1):
            grants[job] = replace(grants[job], place=place, waiting=total)
    return grants
