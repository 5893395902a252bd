"""Values that a trial reported: numbered, stored, told, and made its objective."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import connection

from hpt_web.jobs.events import Entry, points_entry
from hpt_web.jobs.models import Attempt, Trial, TuningJob
from tuning.metrics import MetricReader, Point, metrics_from_json
from tuning.states import Goal

_POINTS = """
    INSERT INTO jobs_metricpoint (attempt_id, metric, step, value, at)
    SELECT {attempt}, new.item ->> 0, (new.item ->> 1)::bigint, (new.item ->> 2)::float8, %s
    FROM json_array_elements(%s::json) AS new (item)
"""


class Numbered(NamedTuple):
    """A value that was read, with the step of its metric at which it is stored."""

    metric: str
    step: int
    value: float


@lru_cache(maxsize=256)
def reader_of(algorithm_version: int) -> MetricReader:
    """The compiled regexes of an algorithm's version, which never change."""
    job = TuningJob.objects.filter(algorithm_version=algorithm_version).select_related("algorithm_version").first()
    assert job is not None, "an attempt's job refers to the version"
    return MetricReader(metrics_from_json(job.algorithm_version.metrics))


def number_steps(attempt: Attempt, points: Iterable[Point]) -> tuple[dict[str, int], list[Numbered]]:
    """The points as they are stored: each is the next step of its metric, or the step that it names if that lies ahead.
    And the last step of each metric after them.
    """
    steps = dict(attempt.steps)
    found = []
    for point in points:
        step = steps.get(point.metric, 0) + 1
        if point.step is not None and point.step > step:
            step = point.step
        steps[point.metric] = step
        found.append(Numbered(point.metric, step, point.value))
    return steps, found


def store_points(attempt: Attempt, points: Sequence[Numbered], at: float) -> None:
    """One statement, whatever their number."""
    if points:
        with connection.cursor() as cursor:
            cursor.execute(_POINTS.format(attempt="%s"), [attempt.pk, moment(at), json.dumps(points)])


def storing(points: Sequence[Numbered], at: float, *, attempt: str) -> tuple[str, list[Any]]:
    """The same as a part of a statement of which another part, `attempt`, has the row, and its arguments."""
    return f"{_POINTS.format(attempt=f'{attempt}.id')}, {attempt}", [moment(at), json.dumps(points)]


def points_entries(trial: Trial, points: Sequence[Numbered], at: float) -> list[Entry]:
    """The events that tell of points which were read at the same time: one for each metric."""
    metrics: dict[str, list[Numbered]] = {}
    for point in points:
        metrics.setdefault(point.metric, []).append(point)
    return [
        points_entry(trial, metric, [p.step for p in found], [p.value for p in found], [at] * len(found))
        for metric, found in metrics.items()
    ]


def objective_after(trial: Trial, values: Sequence[float]) -> dict[str, object]:
    """What of the trial changes with these values of its objective: the last is its objective (F63). No event tells it:
    whoever watches has the points."""
    if not values:
        return {}
    known = [] if trial.best_objective is None else [trial.best_objective]
    sign = Goal(trial.job.goal).sign
    return {"objective": values[-1], "best_objective": max([*values, *known], key=lambda value: sign * value)}


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
