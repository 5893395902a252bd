"""Which web pages may open a socket: a browser sends the visitor's cookies whatever page asks for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils.http import is_same_domain

Application = Callable[[Any, Any, Any], Awaitable[None]]


class SameOrigin:
    """Lets a connection through if it asks for a host of ours, from a page of that host or of CSRF_TRUSTED_ORIGINS.

    The host is checked as a foreign name may be made to point at us (DNS rebinding). Another port of the same host is
    another origin, as cookies do not tell ports apart. A client without an Origin is no browser, and has nobody else's
    cookies.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if may_connect(headers.get(b"host", ""), headers.get(b"origin")):
            await self._application(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close"})  # before it is accepted: the handshake is answered with 403


def may_connect(host: str, origin: str | None) -> bool:
    domain, _ = split_domain_port(host)
    if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        return False
    if origin is None:
        return True
    asked = urlsplit(origin.lower())
    if asked.scheme not in ("http", "https"):
        return False
    return asked.netloc == host.lower() or any(_trusts(pattern, origin.lower()) for pattern in _trusted())


def _trusted() -> list[str]:
    return [pattern.lower() for pattern in settings.CSRF_TRUSTED_ORIGINS]


def _trusts(pattern: str, origin: str) -> bool:
    """Django's rule for CSRF_TRUSTED_ORIGINS: the very origin, or any subdomain where it says https://*.example.org."""
    if "*" not in pattern:
        return pattern == origin
    wanted, asked = urlsplit(pattern), urlsplit(origin)
    return wanted.scheme == asked.scheme and is_same_domain(asked.netloc, wanted.netloc.lstrip("*"))
