"""Follows the running trials, and sweeps: `manage.py follow`. Any number may run; leases share the trials out."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import socket
import threading
import time
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from hpt_web import garbage, pulse
from hpt_web.catalog.actions import sweep_store
from hpt_web.jobs import tasks
from hpt_web.jobs.outputs import retention
from hpt_web.jobs.running import launching, pulled
from hpt_web.jobs.running.dispatch import NEW_ATTEMPTS
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.running.images import concerns
from hpt_web.jobs.running.sampling import Sampler
from hpt_web.jobs.running.sweep import sweep
from hpt_web.jobs.sharing import sums

logger = logging.getLogger(__name__)

STORE_SECONDS = 3600.0
TIDY_SECONDS = 0.5  # while trials end: those that start next find their folders ready


class Command(BaseCommand):
    help = "Follow running trials: store their metrics, judge them, settle those that end. Stop it with SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        stopped, news = threading.Event(), threading.Event()
        backend = launching.backend()

        def stop(*_: object) -> None:
            stopped.set()
            backend.wake()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        for concern in concerns():
            logger.warning("Trials in containers: %s", concern)
        pulse.start("follower", stopped)
        name = f"{socket.gethostname()}:{os.getpid()}"
        threading.Thread(target=_listen, args=(stopped, news), name="listen", daemon=True).start()
        threading.Thread(target=_sweep, args=(stopped,), name="sweep", daemon=True).start()
        threading.Thread(target=_tidy, args=(stopped,), name="tidy", daemon=True).start()
        threading.Thread(target=Sampler(name, backend).run, args=(stopped,), name="sample", daemon=True).start()
        garbage.spare_what_is_loaded()
        nudges = Nudges()
        threading.Thread(target=nudges.run, args=(stopped,), name="nudge", daemon=True).start()
        Follower(name, backend, nudges).run(stopped, news)


class Nudges:
    """Tells of ends in a thread of their own: a queue that hangs must not keep the logs from being read."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[int] = queue.SimpleQueue()

    def __call__(self, job_id: int) -> None:
        self._waiting.put(job_id)

    def run(self, stopped: threading.Event) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Empty):
                jobs = {self._waiting.get(timeout=1.0)}
                while not self._waiting.empty():  # what came while the queue was slow, each job once
                    jobs.add(self._waiting.get())
                for job in jobs:
                    tasks.nudge_of_end(job)


def _listen(stopped: threading.Event, news: threading.Event) -> None:
    """Wake the follower whenever an attempt was written, so that it need not ask."""
    while not stopped.is_set():
        try:
            with psycopg.connect(**_parameters(), autocommit=True) as listener:
                listener.execute(f"LISTEN {NEW_ATTEMPTS}")
                while not stopped.is_set():
                    news.set()  # also for what was written while nobody listened
                    launching.backend().wake()
                    next(listener.notifies(), None)
        except psycopg.Error as error:
            logger.warning("Not listening for new attempts (%s); trying again", error)
            stopped.wait(0.5)


def _parameters() -> dict[str, Any]:
    """How to connect to the database, without Django's adapters and pool."""
    database = settings.DATABASES["default"]
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return {name: database[key] for name, key in names.items() if database.get(key)}


def _sweep(stopped: threading.Event) -> None:
    store_swept = up_since = time.monotonic()
    while not stopped.is_set():
        started = time.monotonic()
        try:
            sweep(launching.backend(), tasks.nudge, listening=started - up_since)
            if started - store_swept > STORE_SECONDS:
                store_swept = started
                sweep_store()
                pulled.remove_unused()
                sums.add_up()
        except (DatabaseError, OSError) as error:
            logger.warning("Could not sweep (%s); trying again", error)
            up_since = time.monotonic()  # nobody was heard of while the database was away
            connection.close()
        except Exception:
            logger.exception("Could not sweep; trying again")
        finally:
            connection.close()
        stopped.wait(max(0.5, settings.HPT_SWEEP_SECONDS - (time.monotonic() - started)))


def _tidy(stopped: threading.Event) -> None:
    """Clear the folders of attempts that have ended."""
    while not stopped.is_set():
        found = 0
        try:
            found = retention.clear()
        except (DatabaseError, OSError) as error:
            logger.warning("Could not clear what has ended (%s); trying again", error)
        except Exception:
            logger.exception("Could not clear what has ended; trying again")
        finally:
            connection.close()
        stopped.wait(TIDY_SECONDS if found else settings.HPT_SWEEP_SECONDS)
