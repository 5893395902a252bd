"""The whole service as `make run` starts it, in a folder and on a port of its own, watched by tests from outside."""

import dataclasses
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from hpt_web.embedded import home, postgres, processes, supervisor, valkey

START_SECONDS = 300.0  # on a machine that does much else
STOP_SECONDS = 100.0  # on a machine that is busy with other tests, where every start takes long
T = TypeVar("T")


def wait_for(condition: Callable[[], T], seconds: float, what: str) -> T:
    """Poll until the condition is true and return what it said; fail with `what` when time is up."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    """One installation below `root`. With `example` it is just what a newcomer gets; without, it has tables only.

    `settings` are variables of its environment.
    """

    def __init__(self, root: Path, *, example: bool = True, settings: Mapping[str, str] | None = None) -> None:
        self.settings = dict(settings or {})
        self.home = root
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [str(home.REPOSITORY / "manage.py"), "up"] if example else ["-m", "tests.service"]
        self._console = root.with_name(f"{root.name}.console")
        self._supervisor: subprocess.Popen[bytes] | None = None

    # --- starting and ending ---
    def begin(self) -> None:
        """Start the supervisor, and do not wait."""
        with self._console.open("ab") as output:
            self._supervisor = subprocess.Popen(
                [sys.executable, *self._command],
                env=self.environment(),
                cwd=home.REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def start(self) -> "Service":
        """Start it and wait until the page can be asked for."""
        before = self.console().count("HPT runs at")
        self.begin()
        wait_for(
            lambda: self.console().count("HPT runs at") > before or not self.runs(), START_SECONDS, "the service runs"
        )
        assert self.runs(), self.console()
        return self

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        assert self._supervisor is not None
        self._supervisor.send_signal(signal.SIGINT)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Wait for the supervisor to end; return its exit code."""
        assert self._supervisor is not None
        return self._supervisor.wait(seconds)

    def stop(self) -> None:
        """Press Ctrl-C and wait; for teardown, so whatever is left after that is killed."""
        if self._supervisor is not None and self._supervisor.poll() is None:
            self.interrupt()
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.kill_supervisor()
        processes.kill(self.processes())

    def kill_supervisor(self) -> None:
        """kill -9 of the supervisor alone."""
        assert self._supervisor is not None
        self._supervisor.kill()
        self._supervisor.wait()

    # --- looking at it ---
    def environment(self) -> dict[str, str]:
        servers = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "HPT_TEST_RUN"}
        inherited = {name: value for name, value in os.environ.items() if name not in servers}
        return {**inherited, **self.settings, "HPT_HOME": str(self.home), "HPT_PORT": str(self.port)}

    def runs(self) -> bool:
        return self._supervisor is not None and self._supervisor.poll() is None

    def console(self) -> str:
        """Everything it has printed so far, over all starts."""
        return self._console.read_text(errors="replace") if self._console.exists() else ""

    def first_password(self) -> str:
        """The first administrator's password, which was printed at the first start."""
        found = re.search(r"with the password\s+(\S+)", self.console())
        assert found, self.console()
        return found[1]

    def pid(self, part: str) -> int:
        """The process id of a part; 0 while it does not run."""
        try:
            pid = int((self.home / "run" / f"{part}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return 0
        return pid if processes.alive(pid) else 0

    def kill(self, part: str) -> int:
        """kill -9 of one part; return the process id that it had."""
        pid = self.pid(part)
        assert pid, f"{part} does not run"
        os.kill(pid, signal.SIGKILL)
        return pid

    def serves(self) -> bool:
        """Whether the web server takes connections."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def database(self) -> postgres.Postgres:
        return postgres.Postgres(self.home / "postgres" / "data", self.home / "postgres" / "run")

    def queue(self) -> valkey.Valkey:
        return valkey.Valkey(self.home / "valkey", self.home / "valkey" / "valkey.sock")

    def processes(self) -> list[int]:
        """Every live process of this installation but the supervisor: marked by it, or working in its folders."""
        working = processes.working_in(self.database().data, "postgres")
        found = {*processes.leftovers(self.home), *working, *processes.working_in(self.queue().data, "valkey-server")}
        return sorted(pid for pid in found if processes.alive(pid))


def main() -> int:
    """The service without its first administrator and its example, whose trials would keep the machine busy."""
    whole = supervisor.plan("127.0.0.1", int(os.environ["HPT_PORT"]))
    watchers = [part for part in whole.watchers if not part.once]
    return supervisor.run(dataclasses.replace(whole, watchers=watchers, before=("migrate", "--verbosity=0")))


if __name__ == "__main__":
    sys.exit(main())
