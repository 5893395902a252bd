"""Reading the archives that people upload. Each is hostile until shown otherwise.

The list of members is read and judged before anything is unpacked: only plain files with safe names, few enough and
small enough together. Nothing is ever written under a name that an archive gives.
"""

from __future__ import annotations

import gzip
import io
import lzma
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from hpt_web.accounts.errors import Fault, Invalid
from hpt_web.catalog.storage import CHUNK, Readable

MAX_FILES = 1_000
MAX_SIZE = 256 * 1024 * 1024  # of all files together, unpacked
MAX_NAME = 200
MAX_PART = 100
MAX_DEPTH = 16
# A tar's headers and padding beside the content: up to this much per member.
OVERHEAD = 4096 * MAX_FILES


@dataclass(frozen=True, slots=True)
class File:
    name: str
    size: int
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Member:
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


def shown_name(name: str) -> str:
    text = ascii(name)
    return text if len(text) <= 60 else text[:57] + "...'"


def list_faults(files: Iterable[File], field: str) -> list[Fault]:
    """What is wrong with a list of files; stops at the first of too many."""
    faults: list[Fault] = []
    seen: set[str] = set()
    folders: set[str] = set()
    count = size = 0
    for file in files:
        count, size = count + 1, size + file.size
        if count > MAX_FILES:
            return [
                Fault(field, f"has more than {MAX_FILES} files; leave out what the training does not need", "limit")
            ]
        if problem := name_problem(file.name):
            faults.append(Fault(field, f"has a file {shown_name(file.name)}, whose name {problem}; rename it", "name"))
        # Case is folded, as a disk may do it and let one file overwrite the other.
        folded = file.name.casefold()
        if folded in seen:
            faults.append(Fault(field, f"has the file {shown_name(file.name)} twice; keep one of them", "duplicate"))
        seen.add(folded)
        parts = folded.split("/")
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    for name in sorted(seen & folders):
        faults.append(Fault(field, f"has {shown_name(name)} both as a file and as a folder", "duplicate"))
    if size > MAX_SIZE:
        faults.append(Fault(field, f"holds {size:,} bytes when unpacked; at most {MAX_SIZE:,} are possible", "limit"))
    if not count:
        faults.append(Fault(field, "holds no file; put the script into it", "required"))
    return faults[:20]


# --- archives -------------------------------------------------------------------------------------------------------


@contextmanager
def zip_members(path: Path) -> Iterator[list[Member]]:
    faults: list[Fault] = []
    members: list[Member] = []
    try:
        with zipfile.ZipFile(path) as archive:
            if len(archive.infolist()) > 2 * MAX_FILES:
                raise Invalid(list_faults((File(str(n), 0) for n in range(MAX_FILES + 1)), "body"))
            for info in archive.infolist():
                mode = info.external_attr >> 16
                kind = stat.S_IFMT(mode) if info.create_system == 3 else 0
                # What the archive says, not what zipfile makes of it: it cuts names at a NUL and turns backslashes.
                name = info.orig_filename
                if info.is_dir() or kind == stat.S_IFDIR:
                    if name.rstrip("/") and (problem := name_problem(name.rstrip("/"))):
                        faults.append(Fault("body", f"has a folder {shown_name(name)}, whose name {problem}", "name"))
                elif kind not in (0, stat.S_IFREG):
                    faults.append(_no_plain_file(name))
                elif info.flag_bits & 0x1:
                    faults.append(
                        Fault("body", f"has an encrypted file {shown_name(name)}; pack it without a password")
                    )
                else:
                    file = File(name, info.file_size, bool(mode & 0o111))
                    members.append(Member(file, lambda info=info: archive.open(info)))  # type: ignore[misc]
            refuse(faults)
            yield members
    except (zipfile.BadZipFile, NotImplementedError, zlib.error, lzma.LZMAError, EOFError, RuntimeError) as error:
        raise Invalid([Fault("body", f"is a damaged zip or one of an unknown kind: {error}")]) from error


class _Bounded(io.RawIOBase):
    """A decompressed stream that ends the reading once more came out of it than a bundle may hold."""

    def __init__(self, stream: Readable, limit: int) -> None:
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
def tar_members(path: Path) -> Iterator[list[Member]]:
    """A gzipped tar has no list at its front, so it is decompressed once, bounded, into a file of our own."""
    faults: list[Fault] = []
    members: list[Member] = []
    try:
        with TemporaryFile() as plain:
            _decompress(path, plain)
            with tarfile.open(fileobj=plain, mode="r:") as archive:
                for info in archive:
                    if info.isdir():
                        if info.name != "." and (problem := name_problem(info.name.removeprefix("./"))):
                            text = f"has a folder {shown_name(info.name)}, whose name {problem}"
                            faults.append(Fault("body", text, "name"))
                    elif not info.isreg():
                        faults.append(_no_plain_file(info.name))
                    else:
                        file = File(info.name.removeprefix("./"), info.size, bool(info.mode & 0o111))
                        members.append(Member(file, lambda info=info: extracted(archive, info)))  # type: ignore[misc]
                    if len(members) > MAX_FILES or len(faults) > MAX_FILES:
                        break
                refuse(faults)
                yield members
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise Invalid([Fault("body", f"is a damaged .tar.gz: {error}")]) from error


def _decompress(path: Path, plain: IO[bytes]) -> None:
    with gzip.open(path) as packed, io.BufferedReader(_Bounded(packed, MAX_SIZE + OVERHEAD)) as bounded:
        while chunk := bounded.read(CHUNK):
            plain.write(chunk)
    plain.seek(0)


def extracted(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(info)
    if file is None:
        raise tarfile.ReadError(f"{info.name} has no content")
    return file


def _no_plain_file(name: str) -> Fault:
    return Fault("body", f"has {shown_name(name)}, which is a link or a device; only plain files are possible", "kind")


def refuse(faults: list[Fault]) -> None:
    if faults:
        raise Invalid(faults[:20])
