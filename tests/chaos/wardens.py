"""Faults to whoever stands over trials: their wardens while they run, one that is about to get its next attempt, and
the nursery from which they come."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hpt_web.embedded import processes
from tests.chaos.evidence import Evidence
from tests.chaos.scene import PATIENCE, Scene
from tests.service import wait_for
from tuning.backends.processes import Identity

TURNS = 3
MOST_ATTEMPTS = 3  # of a trial whose attempts vanish
GLANCE = 0.001  # s between looks at what is over in a few milliseconds


def kill_wardens(scene: Scene) -> None:
    """Three times that of a running trial, each time of another one: nothing else is touched."""
    killed: set[str] = set()
    for _ in range(TURNS):
        saved = wait_for(lambda: [t for t in _saved(scene) if _trial(t) not in killed], PATIENCE, "another trial saves")
        _let_points_come(scene)
        token = scene.dice.choice(saved)
        killed.add(_trial(token))
        _kill(scene, [token])


def kill_all_wardens(scene: Scene) -> None:
    """Of all trials that run, and nobody else, as where the host of the trials alone is lost."""
    wait_for(lambda: len(_saved(scene)) == scene.work.parallel, PATIENCE, "all have saved")
    _let_points_come(scene)
    _kill(scene, scene.alive())


def strike_warden(scene: Scene) -> None:
    """Of some trial that runs, and has an attempt left."""
    if tokens := [token for token in scene.alive() if int(token.split("-")[2]) < MOST_ATTEMPTS]:
        _kill(scene, [scene.dice.choice(tokens)])


def _trial(token: str) -> str:
    return token.split("-")[1]


def _saved(scene: Scene) -> list[str]:
    """The attempts that run and whose trials have a checkpoint."""
    folder = scene.stage.home / "checkpoints" / str(scene.number)
    return [token for token in scene.alive() if (folder / _trial(token) / "step").exists()]


def _let_points_come(scene: Scene) -> None:
    """After the checkpoint that was just seen, and before the next one, which comes with the fourth point."""
    time.sleep(scene.work.pause * scene.dice.uniform(1.2, 3.0))


def _kill(scene: Scene, tokens: list[str]) -> None:
    for token in tokens:
        warden = Identity.read(scene.stage.home / "trials" / token / "warden.json")
        if warden is not None and warden.send(signal.SIGKILL):
            scene.kills += 1
            scene.tell(f"SIGKILL to the warden of {token}")


def strike_nursery(scene: Scene) -> list[int]:
    """Whatever there is of nurseries."""
    found = _nurseries(scene)
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    scene.tell(f"SIGKILL to the nursery of wardens {found or '(there is none)'}")
    return found


def kill_nursery(scene: Scene) -> None:
    """Three times while trials run; no trial is its child any more."""
    for _ in range(TURNS):
        scene.moment()
        wait_for(lambda: _nurseries(scene), PATIENCE, "the worker has a nursery")
        found = strike_nursery(scene)
        wait_for(_comes_another(scene, found), PATIENCE, "wardens come from another nursery")


def _comes_another(scene: Scene, before: list[int]) -> Callable[[], bool]:
    return lambda: scene.is_over() or bool(set(_nurseries(scene)) - set(before))


def _nurseries(scene: Scene) -> list[int]:
    """The live processes of which a worker holds a descriptor, which are its nurseries."""
    found = set()
    for worker in processes.leftovers(scene.stage.home, "worker"):
        with contextlib.suppress(OSError):
            for info in Path(f"/proc/{worker}/fdinfo").iterdir():
                with contextlib.suppress(OSError):
                    if match := re.search(r"(?m)^Pid:\s+(\d+)$", info.read_text()):
                        found.add(int(match[1]))
    return sorted(pid for pid in found if processes.alive(pid))


def kill_handed_on(scene: Scene) -> None:
    """Three times a warden whose attempt has just ended, within the milliseconds in which it may get the next one."""
    for _ in range(TURNS):
        scene.moment()
        watched = {token: scene.stage.home / "trials" / token for token in scene.alive()}
        wardens = {token: Identity.read(folder / "warden.json") for token, folder in watched.items()}
        deadline = time.monotonic() + PATIENCE
        while not (over := [t for t, folder in watched.items() if (folder / "exit.json").exists()]):
            assert time.monotonic() < deadline, "no trial ends"
            time.sleep(GLANCE)
        time.sleep(scene.dice.uniform(0.0, 0.08))
        warden = wardens[over[0]]
        if warden is not None and warden.send(signal.SIGKILL):
            scene.kills += 1  # it may have begun with the next attempt
            scene.tell(f"SIGKILL to the warden of {over[0]}, which has just ended")


def went_on_from_checkpoints(e: Evidence) -> Iterator[str]:
    """Somebody lost what it had reported after its checkpoint, and reported it again: else nothing was shown here."""
    resumed = [attempt for attempt in e.attempts if attempt["resumed"]]
    if not resumed:
        yield "no attempt went on from a checkpoint"
    if not any(e.outdated.values()):
        yield "nothing was reported after a checkpoint: there was nothing to count twice"
