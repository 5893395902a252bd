"""What a look at an attempt changes, as one statement; of all that have only printed more lines, as one together.

It rests on what was known of the attempt and its trial, and says so: if anybody else has moved them, nothing is
written, and whoever asked for it reads the rows and works it out anew. Rows are locked in the order Attempt, Trial,
EventCursor: each part of the statement takes up what the part before it has written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from hpt_web.jobs import rows
from hpt_web.jobs.events import Entry, Telling
from hpt_web.jobs.models import Attempt, Trial
from hpt_web.jobs.running.points import Numbered, storing
from hpt_web.jobs.sharing import ledger
from tuning.states import TrialState


@dataclass(slots=True)
class Report:
    """What changes: fields of the attempt and of its trial, which their objects have got already, its new points, and
    the events that tell it. `ends`: what becomes of the trial if the attempt is over."""

    attempt: Attempt
    offset: int  # of the log, stop and state as they were known
    stop_kind: str
    state: str
    at: float
    points: Sequence[Numbered] = ()
    attempt_fields: dict[str, object] = field(default_factory=dict)
    trial_fields: dict[str, object] = field(default_factory=dict)
    ends: TrialState | None = None
    entries: list[Entry] = field(default_factory=list)

    @classmethod
    def on(cls, attempt: Attempt, at: float) -> Report:
        """Nothing yet."""
        return cls(attempt, attempt.log_offset, attempt.stop_kind, attempt.trial.state, at)

    def of_attempt(self, fields: dict[str, object]) -> None:
        self.attempt_fields |= fields
        _take(self.attempt, fields)

    def of_trial(self, fields: dict[str, object]) -> None:
        self.trial_fields |= fields
        _take(self.attempt.trial, fields)


def _take(row: Attempt | Trial, fields: dict[str, object]) -> None:
    for name, value in fields.items():
        setattr(row, name, value)


def write(report: Report, follower: str, *, tell: bool) -> bool:
    """Write it; whether it still held. `tell`: with its events, after which the transaction must not lock anything."""
    attempt, trial = report.attempt, report.attempt.trial
    changes, arguments = rows.assignments(Attempt, report.attempt_fields)
    parts = [_ATTEMPT.format(changes=changes)]
    arguments += [attempt.pk, follower, report.offset, report.stop_kind, report.state]
    last = "attempt"
    if report.trial_fields:
        changes, values = rows.assignments(Trial, report.trial_fields)
        parts.append(_TRIAL.format(changes=changes))
        arguments += values
        last = "trial"
    if report.points:
        part, values = storing(report.points, report.at, attempt="attempt")
        parts.append(f"points AS ({part})")
        arguments += values
    if report.ends is not None:
        part, values = ledger.entering(attempt, report.ends, attempt.outcome, ended="attempt")
        parts.append(f"used AS ({part})")
        arguments += values
    telling = Telling(trial.job_id, report.entries, given=last) if tell and report.entries else None
    if telling:
        parts.append(telling.parts)
        arguments += telling.arguments
    result = f"{telling.ANSWER} FROM taken" if telling else "id FROM attempt"
    found = rows.select(f"WITH {', '.join(parts)} SELECT {result}", *arguments)
    if telling and found:
        telling.done(*found[0])
    return bool(found)


def write_lines(reports: Sequence[Report], follower: str) -> bool:
    """Write what attempts of one job have printed that run on, and tell it; whether all of it still held.

    The statement is the same whatever their number, so that it is planned once.
    """
    entries = [entry for report in reports for entry in report.entries]
    points = [(report.attempt.pk, *point, report.at) for report in reports for point in report.points]
    telling = Telling(reports[0].attempt.trial.job_id, entries, given="stored") if entries else None
    parts = [_LINES, telling.parts] if telling else [_LINES]
    result = f"{telling.ANSWER} FROM taken" if telling else "id FROM stored"
    arguments = [json.dumps([_line(report) for report in reports]), follower, json.dumps(points)]
    arguments += telling.arguments if telling else []
    found = rows.select(f"WITH {', '.join(parts)} SELECT {result}", *arguments)
    if telling and found:
        telling.done(*found[0])
    return bool(found)


def _line(report: Report) -> list[object]:
    attempt, trial = report.attempt, report.trial_fields
    known = [attempt.pk, report.offset, report.stop_kind, report.state]
    new = [attempt.log_offset, attempt.log_skipping, attempt.steps]
    return [*known, *new, trial.get("objective"), trial.get("best_objective")]


_LINES = """
    new AS (
        SELECT (item ->> 0)::bigint AS id, (item ->> 1)::bigint AS since, item ->> 2 AS stop_kind, item ->> 3 AS state,
               (item ->> 4)::bigint AS log_offset, (item ->> 5)::boolean AS log_skipping, (item -> 6)::jsonb AS steps,
               (item ->> 7)::float8 AS objective, (item ->> 8)::float8 AS best_objective
        FROM json_array_elements(%s::json) AS list (item)
    ), held AS (
        SELECT a.id FROM new JOIN jobs_attempt a ON a.id = new.id JOIN jobs_trial t ON t.id = a.trial_id
        WHERE a.ended_at IS NULL AND a.follower = %s
          AND a.log_offset = new.since AND a.stop_kind = new.stop_kind AND t.state = new.state
        ORDER BY a.id FOR NO KEY UPDATE OF a
    ), attempt AS (
        UPDATE jobs_attempt SET log_offset = new.log_offset, log_skipping = new.log_skipping, steps = new.steps
        FROM new JOIN held ON held.id = new.id
        WHERE jobs_attempt.id = new.id AND (SELECT count(*) FROM held) = (SELECT count(*) FROM new)
        RETURNING jobs_attempt.id, jobs_attempt.trial_id
    ), trial AS (
        UPDATE jobs_trial SET objective = new.objective, best_objective = new.best_objective
        FROM attempt JOIN new ON new.id = attempt.id
        WHERE jobs_trial.id = attempt.trial_id AND new.objective IS NOT NULL
        RETURNING jobs_trial.id
    ), points AS (
        INSERT INTO jobs_metricpoint (attempt_id, metric, step, value, at)
        SELECT attempt.id, list.item ->> 1, (list.item ->> 2)::bigint, (list.item ->> 3)::float8,
               to_timestamp((list.item ->> 4)::float8)
        FROM json_array_elements(%s::json) AS list (item) JOIN attempt ON attempt.id = (list.item ->> 0)::bigint
    ), stored AS (
        SELECT attempt.id FROM attempt LEFT JOIN trial ON trial.id = attempt.trial_id
    )
"""
_ATTEMPT = """
    attempt AS (
        UPDATE jobs_attempt SET {changes} FROM jobs_trial t
        WHERE jobs_attempt.id = %s AND jobs_attempt.ended_at IS NULL AND jobs_attempt.follower = %s
          AND jobs_attempt.log_offset = %s AND jobs_attempt.stop_kind = %s
          AND t.id = jobs_attempt.trial_id AND t.state = %s
        RETURNING jobs_attempt.*
    )
"""
_TRIAL = """
    trial AS (
        UPDATE jobs_trial SET {changes} FROM attempt WHERE jobs_trial.id = attempt.trial_id RETURNING jobs_trial.id
    )
"""
