"""The files that stand for an attempt on disk, beside what the trial sees. Any of them may be the trial's forgery."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from tuning.backends import layout
from tuning.backends.contract import Phase, Status
from tuning.backends.processes import Identity
from tuning.backends.warden.log import MOST_TIMES, TIMES

HASTE_SECONDS = 0.05  # in which what is printed at once gets into the log
OVERDUE_SECONDS = 10.0  # after the grace: a warden that is still there then is not doing its work
KEPT = ("lock", "stop")
EXIT_BYTES = 4096
TIMES_BYTES = 64 * MOST_TIMES


def launched(folder: Path) -> bool:
    return _there(f"{folder}/warden.json") or _there(f"{folder}/exit.json")


def _there(path: str) -> bool:
    try:
        os.lstat(path)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def locked(folder: Path, patience: float, *, create: bool = False) -> Iterator[int | None]:
    """The attempt's lock as a descriptor, or None if it stays taken for ``patience`` seconds.

    With ``create``, makes the folder first, and waits no longer once somebody else has launched the attempt.
    """
    deadline = time.monotonic() + patience
    fd = _try_lock(folder, create)
    while fd is None and time.monotonic() < deadline and not (create and launched(folder)):
        time.sleep(0.002)
        fd = _try_lock(folder, create)
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def _try_lock(folder: Path, create: bool) -> int | None:
    path = f"{folder}/lock"
    try:
        if create and not _there(str(folder)):
            folder.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:
        if create:
            return None  # discarded in between: once more
        raise
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_ino == os.lstat(path).st_ino:  # not that of a folder which was discarded meanwhile
            return fd
    except OSError:
        pass
    os.close(fd)
    return None


def read_end(folder: Path | str, inside: str = "", token: str | None = None) -> Status | None:
    """From exit.json. None if there is none, or if it is not as a warden writes it (a power cut, the trial).

    ``inside`` is the folder in ``folder`` that holds it; ``token`` what only this attempt's warden could write there.
    """
    try:
        document: dict[str, Any] = json.loads(layout.read_file(f"{folder}/{inside}/exit.json", EXIT_BYTES))
        if token is not None and document["token"] != token:
            return None
        if "log_bytes" in document and _cut_off(f"{folder}/{inside}/log", folder, int(document["log_bytes"])):
            return None
        return Status(
            Phase.ENDED,
            exit_code=_optional(document["exit_code"], int),
            signal=_optional(document["signal"], int),
            failure=layout.read_failure(folder),
            started_at=_optional(document["started_at"], float),
            ended_at=float(document["ended_at"]),
            ended_by=_optional(document["ended_by"], str),
            cpu_seconds=float(document["cpu_seconds"]),
            max_rss_bytes=int(document["max_rss_bytes"]),
            log_lost_bytes=int(document["log_lost_bytes"]),
        )
    except (OSError, ArithmeticError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _cut_off(log: str, folder: Path | str, size: int) -> bool:
    """Whether a power cut has taken some of the log, which was written before the end, but not on disk."""
    with contextlib.suppress(FileNotFoundError):
        if os.lstat(log).st_size >= size:
            return False
    warden = Identity.read(f"{folder}/warden.json")
    return warden is None or not warden.of_this_boot()  # else the trial itself has done it


def _optional(value: Any, kind: type[Any]) -> Any:
    return None if value is None else kind(value)


def log_size_at(log: Path, moment: float) -> int | None:
    """From what the warden noted beside the log (warden.log): see ``Backend.log_size_at``."""
    try:
        text = layout.read_file(f"{log}{TIMES}", TIMES_BYTES).decode("ascii", "replace")
    except OSError:
        return None
    notes: list[tuple[float, int]] = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError):  # torn, on a full disk
            written, at = line.split()
            notes.append((float(at), int(written)))
    if not notes:
        return None
    first, size = notes[0]
    if moment < first:  # it was there when the attempt began, or it came with the output that was noted first
        return size
    end = read_end(log.parent)
    times = [at for at, _ in notes] + ([end.ended_at] if end and end.ended_at else [])
    gaps = [later - at for at, later in pairwise(times)]
    close = max(median(gaps) / 2, HASTE_SECONDS if len(gaps) == 1 else 0.0)  # of one gap nobody knows if it is usual
    return max(size for at, size in notes if at - moment < close)


def ask_to_stop(folder: Path, grace: float) -> bool:
    """Leave the request, and say whether an earlier one is long overdue. A later request never gives more time."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    deadline, overdue = now + grace, False
    with contextlib.suppress(OSError, ValueError, IndexError):
        words = (folder / "stop").read_text().split()
        grace, deadline = min(grace, float(words[0])), min(deadline, float(words[1]))
        overdue = now > deadline + OVERDUE_SECONDS
    folder.mkdir(mode=0o700, exist_ok=True)
    new = folder / f"stop.{os.getpid()}.{threading.get_ident()}"
    new.write_text(f"{grace!r} {deadline!r}\n")
    new.chmod(0o644)  # a warden in a container is another user
    new.rename(folder / "stop")
    return overdue


def clear(folder: Path) -> None:
    """Remove what a launch that was cut off left, but not the lock, nor a request to stop."""
    for path in folder.iterdir():
        if path.name not in KEPT:
            remove(path)


def abandon(folder: Path) -> None:
    """Leave nothing of a launch that failed, but a request to stop that came meanwhile. The caller holds the lock."""
    clear(folder)
    if not (folder / "stop").exists():
        (folder / "lock").unlink()
        folder.rmdir()


def remove(path: Path) -> None:
    """Remove whatever a trial may have made: folders without permissions, or nested deeper than Python can follow."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
            return
        try:
            shutil.rmtree(path)
        except (OSError, RecursionError):
            for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
                subprocess.run([*command, "--", str(path)], check=False, stderr=subprocess.DEVNULL)
