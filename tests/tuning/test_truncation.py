"""Truncation selection (F68): the contract, and the rule by numbers."""

import dataclasses

import pytest

from tests.tuning.policy_suite import IntervalSuite, history, trial
from tuning import earlystop
from tuning.history import History
from tuning.states import Goal, TrialState


class TestTruncation(IntervalSuite):
    name = "truncation"
    options = {"truncation_percentage": 40}


def stopped(percentage, values, goal=Goal.MAXIMIZE):
    """The numbers of the trials that would be stopped at their only report."""
    policy = earlystop.create("truncation", {"truncation_percentage": percentage})
    trials = history(*[(value,) for value in values], goal=goal)
    return [number for number in range(1, len(values) + 1) if policy.judge(number, trials).stop]


@pytest.mark.parametrize(
    ("percentage", "values", "numbers"),
    [
        (20, (1, 2, 3, 4), []),  # 0.8 of a trial is none
        (20, (1, 2, 3, 4, 5), [1]),
        (20, (9, 1, 2, 3, 4, 5, 6, 7, 8), [2]),  # 1.8 are 1
        (20, tuple(range(10)), [1, 2]),
        (1, tuple(range(99)), []),
        (1, tuple(range(100)), [1]),
        (99, (1, 2, 3), [1, 2]),
        (50, (1, 1, 1, 2), []),  # three are equal, two places: none of them
        (50, (1, 1, 3, 2), [1, 2]),
    ],
)
def test_the_worst_floor_of_n_p_percent_are_stopped(percentage, values, numbers):
    assert stopped(percentage, values) == numbers
    assert stopped(percentage, [-value for value in values], Goal.MINIMIZE) == numbers


def test_the_reason_carries_the_numbers():
    verdict = earlystop.create("truncation", {}).judge(5, history((0.5,), (0.6,), (0.7,), (0.8,), (0.4,)))
    assert verdict.reason == (
        "Stopped at report 1: 4 of 5 trials are better than its best value 0.4 up to there; the worst 20 %, 1, are "
        "stopped."
    )


def test_only_trials_that_have_come_as_far_count_with_what_they_had_then():
    policy = earlystop.create("truncation", {"truncation_percentage": 50})
    assert not policy.judge(2, history((0.9,), (0.1, 0.1))).stop
    assert not policy.judge(2, history((0.1, 0.1, 0.9), (0.1, 0.2))).stop
    assert policy.judge(2, history((0.3, 0.1, 0.9), (0.1, 0.2))).stop  # the best up to there


def test_finished_trials_count_unless_they_are_excluded():
    own = (trial(1, (0.9,), TrialState.COMPLETED), trial(2, (0.1,)))
    for excluded in ("no", "yes"):
        options = {"truncation_percentage": 50, "exclude_finished_jobs": excluded}
        assert earlystop.create("truncation", options).judge(2, History(Goal.MAXIMIZE, own)).stop is (excluded == "no")


def test_a_parent_trial_of_the_same_number_is_another_trial():
    parents = tuple(dataclasses.replace(trial(n, (0.9,)), inherited_from="parent") for n in (1, 2))
    verdict = earlystop.create("truncation", {"truncation_percentage": 40}).judge(
        1, History(Goal.MAXIMIZE, (trial(1, (0.1,)),), parents)
    )
    assert verdict.stop and verdict.numbers["trials"] == 3


def test_more_trials_diverged_than_are_stopped_and_each_goes():
    """F59, F68: of equals all go on, but nobody is kept for being as broken as others."""
    diverged = (float("nan"),)
    policy = earlystop.create("truncation", {"truncation_percentage": 20})
    trials = history(*[(0.5 + n / 100,) for n in range(7)], *[diverged] * 3)
    assert [n for n in range(1, 11) if policy.judge(n, trials).stop] == [8, 9, 10]
