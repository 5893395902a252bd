"""The actors of the workers. Each takes an id, does one step, and may run twice; a lost message costs one sweep.

That a trial has ended is told on a way of its own, as it happens so often: a set in the queue's server in which each
job is once, however many of its trials end, and on which threads of the workers sleep. Whoever dies with a job in hand
leaves it to the next sweep, too.
"""

from __future__ import annotations

import logging
import threading
import time

import dramatiq
import redis
from django.db import connection

from hpt_web import crash
from hpt_web.broker import broker  # actors register with it
from hpt_web.jobs.running import dispatch
from hpt_web.jobs.search import choosing
from hpt_web.pulse import ENDS

logger = logging.getLogger(__name__)

REST_SECONDS = 1.0  # after which a thread that sleeps on them looks whether it is to end
DRAIN_SECONDS = 2.0  # for those at work, when a worker ends


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


@dramatiq.actor
def begin(job_id: int) -> None:
    """The first step of a job that has parents."""
    choosing.load_parents(job_id)
    advance(job_id)


def nudge_of_end(job_id: int) -> None:
    """Have a worker look at the job because one of its trials has ended: as `nudge` does, for much less."""
    try:
        broker.client.zadd(ENDS, {str(job_id): time.time()}, nx=True)
    except (redis.RedisError, OSError) as error:
        logger.warning("Nobody could be told of an end of job %s (%s); the next sweep does it", job_id, error)
        return
    crash.at("message.enqueued")


class Ends(dramatiq.Middleware):
    """Has as many threads more in each worker advance the jobs whose trials have ended."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._stopped = False
        self._busy = 0

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        for number in range(worker.worker_threads):
            threading.Thread(target=self.run, name=f"ends-{number}", daemon=True).start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Those at work come to the end of their step, and nobody begins another."""
        with self._condition:
            self._stopped = True
            self._condition.wait_for(lambda: not self._busy, DRAIN_SECONDS)

    def run(self) -> None:
        while not self._stopped:
            try:
                found = broker.client.bzpopmin(ENDS, timeout=REST_SECONDS)
            except (redis.RedisError, OSError) as error:
                logger.warning("Nobody can be heard to end (%s); trying again", error)
                time.sleep(REST_SECONDS)
                continue
            if not found:
                connection.close()  # back into the pool
                continue
            with self._condition:
                if self._stopped:
                    nudge_of_end(int(found[1]))
                    return
                self._busy += 1
            try:
                self.advance(int(found[1]))
            finally:
                with self._condition:
                    self._busy -= 1
                    self._condition.notify_all()

    def advance(self, job_id: int) -> None:
        """One step. Its connection is kept for the next as long as all goes well: taking one costs as much as some
        statements."""
        try:
            advance(job_id)
            crash.at("message.processed")
        except Exception:
            logger.exception("Job %s could not be advanced; the next sweep does it", job_id)
            connection.close()


broker.add_middleware(Ends())


def nudge(job_id: int, *, parents: bool = False) -> None:
    """Have a worker look at the job soon, and load its `parents` first. If the queue is down, or refuses, the next
    sweep does it: what was committed stays true, and whoever nudges has other work that must go on."""
    try:
        (begin if parents else advance).send(job_id)
    except (redis.RedisError, dramatiq.DramatiqError, OSError) as error:
        logger.warning("Nobody could be nudged to look at job %s (%s); the next sweep does it", job_id, error)
        return
    crash.at("message.enqueued")
