"""Simulated searches."""

import math

from tuning import strategies
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
