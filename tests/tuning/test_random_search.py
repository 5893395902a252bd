"""Random search: the contract, its uniformity, and what it makes of parents."""

from dataclasses import replace

import numpy as np
import pytest

from tests.tuning.strategy_suite import MIXED, StrategySuite, bowl, observation
from tuning import strategies
from tuning.history import History, Observation
from tuning.simulate import simulate
from tuning.space import Float, SearchSpace
from tuning.states import Goal, TrialState
from tuning.strategies.parents import weighed
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


def suggested(own, inherited, numbers, comparable=False, seed=0, **options):
    history = History(Goal.MAXIMIZE, tuple(own), inherited, comparable)
    return strategies.create("random", options).suggest(MIXED, history, numbers, seed)


def test_the_reason_says_which_parent_trial_and_what_share():
    for comparable in (True, False):
        suggestions = suggested((), parent_trials(), list(range(1, 41)), comparable)
        near = [one for one in suggestions if "near trial" in one.reason]
        uniform = [one for one in suggestions if "Uniform" in one.reason]
        assert len(near) == len(uniform) == 20
        # Both kinds are seen early: of each pair, one is near.
        kinds = ["parent" in one.numbers for one in suggestions]
        assert all(first != second for first, second in zip(kinds[::2], kinds[1::2], strict=True))
        evidence = "as 50% of the trials are: no own results yet, weight of parent 0.70."
        assert near[0].reason.endswith(f"of parent, one of its best 8, {evidence}")
        assert "50%" in uniform[0].reason and uniform[0].numbers["uniform_share"] == 0.5


def test_a_uniform_trial_is_the_one_that_a_job_without_parents_has():
    """So a parent that is forgotten leaves no trace."""
    cold = suggested((), (), [1, 2, 3, 4])
    warm = suggested((), parent_trials(), [1, 2, 3, 4])
    same = [one.config == other.config for one, other in zip(cold, warm, strict=True)]
    assert same == ["parent" not in one.numbers for one in warm] and any(same)


def own_trials(value, count=12):
    configs = [one.config for one in suggested((), (), list(range(1, count + 1)), seed=5)]
    return [observation(n, config, value(config)) for n, config in enumerate(configs, start=1)]


@pytest.mark.parametrize("comparable", [True, False])
def test_the_share_moves_with_the_evidence_of_own_results(comparable):
    """F12: what agrees leaves the share as asked for, what contradicts takes it all; by both types of warm start."""
    agreed = suggested(own_trials(bowl), parent_trials(), [13], comparable, parent_share=0.8)[0]
    assert agreed.numbers["parent_share"] == 0.8 and agreed.numbers["own_trials"] == 12
    contradicted = suggested(own_trials(lambda c: -bowl(c)), parent_trials(), list(range(13, 33)), comparable)
    assert all(one.numbers["parent_share"] == 0.0 for one in contradicted)
    assert contradicted[0].reason == (
        "Uniform random, as the parents are forgotten: the order of 12 own results leaves a weight of parent 0.00 "
        "(0.7 at the start)."
    )


def test_a_parent_that_is_believed_takes_the_share_of_one_that_is_not():
    upside_down = tuple(replace(trial, value=-trial.value) for trial in parent_trials("wrong"))
    found = suggested(own_trials(bowl), upside_down + parent_trials(), list(range(13, 53)))
    assert {one.numbers.get("parent") for one in found} == {None, "parent"}
    assert sum("parent" in one.numbers for one in found) == 20


def test_own_failures_where_the_parent_is_good_speak_against_it():
    own = own_trials(bowl)
    better = sorted(own, key=lambda trial: -trial.value)[:4]
    failed = [replace(t, state=TrialState.FAILED, value=None) if t in better else t for t in own]
    (found,) = suggested(failed, parent_trials(), [13])
    assert found.numbers["own_trials"] == 12 and found.numbers["parent_share"] < 0.1


def test_a_part_is_always_uniform_if_any_share_is_asked_for():
    found = suggested((), parent_trials(), list(range(1, 101)), parent_share=1.0)
    assert 2 <= sum("parent" not in one.numbers for one in found) <= 20


def trials_to(level, seed, inherited=()):
    """The number of the first trial with a loss of at most ``level``."""
    strategy, own = strategies.create("random", {}), []
    while not own or own[-1].value > level:
        history = History(Goal.MINIMIZE, tuple(own), inherited, comparable=False)
        (one,) = strategy.suggest(SQUARE, history, [len(own) + 1], seed)
        own.append(observation(len(own) + 1, one.config, hollow(one.config)))
    return len(own)


SQUARE = SearchSpace((Float("x", 0.0, 1.0), Float("y", 0.0, 1.0)))


def hollow(config):
    return (config["x"] - 0.7) ** 2 + 2 * (config["y"] - 0.25) ** 2


def test_a_misleading_parent_costs_little_and_a_good_one_halves_the_search():
    """F12: trials until among the best 5 %. With half of them near a negated parent for ever: 2.8 times as many."""
    cold, good, bad = [], [], []
    for seed in range(60):
        rng = np.random.default_rng([seed, 77])
        configs = [SQUARE.sample(rng) for _ in range(30)]
        parents = [
            tuple(
                Observation(n, c, TrialState.COMPLETED, sign * hollow(c), inherited_from="a")
                for n, c in enumerate(configs)
            )
            for sign in (100, -100)
        ]
        cold.append(trials_to(0.022, seed))
        good.append(trials_to(0.022, seed, parents[0]))
        bad.append(trials_to(0.022, seed, parents[1]))
    assert np.mean(bad) < 1.15 * np.mean(cold)
    assert np.mean(good) < 0.7 * np.mean(cold)


def test_what_was_not_active_in_a_good_trial_is_drawn_from_its_whole_range():
    """F28: it has no value there to stay near; where it was active, its own spread says how far to step."""
    space = SearchSpace.from_json(
        [
            {"name": "opt", "type": "categorical", "values": ["adam", "sgd"]},
            {"name": "m", "type": "float", "min": 0, "max": 1, "when": {"parameter": "opt", "in": ["sgd"]}},
        ]
    )

    def drawn(*configs):
        parents = tuple(
            Observation(n, config, TrialState.COMPLETED, float(n), inherited_from="a")
            for n, config in enumerate(configs, start=1)
        )
        suggest = strategies.create("random", {"parent_share": 1.0}).suggest
        found = suggest(space, History(Goal.MAXIMIZE, (), parents, comparable=False), range(3, 2003), 0)
        return [one.config["m"] for one in found if "near" in one.reason and "m" in one.config]

    switched = drawn(*[{"opt": "adam"}] * 10)
    assert len(switched) > 100 and np.std(switched) == pytest.approx(12**-0.5, abs=0.03)
    sgd = [{"opt": "sgd", "m": 0.9}, {"opt": "sgd", "m": 0.9}, {"opt": "adam"}, {"opt": "adam"}]
    stayed = [abs(m - 0.9) for m in drawn(*[{"opt": "adam"}] * 16, *sgd) if abs(m - 0.9) < 0.1]
    assert np.median(stayed) < 0.02, "the middle of its range is no value of the two adams"


def test_good_are_the_best_fifth_of_each_parent_by_rank():
    good = [observation(i, MIXED.decode([0.5] * 5), value) for i, value in enumerate((0.1, 0.2, 0.3, 0.4, 0.5))]
    small = tuple(Observation(t.number, t.config, t.state, t.value, inherited_from="a") for t in good)
    large = tuple(Observation(t.number, t.config, t.state, 1000 * t.value, inherited_from="b") for t in good)
    failed = Observation(9, good[0].config, TrialState.FAILED, None, inherited_from="a")
    history = History(Goal.MAXIMIZE, inherited=(*small, failed, *large), comparable=False)
    found = [trial for parent in weighed(MIXED, history) for trial in good_region(parent)]
    assert [(t.inherited_from, t.value) for t in found] == [("a", 0.5), ("b", 500)]
    history = History(Goal.MINIMIZE, inherited=small, comparable=False)
    assert [t.value for parent in weighed(MIXED, history) for t in good_region(parent)] == [0.1]
