"""SageMaker's automatic early stopping (F67, C9): the contract, and where it differs from median stopping."""

import dataclasses

import pytest

from tests.tuning.policy_suite import IntervalSuite, history, trial
from tuning import earlystop
from tuning.history import History
from tuning.states import Goal, TrialState


class TestAutomatic(IntervalSuite):
    name = "automatic"


AUTOMATIC = earlystop.create("automatic", {})


@pytest.mark.parametrize(
    ("curves", "number", "stop", "median"),
    [
        # running averages at report 2 of the earlier two: 0.5 and 0.7; the current value 0.6 is not worse than 0.6
        (((0.4, 0.6), (0.6, 0.8), (0.2, 0.6)), 3, False, 0.6),
        # the current value counts, not the best
        (((0.4, 0.6), (0.6, 0.8), (0.9, 0.5)), 3, True, 0.6),
        # only earlier trials count, the judged one does not
        (((0.5, 0.5), (0.1, 0.4), (0.9, 0.9), (0.9, 0.9)), 2, True, 0.5),
        # their later reports do not count
        (((0.1, 0.1, 0.9), (0.1, 0.2)), 2, False, 0.1),
        # a running trial that has not come as far does not count
        (((0.9,), (0.1, 0.1), (0.1, 0.2)), 3, False, 0.1),
    ],
)
def test_the_current_value_against_the_median_of_earlier_running_averages(curves, number, stop, median):
    verdict = AUTOMATIC.judge(number, history(*curves))
    assert verdict.stop is stop
    assert verdict.numbers["median"] == pytest.approx(median)


def test_the_first_trial_to_come_as_far_goes_on_and_says_so():
    verdict = AUTOMATIC.judge(2, history((0.9,), (0.1, 0.1)))
    assert not verdict.stop
    assert verdict.reason == "Goes on at report 2: no earlier trial has come as far."


def test_the_reason_carries_the_numbers():
    assert AUTOMATIC.judge(3, history((0.4, 0.6), (0.6, 0.8), (0.9, 0.5))).reason == (
        "Stopped at report 2: its value 0.5 is worse than 0.6, the median of the running averages of 2 earlier trials."
    )


def test_ended_trials_count_with_what_they_have_and_failed_ones_do_not():
    own = (trial(1, (0.9,), TrialState.COMPLETED), trial(2, (2.0, 2.0), TrialState.FAILED), trial(3, (0.8, 0.8)))
    verdict = AUTOMATIC.judge(3, History(Goal.MAXIMIZE, own))
    assert verdict.stop and (verdict.numbers["median"], verdict.numbers["trials"]) == (0.9, 1)


def test_parents_count_where_their_values_are_comparable():
    """F28: previous runs help to find poor runs."""
    parents = tuple(dataclasses.replace(trial(n, (0.9, 0.9)), inherited_from="parent") for n in (1, 2))
    for comparable in (True, False):
        trials = History(Goal.MAXIMIZE, (trial(1, (0.2, 0.2)),), parents, comparable)
        assert AUTOMATIC.judge(1, trials).stop is comparable
