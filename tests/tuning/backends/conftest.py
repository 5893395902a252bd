from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tuning.backends.harness import ProcessTrials, Trials
from tuning.backends.process import ProcessBackend


@pytest.fixture
def process_backend(tmp_path: Path) -> Iterator[ProcessBackend]:
    backend = ProcessBackend(tmp_path / "attempts")
    yield backend
    backend.close()


@pytest.fixture
def processes(process_backend: ProcessBackend, tmp_path: Path) -> Iterator[ProcessTrials]:
    trials = ProcessTrials(process_backend, tmp_path)
    yield trials
    trials.clean_up()


@pytest.fixture
def harness() -> type[Trials]:
    return Trials
