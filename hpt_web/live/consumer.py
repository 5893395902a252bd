"""One socket: sends a job's events after the client's cursor, as fast as this client takes them and no faster."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson
from django.db import DatabaseError

from hpt_web.live.access import ACCESS_ENDED, Admission, Visitor, admit_async, visitor_of
from hpt_web.live.feed import Feed, hub
from hpt_web.live.store import EventStore, Unreachable

logger = logging.getLogger(__name__)

Send = Callable[[dict[str, Any]], Awaitable[None]]

BAD_CURSOR = 4400
TRY_AGAIN = 1013  # IANA's registry of close codes: "Try Again Later"
# Access is asked for again so often; the promise is that a socket is closed within 30 seconds of its end.
RECHECK_SECONDS = 20.0
# A client that is so far behind gets there faster by loading the snapshot.
MAX_BEHIND = 20_000
# One that takes no frame for so long has gone, or will be better off connecting again.
SEND_SECONDS = 60.0
RETRY_SECONDS = 0.5


async def listen(scope: Mapping[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    """The ASGI application behind /ws/v1/projects/{project}/jobs/{job}."""
    await receive()  # websocket.connect
    # A refusal before it is accepted would reach a browser as 1006 without its reason, so accept in any case.
    await send({"type": "websocket.accept"})
    names = scope["url_route"]["kwargs"]
    socket = Socket(visitor_of(scope), names["project"], names["job"], send)
    # the far end may go away at any moment, which sending tells by OSError (ASGI 2.4)
    with contextlib.suppress(OSError):
        await socket.serve(scope["query_string"].decode("latin-1"), receive)


async def nothing_here(scope: Mapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
    """Any other path: the handshake is refused."""
    await receive()
    await send({"type": "websocket.close"})


class Socket:
    """One accepted connection."""

    def __init__(self, visitor: Visitor, project: str, job: str, send: Send) -> None:
        self._visitor = visitor
        self._project = project
        self._job = job
        self._send = send
        self._sending = asyncio.Lock()  # events and pongs are sent by different tasks

    async def serve(self, query: str, receive: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        since = cursor_in(query)
        if since is not None and since < 0:
            return await self._close(BAD_CURSOR, "since is no cursor; give the number of the last event that you have")
        try:
            admission = await admit_async(self._visitor, self._project, self._job)
            if not isinstance(admission, Admission):
                return await self._close(admission.code, admission.reason)
            async with hub().watching(admission.job_id) as feed:
                await self._run(feed, await hub().store(), since, receive)
        except (*Unreachable, DatabaseError) as error:
            logger.warning("A socket is sent away, the database cannot be read: %s", error)
            await self._close(TRY_AGAIN, "The database cannot be read at the moment; connect again.")

    async def _run(
        self, feed: Feed, store: EventStore, since: int | None, receive: Callable[[], Awaitable[dict[str, Any]]]
    ) -> None:
        """Pump, guard and hear at once; whichever ends first ends the others."""
        guard = asyncio.create_task(self._guard(feed.job_id))
        tasks = [asyncio.create_task(self._pump(feed, store, since)), asyncio.create_task(self._hear(receive)), guard]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if guard in done:
            await self._close(ACCESS_ENDED, "You may no longer see this tuning job.")
        for task in done:
            task.result()  # raises what it raised

    async def _pump(self, feed: Feed, store: EventStore, since: int | None) -> None:
        """Send everything after ``since``, for ever; return when the client takes no more."""
        cursor = feed.tail if since is None else since
        if cursor > feed.tail:
            await feed.look()  # the snapshot that it comes from may be newer than what was read here
            if cursor > feed.tail:  # from another life of the database
                cursor = await self._resync(feed)
        while True:
            await feed.wait_beyond(cursor)
            if feed.tail - cursor > MAX_BEHIND:
                cursor = await self._resync(feed)
                continue
            page = feed.recent(cursor)
            if page is None:
                try:
                    page = await store.page(feed.job_id, cursor)
                except Unreachable:
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
            if page is None or page.first != cursor + 1:
                cursor = await self._resync(feed)
                continue
            await self._text(page.frame)
            cursor = page.last

    async def _resync(self, feed: Feed) -> int:
        """Tell the client to load the snapshot, and that it will be sent what comes after now."""
        cursor = feed.tail
        await self._text(f'{{"type":"resync","cursor":{cursor}}}')
        return cursor

    async def _hear(self, receive: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        """Answer pings until the client goes; everything else that it says means nothing."""
        while (message := await receive())["type"] != "websocket.disconnect":
            try:
                said = orjson.loads(message.get("text") or b"null")
            except orjson.JSONDecodeError:
                continue
            if isinstance(said, dict) and said.get("type") == "ping":
                await self._text('{"type":"pong"}')

    async def _guard(self, job_id: int) -> None:
        """Return when the visitor may no longer listen."""
        while True:
            # apart from each other, even if all sockets came at once
            await asyncio.sleep(RECHECK_SECONDS * random.uniform(0.7, 1.3))  # noqa: S311
            try:
                admission = await admit_async(self._visitor, self._project, self._job)
            except DatabaseError as error:  # unknown is not ended: without a database nothing is sent anyway
                logger.warning("A socket's access could not be checked: %s", error)
                continue
            if not isinstance(admission, Admission) or admission.job_id != job_id:
                return

    async def _text(self, text: str) -> None:
        """Send; waits while the client does not read, and raises OSError when it has taken nothing for too long."""
        async with self._sending, asyncio.timeout(SEND_SECONDS):  # TimeoutError is an OSError
            await self._send({"type": "websocket.send", "text": text})

    async def _close(self, code: int, reason: str) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._send({"type": "websocket.close", "code": code, "reason": reason})


def cursor_in(query: str) -> int | None:
    """The query's `since`; None if there is none, -1 if it is no cursor."""
    given = parse_qs(query, keep_blank_values=True).get("since")
    if given is None:
        return None
    text = given[-1]
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else -1
