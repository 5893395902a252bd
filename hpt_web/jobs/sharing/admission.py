"""Who may start how many trials now: a pure function of what runs, what is wanted and what is allowed.

Free devices are given one trial at a time to whoever comes first in this order, until nobody can use any more:

1. teams that stay within what is guaranteed to them, the emptiest guarantee first; then the teams of higher priority;
   of one priority those that hold less than the whole devices of their part (`fairness`: what is left by weight), then
   those that hold less than their part, then the others; beyond the guarantees spot trials come after all others;
2. in a team the person who holds least there; 3. of a person the job that holds least.

Of equals, whoever has used least lately comes first: device-seconds that halve with every half-life, a team's over its
weight, so that it is by weight that the devices between two parts are shared; then the older job. So idle devices are
lent to whoever wants them, and come back as trials end. Nothing running is taken away but spot trials, which are there
for it (`preempting`). A limit that was lowered below what runs starts nothing more, and stops nothing. Who has used up
its GPU-hours starts no trial with GPUs until the next period.

What a trial takes is counted in the devices of its pool: whole ones, or of GPUs that it shares the part of the memory
that it declares; those of a pool of GPUs take a slot of the host's CPUs besides. Where its team has guarantees on both,
the turn is judged by that of the two of which it holds more (its dominant resource): a team that fills its slots with
trials on CPUs does not come first for GPUs as well. Without one on the slots, the guarantee of the GPUs alone counts.

What a team does not lend of its guarantee is there for it at any moment: nobody else starts if less would be left.

A trial gets all of its devices or none. If it is the turn of one that needs more than is free, what is free is kept for
it, else smaller trials would pass it for ever: this is the only way in which anything stays idle that is wanted. Where
GPUs are shared, those are kept that come free for it first, and no others (`allotting`). It is not kept from those who
have used less lately, so that large and small trials take turns and neither waits for nothing; nor if others may claim
so much as guaranteed to them that it would never be enough. Between teams claims come before that: who is within a
guarantee passes who is not, and nobody beyond one passes a team that is short of its own.

The cost is O((n + starts) log n) for n jobs, and for each trial that is pre-empted the number of running spot trials.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import replace

from hpt_web.jobs.sharing import waiting
from hpt_web.jobs.sharing.allotting import Floor
from hpt_web.jobs.sharing.demands import (
    CPU,
    ENTRY_SECONDS,
    Demand,
    Grant,
    Holding,
    Limit,
    Pool,
    Preemption,
    Share,
    Shares,
    Spent,
    Usage,
)
from hpt_web.jobs.sharing.fairness import Rank, Standing, Turn
from hpt_web.jobs.sharing.foretelling import foretell
from hpt_web.jobs.sharing.preempting import preemptions
from hpt_web.jobs.sharing.seating import Blocked, Table

__all__ = [
    "CPU",
    "ENTRY_SECONDS",
    "Demand",
    "Grant",
    "Holding",
    "Limit",
    "Pool",
    "Preemption",
    "Share",
    "Spent",
    "plan",
]


def plan(
    pools: Sequence[Pool],
    demands: Sequence[Demand],
    *,
    shares: Shares | None = None,
    limits: Sequence[Limit] = (),
    usage: Usage | None = None,
    spent: Sequence[Spent] = (),
    floor: Floor | None = None,
) -> dict[int, Grant]:
    """The grant of each job, by its id. Of jobs that need GPUs, only those start that get theirs on the `floor`.

    The grants hold together: if every job starts what it is granted, no limit is exceeded that is not exceeded already.
    """
    table = Table(pools, shares or {}, limits, usage or {}, floor)
    grants = {demand.job: Grant(0, running=demand.live) for demand in demands}
    able = []
    for demand in demands:
        out = _spent_of(demand, spent, table)
        able.append(demand if out is None else replace(demand, wanted=min(demand.wanted, demand.live), pending=0))
        if out is not None and demand.wanted > demand.live:
            missing = demand.wanted - demand.live
            reason = waiting.spent(missing, out.project, out.user, out.used, out.limit, out.period, out.ends)
            grants[demand.job] = replace(grants[demand.job], reason=reason, missing=missing, starts_in=out.ends_in)
    hopeless = [never for one in able if one.wanted > one.live and (never := table.never(one))]
    out_of_line = {found.demand.job for found in hopeless}  # what can never start wants nothing that others could have
    if out_of_line:
        able = [replace(one, wanted=one.live, pending=0) if one.job in out_of_line else one for one in able]
    for demand in able:
        table.seat(demand)
    blocked = _serve(_lines(able, table), table)
    _explain(grants, [*hopeless, *blocked], table)
    gives_way = preemptions(able, blocked, table)
    for job, found in gives_way.items():
        reason = f"{grants[job].reason} {waiting.giving_way(len(found))}"
        grants[job] = replace(grants[job], reason=reason, preempts=tuple(found))
    attempts = {one.attempt for found in gives_way.values() for one in found}
    for job, (place, line, seconds) in foretell(able, blocked, attempts, table).items():
        grants[job] = replace(grants[job], place=place, waiting=line, starts_in=seconds)
    return grants


def _spent_of(demand: Demand, spent: Sequence[Spent], table: Table) -> Spent | None:
    """The GPU-hours that are used up and keep the job from starting; of several those that come back last."""
    if not table.host_of(demand.pool):
        return None
    of_it = [one for one in spent if one.project in (None, demand.project) and one.user in (None, demand.user)]
    return max(of_it, key=lambda one: one.ends_in, default=None)


def _lines(demands: Sequence[Demand], table: Table) -> list[_Line]:
    lines: dict[tuple[str, str, bool], _Line] = {}
    for demand in demands:
        if demand.wanted > demand.live:
            key = demand.pool, demand.team, demand.spot
            lines.setdefault(key, _Line(*key, table)).join(demand)
    for line in lines.values():
        line.sort()
    return list(lines.values())


def _serve(lines: list[_Line], table: Table) -> list[Blocked]:
    """Give out what is free, one trial at a time; who gets less than it wants, in the order of their turns."""
    heap = [(line.key(), at, table.changes) for at, line in enumerate(lines)]
    heapq.heapify(heap)
    blocked = []
    while heap:
        turn, at, as_of = heapq.heappop(heap)
        line = lines[at]
        if as_of != table.changes and (now := line.key()) > turn:  # it has got something since
            heapq.heappush(heap, (now, at, table.changes))
            continue
        demand = line.first()
        if turn.standing is Standing.BEYOND and table.share_anew(demand.pool):
            heap = [(line.key(), at, table.changes) for at, line in enumerate(lines) if line]
            heapq.heapify(heap)
            continue
        if table.start(demand):
            line.took(demand)
        else:
            blocked.append(table.block(demand, turn))
            line.leave()
        if line:
            heapq.heappush(heap, (line.key(), at, table.changes))
    return blocked


def _explain(grants: dict[int, Grant], blocked: Sequence[Blocked], table: Table) -> None:
    """Write into the grants what starts, and why nothing more does."""
    for turn, (job, started) in enumerate(table.started.items()):
        given = table.floor.given.get(job, ()) if table.floor is not None else ()
        grants[job] = replace(grants[job], start=started, turn=turn, devices=tuple(given))
    in_line: dict[str, list[Blocked]] = {}
    for found in blocked:
        if found.lacking:
            in_line.setdefault(found.demand.pool, []).append(found)
        else:
            reason = found.told or waiting.never(found.room, found.missing, found.needs, found.back)
            grants[found.demand.job] = replace(grants[found.demand.job], reason=reason, missing=found.missing)
    for members in in_line.values():
        first = -math.inf  # the highest priority of the teams that stand before it, beyond their guarantees
        before: Turn | None = None  # the last one of another team
        last: Turn | None = None
        for found in members:
            demand = found.demand
            if last is not None and found.turn is not None and last.team != found.turn.team:
                before = last
            last = found.turn
            outranks = first if first > demand.priority and _beyond(demand, table) else None
            if _beyond(demand, table):
                first = max(first, demand.priority)
            grants[demand.job] = replace(
                grants[demand.job],
                reason=(
                    found.told
                    or waiting.why(
                        demand.project, found.room, found.missing, demand.devices, kept=found.kept, back=found.back
                    )
                )
                + ("" if outranks is None else f" {waiting.outranked(outranks, demand.priority)}")
                + (_behind(found.turn, before, table) if found.turn is not None and before is not None else ""),
                missing=found.missing,
            )


def _behind(own: Turn, first: Turn, table: Table) -> str:
    """Why a team's turn comes after another's of one rank and priority, with the numbers that decide; empty if that is
    told already."""
    if own.team == first.team or own[:2] != first[:2] or own.rank is Rank.GUARANTEED or math.isinf(own.priority):
        return ""
    pool, spot = own.pool, own.rank is Rank.SPOT
    if own.standing > first.standing:
        part, held = table.part(own.team, pool, spot=spot), table.counted(pool, own.team, spot=spot)
        return f" {waiting.beyond_part(part, held, table.size(pool))}"
    if own.used <= first.used:
        return ""
    of_own, of_first = (
        (table.used(turn.pool, turn.team), table.share(turn.team, turn.pool).weight) for turn in (own, first)
    )
    return f" {waiting.used_more(of_own, of_first)}"


def _beyond(demand: Demand, table: Table) -> bool:
    """Whether the team's priority decides: it has no claim to the next trial of the job, nor to a part of it."""
    return not table.within(demand) and not table.is_short(demand)


class _Line:
    """The jobs of one team that wait for one pool, all of them spot jobs or none, by their turns. Of equals the largest
    trial comes first."""

    def __init__(self, pool: str, team: str, spot: bool, table: Table) -> None:
        self._pool, self._team, self._spot, self._table = pool, team, spot, table
        self._people: list[tuple[float, float, float, str]] = []  # a heap: held, used, devices, name
        self._jobs: dict[str, list[tuple[float, float, int, Demand]]] = {}  # of each person, a heap: held, devices, id

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

    def key(self) -> Turn:
        """The line's turn: the lower, the earlier. It only grows while the line holds more."""
        return self._table.turn(self.first())

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

    def _person(self, user: str) -> tuple[float, float, float, str]:
        held = self._table.counted(self._pool, self._team, user, spot=self._spot)
        return held, self._table.used(self._pool, self._team, user), self._jobs[user][0][1], user
