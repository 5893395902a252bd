"""What an attempt left, as one tar.gz in SageMaker's form: `model.tar.gz` is all of `model/`, `output.tar.gz` all of
`output/data/`, with names from there on. Links that stay inside are packed as links, as tar and SageMaker do it.

It is packed while it is read, so that a large model needs no room on the disk, nor in memory, and begins at once.
"""

from __future__ import annotations

import contextlib
import os
import tarfile
import zlib
from collections.abc import Generator, Iterator
from typing import BinaryIO

from hpt_web.accounts.errors import NotVisible
from hpt_web.jobs.models import Attempt
from hpt_web.jobs.outputs import artifacts
from hpt_web.jobs.outputs.artifacts import Artifact, LeftOut, Link

FOLDERS = {"model": "model", "output": "output/data"}
CHUNK = 1 << 20
GZIP = 31  # zlib's window bits for a gzip file
LEVEL = 1  # weights hardly shrink, and somebody waits


class Archive:
    """Read from its beginning to its end, once; at most some more than a chunk at a time."""

    def __init__(self, attempt: Attempt, folder: str) -> None:
        self._parts = _compressed(attempt, folder)

    def read(self, size: int = -1) -> bytes:
        """Some more of it, whatever the `size`; empty at its end."""
        return next(self._parts, b"")

    def close(self) -> None:
        with contextlib.suppress(ValueError):  # somebody who is not awaited any more still reads
            self._parts.close()


def open_archive(attempt: Attempt, name: str) -> Archive:
    """Raises NotVisible if there is no such archive, or nothing in it."""
    folder = FOLDERS.get(name)
    if folder is None or next(_members(attempt, folder), None) is None:
        what = f"no archive {name[:200]!r}" if folder is None else f"left nothing in {folder}/ that can be packed"
        raise NotVisible(f"Attempt {attempt.number} of trial {attempt.trial.number} has {what}.")
    return Archive(attempt, folder)


def _members(attempt: Attempt, folder: str) -> Iterator[Artifact | Link]:
    return (entry for entry in artifacts.entries(attempt, folder) if not isinstance(entry, LeftOut))


def _compressed(attempt: Attempt, folder: str) -> Generator[bytes]:
    gzip = zlib.compressobj(LEVEL, wbits=GZIP)
    for part in _packed(attempt, folder):
        if packed := gzip.compress(part):
            yield packed
    yield gzip.flush()


def _packed(attempt: Attempt, folder: str) -> Iterator[bytes]:
    for found in _members(attempt, folder):
        name = found.path.removeprefix(f"{folder}/")
        if isinstance(found, Link):
            yield _link(name, found)
            continue
        try:
            file, size = artifacts.open_file(attempt, found.path)
        except NotVisible:  # gone meanwhile
            continue
        with file:
            yield _header(name, file, size)
            yield from _content(file, size)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _header(name: str, file: BinaryIO, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    found = os.fstat(file.fileno())
    member.size = size
    member.mode = 0o755 if found.st_mode & 0o100 else 0o644
    member.mtime = max(0, found.st_mtime)
    return member.tobuf(tarfile.PAX_FORMAT)


def _link(name: str, link: Link) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = tarfile.SYMTYPE, link.target, 0o777
    member.mtime = max(0, link.modified_at)
    return member.tobuf(tarfile.PAX_FORMAT)


def _content(file: BinaryIO, size: int) -> Iterator[bytes]:
    """As many bytes as its header says, whatever a trial that still runs does to the file."""
    left = size
    while left and (data := file.read(min(left, CHUNK))):
        left -= len(data)
        yield data
    while left:
        yield bytes(min(left, CHUNK))
        left -= min(left, CHUNK)
    yield bytes(-size % tarfile.BLOCKSIZE)
