"""Random search: the contract, its uniformity, and what it makes of parents."""

import numpy as np

from tests.tuning.strategy_suite import MIXED, StrategySuite, bowl, observation
from tuning import strategies
from tuning.history import History, Observation
from tuning.simulate import simulate
from tuning.space import Float, SearchSpace
from tuning.states import Goal, TrialState
from tuning.strategies.random_search import good_region


class TestRandom(StrategySuite):
    name = "random"


class TestRandomNearParentsOnly(StrategySuite):
    name = "random"
    options = {"parent_share": 1.0}


def parent_trials(name="parent", trials=40, seed=1):
    history = simulate(strategies.create("random", {}), MIXED, bowl, trials=trials, seed=seed)
    return tuple(Observation(t.number, t.config, t.state, t.value, inherited_from=name) for t in history.own)


def test_it_covers_the_space_evenly():
    """F43."""
    space = SearchSpace((Float("x", 0.0, 1.0),))
    history = simulate(strategies.create("random", {}), space, lambda config: 1.0, trials=400)
    counts = np.histogram([trial.config["x"] for trial in history.own], bins=4, range=(0, 1))[0]
    assert counts.min() > 75


def test_trials_depend_on_their_number_only():
    strategy = strategies.create("random", {})
    alone = strategy.suggest(MIXED, History(Goal.MAXIMIZE), [7], 3)[0]
    after = strategy.suggest(MIXED, History(Goal.MAXIMIZE, (observation(1, MIXED.decode([0.5] * 5), 1.0),)), [7], 3)[0]
    assert alone.config == after.config
    assert alone.config != strategy.suggest(MIXED, History(Goal.MAXIMIZE), [7], 4)[0].config


def test_with_parents_it_finds_better_points_than_without():
    """F2, F4: warm start has a use for random search too."""
    parents = parent_trials()
    for comparable in (True, False):
        cold, warm = [], []
        for seed in range(8):
            strategy = strategies.create("random", {})
            cold += [t.value for t in simulate(strategy, MIXED, bowl, trials=20, seed=seed).own]
            warmed = simulate(strategy, MIXED, bowl, trials=20, seed=seed, inherited=parents, comparable=comparable)
            warm += [t.value for t in warmed.own]
        assert np.median(warm) > np.median(cold) + 0.2


def test_the_reason_says_which_parent_trial_and_what_share():
    strategy = strategies.create("random", {})
    history = History(Goal.MAXIMIZE, inherited=parent_trials())
    suggestions = strategy.suggest(MIXED, history, list(range(1, 41)), 0)
    near = [one for one in suggestions if "near trial" in one.reason]
    uniform = [one for one in suggestions if "Uniform" in one.reason]
    assert len(near) + len(uniform) == 40
    assert 10 <= len(near) <= 30
    assert "of parent, one of the best 8 of the parents" in near[0].reason
    assert "50%" in uniform[0].reason


def test_good_are_the_best_fifth_of_each_parent_by_rank():
    good = [observation(i, MIXED.decode([0.5] * 5), value) for i, value in enumerate((0.1, 0.2, 0.3, 0.4, 0.5))]
    small = tuple(Observation(t.number, t.config, t.state, t.value, inherited_from="a") for t in good)
    large = tuple(Observation(t.number, t.config, t.state, 1000 * t.value, inherited_from="b") for t in good)
    failed = Observation(9, good[0].config, TrialState.FAILED, None, inherited_from="a")
    history = History(Goal.MAXIMIZE, inherited=(*small, failed, *large), comparable=False)
    assert [(t.inherited_from, t.value) for t in good_region(history)] == [("a", 0.5), ("b", 500)]
    history = History(Goal.MINIMIZE, inherited=small, comparable=False)
    assert [t.value for t in good_region(history)] == [0.1]
