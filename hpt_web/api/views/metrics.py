"""Figures for a Prometheus server."""

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request

from hpt_web.accounts.sharing import require_admin
from hpt_web.api import metrics
from hpt_web.api.schema import operation
from hpt_web.api.views.base import View, person


class MetricsTextView(View):
    @operation(
        "getPrometheusMetrics", "Pools, waits, usage, limits and stored bytes for a Prometheus server",
        tag="usage", gives=OpenApiTypes.STR, gives_media=metrics.MEDIA_TYPE,
    )  # fmt: skip
    def get(self, request: Request) -> HttpResponse:
        admin = person(request)
        require_admin(admin, "see the figures of all projects")
        return HttpResponse(metrics.written(metrics.collected(admin)), content_type=metrics.MEDIA_TYPE)
