# ruff: noqa: PT018  (as in the tests)
"""The contract of an early-stopping policy as tests: a policy's own test class inherits PolicySuite.

One that has evaluation_interval and delay_evaluation inherits IntervalSuite.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping

import pytest

from tuning import earlystop
from tuning.contracts import Policy
from tuning.errors import InvalidSpec
from tuning.history import History, Observation
from tuning.states import Goal, TrialState

GOOD = (0.6, 0.7, 0.8, 0.85, 0.9, 0.91, 0.92, 0.93)
MIDDLING = (0.5, 0.6, 0.65, 0.7, 0.72, 0.74, 0.75, 0.75)
POOR = (0.1, 0.1, 0.11, 0.12, 0.12, 0.12, 0.12, 0.12)


def trial(number: int, values: tuple[float, ...], state: TrialState = TrialState.RUNNING) -> Observation:
    curve = tuple((step, value) for step, value in enumerate(values, start=1))
    return Observation(number, {"x": number}, state, values[-1] if state.terminal and values else None, curve)


def history(*curves: tuple[float, ...], goal: Goal = Goal.MAXIMIZE) -> History:
    return History(goal, tuple(trial(number, values) for number, values in enumerate(curves, start=1)))


class PolicySuite:
    name: str
    options: Mapping[str, object] = {}

    def make(self, **options: object) -> Policy:
        return earlystop.create(self.name, {**self.options, **options})

    def test_a_poor_trial_is_stopped_and_a_good_one_goes_on(self) -> None:
        trials = history(GOOD, MIDDLING, GOOD, POOR)
        assert self.make().judge(4, trials).stop
        assert not self.make().judge(1, trials).stop

    def test_every_verdict_says_why_with_numbers(self) -> None:
        trials = history(GOOD, MIDDLING, POOR)
        for number in (1, 2, 3):
            verdict = self.make().judge(number, trials)
            assert verdict.reason and verdict.numbers
            assert json.loads(json.dumps(verdict.numbers, allow_nan=False)) == verdict.numbers

    def test_the_only_trial_goes_on(self) -> None:
        assert not self.make().judge(1, history(POOR)).stop

    def test_a_trial_without_reports_goes_on(self) -> None:
        assert not self.make().judge(2, history(GOOD, ())).stop
        assert not self.make().judge(9, history(GOOD)).stop

    def test_equal_trials_all_go_on(self) -> None:
        for number in (1, 2, 3):
            assert not self.make().judge(number, history(GOOD, GOOD, GOOD)).stop

    @pytest.mark.parametrize("goal", list(Goal))
    def test_a_plateau_is_not_worse_than_its_own_average(self, goal: Goal) -> None:
        """However the average is rounded: that of 0.003, 0.003, 0.003 is a little more in some arithmetic."""
        for value in (0.003, 0.1, 1 / 3, 0.7, 1e-9, 123456.789):
            for length in range(1, 12):
                trials = history(*[(value,) * length] * 3, goal=goal)
                assert not any(self.make().judge(number, trials).stop for number in (1, 2, 3))

    def mirrored(self, value: float) -> float:
        """What ``value`` of a maximised objective corresponds to when minimising."""
        return -value

    def test_minimising_is_maximising_mirrored(self) -> None:
        up = history(GOOD, MIDDLING, POOR, GOOD)
        mirrored = [tuple(self.mirrored(value) for _, value in one.curve) for one in up.own]
        down = history(*mirrored, goal=Goal.MINIMIZE)
        for number in (1, 2, 3, 4):
            assert self.make().judge(number, up).stop == self.make().judge(number, down).stop

    def test_trials_that_have_all_diverged_go_on(self) -> None:
        """There is nothing that they are worse than."""
        for number in (1, 2, 3):
            assert not self.make().judge(number, history(*[(math.nan,) * 8] * 3)).stop

    @pytest.mark.parametrize("goal", list(Goal))
    @pytest.mark.parametrize("far", [sys.float_info.max, 1.7e308, 5e-324])
    def test_values_as_far_as_floats_go_are_judged_like_any(self, goal: Goal, far: float) -> None:
        """A script that has nothing better to say prints the largest float, of which two have no sum."""
        curves = [(far,) * 8, (-far,) * 8, (far, 0.0) * 4, (0.0, -far, far, 1.0) * 2]
        for chosen in (curves[:1], curves[:2], curves[1:3], curves):
            trials = history(*chosen, goal=goal)
            for number in range(1, len(chosen) + 1):
                verdict = earlystop.judge_reports(self.make(), number, trials)
                assert verdict.reason and json.dumps(verdict.numbers, allow_nan=False)

    def test_unknown_and_bad_options_are_refused_all_at_once(self) -> None:
        bad = {
            option.name: object() for info in earlystop.catalogue() if info.name == self.name for option in info.options
        }
        with pytest.raises(InvalidSpec) as caught:
            earlystop.create(self.name, {**bad, "nonsense": 1}, field="stop")
        assert {fault.field for fault in caught.value.faults} == {f"stop.options.{name}" for name in (*bad, "nonsense")}

    def test_it_is_in_the_catalogue_with_working_defaults(self) -> None:
        (info,) = [info for info in earlystop.catalogue() if info.name == self.name]
        assert info.title and info.summary
        earlystop.create(self.name, {option.name: option.default for option in info.options})
        assert all(option.help for option in info.options)


class IntervalSuite(PolicySuite):
    """A policy that is applied by evaluation_interval and delay_evaluation."""

    def test_it_is_judged_at_multiples_of_the_interval_from_the_delay_on(self) -> None:
        """F64, F65: interval 2 and delay 5 judge at 6, 8, 10."""
        policy = self.make(evaluation_interval=2, delay_evaluation=5)
        stopped = []
        for count in range(1, 12):
            trials = history(*[(0.9,) * 11] * 3, (0.1,) * count)
            if policy.judge(4, trials).stop:
                stopped.append(count)
        assert stopped == [6, 8, 10]

    @pytest.mark.parametrize("goal", list(Goal))
    @pytest.mark.parametrize("told", [math.nan, math.inf, -math.inf])
    def test_a_trial_that_diverged_from_the_start_is_worse_than_any_other(self, goal: Goal, told: float) -> None:
        """F59: whatever is reported is an interval, and nothing is worse than what is not finite."""
        poor = [tuple(self.mirrored(value) for value in POOR) if goal is Goal.MINIMIZE else POOR] * 4
        trials = history(*poor, (told,) * 8, goal=goal)
        assert any(self.make().judge(5, history(*poor, (told,) * n, goal=goal)).stop for n in range(1, 9))
        assert not any(self.make().judge(number, trials).stop for number in (1, 2, 3, 4))
        for number in (1, 5):
            assert json.dumps(self.make().judge(number, trials).numbers, allow_nan=False)

    def test_reports_that_are_not_finite_count(self) -> None:
        """F59, F64: at interval 5, the fifth report is judged, and no other for it."""
        policy = self.make(evaluation_interval=5)
        told = (0.1, math.nan, 0.1, 0.1, math.inf, 0.1)
        stopped = [n for n in range(1, 7) if policy.judge(4, history(*[(0.9,) * 7] * 3, told[:n])).stop]
        assert stopped == [5]

    def test_a_verdict_that_is_not_due_says_when_it_is(self) -> None:
        policy = self.make(evaluation_interval=2, delay_evaluation=5)
        assert "next at report 6" in policy.judge(1, history(GOOD[:3], GOOD)).reason

    def test_the_default_is_every_report(self) -> None:
        """C6: evaluation_interval is 1 by default."""
        trials = history(GOOD[:1], GOOD[:1], POOR[:1])
        assert self.make().judge(3, trials).stop

    def test_no_interval_is_missed_when_reports_come_together(self) -> None:
        policy = self.make(evaluation_interval=5)
        trials = history(*[(0.9,) * 7] * 3, (0.1,) * 7)
        assert not policy.judge(4, trials).stop
        verdict = earlystop.judge_reports(policy, 4, trials, judged=3)
        assert verdict.stop and verdict.numbers["interval"] == 5
        assert not earlystop.judge_reports(policy, 4, trials, judged=5).stop
        with pytest.raises(ValueError, match="no report"):
            earlystop.judge_reports(policy, 4, trials, judged=7)
