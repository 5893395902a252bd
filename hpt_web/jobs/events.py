"""The feed of a job: events numbered without gaps, and a doorbell that takes them to the sockets if they are few.

The numbers are taken under the cursor's row lock, which is held until the commit. So whoever reads events above a
number, in order, never misses one that a slower transaction commits later (as happens with plain serial ids).
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import redis
from django.conf import settings
from django.db import transaction

from hpt_web.jobs import rows
from hpt_web.jobs.models import Decision, Trial, TuningJob
from hpt_web.jobs.queries import job_row, trial_row
from hpt_web.jobs.tally import Tally

logger = logging.getLogger(__name__)

Kind = Literal["job", "trial", "points", "decision"]
_TELLING = """
    taken AS (UPDATE jobs_eventcursor SET seq = seq + %s{given} WHERE job_id = %s RETURNING job_id, seq),
    told AS (
        INSERT INTO jobs_event (job_id, seq, kind, data)
        SELECT taken.job_id, taken.seq - %s + entry.place, entry.item ->> 0, (entry.item -> 1)::jsonb
        FROM taken, json_array_elements(%s::json) WITH ORDINALITY AS entry (item, place)
    )
"""
SEND_SECONDS = 2.0  # for a ring; after that it is lost
MOST_CARRIED = 16_384  # characters of events that a ring takes along; sockets read more than that from the database


class Entry(NamedTuple):
    """An event that has no number yet."""

    kind: Kind
    data: dict[str, object]


def job_entry(job: TuningJob, tally: Tally | None = None) -> Entry:
    return Entry("job", dict(job_row(job, tally)))


def trial_entry(trial: Trial) -> Entry:
    return Entry("trial", dict(trial_row(trial)))


def points_entry(
    trial: Trial, metric: str, steps: Sequence[int], values: Sequence[float], times: Sequence[float]
) -> Entry:
    """A batch of one metric's values, as columns; `times` are seconds since the epoch."""
    return Entry(
        "points",
        {
            "trial": trial.number,
            "attempt": trial.attempt,
            "metric": metric,
            "steps": list(steps),
            "values": list(values),
            "times": list(times),
        },
    )


def decide(
    job: TuningJob,
    kind: Decision.Kind,
    reason: str,
    *,
    trial: Trial | None = None,
    numbers: dict[str, float | int | str] | None = None,
) -> Entry:
    """Store why something was done, and make the event that tells it."""
    (entry,) = decide_all([Decision(job=job, trial=trial, kind=kind, reason=reason, numbers=numbers or {})])
    return entry


def decide_all(decisions: Sequence[Decision]) -> list[Entry]:
    """The same for several, with one statement."""
    if decisions:
        rows.insert(*decisions)
    return [decision_entry(decision) for decision in decisions]


def decision_entry(decision: Decision) -> Entry:
    return Entry(
        "decision",
        {
            "trial": decision.trial and decision.trial.number,
            "kind": str(decision.kind),
            "reason": decision.reason,
            "numbers": decision.numbers,
        },
    )


def append(job_id: int, entries: Iterable[Entry]) -> None:
    """Number and store `entries`; must be the last thing that a transaction does, as it locks the feed until then."""
    entries = list(entries)
    if not entries:
        return
    telling = Telling(job_id, entries)
    [answer] = rows.select(f"WITH {telling.parts} SELECT {telling.ANSWER} FROM taken", *telling.arguments)  # noqa: S608
    telling.done(*answer)


class Telling:
    """Events as parts of a statement: `taken` numbers them, `told` stores them. `given` names a part before these:
    they are numbered after its row is written, and not at all if it has none."""

    # The last number, and when they were stored: the default of the column.
    ANSWER = "taken.seq, to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

    def __init__(self, job_id: int, entries: Sequence[Entry], *, given: str = "") -> None:
        self._job = job_id
        self._kinds, self._texts = [entry.kind for entry in entries], [json.dumps(entry.data) for entry in entries]
        listed = ",".join(f'["{kind}",{text}]' for kind, text in zip(self._kinds, self._texts, strict=True))
        self._carried = len(listed) <= MOST_CARRIED
        self.parts = _TELLING.format(given=f" FROM {given}" if given else "")
        self.arguments: list[Any] = [len(entries), job_id, len(entries), f"[{listed}]"]

    def done(self, last: int, at: str) -> None:
        """The statement has answered `ANSWER`: have the sockets told, once it is committed."""
        first, told = last - len(self._kinds) + 1, None
        if self._carried:
            numbered = zip(range(first, last + 1), self._kinds, self._texts, strict=True)
            told = ",".join(event_text(seq, at, kind, text) for seq, kind, text in numbered)
        transaction.on_commit(partial(doorbell.ring, self._job, last, told, first=first))


def event_text(seq: int, at: str, kind: str, data: str) -> str:
    """One event as the page of a job gets it."""
    return f'{{"seq":{seq},"at":"{at}","kind":"{kind}","data":{data}}}'


def channel(job_id: int) -> str:
    """Where those who watch a job hear of it, in the queue's server."""
    return f"{settings.FEED_PREFIX}:{job_id}"


class Ring(NamedTuple):
    """A job's feed has grown to `last`: by the events from `first` on, if `events` has them as the inside of a list."""

    last: int
    first: int = 0
    events: str | None = None

    def packed(self) -> str:
        return f"{self.last} {self.first} {self.events or ''}"

    @classmethod
    def unpacked(cls, text: str) -> Ring:
        last, first, events = text.split(" ", 2)
        return cls(int(last), int(first), events or None)


class Doorbell:
    """Tells the sockets, from whatever thread, that a job's feed has grown, and by what.

    A thread of its own sends the rings: a queue that hangs keeps nobody from working. They coalesce: while one is on
    its way, those that follow for the same job become one. A lost ring loses nothing: what comes after it does not fit,
    and the sockets look by themselves every few seconds.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rings: queue.SimpleQueue[tuple[int, Ring]] = queue.SimpleQueue()
        self._pid = 0

    def ring(self, job_id: int, seq: int, events: str | None = None, *, first: int = 0) -> None:
        if self._pid != os.getpid():  # a fork has the object, not the thread
            self._start()
        self._rings.put((job_id, Ring(seq, first, events)))

    def _start(self) -> None:
        with self._lock:
            if self._pid != os.getpid():
                self._rings, self._pid = queue.SimpleQueue(), os.getpid()
                threading.Thread(target=self._run, args=(self._rings,), name="doorbell", daemon=True).start()

    def _run(self, rings: queue.SimpleQueue[tuple[int, Ring]]) -> None:
        client = redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=SEND_SECONDS, socket_connect_timeout=SEND_SECONDS
        )
        while True:
            waiting: dict[int, list[Ring]] = {}
            job_id, ring = rings.get()
            waiting[job_id] = [ring]
            while not rings.empty():
                job_id, ring = rings.get()
                waiting.setdefault(job_id, []).append(ring)
            for job_id, several in waiting.items():
                ring = merged(several)
                try:
                    client.publish(channel(job_id), ring.packed())
                except Exception as error:  # whatever its client raises: without this thread nobody rings any more
                    logger.warning("Nobody could be told of event %s of job %s: %s", ring.last, job_id, error)


def merged(rings: Sequence[Ring]) -> Ring:
    """Several of a job as one, without the events if some are missing, or if they are too many."""
    rings = sorted(rings)
    texts = [ring.events for ring in rings if ring.events is not None]
    whole = all(one.last + 1 == other.first for one, other in pairwise(rings)) and len(texts) == len(rings)
    if not whole or sum(map(len, texts)) > MOST_CARRIED:
        return Ring(rings[-1].last)
    return Ring(rings[-1].last, rings[0].first, ",".join(texts))


doorbell = Doorbell()
