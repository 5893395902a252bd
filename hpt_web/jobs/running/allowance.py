"""How much of `trial_seconds` a trial has left: it bounds a trial, whatever the number of attempts in which it runs.

To be pre-empted, paused or lost gives no time back, as whoever may pause a job could have its trials run for ever then.
A person who has a trial run again that was over gives it the full time again.
"""

from __future__ import annotations

from hpt_web.jobs import rows
from hpt_web.jobs.models import Trial

SHORTEST = 0.1  # seconds: less, or none at all, would mean no limit to the backend
# Not counted: what the service itself ended to shut down. A lost attempt counts until it was last seen alive, as it is
# found out later, after the host was down for hours, say.
_RAN = """
    SELECT COALESCE(sum(GREATEST(0, EXTRACT(EPOCH FROM
        CASE WHEN a.outcome = 'lost' THEN (SELECT max(s.at) FROM jobs_usagesample s WHERE s.attempt_id = a.id)
        ELSE a.ended_at END - a.started_at))), 0)
    FROM jobs_attempt a
    WHERE a.trial_id = %s AND a.number > %s AND a.number < %s AND a.outcome <> 'suspended' AND a.ended_at IS NOT NULL
"""


def seconds_left(trial: Trial, number: int) -> float:
    """What of the trial's time its attempt `number` has: at the first since it began, all of it (and no statement)."""
    most = float(trial.job.spec["limits"]["trial_seconds"])
    if number - 1 <= trial.retried_after:
        return most
    ((ran,),) = rows.select(_RAN, trial.pk, trial.retried_after, number)
    return most - float(ran)


def is_over(trial: Trial) -> bool:
    """Whether another attempt would have no time at all."""
    return seconds_left(trial, trial.attempt + 1) <= 0


def why_over(trial_seconds: int) -> str:
    """Of a trial that had its time; what it reported counts."""
    return f"Ran longer than trial_seconds = {trial_seconds}."
