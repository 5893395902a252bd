"""Successive halving of the stopping type (F53): the contract, and its rungs by numbers."""

import dataclasses

import pytest

from tests.tuning.policy_suite import PolicySuite, history, trial
from tuning import earlystop
from tuning.errors import InvalidSpec
from tuning.history import History
from tuning.states import Goal, TrialState


class TestAsha(PolicySuite):
    name = "asha"
    options = {"reduction_factor": 2}


def asha(**options):
    return earlystop.create("asha", options)


@pytest.mark.parametrize(
    ("options", "rungs"),
    [
        ({"reduction_factor": 2, "max_resource": 8}, [1, 2, 4]),  # those of the document's example, 8 being the end
        ({"reduction_factor": 2, "max_resource": 9}, [1, 2, 4, 8]),
        ({}, [1, 3, 9, 27]),
        ({"min_resource": 4}, [4, 12]),
        ({"min_resource": 5, "reduction_factor": 2.5}, [5, 12, 31]),
        ({"min_resource": 30, "max_resource": 30}, []),
    ],
)
def test_trials_are_judged_at_the_rungs_only(options, rungs):
    policy, good = asha(**options), (0.9,) * 32
    judged = [n for n in range(1, 33) if policy.judge(4, history(good, good, good, (0.1,) * n)).stop]
    assert judged == rungs


@pytest.mark.parametrize(
    ("values", "factor", "stopped"),
    [
        ((0.5,), 3, []),
        ((0.5, 0.4), 3, [2]),  # of two, the best ceil(2 / 3) = 1
        ((0.5, 0.4, 0.6), 3, [1, 2]),
        ((0.5, 0.4, 0.6, 0.3), 3, [2, 4]),  # the best ceil(4 / 3) = 2
        ((0.5, 0.4, 0.6, 0.3), 2, [2, 4]),
        ((0.5, 0.4, 0.6, 0.3, 0.2), 2, [4, 5]),
        ((0.5, 0.5, 0.5, 0.1), 4, [4]),  # of equals, all go on
        (tuple(range(9)), 3, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_the_best_share_goes_on(values, factor, stopped):
    for goal in Goal:
        trials = history(*[(goal.sign * value,) for value in values], goal=goal)
        policy = asha(reduction_factor=factor)
        assert [n for n in range(1, len(values) + 1) if policy.judge(n, trials).stop] == stopped


def test_the_value_at_the_rung_counts_not_the_best_nor_a_later_one():
    policy = asha(reduction_factor=2)
    assert policy.judge(2, history((0.5, 0.5), (0.9, 0.1))).stop
    assert not policy.judge(2, history((0.5, 0.5, 0.9, 0.9), (0.1, 0.6))).stop


def test_only_those_who_have_come_as_far_count():
    policy = asha(reduction_factor=2)
    assert not policy.judge(2, history((0.9,), (0.1, 0.1))).stop
    own = (trial(1, (0.9, 0.9), TrialState.FAILED), trial(2, (0.1, 0.1)))
    assert not policy.judge(2, History(Goal.MAXIMIZE, own)).stop


def test_a_rung_is_not_missed_when_reports_come_together():
    trials = history((0.9,) * 8, (0.9,) * 8, (0.1,) * 7)
    verdict = earlystop.judge_reports(asha(), 3, trials, judged=1)
    assert verdict.stop and verdict.numbers["rung"] == 3


def test_the_reasons_carry_the_numbers():
    policy = asha(reduction_factor=2, max_resource=8)
    assert policy.judge(2, history((0.9, 0.9), (0.1, 0.2))).reason == (
        "Stopped at rung 2: 1 of the 2 trials that reached it are better than its 0.2 there; the best 1 go on."
    )
    assert policy.judge(1, history((0.9,) * 3)).reason == "Not judged at report 3: next at report 4."
    assert policy.judge(1, history((0.9,) * 5)).reason == "Not judged at report 5: no rung is left."


def test_parents_count_where_their_values_are_comparable():
    """F28: previous runs help to find poor runs."""
    parents = (dataclasses.replace(trial(1, (0.9,)), inherited_from="parent"),)
    for comparable in (True, False):
        trials = History(Goal.MAXIMIZE, (trial(1, (0.2,)),), parents, comparable)
        assert asha().judge(1, trials).stop is comparable


def test_a_max_resource_below_min_resource_is_refused():
    with pytest.raises(InvalidSpec) as caught:
        asha(min_resource=9, max_resource=8)
    assert [(fault.field, fault.code) for fault in caught.value.faults] == [
        ("early_stopping.options.max_resource", "range")
    ]


def test_what_is_not_finite_at_a_rung_is_not_among_the_best_there():
    """F59: even where only one of ten trials has a value, and four go on."""
    trials = history((0.5,), *[(float("nan"),)] * 9)
    assert [n for n in range(1, 11) if asha().judge(n, trials).stop] == list(range(2, 11))
    assert not asha().judge(2, history((0.9, 0.9, float("inf")), (0.1, 0.1, 0.1))).stop
