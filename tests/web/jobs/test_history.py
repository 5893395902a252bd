"""What is kept of a job's trials is what its rows say, whatever happens in between and whoever reads it first."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hpt_web.accounts.errors import Conflict, Invalid
from hpt_web.jobs.doors import actions, changes, reruns
from hpt_web.jobs.models import Trial, TuningJob
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.running.sweep import sweep
from hpt_web.jobs.search import history
from hpt_web.jobs.search.history import kept_trials, own_trials
from tests.web.jobs.lab import Team, live, trial
from tests.web.jobs.scripted import ScriptedBackend

NewJob = Callable[..., TuningJob]
STEPS = 40


class Chance:
    """Does to a job what may be done to it, by the dice."""

    def __init__(self, job: TuningJob, team: Team, backend: ScriptedBackend, follower: Follower, seed: int) -> None:
        self.job, self.team, self.backend, self.follower = job, team, backend, follower
        self.dice = random.Random(seed)

    def step(self) -> None:
        acts = [self.reports, self.reports, self.ends, self.ends, self.vanishes, self.obeys, self.stops_one]
        acts += [self.retries, self.copies, self.pauses, self.unpauses, self.extends, self.resumes, self.sweeps]
        act = self.dice.choice(acts)
        with contextlib.suppress(Conflict, Invalid):  # not now
            act()

    def token(self) -> str | None:
        self.follower.claim()
        tokens = [token for token in live(self.job) if token in self.backend.plays]
        return self.dice.choice(tokens) if tokens else None

    def reports(self) -> None:
        if token := self.token():
            values = [round(self.dice.random(), 3) for _ in range(self.dice.randint(1, 3))]
            self.backend.prints(token, "".join(f"score={value}\nloss={value / 2}\n" for value in values))
            self.follower.look([token])

    def ends(self) -> None:
        if token := self.token():
            self.backend.ends(token, self.dice.choice([0, 0, 1]))
            self.follower.look([token])

    def vanishes(self) -> None:
        if token := self.token():
            self.backend.vanishes(token)
            self.follower.look([token])

    def obeys(self) -> None:
        for token in live(self.job):
            if token in self.backend.stopped:
                folder = self.backend.plays[token].spec.checkpoints
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "model").write_text("weights")
                self.backend.ends(token, 0, ended_by="stop")
        self.follower.claim()

    def stops_one(self) -> None:
        actions.stop_trial(number=self.number(), **self.on_job())

    def retries(self) -> None:
        document = {"from": "scratch"} if self.dice.random() < 0.5 else {}
        reruns.retry_trial(number=self.number(), document=document, **self.on_job())

    def copies(self) -> None:
        reruns.copy_trial(number=self.number(), document={}, **self.on_job())

    def pauses(self) -> None:
        changes.pause_job(document={"mode": self.dice.choice(changes.MODES)}, **self.on_job())

    def unpauses(self) -> None:
        changes.unpause_job(**self.on_job())

    def extends(self) -> None:
        self.job.refresh_from_db()
        changes.change_job(document={"limits": {"max_trials": self.job.max_trials + 2}}, **self.on_job())

    def resumes(self) -> None:
        changes.resume_job(document={}, **self.on_job())

    def sweeps(self) -> None:
        sweep(self.backend, self.follower.nudge)

    def number(self) -> int:
        return self.dice.randint(1, self.job.trials.count())

    def on_job(self) -> dict[str, Any]:
        return {"actor": self.team.alice, "project": "lab", "name": self.job.name}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("early_stopping", [None, {"name": "median", "options": {}}])
def test_after_whatever_happens_what_is_kept_is_what_the_rows_say(
    new_job: NewJob,
    team: Team,
    backend: ScriptedBackend,
    follower: Follower,
    seed: int,
    early_stopping: dict[str, Any] | None,
) -> None:
    job = new_job(limits={"max_trials": 6, "max_parallel": 3, "max_equal_failures": 2}, early_stopping=early_stopping)
    chance = Chance(job, team, backend, follower, seed)
    for step in range(STEPS):
        chance.step()
        if chance.dice.random() < 0.5:  # else several things happen before anybody asks
            for curves in (False, True):
                assert kept_trials(job, curves=curves) == own_trials(job, curves=curves), f"step {step}"
    states = {kept.state for kept in kept_trials(job)}
    assert len(states) > 1, "something has happened"


def test_only_what_has_changed_is_read_again(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> None:
    job = new_job(limits={"max_trials": 20, "max_parallel": 2})
    for _ in range(8):
        follower.claim()
        token = live(job)[0]
        backend.prints(token, "score=0.5\n")
        backend.ends(token)
        follower.look([token])
    follower.claim()
    before = kept_trials(job, curves=True)
    token = live(job)[0]
    backend.prints(token, "score=0.7\n")
    follower.look([token])
    with CaptureQueriesContext(connection) as queries:
        after = kept_trials(job, curves=True)
    assert len(queries) == 1
    assert [old is new for old, new in zip(before, after, strict=True)].count(False) == 1
    assert next(new for new in after if new not in before).value == 0.7


def test_rows_that_nobody_told_of_are_found_by_their_number(new_job: NewJob) -> None:
    job = new_job()
    kept_trials(job)
    Trial.objects.create(job=job, number=2, hyperparameters={"x": 0.5}, state="Completed", objective=1.0)
    assert kept_trials(job) == own_trials(job) and len(kept_trials(job)) == 2


def test_what_was_kept_of_another_database_is_built_anew(new_job: NewJob) -> None:
    job = new_job()
    kept_trials(job)
    job.cursor.seq = 0  # restored from a copy
    job.cursor.save()
    Trial.objects.filter(pk=trial(job).pk).update(objective=0.25)
    assert kept_trials(job) == own_trials(job)


def test_no_more_is_kept_than_there_is_room_for(new_job: NewJob, monkeypatch: pytest.MonkeyPatch) -> None:
    job = new_job()
    monkeypatch.setattr(history, "MOST_KEPT", 1)
    kept_trials(job), kept_trials(job, curves=True)
    assert [key.curves for key in history.shelf._kept] == [True]
