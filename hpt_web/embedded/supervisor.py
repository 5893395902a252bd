"""`manage.py up`: starts the whole service in the foreground, keeps it running, and ends it without a trace.

Order: lock, sweep, servers, tables, web with worker and follower. Backwards at the end: worker, follower, then the
trials are suspended (their processes end, their rows go back to the queue), web, servers.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpt_web.embedded import home, parts, processes
from hpt_web.embedded.errors import EmbeddedError, HomeError
from hpt_web.embedded.keeper import Keeper, end_group, ended

SERVER_PATIENCE, PART_PATIENCE = 60.0, 120.0  # seconds until the first readiness; a cold disk imports slowly
# It gives the trials 3 s and gives up after 11 s. The rest is for its start, while trials keep every processor busy;
# whoever has no time presses Ctrl-C again.
SUSPEND_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: the embedded servers, the service's own parts, and a management command before and after those."""

    host: str
    port: int
    servers: Sequence[parts.Part]
    watchers: Sequence[parts.Part]  # what acts on jobs by itself; ended first
    web: parts.Part
    before: Sequence[str] | None = ("prepare",)
    after: Sequence[str] | None = ("suspend",)


def plan(host: str, port: int) -> Plan:
    return Plan(host, port, parts.servers(), [parts.worker(), parts.follower(), parts.example()], parts.web(host, port))


def run(chosen: Plan) -> int:
    """Run until a signal ends it; return the exit code. Everything a person needs to know goes to stdout."""
    try:
        root = home.make()
        with _only_one(root):
            processes.kill(processes.leftovers(root))
            _check_port(chosen.host, chosen.port)
            return asyncio.run(_Supervisor(root, chosen).run())
    except EmbeddedError as error:
        say(f"hpt cannot start: {error}")
        return 1


def say(line: str) -> None:
    """One line on the console; a console that went away must not end the service."""
    with contextlib.suppress(OSError, ValueError):
        print(line, flush=True)


class _Supervisor:
    def __init__(self, root: Path, chosen: Plan) -> None:
        self._root = root
        self._plan = chosen
        self._servers = [Keeper(part, root, self._tell) for part in chosen.servers]
        self._watchers = [Keeper(part, root, self._tell) for part in chosen.watchers]
        self._web = Keeper(chosen.web, root, self._tell)
        self._signals = 0
        self._began = False
        self._quiet = False

    async def run(self) -> int:
        serving = asyncio.create_task(self._serve())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal, serving)
        try:
            await serving
        except asyncio.CancelledError:
            code = 0
        except EmbeddedError as error:
            say(f"hpt cannot start: {error}")
            code = 1
        await self._end()
        return code

    def _on_signal(self, serving: asyncio.Task[None]) -> None:
        self._signals += 1
        if self._signals == 1:
            say("\nStopping. Trials go back to the queue and on from their checkpoints at the next start.")
            self._quiet = True
            serving.cancel()
            return
        say("Killed what was left.")
        for keeper in (*self._watchers, self._web, *self._servers):
            keeper.kill()
        processes.kill(processes.leftovers(self._root))
        os._exit(130)  # nothing is left to unwind

    def _tell(self, part: str, line: str) -> None:
        if not self._quiet:
            say(f"{part}: {line}")

    async def _serve(self) -> None:
        started = time.monotonic()
        say(f"HPT starts in {self._root}")
        await asyncio.gather(*(keeper.begin(SERVER_PATIENCE) for keeper in self._servers))
        if self._plan.before:
            await self._command(self._plan.before, None)
        self._began = True
        await asyncio.gather(*(keeper.begin(PART_PATIENCE) for keeper in (*self._watchers, self._web)))
        took = time.monotonic() - started
        say(f"HPT runs at {url(self._plan.host, self._plan.port)} (started in {took:.1f} s). Ctrl-C ends it.")
        await asyncio.Event().wait()

    async def _command(self, arguments: Sequence[str], seconds: float | None) -> None:
        """Run a management command on the console and wait for it.

        Raises:
            EmbeddedError: it failed, or took too long; what it printed says why.
        """
        process = processes.start(
            [sys.executable, str(parts.MANAGE), *arguments],
            environment={**os.environ, "HPT_HOME": str(self._root), processes.PART_VARIABLE: arguments[0]},
            cwd=home.REPOSITORY,
        )
        try:
            in_time = await ended(process, seconds)
        finally:
            end_group(process)
        if not in_time or process.returncode != 0:
            how = f"failed with exit code {process.returncode}" if in_time else f"took longer than {seconds:.0f} s"
            raise EmbeddedError(f"`manage.py {' '.join(arguments)}` {how}.")

    async def _end(self) -> None:
        self._quiet = True
        started = time.monotonic()
        await asyncio.gather(*(keeper.end() for keeper in self._watchers))
        if self._plan.after and self._began:
            try:
                await self._command(self._plan.after, SUSPEND_PATIENCE)
            except EmbeddedError as error:
                say(f"{error} The next start puts right what it left.")
        await self._web.end()
        await asyncio.gather(*(keeper.end() for keeper in self._servers))
        processes.kill(processes.leftovers(self._root))
        say(f"HPT has stopped ({time.monotonic() - started:.1f} s).")


@contextlib.contextmanager
def _only_one(root: Path) -> Iterator[None]:
    """Hold HPT_HOME's lock, which the kernel frees however this process ends.

    Raises:
        HomeError: another supervisor holds it.
    """
    (root / "run").mkdir(mode=0o700, exist_ok=True)
    with (root / "run" / "supervisor.pid").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise HomeError(
                f"it already runs in {root} (process {file.read().strip() or 'unknown'}). End that one with Ctrl-C, or "
                "start a second service in a folder and on a port of its own: HPT_HOME=... HPT_PORT=... make run"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
        file.truncate(0)


def _check_port(host: str, port: int) -> None:
    """Say at once that the port is taken, rather than let the web server die of it again and again."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except socket.gaierror as error:
            raise EmbeddedError(f"HPT_HOST={host} is not an address of this machine ({error.strerror}).") from error
        except OSError as error:
            raise EmbeddedError(
                f"port {port} on {host} cannot be used ({error.strerror}). Take another: HPT_PORT={port + 1} make run"
            ) from error


def url(host: str, port: int) -> str:
    """The address to type into a browser on this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104, shown only
    return f"http://{name}:{port}"
