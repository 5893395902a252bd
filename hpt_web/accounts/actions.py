"""Every change to people, projects, members and keys: right, check, change and audit in one transaction.

REST, the admin and the first start call these same functions.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from enum import Enum

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import ProtectedError, RestrictedError
from django.utils import timezone

from hpt_web.accounts import audit
from hpt_web.accounts.access import project_for, require_write_scope
from hpt_web.accounts.errors import Conflict, Fault, Forbidden, Invalid, NotVisible
from hpt_web.accounts.models import SLUG_PATTERN, AccessKey, Membership, Project, Quota, Role, Scope, User
from hpt_web.accounts.sealing import seal
from tuning.trial_rules import Keep

_SLUG = re.compile(SLUG_PATTERN)
LONGEST_NAME = 100
LONGEST_DESCRIPTION = 10_000
LARGEST_LIMIT = 2**62


class Unchanged(Enum):
    """What stays as it is where None says something else."""

    KEEP = "keep"


def refuse(faults: Collection[Fault]) -> None:
    """Raise Invalid if there are any faults."""
    if faults:
        raise Invalid(faults)


def text_faults(field: str, text: str, longest: int) -> list[Fault]:
    """What is wrong with a free text for people."""
    if len(text) > longest:
        return [Fault(field, f"has {len(text)} characters; at most {longest} are possible", "range")]
    if "\x00" in text:
        return [Fault(field, "holds a NUL character; leave it out")]
    return []


# --- people -----------------------------------------------------------------------------------------------------------


@transaction.atomic
def create_user(
    *, actor: User | None, username: str, password: str, email: str = "", is_superuser: bool = False
) -> User:
    """A new account. `actor` is an administrator, or None for the first start, which has nobody yet."""
    if actor is not None and not actor.is_superuser:
        raise Forbidden("Only an administrator can create accounts.")
    user = User(username=User.normalize_username(username), email=email, is_superuser=is_superuser)
    user.is_staff = is_superuser
    refuse(_account_faults(user, password))
    user.set_password(password)
    user.save()
    audit.record(
        actor=actor, action="user.create", target_kind="user", target=user.username, data={"admin": is_superuser}
    )
    return user


def _account_faults(user: User, password: str) -> list[Fault]:
    faults = []
    try:
        UnicodeUsernameValidator()(user.username)
        if len(user.username) > 150:
            raise ValidationError("too long")
    except ValidationError:
        faults.append(
            Fault("username", f"is {user.username[:60]!r}; use 1 to 150 letters, digits and any of the signs @ . + - _")
        )
    if User.objects.filter(username__iexact=user.username).exists():
        faults.append(Fault("username", f"is {user.username!r}, which is taken; choose another", "taken"))
    if user.email:
        try:
            validate_email(user.email)
        except ValidationError:
            faults.append(Fault("email", f"is {user.email[:60]!r}; give an address such as ada@example.org, or none"))
        if User.objects.filter(email__iexact=user.email).exists():
            faults.append(Fault("email", f"is {user.email!r}, which another account has", "taken"))
    return faults + password_faults(password, user)


def password_faults(password: str, user: User) -> list[Fault]:
    """What is wrong with a new password, by the policy in settings.AUTH_PASSWORD_VALIDATORS."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        return [Fault("password", message, "weak") for message in error.messages]
    return []


def change_password(*, actor: User, current: str, password: str) -> None:
    """Give the person another password; sessions elsewhere end. Needs the current one, and no access key."""
    _refuse_key(actor)
    if not actor.check_password(current):
        refuse([Fault("current", "is not your password; give the one that you log in with", "wrong")])
    refuse(password_faults(password, actor))
    with transaction.atomic():
        actor.set_password(password)
        actor.save(update_fields=["password"])
        audit.record(actor=actor, action="user.change_password", target_kind="user", target=actor.username)


# --- projects ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def create_project(*, actor: User, slug: str, name: str = "", description: str = "") -> Project:
    """A new project, owned by `actor`."""
    require_write_scope(actor)
    refuse_held_key(actor, "create a project")
    name = name or slug
    faults = text_faults("name", name, LONGEST_NAME) + text_faults("description", description, LONGEST_DESCRIPTION)
    if not _SLUG.fullmatch(slug):
        faults.append(
            Fault("slug", f"is {slug[:80]!r}; use 1 to 63 small letters and digits, with hyphens between them")
        )
    elif Project.objects.filter(slug=slug).exists():
        faults.append(Fault("slug", f"is {slug!r}, which is taken; choose another", "taken"))
    refuse(faults)
    project = Project.objects.create(slug=slug, name=name, description=description, created_by=actor)
    project.refresh_from_db(fields=["created_at"])
    Membership.objects.create(project=project, user=actor, role=Role.OWNER)
    audit.record(actor=actor, action="project.create", target_kind="project", target=slug, project=project)
    return project


@transaction.atomic
def update_project(
    *,
    actor: User,
    project: str,
    name: str | None = None,
    description: str | None = None,
    keep: Keep | Unchanged | None = Unchanged.KEEP,
) -> Project:
    """Change what is given; None leaves it as it is, but of `keep`, where it means the files of all trials.

    A rule for files is applied soon to all jobs that name none, also to those that are over.
    """
    row = project_for(actor, project, Role.OWNER)
    faults = text_faults("name", name or "", LONGEST_NAME)
    faults += text_faults("description", description or "", LONGEST_DESCRIPTION)
    if name == "":
        faults.append(Fault("name", "is empty; give a text", "required"))
    refuse(faults)
    given = (("name", name), ("description", description))
    changes: dict[str, object] = {key: value for key, value in given if value is not None}
    if not isinstance(keep, Unchanged):
        changes |= {"keep": keep and asdict(keep), "keep_due": keep is not None}
    told = {key: value for key, value in changes.items() if key != "keep_due"}
    for key, value in changes.items():
        setattr(row, key, value)
    row.save(update_fields=list(changes))
    audit.record(actor=actor, action="project.change", target_kind="project", target=row.slug, project=row, data=told)
    return row


@transaction.atomic
def delete_project(*, actor: User, project: str) -> None:
    """Delete an empty project; one that holds anything is refused, so that no click destroys a team's work."""
    row = project_for(actor, project, Role.OWNER)
    audit.record(actor=actor, action="project.delete", target_kind="project", target=row.slug)
    try:
        row.delete()
    except (ProtectedError, RestrictedError) as error:
        remedy = "delete them first, jobs and datasets with a clean-up (on the page: Storage)"
        raise Conflict(f"Project {row.slug!r} still holds {held_by(error)}; {remedy}.") from error


def held_by(error: ProtectedError | RestrictedError) -> str:
    """What stands in the way of a deletion, counted: "2 datasets, 1 tuning job"."""
    rows = error.protected_objects if isinstance(error, ProtectedError) else error.restricted_objects
    counts: dict[str, int] = {}
    for row in rows:
        counts[str(row._meta.verbose_name)] = counts.get(str(row._meta.verbose_name), 0) + 1
    return ", ".join(f"{count} {name}{'s' if count > 1 else ''}" for name, count in sorted(counts.items()))


# --- members ----------------------------------------------------------------------------------------------------------


@transaction.atomic
def add_member(*, actor: User, project: str, username: str, role: str) -> Membership:
    row = _locked(actor, project)
    faults = _role_faults(role)
    person = User.objects.filter(username__iexact=username, is_active=True).first()
    if person is None:
        faults.append(Fault("username", f"is {username[:60]!r}; there is no active account of that name", "unknown"))
    elif row.memberships.filter(user=person).exists():
        faults.append(Fault("username", f"is {person.username!r}, who is a member already", "taken"))
    if person is None or faults:
        raise Invalid(faults)
    membership = Membership.objects.create(project=row, user=person, role=role)
    membership.refresh_from_db(fields=["created_at"])
    _audit_member(actor, row, "member.add", username, role=role)
    return membership


@transaction.atomic
def change_member(*, actor: User, project: str, username: str, role: str) -> Membership:
    row = _locked(actor, project)
    refuse(_role_faults(role))
    membership = _member(row, username)
    if membership.role == Role.OWNER and role != Role.OWNER:
        _refuse_last_owner(row, membership)
    _audit_member(actor, row, "member.change", username, role=role, before=membership.role)
    membership.role = role
    membership.save(update_fields=["role"])
    return membership


@transaction.atomic
def remove_member(*, actor: User, project: str, username: str) -> None:
    """Take a person out of a project; everybody may leave, owners may remove others."""
    leaving = actor.username.lower() == username.lower()
    row = _locked(actor, project, Role.VIEWER if leaving else Role.OWNER)
    require_write_scope(actor)
    membership = _member(row, username)
    if membership.role == Role.OWNER:
        _refuse_last_owner(row, membership)
    membership.delete()
    _audit_member(actor, row, "member.remove", username, before=membership.role)


def _locked(actor: User, project: str, at_least: Role = Role.OWNER) -> Project:
    """The project, its row locked: changes of its members happen one after the other."""
    row = project_for(actor, project, at_least)
    return Project.objects.select_for_update().get(pk=row.pk)


def _member(project: Project, username: str) -> Membership:
    membership = project.memberships.select_related("user").filter(user__username__iexact=username).first()
    if membership is None:
        raise NotVisible(f"{username!r} is not a member of project {project.slug!r}.")
    return membership


def _refuse_last_owner(project: Project, membership: Membership) -> None:
    if not project.memberships.filter(role=Role.OWNER).exclude(pk=membership.pk).exists():
        raise Conflict(
            f"{membership.user.username!r} is the only owner of project {project.slug!r}; make somebody else an owner "
            "of it first."
        )


def _role_faults(role: str) -> list[Fault]:
    if role in Role.values:
        return []
    return [Fault("role", f"is {role[:40]!r}; choose one of {', '.join(Role.values)}", "unknown")]


def _audit_member(actor: User, project: Project, action: str, username: str, **data: str) -> None:
    audit.record(actor=actor, action=action, target_kind="member", target=username, project=project, data=data)


# --- access keys ------------------------------------------------------------------------------------------------------


@transaction.atomic
def create_access_key(
    *,
    actor: User,
    scopes: Collection[str],
    name: str = "",
    project: str | None = None,
    expires_at: datetime | None = None,
) -> tuple[AccessKey, str]:
    """A new key for `actor`, and its secret, which can be shown this once."""
    _refuse_key(actor)
    faults = text_faults("name", name, LONGEST_NAME)
    unknown = [scope for scope in scopes if scope not in Scope.values]
    if unknown or not scopes:
        faults.append(Fault("scopes", f"is {list(scopes)!r:.80}; give some of {', '.join(Scope.values)}", "unknown"))
    if expires_at is not None and expires_at <= timezone.now():
        faults.append(Fault("expires_at", f"is {expires_at.isoformat()}, which is past; give a later time", "range"))
    row = None
    if project is not None:
        try:
            row = project_for(actor, project)
        except NotVisible as error:
            faults.append(Fault("project", str(error), "unknown"))
    refuse(faults)
    secret = secrets.token_urlsafe(32)
    key = AccessKey.objects.create(
        user=actor,
        sealed_secret=seal(secret),
        name=name,
        scopes=[scope for scope in Scope.values if scope in scopes],
        project=row,
        expires_at=expires_at,
    )
    key.refresh_from_db()
    data = {"scopes": key.scopes, "expires_at": expires_at.isoformat() if expires_at else None}
    audit.record(actor=actor, action="key.create", target_kind="key", target=key.key_id, project=row, data=data)
    return key, secret


@transaction.atomic
def revoke_access_key(*, actor: User, key_id: str) -> None:
    """End a key at once; it stays in the list. Doing it twice changes nothing."""
    _refuse_key(actor)
    key = AccessKey.objects.filter(key_id=key_id, user=actor).first()
    if key is None:
        raise NotVisible(f"You have no access key {key_id!r}.")
    if AccessKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=timezone.now()):
        audit.record(actor=actor, action="key.revoke", target_kind="key", target=key_id, project=key.project)


def _refuse_key(actor: User) -> None:
    """A key must not make itself a wider one, nor outlive its end by a new one or by a password."""
    if actor.origin.access_key is not None:
        raise Forbidden("Keys and passwords are managed by their owner, logged in with a password, not by a key.")


def refuse_held_key(actor: User, what: str) -> None:
    """Raise Forbidden for whoever came with a key that is held to a project: it is good for nothing beyond it."""
    key = actor.origin.access_key
    if key is not None and key.project_id is not None:
        raise Forbidden(f"Access key {key.key_id} is held to one project and cannot {what}.")


# --- quotas -----------------------------------------------------------------------------------------------------------


@transaction.atomic
def set_quota(
    *,
    actor: User,
    resource: str,
    limit: int | None,
    project: Project | None = None,
    user: User | None = None,
    pool: str = "",
) -> None:
    """Set a limit, or take it away with None. Lowering one stops nothing that runs."""
    if not actor.is_superuser:
        raise Forbidden("Only an administrator can set quotas.")
    faults = []
    if resource not in Quota.Resource.values:
        faults.append(Fault("resource", f"is {resource[:40]!r}; choose one of {', '.join(Quota.Resource.values)}"))
    if limit is not None and not 0 <= limit <= LARGEST_LIMIT:
        faults.append(Fault("limit", f"is {limit}; give 0 or more", "range"))
    if resource == Quota.Resource.DEVICES and not pool:
        faults.append(Fault("pool", "is missing; name the pool whose devices are limited", "required"))
    if resource != Quota.Resource.DEVICES and pool:
        faults.append(Fault("pool", f"is {pool[:80]!r}; only devices are limited by pool, leave it out"))
    refuse(faults)
    found = Quota.objects.filter(project=project, user=user, resource=resource, pool=pool)
    if limit is None:
        found.delete()
    elif not found.update(limit=limit):
        Quota.objects.create(project=project, user=user, resource=resource, pool=pool, limit=limit)
    data = {"limit": limit, "user": user.username if user else None, "pool": pool}
    audit.record(actor=actor, action="quota.set", target_kind="quota", target=resource, project=project, data=data)
