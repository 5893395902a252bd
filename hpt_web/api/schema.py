"""How an address describes itself in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from hpt_web.api.errors import MEDIA_TYPE
from hpt_web.api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from hpt_web.api.serializers.common import Problem

F = TypeVar("F", bound=Callable[..., Any])

LIMIT = OpenApiParameter(
    "limit", OpenApiTypes.INT, description=f"Rows on a page: 1 to {MAX_LIMIT}, {DEFAULT_LIMIT} if left out."
)
CURSOR = OpenApiParameter("cursor", OpenApiTypes.STR, description="The `next` of the page before.")
BINARY = OpenApiTypes.BINARY


def operation(
    name: str,
    summary: str,
    *,
    tag: str,
    takes: Any = None,
    gives: Any = None,
    status: int = 200,
    parameters: Sequence[OpenApiParameter] = (),
    takes_media: str = "application/json",
    gives_media: str = "application/json",
) -> Callable[[F], F]:
    """Describe one verb of a view: its operation id, what it takes and gives. Every answer may also be a Problem."""
    return extend_schema(
        operation_id=name,
        summary=summary,
        tags=[tag],
        request={takes_media: takes} if takes is not None else None,
        responses={
            (status, gives_media): gives
            if gives is not None
            else OpenApiResponse(description="Done; there is no body."),
            ("default", MEDIA_TYPE): OpenApiResponse(Problem, description="Not done, and why."),
        },
        parameters=list(parameters),
    )


@cache
def page_of(item: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """The envelope of a list of `item`."""
    return inline_serializer(
        f"{item.__name__}Page",
        {"items": item(many=True), "next": serializers.CharField(allow_null=True)},
    )


def query(name: str, description: str, kind: Any = OpenApiTypes.STR, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, kind, description=description, **more)


def whole_query(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.INT, description=description)


class _AccessKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "hpt_web.api.authentication.AccessKeyAuthentication"
    name = "accessKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "<id>.<secret>"}


class _SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "hpt_web.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


# Members of these may be absent from answers, too: they depend on the parameter's type.
_PARTLY = {"Parameter"}


def complete_answers(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """A hook of drf-spectacular: a shape that requests and answers share is complete in answers, so all of its members
    are required there, whatever a request may leave out."""
    schemas = result["components"]["schemas"]
    for name, schema in schemas.items():
        if f"{name}Request" in schemas and name not in _PARTLY:
            schema["required"] = sorted(schema["properties"])
    return result
