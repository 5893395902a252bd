"""The socket of a job page: who may listen, in which order, and what happens when things break. Real server, real
PostgreSQL, real Valkey."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator

import pytest
from django.contrib.sessions.models import Session
from django.db import transaction
from websockets.exceptions import ConnectionClosed, InvalidStatus

from hpt_web.accounts.models import AccessKey, Membership, User
from hpt_web.jobs.models import Event, EventCursor, TuningJob
from tests.web.live_kit import Team, Watcher, WebServer, in_threads, say, say_much, session_of, stored, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server(
    django_db_setup: None, django_db_blocker: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebServer]:
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        web = WebServer(tmp_path_factory.mktemp("live") / "web.log")
    yield web
    web.stop()


@pytest.fixture
def team(db: None) -> Team:
    return Team()


@pytest.fixture
def alice(server: WebServer, team: Team) -> Iterator[Watcher]:
    with Watcher(server, cookie=session_of(team.alice)) as watcher:
        yield watcher


# --- who may listen ---------------------------------------------------------------------------------------------------


def test_a_member_who_may_only_look_listens(server: WebServer, team: Team) -> None:
    say(team.job, 3)
    with Watcher(server, cookie=session_of(team.bob)).open() as bob:
        bob.take_until(3)
    assert bob.events == stored(team.job)


def test_nobody_is_refused_with_4401(server: WebServer, team: Team) -> None:
    with Watcher(server).open() as nobody:
        assert nobody.closed() == 4401
    with Watcher(server, cookie="made-up").open() as nobody:
        assert nobody.closed() == 4401


def test_a_stranger_is_told_that_there_is_no_such_job(server: WebServer, team: Team) -> None:
    say(team.job)
    with Watcher(server, cookie=session_of(team.charlie)).open() as charlie:
        assert charlie.closed() == 4404
    assert charlie.events == []


@pytest.mark.parametrize("job", ["oak", "FOREST2", "x" * 63])
def test_an_unknown_job_is_4404(server: WebServer, team: Team, job: str) -> None:
    with Watcher(server, cookie=session_of(team.alice), job=job).open() as alice:
        assert alice.closed() == 4404


def test_names_are_found_whatever_their_case(alice: Watcher, team: Team) -> None:
    say(team.job)
    alice.url = alice.url.replace("digits/jobs/forest", "Digits/jobs/Forest")
    alice.open()
    alice.take_until(1)


def test_an_access_key_opens_a_script_the_door(server: WebServer, team: Team) -> None:
    say(team.job, 2)
    with Watcher(server, bearer=team.access_key(team.bob)).open() as script:
        script.take_until(2)
    with Watcher(server, bearer=team.access_key(team.bob)[:-1] + "!").open() as script:
        assert script.closed() == 4401
    with Watcher(server, bearer=team.access_key(team.charlie)).open() as script:
        assert script.closed() == 4404


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:1", "null", "https://127.0.0.1.evil.example"]
)
def test_another_sites_page_cannot_use_the_visitors_cookie(alice: Watcher, origin: str) -> None:
    alice.origin = origin
    with pytest.raises(InvalidStatus) as refusal:
        alice.open()
    assert refusal.value.response.status_code == 403


def test_a_name_that_was_rebound_to_us_is_refused(alice: Watcher) -> None:
    """CVE-2025-14279's kind: the page's own host points at our address."""
    alice.headers["Host"] = "evil.example"
    alice.origin = "http://evil.example"
    with pytest.raises(InvalidStatus) as refusal:
        alice.open()
    assert refusal.value.response.status_code == 403


@pytest.mark.parametrize("path", ["trials/forest", "jobs/..", "jobs/forest%0a", "jobs/%00", "jobs/%C3%A4", "jobs/"])
def test_an_unknown_path_is_refused(alice: Watcher, path: str) -> None:
    alice.url = alice.url.replace("jobs/forest", path)
    with pytest.raises(InvalidStatus) as refusal:
        alice.open()
    assert refusal.value.response.status_code == 403


def test_sockets_are_closed_when_access_ends(server: WebServer, team: Team) -> None:
    """Within 30 seconds, whatever it was that ended; the others stay."""
    people = {ending: team.user(ending) for ending in ("membership", "session", "key", "account", "job")}
    for person in people.values():
        team.add_viewer(person)
    cookies = {ending: session_of(person) for ending, person in people.items()}
    team.new_job("birch")
    watchers = {
        ending: Watcher(server, cookie=cookie, job="birch" if ending == "job" else "forest")
        for ending, cookie in cookies.items()
    }
    watchers["key"] = Watcher(server, bearer=team.access_key(people["key"]))
    with contextlib.ExitStack() as stack:
        stays = stack.enter_context(Watcher(server, cookie=session_of(team.bob)).open())
        for watcher in watchers.values():
            stack.enter_context(watcher.open())
            watcher.socket.send('{"type":"ping"}')  # type: ignore[union-attr]
            assert watcher.take() == {"type": "pong"}
        began = time.monotonic()
        Membership.objects.filter(user=people["membership"]).delete()
        Session.objects.filter(session_key=cookies["session"]).delete()
        AccessKey.objects.all().delete()
        User.objects.filter(pk=people["account"].pk).update(is_active=False)
        TuningJob.objects.filter(name="birch").delete()
        for ending, watcher in watchers.items():
            assert watcher.closed() == 4408, ending
        assert time.monotonic() - began < 30
        say(team.job)
        stays.take_until(1)


# --- what it is sent --------------------------------------------------------------------------------------------------


def test_events_arrive_in_order_from_the_cursor_on(alice: Watcher, team: Team) -> None:
    say(team.job, 5)
    alice.cursor = 3
    alice.open()
    alice.take_until(5)
    say(team.job, 2)
    alice.take_until(7)
    assert alice.events == stored(team.job)[3:]


def test_without_a_cursor_only_what_is_to_come(alice: Watcher, team: Team) -> None:
    say(team.job, 5)
    alice.open(since=None)
    alice.cursor = 5
    alice.socket.send('{"type":"ping"}')  # type: ignore[union-attr]
    assert alice.take() == {"type": "pong"}  # the socket stands
    say(team.job)
    alice.take_until(6)
    assert [event["seq"] for event in alice.events] == [6]


def test_another_jobs_events_stay_there(alice: Watcher, team: Team) -> None:
    other = team.new_job("birch")
    alice.open()
    say(other, 3)
    say(team.job)
    alice.take_until(1)
    assert alice.events == stored(team.job)


@pytest.mark.parametrize("since", ["", "x", "-1", "1.5", "9" * 30, "١"])
def test_a_cursor_that_is_none_is_4400(alice: Watcher, since: str) -> None:
    alice.open(since=since)
    assert alice.closed() == 4400


def test_a_cursor_from_another_life_of_the_database_is_told_to_resync(alice: Watcher, team: Team) -> None:
    say(team.job, 2)
    alice.open(since=99)
    assert alice.take() == {"type": "resync", "cursor": 2}
    say(team.job)
    alice.take_until(3)


def test_what_was_cleared_away_is_told_to_resync(alice: Watcher, team: Team) -> None:
    say(team.job, 10)
    Event.objects.filter(job=team.job, seq__lt=6).delete()
    alice.open(since=2)
    assert alice.take() == {"type": "resync", "cursor": 10}


def test_far_behind_is_told_to_resync_and_goes_on_from_there(alice: Watcher, team: Team) -> None:
    say_much(team.job, 20_001, 1)
    alice.open(since=0)
    assert alice.take() == {"type": "resync", "cursor": 20_001}
    say(team.job)
    alice.take_until(20_002)


def test_a_long_way_is_caught_up_in_pages(alice: Watcher, team: Team) -> None:
    say(team.job, 3_000)
    alice.open()
    alice.take_until(3_000)
    assert max(len(frame["events"]) for frame in alice.frames) <= 500
    assert alice.events == stored(team.job)


@pytest.mark.parametrize("said", ["", "null", "[]", "{", '{"type":"shout"}', b"\x00\xff", "x" * 1000])
def test_whatever_a_client_says_does_no_harm(alice: Watcher, team: Team, said: str | bytes) -> None:
    alice.open()
    alice.socket.send(said)  # type: ignore[union-attr]
    alice.socket.send('{"type":"ping"}')  # type: ignore[union-attr]
    assert alice.take() == {"type": "pong"}
    say(team.job)
    alice.take_until(1)


def test_two_sockets_at_different_cursors_get_the_same_events(server: WebServer, alice: Watcher, team: Team) -> None:
    say(team.job, 100)
    alice.open(since=0)
    with Watcher(server, cookie=session_of(team.bob)) as bob:
        bob.cursor = 60
        bob.open()
        say(team.job, 10)
        alice.take_until(110)
        bob.take_until(110)
        say(team.job, 10)
        alice.take_until(120)
        bob.take_until(120)
    assert alice.events == stored(team.job)
    assert bob.events == alice.events[60:]


# --- when things break ------------------------------------------------------------------------------------------------


def test_a_lost_doorbell_loses_no_event(alice: Watcher, team: Team) -> None:
    alice.open()
    say(team.job, 3, quietly=True)
    alice.take_until(3)
    assert alice.events == stored(team.job)


def test_an_uncommitted_event_is_never_skipped(alice: Watcher, team: Team) -> None:
    """A slow transaction and a fast one: numbers become visible in their order, or not at all."""
    alice.open()
    opened, release = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            say(team.job, 2)
            opened.set()
            assert release.wait(30)

    def fast() -> None:
        assert opened.wait(30)
        threading.Timer(0.2, release.set).start()
        say(team.job, 2)  # waits for the other's row lock

    assert list(in_threads(slow, fast)) == []
    alice.take_until(4)
    assert alice.events == stored(team.job)


def test_no_gap_while_sockets_are_killed_under_load(server: WebServer, team: Team) -> None:
    """Issue 2: four writers, three pages whose sockets are killed at random moments; row by row as in the database."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    batches, written = 60, threading.Event()
    cookie = session_of(team.alice)
    watchers = [Watcher(server, cookie=cookie) for _ in range(3)]

    def write(number: int) -> None:
        rng = random.Random(seed + number)
        for _ in range(batches):
            with transaction.atomic():
                say(team.job, rng.randrange(1, 8), rng, quietly=rng.random() < 0.2)
                time.sleep(rng.random() * 0.004)  # an open transaction is what makes others wait, and readers miss

    def watch(number: int) -> None:
        rng, watcher = random.Random(seed - number), watchers[number]
        while not written.is_set() or watcher.cursor < EventCursor.objects.get(job=team.job).seq:
            with contextlib.suppress(TimeoutError, ConnectionClosed):  # then a page connects again, as here
                watcher.open()
                for _ in range(rng.randrange(1, 12)):
                    watcher.take(timeout=4)
            watcher.tear()

    def writers() -> None:
        errors = list(in_threads(*(lambda n=n: write(n) for n in range(4))))  # type: ignore[misc]
        written.set()
        assert errors == []

    assert list(in_threads(writers, *(lambda n=n: watch(n) for n in range(3)))) == []  # type: ignore[misc]
    expected = stored(team.job)
    assert len(expected) > batches * 4
    for watcher in watchers:
        assert watcher.events == expected, f"seed {seed}"


def test_a_client_that_does_not_read_is_told_to_resync(server: WebServer, team: Team) -> None:
    """It is not buffered for: what it missed is not kept in memory, and the others are not held up."""
    cookie = session_of(team.alice)
    with Watcher(server, cookie=cookie) as slow, Watcher(server, cookie=cookie) as quick:
        slow.open(max_queue=1, ping_interval=None)
        quick.open(max_size=None)
        say(team.job)
        slow.take_until(1)
        for _ in range(36):
            say_much(team.job, 1_000, 2_000)
            quick.take_until(EventCursor.objects.get(job=team.job).seq)
        while slow.take()["type"] == "events":
            pass
        assert slow.frames[-1] == {"type": "resync", "cursor": 36_001}
        assert (
            len(slow.events) < 16_001
        )  # what the sockets of the system hold; the rest lay nowhere but in the database
        say(team.job)
        slow.take_until(36_002)
        quick.take_until(36_002)


def test_many_sockets_share_one_query(server: WebServer, team: Team) -> None:
    """A ring costs one query for the job, whoever watches."""
    cookie = session_of(team.alice)
    watchers = [Watcher(server, cookie=cookie).open() for _ in range(30)]
    try:
        say(team.job)
        for watcher in watchers:
            watcher.take_until(1)
        assert until(lambda: all(watcher.cursor == 1 for watcher in watchers), "all have it")
    finally:
        for watcher in watchers:
            watcher.tear()


def test_the_logs_are_quiet(server: WebServer) -> None:
    """Last in this file: nothing above was an error to the server."""
    assert "Traceback" not in server.log()
