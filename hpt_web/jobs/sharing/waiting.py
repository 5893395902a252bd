"""Why a job waits: the bound that it met, who holds what below it, what is kept for whom, and when a place may open.

A reason is read by everybody in the job's project, so it names only that project's jobs; what others hold is a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

MOST_NAMED = 5
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


class Kind(Enum):
    POOL = "pool"
    TEAM = "team"  # a team's cap
    LIMIT = "limit"  # of a project, a person, a person in a project, or all; it counts trials if it names no pool


class Bound(NamedTuple):
    """What is bounded."""

    kind: Kind
    pool: str
    team: str = ""
    project: str | None = None
    user: str | None = None


class Kept(NamedTuple):
    project: str
    job: str
    free: float
    needed: float


@dataclass(slots=True)
class Room:
    """One bound while a plan is made: `size` units at most, of which `free` are left (less than none if it was lowered
    below what runs). `hosted` is the pool of this host's own slots; one that is `gone` is not there (any more)."""

    bound: Bound
    size: int
    hosted: bool = False
    gone: bool = False
    free: float = field(init=False)
    holders: dict[tuple[str, str], float] = field(default_factory=dict)  # units, by project and job
    kept: Kept | None = None  # what is free is kept for whoever needs more

    def __post_init__(self) -> None:
        self.free = self.size

    def take(self, project: str, job: str, amount: float) -> None:
        self.free -= amount
        self.holders[project, job] = self.holders.get((project, job), 0) + amount

    def keep(self, project: str, job: str, amount: float, back: float = 0) -> bool:
        """Keep what is free, but for what is kept `back` from it, for a job that needs more; False if there is nothing
        to keep, or it is kept already."""
        if self.free <= back or self.kept is not None:
            return False
        self.kept = Kept(project, job, self.free - back, amount)
        return True


def why(project: str, room: Room, missing: int, devices: float, *, kept: bool, back: float = 0) -> str:
    """Why `missing` more trials of a job in `project` do not start now; `kept`: what is free there is kept for it;
    `back`: so much other teams do not lend to it."""
    text = f"{count(missing, 'more trial')} could run, but {_bound(room)}: {holders(project, room.holders)}."
    if back and room.free > 0:
        text += f" Of the {number(room.free)} that are free, other teams lend {number(max(0.0, room.free - back))}."
    if room.kept is None:
        return text
    owner, job, free, needed = room.kept[0], room.kept[1], number(room.kept.free), number(room.kept.needed)
    are = "is" if free == "1" else "are"
    if kept:
        return f"{text} A trial needs {number(devices)} at once; the {free} that {are} free {are} kept for it."
    whose = f"{job}, whose trials need" if owner == project else "a job of another project, whose trials need"
    return f"{text} The {free} that {are} free {are} kept for {whose} {needed} at once."


def never(room: Room, missing: int, needed: float, back: float = 0) -> str:
    """Why the trials of a job can never start while things stand as they do."""
    if room.gone:
        where = f"there is no pool {room.bound.pool} any more"
        remedy = "Clone it for another pool, or have an administrator make one of this name"
        return f"{count(missing, 'more trial')} could run, but {where}: none can start. {remedy}."
    text = f"{count(missing, 'more trial')} could run, but each takes {number(needed)} at once"
    if back:
        return f"{text}, and {_bound(room)}, of which other teams never lend {number(back)}: none can start."
    return f"{text}, and {_bound(room)}: none can start until that is raised."


def too_large(missing: int, pool: str, gpus: int, memory: int, enough: int, most: int) -> str:
    """Why the trials of a job can never start on the `most` GPUs of a pool, of which `enough` have so many bytes."""
    asks = f"each asks for {memory / 1e9:.3g} GB on {count(gpus, 'GPU')}"
    has = f"{enough} of the {count(most, 'GPU')} of pool {pool} {'has' if enough == 1 else 'have'} as much"
    remedy = "Clone it with less, or for another pool"
    return f"{count(missing, 'more trial')} could run, but {asks}, and {has}: none can start. {remedy}."


def spent(
    missing: int, project: str | None, user: str | None, used: float, limit: float, period: str, ends: str
) -> str:
    """Why a job starts nothing although there may be room: the GPU-hours of a period are used up."""
    who = user or ("the project" if project else "the installation")
    where = " in this project" if user and project else ""
    return (
        f"{count(missing, 'more trial')} could run, but {who} has used {used:.1f} GPU-hours{where} this {period}, and "
        f"the quota allows {limit:g}: none starts before {ends}."
    )


def outranked(first: float, own: int) -> str:
    """What is added if teams of higher priority stand before it in line."""
    return f"Beyond the guarantees a team of priority {first:g} comes before this one, whose priority is {own}."


def beyond_part(part: float, held: float, size: int) -> str:
    """What is added if a team comes first that lacks more of its part: a whole device, or some of one."""
    return (
        f"By weight its team's part is {number(part)} of {size}, of which it holds {number(held)}: teams that lack "
        "more of theirs come first."
    )


def used_more(own: tuple[float, float], first: tuple[float, float]) -> str:
    """What is added if a team comes first that has used less for its weight: device-seconds lately, and the weight."""
    (used, weight), (less, of) = own, first
    return (
        f"Of equals a team comes first that has used less lately for its weight: this one {used / HOUR:.1f} "
        f"device-hours for {weight:g}, the one before it {less / HOUR:.1f} for {of:g}."
    )


def giving_way(trials: int) -> str:
    """What is added if spot trials are asked for their places."""
    return f"{count(trials, 'spot trial')} {'gives' if trials == 1 else 'give'} way to it."


def elsewhere(pool: str) -> str:
    """What is added if a job that names no pool waits in one while another has what it needs."""
    return f"Pool {pool} has room for a trial: a job that names it (resources.pool) does not wait for this one."


def outlook(place: int, waiting: int, starts_in: float | None) -> str:
    """The place in line and the estimate, as a sentence; empty without a place."""
    if not place:
        return ""
    text = "It is next in line" if place == 1 else f"It is number {place} of {waiting} in line"
    if starts_in is None:
        return f"{text}; when a trial may start is not known yet."
    return f"{text}; a trial may start in about {span(starts_in)}."


def span(seconds: float) -> str:
    """A length of time as roughly as it is known."""
    if seconds < MINUTE:
        return "a minute"
    if seconds < 5 * MINUTE:
        return f"{round(seconds / MINUTE)} min"
    if seconds < HOUR:
        return f"{5 * max(1, round(seconds / MINUTE / 5))} min"
    if seconds < 2 * DAY:
        return count(round(seconds / HOUR), "hour")
    return count(round(seconds / DAY), "day")


def count(of: int, noun: str) -> str:
    return f"{of} {noun}{'' if of == 1 else 's'}"


def number(amount: float) -> str:
    """Of devices, which may be shared: 2, or 0.25."""
    return f"{round(amount, 2):g}"


def _bound(room: Room) -> str:
    kind, pool, team, project, user = room.bound
    if kind is Kind.POOL:
        return f"this host runs {room.size} at once" if room.hosted else f"pool {pool} has {count(room.size, 'device')}"
    if kind is Kind.TEAM:
        return f"team {team} may hold {room.size} of pool {pool} at once"
    who = user or ("the project" if project else "the installation")
    what = f"hold {count(room.size, 'device')} of pool {pool}" if pool else f"run {count(room.size, 'trial')}"
    return f"{who} may {what} at once{' in this project' if user and project else ''}"


def holders(project: str, held: Mapping[tuple[str, str], float]) -> str:
    """Who holds how much, for a reader of `project`; `held` is by project and job."""
    own = sorted((-units, job) for (owner, job), units in held.items() if owner == project)
    others = sum(units for (owner, _), units in held.items() if owner != project)
    named = [f"{job} {number(-units)}" for units, job in own[:MOST_NAMED]]
    rest = -sum(units for units, _ in own[MOST_NAMED:])
    named += [f"{len(own) - MOST_NAMED} more jobs {number(rest)}"] if rest else []
    named += [f"other projects {number(others)}"] if others else []
    return ", ".join(named) or "none yet"
