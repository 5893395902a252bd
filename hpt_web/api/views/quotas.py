"""Pools, teams, their shares, quotas, all for administrators; and the queue, for everybody."""

from __future__ import annotations

from collections.abc import Sequence

from rest_framework.request import Request
from rest_framework.response import Response

from hpt_web.accounts import sharing
from hpt_web.accounts.models import PoolShare, Quota, Team
from hpt_web.accounts.pools import PoolInfo, pools
from hpt_web.accounts.sharing import MOST_DEVICES, MOST_PRIORITY, MOST_WEIGHT, Scope, Terms
from hpt_web.api.pagination import page
from hpt_web.api.schema import CURSOR, LIMIT, operation, page_of
from hpt_web.api.serializers import quotas as shapes
from hpt_web.api.views.base import View, optional_text, person, reading
from hpt_web.jobs.sharing.counting import forecasts, used
from hpt_web.jobs.sharing.queueing import queue_for
from tuning.documents import Document

_TAG = "quotas"


class QueueView(View):
    @operation("getQueue", "What runs, what waits, and why", tag=_TAG, gives=shapes.Queue)
    def get(self, request: Request) -> Response:
        return Response(shapes.Queue(queue_for(person(request))).data)


# --- pools ------------------------------------------------------------------------------------------------------------


def _pool(pool: PoolInfo, status: int = 200) -> Response:
    return Response(shapes.Pool(pool).data, status)


class PoolsView(View):
    @operation("listPools", "The pools of devices", tag=_TAG, gives=shapes.Pool(many=True))
    def get(self, request: Request) -> Response:
        return Response(shapes.Pool(pools(), many=True).data)

    @operation(
        "declarePool", "Add a pool, or give less of one of the host's", tag=_TAG, takes=shapes.PoolRequest,
        gives=shapes.Pool, status=201,
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        sharing.require_admin(person(request), "declare pools")
        with reading(request) as document:
            pool = sharing.declare_pool(
                actor=person(request),
                name=document.text("name"),
                devices=_devices(document, "devices"),
                device_type=document.text("device_type", default="", longest=100),
                memory_bytes=document.whole("memory_bytes", low=1, high=2**60, optional=True),
                terms=_terms(document, Terms()),
            )
        return _pool(pool, 201)


class PoolView(View):
    @operation("changePool", "Change how much of a pool is given to trials", tag=_TAG, takes=shapes.PoolChange,
               gives=shapes.Pool)  # fmt: skip
    def patch(self, request: Request, pool: str) -> Response:
        sharing.require_admin(person(request), "change pools")
        before = sharing.pool_named(pool)
        with reading(request) as document:
            found = sharing.change_pool(
                actor=person(request),
                name=pool,
                devices=_devices(document, "devices") if document.has("devices") else None,
                terms=_terms(document, Terms(before.min_run_seconds, before.price)),
            )
        return _pool(found)

    @operation("withdrawPool", "Take back what was declared of a pool", tag=_TAG, status=204)
    def delete(self, request: Request, pool: str) -> Response:
        sharing.withdraw_pool(actor=person(request), name=pool)
        return Response(status=204)


def _terms(document: Document, before: Terms) -> Terms:
    """What is given of them, null among it; the rest as it was."""
    seconds = document.whole("min_run_seconds", low=0, high=sharing.LONGEST_MIN_RUN, optional=True)
    price = document.number("price", low=0, high=sharing.MOST_PRICE)
    return Terms(
        seconds if document.has("min_run_seconds") else before.min_run_seconds,
        price if document.has("price") else before.price,
    )


def _devices(document: Document, name: str, default: int | None = None) -> int:
    return document.whole(name, low=0, high=MOST_DEVICES, default=default) or 0


# --- teams ------------------------------------------------------------------------------------------------------------


def _teams(rows: Sequence[Team]) -> list[dict[str, object]]:
    return [
        {
            "name": team.name,
            "projects": sorted(project.slug for project in team.projects.all()),
            "shares": sorted(team.shares.all(), key=lambda share: share.pool),
            "priority": team.priority,
            "images": team.images,
            "fixed": team.fixed,
            "created_at": team.created_at,
        }
        for team in rows
    ]


def _team(request: Request, name: str, status: int = 200) -> Response:
    return Response(shapes.Team(_teams([sharing.team_named(person(request), name)])[0]).data, status)


class TeamsView(View):
    @operation("listTeams", "The teams", tag=_TAG, gives=page_of(shapes.Team), parameters=[LIMIT, CURSOR])
    def get(self, request: Request) -> Response:
        teams = sharing.teams(person(request)).prefetch_related("projects", "shares")
        return page(request, teams, ["name", "id"], lambda rows: shapes.Team(_teams(rows), many=True).data)

    @operation(
        "createTeam", "Make a team of projects", tag=_TAG, takes=shapes.TeamRequest, gives=shapes.Team, status=201
    )
    def post(self, request: Request) -> Response:
        sharing.require_admin(person(request), "make teams")
        with reading(request) as document:
            team = sharing.create_team(
                actor=person(request),
                name=document.text("name"),
                projects=_texts(document, "projects", "slugs") or (),
                priority=_priority(document) or 0,
                images=_texts(document, "images", "patterns") or (),
                fixed=_fixed(document),
            )
        return _team(request, team.name, 201)


class TeamView(View):
    @operation("getTeam", "A team", tag=_TAG, gives=shapes.Team)
    def get(self, request: Request, team: str) -> Response:
        return _team(request, team)

    @operation("changeTeam", "Change a team", tag=_TAG, takes=shapes.TeamChange, gives=shapes.Team)
    def patch(self, request: Request, team: str) -> Response:
        sharing.require_admin(person(request), "change teams")
        with reading(request) as document:
            row = sharing.change_team(
                actor=person(request),
                team=team,
                name=optional_text(document, "name"),
                projects=_texts(document, "projects", "slugs"),
                priority=_priority(document),
                images=_texts(document, "images", "patterns"),
                fixed=_fixed(document),
            )
        return _team(request, row.name)

    @operation("deleteTeam", "Delete a team without projects", tag=_TAG, status=204)
    def delete(self, request: Request, team: str) -> Response:
        sharing.delete_team(actor=person(request), team=team)
        return Response(status=204)


def _texts(document: Document, name: str, what: str) -> list[str] | None:
    """A list of texts, None if it is absent."""
    value = document.raw(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        document.fault(name, f"is no list of {what}; give one", "type")
        return None
    return value


def _priority(document: Document) -> int | None:
    return document.whole("priority", low=-MOST_PRIORITY, high=MOST_PRIORITY, optional=True)


def _fixed(document: Document) -> dict[str, object] | None:
    value = document.raw("fixed")
    if value is not None and not isinstance(value, dict):
        document.fault("fixed", "is no object; give settings with their values", "type")
        return None
    return value


# --- shares -----------------------------------------------------------------------------------------------------------


def _share(share: PoolShare, status: int = 200) -> Response:
    return Response(shapes.Share(share).data, status)


class SharesView(View):
    @operation("listShares", "A team's shares of the pools", tag=_TAG, gives=shapes.Share(many=True))
    def get(self, request: Request, team: str) -> Response:
        shares = sharing.team_named(person(request), team).shares.order_by("pool")
        return Response(shapes.Share(shares, many=True).data)

    @operation(
        "setShare", "Give a team a share of a pool, in place of the one it may have", tag=_TAG,
        takes=shapes.ShareRequest, gives=shapes.Share, status=201,
    )  # fmt: skip
    def post(self, request: Request, team: str) -> Response:
        sharing.require_admin(person(request), "share out pools")
        with reading(request) as document:
            share = sharing.set_share(
                actor=person(request),
                team=team,
                pool=document.text("pool"),
                guaranteed=_devices(document, "guaranteed", 0),
                cap=document.whole("cap", low=0, high=MOST_DEVICES, optional=True),
                weight=_weight(document, 1.0),
                lends=document.whole("lends", low=0, high=MOST_DEVICES, optional=True),
            )
        return _share(share, 201)


class ShareView(View):
    @operation("changeShare", "Change a share", tag=_TAG, takes=shapes.ShareChange, gives=shapes.Share)
    def patch(self, request: Request, team: str, pool: str) -> Response:
        before = sharing.share_of(person(request), team, pool)
        with reading(request) as document:
            cap = document.whole("cap", low=0, high=MOST_DEVICES, optional=True)
            lends = document.whole("lends", low=0, high=MOST_DEVICES, optional=True)  # null takes it away, as a cap
            share = sharing.set_share(
                actor=person(request),
                team=team,
                pool=pool,
                guaranteed=_devices(document, "guaranteed", before.guaranteed),
                cap=cap if document.has("cap") else before.cap,
                weight=_weight(document, before.weight),
                lends=lends if document.has("lends") else before.lends,
            )
        return _share(share)

    @operation("removeShare", "Take a share away", tag=_TAG, status=204)
    def delete(self, request: Request, team: str, pool: str) -> Response:
        sharing.remove_share(actor=person(request), team=team, pool=pool)
        return Response(status=204)


def _weight(document: Document, default: float) -> float:
    weight = document.number("weight", low=0, high=MOST_WEIGHT, default=default)
    return default if weight is None else weight


# --- quotas -----------------------------------------------------------------------------------------------------------


def _quota(quota: Quota, status: int = 200) -> Response:
    return Response(_quotas([quota])[0], status)


def _quotas(rows: Sequence[Quota]) -> list[dict[str, object]]:
    """Each with what counts towards it."""
    counted = used(rows)
    names = ("id", "project", "user", "resource", "pool", "limit")
    told = forecasts(rows, counted)
    found = [
        {
            **{name: getattr(quota, name) for name in names},
            "used": counted[quota.pk],
            "forecast": told[quota.pk]._asdict() if quota.pk in told else None,
        }
        for quota in rows
    ]
    return list(shapes.Quota(found, many=True).data)


class QuotasView(View):
    @operation(
        "listQuotas",
        "Limits: all for administrators, for others those that may stop jobs of theirs",
        tag=_TAG,
        gives=page_of(shapes.Quota),
        parameters=[LIMIT, CURSOR],
    )
    def get(self, request: Request) -> Response:
        return page(request, sharing.quotas(person(request)), ["id"], _quotas)

    @operation("createQuota", "Set a limit", tag=_TAG, takes=shapes.QuotaRequest, gives=shapes.Quota, status=201)
    def post(self, request: Request) -> Response:
        sharing.require_admin(person(request), "set quotas")
        with reading(request) as document:
            quota = sharing.create_quota(
                actor=person(request),
                scope=Scope(optional_text(document, "project"), optional_text(document, "user")),
                resource=document.choice("resource", Quota.Resource.values),
                pool=document.text("pool", default=""),
                limit=_limit(document),
            )
        return _quota(quota, 201)


class QuotaView(View):
    @operation("changeQuota", "Change a limit", tag=_TAG, takes=shapes.QuotaChange, gives=shapes.Quota)
    def patch(self, request: Request, number: int) -> Response:
        sharing.require_admin(person(request), "set quotas")
        with reading(request) as document:
            quota = sharing.change_quota(actor=person(request), number=number, limit=_limit(document))
        return _quota(quota)

    @operation("removeQuota", "Take a limit away", tag=_TAG, status=204)
    def delete(self, request: Request, number: int) -> Response:
        sharing.remove_quota(actor=person(request), number=number)
        return Response(status=204)


def _limit(document: Document) -> int:
    return document.whole("limit", low=0, high=2**62) or 0
