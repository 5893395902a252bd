"""The library's front: the same code as the service, driven by ask and tell."""

import json
import math
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.tuning.strategy_suite import CONDITIONAL, MIXED, SMALL, bowl
from tuning import Tuner, strategies
from tuning.errors import InvalidSpec
from tuning.history import Observation
from tuning.simulate import simulate
from tuning.states import TrialState


def run(tuner, trials, objective=bowl):
    for _ in range(trials):
        (trial,) = tuner.ask()
        tuner.tell(trial, objective(trial.config))
    return tuner


@pytest.mark.parametrize("strategy", ["bayesian", "random", "grid"])
def test_it_tries_exactly_what_the_service_would(strategy):
    tuner = run(Tuner(MIXED, strategy=strategy, seed=7), 12)
    history = simulate(strategies.create(strategy, {}), MIXED, bowl, trials=12, seed=7)
    assert [trial.config for trial in tuner.trials] == [trial.config for trial in history.own]
    assert (tuner.best().number, tuner.best().value) == (history.best.number, history.best.value)


def test_a_space_may_be_a_document_and_options_follow_the_strategy():
    tuner = Tuner(MIXED.to_json(), "minimize", "bayesian", 1, kind="ucb", kappa=1.0)
    assert tuner.space == MIXED
    run(tuner, 10)
    assert "confidence bound" in tuner.ask()[0].reason


def test_every_trial_says_why_and_is_a_point():
    for trial in Tuner(CONDITIONAL).ask(5):
        assert trial.reason
        assert CONDITIONAL.problem_with(trial.config) is None


def test_several_trials_run_at_a_time_and_are_told_in_any_order():
    tuner = Tuner(MIXED)
    first, second, third = tuner.ask(3)
    tuner.tell(third, 3.0)
    tuner.tell(first, 1.0)
    assert [trial.state for trial in tuner.trials] == ["Completed", "Running", "Completed"]
    assert tuner.best().number == 3
    assert tuner.tell(second, 2.0).value == 2.0


def test_a_curve_is_judged_as_it_grows():
    """F67: the poor trial is stopped, and counts with the value it had."""
    tuner = Tuner(MIXED, early_stopping={"name": "median", "delay_evaluation": 2})
    for level in (0.8, 0.9, 1.0):
        (good,) = tuner.ask()
        for epoch in range(4):
            tuner.report(good, level + epoch / 10)
            assert not tuner.should_stop(good).stop
        assert tuner.tell(good).value == pytest.approx(level + 0.3)
    (poor,) = tuner.ask()
    assert "nothing" in tuner.should_stop(poor).reason
    tuner.report(poor, 0.1)
    assert not tuner.should_stop(poor).stop
    tuner.report(poor, 0.1)
    verdict = tuner.should_stop(poor)
    assert verdict.stop and verdict.reason
    ended = tuner.tell(poor)
    assert (ended.state, ended.value, ended.curve) == (TrialState.EARLY_STOPPED, 0.1, ((1, 0.1), (2, 0.1)))


def test_without_a_policy_nothing_is_stopped():
    tuner = Tuner(MIXED)
    (trial,) = tuner.ask()
    assert not tuner.should_stop(trial).stop


@pytest.mark.parametrize(
    ("told", "state", "value", "curve"),
    [
        ({"value": 0.5}, "Completed", 0.5, ()),
        ({"curve": [0.1, 0.7]}, "Completed", 0.7, ((1, 0.1), (2, 0.7))),
        ({"curve": [(10, 0.1), (20, 0.7)]}, "Completed", 0.7, ((10, 0.1), (20, 0.7))),
        ({"value": 0.9, "curve": [0.1]}, "Completed", 0.9, ((1, 0.1),)),
        ({"failure": "out of memory"}, "Failed", None, ()),
        ({"failure": RuntimeError("CUDA")}, "Failed", None, ()),
        ({"value": math.nan}, "Failed", None, ()),
        ({"curve": [0.1, math.inf]}, "Failed", None, ((1, 0.1), (2, math.inf))),
        ({}, "Failed", None, ()),
    ],
)
def test_what_can_be_told(told, state, value, curve):
    tuner = Tuner(MIXED)
    ended = tuner.tell(tuner.ask()[0], **told)
    assert (ended.state, ended.value, ended.curve) == (state, value, curve)
    tuner.ask()


@pytest.mark.parametrize(
    ("told", "same"),
    [
        ([0.1, 0.7], {"curve": [0.1, 0.7]}),
        ([[10, 0.1], [20, 0.7]], {"curve": [(10, 0.1), (20, 0.7)]}),
        (np.array([0.1, 0.7]), {"curve": [0.1, 0.7]}),
        (np.array([[10, 0.1], [20, 0.7]]), {"curve": [(10, 0.1), (20, 0.7)]}),
        (np.float32(0.5), {"value": 0.5}),
        (np.array(0.5), {"value": 0.5}),
        (math.inf, {"value": math.inf}),
        (ValueError("boom"), {"failure": "boom"}),
    ],
)
def test_any_of_them_may_stand_in_the_place_of_the_value(told, same):
    first, second = (Tuner(MIXED, strategy="random") for _ in range(2))
    assert first.tell(first.ask()[0], told) == second.tell(second.ask()[0], **same)


def test_a_failure_is_kept_as_a_text():
    tuner = Tuner(MIXED, strategy="random")
    for told in (ValueError("boom"), math.nan, None, 1.0):
        tuner.tell(tuner.ask()[0], told)
    assert tuner.failures == {1: "ValueError: boom", 2: "Its value is nan.", 3: "It ended without a value."}


@pytest.mark.parametrize(
    ("told", "field", "remedy"),
    [
        ({"value": "0.5"}, "value", "failure='...'"),
        ({"value": {"accuracy": 0.5}}, "value", "a number, a curve or an exception"),
        ({"value": True}, "value", "a number"),
        ({"value": 10**400}, "value", "scale it"),
        ({"value": 10**5000}, "value", "scale it"),
        ({"value": [0.1, "x"]}, "curve[1]", "give a number"),
        ({"value": [[1, 0.1, 5]]}, "curve[0]", "a pair of step and value"),
        ({"curve": [(1.5, 0.1)]}, "curve[0][0]", "a whole number"),
        (
            {"curve": [(1, 0.1), (5, 0.2), (3, 0.3)]},
            "curve[2][0]",
            "3, after step 5; list the points by rising step",
        ),
        ({"curve": [(1, 0.1), (1, 0.2)]}, "curve[1][0]", "is 1, after step 1"),
        ({"curve": [(-1, 0.1), (1, 0.2)]}, "curve[0][0]", "is -1; give the step as a whole number from 0"),
        ({"curve": 0.5}, "curve", "list a value by epoch"),
        ({"value": [0.1], "curve": [0.1]}, "curve", "one of the two"),
        ({"failure": 3}, "failure", "a text or an exception"),
    ],
)
def test_what_cannot_be_told_is_named_and_the_trial_still_runs(told, field, remedy):
    tuner = Tuner(MIXED, strategy="random")
    (trial,) = tuner.ask()
    with pytest.raises(InvalidSpec, match=re.escape(remedy)) as caught:
        tuner.tell(trial, **told)
    assert [fault.field for fault in caught.value.faults] == [field]
    assert tuner.tell(trial, 1.0).value == 1.0


def test_a_report_is_read_as_carefully():
    tuner = Tuner(MIXED, strategy="random")
    (trial,) = tuner.ask()
    with pytest.raises(InvalidSpec) as caught:
        tuner.report(trial, "good", 1.5)
    assert [fault.field for fault in caught.value.faults] == ["value", "step"]
    tuner.report(trial, np.float32(0.5), np.int64(3))
    assert tuner.tell(trial).curve == ((3, 0.5),)


def test_initial_points_come_first():
    point = {"a": 2, "b": "y"}
    tuner = Tuner(SMALL, strategy="random", initial_points=[point])
    first, second = tuner.ask(2)
    assert first.config == point
    assert "1 of 1" in first.reason
    assert second.config != point
    for trial in (first, second, *tuner.ask(20)):
        tuner.tell(trial, 1.0)
    assert tuner.ask() == [] and tuner.done
    assert len({SMALL.key(trial.config) for trial in tuner.trials}) == 6


def test_inherited_trials_are_learnt_from():
    parent = simulate(strategies.create("random", {}), MIXED, bowl, trials=30, seed=9)
    inherited = [Observation(t.number, t.config, t.state, t.value, inherited_from="parent") for t in parent.own]
    (trial,) = Tuner(MIXED, inherited=inherited, comparable=False).ask()
    assert "parent" in trial.reason


def test_another_tuner_is_a_parent_whose_trials_are_mapped():
    """F1, F19: a reason for each trial that is dropped."""
    parent = Tuner(MIXED, strategy="random", static={"epochs": 3})
    run(parent, 8)
    parent.tell(parent.ask()[0], failure="out of memory")
    child = Tuner(MIXED, parents={"first": parent}, static={"epochs": 3})
    assert [(one.inherited_from, one.value) for one in child.history.inherited] == [
        ("first", trial.value) for trial in parent.trials[:8]
    ]
    assert [(one.parent, one.number) for one in child.dropped] == [("first", 9)]
    assert child.history.comparable
    assert not Tuner(MIXED, parents=[parent.history], warm_start="transfer").history.comparable
    assert child.ask()[0].arguments["epochs"] == 3


def test_inherited_trials_outside_the_space_are_dropped_with_their_reason():
    told = [
        Observation(1, {"a": 1, "b": "x"}, TrialState.COMPLETED, 1.0, inherited_from="old"),
        Observation(2, {"a": 1}, TrialState.COMPLETED, 1.0, inherited_from="old"),
        Observation(3, {"a": 99, "b": "x"}, TrialState.COMPLETED, 1.0),
    ]
    tuner = Tuner(SMALL, strategy="tpe", inherited=told)
    assert tuner.history.inherited == (told[0],)
    assert [(one.parent, one.number) for one in tuner.dropped] == [("old", 2), ("earlier", 3)]
    assert "b" in tuner.dropped[0].reason and "99" in tuner.dropped[1].reason


def test_another_static_value_measured_another_function():
    parent = run(Tuner(MIXED, strategy="random", static={"epochs": 5}), 2)
    assert "epochs" in Tuner(MIXED, parents=[parent], static={"epochs": 3}).dropped[0].reason
    assert not Tuner(MIXED, parents=[parent], static={"epochs": 3}, warm_start="transfer").dropped


def test_a_rule_of_completion_ends_the_search_and_says_why():
    """F78: trials that run may still be told, and no more come."""
    tuner = Tuner(MIXED, strategy="random", completion={"target": 0.9})
    first, second = tuner.ask(2)
    assert tuner.completion is None
    tuner.tell(first, 0.95)
    assert tuner.ask(3) == [] and not tuner.done
    tuner.tell(second, 0.1)
    assert tuner.done
    assert (tuner.completion.rule, tuner.completion.numbers["target"]) == ("target", 0.9)
    spent = run(Tuner(MIXED, strategy="random", max_trials=2), 2)
    assert (spent.ask(), spent.completion.rule) == ([], "trials_started")


def test_a_seed_of_none_is_drawn_and_kept():
    drawn = Tuner(MIXED, strategy="random", seed=None)
    again = Tuner(MIXED, strategy="random", seed=drawn.seed)
    assert [trial.config for trial in drawn.ask(3)] == [trial.config for trial in again.ask(3)]
    assert drawn.seed != Tuner(MIXED, seed=None).seed


@pytest.mark.parametrize("n", [-1, 1.5, "2", True])
def test_only_a_number_of_trials_can_be_asked_for(n):
    with pytest.raises(InvalidSpec, match="number of trials"):
        Tuner(SMALL).ask(n)


def test_a_trial_is_told_once_and_only_to_its_tuner():
    tuner = Tuner(MIXED)
    (trial,) = tuner.ask()
    tuner.tell(trial, 1.0)
    with pytest.raises(ValueError, match="over already"):
        tuner.tell(trial, 2.0)
    with pytest.raises(ValueError, match="not of this tuner"):
        Tuner(MIXED).tell(trial, 1.0)


def test_threads_may_share_it():
    tuner = Tuner(MIXED, strategy="random")

    def one(_):
        (trial,) = tuner.ask()
        tuner.tell(trial, bowl(trial.config))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(64)))
    assert [trial.number for trial in tuner.trials] == list(range(1, 65))
    assert len({MIXED.key(trial.config) for trial in tuner.trials}) == 64


def test_importing_the_engine_loads_no_numeric_library():
    code = (
        "import sys, json, tuning\n"
        "before = [m for m in ('numpy', 'scipy', 'sklearn') if m in sys.modules]\n"
        "tuning.Tuner\n"
        "print(json.dumps([before, 'numpy' in sys.modules, hasattr(tuning, 'nonsense')]))"
    )
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ)
    assert json.loads(answer.stdout) == [[], True, False]


def climb(config, epochs=9):
    return [(epoch, bowl(config) - 1.0 / epoch) for epoch in range(1, epochs + 1)]


def run_all(tuner, parallel=1, restart=False):
    """Run a tuner to its end, ``parallel`` trials at a time, an epoch each in turn."""
    running = {}
    while not tuner.done:
        for trial in tuner.ask(parallel - len(running)):
            begun = tuner.trials[trial.number - 1].curve
            assert trial.resumed is bool(begun)
            running[trial.number] = (trial, climb(trial.config)[0 if restart else len(begun) :])
        for number, (trial, left) in list(running.items()):
            epoch, value = left.pop(0)
            tuner.report(trial, value, epoch)
            if tuner.should_stop(trial).stop or not left:
                tuner.tell(trial)
                del running[number]
    return tuner


@pytest.mark.parametrize("mode", ["stopping", "promotion", "synchronous"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_scheduler_is_run_to_its_end(mode, restart):
    tuner = Tuner(MIXED, strategy="hyperband", mode=mode, max_resource=9, max_trials=18, seed=2)
    run_all(tuner, restart=restart)
    strategy = strategies.create("hyperband", {"mode": mode, "max_resource": 9})
    expected = simulate(strategy, MIXED, lambda c: [v for _, v in climb(c)], 18, seed=2, checkpoints=not restart)
    assert [(t.config, t.state, t.curve) for t in tuner.trials] == [(t.config, t.state, t.curve) for t in expected.own]
    assert tuner.done and tuner.ask(3) == []
    assert len(tuner.trials) == 18 and tuner.best().value == expected.best.value


def test_several_at_a_time_and_a_small_space():
    for mode in ("promotion", "synchronous"):
        tuner = Tuner(MIXED, strategy="hyperband", mode=mode, max_resource=9, max_trials=18, brackets=2)
        assert all(trial.state.terminal for trial in run_all(tuner, parallel=4).trials)
        small = Tuner(SMALL, strategy="hyperband", mode=mode, max_resource=9)
        run_to_the_end(small)
        assert (small.completion.rule, small.ask(3)) == ("space_exhausted", [])
        assert len(small.trials) == 6 and any(trial.promotions for trial in small.trials)
        assert {trial.state for trial in small.trials} == {TrialState.COMPLETED, TrialState.EARLY_STOPPED}


def run_to_the_end(tuner):
    while not tuner.done:
        for trial in tuner.ask():
            run_on(tuner, trial)


def run_on(tuner, trial):
    """Run a trial until it is stopped, or has come to its end."""
    while len(tuner.trials[trial.number - 1].curve) < 9:
        tuner.report(trial, float(trial.config["a"]))
        if tuner.should_stop(trial).stop:
            break
    tuner.tell(trial)


def test_while_trials_run_a_scheduler_may_have_nothing_to_ask():
    tuner = Tuner(SMALL, strategy="hyperband", mode="promotion", max_resource=9)
    trials = tuner.ask(6)
    assert tuner.ask() == [] and not tuner.done
    for trial in trials:
        run_on(tuner, trial)
    (resumed,) = tuner.ask()
    assert resumed.resumed and "Promoted" in resumed.reason


def test_a_paused_trial_waits_until_it_is_asked_for():
    tuner = Tuner(MIXED, strategy="hyperband", mode="promotion", max_resource=9)
    (trial,) = tuner.ask()
    tuner.report(trial, 0.5)
    verdict = tuner.should_stop(trial)
    assert verdict.stop and verdict.pause
    assert tuner.trials[0].state is TrialState.RUNNING  # it may still have its checkpoint to save
    told = tuner.tell(trial)
    assert (told.state, told.value, told.curve) == (TrialState.PAUSED, None, ((1, 0.5),))
    with pytest.raises(ValueError, match="paused"):
        tuner.report(trial, 0.6)


def test_a_trial_that_cannot_resume_begins_its_curve_again():
    tuner = Tuner(MIXED)
    (trial,) = tuner.ask()
    for step, value in [(1, 0.1), (2, 0.2), (3, 0.3), (1, 0.4), (2, 0.5)]:
        tuner.report(trial, value, step)
    assert tuner.trials[0].curve == ((1, 0.4), (2, 0.5))
    tuner.report(trial, 0.6)
    assert tuner.tell(trial).curve == ((1, 0.4), (2, 0.5), (3, 0.6))


def test_max_trials_ends_any_search():
    tuner = Tuner(MIXED, strategy="random", max_trials=3)
    trials = tuner.ask(5)
    assert len(trials) == 3 and tuner.ask() == [] and not tuner.done
    for trial in trials:
        tuner.tell(trial, 1.0)
    assert tuner.done


def test_points_are_run_as_often_as_asked():
    tuner = Tuner(MIXED, repeats=2, initial_points=[{**Tuner(MIXED).ask()[0].config, "layers": 2}])
    configs = [trial.config for trial in tuner.ask(4)]
    assert configs[0] == configs[1] != configs[2] == configs[3]


def test_a_scheduler_takes_no_early_stopping_and_needs_its_end():
    """C18, F45."""
    for arguments, field in [
        ({"max_resource": 9, "early_stopping": "median"}, "early_stopping"),
        ({}, "strategy.options.max_resource"),
        ({"max_resource": 9, "repeats": 0}, "repeats"),
    ]:
        with pytest.raises(InvalidSpec) as caught:
            Tuner(MIXED, strategy="hyperband", **arguments)
        assert [fault.field for fault in caught.value.faults] == [field]


def test_observations_of_two_searches_may_come_mixed() -> None:
    """Each search is one parent, in whatever order its trials are given."""
    mixed = [
        Observation(n, {"x": n / 10}, TrialState.COMPLETED, float(n), inherited_from=name)
        for n in range(1, 4)
        for name in ("first", "second")
    ]
    tuner = Tuner([{"name": "x", "type": "float", "min": 0, "max": 1}], inherited=mixed)
    assert [(one.inherited_from, one.number) for one in tuner.history.inherited] == [
        (name, n) for name in ("first", "second") for n in range(1, 4)
    ]
