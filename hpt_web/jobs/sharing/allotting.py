"""What of a plan the devices have room for: pure functions of what is held of each GPU, by its id.

The plan counts devices, and a whole one may be wanted where only parts of several are free. Whoever is cut down here
waits for those devices that come free for it first, and they are kept for it: whose turn is later leaves them alone,
else trials that take a part of a GPU would pass one that wants a whole one as long as there are any.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from hpt_web.jobs.sharing import waiting
from hpt_web.jobs.sharing.demands import Demand, Grant
from tuning.backends import gpus
from tuning.backends.gpus import Device, Request


@dataclass(frozen=True, slots=True)
class Wish:
    """What each trial of a job asks for, and the devices that it may get."""

    request: Request
    devices: Sequence[Device]

    def without(self, barred: Iterable[str]) -> Wish:
        out = set(barred)
        return Wish(self.request, [device for device in self.devices if device.id not in out])


@dataclass(frozen=True, slots=True)
class Taken:
    """What a trial holds, or is about to: of which job, if that is known, and for how many seconds yet."""

    grant: gpus.Grant
    demand: Demand | None = None
    left: float | None = None


def fitting(wish: Wish, taken: Iterable[gpus.Grant], most: int) -> list[gpus.Grant]:
    """Up to `most` grants beside those that are `taken`."""
    held = list(taken)
    found: list[gpus.Grant] = []
    while len(found) < most and (grant := gpus.allocate(wish.devices, [*held, *found], wish.request)):
        found.append(grant)
    return found


def bounded(
    grants: Mapping[int, Grant], wishes: Mapping[int, Wish | None], demands: Sequence[Demand], taken: Sequence[Taken]
) -> dict[int, Grant]:
    """The grants cut down to what the devices of each job have room for, in the order of their turns, with the reason:
    who holds what, the place in line and the estimate. Who is cut down is the next in its pool's line."""
    found, known = dict(grants), {demand.job: demand for demand in demands}
    starting = [(job, wish) for job, wish in wishes.items() if wish is not None and grants[job].start]
    seated, barred, cut = list(taken), set[str](), list[int]()
    for job, wish in sorted(starting, key=lambda pair: grants[pair[0]].turn):
        demand, left = known[job], wish.without(barred)
        got = fitting(left, (one.grant for one in seated), grants[job].start)
        found[job] = replace(found[job], start=len(got), barred=frozenset(barred))
        seated += [Taken(grant, demand, demand.typical) for grant in got]
        if wish.request.memory_bytes is None:  # what a later one needs only a part of it finds elsewhere
            barred.update(identity for grant in got for identity in grant.devices)
        if missing := grants[job].start - len(got):
            missing += grants[job].missing
            found[job] = replace(found[job], missing=missing, reason=_why(demand, wish, left, missing, seated))
            cut += [] if grants[job].place else [job]
            barred.update(_soonest(left, seated))
    return _in_line(found, cut, wishes, known, seated)


def _why(demand: Demand, wish: Wish, left: Wish, missing: int, seated: Sequence[Taken]) -> str:
    """Why no more of a job's trials start, although their number is free. `left` are those not kept for others."""
    held = [one.grant for one in seated]
    text = (
        f"{waiting.count(missing, 'more trial')} could run, but each {gpus.waiting(wish.devices, held, wish.request)}."
    )
    on: dict[tuple[str, str], set[str]] = {}
    ids = {device.id for device in wish.devices}
    for one in seated:
        if one.demand is not None:
            of = one.demand.project, one.demand.name
            on.setdefault(of, set()).update(ids.intersection(one.grant.devices))
    text += f" GPUs in use: {waiting.holders(demand.project, {of: len(which) for of, which in on.items() if which})}."
    if fitting(wish, held, 1) and not fitting(left, held, 1):
        text += " What is free is kept for jobs whose turn comes first."
    return text


def _soonest(wish: Wish, seated: Sequence[Taken]) -> tuple[str, ...]:
    """The devices that come free first for one trial, as far as that can be told; none if they never do."""
    return _Hours(seated).next(wish).grant.devices


class _Hours:
    """What is held as time goes by: trials end when they are expected to, those of which nobody knows last of all."""

    def __init__(self, seated: Iterable[Taken]) -> None:
        self._held = [one.grant for one in seated]
        self._ends: list[tuple[float, int, gpus.Grant]] = []
        self._now, self._order = 0.0, count()
        for one in seated:
            self._push(one.grant, one.left)

    def _push(self, grant: gpus.Grant, left: float | None) -> None:
        at = math.inf if left is None else self._now + left
        heapq.heappush(self._ends, (at, next(self._order), grant))

    def next(self, wish: Wish, typical: float | None = None) -> Taken:
        """What one trial gets as soon as there is room, from then on held for a `typical` time; `left` is until then.

        Whoever asks later is served later. Without devices if there is never room.
        """
        while (grant := gpus.allocate(wish.devices, self._held, wish.request)) is None and self._ends:
            at, _, over = heapq.heappop(self._ends)
            self._now = max(self._now, at)
            self._held.remove(over)
        if grant is None:
            return Taken(gpus.Grant(()))
        self._held.append(grant)
        self._push(grant, typical)
        return Taken(grant, left=self._now if math.isfinite(self._now) else None)


def _in_line(
    grants: dict[int, Grant],
    cut: Sequence[int],
    wishes: Mapping[int, Wish | None],
    known: Mapping[int, Demand],
    seated: Sequence[Taken],
) -> dict[int, Grant]:
    """Those that were cut before those that waited already, in each pool's line, with their places and estimates."""
    for pool in {known[job].pool for job in cut}:
        first = [job for job in cut if known[job].pool == pool]
        behind = sorted(
            (job for job, grant in grants.items() if grant.place and known[job].pool == pool),
            key=lambda job: grants[job].place,
        )
        hours = _Hours(seated)
        for place, job in enumerate([*first, *behind], 1):
            wish, grant = wishes[job], grants[job]
            soon = hours.next(wish, known[job].typical).left if wish is not None else None
            if soon is not None and job in behind:  # it waits for other things as well
                soon = None if grant.starts_in is None else max(soon, grant.starts_in)
            grants[job] = replace(grant, place=place, waiting=len(first) + len(behind), starts_in=soon)
    return grants
