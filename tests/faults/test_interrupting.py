"""Whoever ends the fault suite in the middle of a fault (docs/chaos.md) gets back what was there before it.

The targets are real: processes that are stopped, a Valkey whose memory is full, orders that lie in a folder. The end
is a signal to this process, sent once the fault is seen to be there.
"""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from hpt_web.embedded import parts, processes
from tests import servers
from tests.chaos import lasting
from tests.chaos.faults import kill_at
from tests.chaos.interrupts import interruptible, undisturbed
from tests.chaos.rows import BY_NAME
from tests.chaos.scene import Fault, Scene
from tests.chaos.stages import Stage, scratch_folder
from tests.chaos.work import Work
from tests.faults.lab import Lab
from tests.service import wait_for

SLEEPER = [sys.executable, "-c", "import subprocess, sys; subprocess.run(['sleep', '600'])"]


class Target(Stage):
    """A follower and a worker that sleep, marked as the supervisor marks them."""

    def __init__(self, root: Path, queue: str) -> None:
        super().__init__(root, {"REDIS_URL": queue})
        (root / "run").mkdir(parents=True)
        (root / "logs").mkdir()
        self.parts = {part: self._begin(part) for part in ("follower", "worker")}

    def _begin(self, part: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "HPT_HOME": str(self.home), processes.PART_VARIABLE: part}
        process = subprocess.Popen(SLEEPER, env=environment)
        (self.home / "run" / f"{part}.pid").write_text(str(process.pid))
        wait_for(lambda: psutil.Process(process.pid).children(), 20, f"{part} has a child")
        return process

    def add(self, part: parts.Part, **changes: str) -> int:
        return super().add(dataclasses.replace(part, command=SLEEPER), **changes)

    def stopped(self) -> list[int]:
        own = {"follower", "worker"}
        pids = [pid for part in own for pid in processes.leftovers(self.home, part)]
        return [pid for pid in pids if psutil.Process(pid).status() == psutil.STATUS_STOPPED]

    def armed(self) -> list[Path]:
        assert self.crash_points is not None
        return list(self.crash_points.iterdir())


class Empty(Scene):
    """Without a job: every moment will do."""

    def moment(self) -> None:
        pass

    def is_over(self) -> bool:
        return False


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with scratch_folder() as scratch:
        valkey = servers.start_valkey(scratch)
        stage = Target(scratch / "home", valkey.url)
        yield stage
        stage.remove_more()
        processes.kill([pid for part in stage.parts for pid in processes.leftovers(stage.home, part)])
        for process in stage.parts.values():
            process.wait()
        valkey.stop()


@pytest.fixture
def scene(target: Target) -> Scene:
    lab: Lab = None  # type: ignore[assignment]
    return Empty(target, lab, "nothing", 0, Work(), random.Random(1), [])


def ended(fault: Fault, scene: Scene, there: Callable[[], object], number: int = signal.SIGINT) -> None:
    """The fault, and a signal to this process once it is there."""

    def end() -> None:
        wait_for(there, 20, "the fault is there")
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=end)
    thread.start()
    try:
        with interruptible(), pytest.raises(KeyboardInterrupt):
            fault(scene)
    finally:
        thread.join()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("row", "number"), [("R9", signal.SIGINT), ("R47", signal.SIGTERM), ("R9", signal.SIGHUP)])
def test_whoever_was_stopped_goes_on(target: Target, scene: Scene, row: str, number: signal.Signals) -> None:
    target.crash_points, points = None, target.crash_points
    try:
        ended(BY_NAME[row].fault, scene, target.stopped, number)
    finally:
        target.crash_points = points
    wait_for(lambda: not target.stopped(), 5, "everybody runs")


@pytest.mark.timeout(60)
def test_whoever_would_stop_at_a_step_does_not(target: Target, scene: Scene) -> None:
    ended(BY_NAME["R47"].fault, scene, target.armed)
    assert (target.armed(), target.stopped()) == ([], [])


@pytest.mark.timeout(60)
def test_a_full_queue_takes_what_it_took_before(target: Target, scene: Scene) -> None:
    with target.redis() as client:
        client.config_set("maxmemory", 50_000_000)
        ended(BY_NAME["R19"].fault, scene, lambda: client.config_get("maxmemory")["maxmemory"] == "1")
        assert client.config_get("maxmemory")["maxmemory"] == "50000000"
        client.config_set("maxmemory", 0)


@pytest.mark.timeout(60)
def test_nobody_dies_of_what_was_armed(target: Target, scene: Scene) -> None:
    ended(kill_at("message.received", "worker"), scene, target.armed)
    assert target.armed() == []


@pytest.mark.timeout(60)
def test_a_soak_undoes_all_that_lasts(target: Target, scene: Scene) -> None:
    sleeping = {f"still {part}": lasting.still(part) for part in ("follower", "worker")}
    soak = lasting.soak(0.05, [lambda scene: scene.arm("metric.line", "SIGKILL")], sleeping, longest=600)
    ended(soak, scene, lambda: len(target.stopped()) == 2)
    wait_for(lambda: not target.stopped(), 5, "everybody runs")
    assert target.armed() == []


def test_what_is_being_undone_is_undone_to_its_end(scene: Scene) -> None:
    """The first signal may come at any moment, and others after it."""
    done = []

    def fault(_: Scene) -> None:
        with undisturbed():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("the first waits")
        done.append("nobody comes here")

    with interruptible():
        with pytest.raises(KeyboardInterrupt, match="SIGINT"):
            fault(scene)
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("the second is not heard")
    assert done == ["the first waits", "the second is not heard"]
