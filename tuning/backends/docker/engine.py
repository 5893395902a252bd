"""The few things that are asked of a Docker Engine, or of Podman's compatible socket, over its API.

Every error is a BackendError that says what to do. Connections are made when first needed and belong to one process,
so an object of this may be kept over a fork.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import urllib3
from docker import APIClient
from docker.errors import APIError, DockerException, ImageNotFound, InvalidConfigFile, NotFound

from tuning.errors import BackendError

SOCKET = "unix:///var/run/docker.sock"
REQUEST_SECONDS = 120  # an engine that starts 20 containers at once is slow
SILENT_SECONDS = 300  # for which a pull may tell nothing new: a large layer is extracted without a word
REMOVAL_SECONDS = 30.0
ENDED_SECONDS = 2.0  # from the death of a container's first process until the engine knows it
OUT_OF_MEMORY_SECONDS = 0.3  # and from then until it knows that it was for want of memory
KILLED = 128 + 9  # its exit code
CONFLICT = 409


class _Client(APIClient):
    """The library awaits the next word of a pull for ever; here as long as it is told."""

    silent_seconds: float = SILENT_SECONDS

    def _set_request_timeout(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        if kwargs.get("timeout", 0) is None:
            kwargs["timeout"] = self.silent_seconds
        told: dict[str, Any] = super()._set_request_timeout(kwargs)  # type: ignore[misc]
        return told


class Engine:
    """``registry_config`` is a file as Docker's own ``config.json``, whose ``auths`` say who we are to which registry.
    It may change at any time. Without one, that of this process's user is taken, if there is any. A pull of which
    nothing is heard for ``silent_seconds`` has failed.
    """

    def __init__(
        self, url: str = SOCKET, registry_config: Path | None = None, silent_seconds: float = SILENT_SECONDS
    ) -> None:
        self.url = url
        self._registry_config = registry_config
        self._silent_seconds = silent_seconds
        self._config_read = 0  # when the file was last changed, in ns
        self._client: _Client | None = None
        self._process = 0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def client(self, doing: str, *, registry: bool = False) -> Iterator[APIClient]:
        """The API's client; whatever it raises within becomes a BackendError that names what was done.

        With ``registry``, it knows who we are to registries.
        """
        try:
            client = self._connected()
            if registry:
                self._read_registry_config(client)
            yield client
        except NotFound as error:
            raise BackendError(f"{doing}: {_said(error)}") from error
        except APIError as error:
            # A request that the engine understood and refuses would be refused again.
            refused = error.status_code is not None and error.status_code in (400, 403)
            raise BackendError(f"{doing}: {_said(error)}", retryable=not refused) from error
        except (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError) as error:
            raise BackendError(f"{doing}: nothing more was heard of it", retryable=True) from error
        except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise BackendError(
                f"{doing}: the container engine at {self.url} does not answer ({error})", retryable=True
            ) from error

    def _connected(self) -> _Client:
        with self._lock:
            if self._client is None or self._process != os.getpid():
                self._client = _Client(self.url, version="auto", timeout=REQUEST_SECONDS)
                self._client.silent_seconds = self._silent_seconds
                self._process = os.getpid()
                self._config_read = 0
            return self._client

    def _read_registry_config(self, client: APIClient) -> None:
        path = self._registry_config
        if path is None:
            return
        try:
            changed = path.stat().st_mtime_ns
            if changed == self._config_read:
                return
            if not isinstance(json.loads(path.read_text()), dict):
                raise ValueError("it is no JSON object")
            client.reload_config(str(path))
        except (OSError, ValueError, TypeError, AttributeError, InvalidConfigFile) as error:
            # Not what is in it, which are secrets.
            why = error.strerror if isinstance(error, OSError) else "it is not as Docker's config.json"
            raise BackendError(
                f"the credentials for registries in {path} cannot be read: {why}", retryable=True
            ) from None
        self._config_read = changed

    def close(self) -> None:
        with self._lock:
            if self._client is not None and self._process == os.getpid():
                self._client.close()
            self._client = None

    def is_podman(self) -> bool:
        with self.client("asking the engine who it is") as client:
            components = client.version().get("Components") or ()
        return any("podman" in str(component.get("Name", "")).lower() for component in components)

    def image(self, reference: str) -> dict[str, Any]:
        """What the engine knows of an image that it has. Retryable if it has none, as it may be pulled."""
        with self.client(f"looking for the image {reference}") as client:
            try:
                found: dict[str, Any] = client.inspect_image(reference)  # type: ignore[no-untyped-call]
            except ImageNotFound as error:
                raise BackendError(f"image {reference} is not on this host: pull it first", retryable=True) from error
            return found

    def create(self, name: str, document: dict[str, Any]) -> str:
        """The new container's id. One that has the name already is removed: another launch's, whose launcher died."""
        deadline = time.monotonic() + REMOVAL_SECONDS
        with self.client(f"making the container {name}") as client:
            while True:
                try:
                    return str(client.create_container_from_config(document, name)["Id"])  # type: ignore[no-untyped-call]
                except APIError as error:
                    if error.status_code != CONFLICT or time.monotonic() > deadline:
                        raise
                self.remove(name)

    def start(self, name: str) -> None:
        with self.client(f"starting the container {name}") as client:
            try:
                client.start(name)
            except APIError as error:
                if "could not select device driver" in _said(error):
                    raise BackendError(
                        "the container engine cannot give GPUs to containers: install the NVIDIA Container Toolkit"
                    ) from error
                raise

    def state(self, name: str) -> dict[str, Any] | None:
        """`Running`, `Paused`, `Pid`, and the rest of the state; with `Id`. None if there is no such container."""
        with self.client(f"looking at the container {name}") as client:
            try:
                found = client.inspect_container(name)
            except NotFound:
                return None
            return {**found["State"], "Id": found["Id"]}

    def ended(self, name: str) -> dict[str, Any] | None:
        """The state of a container whose first process is dead, once the engine knows that, and why.

        The kernel is ahead of the engine, which hears of an end and of a lack of memory in any order.
        """
        deadline = time.monotonic() + ENDED_SECONDS
        while (state := self.state(name)) and state["Running"] and time.monotonic() < deadline:
            time.sleep(0.02)
        deadline = time.monotonic() + OUT_OF_MEMORY_SECONDS
        while state and state["ExitCode"] == KILLED and not state["OOMKilled"] and time.monotonic() < deadline:
            time.sleep(0.02)
            state = self.state(name)
        return state

    def signal(self, name: str, number: int) -> None:
        """Signal the container's first process, also if somebody has paused it. Nothing if it is gone or has ended."""
        with self.client(f"signalling the container {name}") as client:
            try:
                with contextlib.suppress(NotFound):
                    if client.inspect_container(name)["State"]["Paused"]:
                        client.unpause(name)
                    client.kill(name, number)
            except APIError as error:
                if error.status_code != CONFLICT:  # it is not running
                    raise

    def remove(self, name: str) -> None:
        """Kill and remove it, and return when it is gone."""
        deadline = time.monotonic() + REMOVAL_SECONDS
        with self.client(f"removing the container {name}") as client:
            while True:
                try:
                    client.remove_container(name, v=True, force=True)
                except NotFound:
                    return
                except APIError as error:
                    if error.status_code != CONFLICT or time.monotonic() > deadline:  # it is being removed
                        raise
                time.sleep(0.02)

    def labelled(self, label: str) -> list[tuple[str, str, dict[str, str]]]:
        """Id, state (``created``, ``running``, ``exited`` ...) and labels of each container that has ``label``."""
        with self.client("listing containers") as client:
            found = client.containers(all=True, filters={"label": label})
            return [(str(one["Id"]), str(one["State"]), dict(one.get("Labels") or {})) for one in found]


def _said(error: APIError) -> str:
    return str(error.explanation or error)
