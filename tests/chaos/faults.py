"""How each fault is done: real signals, real commands to real servers, at a step or at a random moment. Those that last
for a while stand in lasting.py."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import redis

from hpt_web.crash import Step
from hpt_web.embedded import parts, processes
from tests.chaos import stages
from tests.chaos.scene import PATIENCE, Fault, Scene
from tests.chaos.stages import Stage
from tests.faults.lab import trial_processes
from tests.service import wait_for


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


def strike_trial(scene: Scene) -> None:
    """SIGKILL to the script of some trial, if one runs at this moment."""
    for token in scene.alive()[:1]:
        for pid in _scripts(token):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                scene.tell(f"SIGKILL to the script of {token}")


def stop_some_trial(scene: Scene) -> None:
    """A person stops a trial that runs at this moment, if the web answers."""
    if tokens := scene.alive():
        number = int(scene.dice.choice(tokens).split("-")[1])
        path = f"/projects/{scene.lab.project}/jobs/{scene.name}/trials/{number}/stop"
        try:
            said = str(scene.lab.client.post(path, json={}, timeout=5).status_code)
        except httpx.TransportError as error:
            said = type(error).__name__
        scene.tell(f"a person stops trial {number} ({said})")


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


def second_scheduler(scene: Scene) -> None:
    scene.stage.add(parts.worker())
    scene.stage.add(parts.follower())
    scene.tell("a second worker and a second follower are started")
    scene.moment()
    if scene.step("suggest.next", "SIGKILL"):
        scene.tell("SIGKILL to the one that came to suggest.next")
    else:
        part = scene.dice.choice(("worker", "follower"))
        scene.tell(f"SIGKILL to the first {part} at a random moment (HPT_CRASH_POINTS is not set there)")
        scene.stage.kill(part)


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


# --- clocks, engines, everything --------------------------------------------------------------------------------------


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
