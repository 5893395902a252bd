"""What the author of the package runs: the contracts of HPT, and what is special about the strategy."""

from hpt_hill_climbing import HillClimbing

from tuning.simulate import simulate
from tuning.space import Float, SearchSpace
from tuning.testing import PolicySuite, StrategySuite


class TestHillClimbing(StrategySuite):
    name = "hill-climbing"


class TestPatience(PolicySuite):
    name = "patience"


def test_it_climbs():
    space = SearchSpace((Float("x", 0.0, 1.0),))
    history = simulate(HillClimbing(step=0.05), space, lambda config: -abs(config["x"] - 0.7), trials=60)
    assert abs(history.best.config["x"] - 0.7) < 0.02
