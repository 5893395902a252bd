"""The bytes that trials have left on disk, by project and person: they count towards the limits on stored bytes.

Each is a sum of the rows of trials and attempts, which say it from an attempt's end on (`outputs.retention`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from django.db.models import Sum

from hpt_web.accounts.models import Project, Quota, User
from hpt_web.catalog.quotas import stored_bytes
from hpt_web.jobs.models import Attempt, Trial


class Stored(NamedTuple):
    """Bytes of the jobs of a person in a project."""

    project: int
    user: int
    bytes: int


def of_trials() -> Iterator[Stored]:
    """Checkpoints, then logs and outputs."""
    for rows, job, size in (
        (Trial.objects.filter(checkpoint_bytes__gt=0), "job", "checkpoint_bytes"),
        (Attempt.objects.filter(kept_bytes__gt=0), "trial__job", "kept_bytes"),
    ):
        keys = f"{job}__project_id", f"{job}__created_by_id"
        for project, user, total in rows.order_by().values(*keys).annotate(n=Sum(size)).values_list(*keys, "n"):
            yield Stored(project, user, int(total))


def bytes_of_trials(*, project: Project | None = None, user: User | None = None) -> int:
    """Of all jobs, or those of a project or by a person."""
    return sum(
        one.bytes
        for one in of_trials()
        if (project is None or one.project == project.pk) and (user is None or one.user == user.pk)
    )


def storage_faults(quota: Quota) -> list[str]:
    """What keeps one more job from being kept: a limit that is reached already, with its numbers."""
    used = stored_bytes(project=quota.project, user=quota.user)
    if used < quota.limit:
        return []
    trials = bytes_of_trials(project=quota.project, user=quota.user)
    return [
        f"cannot be kept: {used:,} bytes are stored, {trials:,} of them by trials, and the storage quota of "
        f"{quota.whose} allows {quota.limit:,}; have jobs keep fewer trials (keep), or clean up what is not needed"
    ]
