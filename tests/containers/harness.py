"""What the tests of containers share: attempts whose image has Debian's Python in it."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.tuning.backends.harness import HOLD, Trials, poll
from tuning.backends import Backend, LaunchSpec, Phase
from tuning.backends.docker import DockerBackend
from tuning.errors import BackendError

PYTHON = "hpt-test/python:1"  # Debian's Python, a shell and coreutils
BARE = "hpt-test/bare:1"  # nothing but a static busybox, and a `train` as SageMaker's images have one
TRAIN = """#!/bin/busybox sh
echo "given: $*"
/bin/busybox cat /opt/ml/input/config/hyperparameters.json; echo
/bin/busybox cat /opt/ml/input/data/train/train.csv
/bin/busybox cat /opt/ml/code/baked
echo "$TRAINING_JOB_NAME in $PWD, $BAKED"
echo weights > /opt/ml/model/model.bin
echo it was my fault > /opt/ml/output/failure
"""


class ContainerTrials(Trials):
    backend: DockerBackend

    def __init__(self, backend: Backend, folder: Path) -> None:
        super().__init__(backend, folder, "python3")

    def spec(self, script: str = "", *arguments: str, attempt: str = "", **fields: Any) -> LaunchSpec:
        return super().spec(script, *arguments, attempt=attempt, **({"image": PYTHON} | fields))

    def base(self, attempt: str) -> Path:
        return self.backend.folder(attempt)

    def warden(self, attempt: str) -> int:
        return int(json.loads((self.base(attempt) / "warden.json").read_text())["pid"])

    def hold(self, script: str = HOLD, text: bytes = b"started\n", **fields: Any) -> str:
        """Launch a script that stays, and await its sign of life."""
        attempt = self.start(script, **fields)
        self.until_log(attempt, text)
        return attempt

    def left(self) -> list[str]:
        """What the engine still has of these attempts, in whatever state, once those that ended are collected."""
        self.backend.list_owned()
        names = [self.backend.name(attempt) for attempt in self.launched]
        return [name for name in names if self.backend.engine.state(name) is not None]


LINES = 3
TALK = f"for i in range({LINES}): print('f1 =', i)"


class WarmTrials(ContainerTrials):
    """Attempts of one pool whose containers wait."""

    def spec(self, script: str = "", *arguments: str, attempt: str = "", **fields: Any) -> LaunchSpec:
        return super().spec(script, *arguments, attempt=attempt, **({"pool": "job", "keep_alive_seconds": 60} | fields))

    def first(self, script: str = TALK, **fields: Any) -> str:
        """An attempt that has ended well, and its container."""
        attempt = self.start(script, **fields)
        assert self.end(attempt).exit_code == 0, self.log(attempt)
        return attempt

    def served_by(self, attempt: str) -> int:
        return self.warden(attempt)

    def idle(self) -> list[str]:
        pool = self.backend._pool
        records = {name: pool.record(name) for name in pool.names()}
        return [name for name, record in records.items() if record is not None and record.attempt is None]

    def containers(self) -> list[str]:
        """Of this root, in whatever state."""
        return [identity for identity, _, _ in self.backend.engine.labelled(f"hpt.root={self.backend._mark}")]

    def clean_up(self) -> None:
        super().clean_up()
        self.backend.retire(())
        poll(lambda: not self.backend.list_owned() and not self.containers())
        assert not self.backend._pool.names(), "nothing is left behind"


class PrimedTrials(WarmTrials):
    """Attempts each of which finds a container that has served one before."""

    def launch(self, spec: LaunchSpec) -> str:
        prime = replace(spec, attempt=f"prime-{spec.attempt}", entrypoint=(), command=("true",))
        prime = replace(prime, checkpoints=self.folder / "primed", environment={}, limits=replace(spec.limits))
        if self.backend.status(spec.attempt).phase is Phase.UNKNOWN and not self.idle():
            with contextlib.suppress(BackendError):  # which the attempt itself will meet
                self.backend.launch(prime)
                poll(lambda: self.backend.status(prime.attempt).phase is Phase.ENDED)
                # Whoever launches the same attempt at the same time may have taken it.
                poll(lambda: self.idle() or self.backend.status(spec.attempt).phase is not Phase.UNKNOWN)
        return super().launch(spec)
