"""The check of a job's first trial: the rest start once one of its trials has reported the objective (demand 10).

A script that never prints its metric, or a pattern that does not match it, then costs one trial and not as many as run
at once. A first trial that fails pauses the job (`running.breaker`).
"""

from __future__ import annotations

from collections.abc import Collection

from hpt_web.jobs.models import Trial

REASON = "The first trial is checked before the rest start: none has reported the objective yet."


def unchecked(jobs: Collection[int]) -> set[int]:
    """Of these jobs those of which no trial has reported its objective; no query if there are none."""
    if not jobs:
        return set()
    reported = Trial.objects.filter(job__in=jobs, objective__isnull=False).order_by()
    return set(jobs) - set(reported.values_list("job", flat=True).distinct())
