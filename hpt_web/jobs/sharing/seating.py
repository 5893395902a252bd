"""The table at which the plan is made: every bound with what is left below it, what teams and people hold, and by that
whose turn it is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from hpt_web.jobs.sharing.allotting import Floor, Wish
from hpt_web.jobs.sharing.demands import (
    CPU,
    ENTRY_SECONDS,
    MIN_RUN_SECONDS,
    Demand,
    Holding,
    Limit,
    Pool,
    Share,
    Shares,
    Usage,
)
from hpt_web.jobs.sharing.fairness import Rank, Standing, Turn, shared_out, standing
from hpt_web.jobs.sharing.waiting import Bound, Kind, Room


class Blocked(NamedTuple):
    """A job that gets nothing more in this plan."""

    demand: Demand
    missing: int
    room: Room  # the first of those in which there is not enough
    needs: float  # of it
    lacking: tuple[tuple[Room, float], ...] = ()  # each with what is needed of it; empty: too small for ever
    kept: bool = False  # what was free is kept for it
    back: float = 0  # what other teams do not lend, of the first
    told: str = ""  # why, if it is for the devices themselves
    barred: frozenset[str] = frozenset()  # those that are kept for others
    turn: Turn | None = None  # when it got nothing more


@dataclass(slots=True)
class Table:
    """Made for one plan, and changed by it."""

    pools: Sequence[Pool]
    shares: Shares
    limits: Sequence[Limit]
    usage: Usage
    floor: Floor | None = None
    started: dict[int, int] = field(default_factory=dict)
    changes: int = 0  # so often a turn may have moved
    _rooms: dict[Bound, Room] = field(default_factory=dict)
    _above: dict[tuple[str, str, str, str], list[tuple[Room, bool]]] = field(default_factory=dict)  # by pool, team, ...
    _pool: dict[str, Pool] = field(default_factory=dict)
    _held: dict[tuple[str, ...], float] = field(default_factory=dict)
    _lent: dict[tuple[str, ...], float] = field(default_factory=dict)  # of it by spot trials
    _kept: dict[Bound, Demand] = field(default_factory=dict)
    _wanted: dict[tuple[str, str], float] = field(default_factory=dict)  # devices of a pool, by a team
    _used_by_team: dict[tuple[str, str], float] = field(default_factory=dict)
    _reserved: dict[str, dict[str, int]] = field(default_factory=dict)  # by pool and team
    _shared: set[str] = field(default_factory=set)  # the pools of which some trials take parts of devices
    _desired: dict[str, dict[tuple[str, bool], float]] = field(default_factory=dict)  # held or wanted, by team and spot
    _priority: dict[str, int] = field(default_factory=dict)
    _largest: dict[str, dict[str, float]] = field(default_factory=dict)  # trial that waits for a pool, by team
    _parts: dict[str, dict[tuple[str, bool], float]] = field(default_factory=dict)  # as they were last shared out
    _clock: float = 0.0  # since the plan
    _more: dict[tuple[str, ...], float] = field(default_factory=dict)  # used since then, but for what is held so long
    _contented: set[str] = field(default_factory=set)  # the pools of which somebody can take less than was thought

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

    def counted(self, *of: str, spot: bool) -> float:
        """What decides whose turn it is: of a job that is no spot job, what spot trials hold counts for nothing beyond
        the guarantee. They give way to it anyhow; if they counted, its turn would come when they have, go when they
        start again, and they would for ever do so in vain."""
        held = self.held(*of)
        if spot:
            return held
        guaranteed = self.share(of[1], of[0]).guaranteed if len(of) == 2 else 0
        return max(held - self._lent.get(of, 0), min(held, guaranteed))

    def used(self, pool: str, team: str, user: str | None = None) -> float:
        of = (pool, team) if user is None else (pool, team, user)
        before = self._used_by_team.get((team, pool), 0.0) if user is None else self.usage.get((team, user, pool), 0.0)
        return before + self._more.get(of, 0.0) + self._clock * self._held.get(of, 0) if self._clock else before

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

    # --- whose turn it is ---

    def turn(self, demand: Demand) -> Turn:
        """That of a trial of the job, among all that wait."""
        pool, team, spot = demand.pool, demand.team, demand.spot
        pools = [name for name, _ in self.claims(demand)]
        claims = [(name, self.counted(name, team, spot=spot), self.share(team, name)) for name in pools]
        used = self.used(pool, team) / self.share(team, pool).weight / self.size(pool)
        if self.within(demand):
            full = max(held / share.guaranteed for _, held, share in claims)
            return Turn(Rank.GUARANTEED, 0, Standing.INSIDE, full, spot, used, 0, -demand.devices, pool, team)
        level = max((held + 1 - share.guaranteed) / share.weight / self.size(name) for name, held, share in claims)
        if self.is_short(demand):
            return Turn(Rank.REST, -math.inf, Standing.INSIDE, 0, spot, used, level, -demand.devices, pool, team)
        stands = max(self._standing(team, name, held, spot=spot) for name, held, _ in claims)
        rank = Rank.SPOT if spot else Rank.REST
        return Turn(rank, -demand.priority, stands, 0, spot, used, level, -demand.devices, pool, team)

    def _standing(self, team: str, pool: str, held: float, *, spot: bool) -> Standing:
        largest = self._largest.get(pool, {})
        others = max((devices for of, devices in largest.items() if of != team), default=0)
        return standing(held, self.part(team, pool, spot=spot), largest.get(team, 0), others)

    def part(self, team: str, pool: str, *, spot: bool = False) -> float:
        """Of the pool, as far as the team wants so much: what is guaranteed to it, and of the rest by its weight."""
        if pool not in self._parts:
            desired, reserved = self._desired.get(pool, {}), self._reserved.get(pool, {})
            teams = {name: self.share(name, pool) for name in {*(name for name, _ in desired), *reserved}}
            self._parts[pool] = shared_out(self._sharable(pool), desired, teams, self._priority)
        return self._parts[pool].get((team, spot), 0)

    def _sharable(self, pool: str) -> float:
        """What all may hold of it together: its devices, or fewer if the installation has a limit."""
        limits = (self._rooms.get(Bound(Kind.LIMIT, pool)), self._rooms.get(Bound(Kind.LIMIT, "")))
        own, trials = (math.inf if room is None else room.size for room in limits)
        return min(self.size(pool), own, trials * max(1, *self._largest.get(pool, {}).values(), 1))

    def share_anew(self, pool: str) -> bool:
        """Whether there is something left of a pool that some cannot take after all: it becomes the others' part."""
        contented = [name for name, _ in self.amounts(pool, 1) if name in self._contented]
        if not contented or self._rooms[Bound(Kind.POOL, pool)].free <= 0:
            return False
        for name in contented:
            self._contented.discard(name)
            self._parts.pop(name, None)
        self.changes += 1
        return True

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
        self._priority[demand.team] = demand.priority
        for holding in demand.running:
            self.desire(demand, 1, holding)
        if wanted:
            self.desire(demand, demand.wanted - demand.live)
            largest = self._largest.setdefault(demand.pool, {})
            largest[demand.team] = max(demand.devices, largest.get(demand.team, 0))

    def desire(self, demand: Demand, trials: int, holding: Holding | None = None) -> None:
        """So many trials more count as held or wanted, or fewer; the parts do not move before they are shared anew."""
        pool, devices = (demand.pool, demand.devices) if holding is None else (holding.pool, holding.devices)
        for name, amount in self.amounts(pool, devices):
            desired, of = self._desired.setdefault(name, {}), (demand.team, demand.spot)
            desired[of] = desired.get(of, 0) + trials * amount
            self._contented.add(name)

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

    def block(self, demand: Demand, turn: Turn) -> Blocked:
        """The job gets nothing more this time. What is free where it lacks some is kept for it: of a limit that it
        meets first, else of the pool."""
        rooms = list(self.rooms_of(demand, demand.pool, demand.devices))
        missing = demand.wanted - demand.live - self.started.get(demand.job, 0)
        self.desire(demand, -missing)
        own = Bound(Kind.POOL, demand.pool)
        lacking = [(room, amount) for room, amount in rooms if self._lacks(demand, room, amount)]
        barred = self._barred(demand)
        told = self._without_device(demand, missing, lacking, barred)
        lacking = lacking or [(self._rooms[own], demand.devices)]
        backs = [self._back(demand, room, amount) for room, amount in lacking]
        first, needs = lacking[0]
        kept = self._keep(demand, lacking, on_floor=bool(told))
        return Blocked(demand, missing, first, needs, tuple(lacking), kept, backs[0], told, barred, turn)

    def _keep(self, demand: Demand, lacking: Sequence[tuple[Room, float]], *, on_floor: bool) -> bool:
        own, kept = Bound(Kind.POOL, demand.pool), False
        for room, amount in lacking:
            same = (room.bound.kind is Kind.POOL) is (lacking[0][0].bound.kind is Kind.POOL)
            if not same or not self._may_come(demand, room, amount):
                continue
            if self.floor is not None and room.bound == own and (on_floor or self.in_parts(demand)):
                self.floor.keep(demand)
            elif room.keep(demand.project, demand.name, amount, self._back(demand, room, amount)):
                self._kept[room.bound] = demand
                kept = True
        return kept

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

    # --- what comes next (`foretelling`) ---

    def pass_time(self, seconds: float) -> None:
        self._clock += seconds

    def end(self, demand: Demand, holding: Holding) -> None:
        """A trial gives back what it holds."""
        if self.floor is not None:
            self.floor.end(demand, holding.attempt)
        self._take(demand, holding, -1)

    def keep_nothing(self) -> None:
        """What is kept for whom is decided anew, and the parts are."""
        for bound in self._kept:
            self._rooms[bound].kept = None
        self._kept.clear()
        if self.floor is not None:
            self.floor.kept.clear()
        for pool in self._contented:
            self._parts.pop(pool, None)
        self._contented.clear()

    def is_open(self, pool: str) -> bool:
        """Whether anything of it is free, and of its host."""
        host = self.host_of(pool)
        return self._rooms[Bound(Kind.POOL, pool)].free > 0 and (
            not host or self._rooms[Bound(Kind.POOL, host)].free > 0
        )

    def wait(self, demand: Demand) -> Bound | None:
        """The job cannot start: what is free is kept for it, or the limit is named that it waits for."""
        rooms = self.rooms_of(demand, demand.pool, demand.devices)
        lacking = [(room, amount) for room, amount in rooms if self._lacks(demand, room, amount)]
        if lacking and lacking[0][0].bound.kind is not Kind.POOL and lacking[0][0].free < lacking[0][1]:
            return lacking[0][0].bound
        own = self._rooms[Bound(Kind.POOL, demand.pool)], demand.devices
        self._keep(demand, lacking or [own], on_floor=not lacking)
        return None

    def _take(self, demand: Demand, holding: Holding, sign: int = 1) -> None:
        """A trial takes what it holds, or with the sign -1 gives it back."""
        self.changes += 1
        for room, amount in self.rooms_of(demand, holding.pool, holding.devices):
            room.take(demand.project, demand.name, sign * amount)
        for pool, amount in self.amounts(holding.pool, holding.devices):
            for of in ((pool, demand.team), (pool, demand.team, demand.user)):
                self._held[of] = self._held.get(of, 0) + sign * amount
                if demand.spot:
                    self._lent[of] = self._lent.get(of, 0) + sign * amount
                if self._clock:
                    entry = ENTRY_SECONDS if sign > 0 else 0
                    self._more[of] = self._more.get(of, 0.0) + amount * (entry - sign * self._clock)

    def amounts(self, pool: str, devices: float) -> list[tuple[str, float]]:
        """What one trial takes of each pool."""
        host = self.host_of(pool)
        return [(pool, devices), (host, 1)] if host else [(pool, devices)]

    def rooms_of(self, demand: Demand, pool: str, devices: float) -> list[tuple[Room, float]]:
        """Every bound on a trial of the job with what it takes of it: limits, caps, pools."""
        of = pool, demand.team, demand.project, demand.user
        if (found := self._above.get(of)) is None:
            found = self._above[of] = list(self._bounds(*of))
        return [(room, devices if own else 1) for room, own in found]

    def _bounds(self, pool: str, team: str, project: str, user: str) -> Iterator[tuple[Room, bool]]:
        """Each with whether devices of the pool count there, not trials."""
        names = [name for name, _ in self.amounts(pool, 1)]
        for of, who in product((project, None), (user, None)):
            for name in ("", *names):
                if room := self._rooms.get(Bound(Kind.LIMIT, name, "", of, who)):
                    yield room, name == pool
        for bound in (Bound(Kind.TEAM, "", team), Bound(Kind.POOL, "")):
            for name in names:
                if room := self._rooms.get(bound._replace(pool=name)):
                    yield room, name == pool
