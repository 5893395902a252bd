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
from hpt_web.jobs.sharing import allotting
from hpt_web.jobs.sharing.admission import Demand, Grant
from hpt_web.jobs.sharing.allotting import Taken, Wish, fitting
from tuning.backends import gpus
from tuning.backends.gpus import Request

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
    given = set(pool.ids[: pool.size]) if pool is not None else set()
    return Wish(request, [device for device in host_gpus() if device.id in given])


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
    """The devices of up to `most` trials that start now, fewer if there is no room for all. Whoever asks holds the
    admission lock until the rows are committed."""
    return [()] * most if wished is None else [grant.devices for grant in fitting(wished, held().values(), most)]


def bounded(grants: dict[int, Grant], wishes: Mapping[int, Wish | None], demands: Sequence[Demand]) -> dict[int, Grant]:
    """The grants cut down to what the devices of each job have room for, with the reason (`allotting`)."""
    if not any(wished is not None and grants[job].start for job, wished in wishes.items()):
        return grants
    known = {holding.attempt: (demand, holding.left) for demand in demands for holding in demand.running}
    taken = [Taken(grant, *known.get(attempt, (None, None))) for attempt, grant in held().items()]
    return allotting.bounded(grants, wishes, demands, taken)
