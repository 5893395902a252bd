"""JSON in, up to a size that a document of ours never reaches."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from hpt_web.accounts.errors import Fault, Invalid
from hpt_web.catalog.errors import TooLarge


def _no_such_number(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _no_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the member {twice!r} stands twice in one object")
    return members


class JSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, object] | None = None
    ) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise TooLarge(limit, what="A JSON body")
        try:
            document = json.loads(body, parse_constant=_no_such_number, object_pairs_hook=_no_doubles)
            faults = list(_unstorable(document, ""))
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The body is not JSON: {error}") from error
        if faults:
            raise Invalid(faults)
        return document


# Beyond it integers have no place in 64 bits, and floats that JSON can write have become infinite.
_TOO_LARGE = 2**63


def _is_float(value: float) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _unstorable(value: object, at: str) -> Iterator[Fault]:
    """What JSON can write but no column, file or other reader of JSON can hold: texts with NUL or with half of a
    surrogate pair, whole numbers of more than 64 bits, 1e999."""
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            yield Fault(
                at, "holds a NUL character or half of a character (a lone surrogate); leave it out", "characters"
            )
    elif isinstance(value, (int, float)) and not -_TOO_LARGE < value < _TOO_LARGE and not _is_float(value):
        yield Fault(at, "is a number too large to be stored; give a smaller one", "range")
    elif isinstance(value, dict):
        for name, member in value.items():
            inner = f"{at}.{name}" if at else name
            yield from _unstorable(name, ascii(inner)[:60])
            yield from _unstorable(member, inner)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unstorable(item, f"{at}[{index}]")
