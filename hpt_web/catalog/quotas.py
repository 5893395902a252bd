"""The limits on stored bytes: what is to come is held against the datasets and bundles that are there, and against
what others have told of that they keep (`count_also`)."""

from __future__ import annotations

from typing import Protocol

from django.db import connection, transaction
from django.db.models import Q, Sum

from hpt_web.accounts.errors import OverQuota
from hpt_web.accounts.models import Project, Quota, User
from hpt_web.catalog.models import DatasetVersion, StoredBundle

STORAGE_LOCK = 0x48505402  # held from the counting of bytes to the commit of more: two uploads see each other


class Counted(Protocol):
    """Bytes that are kept elsewhere, of a project or by a person if they are given."""

    def __call__(self, *, project: Project | None = None, user: User | None = None) -> int: ...


_elsewhere: list[Counted] = []


def count_also(counted: Counted) -> None:
    """Have something else count as stored from now on: whoever keeps it knows the catalogue, and not the reverse."""
    if counted not in _elsewhere:
        _elsewhere.append(counted)


def stored_bytes(*, project: Project | None = None, user: User | None = None) -> int:
    """The bytes of all dataset versions, code bundles and what else is kept, of a project or by a person."""
    versions, bundles = DatasetVersion.objects.all(), StoredBundle.objects.all()
    if project is not None:
        versions, bundles = versions.filter(dataset__project=project), bundles.filter(project=project)
    if user is not None:
        versions, bundles = versions.filter(created_by=user), bundles.filter(created_by=user)
    here = sum(int(rows.aggregate(used=Sum("size"))["used"] or 0) for rows in (versions, bundles))
    return here + sum(counted(project=project, user=user) for counted in _elsewhere)


def bytes_by_project() -> dict[int, int]:
    """The bytes of dataset versions and code bundles of each project that has any, by its id."""
    found: dict[int, int] = {}
    for rows, project in ((DatasetVersion.objects, "dataset__project_id"), (StoredBundle.objects, "project_id")):
        for pk, size in rows.order_by().values(project).annotate(n=Sum("size")).values_list(project, "n"):
            found[pk] = found.get(pk, 0) + int(size)
    return found


def refuse_storage(actor: User, project: Project, more: int) -> None:
    """Raise OverQuota if `more` bytes would exceed a limit of the project, the person, both or the installation."""
    scope = Q(project=None) | Q(project=project)
    limits = Quota.objects.filter(scope, Q(user=None) | Q(user=actor), resource=Quota.Resource.STORAGE_BYTES)
    for quota in limits.select_related("project", "user"):
        if transaction.get_connection().in_atomic_block:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [STORAGE_LOCK])
        used = stored_bytes(project=quota.project, user=quota.user)
        if used + more > quota.limit:
            raise OverQuota(
                f"The storage quota of {quota.whose} is {quota.limit:,} bytes; "
                f"{used:,} are in use and this needs {more:,}.",
                quota,
            )
