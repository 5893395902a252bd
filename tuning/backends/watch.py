"""Sleeping until an attempt has new output or an end: inotify on the attempts' folders, pidfds on their wardens.

What was already reported is remembered as (log size, end) and compared, so an event that comes twice or between two
calls neither wakes for nothing nor gets lost. Where inotify is not to be had (its instances are few), files are
compared every POLL seconds instead.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Collection
from pathlib import Path

from inotify_simple import INotify, flags, parse_events

from tuning.backends import layout
from tuning.backends.processes import Identity
from tuning.errors import BackendError

POLL = 0.1  # s, for what cannot be watched
# s at least between two returns for the sake of output: what several trials print at the same time is then read, stored
# and shown together, for the price of one. The first line after a pause does not wait, nor does an end.
GAP = 0.006
# s that an attempt's first output waits, for the rest of a short one and its end are close behind it.
FIRST_GAP = 0.012
CHANGES = flags.MODIFY | flags.MOVED_TO | flags.ONLYDIR
APPEARS = flags.CREATE | flags.MOVED_TO  # made there, or made before and renamed
EVENTS_BYTES = 65536  # read at a time; epoll tells of the rest
State = tuple[int, int]  # bytes of log; 0 while it runs, 1 when its warden is gone, 2 when its exit is known
NOTHING: State = (0, 0)


class Watcher:
    def __init__(self, root: Path, inside: str = "") -> None:
        self._root = str(root)
        self._inside = inside  # the folder in an attempt's that holds its log and its end
        self._process = os.getpid()
        self._waker = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll = select.epoll()
        self._epoll.register(self._waker, select.EPOLLIN)
        self._inotify = self._start_inotify()
        self._reported: dict[str, State] = {}
        # inotify's watch descriptor -> attempts: a folder may be that of another attempt later (docker.pool)
        self._folders: dict[int, set[str]] = {}
        self._wardens: dict[int, str] = {}  # pidfd -> attempt
        self._watched: dict[str, int] = {}  # and back: those whose warden lives, as far as we have been told
        self._gone: set[str] = set()  # attempts whose warden is seen dead
        self._unwatched: set[str] = set()
        self._told_at = 0.0  # when wait returned, monotonic
        self._first_at: dict[str, float] = {}  # attempts whose first output is not told yet, and since when it is there

    def close(self) -> None:
        for fd in (*self._wardens, self._waker):
            os.close(fd)
        self._wardens.clear()
        self._watched.clear()
        self._epoll.close()
        if self._inotify is not None:
            self._inotify.close()

    @property
    def usable(self) -> bool:
        """False in a fork, which would share these descriptors with its parent."""
        return self._process == os.getpid()

    def fileno(self) -> int:
        """Readable when something that is watched may have changed, or somebody woke us."""
        return self._epoll.fileno()

    def wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it is full of wake-ups already
            os.eventfd_write(self._waker, 1)

    def wait(self, attempts: Collection[str], timeout: float) -> set[str]:
        deadline = time.monotonic() + timeout
        wanted, changed = set(attempts), set[str]()
        for attempt in self._reported.keys() - wanted:
            self._forget(attempt)
        dirty = {attempt for attempt in wanted if self._watch(attempt)}
        while True:
            changed |= {attempt for attempt in dirty | self._unwatched if self._changed(attempt)}
            until = min([deadline, *map(self._due, changed)])
            pause = max(0.0, until - time.monotonic())
            last = pause == 0.0  # one more look without sleep, to take a waiting wake-up along
            woken, dirty = self._sleep(min(pause, POLL) if self._unwatched else pause)
            dirty &= wanted
            if last or woken:
                self._told_at = time.monotonic()
                self._first_at.clear()
                return changed | {attempt for attempt in dirty if self._changed(attempt)}

    def _due(self, attempt: str) -> float:
        """When what is new of the attempt is to be told, monotonic."""
        if self._reported[attempt][1]:
            return 0.0
        first = self._first_at.get(attempt)
        return self._told_at + GAP if first is None else first + FIRST_GAP

    def _start_inotify(self) -> INotify | None:
        try:
            inotify = INotify(nonblocking=True)
            inotify.add_watch(self._root, APPEARS | flags.ONLYDIR)  # an attempt that is yet to be launched
        except OSError:
            return None
        self._epoll.register(inotify.fileno(), select.EPOLLIN)
        return inotify

    def _watch(self, attempt: str) -> bool:
        """Begin to watch an attempt. True if it is new here, so that what it has done already is looked at."""
        if attempt in self._reported and attempt not in self._unwatched:
            return False
        self._reported.setdefault(attempt, NOTHING)
        self._unwatched.add(attempt)
        if self._inotify is not None:
            try:
                self._watch_folder(self._inotify, attempt, f"{self._root}/{attempt}")
                self._unwatched.discard(attempt)
                if self._inside:  # not there yet, it is found with warden.json
                    self._watch_folder(self._inotify, attempt, f"{self._root}/{attempt}/{self._inside}")
            except FileNotFoundError:
                self._unwatched.discard(attempt)  # its folder will be announced by the root's watch
            except OSError:
                pass  # no watches left: compared every POLL seconds, and tried again at the next call
        self._watch_warden(attempt)
        return True

    def _watch_folder(self, inotify: INotify, attempt: str, folder: str) -> None:
        self._folders.setdefault(inotify.add_watch(folder, CHANGES), set()).add(attempt)

    def lives(self, attempt: str) -> bool:
        """Whether the attempt's warden is known to be alive. From any thread; False if nothing is known."""
        fd = self._watched.get(attempt)
        if fd is None:
            return False
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        # A descriptor that was closed meanwhile, and is something else's now, is no longer the attempt's.
        return not poll.poll(0) and self._watched.get(attempt) == fd

    def _watch_warden(self, attempt: str) -> None:
        if attempt in self._watched or attempt in self._gone:
            return
        identity = Identity.read(f"{self._root}/{attempt}/warden.json")
        if identity is None:
            return
        fd = identity.open()
        if fd is not None:
            self._wardens[fd], self._watched[attempt] = attempt, fd
            self._epoll.register(fd, select.EPOLLIN)
        elif not identity.alive():
            self._gone.add(attempt)

    def _forget(self, attempt: str) -> None:
        del self._reported[attempt]
        self._gone.discard(attempt)
        self._unwatched.discard(attempt)
        for wd in [wd for wd, names in self._folders.items() if attempt in names]:
            self._folders[wd].discard(attempt)
            if self._folders[wd]:
                continue
            del self._folders[wd]
            if self._inotify is not None:
                with contextlib.suppress(OSError):  # the folder is gone, and its watch with it
                    self._inotify.rm_watch(wd)
        if attempt in self._watched:
            self._forget_warden(self._watched[attempt])

    def _forget_warden(self, fd: int) -> None:
        del self._watched[self._wardens.pop(fd)]
        self._epoll.unregister(fd)
        os.close(fd)

    def _changed(self, attempt: str) -> bool:
        """Compare with what was reported, and report what is new."""
        folder = f"{self._root}/{attempt}"
        # The end first: a log that grows between the two looks must not hide behind an end already reported.
        ended = 0 if _size(f"{folder}/{self._inside}/exit.json") is None else 2
        if not ended and attempt not in self._watched:
            ended = int(attempt in self._gone or _size(f"{folder}/vanished") is not None)
        size = _size(f"{folder}/{self._inside}/log") or 0
        if (size, ended) == self._reported[attempt]:
            return False
        if not self._reported[attempt][0]:
            self._first_at[attempt] = time.monotonic()
        self._reported[attempt] = (size, ended)
        return True

    def _sleep(self, pause: float) -> tuple[bool, set[str]]:
        """Whether somebody woke us, and the attempts of which something may have changed."""
        woken, dirty = False, set()
        for fd, _ in self._epoll.poll(pause):
            if fd == self._waker:
                woken = True
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(fd)
            elif fd in self._wardens:
                attempt = self._wardens[fd]
                self._forget_warden(fd)
                self._gone.add(attempt)
                dirty.add(attempt)
            else:
                dirty |= self._events()
        return woken, dirty

    def _events(self) -> set[str]:
        assert self._inotify is not None
        dirty: set[str] = set()
        try:
            read = os.read(self._inotify.fileno(), EVENTS_BYTES)
        except BlockingIOError:
            return dirty
        for event in parse_events(read):
            attempts = self._folders.get(event.wd, set())
            if event.mask & flags.Q_OVERFLOW:
                return set(self._reported)
            if event.mask & flags.IGNORED:  # the folder was removed
                self._folders.pop(event.wd, None)
            if not attempts and event.name in self._reported and event.mask & APPEARS:
                attempts = {event.name}
                del self._reported[event.name]
                self._watch(event.name)
            elif event.name == "warden.json":
                for attempt in attempts & self._reported.keys():
                    self._unwatched.add(attempt)
                    self._watch(attempt)
            dirty |= attempts
        return dirty


def _size(path: str) -> int | None:
    try:
        return os.lstat(path).st_size
    except OSError:
        return None


class Waiting:
    """The part of a backend that waits: one thread sleeps on the attempts' folders below ``root``, anybody wakes it."""

    def __init__(self, root: Path, inside: str = "") -> None:
        self._watched = (root, inside)
        self._watcher: Watcher | None = None
        self._waiting = threading.Lock()
        self._watcher_lock = threading.RLock()  # a signal handler may call wake while this thread holds it

    def wait(self, attempts: Collection[str], timeout: float) -> set[str]:
        for attempt in attempts:
            layout.check_attempt(attempt)
        if not self._waiting.acquire(blocking=False):
            raise BackendError("wait is already running in another thread: use one object for each")
        try:
            return self._watch().wait(attempts, timeout)
        finally:
            self._waiting.release()

    def wake(self) -> None:
        self._watch().wake()

    def fileno(self) -> int:
        """Readable when ``wait`` may have something to return: for those who wait for several backends."""
        return self._watch().fileno()

    def close(self) -> None:
        """Give the descriptors of ``wait`` back. Running attempts are not touched."""
        with self._watcher_lock:
            if self._watcher is not None and self._watcher.usable:
                self._watcher.close()
            self._watcher = None

    def _lives(self, attempt: str) -> bool:
        """Whether ``wait`` watches over the attempt's warden, and that one is alive."""
        watcher = self._watcher
        return watcher is not None and watcher.usable and watcher.lives(attempt)

    def _watch(self) -> Watcher:
        with self._watcher_lock:
            if self._watcher is None or not self._watcher.usable:
                self._watcher = Watcher(*self._watched)
            return self._watcher
