"""Disks that are full for a while: that of the trials, of their checkpoints, of the database."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg

from tests.chaos.scene import PATIENCE, Fault, Scene
from tests.chaos.stages import Absent, Stage, running
from tests.service import wait_for

BLOCK = bytes(1 << 20)


@contextmanager
def _small(scratch: Path, part: str, megabytes: int) -> Iterator[Stage]:
    """One of its folders lies on a small disk of its own."""
    root = scratch / f"small-{part}"
    folder = root / part
    folder.mkdir(mode=0o700, parents=True)
    root.chmod(0o700)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(folder)]
    said = subprocess.run(mount, capture_output=True, text=True, check=False)
    if said.returncode:
        raise Absent(f"a small disk cannot be mounted here (root is needed): {said.stderr.strip()}")
    try:
        with running(Stage(root)) as stage:
            yield stage
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


small_trials = partial(_small, part="trials", megabytes=8)
small_checkpoints = partial(_small, part="checkpoints", megabytes=8)
small_database = partial(_small, part="postgres", megabytes=256)


def fill(part: str, seconds: float) -> Fault:
    """The first two trials fill it by themselves; somebody makes room so many seconds later."""

    def fault(scene: Scene) -> None:
        folder = scene.stage.home / part
        wait_for(lambda: os.statvfs(folder).f_bavail == 0 or scene.is_over(), PATIENCE, "the disk is full")
        assert os.statvfs(folder).f_bavail == 0, "the job was over before its disk was full"
        scene.tell("the disk is full")
        time.sleep(seconds)
        subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
        scene.tell("there is room again")

    return fault


def fill_database(seconds: float) -> Fault:
    """Something else fills its disk, at which it can neither extend a table nor begin another piece of its log."""

    def fault(scene: Scene) -> None:
        scene.moment()
        ballast = scene.stage.home / "postgres" / "ballast"
        try:
            with ballast.open("wb", buffering=0) as file:
                _write_all(file.fileno())
            with contextlib.suppress(psycopg.Error), psycopg.connect(scene.stage.database_url, autocommit=True) as db:
                for _ in range(2):
                    db.execute(b"SELECT pg_switch_wal()")
                    db.execute(b"SELECT pg_current_xact_id()")
            scene.tell(f"the disk is full for {seconds:.0f} s")
            time.sleep(seconds)
        finally:
            ballast.unlink(missing_ok=True)
        scene.tell("there is room again")
        wait_for(scene.stage.database().ready, PATIENCE, "the database answers")

    return fault


def _write_all(descriptor: int) -> None:
    """Until nothing more fits."""
    size = len(BLOCK)
    while size:
        try:
            os.write(descriptor, BLOCK[:size])
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            size //= 2
