"""What trials run on, for administrators: the container engine with what is wrong with it, and the GPUs."""

from __future__ import annotations

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from hpt_web.accounts.pools import host_gpus
from hpt_web.accounts.sharing import require_admin
from hpt_web.api.schema import operation
from hpt_web.api.serializers import host as shapes
from hpt_web.api.views.base import View, person
from hpt_web.jobs.running.backends import engine_url
from hpt_web.jobs.running.images import concerns


class HostView(View):
    @operation("getHost", "What trials run on", tag="service", gives=shapes.Host)
    def get(self, request: Request) -> Response:
        require_admin(person(request), "see what the host has")
        gpus = [{"id": gpu.id, "name": gpu.name, "memory_bytes": gpu.memory_bytes} for gpu in host_gpus()]
        return Response(
            {
                "slots": settings.HPT_TRIAL_SLOTS,
                "engine": engine_url(),
                "concerns": concerns(),
                "base_image": settings.HPT_BASE_IMAGE or None,
                "gpus": gpus,
            }
        )
