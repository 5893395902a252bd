"""Who may start how many trials now: a pure function of what runs, what is wanted and what is allowed.

Free devices are given one trial at a time to whoever comes first in this order, until nobody can use any more:

1. teams that stay within what is guaranteed to them, the emptiest guarantee first; then the teams by what they would
   hold beyond it over their weight (fair share in two loops, as KAI does it), as a part of the pool;
2. in a team the person who holds least there; 3. of a person the job that holds least.

Of equals, whoever has used least lately comes first (device-seconds that halve with every half-life), then the older
job. So idle devices are lent to whoever wants them, and come back as trials end: nothing running is ever taken away. A
limit that was lowered below what runs starts nothing more, and stops nothing.

A trial gets all of its devices or none. If it is the turn of one that needs more than is free, what is free is kept for
it, else smaller trials would pass it for ever: this is the only way in which anything stays idle that is wanted. It is
not kept from those who have used less lately, so that large and small trials take turns and neither waits for nothing;
nor if others may claim so much as guaranteed to them that it would never be enough.

The cost is O((n + starts) log n) for n jobs.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import NamedTuple

from hpt_web.jobs.sharing import waiting
from hpt_web.jobs.sharing.waiting import Bound, Kind, Room

CPU = "cpu"  # the pool of this host's slots; every other one is of GPUs
ENTRY_SECONDS = 60.0  # each start costs so much of usage besides its time: trials that fail at once are not free


@dataclass(frozen=True, slots=True)
class Pool:
    """`size` devices of one kind, or slots for trials on CPUs. A trial takes one slot of `host` besides."""

    name: str
    size: int
    host: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """What a team has of a pool: `guaranteed` devices, `cap` at most, and of the rest in proportion to `weight`."""

    guaranteed: int = 0
    cap: int | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Limit:
    """`most` trials at once, or devices of `pool`: of a project, a person, a person in a project, or of all."""

    most: int
    project: str | None = None
    user: str | None = None
    pool: str = ""


@dataclass(frozen=True, slots=True)
class Holding:
    """What a running trial holds; `left` is for how many seconds yet, if that can be told from the trials before."""

    pool: str
    devices: int
    left: float | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """A job that is not over: its trials need `devices` of `pool` each, and it would run `wanted` of them at once.

    `typical` is for how many seconds its trials run. The team is "" for projects without one.
    """

    job: int
    name: str
    project: str
    wanted: int
    user: str = ""
    team: str = ""
    pool: str = CPU
    devices: int = 1
    running: tuple[Holding, ...] = ()
    typical: float | None = None

    @property
    def live(self) -> int:
        return len(self.running)


@dataclass(frozen=True, slots=True)
class Grant:
    """`start` trials may begin now beside the `running` ones. If that is fewer than wanted by `missing`, `reason` says
    why with its numbers.

    `place` is the job's among the `waiting` ones of its pool, 0 if it is not in line because no place can ever come;
    `starts_in` are the seconds until its next trial may begin, None if that cannot be told.
    """

    start: int
    reason: str = ""
    missing: int = 0
    running: int = 0
    place: int = 0
    waiting: int = 0
    starts_in: float | None = None

    @property
    def text(self) -> str:
        """The reason with the place in line and the estimate."""
        return " ".join(
            part for part in (self.reason, waiting.outlook(self.place, self.waiting, self.starts_in)) if part
        )


Shares = Mapping[tuple[str, str], Share]  # by team and pool
Usage = Mapping[tuple[str, str, str], float]  # by team, person and pool: device-seconds, the older the less


def plan(
    pools: Sequence[Pool],
    demands: Sequence[Demand],
    *,
    shares: Shares | None = None,
    limits: Sequence[Limit] = (),
    usage: Usage | None = None,
) -> dict[int, Grant]:
    """The grant of each job, by its id.

    The grants hold together: if every job starts what it is granted, no limit is exceeded that is not exceeded already.
    """
    table = _Table(pools, shares or {}, limits, usage or {})
    for demand in demands:
        table.seat(demand)
    lines: dict[tuple[str, str], _Line] = {}
    for demand in demands:
        if demand.wanted > demand.live:
            line = lines.setdefault((demand.pool, demand.team), _Line(demand.pool, demand.team, table))
            line.join(demand)
    for line in lines.values():
        line.sort()
    blocked = _serve(list(lines.values()), table)
    return _granted(demands, blocked, table)


class _Blocked(NamedTuple):
    demand: Demand
    missing: int
    room: Room  # the first of those in which there is not enough
    needs: int  # of it
    lacking: tuple[tuple[Room, int], ...] = ()  # each with what has to come free there; empty: it is too small for ever
    kept: bool = False  # what was free is kept for it


def _serve(lines: list[_Line], table: _Table) -> list[_Blocked]:
    """Give out what is free, one trial at a time; who gets less than it wants, in the order of their turns."""
    heap = [(line.key(), at) for at, line in enumerate(lines)]
    heapq.heapify(heap)
    blocked = []
    while heap:
        key, at = heapq.heappop(heap)
        line = lines[at]
        if line.key() > key:  # it has got something since
            heapq.heappush(heap, (line.key(), at))
            continue
        demand = line.first()
        if table.start(demand):
            line.took(demand)
        else:
            blocked.append(table.block(demand))
            line.leave()
        if line:
            heapq.heappush(heap, (line.key(), at))
    return blocked


def _granted(demands: Sequence[Demand], blocked: Sequence[_Blocked], table: _Table) -> dict[int, Grant]:
    grants = {demand.job: Grant(table.started.get(demand.job, 0), running=demand.live) for demand in demands}
    in_line: dict[str, list[_Blocked]] = {}
    for found in blocked:
        if found.lacking:
            in_line.setdefault(found.demand.pool, []).append(found)
        else:
            reason = waiting.never(found.room, found.missing, found.needs)
            grants[found.demand.job] = replace(grants[found.demand.job], reason=reason, missing=found.missing)
    for members in in_line.values():
        for place, found in enumerate(members, 1):
            demand = found.demand
            times = [room.opens_after(amount) for room, amount in found.lacking]
            known = [time for time in times if time is not None]
            grants[demand.job] = replace(
                grants[demand.job],
                reason=waiting.why(demand.project, found.room, found.missing, demand.devices, kept=found.kept),
                missing=found.missing,
                place=place,
                waiting=len(members),
                starts_in=max(known) if len(known) == len(times) else None,
            )
    return grants


@dataclass(slots=True)
class _Table:
    """Every bound with what is left below it, and what teams and people hold."""

    pools: Sequence[Pool]
    shares: Shares
    limits: Sequence[Limit]
    usage: Usage
    started: dict[int, int] = field(default_factory=dict)
    _rooms: dict[Bound, Room] = field(default_factory=dict)
    _pool: dict[str, Pool] = field(default_factory=dict)
    _held: dict[tuple[str, ...], int] = field(default_factory=dict)
    _kept: dict[Bound, Demand] = field(default_factory=dict)
    _wanted: dict[tuple[str, str], int] = field(default_factory=dict)  # devices of a pool, by a team
    _used_by_team: dict[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._pool = {pool.name: pool for pool in self.pools}
        for pool in self.pools:
            self._add(Room(Bound(Kind.POOL, pool.name), pool.size, hosted=pool.name == CPU))
        for (team, name), share in self.shares.items():
            if share.cap is not None:
                self._add(Room(Bound(Kind.TEAM, name, team), share.cap))
        for limit in self.limits:
            self._add(Room(Bound(Kind.LIMIT, limit.pool, "", limit.project, limit.user), limit.most))
        for (team, _, name), seconds in self.usage.items():
            self._used_by_team[team, name] = self._used_by_team.get((team, name), 0.0) + seconds

    def _add(self, room: Room) -> None:
        known = self._rooms.setdefault(room.bound, room)
        known.size = known.free = min(known.size, room.size)

    def size(self, pool: str) -> int:
        return max(1, self._pool[pool].size) if pool in self._pool else 1

    def held(self, *of: str) -> int:
        """The devices of a pool that a team holds, or a person in a team: `of` are pool, team and person."""
        return self._held.get(of, 0)

    def used(self, pool: str, team: str, user: str | None = None) -> float:
        if user is None:
            return self._used_by_team.get((team, pool), 0.0)
        return self.usage.get((team, user, pool), 0.0)

    def seat(self, demand: Demand) -> None:
        """Count what the job's trials hold already, and what it wants."""
        for holding in demand.running:
            self._take(demand, holding)
        wanted = max(0, demand.wanted - demand.live) * demand.devices
        of = (demand.pool, demand.team)
        self._wanted[of] = self._wanted.get(of, 0) + wanted

    def start(self, demand: Demand) -> bool:
        """Give one more trial of the job its devices, if every bound admits it."""
        rooms = self._rooms_of(demand, demand.pool, demand.devices)
        if demand.pool not in self._pool or any(self._lacks(demand, room, amount) for room, amount in rooms):
            return False
        self._take(demand, Holding(demand.pool, demand.devices, demand.typical))
        self.started[demand.job] = self.started.get(demand.job, 0) + 1
        return True

    def _lacks(self, demand: Demand, room: Room, amount: int) -> bool:
        return room.free < amount or (room.kept is not None and not self._used_less(demand, self._kept[room.bound]))

    def _used_less(self, demand: Demand, than: Demand) -> bool:
        pool = than.pool
        if demand.team == than.team:
            return self.used(pool, demand.team, demand.user) < self.used(pool, than.team, than.user)
        weights = [self.shares.get((team, pool), Share()).weight for team in (demand.team, than.team)]
        return self.used(pool, demand.team) / weights[0] < self.used(pool, than.team) / weights[1]

    def block(self, demand: Demand) -> _Blocked:
        """The job gets nothing more this time. What is free where it lacks some is kept for it (see above): of a limit
        that it meets first, else of the pool."""
        rooms = list(self._rooms_of(demand, demand.pool, demand.devices))
        if demand.pool not in self._pool:
            rooms.append((Room(Bound(Kind.POOL, demand.pool), 0), demand.devices))
        missing = demand.wanted - demand.live - self.started.get(demand.job, 0)
        for room, amount in rooms:
            if room.size < amount:
                return _Blocked(demand, missing, room, amount)
        lacking = [(room, amount) for room, amount in rooms if self._lacks(demand, room, amount)]
        in_line = tuple([(room, room.queue(amount)) for room, amount in lacking])
        first, needs = lacking[0]
        kept = False
        for room, amount in lacking:
            same = (room.bound.kind is Kind.POOL) is (first.bound.kind is Kind.POOL)
            if same and self._may_come(demand, room, amount) and room.keep(demand.project, demand.name, amount):
                self._kept[room.bound] = demand
                kept = True
        return _Blocked(demand, missing, first, needs, in_line, kept)

    def _may_come(self, demand: Demand, room: Room, amount: int) -> bool:
        """Whether so much of a pool can ever come free beside what other teams claim as guaranteed to them."""
        kind, pool, *_ = room.bound
        own = self.shares.get((demand.team, pool), Share()).guaranteed
        if kind is not Kind.POOL or self.held(pool, demand.team) + amount <= own:
            return True
        claims = (
            min(share.guaranteed, self.held(pool, team) + self._wanted.get((pool, team), 0))
            for (team, name), share in self.shares.items()
            if name == pool and team != demand.team
        )
        return room.size - sum(claims) >= amount

    def _take(self, demand: Demand, holding: Holding) -> None:
        for room, amount in self._rooms_of(demand, holding.pool, holding.devices):
            room.take(demand.project, demand.name, amount, holding.left)
        for pool, amount in self._amounts(holding.pool, holding.devices):
            for of in ((pool, demand.team), (pool, demand.team, demand.user)):
                self._held[of] = self._held.get(of, 0) + amount

    def _amounts(self, pool: str, devices: int) -> list[tuple[str, int]]:
        """What one trial takes of each pool."""
        host = self._pool[pool].host if pool in self._pool else ""
        return [(pool, devices), (host, 1)] if host else [(pool, devices)]

    def _rooms_of(self, demand: Demand, pool: str, devices: int) -> Iterator[tuple[Room, int]]:
        """Every bound on a trial of the job with what it takes of it: limits, caps, pools."""
        amounts = self._amounts(pool, devices)
        for project, user in product((demand.project, None), (demand.user, None)):
            for name, amount in [("", 1), *amounts]:
                if room := self._rooms.get(Bound(Kind.LIMIT, name, "", project, user)):
                    yield room, amount
        for bound in (Bound(Kind.TEAM, "", demand.team), Bound(Kind.POOL, "")):
            for name, amount in amounts:
                if room := self._rooms.get(bound._replace(pool=name)):
                    yield room, amount


class _Line:
    """The jobs of one team that wait for one pool, by their turns. Of equals the largest trial comes first."""

    def __init__(self, pool: str, team: str, table: _Table) -> None:
        self._pool, self._team, self._table = pool, team, table
        self._share = table.shares.get((team, pool), Share())
        self._people: list[tuple[int, float, int, str]] = []  # a heap: held, used, devices, name
        self._jobs: dict[str, list[tuple[int, int, int, Demand]]] = {}  # of each person, a heap: held, devices, id

    def __bool__(self) -> bool:
        return bool(self._people)

    def join(self, demand: Demand) -> None:
        held = sum(holding.devices for holding in demand.running if holding.pool == demand.pool)
        self._jobs.setdefault(demand.user, []).append((held, -demand.devices, demand.job, demand))

    def sort(self) -> None:
        """Everybody has joined."""
        for jobs in self._jobs.values():
            heapq.heapify(jobs)
        self._people = [self._person(user) for user in self._jobs]
        heapq.heapify(self._people)

    def key(self) -> tuple[int, float, float, int, str, str]:
        """The line's turn: the lower, the earlier. It only grows while the line holds more."""
        held, share, devices = self._table.held(self._pool, self._team), self._share, self.first().devices
        used = self._table.used(self._pool, self._team)
        if held + devices <= share.guaranteed:
            return 0, held / share.guaranteed, used, -devices, self._pool, self._team
        level = (held + 1 - share.guaranteed) / share.weight / self._table.size(self._pool)
        return 1, level, used, -devices, self._pool, self._team

    def first(self) -> Demand:
        """The job whose turn is next."""
        while (person := self._person(self._people[0][-1])) > self._people[0]:
            heapq.heapreplace(self._people, person)
        return self._jobs[self._people[0][-1]][0][-1]

    def took(self, demand: Demand) -> None:
        """The first job has got a trial; it stays in the line if it wants more."""
        started = self._table.started[demand.job]
        if demand.live + started >= demand.wanted:
            self.leave()
            return
        jobs = self._jobs[demand.user]
        heapq.heapreplace(jobs, (jobs[0][0] + demand.devices, -demand.devices, demand.job, demand))

    def leave(self) -> None:
        """The first job leaves the line."""
        user = heapq.heappop(self._people)[-1]
        heapq.heappop(self._jobs[user])
        if self._jobs[user]:
            heapq.heappush(self._people, self._person(user))

    def _person(self, user: str) -> tuple[int, float, int, str]:
        held = self._table.held(self._pool, self._team, user)
        return held, self._table.used(self._pool, self._team, user), self._jobs[user][0][1], user
