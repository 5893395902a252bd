"""What the plan is made of, and what comes of it: pools, shares and limits; what jobs hold and want; their grants."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from hpt_web.jobs.sharing import waiting
from tuning.contracts import Number

CPU = "cpu"  # the pool of this host's slots; every other one is of GPUs
MIN_RUN_SECONDS = 60.0  # a start is dear: nobody gives way who has run for less, unless a pool says otherwise
ENTRY_SECONDS = 60.0  # each start costs so much of usage besides its time: trials that fail at once are not free


@dataclass(frozen=True, slots=True)
class Pool:
    """`size` devices of one kind, or slots for trials on CPUs. A trial takes one slot of `host` besides. Spot trials
    give way once they have run for `min_run` seconds."""

    name: str
    size: int
    host: str = ""
    min_run: float = MIN_RUN_SECONDS


@dataclass(frozen=True, slots=True)
class Share:
    """What a team has of a pool: `guaranteed` devices, `cap` at most, and of the rest in proportion to `weight`.

    Of what is guaranteed to it and idle it `lends` so many; None: all of them.
    """

    guaranteed: int = 0
    cap: int | None = None
    weight: float = 1.0
    lends: int | None = None

    @property
    def most(self) -> float:
        return math.inf if self.cap is None else self.cap

    @property
    def reserved(self) -> int:
        """What is there for the team at any moment."""
        return 0 if self.lends is None else max(0, self.guaranteed - self.lends)


@dataclass(frozen=True, slots=True)
class Limit:
    """`most` trials at once, or devices of `pool`: of a project, a person, a person in a project, or of all."""

    most: int
    project: str | None = None
    user: str | None = None
    pool: str = ""


@dataclass(frozen=True, slots=True)
class Spent:
    """GPU-hours that are used up, of a project, a person, a person in a project, or of all: none of their trials with
    GPUs starts before the period `ends`, a day such as 2026-11-23, in `ends_in` seconds."""

    used: float
    limit: float
    period: str  # week or month
    ends: str
    ends_in: float
    project: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """What a running trial holds: whole `devices`, or parts of them (`Demand.share`).

    `left` is for how many seconds yet, if that can be told from the trials before; it has `ran` for so many. It is
    `ending` if it was asked to stop, and gives back what it holds in a moment.
    """

    pool: str
    devices: float
    left: float | None = None
    attempt: int = 0
    ran: float = math.inf
    ending: bool = False


@dataclass(frozen=True, slots=True)
class Demand:
    """A job that is not over: its trials need `devices` of `pool` each, and it would run `wanted` of them at once.

    Of a trial that takes only the part `share` of each of its GPUs, `devices` is the sum of the parts. `typical` is for
    how many seconds its trials run. The team is "" for projects without one; of teams beyond their guarantees those of
    higher `priority` come first. `spot`: its trials can be pre-empted. It has `pending` trials yet to start, at least
    those that it wants now.
    """

    job: int
    name: str
    project: str
    wanted: int
    user: str = ""
    team: str = ""
    pool: str = CPU
    devices: float = 1
    running: tuple[Holding, ...] = ()
    typical: float | None = None
    spot: bool = False
    share: float = 1.0
    priority: int = 0
    pending: int = 0

    @property
    def live(self) -> int:
        return len(self.running)


@dataclass(frozen=True, slots=True)
class Preemption:
    """A running spot trial that is to give its place to a waiting one: why, in words for its own project."""

    attempt: int
    job: int
    reason: str
    numbers: Mapping[str, Number] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grant:
    """`start` trials may begin now beside the `running` ones. If that is fewer than wanted by `missing`, `reason` says
    why with its numbers.

    `place` is the job's among the `waiting` ones of its pool, 0 if it is not in line because no place can ever come;
    `starts_in` are the seconds until its next trial may begin, None if that cannot be told. `preempts` are the trials
    that have to give their places to it. `turn` orders the jobs that start something by their first turns; of those
    that need GPUs, each starts on `devices` of its own, by their ids.
    """

    start: int
    reason: str = ""
    missing: int = 0
    running: int = 0
    place: int = 0
    waiting: int = 0
    starts_in: float | None = None
    preempts: tuple[Preemption, ...] = ()
    turn: int = 0
    devices: tuple[tuple[str, ...], ...] = ()

    @property
    def text(self) -> str:
        """The reason with the place in line and the estimate."""
        return " ".join(
            part for part in (self.reason, waiting.outlook(self.place, self.waiting, self.starts_in)) if part
        )


Shares = Mapping[tuple[str, str], Share]  # by team and pool
Usage = Mapping[tuple[str, str, str], float]  # by team, person and pool: device-seconds, the older the less
