"""Who is at a socket, and may they (still) listen? Asked when it opens and again and again while it is open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser

from hpt_web.accounts.errors import Forbidden, NotVisible
from hpt_web.accounts.keys import user_of_key
from hpt_web.accounts.models import Origin, User
from hpt_web.jobs.queries import job_for

NOT_SIGNED_IN = 4401
NOT_FOUND = 4404
ACCESS_ENDED = 4408


@dataclass(frozen=True, slots=True)
class Visitor:
    """What a client showed when it connected: an access key, or the cookie of a session."""

    authorization: str
    session_key: str | None
    address: str | None


def visitor_of(scope: Mapping[str, Any]) -> Visitor:
    """The visitor of an ASGI websocket scope whose cookies have been parsed."""
    headers = dict(scope["headers"])
    client = scope.get("client")
    return Visitor(
        authorization=headers.get(b"authorization", b"").decode("latin-1"),
        session_key=scope["cookies"].get(settings.SESSION_COOKIE_NAME),
        address=client[0] if client else None,
    )


@dataclass(frozen=True, slots=True)
class Admission:
    """The job that the visitor may listen to."""

    job_id: int


@dataclass(frozen=True, slots=True)
class Refusal:
    code: int
    reason: str


def admit(visitor: Visitor, project: str, job: str) -> Admission | Refusal:
    """Look the visitor and the job up, from nothing: a session that ended or a key that was revoked is found out."""
    user = _person(visitor)
    if not isinstance(user, User):
        return Refusal(NOT_SIGNED_IN, "Sign in, or send an access key: Authorization: Bearer <id>.<secret>")
    try:
        return Admission(job_for(user, project, job).pk)
    except (NotVisible, Forbidden):
        return Refusal(NOT_FOUND, "There is no such tuning job among those that you may see.")


def _person(visitor: Visitor) -> User | AnonymousUser | None:
    if visitor.authorization:
        scheme, _, credentials = visitor.authorization.partition(" ")
        key_id, _, secret = credentials.strip().partition(".")
        if scheme.lower() != "bearer":
            return None
        return user_of_key(key_id=key_id, secret=secret, address=visitor.address)
    if visitor.session_key is None:
        return None
    session = import_module(settings.SESSION_ENGINE).SessionStore(visitor.session_key)
    user = get_user(SimpleNamespace(session=session))  # type: ignore[arg-type]  # it reads nothing but the session
    if not isinstance(user, User) or not user.is_active:
        return None
    user.origin = Origin(address=visitor.address)
    return user


# Not thread-sensitive: otherwise all sockets of the process would queue up for one thread.
admit_async = database_sync_to_async(admit, thread_sensitive=False)
