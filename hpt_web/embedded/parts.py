"""What the service is made of, as data: the supervisor knows nothing else about its parts."""

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hpt_web.embedded import home, postgres, valkey

MANAGE = home.REPOSITORY / "manage.py"
WORKER_THREADS = 4
# Memory that one thread has freed is used by the others; with an arena for each, it lies idle.
PYTHON = {"MALLOC_ARENA_MAX": "2"}


def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True)
class Part:
    """One process to keep alive.

    Attributes:
        name: names its log, its process-id file and its lines on the console.
        command: its argv.
        stop_signals: what asks it to end, each with the seconds it is given; then comes SIGKILL.
        death_signal: what the kernel sends it when the supervisor dies without a word.
        prepare: called before every start; may raise.
        ready: whether it serves already; called until it says so. Without one it counts as ready when it runs.
        unprivileged: the data folder of a program that refuses to run as root.
        once: it has done its work when it ends with exit code 0, and is not started again.
    """

    name: str
    command: tuple[str, ...]
    stop_signals: tuple[tuple[signal.Signals, float], ...]
    death_signal: signal.Signals = signal.SIGKILL
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = _nothing
    ready: Callable[[], bool] | None = None
    cwd: Path | None = None
    unprivileged: Path | None = None
    once: bool = False


def servers() -> list[Part]:
    """The embedded servers that no variable replaces."""
    parts = []
    if not os.environ.get("DATABASE_URL"):
        database = postgres.Postgres.of_home()
        parts.append(
            Part(
                name="postgres",
                command=tuple(database.command()),
                stop_signals=postgres.STOP_SIGNALS,
                death_signal=signal.SIGQUIT,  # it then ends its own children, which a SIGKILL would leave
                environment={"TZ": "UTC"},
                prepare=database.prepare,
                ready=database.ready,
                cwd=database.data.parent,
                unprivileged=database.data,
            )
        )
    if not os.environ.get("REDIS_URL"):
        queue = valkey.Valkey.of_home()
        parts.append(
            Part(
                name="valkey",
                command=tuple(queue.command()),
                stop_signals=valkey.STOP_SIGNALS,
                death_signal=signal.SIGTERM,
                prepare=queue.prepare,
                ready=queue.ready,
            )
        )
    return parts


def web(host: str, port: int) -> Part:
    options = {
        "--host": host,
        "--port": str(port),
        "--lifespan": "off",
        "--ws-per-message-deflate": "false",  # costs a quarter more CPU per message, and the messages are small
        "--timeout-graceful-shutdown": "2",  # pages keep sockets open for ever; they reconnect
        "--ws-max-size": "65536",  # a page has next to nothing to say
        "--log-level": "warning",
    }
    # Nobody's X-Forwarded-For is believed: there is no proxy in front.
    command = [sys.executable, "-m", "uvicorn", "hpt_web.asgi:application", "--no-proxy-headers", "--no-server-header"]
    return Part(
        name="web",
        command=(*command, *(part for pair in options.items() for part in pair)),
        stop_signals=((signal.SIGTERM, 3.0),),
        environment=PYTHON,
        ready=lambda: accepts(host, port),
        cwd=home.REPOSITORY,
    )


def worker(threads: int = WORKER_THREADS) -> Part:
    """Runs the queued steps. Every step may be cut short and run again, so it is not given long to end."""
    limits = ["--processes", "1", "--threads", str(threads), "--worker-shutdown-timeout", "2000", "--skip-logging"]
    return Part(
        name="worker",
        command=(sys.executable, "-m", "hpt_web.embedded.worker", "hpt_web.broker", "hpt_web.jobs.tasks", *limits),
        stop_signals=((signal.SIGTERM, 4.0),),
        death_signal=signal.SIGTERM,  # its master passes it on to its worker process
        environment=PYTHON,
        cwd=home.REPOSITORY,
    )


def follower() -> Part:
    return Part(
        name="follower",
        command=(sys.executable, str(MANAGE), "follow"),
        stop_signals=((signal.SIGTERM, 4.0),),
        environment=PYTHON,
        cwd=home.REPOSITORY,
    )


def example() -> Part:
    """Finishes the example of a new installation while the service runs."""
    command = (sys.executable, str(MANAGE), "example")
    return Part(name="example", command=command, stop_signals=((signal.SIGTERM, 2.0),), cwd=home.REPOSITORY, once=True)


def accepts(host: str, port: int) -> bool:
    """Whether somebody answers there; uvicorn listens only once the application is loaded."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104, compared only
    try:
        socket.create_connection((reachable, port), timeout=1).close()
    except OSError:
        return False
    return True
