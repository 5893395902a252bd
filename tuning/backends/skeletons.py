# ruff: noqa: PTH102, PTH104, PTH108, PTH112, PTH208 - a Path takes as long to make as most of these calls, and each place that is free waits for them
"""Attempts' folders that are ready before there is an attempt: a dozen folders, each of which may wait for a busy disk,
and a place that has become free would wait for all of them.

    root/.ready/<name>/     a whole one: layout's folders, the lock, and the mark that nobody has put anything in yet,
                            which becomes the log

One is taken by renaming it to the attempt's folder, so several processes may take from the same root. Whoever holds the
attempt's lock removes the mark before it puts anything in: a folder without it is one that a launch was cut off in.

Those of attempts that are over become the next ones' (`reclaim`), as far as nothing of the trial is in them: file
systems take several times as long to make and remove a folder or a file as to rename one, or to write it anew.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import threading
import time
from pathlib import Path

from tuning.backends import layout
from tuning.backends.folder import locked, remove

READY = 4  # at a time: as many places as may become free at once on a small host
MOST_READY = 128  # with those that were reclaimed; none is more than a dozen empty folders
PLAIN_BYTES = 4096  # of a folder that never held much: some file systems never give that back
CODE_BYTES = 65536  # of a file of code that is worth keeping
FOLDER = ".ready"
MARK = "untouched"
WHOLE = ("input", "code", "home", "tmp", "model", "output")
# By each launch, over what is there; and so are files of the code, of which a launch removes what is not its own.
WRITTEN = frozenset(f"input/config/{name}.json" for name in layout.CONFIG)
_SCRATCH = tuple(f"{name}/" for name in layout.SCRATCH)


class Skeletons:
    def __init__(self, root: Path) -> None:
        self._folder = f"{root}/{FOLDER}"
        self._maker: threading.Thread | None = None
        self._lock = threading.Lock()

    def take(self, attempt: Path) -> None:
        """Give the attempt's folder if it is not there and one is ready; more are made in the background."""
        if os.path.lexists(attempt):
            return
        ready = self._whole()
        for name in ready:
            try:
                os.rename(f"{self._folder}/{name}", attempt)
                break
            except FileNotFoundError:  # another process was faster
                continue
            except OSError:  # somebody has made the attempt's meanwhile
                break
        if len(ready) > READY:
            return
        with self._lock:
            if self._maker is None or not self._maker.is_alive():
                self._maker = threading.Thread(target=self._make, name="skeletons", daemon=True)
                self._maker.start()

    def _whole(self) -> list[str]:
        try:
            return [name for name in os.listdir(self._folder) if not name.startswith(".")]
        except OSError:
            return []

    def _make(self) -> None:
        with contextlib.suppress(OSError):  # the root is gone, or the disk full: launches do without
            if not os.path.isdir(self._folder):
                os.mkdir(self._folder, 0o700)
            while len(self._whole()) < READY:
                name = f"{os.getpid()}-{time.time_ns()}"
                draft = f"{self._folder}/.{name}"
                try:
                    os.mkdir(draft, 0o700)
                    _complete(draft, f"{self._folder}/{name}")
                except OSError:
                    shutil.rmtree(draft, ignore_errors=True)
                    raise


def _complete(draft: str, place: str) -> None:
    layout.make_folders(draft)
    for file in ("lock", MARK):
        layout.write_file(f"{draft}/{file}", b"")
    os.rename(draft, place)


def _move_lock(folder: Path, draft: str) -> None:
    """Unless somebody holds it. Whoever has just opened it sees that it is the attempt's no more (`folder.locked`)."""
    with locked(folder, 0.0) as lock:
        if lock is not None:
            os.rename(f"{folder}/lock", f"{draft}/lock")


def reclaim(folder: Path) -> None:
    """Take from the folder of an attempt that is over what can be made again: the folders as those of an attempt to
    come, if they are as they were made, or else away with them (`layout.SCRATCH`) or left where they are."""
    ready = f"{folder.parent}/{FOLDER}"
    draft = f"{ready}/.{os.getpid()}-{time.time_ns()}"
    try:
        # Nothing of the trial runs any more: that is what its end says.
        wanted = os.path.lexists(f"{folder}/exit.json") and len(os.listdir(ready)) < MOST_READY
        if wanted:
            os.mkdir(draft, 0o700)
            for name in WHOLE:
                if _emptied(f"{folder}/{name}", name):
                    os.rename(f"{folder}/{name}", f"{draft}/{name}")
            _move_lock(folder, draft)
            _complete(draft, draft.replace(f"{FOLDER}/.", f"{FOLDER}/"))
    except OSError:
        remove(Path(draft))
    for name in layout.SCRATCH:
        remove(folder / name)


def _emptied(path: str, name: str) -> bool:
    """Whether this is a folder as it was made, with nothing in it any more but what the next attempt's takes the place
    of; `name` is what layout calls it. What a trial has left is removed from its scratch folders only."""
    if not _as_made(path, stat.S_IFDIR | 0o700):
        return False
    with os.scandir(path) as entries:
        for entry in entries:
            inner = f"{name}/{entry.name}"
            if inner in layout.FOLDERS:
                if not _emptied(entry.path, inner):
                    return False
            elif not _written_over(entry.path, inner):
                if entry.is_dir(follow_symlinks=False) or not f"{inner}/".startswith(_SCRATCH):
                    return False
                os.unlink(entry.path)
    return True


def _written_over(path: str, name: str) -> bool:
    """Whether the next launch takes this file as it is: by its name (`layout`), and as no trial has made it another."""
    if name in WRITTEN:
        return _as_made(path, stat.S_IFREG | 0o600)
    return name.startswith("code/") and _as_made(path, stat.S_IFREG | 0o600, CODE_BYTES)


def _as_made(path: str, mode: int, most: int = PLAIN_BYTES) -> bool:
    found = os.lstat(path)
    if found.st_mode != mode or found.st_uid != os.geteuid() or found.st_size > most:
        return False
    if stat.S_ISREG(mode):
        return found.st_nlink == 1
    return not any("posix_acl" in one for one in os.listxattr(path, follow_symlinks=False))


def untouched(folder: Path) -> bool:
    """Whether the folder is as it was made; the caller holds its lock, and from now on it is not."""
    try:
        os.rename(f"{folder}/{MARK}", f"{folder}/log")  # empty, as a new log is
    except FileNotFoundError:
        return False
    return True
