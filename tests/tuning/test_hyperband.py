"""Hyperband: the contract in each of its modes, its rungs and brackets by numbers, and against plain references."""

from tests.tuning.scheduler_suite import EPOCHS, SchedulerSuite


class TestStopping(SchedulerSuite):
    name = "hyperband"
    options = {"mode": "stopping", "max_resource": EPOCHS}


class TestPromotion(SchedulerSuite):
    name = "hyperband"
    options = {"mode": "promotion", "max_resource": EPOCHS}


class TestSynchronous(SchedulerSuite):
    name = "hyperband"
    options = {"mode": "synchronous", "max_resource": EPOCHS}


class TestSynchronousBrackets(SchedulerSuite):
    name = "hyperband"
    options = {"mode": "synchronous", "max_resource": EPOCHS, "brackets": 3}


class TestPromotionBrackets(SchedulerSuite):
    name = "hyperband"
    options = {"mode": "promotion", "max_resource": EPOCHS, "brackets": 2, "reduction_factor": 2.5}
