"""Faults that last for a while. Each is undone when its time is over, and also if the suite is ended before: whoever
breaks a staging system and thinks better of it gets back what was there."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager

import httpx
import psutil
import psycopg
import redis

from hpt_web.crash import Step
from hpt_web.embedded import parts, processes
from tests.chaos import stages
from tests.chaos.interrupts import undisturbed
from tests.chaos.scene import PATIENCE, Fault, Scene
from tests.service import wait_for

Lasting = Callable[[Scene, float], AbstractContextManager[None]]  # of so many seconds
TAKEN_SECONDS = 0.05  # in which whoever has taken an order to stop does so


def lasts(how: Lasting, seconds: float) -> Fault:
    """From a random moment on for so many seconds."""

    def fault(scene: Scene) -> None:
        scene.moment()
        with how(scene, seconds):
            time.sleep(seconds)

    return fault


# --- processes that stand still ---------------------------------------------------------------------------------------


@contextmanager
def asleep(scene: Scene, part: str, step: Step | None = None) -> Iterator[None]:
    """SIGSTOP to a part, at that step if one is named and the service knows steps. The worker's master runs on."""
    pid = wait_for(lambda: scene.stage.pid(part), PATIENCE, f"{part} runs")
    sleepers = [psutil.Process(pid)] if part != "worker" else psutil.Process(pid).children()
    try:
        if step is None or not scene.step(step, "SIGSTOP"):
            for process in sleepers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.suspend()
        yield
    finally:
        with undisturbed():
            time.sleep(TAKEN_SECONDS)
            for process in sleepers:
                with contextlib.suppress(psutil.NoSuchProcess):  # nor is it one that has got the same number
                    process.resume()
            for number in processes.leftovers(scene.stage.home, part):  # one that is new may have come to the step
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGCONT)


def sleeping_follower(seconds: float) -> Fault:
    """SIGSTOP in the middle of its work; another one takes its leases; then it wakes up and goes on where it was."""
    return _sleeping("follower", "metric.line", parts.follower, seconds)


def sleeping_worker(seconds: float) -> Fault:
    """SIGSTOP with new trials written and not committed: nobody may start any, until the database takes that back."""
    return _sleeping("worker", "trial.row_written", parts.worker, seconds)


def _sleeping(part: str, step: Step, another: Callable[[], parts.Part], seconds: float) -> Fault:
    def fault(scene: Scene) -> None:
        scene.moment()
        with asleep(scene, part, step):
            scene.stage.add(another())
            scene.tell(f"SIGSTOP to the {part} for {seconds:.0f} s, a second one is started")
            time.sleep(seconds)
        scene.tell(f"SIGCONT to the first {part}")

    return fault


def still(part: str) -> Lasting:
    """A part stands still, and nobody takes its place."""

    @contextmanager
    def lasting(scene: Scene, seconds: float) -> Iterator[None]:
        if not scene.stage.pid(part):
            scene.tell(f"{part} is down already")
            yield
            return
        with asleep(scene, part):
            scene.tell(f"SIGSTOP to {part} for {seconds:.0f} s")
            yield

    return lasting


# --- servers ----------------------------------------------------------------------------------------------------------


@contextmanager
def paused_queue(scene: Scene, seconds: float) -> Iterator[None]:
    """It keeps everybody waiting. Nothing can take that back, as it keeps that waiting as well: it ends by itself."""
    with scene.stage.redis() as client:
        client.execute_command("CLIENT", "PAUSE", int(seconds * 1000), "ALL")
    scene.tell(f"CLIENT PAUSE of {seconds:.0f} s")
    yield


@contextmanager
def full_queue(scene: Scene, seconds: float) -> Iterator[None]:
    """It refuses every write. One that is started again has what stands in its settings."""
    with scene.stage.redis() as client:
        before = client.config_get("maxmemory")["maxmemory"]
    try:
        with scene.stage.redis() as client:
            client.config_set("maxmemory", "1")
        scene.tell(f"Valkey's memory is full for {seconds:.0f} s: it refuses every write")
        yield
    finally:
        with undisturbed(), contextlib.suppress(redis.ConnectionError), scene.stage.redis() as client:
            client.config_set("maxmemory", before)


def of_own(server: str, how: Lasting) -> Lasting:
    """Nothing, where the server is not the service's own."""

    @contextmanager
    def lasting(scene: Scene, seconds: float) -> Iterator[None]:
        if why_not := scene.stage.why_not(server):
            scene.tell(f"nothing is done: {why_not}")
            yield
            return
        with how(scene, seconds):
            yield

    return lasting


@contextmanager
def no_network(scene: Scene, seconds: float) -> Iterator[None]:
    assert scene.stage.proxy is not None
    try:
        scene.stage.proxy.drop()
        scene.tell(f"nothing gets through to the database for {seconds:.0f} s")
        yield
    finally:
        scene.stage.proxy.restore()


# --- clocks and engines -----------------------------------------------------------------------------------------------


def jump_clock(*jumps: float) -> Fault:
    """The last jump lasts to the end of the row."""

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
    try:
        engine.kill()
        scene.tell("SIGKILL to dockerd; its containers live on")
        time.sleep(scene.dice.uniform(2.0, 5.0))
    finally:
        engine.start()
    scene.tell("dockerd is started again")


def freeze_and_kill_containers(seconds: float) -> Fault:
    def fault(scene: Scene) -> None:
        engine = scene.stage.engine
        assert engine is not None
        scene.moment()
        with contextlib.closing(engine.client()) as client:
            # Their scripts: one that is frozen before it has its order is given up, and another takes its place.
            wait_for(lambda: len(client.containers()) == len(scene.alive()) == 2, PATIENCE, "two containers run")
            frozen, killed = (found["Id"] for found in client.containers()[:2])
            try:
                client.pause(frozen)
                scene.tell(f"docker pause of one container for {seconds:.0f} s, docker kill of another")
                client.kill(killed)
                scene.kills += 1
                time.sleep(seconds)
            finally:
                client.unpause(frozen)

    return fault


# --- many of them -----------------------------------------------------------------------------------------------------


class Underway:
    """The faults that last at this moment, each with the time at which it is undone; all of them at the end."""

    def __init__(self) -> None:
        self._ends: dict[str, tuple[float, ExitStack]] = {}

    def __enter__(self) -> Underway:
        return self

    def __exit__(self, *_: object) -> None:
        with undisturbed(), ExitStack() as all_of_them:  # if undoing one fails the others are undone all the same
            for _, undoing in self._ends.values():
                all_of_them.push(undoing)
            self._ends.clear()

    def begin(self, name: str, how: Lasting, scene: Scene, seconds: float) -> None:
        if name in self._ends:  # it would undo what the other is still to do
            return
        undoing = ExitStack()
        self._ends[name] = time.monotonic() + seconds, undoing
        undoing.enter_context(how(scene, seconds))

    def end_due(self) -> None:
        for name in [name for name, (end, _) in self._ends.items() if end <= time.monotonic()]:
            _, undoing = self._ends.pop(name)
            undoing.close()


def soak(every: float, sudden: list[Fault], lasting: Mapping[str, Lasting], longest: float = 20.0) -> Fault:
    """A random one of these faults every few seconds, as long as the soak lasts and the job runs. The next one may
    strike while one lasts, or is being repaired."""

    def fault(scene: Scene) -> None:
        end = time.monotonic() + scene.soak_seconds
        try:
            with Underway() as underway:
                while time.monotonic() < end and not scene.is_over():
                    next_at = time.monotonic() + every
                    chosen = scene.dice.choice([*sudden, *lasting, *lasting])  # there are few of those
                    # What it is for may be down already, or what would undo it.
                    with contextlib.suppress(redis.RedisError, psycopg.Error, httpx.TransportError, psutil.Error):
                        underway.end_due()
                        if isinstance(chosen, str):
                            underway.begin(chosen, lasting[chosen], scene, scene.dice.uniform(every, longest))
                        else:
                            chosen(scene)
                    time.sleep(max(0.0, next_at - time.monotonic()))
        finally:
            scene.disarm()

    return fault
