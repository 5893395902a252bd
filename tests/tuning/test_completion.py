"""Completion rules (F75, F78, F80, C12): tables of what has happened and what it means."""

import copy
import json
import math
import random
import sys

import pytest

from tuning import Tuner
from tuning.completion import (
    Criteria,
    Spent,
    Tally,
    convergence,
    count_reached,
    first_met,
    gpu_hours_are_spent,
    improves,
    no_improvement,
    standing,
    target_reached,
    time_is_up,
)
from tuning.errors import InvalidSpec
from tuning.history import History, Observation, best_of
from tuning.states import Goal, TrialState

NOTHING = Spent()
FLOAT = {"name": "x", "type": "float", "min": 0, "max": 1}


def history(*values, goal=Goal.MAXIMIZE):
    """Ended trials with these values; None is a failed one, ... a running one."""

    def trial(number, value):
        if value is ...:
            return Observation(number, {}, TrialState.RUNNING, curve=((1, 99.0),))
        state = TrialState.FAILED if value is None else TrialState.COMPLETED
        return Observation(number, {}, state, value)

    return History(goal, tuple(trial(number, value) for number, value in enumerate(values, start=1)))


@pytest.mark.parametrize(
    ("values", "goal", "target", "trial"),
    [
        ((0.5, 0.8, 0.7), Goal.MAXIMIZE, 0.8, 2),  # reached is enough
        ((0.5, 0.8, 0.7), Goal.MAXIMIZE, 0.81, None),
        ((0.5, 0.2, 0.7), Goal.MINIMIZE, 0.2, 2),
        ((0.5, 0.2, 0.7), Goal.MINIMIZE, 0.1, None),
        ((), Goal.MAXIMIZE, 0.1, None),
        ((..., None), Goal.MAXIMIZE, 0.1, None),  # a running trial's report may pass, a failed one is no result
    ],
)
def test_target(values, goal, target, trial):
    met = target_reached(standing(history(*values, goal=goal)), target)
    assert (met and met.numbers["trial"]) == trial


@pytest.mark.parametrize(
    ("values", "goal", "trials", "since"),
    [
        ((0.9, 0.5, 0.6), Goal.MAXIMIZE, 2, 2),
        ((0.9, 0.5, 0.6), Goal.MAXIMIZE, 3, None),
        ((0.9, 0.9, 0.9), Goal.MAXIMIZE, 2, 2),  # equal is no improvement
        ((0.5, 0.9, 0.6), Goal.MAXIMIZE, 2, None),
        ((0.1, 0.5, 0.6, 0.7), Goal.MINIMIZE, 3, 3),
        (
            (0.9, 0.5, None, ..., 0.6),
            Goal.MAXIMIZE,
            4,
            None,
        ),  # a failed one is no improvement, a running one nothing yet
        ((0.9, 0.5, None, ..., 0.6), Goal.MAXIMIZE, 3, 3),
        ((None, 0.9, None), Goal.MAXIMIZE, 1, 1),
        ((None, None), Goal.MAXIMIZE, 3, None),
        ((None, None), Goal.MAXIMIZE, 2, 2),
    ],
)
def test_no_improvement(values, goal, trials, since):
    met = no_improvement(standing(history(*values, goal=goal)), trials)
    assert (met and met.numbers["trials_since"]) == since


def test_trials_that_were_lost_or_stopped_without_a_value_say_nothing_of_improvement():
    states = (TrialState.LOST, TrialState.STOPPED, TrialState.PAUSED, TrialState.RUNNING)
    best = Observation(1, {}, TrialState.COMPLETED, 0.9)
    others = tuple(Observation(number, {}, state) for number, state in enumerate(states, start=2))
    assert standing(History(Goal.MAXIMIZE, (best, *others))).since_improved == 0


def test_failures_in_a_row_end_a_search_that_no_longer_improves():
    for values, reason in (
        ([0.9], "No improvement in 4 trials: the best is still trial 1 with 0.9."),
        ([], "No improvement in 4 trials: none has given a value."),
    ):
        tuner = Tuner([FLOAT], strategy="random", completion={"max_not_improving": 4}, max_trials=40)
        for value in values:
            tuner.tell(tuner.ask()[0], value)
        while not tuner.done:
            tuner.tell(tuner.ask()[0], failure="out of memory")
        assert tuner.completion.reason == reason


def last_improvement(past, share):
    """By the definition: each trial held against the best of all before it; 0 if there is none."""
    last, best, sign = 0, None, past.goal.sign
    for trial in past.finished:
        if best is None or sign * trial.value > sign * best + share * abs(best):
            last = trial.number
        best = trial.value if best is None or sign * trial.value > sign * best else best
    return last


@pytest.mark.parametrize("goal", list(Goal))
def test_a_tally_says_of_trials_in_whatever_order_what_their_history_does(goal):
    """Told one by one, out of order; also by a copy, and by the definition."""
    rng = random.Random(3)
    states = [*TrialState, TrialState.COMPLETED, TrialState.COMPLETED, TrialState.EARLY_STOPPED]
    trials = [
        Observation(number, {}, rng.choice(states), rng.choice([None, math.nan, *(n / 4 for n in range(6))]))
        for number in range(1, 60)
    ]
    rng.shuffle(trials)
    tally = Tally(goal)
    for count, trial in enumerate(trials, start=1):
        tally.add(trial)
        past = History(goal, tuple(sorted(trials[:count], key=lambda one: one.number)))
        for window in (None, 1, 7, 100):
            found = copy.copy(tally).standing(count, window)
            assert found == standing(past, window)
            for share in (0.0, 0.01, 0.3, 1.0):
                after = last_improvement(past, share)
                expected = sum(one.number > after for one in (*past.finished, *past.failed))
                assert copy.copy(tally).standing(count, window, share).since_improved == expected
            ended = past.finished[:-window] if window else ()
            assert found.before == (best_of(goal, ended).value if ended else None)
        assert found.best == (past.best and (past.best.number, past.best.value))
        after = past.best.number if past.best else 0
        assert found.since_improved == sum(one.number > after for one in (*past.finished, *past.failed))
        assert found.completed == sum(one.state is TrialState.COMPLETED for one in past.own)
        assert found.finished == sum(one.state.terminal for one in past.own)


@pytest.mark.parametrize(
    ("values", "goal", "trials", "tolerance", "converged"),
    [
        ((0.5, 0.8, 0.808), Goal.MAXIMIZE, 1, 0.0100001, True),  # 1 % of 0.8 is 0.008
        ((0.5, 0.8, 0.81), Goal.MAXIMIZE, 1, 0.01, False),
        ((0.5, 0.8, 0.81), Goal.MAXIMIZE, 1, 0.02, True),
        ((0.8, 0.5, 0.6), Goal.MAXIMIZE, 2, 0.0, True),
        ((0.5, 0.8, 0.6), Goal.MAXIMIZE, 2, 0.01, False),
        ((0.5, 0.8, 0.6), Goal.MAXIMIZE, 3, 0.01, False),  # nothing before the last three
        ((1.0, 0.995), Goal.MINIMIZE, 1, 0.01, True),
        ((1.0, 0.98), Goal.MINIMIZE, 1, 0.01, False),
        ((-1.0, -0.98), Goal.MAXIMIZE, 1, 0.01, False),
        ((0.0, 1e-12), Goal.MAXIMIZE, 1, 0.01, False),
        ((0.0, 0.0), Goal.MAXIMIZE, 1, 0.01, True),
        ((0.8, None, ...), Goal.MAXIMIZE, 1, 0.01, False),
    ],
)
def test_convergence(values, goal, trials, tolerance, converged):
    assert bool(convergence(standing(history(*values, goal=goal), trials), trials, tolerance)) is converged


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        ({"started": 8}, None),
        ({"started": 7}, "trials_started"),
        ({"started": 6}, "trials_started"),
        ({"completed": 2}, "trials_completed"),
        ({"completed": 3}, None),
        ({"finished": 6}, "trials_finished"),
        ({"finished": 7}, None),
        ({}, None),
    ],
)
def test_the_three_counts_are_met_when_reached(limits, rule):
    """F78, C12: 32 means the 32nd, not the 33rd."""
    states = [
        TrialState.COMPLETED,
        TrialState.COMPLETED,
        TrialState.EARLY_STOPPED,
        TrialState.STOPPED,
        TrialState.FAILED,
        TrialState.LOST,
        TrialState.RUNNING,
    ]
    trials = History(Goal.MAXIMIZE, tuple(Observation(n, {}, state) for n, state in enumerate(states, start=1)))
    now = standing(trials)
    assert (now.started, now.completed, now.finished) == (7, 2, 6)
    met = count_reached(now, **limits)
    assert (met and met.rule) == rule


@pytest.mark.parametrize(("spent", "met"), [(59.9, False), (60.0, True), (1e6, True)])
def test_duration_and_gpu_hours_are_met_when_reached(spent, met):
    assert bool(time_is_up(spent, 60.0)) is met
    assert bool(gpu_hours_are_spent(spent, 60.0)) is met


def test_every_reason_carries_its_numbers():
    now = standing(history(0.9, 0.5, 0.6), 2)
    found = [
        target_reached(now, 0.85),
        no_improvement(now, 2),
        convergence(now, 2),
        count_reached(now, finished=3),
        time_is_up(61, 60),
        gpu_hours_are_spent(1.5, 1.25),
    ]
    assert [met.reason for met in found] == [
        "Target reached: trial 1 has 0.9, and 0.85 was asked for.",
        "No improvement in 2 trials: the best is still trial 1 with 0.9.",
        "Converged: the last 2 trials moved the best from 0.9 to 0.9, by no more than 0.01 of it.",
        "3 trials have finished, and the limit is 3.",
        "Time is up: 61 s since the start, and the limit is 60 s.",
        "GPU hours are spent: 1.50 h, and the limit is 1.25 h.",
    ]
    for met in found:
        assert json.loads(json.dumps(met.numbers, allow_nan=False)) == met.numbers


def test_inherited_trials_neither_reach_a_target_nor_count():
    parents = (Observation(1, {}, TrialState.COMPLETED, 0.9, inherited_from="parent"),)
    trials = History(Goal.MAXIMIZE, (), parents)
    assert first_met(Criteria(target=0.5, max_started=1, max_not_improving=1, converged=1), trials, NOTHING) is None


@pytest.mark.parametrize(
    ("criteria", "spent", "rule"),
    [
        (Criteria(), Spent(1e9, 1e9), None),
        (Criteria(max_seconds=60), Spent(seconds=60), "duration"),
        (Criteria(max_gpu_hours=2), Spent(gpu_hours=3), "gpu_hours"),
        (Criteria(max_started=3, max_seconds=60), Spent(seconds=60), "trials_started"),
        (Criteria(max_started=4, max_seconds=60), Spent(seconds=60), "duration"),
        (Criteria(target=0.9, max_not_improving=2, converged=2, max_finished=1), NOTHING, "target"),
        (Criteria(target=0.95, max_not_improving=2, converged=2, max_finished=1), NOTHING, "no_improvement"),
        (Criteria(max_not_improving=5, converged=2, max_finished=1), NOTHING, "convergence"),
        (Criteria(max_not_improving=5, converged=5, max_completed=3), NOTHING, "trials_completed"),
        (Criteria(max_started=4, max_completed=4, max_finished=4), NOTHING, None),
    ],
)
def test_whichever_comes_first_ends_the_search(criteria, spent, rule):
    """F75, F80."""
    met = first_met(criteria, history(0.9, 0.5, 0.6), spent)
    assert (met and met.rule) == rule


def test_criteria_that_make_no_sense_are_refused_all_at_once():
    with pytest.raises(InvalidSpec) as caught:
        Criteria(target=math.nan, max_not_improving=0, tolerance=-1, max_started=0, max_seconds=0, max_gpu_hours=-1)
    assert sorted(fault.field for fault in caught.value.faults) == [
        "max_gpu_hours", "max_not_improving", "max_seconds", "max_started", "target", "tolerance",
    ]  # fmt: skip


def test_time_is_a_rule_of_completion(monkeypatch):
    """F78, F80: elapsed time; counted from when trials are first asked for."""
    now = [5_000.0]
    monkeypatch.setattr("tuning.tuner.monotonic", lambda: now[0])
    tuner = Tuner([FLOAT], completion={"max_seconds": 60})
    now[0] += 1_000
    (first,) = tuner.ask()
    now[0] += 59
    (second,) = tuner.ask()
    now[0] += 1
    assert tuner.ask() == []
    assert tuner.completion.rule == "duration" and not tuner.done
    for trial in (first, second):
        tuner.tell(trial, 1.0)
    assert tuner.done
    with pytest.raises(InvalidSpec, match=r"completion\.max_seconds: is 0; give a whole number from 1"):
        Tuner([FLOAT], completion={"max_seconds": 0})


@pytest.mark.parametrize(
    ("values", "ended_after"),
    [
        ([1.0, 1.000001, 1.000002, 1.000003], 4),  # however small, each is better
        ([1.0, 1.005, 1.009, 1.01], 4),  # a per cent is not more than one; and no trial alone made more
        ([1.0, 1.005, 1.02, 1.02, 1.02, 1.02], 6),
        ([1.0, 1.011, 1.023, 1.035, 1.046], None),
        ([0.0, 1e-9, 0.0, 0.0, 0.0], 5),  # of 0 there is no share
        ([-1.0, -0.995, -0.99, -0.99, -0.99], 4),
        ([-1.0, -0.98, -0.96, -0.94, -0.92], None),
    ],
)
@pytest.mark.parametrize("goal", list(Goal))
def test_under_sagemakers_profile_an_improvement_is_one_of_more_than_a_per_cent(values, ended_after, goal):
    """F80: its MaxNumberOfTrainingJobsNotImproving; without a profile every improvement counts."""
    arguments = {"strategy": "random", "completion": {"max_not_improving": 3}, "max_trials": 50}
    told = {}
    for profile in ("sagemaker", None):
        tuner = Tuner([FLOAT], str(goal), profile=profile, **arguments)
        for value in values:
            tuner.tell(tuner.ask()[0], goal.sign * value)
            if tuner.done:
                break
        told[profile] = tuner
    assert told["sagemaker"].done is (ended_after is not None)
    assert len(told["sagemaker"].trials) == (ended_after or len(values))
    if ended_after:
        assert told["sagemaker"].completion.rule == "no_improvement"
        assert told["sagemaker"].completion.reason.startswith("No improvement of more than 1 % in 3 trials: the best")
        assert told["sagemaker"].completion.numbers["improvement"] == 0.01
    assert len(told[None].trials) >= len(told["sagemaker"].trials)


@pytest.mark.parametrize(
    ("goal", "value", "best", "share", "found"),
    [
        (Goal.MAXIMIZE, 1.01, 1.0, 0.01, False),  # not by more than 1 %, however the difference is rounded
        (Goal.MAXIMIZE, 1.0101, 1.0, 0.01, True),
        (Goal.MINIMIZE, 0.5, 0.5, 0.0, False),
        (Goal.MAXIMIZE, sys.float_info.max, -sys.float_info.max, 0.01, True),
        (Goal.MINIMIZE, -sys.float_info.max, sys.float_info.max, 1.0, True),
        (Goal.MAXIMIZE, sys.float_info.max, 1.79e308, 0.01, False),
        (Goal.MAXIMIZE, 1e-323, 5e-324, 0.01, True),
    ],
)
def test_what_improves_on_the_best(goal, value, best, share, found):
    """F80; the largest floats have no difference."""
    assert improves(goal, value, best, share) is found
