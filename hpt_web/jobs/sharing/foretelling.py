"""In which order, and when, the trials of waiting jobs will start, by what is known now: a pure function.

What runs ends when it is expected to, and whatever comes free is given out by the plan's own rules, by what is held and
used at that moment: what is guaranteed to a team goes back to it, jobs go on with the trials that they have yet to
start, limits and caps open as their holders end. It is no promise: trials take longer or shorter, jobs come and go.

It looks ahead for so many trials that end, and no further: what comes after that goes on at the same pace. So the cost
does not grow with the jobs that wait.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from statistics import fmean
from typing import NamedTuple

from hpt_web.jobs.sharing.demands import Demand, Holding
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


@dataclass(slots=True)
class _Course:
    table: Table
    jobs: dict[int, _Job]
    lengths: Mapping[str, float]  # of trials of each pool, of which nothing else is known
    now: float = 0.0
    ends: list[tuple[float, int, _Job, Holding]] = field(default_factory=list)
    order: count[int] = field(default_factory=count)
    lines: dict[_Line, dict[str, dict[int, _Job]]] = field(default_factory=dict)  # jobs that want more, by person
    shut: dict[Bound, list[_Job]] = field(default_factory=lambda: defaultdict(list))  # by the limit they wait for
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
                one = waits.pop(0)
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
                self.shut[shut].append(job)

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
            course.shut[limits[0]].append(job)
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


def _placed(in_line: Sequence[Blocked], course: _Course) -> dict[int, Start]:
    """Those that start in the time that was looked ahead in that order, then the others by their turns of now."""
    seconds: dict[int, float | None] = {**course.starts}
    later: dict[Bound, int] = defaultdict(int)
    for found in in_line:
        if found.demand.job not in course.starts:
            bound = found.room.bound
            later[bound] += 1
            pace = course.pace.get(bound)
            if pace is not None and pace[1] > 0:  # what starts at once says nothing of when the next one may
                served, until = pace
                seconds[found.demand.job] = until * (served + later[bound]) / max(1, served)
            else:
                seconds[found.demand.job] = None
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
