"""JSON out: numbers that JSON does not know (nan, inf) become null, times are RFC 3339 in UTC with milliseconds."""

from collections.abc import Mapping
from datetime import datetime

import orjson
from rest_framework.renderers import BaseRenderer

from hpt_web.jobs.queries import iso


class JSONRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: object,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, object] | None = None,
    ) -> bytes:
        if data is None:
            return b""
        try:
            return _dumped(data)
        except orjson.JSONEncodeError:
            return _dumped(_within_64_bits(data))


def _dumped(data: object) -> bytes:
    return orjson.dumps(data, default=_plain, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME)


def _within_64_bits(data: object) -> object:
    """The same with larger whole numbers as floats: PostgreSQL writes the float 1e25 of a document without its point,
    and Python reads that as an int."""
    if isinstance(data, Mapping):
        return {name: _within_64_bits(value) for name, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_within_64_bits(value) for value in data]
    return float(data) if isinstance(data, int) and not -(2**63) <= data < 2**64 else data


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return iso(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")
