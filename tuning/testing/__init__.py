"""The contracts of the engine as tests: whoever writes a strategy or a policy inherits them (needs pytest).

    from tuning.testing import StrategySuite

    class TestHillClimbing(StrategySuite):
        name = "hill-climbing"

``StrategySuite`` holds what any strategy promises, ``PolicySuite`` what any early-stopping policy does, and
``IntervalSuite`` that and what goes with the options evaluation_interval and delay_evaluation.
"""

import pytest

pytest.register_assert_rewrite("tuning.testing.policy_suite", "tuning.testing.strategy_suite")

from tuning.testing.policy_suite import IntervalSuite, PolicySuite  # noqa: E402
from tuning.testing.strategy_suite import StrategySuite  # noqa: E402

__all__ = ["IntervalSuite", "PolicySuite", "StrategySuite"]
