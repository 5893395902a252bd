"""What trials run on, for administrators: the host and its GPUs with what is in use, the container engine with what is
wrong with it, and which processes of the service are alive."""

from __future__ import annotations

from datetime import UTC, datetime

import redis
from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from hpt_web import pulse
from hpt_web.accounts.sharing import require_admin
from hpt_web.api.schema import operation
from hpt_web.api.serializers import host as shapes
from hpt_web.api.views.base import View, person
from hpt_web.jobs.running import host
from hpt_web.jobs.running.backends import engine_url
from hpt_web.jobs.running.images import concerns


class HostView(View):
    @operation("getHost", "What trials run on", tag="service", gives=shapes.Host)
    def get(self, request: Request) -> Response:
        require_admin(person(request), "see what the host has")
        images = host.images()
        return Response(
            shapes.Host(
                {
                    "slots": settings.HPT_TRIAL_SLOTS,
                    "engine": engine_url(),
                    "concerns": concerns(),
                    "base_image": settings.HPT_BASE_IMAGE or None,
                    "gpus": host.gpu_states(),
                    "machine": host.machine(),
                    "trials": host.trials(),
                    "last_hour": host.last_hour(),
                    "images": images
                    and [
                        {"name": name, "bytes": size, "created_at": datetime.fromtimestamp(created, UTC)}
                        for name, size, created in images
                    ],
                    "processes": _processes(),
                    "stalled": _stalled(),
                }
            ).data
        )


def _processes() -> list[pulse.Pulse] | None:
    try:
        return pulse.alive()
    except redis.RedisError:
        return None


def _stalled() -> str:
    try:
        return pulse.stalled()
    except redis.RedisError:
        return ""  # which `processes` says already
