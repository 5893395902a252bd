"""Lists by keyset: a page begins behind the last row of the one before, whatever was added or deleted meanwhile."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from hpt_web.accounts.errors import Fault, Invalid

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

M = TypeVar("M", bound=Model)


def page(
    request: Request,
    rows: QuerySet[M],
    order: Sequence[str],
    present: Callable[[list[M]], Collection[object]],
) -> Response:
    """One page of `rows` as `{"items": [...], "next": cursor or null}`.

    `order` names fields as `order_by` does ("-created_at"); together they must be unique. `present` makes the items of
    a whole page at once, so that it can ask the database for all of them in one query.
    """
    limit = whole_parameter(request, "limit", default=DEFAULT_LIMIT, low=1, high=MAX_LIMIT)
    cursor = request.query_params.get("cursor")
    if cursor:
        rows = rows.filter(_behind(rows.model, order, _decode(rows.model, order, cursor)))
    found = list(rows.order_by(*order)[: limit + 1])
    more, found = len(found) > limit, found[:limit]
    return Response({"items": present(found), "next": _encode(found[-1], order) if more else None})


def whole_parameter(request: Request, name: str, *, default: int, low: int, high: int) -> int:
    """A whole number of the query string in low..high."""
    text = request.query_params.get(name)
    if text is None or text == "":
        return default
    try:
        number = int(text) if len(text) <= 20 else None
    except ValueError:
        number = None
    if number is None or not low <= number <= high:
        raise Invalid([Fault(name, f"is {text[:40]!r}; give a whole number from {low} to {high}", "range")])
    return number


def number_parameter(request: Request, name: str, *, default: float, low: float, high: float) -> float:
    """A number of the query string in low..high."""
    text = request.query_params.get(name)
    if text is None or text == "":
        return default
    try:
        number = float(text) if len(text) <= 40 else None
    except ValueError:
        number = None
    if number is None or not low <= number <= high:  # also refuses NaN
        raise Invalid([Fault(name, f"is {text[:40]!r}; give a number from {low:g} to {high:g}", "range")])
    return number


def text_parameter(request: Request, name: str) -> str:
    """A text of the query string, empty if it is absent; Invalid if the database could not hold it."""
    text = request.query_params.get(name, "")
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise Invalid([Fault(name, "holds a character that no text can have; leave it out", "characters")])
    return text


def _encode(row: Model, order: Sequence[str]) -> str:
    values = [
        row._meta.get_field(name.lstrip("-")).value_to_string(row)  # type: ignore[union-attr]
        for name in order
    ]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _decode(model: type[Model], order: Sequence[str], cursor: str) -> list[Any]:
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(values, list) or len(values) != len(order):
            raise ValueError("not a list of the right length")
        if not all(isinstance(value, str) and "\x00" not in value for value in values):
            raise ValueError("not texts")
        return [
            model._meta.get_field(name.lstrip("-")).to_python(value)  # type: ignore[union-attr]
            for name, value in zip(order, values, strict=True)
        ]
    except (ValueError, binascii.Error, ValidationError, RecursionError) as error:
        fault = Fault("cursor", f"is {cursor[:40]!r}; give the `next` of the page before, or leave it out")
        raise Invalid([fault]) from error


def _behind(model: type[Model], order: Sequence[str], values: Sequence[Any]) -> Q:
    """Rows that come after `values`: the first differing field decides."""
    condition = Q()
    for index, name in enumerate(order):
        field, direction = name.lstrip("-"), "lt" if name.startswith("-") else "gt"
        equal = {key.lstrip("-"): values[at] for at, key in enumerate(order[:index])}
        condition |= Q(**equal, **{f"{field}__{direction}": values[index]})
    return condition
