"""Which spot trials give their places to others: never more than are needed, and always the same ones.

A place is asked back for a trial that waits within what is guaranteed to its team, and for one of a job that is no spot
job. Only those give way that their team holds beyond its guarantee; and those of the waiting job's own team, if that
job is no spot job, within the guarantee and the first of its team to wait there: whoever gives way must not come first
again at once. Nobody gives way who has run for less than its pool's `min_run`, as a start is dear.

The youngest trial goes first, of the job that holds most, of the person who holds most, of the team that is furthest
above its guarantee by its weight, of those of the lowest priority. What was asked to stop already counts as free: it is
on its way.

Where GPUs are shared, those give way that are on one of them and together make the room that is wanted there: on that
one where they are the fewest. Parts of different GPUs make no whole one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hpt_web.jobs.sharing import waiting
from hpt_web.jobs.sharing.allotting import lacking
from hpt_web.jobs.sharing.demands import CPU, Demand, Holding, Preemption
from hpt_web.jobs.sharing.seating import Blocked, Table
from hpt_web.jobs.sharing.waiting import Bound, Kind, Room
from tuning.backends import gpus
from tuning.backends.gpus import Device, Request

_Order = tuple[bool, int, float, float, float, int]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A running spot trial with what it would give back of each bound."""

    demand: Demand
    holding: Holding
    releases: Mapping[Bound, float]


@dataclass(slots=True)
class _Books:
    """What is on its way back, and what has been taken from whom, while one waiting trial after the other is served."""

    coming: dict[Bound, float] = field(default_factory=lambda: defaultdict(float))
    taken: dict[tuple[object, ...], float] = field(default_factory=lambda: defaultdict(float))
    behind: set[tuple[str, str]] = field(default_factory=set)  # teams and pools in which an earlier turn is not served
    gone: set[int] = field(default_factory=set)  # the attempts that give way
    seated: list[gpus.Grant] = field(default_factory=list)  # devices of waiting trials for which they do

    def copy(self) -> _Books:
        coming, taken = defaultdict(float, self.coming), defaultdict(float, self.taken)
        return _Books(coming, taken, {*self.behind}, {*self.gone}, [*self.seated])

    def held(self, table: Table) -> list[gpus.Grant]:
        """What will be held of devices when all those have ended that were asked to."""
        taken = table.floor.taken if table.floor is not None else ()
        return [one.grant for one in taken if not one.ending and one.attempt not in self.gone] + self.seated

    def give(self, found: _Candidate, sign: int = 1) -> None:
        """The trial gives back what it holds; with the sign -1 it keeps it after all."""
        who, holding = found.demand, found.holding
        for bound, amount in found.releases.items():
            self.coming[bound] += sign * amount
            if bound.kind is Kind.POOL:
                self.taken[bound.pool, who.team] += sign * amount
        (self.gone.add if sign > 0 else self.gone.discard)(holding.attempt)
        self.taken[holding.pool, who.team, who.user] += sign * holding.devices
        self.taken[who.job,] += sign * holding.devices


def preemptions(demands: Sequence[Demand], blocked: Sequence[Blocked], table: Table) -> dict[int, list[Preemption]]:
    """For each waiting job's id the trials that give their places to it; `blocked` are in the order of their turns."""
    candidates = _candidates(demands, table)
    if not candidates:
        return {}
    books = _Books()
    for demand in demands:
        for holding in demand.running:
            if holding.ending:
                for room, amount in table.rooms_of(demand, holding.pool, holding.devices):
                    books.coming[room.bound] += amount
    found: dict[int, list[Preemption]] = {}
    for waits in blocked:
        if waits.lacking and _kept_out(waits):
            books.behind.add((waits.demand.team, waits.demand.pool))
        elif waits.lacking:
            victims, books = _serve(waits, candidates, books, table)
            if victims:
                found[waits.demand.job] = victims
    return found


def _kept_out(waits: Blocked) -> bool:
    """Whether something that it lacks is kept for another job: what came free would not be given to it."""
    own = waits.demand.project, waits.demand.name
    return any(room.kept is not None and room.kept[:2] != own for room, _ in waits.lacking)


def _candidates(demands: Sequence[Demand], table: Table) -> list[_Candidate]:
    return [
        _Candidate(
            demand, holding, {room.bound: n for room, n in table.rooms_of(demand, holding.pool, holding.devices)}
        )
        for demand in demands
        if demand.spot
        for holding in demand.running
        if not holding.ending and holding.ran >= table.min_run(holding.pool)
    ]


def _serve(
    waits: Blocked, candidates: list[_Candidate], books: _Books, table: Table
) -> tuple[list[Preemption], _Books]:
    """The trials that give way to one waiting job, for as many of its own as that is possible."""
    demand, found = waits.demand, list[Preemption]()
    held = table.held(demand.pool, demand.team)
    rooms = list(table.rooms_of(demand, demand.pool, demand.devices))
    for turn in range(waits.missing):
        within = held + (turn + 1) * demand.devices <= table.share(demand.team, demand.pool).guaranteed
        if demand.spot and not (within and table.within(demand)):
            break
        after = books.copy()
        short = {
            room.bound: amount + _kept_back(demand, room, amount, turn, table) - room.free - books.coming[room.bound]
            for room, amount in rooms
        }
        victims = _victims(waits, {bound: n for bound, n in short.items() if n > 0}, candidates, after, table)
        if victims is None:
            books.behind.add((demand.team, demand.pool))
            break
        found += [_told(waits, victim, rooms, table, books, within=within) for victim in victims]
        for victim in victims:
            candidates.remove(victim)
        for room, amount in rooms:
            after.coming[room.bound] -= amount
        books = after
    return found, books


def _kept_back(demand: Demand, room: Room, amount: float, turn: int, table: Table) -> float:
    """What other teams do not lend to the trial that comes after `turn` others of its job."""
    kind, pool, *_ = room.bound
    if kind is not Kind.POOL:
        return 0
    return table.kept_back(pool, demand.team, table.held(pool, demand.team) + (turn + 1) * amount)


def _victims(
    waiting_one: Blocked, short: dict[Bound, float], candidates: list[_Candidate], books: _Books, table: Table
) -> list[_Candidate] | None:
    """Those that give back all that is `short`, and the devices that are wanted, entered in the `books`; None if that
    cannot be had."""
    waits = waiting_one.demand
    sharers = _sharers(waiting_one, short, candidates, books, table)
    if sharers is None:
        return None
    chosen = [*sharers]
    given = {one.holding.attempt: _lent(one, waits, books, table) for one in chosen}
    for one in chosen:
        _give_back(given[one.holding.attempt], short)
    while any(amount > 0 for amount in short.values()):
        helping = [one for one in candidates if one not in chosen and _gives_way(one, waits, short, books, table)]
        if not helping:
            return None
        chosen.append(max(helping, key=lambda one: _order(one, waits, books, table)))
        books.give(chosen[-1])
        given[chosen[-1].holding.attempt] = _lent(chosen[-1], waits, books, table)
        _give_back(given[chosen[-1].holding.attempt], short)
    for one in chosen[len(sharers) :]:  # a later one may have made it unnecessary
        lent = given[one.holding.attempt]
        if all(short[bound] + amount <= 0 for bound, amount in lent.items() if bound in short):
            chosen.remove(one)
            books.give(one, -1)
            _give_back(lent, short, -1)
    return chosen


def _lent(one: _Candidate, waits: Demand, books: _Books, table: Table) -> dict[Bound, float]:
    """What the waiting trial can have of what one gives back that is in the `books`: not what is guaranteed to its
    team, which comes first for that again, unless it is the waiting one's team as well."""
    team = one.demand.team

    def own(bound: Bound) -> bool:
        guaranteed = bound.kind is Kind.POOL and table.share(team, bound.pool).guaranteed > 0
        return guaranteed and team != waits.team and _beyond(team, bound.pool, books, table) < 0

    return {bound: amount for bound, amount in one.releases.items() if not own(bound)}


def _give_back(released: Mapping[Bound, float], short: dict[Bound, float], sign: int = 1) -> None:
    for bound in short.keys() & released.keys():
        short[bound] -= sign * released[bound]


# --- on one device ----------------------------------------------------------------------------------------------------


def _sharers(
    waits: Blocked, short: Mapping[Bound, float], candidates: list[_Candidate], books: _Books, table: Table
) -> list[_Candidate] | None:
    """Those that give way on the devices that the waiting trial is to have, entered in the `books` with it: none where
    devices are not shared, and None if too few can be had."""
    wish = table.wish(waits.demand)
    if wish is None or not table.in_parts(waits.demand):
        return []
    left, found, given = list(wish.without(waits.barred).devices), list[_Candidate](), list[str]()
    while len(given) < wish.request.count:
        cleared = [
            (device, victims)
            for device in left
            if (victims := _clearing(device, wish.request, waits.demand, short, candidates, books, table)) is not None
        ]
        if not cleared:
            return None
        orders = [tuple(_order(one, waits.demand, books, table) for one in victims[:1]) for _, victims in cleared]
        best = max(range(len(cleared)), key=lambda at: (-len(cleared[at][1]), orders[at]))
        device, victims = cleared[best]
        for one in victims:
            books.give(one)
        found += victims
        given.append(device.id)
        left.remove(device)
    books.seated.append(gpus.Grant(tuple(given), wish.request.memory_bytes))
    return found


def _clearing(
    device: Device, request: Request, waits: Demand, short: Mapping[Bound, float], candidates: list[_Candidate],
    books: _Books, table: Table,
) -> list[_Candidate] | None:  # fmt: skip
    """Those that make the room on one device; None if that cannot be had."""
    after, chosen = books.copy(), list[_Candidate]()
    pool = Bound(Kind.POOL, waits.pool)
    while not (room := _has_room(device, request, after, table)):
        here = {one.attempt for one in table.floor.taken if device.id in one.grant.devices} if table.floor else set()
        missing = {**short, pool: max(short.get(pool, 0), lacking(device, after.held(table), request))}
        helping = [
            one
            for one in candidates
            if one.holding.attempt in here - after.gone and _gives_way(one, waits, missing, after, table)
        ]
        if not helping:
            break
        chosen.append(max(helping, key=lambda one: _order(one, waits, after, table)))
        after.give(chosen[-1])
    for one in chosen[:-1] if room else ():  # a later one may have made it unnecessary
        after.give(one, -1)
        if _has_room(device, request, after, table):
            chosen.remove(one)
        else:
            after.give(one)
    return chosen if room else None


def _has_room(device: Device, request: Request, books: _Books, table: Table) -> bool:
    return gpus.allocate([device], books.held(table), Request(1, request.memory_bytes)) is not None


# --- who may be asked -------------------------------------------------------------------------------------------------


def _gives_way(one: _Candidate, waits: Demand, short: Mapping[Bound, float], books: _Books, table: Table) -> bool:
    """Whether it helps, and does not come before the waiting one again as soon as it has given way."""
    team = one.demand.team
    helps = [bound for bound in one.releases if short.get(bound, 0) > 0]
    if not helps or one.demand.job == waits.job or not (table.in_parts(waits) or _fits(one, waits)):
        return False
    if team == waits.team and one.demand.pool == waits.pool and _would_be_within(waits, short, books, table):
        return not waits.spot and (team, waits.pool) not in books.behind  # of equals in a team they are the last
    lent = any(_beyond(team, pool, books, table) >= amount for pool, amount in table.claims(one.demand))
    own = [bound for bound in helps if bound.kind is Kind.POOL and table.share(team, bound.pool).guaranteed]
    return lent and all(_beyond(team, bound.pool, books, table) >= one.releases[bound] for bound in own)


def _would_be_within(waits: Demand, short: Mapping[Bound, float], books: _Books, table: Table) -> bool:
    """Whether the waiting trial would stay within its team's guarantee, once what is short has been given back."""
    return all(
        _beyond(waits.team, pool, books, table) - max(0, short.get(Bound(Kind.POOL, pool), 0)) + amount <= 0
        for pool, amount in table.claims(waits)
    )


def _fits(one: _Candidate, waits: Demand) -> bool:
    """Parts of different devices make no whole one: a trial that shares its GPUs gives way to one that fits there."""
    if one.holding.pool != waits.pool or waits.pool == CPU or one.demand.share == 1.0:
        return True
    return one.demand.share >= waits.share and one.holding.devices / one.demand.share >= waits.devices / waits.share


def _beyond(team: str, pool: str, books: _Books, table: Table) -> float:
    """What a team holds of a pool beyond its guarantee."""
    return table.held(pool, team) - books.taken[pool, team] - table.share(team, pool).guaranteed


def _order(one: _Candidate, waits: Demand, books: _Books, table: Table) -> _Order:
    who, pool = one.demand, one.holding.pool
    level = _beyond(who.team, pool, books, table) / table.share(who.team, pool).weight / table.size(pool)
    person = table.held(pool, who.team, who.user) - books.taken[pool, who.team, who.user]
    job = sum(holding.devices for holding in who.running if not holding.ending) - books.taken[who.job,]
    return pool == waits.pool, -who.priority, level, person, job, one.holding.attempt


def _told(
    waits: Blocked, one: _Candidate, rooms: Sequence[tuple[Room, float]], table: Table, books: _Books, *, within: bool
) -> Preemption:
    """Why, for those who see the trial's project: of others they learn numbers alone."""
    demand, who, pool = waits.demand, one.demand, waits.demand.pool
    free = next((room.free for room, _ in rooms if room.bound == Bound(Kind.POOL, pool)), 0.0)
    apart = f", but not enough on {waiting.count(round(demand.devices / demand.share), 'GPU')}"
    name = demand.name if demand.project == who.project else "a job of another project"
    claim = "is within what is guaranteed to its team" if within else "is no spot job"
    held, guaranteed = table.held(one.holding.pool, who.team), table.share(who.team, one.holding.pool).guaranteed
    whose = f"team {who.team}" if who.team else "the projects without a team"
    reason = (
        f"Pre-empted: a trial of {name} waits for {waiting.number(demand.devices)} of pool {pool}, where "
        f"{waiting.number(max(0.0, free))} of {table.size(pool)} are free"
        f"{apart if waits.told and free >= demand.devices else ''}, and {claim}; {whose} held "
        f"{waiting.number(held)} of pool {one.holding.pool}, {guaranteed} of them guaranteed."
    )
    numbers = {
        "needed": demand.devices, "free": max(0.0, free), "size": table.size(pool), "held": held,
        "guaranteed": guaranteed,
    }  # fmt: skip
    return Preemption(one.holding.attempt, who.job, reason, numbers)
