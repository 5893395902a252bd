"""The two ways in: a browser's session and a script's access key. Both leave the way on the user (`User.origin`)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from hpt_web.accounts.keys import user_of_key
from hpt_web.accounts.models import Origin, User


def address_of(request: HttpRequest) -> str | None:
    """Where the request comes from. A forwarded-for header is the web server's to believe, not ours."""
    return request.META.get("REMOTE_ADDR") or None


class AccessKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <id>.<secret>`. A browser never adds it by itself, so there is no CSRF to check."""

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        scheme, _, credentials = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() != "bearer":
            raise AuthenticationFailed("Only the scheme Bearer is known: Authorization: Bearer <id>.<secret>")
        key_id, _, secret = credentials.strip().partition(".")
        user = user_of_key(key_id=key_id, secret=secret, address=address_of(request._request))
        if user is None:
            # One text for every reason: whoever holds half a key learns nothing about the other half.
            raise AuthenticationFailed("The access key is unknown, revoked or expired, or its secret is wrong.")
        return user, "access-key"

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="hpt"'


class _Csrf(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason


def enforce_csrf(request: HttpRequest) -> None:
    """Raise PermissionDenied unless an unsafe request carries the token of its own page (X-CSRFToken).

    Django's request is given and not DRF's, whose POST would parse the body (and an upload has no parser).
    """

    def answer(_: HttpRequest) -> HttpResponse:  # pragma: no cover
        raise AssertionError("never called")

    check = _Csrf(answer)
    check.process_request(request)
    reason = check.process_view(request, answer, (), {})
    if reason:
        raise PermissionDenied(f"{reason} Send the cookie csrftoken's value as the header X-CSRFToken.")


class SessionAuthentication(BaseAuthentication):
    """The session cookie of the page, with the CSRF token on every verb that changes something."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        user = getattr(request._request, "user", None)
        if not isinstance(user, User) or not user.is_active:
            return None
        enforce_csrf(request._request)
        user.origin = Origin(address=address_of(request._request))
        return user, None
