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
        return orjson.dumps(data, default=_plain, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return iso(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")
