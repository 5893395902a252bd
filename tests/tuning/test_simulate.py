"""Simulated searches."""

import math

import pytest

from tuning import strategies
from tuning.contracts import Promotion, Verdict
from tuning.history import History
from tuning.simulate import simulate
from tuning.space import Categorical, Float, SearchSpace
from tuning.states import TrialState

SPACE = SearchSpace((Float("x", 0.0, 1.0),))
RANDOM = strategies.create("random", {})


def test_it_runs_that_many_trials_and_keeps_their_order():
    history = simulate(RANDOM, SPACE, lambda config: config["x"], trials=7)
    assert [trial.number for trial in history.own] == [1, 2, 3, 4, 5, 6, 7]
    assert all(trial.value == trial.config["x"] for trial in history.own)


def test_as_many_run_at_a_time_as_allowed():
    seen = []

    class Spy:
        def suggest(self, space, history: History, numbers, seed):
            seen.append((len(history.pending), list(numbers)))
            return RANDOM.suggest(space, history, numbers, seed)

    simulate(Spy(), SPACE, lambda config: 1.0, trials=5, parallel=3)
    assert seen == [(0, [1, 2, 3]), (2, [4]), (2, [5])]


def test_failures_are_states():
    history = simulate(RANDOM, SPACE, lambda config: None if config["x"] < 0.5 else math.inf, trials=6)
    assert {trial.state for trial in history.own} == {TrialState.FAILED}


def test_it_ends_when_the_space_is_exhausted():
    history = simulate(RANDOM, SearchSpace((Categorical("c", ("a", "b")),)), lambda config: 1.0, trials=9, parallel=4)
    assert len(history.own) == 2 and not history.pending


def test_it_is_deterministic():
    runs = [simulate(RANDOM, SPACE, lambda c: c["x"], trials=5, parallel=2, seed=seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_a_curve_is_spent_in_turn_and_judged_at_each_value():
    asked = []

    class Spy:
        def judge(self, number, history: History):
            asked.append((number, history.trial(number).curve[-1]))
            return Verdict(number == 2 and len(history.trial(2).curve) == 2, "Said.")

    history = simulate(RANDOM, SPACE, lambda c: [0.1, 0.2, 0.3], trials=2, parallel=2, policy=Spy())
    assert asked == [(1, (1, 0.1)), (2, (1, 0.1)), (1, (2, 0.2)), (2, (2, 0.2))]
    assert [(trial.state, trial.value, len(trial.curve)) for trial in history.own] == [
        (TrialState.COMPLETED, 0.3, 3),
        (TrialState.EARLY_STOPPED, 0.2, 2),
    ]


def test_a_curve_may_break():
    curves = iter([[0.1, None, 0.3], [0.1, math.nan], [], [math.nan, 0.2]])
    history = simulate(RANDOM, SPACE, lambda c: next(curves), trials=4)
    assert [trial.state for trial in history.own] == ["Failed", "Failed", "Failed", "Completed"]


def test_one_that_is_stopped_where_it_diverged_has_failed():
    class Strict:
        def judge(self, number, history):
            return Verdict(len(history.trial(number).curve) == 2, "Said.")

    curves = iter([[0.1, math.nan, 0.3], [0.1, 0.2, 0.3]])
    history = simulate(RANDOM, SPACE, lambda c: next(curves), trials=2, policy=Strict())
    assert [(trial.state, trial.value) for trial in history.own] == [("Failed", None), ("EarlyStopped", 0.2)]


class Patient:
    """A scheduler that pauses every trial at its first value, and promotes it once as soon as there is room."""

    def suggest(self, space, history: History, numbers, seed):
        return RANDOM.suggest(space, history, numbers, seed)

    def judge(self, number, history: History):
        trial = history.trial(number)
        pauses = trial.promotions == 0
        return Verdict(pauses, "Said.", pause=pauses)

    def promote(self, history: History, room):
        return [Promotion(trial.number, "Its turn.") for trial in history.paused if not trial.promotions][:room]


@pytest.mark.parametrize("checkpoints", [True, False])
def test_promoted_trials_go_on_before_new_ones(checkpoints):
    seen = []

    class Spy(Patient):
        def suggest(self, space, history: History, numbers, seed):
            seen.append([(trial.state, trial.promotions, len(trial.curve)) for trial in history.own])
            return super().suggest(space, history, numbers, seed)

    history = simulate(Spy(), SPACE, lambda c: [0.1, 0.2], trials=2, checkpoints=checkpoints)
    assert seen == [[], [("Completed", 1, 2)]]
    assert [trial.promotions for trial in history.own] == [1, 1]
    assert {len(trial.curve) for trial in history.own} == {2}


def test_who_is_paused_at_the_end_is_over():
    class Never(Patient):
        def promote(self, history: History, room):
            return []

    history = simulate(Never(), SPACE, lambda c: [0.1, 0.2], trials=3, parallel=2)
    assert {(trial.state, trial.value) for trial in history.own} == {(TrialState.EARLY_STOPPED, 0.1)}


def test_an_exhausted_space_is_the_budget():
    budgets = []

    class Spy(Patient):
        def promote(self, history: History, room):
            budgets.append(history.budget)
            return super().promote(history, room)

    simulate(Spy(), SearchSpace((Categorical("c", ("a", "b")),)), lambda config: [1.0, 2.0], trials=9)
    assert budgets[0] == 9 and budgets[-1] == 2
