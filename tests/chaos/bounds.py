"""What the trials of a row may hold at once beyond the job's own parallelism: a limit of its project, a cap of its
team, GPUs. Such a row has a project and a team of its own."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx

from tests.chaos.interrupts import undisturbed
from tests.faults.lab import Lab

CPU = "cpu"
MEBIBYTE = 1024 * 1024
FEWEST_GPUS = 2  # with one there is nothing to choose


@dataclass(frozen=True, slots=True)
class Pool:
    """Devices of one kind: slots of the host, or GPUs with so much memory each."""

    name: str
    devices: int
    memory_mb: int = 0
    ids: tuple[str, ...] = ()


def pools(lab: Lab) -> dict[str, Pool]:
    found = [
        Pool(one["name"], one["devices"], (one["memory_bytes"] or 0) // MEBIBYTE, tuple(one["gpus"]))
        for one in lab.get("/pools")
    ]
    return {pool.name: pool for pool in found}


def gpus_of(found: Mapping[str, Pool], taken: Collection[str] = ()) -> Pool | None:
    """The pool with the most GPUs that nobody has `taken`, and these alone; None if there are hardly any, and the rows
    do without."""
    able = []
    for pool in found.values():
        ids = tuple(device for device in pool.ids if device not in taken)
        if min(len(ids), pool.devices) >= FEWEST_GPUS and pool.memory_mb:
            able.append(replace(pool, ids=ids, devices=min(len(ids), pool.devices)))
    return max(able, key=lambda pool: (pool.devices, pool.name), default=None)


@dataclass(frozen=True, slots=True)
class Bounds:
    """At once: trials of the `project` that run, slots of its team, devices of the pool `gpus` of its project and of
    its team. None: as many as there are."""

    running: int | None = None
    slots: int | None = None
    limit: int | None = None  # of devices of the pool, for the project
    cap: int | None = None  # the same, for the team
    project: int = 0  # in the database
    gpus: str = ""

    def __bool__(self) -> bool:
        return any(most is not None for most in (self.running, self.slots, self.limit, self.cap))

    def most(self, parallel: int, pool: Pool | None, count: int, share: float) -> int:
        """So many trials may run at once that ask for the part `share` of each of `count` devices of the pool."""
        bounds = [parallel, self.running, self.slots]
        if pool is not None and count:
            devices = [most for most in (self.limit, self.cap) if most is not None]
            bounds += [math.floor(most / (count * share) + 1e-9) for most in devices]
            bounds.append(pool.devices * math.floor(1 / share + 1e-9) // count)
        return min(bound for bound in bounds if bound is not None)


@contextmanager
def bounded(lab: Lab, name: str, bounds: Bounds, gpus: Pool | None) -> Iterator[Lab]:
    """A lab in a project `name` of its own, the only one of the team `name`, to which the bounds apply. They are taken
    away again; the project stays, as its jobs do."""
    theirs = copy.copy(lab)
    theirs.project = name
    lab.post("/projects", {"slug": name, "name": name})
    caps = {CPU: bounds.slots}
    limits: list[dict[str, Any]] = [{"resource": "running_trials", "limit": bounds.running}]
    if gpus is not None:
        caps[gpus.name] = bounds.cap
        limits.append({"resource": "devices", "pool": gpus.name, "limit": bounds.limit})
    made: list[str] = []
    try:
        lab.post("/teams", {"name": name, "projects": [name]})
        for pool, cap in caps.items():
            if cap is not None:
                lab.post(f"/teams/{name}/shares", {"pool": pool, "cap": cap})
                made.append(f"/teams/{name}/shares/{pool}")
        for limit in limits:
            if limit["limit"] is not None:
                made.append(f"/quotas/{lab.post('/quotas', {'project': name, **limit})['id']}")
        yield theirs
    finally:
        with undisturbed(), contextlib.suppress(AssertionError, httpx.HTTPError):
            for path in made:
                lab.delete(path)
