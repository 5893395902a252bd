"""One engine for all tests of containers in a process, with the images that they run."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import engine as engines
from tests.containers import given
from tests.containers.harness import BARE, PYTHON, TRAIN, ContainerTrials
from tests.tuning.backends.harness import Trials
from tuning.backends.docker import DockerBackend


@pytest.fixture(scope="session")
def engine(pytestconfig: pytest.Config) -> Iterator[engines.Engine]:
    if given.url() is None and (reason := engines.missing()):
        pytest.skip(reason)
    assert pytestconfig.cache is not None
    cache = pytestconfig.cache.mkdir("hpt-images")
    with _alone(cache):  # each worker of pytest-xdist has an engine of its own, and all of them the same images
        engine = _started(cache)
    yield engine
    engine.remove()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _started(cache: Path) -> engines.Engine:
    """An engine that has the images."""
    python = engines.system_image(cache, "python", ("python3-minimal", "libpython3-stdlib", "dash", "coreutils"), {})
    files = {
        "usr/bin/entry": '#!/bin/busybox sh\nexec "/usr/bin/$@"\n',
        "usr/bin/train": TRAIN,
        "opt/ml/code/baked": "b",
    }
    bare = engines.system_image(cache, "bare", ("busybox-static",), files)
    url = given.url()
    engine = engines.Engine() if url is None else given.GivenEngine(url)
    try:
        client = engine.client()
        client.import_image(str(python), repository=PYTHON)  # Podman wants the tag here
        changes = ['ENTRYPOINT ["/usr/bin/entry"]', "ENV BAKED=in", "ENV LD_PRELOAD=/nowhere.so", "WORKDIR /srv"]
        client.import_image(str(bare), repository=BARE, changes=changes)
        client.close()
    except BaseException:
        engine.remove()
        raise
    return engine


@pytest.fixture
def backend(engine: engines.Engine, tmp_path: Path) -> Iterator[DockerBackend]:
    backend = DockerBackend(tmp_path / "attempts", engine.url)
    yield backend
    backend.close()


@pytest.fixture
def bounded(backend: DockerBackend) -> None:
    if not backend._account.bounded:
        pytest.skip("the engine has no control groups: what the warden does instead is in the contract of all backends")


@pytest.fixture(scope="session")
def gpus_of_none(engine: engines.Engine) -> None:
    if isinstance(engine, given.GivenEngine):
        pytest.skip("only the engine that the tests start gives out GPUs that there are none of")


@pytest.fixture
def harness() -> type[Trials]:
    return ContainerTrials


@pytest.fixture
def containers(backend: DockerBackend, tmp_path: Path) -> Iterator[ContainerTrials]:
    trials = ContainerTrials(backend, tmp_path)
    yield trials
    trials.clean_up()
