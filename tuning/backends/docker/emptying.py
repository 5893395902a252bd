"""Folders that containers have mounted, and how they pass from one attempt to the next.

A container sees the folder that was mounted when it was made, wherever that is moved to. So what an attempt leaves is
taken out of its folders, which are then moved to where the next attempt has them. Readers of what stays never miss a
file: a second tree of links to the same files takes the first one's place in one step, and only then is that emptied.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from tuning.backends.folder import remove

MOST_ENTRIES = 4000  # of one attempt; beyond that a new container is cheaper, and nobody waits for our tidying
EXCHANGE = 2  # RENAME_EXCHANGE of linux/fs.h
AT_FDCWD = -100


def few(folders: Iterable[Path]) -> bool:
    """Whether the folders are small enough to be emptied while somebody waits."""
    count, stack = 0, list(folders)
    while stack:
        with os.scandir(stack.pop()) as entries:
            for entry in entries:
                count += 1
                if count > MOST_ENTRIES:
                    return False
                if entry.is_dir(follow_symlinks=False):
                    stack.append(Path(entry.path))
    return True


def link_tree(source: Path, target: Path) -> None:
    """Show everything below ``source`` below ``target``, too: folders of the same owner and mode, the same files."""
    target.mkdir(mode=0o700, exist_ok=True)
    pairs = [(source, target)]
    for folder, copy in pairs:  # grows
        with os.scandir(folder) as entries:
            for entry in entries:
                path = copy / entry.name
                if entry.is_dir(follow_symlinks=False):
                    path.mkdir(mode=0o700)
                    pairs.append((Path(entry.path), path))
                else:
                    os.link(entry.path, path, follow_symlinks=False)
    for folder, copy in reversed(pairs):  # the innermost first: none may be closed to us before it is filled
        found = folder.lstat()
        os.chown(copy, found.st_uid, found.st_gid)
        copy.chmod(stat.S_IMODE(found.st_mode))
        os.utime(copy, ns=(found.st_atime_ns, found.st_mtime_ns))


def exchange(one: Path, other: Path) -> None:
    """Both change places in one step. OSError where the file system cannot do that."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        rename = libc.renameat2
    except AttributeError as error:
        raise OSError("this system's C library has no renameat2") from error
    if rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one))


def take_out(folder: Path, draft: Path) -> None:
    """Leave everything in ``folder`` as it is for its readers, and the folder that was mounted, full, as ``draft``."""
    link_tree(folder, draft)
    exchange(folder, draft)


def put_in(draft: Path, folder: Path) -> None:
    """Put the empty folder that is mounted in the place of ``folder``, with all that is in that."""
    try:
        draft.rename(folder)  # there is none yet, or it is empty
    except OSError:
        if not folder.is_dir():
            raise
        link_tree(folder, draft)
        exchange(draft, folder)
        remove(draft)


def empty(folder: Path) -> None:
    """Remove everything in a folder, and what was done to itself. OSError if something stays."""
    for path in folder.iterdir():
        remove(path)
    if left := next(folder.iterdir(), None):
        raise OSError(f"{left} cannot be removed")
    # Such as the permissions that new files get.
    if marks := [name for name in os.listxattr(folder, follow_symlinks=False) if not name.startswith("security.")]:
        raise OSError(f"{folder} has the attribute {marks[0]}")
    folder.chmod(0o700)
