"""The contracts of the engine as tests: whoever writes a strategy or a policy inherits them (needs pytest).

    from tuning.testing import StrategySuite

    class TestHillClimbing(StrategySuite):
        name = "hill-climbing"

``StrategySuite`` holds what any strategy promises; ``SchedulerSuite`` adds what one does that also says how far each
trial goes. ``PolicySuite`` holds what any early-stopping policy promises, and ``IntervalSuite`` adds what goes with the
options evaluation_interval and delay_evaluation.
"""

import pytest

pytest.register_assert_rewrite(
    "tuning.testing.policy_suite", "tuning.testing.scheduler_suite", "tuning.testing.strategy_suite"
)

from tuning.testing.policy_suite import IntervalSuite, PolicySuite  # noqa: E402
from tuning.testing.scheduler_suite import SchedulerSuite  # noqa: E402
from tuning.testing.strategy_suite import StrategySuite  # noqa: E402

__all__ = ["IntervalSuite", "PolicySuite", "SchedulerSuite", "StrategySuite"]
