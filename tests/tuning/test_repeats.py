"""Points that are run several times."""

import math

import pytest

from tests.tuning.strategy_suite import MIXED, SMALL, StrategySuite, bowl, observation
from tuning import Tuner, strategies
from tuning.contracts import Scheduler
from tuning.errors import SpaceExhausted
from tuning.history import History
from tuning.initial_points import points_from_json
from tuning.repeats import Repeated
from tuning.simulate import simulate
from tuning.space import Float, SearchSpace
from tuning.states import Goal, TrialState

CENTRE = {"lr": 0.01, "momentum": 0.9, "units": 128, "layers": 3, "optimizer": "adam"}


class TestOnce(StrategySuite):
    """times = 1 is the contract of every strategy: never the same point twice."""

    name = "tpe"

    def make(self):
        return Repeated(1, strategies.create(self.name, self.options))

    def made_elsewhere(self) -> str:
        return "import tests.tuning.test_repeats as here; strategy = here.TestOnce().make()"


def runs(times, trials, name="random", parallel=1, objective=bowl, space=MIXED):
    history = simulate(Repeated(times, strategies.create(name, {})), space, objective, trials, parallel=parallel)
    return [space.key(trial.config) for trial in history.own]


@pytest.mark.parametrize("parallel", [1, 2, 5])
def test_each_point_is_run_that_many_times_in_a_row(parallel):
    keys = runs(3, 12, parallel=parallel)
    assert keys[0::3] == keys[1::3] == keys[2::3]
    assert len(set(keys)) == 4


def test_the_points_are_those_of_a_search_without_repeats():
    """The initial design, and a Sobol sequence, are not thinned out."""
    for name in ("sobol", "grid", "random", "bayesian"):
        once = simulate(strategies.create(name, {}), MIXED, bowl, 12)
        assert runs(2, 24, name)[::2] == [MIXED.key(trial.config) for trial in once.own]


def test_a_strategy_sees_the_mean_of_a_points_runs():
    seen = []

    class Spy:
        def suggest(self, space, history, numbers, seed):
            seen.append((history.own, list(numbers)))
            return strategies.create("random", {}).suggest(space, history, numbers, seed)

    configs = [dict(config) for config in SMALL.grid(3)]
    states = [TrialState.COMPLETED, TrialState.FAILED, TrialState.COMPLETED, TrialState.FAILED, TrialState.LOST]
    values = [0.2, None, 0.6, None, None]
    own = [
        observation(i + 1, configs[0 if i < 3 else 1], v, s)
        for i, (v, s) in enumerate(zip(values, states, strict=True))
    ]
    own += [observation(n, configs[2], None, TrialState.RUNNING) for n in (6, 7, 8)]
    found = Repeated(3, Spy()).suggest(SMALL, History(Goal.MAXIMIZE, tuple(own)), [9, 10, 11, 12, 13], 0)
    assert found[0].config == configs[1] and "Run 3 of 3 of the point of trial 4" in found[0].reason
    ((points, numbers),) = seen
    assert numbers == [4, 5]  # two new points for the four numbers that are left
    assert [point.number for point in points] == [1, 2, 3]
    assert [point.state for point in points] == [TrialState.COMPLETED, TrialState.LOST, TrialState.RUNNING]
    assert points[0].value == pytest.approx(0.4)
    assert [one.numbers.get("run") for one in found] == [3, 1, 2, 3, 1]


def test_asking_together_is_asking_in_turn():
    history = simulate(Repeated(3, strategies.create("bayesian", {})), MIXED, bowl, 10)
    strategy = Repeated(3, strategies.create("bayesian", {}))
    together = strategy.suggest(MIXED, history, [11, 12, 13, 14, 15, 16], 0)
    own = history.own
    for number, expected in zip(range(11, 17), together, strict=True):
        (one,) = strategy.suggest(MIXED, History(Goal.MAXIMIZE, own), [number], 0)
        assert one.config == expected.config
        own = (*own, observation(number, one.config, None, TrialState.RUNNING))


def test_an_exhausted_space_is_run_to_the_last_repeat():
    keys = runs(2, 100, space=SMALL, objective=lambda config: 1.0, parallel=4)
    assert len(keys) == 12 and len(set(keys)) == 6
    history = simulate(Repeated(2, strategies.create("random", {})), SMALL, lambda config: 1.0, 100)
    with pytest.raises(SpaceExhausted):
        Repeated(2, strategies.create("random", {})).suggest(SMALL, history, [13], 0)


def test_huge_values_have_a_mean():
    seen = []

    class Spy:
        def suggest(self, space, history, numbers, seed):
            seen.extend(history.own)
            raise SpaceExhausted("enough")

    own = tuple(observation(n, {"a": 1, "b": "x"}, 1.7e308) for n in (1, 2))
    with pytest.raises(SpaceExhausted):
        Repeated(2, Spy()).suggest(SMALL, History(Goal.MAXIMIZE, own), [3], 0)
    assert math.isfinite(seen[0].value)


def test_initial_points_are_repeated_like_the_others():
    points = points_from_json(MIXED, [CENTRE])
    strategy = strategies.planned("random", {}, points, repeats=2)
    history = simulate(strategy, MIXED, bowl, 4)
    configs = [trial.config for trial in history.own]
    assert configs[0] == configs[1] == CENTRE and configs[2] == configs[3] != CENTRE


def test_a_scheduler_stays_a_scheduler_and_nothing_else_becomes_one():
    points = points_from_json(MIXED, [CENTRE])
    for given, times in [((), 1), (points, 1), ((), 2), (points, 2)]:
        planned = strategies.planned("hyperband", {"mode": "promotion", "max_resource": 9}, given, times)
        assert isinstance(planned, Scheduler)
        assert not isinstance(strategies.planned("random", {}, given, times), Scheduler)
        curve = ((1, 0.5),)
        own = tuple(observation(n, CENTRE, None, TrialState.PAUSED) for n in (1, 2, 3))
        own = tuple(trial.__class__(trial.number, trial.config, trial.state, None, curve) for trial in own)
        assert [one.number for one in planned.promote(History(Goal.MAXIMIZE, own), 5)] == [1]
        assert planned.judge(1, History(Goal.MAXIMIZE, own)).pause
        assert len(planned.suggest(MIXED, History(Goal.MAXIMIZE), [1, 2, 3], 0)) == 3


def test_less_than_once_is_refused():
    with pytest.raises(ValueError, match="at least once"):
        Repeated(0, strategies.create("random", {}))


@pytest.mark.parametrize("mode", ["stopping", "promotion", "synchronous"])
def test_a_scheduler_judges_each_run_by_its_own_curve(mode):
    strategy = strategies.planned("hyperband", {"mode": mode, "max_resource": 9}, repeats=2)
    noise = iter(range(1, 10**6))
    history = simulate(
        strategy, MIXED, lambda c: [bowl(c) + (7 * next(noise) % 5) / 10 - 1 / e for e in range(1, 10)], 18, parallel=3
    )
    keys = [MIXED.key(trial.config) for trial in history.own]
    assert keys[::2] == keys[1::2] and len(set(keys)) == 9
    assert all(trial.state.terminal for trial in history.own)
    lengths = [len(trial.curve) for trial in history.own]
    assert max(lengths) == 9 and lengths[::2] != lengths[1::2]


def test_a_run_that_is_due_costs_no_key_of_what_has_been_run():
    made = []

    class Counted(SearchSpace):
        def keys(self, configs):
            made.extend(configs)
            return super().keys(configs)

    tuner = Tuner(Counted((Float("x", 0.0, 1.0),)), strategy="random", repeats=3)
    for trial in tuner.ask(100):
        tuner.tell(trial, 1.0)
    tuner.tell(*tuner.ask(), 1.0)  # the second run of the last point
    made.clear()
    tuner.best_point()
    assert tuner.ask()[0].numbers["run"] == 3
    assert len(made) <= 1
