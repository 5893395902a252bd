"""What is looked at while things break: rows and processes every 100 ms, sockets that keep books, one who asks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import httpx
import psycopg
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

SAMPLE_SECONDS = 0.1
ASK_SECONDS = 0.5
TRIES, TRIES_SECONDS = 3, 5.0  # the pauses between the tries add up to this
ANSWER_SECONDS = 10.0  # that a try waits, on a machine on which everything starts again at once
SETTLED = 1.0  # seconds after which a process that is none of a trial stays none: it has replaced its program
LIVE = """
SELECT a.token, a.trial_id, t.job_id, j.project_id, a.pool, a.device_count, a.share, a.devices
FROM jobs_attempt a JOIN jobs_trial t ON t.id = a.trial_id JOIN jobs_tuningjob j ON j.id = t.job_id
WHERE a.ended_at IS NULL AND a.backend <> 'external'
"""


class Reserved(NamedTuple):
    """What an attempt's row holds: a slot of the host, and so many devices of a pool, of each the part `share`.
    `devices` are the ids of GPUs."""

    token: str
    trial: int
    job: int
    project: int
    pool: str
    count: int
    share: float
    devices: tuple[str, ...]

    @property
    def units(self) -> float:
        return self.count * self.share


class Script(NamedTuple):
    """An attempt's script that really runs, and the GPUs that it is shown."""

    token: str
    devices: tuple[str, ...] = ()
    memory_mb: int = 0  # of each of them; 0: all


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: what the rows reserve (None while nobody could be asked), and which scripts really run."""

    at: float
    reserved: list[Reserved] | None
    scripts: frozenset[Script]

    @property
    def alive(self) -> frozenset[str]:
        return frozenset(script.token for script in self.scripts)


class Census:
    """The attempts whose script runs, by /proc: of the service in `home`, where they tell. What a process is, is read
    once."""

    def __init__(self, home: Path) -> None:
        self._trials = str(home / "trials").encode()
        self._known: dict[int, tuple[float, Script | None]] = {}

    def alive(self) -> frozenset[str]:
        return frozenset(script.token for script in self.scripts())

    def scripts(self) -> frozenset[Script]:
        """All of them ran at one moment, that at which the processes were listed: whatever began later is not among
        those, and whatever had ended is not seen to run."""
        now = time.monotonic()
        with os.scandir("/proc") as entries:
            pids = {int(entry.name) for entry in entries if entry.name.isdigit()}
        self._known = {pid: known for pid, known in self._known.items() if pid in pids}
        found = set()
        for pid in pids:
            since, script = self._known.get(pid, (now, None))
            if script is None and now - since < SETTLED:
                script = self._script_of(pid)
            self._known[pid] = (since, script)
            if script is not None and _runs(pid):
                found.add(script)
        return frozenset(found)

    def _script_of(self, pid: int) -> Script | None:
        """If this is the script of an attempt itself, not what it forked, nor its warden."""
        try:
            if b"train.py" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                return None
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return None
        variables = dict(entry.partition("=")[::2] for entry in environment.decode(errors="replace").split("\0"))
        token = variables.get("HPT_ATTEMPT", "")
        if not token or not (token.startswith("c") or self._trials in environment):  # another service's
            return None
        visible = tuple(filter(None, variables.get("CUDA_VISIBLE_DEVICES", "").split(",")))
        return Script(token, visible, int(variables.get("HPT_GPU_MEMORY_MB") or 0))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


class Sampler:
    """A thread that takes samples until it is told to stop."""

    def __init__(self, database_url: str, home: Path) -> None:
        self.samples: list[Sample] = []
        self.stretch = 1.0  # how much longer than it worked it was at work, as it had to wait for a processor
        self._url = database_url
        self._home = home
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="samples", daemon=True)
        self._thread.start()

    def stop(self) -> list[Sample]:
        self._stopped.set()
        self._thread.join(15)
        return self.samples

    def _run(self) -> None:
        census = Census(self._home)
        connection: psycopg.Connection | None = None
        while not self._stopped.wait(SAMPLE_SECONDS):
            reserved = None
            try:
                if connection is None:
                    connection = psycopg.connect(self._url, autocommit=True, connect_timeout=2)
                rows = connection.execute(LIVE).fetchall()
                reserved = [Reserved(*row[:-1], devices=tuple(row[-1])) for row in rows]
            except psycopg.Error:
                connection = None
            self.samples.append(Sample(time.monotonic(), reserved, census.scripts()))
            self.stretch = _stretch()
        if connection is not None:
            connection.close()


def _stretch() -> float:
    """Of this thread, from its start until now, by the kernel's own account."""
    with contextlib.suppress(OSError, ValueError):
        worked, waited, _ = map(int, Path("/proc/thread-self/schedstat").read_text().split())
        return (worked + waited) / max(1, worked)
    return 1.0


@dataclass(slots=True)
class Page:
    """A socket's books: the number of its last event, and what came out of order."""

    cursor: int = 0
    connects: int = 0
    resyncs: int = 0
    gaps: list[str] = field(default_factory=list)

    def take(self, frame: dict[str, object]) -> None:
        if frame["type"] == "resync":
            self.resyncs += 1
        if frame["type"] == "events":
            events = frame["events"]
            assert isinstance(events, list)
            numbers = [event["seq"] for event in events]
            if numbers != list(range(self.cursor + 1, self.cursor + 1 + len(numbers))):
                self.gaps.append(f"after {self.cursor} came {numbers[:3]}..{numbers[-1:]}")
        if isinstance(frame.get("cursor"), int):
            self.cursor = int(str(frame["cursor"]))


class Sockets:
    """So many pages that watch a job, each connecting again from its cursor whenever it is cut off."""

    def __init__(self, addresses: Callable[[], Sequence[str]], path: str, cookie: str, count: int) -> None:
        self.pages = [Page() for _ in range(count)]
        self._addresses = addresses
        self._path = path
        self._cookie = cookie
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="sockets", daemon=True)
        self._thread.start()

    def wait_for(self, cursor: int, seconds: float) -> None:
        """Until every page has that event, or time is up; then close."""
        deadline = time.monotonic() + seconds
        while any(page.cursor < cursor for page in self.pages) and time.monotonic() < deadline:
            time.sleep(0.05)
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join(10)

    def _end(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._all())

    async def _all(self) -> None:
        await asyncio.gather(*(self._watch(number, page) for number, page in enumerate(self.pages)))

    async def _watch(self, number: int, page: Page) -> None:
        while True:
            addresses = self._addresses()
            base = addresses[(number + page.connects) % len(addresses)].replace("http", "ws", 1)
            page.connects += 1
            url = f"{base}/ws/v1{self._path}?since={page.cursor}"
            with contextlib.suppress(OSError, WebSocketException, EOFError, TimeoutError):
                async with connect(url, additional_headers={"Cookie": self._cookie}, open_timeout=10) as socket:
                    async for text in socket:
                        page.take(json.loads(text))
            await asyncio.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one question, over its tries: the codes (0: no answer at all), and how long it took."""

    what: str
    codes: tuple[int, ...]
    seconds: float

    @property
    def answered(self) -> bool:
        return self.codes[-1] in (200, 201, 409)  # 409 stands for: a try that seemed to fail had made it


class Client:
    """Asks for a job and makes algorithms, over and over; each question is tried three times over five seconds."""

    def __init__(self, addresses: Callable[[], Sequence[str]], cookies: dict[str, str], project: str, job: str) -> None:
        self.answers: list[Answer] = []
        self.made: list[str] = []  # acknowledged
        self._addresses = addresses
        self._project = f"/api/v1/projects/{project}"
        self._job = job
        self._stopped = threading.Event()
        headers = {"X-CSRFToken": cookies.get("csrftoken", ""), "Origin": ""}
        headers = {**headers, "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        self._client = httpx.Client(timeout=ANSWER_SECONDS, headers={k: v for k, v in headers.items() if v})
        self._thread = threading.Thread(target=self._run, name="client", daemon=True)
        self._thread.start()

    def stop(self) -> list[Answer]:
        self._stopped.set()
        self._thread.join(30)
        self._client.close()
        return self.answers

    def _run(self) -> None:
        number = 0
        while not self._stopped.wait(ASK_SECONDS):
            self._ask("read", "GET", f"{self._project}/jobs/{self._job}")
            number += 1
            if number % 3 == 0:
                name = f"{self._job}-{number}"
                if self._ask("write", "POST", f"{self._project}/algorithms", {"name": name}).answered:
                    self.made.append(name)

    def _ask(self, what: str, method: str, path: str, body: dict[str, str] | None = None) -> Answer:
        begun, codes = time.monotonic(), []
        for attempt in range(TRIES):
            addresses = self._addresses()
            try:
                answer = self._client.request(method, addresses[min(attempt, len(addresses) - 1)] + path, json=body)
                # A try that got no answer may have made it; then there is one of that name.
                taken = answer.status_code == 400 and 0 in codes and '"taken"' in answer.text
                codes.append(409 if taken else answer.status_code)
            except httpx.TransportError:
                codes.append(0)
            if codes[-1] in (200, 201, 409):
                break
            if attempt + 1 < TRIES:
                time.sleep(TRIES_SECONDS / (TRIES - 1))
        self.answers.append(Answer(what, tuple(codes), time.monotonic() - begun))
        return self.answers[-1]
