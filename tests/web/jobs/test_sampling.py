"""What trials use is looked at while they run, kept evenly spread, and shown as numbers and as a figure."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from hpt_web.jobs.models import Attempt, TuningJob, UsageSample
from hpt_web.jobs.running import sampling
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.running.sampling import MOST, SECONDS, Sampler, samples_of, stride, thin
from tests.web.jobs.lab import Team, live
from tests.web.jobs.scripted import ScriptedBackend
from tuning.backends import Usage
from tuning.backends.gpus import Use

NewJob = Callable[..., TuningJob]
GIGABYTE = 10**9


@pytest.fixture
def attempt(new_job: NewJob, follower: Follower, backend: ScriptedBackend) -> Attempt:
    """One that runs, under the follower "test"."""
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    follower.claim()
    (token,) = live(job)
    backend.prints(token, "score=1\n")
    follower.look([token])
    return Attempt.objects.get(token=token)


@pytest.fixture
def used(backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch) -> list[Usage]:
    """The last of them is what the backend says."""
    said = [Usage(10.0, GIGABYTE, (1, 2))]
    monkeypatch.setattr(backend, "usage", lambda _: said[-1], raising=False)
    return said


def later(attempt: Attempt, looks: int) -> None:
    """As if it had begun so many looks ago."""
    Attempt.objects.filter(pk=attempt.pk).update(started_at=timezone.now() - timedelta(seconds=looks * SECONDS + 1))


def test_a_sample_is_the_processor_time_since_the_last_look(
    attempt: Attempt, used: list[Usage], backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(sampling.gpus, "sample", lambda ids, pids: [Use(one, 0.5, 9, 3) for one in ids])
    Attempt.objects.filter(pk=attempt.pk).update(devices=["a", "b"])
    sampler = Sampler("test", backend)
    sampler.look()
    assert samples_of(attempt) == [], "nothing to compare with"
    later(attempt, 7)
    clock[0] += 4.0
    used.append(Usage(16.0, 2 * GIGABYTE, (1,)))
    sampler.look()
    (sample,) = samples_of(attempt)
    assert (sample.n, sample.cpus, sample.memory_bytes) == (7, 1.5, 2 * GIGABYTE)
    assert (sample.gpu_busy, sample.gpu_memory_bytes) == (0.5, 6)
    sampler.look()
    assert len(samples_of(attempt)) == 1, "the same look is kept once"


def test_only_the_follower_that_has_the_lease_looks(
    attempt: Attempt, used: list[Usage], backend: ScriptedBackend
) -> None:
    other = Sampler("other", backend)
    other.look()
    other.look()
    assert samples_of(attempt) == []


def test_a_month_keeps_as_many_samples_as_an_hour(attempt: Attempt) -> None:
    month = int(30 * 24 * 3600 / SECONDS)
    assert max(n // stride(n) for n in (0, 1, MOST - 1, MOST, 2 * MOST - 1, 2 * MOST, month)) < MOST
    rows = [UsageSample(attempt=attempt, n=n, at=timezone.now(), cpus=1, memory_bytes=1) for n in range(100)]
    UsageSample.objects.bulk_create(rows)
    thin(attempt.pk, 16)
    assert [sample.n for sample in samples_of(attempt)] == [0, 16, 32, 48, 64, 80, 96]


def test_what_a_larger_stride_leaves_out_is_deleted(
    attempt: Attempt, used: list[Usage], backend: ScriptedBackend
) -> None:
    rows = [UsageSample(attempt=attempt, n=n, at=timezone.now(), cpus=1, memory_bytes=1) for n in range(MOST)]
    UsageSample.objects.bulk_create(rows)
    sampler = Sampler("test", backend)
    sampler.look()
    later(attempt, MOST)
    sampler.look()
    assert [sample.n for sample in samples_of(attempt)] == list(range(0, MOST + 1, 2))


def test_it_is_shown_to_those_who_may_see_the_trial(attempt: Attempt, team: Team) -> None:
    for n in range(3):
        at = timezone.now() + timedelta(seconds=n)
        UsageSample.objects.create(attempt=attempt, n=n, at=at, cpus=n / 2, memory_bytes=n * GIGABYTE)
    path = "/api/v1/projects/lab/jobs/first/trials/1/usage"
    vera, charlie = Client(), Client()
    vera.force_login(team.vera)
    charlie.force_login(team.charlie)
    answer = vera.get(path).json()
    assert answer["cpus"] == [0.0, 0.5, 1.0]
    assert answer["gpu_busy"] == [None, None, None]
    assert (answer["attempt"], answer["devices"], len(answer["times"])) == (1, [], 3)
    assert charlie.get(path).status_code == vera.get(f"{path}?attempt=9").status_code == 404

    def figure(metric: str) -> dict:  # type: ignore[type-arg]
        return vera.get(f"/api/v1/projects/lab/figures/usage?job=first&metric={metric}").json()

    (line,) = figure("memory")["figure"]["data"]
    assert line["y"] == [0.0, 1.0, 2.0]
    assert line["meta"]["metric"] == "memory, GB"
    assert "used no GPU" in figure("gpu")["unavailable"]
    assert "choose one of cpu, memory, gpu, gpu_memory" in figure("disk")["unavailable"]
