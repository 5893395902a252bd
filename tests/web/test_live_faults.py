"""The socket of a job page while the parts behind the web server are killed and come back."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.test import override_settings

from hpt_web.jobs import events
from tests import servers
from tests.web.live_kit import Team, Watcher, WebServer, say, session_of, stored

pytestmark = pytest.mark.django_db(transaction=True)


class OwnValkey:
    """A Valkey that nobody else uses, so that it can be killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.start()

    def start(self) -> None:
        self._server = servers.start_valkey(self._folder)
        self.url = self._server.url

    def kill(self) -> None:
        self._server.stop()


@pytest.fixture
def valkey() -> Iterator[OwnValkey]:
    # a short path, as the system's names of unix sockets are short
    with tempfile.TemporaryDirectory(prefix="v", dir=os.environ["HPT_TEST_RUN"]) as folder:
        valkey = OwnValkey(Path(folder))
        yield valkey
        valkey.kill()


@pytest.fixture
def alice(db: None, valkey: OwnValkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watcher]:
    """alice's page on a server of its own; the test's doorbell rings at the same Valkey."""
    team = Team()
    web = WebServer(tmp_path / "web.log", redis_url=valkey.url)
    monkeypatch.setattr(events, "doorbell", events.Doorbell())
    with (
        override_settings(REDIS_URL=valkey.url),
        Watcher(web, cookie=session_of(team.alice)) as watcher,
    ):
        watcher.team, watcher.web = team, web  # type: ignore[attr-defined]
        yield watcher
    web.stop()


def rung_events_are_quick(alice: Watcher) -> bool:
    """Several in a row arrive faster than by looking every few seconds: the doorbell works."""
    job = alice.team.job  # type: ignore[attr-defined]
    for _ in range(3):
        began = time.monotonic()
        say(job)
        alice.take_until(alice.cursor + 1)
        if time.monotonic() - began > 1:
            return False
    return True


def test_valkey_is_killed_and_comes_back(alice: Watcher, valkey: OwnValkey) -> None:
    """The same socket misses nothing while there is no broker, and hears the doorbell again afterwards."""
    job = alice.team.job  # type: ignore[attr-defined]
    alice.open()
    assert any(rung_events_are_quick(alice) for _ in range(5))
    valkey.kill()
    for _ in range(3):
        say(job, 2)
        alice.take_until(alice.cursor + 2)
    valkey.start()
    assert any(rung_events_are_quick(alice) for _ in range(10))
    assert alice.events == stored(job)


def test_a_socket_that_opens_without_valkey_works_all_the_same(alice: Watcher, valkey: OwnValkey) -> None:
    job = alice.team.job  # type: ignore[attr-defined]
    valkey.kill()
    alice.open()
    say(job, 2)
    alice.take_until(2)
    valkey.start()
    assert any(rung_events_are_quick(alice) for _ in range(10))
    assert alice.events == stored(job)


MANY = 300  # events: more than a ring takes along, so that the database is asked for them


def test_the_databases_connections_are_cut(alice: Watcher) -> None:
    """As when PostgreSQL was restarted: the socket stays, and goes on."""
    job = alice.team.job  # type: ignore[attr-defined]
    alice.open()
    say(job)
    alice.take_until(1)
    for _ in range(3):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name IN ('hpt-live', 'hpt-web')"
            )
            assert cursor.fetchone()[0] > 0
        say(job, MANY)
        alice.take_until(alice.cursor + MANY)
    assert alice.events == stored(job)


def test_a_server_that_is_told_to_end_does_not_wait_for_its_sockets(alice: Watcher) -> None:
    """Reliability R16: pages learn of it at once (1012, service restart) and connect again."""
    alice.open()
    say(alice.team.job)  # type: ignore[attr-defined]
    alice.take_until(1)
    began = time.monotonic()
    alice.web.terminate()  # type: ignore[attr-defined]
    assert alice.closed() == 1012
    assert time.monotonic() - began < 10
