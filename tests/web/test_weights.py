"""By and by each team gets its part of a pool by its weight, of however few devices (issue 4; quotas B8).

Usage halves with the half-life of a new installation, as `capacity` counts it; teams always want more than they get.
"""

from __future__ import annotations

import heapq
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from hpt_web.jobs.sharing.admission import CPU, ENTRY_SECONDS, Demand, Holding, Limit, Pool, Share, plan
from hpt_web.jobs.sharing.fairness import Claim, split

HOUR, DAY = 3600.0, 86400.0
HALF_LIFE = 7 * DAY


@dataclass(slots=True)
class Team:
    weight: float
    seconds: float = HOUR  # of its trials, about
    comes: float = 0.0
    spot: bool = False


@dataclass(slots=True)
class World:
    """One pool with teams whose trials come one after another."""

    devices: int
    teams: Mapping[str, Team]
    rng: random.Random
    now: float = 0.0
    running: list[tuple[float, int, str, float]] = field(default_factory=list)  # ends, attempt, team, since
    used: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    as_of: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    held: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # device-seconds since `counted_from`
    attempts: int = 0

    def usage(self) -> dict[tuple[str, str, str], float]:
        found = {team: self._decayed(team) for team in self.teams}
        for _, _, team, since in self.running:
            found[team] += self.now - since + ENTRY_SECONDS
        return {(team, team, CPU): seconds for team, seconds in found.items()}

    def _decayed(self, team: str) -> float:
        return self.used[team] * 0.5 ** ((self.now - self.as_of[team]) / HALF_LIFE)

    def start(self) -> None:
        demands = [self._demand(at, name) for at, name in enumerate(self.teams)]
        shares = {(name, CPU): Share(0, None, team.weight) for name, team in self.teams.items()}
        grants = plan([Pool(CPU, self.devices)], demands, shares=shares, usage=self.usage())
        for at, name in enumerate(self.teams):
            for _ in range(grants[at].start):
                self.attempts += 1
                seconds = self.teams[name].seconds * self.rng.uniform(0.5, 1.5)
                heapq.heappush(self.running, (self.now + seconds, self.attempts, name, self.now))

    def _demand(self, at: int, name: str) -> Demand:
        team = self.teams[name]
        held = tuple(
            Holding(CPU, 1, ends - self.now, attempt, self.now - since)
            for ends, attempt, of, since in self.running
            if of == name
        )
        wanted = self.devices + 5 if self.now >= team.comes else 0
        return Demand(at, name, name, wanted, name, name, running=held, typical=team.seconds, spot=team.spot)

    def run_until(self, moment: float) -> None:
        while True:
            self.start()
            events = [ends for ends, *_ in self.running[:1]]
            events += [team.comes for team in self.teams.values() if self.now < team.comes]
            after = min([moment, *events])
            for _, _, team, _ in self.running:
                self.held[team] += after - self.now
            self.now = after
            while self.running and self.running[0][0] <= self.now:
                _, _, name, since = heapq.heappop(self.running)
                self.used[name] = self._decayed(name) + self.now - since + ENTRY_SECONDS
                self.as_of[name] = self.now
            if self.now >= moment:
                return

    def parts(self, seconds: float) -> dict[str, float]:
        """How much of the pool each team held on average for the next `seconds`."""
        self.held.clear()
        self.run_until(self.now + seconds)
        return {team: self.held[team] / seconds / self.devices for team in self.teams}


def pool(devices: int, weights: Sequence[float], lengths: Sequence[float] = (), **comes: float) -> World:
    names = "abc"[: len(weights)]
    teams = {
        name: Team(weight, lengths[at] if lengths else 2 * HOUR, comes.get(name, 0.0))
        for at, (name, weight) in enumerate(zip(names, weights, strict=True))
    }
    return World(devices, teams, random.Random(devices))


def by_weight(weights: Sequence[float]) -> dict[str, float]:
    return dict(zip("abc", [weight / sum(weights) for weight in weights], strict=False))


@pytest.mark.parametrize("devices", [1, 2, 4, 8])
@pytest.mark.parametrize("weights", [(1, 1), (1.5, 1), (2, 1), (3, 1), (5, 1), (3, 2, 1), (5, 1, 1)])
def test_every_team_gets_its_part_over_a_half_life(devices: int, weights: tuple[float, ...]) -> None:
    assert pool(devices, weights).parts(HALF_LIFE) == pytest.approx(by_weight(weights), abs=0.02)


@pytest.mark.parametrize("lengths", [(6 * HOUR, HOUR), (HOUR, 6 * HOUR)])
@pytest.mark.parametrize(("devices", "weights"), [(1, (3, 1)), (2, (5, 1)), (4, (1.5, 1))])
def test_of_short_and_long_trials_too(devices: int, weights: tuple[float, ...], lengths: tuple[float, ...]) -> None:
    assert pool(devices, weights, lengths).parts(2 * HALF_LIFE) == pytest.approx(by_weight(weights), abs=0.03)


@pytest.mark.parametrize(("devices", "weights"), [(1, (1, 1)), (2, (3, 1)), (4, (3, 2, 1))])
@pytest.mark.parametrize("late", ["a", "b"])
def test_a_team_that_comes_late_takes_no_more_than_its_part_and_one(
    devices: int, weights: tuple[float, ...], late: str
) -> None:
    """The others have used the pool alone; of what lies between the parts the late one has some back, by and by."""
    world = pool(devices, weights, **{late: 2 * HALF_LIFE})
    world.run_until(2 * HALF_LIFE)
    fair = by_weight(weights)
    first, *_, last = [world.parts(HALF_LIFE) for _ in range(6)]
    assert last == pytest.approx(fair, abs=0.03)
    for team, part in fair.items():
        whole = int(part * devices + 1e-9) / devices
        assert first[team] > whole - 0.03, "what is whole of its part it has at any moment"
        assert first[team] < part + 1 / devices + 0.03


@pytest.mark.parametrize(
    ("rest", "claims", "expected"),
    [
        (4, [("a", 3, 9), ("b", 1, 9)], {"a": 3, "b": 1}),
        (4, [("a", 3, 1), ("b", 1, 9), ("c", 2, 9)], {"a": 1, "b": 1, "c": 2}),  # what one does not want
        (9, [("a", 1, 2), ("b", 5, 3)], {"a": 2, "b": 3}),
        (-1, [("a", 1, 2), ("b", 1, 0)], {"a": 0}),
    ],
)
def test_what_is_left_is_split_by_weight(
    rest: float, claims: list[tuple[str, float, float]], expected: dict[str, float]
) -> None:
    assert split(rest, [Claim(*claim) for claim in claims]) == pytest.approx(expected)


@pytest.mark.parametrize("limit", [Limit(4), Limit(4, pool=CPU), Limit(2, user="idle")])
def test_weights_hold_below_a_limit_of_all(limit: Limit) -> None:
    """Of 8 slots only so many may be used, and what another person may not take is shared by weight as well."""
    demands = [Demand(at, name, name, 20, name, name) for at, name in enumerate(("heavy", "light", "idle"))]
    shares = {("heavy", CPU): Share(0, None, 5), ("light", CPU): Share(0, None, 1), ("idle", CPU): Share(0, None, 2)}
    grants = plan([Pool(CPU, 8)], demands, shares=shares, limits=[limit])
    assert [grants[at].start for at in range(3)] == ([5, 1, 2] if limit.user else [3, 0, 1])


def test_who_comes_later_is_told_the_numbers_that_decide() -> None:
    running = (Holding(CPU, 1), Holding(CPU, 1))
    light = Demand(1, "light", "l", 9, "lea", "light", running=running)
    heavy = Demand(2, "heavy", "h", 9, "hal", "heavy", running=running)
    shares = {("light", CPU): Share(0, None, 1), ("heavy", CPU): Share(0, None, 2)}
    used = {("light", "lea", CPU): 7200.0, ("heavy", "hal", CPU): 3600.0}
    told = plan([Pool(CPU, 4)], [light, heavy], shares=shares, usage=used)
    assert "first" not in told[2].reason
    assert told[1].reason.endswith(
        "By weight its team's part is 1.33 of 4, of which it holds 2: teams that lack more of theirs come first."
    )
    one = [replace(light, running=()), replace(heavy, running=())]
    full = Demand(3, "full", "f", 1, "fay", "light", running=(Holding(CPU, 1),))
    told = plan([Pool(CPU, 1)], [*one, full], shares=shares, usage=used)
    assert told[1].reason.endswith("of which it holds 1: teams that lack more of theirs come first.")
    told = plan([Pool(CPU, 1)], [*one, replace(full, team="x")], shares=shares, usage=used)
    assert told[1].reason.endswith(
        "Of equals a team comes first that has used less lately for its weight: this one 2.0 device-hours for 1, the "
        "one before it 1.0 for 2."
    )
