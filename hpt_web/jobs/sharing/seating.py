"""The table at which the plan is made: every bound with what is left below it, and what teams and people hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from hpt_web.jobs.sharing.allotting import Floor, Wish
from hpt_web.jobs.sharing.demands import (
    CPU,
    MIN_RUN_SECONDS,
    Demand,
    Holding,
    Limit,
    Pool,
    Share,
    Shares,
    Usage,
)
from hpt_web.jobs.sharing.waiting import Bound, Kind, Room


class Blocked(NamedTuple):
    """A job that gets nothing more in this plan."""

    demand: Demand
    missing: int
    room: Room  # the first of those in which there is not enough
    needs: float  # of it
    lacking: tuple[tuple[Room, float], ...] = ()  # each with what has to come free there; empty: too small for ever
    kept: bool = False  # what was free is kept for it
    back: float = 0  # what other teams do not lend, of the first
    told: str = ""  # why, if it is for the devices themselves
    barred: frozenset[str] = frozenset()  # those that are kept for others


@dataclass(slots=True)
class Table:
    """Made for one plan, and changed by it."""

    pools: Sequence[Pool]
    shares: Shares
    limits: Sequence[Limit]
    usage: Usage
    floor: Floor | None = None
    started: dict[int, int] = field(default_factory=dict)
    _rooms: dict[Bound, Room] = field(default_factory=dict)
    _pool: dict[str, Pool] = field(default_factory=dict)
    _held: dict[tuple[str, ...], float] = field(default_factory=dict)
    _kept: dict[Bound, Demand] = field(default_factory=dict)
    _wanted: dict[tuple[str, str], float] = field(default_factory=dict)  # devices of a pool, by a team
    _used_by_team: dict[tuple[str, str], float] = field(default_factory=dict)
    _reserved: dict[str, dict[str, int]] = field(default_factory=dict)  # by pool and team
    _shared: set[str] = field(default_factory=set)  # the pools of which some trials take parts of devices

    def __post_init__(self) -> None:
        self._pool = {pool.name: pool for pool in self.pools}
        for pool in self.pools:
            self._add(Room(Bound(Kind.POOL, pool.name), pool.size, hosted=pool.name == CPU))
        for (team, name), share in self.shares.items():
            if share.cap is not None:
                self._add(Room(Bound(Kind.TEAM, name, team), share.cap))
            if share.reserved:
                self._reserved.setdefault(name, {})[team] = share.reserved
        for limit in self.limits:
            self._add(Room(Bound(Kind.LIMIT, limit.pool, "", limit.project, limit.user), limit.most))
        for (team, _, name), seconds in self.usage.items():
            self._used_by_team[team, name] = self._used_by_team.get((team, name), 0.0) + seconds

    def _add(self, room: Room) -> None:
        known = self._rooms.setdefault(room.bound, room)
        known.size = known.free = min(known.size, room.size)

    # --- what there is ---

    def size(self, pool: str) -> int:
        return max(1, self._pool[pool].size) if pool in self._pool else 1

    def min_run(self, pool: str) -> float:
        """For how many seconds a spot trial runs before it may be asked for its place."""
        return self._pool[pool].min_run if pool in self._pool else MIN_RUN_SECONDS

    def host_of(self, pool: str) -> str:
        """The pool of which a trial in `pool` takes a slot besides; "" if there is none."""
        return self._pool[pool].host if pool in self._pool else ""

    def share(self, team: str, pool: str) -> Share:
        return self.shares.get((team, pool), Share())

    def held(self, *of: str) -> float:
        """The devices of a pool that a team holds, or a person in a team: `of` are pool, team and person."""
        return self._held.get(of, 0)

    def used(self, pool: str, team: str, user: str | None = None) -> float:
        if user is None:
            return self._used_by_team.get((team, pool), 0.0)
        return self.usage.get((team, user, pool), 0.0)

    def kept_back(self, pool: str, team: str, after: float) -> float:
        """What other teams do not lend of a pool to this one, which would hold so much of it `after` the next start.
        Nothing, if that is within what it does not lend itself."""
        reserved = self._reserved.get(pool)
        if not reserved or after <= reserved.get(team, 0):
            return 0
        return sum(max(0, most - self.held(pool, other)) for other, most in reserved.items() if other != team)

    def claims(self, demand: Demand) -> list[tuple[str, float]]:
        """The pools by which the turn of a job is judged, with what a trial takes of each: its own, and the host's if
        its team has a guarantee there as well."""
        host = self.host_of(demand.pool)
        own = [(demand.pool, demand.devices)]
        return [*own, (host, 1)] if host and self.share(demand.team, host).guaranteed else own

    def within(self, demand: Demand) -> bool:
        """Whether one more trial of the job stays within everything that is guaranteed to its team."""
        return all(
            self.held(pool, demand.team) + amount <= self.share(demand.team, pool).guaranteed
            for pool, amount in self.claims(demand)
        )

    def wish(self, demand: Demand) -> Wish | None:
        """For devices, of a job whose trials need some."""
        return self.floor.wishes.get(demand.job) if self.floor is not None else None

    def in_parts(self, demand: Demand) -> bool:
        """Whether a number of devices says too little: others in its pool take parts of them, or the job itself."""
        return demand.pool in self._shared and self.wish(demand) is not None

    # --- who sits where ---

    def seat(self, demand: Demand) -> None:
        """Count what the job's trials hold already, and what it wants."""
        for holding in demand.running:
            self._take(demand, holding)
        wanted = max(0, demand.wanted - demand.live) * demand.devices
        if demand.share != 1.0:
            self._shared |= {demand.pool, *(holding.pool for holding in demand.running)}
        of = (demand.pool, demand.team)
        self._wanted[of] = self._wanted.get(of, 0) + wanted

    def start(self, demand: Demand) -> bool:
        """Give one more trial of the job its devices, if every bound admits it; not for one that can `never` start."""
        rooms = self.rooms_of(demand, demand.pool, demand.devices)
        if any(self._lacks(demand, room, amount) for room, amount in rooms):
            return False
        if self.floor is not None and not self.floor.start(demand, self._barred(demand)):
            return False
        self._take(demand, Holding(demand.pool, demand.devices, demand.typical))
        self.started[demand.job] = self.started.get(demand.job, 0) + 1
        return True

    def _lacks(self, demand: Demand, room: Room, amount: float) -> bool:
        return room.free - self._back(demand, room, amount) < amount or (
            room.kept is not None
            and not self._within_reserved(demand, room, amount)
            and not self._may_pass(demand, self._kept[room.bound])
        )

    def _barred(self, demand: Demand) -> frozenset[str]:
        """The devices that are kept for others, and from this job."""
        if self.floor is None or not self.floor.kept:
            return frozenset()
        room = self._rooms[Bound(Kind.POOL, demand.pool)]
        if self._within_reserved(demand, room, demand.devices):
            return frozenset()
        passable = {other.job: other.job == demand.job or self._may_pass(demand, other) for other in self.floor.owners}
        return frozenset(device for device, other in self.floor.kept.items() if not passable[other.job])

    def _back(self, demand: Demand, room: Room, amount: float) -> float:
        if room.bound.kind is not Kind.POOL:
            return 0
        pool = room.bound.pool
        return self.kept_back(pool, demand.team, self.held(pool, demand.team) + amount)

    def _within_reserved(self, demand: Demand, room: Room, amount: float) -> bool:
        kind, pool, *_ = room.bound
        most = self._reserved.get(pool, {}).get(demand.team, 0)
        return kind is Kind.POOL and self.held(pool, demand.team) + amount <= most

    def _may_pass(self, demand: Demand, other: Demand) -> bool:
        """Whether what is kept for another job is not kept from this one: it has used less lately, unless only one of
        them may claim it as guaranteed to its team, or neither, and their teams' priorities differ."""
        if demand.team != other.team:
            within = self.within(demand)
            if within and not self.within(other):
                return True
            if not within and self.is_short(other):
                return False
        if demand.spot and not other.spot:  # it would only be taken back
            return False
        pool = other.pool
        if demand.team == other.team:
            return self.used(pool, demand.team, demand.user) < self.used(pool, other.team, other.user)
        if demand.priority != other.priority and demand.spot == other.spot and not self.within(demand):
            return demand.priority > other.priority
        weights = [self.share(team, pool).weight for team in (demand.team, other.team)]
        return self.used(pool, demand.team) / weights[0] < self.used(pool, other.team) / weights[1]

    def is_short(self, demand: Demand) -> bool:
        """Whether the job's team holds less than is guaranteed to it, though the next trial may take more than that."""
        return all(
            self.held(pool, demand.team) < self.share(demand.team, pool).guaranteed for pool, _ in self.claims(demand)
        )

    def never(self, demand: Demand) -> Blocked | None:
        """If no trial of the job could start, however little the others run."""
        missing, own = demand.wanted - demand.live, Bound(Kind.POOL, demand.pool)
        for room, amount in self.rooms_of(demand, demand.pool, demand.devices):
            never = self._never_lent(demand, room, amount)
            if room.size - never < amount:
                return Blocked(demand, missing, room, amount, back=never)
        if demand.pool not in self._pool:
            return Blocked(demand, missing, Room(own, 0, gone=True), demand.devices)
        told = self.floor.never(demand, missing) if self.floor is not None else ""
        return Blocked(demand, missing, self._rooms[own], demand.devices, told=told) if told else None

    def block(self, demand: Demand) -> Blocked:
        """The job gets nothing more this time. What is free where it lacks some is kept for it: of a limit that it
        meets first, else of the pool."""
        rooms = list(self.rooms_of(demand, demand.pool, demand.devices))
        missing = demand.wanted - demand.live - self.started.get(demand.job, 0)
        own = Bound(Kind.POOL, demand.pool)
        lacking = [(room, amount) for room, amount in rooms if self._lacks(demand, room, amount)]
        barred = self._barred(demand)
        told = self._without_device(demand, missing, lacking, barred)
        lacking = lacking or [(self._rooms[own], demand.devices)]
        backs = [self._back(demand, room, amount) for room, amount in lacking]
        in_line = tuple(
            [(room, room.queue(amount) + back) for (room, amount), back in zip(lacking, backs, strict=True)]
        )
        first, needs = lacking[0]
        kept = False
        for (room, amount), back in zip(lacking, backs, strict=True):
            same = (room.bound.kind is Kind.POOL) is (first.bound.kind is Kind.POOL)
            if not same or not self._may_come(demand, room, amount):
                continue
            if self.floor is not None and room.bound == own and (told or self.in_parts(demand)):
                self.floor.keep(demand)
            elif room.keep(demand.project, demand.name, amount, back):
                self._kept[room.bound] = demand
                kept = True
        return Blocked(demand, missing, first, needs, in_line, kept, backs[0], told, barred)

    def _without_device(
        self, demand: Demand, missing: int, lacking: Sequence[tuple[Room, float]], barred: frozenset[str]
    ) -> str:
        """Why none of the devices will do, if that is what the job waits for: it lacks nothing else, or of its pool, of
        which others take parts."""
        if self.floor is None:
            return ""
        pool = Bound(Kind.POOL, demand.pool)
        if lacking and not (self.in_parts(demand) and lacking[0][0].bound == pool):
            return ""
        return self.floor.why(demand, missing, barred) if self.floor.lacks(demand, barred) else ""

    def _never_lent(self, demand: Demand, room: Room, amount: float) -> float:
        """What other teams do not lend of a pool if they hold nothing of it, nor the job's own."""
        reserved = self._reserved.get(room.bound.pool, {}) if room.bound.kind is Kind.POOL else {}
        if not reserved or amount <= reserved.get(demand.team, 0):
            return 0
        return sum(reserved.values()) - reserved.get(demand.team, 0)

    def _may_come(self, demand: Demand, room: Room, amount: float) -> bool:
        """Whether so much of a pool can ever come free beside what other teams claim as guaranteed to them."""
        kind, pool, *_ = room.bound
        own = self.share(demand.team, pool).guaranteed
        if kind is not Kind.POOL or self.held(pool, demand.team) + amount <= own:
            return True
        claims = (
            max(share.reserved, min(share.guaranteed, self.held(pool, team) + self._wanted.get((pool, team), 0)))
            for (team, name), share in self.shares.items()
            if name == pool and team != demand.team
        )
        return room.size - sum(claims) >= amount

    def _take(self, demand: Demand, holding: Holding) -> None:
        for room, amount in self.rooms_of(demand, holding.pool, holding.devices):
            room.take(demand.project, demand.name, amount, holding.left)
        for pool, amount in self.amounts(holding.pool, holding.devices):
            for of in ((pool, demand.team), (pool, demand.team, demand.user)):
                self._held[of] = self._held.get(of, 0) + amount

    def amounts(self, pool: str, devices: float) -> list[tuple[str, float]]:
        """What one trial takes of each pool."""
        host = self.host_of(pool)
        return [(pool, devices), (host, 1)] if host else [(pool, devices)]

    def rooms_of(self, demand: Demand, pool: str, devices: float) -> Iterator[tuple[Room, float]]:
        """Every bound on a trial of the job with what it takes of it: limits, caps, pools."""
        amounts = self.amounts(pool, devices)
        for project, user in product((demand.project, None), (demand.user, None)):
            for name, amount in [("", 1), *amounts]:
                if room := self._rooms.get(Bound(Kind.LIMIT, name, "", project, user)):
                    yield room, amount
        for bound in (Bound(Kind.TEAM, "", demand.team), Bound(Kind.POOL, "")):
            for name, amount in amounts:
                if room := self._rooms.get(bound._replace(pool=name)):
                    yield room, amount
