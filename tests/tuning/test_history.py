"""What strategies and policies see of a job."""

import math
from dataclasses import replace

from tuning.history import History, Observation
from tuning.space import Integer, SearchSpace
from tuning.states import Goal, TrialState

SPACE = SearchSpace((Integer("n", 1, 100),))


def trial(number, value, state=TrialState.COMPLETED, **more):
    return Observation(number, {"n": number}, state, value, **more)


OWN = (
    trial(1, 0.5),
    trial(2, 0.9, TrialState.EARLY_STOPPED),
    trial(3, 0.9),
    trial(4, 9.9, TrialState.FAILED),
    trial(5, None, TrialState.RUNNING),
    trial(6, math.inf),
    trial(7, None, TrialState.LOST),
    trial(8, 0.1, TrialState.STOPPED),
    trial(9, None, TrialState.QUEUED),
)
HISTORY = History(Goal.MAXIMIZE, OWN)


def numbers(trials):
    return [one.number for one in trials]


def test_trials_by_how_they_stand():
    assert numbers(HISTORY.finished) == [1, 2, 3, 8]
    assert numbers(HISTORY.pending) == [5, 9]
    assert numbers(HISTORY.failed) == [4, 6]


def test_the_best_is_the_first_of_the_best():
    assert HISTORY.best.number == 2
    assert History(Goal.MINIMIZE, OWN).best.number == 8
    assert History(Goal.MINIMIZE, OWN[4:7]).best is None


def test_trials_are_found_by_number():
    assert HISTORY.trial(7).state is TrialState.LOST
    assert HISTORY.trial(77) is None


def test_used_points_are_all_own_and_the_parents_completed_ones_where_comparable():
    inherited = (trial(50, 0.5, inherited_from="p"), trial(51, 0.5, TrialState.EARLY_STOPPED, inherited_from="p"))
    for comparable, extra in ((True, {50}), (False, set())):
        history = History(Goal.MAXIMIZE, OWN, inherited, comparable)
        assert history.used_keys(SPACE) == {SPACE.key({"n": n}) for n in {*range(1, 10), *extra}}


def test_keys_that_were_made_before_are_those_of_the_space_that_asks():
    other = SearchSpace((Integer("n", 1, 100), Integer("m", 1, 3)))
    pair = History(Goal.MAXIMIZE, tuple(replace(one, config={**one.config, "m": 2}) for one in OWN))
    for space in (SPACE, other, SPACE):
        for _ in range(2):
            assert pair.used_keys(space) == set(space.keys([one.config for one in pair.own]))
    assert HISTORY.own[0] == replace(HISTORY.own[0]), "what is known of it is no part of it"
