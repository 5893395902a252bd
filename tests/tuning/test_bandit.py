"""The bandit policy (F66, C8): the contract, and the rule by the documents' numbers."""

import dataclasses
import math
import sys

import pytest

from tests.tuning.policy_suite import IntervalSuite, history, trial
from tuning import earlystop
from tuning.errors import InvalidSpec
from tuning.history import History
from tuning.states import Goal, TrialState

BAR = 0.8 / 1.2  # 0.6667, which the documents print as 0.66


class TestBanditWithFactor(IntervalSuite):
    name = "bandit"

    def mirrored(self, value: float) -> float:
        return 1 / value  # the rule is a ratio


class TestBanditWithAmount(IntervalSuite):
    name = "bandit"
    options = {"slack_amount": 0.2}


def judge(best, value, goal=Goal.MAXIMIZE, **options):
    return earlystop.create("bandit", options).judge(2, history((best,), (value,), goal=goal))


@pytest.mark.parametrize(
    ("options", "goal", "best", "bar"),
    [
        ({"slack_factor": 0.2}, Goal.MAXIMIZE, 0.8, BAR),
        ({"slack_factor": 0.1}, Goal.MAXIMIZE, 1.0, 1 / 1.1),  # the documents' 91 %
        ({"slack_amount": 0.2}, Goal.MAXIMIZE, 0.8, 0.8 - 0.2),
        ({"slack_amount": 0.2}, Goal.MAXIMIZE, -0.8, -1.0),
        ({"slack_amount": 0}, Goal.MAXIMIZE, 0.8, 0.8),
        ({"slack_factor": 0.2}, Goal.MINIMIZE, 0.8, 0.8 * 1.2),
        ({"slack_amount": 0.2}, Goal.MINIMIZE, 0.8, 1.0),
        ({"slack_amount": 0.2}, Goal.MINIMIZE, -0.8, -0.8 + 0.2),
        ({}, Goal.MAXIMIZE, 0.8, 0.8 / 1.1),
    ],
)
def test_beyond_the_bar_is_stopped_and_on_it_goes_on(options, goal, best, bar):
    worse = bar - goal.sign * 1e-9
    assert judge(best, worse, goal, **options).stop
    on_it = judge(best, bar, goal, **options)
    assert not on_it.stop
    assert on_it.numbers["bar"] == bar


def test_nothing_is_rounded():
    """C8: the documents' 0.66 is 0.8 / 1.2."""
    assert judge(0.8, 0.666, slack_factor=0.2).stop
    assert judge(0.8, 0.6666, slack_factor=0.2).stop
    assert not judge(0.8, 0.6667, slack_factor=0.2).stop


def test_at_the_bar_goes_on_in_decimals_too():
    """F66's example: 0.8 - 0.2 is a little more than 0.6 in binary numbers."""
    assert 0.8 - 0.2 > 0.6 and not judge(0.8, 0.6, slack_amount=0.2).stop
    pairs = [(best, slack) for best in range(2, 100, 7) for slack in range(best)]
    on_it = [judge(best / 100, (best - slack) / 100, slack_amount=slack / 100).stop for best, slack in pairs]
    beyond = [judge(best / 100, (best - slack - 1) / 100, slack_amount=slack / 100).stop for best, slack in pairs]
    assert not any(on_it) and all(beyond)
    assert not judge(1e9, 0.1, slack_amount=1e9 - 0.1).stop  # rounded as the numbers that were subtracted are


def test_the_reason_carries_the_numbers():
    assert judge(0.8, 0.6, slack_factor=0.2).reason == (
        "Stopped at report 1: its best value 0.6 is below 0.666667, the best value 0.8 of 2 trials with slack factor "
        "0.2."
    )
    assert judge(0.8, 0.9, Goal.MINIMIZE, slack_amount=0.2).reason == (
        "Goes on at report 1: its best value 0.9 is not above 1, the best value 0.8 of 2 trials with slack amount 0.2."
    )


@pytest.mark.parametrize(("goal", "best"), [(Goal.MAXIMIZE, -0.1), (Goal.MAXIMIZE, 0.0), (Goal.MINIMIZE, 0.0)])
def test_a_ratio_to_a_best_that_is_not_above_0_stops_nothing_and_says_so(goal, best):
    verdict = judge(best, best - 100 * goal.sign, goal, slack_factor=0.2)
    assert not verdict.stop
    assert "slack_factor is a ratio" in verdict.reason and "Use slack_amount" in verdict.reason


def test_a_trial_is_judged_by_its_best_value_so_far_against_the_best_up_to_the_same_report():
    policy = earlystop.create("bandit", {"slack_factor": 0.2})
    assert not policy.judge(2, history((0.8, 0.8), (0.7, 0.1))).stop  # 0.7 it once had
    assert not policy.judge(2, history((0.5, 0.5, 0.9), (0.5, 0.5))).stop  # 0.9 came later
    assert policy.judge(2, history((0.9, 0.5, 0.5), (0.5, 0.5))).stop  # 0.9 came earlier
    assert policy.judge(2, history((0.9,), (0.5, 0.5))).stop  # and is kept by a trial that ended


def test_interval_10_of_the_documents():
    """F66: slack_factor 0.2, judged from interval 5 on; the best at interval 10 is 0.8."""
    policy = earlystop.create("bandit", {"slack_factor": 0.2, "delay_evaluation": 5})
    best, poor = tuple(0.08 * n for n in range(1, 11)), tuple(0.066 * n for n in range(1, 11))
    verdict = policy.judge(2, history(best, poor))
    assert verdict.stop and verdict.numbers["interval"] == 10
    assert not policy.judge(2, history(best, poor[:4])).stop


def test_what_a_failed_trial_printed_is_no_bar():
    own = (trial(1, (1.0,), TrialState.FAILED), trial(2, (0.5,)), trial(3, (0.4,)))
    verdict = earlystop.create("bandit", {"slack_factor": 0.3}).judge(3, History(Goal.MAXIMIZE, own))
    assert not verdict.stop and verdict.numbers["best_of_all"] == 0.5


def test_parents_count_where_their_values_are_comparable():
    """F28: previous runs help to find poor runs."""
    parents = (dataclasses.replace(trial(1, (0.9, 0.9)), inherited_from="parent"),)
    for comparable in (True, False):
        trials = History(Goal.MAXIMIZE, (trial(1, (0.2, 0.2)),), parents, comparable)
        assert earlystop.create("bandit", {}).judge(1, trials).stop is comparable


def test_both_slacks_are_refused_together_with_every_other_fault():
    with pytest.raises(InvalidSpec) as caught:
        earlystop.create("bandit", {"slack_factor": -1, "slack_amount": 0.2, "evaluation_interval": 0}, "stop")
    assert sorted((fault.field, fault.code) for fault in caught.value.faults) == [
        ("stop.options.evaluation_interval", "range"),
        ("stop.options.slack_amount", "invalid"),
        ("stop.options.slack_factor", "range"),
    ]


@pytest.mark.parametrize("options", [{"slack_factor": 0.2}, {"slack_amount": 1e308}])
def test_a_bar_beyond_the_largest_float_stops_only_what_is_no_number(options):
    """F66: a JSON without infinities holds the bar, and every number is within it."""
    policy, far = earlystop.create("bandit", options), sys.float_info.max
    for told, stop in ((far, False), (math.nan, True)):
        verdict = policy.judge(1, history((told,), (1.5e308,), goal=Goal.MINIMIZE))
        assert verdict.stop is stop
        assert verdict.numbers["bar"] == far
