"""Attempts that go on from a checkpoint which lags behind what was reported: an attempt that was killed had written it
some time before. What was reported since is reported once more; the first of it stays stored, and is no part of the
curve.

What a checkpoint holds is what had been printed when the newest of its files was written (`Backend.log_size_at`). Where
an attempt names its steps, these decide: it stands where it says.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from django.db import connection, transaction

from hpt_web.jobs import rows
from hpt_web.jobs.events import append, trial_entry
from hpt_web.jobs.models import EXTERNAL, Attempt, MetricPoint, Trial
from hpt_web.jobs.running import launching
from hpt_web.jobs.running.points import reader_of
from tuning.metrics import Point
from tuning.states import Goal

PIECE_BYTES = 1024 * 1024  # of a log, read at a time
MOST_FILES = 10_000  # of a checkpoint that are looked at
# What is being written still, and is renamed once it is whole: a killed attempt leaves it, and it is no checkpoint.
DRAFT = re.compile(r"^[.]|^tmp|[._-](tmp|draft|incomplete)(?![a-z])|[.]part(ial)?$|~$", re.IGNORECASE)


def cut_back(base: Attempt) -> dict[str, int]:
    """Take out of the curve what this attempt reported after the checkpoint from which the next one goes on; the last
    step of each metric before that."""
    lag = reported_since(base, base.trial)
    if not lag:
        return dict(base.steps)
    for metric, count in lag.items():
        _on_last("UPDATE jobs_metricpoint SET superseded = true", base, metric, count)
    return last_steps(base.trial)


def reported_since(attempt: Attempt, trial: Trial) -> Counter[str]:
    """How many of the attempt's last points, by metric, are not in the checkpoint that the trial has left."""
    moment = written_at(launching.checkpoint_folder(trial)) if attempt.backend != EXTERNAL else None
    offset = launching.backend().log_size_at(attempt.token, moment) if moment is not None else None
    found: Counter[str] = Counter()
    if offset is None:
        return found
    reader = reader_of(trial.job.algorithm_version_id)
    # From the character before: the rest of a line that began before the moment is skipped.
    skipping, offset = offset > 0, max(0, offset - 1)
    while offset < attempt.log_offset:
        data = launching.backend().read_log(attempt.token, offset, min(PIECE_BYTES, attempt.log_offset - offset))
        reading = reader.read(data, skipping=skipping, final=offset + len(data) >= attempt.log_offset)
        if not reading.consumed:
            break
        found.update(point.metric for point in reading.points)
        offset, skipping = offset + reading.consumed, reading.skipping
    return found


def written_at(folder: Path) -> float | None:
    """When the newest file of a checkpoint was written, epoch seconds; None if there is none."""
    newest, looked_at = None, 0
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not DRAFT.search(name)]
        for name in files:
            looked_at += 1
            if looked_at > MOST_FILES:
                return newest
            if not DRAFT.search(name):
                written = _time_of(Path(place, name))
                newest = written if newest is None else max(newest, written)
    return newest


def _time_of(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:  # gone meanwhile
        return 0.0


def drop_last(attempt: Attempt, counts: Mapping[str, int]) -> None:
    """Remove so many of the last points of an attempt, by metric: copies of another's."""
    for metric, count in counts.items():
        _on_last("DELETE FROM jobs_metricpoint", attempt, metric, count)


def _on_last(what: str, attempt: Attempt, metric: str, count: int) -> None:
    sql = f"""
        {what} WHERE attempt_id = %s AND metric = %s AND step IN (
            SELECT step FROM jobs_metricpoint WHERE attempt_id = %s AND metric = %s ORDER BY step DESC LIMIT %s)
    """  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, [attempt.pk, metric, attempt.pk, metric, count])


def last_steps(trial: Trial) -> dict[str, int]:
    """The last step of each metric in the trial's curves."""
    sql = """
        SELECT p.metric, max(p.step) FROM jobs_metricpoint p JOIN jobs_attempt a ON a.id = p.attempt_id
        WHERE a.trial_id = %s AND NOT a.superseded AND NOT p.superseded GROUP BY p.metric
    """
    return dict(rows.select(sql, trial.pk))


def reported(trial: Trial) -> dict[str, object]:
    """The trial's objective by what still counts."""
    points = MetricPoint.objects.filter(attempt__trial=trial, attempt__superseded=False, superseded=False)
    values = list(points.filter(metric=trial.job.metric).order_by("step").values_list("value", flat=True))
    sign = Goal(trial.job.goal).sign
    best = max(values, key=lambda value: sign * value, default=None)
    return {"objective": values[-1] if values else None, "best_objective": best}


# --- where the attempt itself says where it stands --------------------------------------------------------------------


def unheard(attempt: Attempt) -> set[str]:
    """The metrics of which those before an attempt have reported, and it has not yet."""
    if not attempt.resumed:
        return set()
    # The first attempt of a trial that continues another one's has copies of its points.
    sql = """
        SELECT DISTINCT p.metric FROM jobs_metricpoint p WHERE p.attempt_id = %s AND NOT EXISTS (
            SELECT 1 FROM jobs_metricpoint q JOIN jobs_attempt a ON a.id = q.attempt_id
            WHERE a.trial_id = %s AND q.metric = p.metric AND q.step = p.step AND q.at = p.at)
    """
    heard = {metric for (metric,) in rows.select(sql, attempt.pk, attempt.trial.origin_id)}
    return set(attempt.steps) - heard


def elsewhere(attempt: Attempt, points: Iterable[Point], unheard: set[str]) -> dict[str, int]:
    """The first step of each of these metrics, if the attempt names it and it is not the next one of the curve."""
    first: dict[str, Point] = {}
    for point in points:
        if point.metric in unheard:
            first.setdefault(point.metric, point)
    steps = {metric: point.step for metric, point in first.items() if point.step is not None}
    return {metric: step for metric, step in steps.items() if step != attempt.steps[metric] + 1}


def go_back(attempt: Attempt, follower: str, first: Mapping[str, int]) -> None:
    """Have the curves of these metrics end before the steps with which the attempt begins; before it reports them.

    What was taken out of a curve and lies before that, the checkpoint did hold: it is part of the curve again. Nothing
    happens if the attempt is not followed by `follower` any more.
    """
    trial = attempt.trial
    with transaction.atomic():
        steps = attempt.steps | {metric: step - 1 for metric, step in first.items()}
        ours = "ended_at IS NULL AND follower = %s AND log_offset = %s"
        if not rows.update(attempt, {"steps": steps}, ours, follower, attempt.log_offset):
            return
        for metric, step in first.items():
            with connection.cursor() as cursor:
                cursor.execute(_GO_BACK, {"attempt": attempt.pk, "trial": trial.pk, "metric": metric, "step": step})
        rows.update(trial, reported(trial), "true")
        append(trial.job_id, [trial_entry(trial)])


# A point counts if it lies before the first of each later attempt. Copies of another trial's go: that one has them.
_GO_BACK = """
    WITH copies AS (
        DELETE FROM jobs_metricpoint WHERE attempt_id = %(attempt)s AND metric = %(metric)s AND step >= %(step)s
    )
    UPDATE jobs_metricpoint p SET superseded = NOT p.superseded FROM jobs_attempt a
    WHERE a.id = p.attempt_id AND a.trial_id = %(trial)s AND NOT a.superseded AND a.id <> %(attempt)s
      AND p.metric = %(metric)s AND p.superseded <> (p.step >= %(step)s OR EXISTS (
        SELECT 1 FROM jobs_metricpoint q JOIN jobs_attempt b ON b.id = q.attempt_id
        WHERE b.trial_id = a.trial_id AND NOT b.superseded AND b.number > a.number AND b.id <> %(attempt)s
          AND q.metric = p.metric AND q.step <= p.step))
"""
