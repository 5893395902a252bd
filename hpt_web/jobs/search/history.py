"""A job's rows as the engine sees them. Any process can build this at any moment.

Whoever chooses for a job again and again keeps what it has built, and reads again only the trials of which something
was told since: each change of a trial is committed with its event. What is kept is never more than the rows say: it is
built anew in a process that is new, and whenever the numbers do not fit.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from hpt_web.jobs.events import Entry
from hpt_web.jobs.models import TuningJob
from hpt_web.jobs.queries import curves_of
from hpt_web.jobs.tally import Tally
from tuning.history import Observation
from tuning.states import TrialState

MOST_KEPT = 500_000  # trials and points of their curves, of all jobs together


def own_trials(job: TuningJob, *, curves: bool = False) -> tuple[Observation, ...]:
    """The job's trials by number, with the curves of the objective if they are asked for."""
    by_number = curves_of(job, job.metric) if curves else {}
    rows = job.trials.order_by("number").values_list("number", "hyperparameters", "state", "objective", "promotions")
    return tuple(
        Observation(
            number=number,
            config=hyperparameters,
            state=TrialState(state),
            value=objective,
            curve=tuple(zip(by_number[number]["steps"], by_number[number]["values"], strict=True))
            if number in by_number
            else (),
            promotions=promotions,
        )
        for number, hyperparameters, state, objective, promotions in rows
    )


# --- what is kept -----------------------------------------------------------------------------------------------------


class _Key(NamedTuple):
    job: int
    created_at: datetime | None  # another database may know another job by that id
    curves: bool


@dataclass(frozen=True, slots=True)
class _Kept:
    """A job's trials by number, as they were when its newest event had the number `seq`."""

    seq: int
    trials: Mapping[int, Observation]
    size: int
    tally: Tally


class _Shelf:
    """The trials of the jobs that were asked for last, as many as there is room for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()

    def get(self, key: _Key) -> _Kept | None:
        with self._lock:
            return self._kept.get(key)

    def put(self, key: _Key, kept: _Kept) -> None:
        with self._lock:
            self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and sum(one.size for one in self._kept.values()) > MOST_KEPT:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


shelf = _Shelf()


class Known(NamedTuple):
    """A job's trials by number as of one moment, and their sums."""

    trials: tuple[Observation, ...]
    tally: Tally

    def after(self, entries: Iterable[Entry]) -> Tally:
        """The sums with what these events tell of trials, each of which is told whenever it has changed."""
        told: dict[int, Observation] = {}
        for kind, data in entries:
            row: Any = data
            if kind == "trial":
                told[row["number"]] = Observation(row["number"], {}, TrialState(row["state"]), row["objective"])
        before = [self.trials[number - 1] for number in told if number <= len(self.trials)]
        return self.tally.changed(before, told.values())


def known(job: TuningJob, *, curves: bool = False) -> Known:
    """The same as `own_trials` with their sums, for little where that was asked before. The caller has written nothing
    of the job's trials in its transaction: what may yet be taken back must not be kept."""
    key = _Key(job.pk, job.created_at, curves)
    kept = shelf.get(key)
    kept = kept and _updated(job, kept, curves=curves)
    if kept is None:
        kept = _updated(job, _Kept(-1, {}, 0, Tally.of(())), curves=curves)
    if kept is None:
        trials = own_trials(job, curves=curves)
        return Known(trials, Tally.of(trials))
    shelf.put(key, kept)
    return Known(tuple(kept.trials.values()), kept.tally)


def kept_trials(job: TuningJob, *, curves: bool = False) -> tuple[Observation, ...]:
    """The trials alone."""
    return known(job, curves=curves).trials


def _updated(job: TuningJob, kept: _Kept, *, curves: bool) -> _Kept | None:
    """What is kept with what has changed since; None if that cannot be told from what is kept."""
    columns, join = (_CURVE_COLUMNS, _CURVE) if curves else (_NO_CURVE_COLUMNS, "")
    sql = _QUERY.format(columns=columns, which=_CHANGED if kept.trials else "", curve=join)
    with connection.cursor() as cursor:
        cursor.execute(sql, {"job": job.pk, "since": kept.seq, "metric": job.metric})
        rows = cursor.fetchall()
    if not rows:
        return None
    seq, newest = rows[0][:2]
    changed = {row[2]: _observation(*row[2:]) for row in rows if row[2] is not None}
    trials = {**kept.trials, **changed}
    # Trials are numbered from 1 without gaps.
    if seq < kept.seq or len(trials) != (newest or 0) or next(reversed(trials), 0) != (newest or 0):
        return None
    size = kept.size + sum(1 + len(trial.curve) for trial in changed.values())
    before = [kept.trials[number] for number in changed if number in kept.trials]
    size -= sum(1 + len(trial.curve) for trial in before)
    return _Kept(seq, trials, size, kept.tally.changed(before, changed.values()))


# One statement, as it sees all rows as of one moment: the number of the newest event and the trials belong together.
_QUERY = """
    SELECT c.seq, (SELECT max(number) FROM jobs_trial WHERE job_id = c.job_id),
           t.number, t.hyperparameters, t.state, t.objective, t.promotions, {columns}
    FROM jobs_eventcursor c LEFT JOIN jobs_trial t ON t.job_id = c.job_id {which} {curve}
    WHERE c.job_id = %(job)s ORDER BY t.number
"""
_CHANGED = """
    AND t.number = ANY (ARRAY(
        SELECT DISTINCT (CASE kind WHEN 'trial' THEN data->'number' ELSE data->'trial' END)::int FROM jobs_event
        WHERE job_id = %(job)s AND seq > %(since)s AND kind IN ('trial', 'points')
    ))
"""
_NO_CURVE_COLUMNS = "NULL, NULL"
_CURVE_COLUMNS = "curve.steps, curve.values"
_CURVE = """
    LEFT JOIN LATERAL (
        SELECT array_agg(p.step ORDER BY p.step) AS steps, array_agg(p.value ORDER BY p.step) AS values
        FROM jobs_attempt a JOIN jobs_metricpoint p ON p.attempt_id = a.id AND p.metric = %(metric)s
        WHERE a.trial_id = t.id AND NOT a.superseded AND NOT p.superseded
    ) curve ON true
"""


def _observation(
    number: int,
    hyperparameters: str,
    state: str,
    objective: float | None,
    promotions: int,
    steps: list[int] | None,
    values: list[float] | None,
) -> Observation:
    curve = tuple(zip(steps or (), values or (), strict=True))
    return Observation(number, json.loads(hyperparameters), TrialState(state), objective, curve, promotions=promotions)
