"""The docker backend keeps the contract of all backends."""

from tests.tuning.backends.contract import (  # noqa: F401 - collected here
    TestEnding,
    TestLaunching,
    TestStopping,
    TestTheTrialsView,
)
from tests.tuning.backends.contract_following import TestCheckpoints, TestLogs, TestWaiting  # noqa: F401
from tests.tuning.backends.contract_pipes import TestPipes, data  # noqa: F401
