"""Which WebSocket paths exist, and what every connection passes before it gets there."""

from typing import Any

from channels.routing import URLRouter
from channels.sessions import CookieMiddleware
from django.urls import re_path

from hpt_web.live.consumer import listen, nothing_here
from hpt_web.live.origin import SameOrigin

_NAME = r"[A-Za-z0-9-]{1,63}"
# Channels routes to ASGI applications with Django's patterns, whose types speak of views.
_paths: list[tuple[str, Any]] = [
    (rf"^ws/v1/projects/(?P<project>{_NAME})/jobs/(?P<job>{_NAME})\Z", listen),
    (r"", nothing_here),
]
websocket_urlpatterns: list[Any] = [re_path(path, application) for path, application in _paths]

websocket_application = SameOrigin(CookieMiddleware(URLRouter(websocket_urlpatterns)))
