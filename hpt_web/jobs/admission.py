"""Who may start how many trials now: a pure function of what runs and what is wanted.

Every job gets as much as it wants while there is room; when there is not, the room is shared equally, and what one
does not want the others get (max-min fairness, at the granularity of a trial). Nothing running is ever taken away:
a job above its share just starts nothing more until it has come down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Demand:
    """A job that is not over: `live` trials run, and it would run `wanted` at once (its parallelism and budget)."""

    job: int
    name: str
    project: int
    live: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Grant:
    """`start` trials may begin now. If that is fewer than wanted, `reason` says why with its numbers."""

    start: int
    reason: str = ""


def plan(capacity: int, demands: Sequence[Demand], project_caps: Mapping[int, int]) -> dict[int, Grant]:
    """The grant of each job, by its id; `capacity` trials fit on this host, `project_caps` of a project at most.

    The grants hold together: if every job starts what it is granted, no limit is exceeded.
    """
    within = {project: [d for d in demands if d.project == project] for project in project_caps}
    limited = [demand for demand in demands if demand.project not in project_caps]
    for project, members in within.items():
        shares = _shares(project_caps[project], members)
        limited += [replace(d, wanted=max(d.live, share)) for d, share in zip(members, shares, strict=True)]
    targets = dict(zip((d.job for d in limited), _shares(capacity, limited), strict=True))
    free = capacity - sum(d.live for d in demands)
    project_free = {
        project: project_caps[project] - sum(d.live for d in members) for project, members in within.items()
    }
    starts: dict[int, int] = {}
    for demand in sorted(limited, key=lambda d: (d.live, d.job)):
        room = min(free, project_free.get(demand.project, free))
        start = starts[demand.job] = max(0, min(targets[demand.job] - demand.live, room))
        free -= start
        if demand.project in project_free:
            project_free[demand.project] -= start
    return {d.job: Grant(starts[d.job], _reason(d, starts[d.job], capacity, demands, project_caps)) for d in demands}


def _shares(capacity: int, demands: Sequence[Demand]) -> list[int]:
    """Max-min fair whole shares of `capacity`, none above what is wanted; a remainder goes to the oldest jobs."""
    shares = [0] * len(demands)
    left = capacity
    hungry = sorted((i for i, d in enumerate(demands) if d.wanted), key=lambda i: demands[i].job)
    while left > 0 and hungry:
        each, extra = divmod(left, len(hungry))
        for place, i in enumerate(hungry):
            take = min(each + (place < extra), demands[i].wanted - shares[i])
            shares[i] += take
            left -= take
        hungry = [i for i in hungry if shares[i] < demands[i].wanted]
    return shares


def _reason(
    demand: Demand, start: int, capacity: int, demands: Sequence[Demand], project_caps: Mapping[int, int]
) -> str:
    missing = demand.wanted - demand.live - start
    if missing <= 0:
        return ""
    members = [d for d in demands if d.project == demand.project]
    cap = project_caps.get(demand.project)
    waiting = f"{missing} more {'trial' if missing == 1 else 'trials'} could run"
    if cap is not None and sum(d.live for d in members) + start >= cap:
        return f"{waiting}, but the project may run {cap} trials at once: {_holders(members)}."
    return f"{waiting}, but this host runs {capacity} at once: {_holders(demands)}; the room is shared equally."


def _holders(demands: Sequence[Demand]) -> str:
    holders = sorted((d for d in demands if d.live), key=lambda d: (-d.live, d.name))
    return ", ".join(f"{d.name} {d.live}" for d in holders[:5]) or "none yet"
