"""One row after the other: begin a job, break something, wait for its end, gather the evidence, check it."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path

import httpx
import psutil
import psycopg
import redis
from docker.errors import DockerException

from tests.chaos import evidence, stages, work
from tests.chaos.bounds import bounded, gpus_of, pools
from tests.chaos.evidence import Evidence
from tests.chaos.faults import nothing
from tests.chaos.interrupts import undisturbed
from tests.chaos.invariants import INVARIANTS
from tests.chaos.ledger import Entry
from tests.chaos.rows import BY_NAME, Row
from tests.chaos.scene import OVER, Scene
from tests.chaos.stages import Absent, Opening, Stage, end_trials
from tests.chaos.watching import Client, Sampler, Sockets
from tests.chaos.work import Work
from tests.faults.lab import Lab, trial_processes
from tests.service import wait_for

LEASE_SECONDS = 15.0
REST_SECONDS = 10.0  # until nothing of a job that is over may run
END_SECONDS = 900.0  # on a machine that does much else
FAILURES = (AssertionError, OSError, httpx.HTTPError, psutil.Error, psycopg.Error, redis.RedisError, DockerException)
PAGES_SECONDS = 20.0  # until every page has every event


class Watchers:
    """What looks at a job from its beginning: samples, sockets, and a client if the row promises answers."""

    def __init__(self, scene: Scene, row: Row) -> None:
        def addresses() -> list[str]:
            return list(scene.addresses)

        lab = scene.lab
        cookies = dict(lab.client.cookies)
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        path = f"/projects/{lab.project}/jobs/{scene.name}"
        self.sampler = Sampler(scene.stage.database_url, scene.stage.home)
        self.sockets = Sockets(addresses, path, cookie, row.pages)
        asks = "I9" in row.checks
        self.client = Client(addresses, cookies, lab.project, scene.name) if asks else None


class Theatre:
    """One service and its lab, on which rows are played; knows how long jobs take there without a fault."""

    def __init__(self, stage: Stage, folder: Path, seed: int, lab: Lab | None = None) -> None:
        self.stage = stage
        self.seed = seed
        self.lab = lab or Lab(stage, folder)
        self.per_round: float | None = None  # seconds that a round of trials takes beyond its own pauses
        self.stretch: float | None = None  # of whoever was at work meanwhile
        self.soak_seconds = 120.0
        self.pools = pools(self.lab)
        work.prepare(self.lab)

    def measure(self, contained: bool) -> Entry:
        """Row R0: the job without a fault."""
        usual = Work(trials=3, parallel=2, lines=15, pause=0.1, contained=True) if contained else Work()
        entry = self.play(BY_NAME["R0"], usual)
        assert entry.evidence is not None
        took = entry.evidence.ended - entry.evidence.began
        rounds = math.ceil(usual.trials / usual.parallel)
        self.per_round = max(0.0, took / rounds - usual.lines * usual.pause)
        self.stretch = entry.stretch
        return entry

    def play(self, row: Row, doing: Work | None = None) -> Entry:
        """One row, from the making of its job to its verdict."""
        print(f"{row.name}: {row.who}: {row.what}, at {row.step}", flush=True)
        with self._set(row, doing or row.work) as scene:
            watchers = Watchers(scene, row)
            broken = []
            try:
                row.fault(scene)
            except AssertionError as error:
                broken.append(f"the fault could not be done: {error}")
            faulted = scene.began if row.fault is nothing else time.monotonic()
            with contextlib.suppress(AssertionError):  # I1 tells it
                scene.lab.wait_for_state(scene.name, OVER, END_SECONDS)
            ended = time.monotonic()
            if scene.rival:
                other = scene.lab.wait_for_state(scene.rival, OVER, END_SECONDS)
                if other["state"] != "Completed":
                    broken.append(f"the other job of the project is {other['state']}: {other['reason']}")
            found = self._gather(scene, row, watchers, faulted, ended)
        broken += [f"{name}: {text}" for name in row.checks for text in INVARIANTS[name](found)]
        broken += row.proves(found)
        self._clear(scene.lab, found)
        entry = Entry(row, found, broken, seed=self.seed, stretch=watchers.sampler.stretch)
        print(f"    {entry.verdict} after {ended - scene.began:.1f} s", *broken, sep="\n    ! ", flush=True)
        return entry

    @contextmanager
    def _set(self, row: Row, doing: Work) -> Iterator[Scene]:
        """The scene of a row, its job begun. Whatever ends it: nobody dies of what was armed for it, and its jobs do
        not go on without it."""
        name = f"{row.name.lower()}-{self.seed}"
        taken = evidence.taken_gpus(self.stage.database_url) if doing.gpus else ()  # by other people's jobs
        gpus = gpus_of(self.pools, taken) if doing.gpus else None
        with ExitStack() as stack:
            lab = self.lab
            if row.bounds:
                lab = stack.enter_context(bounded(lab, f"{lab.project}-{row.name.lower()}", row.bounds, gpus))
                work.prepare(lab)
            addresses = [self.stage.url, *([row.beside(self.stage)] if row.beside else [])]
            work.begin(lab, name, doing, gpus)
            job = evidence.rows_of(self.stage.database_url, lab.project, name)["job"][0]
            dice = random.Random(f"{self.seed}/{row.name}")
            scene = Scene(self.stage, lab, name, int(job["id"]), doing, dice, addresses, kills=row.kills)
            stack.enter_context(self._put_right(scene))
            scene.gpus = gpus
            scene.bounds = dataclasses.replace(row.bounds, project=job["project_id"], gpus=gpus.name if gpus else "")
            if row.rival is not None:
                scene.rival = f"{name}-rival"
                work.begin(lab, scene.rival, row.rival, gpus)
            scene.soak_seconds, scene.began = self.soak_seconds, time.monotonic()
            if doing.gpus and gpus is None:
                scene.tell("there are no two GPUs here that are free: its trials take none")
            yield scene

    @contextmanager
    def _put_right(self, scene: Scene) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            with undisturbed(), contextlib.suppress(httpx.HTTPError):
                for name in filter(None, (scene.name, scene.rival)):
                    scene.lab.client.post(f"/projects/{scene.lab.project}/jobs/{name}/stop", json={})
            raise
        finally:
            with undisturbed():
                scene.disarm()
                self.stage.remove_more()
                if self.stage.clock is not None:
                    stages.set_clock(self.stage.clock, 0)

    def _gather(self, scene: Scene, row: Row, watchers: Watchers, faulted: float, ended: float) -> Evidence:
        answers = watchers.client.stop() if watchers.client else []
        slower = max(1.0, watchers.sampler.stretch / self.stretch) if self.stretch else 1.0
        leftovers = self._rest(slower * REST_SECONDS, scene.number)
        samples = watchers.sampler.stop()
        rows = evidence.rows_of(self.stage.database_url, scene.lab.project, scene.name)
        watchers.sockets.wait_for(len(rows["events"]), PAGES_SECONDS)
        return Evidence(
            row=row.name,
            name=scene.name,
            work=scene.work,
            pools=self.pools,
            bounds=scene.bounds,
            job=rows["job"][0],
            trials=rows["trials"],
            attempts=rows["attempts"],
            usage=rows["usage"],
            decisions=rows["decisions"],
            events=rows["events"],
            printed=evidence.logs_of(self.stage.home, rows["attempts"]),
            stored=evidence.points_of(rows["points"]),
            outdated=evidence.outdated_of(rows["points"]),
            notes=evidence.notes_in(self.lab.folder / scene.name),
            samples=samples,
            pages=watchers.sockets.pages,
            answers=answers,
            made=watchers.client.made if watchers.client else [],
            found=[found["name"] for found in rows["found"]],
            began=scene.began,
            faulted=faulted,
            ended=ended,
            fault_free=self._fault_free(row, scene),
            log_bytes=evidence.log_bytes_of(self.stage.home, rows["attempts"]),
            lease=LEASE_SECONDS,
            start=self.stage.start_seconds,
            slower=slower,
            guest=evidence.rows_of(self.stage.database_url, *scene.guest)["trials"] if scene.guest else [],
            kills=scene.kills,
            expected=set(row.ends),
            refuses="PostgreSQL" in row.who,
            says=row.says,
            leftovers=leftovers,
            told=scene.told,
        )

    def _fault_free(self, row: Row, scene: Scene) -> float:
        """The time that its jobs take where nothing breaks, by what was measured; 0 before that."""
        if self.per_round is None:
            return 0.0
        doing = scene.work
        at_once = row.bounds.most(doing.parallel, scene.gpus, doing.gpus, doing.share)
        trials = doing.trials + (row.rival.trials if row.rival is not None else 0)
        return math.ceil(trials / at_once) * (doing.lines * doing.pause + self.per_round)

    def _rest(self, seconds: float, job: int) -> list[str]:
        """What still runs for an attempt although nothing may, so long after the end: of this job, where there may be
        others."""

        def left() -> list[str]:
            pids = trial_processes(self.stage, 0 if self.stage.owned else job)
            found = [f"process {pid} ({_command(pid)})" for pid in pids]
            if self.stage.engine is not None:
                client = self.stage.engine.client()
                found += [f"container {one['Names']} {one['State']}" for one in client.containers(all=True)]
                client.close()
            return found

        try:
            wait_for(lambda: not left(), seconds, "nothing of the trials runs")
        except AssertionError:
            return left()
        return []

    def _clear(self, lab: Lab, found: Evidence) -> None:
        """Make room for the next row: end what is still there."""
        if found.job["ended_at"] is None:
            lab.post(f"/projects/{lab.project}/jobs/{found.name}/stop", {})
        if found.leftovers:
            end_trials(self.stage, 0 if self.stage.owned else found.job["id"])
        for part in ("postgres", "valkey", "worker", "follower", "web"):
            if (self.stage.home / "logs" / f"{part}.log").exists():
                wait_for(lambda part=part: self.stage.pid(part), 60, f"{part} runs")  # type: ignore[misc]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:80]
    except OSError:
        return "gone meanwhile"


def play_all(rows: Sequence[Row], seed: int, scratch: Path, soak_seconds: float) -> Iterator[Entry]:
    """Play the rows on throw-away services, one service for all rows of a kind; R0 comes first on each."""
    order = list(dict.fromkeys(row.stage for row in rows))
    for opening, group in groupby(sorted(rows, key=lambda row: order.index(row.stage)), key=lambda row: row.stage):
        yield from _play_on(opening, [row for row in group if row.name != "R0"], seed, scratch, soak_seconds)


def _play_on(opening: Opening, rows: Sequence[Row], seed: int, scratch: Path, soak_seconds: float) -> Iterator[Entry]:
    with ExitStack() as stack:
        try:
            stage = stack.enter_context(opening(scratch))
        except Absent as error:
            yield from (Entry(row, skipped=str(error), seed=seed) for row in rows)
            return
        except (AssertionError, RuntimeError) as error:
            last = " / ".join(str(error).strip().splitlines()[-3:])  # of what it printed
            broken = [f"the service for it could not be started: {last}"]
            yield from (Entry(row, broken=broken, seed=seed) for row in rows)
            return
        folder = scratch / f"ledger-{stage.home.name}"
        folder.mkdir()
        theatre = Theatre(stage, folder, seed)
        theatre.soak_seconds = soak_seconds
        yield theatre.measure(contained=stage.engine is not None)
        for row in rows:
            yield played(theatre, row)


def played(theatre: Theatre, row: Row) -> Entry:
    """What the suite itself could not do breaks one row, and the others are played all the same."""
    try:
        return theatre.play(row)
    except FAILURES as error:
        print(f"    ! {error}", flush=True)
        return Entry(row, broken=[f"the row could not be played: {type(error).__name__}: {error}"], seed=theatre.seed)
