"""One reader per watched job and process: a doorbell costs at most one query, however many sockets watch.

A ring brings the new events along if they are few. They are numbered: if something is missing before them, the database
is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from weakref import WeakKeyDictionary

from django.conf import settings
from redis import asyncio as valkey

from hpt_web.jobs.events import Ring, channel
from hpt_web.live.store import EventStore, Page, Unreachable

logger = logging.getLogger(__name__)

# A doorbell may get lost (the broker restarted, the subscription broke); then this is how late an event comes.
POLL_SECONDS = 3.0
# Doorbells closer to each other than this share a query and a frame. It grows with the number of sockets, so that a
# job with many viewers and many points costs a bounded part of the event loop: about 5,000 frames per second.
MIN_GAP_SECONDS = 0.004
GAP_PER_SOCKET_SECONDS = 0.0002
MAX_GAP_SECONDS = 0.25
# How much of what was sent lately is kept for the sockets that are not quite up to date, in characters.
KEPT_CHARACTERS = 1_000_000
MERGED_CHARACTERS = 256_000
RETRY_SECONDS = 0.5
MAX_RETRY_SECONDS = 10.0


class Feed:
    """The newest events of one job. ``tail`` is the number of the last event read."""

    def __init__(self, job_id: int, store: EventStore) -> None:
        self.job_id = job_id
        self.tail = 0
        self.sockets = 0
        self._store = store
        self._pages: dict[int, Page] = {}  # by first number, oldest first
        self._kept = 0
        self._ring = asyncio.Event()
        self._rung: list[Page] = []  # what rings have brought since the last look
        self._blind = True  # one may have brought nothing
        self._grown = asyncio.Event()
        self._look = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin at the job's newest event; raises one of `Unreachable` while the database is away."""
        self.tail = await self._store.head(self.job_id)
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._read())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def look(self) -> None:
        """Read what is new now."""
        async with self._look:
            page = await self._store.page(self.job_id, self.tail)
            while page is not None:
                self._keep(page)
                page = await self._store.page(self.job_id, self.tail) if page.more else None

    async def wait_beyond(self, cursor: int) -> None:
        """Return once ``tail`` is above ``cursor``."""
        while self.tail <= cursor:
            await self._grown.wait()

    def recent(self, cursor: int) -> Page | None:
        """What follows ``cursor``, as far as it is kept and up to a frame's fair size; None if it is not kept."""
        page = self._pages.get(cursor + 1)
        if page is None or page.last == self.tail:
            return page  # the usual case: everybody sends the same text
        pages = [page]
        size = len(page.events)
        while size < MERGED_CHARACTERS and (following := self._pages.get(pages[-1].last + 1)) is not None:
            pages.append(following)
            size += len(following.events)
        return Page(page.first, pages[-1].last, ",".join(page.events for page in pages))

    def _keep(self, page: Page) -> None:
        if page.first != self.tail + 1:
            logger.error("Job %s: events %s to %s are missing", self.job_id, self.tail + 1, page.first - 1)
            self._pages.clear()  # whoever stands before the gap finds it by a query of its own, and resyncs
            self._kept = 0
        self._pages[page.first] = page
        self._kept += len(page.events)
        while self._kept > KEPT_CHARACTERS and len(self._pages) > 1:
            self._kept -= len(self._pages.pop(next(iter(self._pages))).events)
        self.tail = page.last
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    async def _read(self) -> None:
        """Look at every ring, and every few seconds without one."""
        clock = asyncio.get_running_loop()
        retry, looked = RETRY_SECONDS, 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._ring.wait()
            gap = min(MAX_GAP_SECONDS, max(MIN_GAP_SECONDS, GAP_PER_SOCKET_SECONDS * self.sockets))
            if (early := looked + gap - clock.time()) > 0:
                await asyncio.sleep(early)
            self._ring.clear()  # before the look: what is rung for during it is looked for again
            looked = clock.time()
            try:
                if not self._take_rung():
                    await self.look()
                retry = RETRY_SECONDS
            except Unreachable as error:
                logger.warning("Job %s: events cannot be read, trying again in %s s: %s", self.job_id, retry, error)
                self._ring.set()
                await asyncio.sleep(retry)
                retry = min(2 * retry, MAX_RETRY_SECONDS)

    def _hear(self, ring: Ring) -> None:
        if ring.last <= self.tail:
            return
        if ring.events is None:
            self._blind = True
        else:
            self._rung.append(Page(ring.first, ring.last, ring.events))
        self._ring.set()

    def _take_rung(self) -> bool:
        """Keep what rings have brought, as one page. False if there is something that they have not."""
        rung, self._rung = sorted(self._rung, key=lambda page: page.first), []
        blind, self._blind = self._blind, False
        if blind or not rung or self._look.locked():
            return False
        new, tail = [], self.tail
        for page in rung:
            if page.last > tail:
                if page.first != tail + 1:
                    return False
                new.append(page.events)
                tail = page.last
        if new:
            self._keep(Page(self.tail + 1, tail, ",".join(new)))
        return True

    async def _listen(self) -> None:
        """Take the doorbell's rings; while the broker is away, try to subscribe again and again."""
        retry = RETRY_SECONDS
        while True:
            try:
                async with (
                    valkey.Redis.from_url(settings.REDIS_URL, socket_timeout=None) as client,
                    client.pubsub() as subscription,
                ):
                    await subscription.subscribe(channel(self.job_id))
                    async for message in subscription.listen():
                        if message["type"] == "message":
                            self._hear(Ring.unpacked(message["data"].decode()))
                        else:  # it is subscribed, maybe once more: something may have happened before
                            self._blind, retry = True, RETRY_SECONDS
                            self._ring.set()
            except Exception as error:  # whatever the client raises: the poll carries on meanwhile
                logger.warning("Job %s: no doorbell, trying again in %s s: %r", self.job_id, retry, error)
                await asyncio.sleep(retry)
                retry = min(2 * retry, MAX_RETRY_SECONDS)


class Hub:
    """The feeds of one event loop. A job's feed lives while somebody watches."""

    def __init__(self) -> None:
        self._store: EventStore | None = None
        self._feeds: dict[int, Feed] = {}
        self._starts: dict[int, asyncio.Task[None]] = {}

    async def store(self) -> EventStore:
        """Opened on first use, when the event loop runs and the database has its name."""
        if self._store is None:
            self._store = EventStore()
        await self._store.open()
        return self._store

    @contextlib.asynccontextmanager
    async def watching(self, job_id: int) -> AsyncIterator[Feed]:
        """The job's feed, for as long as the block runs; raises one of `Unreachable` while the database is away."""
        store = await self.store()
        feed = self._feeds.get(job_id)
        if feed is None:
            feed = self._feeds[job_id] = Feed(job_id, store)
            self._starts[job_id] = asyncio.create_task(feed.start())
        feed.sockets += 1
        try:
            # shielded: that one of those who wait goes away must not stop it for the others
            await asyncio.shield(self._starts[job_id])
            yield feed
        finally:
            feed.sockets -= 1
            if feed.sockets == 0:
                del self._feeds[job_id]
                self._starts.pop(job_id).cancel()
                await feed.stop()


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop; a server process has one."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())
