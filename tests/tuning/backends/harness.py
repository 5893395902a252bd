"""What the tests of a backend share: attempts of small real scripts, and waiting for what they do."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuning.backends import Backend, LaunchSpec, Phase, Status
from tuning.backends.process import ProcessBackend

DEADLINE = 30.0  # s; only ever reached by a failing test


class Trials:
    """Attempts on one backend. ``python`` is how a script is run there."""

    def __init__(self, backend: Backend, folder: Path, python: str = sys.executable) -> None:
        self.backend = backend
        self.folder = folder
        self.python = python
        self.launched: list[str] = []

    def spec(self, script: str = "", *arguments: str, attempt: str = "", **fields: Any) -> LaunchSpec:
        attempt = attempt or f"t-{len(list((self.folder / 'code').glob('*'))) + 1}"
        code = self.folder / "code" / attempt
        code.mkdir(parents=True, exist_ok=True)
        (code / "train.py").write_text(script)
        spec = LaunchSpec(
            attempt=attempt,
            command=(self.python, "train.py", *arguments),
            code=code,
            checkpoints=self.folder / "checkpoints",
        )
        return replace(spec, **fields)

    def launch(self, spec: LaunchSpec) -> str:
        self.launched.append(spec.attempt)
        self.backend.launch(spec)
        return spec.attempt

    def start(self, script: str, *arguments: str, **fields: Any) -> str:
        return self.launch(self.spec(script, *arguments, **fields))

    def run(self, script: str, *arguments: str, **fields: Any) -> tuple[Status, bytes]:
        """Launch, await the end; the status and the whole log."""
        attempt = self.start(script, *arguments, **fields)
        return self.end(attempt), self.log(attempt)

    def log(self, attempt: str) -> bytes:
        return self.backend.read_log(attempt, 0, 1 << 26)

    def end(self, attempt: str) -> Status:
        self.until(lambda: self.backend.status(attempt).phase in (Phase.ENDED, Phase.VANISHED), attempt)
        return self.backend.status(attempt)

    def until_log(self, attempt: str, text: bytes) -> bytes:
        self.until(lambda: text in self.log(attempt), attempt)
        return self.log(attempt)

    def until(self, condition: Callable[[], object], attempt: str) -> None:
        """Look again at each change that the backend tells of."""
        deadline = time.monotonic() + DEADLINE
        while not condition():
            status = self.backend.status(attempt)
            in_time = time.monotonic() < deadline and (status.phase is not Phase.ENDED or condition())
            assert in_time, f"{status}; log: {self.log(attempt)[-2000:]!r}"
            self.backend.wait([attempt], 1.0)

    def clean_up(self) -> None:
        for attempt in self.launched:
            self.backend.stop(attempt, 0)
        poll(lambda: not set(self.backend.list_owned()) & set(self.launched))


class ProcessTrials(Trials):
    def base(self, attempt: str) -> Path:
        assert isinstance(self.backend, ProcessBackend)
        return self.backend.folder(attempt)


def poll(condition: Callable[[], object]) -> None:
    """For what no event tells of, such as a process being gone."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)
