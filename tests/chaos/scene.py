"""Where faults happen: the service, the job that runs meanwhile, and the moments at which something is done to them."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

from hpt_web.crash import Step
from tests.chaos.bounds import Bounds, Pool
from tests.chaos.interrupts import undisturbed
from tests.chaos.stages import Stage
from tests.chaos.watching import Census
from tests.chaos.work import Work
from tests.faults.lab import Lab
from tests.service import wait_for

PATIENCE = 300.0  # a machine that does much else takes minutes for a start
OVER = {"Completed", "Failed", "Stopped"}


@dataclass(slots=True)
class Scene:
    """Where a fault happens: the service, the job that runs, and the dice of its row."""

    stage: Stage
    lab: Lab
    name: str
    number: int  # of the job, in the database
    work: Work
    dice: random.Random
    addresses: list[str]
    told: list[str] = field(default_factory=list)
    kills: int = 0  # of trials: so often may one of them have to run again
    guest: tuple[str, str] | None = None  # project and name of another job, for which those of this one make room
    began: float = 0.0
    soak_seconds: float = 120.0
    bounds: Bounds = field(default_factory=Bounds)
    gpus: Pool | None = None  # of which its trials have some
    rival: str = ""  # another job of its project, for the same places

    def tell(self, line: str) -> None:
        self.told.append(line)
        print(f"    +{time.monotonic() - self.began:5.1f} s  {line}", flush=True)

    def is_over(self) -> bool:
        """Whether the job has ended, by the database; False while that is away."""
        with contextlib.suppress(psycopg.Error), psycopg.connect(self.stage.database_url, connect_timeout=2) as db:
            query = b"SELECT 1 FROM jobs_tuningjob WHERE id = %s AND ended_at IS NOT NULL"
            return db.execute(query, [self.number]).fetchone() is not None
        return False

    def moment(self) -> None:
        """Wait for a random moment while trials run."""
        wait_for(lambda: self.alive() or self.is_over(), PATIENCE, f"trials of {self.name} run")
        assert self.alive() or not self.is_over(), f"{self.name} was over before anything was broken"
        time.sleep(self.dice.uniform(0.0, 1.0))

    def alive(self) -> list[str]:
        """The attempts of this job whose scripts run. Containers of another service may be of a job of its number."""
        found = sorted(t for t in Census(self.stage.home).alive() if t.removeprefix("c").startswith(f"{self.number}-"))
        with contextlib.suppress(psycopg.Error), psycopg.connect(self.stage.database_url, connect_timeout=2) as db:
            own = db.execute(b"SELECT token FROM jobs_attempt WHERE token = ANY(%s)", [found]).fetchall()
            return [token for token in found if (token,) in own]
        return found  # the database is away

    def arm(self, step: Step, order: str) -> None:
        """Have it happen when some process comes to this step next."""
        assert self.stage.crash_points is not None
        draft = self.stage.crash_points / f".{step}"
        with undisturbed():  # or the draft would be left there
            draft.write_text(order)
            draft.rename(self.stage.crash_points / step)

    def disarm(self) -> None:
        """What nobody came to does not happen any more."""
        for armed in self.stage.crash_points.iterdir() if self.stage.crash_points else ():
            armed.unlink(missing_ok=True)

    def step(self, step: Step, order: str) -> bool:
        """Arm the step and wait until some process came to it; False if the service knows no steps. Whatever ends the
        wait, nobody dies of it later."""
        folder = self.stage.crash_points
        if folder is None:
            return False
        try:
            self.arm(step, order)
            wait_for(lambda: not (folder / step).exists() or self.is_over(), PATIENCE, f"some process comes to {step}")
            assert not (folder / step).exists(), f"the job was over before any process came to {step}"
        finally:
            (folder / step).unlink(missing_ok=True)
        return True

    def back(self, part: str, before: int = 0) -> None:
        wait_for(lambda: self.stage.pid(part) not in (0, before), PATIENCE, f"{part} runs again")


Fault = Callable[[Scene], object]
