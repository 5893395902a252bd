"""Containers that are kept for their job's next trial, while whoever knows of them dies."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from hpt_web.embedded import processes
from tests.chaos.evidence import Evidence
from tests.chaos.interrupts import undisturbed
from tests.chaos.scene import PATIENCE, Scene
from tests.service import wait_for
from tuning.backends.processes import Identity


def kill_around_kept(scene: Scene) -> None:
    """Three times a container idles, as no worker may start a next trial; then somebody dies: its watchers, its warden,
    the engine's daemon. The order is that of the dice."""
    turns = [_watchers, _warden, _engine]
    scene.dice.shuffle(turns)
    for turn in turns:
        scene.moment()
        stopped = processes.leftovers(scene.stage.home, "worker")
        _signal(stopped, signal.SIGSTOP)
        try:
            kept = wait_for(lambda: _idle(scene), PATIENCE, "a container waits for a next trial")
            turn(scene, kept)
        finally:
            with undisturbed():
                _signal(stopped, signal.SIGCONT)


def _idle(scene: Scene) -> list[Path]:
    """The folders of containers that live and serve nobody at this moment."""
    found = []
    for record in (scene.stage.home / "containers" / ".pool").glob("*/record.json"):
        with contextlib.suppress(OSError, ValueError):
            warden = Identity.read(record.with_name("warden.json"))
            if json.loads(record.read_text())["attempt"] is None and warden is not None and warden.alive():
                found.append(record.parent)
    return found


def _watchers(scene: Scene, kept: list[Path]) -> None:
    before = {part: scene.stage.kill(part) for part in ("worker", "follower")}
    scene.tell(f"SIGKILL to worker and follower while {len(kept)} containers are kept")
    for part, pid in before.items():
        scene.back(part, pid)


def _warden(scene: Scene, kept: list[Path]) -> None:
    pid = int(json.loads((scene.dice.choice(sorted(kept)) / "warden.json").read_text())["pid"])
    os.kill(pid, signal.SIGKILL)
    scene.tell(f"SIGKILL to the warden of one of {len(kept)} kept containers")


def _engine(scene: Scene, kept: list[Path]) -> None:
    assert scene.stage.engine is not None
    scene.stage.engine.kill()
    scene.tell(f"SIGKILL to dockerd while {len(kept)} containers are kept")
    time.sleep(scene.dice.uniform(0.5, 2.0))
    scene.stage.engine.start()
    scene.tell("dockerd is started again")


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def served_more(e: Evidence) -> Iterator[str]:
    """Some container served more than one trial: else nothing was shown here."""
    if not any(attempt["kept_container"] for attempt in e.attempts):
        yield "every trial began in a new container"
