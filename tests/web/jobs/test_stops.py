"""Whoever asks for a job's end has the last word, from that moment on, and is named as its cause (I10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hpt_web.accounts.errors import Conflict
from hpt_web.jobs import tasks
from hpt_web.jobs.doors import actions, changes, external, reruns
from hpt_web.jobs.models import TuningJob
from hpt_web.jobs.running import dispatch
from hpt_web.jobs.running.follow import Follower
from tests.web.jobs.elsewhere import New
from tests.web.jobs.lab import Team, live, state, trial
from tests.web.jobs.scripted import ScriptedBackend
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
