"""What the tests of a backend share: attempts of small real scripts, and waiting for what they do."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuning.backends import Backend, LaunchSpec, Phase, Status
from tuning.backends.process import ProcessBackend

HOLD = "print('started', flush=True); import time; time.sleep(600)"
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
while True: time.sleep(600)
"""
# 50 descendants in all the ways there are to get away: plain, deaf, in a session of their own, orphaned, without the
# environment, stopped. Each writes its pid.
BROOD = """
import os, signal, subprocess, sys, time
pids = os.open("pids", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def live(number):
    signal.signal(signal.SIGTERM, signal.SIG_IGN if number % 2 else signal.SIG_DFL)
    os.write(pids, b"%d\\n" % os.getpid())
    if number % 7 == 0: os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(600)
for number in range(40):
    if os.fork() == 0:
        if number % 4 > 0: os.setsid()
        if number % 4 > 1 and os.fork(): os._exit(0)
        if number % 4 > 2 and os.fork(): os._exit(0)
        live(number)
for number in range(10):
    code = "import os, time; os.write(%d, b'%%d\\\\n' %% os.getpid()); time.sleep(600)" % pids
    subprocess.Popen([sys.executable, "-c", code], env={}, pass_fds=[pids], start_new_session=number % 2 == 0)
while len(open("pids").readlines()) < 50: time.sleep(0.01)
print("all there", flush=True)
"""
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

    def warden(self, attempt: str) -> int:
        return int(json.loads((self.base(attempt) / "warden.json").read_text())["pid"])

    def hold(self, script: str = HOLD, text: bytes = b"started\n", **fields: Any) -> str:
        """Launch a script that stays, and await its sign of life."""
        attempt = self.start(script, **fields)
        self.until_log(attempt, text)
        return attempt


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def poll(condition: Callable[[], object]) -> None:
    """For what no event tells of, such as a process being gone."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)
