"""What cannot be started holds no place for ever: images that are not here, and backends that refuse."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.core.cache import cache
from django.db.models import F
from django.utils import timezone
from pytest_django.fixtures import Settings

from hpt_web.jobs import tasks
from hpt_web.jobs.doors import actions, changes
from hpt_web.jobs.models import Attempt, Decision, TuningJob, UsageEntry
from hpt_web.jobs.running import backends, images, pulled, starts
from hpt_web.jobs.running.sweep import sweep
from hpt_web.jobs.sharing import capacity
from tests.web.jobs.lab import Team, live, state, trial
from tests.web.jobs.scripted import ScriptedBackend
from tuning.backends import LaunchSpec
from tuning.backends.docker import images as of_engine
from tuning.errors import BackendError

NewJob = Callable[..., TuningJob]
PINNED = f"registry.invalid/team/train@sha256:{'0' * 64}"


@pytest.fixture(autouse=True)
def forget() -> None:
    for known in (images._pulls, images._seen):
        known.clear()


def grow_old(job: TuningJob) -> None:
    seconds = timedelta(seconds=starts.START_SECONDS + 1)
    Attempt.objects.filter(trial__job=job).update(created_at=F("created_at") - seconds)


class Refusing:
    """As an engine that cannot make the container: it may work the next time, or never."""

    def __init__(self, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fault: BackendError | None = BackendError("the runtime could not make the container", retryable=True)
        launch = backend.launch

        def refuse(spec: LaunchSpec) -> None:
            if self.fault is not None:
                raise self.fault
            launch(spec)

        monkeypatch.setattr(backend, "launch", refuse)


@pytest.fixture
def refusing(backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch) -> Refusing:
    return Refusing(backend, monkeypatch)


def test_an_attempt_that_is_not_started_in_time_gives_its_place_back(
    new_job: NewJob, team: Team, backend: ScriptedBackend, refusing: Refusing
) -> None:
    job = new_job()
    (first,) = live(job)
    assert trial(job).reason == "Not started yet: the runtime could not make the container."
    grow_old(job)
    sweep(backend, lambda _: None)
    assert (live(job), trial(job).state) == ([], "Queued")
    assert trial(job).reason == (
        "Attempt 1 could not be started in 120 s: the runtime could not make the container. "
        "It has given its place back and is tried again, 1 of 3 times by now."
    )
    assert backend.stopped == {first: 0}, "and whoever is late with starting it starts nothing"
    assert Attempt.objects.get(token=first).outcome == UsageEntry.objects.get().outcome == "not_started"
    refusing.fault = None
    tasks.nudge(job.pk)
    assert [token in backend.plays for token in live(job)] == [True]
    assert trial(job).attempt == 2


def test_a_stop_that_comes_meanwhile_is_not_forgotten(
    new_job: NewJob, team: Team, backend: ScriptedBackend, refusing: Refusing
) -> None:
    job = new_job()
    stale = Attempt.objects.select_related("trial__job").get(trial__job=job)
    actions.stop_trial(actor=team.alice, project="lab", name="first", number=1)
    grow_old(job)
    starts.launch(stale)
    assert (live(job), trial(job).state) == ([stale.token], "Stopping")
    sweep(backend, lambda _: None)
    assert trial(job).state == "Stopped"


def test_a_trial_that_never_starts_fails_and_equal_failures_open_the_circuit_breaker(
    new_job: NewJob, team: Team, backend: ScriptedBackend, refusing: Refusing
) -> None:
    job = new_job(limits={"max_trials": 9, "max_parallel": 1, "max_equal_failures": 2})
    for _ in range(2 * starts.MOST_STARTS):
        assert len(live(job)) == 1
        grow_old(job)
        sweep(backend, lambda _: None)
        tasks.nudge(job.pk)
    assert (state(job), live(job), job.trials.count()) == ("Paused", [], 2)
    assert trial(job).state == "Failed"
    assert trial(job).reason == (
        "It could not be started 3 times, for 120 s each: the runtime could not make the container"
    )
    assert "The last 2 trials failed equally" in job.reason


@pytest.fixture
def contained(new_job: NewJob, settings: Settings) -> Callable[..., TuningJob]:
    settings.HPT_DOCKER = f"unix://{settings.HPT_HOME}/nobody.sock"
    return lambda **changes: new_job(runs_in="container", image=PINNED, **changes)


def test_a_job_whose_engine_does_not_answer_holds_no_place(
    contained: NewJob, new_job: NewJob, settings: Settings
) -> None:
    settings.HPT_TRIAL_SLOTS = 1
    job = contained()
    assert (state(job), live(job), job.trials.count()) == ("Running", [], 0)
    assert job.reason.startswith(f"Nothing more is started: looking for the image {PINNED}: the container engine at ")
    assert job.waits and job.lacks_image
    assert capacity.demands()[0].wanted == 0, "nothing is kept for it"
    other = new_job(name="second")
    assert len(live(other)) == 1, "the only place is another's"


def test_not_even_its_queued_trials_want_a_place(
    contained: NewJob, monkeypatch: pytest.MonkeyPatch, backend: ScriptedBackend
) -> None:
    job = contained()
    job.trials.create(number=1, hyperparameters={"x": 0.5}, state="Queued")
    assert capacity.demands()[0].wanted == 0
    images._seen[PINNED] = time.monotonic()  # as if it had come
    tasks.nudge(job.pk)
    assert len(live(job)) == 1 and trial(job).state == "Starting"
    job.refresh_from_db()
    assert (job.waits, job.lacks_image) == (False, False)


def test_an_image_that_will_not_come_pauses_the_job_and_unpausing_tries_again(
    contained: NewJob, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    def present(*_: object) -> bool:
        raise BackendError(f"pulling {PINNED}: not found")

    monkeypatch.setattr(of_engine, "present", present)
    job = contained()
    assert (state(job), live(job), job.trials.count()) == ("Paused", [], 0)
    assert job.reason == f"Paused by the service. No trial can be started: pulling {PINNED}: not found."
    decision = Decision.objects.get(job=job, kind="failures")
    assert (decision.trial, decision.numbers) == (None, {"image": PINNED})
    images._seen[PINNED] = time.monotonic()
    changes.unpause_job(actor=team.alice, project="lab", name="first")
    assert (state(job), len(live(job))) == ("Running", 1)


def test_what_lies_in_the_broker_is_never_run(settings: Settings) -> None:
    cache.set("known", "said")
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        (stored,) = client.keys("hpt:*:known")
        assert client.get(stored) == b'"said"' and cache.get("known") == "said"
        client.set(stored, b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ValueError):
        cache.get("known")
    cache.delete("known")


# --- what was pulled --------------------------------------------------------------------------------------------------


class Host:
    """The images of an engine; of those that are `stuck` it cannot say anything."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, notes: Path) -> None:
        self.here: set[str] = set()
        self.stuck: set[str] = set()
        self._notes = notes
        monkeypatch.setattr(backends, "engine", lambda: None)
        monkeypatch.setattr(of_engine, "present", lambda _, image: image in self.here)
        monkeypatch.setattr(of_engine, "pull", lambda _, image, told: self.here.add(image))
        monkeypatch.setattr(of_engine, "remove", self._remove)

    def _remove(self, engine: None, image: str, needed: set[str]) -> bool:
        if image in self.stuck:
            raise BackendError("the engine does not answer", retryable=True)
        self.here -= {image} - needed
        return image not in needed

    def grow_old(self) -> None:
        for path in self._notes.iterdir():
            os.utime(path, (0, 0))


@pytest.fixture
def host(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    settings.HPT_HOME = tmp_path
    (tmp_path / "images").mkdir()
    return Host(monkeypatch, tmp_path / "images")


def test_what_was_pulled_goes_when_nothing_has_used_it_for_long(
    contained: NewJob, team: Team, settings: Settings, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    unused = f"registry.invalid/team/old@sha256:{'1' * 64}"
    images.require(unused)
    contained()
    assert host.here == {PINNED, unused} and pulled.remove_unused() is None, "both are new"
    host.grow_old()
    settings.HPT_IMAGE_DAYS = 0
    assert pulled.remove_unused() is None, "all are kept"
    settings.HPT_IMAGE_DAYS = 30
    host.stuck.add(unused)
    assert pulled.remove_unused() is None and "the engine does not answer" in caplog.text
    host.stuck.clear()
    assert [pulled.remove_unused() for _ in range(2)] == [unused, None] and host.here == {PINNED}
    actions.stop_job(actor=team.alice, project="lab", name="first")
    TuningJob.objects.update(ended_at=timezone.now(), state="Stopped")
    assert pulled.remove_unused() is None, "it was needed just now"
    host.grow_old()
    images._seen.clear()
    images.require(PINNED)
    assert pulled.remove_unused() is None, "it has been used since"
    host.grow_old()
    assert pulled.remove_unused() == PINNED and not host.here


def test_what_somebody_else_has_brought_stays(contained: NewJob, host: Host) -> None:
    host.here.add(PINNED)
    contained()
    TuningJob.objects.update(ended_at=timezone.now(), state="Stopped")
    host.grow_old()
    assert pulled.remove_unused() is None and host.here == {PINNED}
