"""Raw request bodies in, blobs out, without ever holding one in memory.

Django's ASGI handler has spooled the body to a temporary file before a view runs; if the client goes away half-way the
file is gone and no view runs at all. `BodyLimit` refuses what is too large before that, so that nobody fills the disk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import Any, Protocol

import orjson
from asgiref.sync import sync_to_async
from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGIReceiveEvent, ASGISendCallable, Scope
from django.conf import settings
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request

from hpt_web.api.errors import MEDIA_TYPE, problem_body
from hpt_web.catalog import storage
from hpt_web.catalog.errors import TooLarge
from hpt_web.catalog.storage import Readable

_FORMS = ("multipart/", "application/x-www-form-urlencoded")
UPLOADS = ("/versions", "/bundles")  # ends of the addresses that take files


def body_of(request: Request) -> tuple[Readable, int | None]:
    """The request's body as a stream, and its announced length if there was one."""
    media_type = request._request.META.get("CONTENT_TYPE", "")
    if media_type.lower().startswith(_FORMS):
        raise UnsupportedMediaType(media_type, "Send the file itself as the body (application/octet-stream), no form.")
    announced = request._request.META.get("CONTENT_LENGTH")
    return request._request, int(announced) if announced and announced.isdigit() else None


class Closable(Readable, Protocol):
    def close(self) -> object: ...


class FileAnswer(StreamingHttpResponse):
    """A file as an attachment that a browser neither shows nor guesses at. Of one that is made while it is sent,
    `size` and `digest` are unknown.

    Django's own FileResponse would be read whole into memory under ASGI, as its iterator is not asynchronous.
    """

    def __init__(self, file: Closable, *, filename: str, size: int | None = None, digest: str = "") -> None:
        self._file = file
        super().__init__(self._chunks(), content_type="application/octet-stream")
        self._resource_closers.append(file.close)  # type: ignore[attr-defined]  # StreamingHttpResponse's own list
        if size is not None:
            self.headers["Content-Length"] = str(size)
        if digest:
            self.headers["ETag"] = f'"{digest}"'
        self.headers["Content-Disposition"] = disposition(filename)
        self.headers["X-Content-Type-Options"] = "nosniff"
        self.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"

    def _chunks(self) -> Iterator[bytes]:
        while chunk := self._file.read(storage.CHUNK):
            yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = sync_to_async(self._file.read, thread_sensitive=False)
        while chunk := await read(storage.CHUNK):
            yield chunk


def disposition(filename: str) -> str:
    return content_disposition_header(True, filename) or "attachment"


class _Cut(Exception):
    """More came than may come."""


class BodyLimit:
    """ASGI middleware: refuse bodies that are too large before anything is written to disk."""

    def __init__(self, application: ASGI3Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        limit = limit_for(scope["method"], scope["path"])
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        if lengths and lengths[0].isdigit() and int(lengths[0]) > limit:
            await _refuse(send, limit)
            return
        received, started = 0, False

        async def counted() -> ASGIReceiveEvent:
            nonlocal received
            event = await receive()
            if event["type"] == "http.request":
                received += len(event.get("body", b""))
                if received > limit:
                    raise _Cut
            return event

        async def noted(event: Any) -> None:
            nonlocal started
            started = started or event["type"] == "http.response.start"
            await send(event)

        try:
            await self._application(scope, counted, noted)
        except _Cut:
            if not started:
                await _refuse(send, limit)


def limit_for(method: str, address: str) -> int:
    """How many bytes a body may have: a file's where files are taken, else a document's."""
    takes_file = method == "POST" and address.startswith("/api/") and address.endswith(UPLOADS)
    limit: int = settings.HPT_UPLOAD_LIMIT_BYTES if takes_file else settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return limit


async def _refuse(send: ASGISendCallable, limit: int) -> None:
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    body = orjson.dumps(problem_body(status, "too-large", str(TooLarge(limit, what="The body"))))
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": int(status), "headers": headers, "trailers": False})
    await send({"type": "http.response.body", "body": body, "more_body": False})
