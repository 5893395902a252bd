"""The launcher's side of the nursery: started at the first launch, and again whenever it is gone."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from dataclasses import dataclass
from pathlib import Path

# The warden's package, imported by a bare interpreter from its folder, so that nothing of tuning comes with it.
ENTRANCE = "import sys; sys.path.insert(0, sys.argv[1]); from warden.nursery import main; main(int(sys.argv[2]))"
START_SECONDS = 30.0  # for a nursery or a warden to answer on a machine that is very busy


class NotStartedError(Exception):
    """The warden is certainly not running."""


@dataclass(frozen=True, slots=True)
class _Started:
    """A running nursery, of the process that started it."""

    launcher: int
    socket: socket.socket
    process: int | None  # a pidfd; None if it has ended already

    def close(self) -> None:
        self.socket.close()
        if self.process is not None:
            with contextlib.suppress(OSError):  # a fork's copy may be closed already
                os.close(self.process)


class Nursery:
    """Has wardens forked by a process that nobody waits for: it ends with this object, its wardens do not.

    May be used by several threads. A fork of this process starts a nursery of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started: _Started | None = None
        self._finalizer: weakref.finalize[[], Nursery] | None = None

    def bear(self, folder: Path, order: int, lock: int) -> None:
        """Return once a warden has taken over the attempt in `folder`; `order` and `lock` are descriptors for it.

        Raises:
            NotStartedError: there is none.
            OSError: there may be one.
        """
        for last in (False, True):
            answer, write_end = os.pipe()
            try:
                try:
                    started = self._send(folder, [order, write_end, lock])
                except OSError as error:
                    raise NotStartedError(str(error)) from error
                finally:
                    os.close(write_end)
                said = self._listen(answer, started)
            finally:
                os.close(answer)
            if said == b"ok\n":
                return
            if said or last:
                raise NotStartedError(said.decode("utf-8", "replace").strip() or "the warden ended without a word")
            # The nursery was killed before it forked, most likely.

    def close(self) -> None:
        with self._lock:
            self._forget()

    def _send(self, folder: Path, descriptors: list[int]) -> _Started:
        with self._lock:
            if self._started is not None and self._started.launcher == os.getpid():
                with contextlib.suppress(BrokenPipeError, ConnectionError):
                    socket.send_fds(self._started.socket, [os.fsencode(folder)], descriptors)
                    return self._started
            self._forget()
            self._started = started = _start()
            self._finalizer = weakref.finalize(self, started.close)
            socket.send_fds(started.socket, [os.fsencode(folder)], descriptors)
            return started

    def _listen(self, answer: int, started: _Started) -> bytes:
        try:
            return _read_line(answer)
        except TimeoutError:
            with self._lock:
                if started is self._started:
                    self._end(started)
            raise

    def _end(self, started: _Started) -> None:
        """One that does not answer is stopped, or worse. What it was handed, and has not looked at, ends with it."""
        if started.process is not None:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(started.process, signal.SIGKILL)
        self._forget()

    def _forget(self) -> None:
        if self._finalizer is not None:
            self._finalizer()
        self._started = self._finalizer = None


def _start() -> _Started:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(START_SECONDS)
    answer, write_end = os.pipe()
    try:
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", ENTRANCE, str(Path(__file__).parent), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                pass_fds=(theirs.fileno(),),
                cwd="/",
                env={"LC_ALL": "C.UTF-8", "LD_BIND_NOW": "1"},  # symbols are looked up once, not by each warden
                start_new_session=True,
            )
        finally:
            os.close(write_end)
            theirs.close()
        said = _read_line(answer)
        process.wait()  # it forked the nursery and ended, so no zombie is left to anybody
        if not said.strip().isdigit():
            raise NotStartedError(said.decode("utf-8", "replace").strip() or "the nursery ended without a word")
        return _Started(os.getpid(), ours, _open(int(said)))
    except BaseException:
        ours.close()
        raise
    finally:
        os.close(answer)


def _open(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _read_line(answer: int) -> bytes:
    """A word and a line end; or else last words, complete because all who might say more have closed the pipe."""
    deadline = time.monotonic() + START_SECONDS
    poll = select.poll()
    poll.register(answer, select.POLLIN)
    said = b""
    while not (said.endswith(b"\n") and (said == b"ok\n" or said.strip().isdigit())):
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError(f"the warden does not answer within {START_SECONDS:.0f} s")
        part = os.read(answer, 4096)
        if not part:
            break
        said += part
    return said
