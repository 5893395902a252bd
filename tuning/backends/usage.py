"""What a running attempt uses of its host at this moment: read from /proc, or from its container's control groups."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tuning.backends.warden import linux

GROUPS = Path("/sys/fs/cgroup")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """``cpu_seconds`` since the start, so that two readings give the processors in use; memory now, not at most.
    In a container that served others before, its processors' time since the first of them.

    ``pids`` are those of the attempt's processes, as this host counts them.
    """

    cpu_seconds: float
    memory_bytes: int
    pids: tuple[int, ...]


def of_processes(warden: int) -> Usage | None:
    """Of everything that a warden has started, itself included. None if it is gone."""
    cpu, memory, pids = 0.0, 0, []
    for pid in (warden, *linux.descendants(warden)):
        fields = linux.read_file(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        if not fields:
            continue
        cpu += sum(map(int, fields[11:15])) / TICKS  # its own, and that of its children that have ended
        memory += linux.private_bytes(pid)
        pids.append(pid)
    return Usage(cpu, memory, tuple(pids)) if warden in pids else None


def of_container(first: int) -> Usage | None:
    """Of the container whose first process this is. None if it is gone, or its control groups cannot be read."""
    groups: dict[str, str] = {}
    for line in linux.read_file(f"/proc/{first}/cgroup").decode().splitlines():
        _, kinds, path = line.split(":", 2)
        groups |= {kind: path.lstrip("/") for kind in kinds.split(",")}
    try:
        if "memory" in groups:
            memory = _number(GROUPS / "memory" / groups["memory"] / "memory.usage_in_bytes")
            cache = _word(GROUPS / "memory" / groups["memory"] / "memory.stat", "total_inactive_file")
            cpu = _number(GROUPS / "cpuacct" / groups["cpuacct"] / "cpuacct.usage") / 1e9
        else:
            memory = _number(GROUPS / groups[""] / "memory.current")
            cache = _word(GROUPS / groups[""] / "memory.stat", "inactive_file")
            cpu = _word(GROUPS / groups[""] / "cpu.stat", "usage_usec") / 1e6
    except (OSError, KeyError, ValueError):
        return None
    # Pages of files that nobody has looked at for a while are the kernel's to take back.
    return Usage(cpu, max(0, memory - cache), (first, *linux.descendants(first)))


def _number(path: Path) -> int:
    return int(path.read_text())


def _word(path: Path, word: str) -> int:
    return next((int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(f"{word} ")), 0)
