"""A job of a scheduler in which anything may happen in any order, as a state machine that hypothesis drives.

It does what any caller does (promotions first, then new points, a verdict at each report), and lets trials break, end
before their time, lose their attempt and begin again, and be stopped by a person.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tuning import strategies
from tuning.contracts import Scheduler
from tuning.history import History, Observation
from tuning.space import Float, SearchSpace
from tuning.states import Goal, TrialState

SPACE = SearchSpace((Float("x", 0.0, 1.0),))
EPOCHS = 9


class SchedulerMachine(RuleBasedStateMachine):
    """A subclass gives the options of ``hyperband``."""

    options: dict[str, object]

    @initialize(budget=st.integers(1, 14), parallel=st.integers(1, 5), told=st.booleans())
    def begin(self, budget: int, parallel: int, told: bool) -> None:
        made = strategies.create("hyperband", {"max_resource": EPOCHS, **self.options})
        assert isinstance(made, Scheduler)
        self.scheduler = made
        self.budget, self.parallel, self.told = budget, parallel, told
        self.own: dict[int, Observation] = {}

    @property
    def history(self) -> History:
        return History(Goal.MAXIMIZE, tuple(self.own.values()), budget=self.budget if self.told else None)

    @property
    def running(self) -> list[Observation]:
        return [trial for trial in self.own.values() if trial.state is TrialState.RUNNING]

    def drawn(self, data: st.DataObject) -> Observation:
        return data.draw(st.sampled_from(self.running))

    @rule(most=st.integers(1, 5))
    def fill(self, most: int) -> None:
        """Promotions first, then new points; not always as many as there is room for."""
        room = min(most, self.parallel - len(self.running))
        promotions = self.scheduler.promote(self.history, room)
        assert len(promotions) <= room
        for one in promotions:
            trial = self.own[one.number]
            assert trial.state is TrialState.PAUSED, "only who is paused is promoted"
            self.own[one.number] = replace(trial, state=TrialState.RUNNING, promotions=trial.promotions + 1)
        wanted = min(room - len(promotions), self.budget - len(self.own))
        numbers = range(len(self.own) + 1, len(self.own) + 1 + wanted)
        suggestions = self.scheduler.suggest(SPACE, self.history, numbers, 0)
        assert len(suggestions) <= wanted
        assert suggestions or self.running or wanted <= 0
        for number, one in zip(numbers, suggestions, strict=False):
            self.own[number] = Observation(number, one.config, TrialState.RUNNING)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), steps=st.integers(1, 4))
    def report(self, data: st.DataObject, steps: int) -> None:
        for _ in range(steps):
            if not self.running:
                return
            self.advance(self.drawn(data).number)

    def advance(self, number: int) -> None:
        """One more report of a running trial, and what is made of it."""
        trial = self.own[number]
        step = len(trial.curve) + 1
        value = float(np.random.default_rng([number, step]).integers(5))  # equal values happen
        trial = self.own[number] = replace(trial, curve=(*trial.curve, (step, value)))
        verdict = self.scheduler.judge(number, self.history)
        if step == EPOCHS:
            assert not verdict.stop, "a whole trial may save its model"
            self.own[number] = replace(trial, state=TrialState.COMPLETED, value=value)
        elif verdict.pause:
            self.own[number] = replace(trial, state=TrialState.PAUSED)
        elif verdict.stop:
            self.own[number] = replace(trial, state=TrialState.EARLY_STOPPED, value=value)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), state=st.sampled_from(["Failed", "Lost", "Stopped", "Completed"]))
    def end(self, data: st.DataObject, state: str) -> None:
        trial = self.drawn(data)
        value = trial.curve[-1][1] if trial.curve and state in ("Stopped", "Completed") else None
        self.own[trial.number] = replace(trial, state=TrialState(state), value=value)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def begin_again(self, data: st.DataObject) -> None:
        trial = self.drawn(data)
        self.own[trial.number] = replace(trial, curve=())

    @precondition(lambda self: self.history.paused)
    @rule(data=st.data())
    def stop_one_that_is_paused(self, data: st.DataObject) -> None:
        trial = data.draw(st.sampled_from(self.history.paused))
        self.own[trial.number] = replace(trial, state=TrialState.STOPPED, value=trial.curve[-1][1])

    @invariant()
    def nobody_goes_further_than_granted(self) -> None:
        levels = (1, 3)
        for trial in self.history.paused:
            assert len(trial.curve) in levels[trial.promotions :], "a pause is at the rung that was granted"

    def teardown(self) -> None:
        """However it stands: all of the budget is tried, everybody ends, and none waits for ever."""
        if not hasattr(self, "own"):
            return
        for _ in range(40 * self.budget):
            self.fill(5)
            if not self.running:
                break
            self.advance(self.running[0].number)
        assert not self.running and len(self.own) == self.budget
        assert not self.scheduler.promote(self.history, 1)
