"""Which spot trials give way; GPU-hours used up; parts of GPUs; guarantees on two pools (issue 4; demand 20)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpt_web.jobs.sharing.admission import CPU, Demand, Grant, Holding, Limit, Pool, Share, Spent, plan

GPU = "gpu"
POOLS = [Pool(CPU, 20), Pool(GPU, 4, CPU)]


def job(
    number: int, live: int, wanted: int, *, spot: bool = False, team: str = "", user: str = "", devices: float = 1,
    pool: str = GPU, share: float = 1.0, ran: float = 3600.0, ending: int = 0, project: str = "",
) -> Demand:  # fmt: skip
    """Its attempts are numbered from ten times the job's number on; the last `ending` of them were asked to stop."""
    running = tuple(
        Holding(pool, devices, None, 10 * number + at, ran, ending=at >= live - ending) for at in range(live)
    )
    return Demand(
        number, f"job-{number}", project or team or "lab", wanted, user or team or "ann", team, pool, devices, running,
        spot=spot, share=share,
    )  # fmt: skip


def give_way(grants: dict[int, Grant]) -> dict[int, list[int]]:
    return {job: [one.attempt for one in grant.preempts] for job, grant in grants.items() if grant.preempts}


# --- spot -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shares", "demands", "expected"),
    [
        # The youngest trial of a spot job gives way to one of a job that is none; as many as wait, and no more.
        ({}, [job(1, 4, 9, spot=True), job(2, 0, 1)], {2: [13]}),
        ({}, [job(1, 4, 9, spot=True), job(2, 0, 3)], {2: [13, 12, 11]}),
        ({}, [job(1, 4, 9, spot=True), job(2, 0, 9)], {2: [13, 12, 11, 10]}),
        ({}, [job(1, 3, 9, spot=True), job(2, 0, 2)], {2: [12]}),  # one place is free
        ({}, [job(1, 2, 9, spot=True), job(2, 0, 2)], {}),
        ({}, [job(1, 4, 9), job(2, 0, 1)], {}),  # no spot job: nothing is taken away
        ({}, [job(1, 4, 9), job(2, 0, 1, spot=True)], {}),
        ({}, [job(1, 4, 9, spot=True), job(2, 0, 1, spot=True)], {}),  # nor from one spot job for another
        ({}, [job(1, 4, 9, spot=True), job(2, 0, 1, user="bob")], {2: [13]}),
        # What is on its way counts.
        ({}, [job(1, 4, 9, spot=True, ending=1), job(2, 0, 1)], {}),
        ({}, [job(1, 4, 9, spot=True, ending=1), job(2, 0, 2)], {2: [12]}),
        ({}, [job(1, 3, 9, spot=True), job(3, 1, 1, ending=1), job(2, 0, 2)], {2: [12]}),
        # Whoever has just started is left alone.
        ({}, [job(1, 4, 9, spot=True, ran=59.0), job(2, 0, 1)], {}),
        ({}, [job(1, 4, 9, spot=True, ran=60.0), job(2, 0, 1)], {2: [13]}),
        # What another team does not lend has to come free besides.
        ({"b": Share(2, lends=0)}, [job(1, 2, 9, spot=True), job(2, 0, 1)], {2: [11]}),
        ({"b": Share(2, lends=0)}, [job(1, 2, 9, spot=True), job(2, 0, 2, team="b")], {}),
        # Whoever holds most gives way first, then the other one.
        ({}, [job(1, 1, 9, spot=True), job(3, 3, 9, spot=True), job(2, 0, 1)], {2: [32]}),
        ({}, [job(1, 1, 9, spot=True), job(3, 3, 9, spot=True), job(2, 0, 3)], {2: [32, 31, 30]}),
        # A guarantee is due, also to a spot job; of it no trial is taken that stays within it.
        ({"a": Share(2)}, [job(1, 4, 9, spot=True, team="b"), job(2, 0, 9, spot=True, team="a")], {2: [13, 12]}),
        ({"a": Share(2), "b": Share(3)}, [job(1, 4, 9, spot=True, team="b"), job(2, 0, 9, team="a")], {2: [13]}),
        ({"b": Share(4)}, [job(1, 4, 9, spot=True, team="b"), job(2, 0, 9, team="a")], {}),
        ({"b": Share(4)}, [job(1, 4, 9, spot=True, team="b"), job(2, 0, 1, team="b")], {2: [13]}),  # its own team's
        ({"b": Share(4)}, [job(1, 4, 9, spot=True, team="b"), job(2, 0, 1, spot=True, team="b")], {}),
        # The team that is furthest above its guarantee, by its weight.
        ({"a": Share(1)}, [job(1, 2, 2, spot=True, team="a"), job(3, 2, 2, spot=True, team="b"), job(2, 0, 1)],
         {2: [31]}),
        ({"a": Share(0, None, 4.0)}, [job(1, 3, 3, spot=True, team="a"), job(3, 1, 1, spot=True, team="b"),
                                      job(2, 0, 1)], {2: [30]}),
        # All of a gang's devices or none: nobody gives way for nothing.
        ({}, [job(1, 4, 9, spot=True), job(2, 0, 1, devices=3)], {2: [13, 12, 11]}),
        ({}, [job(1, 2, 9, spot=True), job(3, 2, 2), job(2, 0, 1, devices=3)], {}),
        ({}, [job(1, 1, 9, spot=True, devices=3), job(3, 1, 1, spot=True), job(2, 0, 1, devices=3)], {2: [10]}),
        ({}, [job(1, 4, 9, spot=True), job(2, 0, 1, devices=5)], {}),  # it can never start
        # A slot of the host is given back by whoever holds one.
        ({}, [job(1, 20, 20, spot=True, pool=CPU), job(2, 0, 1)], {2: [29]}),
        # Parts of a GPU give way to parts that are no larger, not to a whole one: it might lie in pieces.
        ({}, [job(1, 8, 9, spot=True, devices=0.5, share=0.5), job(2, 0, 1)], {}),
        ({}, [job(1, 8, 9, spot=True, devices=0.5, share=0.5), job(2, 0, 1, devices=0.25, share=0.25)], {2: [17]}),
        ({}, [job(1, 4, 9, spot=True), job(2, 0, 4, devices=0.25, share=0.25)], {2: [13]}),
    ],
)  # fmt: skip
def test_who_gives_way(shares: dict[str, Share], demands: list[Demand], expected: dict[int, list[int]]) -> None:
    of = {(team, GPU): share for team, share in shares.items()}
    assert give_way(plan(POOLS, demands, shares=of)) == expected
    assert give_way(plan(POOLS, demands[::-1], shares=of)) == expected


def test_teams_of_the_lowest_priority_give_way_first() -> None:
    low, high = job(1, 1, 9, spot=True, team="low"), job(2, 3, 9, spot=True, team="high")
    waits = job(3, 0, 2, team="other")
    assert give_way(plan(POOLS, [low, high, waits])) == {3: [22, 21]}  # the larger holder, if all are equal
    ranked = [replace(low, priority=-1), high, waits]
    assert give_way(plan(POOLS, ranked)) == {3: [10, 22]}


def test_a_pool_says_for_how_long_nobody_is_disturbed() -> None:
    demands = [job(1, 4, 9, spot=True, ran=100.0), job(2, 0, 1)]
    for seconds, expected in ((0.0, {2: [13]}), (100.0, {2: [13]}), (101.0, {})):
        assert give_way(plan([Pool(CPU, 20), Pool(GPU, 4, CPU, seconds)], demands)) == expected


def test_a_persons_limit_is_met_by_their_own_spot_trials() -> None:
    demands = [job(1, 2, 9, spot=True), job(3, 2, 9, spot=True, user="bob"), job(2, 0, 1)]
    assert give_way(plan([Pool(CPU, 20), Pool(GPU, 9, CPU)], demands, limits=[Limit(2, user="ann")])) == {2: [11]}


def test_both_sides_are_told_why_and_others_only_in_numbers() -> None:
    shares = {("a", GPU): Share(2), ("b", GPU): Share(1)}
    grants = plan(POOLS, [job(1, 4, 9, spot=True, team="b"), job(2, 0, 1, team="a")], shares=shares)
    (told,) = grants[2].preempts
    assert (told.attempt, told.job) == (13, 1)
    assert told.reason == (
        "Pre-empted: a trial of a job of another project waits for 1 of pool gpu, where 0 of 4 are free, and is within "
        "what is guaranteed to its team; team b held 4 of pool gpu, 1 of them guaranteed."
    )
    assert told.numbers == {"needed": 1, "free": 0, "size": 4, "held": 4, "guaranteed": 1}
    assert grants[2].text == (
        "1 more trial could run, but pool gpu has 4 devices: other projects 4. 1 spot trial gives way to it. "
        "It is next in line; a trial may start in about a minute."
    )
    (own,) = plan(POOLS, [job(1, 4, 9, spot=True), job(2, 0, 1)])[2].preempts
    assert "a trial of job-2 waits for 1 of pool gpu, where 0 of 4 are free, and is no spot job;" in own.reason


def test_a_spot_trial_does_not_pass_what_is_kept_for_another_job() -> None:
    demands = [job(1, 0, 9, spot=True, user="bob"), job(3, 3, 3), job(2, 0, 1, devices=3)]
    used = {("", "ann", GPU): 9000.0}
    assert plan(POOLS, demands, usage=used)[1].start == 0
    assert plan(POOLS, [replace(demands[0], spot=False), *demands[1:]], usage=used)[1].start == 1


def test_spot_trials_start_last() -> None:
    grants = plan(POOLS, [job(1, 0, 9, spot=True, user="bob"), job(2, 3, 6)])
    assert (grants[1].start, grants[2].start) == (0, 1)


def test_nobody_gives_way_to_a_job_for_which_the_place_would_not_be() -> None:
    """One of the five GPUs is kept for job 3, whose trials take two, and the last slot would not help job 2."""
    demands = [job(2, 2, 3), job(3, 1, 2, devices=2), job(4, 1, 1, spot=True, pool=CPU)]
    assert give_way(plan([Pool(CPU, 4), Pool(GPU, 5, CPU)], demands)) == {}


def test_nobody_gives_way_with_a_slot_that_is_there_for_its_own_team() -> None:
    """A trial of `c` gives back GPUs, but its slot is not lent: one of job 2 gives back that."""
    demands = [job(1, 2, 6, spot=True, team="c", devices=2), job(2, 3, 4, spot=True, pool=CPU),
               job(3, 0, 1, team="b", devices=2)]  # fmt: skip
    pools = [Pool(CPU, 5), Pool(GPU, 5, CPU)]
    assert give_way(plan(pools, demands, shares={("c", CPU): Share(2, lends=0)})) == {3: [22, 11]}
    assert give_way(plan(pools, demands)) == {3: [11]}


SHAPE = st.tuples(
    st.booleans(), st.sampled_from(["", "a", "b"]), st.sampled_from(["ann", "bob"]), st.integers(1, 3),
    st.integers(0, 4), st.integers(0, 4), st.sampled_from([CPU, GPU]),
)  # fmt: skip
SHARES = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([CPU, GPU])),
    st.builds(Share, st.integers(0, 4), st.none() | st.integers(0, 6), st.sampled_from([0.5, 1.0, 2.0])),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(SHAPE, max_size=6), SHARES, st.integers(0, 8), st.integers(0, 6))
def test_it_comes_to_rest(
    shapes: list[tuple[bool, str, str, int, int, int, str]], shares: dict[tuple[str, str], Share], slots: int, gpus: int
) -> None:
    """Whoever gave way does not get the place back from those for whom it did: nobody is asked again and again."""
    pools = [Pool(CPU, slots), Pool(GPU, gpus, CPU)]
    demands = [
        job(at, live, live + more, spot=spot, team=team, user=user, devices=1 if pool == CPU else devices, pool=pool)
        for at, (spot, team, user, devices, live, more, pool) in enumerate(shapes, 1)
    ]
    newest = 1000
    for _ in range(40):
        grants = plan(pools, demands, shares=shares)
        out = {one.attempt for grant in grants.values() for one in grant.preempts}
        spot = {held.attempt for one in demands if one.spot for held in one.running}
        assert out <= spot, "only spot trials"
        assert len(out) == sum(len(grant.preempts) for grant in grants.values()), "each once"
        if not out and not any(grant.start for grant in grants.values()):
            return
        demands, newest = later(demands, grants, out, newest)
    pytest.fail("it goes on for ever")


def later(demands: Sequence[Demand], grants: dict[int, Grant], out: set[int], newest: int) -> tuple[list[Demand], int]:
    """Who was asked has stopped, who may has started, and all have run for a while."""
    found = []
    for one in demands:
        running = [held for held in one.running if held.attempt not in out]
        for _ in range(grants[one.job].start):
            newest += 1
            running.append(Holding(one.pool, one.devices, None, newest))
        found.append(replace(one, running=tuple(running)))
    return found, newest


# --- hours ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spent", "expected"),
    [
        ([], [4, 0]),
        ([Spent(4.04, 3, "week", "2026-11-23", 600.0, user="ann")], [0, 4]),
        ([Spent(4.04, 3, "week", "2026-11-23", 600.0, user="ann", project="x")], [0, 4]),
        ([Spent(4.04, 3, "week", "2026-11-23", 600.0, project="y")], [4, 0]),
        ([Spent(4.04, 3, "month", "2026-12-01", 900.0)], [0, 0]),
    ],
)
def test_who_has_used_up_its_gpu_hours_starts_nothing_with_gpus(spent: list[Spent], expected: list[int]) -> None:
    demands = [job(1, 0, 9, project="x"), job(2, 0, 9, user="bob", project="y"), job(3, 1, 3, pool=CPU, project="x")]
    grants = plan(POOLS, demands, spent=spent, usage={("", "bob", GPU): 9e9})
    told = [grants[1].start, grants[2].start]
    if expected == [4, 0]:
        assert sum(told) == 4
    else:
        assert told == expected
    assert grants[3].start == 2, "trials on CPUs cost no GPU-hours"
    if not expected[0]:
        assert grants[1].missing == 9 and not grants[1].place and grants[1].starts_in == spent[0].ends_in
        assert "has used 4.0 GPU-hours" in grants[1].text
        assert f"the quota allows 3: none starts before {spent[0].ends}." in grants[1].text


def test_what_runs_goes_on_when_the_hours_are_used_up() -> None:
    spent = [Spent(4.0, 3, "week", "2026-11-23", 600.0, "lab", "ann"), Spent(9, 9, "month", "2026-12-01", 900.0)]
    grant = plan(POOLS, [job(1, 2, 9)], spent=spent)[1]
    assert grant.text == (
        "7 more trials could run, but the installation has used 9.0 GPU-hours this month, and the quota allows 9: "
        "none starts before 2026-12-01."
    )
    assert (grant.start, grant.running, grant.starts_in) == (0, 2, 900.0)
    assert (
        "ann has used 4.0 GPU-hours in this project this week" in plan(POOLS, [job(1, 2, 9)], spent=spent[:1])[1].text
    )


# --- parts of GPUs, and two pools -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("demands", "expected"),
    [
        ([job(1, 0, 99, devices=0.25, share=0.25)], [16]),
        ([job(1, 0, 99, devices=0.25, share=0.25), job(2, 2, 9, user="bob")], [8, 0]),
        ([job(1, 0, 99, devices=0.5, share=0.25)], [8]),  # of each of two
        ([job(1, 0, 3, devices=0.25, share=0.25), job(2, 0, 9, user="bob")], [3, 3]),
        ([job(1, 16, 16, devices=0.25, share=0.25), job(2, 0, 9, user="bob", pool=CPU)], [0, 4]),  # a slot for each
    ],
)
def test_a_part_of_a_gpu_is_held_as_a_part_of_its_pool(demands: list[Demand], expected: list[int]) -> None:
    grants = plan(POOLS, demands)
    assert [grants[one.job].start for one in demands] == expected


def test_caps_and_guarantees_hold_for_parts_as_well() -> None:
    demands = [job(1, 0, 99, devices=0.25, share=0.25, team="a"), job(2, 0, 99, team="b")]
    grants = plan(POOLS, demands, shares={("a", GPU): Share(0, 1), ("b", GPU): Share(2)})
    assert [grant.start for grant in grants.values()] == [4, 3]
    assert "team a may hold 1 of pool gpu at once: job-1 1." in grants[1].reason
    grants = plan([Pool(GPU, 1)], [job(1, 3, 9, devices=0.25, share=0.25), job(2, 0, 1, devices=0.5, share=0.5)])
    assert "pool gpu has 1 device: job-1 0.75. A trial needs 0.5 at once; the 0.25 that are free are" in grants[2].text


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        # `a` holds three slots with trials on CPUs. Its guarantee on GPUs is empty, and alone counts:
        ({("a", GPU): Share(2), ("b", GPU): Share(2)}, {"a": 1, "b": 0}),
        # with one on slots as well, which it exceeds, `b` comes first,
        ({("a", GPU): Share(2), ("a", CPU): Share(3), ("b", GPU): Share(2)}, {"a": 0, "b": 1}),
        # and with room on both the fuller of the two counts: 3 of 4 slots against 1 of 2 GPUs.
        ({("a", GPU): Share(2), ("a", CPU): Share(4), ("b", GPU): Share(2)}, {"a": 0, "b": 1}),
        # An empty guarantee of one's own still comes before what is beyond another's.
        ({("a", GPU): Share(2), ("a", CPU): Share(4), ("b", GPU): Share(1)}, {"a": 1, "b": 0}),
    ],
)
def test_with_guarantees_on_slots_and_gpus_the_dominant_one_counts(
    shares: dict[tuple[str, str], Share], expected: dict[str, int]
) -> None:
    demands = [job(1, 3, 3, team="a", pool=CPU), job(2, 0, 9, team="a"), job(3, 1, 9, team="b")]
    grants = plan([Pool(CPU, 20), Pool(GPU, 2, CPU)], demands, shares=shares)
    assert Counter(a=grants[2].start, b=grants[3].start) == Counter(expected)
