"""Hyperband: the contract in each of its modes, its decisions by numbers, and against plain references."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import settings

from tests.tuning.scheduler_machine import SchedulerMachine
from tests.tuning.scheduler_suite import EPOCHS, SchedulerSuite
from tests.tuning.strategy_suite import MIXED
from tuning import Tuner, strategies
from tuning.errors import InvalidSpec
from tuning.history import History, Observation
from tuning.simulate import simulate
from tuning.space import Float, SearchSpace
from tuning.states import Goal, TrialState

LINE = SearchSpace((Float("x", 0.0, 1.0),))
END = 27


class TestStopping(SchedulerSuite):
    name = "hyperband"
    options = {"mode": "stopping", "max_resource": EPOCHS}


class TestPromotion(SchedulerSuite):
    name = "hyperband"
    options = {"mode": "promotion", "max_resource": EPOCHS}


class TestSynchronous(SchedulerSuite):
    name = "hyperband"
    options = {"mode": "synchronous", "max_resource": EPOCHS}


class TestSynchronousBrackets(SchedulerSuite):
    name = "hyperband"
    options = {"mode": "synchronous", "max_resource": EPOCHS, "brackets": 3}


class TestPromotionBrackets(SchedulerSuite):
    name = "hyperband"
    options = {"mode": "promotion", "max_resource": EPOCHS, "brackets": 2, "reduction_factor": 2.5}


class TestBayesian(SchedulerSuite):
    name = "hyperband"
    options = {"mode": "promotion", "max_resource": EPOCHS, "searcher": "bayesian"}


class PromotionMachine(SchedulerMachine):
    options = {"mode": "promotion"}


class SynchronousMachine(SchedulerMachine):
    options = {"mode": "synchronous"}


class SynchronousBracketsMachine(SchedulerMachine):
    options = {"mode": "synchronous", "brackets": 3}


class StoppingMachine(SchedulerMachine):
    options = {"mode": "stopping"}


FEW = settings(max_examples=30, stateful_step_count=30, deadline=None)
for machine in (PromotionMachine, SynchronousMachine, SynchronousBracketsMachine, StoppingMachine):
    machine.TestCase.settings = FEW
TestPromotionInAnyOrder = PromotionMachine.TestCase
TestSynchronousInAnyOrder = SynchronousMachine.TestCase
TestSynchronousBracketsInAnyOrder = SynchronousBracketsMachine.TestCase
TestStoppingInAnyOrder = StoppingMachine.TestCase


def hyperband(**options):
    return strategies.create("hyperband", {"max_resource": END, **options})


def noise(config):
    """A random curve for each point, the same at every call."""
    return np.random.default_rng(int(config["x"] * 2**52)).random(END).tolist()


def curves_of(history):
    return {trial.number: noise(trial.config) for trial in history.own}


def best(curves, numbers, level, count):
    return sorted(numbers, key=lambda number: -curves[number][level - 1])[:count]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("parallel", [1, 5])
def test_a_synchronous_bracket_is_successive_halving(seed, parallel):
    """Li et al. 2018: of 27 trials the best 9, 3 and 1 come to 3, 9 and 27; in whatever order they run."""
    history = simulate(hyperband(mode="synchronous"), LINE, noise, 54, seed=seed, parallel=parallel)
    curves = curves_of(history)
    expected = {}
    for first in (1, 28):
        alive = list(range(first, first + 27))
        expected |= dict.fromkeys(alive, 1)
        for level, following, count in ((1, 3, 9), (3, 9, 3), (9, 27, 1)):
            alive = best(curves, alive, level, count)
            expected |= dict.fromkeys(alive, following)
    assert {trial.number: len(trial.curve) for trial in history.own} == expected


@pytest.mark.parametrize("seed", range(3))
def test_synchronous_brackets_begin_a_rung_later_each(seed):
    """eta 3 and R 27 give brackets of 27, 12, 6 and 4 trials."""
    history = simulate(hyperband(mode="synchronous", brackets=4), LINE, noise, 49, seed=seed, parallel=4)
    curves = curves_of(history)
    expected = {}
    for first, size, levels in ((1, 27, (1, 3, 9, 27)), (28, 12, (3, 9, 27)), (40, 6, (9, 27)), (46, 4, (27,))):
        alive = list(range(first, first + size))
        expected |= dict.fromkeys(alive, levels[0])
        for step, (level, following) in enumerate(pairwise(levels), 1):
            alive = best(curves, alive, level, max(1, size // 3**step))
            expected |= dict.fromkeys(alive, following)
    assert {trial.number: len(trial.curve) for trial in history.own} == expected


class Recorded:
    """A scheduler that notes in which order trials begin (number, None) and are promoted (number, rung)."""

    def __init__(self, scheduler):
        self.scheduler, self.jobs = scheduler, []

    def suggest(self, space, history, numbers, seed):
        self.jobs += [(number, None) for number in numbers]
        return self.scheduler.suggest(space, history, numbers, seed)

    def judge(self, number, history):
        return self.scheduler.judge(number, history)

    def promote(self, history, room):
        found = self.scheduler.promote(history, room)
        self.jobs += [(one.number, one.numbers["next_rung"]) for one in found]
        return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("eta", [3, 2])
def test_promotion_is_the_papers_algorithm(seed, eta):
    """Li et al. 2020, algorithm 2, with one worker: get_job, run it, note the value at its rung."""
    recorded = Recorded(hyperband(mode="promotion", reduction_factor=eta))
    history = simulate(recorded, LINE, noise, 60, seed=seed)
    curves = curves_of(history)
    levels = [level for level in (eta**k for k in range(9)) if level < END]
    reached = {level: [] for level in levels}
    promoted = {level: set() for level in levels}
    expected, begun = [], 0

    def next_job():
        for level in reversed(levels):
            able = best(curves, reached[level], level, len(reached[level]) // eta)
            for number in able:
                if number not in promoted[level]:
                    promoted[level].add(number)
                    return number, min(level * eta, END)
        return (begun + 1, None) if begun < 60 else None

    while job := next_job():
        expected.append(job)
        number, to = job
        begun += to is None
        if (to or 1) < END:
            reached[to or 1].append(number)
    # The last of all may be the best one, brought to its end where none has come there.
    assert recorded.jobs[: len(expected)] == expected
    assert len(recorded.jobs) == len(expected) or not any(to == END for _, to in expected)


@pytest.mark.parametrize("seed", range(3))
def test_stopping_is_asynchronous_successive_halving(seed):
    """With one worker a trial is compared with all before it: it goes on among the best ceil(n / 3) at its rung."""
    history = simulate(hyperband(), LINE, noise, 60, seed=seed)
    reached = {level: [] for level in (1, 3, 9)}
    for trial in history.own:
        curve, length = noise(trial.config), END
        for level, values in reached.items():
            values.append(curve[level - 1])
            if sum(value > curve[level - 1] for value in values) >= math.ceil(len(values) / 3):
                length = level
                break
        assert len(trial.curve) == length


def observed(number, values, state=TrialState.PAUSED, promotions=0):
    curve = tuple(enumerate(values, 1))
    value = values[-1] if state.terminal and values else None
    return Observation(number, {"x": number / 100}, state, value, curve, promotions=promotions)


def promoted(scheduler, *own, room=9, **more):
    return [one.number for one in scheduler.promote(History(Goal.MAXIMIZE, own, **more), room)]


def test_the_highest_rung_and_the_best_go_first():
    own = [observed(n, [n / 10]) for n in range(1, 7)]
    scheduler = hyperband(mode="promotion")
    above = [observed(n, [0.9, 0.9, n / 10], promotions=1) for n in (7, 8, 9)]
    assert promoted(scheduler, *own, *above) == [9]  # 7 to 9 hold the three best places of the first rung
    above = [observed(n, [0.0, 0.0, n / 10], promotions=1) for n in (7, 8, 9)]
    assert promoted(scheduler, *own, *above) == [9, 6, 5, 4]
    assert promoted(scheduler, *own[:6]) == [6, 5]
    assert promoted(scheduler, *own[:6], room=1) == [6]


def test_a_promoted_trial_is_not_judged_below_its_rung_again():
    scheduler = hyperband(mode="promotion")
    for steps, paused in [(1, False), (2, False), (3, True), (4, True)]:
        again = observed(1, [0.5] * steps, TrialState.RUNNING, promotions=1)
        assert scheduler.judge(1, History(Goal.MAXIMIZE, (again,))).pause is paused
    top = observed(1, [0.5] * 26, TrialState.RUNNING, promotions=3)
    assert not scheduler.judge(1, History(Goal.MAXIMIZE, (top,))).stop


def test_who_began_again_keeps_its_place_at_the_rungs_below():
    again = observed(1, [], TrialState.RUNNING, promotions=1)
    others = [observed(n, [n / 10]) for n in range(2, 7)]
    assert promoted(hyperband(mode="promotion"), *others[:3]) == [4]
    assert promoted(hyperband(mode="promotion"), again, *others[:3]) == []  # it is the best one of four
    assert promoted(hyperband(mode="promotion"), again, *others) == [6]


def test_whoever_breaks_leaves_its_bracket_and_its_place_is_not_given_away():
    scheduler = hyperband(mode="synchronous", max_resource=9)  # brackets of nine, three go on, then one
    own = [observed(n, [n / 10]) for n in range(1, 10)]
    assert promoted(scheduler, *own) == [9, 8, 7]
    failed = [observed(n, [1.0], TrialState.FAILED) for n in (9,)]
    assert promoted(scheduler, *own[:8], *failed) == [8, 7, 6]
    running = [observed(9, [], TrialState.RUNNING)]
    assert promoted(scheduler, *own[:8], *running) == []
    assert promoted(scheduler, *own[:8]) == []  # not full yet
    assert promoted(scheduler, *own[:8], budget=8) == [8, 7]
    broken = [observed(9, [0.9, 0.9], TrialState.LOST, promotions=1)]
    above = [observed(n, [n / 10, 0.5, n / 20], promotions=1) for n in (7, 8)]
    assert promoted(scheduler, *own[:6], *above, *broken) == [8]


def test_the_best_is_brought_to_its_end_where_none_came_there():
    own = [observed(n, [n / 10]) for n in (1, 2)]
    scheduler = hyperband(mode="promotion")
    assert promoted(scheduler, *own) == []
    assert promoted(scheduler, *own, budget=3) == []
    assert promoted(scheduler, *own, budget=2) == [2]
    assert promoted(scheduler, own[0], observed(2, [0.2], TrialState.RUNNING), budget=2) == []
    assert promoted(scheduler, *own, observed(3, [0.5] * 5, TrialState.COMPLETED), budget=3) == []


def test_brackets_are_judged_a_rung_later_each():
    good, poor = (0.9,) * 26, (0.1,) * 26
    scheduler = hyperband(brackets=3)
    first = {}
    for number in range(4, 30):
        own = [observed(n, good, TrialState.RUNNING) for n in (1, 2, 3)]
        for steps in range(1, 27):
            trial = observed(number, poor[:steps], TrialState.RUNNING)
            if scheduler.judge(number, History(Goal.MAXIMIZE, (*own, trial))).stop:
                first.setdefault(scheduler.bracket(number), set()).add(steps)
                break
    assert first == {0: {1}, 1: {3}, 2: {9}}


def test_steps_may_be_sparse():
    scheduler = hyperband(max_resource=100, min_resource=5)
    sparse = [
        Observation(n, {"x": n}, TrialState.RUNNING, None, ((10, v), (20, v))) for n, v in enumerate([0.9, 0.8, 0.1], 1)
    ]
    own = tuple(sparse)
    verdict = scheduler.judge(3, History(Goal.MAXIMIZE, own))
    assert verdict.stop and verdict.numbers["rung"] == 15 and verdict.numbers["resource"] == 20


@pytest.mark.parametrize("mode", ["stopping", "promotion", "synchronous"])
def test_the_reasons_carry_the_numbers(mode):
    own = (observed(1, [0.9]), observed(2, [0.8]), observed(3, [0.1], TrialState.RUNNING))
    verdict = hyperband(mode=mode).judge(3, History(Goal.MAXIMIZE, own))
    assert verdict.stop and "rung 1" in verdict.reason and verdict.numbers["value"] == 0.1
    found = hyperband(mode=mode).promote(History(Goal.MAXIMIZE, (*own[:2], observed(3, [0.1])), budget=3), 5)
    for one in found:
        assert one.reason.startswith("Promoted from rung 1 to 3: number 1 of the 3 there with 0.9;")
    assert [one.number for one in found] == ([] if mode == "stopping" else [1])


def test_a_point_says_of_which_bracket_it_is():
    (one,) = hyperband(brackets=3).suggest(MIXED, History(Goal.MAXIMIZE), [2], 0)
    assert one.numbers["bracket"] == 2 and "Bracket 2 of 3: it is first judged at step 3." in one.reason
    (one,) = hyperband().suggest(MIXED, History(Goal.MAXIMIZE), [2], 0)
    assert one.reason == "Uniform random. It is first judged at step 1."


def test_parents_count_where_their_values_are_comparable():
    """F28: with random search, early termination uses what earlier jobs knew."""
    parents = tuple(
        Observation(n, {"x": n}, TrialState.COMPLETED, 0.9, ((1, 0.9),), inherited_from="parent") for n in (1, 2, 3)
    )
    trial = observed(1, [0.1], TrialState.RUNNING)
    for comparable in (True, False):
        assert hyperband().judge(1, History(Goal.MAXIMIZE, (trial,), parents, comparable)).stop is comparable


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.LOST])
def test_what_a_trial_printed_before_it_broke_is_no_bar(state):
    broken = [observed(n, [1.0], state) for n in (1, 2, 3)]
    trial = observed(4, [0.1], TrialState.RUNNING)
    assert not hyperband().judge(4, History(Goal.MAXIMIZE, (*broken, trial))).stop
    paused = [observed(n, [n / 10]) for n in (4, 5, 6)]
    assert promoted(hyperband(mode="promotion"), *broken, *paused) == [6]


@pytest.mark.parametrize("name", ["epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs"])
@pytest.mark.parametrize("value", [30, "30", 30.0])
def test_the_end_is_inferred_from_the_static_epochs(name, value):
    """F45."""
    assert strategies.inferred("hyperband", {"brackets": 2}, {name: value, "x": 1}) == {
        "brackets": 2,
        "max_resource": 30,
    }
    assert strategies.inferred("hyperband", {"max_resource": 9}, {name: value}) == {"max_resource": 9}
    assert strategies.inferred("random", {"parent_share": 1}, {name: value}) == {"parent_share": 1}


@pytest.mark.parametrize(
    ("static", "part"),
    [
        ({}, "no static hyperparameter tells it (epochs, numepochs, n-epochs, n_epochs, num_epochs)"),
        ({"epochs": "many"}, "the static hyperparameter epochs is 'many'"),
        ({"epochs": 20_001}, "give a whole number from 1 to 20000"),
        ({"epochs": 0}, "is 0"),
        ({"n_epochs": 2.5}, "n_epochs is 2.5"),
        ({"epochs": "nan"}, "epochs is 'nan'"),
    ],
)
def test_without_an_end_the_job_is_refused(static, part):
    """F45."""
    with pytest.raises(InvalidSpec) as caught:
        strategies.inferred("hyperband", {"max_resource": None}, static, "job.strategy")
    (fault,) = caught.value.faults
    assert fault.field == "job.strategy.options.max_resource" and part in fault.message


def test_bad_options_are_refused():
    for options, field in [
        ({"max_resource": 20_001}, "max_resource"),
        ({"min_resource": 9, "max_resource": 8}, "max_resource"),
        ({"reduction_factor": 1.5}, "reduction_factor"),
        ({"mode": "sync"}, "mode"),
        ({"searcher": "grid"}, "searcher"),
        ({"brackets": 0}, "brackets"),
    ]:
        with pytest.raises(InvalidSpec) as caught:
            strategies.create("hyperband", options)
        assert [fault.field for fault in caught.value.faults] == [f"strategy.options.{field}"]


def test_a_trial_that_diverged_is_stopped_at_its_rung_and_counts_there():
    """F59: as successive halving has it."""
    policy = strategies.create("hyperband", {"max_resource": 9})
    nan = float("nan")
    own = [
        Observation(n, {"x": n}, TrialState.RUNNING, None, ((1, value),))
        for n, value in enumerate([0.5, nan, 0.4, float("inf"), nan], 1)
    ]
    trials = History(Goal.MAXIMIZE, tuple(own))
    assert [n for n in range(1, 6) if policy.judge(n, trials).stop] == [2, 4, 5]
    verdict = policy.judge(2, trials)
    assert verdict.numbers == {"resource": 1, "rung": 1, "trials": 5, "better": 2, "places": 2}


@pytest.mark.parametrize("mode", ["promotion", "synchronous"])
def test_a_trial_that_diverged_at_its_rung_is_told_that_it_is_not_promoted(mode):
    tuner = Tuner(LINE, strategy="hyperband", mode=mode, max_resource=9, max_trials=3)
    diverged, *others = tuner.ask(3)
    for trial in (diverged, *others):
        tuner.report(trial, math.nan if trial is diverged else 1.0)
        verdict = tuner.should_stop(trial)
        if trial is diverged:
            assert verdict.reason == "Paused at rung 1 without a finite value: it is not promoted."
        tuner.tell(trial)
    while not tuner.done:
        for trial in tuner.ask():
            assert trial.number != diverged.number
            tuner.tell(trial, 1.0)
