"""The way of a nudge: a worker sleeps on the queue, and works on each job in one thread only."""

import threading
from typing import Any

import dramatiq
import pytest
from django.conf import settings

from hpt_web.broker import WakefulBroker, broker
from hpt_web.jobs import tasks
from hpt_web.jobs.running import dispatch
from hpt_web.jobs.tasks import Turns
from tests.service import wait_for

PATIENCE = 20.0
QUEUE = "default"


def send(job: int) -> str:
    return str(tasks.advance.send(job).message_id)


def blocked() -> int:
    clients: dict[str, Any] = broker.client.info("clients")
    return int(clients["blocked_clients"])


def test_a_worker_sleeps_until_there_is_a_message_and_gets_each_in_its_order():
    consumer = broker.consume(QUEUE, prefetch=4, timeout=60_000)
    found: list[dramatiq.MessageProxy] = []

    def consume() -> None:
        while len(found) < 3:
            message = next(consumer)
            if message is not None:
                found.append(message)

    thread = threading.Thread(target=consume, daemon=True)
    thread.start()
    wait_for(blocked, PATIENCE, "it sleeps")  # and does not ask again and again
    sent = [send(1)]
    wait_for(lambda: len(found) == 1 and blocked(), PATIENCE, "it has the first and sleeps again")
    sent += [send(2), send(3)]
    thread.join(PATIENCE)
    assert [message.message_id for message in found] == sent
    for message in found:
        consumer.ack(message)
    assert broker.do_qsize(QUEUE) == 0


def test_a_worker_with_all_that_it_may_have_takes_no_more():
    consumer = broker.consume(QUEUE, prefetch=1, timeout=60_000)
    first, second = send(1), send(2)
    taken = next(consumer)
    assert taken.message_id == first and next(consumer) is None  # at once, though a message lies there
    consumer.ack(taken)
    assert next(consumer).message_id == second


def test_messages_of_a_worker_that_died_are_handed_over(monkeypatch):
    other = WakefulBroker(url=settings.REDIS_URL, heartbeat_timeout=1)
    dead = other.consume(QUEUE, prefetch=1, timeout=10)
    sent = send(1)
    assert next(dead).message_id == sent
    monkeypatch.setattr(broker, "heartbeat_timeout", 1)
    heir = broker.consume(QUEUE, prefetch=1, timeout=10)
    assert wait_for(lambda: next(heir), PATIENCE, "another worker gets it").message_id == sent


def test_one_thread_is_at_work_on_a_job_and_looks_once_more_for_those_that_came_meanwhile():
    turns = Turns()
    assert turns.take(1) and turns.take(2)
    assert not turns.take(1) and not turns.take(1)
    assert turns.done(1)  # once for both
    assert not turns.done(1) and turns.take(1)  # its turn was over, so somebody else may have it
    assert not turns.take(1)
    turns.drop(1)
    assert turns.take(1)


def test_nudges_that_come_while_a_job_is_looked_at_are_one_more_look(monkeypatch):
    looks: list[int] = []

    def advance(job: int) -> list[int]:
        looks.append(job)
        if len(looks) == 1:
            for _ in range(3):
                tasks.advance(job)
        return []

    monkeypatch.setattr(dispatch, "advance", advance)
    tasks.advance(7)
    assert looks == [7, 7]


def test_a_look_that_fails_leaves_the_job_to_the_next_nudge(monkeypatch):
    def fail(job: int) -> list[int]:
        raise OSError("the database is gone")

    monkeypatch.setattr(dispatch, "advance", fail)
    with pytest.raises(OSError, match="gone"):
        tasks.advance(7)
    monkeypatch.setattr(dispatch, "advance", lambda job: [])
    tasks.advance(7)
    assert tasks.turns.take(7)
    tasks.turns.drop(7)
