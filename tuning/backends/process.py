"""Trials as processes of this host, each under a warden of its own that outlives whoever launched it.

    root/<attempt>/   the trial's base folder (see layout), and beside it:
        lock          held by the launcher, then by the warden, for as long as either is at work
        warden.json   who the warden is; from here on the attempt is launched
        log           stdout and stderr
        stop          that, and with which grace, somebody wants it ended; also before it is launched
        exit.json     how it ended; written when nothing of it runs any more
        vanished      its warden died without that, and what was left is killed

Everything is files and /proc, so any process of the same user may ask about any attempt. This is no wall against the
trial's own malice: it runs as the same user as the service. Its inputs are read-only by their modes, and by a private
mount where the service runs as root. Needs Linux.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Collection
from pathlib import Path

from tuning.backends import layout
from tuning.backends.contract import LaunchSpec, Phase, Status
from tuning.backends.folder import abandon, ask_to_stop, launched, locked, log_size_at, read_end, remove
from tuning.backends.nursery import ENTRANCE, NotStartedError, Nursery
from tuning.backends.processes import Census, Identity, census
from tuning.backends.skeletons import Skeletons
from tuning.backends.start import furnish, start_warden
from tuning.backends.usage import Usage, of_processes
from tuning.backends.watch import Waiting
from tuning.errors import BackendError

LOCK_SECONDS = 10.0  # for another launcher of the same attempt, or a warden that has reported, to come to an end
SWEEP_SECONDS = 5.0  # for killed processes to be gone


class ProcessBackend(Waiting):
    """Implements ``tuning.backends.Backend`` with one folder per attempt under ``root``."""

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root.resolve()
        self._root_path = str(self._root)
        self._nursery = Nursery()
        self._skeletons = Skeletons(self._root)
        self._running: dict[str, tuple[Identity, Status]] = {}  # as last seen; a warden stays an attempt's
        super().__init__(self._root)
        if not Path(f"/proc/self/task/{os.getpid()}/children").exists():
            raise BackendError("the process backend needs Linux with /proc/<pid>/task/<tid>/children to find children")

    def folder(self, attempt: str) -> Path:
        """The attempt's base folder, with ``model/`` and ``output/`` in it. It exists once the attempt is launched."""
        return self._root / layout.check_attempt(attempt)

    def _path(self, attempt: str) -> str:
        """The same for what is asked with every line of every trial: a Path takes longer to make than to look at."""
        return f"{self._root_path}/{layout.check_attempt(attempt)}"

    # Starting

    def launch(self, spec: LaunchSpec) -> None:
        layout.check(spec)
        folder = self.folder(spec.attempt)
        self._skeletons.take(folder)
        try:
            with locked(folder, LOCK_SECONDS, create=True) as lock:
                if launched(folder):
                    return
                if lock is None:
                    raise BackendError(
                        f"another launch of {spec.attempt} is under way and does not end", retryable=True
                    )
                try:
                    furnish(folder, spec)
                    start_warden(folder, spec, lock, self._nursery)
                except NotStartedError as error:
                    abandon(folder)
                    why = str(error).splitlines()[-1]  # of a traceback, what a person wants to know
                    raise BackendError(f"cannot launch {spec.attempt}: {why}", retryable=True) from error
        except OSError as error:
            raise BackendError(f"cannot launch {spec.attempt}: {error}", retryable=True) from error

    # Following

    def status(self, attempt: str) -> Status:
        folder = self._path(attempt)
        if end := read_end(folder):
            self._running.pop(attempt, None)
            return end
        seen = self._running.get(attempt)
        if seen is not None and (self._lives(attempt) or seen[0].alive()):
            return seen[1]
        self._running.pop(attempt, None)
        warden = Identity.read(f"{folder}/warden.json")
        if warden is None:
            return Status(Phase.UNKNOWN)
        if not warden.alive():
            return read_end(folder) or self._bury(attempt)
        status = _running(folder)
        if status.phase is Phase.RUNNING:
            self._running[attempt] = warden, status
        return status

    def usage(self, attempt: str) -> Usage | None:
        if self.status(attempt).phase is not Phase.RUNNING:
            return None
        warden = Identity.read(self.folder(attempt) / "warden.json")
        return of_processes(warden.pid) if warden is not None and warden.alive() else None

    def read_log(self, attempt: str, offset: int, limit: int) -> bytes:
        try:
            return layout.read_file(f"{self._path(attempt)}/log", limit, offset)
        except OSError:
            return b""

    def log_size(self, attempt: str) -> int:
        try:
            return os.lstat(f"{self._path(attempt)}/log").st_size
        except OSError:
            return 0

    def log_size_at(self, attempt: str, moment: float) -> int | None:
        return log_size_at(self.folder(attempt) / "log", moment)

    def list_owned(self) -> list[str]:
        found = self._census()
        # A warden that has reported is about to be gone.
        wardens = {attempt for attempt in found.wardens if not (self._root / attempt / "exit.json").exists()}
        return sorted(wardens | found.others.keys())

    def close(self) -> None:
        """Give the descriptors of ``wait`` and ``launch`` back. Running attempts are not touched."""
        self._nursery.close()
        super().close()

    # Ending

    def stop(self, attempt: str, grace: float) -> None:
        folder = self.folder(attempt)
        if not (math.isfinite(grace) and grace >= 0):
            raise BackendError(f"grace is {grace}: give seconds, 0 or more")
        if read_end(folder) or (folder / "vanished").exists():
            self._sweep(attempt)  # nothing is left, unless the trial wrote that file itself
            return
        try:
            overdue = ask_to_stop(folder, grace)
        except OSError as error:
            raise BackendError(f"cannot stop {attempt}: {error}", retryable=True) from error
        warden = Identity.read(folder / "warden.json")
        if warden is None:
            return  # should it be launched, its warden finds the request before it starts anything
        if overdue:
            warden.send(signal.SIGSTOP)  # so that it stays this attempt's between the look and the end
            warden.send(signal.SIGCONT if read_end(folder) else signal.SIGKILL)
        elif warden.send(signal.SIGTERM, signal.SIGCONT):  # one that was stopped goes on, and ends the trial
            return
        self.status(attempt)  # which buries what a dead warden left

    def discard(self, attempt: str) -> None:
        folder = self.folder(attempt)
        if self.status(attempt).phase is Phase.RUNNING:
            raise BackendError(f"{attempt} is running: stop it first", retryable=True)
        grave = self._root / ".discarded"
        try:
            with locked(folder, LOCK_SECONDS) as lock:
                if lock is None:
                    raise BackendError(f"{attempt} is being launched: stop it first", retryable=True)
                grave.mkdir(mode=0o700, exist_ok=True)
                folder.rename(grave / f"{attempt}-{time.time_ns()}")
        except FileNotFoundError:
            return
        except OSError as error:
            raise BackendError(f"cannot discard {attempt}: {error}", retryable=True) from error
        for path in grave.iterdir():  # also what an interrupted call left
            remove(path)

    def retire(self, keep: Collection[str]) -> None:
        """No process is kept for a next attempt."""

    def _bury(self, attempt: str) -> Status:
        """Of an attempt whose warden is dead: kill what is left, and only then say that it has vanished."""
        folder = self.folder(attempt)
        if (folder / "vanished").exists():
            return Status(Phase.VANISHED)
        try:
            with locked(folder, 0.0) as lock:
                if lock is None or not self._sweep(attempt):
                    return _running(folder)  # the warden lives in another pid namespace, or something will not die
                if end := read_end(folder):
                    return end
                with contextlib.suppress(OSError):  # a full disk: the next call sweeps again
                    (folder / "vanished").touch(mode=0o600)
        except FileNotFoundError:
            return Status(Phase.UNKNOWN)
        return Status(Phase.VANISHED)

    def _sweep(self, attempt: str) -> bool:
        """SIGKILL to all that is left without a warden. False if something survives it."""
        deadline = time.monotonic() + SWEEP_SECONDS
        while left := self._census().others.get(attempt):
            for pid in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.005)
        return True

    def _census(self) -> Census:
        return census(self._root, ENTRANCE)


def _running(folder: Path | str) -> Status:
    try:
        return Status(Phase.RUNNING, started_at=os.lstat(f"{folder}/warden.json").st_mtime)
    except OSError:
        return Status(Phase.UNKNOWN)  # discarded meanwhile
