"""An engine that somebody else runs: the socket in HPT_TEST_DOCKER. Any engine can so be held to the contract."""

from __future__ import annotations

import contextlib
import os

import pytest
from docker.errors import DockerException, ImageNotFound

from tests.containers.harness import BARE, PYTHON
from tests.engine import Engine

VARIABLE = "HPT_TEST_DOCKER"


def url() -> str | None:
    return os.environ.get(VARIABLE) or None


class GivenEngine(Engine):
    """It is neither started nor ended here. What would need that is skipped."""

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            self.client().close()
        except DockerException as error:
            pytest.fail(f"{VARIABLE} is {url}, where no engine answers: {error}")

    @property
    def url(self) -> str:
        return self._url

    def start(self) -> None:
        """It runs."""

    def kill(self) -> None:
        pytest.skip(f"{VARIABLE} is somebody's engine, which is not ended here")

    def remove(self) -> None:
        """Only the images of the tests, and their containers."""
        client = self.client()
        for image in (PYTHON, BARE):
            with contextlib.suppress(ImageNotFound):
                identity = client.inspect_image(image)["Id"].removeprefix("sha256:")
                for container in client.containers(all=True):
                    if container["ImageID"].removeprefix("sha256:") == identity:
                        client.remove_container(container["Id"], v=True, force=True)
                client.remove_image(image)
        client.close()
