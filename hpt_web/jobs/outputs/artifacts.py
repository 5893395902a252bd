"""What a trial's attempt left in `model/` and `output/data/`, to list and to download.

A trial may have put anything there: links to files of others, pipes, names that are no text. Only regular files are
shown, and each is opened from folder to folder without following a link.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from hpt_web.accounts.errors import NotVisible
from hpt_web.jobs.models import EXTERNAL, Attempt, Trial
from hpt_web.jobs.running import launching

SHOWN = ("model", "output/data")
MAX_FILES = 1000
MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Artifact:
    path: str  # from the attempt's folder, such as model/weights.pt
    bytes: int
    modified_at: float  # seconds since the epoch


def attempt_of(trial: Trial, number: int) -> Attempt:
    """The attempt of this number; 0 is the newest. Raises NotVisible."""
    attempt = trial.attempts.filter(number=number or trial.attempt).first()
    if attempt is None:
        what = f"no attempt {number}" if number else "not run yet"
        raise NotVisible(f"Trial {trial.number} has {what}.")
    return attempt


def listing(attempt: Attempt) -> tuple[list[Artifact], bool]:
    """The attempt's files by path, at most MAX_FILES, and whether there are more."""
    found: list[Artifact] = []
    for name in SHOWN:
        for artifact in files(attempt, name):
            if len(found) == MAX_FILES:
                return found, True
            found.append(artifact)
    return found, False


def files(attempt: Attempt, name: str) -> Iterator[Artifact]:
    """All files in the folder `name` of the attempt, by path."""
    fd = _open(attempt, name, os.O_DIRECTORY)
    if fd is not None:
        try:
            yield from _walk(fd, name, MAX_DEPTH)
        finally:
            os.close(fd)


def _walk(fd: int, at: str, depth: int) -> Iterator[Artifact]:
    for name in sorted(_names(fd)):
        try:
            info = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISREG(info.st_mode):
                yield Artifact(f"{at}/{name}", info.st_size, info.st_mtime)
            elif stat.S_ISDIR(info.st_mode) and depth:
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
                try:
                    yield from _walk(inner, f"{at}/{name}", depth - 1)
                finally:
                    os.close(inner)
        except OSError:
            continue  # not for us, or gone meanwhile


def _names(fd: int) -> list[str]:
    """The names in a folder that are text; others cannot be asked for."""
    names = os.listdir(fd)  # a descriptor, which pathlib does not take
    return [name for name in names if name.isprintable() and not any(0xD800 <= ord(one) <= 0xDFFF for one in name)]


def open_file(attempt: Attempt, path: str) -> tuple[BinaryIO, int]:
    """One of the attempt's files, and its size. Raises NotVisible for whatever is not a file that `listing` shows."""
    fd = _open(attempt, path, os.O_NONBLOCK) if path.startswith(tuple(f"{name}/" for name in SHOWN)) else None
    if fd is not None:
        info = os.fstat(fd)
        if stat.S_ISREG(info.st_mode):
            return os.fdopen(fd, "rb"), info.st_size
        os.close(fd)
    raise NotVisible(f"Attempt {attempt.number} of trial {attempt.trial.number} has no file {path[:200]!r}.")


def _open(attempt: Attempt, path: str, flags: int) -> int | None:
    """A descriptor for a path in the attempt's folder, step by step, so that no link leads out of it; or None."""
    parts = path.split("/")
    if attempt.backend == EXTERNAL or any(part in ("", ".", "..") or "\0" in part for part in parts):
        return None
    if len(parts) > MAX_DEPTH + 2:
        return None
    try:
        fd = os.open(launching.backend().folder(attempt.token), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        for index, part in enumerate(parts):
            last = index == len(parts) - 1
            try:
                inner = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | (flags if last else os.O_DIRECTORY), dir_fd=fd)
            finally:
                os.close(fd)
            fd = inner
    except (OSError, ValueError):
        return None
    return fd
