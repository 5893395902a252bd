"""Where this host's trials run: as its processes, or in containers of its engine. An attempt's token says which."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from tuning.backends.docker import DockerBackend
from tuning.backends.docker.engine import SOCKET, Engine
from tuning.backends.process import ProcessBackend
from tuning.backends.several import Several
from tuning.errors import BackendError

PROCESS, CONTAINER = "process", "container"
CONTAINER_MARK = "c"  # the first letter of a container's token; others begin with their job's number


class Containers(DockerBackend):
    """An engine that nobody uses is not asked what it runs: on most hosts there is none."""

    def list_owned(self) -> list[str]:
        unused = engine_url() is None and not any(not path.name.startswith(".") for path in self._root.iterdir())
        return [] if unused else super().list_owned()


@cache
def backend() -> Several:
    """This host's backends as one. One object per process: it may keep watches on what it follows."""
    containers = Containers(settings.HPT_HOME / "containers", engine_url() or SOCKET)
    return Several({PROCESS: ProcessBackend(settings.HPT_HOME / "trials"), CONTAINER: containers}, part_of)


def part_of(token: str) -> str:
    return CONTAINER if token.startswith(CONTAINER_MARK) else PROCESS


def engine_url() -> str | None:
    """HPT_DOCKER; if that is unset, the usual socket where there is one. None: no trials in containers here."""
    if settings.HPT_DOCKER is not None:
        return settings.HPT_DOCKER or None
    return SOCKET if Path(urlsplit(SOCKET).path).is_socket() else None


def engine() -> Engine:
    """The engine of this host. BackendError, retryable, if it has none (it may be set up while a trial waits)."""
    url = engine_url()
    if url is None:
        raise BackendError(
            "this installation has no container engine: an administrator can set HPT_DOCKER", retryable=True
        )
    return _engine(url)


@cache
def _engine(url: str) -> Engine:
    return Engine(url, Path(settings.HPT_REGISTRY_CONFIG) if settings.HPT_REGISTRY_CONFIG else None)
