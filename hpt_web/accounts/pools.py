"""Which pools of devices there are: this host's slots for trials on CPUs, and its GPUs, one pool for each type.

An administrator may give less of them to trials (a `Pool` row of the same name), and may make more pools out of the
host's GPUs: such a pool has the first ones of its kind that no older one has, and the pool of their type has the rest.
So each device is in one pool, known by its id, and a pool never has more than the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from django.conf import settings

from hpt_web.accounts.models import Pool
from tuning.backends.gpus import Device, discover, read_devices

CPU = "cpu"


@dataclass(frozen=True, slots=True)
class PoolInfo:
    """`size` devices are given to trials; `present` are there by what the host says.

    `ids` are the host's GPUs in it. `declared`: an administrator has set the size; `made`: and made the pool of some
    of the host's GPUs, of which the host lacks so many. A spot trial gives way once it has run for `min_run_seconds`
    (None: as everywhere); `price` is that of a device for an hour.
    """

    name: str
    size: int
    present: int
    declared: bool = False
    device_type: str = ""
    memory_bytes: int | None = None
    ids: tuple[str, ...] = ()
    min_run_seconds: int | None = None
    price: float | None = None
    made: bool = False
    lacking: int = 0

    @property
    def has_gpus(self) -> bool:
        return self.name != CPU


def pools(changed: Pool | None = None) -> list[PoolInfo]:
    """All pools, the CPU slots first; one query. With a row that is not written yet, as they would be with it."""
    rows = {row.name: row for row in Pool.objects.order_by("pk")}
    if changed is not None:
        rows[changed.name] = changed
    types = _by_type(host_gpus())
    made = {name: row for name, row in rows.items() if name != CPU and name not in types}
    given = _given(made.values())
    taken = {device.id for devices in given.values() for device in devices}
    slots = settings.HPT_TRIAL_SLOTS
    found = [PoolInfo(CPU, slots, slots)]
    found += [_of_type(name, devices, taken) for name, devices in types.items()]
    return [_as_declared(pool, rows.get(pool.name)) for pool in found] + [
        _made(row, given[name]) for name, row in sorted(made.items())
    ]


def _by_type(devices: Iterable[Device]) -> Mapping[str, list[Device]]:
    found: dict[str, list[Device]] = {}
    for device in devices:
        found.setdefault(_pool_name(device.name, device.memory_bytes), []).append(device)
    return found


def _of_type(name: str, devices: Sequence[Device], taken: Iterable[str]) -> PoolInfo:
    """What this host has of a type, but for what other pools were made of."""
    ids = tuple(device.id for device in devices if device.id not in taken)
    memory = min(device.memory_bytes for device in devices)
    return PoolInfo(name, len(ids), len(ids), False, devices[0].name, memory, ids)


def _given(made: Iterable[Pool]) -> dict[str, list[Device]]:
    """The GPUs of each pool that was made of them, by its name: the oldest pool chooses first."""
    left = list(host_gpus())
    found = {}
    for row in made:
        found[row.name] = [device for device in left if _suits(device, row)][: row.devices or 0]
        left = [device for device in left if device not in found[row.name]]
    return found


def _suits(device: Device, row: Pool) -> bool:
    """Whether it is of the pool's kind. A device of HPT_GPUS has no name, and is of any type."""
    named = not device.name or row.device_type.lower() in device.name.lower()
    return named and device.memory_bytes >= (row.memory_bytes or 0)


def _made(row: Pool, devices: Sequence[Device]) -> PoolInfo:
    size, asked = len(devices), row.devices or 0
    memory = row.memory_bytes or min((device.memory_bytes for device in devices), default=None)
    kind = row.device_type or next((device.name for device in devices), "")
    ids = tuple(device.id for device in devices)
    return _with_terms(PoolInfo(row.name, size, size, True, kind, memory, ids, made=True, lacking=asked - size), row)


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
