"""Median stopping (F67): the contract, and the rule by numbers."""

import dataclasses

import pytest

from tests.tuning.policy_suite import IntervalSuite, history, trial
from tuning import earlystop
from tuning.contracts import Verdict
from tuning.errors import InvalidSpec
from tuning.history import History
from tuning.states import Goal, TrialState


class TestMedian(IntervalSuite):
    name = "median"


MEDIAN = earlystop.create("median", {})


@pytest.mark.parametrize(
    ("curves", "stop", "best", "median"),
    [
        # running averages at report 2: 0.5, 0.7, 0.3: the median is 0.5
        (((0.4, 0.6), (0.6, 0.8), (0.2, 0.4)), True, 0.4, 0.5),
        # the best counts, not the last value: 0.5 is not worse than 0.5
        (((0.4, 0.6), (0.6, 0.8), (0.5, 0.1)), False, 0.5, 0.5),
        # only reports 1 to N of the others: their later success does not count
        (((0.1, 0.1, 0.9, 0.9), (0.2, 0.2, 0.9), (0.15, 0.15)), False, 0.15, 0.15),
        # an even number of trials: the mean of the middle two, 0.2 and 0.6
        (((0.6,), (0.8,), (0.2,), (0.1,)), True, 0.1, 0.4),
        # a trial with fewer reports counts with those that it has
        (((0.9,), (0.5, 0.6), (0.5, 0.5)), True, 0.5, 0.55),
    ],
)
def test_best_so_far_against_the_median_of_running_averages(curves, stop, best, median):
    verdict = MEDIAN.judge(len(curves), history(*curves))
    assert verdict.stop is stop
    assert (verdict.numbers["best"], verdict.numbers["median"]) == (pytest.approx(best), pytest.approx(median))
    assert verdict.numbers["trials"] == len(curves)


def test_the_reason_carries_the_numbers():
    verdict = MEDIAN.judge(3, history((0.4, 0.6), (0.6, 0.8), (0.2, 0.4)))
    assert verdict.reason == (
        "Stopped at report 2: its best value 0.4 is worse than 0.5, the median of the running averages of 3 trials."
    )


def test_ended_trials_count():
    own = (trial(1, (0.9, 0.9), TrialState.COMPLETED), trial(2, (0.8, 0.8), TrialState.FAILED), trial(3, (0.1,)))
    assert MEDIAN.judge(3, History(Goal.MAXIMIZE, own)).stop


def test_parents_count_where_their_values_are_comparable():
    """F28: previous runs help to find poor runs."""
    parents = tuple(dataclasses.replace(trial(n, (0.9, 0.9)), inherited_from="parent") for n in (1, 2))
    for comparable in (True, False):
        trials = History(Goal.MAXIMIZE, (trial(1, (0.2, 0.2)),), parents, comparable)
        assert MEDIAN.judge(1, trials).stop is comparable


def test_a_verdict_needs_a_reason():
    with pytest.raises(ValueError, match="why"):
        Verdict(True, "")


def test_unknown_policies_are_refused():
    with pytest.raises(InvalidSpec) as caught:
        earlystop.create("mean", {})
    assert caught.value.faults[0].field == "early_stopping.name"
    assert "choose one of median" in caught.value.faults[0].message


def test_what_is_not_finite_is_in_no_average_and_the_best_stays():
    """F59, F67: a report like the others, that says nothing of the values before it."""
    nan, inf = float("nan"), float("inf")
    verdict = MEDIAN.judge(3, history((0.4, nan), (0.6, inf), (0.55, nan)))
    assert (verdict.stop, verdict.numbers) == (False, {"interval": 2, "best": 0.55, "median": 0.55, "trials": 3})
    verdict = MEDIAN.judge(2, history((0.4, 0.4), (nan, -inf)))
    assert verdict.stop and verdict.numbers == {"interval": 2, "median": 0.4, "trials": 1}
    assert "its best value (not a finite number) is worse than 0.4" in verdict.reason
