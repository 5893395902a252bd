"""One service for each module of tests, as it is started by `make run`."""

from collections.abc import Iterator

import pytest

from tests.service import Service


@pytest.fixture(scope="module")
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With the module's SETTINGS, which are variables of its environment, if it has some."""
    settings = getattr(request.module, "SETTINGS", None)
    running = Service(tmp_path_factory.mktemp("hpt") / "home", example=False, settings=settings).start()
    yield running
    running.stop()
