"""A backend whose trials are a test's to play: it keeps the contract's promises and runs nothing.

For what depends on the order of things (a follower that lost its lease, an attempt that vanished); that real processes
do the same is shown by the tests of the process backend and by tests/faults.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from django.conf import settings

from tuning.backends import LaunchSpec, Phase, Status


@dataclass
class Play:
    spec: LaunchSpec
    log: bytes = b""
    status: Status = field(default_factory=lambda: Status(phase=Phase.RUNNING, started_at=time.time()))
    launches: int = 1
    saved_at: int | None = None  # how long the log was when the newest checkpoint was written, if that is known


class ScriptedBackend:
    def __init__(self) -> None:
        self.root = Path(settings.HPT_HOME / "trials")
        self.plays: dict[str, Play] = {}
        self.stopped: dict[str, float] = {}

    # --- the contract ---

    def folder(self, attempt: str) -> Path:
        return self.root / attempt

    def launch(self, spec: LaunchSpec) -> None:
        if spec.attempt in self.plays:
            self.plays[spec.attempt].launches += 1
        else:
            self.plays[spec.attempt] = Play(spec)

    def status(self, attempt: str) -> Status:
        return self.plays[attempt].status if attempt in self.plays else Status(phase=Phase.UNKNOWN)

    def read_log(self, attempt: str, offset: int, limit: int) -> bytes:
        return self.plays[attempt].log[offset : offset + limit] if attempt in self.plays else b""

    def log_size(self, attempt: str) -> int:
        return len(self.plays[attempt].log) if attempt in self.plays else 0

    def log_size_at(self, attempt: str, moment: float) -> int | None:
        return self.plays[attempt].saved_at

    def stop(self, attempt: str, grace: float) -> None:
        self.stopped[attempt] = grace

    def retire(self, keep: Collection[str]) -> None:
        pass

    def list_owned(self) -> list[str]:
        return [attempt for attempt, play in self.plays.items() if play.status.phase is Phase.RUNNING]

    def wait(self, attempts: Collection[str], timeout: float) -> set[str]:
        return set(attempts)

    def wake(self) -> None:
        pass

    def discard(self, attempt: str) -> None:
        self.plays.pop(attempt, None)

    # --- the play ---

    def prints(self, attempt: str, text: str) -> None:
        self.plays[attempt].log += text.encode()

    def ends(
        self,
        attempt: str,
        exit_code: int | None = 0,
        *,
        signal: int | None = None,
        ended_by: str | None = None,
        failure: str | None = None,
        log_lost_bytes: int = 0,
    ) -> None:
        self.plays[attempt].status = Status(
            phase=Phase.ENDED,
            exit_code=exit_code,
            signal=signal,
            ended_by=ended_by,
            failure=failure,
            started_at=self.plays[attempt].status.started_at,
            ended_at=time.time(),
            log_lost_bytes=log_lost_bytes,
        )

    def vanishes(self, attempt: str) -> None:
        self.plays[attempt].status = replace(self.plays[attempt].status, phase=Phase.VANISHED)
