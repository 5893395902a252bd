"""Which GPUs a trial gets: by their ids, all that it asks for or none, reserved with the row of its attempt.

A job whose trials take only a part of a GPU's memory shares GPUs with others of its kind: its trials count as slots of
the host, and the memory of the devices is what bounds them. What runs is known from the rows of live attempts alone, so
that whoever dies in between loses nothing: the next one finds the same devices held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpt_web.accounts.pools import PoolInfo, host_gpus
from hpt_web.jobs.models import EXTERNAL, Attempt
from hpt_web.jobs.sharing.admission import Demand
from hpt_web.jobs.sharing.allotting import Floor, Taken, Wish
from tuning.backends import gpus
from tuning.backends.gpus import Device, Request

MEBIBYTE = 1024 * 1024
Resources = Mapping[str, Any]  # of a job's document, or its algorithm's


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
    return Wish(request, of_pool(pool) if pool is not None else [])


def of_pool(pool: PoolInfo) -> list[Device]:
    """Those of its devices that are given to trials."""
    given = set(pool.ids[: pool.size])
    return [device for device in host_gpus() if device.id in given]


def never(resources: Resources, pool: PoolInfo | None) -> str | None:
    """Why no trial can ever have what it asks for; None if it can."""
    wished = wish(resources, pool)
    return gpus.never(wished.devices, wished.request) if wished is not None else None


def held() -> dict[int, gpus.Grant]:
    """What live attempts hold, by their ids."""
    live = Attempt.objects.filter(ended_at__isnull=True).exclude(backend=EXTERNAL).exclude(devices=[])
    names = "pk", "devices", "trial__job__spec__resources", "trial__job__algorithm_version__resources"
    rows = live.values_list(*names)
    return {pk: gpus.Grant(tuple(ids), request_of(own or declared).memory_bytes) for pk, ids, own, declared in rows}


def assign(wished: Wish | None, most: int) -> list[tuple[str, ...]]:
    """The devices of up to `most` trials that start now, as they are planned; fewer if one of them has been taken.
    Whoever asks holds the admission lock until the rows are committed."""
    if wished is None:
        return [()] * most
    found: list[gpus.Grant] = []
    taken = held().values()
    for ids in wished.planned[:most]:
        if grant := gpus.allocate(wished.only(ids).devices, [*taken, *found], wished.request):
            found.append(grant)
    return [grant.devices for grant in found]


def floor(wishes: Mapping[int, Wish | None], demands: Sequence[Demand]) -> Floor | None:
    """The devices for a plan of these demands, with what is held of them; None if none of them wants any."""
    if not any(wishes[demand.job] is not None and demand.wanted > demand.live for demand in demands):
        return None
    known = {holding.attempt: (demand, holding) for demand in demands for holding in demand.running}
    taken = []
    for attempt, grant in held().items():
        demand, holding = known.get(attempt, (None, None))
        left, ending = (holding.left, holding.ending) if holding else (None, False)
        taken.append(Taken(grant, demand, left, attempt, ending))
    return Floor(wishes, taken)
