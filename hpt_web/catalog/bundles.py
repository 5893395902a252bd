"""Bundles of code: what people upload (.py, .zip, .tar.gz) is checked and packed anew in one canonical form.

The files of an upload are written, as they are decompressed, into a plain tar of our own (sorted, no owners, no times),
and that is what is stored. So the digest of a bundle says what is in it, however it was packed, and what is unpacked
for a trial was never a stranger's archive.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from hpt_web.accounts.errors import Fault, Invalid
from hpt_web.catalog import storage
from hpt_web.catalog.archives import (
    MAX_SIZE,
    OVERHEAD,
    File,
    Member,
    extracted,
    list_faults,
    name_problem,
    refuse,
    shown_name,
    tar_members,
    zip_members,
)

MAX_ARCHIVE = MAX_SIZE  # as uploaded
MAX_SCRIPT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bundle:
    """A stored bundle: its digest, the size of its files together, and the files in order of their names."""

    digest: str
    size: int
    files: tuple[File, ...]


# --- reading uploads --------------------------------------------------------------------------------------------------


def from_upload(upload: storage.Received, filename: str) -> Bundle:
    """Check an uploaded .py, .zip or .tar.gz and store its content as a bundle; Invalid if there is anything wrong.

    What it is, is read from its first bytes; `filename` names a plain script.
    """
    with upload.path.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"PK":
        with zip_members(upload.path) as members:
            return _stored(members, "body")
    if start[:2] == b"\x1f\x8b":
        with tar_members(upload.path) as members:
            return _stored(members, "body")
    return _script(upload, filename)


def from_texts(files: Mapping[str, str], field: str) -> Bundle:
    """Store files given as texts in a document; Invalid if there is anything wrong with their names or sizes."""
    members = []
    for name, text in files.items():
        data = text.encode()
        members.append(Member(File(name, len(data)), lambda data=data: io.BytesIO(data)))  # type: ignore[misc]
    return _stored(members, field)


def _script(upload: storage.Received, filename: str) -> Bundle:
    if not filename.endswith(".py"):
        raise Invalid([Fault("body", "is neither a zip nor a gzipped tar; a script needs ?filename=<name>.py", "type")])
    if upload.size > MAX_SCRIPT:
        raise Invalid([Fault("body", f"is a script of {upload.size:,} bytes; at most {MAX_SCRIPT:,}", "limit")])
    data = upload.path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid([Fault("body", f"is not a script in UTF-8: {error.reason} at byte {error.start}")]) from error
    if "\x00" in text:
        raise Invalid([Fault("body", "is not a script: it holds a NUL character")])
    return _stored([Member(File(filename, len(data)), lambda: io.BytesIO(data))], "filename")


# --- the canonical form -----------------------------------------------------------------------------------------------


def _stored(members: list[Member], field: str) -> Bundle:
    """Pack `members` into the canonical tar and store it."""
    refuse(list_faults((member.file for member in members), field))
    members = sorted(members, key=lambda member: member.file.name)
    with TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w:", format=tarfile.PAX_FORMAT) as archive:
            for member in members:
                _add(archive, member)
        packed.seek(0)
        with storage.receive(packed, limit=MAX_SIZE + OVERHEAD, what="The bundle") as received:
            received.keep()
    files = tuple(member.file for member in members)
    return Bundle(received.digest, sum(file.size for file in files), files)


def _add(archive: tarfile.TarFile, member: Member) -> None:
    info = tarfile.TarInfo(member.file.name)
    info.size = member.file.size
    info.mode = 0o755 if member.file.executable else 0o644
    with member.open() as content:
        # An archive's list may lie about sizes: never more is read than was counted, and less is refused.
        data = _Exactly(content, info.size)
        archive.addfile(info, data)  # type: ignore[arg-type]
        data.check_end(info.name)


class _Exactly:
    """A stream of exactly so many bytes."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream, self._left = stream, size

    def read(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data

    def check_end(self, name: str) -> None:
        if self._left or self._stream.read(1):
            raise Invalid([Fault("body", f"has a file {shown_name(name)} that is not as long as the archive says")])


# --- out again --------------------------------------------------------------------------------------------------------


def unpack(digest: str, into: Path) -> None:
    """Write the files of a stored bundle under the folder `into`, which is made and must not hold any of them yet.

    Raises ContentMissing. Every name is checked again, though the tar is our own: the store may have been changed.
    """
    into.mkdir(parents=True, exist_ok=True)
    with storage.open_blob(digest) as blob, tarfile.open(fileobj=blob, mode="r:") as archive:
        for info in archive:
            if not info.isreg() or name_problem(info.name):
                raise Invalid([Fault("bundle", f"{digest} holds {shown_name(info.name)}, which cannot be unpacked")])
            target = into / info.name
            target.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, info.mode & 0o755)
            with os.fdopen(handle, "wb") as file, extracted(archive, info) as content:
                _pour(content, file)


def _pour(content: IO[bytes], file: IO[bytes]) -> None:
    while chunk := content.read(storage.CHUNK):
        file.write(chunk)


def read_file(digest: str, name: str, limit: int) -> bytes | None:
    """The first `limit` bytes of one file of a bundle; None if it has no such file."""
    with storage.open_blob(digest) as blob, tarfile.open(fileobj=blob, mode="r:") as archive:
        for info in archive:
            if info.name == name and info.isreg():
                with extracted(archive, info) as content:
                    return content.read(limit)
    return None
