"""The actors of the workers. Each takes an id, does one step, and may run twice; a lost message costs one sweep."""

from __future__ import annotations

import logging
import threading

import dramatiq
import redis

from hpt_web import broker, crash  # noqa: F401  actors register with the broker
from hpt_web.jobs.running import dispatch

logger = logging.getLogger(__name__)


class Turns:
    """Who is at work on what in this process: one thread for each, and whoever comes meanwhile has it look once more.

    A second thread would only wait for the row's lock, and a slow job could keep all of the worker's threads waiting.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._again: dict[int, bool] = {}  # those at work, and whether they are to look once more

    def take(self, key: int) -> bool:
        """Whether the caller is to work on `key`; if not, somebody does who will look once more."""
        with self._lock:
            free = key not in self._again
            self._again[key] = not free
            return free

    def done(self, key: int) -> bool:
        """Whether the caller is to look once more, as something has come meanwhile; else its turn is over."""
        with self._lock:
            again = self._again.pop(key)
            if again:
                self._again[key] = False
            return again

    def drop(self, key: int) -> None:
        """The caller's turn is over, whatever has come meanwhile."""
        with self._lock:
            self._again.pop(key, None)


turns = Turns()


@dramatiq.actor
def advance(job_id: int) -> None:
    crash.at("message.received")
    if not turns.take(job_id):
        return
    try:
        while True:
            for other in dispatch.advance(job_id):
                nudge(other)
            if not turns.done(job_id):
                return
    except BaseException:
        turns.drop(job_id)  # the sweep nudges it again
        raise


def nudge(job_id: int) -> None:
    """Have a worker look at the job soon. If the queue is down, or refuses, the next sweep does it: what was committed
    stays true, and whoever nudges has other work that must go on."""
    try:
        advance.send(job_id)
    except (redis.RedisError, dramatiq.DramatiqError, OSError) as error:
        logger.warning("Nobody could be nudged to look at job %s (%s); the next sweep does it", job_id, error)
        return
    crash.at("message.enqueued")
