"""Where content lies: files named by the digest of what is in them, under settings.HPT_HOME/blobs.

    blobs/sha256/ab/abcdef...   read-only, complete, and what its name says; written once, never changed
    blobs/incoming/<random>     being written, locked by its writer; swept once nobody holds the lock

A file gets its place by a rename after its content is on the disk, so that a reader sees all of it or nothing.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from django.conf import settings

from hpt_web.catalog.errors import ContentMissing, CutOff, DiskFull, TooLarge
from hpt_web.catalog.models import DIGEST_PATTERN

CHUNK = 1024 * 1024
_DIGEST = re.compile(DIGEST_PATTERN)
_BEGINNING = 60.0  # seconds
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _root() -> Path:
    return Path(settings.HPT_HOME) / "blobs"


def path(digest: str) -> Path:
    """Where the content of `digest` lies, whether it is there or not.

    Raises ValueError if `digest` is not in form, so that it can never name another place.
    """
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is not a digest")
    name = digest.removeprefix("sha256:")
    return _root() / "sha256" / name[:2] / name


def has(digest: str) -> bool:
    return bool(_DIGEST.fullmatch(digest)) and path(digest).is_file()


def touch(digest: str) -> bool:
    """Whether the content is there; it counts as new again, so that no sweep takes it before its row is written."""
    try:
        os.utime(path(digest))
    except FileNotFoundError:
        return False
    return True


def open_blob(digest: str) -> BinaryIO:
    """The content, to be read. Raises ContentMissing."""
    try:
        return path(digest).open("rb")
    except FileNotFoundError as error:
        raise ContentMissing(f"The content {digest} is not in the store; restore it from a backup.") from error


@dataclass(frozen=True, slots=True)
class Received:
    """Content that arrived whole. It goes away at the end of `receive` unless it was kept."""

    path: Path
    digest: str
    size: int

    def keep(self) -> Path:
        """Give it its place in the store. Content that is there already stays as it is, and counts as new again."""
        place = path(self.digest)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_file():
            place.touch()
            return place
        self.path.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        self.path.rename(place)
        _sync_folder(place.parent)
        return place


@contextmanager
def receive(
    stream: Readable, *, limit: int, announced: int | None = None, what: str = "The file"
) -> Iterator[Received]:
    """Read `stream` to its end into a temporary file that is gone afterwards, unless kept.

    Raises:
        TooLarge: more than `limit` bytes were announced or came.
        CutOff: fewer or more than the `announced` bytes came, or the connection broke.
        DiskFull: no room is left.
    """
    if announced is not None and announced > limit:
        raise TooLarge(limit, what=what)
    incoming = _root() / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    temporary = incoming / secrets.token_hex(16)
    try:
        with temporary.open("xb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            digest, size = _copy(stream, file, limit, what)
            if announced is not None and size != announced:
                raise CutOff(size, announced)
            file.flush()
            os.fsync(file.fileno())
            yield Received(temporary, digest, size)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise DiskFull("No room is left on the disk of the service; nothing was kept.") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _copy(stream: Readable, file: BinaryIO, limit: int, what: str) -> tuple[str, int]:
    running, size = hashlib.sha256(), 0
    while chunk := stream.read(CHUNK):
        size += len(chunk)
        if size > limit:
            raise TooLarge(limit, what=what)
        running.update(chunk)
        file.write(chunk)
    return f"sha256:{running.hexdigest()}", size


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep_incoming() -> int:
    """Remove what writers that died left behind; how many files. One that has just begun may not have its lock yet."""
    swept = 0
    incoming = _root() / "incoming"
    for left in incoming.iterdir() if incoming.is_dir() else ():
        with suppress(FileNotFoundError), left.open("rb") as file:
            if time.time() - left.stat().st_mtime < _BEGINNING:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue  # its writer lives
            left.unlink()
            swept += 1
    return swept


def sweep_unused(used: Collection[str], *, older_than: float) -> int:
    """Remove content whose digest is not in `used` and that was last stored or named over so many seconds ago."""
    swept = 0
    for place in (_root() / "sha256").glob("??/*"):
        with suppress(FileNotFoundError):
            if f"sha256:{place.name}" not in used and time.time() - place.stat().st_mtime > older_than:
                place.unlink()
                swept += 1
    return swept
