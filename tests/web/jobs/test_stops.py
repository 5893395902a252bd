"""Whoever asks for the end of a job or trial has the last word, from that moment on, and is named as its cause."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections, transaction

from hpt_web import crash
from hpt_web.accounts.errors import Conflict
from hpt_web.jobs import tasks
from hpt_web.jobs.doors import actions, changes, external, reruns
from hpt_web.jobs.lifecycle import request_stop
from hpt_web.jobs.models import Attempt, Decision, Trial, TuningJob
from hpt_web.jobs.running import dispatch
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.running.sweep import sweep
from hpt_web.jobs.search import choosing
from tests.web.jobs.elsewhere import New
from tests.web.jobs.lab import Team, live, state, trial
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_advance_and_follow import feed_is_gap_free
from tests.web.jobs.test_changes import finishes, obeys

NewJob = Callable[..., TuningJob]
FIRST: dict[str, Any] = {"project": "lab", "name": "first"}
OTHERS: list[tuple[Callable[..., object], dict[str, Any]]] = [
    (changes.pause_job, {"document": {"mode": "now"}}),
    (changes.pause_job, {"document": {}}),
    (changes.unpause_job, {}),
    (changes.resume_job, {"document": {}}),
    (changes.change_job, {"document": {"limits": {"max_trials": 9}}}),
    (reruns.copy_trial, {"number": 1, "document": {}}),
    (reruns.copy_trial, {"number": 1, "document": {"hyperparameters": {"x": 0.5}}, "changed": True}),
    (reruns.retry_trial, {"number": 1, "document": {}}),
    (reruns.retry_failed, {"document": {}}),
]


@pytest.mark.parametrize("paused", [False, True])
def test_nothing_is_changed_between_the_wish_to_stop_and_its_being_carried_out(
    new_job: NewJob,
    team: Team,
    backend: ScriptedBackend,
    follower: Follower,
    monkeypatch: pytest.MonkeyPatch,
    paused: bool,
) -> None:
    job = new_job(limits={"max_trials": 3, "max_parallel": 1})
    finishes(backend, follower, *live(job))
    if paused:
        changes.pause_job(actor=team.bob, document={}, **FIRST)
    with monkeypatch.context() as busy:
        busy.setattr(tasks, "nudge", lambda job, parents=False: None)  # no worker has come to it yet
        actions.stop_job(actor=team.alice, **FIRST)
        for door, more in OTHERS:
            with pytest.raises(Conflict, match=r"'first' is being stopped; .* once it is over"):
                door(actor=team.bob, **FIRST, **more)
    assert state(job) == ("Paused" if paused else "Running")
    dispatch.advance(job.pk)
    obeys(backend, follower, *live(job))
    assert (state(job), job.reason) == ("Stopped", "Stopped by alice.")
    assert trial(job, 2).reason == "Stopped by alice." and job.trials.count() == 2 and job.max_trials == 3


def test_its_cause_is_what_was_written_down_and_not_what_the_job_says_of_itself_since(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new_job(limits={"max_trials": 3, "max_parallel": 1})
    with monkeypatch.context() as busy:
        busy.setattr(tasks, "nudge", lambda job, parents=False: None)
        actions.stop_job(actor=team.alice, **FIRST)
    TuningJob.objects.update(reason="The strategy waits for 1 trial that runs.")
    dispatch.advance(job.pk)
    obeys(backend, follower, *live(job))
    assert (state(job), job.reason) == ("Stopped", "Stopped by alice.")
    changes.resume_job(actor=team.bob, document={}, **FIRST)
    actions.stop_job(actor=team.bob, **FIRST)
    obeys(backend, follower, *live(job))
    assert (state(job), job.reason) == ("Stopped", "Stopped by bob."), "the newest wish, not the first"


def test_nothing_is_handed_out_of_a_job_that_is_to_stop(
    elsewhere: New, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = elsewhere()
    at: dict[str, Any] = {"actor": team.bob, "project": "lab", "name": script.job.name}
    with monkeypatch.context() as busy:
        busy.setattr(tasks, "nudge", lambda job, parents=False: None)
        busy.setattr(dispatch, "advance", lambda job: [])  # it was asked for right after the ask had looked
        actions.stop_job(**at)
        asked = external.ask(**at, document={})
    assert (asked.trials, asked.wait) == ([], "The job is being stopped: Stopped by bob.")
    dispatch.advance(script.job.pk)
    assert (state(script.job), script.job.reason) == ("Stopped", "Stopped by bob.")


# --- one trial, while its job's step is at work -----------------------------------------------------------------------

SECONDS = 30  # for which a test waits for what has to come
STOP: dict[str, Any] = {"project": "lab", "number": 1}


class Held:
    """A function that waits, when it is called (with `only` this), until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, *only: object) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        self._real, self._only = getattr(owner, name), only
        monkeypatch.setattr(owner, name, self)

    def __call__(self, *args: Any, **more: Any) -> Any:
        if not self._only or args == self._only:
            self.reached.set()
            assert self.go.wait(SECONDS)
        return self._real(*args, **more)


class Aside(threading.Thread):
    """A call that is made at the same time, with a connection of its own."""

    def __init__(self, call: Callable[..., Any], **arguments: Any) -> None:
        super().__init__(daemon=True)
        self.call, self.arguments = call, arguments
        self.answer: Any = None
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.answer = self.call(**self.arguments)
        except Exception as error:
            self.error = error
        finally:
            connections.close_all()

    def stands_or_is_over(self, *behind: str) -> None:
        """It has come to its end, or to a row that somebody has locked; or to where these waits are."""
        sql = "SELECT wait_event FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        deadline = time.monotonic() + SECONDS
        with connection.cursor() as cursor:
            while self.is_alive() and time.monotonic() < deadline:
                cursor.execute("SELECT pg_stat_clear_snapshot()")
                cursor.execute(sql)
                waits = sorted(wait for (wait,) in cursor.fetchall())
                if waits and (not behind or waits == sorted(behind)):
                    return
        assert not self.is_alive()

    def done(self) -> Any:
        self.join(SECONDS)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error
        return self.answer


def interrupted(job: TuningJob, team: Team, backend: ScriptedBackend, follower: Follower) -> None:
    """Its trials wait to go on: somebody has paused it."""
    changes.pause_job(actor=team.bob, project="lab", name=job.name, document={"mode": "now"})
    for token in live(job):
        obeys(backend, follower, token)
    assert (state(job), live(job)) == ("Paused", [])


STEPS = pytest.mark.parametrize(
    ("owner", "name"),
    [
        pytest.param(choosing, "choose", id="before it has moved the trial"),
        pytest.param(dispatch, "_reservation", id="after it has moved the trial"),
    ],
)


@STEPS
def test_a_waiting_trial_that_is_just_being_started_is_stopped_all_the_same(
    new_job: NewJob,
    team: Team,
    backend: ScriptedBackend,
    follower: Follower,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
) -> None:
    job = new_job(limits={"max_trials": 9, "max_parallel": 1})
    interrupted(job, team, backend, follower)
    held = Held(monkeypatch, owner, name)
    step = Aside(changes.unpause_job, actor=team.bob, **FIRST)
    assert held.reached.wait(SECONDS)
    stop = Aside(actions.stop_trial, actor=team.alice, name="first", **STOP)
    stop.stands_or_is_over()
    held.go.set()
    step.done()
    assert stop.done().state == "Stopping"
    (token,) = live(job)
    attempt = Attempt.objects.get(token=token)
    assert (attempt.trial.number, attempt.number, attempt.stop_kind) == (1, 2, "user")
    assert Decision.objects.get(kind="stop", trial=attempt.trial).reason == "Stopped by alice."
    obeys(backend, follower, token)
    assert (trial(job).state, trial(job).reason) == ("Stopped", "Stopped by alice.")
    assert [backend.plays[token].spec.names["trial"] for token in live(job)] == ["first-0002"], "the job goes on"
    reruns.retry_trial(actor=team.bob, document={}, name="first", **STOP)
    finishes(backend, follower, *live(job))
    assert (trial(job).state, trial(job).attempt) == ("Starting", 3)
    assert feed_is_gap_free(job)


@STEPS
def test_so_is_one_that_is_just_being_handed_out(
    elsewhere: New,
    team: Team,
    backend: ScriptedBackend,
    follower: Follower,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
) -> None:
    script = elsewhere(limits={"max_trials": 3, "max_parallel": 1, "max_attempts": 3})
    script.ask()
    script.is_silent()
    sweep(backend, follower.nudge)
    assert trial(script.job).state == "Queued"
    held = Held(monkeypatch, owner, name)
    asked = Aside(script.ask)
    assert held.reached.wait(SECONDS)
    stop = Aside(actions.stop_trial, actor=team.alice, name=script.job.name, **STOP)
    stop.stands_or_is_over()
    held.go.set()
    (handed,) = asked.done().trials
    assert (handed.number, handed.attempt, stop.done().state) == (1, 2, "Stopping")
    answer = script.report(1, 0.5, attempt=2)
    assert (answer.stop, answer.pause, answer.reason) == (True, False, "Stopped by alice.")
    script.tell(1, attempt=2)
    assert trial(script.job).state == "Stopped"


def test_a_stop_that_comes_as_the_trial_gives_its_place_back_blocks_nobody(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds the attempt over, then waits for the job, whose step goes on from that attempt."""
    job = new_job(limits={"max_trials": 3, "max_parallel": 1, "max_attempts": 3})
    (token,) = live(job)
    follower.claim()
    follower.nudge = lambda job: None
    backend.vanishes(token)
    held = Held(monkeypatch, crash, "at", "result.written")
    settles = Aside(follower.look, tokens=[token])
    assert held.reached.wait(SECONDS)
    stop = Aside(actions.stop_trial, actor=team.alice, name="first", **STOP)
    stop.stands_or_is_over()
    with transaction.atomic():
        TuningJob.objects.select_for_update(no_key=True).get(pk=job.pk)
        step = Aside(dispatch.advance, job_id=job.pk)
        step.stands_or_is_over("transactionid", "transactionid")
        held.go.set()
        settles.done()
        stop.stands_or_is_over("transactionid", "tuple")  # behind the step
    step.done()
    assert stop.done().state == "Stopping"
    obeys(backend, follower, *live(job))
    assert trial(job).state == "Stopped"


def test_who_runs_is_stopped_without_waiting_for_the_step(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new_job(limits={"max_trials": 9, "max_parallel": 2})
    first, second = live(job)
    held = Held(monkeypatch, choosing, "choose")
    backend.ends(second, 1)
    step = Aside(follower.claim)
    assert held.reached.wait(SECONDS)
    stop = Aside(actions.stop_trial, actor=team.alice, name="first", **STOP)
    deadline = time.monotonic() + SECONDS
    while first not in backend.stopped and time.monotonic() < deadline:
        stop.join(0.01)
    assert first in backend.stopped and step.is_alive()
    held.go.set()
    step.done()
    assert stop.done().state == "Stopping" and len(live(job)) == 2


def test_a_trial_that_gives_its_place_back_while_its_job_is_stopped_is_over_too(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new_job(limits={"max_trials": 3, "max_parallel": 1})
    (token,) = live(job)
    follower.claim()
    follower.nudge = lambda job: None
    real = dispatch.live_attempts

    def vanishes_first() -> object:
        backend.vanishes(token)
        Aside(follower.look, tokens=[token]).done()
        return real()

    monkeypatch.setattr(dispatch, "live_attempts", vanishes_first)
    actions.stop_job(actor=team.alice, **FIRST)
    assert (state(job), trial(job).state, live(job)) == ("Stopped", "Stopped", [])


@pytest.mark.parametrize("earlier", ["suspend", "job", "hold", "preempt", "pause"])
def test_a_persons_wish_comes_before_whatever_would_have_the_trial_go_on(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower, earlier: str
) -> None:
    job = new_job(limits={"max_trials": 3, "max_parallel": 1})
    (token,) = live(job)
    follower.claim()
    assert request_stop(Attempt.objects.get(token=token), Attempt.StopKind(earlier), "For another reason.")
    for _ in range(2):  # twice is once
        actions.stop_trial(actor=team.alice, name="first", **STOP)
    assert Decision.objects.filter(kind="stop", trial=trial(job)).count() == 1
    backend.ends(token, None, signal=15, ended_by="stop")
    follower.look([token])
    assert (trial(job).state, trial(job).reason) == ("Stopped", "Stopped by alice.")
    assert Attempt.objects.get(token=token).stop_kind == "user"


def test_so_it_does_while_the_sweep_settles_what_was_never_started(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was to start it has died, its job is paused, and alice comes while the sweep looks at what there is."""
    job = new_job(limits={"max_trials": 3, "max_parallel": 1})
    (token,) = live(job)
    backend.discard(token)
    changes.pause_job(actor=team.bob, document={"mode": "now"}, **FIRST)
    stop = backend.stop

    def looked_at(attempt: str, grace: float) -> None:
        monkeypatch.setattr(backend, "stop", stop)
        actions.stop_trial(actor=team.alice, name="first", **STOP)

    monkeypatch.setattr(backend, "stop", looked_at)
    Attempt.objects.update(created_at="2026-01-01T00:00:00Z")
    sweep(backend, lambda job: None)
    assert (trial(job).state, trial(job).reason) == ("Stopped", "Stopped by alice.")
    assert Attempt.objects.get(token=token).outcome == "stopped" and feed_is_gap_free(job)


def test_a_policys_stop_and_a_persons_are_for_good_and_the_first_stands(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 3, "max_parallel": 1})
    attempt = Attempt.objects.get(trial__job=job)
    assert request_stop(attempt, Attempt.StopKind.POLICY, "Hopeless.")
    for kind in Attempt.StopKind:
        assert not request_stop(attempt, kind, "Later.")
    Attempt.objects.update(stop_kind="user")
    for kind in Attempt.StopKind:
        assert not request_stop(attempt, kind, "Later.")


def test_what_an_earlier_version_left_is_stopped_and_goes_on(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    """It could start a trial that was being stopped: an attempt that runs under a trial that is over, and of which the
    trial does not know."""
    job = new_job(limits={"max_trials": 2, "max_parallel": 1})
    (token,) = live(job)
    follower.claim()
    Trial.objects.filter(job=job).update(state="Stopped", attempt=0, ended_at="2026-01-01T00:00:00Z")
    actions.stop_trial(actor=team.alice, name="first", **STOP)
    obeys(backend, follower, token)
    assert trial(job).state == "Stopped"
    finishes(backend, follower, *live(job))
    reruns.retry_trial(actor=team.alice, document={"from": "scratch"}, name="first", **STOP)
    (again,) = live(job)
    assert Attempt.objects.get(token=again).number == trial(job).attempt == 2
    finishes(backend, follower, again)
    assert state(job) == "Completed" and [t.state for t in job.trials.all()] == ["Completed", "Completed"]
