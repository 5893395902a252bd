"""Which pools of devices there are: this host's slots for trials on CPUs, and its GPUs, one pool for each type.

An administrator may give less of them to trials (a `Pool` row of the same name), and may declare more pools.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache

from django.conf import settings

from hpt_web.accounts.models import Pool
from tuning.backends.gpus import Device, discover, read_devices

CPU = "cpu"


@dataclass(frozen=True, slots=True)
class PoolInfo:
    """`size` devices are given to trials; `present` are there by what the host says, None if it does not know them.

    `ids` are the host's GPUs of that type. `declared`: an administrator has set the size. A spot trial gives way once
    it has run for `min_run_seconds` (None: as everywhere); `price` is that of a device for an hour.
    """

    name: str
    size: int
    present: int | None
    declared: bool = False
    device_type: str = ""
    memory_bytes: int | None = None
    ids: tuple[str, ...] = ()
    min_run_seconds: int | None = None
    price: float | None = None

    @property
    def has_gpus(self) -> bool:
        return self.name != CPU


def pools() -> list[PoolInfo]:
    """All pools, the CPU slots first; one query."""
    rows = {row.name: row for row in Pool.objects.all()}
    found = [_as_declared(pool, rows.pop(pool.name, None)) for pool in host_pools()]
    found += [
        _with_terms(PoolInfo(row.name, row.devices or 0, None, True, row.device_type, row.memory_bytes), row)
        for _, row in sorted(rows.items())
    ]
    return found


def host_pools() -> list[PoolInfo]:
    """What this host has, whatever of it is given to trials."""
    slots = settings.HPT_TRIAL_SLOTS
    found = [PoolInfo(CPU, slots, slots)]
    types: dict[tuple[str, int], list[str]] = {}
    for device in host_gpus():
        types.setdefault((device.name, device.memory_bytes), []).append(device.id)
    for (name, memory), ids in types.items():
        size = len(ids)
        found.append(PoolInfo(_pool_name(name, memory), size, size, False, name, memory, tuple(ids)))
    return found


def host_gpus() -> tuple[Device, ...]:
    """The GPUs of HPT_GPUS, or those that the driver finds."""
    return _gpus(settings.HPT_GPUS)


@cache  # looking for them takes a while, and they do not change while a process runs
def _gpus(listed: str | None) -> tuple[Device, ...]:
    return discover() if listed is None else read_devices(listed)


def _as_declared(pool: PoolInfo, row: Pool | None) -> PoolInfo:
    """What is given of a pool of the host: slots may be more or fewer than it takes for good, GPUs not more than are
    there."""
    if row is None:
        return pool
    size = pool.size if row.devices is None else min(row.devices, pool.size) if pool.has_gpus else row.devices
    kind, memory = row.device_type or pool.device_type, row.memory_bytes or pool.memory_bytes
    declared = row.devices is not None
    return _with_terms(PoolInfo(pool.name, size, pool.present, declared, kind, memory, pool.ids), row)


def _with_terms(pool: PoolInfo, row: Pool) -> PoolInfo:
    return replace(pool, min_run_seconds=row.min_run_seconds, price=row.price)


def _pool_name(device: str, memory: int) -> str:
    """Such as nvidia-h100-80gb-hbm3, or gpu-80gb for a device without a name."""
    text = device or f"gpu-{round(memory / 1e9)}gb"
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-") or "gpu"
