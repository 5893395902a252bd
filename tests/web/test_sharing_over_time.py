"""The plan over a long time: jobs come at random, trials start as planned, end, and give way (issue 4; demands 20, 21).

What one plan keeps to is tested beside it (`test_admission`); here, what holds at every moment of a busy installation.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from hpt_web.jobs.sharing.admission import CPU, Demand, Grant, Holding, Limit, Pool, Share, plan

GPU = "gpu"
LONGEST = 60.0  # seconds of a trial
MIN_RUN = 20.0
POOLS = [Pool(CPU, 40), Pool(GPU, 8, CPU, MIN_RUN)]
SHARES = {
    ("a", GPU): Share(3, 6, 1.0, lends=1),
    ("b", GPU): Share(2, None, 2.0, lends=0),
    ("c", GPU): Share(1, 5, 1.0),
}
LIMITS = [Limit(3, "p", pool=GPU), Limit(4, user="ann", pool=GPU), Limit(14)]


@dataclass(slots=True)
class Trial:
    ends: float
    began: float
    left: float  # when it began
    attempt: int


@dataclass(slots=True)
class Job:
    demand: Demand
    seconds: float
    came: float
    left: list[float]  # of the trials that do not run, for how long yet
    running: list[Trial] = field(default_factory=list)
    waits_since: float | None = None  # within its team's guarantee

    def as_of(self, now: float) -> Demand:
        held = tuple(
            Holding(self.demand.pool, self.demand.devices, trial.ends - now, trial.attempt, now - trial.began)
            for trial in self.running
        )
        return replace(self.demand, running=held, wanted=min(6, len(held) + len(self.left)), typical=self.seconds)


@dataclass(slots=True)
class Installation:
    """Time goes from one event to the next: a job comes, or a trial ends."""

    rng: random.Random
    now: float = 0.0
    jobs: list[Job] = field(default_factory=list)
    used: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    attempts: int = 0
    preempted: int = 0

    def come(self) -> None:
        rng, number = self.rng, len(self.jobs) + 1
        team, project = rng.choice([("a", "p"), ("a", "q"), ("b", "r"), ("c", "s"), ("", "t")])
        devices = rng.choice([1, 1, 1, 2, 3]) if team != "c" else 1
        seconds = rng.uniform(LONGEST / 4, LONGEST)
        user = rng.choice(["ann", "ben", "cho"])
        demand = Demand(number, f"job-{number}", project, 0, user, team, GPU, devices, spot=rng.random() < 0.3)
        self.jobs.append(Job(demand, seconds, self.now, [seconds] * rng.randint(1, 12)))

    def open(self) -> list[Job]:
        return [job for job in self.jobs if job.running or job.left]

    def run_until(self, moment: float) -> None:
        for job in self.jobs:
            of = job.demand.team, job.demand.user, GPU
            self.used[of] += sum(job.demand.devices * (min(trial.ends, moment) - self.now) for trial in job.running)
            job.running = [trial for trial in job.running if trial.ends > moment]
        self.now = moment

    def step(self) -> dict[int, Grant]:
        """Plan, have those give way who are asked, and start what may."""
        there = {job.demand.job: job for job in self.open()}
        demands = [job.as_of(self.now) for job in there.values()]
        grants = plan(POOLS, demands, shares=SHARES, limits=LIMITS, usage=self.used)
        for grant in grants.values():
            for one in grant.preempts:
                self._give_way(there[one.job], one.attempt)
        for number, grant in grants.items():
            job = there[number]
            for _ in range(grant.start):
                self.attempts += 1
                left = job.left.pop()
                job.running.append(Trial(self.now + left, self.now, left, self.attempts))
        return grants

    def _give_way(self, job: Job, attempt: int) -> None:
        (trial,) = [trial for trial in job.running if trial.attempt == attempt]
        assert job.demand.spot and self.now - trial.began >= MIN_RUN
        job.running.remove(trial)
        job.left.append(trial.ends - self.now)  # it goes on from its checkpoint
        self.preempted += 1

    def ends(self) -> float:
        return min((trial.ends for job in self.jobs for trial in job.running), default=float("inf"))

    # --- what is held ---

    def held(self, team: str | None = None) -> float:
        return sum(
            job.demand.devices * len(job.running) for job in self.jobs if team is None or job.demand.team == team
        )


def moments(seed: int, jobs: int) -> Iterator[tuple[Installation, dict[int, Grant]]]:
    """A busy installation after each of its plans, until the last trial has ended."""
    world = Installation(random.Random(seed))
    arrives = 0.0
    while len(world.jobs) < jobs or world.open():
        if len(world.jobs) < jobs and arrives <= world.ends():
            world.run_until(arrives)
            world.come()
            arrives += world.rng.expovariate(1 / 60)
        else:
            assert world.ends() < float("inf"), "everybody waits, and nothing runs"
            world.run_until(world.ends())
        for _ in range(10):  # who gave way leaves its place to whoever it was for
            grants = world.step()
            yield world, grants
            if not any(grant.start or grant.preempts for grant in grants.values()):
                break
        else:
            pytest.fail("it does not come to rest")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_busy_installation(seed: int) -> None:
    waited: Counter[int] = Counter()
    for world, grants in moments(seed, 40):
        check_bounds(world)
        for job in world.jobs:
            if not job.running and set(job.left) == {job.seconds}:
                waited[job.demand.job] = int(world.now - job.came)
        # Whoever is within a guarantee gets what others end with first, and all of them end within that time.
        assert guarantees(world, grants) <= LONGEST
    assert not world.open(), "every job has come to its end"
    assert world.preempted, "and some trials gave way"
    assert max(waited[job.demand.job] for job in world.jobs if not job.demand.spot) < 20 * LONGEST, "nobody starves"


def check_bounds(world: Installation) -> None:
    """No pool, cap or limit is exceeded; what a team does not lend is there for it."""
    free = 8 - world.held()
    assert free >= 0
    back = 0.0
    for (team, _), share in SHARES.items():
        assert share.cap is None or world.held(team) <= share.cap
        back += max(0.0, share.reserved - world.held(team))
    assert free >= back, "what is not lent is free"
    trials = Counter[str]()
    for job in world.jobs:
        trials["p"] += len(job.running) * int(job.demand.devices) if job.demand.project == "p" else 0
        trials["ann"] += len(job.running) * int(job.demand.devices) if job.demand.user == "ann" else 0
        trials["all"] += len(job.running)
    assert trials["p"] <= 3 and trials["ann"] <= 4 and trials["all"] <= 14


def guarantees(world: Installation, grants: dict[int, Grant]) -> float:
    """How long somebody has waited by now for what is guaranteed to them, and for no limit or cap."""
    longest = 0.0
    for job in world.jobs:
        one = job.demand
        grant = grants.get(one.job)
        share = SHARES.get((one.team, GPU), Share())
        waits = bool(grant and grant.missing and "pool gpu has" in grant.reason)
        if waits and world.held(one.team) + one.devices <= share.guaranteed:
            job.waits_since = world.now if job.waits_since is None else job.waits_since
            longest = max(longest, world.now - job.waits_since)
        else:
            job.waits_since = None
    return longest
