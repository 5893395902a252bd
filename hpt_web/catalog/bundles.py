"""Bundles of code: what people upload (.py, .zip, .tar.gz) is checked and packed anew in one canonical form.

An archive is hostile until shown otherwise. Its list of members is read and judged before anything is unpacked: only
plain files with safe names, few enough and small enough together. The members are then written, as they are
decompressed, into a plain tar of our own (sorted, no owners, no times), and that is what is stored. So the digest of a
bundle says what is in it, however it was packed, and what is unpacked for a trial was never a stranger's archive.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, BinaryIO

from hpt_web.accounts.errors import Fault, Invalid
from hpt_web.catalog import storage

MAX_FILES = 1_000
MAX_SIZE = 256 * 1024 * 1024  # of all files together, unpacked
MAX_ARCHIVE = 256 * 1024 * 1024  # as uploaded
MAX_SCRIPT = 4 * 1024 * 1024
MAX_NAME = 200
MAX_PART = 100
MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class File:
    name: str
    size: int
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """A stored bundle: its digest, the size of its files together, and the files in order of their names."""

    digest: str
    size: int
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class _Member:
    """A file of an upload, its content still where it is."""

    file: File
    open: Callable[[], IO[bytes]]


# --- names ------------------------------------------------------------------------------------------------------------


def name_problem(name: str) -> str | None:
    """What is wrong with the name of a file in a bundle or of a dataset's file, or None."""
    if not name or not name.isprintable():
        return "is empty or holds characters that cannot be printed"
    if "\\" in name or ":" in name or name.startswith(("/", "~")):
        return "is absolute, or holds a backslash or a colon"
    if unicodedata.normalize("NFC", name) != name:
        return "is not in Unicode's composed form (NFC)"
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "has an empty part, `.` or `..`"
    if any(part != part.strip() for part in parts):
        return "has a part that begins or ends with a space"
    if len(name.encode()) > MAX_NAME or any(len(part.encode()) > MAX_PART for part in parts) or len(parts) > MAX_DEPTH:
        return f"is longer than {MAX_NAME} bytes, {MAX_PART} in one part or {MAX_DEPTH} parts"
    return None


def _shown(name: str) -> str:
    text = ascii(name)
    return text if len(text) <= 60 else text[:57] + "...'"


def _list_faults(files: Iterable[File], field: str) -> list[Fault]:
    """What is wrong with a list of files; stops at the first of too many."""
    faults: list[Fault] = []
    seen: set[str] = set()
    folders: set[str] = set()
    count = size = 0
    for file in files:
        count, size = count + 1, size + file.size
        if count > MAX_FILES:
            return [Fault(field, f"has more than {MAX_FILES} files; leave out what the training does not need", "limit")]
        if problem := name_problem(file.name):
            faults.append(Fault(field, f"has a file {_shown(file.name)}, whose name {problem}; rename it", "name"))
        # Case is folded, as a disk may do it and let one file overwrite the other.
        folded = file.name.casefold()
        if folded in seen:
            faults.append(Fault(field, f"has the file {_shown(file.name)} twice; keep one of them", "duplicate"))
        seen.add(folded)
        parts = folded.split("/")
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    for name in sorted(seen & folders):
        faults.append(Fault(field, f"has {_shown(name)} both as a file and as a folder", "duplicate"))
    if size > MAX_SIZE:
        faults.append(
            Fault(field, f"holds {size:,} bytes when unpacked; at most {MAX_SIZE:,} are possible", "limit")
        )
    if not count:
        faults.append(Fault(field, "holds no file; put the script into it", "required"))
    return faults[:20]


# --- reading uploads --------------------------------------------------------------------------------------------------


def from_upload(upload: storage.Received, filename: str) -> Bundle:
    """Check an uploaded .py, .zip or .tar.gz and store its content as a bundle; Invalid if there is anything wrong.

    What it is, is read from its first bytes; `filename` names a plain script.
    """
    with upload.path.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"PK":
        with _zip_members(upload.path) as members:
            return _stored(members, "body")
    if start[:2] == b"\x1f\x8b":
        with _tar_members(upload.path) as members:
            return _stored(members, "body")
    return _script(upload, filename)


def from_texts(files: Mapping[str, str], field: str) -> Bundle:
    """Store files given as texts in a document; Invalid if there is anything wrong with their names or sizes."""
    members = []
    for name, text in files.items():
        data = text.encode()
        members.append(_Member(File(name, len(data)), lambda data=data: io.BytesIO(data)))  # type: ignore[misc]
    return _stored(members, field)


def _script(upload: storage.Received, filename: str) -> Bundle:
    if not filename.endswith(".py"):
        raise Invalid(
            [Fault("body", "is neither a zip nor a gzipped tar; a script needs ?filename=<name>.py", "type")]
        )
    if upload.size > MAX_SCRIPT:
        raise Invalid([Fault("body", f"is a script of {upload.size:,} bytes; at most {MAX_SCRIPT:,}", "limit")])
    data = upload.path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid([Fault("body", f"is not a script in UTF-8: {error.reason} at byte {error.start}")]) from error
    if "\x00" in text:
        raise Invalid([Fault("body", "is not a script: it holds a NUL character")])
    return _stored([_Member(File(filename, len(data)), lambda: io.BytesIO(data))], "filename")


@contextmanager
def _zip_members(path: Path) -> Iterator[list[_Member]]:
    faults: list[Fault] = []
    members: list[_Member] = []
    try:
        with zipfile.ZipFile(path) as archive:
            if len(archive.infolist()) > 2 * MAX_FILES:
                raise Invalid(_list_faults((File(str(n), 0) for n in range(MAX_FILES + 1)), "body"))
            for info in archive.infolist():
                mode = info.external_attr >> 16
                kind = stat.S_IFMT(mode) if info.create_system == 3 else 0
                # What the archive says, not what zipfile makes of it: it cuts names at a NUL and turns backslashes.
                name = info.orig_filename
                if info.is_dir() or kind == stat.S_IFDIR:
                    if name.rstrip("/") and (problem := name_problem(name.rstrip("/"))):
                        faults.append(Fault("body", f"has a folder {_shown(name)}, whose name {problem}", "name"))
                elif kind not in (0, stat.S_IFREG):
                    faults.append(_no_plain_file(name))
                elif info.flag_bits & 0x1:
                    faults.append(Fault("body", f"has an encrypted file {_shown(name)}; pack it without a password"))
                else:
                    file = File(name, info.file_size, bool(mode & 0o111))
                    members.append(_Member(file, lambda info=info: archive.open(info)))  # type: ignore[misc]
            _refuse(faults)
            yield members
    except (zipfile.BadZipFile, NotImplementedError, zlib.error, lzma.LZMAError, EOFError, RuntimeError) as error:
        raise Invalid([Fault("body", f"is a damaged zip or one of an unknown kind: {error}")]) from error


class _Bounded(io.RawIOBase):
    """A decompressed stream that ends the reading once more came out of it than a bundle may hold."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self._left = stream, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise Invalid([Fault("body", f"unpacks to more than {MAX_SIZE:,} bytes", "limit")])
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _tar_members(path: Path) -> Iterator[list[_Member]]:
    """A gzipped tar has no list at its front, so it is decompressed once, bounded, into a file of our own."""
    faults: list[Fault] = []
    members: list[_Member] = []
    try:
        with TemporaryFile() as plain:
            _decompress(path, plain)
            with tarfile.open(fileobj=plain, mode="r:") as archive:
                for info in archive:
                    if info.isdir():
                        if info.name != "." and (problem := name_problem(info.name.removeprefix("./"))):
                            text = f"has a folder {_shown(info.name)}, whose name {problem}"
                            faults.append(Fault("body", text, "name"))
                    elif not info.isreg():
                        faults.append(_no_plain_file(info.name))
                    else:
                        file = File(info.name.removeprefix("./"), info.size, bool(info.mode & 0o111))
                        members.append(_Member(file, lambda info=info: _extracted(archive, info)))  # type: ignore[misc]
                    if len(members) > MAX_FILES or len(faults) > MAX_FILES:
                        break
                _refuse(faults)
                yield members
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise Invalid([Fault("body", f"is a damaged .tar.gz: {error}")]) from error


def _decompress(path: Path, plain: IO[bytes]) -> None:
    # Headers and padding take up to a kilobyte and a half per member beside the content.
    with gzip.open(path) as packed, io.BufferedReader(_Bounded(packed, MAX_SIZE + 4096 * MAX_FILES)) as bounded:
        while chunk := bounded.read(storage.CHUNK):
            plain.write(chunk)
    plain.seek(0)


def _extracted(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(info)
    if file is None:
        raise tarfile.ReadError(f"{info.name} has no content")
    return file


def _no_plain_file(name: str) -> Fault:
    return Fault("body", f"has {_shown(name)}, which is a link or a device; only plain files are possible", "kind")


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise Invalid(faults[:20])


# --- the canonical form -----------------------------------------------------------------------------------------------


def _stored(members: list[_Member], field: str) -> Bundle:
    """Pack `members` into the canonical tar and store it."""
    _refuse(_list_faults((member.file for member in members), field))
    members = sorted(members, key=lambda member: member.file.name)
    with TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w:", format=tarfile.PAX_FORMAT) as archive:
            for member in members:
                _add(archive, member)
        packed.seek(0)
        with storage.receive(packed, limit=MAX_SIZE + 4096 * MAX_FILES, what="The bundle") as received:
            received.keep()
    files = tuple(member.file for member in members)
    return Bundle(received.digest, sum(file.size for file in files), files)


def _add(archive: tarfile.TarFile, member: _Member) -> None:
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
            raise Invalid([Fault("body", f"has a file {_shown(name)} that is not as long as the archive says")])


# --- out again --------------------------------------------------------------------------------------------------------


def unpack(digest: str, into: Path) -> None:
    """Write the files of a stored bundle under the folder `into`, which is made and must not hold any of them yet.

    Raises ContentMissing. Every name is checked again, though the tar is our own: the store may have been tampered with.
    """
    into.mkdir(parents=True, exist_ok=True)
    with storage.open_blob(digest) as blob, tarfile.open(fileobj=blob, mode="r:") as archive:
        for info in archive:
            if not info.isreg() or name_problem(info.name):
                raise Invalid([Fault("bundle", f"{digest} holds {_shown(info.name)}, which cannot be unpacked")])
            target = into / info.name
            target.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, info.mode & 0o755)
            with os.fdopen(handle, "wb") as file, _extracted(archive, info) as content:
                _pour(content, file)


def _pour(content: IO[bytes], file: IO[bytes]) -> None:
    while chunk := content.read(storage.CHUNK):
        file.write(chunk)


def read_file(digest: str, name: str, limit: int) -> bytes | None:
    """The first `limit` bytes of one file of a bundle; None if it has no such file."""
    blob: BinaryIO
    with storage.open_blob(digest) as blob, tarfile.open(fileobj=blob, mode="r:") as archive:
        for info in archive:
            if info.name == name and info.isreg():
                with _extracted(archive, info) as content:
                    return content.read(limit)
    return None
