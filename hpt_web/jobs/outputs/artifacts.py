"""What a trial's attempt left in `model/` and `output/data/`, to list and to download.

A trial may have put anything there: links to files of others, pipes, names that are no text. Regular files are shown,
and each is opened from folder to folder without following a link. A link that cannot lead out of its folder is shown as
a link, and nobody follows it here. All else is left out, and told with why.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from hpt_web.accounts.errors import NotVisible
from hpt_web.jobs.models import EXTERNAL, Attempt, Trial
from hpt_web.jobs.running import launching
from tuning.backends.docker.container import BASE

SHOWN = ("model", "output/data")
MAX_LISTED = 1000
MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Artifact:
    path: str  # from the attempt's folder, such as model/weights.pt
    bytes: int
    modified_at: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Link:
    path: str
    target: str  # from the link's own folder, such as epoch3.pt; there may be nothing
    modified_at: float


@dataclass(frozen=True, slots=True)
class LeftOut:
    path: str  # as Python writes it, if it is no printable text
    reason: str


Entry = Artifact | Link | LeftOut


@dataclass(slots=True)
class Listing:
    """Each by path; together at most MAX_LISTED."""

    files: list[Artifact] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    truncated: bool = False  # there is more


def attempt_of(trial: Trial, number: int) -> Attempt:
    """The attempt of this number; 0 is the newest. Raises NotVisible."""
    attempt = trial.attempts.filter(number=number or trial.attempt).first()
    if attempt is None:
        what = f"no attempt {number}" if number else "not run yet"
        raise NotVisible(f"Trial {trial.number} has {what}.")
    return attempt


def listing(attempt: Attempt) -> Listing:
    found = Listing()
    for name in SHOWN:
        for entry in entries(attempt, name):
            if len(found.files) + len(found.links) + len(found.left_out) == MAX_LISTED:
                found.truncated = True
                return found
            if isinstance(entry, Artifact):
                found.files.append(entry)
            elif isinstance(entry, Link):
                found.links.append(entry)
            else:
                found.left_out.append(entry)
    return found


def entries(attempt: Attempt, name: str) -> Iterator[Entry]:
    """All that lies in the folder `name` of the attempt, by path; of folders what lies in them."""
    fd = _open(attempt, name, os.O_DIRECTORY)
    if fd is not None:
        try:
            yield from _walk(fd, name, (), _base(attempt, name))
        finally:
            os.close(fd)


def _base(attempt: Attempt, name: str) -> str:
    """The folder's name as the trial has it, who may write it into a link."""
    contained = attempt.backend == launching.CONTAINER
    return f"{BASE if contained else launching.backend().folder(attempt.token)}/{name}"


def _walk(fd: int, top: str, inside: tuple[str, ...], base: str) -> Iterator[Entry]:
    """What lies in an open folder; `inside` are the names of the folders that lead to it from `top`."""
    for name in sorted(os.listdir(fd)):  # a descriptor, which pathlib does not take
        path = "/".join((top, *inside, name))
        if not name.isprintable():  # nobody could ask for it
            yield LeftOut(repr(path)[1:-1], "its name is no printable text")
            continue
        try:
            info = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if not stat.S_ISDIR(info.st_mode):
                yield _entry(fd, path, info, inside, base)
            elif len(inside) == MAX_DEPTH:
                yield LeftOut(path, f"lies in more than {MAX_DEPTH} folders")
            else:
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
                try:
                    yield from _walk(inner, top, (*inside, name), base)
                finally:
                    os.close(inner)
        except FileNotFoundError:
            continue  # gone meanwhile
        except OSError:
            yield LeftOut(path, "cannot be read")


def _entry(fd: int, path: str, info: os.stat_result, inside: tuple[str, ...], base: str) -> Entry:
    """What is no folder. Raises OSError if it is not there any more, or another thing."""
    name = path.rpartition("/")[2]
    if stat.S_ISLNK(info.st_mode):
        written = os.readlink(name, dir_fd=fd)
        target = link_target(written, inside, base)
        if target is None:
            return LeftOut(path, f"a link to {repr(written)[:200]}, which may lead out of its folder")
        return Link(path, target, info.st_mtime)
    if not stat.S_ISREG(info.st_mode):
        return LeftOut(path, "no file, but a pipe, a socket or a device")
    if not os.access(name, os.R_OK, dir_fd=fd, follow_symlinks=False):
        return LeftOut(path, "cannot be read")
    return Artifact(path, info.st_size, info.st_mtime)


def link_target(written: str, inside: tuple[str, ...], base: str) -> str | None:
    """Where a link leads, from its own folder; None if that may be outside of the top folder.

    `written` is the link's text, `inside` the folders from the top one to the link, and `base` the top folder's name as
    the trial has it. It is allowed to go up only first, through folders that are none of its links: as every link that
    is kept goes up no further than to the top, so does any path through several of them.
    """
    parts = [part for part in written.split("/") if part not in ("", ".")]
    up = 0
    if written.startswith("/"):
        if not f"{written}/".startswith(f"{base}/"):
            return None
        parts, up = [part for part in written[len(base) :].split("/") if part not in ("", ".")], len(inside)
    else:
        while parts and parts[0] == "..":
            parts, up = parts[1:], up + 1
    if up > len(inside) or ".." in parts or not written.isprintable():
        return None
    return "/".join((*[".."] * up, *parts)) or "."


def open_file(attempt: Attempt, path: str) -> tuple[BinaryIO, int]:
    """One of the attempt's files, and its size. Raises NotVisible for whatever `listing` does not show as a file."""
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
