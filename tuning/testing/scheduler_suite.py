# ruff: noqa: PT018  (as in the tests)
"""The contract of a scheduler as tests: its own test class inherits SchedulerSuite, and with it StrategySuite.

Everything here must hold for any Scheduler whose trials count their resource in steps from 1. Its trials are whole at
EPOCHS steps: a subclass gives the options by which the scheduler knows that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tuning import strategies
from tuning.contracts import Promotion, Scheduler, Suggestion, Verdict
from tuning.history import History, Observation
from tuning.simulate import simulate
from tuning.space import Config, SearchSpace
from tuning.states import Goal, TrialState
from tuning.testing import elsewhere
from tuning.testing.strategy_suite import MIXED, SMALL, StrategySuite, bowl

EPOCHS = 9
Curves = Callable[[Config], Sequence[float | None]]


def climbing(config: Config) -> list[float]:
    """A curve of EPOCHS values that climbs to the bowl's, good points first."""
    return [bowl(config) - 2.0 / epoch for epoch in range(1, EPOCHS + 1)]


def crossing(config: Config) -> list[float]:
    """Curves whose order changes on the way: each has its own speed, by a digit of its configuration."""
    speed = 1 + hash_of(config) % 5
    return [bowl(config) - speed / epoch for epoch in range(1, EPOCHS + 1)]


def hash_of(config: Config) -> int:
    return sum(map(ord, json.dumps(dict(config), sort_keys=True)))


class Watched:
    """A scheduler that checks at each call what any caller relies on, and keeps what was said."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.said: list[Suggestion | Verdict | Promotion] = []

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        found = self.scheduler.suggest(space, history, numbers, seed)
        assert len(found) <= len(numbers)
        running = [trial for trial in history.pending if trial.state is not TrialState.PAUSED]
        assert found or running or not numbers or self.scheduler.promote(history, 1), "it waits for nobody"
        self.said += found
        return found

    def judge(self, number: int, history: History) -> Verdict:
        verdict = self.scheduler.judge(number, history)
        assert verdict == self.scheduler.judge(number, history)
        self.said.append(verdict)
        return verdict

    def promote(self, history: History, room: int) -> list[Promotion]:
        found = self.scheduler.promote(history, room)
        paused = {trial.number for trial in history.paused}
        assert len(found) <= room
        assert {one.number for one in found} <= paused
        assert len({one.number for one in found}) == len(found)
        assert found == self.scheduler.promote(history, 10**6)[:room], "the best come first, however much room there is"
        self.said += found
        return found


class SchedulerSuite(StrategySuite):
    def make(self) -> Scheduler:
        scheduler = strategies.create(self.name, self.options)
        assert isinstance(scheduler, Scheduler)
        return scheduler

    def run(self, objective: Curves = climbing, trials: int = 20, **more: Any) -> tuple[History, Watched]:
        watched = Watched(self.make())
        return simulate(watched, MIXED, objective, trials, **more), watched

    def test_it_is_offered_as_one(self) -> None:
        (info,) = [info for info in strategies.catalogue() if info.name == self.name]
        assert info.schedules

    @pytest.mark.parametrize("parallel", [1, 3, 8])
    @pytest.mark.parametrize("checkpoints", [True, False])
    def test_every_trial_of_the_budget_begins_and_ends(self, parallel: int, checkpoints: bool) -> None:
        history, _ = self.run(crossing, 20, parallel=parallel, checkpoints=checkpoints)
        assert [trial.number for trial in history.own] == list(range(1, 21))
        assert {trial.state for trial in history.own} <= {TrialState.COMPLETED, TrialState.EARLY_STOPPED}
        assert all(trial.value is not None and trial.curve for trial in history.own)

    def test_most_of_the_work_is_saved_and_a_trial_comes_to_its_end(self) -> None:
        history, _ = self.run(trials=27, parallel=4)
        assert sum(len(trial.curve) for trial in history.own) < 0.6 * 27 * EPOCHS
        assert max(len(trial.curve) for trial in history.own) == EPOCHS

    def test_everything_that_is_said_has_a_reason_and_numbers(self) -> None:
        _, watched = self.run(crossing, 15, parallel=2)
        assert any(isinstance(one, Verdict) and one.stop for one in watched.said)
        for one in watched.said:
            assert one.reason and one.numbers
            assert json.loads(json.dumps(one.numbers, allow_nan=False)) == one.numbers

    def test_room_is_never_exceeded(self) -> None:
        history, _ = self.run(crossing, 20, parallel=3)
        scheduler = self.make()
        paused = tuple(replace(t, state=TrialState.PAUSED, value=None) for t in history.own)
        for room in (0, 1, 2, 100):
            assert len(scheduler.promote(replace(history, own=paused), room)) <= room

    def test_a_single_trial_comes_to_its_end(self) -> None:
        for parallel in (1, 4):
            history, _ = self.run(trials=1, parallel=parallel)
            assert [len(trial.curve) for trial in history.own] == [EPOCHS]

    @pytest.mark.parametrize("every", [2, 3])
    @pytest.mark.parametrize("at", [0, 1, 3, 8])
    def test_trials_that_break_hold_nobody_up(self, every: int, at: int) -> None:
        """``at`` 0: before anything is reported; 1 and 3 are rungs."""
        broken: set[str] = set()

        def moody(config: Config) -> Sequence[float | None]:
            if hash_of(config) % every == 0:
                broken.add(MIXED.key(config))
                return [*climbing(config)[:at], None]
            return climbing(config)

        history, _ = self.run(moody, 30, parallel=4)
        assert len(history.own) == 30 and broken
        assert all(trial.state.terminal for trial in history.own)
        assert any(len(trial.curve) == EPOCHS for trial in history.finished)

    def test_if_everything_breaks_the_search_still_ends(self) -> None:
        for at in (0, 1, 4):

            def broken(config: Config, at: int = at) -> list[float | None]:
                return [*climbing(config)[:at], None]

            history, _ = self.run(broken, 15, parallel=3)
            assert len(history.own) == 15
            assert all(trial.state.terminal for trial in history.own)

    def test_trials_that_end_before_their_rung_count_with_their_last_value(self) -> None:
        """Half of the scripts are over after two epochs."""

        def short(config: Config) -> list[float]:
            return climbing(config)[: 2 if hash_of(config) % 2 else EPOCHS]

        history, _ = self.run(short, 30, parallel=4)
        assert all(trial.state.terminal for trial in history.own)
        assert {len(trial.curve) for trial in history.own if trial.state is TrialState.COMPLETED} >= {2}

    def test_beginning_again_changes_nothing_but_the_cost(self) -> None:
        """Whoever was promoted is not judged again below the rung that it was promoted to."""
        resumed, _ = self.run(crossing, 24, parallel=1)
        again, _ = self.run(crossing, 24, parallel=1, checkpoints=False)
        assert [(t.number, len(t.curve), t.state) for t in again.own] == [
            (t.number, len(t.curve), t.state) for t in resumed.own
        ]

    def test_an_exhausted_space_leaves_nobody_waiting(self) -> None:
        watched = Watched(self.make())
        history = simulate(watched, SMALL, lambda c: [float(c["a"])] * EPOCHS, 100, parallel=4)
        assert len(history.own) == 6
        assert all(trial.state.terminal for trial in history.own)
        assert max(len(trial.curve) for trial in history.own) == EPOCHS

    def test_minimising_is_maximising_mirrored_on_curves(self) -> None:
        up, _ = self.run(crossing, 20, parallel=2)
        down, _ = self.run(lambda c: [-v for v in crossing(c)], 20, parallel=2, goal=Goal.MINIMIZE)
        assert [(t.config, len(t.curve)) for t in up.own] == [(t.config, len(t.curve)) for t in down.own]

    def test_a_report_beyond_the_end_stops_a_trial(self) -> None:
        curve = tuple((step, 0.5) for step in range(1, EPOCHS + 1))
        trial = Observation(1, {"x": 1}, TrialState.RUNNING, None, curve, promotions=9)
        scheduler = self.make()
        assert not scheduler.judge(1, History(Goal.MAXIMIZE, (trial,))).stop
        over = replace(trial, curve=(*curve, (EPOCHS + 1, 0.5)))
        verdict = scheduler.judge(1, History(Goal.MAXIMIZE, (over,)))
        assert verdict.stop and not verdict.pause

    def test_nothing_is_said_of_who_is_unknown_or_silent(self) -> None:
        scheduler = self.make()
        silent = Observation(1, {"x": 1}, TrialState.RUNNING)
        for number in (1, 2):
            assert not scheduler.judge(number, History(Goal.MAXIMIZE, (silent,))).stop
        assert scheduler.promote(History(Goal.MAXIMIZE), 4) == []

    def test_the_same_seed_gives_the_same_trials_in_another_process(self) -> None:
        """As for any strategy, and with the same verdicts and promotions."""
        code = (
            "import json\n"
            "from tuning.testing.scheduler_suite import MIXED, crossing\n"
            "from tuning import strategies\n"
            "from tuning.simulate import simulate\n"
            f"{self.made_elsewhere()}\n"
            "history = simulate(strategy, MIXED, crossing, trials=18, parallel=3, seed=3)\n"
            "print(json.dumps([[t.config, len(t.curve), t.promotions] for t in history.own]))\n"
        )
        here = simulate(self.make(), MIXED, crossing, trials=18, parallel=3, seed=3)
        assert json.loads(elsewhere.printed(code)) == [[t.config, len(t.curve), t.promotions] for t in here.own]

    def test_inherited_curves_are_survived(self) -> None:
        parents, _ = self.run(crossing, 12, parallel=2, seed=8)
        inherited = tuple(replace(trial, inherited_from="parent") for trial in parents.own)
        for comparable in (True, False):
            history, _ = self.run(crossing, 12, parallel=2, inherited=inherited, comparable=comparable)
            assert len(history.own) == 12
