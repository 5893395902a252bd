"""A nudge that cannot be sent fails nobody: neither the follower, nor a request whose change is committed already."""

import threading
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

from hpt_web.jobs import tasks
from hpt_web.jobs.management.commands.follow import Nudges
from tests.web.live_kit import until


@pytest.fixture
def full() -> Iterator[redis.Redis]:
    """The queue, whose memory is full: it refuses every write."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.config_set("maxmemory", "1")
        yield client
        client.config_set("maxmemory", "0")


def test_a_queue_that_refuses_is_left_to_the_sweep(full: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    tasks.nudge(7)
    assert "Nobody could be nudged to look at job 7" in caplog.text
    full.config_set("maxmemory", "0")
    tasks.nudge(7)
    assert full.llen("dramatiq:default") == 1


def test_a_queue_that_refuses_an_end_is_left_to_the_sweep(full: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    tasks.nudge_of_end(7)
    assert "Nobody could be told of an end of job 7" in caplog.text
    full.config_set("maxmemory", "0")
    tasks.nudge_of_end(7)
    tasks.nudge_of_end(7)
    assert full.zcard(tasks.ENDS) == 1


def test_a_queue_that_is_gone_is_left_to_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise redis.ConnectionError("connection refused")

    monkeypatch.setattr(tasks.advance, "send", gone)
    tasks.nudge(7)


def test_a_queue_that_hangs_does_not_hold_up_the_follower(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs, stopped, sent = threading.Event(), threading.Event(), []

    def send(job_id: int) -> None:
        sent.append(job_id)
        assert hangs.wait(30)

    monkeypatch.setattr(tasks, "nudge_of_end", send)
    nudges = Nudges()
    sender = threading.Thread(target=nudges.run, args=(stopped,))
    sender.start()
    nudges(1)
    until(lambda: sent, "the first nudge is under way")
    for job_id in (2, 3, 2):  # answers at once, although the first one has not got through
        nudges(job_id)
    hangs.set()
    until(lambda: len(sent) == 3, "the others follow, each job once")
    stopped.set()
    sender.join()
    assert sorted(sent) == [1, 2, 3]
