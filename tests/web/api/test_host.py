"""The host for administrators: what it has, what runs on it and used it lately, and which processes are alive."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.utils import timezone
from pytest_django.fixtures import Settings

from hpt_web import pulse
from hpt_web.jobs import tasks
from hpt_web.jobs.models import Attempt, Trial, TuningJob, UsageSample
from hpt_web.jobs.running import host
from hpt_web.jobs.running.sampling import MOST, SECONDS
from tests import factories
from tests.factories import World
from tests.service import wait_for
from tests.web.api.kit import Api

GIGABYTE = 10**9


@pytest.fixture(autouse=True)
def devices(settings: Settings) -> None:
    settings.HPT_GPUS = "0:80GB,1:80GB"


def running(world: World, name: str, **more: Any) -> Attempt:
    """A job with a trial that runs."""
    job = factories.job(world.alice, "lab", world.job.algorithm_version, name=name, trials=0)
    TuningJob.objects.filter(pk=job.pk).update(state="Running", ended_at=None)
    trial = Trial.objects.create(job=job, number=1, state="Running", hyperparameters={}, attempt=1)
    return Attempt.objects.create(trial=trial, number=1, token=f"{name}-1", backend="process", **more)


def sample(attempt: Attempt, n: int, minutes_ago: float, **more: Any) -> None:
    at = timezone.now().replace(second=30, microsecond=0) - timedelta(minutes=minutes_ago)
    values = {"cpus": 2.0, "memory_bytes": GIGABYTE, "gpu_busy": 0.5, "gpu_memory_bytes": 3 * GIGABYTE, **more}
    UsageSample.objects.create(attempt=attempt, n=n, at=at, **values)


def test_only_administrators_see_it(world: World) -> None:
    for who in (world.alice, world.bob, world.charlie):
        answer = Api(who).get("host")
        assert (answer.status, answer.json["type"]) == (403, "forbidden")


def test_what_there_is_and_what_is_in_use(root: Api) -> None:
    found = root.get("host").json
    machine = found["machine"]
    assert machine["processors"] >= 1 and machine["load"] >= 0
    assert 0 < machine["memory_used_bytes"] <= machine["memory_bytes"]
    assert 0 < machine["disk_used_bytes"] <= machine["disk_bytes"]
    assert [(gpu["id"], gpu["memory_bytes"]) for gpu in found["gpus"]] == [("0", 80 * GIGABYTE), ("1", 80 * GIGABYTE)]
    assert (found["trials"], found["last_hour"]["times"]) == ([], [])


def test_which_trials_run_on_which_device(world: World, root: Api) -> None:
    attempt = running(world, "wide", pool="gpu-80gb", devices=["1"])
    running(world, "young")
    sample(attempt, 1, 2, cpus=1.0)
    sample(attempt, 2, 1, cpus=3.0)
    wide, young = root.get("host").json["trials"]
    assert {name: wide[name] for name in ("project", "job", "trial", "user", "where", "devices", "cpus")} == {
        "project": "lab", "job": "wide", "trial": 1, "user": "alice", "where": "process", "devices": ["1"], "cpus": 3.0,
    }  # fmt: skip
    assert (young["devices"], young["cpus"], young["memory_bytes"]) == ([], None, None)


def test_the_last_hour_is_what_all_trials_used_together(world: World) -> None:
    """Samples stand for the time to the next one, so that trials of seconds and of days are counted alike."""
    for number in range(2):
        attempt = running(world, f"job-{number}", devices=["0", "1"])
        for at in range(12):  # one for every 5 s of a minute
            sample(attempt, at, 2)
        sample(attempt, 99, 0)  # of the minute that is not over
        sample(attempt, 98, 61)
    long = running(world, "long")
    for n in range(MOST, MOST + 6, 1):  # from MOST looks on only every other one is kept
        sample(long, 2 * n, 5, cpus=1.0, gpu_busy=None, gpu_memory_bytes=None)
    found = host.last_hour()
    assert found.cpus == pytest.approx([6 * 4 * SECONDS / 60, 4.0])
    assert found.gpus == pytest.approx([0, 2.0])
    assert found.memory_bytes[1] == pytest.approx(2 * GIGABYTE)
    assert found.gpu_memory_bytes[1] == pytest.approx(6 * GIGABYTE)
    assert found.times[1] - found.times[0] == 180


def test_it_takes_a_fixed_number_of_queries(world: World, root: Api, django_assert_max_num_queries: Any) -> None:
    for number in range(5):
        sample(running(world, f"job-{number}"), 1, 1)
    with django_assert_max_num_queries(8):
        assert len(root.get("host").json["trials"]) == 5


# --- processes --------------------------------------------------------------------------------------------------------


def test_a_process_is_heard_of_while_it_lives(root: Api) -> None:
    stopped = threading.Event()
    pulse.start("worker", stopped)
    (found,) = wait_for(pulse.alive, 10, "the worker is heard of")
    assert (found.kind, found.late) == ("worker", False)
    assert [each["part"] for each in root.get("host").json["processes"]] == ["worker"]
    stopped.set()
    wait_for(lambda: not pulse.alive(), 10, "it has taken its leave")


def test_a_process_that_hangs_is_late_and_then_forgotten(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.hset("hpt:pulse", mapping={"follower box 7": time.time() - 30, "web box 8": time.time() - 90})
    (found,) = pulse.alive()
    assert (found.kind, found.host, found.pid, found.late) == ("follower", "box", 7, True)
    assert pulse.alive() == [pulse.Pulse("follower", "box", 7, pytest.approx(30, abs=5))]


def test_without_the_broker_nobody_is_known(root: Api, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    found = root.get("host").json
    assert (found["processes"], found["stalled"]) == (None, "")
    health = Api().get("health")
    assert (health.status, health.json["status"], health.json["workers"]) == (200, "ok", "unknown")


@pytest.fixture
def valkey(settings: Settings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete(pulse.ENDS, pulse.QUEUE, f"{pulse.QUEUE}.msgs", "hpt:pulse")
        yield client
        client.delete(pulse.ENDS, pulse.QUEUE, f"{pulse.QUEUE}.msgs", "hpt:pulse")


def test_workers_that_take_nothing_are_told_of(root: Api, valkey: redis.Redis) -> None:
    def told() -> tuple[str, str]:
        found = Api().get("health").json
        assert root.get("host").json["stalled"] == found["reason"]
        return found["workers"], found["reason"]

    assert told()[0] == "stalled" and told()[1].startswith("No worker says that it lives")
    valkey.hset("hpt:pulse", f"worker box {os.getpid()}", time.time())
    assert told() == ("ok", "")
    tasks.nudge_of_end(1)
    tasks.nudge(1)
    assert valkey.zcard(pulse.ENDS) == valkey.llen(pulse.QUEUE) == 1
    assert told() == ("ok", ""), "somebody is about to take it"
    valkey.zadd(pulse.ENDS, {"1": time.time() - 30})
    assert told()[0] == "stalled" and "30 s ago is taken by none of them" in told()[1]
    valkey.delete(pulse.ENDS)
    assert told() == ("ok", "")
    ((name, message),) = valkey.hgetall(f"{pulse.QUEUE}.msgs").items()
    then = {**json.loads(message), "message_timestamp": 1000 * (time.time() - 40)}
    valkey.hset(f"{pulse.QUEUE}.msgs", name, json.dumps(then))
    assert told()[0] == "stalled" and "40 s ago" in told()[1]
