"""What early stopping has saved: an estimate, trial by trial, that never claims more than the job's own trials show.

A trial that was stopped early would have run about as long as the job's completed trials did: their median. What it
ran itself is taken off, and what is left counts for it, with the GPUs that it held. It is nothing if the trial ran for
longer than that, and nothing where no trial of the job was completed, as nobody knows then how long one takes. All
attempts of a trial count as its time, but those that were lost.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from hpt_web.jobs.rows import select


class Saved(NamedTuple):
    """Seconds of a place, and of GPUs (of those that are shared, the parts)."""

    seconds: float
    gpu_seconds: float


NOTHING = Saved(0.0, 0.0)


def saved(ran: float, gpus: float, typical: float | None) -> Saved:
    """Of a trial that was stopped early after `ran` seconds on so many `gpus`; `typical` are the median seconds of its
    job's completed trials, None if there are none."""
    seconds = 0.0 if typical is None else max(0.0, typical - ran)
    return Saved(seconds, seconds * gpus)


class Stopped(NamedTuple):
    """How long a trial ran that was stopped early, and what is typical of its job, in seconds."""

    ran: float
    typical: float | None


def stopped_early(jobs: Collection[int]) -> dict[tuple[int, int], Stopped]:
    """The trials of these jobs that were stopped early, by the ids of the jobs and their numbers; one query."""
    if not jobs:
        return {}
    rows = select(_STOPPED, list(jobs))
    return {(job, number): Stopped(ran, typical) for job, number, ran, typical in rows}


_STOPPED = """
    WITH ran AS (
        SELECT t.job_id, t.number, t.state, sum(u.seconds) AS seconds
        FROM jobs_usageentry u JOIN jobs_attempt a ON a.id = u.attempt_id JOIN jobs_trial t ON t.id = a.trial_id
        WHERE u.job_id = ANY(%s) AND u.outcome <> 'lost' AND t.state IN ('Completed', 'EarlyStopped')
        GROUP BY t.job_id, t.number, t.state
    )
    SELECT job_id, number, seconds, typical FROM ran LEFT JOIN (
        SELECT job_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS typical
        FROM ran WHERE state = 'Completed' GROUP BY job_id
    ) completed USING (job_id)
    WHERE state = 'EarlyStopped'
"""
