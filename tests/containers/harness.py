"""What the tests of containers share: attempts whose image has Debian's Python in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.tuning.backends.harness import HOLD, Trials
from tuning.backends import Backend, LaunchSpec
from tuning.backends.docker import DockerBackend

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
