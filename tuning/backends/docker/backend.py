"""Trials as containers, each under a warden inside it that outlives whoever launched it, and the engine too.

    root/<attempt>/           root may be shared with no other backend
        lock                  held by the launcher while it is at work
        token                 what the warden signs the end with
        warden.json           who the warden is to this host; from here on the attempt is launched
        vanished              the container was gone without an end
        exit.json             the end as the engine told it, where the warden could not
        container, kept       see pool
        told/                 what the warden leaves: taken, log, exit.json
        asked/                what it is asked: stop
        input/ code/ model/ output/ home/ tmp/     what the trial sees, see container.FOLDERS
    root/.pool/               containers that may serve several attempts, see pool

The warden is the process backend's own (tuning.backends.warden), first process of the container, and its log and exit
code are files here. So nothing of a trial is lost or read twice when the engine, the follower or both die, the cap of
the log holds at its source, and a stop or a limit is carried out with nobody else alive. The engine starts containers,
bounds what they may use and reach, and keeps them until ``list_owned`` sees that they have ended.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import signal
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tuning.backends import layout
from tuning.backends.contract import LaunchSpec, Phase, Status
from tuning.backends.docker import container, runtime
from tuning.backends.docker.accounts import Account, account
from tuning.backends.docker.container import ASKED, LABEL_ATTEMPT, LABEL_POOLED, LABEL_ROOT, TOLD
from tuning.backends.docker.engine import SOCKET, Engine
from tuning.backends.docker.launch import Handover, check, furnish, identify, make_asked, note_end, pass_on, read_token
from tuning.backends.docker.pool import KEPT_MARKER, MARKER, Pool
from tuning.backends.folder import ask_to_stop, launched, locked, log_size_at, read_end, remove
from tuning.backends.nursery import NotStartedError
from tuning.backends.processes import Identity
from tuning.backends.usage import Usage, of_container, of_processes
from tuning.backends.watch import Waiting
from tuning.errors import BackendError

LOCK_SECONDS = 60.0  # for another launcher of the same attempt to come to an end
NOBODY = (65534, 65534)
KEPT = ("lock", ASKED)
ALIVE = ("running", "paused", "restarting")  # states of a container in which something of it runs
COLLECT_SECONDS = 2.0  # for removing ended containers, each time somebody asks what runs


class DockerBackend(Waiting):
    """Implements ``tuning.backends.Backend`` with one folder per attempt under ``root``, on the engine at ``url``.

    ``user`` are the uid and gid of trials. Left out, they are the service's own, or nobody's if the service is root.
    What they are outside of the container follows from the engine (``accounts``).
    """

    def __init__(self, root: Path, url: str = SOCKET, user: tuple[int, int] | None = None) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root.resolve()
        self.engine = Engine(url)
        self._user = user or (NOBODY if os.geteuid() == 0 else (os.geteuid(), os.getegid()))
        self._mark = hashlib.sha256(os.fsencode(self._root)).hexdigest()[:12]
        self._pool = Pool(self._root, self.engine)
        super().__init__(self._root, TOLD)

    def folder(self, attempt: str) -> Path:
        """The attempt's folder, with ``model/`` and ``output/`` in it. It exists once the attempt is launched."""
        return self._root / layout.check_attempt(attempt)

    def name(self, attempt: str) -> str:
        """Its container's name: another root's attempt may have the same id."""
        return self._pool.serving(attempt) or f"hpt-{self._mark}-{attempt}"

    # Starting

    def launch(self, spec: LaunchSpec) -> None:
        layout.check_attempt(spec.attempt)
        check(spec, self._account.outside)
        folder = self.folder(spec.attempt)
        try:
            with locked(folder, LOCK_SECONDS, create=True) as lock:
                if launched(folder):
                    return
                if lock is None:
                    raise BackendError(
                        f"another launch of {spec.attempt} is under way and does not end", retryable=True
                    )
                if not self._adopt(spec.attempt, patience=True):
                    self._start(folder, spec)
        except OSError as error:
            raise BackendError(f"cannot launch {spec.attempt}: {error}", retryable=True) from error

    def _start(self, folder: Path, spec: LaunchSpec) -> None:
        assert spec.image is not None
        pooled = None
        try:
            _clear(folder)
            image = self.engine.image(spec.image)
            if spec.gpus and self.engine.is_podman():  # it takes the request for devices, and forgets it
                raise BackendError("this engine is Podman, whose Docker socket gives no GPUs: use a Docker Engine")
            if container.may_be_pooled(spec, image):
                key = container.likeness(spec, image, self._runtime, self._account.inside, self._mark)
                if self._start_warm(folder, spec, image, key):
                    return
                pooled = f"hpt-{self._mark}-.{spec.attempt}"  # no attempt's, as they begin with a letter or digit
                self._pool.register(pooled, spec, key)
            self._start_new(folder, spec, image, pooled)
        except (NotStartedError, BackendError) as error:
            if self._abandon(folder, self.name(spec.attempt)):
                return
            if pooled is not None and not (folder / MARKER).exists():  # else it may run or not, too
                self._pool.forget(pooled)
            if isinstance(error, BackendError):
                raise
            raise BackendError(f"cannot launch {spec.attempt}: {error}", retryable=True) from error

    def _start_new(self, folder: Path, spec: LaunchSpec, image: Mapping[str, Any], pooled: str | None) -> None:
        name = self.name(spec.attempt)
        token = furnish(folder, spec, self._account.outside)
        handover = Handover(folder, spec, image, token, bounded=self._account.bounded)
        try:
            lent, user, bounded = self._runtime, self._account.inside, self._account.bounded
            self.engine.create(name, container.document(spec, image, folder, lent, user, self._mark, pooled, bounded))
            self.engine.start(name)
            handover.await_taken(self.engine, name)
        finally:
            handover.close()
        identify(folder, self.engine.state(name))

    def _start_warm(self, folder: Path, spec: LaunchSpec, image: Mapping[str, Any], key: str) -> bool:
        """In a container that waits for such an attempt. False if there is none, or it would not: as if never tried."""
        name = self._pool.take(spec, key)
        if name is None:
            _clear(folder)  # of one that could not be taken
            return False
        try:
            token = furnish(folder, spec, self._account.outside)
            handover = Handover(folder, spec, image, token, moved=True, bounded=self._account.bounded)
            try:
                handover.await_taken(self.engine, name)
            finally:
                handover.close()
        except (NotStartedError, BackendError, OSError):
            self.engine.remove(name)
            if not (folder / TOLD / "taken").exists():
                self._pool.forget(name)
                _clear(folder)
                return False
        warden = self._pool.warden(name)
        if warden is None:
            identify(folder, self.engine.state(name))
        else:
            pass_on(folder, warden)
        return True

    def _abandon(self, folder: Path, name: str) -> bool:
        """Leave nothing of a launch that failed, but a request to stop. True if the warden took over after all."""
        try:
            self.engine.remove(name)
        except BackendError:
            return False  # it may run or not; the next launch will find out
        if (folder / TOLD / "taken").exists():
            identify(folder, None)
            return True
        _clear(folder)
        if not (folder / ASKED / "stop").exists():
            remove(folder / ASKED)
            (folder / "lock").unlink()
            folder.rmdir()
        return False

    def _adopt(self, attempt: str, *, patience: bool = False) -> bool:
        """Whether a launcher that died had started it. With ``patience``, end what it may have half started.

        Only a launcher has patience, as it must know that no other is at work.
        """
        folder, name = self.folder(attempt), self.name(attempt)
        if patience and not (folder / TOLD / "taken").exists():
            if (folder / TOLD).exists() or (folder / MARKER).exists():
                self.engine.remove(name)  # whoever is to give it its order is dead
            if not (folder / TOLD / "taken").exists():
                return False
        if not (folder / TOLD / "taken").exists():
            return False
        identify(folder, self.engine.state(name))
        return True

    @cached_property
    def _account(self) -> Account:
        return account(self.engine, self._user)

    @cached_property
    def _runtime(self) -> Path:
        return runtime.prepare(self._root / ".runtime")

    # Following

    def status(self, attempt: str) -> Status:
        status = self._status(attempt)
        return replace(status, kept=True) if (self.folder(attempt) / KEPT_MARKER).exists() else status

    def _status(self, attempt: str) -> Status:
        folder = self.folder(attempt)
        if end := self._end(folder):
            with contextlib.suppress(OSError):  # a full disk, say: it is idle all the same, and ends in time
                self._pool.park(attempt)
            return end
        if not (folder / "warden.json").exists() and not self._adopt(attempt):
            return Status(Phase.UNKNOWN)
        if (folder / "vanished").exists():
            return Status(Phase.VANISHED)
        if self._alive(attempt):
            return _running(folder)
        return self._end(folder) or self._bury(attempt)

    def _end(self, folder: Path) -> Status | None:
        token = read_token(folder)
        return (read_end(folder, TOLD, token) if token else None) or read_end(folder)

    def _bury(self, attempt: str) -> Status:
        """Of an attempt whose warden is dead, and with it everything in the container."""
        folder = self.folder(attempt)
        with contextlib.suppress(BackendError, OSError):
            state = self.engine.ended(self.name(attempt))
            if state is not None and state["OOMKilled"]:  # so it was the warden's turn, too
                note_end(folder, "memory_bytes", signal.SIGKILL)
                return self._end(folder) or Status(Phase.VANISHED)
        with contextlib.suppress(OSError):  # a full disk: the next call asks again
            (folder / "vanished").touch(mode=0o600)
        return Status(Phase.VANISHED)

    def _alive(self, attempt: str) -> bool:
        """With the first process of its pid namespace, everything in a container is dead."""
        warden = Identity.read(self.folder(attempt) / "warden.json")
        if warden is not None and warden.pid > 0:
            return warden.alive()
        state = self.engine.state(self.name(attempt))
        return state is not None and bool(state["Running"])

    def usage(self, attempt: str) -> Usage | None:
        if self.status(attempt).phase is not Phase.RUNNING:
            return None
        warden = Identity.read(self.folder(attempt) / "warden.json")
        if warden is None or not warden.alive():
            return None
        with contextlib.suppress(BackendError):  # the engine is away, and was never asked whether it has control groups
            return of_container(warden.pid) if self._account.bounded else of_processes(warden.pid)
        return None

    def read_log(self, attempt: str, offset: int, limit: int) -> bytes:
        try:
            return layout.read_file(self.folder(attempt) / TOLD / "log", limit, offset)
        except OSError:
            return b""

    def log_size(self, attempt: str) -> int:
        try:
            return (self.folder(attempt) / TOLD / "log").stat(follow_symlinks=False).st_size
        except OSError:
            return 0

    def log_size_at(self, attempt: str, moment: float) -> int | None:
        return log_size_at(self.folder(attempt) / TOLD / "log", moment)

    def list_owned(self) -> list[str]:
        """Also removes containers that have ended, which the engine would keep for ever."""
        owned, over, pooled, there = [], {}, self._pool.names(), set()
        for identity, state, labels in self.engine.labelled(f"{LABEL_ROOT}={self._mark}"):
            attempt, name = labels.get(LABEL_ATTEMPT), labels.get(LABEL_POOLED)
            if name is not None:
                there.add(name)
                attempt = self._pool.tidy(name, state in ALIVE)
            if attempt is None or not layout.ATTEMPT.match(attempt):
                continue
            if state not in ALIVE:
                over[identity] = attempt, name
            elif not self._end(self.folder(attempt)):  # a warden that has reported is about to be gone, or idle
                owned.append(attempt)
        self._collect(over)
        self._pool.tidy_missing(pooled, there)
        return sorted(owned)

    def _collect(self, over: dict[str, tuple[str, str | None]]) -> None:
        """Remove containers, by their ids: a name may be another's by now."""
        deadline = time.monotonic() + COLLECT_SECONDS
        for identity, (attempt, name) in over.items():
            if time.monotonic() > deadline:
                return  # the next call goes on
            with contextlib.suppress(FileNotFoundError), locked(self.folder(attempt), 0.0) as lock:
                # Listed before it was started, it may run by now. Its status takes along what the engine knows of
                # its end.
                if lock is None or self.status(attempt).phase is Phase.RUNNING:
                    continue
            with contextlib.suppress(BackendError):
                self.engine.remove(identity)
                if name is not None:
                    self._pool.forget(name)

    def retire(self, keep: Collection[str]) -> None:
        self._pool.retire(keep, lambda attempt: self._end(self.folder(attempt)) is not None)

    def close(self) -> None:
        """Give the descriptors of ``wait`` and the engine's connections back. Running attempts are not touched."""
        super().close()
        self.engine.close()

    # Ending

    def stop(self, attempt: str, grace: float) -> None:
        folder = self.folder(attempt)
        if not (math.isfinite(grace) and grace >= 0):
            raise BackendError(f"grace is {grace}: give seconds, 0 or more")
        if self._end(folder) or (folder / "vanished").exists():
            return
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            make_asked(folder)
            overdue = ask_to_stop(folder / ASKED, grace)
        except OSError as error:
            raise BackendError(f"cannot stop {attempt}: {error}", retryable=True) from error
        if not (folder / TOLD / "taken").exists() and not (folder / "warden.json").exists():
            return  # should it be launched, its warden finds the request before it starts anything
        try:
            # Only to hurry: the warden looks for the request by itself, unless somebody has paused it.
            self.engine.signal(self.name(attempt), signal.SIGKILL if overdue else signal.SIGTERM)
        except BackendError:
            if overdue:
                raise

    def discard(self, attempt: str) -> None:
        folder = self.folder(attempt)
        if self.status(attempt).phase is Phase.RUNNING:
            raise BackendError(f"{attempt} is running: stop it first", retryable=True)
        grave = self._root / ".discarded"
        try:
            with locked(folder, 0.0) as lock:
                if lock is None:
                    raise BackendError(f"{attempt} is being launched: stop it first", retryable=True)
                if (folder / TOLD).exists():
                    self.engine.remove(self.name(attempt))
                grave.mkdir(mode=0o700, exist_ok=True)
                folder.rename(grave / f"{attempt}-{time.time_ns()}")
        except FileNotFoundError:
            return
        except OSError as error:
            raise BackendError(f"cannot discard {attempt}: {error}", retryable=True) from error
        for path in grave.iterdir():  # also what an interrupted call left
            remove(path)


def _clear(folder: Path) -> None:
    """Remove what a launch that was cut off left, but not the lock, nor a request to stop."""
    for path in folder.iterdir():
        if path.name not in KEPT:
            remove(path)


def _running(folder: Path) -> Status:
    try:
        return Status(Phase.RUNNING, started_at=(folder / "warden.json").stat().st_mtime)
    except OSError:
        return Status(Phase.UNKNOWN)  # discarded meanwhile
