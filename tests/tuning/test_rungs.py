"""Rungs and brackets by numbers."""

import math

import pytest

from tuning import rungs
from tuning.history import History, Observation
from tuning.rungs import Place
from tuning.states import Goal, TrialState
from tuning.strategies import brackets
from tuning.strategies.brackets import Block


@pytest.mark.parametrize(
    ("least", "most", "factor", "expected"),
    [
        (1, 8, 2, (1, 2, 4)),  # F53
        (1, 81, 3, (1, 3, 9, 27)),
        (1, 9, 3, (1, 3)),
        (4, 52, 3, (4, 12, 36)),
        (1, 10, 2.5, (1, 2, 6)),
        (2, 20, 2.2, (2, 4, 10)),
        (5, 5, 3, ()),
        (9, 5, 3, ()),
        (1, 1, 3, ()),
        (1, 20_000, 3, (1, 3, 9, 27, 81, 243, 729, 2187, 6561, 19683)),
    ],
)
def test_levels(least, most, factor, expected):
    assert rungs.levels(least, most, factor) == expected


def trial(curve, state=TrialState.RUNNING, value=None, number=1, **more):
    return Observation(number, {"x": 1}, state, value, tuple(curve), **more)


@pytest.mark.parametrize(
    ("one", "level", "expected"),
    [
        (trial([(1, 0.1), (2, 0.2), (3, 0.3)]), 2, 0.2),
        (trial([(1, 0.1), (2, 0.2)]), 3, None),
        (trial([(5, 0.1), (10, 0.2), (15, 0.3)]), 9, 0.2),  # the first report that is as far
        (trial([(1, 0.1), (2, math.nan), (3, 0.3)]), 2, 0.3),
        (trial([(1, 0.1)], TrialState.COMPLETED, 0.1), 9, 0.1),
        (trial([(1, 0.1)], TrialState.COMPLETED, 0.7), 1, 0.1),
        (trial([], TrialState.COMPLETED, 0.7), 9, 0.7),
        (trial([(1, 0.1)], TrialState.EARLY_STOPPED, 0.1), 9, None),
        (trial([(1, 0.1)], TrialState.STOPPED, 0.1), 9, None),
        (trial([], TrialState.COMPLETED, math.nan), 9, None),
    ],
)
def test_the_value_at_a_rung(one, level, expected):
    assert rungs.value_at(one, level) == expected


def test_ranks_are_by_value_then_by_number_and_a_lost_value_leads():
    places = [Place(trial([], number=n), v) for n, v in [(1, 0.2), (2, 0.5), (3, None), (4, 0.5)]]
    for goal, order in [(Goal.MAXIMIZE, [3, 2, 4, 1]), (Goal.MINIMIZE, [3, 1, 2, 4])]:
        assert [place.trial.number for place in rungs.ranked(History(goal), places)] == order


@pytest.mark.parametrize(
    ("count", "most", "factor", "expected"),
    [
        (4, 5, 3, [81, 34, 15, 8, 5]),  # R = 81, eta = 3: 81, 5 * 27 / 4, 5 * 9 / 3, 5 * 3 / 2, 5
        (4, 1, 3, [81]),
        (3, 9, 2, [8, 6, 4, 4]),
        (0, 3, 3, [1]),
        (2, 2, 2.5, [7, 4]),
    ],
)
def test_bracket_sizes(count, most, factor, expected):
    assert brackets.sizes(count, most, factor) == expected


def test_trials_fill_synchronous_brackets_one_after_the_other():
    shares = [9, 5, 3]
    blocks = {(b.first, b.last, b.base) for b in (brackets.block(number, shares) for number in range(1, 35))}
    assert blocks == {(1, 9, 0), (10, 14, 1), (15, 17, 2), (18, 26, 0), (27, 31, 1), (32, 34, 2)}


def test_the_last_bracket_is_as_small_as_the_budget_leaves_it():
    assert brackets.block(12, [9, 5, 3], budget=11 + 1) == Block(10, 12, 1)
    assert brackets.block(3, [9, 5, 3], budget=7) == Block(1, 7, 0)


@pytest.mark.parametrize(("size", "places"), [(27, [27, 9, 3, 1]), (12, [12, 4, 1, 1]), (2, [2, 1, 1, 1])])
def test_the_places_at_the_rungs_of_a_bracket(size, places):
    assert [Block(1, size, 1).places(rung, 3) for rung in (1, 2, 3, 4)] == places


def test_asynchronous_brackets_have_their_shares_of_any_stretch_of_trials():
    shares = [9, 5, 3]
    found = [brackets.spread(number, shares) for number in range(1, 2001)]
    assert found[0] == 0
    for start in range(0, 1900, 100):
        stretch = found[start : start + 100]
        for bracket, share in enumerate(shares):
            assert abs(stretch.count(bracket) - 100 * share / 17) < 4
