"""The docker backend keeps the contract of all backends also where each container has served an attempt before."""

from pathlib import Path

import pytest

from tests.containers.harness import PrimedTrials
from tests.tuning.backends.contract import (  # noqa: F401 - collected here
    TestEnding,
    TestLaunching,
    TestStopping,
    TestTheTrialsView,
)
from tests.tuning.backends.contract_following import TestLogs, TestWaiting  # noqa: F401
from tests.tuning.backends.harness import Trials
from tuning.backends.docker import DockerBackend


@pytest.fixture
def harness() -> type[Trials]:
    return PrimedTrials


def test_it_is_the_same_container(backend: DockerBackend, tmp_path: Path) -> None:
    trials = PrimedTrials(backend, tmp_path)
    attempt = trials.start("print('ran')")
    assert trials.end(attempt).exit_code == 0
    assert trials.warden(attempt) == trials.warden(f"prime-{attempt}")
    trials.clean_up()
