"""How each fault is done: real signals, real commands to real servers, at a step or at a random moment."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
import redis

from hpt_web.crash import Step
from hpt_web.embedded import parts, processes
from tests.chaos import stages
from tests.chaos.stages import Stage
from tests.chaos.watching import Census
from tests.chaos.work import Work
from tests.faults.lab import Lab, trial_processes
from tests.service import wait_for

PATIENCE = 300.0  # a machine that does much else takes minutes for a start
OVER = {"Completed", "Failed", "Stopped"}


@dataclass(slots=True)
class Scene:
    """Where a fault happens: the service, the job that runs, and the dice of its row."""

    stage: Stage
    lab: Lab
    name: str
    number: int  # of the job, in the database
    work: Work
    dice: random.Random
    addresses: list[str]
    told: list[str] = field(default_factory=list)
    kills: int = 0  # of trials: so often may one of them have to run again
    guest: tuple[str, str] | None = None  # project and name of another job, for which those of this one make room
    began: float = 0.0
    soak_seconds: float = 120.0

    def tell(self, line: str) -> None:
        self.told.append(line)
        print(f"    +{time.monotonic() - self.began:5.1f} s  {line}", flush=True)

    def is_over(self) -> bool:
        """Whether the job has ended, by the database; False while that is away."""
        with contextlib.suppress(psycopg.Error), psycopg.connect(self.stage.database_url, connect_timeout=2) as db:
            query = b"SELECT 1 FROM jobs_tuningjob WHERE id = %s AND ended_at IS NOT NULL"
            return db.execute(query, [self.number]).fetchone() is not None
        return False

    def moment(self) -> None:
        """Wait for a random moment while trials run."""
        wait_for(lambda: self.alive() or self.is_over(), PATIENCE, f"trials of {self.name} run")
        assert self.alive() or not self.is_over(), f"{self.name} was over before anything was broken"
        time.sleep(self.dice.uniform(0.0, 1.0))

    def alive(self) -> list[str]:
        """The attempts of this job whose scripts run. Another service on this host may have jobs of the same number."""
        found = sorted(t for t in Census().alive() if t.removeprefix("c").startswith(f"{self.number}-"))
        with contextlib.suppress(psycopg.Error), psycopg.connect(self.stage.database_url, connect_timeout=2) as db:
            own = db.execute(b"SELECT token FROM jobs_attempt WHERE token = ANY(%s)", [found]).fetchall()
            return [token for token in found if (token,) in own]
        return found  # the database is away

    def arm(self, step: Step, order: str) -> None:
        """Have it happen when some process comes to this step next."""
        assert self.stage.crash_points is not None
        draft = self.stage.crash_points / f".{step}"
        draft.write_text(order)
        draft.rename(self.stage.crash_points / step)

    def disarm(self) -> None:
        """What nobody came to does not happen any more."""
        for armed in self.stage.crash_points.iterdir() if self.stage.crash_points else ():
            armed.unlink(missing_ok=True)

    def step(self, step: Step, order: str) -> bool:
        """Arm the step and wait until some process came to it; False if the service knows no steps."""
        folder = self.stage.crash_points
        if folder is None:
            return False
        self.arm(step, order)
        wait_for(lambda: not (folder / step).exists() or self.is_over(), PATIENCE, f"some process comes to {step}")
        assert not (folder / step).exists(), f"the job was over before any process came to {step}"
        return True

    def back(self, part: str, before: int = 0) -> None:
        wait_for(lambda: self.stage.pid(part) not in (0, before), PATIENCE, f"{part} runs again")


Fault = Callable[[Scene], object]


def kill_at(step: Step, part: str) -> Fault:
    """kill -9 of whatever process comes to the step next; of `part`, where the service knows no steps."""

    def fault(scene: Scene) -> None:
        scene.moment()
        if scene.step(step, "SIGKILL"):
            scene.tell(f"SIGKILL to the process that came to {step}")
        else:
            scene.tell(f"SIGKILL to {part} at a random moment (HPT_CRASH_POINTS is not set there)")
            scene.stage.kill(part)

    return fault


def signal_to(part: str, number: signal.Signals, *more: str) -> Fault:
    """A signal to one part, or to several one after the other, each when the one before it is back."""

    def fault(scene: Scene) -> None:
        scene.moment()
        for one in (part, *more):
            pid = wait_for(lambda one=one: scene.stage.pid(one), PATIENCE, f"{one} runs")  # type: ignore[misc]
            os.kill(pid, number)
            scene.tell(f"{number.name} to {one}")
            scene.back(one, pid)

    return fault


# --- trials -----------------------------------------------------------------------------------------------------------


def kill_trial(scene: Scene) -> None:
    scene.moment()
    token = scene.dice.choice(wait_for(scene.alive, PATIENCE, "a trial runs"))
    pid = next(iter(_scripts(token)), 0)
    if pid:
        os.kill(pid, signal.SIGKILL)
        scene.tell(f"SIGKILL to the script of {token}")


def _scripts(token: str) -> Iterator[int]:
    """The process of an attempt that runs its script."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            marked = entry.name.isdigit() and f"HPT_ATTEMPT={token}".encode() in (entry / "environ").read_bytes()
            if marked and b"train.py" in (entry / "cmdline").read_bytes():
                yield int(entry.name)


def nothing(scene: Scene) -> None:
    """The trials do it themselves, or nobody does anything."""


def stop_trials(scene: Scene) -> None:
    """A person stops the job's first trials, which do not want to end."""

    def reported() -> bool:
        rows = [row for row in scene.lab.trials(scene.name) if row["number"] <= 2]
        return len(rows) == 2 and all(row["objective"] is not None for row in rows)

    wait_for(reported, PATIENCE, "the first trials have reported")
    for number in (1, 2):
        scene.lab.post(f"/projects/{scene.lab.project}/jobs/{scene.name}/trials/{number}/stop", {})
        scene.tell(f"a person stops trial {number}")


# --- who follows and who starts ---------------------------------------------------------------------------------------


def sleeping_follower(seconds: float) -> Fault:
    """SIGSTOP in the middle of its work; another one takes its leases; then it wakes up and goes on where it was."""

    def fault(scene: Scene) -> None:
        scene.moment()
        sleeper = wait_for(lambda: scene.stage.pid("follower"), PATIENCE, "the follower runs")
        if not scene.step("metric.line", "SIGSTOP"):
            os.kill(sleeper, signal.SIGSTOP)
        scene.stage.add(parts.follower())
        scene.tell(f"SIGSTOP to the follower for {seconds:.0f} s, a second one is started")
        time.sleep(seconds)
        os.kill(sleeper, signal.SIGCONT)
        scene.tell("SIGCONT to the first follower")

    return fault


def sleeping_worker(seconds: float) -> Fault:
    """SIGSTOP with new trials written and not committed: nobody may start any, until the database takes that back."""

    def fault(scene: Scene) -> None:
        scene.moment()
        workers = psutil.Process(scene.stage.pid("worker")).children()
        if not scene.step("trial.row_written", "SIGSTOP"):
            for worker in workers:
                worker.suspend()
        scene.stage.add(parts.worker())
        scene.tell(f"SIGSTOP to the worker for {seconds:.0f} s, a second one is started")
        time.sleep(seconds)
        for worker in workers:
            worker.resume()
        scene.tell("SIGCONT to the first worker")

    return fault


def second_scheduler(scene: Scene) -> None:
    scene.stage.add(parts.worker())
    scene.stage.add(parts.follower())
    scene.tell("a second worker and a second follower are started")
    scene.moment()
    scene.step("suggest.next", "SIGKILL")
    scene.tell("SIGKILL to the one that came to suggest.next")


# --- the web ----------------------------------------------------------------------------------------------------------


def second_web(stage: Stage) -> str:
    """Before the job begins, as its start may take longer than the job; its address."""
    port = stage.port + 1
    port = port if not parts.accepts("127.0.0.1", port) else port + 1
    stage.add(parts.web("127.0.0.1", port))
    wait_for(lambda: parts.accepts("127.0.0.1", port), PATIENCE, "a second web process answers")
    return f"http://127.0.0.1:{port}"


def web(number: signal.Signals) -> Fault:
    """The first of two web processes ends and comes back; rolling, the second one then ends as well."""

    def fault(scene: Scene) -> None:
        signal_to("web", number)(scene)
        wait_for(scene.stage.serves, PATIENCE, "the first web process answers again")
        if number is signal.SIGTERM:
            scene.addresses.pop()
            scene.stage.remove_more()
            scene.tell("the second web process is ended, too")

    return fault


# --- servers ----------------------------------------------------------------------------------------------------------


def forget_queue(scene: Scene) -> None:
    if not scene.stage.owned:  # it may hold what is not of this service
        return
    with scene.stage.redis() as client:
        client.flushall()
    scene.tell("FLUSHALL: whatever the queue held is gone")


def lose_queue(scene: Scene) -> None:
    scene.moment()
    with contextlib.suppress(redis.RedisError), scene.stage.redis() as client:
        if scene.stage.owned:
            client.flushall()
        client.shutdown(nosave=True)
    scene.tell(f"SHUTDOWN NOSAVE to Valkey{', all that it held is gone' if scene.stage.owned else ''}")
    wait_for(scene.stage.queue().ready, PATIENCE, "the queue answers")


def pause_queue(seconds: float) -> Fault:
    def fault(scene: Scene) -> None:
        scene.moment()
        with scene.stage.redis() as client:
            client.execute_command("CLIENT", "PAUSE", int(seconds * 1000), "ALL")
        scene.tell(f"CLIENT PAUSE of {seconds:.0f} s")
        time.sleep(seconds)

    return fault


def fill_queue(seconds: float) -> Fault:
    def fault(scene: Scene) -> None:
        scene.moment()
        with scene.stage.redis() as client:
            before = client.config_get("maxmemory")["maxmemory"]
            client.config_set("maxmemory", "1")
            scene.tell(f"Valkey's memory is full for {seconds:.0f} s: it refuses every write")
            time.sleep(seconds)
            client.config_set("maxmemory", before)

    return fault


def kill_database(scene: Scene) -> None:
    """kill -9 of PostgreSQL's first process at the moment at which a result has been written or committed."""
    scene.moment()
    pid = wait_for(lambda: scene.stage.pid("postgres"), PATIENCE, "PostgreSQL runs")
    step: Step = scene.dice.choice(("result.written", "result.committed"))
    if scene.step(step, f"SIGKILL {pid}"):
        scene.tell(f"SIGKILL to PostgreSQL at {step}")
    else:
        os.kill(pid, signal.SIGKILL)
        scene.tell("SIGKILL to PostgreSQL at a random moment (HPT_CRASH_POINTS is not set there)")
    scene.back("postgres", pid)
    wait_for(scene.stage.database().ready, PATIENCE, "the database answers")


def cut_connections(scene: Scene) -> None:
    with psycopg.connect(scene.stage.database_url, autocommit=True) as connection:
        query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        ours = "AND backend_type = 'client backend' AND datname = current_database()"
        found = connection.execute(f"{query} {ours}".encode()).fetchone()
    scene.tell(f"pg_terminate_backend of {found[0] if found else 0} connections")


def drop_traffic(seconds: float) -> Fault:
    def fault(scene: Scene) -> None:
        assert scene.stage.proxy is not None
        scene.moment()
        scene.stage.proxy.drop()
        scene.tell(f"nothing gets through to the database for {seconds:.0f} s")
        time.sleep(seconds)
        scene.stage.proxy.restore()

    return fault


# --- clocks, engines, everything --------------------------------------------------------------------------------------


def jump_clock(*jumps: float) -> Fault:
    def fault(scene: Scene) -> None:
        assert scene.stage.clock is not None
        for jump in jumps:
            scene.moment()
            stages.set_clock(scene.stage.clock, jump)
            scene.tell(f"the service's clock is off by {jump:+.0f} s")
            time.sleep(3)

    return fault


def kill_engine(scene: Scene) -> None:
    engine = scene.stage.engine
    assert engine is not None
    scene.moment()
    engine.kill()
    scene.tell("SIGKILL to dockerd; its containers live on")
    time.sleep(scene.dice.uniform(2.0, 5.0))
    engine.start()
    scene.tell("dockerd is started again")


def freeze_and_kill_containers(seconds: float) -> Fault:
    def fault(scene: Scene) -> None:
        engine = scene.stage.engine
        assert engine is not None
        scene.moment()
        client = engine.client()
        # Their scripts: one that is frozen before it has its order is given up, and another takes its place.
        wait_for(lambda: len(client.containers()) == len(scene.alive()) == 2, PATIENCE, "two containers run")
        frozen, killed = (found["Id"] for found in client.containers()[:2])
        client.pause(frozen)
        scene.tell(f"docker pause of one container for {seconds:.0f} s, docker kill of another")
        client.kill(killed)
        scene.kills += 1
        time.sleep(seconds)
        client.unpause(frozen)
        client.close()

    return fault


def cut_power(scene: Scene) -> None:
    """kill -9 of the supervisor, of every part, and of the trials, or of some of them, or of none."""
    scene.moment()
    time.sleep(scene.dice.uniform(0.0, 3.0))  # before the first checkpoint, or after it
    stages.kill_everything(scene.stage)
    doomed = scene.dice.choice(("no trial", "all trials"))
    if doomed == "all trials":
        scene.kills += len(scene.alive())
        everything = trial_processes(scene.stage)
        for pid in everything:  # at once: no warden is to see the end of its script
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        processes.kill(everything)
    scene.tell(f"SIGKILL to the supervisor and all of its parts, and to {doomed}")
    scene.stage.start()
    scene.tell("the service is started again")


def later(fault: Fault) -> Fault:
    """At a random moment."""

    def waits(scene: Scene) -> None:
        scene.moment()
        fault(scene)

    return waits


def in_turn(*turns: Fault) -> Fault:
    """One fault after the other."""

    def fault(scene: Scene) -> None:
        for turn in turns:
            turn(scene)

    return fault


def arm(step: Step, part: str) -> Fault:
    """As `kill_at`, but goes on before it has happened: the next fault may strike while this one is being repaired."""

    def fault(scene: Scene) -> None:
        if scene.stage.crash_points is None:
            strike(part, signal.SIGKILL)(scene)
            return
        scene.arm(step, "SIGKILL")
        scene.tell(f"SIGKILL to whoever comes to {step} next")

    return fault


def strike(part: str, number: signal.Signals) -> Fault:
    """A signal to a part, if it runs at this moment."""

    def fault(scene: Scene) -> None:
        pid = scene.stage.pid(part)
        with contextlib.suppress(ProcessLookupError):
            if pid:
                os.kill(pid, number)
        scene.tell(f"{number.name} to {part}" if pid else f"{part} is down already")

    return fault


def soak(every: float, choices: list[Fault]) -> Fault:
    """A random one of these faults every few seconds, as long as the soak lasts and the job runs."""

    def fault(scene: Scene) -> None:
        end = time.monotonic() + scene.soak_seconds
        while time.monotonic() < end and not scene.is_over():
            next_at = time.monotonic() + every
            chosen = scene.dice.choice(choices)
            with contextlib.suppress(redis.RedisError, psycopg.Error):  # what it is for is down already
                chosen(scene)
            time.sleep(max(0.0, next_at - time.monotonic()))
        scene.disarm()

    return fault
