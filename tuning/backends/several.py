"""Several backends as one: which of them an attempt belongs to follows from its id, so that nobody need remember it."""

from __future__ import annotations

import logging
import math
import os
import select
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol

from tuning.backends.contract import Backend, LaunchSpec, Status
from tuning.backends.usage import Usage
from tuning.backends.watch import POLL
from tuning.errors import BackendError

logger = logging.getLogger(__name__)

COMPLAINT_SECONDS = 60.0  # between two words in the log about a part that does not answer


class Part(Backend, Protocol):
    """A backend that can be waited for together with others."""

    def fileno(self) -> int:
        """A descriptor that can be read from as soon as ``wait`` may have something to return.

        What cannot be watched (see watch.Watcher) does not show there; whoever waits looks every POLL seconds, too.
        """

    def close(self) -> None:
        """Give the descriptors of ``wait`` back."""


class Several:
    """Implements ``tuning.backends.Backend`` over ``parts``; ``part_of`` names the part of each attempt."""

    def __init__(self, parts: Mapping[str, Part], part_of: Callable[[str], str]) -> None:
        self._parts = dict(parts)
        self._part_of = part_of
        self._waiting = threading.Lock()
        self._woken_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._complained: dict[str, float] = {}
        self._busy = set(parts)  # those that may know of attempts, by the last wait

    def part(self, attempt: str) -> Part:
        return self._parts[self._part_of(attempt)]

    def launch(self, spec: LaunchSpec) -> None:
        self.part(spec.attempt).launch(spec)

    def folder(self, attempt: str) -> Path:
        return self.part(attempt).folder(attempt)

    def status(self, attempt: str) -> Status:
        return self.part(attempt).status(attempt)

    def usage(self, attempt: str) -> Usage | None:
        return self.part(attempt).usage(attempt)

    def read_log(self, attempt: str, offset: int, limit: int) -> bytes:
        return self.part(attempt).read_log(attempt, offset, limit)

    def log_size(self, attempt: str) -> int:
        return self.part(attempt).log_size(attempt)

    def log_size_at(self, attempt: str, moment: float) -> int | None:
        return self.part(attempt).log_size_at(attempt, moment)

    def stop(self, attempt: str, grace: float) -> None:
        self.part(attempt).stop(attempt, grace)

    def discard(self, attempt: str) -> None:
        self.part(attempt).discard(attempt)

    def retire(self, keep: Collection[str]) -> None:
        for part in self._parts.values():
            part.retire(keep)

    def list_owned(self) -> list[str]:
        """Of those parts that answer: an engine that is down must not keep the others from being looked after."""
        owned: list[str] = []
        for name, part in self._parts.items():
            try:
                owned += part.list_owned()
            except BackendError as error:
                self._complain(name, error)
        return sorted(owned)

    def _complain(self, name: str, error: BackendError) -> None:
        now = time.monotonic()
        if now - self._complained.get(name, -math.inf) > COMPLAINT_SECONDS:
            self._complained[name] = now
            logger.warning("What runs in the backend %r cannot be told: %s", name, error)

    def wait(self, attempts: Collection[str], timeout: float) -> set[str]:
        wanted: dict[str, list[str]] = {name: [] for name in self._parts}
        for attempt in attempts:
            wanted[self._part_of(attempt)].append(attempt)
        if not self._waiting.acquire(blocking=False):
            raise BackendError("wait is already running in another thread: use one object for each")
        try:
            return self._wait(wanted, time.monotonic() + timeout)
        finally:
            self._waiting.release()

    def _wait(self, wanted: Mapping[str, list[str]], deadline: float) -> set[str]:
        busy = {name: attempts for name, attempts in wanted.items() if attempts}
        for name in self._busy - busy.keys():
            self._parts[name].wait((), 0)  # it forgets what is no longer wanted
        self._busy = set(busy)
        if len(busy) == 1:  # as nearly always
            [(name, attempts)] = busy.items()
            return self._wait_for_one(self._parts[name], attempts, deadline)
        changed = {attempt for name in busy for attempt in self._parts[name].wait(busy[name], 0)}
        while not changed and not self._take_wake():
            left = deadline - time.monotonic()
            if left <= 0:
                break
            poll = select.poll()
            for fd in (self._woken_fd, *(self._parts[name].fileno() for name in busy)):
                poll.register(fd, select.POLLIN)
            poll.poll(1000 * (min(left, POLL) if busy else left))
            changed = {attempt for name in busy for attempt in self._parts[name].wait(busy[name], 0)}
        return changed

    def _wait_for_one(self, part: Part, attempts: list[str], deadline: float) -> set[str]:
        """Without a look before: the part's own wait begins with one, and is woken with this object."""
        while not self._take_wake():
            left = deadline - time.monotonic()
            changed = part.wait(attempts, max(0.0, left))
            if changed or left <= 0:
                return changed
        return set()

    def _take_wake(self) -> bool:
        try:
            return os.eventfd_read(self._woken_fd) > 0
        except BlockingIOError:
            return False

    def wake(self) -> None:
        os.eventfd_write(self._woken_fd, 1)  # no lock: a signal handler may interrupt the thread that waits
        for part in self._parts.values():
            part.wake()

    def close(self) -> None:
        for part in self._parts.values():
            part.close()
