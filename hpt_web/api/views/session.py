"""Logging in and out, and access keys."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth import login, logout, update_session_auth_hash
from django.middleware.csrf import get_token
from django.utils.dateparse import parse_datetime
from rest_framework.request import Request
from rest_framework.response import Response

from hpt_web.accounts import actions, audit
from hpt_web.accounts.login import log_in
from hpt_web.accounts.models import AccessKey, User
from hpt_web.api.authentication import SessionAuthentication, address_of, enforce_csrf
from hpt_web.api.pagination import page
from hpt_web.api.permissions import Anyone
from hpt_web.api.schema import CURSOR, LIMIT, operation, page_of
from hpt_web.api.serializers import accounts as shapes
from hpt_web.api.views.base import View, person, reading
from tuning.documents import Document, shown


class SessionView(View):
    """The browser's session."""

    authentication_classes = [SessionAuthentication]
    permission_classes = [Anyone]

    @operation("getSession", "Who is logged in, if anybody", tag="session", gives=shapes.Session)
    def get(self, request: Request) -> Response:
        get_token(request._request)  # sets the cookie whose value the page sends back as X-CSRFToken
        return self._answer(request.user if isinstance(request.user, User) else None)

    @operation("login", "Log in", tag="session", takes=shapes.Login, gives=shapes.Session)
    def post(self, request: Request) -> Response:
        # Nobody is logged in yet, so authentication has not asked for it. Without it, a foreign page could log its
        # visitor in as somebody else.
        enforce_csrf(request._request)
        with reading(request) as document:
            username, password = document.text("username"), document.text("password", longest=4096)
        user = log_in(username=username, password=password, address=address_of(request._request))
        login(request._request, user)
        return self._answer(user)

    @operation("logout", "Log out", tag="session", status=204)
    def delete(self, request: Request) -> Response:
        enforce_csrf(request._request)
        if isinstance(request.user, User):
            name = request.user.username
            audit.record(actor=request.user, action="session.close", target_kind="user", target=name)
        logout(request._request)
        return Response(status=204)

    def _answer(self, user: User | None) -> Response:
        return Response(shapes.Session({"user": user}).data)


class PasswordView(View):
    @operation("changePassword", "Change your password", tag="session", takes=shapes.PasswordChange, status=204)
    def post(self, request: Request) -> Response:
        with reading(request) as document:
            current = document.text("current", longest=4096)
            password = document.text("password", longest=4096)
        user = person(request)
        actions.change_password(actor=user, current=current, password=password)
        update_session_auth_hash(request._request, user)  # this session goes on
        return Response(status=204)


class AccessKeysView(View):
    """Your access keys, for scripts."""

    @operation(
        "listAccessKeys", "Your access keys", tag="access keys", gives=page_of(shapes.AccessKey),
        parameters=[LIMIT, CURSOR],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        keys = AccessKey.objects.filter(user=person(request)).select_related("project")
        return page(request, keys, ["-id"], lambda rows: shapes.AccessKey(rows, many=True).data)

    @operation(
        "createAccessKey", "Make an access key", tag="access keys", takes=shapes.AccessKeyRequest,
        gives=shapes.NewAccessKey, status=201,
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        with reading(request) as document:
            key, secret = actions.create_access_key(
                actor=person(request),
                name=document.text("name", default=""),
                scopes=_scopes(document),
                project=document.text("project", default="") or None,
                expires_at=_moment(document, "expires_at"),
            )
        body = {**shapes.AccessKey(key).data, "secret": secret}
        return Response(body, 201)


class AccessKeyView(View):
    @operation("revokeAccessKey", "End an access key at once", tag="access keys", status=204)
    def delete(self, request: Request, key: str) -> Response:
        actions.revoke_access_key(actor=person(request), key_id=key)
        return Response(status=204)


def _scopes(document: Document) -> list[str]:
    value = document.raw("scopes")
    if isinstance(value, list) and all(isinstance(scope, str) for scope in value):
        return value
    missing = value is None
    document.fault("scopes", "is missing; give a list of texts" if missing else f"is {shown(value)}; give a list of "
                   "texts", "required" if missing else "type")  # fmt: skip
    return []


def _moment(document: Document, name: str) -> datetime | None:
    text = document.text(name, default="")
    if not text:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        document.fault(name, f"is {shown(text)}; give a time with its offset, such as 2030-01-31T12:00:00Z", "type")
        return None
    return moment
