"""What holds of every plan: no bound is exceeded, what is missing is explained, guarantees come first (design 8)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from hpt_web.jobs.sharing.admission import Demand, Grant, Holding, Limit, Pool, Share, plan
from tests.web.test_admission import CPU, GPU, demand

POOLS = st.tuples(st.integers(0, 12), st.integers(0, 9)).map(
    lambda sizes: [Pool(CPU, sizes[0]), Pool(GPU, sizes[1], CPU)]
)
SHARE = st.builds(
    Share, st.integers(0, 6), st.none() | st.integers(0, 9), st.sampled_from([0.5, 1.0, 3.0]),
    st.none() | st.integers(0, 6),
)  # fmt: skip
SHARES = st.dictionaries(st.tuples(st.sampled_from(["", "a", "b"]), st.sampled_from([CPU, GPU])), SHARE, max_size=4)
LIMIT = st.builds(
    Limit, st.integers(0, 8), st.sampled_from([None, "p", "q"]), st.sampled_from([None, "ann", "ben"]),
    st.sampled_from(["", CPU, GPU]),
)  # fmt: skip
SHAPE = st.tuples(
    st.sampled_from([("p", "a"), ("q", "b"), ("r", "")]), st.sampled_from(["ann", "ben"]), st.sampled_from([CPU, GPU]),
    st.integers(1, 5), st.integers(0, 3), st.integers(0, 6),
)  # fmt: skip
RANK = st.sampled_from([0, 0, -1, 5])
USAGE = st.dictionaries(
    st.tuples(st.sampled_from(["", "a", "b"]), st.sampled_from(["ann", "ben"]), st.sampled_from([CPU, GPU])),
    st.floats(0, 1e6), max_size=5,
)  # fmt: skip


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Pool], list[Demand], dict[tuple[str, str], Share], list[Limit]]:
    demands = [
        demand(job, live, live + more, project, user, team=of, pool=pool, devices=1 if pool == CPU else devices)
        for job, ((project, of), user, pool, devices, live, more) in enumerate(draw(st.lists(SHAPE, max_size=8)), 1)
    ]
    ranks = draw(st.fixed_dictionaries({"a": RANK, "b": RANK}))
    demands = [replace(one, priority=ranks.get(one.team, 0)) for one in demands]
    return draw(POOLS), demands, draw(SHARES), draw(st.lists(LIMIT, max_size=3))


def bounds(
    pools: list[Pool], demands: Sequence[Demand], shares: dict[tuple[str, str], Share], limits: list[Limit]
) -> Counter[object]:
    """What is left of every bound when `demands` run as they say, counted anew and by other means."""
    left: Counter[object] = Counter()
    for pool in pools:
        left["pool", pool.name] = pool.size
    for (of, name), share in shares.items():
        left["team", of, name] = 10**6 if share.cap is None else share.cap
    for at, limit in enumerate(limits):
        left["limit", at] = limit.most
    for one in demands:
        for bound, amount in costs(one, limits).items():
            if bound in left:
                left[bound] -= amount * one.live
    return left


def costs(one: Demand, limits: list[Limit]) -> dict[object, int]:
    """What each trial of the job takes of each bound."""
    amounts = {one.pool: one.devices} | ({CPU: 1} if one.pool == GPU else {})
    found: dict[object, int] = {("pool", name): amount for name, amount in amounts.items()}
    found |= {("team", one.team, name): amount for name, amount in amounts.items()}
    for at, limit in enumerate(limits):
        if limit.project in (None, one.project) and limit.user in (None, one.user):
            found["limit", at] = amounts.get(limit.pool, 0) if limit.pool else 1
    return found


def afterwards(demands: Sequence[Demand], grants: dict[int, Grant]) -> list[Demand]:
    return [
        replace(one, running=one.running + (Holding(one.pool, one.devices),) * grants[one.job].start) for one in demands
    ]


@settings(max_examples=400, deadline=None)
@given(situations(), USAGE)
def test_what_holds_always(
    situation: tuple[list[Pool], list[Demand], dict[tuple[str, str], Share], list[Limit]],
    usage: dict[tuple[str, str, str], float],
) -> None:
    pools, demands, shares, limits = situation
    grants = plan(pools, demands, shares=shares, limits=limits, usage=usage)
    # The order in which jobs are named does not matter.
    assert plan(pools, demands[::-1], shares=shares, limits=limits, usage=usage) == grants
    before = bounds(pools, demands, shares, limits)
    later = afterwards(demands, grants)
    after = bounds(pools, later, shares, limits)
    # No bound is exceeded that was not, and none that was is exceeded further.
    assert all(after[bound] >= min(0, before[bound]) for bound in before)
    for one in later:
        grant = grants[one.job]
        missing = one.wanted - one.live
        assert grant.missing == missing >= 0
        # It is explained exactly when something is missing.
        assert bool(grant.reason) == bool(grant.text) == (missing > 0)
        # Whatever is missing could not start, is not lent, or what is free is kept for a trial with several devices.
        lent = not any(share.reserved for share in shares.values())
        if (
            missing
            and lent
            and all(after[bound] >= amount for bound, amount in costs(one, limits).items() if bound in after)
        ):
            assert "kept for" in grant.reason and any(other.devices > 1 for other in demands)
    # With what was granted in place, nothing more is granted: the plan is complete.
    again = plan(pools, later, shares=shares, limits=limits, usage=usage)
    assert not any(grant.start for grant in again.values()) or any(one.devices > 1 for one in demands)


@settings(max_examples=300, deadline=None)
@given(situations())
def test_guarantees_are_honoured(
    situation: tuple[list[Pool], list[Demand], dict[tuple[str, str], Share], list[Limit]],
) -> None:
    """Nobody gets anything beyond a guarantee while a trial within another one waits for it."""
    pools, demands, shares, _ = situation
    demands = [replace(one, devices=1, running=tuple(Holding(one.pool, 1) for _ in one.running)) for one in demands]
    grants = plan(pools, demands, shares=shares)
    later = afterwards(demands, grants)
    after = bounds(pools, later, shares, [])
    held: Counter[tuple[str, str]] = Counter()
    for one, (name, amount) in product(later, (("own", 1), ("host", 1))):
        if name == "own" or one.pool == GPU:
            held[one.team, one.pool if name == "own" else CPU] += amount * one.live
    for waits in later:
        share = shares.get((waits.team, waits.pool), Share())
        if waits.live >= waits.wanted or held[waits.team, waits.pool] >= share.guaranteed:
            continue
        slots = shares.get((waits.team, CPU), Share()).guaranteed
        if waits.pool == GPU and slots and held[waits.team, CPU] >= slots:
            continue  # of two guarantees both have to be kept to
        caps = [bound for bound in costs(waits, []) if bound in after and after[bound] <= 0 and bound[0] == "team"]  # type: ignore[index]
        if caps or after["pool", waits.pool] > 0:
            continue  # its team's cap, or a slot of the host, is what it waits for
        for other in later:
            beyond = held[other.team, other.pool] > shares.get((other.team, other.pool), Share()).guaranteed
            if other.pool == waits.pool and grants[other.job].start and other.team != waits.team:
                assert not beyond, f"{other} got beyond its guarantee what {waits} may claim"


@settings(max_examples=300, deadline=None)
@given(situations())
def test_nobody_starts_beyond_a_guarantee_what_a_team_of_higher_priority_waits_for(
    situation: tuple[list[Pool], list[Demand], dict[tuple[str, str], Share], list[Limit]],
) -> None:
    """Nor does anybody who is within one wait for it: that is `test_guarantees_are_honoured`, for every priority."""
    pools, demands, shares, _ = situation
    shares = {of: replace(share, cap=None, lends=None) for of, share in shares.items() if of[1] == CPU}
    demands = [
        replace(one, running=tuple(Holding(CPU, 1) for _ in one.running), devices=1, pool=CPU) for one in demands
    ]
    grants = plan(pools, demands, shares=shares)
    held = Counter(dict.fromkeys(("", "a", "b"), 0))
    for one in demands:
        held[one.team] += one.live + grants[one.job].start
    for waits, other in product(demands, demands):
        beyond = held[other.team] > shares.get((other.team, CPU), Share()).guaranteed
        if grants[waits.job].missing and grants[other.job].start and other.priority < waits.priority:
            assert not beyond, f"{other} got beyond its guarantee what {waits} waits for"


def test_a_thousand_jobs_are_planned_in_a_moment() -> None:
    """O((n + starts) log n): ten times as many take about ten times as long, not a hundred times."""

    def seconds(jobs: int) -> float:
        demands = [demand(job, 0, 4, f"p{job % 50}", f"u{job % 80}", team=f"t{job % 9}") for job in range(jobs)]
        limits = [Limit(5, f"p{number}") for number in range(50)]
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            plan([Pool(CPU, 64)], demands, limits=limits)
            times.append(time.perf_counter() - begin)
        return min(times)

    few, many = seconds(100), seconds(1000)
    assert many < 30 * few
