"""A search in a notebook from its first point to its end: saved, copied, exhausted, by a strategy of one's own."""

import copy
import itertools
import json
import math
import pickle
import sys

import pytest

from tests.tuning.strategy_suite import CONDITIONAL, MIXED, SMALL, bowl
from tuning import Tuner, completion, strategies
from tuning.contracts import Suggestion
from tuning.errors import InvalidSpec, StrategyFailed
from tuning.history import Observation
from tuning.states import TrialState

FLOAT = [{"name": "x", "type": "float", "min": 0, "max": 1}]
THREE = [{"name": "n", "type": "integer", "min": 1, "max": 3}]
SAVED = {
    "pickle": lambda tuner: pickle.loads(pickle.dumps(tuner)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


def run(tuner, trials):
    for _ in range(trials):
        (trial,) = tuner.ask()
        tuner.tell(trial, bowl(trial.config))
    return tuner


def broken(space, history, numbers, seed):
    raise ZeroDivisionError


@pytest.mark.parametrize("looked", [True, False], ids=["looked at", "only told"])
@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"max_trials": 3, "strategy": "random"}, "trials_started"),
        ({"strategy": "grid"}, "space_exhausted"),
        ({"max_trials": 3, "strategy": "hyperband", "max_resource": 9, "mode": "promotion"}, "trials_started"),
        ({"max_trials": 9, "strategy": "random", "target": 1}, "target"),
        ({"max_trials": 3, "strategy": "broken"}, "strategy_failed"),
    ],
)
def test_why_a_search_was_over_stands_whatever_the_clock_says(arguments, rule, looked, monkeypatch):
    """F78: three trials that took half a second had not been too slow for one of a minute, however late one asks."""
    now = [0.0]
    monkeypatch.setattr("tuning.tuner.monotonic", lambda: now[0])
    given = dict(arguments)
    completion = {"max_seconds": 60, **({"target": given.pop("target")} if "target" in given else {})}
    if given["strategy"] == "broken":
        given["strategy"] = type("Broken", (), {"suggest": staticmethod(broken)})()
    tuner = Tuner(THREE, completion=completion, **given)
    for _ in range(3):
        now[0] += 0.2
        try:
            (trial,) = tuner.ask()
        except StrategyFailed:
            break
        assert tuner.completion is None or rule == "trials_started"
        tuner.tell(trial, float(trial.config["n"]))
        if tuner.completion is not None and rule == "target":
            break
    assert not looked or tuner.done
    found = tuner.completion if looked else None
    saved = pickle.dumps(tuner) if rule != "strategy_failed" else None
    now[0] += 600
    assert tuner.done and tuner.completion.rule == rule
    assert found in (None, tuner.completion)
    assert saved is None or pickle.loads(saved).completion == tuner.completion
    assert tuner.ask() == [] and tuner.completion.rule == rule


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "policy", ["median", "automatic", "bandit", {"name": "truncation", "truncation_percentage": 40}, "asha"]
)
@pytest.mark.parametrize("far", [sys.float_info.max, -sys.float_info.max])
def test_a_trial_that_reports_the_largest_float_keeps_no_other_from_being_judged(policy, far):
    """F67: of two of them there is no sum, and they are in every average from then on."""
    tuner = Tuner(FLOAT, "minimize" if far > 0 else "maximize", strategy="random", early_stopping=policy)
    *others, last = tuner.ask(3)
    for _ in range(3):
        tuner.report(last, far)
        for trial in others:
            tuner.report(trial, 0.5)
            assert not tuner.should_stop(trial).stop
        verdict = tuner.should_stop(last)
        assert json.dumps(verdict.numbers, allow_nan=False)
    assert verdict.stop


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", [info.name for info in strategies.catalogue()])
@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_a_search_bears_values_as_far_as_floats_go(name, goal):
    far = sys.float_info.max
    values = itertools.cycle([1.0, far, -far, 0.0, 5e-324, 1e308, -1e-310])
    space, options = THREE if name == "grid" else MIXED, {"max_resource": 9} if name == "hyperband" else {}
    tuner = Tuner(space, goal, strategy=name, max_trials=20, completion={"converged": 19}, **options)
    while not tuner.done:
        for trial in tuner.ask():
            assert json.dumps(dict(trial.numbers), allow_nan=False)
            tuner.tell(trial, next(values))
    assert tuner.best().value == (far if goal == "maximize" else -far) or name == "grid"


# --- saved and copied -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [info.name for info in strategies.catalogue()])
def test_a_saved_search_goes_on_as_the_original_does(name):
    options = {"mode": "promotion", "max_resource": 9} if name == "hyperband" else {}
    tuner = Tuner(CONDITIONAL, strategy=name, early_stopping=None if options else "median", **options)
    running, *trials = tuner.ask(8)
    for trial in trials:
        tuner.report(trial, float(trial.number))
        tuner.should_stop(trial)
        tuner.tell(trial)
    saved = pickle.loads(pickle.dumps(tuner))
    assert saved.history == tuner.history
    told = [one.tell(running, 0.5) and [(trial.config, trial.reason) for trial in one.ask(3)] for one in (tuner, saved)]
    assert told[0] == told[1]


def test_a_search_among_constraints_is_saved_in_the_middle_too():
    space = {
        "parameters": [{"name": n, "type": "integer", "min": 1, "max": 500} for n in "abc"],
        "constraints": ["a + b == c", "a < b"],
    }
    tuner = Tuner(space, strategy="tpe")
    tuner.ask(2)
    assert pickle.loads(pickle.dumps(tuner)).ask(2) == copy.deepcopy(tuner).ask(2) == tuner.ask(2)


@pytest.mark.parametrize("way", SAVED)
def test_a_copy_and_its_original_go_apart(way):
    tuner = run(Tuner(MIXED, strategy="random"), 3)
    other = SAVED[way](tuner)
    run(other, 2)
    assert (len(tuner.trials), len(other.trials)) == (3, 5)
    assert run(tuner, 2).trials == other.trials


def test_the_time_that_a_search_has_taken_is_saved_and_not_the_clock(monkeypatch):
    now = [5_000.0]
    monkeypatch.setattr("tuning.tuner.monotonic", lambda: now[0])
    tuner = Tuner(MIXED, strategy="random", completion={"max_seconds": 60})
    tuner.tell(tuner.ask()[0], 1.0)
    now[0] += 59
    saved = pickle.dumps(tuner)
    now[0] = 7.0  # another machine, another clock
    again = pickle.loads(saved)
    assert not again.done
    now[0] += 1
    assert again.done and again.completion.numbers["seconds"] == 60


# --- the record cannot be changed by mistake --------------------------------------------------------------------------


def test_what_was_tried_stays_as_it_was():
    tuner = Tuner(MIXED, strategy="random")
    (trial,) = tuner.ask()
    before = dict(trial.config)
    trial.config["epochs"] = 3  # its own: what a script is called with
    told = tuner.tell(trial, 1.0)
    for shown in (told, tuner.best(), tuner.trials[0], tuner.history.own[0]):
        with pytest.raises(TypeError, match=r"dict\(trial.config\)"):
            shown.config["learning-rate"] = 0.123
        with pytest.raises(TypeError):
            shown.config.update(before)
        assert shown.config == before == pickle.loads(pickle.dumps(shown)).config == copy.deepcopy(shown).config
        assert json.loads(json.dumps(shown.config)) == before


# --- the end of a space -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [info.name for info in strategies.catalogue()])
def test_a_space_that_is_exhausted_ends_the_search_and_says_so(name):
    options = {"mode": "stopping", "max_resource": 9} if name == "hyperband" else {}
    tuner = Tuner(THREE, strategy=name, **options)
    while not tuner.done:
        for trial in tuner.ask(2):
            assert tuner.completion is None
            tuner.tell(trial, 1.0)
    assert len(tuner.trials) == 3
    assert (tuner.completion.rule, tuner.ask()) == ("space_exhausted", [])
    assert "All 3 points" in tuner.completion.reason


def test_what_runs_when_the_space_is_exhausted_is_waited_for():
    tuner = Tuner(THREE, strategy="random")
    trials = tuner.ask(9)
    assert (len(trials), tuner.ask(), tuner.done) == (3, [], False)
    assert tuner.completion.rule == "space_exhausted"
    for trial in trials:
        tuner.tell(trial, 1.0)
    assert tuner.done


def test_each_trial_is_counted_once_for_the_rules(monkeypatch):
    """Or telling n trials takes n x n steps."""
    counted = []
    add = completion.Tally.add
    monkeypatch.setattr(completion.Tally, "add", lambda tally, trial: counted.append(trial.number) or add(tally, trial))
    tuner = run(Tuner(MIXED, strategy="random", completion={"target": 1e9, "converged": 9}, max_trials=5), 5)
    assert tuner.done and tuner.completion.rule == "trials_started"
    assert counted == [1, 2, 3, 4, 5]
    assert tuner._trials.tally.standing(5, 9) == completion.standing(tuner.history, 9)


def test_a_saved_search_counts_for_itself():
    tuner = run(Tuner(MIXED, strategy="random", completion={"max_finished": 4}), 2)
    saved = copy.copy(tuner._trials), pickle.loads(pickle.dumps(tuner))._trials
    run(tuner, 2)
    assert tuner.done and [one.tally.standing(2).finished for one in saved] == [2, 2]


# --- a strategy of one's own ------------------------------------------------------------------------------------------


class Own:
    """Suggests what it is told to."""

    def __init__(self, *xs):
        self.xs = xs

    def suggest(self, space, history, numbers, seed):
        return [Suggestion({"x": x}, "As told.") for x in self.xs]


class OwnScheduler(Own):
    def judge(self, number, history):
        raise NotImplementedError

    def promote(self, history, room):
        return []


@pytest.mark.parametrize(
    ("strategy", "says"),
    [
        (Own(5.0), "none of the space: x is 5.0"),
        (Own(0.5, 0.5), "2 points for 1 trials"),
        (Own(), "suggested no point"),
        (Own("x"), "none of the space"),
    ],
)
def test_a_strategy_of_ones_own_is_held_to_the_contract(strategy, says):
    tuner = Tuner(FLOAT, strategy=strategy, initial_points=[{"x": 0.25}], repeats=2)
    for trial in tuner.ask(2):
        tuner.tell(trial, 1.0)
    with pytest.raises(StrategyFailed, match=f"The strategy Own of tests.* broke its contract: .*{says}"):
        tuner.ask()
    assert tuner.done and tuner.ask() == []
    assert tuner.completion.rule == "strategy_failed" and says in tuner.completion.reason


def test_a_point_that_it_suggests_twice_ends_the_search():
    tuner = Tuner(FLOAT, strategy=Own(0.5))
    (trial,) = tuner.ask()
    with pytest.raises(StrategyFailed, match="second time"):
        tuner.ask()
    assert not tuner.done
    tuner.tell(trial, 1.0)
    assert tuner.done


def test_a_scheduler_that_waits_for_nothing_ends_the_search():
    tuner = Tuner(FLOAT, strategy=OwnScheduler())
    assert tuner.ask() == [] and tuner.done
    assert "suggests nothing more" in tuner.completion.reason


@pytest.mark.parametrize("strategy", [Own, object(), type("Odd", (), {"suggest": 3})()])
def test_what_is_no_strategy_is_refused(strategy):
    with pytest.raises(InvalidSpec, match=r"strategy: .*`suggest`"):
        Tuner(FLOAT, strategy=strategy)


# --- judged at every report -------------------------------------------------------------------------------------------


def test_a_report_between_two_questions_is_judged_too():
    """As in the service, where several may come at once: an interval is not missed because of when it was asked."""
    tuner = Tuner(
        MIXED, strategy="random", early_stopping={"name": "bandit", "slack_amount": 0.1, "evaluation_interval": 2}
    )
    good, poor, late = tuner.ask(3)
    tuner.tell(good, [0.9, 0.9, 0.9])
    for value in (0.1, 0.2, 0.3):
        tuner.report(poor, value)
    verdict = tuner.should_stop(poor)
    assert verdict.stop and "at report 2" in verdict.reason
    tuner.report(poor, 0.99)
    assert tuner.should_stop(poor) is verdict
    assert tuner.tell(poor).state is TrialState.EARLY_STOPPED
    for value in (0.85, 0.9, 0.1):
        tuner.report(late, value)
    assert "Not judged at report 3" in tuner.should_stop(late).reason
    assert "Not judged at report 3" in tuner.should_stop(late).reason
    for step, value in enumerate((0.1, 0.2, 0.3), 1):
        tuner.report(late, value, step)  # it began again, and so do its reports
    assert tuner.should_stop(late).numbers["interval"] == 2


# --- which trial is meant ---------------------------------------------------------------------------------------------


def test_a_trial_of_another_tuner_is_not_taken_for_ones_own():
    first, second = (Tuner(MIXED, strategy="random", seed=seed) for seed in (1, 2))
    (trial,), (other,) = first.ask(), second.ask()
    for call in (first.report, first.tell):
        with pytest.raises(ValueError, match="trial 1 is not of this tuner, whose own is"):
            call(other, 1.0)
    assert first.tell(first.trials[0], 1.0).number == trial.number
    with pytest.raises(ValueError, match="not of this tuner"):
        second.tell(Observation(7, {}, TrialState.RUNNING), 1.0)


def test_a_number_is_no_trial():
    tuner = Tuner(FLOAT, strategy="random")
    tuner.ask()
    for call in (lambda: tuner.tell(1, 1.0), lambda: tuner.report(1, 1.0), lambda: tuner.should_stop(1)):
        with pytest.raises(InvalidSpec, match="trial: is 1; give the trial itself"):
            call()


# --- repeats ----------------------------------------------------------------------------------------------------------


def test_the_best_point_goes_by_the_mean_of_its_runs():
    tuner = Tuner(SMALL, "minimize", "random", repeats=2)
    assert tuner.best_point() is None
    for values in ((0.0, 9.0), (2.0, 3.0), (1.0,)):
        for value in values:
            tuner.tell(tuner.ask()[0], value)
    best = tuner.best_point()
    assert (tuner.best().number, best.number, best.value) == (1, 3, 2.5)
    assert best.config == tuner.trials[2].config == tuner.trials[3].config
    tuner.tell(tuner.ask()[0], failure="out of memory")
    assert tuner.best_point().number == 5


def test_a_report_is_judged_once_and_only_as_the_newest():
    """F59, F64: a diverged training is stopped for it, and no older report is judged again by what came later."""
    tuner = Tuner(FLOAT, strategy="random", early_stopping="median")
    first, second, third = tuner.ask(3)
    tuner.report(first, 0.5)
    before = tuner.should_stop(first)
    for value in (0.9, 0.9):
        tuner.report(second, value)
        tuner.report(third, value)
    assert tuner.should_stop(first) == before and not before.stop
    tuner.report(first, math.nan)
    verdict = tuner.should_stop(first)
    assert verdict.stop and verdict.numbers["interval"] == 2
    for one in (second, third):
        assert not tuner.should_stop(one).stop
    tuner.tell(first)
    tuner.report(second, math.inf)
    tuner.tell(second, 0.9)
    assert [value for _, value in tuner.trials[1].curve] == [0.9, 0.9, math.inf]


def test_a_saved_tuner_keeps_its_last_verdicts():
    tuner = Tuner(FLOAT, strategy="random", early_stopping="median")
    first, second = tuner.ask(2)
    tuner.report(first, 0.5)
    verdict = tuner.should_stop(first)
    again = pickle.loads(pickle.dumps(tuner))
    again.report(second, 0.9)
    assert again.should_stop(first) == verdict


@pytest.mark.parametrize("asked", [1, 3, 9])
@pytest.mark.parametrize("options", [{}, {"strategy": "grid"}, {"strategy": "random", "repeats": 2}])
def test_the_last_result_of_a_space_ends_the_search(asked, options):
    """Nobody has to ask once more to be told that there is nothing."""
    tuner, last = Tuner(THREE, **options), 3 * options.get("repeats", 1)
    while len(tuner.trials) < last or tuner.history.pending:
        assert not tuner.done
        for trial in tuner.ask(asked):
            tuner.tell(trial, 1.0)
    assert tuner.done and tuner.completion.rule == "space_exhausted" and len(tuner.trials) == last


def test_the_budget_of_trials_comes_before_the_end_of_the_space():
    tuner = Tuner(THREE, max_trials=3)
    trials = tuner.ask(9)
    for trial in trials:
        assert not tuner.done
        tuner.tell(trial, 1.0)
    assert tuner.done and tuner.completion.rule == "trials_started"
