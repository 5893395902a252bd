"""Replay of policies over recorded curves: the same verdicts as while the trials ran, what is saved, what is lost."""

import math
import random
import sys
import time
from dataclasses import replace

import pytest

from tests.tuning.policy_suite import history, trial
from tuning import Tuner, earlystop
from tuning.analysis.recording import RecordedTrial, Recording
from tuning.analysis.replay import replay, sweep
from tuning.analysis.unavailable import Unavailable
from tuning.contracts import Verdict
from tuning.errors import InvalidSpec
from tuning.history import History, Observation
from tuning.states import Goal, TrialState

POLICIES = [
    ("median", {}),
    ("median", {"evaluation_interval": 2, "delay_evaluation": 3}),
    ("bandit", {"slack_factor": 0.2}),
    ("bandit", {"slack_amount": 0.1}),
    ("truncation", {"truncation_percentage": 40}),
    ("truncation", {"truncation_percentage": 60, "exclude_finished_jobs": "yes"}),
    ("asha", {"reduction_factor": 2}),
    ("asha", {"min_resource": 2, "max_resource": 6}),
    ("automatic", {"delay_evaluation": 2}),
]


def recorded(number, values, start=None, end=None, state=TrialState.COMPLETED, times=()):
    return RecordedTrial(trial(number, tuple(values), state), start, end, times)


def recording(*trials, goal=Goal.MAXIMIZE):
    return Recording.of(History(goal), trials)


def any_recording(seed):
    """A few trials of any state, timed or not, with parents, NaN, equal values and reports at the same moment."""
    rng = random.Random(seed)
    states = [TrialState.COMPLETED] * 4 + [TrialState.FAILED, TrialState.LOST, TrialState.STOPPED, TrialState.RUNNING]

    def values():
        return [rng.choice([rng.random(), 0.5, -rng.random(), math.nan]) for _ in range(rng.choice([0, 1, 4, 9]))]

    timed = rng.random() < 0.7
    trials = []
    for number in range(1, rng.randint(3, 9)):
        found, start = values(), rng.randint(0, 9)
        times = [float(start + n) for n in range(1, len(found) + 1)] if rng.random() < 0.5 else ()
        ends = start + rng.randint(1, 9) if timed else None
        trials.append(recorded(number, found, start if timed else None, ends, rng.choice(states), times))
    parents = tuple(
        replace(trial(n, tuple(values()), rng.choice(states[:6])), inherited_from="p") for n in range(rng.randint(1, 4))
    )
    return Recording.of(History(rng.choice(list(Goal)), inherited=parents, comparable=rng.random() < 0.7), trials)


class Plain:
    """A policy that knows no boards, as one from another package may be."""

    def __init__(self, policy):
        self.policy = policy

    def judge(self, number, history):
        return self.policy.judge(number, history)


@pytest.mark.parametrize(("name", "options"), POLICIES)
def test_the_fast_way_gives_the_verdicts_of_judge(name, options):
    policy, stops = earlystop.create(name, options), 0
    for seed in range(150):
        fast, plain = replay(any_recording(seed), policy), replay(any_recording(seed), Plain(policy))
        assert repr(fast) == repr(plain)  # NaN is not equal to itself
        stops += 0 if isinstance(fast, Unavailable) else len(fast.stopped)
    assert stops > 10


def as_the_service(one: Recording, policy):
    """The stops when the same trials run and the service judges each report as it comes."""
    own: dict[int, Observation] = {}
    stops = {}
    for event in one.events:
        found = one.trials[event.place].trial
        number = found.number
        if number in stops:
            continue
        if event.kind == "start":
            own[number] = Observation(number, found.config, TrialState.RUNNING)
        elif event.kind == "end":
            own[number] = replace(own[number], state=found.state, value=found.value)
        else:
            own[number] = replace(own[number], curve=found.curve[: event.count])
            now = History(one.goal, tuple(own[n] for n in sorted(own)), one.inherited, one.comparable)
            verdict = earlystop.judge_reports(policy, number, now, event.count - 1)
            if verdict.stop:
                stops[number] = (event.count, verdict.reason)
                value = found.curve[event.count - 1][1]
                state = TrialState.EARLY_STOPPED if math.isfinite(value) else TrialState.FAILED
                own[number] = replace(own[number], state=state, value=value)
    return stops


@pytest.mark.parametrize(("name", "options"), POLICIES)
def test_it_stops_what_the_service_would_have_stopped(name, options):
    policy = earlystop.create(name, options)
    for seed in range(300, 340):
        found = replay(any_recording(seed), policy)
        if not isinstance(found, Unavailable):
            expected = as_the_service(any_recording(seed), policy)
            assert {one.number: (one.report, one.reason) for one in found.stopped} == expected


@pytest.mark.parametrize(("name", "options"), POLICIES)
def test_it_stops_what_a_tuner_stops_where_trainings_diverge(name, options):
    stopped = 0
    for seed in range(10):
        rng = random.Random(seed)
        curves = [[rng.choice([rng.random(), 0.5, math.nan]) for _ in range(rng.randint(1, 9))] for _ in range(12)]
        space = [{"name": "x", "type": "float", "min": 0, "max": 1}]
        whole = Tuner(space, strategy="random")
        judged = Tuner(space, strategy="random", early_stopping={"name": name, **options})
        expected = {}
        for curve in curves:
            whole.tell(*whole.ask(), curve=curve)
            (one,) = judged.ask()
            for count, value in enumerate(curve, 1):
                judged.report(one, value)
                if (verdict := judged.should_stop(one)).stop:
                    expected[one.number] = (count, verdict.reason)
                    break
            judged.tell(one)
        found = replay(Recording.of(whole.history), earlystop.create(name, options))
        assert {one.number: (one.report, one.reason) for one in found.stopped} == expected
        stopped += len(expected)
    assert stopped > 5 or "exclude_finished_jobs" in options  # beside no other running trial, none is stopped


GOOD, POOR = (0.5, 0.7, 0.8, 0.9), (0.1, 0.1, 0.2, 0.3)


@pytest.mark.parametrize(("name", "options"), POLICIES)
@pytest.mark.parametrize("goal", list(Goal))
def test_values_as_far_as_floats_go_are_replayed(name, options, goal):
    """F111: as they were judged; two of the largest floats have no sum."""
    far = sys.float_info.max
    curves = [(far,) * 6, (far, -far) * 3, (-far,) * 6, (far / 3, far, 0.0, 5e-324, far, far), (1.0, 0.5, 0.4)]
    one = recording(*[recorded(number, values) for number, values in enumerate(curves, 1)], goal=goal)
    policy = earlystop.create(name, options)
    told = replay(one, Plain(policy))
    assert replay(one, policy) == told  # so no number is NaN
    assert math.isfinite(told.regret)


def test_what_is_saved_and_lost_is_counted():
    found = replay(
        recording(recorded(1, GOOD, 0, 40), recorded(2, POOR, 40, 80), recorded(3, GOOD, 80, 120)),
        earlystop.create("bandit", {"slack_factor": 0.2, "evaluation_interval": 2}),
    )
    (stopped,) = found.stopped
    assert (stopped.number, stopped.report, stopped.step, stopped.value, stopped.final) == (2, 2, 2, 0.1, 0.3)
    assert stopped.reason.startswith("Stopped at report 2") and stopped.numbers["best"] == 0.1
    assert (found.trials, found.steps, found.saved_steps, found.saved_share) == (3, 12, 2, 2 / 12)
    assert (found.seconds, found.saved_seconds) == (120, 20) and found.timed
    assert found.best.number == found.kept.number == 1 and found.regret == 0


def test_losing_the_best_trial_costs_regret():
    late = (0.1, 0.1, 0.5, 1.0)
    trials = recording(recorded(1, GOOD), recorded(2, late))
    found = replay(trials, earlystop.create("bandit", {}))
    assert [one.number for one in found.stopped] == [2]
    assert (found.best.number, found.kept.number) == (2, 1)
    assert found.regret == pytest.approx(1.0 - 0.9)
    mirrored = recording(recorded(1, [-v for v in GOOD]), recorded(2, [-v for v in late]), goal=Goal.MINIMIZE)
    down = replay(mirrored, earlystop.create("bandit", {"slack_amount": 0.1}))
    assert down.regret == pytest.approx(1.0 - 0.9)


def test_without_a_policy_nothing_is_stopped():
    found = replay(recording(recorded(1, GOOD), recorded(2, POOR)), None)
    assert (found.stopped, found.saved_steps, found.regret) == ((), 0, 0)


def test_the_order_is_that_of_the_clock_not_of_the_numbers():
    """Trial 1 starts late: whoever reported before it is the bar."""
    policy = earlystop.create("bandit", {})
    first, second = (0.3,) * 4, (0.9,) * 4
    in_parallel = replay(recording(recorded(1, first, 100, 140), recorded(2, second, 0, 40)), policy)
    assert [(one.number, one.report) for one in in_parallel.stopped] == [(1, 1)]
    one_by_one = replay(recording(recorded(1, first), recorded(2, second)), policy)
    assert not one_by_one.stopped and not one_by_one.timed and one_by_one.saved_seconds is None


def test_reports_have_their_own_times():
    """Trial 2 overtakes at second 15: trial 1 is stopped at its next report, at 20."""
    policy = earlystop.create("bandit", {})
    found = replay(
        recording(
            recorded(1, (0.5, 0.5, 0.5, 0.5), 0, 45, times=(10, 20, 30, 40)),
            recorded(2, (0.9, 0.9), 0, 31, times=(15, 30)),
        ),
        policy,
    )
    assert [(one.number, one.report, one.saved_seconds) for one in found.stopped] == [(1, 2, 25)]


def test_a_stopped_trial_says_no_more():
    """What trial 1 would have reached after its stop is no bar for trial 3."""
    rising = (0.1, 0.95, 0.95, 0.95)
    policy = earlystop.create("bandit", {})
    found = replay(recording(recorded(1, (0.5,) * 4), recorded(2, rising), recorded(3, (0.5,) * 4)), policy)
    assert [one.number for one in found.stopped] == [2]


def test_steps_are_the_resource():
    curve = ((10, 0.1), (20, 0.1), (50, 0.2))
    one = RecordedTrial(Observation(2, {}, TrialState.COMPLETED, 0.2, curve))
    found = replay(recording(recorded(1, GOOD), one), earlystop.create("bandit", {}))
    assert (found.steps, found.saved_steps) == (54, 40)


def test_trials_that_had_been_stopped_are_told_of():
    found = replay(
        recording(recorded(1, GOOD), recorded(2, POOR[:2], state=TrialState.EARLY_STOPPED)),
        earlystop.create("median", {"delay_evaluation": 4}),
    )
    assert found.cut_short == 1 and not found.stopped


def test_a_failed_trial_is_a_bar_until_it_fails():
    broken = recorded(1, (1.0, 1.0), 0, 20, TrialState.FAILED)
    policy = earlystop.create("bandit", {})
    while_it_runs = replay(recording(broken, recorded(2, (0.5, 0.5), 10, 30)), policy)
    after = replay(recording(broken, recorded(2, (0.5, 0.5), 30, 50)), policy)
    assert len(while_it_runs.stopped) == 1 and not after.stopped


def test_there_must_be_something_to_stop():
    found = replay(recording(recorded(1, (0.5,)), recorded(2, ())), earlystop.create("median", {}))
    assert isinstance(found, Unavailable) and "more than once" in found.reason


def test_a_slider_shows_what_a_tighter_slack_saves():
    rng = random.Random(0)
    curves = [tuple(min(1.0, rng.random() * (1 - 0.9**n)) for n in range(1, 30)) for _ in range(20)]
    one = Recording.of(
        replace(history(*curves), own=tuple(trial(i, c, TrialState.COMPLETED) for i, c in enumerate(curves, 1)))
    )
    points = sweep(one, "bandit", "slack_factor", [0.0, 0.2, 0.5, 2.0])
    saved = [point.replay.saved_share for point in points]
    assert saved == sorted(saved, reverse=True) and saved[0] > saved[-1]
    assert [point.value for point in points] == [0.0, 0.2, 0.5, 2.0]
    with pytest.raises(InvalidSpec) as caught:
        sweep(one, "bandit", "slack_factor", [0.1, -1])
    assert [fault.field for fault in caught.value.faults] == ["early_stopping.options.slack_factor"]


def test_any_policy_can_be_replayed():
    class Never:
        def judge(self, number, history):
            assert history.trial(number).state is TrialState.RUNNING
            return Verdict(False, "Never.")

    assert not replay(recording(recorded(1, GOOD), recorded(2, POOR)), Never()).stopped


@pytest.mark.parametrize(
    ("policy", "option", "values"),
    [
        ("median", "delay_evaluation", range(0, 100, 10)),
        ("bandit", "slack_factor", [n / 10 for n in range(10)]),
        ("truncation", "truncation_percentage", range(5, 55, 5)),
        ("asha", "min_resource", range(1, 11)),
        ("automatic", "delay_evaluation", range(0, 100, 10)),
    ],
)
def test_ten_values_over_200_trials_of_100_reports_take_two_seconds(policy, option, values):
    rng = random.Random(1)
    trials = []
    for number in range(1, 201):
        end = rng.random()
        curve = [end * (1 - 0.95**n) + 0.01 * rng.random() for n in range(1, 101)]
        trials.append(recorded(number, curve, 10.0 * (number // 4), 10.0 * (number // 4) + 10 + rng.random()))
    one = recording(*trials)
    before = time.process_time()
    points = sweep(one, policy, option, values)
    taken = time.process_time() - before
    print(f"{policy} {option}: {taken:.2f} s")
    assert len(points) == 10 and taken < 4  # half of it on an idle machine
