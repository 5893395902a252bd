"""The host's GPUs: which there are, which of them a trial gets, and how busy they are.

Who gets what is decided by pure functions of the devices and of what is held, so that the decision can be repeated,
explained and stored. A device is named as NVIDIA's driver does, by its number or, better, by its UUID, which survives
a reboot and another order of cards.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tuning.errors import Fault, InvalidSpec

DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9/._-]{0,127}\Z")
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?)?B?\Z", re.IGNORECASE)
FACTORS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 1 << 10,
    "mi": 1 << 20,
    "gi": 1 << 30,
    "ti": 1 << 40,
}
MOST_DEVICES = 1024


@dataclass(frozen=True, slots=True)
class Device:
    id: str
    memory_bytes: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What one trial asks for: ``count`` devices, all or none.

    Without ``memory_bytes`` each of them is its own while it runs. With them it takes that much of each, and others may
    have the rest; the trial has to keep to it, as nothing else bounds what it allocates there.
    """

    count: int = 0
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.count < 0 or (self.memory_bytes is not None and self.memory_bytes <= 0):
            raise ValueError(f"{self} asks for less than nothing")


@dataclass(frozen=True, slots=True)
class Grant:
    """What one trial holds. ``memory_bytes`` is what it takes of each device; None: the whole device."""

    devices: tuple[str, ...]
    memory_bytes: int | None = None


def read_devices(text: str, field: str = "HPT_GPUS") -> tuple[Device, ...]:
    """From a setting such as ``0:80GB,1:80GB``: ids and memories. GB is 10^9 bytes, GiB is 2^30. InvalidSpec."""
    devices: dict[str, Device] = {}
    faults = []
    for number, entry in enumerate(part.strip() for part in text.split(",")):
        if not entry and not text.strip():
            break
        identity, _, size = (part.strip() for part in entry.rpartition(":"))
        found = SIZE.match(size)
        memory = int(float(found[1]) * FACTORS[(found[2] or "").lower()]) if found else 0
        if not DEVICE.match(identity) or memory <= 0:
            faults.append(Fault(f"{field}[{number}]", f"{entry!r} is no GPU: write its id and memory, such as 0:80GB"))
        elif identity in devices:
            faults.append(Fault(f"{field}[{number}]", f"GPU {identity} is listed twice: leave one out", "duplicate"))
        else:
            devices[identity] = Device(identity, memory)
    if len(devices) > MOST_DEVICES:
        faults.append(Fault(field, f"{len(devices)} GPUs are more than one host has: at most {MOST_DEVICES}", "limit"))
    if faults:
        raise InvalidSpec(faults)
    return tuple(devices.values())


# Who gets what


def allocate(devices: Sequence[Device], held: Iterable[Grant], request: Request) -> Grant | None:
    """The devices for a request beside what others hold; None if they must be waited for. Nothing is split up.

    Shares are packed onto the devices that have least left, so that whole devices stay free for those who need them.
    """
    if request.count == 0:
        return Grant(())
    free = _free(devices, held)
    if request.memory_bytes is None:
        fitting = [device for device in devices if free[device.id] == device.memory_bytes]
    else:
        fitting = [device for device in devices if free[device.id] >= request.memory_bytes]
        fitting.sort(key=lambda device: free[device.id])  # stable: the first in the list of those with as much
    if len(fitting) < request.count:
        return None
    return Grant(tuple(device.id for device in fitting[: request.count]), request.memory_bytes)


def never(devices: Sequence[Device], request: Request) -> str | None:
    """Why these devices can never meet the request, however idle they are; None if they can."""
    if allocate(devices, (), request) is not None:
        return None
    if len(devices) < request.count:
        return f"It asks for {request.count} {_gpus(request.count)}, and this host has {len(devices)}."
    assert request.memory_bytes is not None
    enough = sum(device.memory_bytes >= request.memory_bytes for device in devices)
    return (
        f"It asks for {_size(request.memory_bytes)} on each of {request.count} {_gpus(request.count)}, "
        f"and {enough} of this host's {len(devices)} {'has' if enough == 1 else 'have'} as much."
    )


def waiting(devices: Sequence[Device], held: Iterable[Grant], request: Request) -> str:
    """Why a request waits, with numbers."""
    free = _free(devices, held)
    if request.memory_bytes is None:
        whole = sum(free[device.id] == device.memory_bytes for device in devices)
        return f"waits for {request.count} free {_gpus(request.count)}: {whole} of {len(devices)} are free"
    room = sum(free[device.id] >= request.memory_bytes for device in devices)
    return (
        f"waits for {_size(request.memory_bytes)} on {request.count} {_gpus(request.count)}: "
        f"{room} of {len(devices)} have as much left"
    )


def _free(devices: Sequence[Device], held: Iterable[Grant]) -> dict[str, int]:
    """Bytes that nobody holds, of each device. What is held of devices that are gone counts nowhere."""
    free = {device.id: device.memory_bytes for device in devices}
    for grant in held:
        for identity in grant.devices:
            if identity in free:
                # Less than none where a list was shortened below what runs: nobody is killed for that.
                free[identity] = (
                    min(-1, free[identity]) if grant.memory_bytes is None else free[identity] - grant.memory_bytes
                )
    return free


def _gpus(count: int) -> str:
    return "GPU" if count == 1 else "GPUs"


def _size(memory_bytes: int) -> str:
    return f"{memory_bytes / 1e9:.3g} GB"


# What NVIDIA's driver says


@dataclass(frozen=True, slots=True)
class Use:
    """Of one device at one moment. ``busy`` is the part of the last moment in which it computed, 0 to 1."""

    id: str
    busy: float | None
    memory_bytes: int
    own_bytes: int | None  # of it, by the processes that were asked for


@contextmanager
def _driver() -> Iterator[Any]:
    """The module that speaks with it, None if there is none; it is told goodbye afterwards."""
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        yield None  # the module alone takes 13 MB of each process
        return
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def discover() -> tuple[Device, ...]:
    """The devices of this host by UUID, in the driver's order; none if it has no driver of NVIDIA's."""
    with _driver() as nvml:
        if nvml is None:
            return ()
        handles = [nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())]
        return tuple(
            Device(
                _text(nvml.nvmlDeviceGetUUID(handle)),
                int(nvml.nvmlDeviceGetMemoryInfo(handle).total),
                _text(nvml.nvmlDeviceGetName(handle)),
            )
            for handle in handles
        )


def sample(ids: Collection[str], pids: Collection[int] = ()) -> tuple[Use, ...]:
    """How busy each of these devices is, and what ``pids`` hold there; without those that the driver does not know."""
    with _driver() as nvml:
        if nvml is None:
            return ()
        return tuple(use for identity in ids if (use := _use(nvml, identity, set(pids))) is not None)


def _use(nvml: Any, identity: str, pids: set[int]) -> Use | None:
    try:
        if identity.isdecimal():
            handle = nvml.nvmlDeviceGetHandleByIndex(int(identity))
        else:
            handle = nvml.nvmlDeviceGetHandleByUUID(identity.encode())
        memory = int(nvml.nvmlDeviceGetMemoryInfo(handle).used)
    except nvml.NVMLError:
        return None
    return Use(identity, _busy(nvml, handle), memory, _own_bytes(nvml, handle, pids) if pids else None)


def _busy(nvml: Any, handle: object) -> float | None:
    try:
        return float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu) / 100
    except nvml.NVMLError:  # parts of a divided device do not tell
        return None


def _own_bytes(nvml: Any, handle: object, pids: set[int]) -> int | None:
    try:
        running = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except nvml.NVMLError:
        return None
    return sum(int(process.usedGpuMemory or 0) for process in running if process.pid in pids)


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
