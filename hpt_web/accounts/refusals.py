"""Requests that a limit refused, counted by day, limit, project and person, so that an administrator sees where limits
pinch. A script that asks again and again makes a number larger, not a table longer.

What only waits is not refused, nor is a document that was only looked at.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import DatabaseError, transaction
from django.db.models import Count, F, Max, QuerySet, Sum
from django.utils import timezone

from hpt_web.accounts.errors import Invalid, OverQuota
from hpt_web.accounts.models import Quota, Refusal, User

logger = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=400)
P = ParamSpec("P")
T = TypeVar("T")


def counted(action: Callable[P, T]) -> Callable[P, T]:
    """A door (with the arguments `actor` and `project`) whose refusals because of limits are counted."""

    @wraps(action)
    def door(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return action(*arguments, **named)
        except (Invalid, OverQuota) as error:  # what it had written is undone by now
            actor, project = named["actor"], named["project"]
            assert isinstance(actor, User)
            _count(actor, str(project).lower(), _exceeded(error))
            raise

    return door


def _exceeded(error: Invalid | OverQuota) -> list[Quota]:
    if isinstance(error, OverQuota):
        return [error.quota] if error.quota else []
    found = (getattr(fault, "quota", None) for fault in error.faults)
    return list({quota.pk: quota for quota in found if isinstance(quota, Quota)}.values())


def _count(actor: User, project: str, quotas: Iterable[Quota]) -> None:
    now = timezone.now()
    try:
        with transaction.atomic():
            for quota in quotas:
                row, _ = Refusal.objects.get_or_create(
                    day=now.astimezone(UTC).date(), project_slug=project, user=actor, resource=quota.resource,
                    whose=quota.whose, limit=quota.limit, defaults={"last_at": now},
                )  # fmt: skip
                Refusal.objects.filter(pk=row.pk).update(count=F("count") + 1, last_at=now)
            Refusal.objects.filter(day__lt=now - KEPT_FOR).delete()
    except DatabaseError:  # the refusal itself is what matters
        logger.warning("A refusal of %s in %s could not be counted", actor, project, exc_info=True)


def by_limit(since: datetime | None = None, until: datetime | None = None) -> QuerySet[Any, dict[str, Any]]:
    """How often each limit refused something in each project, on the days (UTC) from `since` to before `until`; the
    most frequent first."""
    rows = Refusal.objects.all()
    rows = rows if since is None else rows.filter(day__gte=since.astimezone(UTC).date())
    rows = rows if until is None else rows.filter(day__lt=until.astimezone(UTC).date())
    groups: Any = rows.order_by().values("resource", "whose", "limit", project=F("project_slug"))
    sums = {"refused": Sum("count"), "people": Count("user", distinct=True), "last": Max("last_at")}
    found: QuerySet[Any, dict[str, Any]] = groups.annotate(**sums).order_by("-refused", "-last")
    return found
