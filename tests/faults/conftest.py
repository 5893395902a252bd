"""One service for each module of tests, as it is started by `make run`."""

from collections.abc import Iterator

import pytest

from tests.service import Service

# Most of these tests wait: for the lease of a killed follower to end, or for a kill after a SIGTERM that was not heard.
# How long these take proves nothing more; a lease of less than this would be lost on a machine that is busy.
BRISK = {"HPT_LEASE_SECONDS": "10", "HPT_STOP_GRACE_SECONDS": "5"}


@pytest.fixture(scope="module")
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With BRISK and the module's SETTINGS, which are variables of its environment, if it has some."""
    settings = BRISK | getattr(request.module, "SETTINGS", {})
    running = Service(tmp_path_factory.mktemp("hpt") / "home", example=False, settings=settings).start()
    yield running
    running.stop()
