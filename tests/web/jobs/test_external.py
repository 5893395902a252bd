"""Ask and tell: trials that run elsewhere, handed out, fenced and told of; nothing of them is lost or counted twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from hpt_web.accounts.errors import Conflict, Invalid
from hpt_web.jobs.doors import actions
from hpt_web.jobs.doors.external import Asked
from hpt_web.jobs.models import Attempt, Decision, Event, MetricPoint, TuningJob
from hpt_web.jobs.queries import curves_of, job_row
from hpt_web.jobs.running import dispatch
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.running.sweep import suspend, sweep
from tests.web.jobs.elsewhere import Elsewhere, New
from tests.web.jobs.lab import Team, live, state, trial
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_advance_and_follow import feed_is_gap_free


def test_a_job_is_asked_and_told_to_its_end(elsewhere: New, backend: ScriptedBackend) -> None:
    script = elsewhere(static={"epochs": 5})
    assert state(script.job) == "Running" and script.job.trials.count() == 0, "it waits to be asked"
    for number in (1, 2, 3):
        asked = script.ask()
        (handed,) = asked.trials
        assert (handed.number, handed.attempt, handed.resume, asked.wait) == (number, 1, False, None)
        assert handed.hyperparameters.keys() == {"x", "epochs"} and handed.reason
        assert script.report(number, 0.1 * number).stop is False
        script.report(number, 3.5, metric="loss")
        assert script.tell(number, value=0.2 * number).state == "Completed"
    assert state(script.job) == "Completed"
    assert curves_of(script.job, "score")[3] == {"steps": [1, 2], "values": [0.1 * 3, 0.2 * 3]}
    assert curves_of(script.job, "loss")[3] == {"steps": [1], "values": [3.5]}
    best = job_row(script.job)["best"]
    assert best == {"trial": 3, "objective": 0.2 * 3}
    assert script.ask() == Asked([], None, "Completed"), "no trials and nothing to wait for: it is over"
    assert not backend.plays and feed_is_gap_free(script.job)
    kinds = Event.objects.filter(job=script.job, kind="points").count()
    assert kinds == 9
    assert Decision.objects.filter(job=script.job, kind="suggest").count() == 3


def test_no_more_are_handed_out_than_may_run(elsewhere: New) -> None:
    script = elsewhere()
    asked = script.ask(n=5)
    assert [handed.number for handed in asked.trials] == [1, 2]
    assert asked.wait == "2 trials are handed out, and max_parallel is 2: tell of one of them first."
    assert script.ask().trials == []
    script.tell(1, value=1)
    assert [handed.number for handed in script.ask(n=5).trials] == [3]
    script.tell(2, value=1)
    asked = script.ask()
    assert asked.trials == [] and "All 3 trials of max_trials are handed out; 1 of them" in str(asked.wait)


def test_the_same_request_gets_the_same_trials(elsewhere: New) -> None:
    script = elsewhere()
    first = script.ask(n=2, request="a")
    assert script.ask(n=2, request="a").trials == first.trials
    script.tell(1, value=0.5)
    assert script.ask(n=2, request="a").trials == first.trials, "also when one of them was told of meanwhile"
    assert [handed.number for handed in script.ask(request="b").trials] == [3]
    assert script.job.trials.count() == 3


def test_two_askers_at_once_share_the_room(elsewhere: New) -> None:
    script = elsewhere(limits={"max_trials": 9, "max_parallel": 4})
    got: list[int] = []
    together = threading.Barrier(4)

    def ask() -> None:
        try:
            together.wait()
            got.extend(handed.number for handed in script.ask(n=3).trials)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [1, 2, 3, 4]


def test_external_trials_take_no_place_of_this_host(
    elsewhere: New, new_job: Callable[..., TuningJob], backend: ScriptedBackend, follower: Follower, settings: Any
) -> None:
    settings.HPT_TRIAL_SLOTS = 1
    script = elsewhere(limits={"max_trials": 9, "max_parallel": 9})
    assert len(script.ask(n=9).trials) == 9
    hosted = new_job(name="second")
    assert len(live(hosted)) == 1
    # Nor does the host look for them: not its sweep, its follower or its shutdown.
    Attempt.objects.update(created_at="2000-01-01T00:00:00Z")
    sweep(backend, follower.nudge)
    follower.claim()
    assert list(backend.plays) == live(hosted) == list(follower.followed)
    suspend(backend, grace=0, patience=0.1)
    assert len(live(script.job)) == 9
    assert not Attempt.objects.filter(trial__job=script.job).exclude(stop_requested_at=None)


# --- what is reported -------------------------------------------------------------------------------------------------


def test_a_step_is_stored_once(elsewhere: New) -> None:
    script = elsewhere()
    script.ask()
    first = script.report(1, points=[{"value": 0.1, "step": 1}, {"value": 0.2, "step": 2}])
    again = script.report(1, points=[{"value": 0.2, "step": 2}, {"value": 0.4, "step": 4}, {"value": 0.3, "step": 3}])
    assert (first.stored, again.stored) == (2, 1)
    assert curves_of(script.job, "score")[1] == {"steps": [1, 2, 4], "values": [0.1, 0.2, 0.4]}
    assert trial(script.job).objective == trial(script.job).best_objective == 0.4


def test_a_policy_stops_a_hopeless_trial_and_says_why(elsewhere: New) -> None:
    """F67."""
    script = elsewhere(early_stopping={"name": "median"}, limits={"max_trials": 3, "max_parallel": 1})
    for number in (1, 2):
        script.ask()
        script.report(number, 0.8, 0.9)
        script.tell(number)
    script.ask()
    answer = script.report(3, 0.1)
    assert answer.stop and not answer.pause and "median" in answer.reason and answer.numbers
    assert trial(script.job, 3).state == "Stopping"
    assert Decision.objects.get(job=script.job, kind="early_stop").reason == answer.reason
    again = script.report(3, 0.1)
    assert (again.stop, again.reason, again.numbers) == (True, answer.reason, answer.numbers)
    assert script.tell(3).state == "EarlyStopped"
    assert state(script.job) == "Completed"


def test_whoever_does_not_tell_that_it_stopped_is_not_waited_for(
    elsewhere: New, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    script = elsewhere()
    script.ask()
    script.report(1, 0.3)
    actions.stop_job(actor=team.bob, project="lab", name=script.job.name)
    assert state(script.job) == "Stopping"
    attempt = Attempt.objects.get(trial__job=script.job)
    assert attempt.lease_until is not None and attempt.stop_requested_at is not None
    assert (attempt.lease_until - attempt.stop_requested_at).total_seconds() <= dispatch.STOP_SECONDS + 5
    script.is_silent()
    sweep(backend, follower.nudge)
    assert state(script.job) == "Stopped" and trial(script.job).state == "Stopped"
    late = script.report(1, 0.4)
    assert (late.stop, late.reason, late.stored) == (True, "Stopped by bob.", 0)
    assert script.tell(1, value=0.4).state == "Stopped"
    assert trial(script.job).objective == 0.3


def test_a_persons_stop_is_told_and_what_is_told_then_counts(elsewhere: New, team: Team) -> None:
    script = elsewhere()
    script.ask()
    actions.stop_trial(actor=team.bob, project="lab", name=script.job.name, number=1)
    answer = script.report(1, 0.3)
    assert (answer.stop, answer.pause, answer.reason, answer.stored) == (True, False, "Stopped by bob.", 1)
    told = script.tell(1, value=0.5)
    assert (told.state, told.objective, told.reason) == ("Stopped", 0.5, "Stopped by bob.")
    assert state(script.job) == "Running"


# --- what is told -----------------------------------------------------------------------------------------------------


def test_telling_twice_is_telling_once(elsewhere: New) -> None:
    script = elsewhere()
    script.ask()
    first = script.tell(1, value=0.5)
    events = Event.objects.filter(job=script.job).count()
    assert script.tell(1, value=0.5).ended_at == first.ended_at
    assert Event.objects.filter(job=script.job).count() == events
    assert MetricPoint.objects.count() == 1
    for other in ({"value": 0.6}, {"failure": "no"}, {}):
        with pytest.raises(Conflict, match=r"was told of at .* already"):
            script.tell(1, **other)
    with pytest.raises(Conflict, match="nothing can be added"):
        script.report(1, 0.7)


def test_a_failure_is_data(elsewhere: New) -> None:
    script = elsewhere(limits={"max_trials": 3, "max_parallel": 1, "max_failures": 0})
    script.ask()
    script.report(1, 0.9)
    told = script.tell(1, failure="CUDA out of memory\nat line 3")
    assert (told.state, told.reason) == ("Failed", "It failed: CUDA out of memory")
    assert told.failure == "CUDA out of memory\nat line 3"
    assert state(script.job) == "Failed"


def test_the_last_report_is_the_value_if_none_is_told(elsewhere: New) -> None:
    script = elsewhere()
    script.ask(n=2)
    script.report(1, 0.9, 0.7)
    assert (script.tell(1).objective, trial(script.job).best_objective) == (0.7, 0.9)
    with pytest.raises(Invalid) as refused:
        script.tell(2)
    assert [fault.field for fault in refused.value.faults] == ["value"]
    assert trial(script.job, 2).state == "Running"


# --- silence, and another attempt -------------------------------------------------------------------------------------


def test_a_silent_trial_is_handed_out_again_and_the_old_attempt_is_fenced(
    elsewhere: New, backend: ScriptedBackend, follower: Follower
) -> None:
    script = elsewhere(limits={"max_trials": 1, "max_parallel": 1, "max_attempts": 2, "trial_seconds": 60})
    script.ask()
    script.report(1, 0.5)
    sweep(backend, follower.nudge)
    assert trial(script.job).state == "Running", "it was heard of a moment ago"
    script.is_silent()
    sweep(backend, follower.nudge)
    lost = trial(script.job)
    assert lost.state == "Queued"
    assert lost.reason == "Attempt 1 was not heard of for trial_seconds = 60; 1 of 2 attempts are used."
    with pytest.raises(Conflict, match="the trial is Queued"):
        script.report(1, 0.6)
    (handed,) = script.ask().trials
    assert (handed.number, handed.attempt, handed.resume, handed.reason) == (1, 2, False, lost.reason)
    assert trial(script.job).objective is None, "it begins anew"
    for late in (lambda: script.report(1, 0.6), lambda: script.tell(1, value=0.6)):
        with pytest.raises(Conflict, match=r"Attempt 1 of trial 1 was given up .* attempt 2 has its place now"):
            late()
    script.report(1, 0.8, attempt=2)
    assert curves_of(script.job, "score")[1] == {"steps": [1], "values": [0.8]}
    script.is_silent()
    sweep(backend, follower.nudge)
    assert trial(script.job).state == "Lost" and state(script.job) == "Failed"


@pytest.mark.parametrize("stopped", [False, True])
def test_after_a_downtime_whoever_could_not_be_heard_of_has_time_again(
    elsewhere: New, team: Team, backend: ScriptedBackend, follower: Follower, stopped: bool
) -> None:
    script = elsewhere(limits={"max_trials": 1, "max_parallel": 1, "max_attempts": 1, "trial_seconds": 90})
    script.ask()
    if stopped:
        script.report(1, 0.5)
        actions.stop_job(actor=team.bob, project="lab", name=script.job.name)
    script.is_silent()  # the service was down meanwhile
    patience = dispatch.STOP_SECONDS if stopped else 90
    before = trial(script.job).state
    sweep(backend, follower.nudge, listening=0.0)
    sweep(backend, follower.nudge, listening=patience - 1.0)
    assert trial(script.job).state == before
    sweep(backend, follower.nudge, listening=float(patience))
    assert trial(script.job).state == ("Stopped" if stopped else "Lost")


# --- schedulers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["stopping", "promotion", "synchronous"])
def test_hyperband_elsewhere(elsewhere: New, mode: str) -> None:
    """F45: trials are paused by the answer to a report, and come again with `resume` when they are promoted."""
    script = elsewhere(
        strategy={"name": "hyperband", "options": {"max_resource": 9, "mode": mode}},
        limits={"max_trials": 9, "max_parallel": 1},
    )
    resumed = 0
    for _ in range(50):
        asked = script.ask()
        if not asked.trials:
            break
        (handed,) = asked.trials
        resumed += handed.resume
        x = float(handed.hyperparameters["x"])
        for epoch in range(1, 10):  # from the beginning: what is known already is left out
            points = [{"value": x * epoch, "step": epoch}]
            answer = script.report(handed.number, attempt=handed.attempt, points=points)
            if answer.stop:
                break
        row = script.tell(handed.number, attempt=handed.attempt)
        if answer.pause:
            assert row.state in ("Paused", "Queued", "EarlyStopped")
    assert asked.wait is None and state(script.job) == "Completed"
    assert (resumed > 0) == (mode != "stopping")
    curves = curves_of(script.job, "score")
    for row in script.job.trials.all():
        steps = curves[row.number]["steps"]
        assert steps == list(range(1, len(steps) + 1))
        assert row.state == ("Completed" if len(steps) == 9 else "EarlyStopped")
    assert sum(script.job.trials.values_list("promotions", flat=True)) == resumed


def test_a_promoted_trial_that_falls_silent_goes_on_from_its_pause(
    elsewhere: New, backend: ScriptedBackend, follower: Follower
) -> None:
    script = elsewhere(
        strategy={"name": "hyperband", "options": {"max_resource": 9, "mode": "promotion"}},
        limits={"max_trials": 1, "max_parallel": 1},
    )
    script.ask()
    assert script.report(1, 0.5).pause
    script.tell(1)
    (handed,) = script.ask().trials
    assert (handed.attempt, handed.resume) == (2, True)
    script.report(1, 0.6, attempt=2)
    script.is_silent()
    sweep(backend, follower.nudge)
    (handed,) = script.ask().trials
    assert (handed.attempt, handed.resume) == (3, True)
    assert (trial(script.job).objective, trial(script.job).promotions) == (0.5, 1)
    script.report(1, 0.7, attempt=3)
    assert curves_of(script.job, "score")[1] == {"steps": [1, 2], "values": [0.5, 0.7]}


def test_an_exhausted_space_ends_the_job_also_if_nobody_asks(elsewhere: New) -> None:
    script = elsewhere(space=[{"name": "x", "type": "categorical", "values": ["a", "b"]}])
    script.ask(n=2)
    script.tell(1, value=1)
    assert state(script.job) == "Running"
    script.tell(2, value=2)
    assert state(script.job) == "Completed" and "2 trials ended" in script.job.reason


# --- bad requests -----------------------------------------------------------------------------------------------------


def test_every_fault_is_told(elsewhere: New) -> None:
    script = elsewhere()
    with pytest.raises(Invalid) as refused:
        script.ask(n=0, request="k" * 65, many=2)
    assert {fault.field for fault in refused.value.faults} == {"n", "request", "many"}
    script.ask()
    points = [
        {"value": "high"},
        {"value": True, "step": -1},
        {"value": 10**400},
        {"step": 1},
        0.5,
        {"value": 1, "at": 2},
    ]
    with pytest.raises(Invalid) as refused:
        script.report(1, attempt=1, points=points, metric="f1")
    assert {fault.field for fault in refused.value.faults} == {
        "points[0].value", "points[1].value", "points[1].step", "points[2].value", "points[3].value", "points[4]",
        "points[4].value", "points[5].at", "metric",
    }  # fmt: skip
    with pytest.raises(Invalid) as refused:
        script.tell(1, attempt=7, value=1)
    assert refused.value.faults[0].message == "is 7; trial 1 has no such attempt, its newest is 1"
    with pytest.raises(Invalid) as refused:
        script.tell(1, value=1, failure="no")
    assert [fault.field for fault in refused.value.faults] == ["failure"]
    for points in ([], [{"value": 1}] * 1001, {"value": 1}):
        with pytest.raises(Invalid, match="points"):
            script.report(1, points=points)
    assert MetricPoint.objects.count() == 0 and trial(script.job).state == "Running"


def test_a_job_that_the_service_runs_is_not_asked(new_job: Callable[..., TuningJob], team: Team) -> None:
    script = Elsewhere(team, new_job())
    for call in (script.ask, lambda: script.report(1, 0.5), lambda: script.tell(1, value=1)):
        with pytest.raises(Conflict, match="are run by the service itself"):
            call()
