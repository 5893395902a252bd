"""The process backend keeps the contract of all backends."""

import pytest

from tests.tuning.backends.contract import (  # noqa: F401 - collected here
    TestEnding,
    TestLaunching,
    TestStopping,
    TestTheTrialsView,
)
from tests.tuning.backends.contract_following import TestCheckpoints, TestLogs, TestWaiting  # noqa: F401
from tests.tuning.backends.contract_pipes import TestPipes, data  # noqa: F401
from tuning.backends.process import ProcessBackend


@pytest.fixture
def backend(process_backend: ProcessBackend) -> ProcessBackend:
    return process_backend
