"""The devices while a plan is made: which GPUs a trial would get beside what is held of each; no database.

The plan counts devices, but a whole one may be wanted where only parts of several are free. So nothing starts that no
device has room for: it is blocked with that reason, and what is free goes on to the next. Those devices that come free
for it first are kept for it, and no others: else trials that take a part of a GPU would pass one that wants a whole one
as long as there are any, or wait where they keep nobody out.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from hpt_web.jobs.sharing import waiting
from hpt_web.jobs.sharing.demands import Demand
from tuning.backends import gpus
from tuning.backends.gpus import Device, Request


@dataclass(frozen=True, slots=True)
class Wish:
    """What each trial of a job asks for, and the devices that it may get; `planned` are those of each that starts."""

    request: Request
    devices: Sequence[Device]
    planned: Sequence[Sequence[str]] = ()

    def only(self, ids: Collection[str]) -> Wish:
        return Wish(self.request, [device for device in self.devices if device.id in ids])

    def without(self, ids: Collection[str]) -> Wish:
        return Wish(self.request, [device for device in self.devices if device.id not in ids]) if ids else self


@dataclass(frozen=True, slots=True)
class Taken:
    """What a trial holds, or is about to: of which job and attempt, if that is known, and for how many seconds yet. One
    that is `ending` was asked to stop."""

    grant: gpus.Grant
    demand: Demand | None = None
    left: float | None = None
    attempt: int = 0
    ending: bool = False


def lacking(device: Device, held: Iterable[gpus.Grant], request: Request) -> float:
    """The part of a device that is not free, and would have to be for one more trial."""
    parts = [
        1.0 if one.memory_bytes is None else one.memory_bytes / device.memory_bytes
        for one in held
        if device.id in one.devices
    ]
    needed = 1.0 if request.memory_bytes is None else request.memory_bytes / device.memory_bytes
    return max(0.0, sum(parts) + needed - 1.0)


class Floor:
    """Made for one plan, and changed by it. Jobs without a wish need no device."""

    def __init__(self, wishes: Mapping[int, Wish | None], taken: Iterable[Taken] = ()) -> None:
        self.wishes = {job: wish for job, wish in wishes.items() if wish is not None}
        self.taken = list(taken)
        self.kept: dict[str, Demand] = {}  # devices by their ids, and for whom
        self.given: dict[int, list[tuple[str, ...]]] = {}  # those of each trial that starts, by its job's id

    def copy(self) -> Floor:
        """With what is held and kept now, and nothing given yet."""
        other = Floor(self.wishes, self.taken)
        other.kept = dict(self.kept)
        return other

    def start(self, demand: Demand, barred: Collection[str] = ()) -> bool:
        """Give one more trial of the job its devices, none of those that are `barred`; False if there is no room."""
        if (wish := self.wishes.get(demand.job)) is None:
            return True
        if (grant := self._room(wish.without(barred))) is None:
            return False
        self.taken.append(Taken(grant, demand, demand.typical))
        self.given.setdefault(demand.job, []).append(grant.devices)
        return True

    def end(self, demand: Demand, attempt: int) -> None:
        """A trial gives back its devices; without the number of its attempt the first that was started here."""
        for at, one in enumerate(self.taken):
            mine = one.demand is not None and one.demand.job == demand.job
            if mine and one.attempt == attempt:
                del self.taken[at]
                return

    def lacks(self, demand: Demand, barred: Collection[str] = ()) -> bool:
        wish = self.wishes.get(demand.job)
        return wish is not None and self._room(wish.without(barred)) is None

    def _room(self, wish: Wish) -> gpus.Grant | None:
        return gpus.allocate(wish.devices, self.held(), wish.request)

    def held(self) -> list[gpus.Grant]:
        return [one.grant for one in self.taken]

    def keep(self, demand: Demand) -> None:
        """Keep the devices that come free first for one trial of the job, as far as that can be told, of those that are
        not kept already."""
        wish = self.wishes[demand.job].without(self.kept)
        if len(wish.devices) >= wish.request.count:
            self.kept |= dict.fromkeys(self.hours().next(wish).grant.devices, demand)

    @property
    def owners(self) -> Collection[Demand]:
        """For whom devices are kept."""
        return {demand.job: demand for demand in self.kept.values()}.values()

    def hours(self) -> Hours:
        return Hours(self.taken)

    def never(self, demand: Demand, missing: int) -> str:
        """Why no trial of the job could start on these devices, however idle they are; empty if one could."""
        wish = self.wishes.get(demand.job)
        if wish is None:
            return ""
        count, memory, most = wish.request.count, wish.request.memory_bytes or 0, len(wish.devices)
        enough = sum(device.memory_bytes >= memory for device in wish.devices) if memory else most
        return "" if enough >= count else waiting.too_large(missing, demand.pool, count, memory, enough, most)

    def elsewhere(self, job: int, pools: Mapping[str, Sequence[Device]]) -> str:
        """The first of these pools whose devices have room for a trial of the job; empty if none have."""
        wish, held = self.wishes[job], self.held()
        idle = (
            name
            for name, found in pools.items()
            if gpus.allocate([device for device in found if device.id not in self.kept], held, wish.request)
        )
        return next(idle, "")

    def why(self, demand: Demand, missing: int, barred: Collection[str]) -> str:
        """Why no more of the job's trials start: how many devices have room, and who is on them."""
        wish, held = self.wishes[demand.job], self.held()
        waits = gpus.waiting(wish.devices, held, wish.request)
        text = f"{waiting.count(missing, 'more trial')} could run, but each {waits}."
        on: dict[tuple[str, str], set[str]] = {}
        ids = {device.id for device in wish.devices}
        for one in self.taken:
            if one.demand is not None:
                own = one.demand.project == demand.project
                of = (demand.project, one.demand.name) if own else ("", "")  # of others together: each GPU once
                on.setdefault(of, set()).update(ids.intersection(one.grant.devices))
        text += (
            f" GPUs in use: {waiting.holders(demand.project, {of: len(which) for of, which in on.items() if which})}."
        )
        if barred and self._room(wish) is not None:
            text += " What is free is kept for jobs whose turn comes first."
        return text


class Hours:
    """What is held as time goes by: trials end when they are expected to, those of which nobody knows last of all."""

    def __init__(self, seated: Iterable[Taken]) -> None:
        self._held: list[gpus.Grant] = []
        self._ends: list[tuple[float, int, gpus.Grant]] = []
        self._now, self._order = 0.0, count()
        for one in seated:
            self._push(one.grant, one.left)

    def _push(self, grant: gpus.Grant, left: float | None) -> None:
        at = math.inf if left is None else self._now + left
        self._held.append(grant)
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
        self._push(grant, typical)
        return Taken(grant, left=self._now if math.isfinite(self._now) else None)
