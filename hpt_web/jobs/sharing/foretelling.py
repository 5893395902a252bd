"""In which order, and when, the trials of waiting jobs will start, by what is known now: a pure function.

What runs ends when it is expected to, and whatever comes free is given out by the plan's own rules, by what is held and
used at that moment: what is guaranteed to a team goes back to it, jobs go on with the trials that they have yet to
start, limits and caps open as their holders end. It is no promise: trials take longer or shorter, jobs come and go.

It looks ahead for so many trials that end, and no further: what comes after that goes on at the same pace, but nobody
starts before those who come first whatever they have used: teams of higher priority, and of spot jobs all others. So
the cost does not grow with the jobs that wait.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from statistics import fmean
from typing import NamedTuple

from hpt_web.jobs.sharing.demands import Demand, Holding
from hpt_web.jobs.sharing.fairness import Rank
from hpt_web.jobs.sharing.seating import Blocked, Table
from hpt_web.jobs.sharing.waiting import Bound, Kind

MOST_ENDS = 32  # so far it looks ahead
MOST_TRIES = 8  # so many jobs for which there is no room are asked at each end


class Start(NamedTuple):
    """Of the next trial of a job: its place in line, and the seconds until then if that can be told."""

    place: int
    waiting: int
    seconds: float | None


@dataclass(slots=True)
class _Job:
    demand: Demand
    live: int
    pending: int  # trials that it has yet to start

    @property
    def wants(self) -> int:
        return min(self.demand.wanted - self.live, self.pending)


_Line = tuple[str, str, bool]  # pool, team, whether of spot jobs
_Class = tuple[bool, int]  # whether of spot jobs, the priority negated: the lower, the earlier beyond the guarantees
_Waits = tuple[_Class, int, _Job]


@dataclass(slots=True)
class _Course:
    table: Table
    jobs: dict[int, _Job]
    lengths: Mapping[str, float]  # of trials of each pool, of which nothing else is known
    now: float = 0.0
    ends: list[tuple[float, int, _Job, Holding]] = field(default_factory=list)
    order: count[int] = field(default_factory=count)
    lines: dict[_Line, dict[str, dict[int, _Job]]] = field(default_factory=dict)  # jobs that want more, by person
    shut: dict[Bound, list[_Waits]] = field(default_factory=lambda: defaultdict(list))  # by the limit, each a heap
    starts: dict[int, float] = field(default_factory=dict)  # the first of each job
    pace: dict[Bound, tuple[int, float]] = field(default_factory=dict)  # jobs served below it, and until when

    # --- who wants more ---

    def join(self, job: _Job) -> None:
        demand = job.demand
        line = self.lines.setdefault((demand.pool, demand.team, demand.spot), {})
        line.setdefault(demand.user, {})[demand.job] = job

    def leave(self, job: _Job) -> None:
        demand = job.demand
        of = demand.pool, demand.team, demand.spot
        if demand.job in self.lines.get(of, {}).get(demand.user, {}):
            del self.lines[of][demand.user][demand.job]
            if not self.lines[of][demand.user]:
                del self.lines[of][demand.user]
            if not self.lines[of]:
                del self.lines[of]

    def first(self, of: _Line, aside: Collection[int]) -> _Job | None:
        """The job of a line whose turn is next, as the plan has it, but for those `aside`."""
        pool, team, spot = of
        best, found = None, None
        for user, jobs in self.lines[of].items():
            own = [job for job in jobs.values() if job.demand.job not in aside] if aside else list(jobs.values())
            if not own:
                continue
            person = self.table.counted(pool, team, user, spot=spot), self.table.used(pool, team, user)
            if best is not None and person > best[:2]:
                continue
            job = min(own, key=lambda one: (one.live * one.demand.devices, -one.demand.devices, one.demand.job))
            rank = *person, -job.demand.devices, user
            if best is None or rank < best:
                best, found = rank, job
        return found

    def shut_out(self, job: _Job, bound: Bound) -> None:
        """It waits for a limit to open, behind those of its class that do."""
        heapq.heappush(self.shut[bound], (_class_of(job.demand), next(self.order), job))

    # --- as time goes by ---

    def runs(self, job: _Job, holding: Holding) -> None:
        left = holding.left
        if left is None and (length := self.lengths.get(holding.pool)) is not None:
            left = max(length - holding.ran, length / 10)
        if left is not None:
            heapq.heappush(self.ends, (self.now + left, next(self.order), job, holding))

    def next_end(self) -> None:
        """One trial ends, and what it gives back is given out."""
        at, _, job, holding = heapq.heappop(self.ends)
        self.table.pass_time(at - self.now)
        self.now = at
        self.table.end(job.demand, holding)
        job.live -= 1
        if job.wants > 0:
            self.join(job)
        elif job.demand.wanted > job.live:
            self.table.desire(job.demand, -1)
        for room, _ in self.table.rooms_of(job.demand, holding.pool, holding.devices):
            if room.bound in self.shut and room.free > 0:
                waits = self.shut[room.bound]
                *_, one = heapq.heappop(waits)
                if not waits:
                    del self.shut[room.bound]
                self.table.desire(one.demand, one.wants)
                self.join(one)
        self.give_out()

    def give_out(self) -> None:
        self.table.keep_nothing()
        aside: set[int] = set()
        while len(aside) < MOST_TRIES and (job := self._next(aside)) is not None:
            if self.table.start(job.demand):
                self._started(job)
                continue
            aside.add(job.demand.job)
            if (shut := self.table.wait(job.demand)) is not None:
                self.leave(job)
                self.table.desire(job.demand, -job.wants)
                self.shut_out(job, shut)

    def _next(self, aside: Collection[int]) -> _Job | None:
        pools = {pool for pool in {of[0] for of in self.lines} if self.table.is_open(pool)}
        firsts = [job for of in self.lines if of[0] in pools and (job := self.first(of, aside)) is not None]
        if len(firsts) < 2:
            return firsts[0] if firsts else None
        return min(firsts, key=lambda job: self.table.turn(job.demand))

    def _started(self, job: _Job) -> None:
        demand = job.demand
        first = demand.job not in self.starts
        self.starts.setdefault(demand.job, self.now)
        job.live += 1
        job.pending -= 1
        if job.wants <= 0:
            self.leave(job)
        self.runs(job, Holding(demand.pool, demand.devices, demand.typical, ran=0.0))
        for room, _ in self.table.rooms_of(demand, demand.pool, demand.devices):
            self.pace[room.bound] = self.pace.get(room.bound, (0, 0.0))[0] + first, self.now


def foretell(
    demands: Sequence[Demand], blocked: Sequence[Blocked], giving_way: Collection[int], table: Table
) -> dict[int, Start]:
    """For the jobs that are `blocked` and in line, after a plan that has changed the `table`; `giving_way` are the
    attempts that leave their places now."""
    in_line = [found for found in blocked if found.lacking]
    if not in_line:
        return {}
    if table.floor is not None:  # of the plan's own it is asked afterwards what has room now
        table.floor = table.floor.copy()
    jobs = {one.job: _Job(one, one.live + table.started.get(one.job, 0), _pending(one, table)) for one in demands}
    course = _Course(table, jobs, _lengths(demands))
    for one in demands:
        for holding in one.running:
            left = 0.0 if holding.attempt in giving_way else holding.left
            course.runs(jobs[one.job], Holding(holding.pool, holding.devices, left, holding.attempt, holding.ran))
        for _ in range(table.started.get(one.job, 0)):
            course.runs(jobs[one.job], Holding(one.pool, one.devices, one.typical, ran=0.0))
    for found in in_line:
        job = jobs[found.demand.job]
        limits = [room.bound for room, _ in found.lacking if room.bound.kind is not Kind.POOL]
        if limits:
            course.shut_out(job, limits[0])
        else:
            table.desire(found.demand, job.wants)
            course.join(job)
    missing = {found.demand.job for found in in_line}
    for _ in range(MOST_ENDS):
        if not course.ends or missing <= course.starts.keys():
            break
        course.next_end()
    return _placed(in_line, course)


def _pending(demand: Demand, table: Table) -> int:
    missing = demand.wanted - demand.live
    return max(missing, demand.pending or 0) - table.started.get(demand.job, 0)


def _lengths(demands: Iterable[Demand]) -> dict[str, float]:
    known: dict[str, list[float]] = defaultdict(list)
    for demand in demands:
        if demand.typical is not None:
            known[demand.pool].append(demand.typical)
    return {pool: fmean(found) for pool, found in known.items()}


def _work(course: _Course) -> dict[str, dict[_Class, float]]:
    """Device-seconds of all trials that jobs have yet to start, by pool and class; infinite if they cannot be told."""
    found: dict[str, dict[_Class, float]] = defaultdict(lambda: defaultdict(float))
    for job in course.jobs.values():
        demand = job.demand
        if job.pending > 0:
            length = course.lengths.get(demand.pool, math.inf) if demand.typical is None else demand.typical
            found[demand.pool][_class_of(demand)] += job.pending * demand.devices * length
    return found


def _served_before(found: Blocked, work: Mapping[str, Mapping[_Class, float]]) -> float:
    """The work that comes before a job whose turn has not come in all the time that was looked ahead: of other classes,
    as those of its own take turns with it. 0 if it waits for what is guaranteed to its team."""
    demand, turn = found.demand, found.turn
    if turn is None or turn.rank is Rank.GUARANTEED or math.isinf(turn.priority):
        return 0.0
    own = _class_of(demand)
    return sum(seconds for of, seconds in work.get(demand.pool, {}).items() if of < own)


def _class_of(demand: Demand) -> _Class:
    return demand.spot, -demand.priority


def _later(found: Blocked, place: int, work: Mapping[str, Mapping[_Class, float]], course: _Course) -> float | None:
    """When a job starts whose turn has not come yet, the `place`-th of those below its bound."""
    served, until = course.pace.get(found.room.bound, (0, 0.0))
    if until <= 0:  # what starts at once says nothing of when the next one may
        return None
    pace = until * (served + place) / max(1, served)
    if (others := _served_before(found, work)) > 0:
        pace = max(pace, course.now + others / course.table.size(found.demand.pool))
    return pace if math.isfinite(pace) else None


def _placed(in_line: Sequence[Blocked], course: _Course) -> dict[int, Start]:
    """Those that start in the time that was looked ahead in that order, then the others by their turns of now."""
    seconds: dict[int, float | None] = {**course.starts}
    later: dict[Bound, int] = defaultdict(int)
    work = _work(course)
    for found in in_line:
        if found.demand.job not in course.starts:
            bound = found.room.bound
            later[bound] += 1
            seconds[found.demand.job] = _later(found, later[bound], work, course)
    found_by_pool: dict[str, list[int]] = defaultdict(list)
    for job in course.starts:  # in their order
        found_by_pool[course.jobs[job].demand.pool].append(job)
    waits = {found.demand.job for found in in_line}
    for found in in_line:
        if found.demand.job not in course.starts:
            found_by_pool[found.demand.pool].append(found.demand.job)
    result = {}
    for members in found_by_pool.values():
        own = [job for job in members if job in waits]
        for place, job in enumerate(own, 1):
            result[job] = Start(place, len(own), seconds[job])
    return result
