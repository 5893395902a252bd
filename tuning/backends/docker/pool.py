"""Containers that wait for their job's next attempt, and the files that tell of them.

    root/.pool/<container>/     one that was made to serve several attempts, one after the other
        lock                    held by whoever moves it on
        record.json             whom it serves, see Record
        warden.json             who its warden is to this host, while it serves nobody
        shelf/                  its empty folders, while it serves nobody
    root/<attempt>/container    the name of the container, while it serves this attempt
    root/<attempt>/kept         it had served another one before

It serves an attempt from ``register`` or ``take`` to ``park``. Whoever dies in the middle of these leaves a record that
says ``moving``: such a container is thrown away, as is one about which anything else is odd. What an attempt has left
is at its place at every moment of this (see emptying). Idle containers end by themselves (see warden.warm); ``tidy``
removes what is left of them.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tuning.backends import layout
from tuning.backends.contract import LaunchSpec
from tuning.backends.docker.container import ASKED, TOLD
from tuning.backends.docker.emptying import empty, few, put_in, take_out
from tuning.backends.docker.engine import Engine
from tuning.backends.folder import EXIT_BYTES, locked, remove
from tuning.backends.processes import Identity
from tuning.errors import BackendError

MARKER = "container"
KEPT_MARKER = "kept"
MARGIN_SECONDS = 1.0  # one that would end so soon is not given an order any more
KEPT = ("model", "output", TOLD)  # what is read after the end stays with the attempt; the rest is removed
REST = ("input", "home", "tmp", "code", ASKED)
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True, slots=True)
class Record:
    """``attempt`` is whom it serves, None while it is idle, until ``idle_until`` (monotonic) at most.

    ``key`` tells containers that can stand for each other, ``pool`` those whose attempts may share one.
    """

    key: str
    pool: str
    checkpoints: str
    attempt: str | None
    moving: bool = False
    idle_until: float = 0.0


class Pool:
    def __init__(self, root: Path, engine: Engine) -> None:
        self._root = root
        self._folder = root / ".pool"
        self._engine = engine

    # Whom a container serves

    def serving(self, attempt: str) -> str | None:
        """The container that serves the attempt, if it is one of ours."""
        try:
            return layout.read_file(self._root / attempt / MARKER, 256).decode() or None
        except (OSError, UnicodeDecodeError):
            return None

    def record(self, name: str) -> Record | None:
        try:
            return Record(**json.loads(layout.read_file(self._folder / name / "record.json", 1 << 16)))
        except (OSError, ValueError, TypeError):
            return None

    def names(self) -> list[str]:
        try:
            return sorted(path.name for path in self._folder.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return []

    def _write(self, name: str, record: Record) -> None:
        _write(self._folder / name / "record.json", json.dumps(asdict(record)))

    # From one attempt to the next

    def register(self, name: str, spec: LaunchSpec, key: str) -> None:
        """A container that is about to be made for this attempt. The caller holds the attempt's lock, as for `take`."""
        record = Record(key, spec.pool, str(spec.checkpoints.resolve()), spec.attempt)
        draft = self._folder / f".{os.getpid()}.{threading.get_ident()}"
        remove(draft)
        remove(self._folder / name)  # of a launch that was cut off
        draft.mkdir(mode=0o700, parents=True)
        _write(draft / "record.json", json.dumps(asdict(record)))
        draft.rename(self._folder / name)
        _write(self._root / spec.attempt / MARKER, name)

    def park(self, attempt: str) -> None:
        """Take an attempt that has ended well out of its container, which is idle from then on.

        Nothing happens if somebody else is at it, or if the container is not there for others.
        """
        name = self.serving(attempt)
        folder = self._root / attempt
        if name is None or (idle_until := _idle_until(folder)) is None:
            return
        with self._locked(name) as mine, _locked(folder) as its:
            record = self.record(name)
            if not (mine and its) or record is None or record.attempt != attempt or record.moving:
                return
            self._write(name, replace(record, moving=True))
            try:
                self._shelve(folder, self._folder / name, Path(record.checkpoints))
                (folder / MARKER).unlink()  # first: from here on nobody takes it for this attempt's
                self._write(name, replace(record, attempt=None, idle_until=idle_until))
            except OSError:
                self.throw_away(name)

    def _shelve(self, folder: Path, place: Path, checkpoints: Path) -> None:
        shelf = place / "shelf"
        remove(shelf)
        shelf.mkdir(mode=0o700)
        kept = {shelf / name: folder / name for name in KEPT} | {shelf / CHECKPOINTS: checkpoints}
        if not few([*kept.values(), *(folder / name for name in REST)]):
            raise OSError("the attempt has left too many files")
        for draft, path in kept.items():
            take_out(path, draft)
        for name in REST:
            (folder / name).rename(shelf / name)
        for path in shelf.iterdir():
            # The channels' folders stay: those of the container are mounted on them.
            empty(path / "config" if path.name == "input" else path)
        (shelf / ASKED).chmod(0o755)
        _write(place / "warden.json", (folder / "warden.json").read_text())

    def take(self, spec: LaunchSpec, key: str) -> str | None:
        """Give an idle container to the attempt, with its folders in their places. None if there is none for it.

        Its warden still waits for the order. Until it has that, it may be thrown away, and nothing has happened.
        """
        folder = self._root / spec.attempt
        if (folder / ASKED / "stop").exists():
            return None  # it will not run anyway
        for name in self.names():
            with self._locked(name) as mine:
                record = self.record(name)
                if not mine or record is None or not self._ready(name, record, key):
                    continue
                record = replace(record, attempt=spec.attempt, checkpoints=str(spec.checkpoints.resolve()), moving=True)
                try:
                    self._write(name, record)
                    _write(folder / MARKER, name)
                    (folder / KEPT_MARKER).touch(mode=0o600)
                    self._unshelve(self._folder / name / "shelf", folder, spec.checkpoints.resolve())
                    self._write(name, replace(record, moving=False))
                except OSError:
                    self.throw_away(name)
                    return None
                return name
        return None

    def _ready(self, name: str, record: Record, key: str) -> bool:
        in_time = record.idle_until - time.monotonic() > MARGIN_SECONDS
        if record.attempt is not None or record.moving or record.key != key or not in_time:
            return False
        warden = self.warden(name)
        if warden is not None and warden.pid > 0:
            return warden.alive()
        state = self._engine.state(name)  # its number means nothing here
        return state is not None and bool(state["Running"])

    def warden(self, name: str) -> Identity | None:
        return Identity.read(self._folder / name / "warden.json")

    def _unshelve(self, shelf: Path, folder: Path, checkpoints: Path) -> None:
        checkpoints.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        put_in(shelf / CHECKPOINTS, checkpoints)
        for name in (*KEPT, *REST):
            (shelf / name).rename(folder / name)  # fails if there is one with something in it, as a request to stop

    # Ending

    def throw_away(self, name: str) -> None:
        """End a container, whatever it does, and forget it. Nothing is forgotten if the engine does not answer."""
        with contextlib.suppress(BackendError):  # `tidy` tries again
            self._engine.remove(name)
            self.forget(name)

    def forget(self, name: str) -> None:
        remove(self._folder / name)

    def retire(self, keep: Collection[str], ended: Callable[[str], bool]) -> None:
        """End the idle containers but for those of some pools. ``ended`` tells whether an attempt is over."""
        for name in self.names():
            if (record := self.record(name)) is None or record.pool in keep:
                continue
            with self._locked(name) as mine:
                record = self.record(name)
                if not mine or record is None:
                    continue
                if record.moving or record.attempt is None or ended(record.attempt):
                    self.throw_away(name)

    def tidy(self, name: str, running: bool) -> str | None:
        """The attempt that the container serves, or None if it serves nobody; one that nobody can use is removed."""
        record = self.record(name)
        if record is not None and record.attempt is not None and not record.moving:
            return record.attempt
        if record is not None and record.attempt is None and running and record.idle_until > time.monotonic() - 60:
            return None
        with self._locked(name) as mine:
            forgotten = record is None and not (self._folder / name).exists()
            if forgotten or (mine and self.record(name) == record):  # whoever moved it is dead
                self.throw_away(name)
        return None

    def tidy_missing(self, names: list[str], there: set[str]) -> None:
        """Forget those of ``names`` whose containers are not ``there`` and will not be."""
        for name in set(names) - there:
            record = self.record(name)
            folder = self._root / record.attempt if record is not None and record.attempt else self._folder / name
            with _locked(folder) as free, contextlib.suppress(BackendError):
                # Its launcher held that lock; and the list may be older than the container.
                if (free or not folder.exists()) and self._engine.state(name) is None:
                    self.forget(name)

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[bool]:
        with _locked(self._folder / name) as mine:
            yield mine


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether the folder's lock is ours now. Nobody waits for it here."""
    with contextlib.ExitStack() as stack:
        mine = False
        with contextlib.suppress(FileNotFoundError):
            mine = stack.enter_context(locked(folder, 0.0)) is not None
        yield mine


def _idle_until(folder: Path) -> float | None:
    """From the end that the warden signed: until when it waits for a next order, if it does."""
    try:
        document = json.loads(layout.read_file(folder / TOLD / "exit.json", EXIT_BYTES))
        token = layout.read_file(folder / "token", 64).decode()
        if not token or document["token"] != token or document["idle_until"] is None:
            return None
        until = float(document["idle_until"])
        return until if math.isfinite(until) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _write(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    new.write_text(text)
    new.chmod(0o600)
    new.rename(path)
