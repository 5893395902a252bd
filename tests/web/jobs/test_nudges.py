"""The way of a nudge: a worker sleeps on the queue, and works on each job in one thread only."""

import threading
from collections.abc import Iterator
from typing import Any

import dramatiq
import pytest
from django.conf import settings

from hpt_web.broker import WakefulBroker, broker
from hpt_web.jobs import tasks
from hpt_web.jobs.running import dispatch
from hpt_web.jobs.tasks import ENDS, Ends, Turns, nudge_of_end
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


# --- the way of an end -----------------------------------------------------------------------------------------------


class Steps:
    """In place of the steps of jobs: which ones were asked for, each held up until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: list[int] = []
        self.go = threading.Event()
        monkeypatch.setattr(dispatch, "advance", self.step)

    def step(self, job: int) -> list[int]:
        self.taken.append(job)
        assert self.go.wait(PATIENCE)
        if job == 13:
            raise OSError("the database is gone")
        return []


@pytest.fixture
def listening() -> Iterator[tuple[Ends, threading.Thread]]:
    """A worker's thread that listens for ends."""
    ends = Ends()
    thread = threading.Thread(target=ends.run, daemon=True)
    thread.start()
    yield ends, thread
    ends._stopped = True
    thread.join(PATIENCE)
    broker.client.delete(ENDS)


Listening = tuple[Ends, threading.Thread]


def test_ends_of_a_job_that_come_together_are_one_step(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(monkeypatch)
    nudge_of_end(7)
    wait_for(lambda: steps.taken == [7], PATIENCE, "it is at work")
    for job in (8, 9, 8, 8):
        nudge_of_end(job)
    assert broker.client.zcard(ENDS) == 2
    steps.go.set()
    wait_for(lambda: steps.taken == [7, 8, 9], PATIENCE, "each once, in the order in which they came")


def test_a_step_that_fails_keeps_nobody_from_the_next(
    listening: Listening, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    steps = Steps(monkeypatch)
    steps.go.set()
    nudge_of_end(13)
    nudge_of_end(8)
    wait_for(lambda: steps.taken == [13, 8], PATIENCE, "the next is taken")
    assert "Job 13 could not be advanced" in caplog.text


def test_a_worker_that_ends_comes_to_the_end_of_its_step_and_begins_no_other(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends, thread = listening
    steps = Steps(monkeypatch)
    nudge_of_end(7)
    wait_for(lambda: steps.taken, PATIENCE, "it is at work")
    leaving = threading.Thread(target=ends.before_worker_shutdown, args=(broker, None))
    leaving.start()
    wait_for(lambda: ends._stopped, PATIENCE, "it is told to end")
    nudge_of_end(8)
    assert leaving.is_alive()
    steps.go.set()
    leaving.join(PATIENCE)
    thread.join(PATIENCE)
    assert steps.taken == [7] and not thread.is_alive() and broker.client.zcard(ENDS) == 1


def test_an_end_that_reaches_a_worker_that_ends_is_left_to_another(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends, thread = listening
    steps = Steps(monkeypatch)
    wait_for(blocked, PATIENCE, "it sleeps")
    ends.before_worker_shutdown(broker, None)
    nudge_of_end(7)
    thread.join(PATIENCE)
    assert not steps.taken and broker.client.zcard(ENDS) == 1
