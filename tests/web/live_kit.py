"""What the live tests share: a web server as its own process, a job with its feed, a client that keeps books."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.test import Client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from hpt_web.accounts import actions as accounts
from hpt_web.accounts.models import Membership, Project, Role, User
from hpt_web.catalog.models import Algorithm, AlgorithmVersion
from hpt_web.jobs import events
from hpt_web.jobs.models import Event, EventCursor, TuningJob

PATIENCE = 30.0
ROOT = Path(__file__).resolve().parents[2]


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """The condition's first true answer; fails when there is none for so long."""
    deadline = time.monotonic() + patience
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"still not after {patience} s: {what}"
        time.sleep(0.01)
    return answer


class WebServer:
    """The service's web process on the tests' database."""

    def __init__(self, log: Path, redis_url: str | None = None) -> None:
        self.port = _free_port()
        database = urlsplit(os.environ["DATABASE_URL"])
        environment = {
            **os.environ,
            "DATABASE_URL": urlunsplit(database._replace(path=f"/{connection.settings_dict['NAME']}")),
            "REDIS_URL": redis_url or os.environ["REDIS_URL"],
            "PGAPPNAME": "hpt-web",  # tells its database connections from those of the tests
        }
        command = [sys.executable, "-m", "uvicorn", "hpt_web.asgi:application", "--port", str(self.port)]
        command += ["--lifespan", "off", "--ws-per-message-deflate", "false", "--log-level", "warning"]
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, stderr=output)
        until(self._accepts, "the web server accepts connections")

    def _accepts(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def log(self) -> str:
        return self._log.read_text()

    def terminate(self) -> int:
        """Ask it to end, as the supervisor does; its exit status."""
        self._process.terminate()
        return self._process.wait(PATIENCE)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Team:
    """alice owns the project, bob may look, charlie is nobody here; one job with an empty feed."""

    def __init__(self) -> None:
        self.alice, self.bob, self.charlie = (self.user(name) for name in ("alice", "bob", "charlie"))
        self.project = Project.objects.create(slug="digits", name="digits", created_by=self.alice)
        Membership.objects.create(project=self.project, user=self.alice, role=Role.OWNER)
        self.add_viewer(self.bob)
        self.job = self.new_job("forest")

    def user(self, name: str) -> User:
        return User.objects.create(username=name)

    def add_viewer(self, user: User) -> None:
        Membership.objects.create(project=self.project, user=user, role=Role.VIEWER)

    def new_job(self, name: str) -> TuningJob:
        algorithm = Algorithm.objects.create(project=self.project, name=f"{name}-code", created_by=self.alice)
        digest = "sha256:" + "0" * 64
        version = AlgorithmVersion.objects.create(
            algorithm=algorithm,
            number=1,
            kind="script",
            bundle=digest,
            entry_point="train.py",
            digest=digest,
            identity=digest,
            created_by=self.alice,
        )
        job = TuningJob.objects.create(
            project=self.project,
            name=name,
            spec={},
            algorithm_version=version,
            metric="f1",
            goal="maximize",
            seed=1,
            max_trials=9,
            max_parallel=2,
            created_by=self.alice,
        )
        EventCursor.objects.create(job=job)
        return job

    def access_key(self, user: User) -> str:
        key, secret = accounts.create_access_key(actor=user, name="script", scopes=["read"])
        return f"{key.key_id}.{secret}"


def session_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def say(job: TuningJob, count: int = 1, rng: random.Random | None = None, quietly: bool = False) -> None:
    """Append events in one transaction, as the service does; quietly: the doorbell's ring gets lost."""
    rng = rng or random.Random(0)
    entries = [
        events.Entry("points", {"trial": n, "metric": "f1", "values": [rng.random()], "text": "ä€\U0001f600"})
        for n in range(count)
    ]
    with transaction.atomic():
        events.append(job.pk, entries)
        if quietly:
            connection.run_on_commit.pop()


def say_much(job: TuningJob, count: int, size: int) -> None:
    """Many large events in one transaction, made in the database."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE jobs_eventcursor SET seq = seq + %s WHERE job_id = %s RETURNING seq", [count, job.pk])
        last = cursor.fetchone()[0]
        cursor.execute(
            """INSERT INTO jobs_event (job_id, seq, at, kind, data)
            SELECT %s, n, now(), 'trial', jsonb_build_object('number', 1, 'failure', repeat('x', %s))
            FROM generate_series(%s::int, %s::int) n""",
            [job.pk, size, last - count + 1, last],
        )
        transaction.on_commit(lambda: events.doorbell.ring(job.pk, last))


def stored(job: TuningJob) -> list[dict[str, Any]]:
    """The job's feed as the database has it, in the form of the frames."""
    return [
        {
            "seq": event.seq,
            "at": event.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "kind": event.kind,
            "data": event.data,
        }
        for event in Event.objects.filter(job=job).order_by("seq")
    ]


class Watcher:
    """A page: knows its cursor, connects again from there, and keeps what it was sent."""

    def __init__(self, server: WebServer, *, cookie: str = "", bearer: str = "", job: str = "forest") -> None:
        self.url = f"ws://127.0.0.1:{server.port}/ws/v1/projects/digits/jobs/{job}"
        self.headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"} if cookie else {}
        if bearer:
            self.headers["Authorization"] = f"Bearer {bearer}"
        self.origin: Any = f"http://127.0.0.1:{server.port}" if cookie else None
        self.events: list[dict[str, Any]] = []
        self.frames: list[dict[str, Any]] = []
        self.cursor = 0
        self.socket: ClientConnection | None = None

    def open(self, since: str | int | None = "cursor", **options: Any) -> Watcher:
        since = self.cursor if since == "cursor" else since
        query = "" if since is None else f"?since={since}"
        self.socket = connect(
            self.url + query, additional_headers=self.headers, origin=self.origin, open_timeout=PATIENCE, **options
        ).__enter__()
        return self

    def take(self, timeout: float = PATIENCE) -> dict[str, Any]:
        """The next frame, checked: in order and without a gap."""
        assert self.socket is not None
        text = self.socket.recv(timeout=timeout)
        assert isinstance(text, str)
        frame: dict[str, Any] = orjson.loads(text)
        self.frames.append(frame)
        if frame["type"] == "events":
            numbers = [event["seq"] for event in frame["events"]]
            assert numbers == list(range(self.cursor + 1, frame["cursor"] + 1)), f"after {self.cursor}: {numbers}"
            self.events += frame["events"]
        if "cursor" in frame:
            self.cursor = frame["cursor"]
        return frame

    def take_until(self, cursor: int) -> None:
        while self.cursor < cursor:
            self.take()

    def tear(self) -> None:
        """The connection is lost without a word."""
        if self.socket is None:
            return
        with contextlib.suppress(OSError):
            self.socket.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def closed(self, timeout: float = PATIENCE) -> int:
        """The code that the server closes with, after whatever else it sends."""
        try:
            while True:
                self.take(timeout)
        except ConnectionClosed as end:
            return end.rcvd.code if end.rcvd else 1006

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        if self.socket is not None:
            self.socket.close()


def in_threads(*works: Callable[[], None]) -> Iterator[BaseException]:
    """Run at once, each with its own database connection; yields what they raised."""
    from concurrent.futures import ThreadPoolExecutor

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        for future in [pool.submit(guarded, work) for work in works]:
            if (error := future.exception()) is not None:
                yield error
