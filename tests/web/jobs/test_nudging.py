"""A nudge that cannot be sent fails nobody: neither the follower, nor a request whose change is committed already."""

from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

from hpt_web.jobs import tasks


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


def test_a_queue_that_is_gone_is_left_to_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise redis.ConnectionError("connection refused")

    monkeypatch.setattr(tasks.advance, "send", gone)
    tasks.nudge(7)
