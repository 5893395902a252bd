"""Every error of the service as a problem document (RFC 9457), mapped here and nowhere else.

`{"type", "title", "status", "detail", "faults": [{"field", "message", "code"}]}`; `type` is a stable word for programs.
What only exceeds limits is refused with 409 "over-quota"; with other faults beside that it is a request with faults.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from django.core import signals
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from hpt_web.accounts import errors as accounts
from hpt_web.accounts.errors import Fault, Faulty
from hpt_web.catalog import errors as catalog
from tuning.errors import InvalidSpec

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
LIMIT = "quota"  # the code of a fault that is a limit's

# Ours first: (class, status, word). The order matters where one class derives from another.
_OURS: tuple[tuple[type[Exception], HTTPStatus, str], ...] = (
    (accounts.NotVisible, HTTPStatus.NOT_FOUND, "not-found"),
    (accounts.Forbidden, HTTPStatus.FORBIDDEN, "forbidden"),
    (accounts.NotSignedIn, HTTPStatus.UNAUTHORIZED, "wrong-password"),
    (accounts.TooSoon, HTTPStatus.TOO_MANY_REQUESTS, "too-soon"),
    (accounts.Invalid, HTTPStatus.BAD_REQUEST, "invalid"),
    (accounts.Conflict, HTTPStatus.CONFLICT, "conflict"),
    (accounts.OverQuota, HTTPStatus.CONFLICT, "over-quota"),
    (catalog.TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large"),
    (catalog.CutOff, HTTPStatus.BAD_REQUEST, "cut-off"),
    (catalog.DiskFull, HTTPStatus.INSUFFICIENT_STORAGE, "disk-full"),
    (catalog.ContentMissing, HTTPStatus.INTERNAL_SERVER_ERROR, "content-missing"),
    (InvalidSpec, HTTPStatus.BAD_REQUEST, "invalid"),
    (Http404, HTTPStatus.NOT_FOUND, "not-found"),
    (DjangoPermissionDenied, HTTPStatus.FORBIDDEN, "forbidden"),
    (exceptions.ParseError, HTTPStatus.BAD_REQUEST, "malformed"),
    (exceptions.ValidationError, HTTPStatus.BAD_REQUEST, "invalid"),
    (exceptions.MethodNotAllowed, HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed"),
    (exceptions.UnsupportedMediaType, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type"),
    (exceptions.NotAcceptable, HTTPStatus.NOT_ACCEPTABLE, "not-acceptable"),
    (exceptions.AuthenticationFailed, HTTPStatus.UNAUTHORIZED, "not-signed-in"),
    (exceptions.NotAuthenticated, HTTPStatus.UNAUTHORIZED, "not-signed-in"),
    (exceptions.PermissionDenied, HTTPStatus.FORBIDDEN, "forbidden"),
    (exceptions.Throttled, HTTPStatus.TOO_MANY_REQUESTS, "too-soon"),
    (OperationalError, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
    (InterfaceError, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
)
_TITLES = {
    "not-found": "There is no such thing, or not for you",
    "forbidden": "You may not do this",
    "wrong-password": "Wrong name or password",
    "not-signed-in": "Log in first",
    "invalid": "The request has faults",
    "malformed": "The request cannot be read",
    "conflict": "Not possible in the present state",
    "over-quota": "A limit is reached",
    "too-soon": "Too many wrong attempts",
    "too-large": "The body is too large",
    "cut-off": "The body was cut off",
    "disk-full": "The disk is full",
    "unavailable": "The service is not ready",
    "internal": "The service failed",
}


def problem_response(error: Exception, context: Mapping[str, object]) -> Response:
    """DRF's exception handler: the answer for `error`. No transaction is open here: the actions have their own."""
    status, word = _kind(error)
    headers: dict[str, str] = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="hpt"'
    if isinstance(error, accounts.TooSoon):
        headers["Retry-After"] = str(error.seconds)
    if isinstance(error, exceptions.MethodNotAllowed):
        headers["Allow"] = ", ".join(getattr(context.get("view"), "allowed_methods", []))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _report(error, context)
    return problem(status, word, _detail(error, status), faults=_faults(error), headers=headers)


def problem(
    status: HTTPStatus,
    word: str,
    detail: str,
    *,
    faults: Iterable[Faulty] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document as an answer."""
    return Response(problem_body(status, word, detail, faults), status, headers=headers, content_type=MEDIA_TYPE)


def problem_body(status: HTTPStatus, word: str, detail: str, faults: Iterable[Faulty] = ()) -> dict[str, object]:
    return {
        "type": word,
        "title": _TITLES.get(word, status.phrase),
        "status": int(status),
        "detail": detail,
        "faults": [{"field": fault.field, "message": fault.message, "code": fault.code} for fault in faults],
    }


def _kind(error: Exception) -> tuple[HTTPStatus, str]:
    if isinstance(error, accounts.Invalid) and error.faults and all(fault.code == LIMIT for fault in error.faults):
        return HTTPStatus.CONFLICT, "over-quota"  # well written, and only too much: as if somebody had been faster
    for known, status, word in _OURS:
        if isinstance(error, known):
            return status, word
    if isinstance(error, exceptions.APIException):
        return HTTPStatus(error.status_code), str(error.default_code).replace("_", "-")
    return HTTPStatus.INTERNAL_SERVER_ERROR, "internal"


def _detail(error: Exception, status: HTTPStatus) -> str:
    faults = _faults(error)
    if faults:
        return "; ".join(f"{fault.field} {fault.message}" if fault.field else fault.message for fault in faults)
    if isinstance(error, exceptions.APIException):
        return str(error.detail)
    if isinstance(error, (OperationalError, InterfaceError)):
        return "The database does not answer at the moment; try again in some seconds."
    if isinstance(error, Http404):
        return "There is nothing at this address."
    if status is HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, catalog.CatalogError):
        return "Something went wrong on our side; the service's log has the details."
    return str(error)


def _faults(error: Exception) -> list[Faulty]:
    if isinstance(error, (accounts.Invalid, InvalidSpec)):
        return list(error.faults)
    if isinstance(error, accounts.OverQuota):
        return [Fault("", str(error), LIMIT)]
    if isinstance(error, exceptions.ValidationError):
        return list(_flattened(error.detail, ""))
    return []


def _flattened(detail: object, path: str) -> Iterable[Fault]:
    """DRF's nested details as faults with JSON paths."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            own = name in ("non_field_errors", "detail")
            yield from _flattened(inner, path if own else f"{path}.{name}" if path else str(name))
    elif isinstance(detail, (list, tuple)):
        for index, inner in enumerate(detail):
            yield from _flattened(inner, path if isinstance(inner, str) else f"{path}[{index}]")
    else:
        yield Fault(path, str(detail), str(getattr(detail, "code", "invalid")))


def _report(error: Exception, context: Mapping[str, object]) -> None:
    request = getattr(context.get("request"), "_request", None)
    logger.error("%s %s failed", getattr(request, "method", "?"), getattr(request, "path", "?"), exc_info=error)
    # What Django sends for errors that no view catches; its test client raises them again because of it.
    if not isinstance(error, (OperationalError, InterfaceError, catalog.CatalogError)):
        signals.got_request_exception.send(sender=type(context.get("view")), request=request)
