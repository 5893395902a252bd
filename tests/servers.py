"""The real PostgreSQL and Valkey that the tests talk to: the same wheels, the same code as `make run` uses.

One PostgreSQL for a whole test run, in a folder under /tmp, and one Valkey for each pytest-xdist worker, as its
publications reach across its numbered databases. The kernel ends them with the process that started them.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hpt_web.embedded import postgres, processes, valkey

# Nothing in a test run must survive a power cut.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "300"}
PREFIX = "hpt-tests-"


class RunFolder:
    """A folder for one test run; a run that was killed leaves its folder to the next one, which removes it."""

    def __init__(self) -> None:
        for stale in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            _remove_if_unused(stale)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _remove_if_unused(folder: Path) -> None:
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # not ours, or being made at this moment
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(lock)


class Server:
    """A started server: `url` to reach it, `stop()` to end it with all of its processes."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], sweep: Callable[[], list[int]]) -> None:
        self.url = url
        self._process = process
        self._sweep = sweep

    def stop(self) -> None:
        """Nothing of it is to be kept, so it is ended the hard way."""
        self._process.kill()
        self._process.wait()
        processes.kill(self._sweep())


def start_postgres(folder: Path) -> Server:
    server = postgres.Postgres(folder / "data", folder, FAST)
    server.prepare()
    process = _start(server.command(), folder / "postgres.log", server.ready, data=server.data, death=signal.SIGQUIT)
    return Server(server.url, process, lambda: processes.working_in(server.data, "postgres"))


def start_valkey(folder: Path) -> Server:
    server = valkey.Valkey(folder, folder / "valkey.sock", durable=False)
    server.prepare()
    process = _start(server.command(), folder / "valkey.log", server.ready)
    return Server(server.url(), process, lambda: processes.working_in(folder, "valkey-server"))


def _start(
    command: list[str],
    log: Path,
    ready: Callable[[], bool],
    data: Path | None = None,
    death: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        process = processes.start(
            command,
            environment={**os.environ, "TZ": "UTC"},
            output=output.fileno(),
            cwd=data,
            unprivileged=data,
            death_signal=death,
        )
    deadline = time.monotonic() + 30
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"{command[0]} did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.02)
    return process
