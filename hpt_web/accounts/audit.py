"""The audit trail: one row for each change, written in the transaction that makes it."""

from collections.abc import Mapping

from hpt_web.accounts.models import AuditEvent, Project, User


def record(
    *,
    actor: User | None,
    action: str,
    target_kind: str,
    target: str,
    project: Project | None = None,
    data: Mapping[str, object] | None = None,
) -> None:
    """Write that `actor` did `action` (such as "job.stop") to `target`. Never put a secret into `data`."""
    origin = actor.origin if actor is not None else None
    AuditEvent.objects.create(
        actor=actor,
        access_key=origin.access_key if origin else None,
        address=origin.address if origin else None,
        project=project,
        action=action,
        target_kind=target_kind,
        target=target[:255],
        data=dict(data or {}),
    )
