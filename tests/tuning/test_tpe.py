"""TPE (F49): the contract, its options, that it finds good points, and its speed."""

import time
from dataclasses import replace

import numpy as np
import pytest

from tests.tuning.strategy_suite import MIXED, StrategySuite, bowl, observation
from tuning import strategies
from tuning.history import History, Observation
from tuning.simulate import simulate
from tuning.space import Categorical, Float, Integer, SearchSpace
from tuning.states import Goal, TrialState

PLANE = SearchSpace((Float("x", 0.0, 1.0), Float("y", 0.0, 1.0)))


class TestTPE(StrategySuite):
    name = "tpe"


class TestTPEWithFewInitialPoints(StrategySuite):
    name = "tpe"
    options = {"n_initial_points": 3, "gamma": 0.5}


class TestTPEWithSeparateEstimators(StrategySuite):
    name = "tpe"
    options = {"n_initial_points": 3, "estimators": "separate"}


def run(name="tpe", seed=0, trials=40, objective=bowl, space=MIXED, options=None, **more):
    return simulate(strategies.create(name, options or {}), space, objective, trials, seed=seed, **more)


def median(history):
    return float(np.median([trial.value for trial in history.finished]))


def tpe(**options):
    return strategies.create("tpe", options)


def ladder(count, state=TrialState.COMPLETED):
    """Trials along x = y; the value is the number."""
    return tuple(observation(n, {"x": n / count, "y": n / count}, float(n), state) for n in range(1, count + 1))


def test_the_documented_defaults():
    """F49: n_initial_points 20, gamma 0.25."""
    assert (tpe().n_initial_points, tpe().gamma) == (20, 0.25)


def test_it_beats_random():
    few = {"n_initial_points": 10}
    for options, ahead in ((few, 0.1), ({**few, "gamma": 0.1}, 0.1), ({**few, "estimators": "separate"}, 0.03)):
        found = [run(seed=seed, options=options) for seed in range(6)]
        random = [run("random", seed=seed) for seed in range(6)]
        assert np.mean([one.best.value for one in found]) > np.mean([one.best.value for one in random]) + ahead
        for one, other in zip(found, random, strict=True):
            assert median(one) > median(other) + 0.4


def test_separate_estimators_choose_each_value_for_itself():
    """F49: l and g per hyperparameter, argmax l / g. What was good together is not kept together."""
    values = [9.0, 8.9, 8.8, *(1.0 - n / 50 for n in range(27))]
    good = [(0.2, 0.8), (0.2, 0.75), (0.8, 0.2)]
    spread = [(n / 26, (n * 7 % 27) / 26) for n in range(27)]
    trials = tuple(
        observation(number, {"x": x, "y": y}, value)
        for number, ((x, y), value) in enumerate(zip([*good, *spread], values, strict=True), 1)
    )
    history = History(Goal.MAXIMIZE, trials)
    apart, together = (
        strategies.create("tpe", {"gamma": 0.1, "estimators": one}).suggest(PLANE, history, [31], 0)[0]
        for one in ("separate", "joint")
    )
    for name in ("x", "y"):
        alone = SearchSpace(tuple(p for p in PLANE.parameters if p.name == name))
        single = History(Goal.MAXIMIZE, tuple(replace(t, config={name: t.config[name]}) for t in trials))
        (of_one,) = strategies.create("tpe", {"gamma": 0.1}).suggest(alone, single, [31], 0)
        assert apart.config[name] == pytest.approx(of_one.config[name], abs=0.05)
    assert together.config["x"] + together.config["y"] == pytest.approx(1.0, abs=0.15)


def test_parallel_trials_are_as_good():
    found = [run(seed=seed, options={"n_initial_points": 10, "gamma": 0.1}, parallel=4) for seed in range(6)]
    assert np.mean([one.best.value for one in found]) > -0.06


def test_random_points_first():
    reasons = {}
    run(trials=8, options={"n_initial_points": 5}, on_suggestion=lambda number, one: reasons.update({number: one}))
    assert reasons[1].reason == "Random point 1 of 5 before the model is used."
    assert reasons[5].reason == "Random point 5 of 5 before the model is used."
    assert reasons[6].numbers["model"] == "tpe"


@pytest.mark.parametrize(
    ("trials", "gamma", "good", "bar"),
    [(40, 0.25, 10, 31.0), (41, 0.25, 11, 31.0), (40, 0.1, 4, 37.0), (21, 0.01, 1, 21.0)],
)
def test_gamma_is_the_share_that_counts_as_good(trials, gamma, good, bar):
    history = History(Goal.MAXIMIZE, ladder(trials))
    (one,) = tpe(gamma=gamma).suggest(PLANE, history, [trials + 1], 0)
    assert (one.numbers["good_trials"], one.numbers["bar"]) == (good, bar)
    assert one.numbers["other_trials"] == trials - good
    assert f"among the {good} good trials ({bar:.6g} or better) as among the {trials - good} others" in one.reason
    assert one.numbers["ratio"] > 1


def test_points_lie_where_good_trials_are_and_others_are_not():
    for goal, low, high in ((Goal.MAXIMIZE, 0.6, 1.0), (Goal.MINIMIZE, 0.0, 0.4)):
        suggestions = tpe().suggest(PLANE, History(goal, ladder(40)), [41, 42, 43, 44], 0)
        assert all(low <= one.config["x"] <= high and low <= one.config["y"] <= high for one in suggestions)


def test_running_and_failed_trials_keep_others_away():
    known = ladder(40)
    (alone,) = tpe().suggest(PLANE, History(Goal.MAXIMIZE, known), [61], 0)
    rng = np.random.default_rng(0)
    for state in (TrialState.RUNNING, TrialState.FAILED):
        crowd = tuple(
            Observation(
                40 + n, {axis: float(v) + 0.01 * float(rng.normal()) for axis, v in alone.config.items()}, state
            )
            for n in range(1, 21)
        )
        (one,) = tpe().suggest(PLANE, History(Goal.MAXIMIZE, (*known, *crowd)), [61], 0)
        assert one.numbers["other_trials"] == 50
        moved = np.hypot(*(one.config[axis] - alone.config[axis] for axis in ("x", "y")))
        assert moved > 0.1
    lost = tuple(Observation(41, alone.config, TrialState.LOST) for _ in range(1))
    (one,) = tpe().suggest(PLANE, History(Goal.MAXIMIZE, (*known, *lost)), [61], 0)
    assert one.numbers["other_trials"] == 30


def test_the_scale_of_a_hyperparameter_counts():
    """Good at 1e-4: on a log scale most suggestions stay within a factor of 30."""
    space = SearchSpace((Float("lr", 1e-6, 1.0, "log"),))
    history = run(space=space, objective=lambda c: -abs(np.log10(c["lr"]) + 4), trials=60)
    late = np.array([trial.config["lr"] for trial in history.own[30:]])
    assert np.mean((late > 1e-4 / 30) & (late < 30e-4)) > 0.8


def test_integers_and_categories_are_found():
    space = SearchSpace((Integer("n", 1, 20), Categorical("c", tuple("abcdefgh")), Categorical("d", (1, 2, 3))))
    for seed in range(3):
        history = run(
            space=space,
            seed=seed,
            trials=60,
            objective=lambda c: -abs(c["n"] - 13) / 5 - (c["c"] != "f") - (c["d"] != 2),
        )
        assert history.best.value >= -0.2


def test_comparable_parents_are_observations_and_spare_random_points():
    parents = tuple(Observation(t.number, t.config, t.state, t.value, inherited_from="a") for t in ladder(30))
    (one,) = tpe().suggest(PLANE, History(Goal.MAXIMIZE, (), parents), [1], 0)
    assert one.numbers["model"] == "tpe" and one.numbers["good_trials"] == 8


def parents_of_the_ladder(count=30, name="a"):
    return tuple(Observation(t.number, t.config, t.state, t.value, inherited_from=name) for t in ladder(count))


def test_parents_of_another_scale_say_where_to_begin():
    """F2, F11: before the first result the parents' good trials are the model; the ladder's lie near (1, 1)."""
    history = History(Goal.MAXIMIZE, (), parents_of_the_ladder(), comparable=False)
    first, second, third = tpe().suggest(PLANE, history, [1, 2, 3], 0)
    for one in (first, third):
        assert min(one.config.values()) > 0.6
        assert one.numbers["inherited_trials"] == 30 and one.numbers["parents_weight"] == pytest.approx(0.7)
        assert "among 0 own trials and the good ones of 30 of the parents (weight 0.70)" in one.reason
    assert second.numbers == {"tests_parents": 1}


def test_parents_with_fewer_trials_than_initial_points_leave_the_rest_of_them():
    history = History(Goal.MAXIMIZE, (), parents_of_the_ladder(8), comparable=False)
    one, two = tpe().suggest(PLANE, history, [12, 13], 0)
    assert one.reason == "Random point 12 of 12 before the model is used."
    assert two.numbers["model"] == "tpe"


def test_transfer_finds_good_points_at_once_and_forgets_misleading_parents():
    """F11, F12: what is known of another scale helps; upside down it costs next to nothing."""

    def child(seed, sign=None, trials=12):
        parent = run("random", seed=seed + 50, trials=40, objective=lambda c: 1000 * (sign or 1) * bowl(c) - 7)
        inherited = tuple(Observation(t.number, t.config, t.state, t.value, inherited_from="a") for t in parent.own)
        return run(seed=seed, trials=trials, inherited=inherited if sign else (), comparable=not sign)

    best = {
        (sign, trials): np.mean([child(seed, sign, trials).best.value for seed in range(5)])
        for sign, trials in [(None, 12), (1, 12), (None, 40), (-1, 40)]
    }
    assert best[1, 12] > best[None, 12] + 0.05
    assert best[-1, 40] > best[None, 40] - 0.05


@pytest.mark.parametrize(("trials", "seconds"), [(100, 0.012), (500, 0.030)])
def test_it_is_as_fast_as_optunas(trials, seconds):
    """Optuna 5's multivariate TPE takes 0.012 s and 0.030 s with 100 and 500 observations of 6 hyperparameters."""
    space = SearchSpace((*MIXED.parameters, Float("dropout", 0.0, 0.9)))
    rng = np.random.default_rng(0)
    own = tuple(observation(n, space.sample(rng), float(rng.random())) for n in range(1, trials + 1))
    times = []
    for number in range(trials + 1, trials + 8):
        begin = time.process_time()
        tpe().suggest(space, History(Goal.MAXIMIZE, own), [number], 0)
        times.append(time.process_time() - begin)
    assert min(times) < seconds
