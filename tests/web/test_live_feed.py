"""What a feed keeps in memory, and what it does about a gap; with a store that has no database."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hpt_web.jobs.events import MOST_CARRIED, Ring, merged
from hpt_web.live import feed as module
from hpt_web.live.feed import Feed
from hpt_web.live.store import Page


class Store:
    """As `EventStore`, of numbers in memory; counts the questions."""

    def __init__(self, last: int = 0, size: int = 10, page: int = 500) -> None:
        self.last, self.size, self.limit = last, size, page
        self.questions = 0
        self.first = 1

    async def head(self, job_id: int) -> int:
        return self.last

    async def page(self, job_id: int, since: int, limit: int = 0) -> Page | None:
        self.questions += 1
        await asyncio.sleep(0)
        first = max(since + 1, self.first)
        last = min(self.last, first + self.limit - 1)
        text = ",".join("x" * self.size for _ in range(first, last + 1))
        return Page(first, last, text, more=last - first + 1 == self.limit) if last >= first else None


def feed_of(store: Any) -> Feed:
    return Feed(1, store)


async def test_every_socket_at_the_tail_gets_the_very_same_text() -> None:
    feed = feed_of(store := Store())
    store.last = 3
    await feed.look()
    one, other = feed.recent(0), feed.recent(0)
    assert one is not None
    assert one is other
    assert one.frame is other.frame
    assert store.questions == 1  # a page that is not full is the last


async def test_several_small_pages_become_one_frame() -> None:
    feed = feed_of(store := Store())
    for store.last in (1, 2, 3):
        await feed.look()
    merged = feed.recent(0)
    assert merged is not None
    assert (merged.first, merged.last) == (1, 3)
    assert feed.recent(1) is not None
    assert feed.recent(3) is None


async def test_a_frame_has_a_fair_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MERGED_CHARACTERS", 100)
    feed = feed_of(store := Store(size=40))
    for store.last in range(1, 30):
        await feed.look()
    page = feed.recent(0)
    assert page is not None
    assert page.last == 3


async def test_memory_is_bounded_and_whoever_is_further_behind_asks_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "KEPT_CHARACTERS", 1000)
    feed = feed_of(store := Store(size=100))
    for store.last in range(1, 200):
        await feed.look()
    assert sum(len(page.events) for page in feed._pages.values()) <= 1000
    assert feed.recent(100) is None
    assert feed.recent(195) is not None


async def test_a_cursor_inside_a_page_asks_the_database() -> None:
    feed = feed_of(store := Store(last=0))
    store.last = 10
    await feed.look()
    assert feed.recent(5) is None


async def test_a_gap_forgets_what_was_before_it(caplog: pytest.LogCaptureFixture) -> None:
    feed = feed_of(store := Store())
    store.last = 5
    await feed.look()
    store.first, store.last = 8, 9  # 6 and 7 were cleared away
    await feed.look()
    assert feed.recent(5) is None
    assert feed.recent(7) is not None
    assert "events 6 to 7 are missing" in caplog.text


async def test_whoever_waits_is_woken_once_the_tail_has_passed() -> None:
    feed = feed_of(store := Store(last=4))
    feed.tail = 4
    waiting = asyncio.create_task(feed.wait_beyond(5))
    for store.last in (5, 6):
        assert not waiting.done()
        await feed.look()
    await asyncio.wait_for(waiting, 5)


async def test_many_rings_at_once_are_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = feed_of(store := Store())
    reader = asyncio.create_task(feed._read())
    store.last = 1
    for _ in range(100):
        feed._ring.set()
    await asyncio.wait_for(feed.wait_beyond(0), 5)
    assert store.questions <= 2
    reader.cancel()


def ring(first: int, last: int, size: int = 10) -> Ring:
    return Ring(last, first, ",".join("x" * size for _ in range(first, last + 1)))


async def test_what_rings_bring_is_kept_without_a_question() -> None:
    feed = feed_of(store := Store())
    await feed.look()
    feed._blind = False
    for brought in (ring(3, 4), ring(1, 2), ring(2, 2)):  # of two processes, in any order; one comes again
        feed._hear(brought)
    assert feed._take_rung()
    assert (feed.tail, feed._pages[1].last, store.questions) == (4, 4, 1)
    assert not feed._take_rung(), "looks by itself when nobody has rung"


@pytest.mark.parametrize("brought", [ring(3, 3), Ring(2, 1)], ids=["one is missing", "too many"])
async def test_what_rings_do_not_bring_is_asked_for(brought: Ring) -> None:
    feed = feed_of(store := Store())
    feed._blind = False
    store.last = brought.last
    feed._hear(brought)
    assert not feed._take_rung()
    await feed.look()
    feed._hear(ring(store.last + 1, store.last + 1))
    assert feed._take_rung(), "and from there on they fit again"
    assert feed.tail == store.last + 1


@pytest.mark.parametrize("one", [Ring(7), Ring(7, 5, '{"seq":5, "reason":"two words"}')])
def test_a_ring_arrives_as_it_was_sent(one: Ring) -> None:
    assert Ring.unpacked(one.packed()) == one


def test_rings_that_wait_become_one_with_all_events_or_none() -> None:
    one, two, three = Ring(1, 1, "a"), Ring(3, 2, "b,c"), Ring(4, 4, "d")
    assert merged([two, three, one]) == Ring(4, 1, "a,b,c,d")
    assert merged([one, three]) == merged([one, two, Ring(4)]) == Ring(4)
    assert merged([Ring(1, 1, "a" * MOST_CARRIED), two]) == Ring(3)
