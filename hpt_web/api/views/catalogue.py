"""What there is to choose from: strategies and early-stopping policies with their options, profiles, kinds of space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import redis
from django.db import connection
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from hpt_web import pulse
from hpt_web.accounts.errors import NotVisible
from hpt_web.api import presenting
from hpt_web.api.permissions import Anyone
from hpt_web.api.schema import operation
from hpt_web.api.serializers import catalog as shapes
from hpt_web.api.serializers.common import Health
from hpt_web.api.views.base import View
from tuning import earlystop, strategies
from tuning.profiles import PROFILES
from tuning.registry import Broken, Info
from tuning.space_schema import space_schema


class StrategiesView(View):
    @operation("listStrategies", "Search strategies and their options", tag="catalogue", gives=shapes.Catalogue)
    def get(self, request: Request) -> Response:
        return Response(_offered(strategies.catalogue(), strategies.packages(), strategies.broken()))


class PoliciesView(View):
    @operation("listPolicies", "Early-stopping policies and their options", tag="catalogue", gives=shapes.Catalogue)
    def get(self, request: Request) -> Response:
        return Response(_offered(earlystop.catalogue(), earlystop.packages(), earlystop.broken()))


def _offered(infos: Sequence[Info], packages: Mapping[str, str], broken: Sequence[Broken]) -> dict[str, object]:
    return {
        "items": [{**asdict(info), "package": packages.get(info.name)} for info in infos],
        "broken": [asdict(one) for one in broken],
    }


class ProfilesView(View):
    @operation("listProfiles", "Services whose rules a job can be held to", tag="catalogue", gives=shapes.Profiles)
    def get(self, request: Request) -> Response:
        return Response({"items": [presenting.profile(name, found) for name, found in PROFILES.items()]})


class SpaceSchemaView(View):
    @operation("getSpaceSchema", "The JSON schema of a job's search space", tag="catalogue", gives=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        return Response(space_schema())


class HealthView(View):
    """For load balancers: the process answers and reaches its database. How the workers are stands beside it, for
    whoever watches: this process serves no worse for it."""

    authentication_classes = []
    permission_classes = [Anyone]

    @operation("getHealth", "Whether the service is ready", tag="service", gives=Health)
    def get(self, request: Request) -> Response:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return Response({"status": "ok", **_workers()})


def _workers() -> dict[str, str]:
    try:
        reason = pulse.stalled()
    except redis.RedisError:
        return {"workers": "unknown", "reason": "The broker does not answer: look at the log of Valkey or Redis."}
    return {"workers": "stalled" if reason else "ok", "reason": reason}


@extend_schema(exclude=True)
class NowhereView(View):
    """Every address under /api/v1 that there is not, whatever the verb."""

    authentication_classes = []
    permission_classes = [Anyone]

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        raise NotVisible(f"There is nothing at {request.path}; /api/v1/docs lists what there is.")
