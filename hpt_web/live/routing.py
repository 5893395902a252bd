"""Which WebSocket paths exist."""

from django.urls import URLPattern

websocket_urlpatterns: list[URLPattern] = []
