"""Telling the processes of an attempt from all others, from outside: by /proc, without being their parent."""

from __future__ import annotations

import json
import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tuning.backends.layout import read_file
from tuning.backends.warden import linux

MARKER = "HPT_ATTEMPT_FOLDER"  # a variable that everything the command starts inherits


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for ever: a pid alone is used again, with its start time and the machine's boot it is not."""

    pid: int
    start_time: int  # clock ticks since boot
    boot: str

    @classmethod
    def read(cls, path: Path | str) -> Identity | None:
        """From a warden.json, or None if there is none."""
        try:
            document = json.loads(read_file(path, 4096))
            return cls(int(document["pid"]), int(document["start_time"]), str(document["boot"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return cls(0, 0, "")  # spoilt, by a power cut or the trial: of nobody who lives

    def of_this_boot(self) -> bool:
        return self.boot == _boot()

    def alive(self) -> bool:
        return self.pid > 0 and self.of_this_boot() and _start_time(self.pid) == self.start_time

    def open(self) -> int | None:
        """A descriptor that becomes readable when the process ends; None if it has ended or the kernel has no such."""
        if self.pid <= 0:
            return None
        try:
            fd = os.pidfd_open(self.pid)
        except OSError:
            return None
        if self.alive():
            return fd
        os.close(fd)
        return None

    def send(self, *numbers: int) -> bool:
        """Signal this process and no other that got its pid. False if it has ended."""
        fd = self.open()
        if fd is None:
            return False
        try:
            for number in numbers:
                signal.pidfd_send_signal(fd, number)
        except OSError:
            return False
        finally:
            os.close(fd)
        return True


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _stat(pid: int) -> list[bytes] | None:
    """The fields of /proc/<pid>/stat from the third on; the second, the name, may hold anything."""
    return linux.read_file(f"/proc/{pid}/stat").rpartition(b")")[2].split() or None


def _start_time(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] not in (b"Z", b"X") else None


@dataclass(frozen=True, slots=True)
class Census:
    """What runs of which attempt: its warden, and everything else."""

    wardens: dict[str, list[int]]
    others: dict[str, list[int]]


def census(root: Path, entrance: str) -> Census:
    """Every process of the attempts under ``root``.

    A warden is known by its command line, in which ``entrance`` is one argument, and by the attempt's folder, in which
    it works; a process of a trial by the marker in the environment it was started with. One that was started with
    another environment is known as long as it stays in the attempt's folder, but for a person's shell. Best effort: one
    that leaves both behind is not found. This is for attempts whose warden was killed; a living warden knows its
    descendants for certain.
    """
    found = Census(defaultdict(list), defaultdict(list))
    own = f"{root}/".encode()
    marker = f"{MARKER}=".encode()
    for pid in _own_pids():
        arguments = _read(pid, "cmdline").split(b"\0")
        if entrance.encode() in arguments:
            attempt = _attempt(_folder(pid), own)
            table = found.wardens
        else:
            variables = _read(pid, "environ").split(b"\0")
            value = next((entry[len(marker) :] for entry in variables if entry.startswith(marker)), b"")
            attempt = _attempt(value, own) or _by_folder(pid, root)
            table = found.others
        if attempt:
            table[attempt].append(pid)
    return found


def _own_pids() -> Iterator[int]:
    user, this = os.geteuid(), os.getpid()
    with os.scandir("/proc") as entries:
        for entry in entries:
            if entry.name.isdigit() and int(entry.name) != this:
                try:
                    if entry.stat().st_uid == user:
                        yield int(entry.name)
                except OSError:
                    continue


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _attempt(path: bytes, own: bytes) -> str | None:
    """The attempt whose folder this path is or is in."""
    return os.fsdecode(path[len(own) :].split(b"/")[0]) if path.startswith(own) else None


def _folder(pid: int) -> bytes:
    """Where a process works."""
    try:
        return os.fsencode(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return b""


def _by_folder(pid: int, root: Path) -> str | None:
    attempt = _attempt(_folder(pid), f"{root}/".encode())
    fields = _stat(pid)
    if not attempt or not fields or fields[0] in (b"Z", b"X"):
        return None
    warden = Identity.read(root / attempt / "warden.json")
    terminal, started = int(fields[4]), int(fields[19])
    ours = warden is not None and warden.boot == _boot() and started >= warden.start_time and terminal == 0
    return attempt if ours else None
