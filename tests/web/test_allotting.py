"""What the devices have room for: who is blocked, what is kept for them, who gives way, and what they are told. No
database."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hpt_web.jobs.sharing.admission import CPU, Demand, Grant, Holding, Pool, Share, plan
from hpt_web.jobs.sharing.allotting import Floor, Taken, Wish
from tuning.backends import gpus
from tuning.backends.gpus import Device, Request

GPU = "gpu"
BYTES = 1000 * 10**6  # of each device


class Job(NamedTuple):
    demand: Demand
    where: Sequence[str]  # the devices of each running trial
    request: Request


def job(
    number: int, on: str = "", more: int = 0, part: float = 1.0, count: int = 1, *, project: str = "lab",
    left: Sequence[float | None] = (), ending: int = 0, ran: float = 3600.0, user: str = "", **terms: Any,
) -> Job:  # fmt: skip
    """A trial of it runs on the devices of each word of `on`, one letter for each, the last `ending` of them asked to
    stop; it wants `more`. Its attempts are numbered from ten times its number on."""
    where = on.split()
    lefts = [*left, *[None] * len(where)]
    units = count * math.floor(1024 * part) / 1024  # as `placing` has it
    running = tuple(
        Holding(GPU, units, lefts[at], 10 * number + at, ran, at >= len(where) - ending) for at in range(len(where))
    )
    request = Request(count, None if part == 1.0 else int(part * BYTES))
    demand = Demand(
        number, f"job-{number}", project, len(where) + more, user or f"user-{number}", pool=GPU, devices=units,
        running=running, share=units / count, **terms,
    )  # fmt: skip
    return Job(demand, where, request)


def seated(jobs: Sequence[Job], devices: Sequence[Device]) -> Floor:
    taken = [
        Taken(gpus.Grant(tuple(on), one.request.memory_bytes), one.demand, held.left, held.attempt, held.ending)
        for one in jobs
        for on, held in zip(one.where, one.demand.running, strict=True)
    ]
    return Floor({one.demand.job: Wish(one.request, devices) for one in jobs}, taken)


def host(size: int) -> list[Device]:
    return [Device(str(number), BYTES) for number in range(size)]


def decide(jobs: Sequence[Job], size: int = 2, **terms: Any) -> dict[int, Grant]:
    """Of equals whoever is named first has used least, and comes first."""
    usage = {("", one.demand.user, GPU): float(at) for at, one in enumerate(jobs)}
    pools = [Pool(CPU, 50), Pool(GPU, size, CPU)]
    return plan(pools, [one.demand for one in jobs], usage=usage, floor=seated(jobs, host(size)), **terms)


def starts(grants: Mapping[int, Grant]) -> dict[int, int]:
    return {number: grant.start for number, grant in grants.items() if grant.start}


def give_way(grants: Mapping[int, Grant]) -> dict[int, list[int]]:
    return {number: [one.attempt for one in grant.preempts] for number, grant in grants.items() if grant.preempts}


# --- who waits, and what it is told -----------------------------------------------------------------------------------

C = job(3, "2 3", part=0.6, project="secret")


@pytest.mark.parametrize(
    ("waits", "others", "text"),
    [
        (job(2, more=1), [job(1, "0 1", part=0.6, left=[900.0, 120.0]), C],
         "1 more trial could run, but each waits for 1 free GPU: 0 of 4 are free. GPUs in use: job-1 2, other projects "
         "2. It is next in line; a trial may start in about 2 min."),
        (job(2, more=1, count=2), [job(1, "0 1", part=0.6, left=[900.0, 120.0]), C],
         "1 more trial could run, but each waits for 2 free GPUs: 0 of 4 are free. GPUs in use: job-1 2, other "
         "projects 2. It is next in line; a trial may start in about 15 min."),
        (job(2, more=2, count=2), [job(1, "0 1", part=0.6, left=[900.0, 120.0]), C._replace(where=["2", "2"])],
         "2 more trials could run, but each waits for 2 free GPUs: 1 of 4 are free. GPUs in use: job-1 2, other "
         "projects 1. It is next in line; a trial may start in about 2 min."),
        (job(2, more=3), [C],
         "1 more trial could run, but each waits for 1 free GPU: 0 of 4 are free. GPUs in use: job-2 2, other projects "
         "2. It is next in line; when a trial may start is not known yet."),
        (job(2, more=2, part=0.3), [job(1, "0 1 2 3", part=0.8, left=[60.0] * 4)],
         "2 more trials could run, but each waits for 0.3 GB on 1 GPU: 0 of 4 have as much left. GPUs in use: job-1 4. "
         "It is next in line; a trial may start in about 1 min."),
    ],
)  # fmt: skip
def test_who_is_kept_out_by_parts_learns_who_holds_what_the_place_and_the_time(
    waits: Job, others: list[Job], text: str
) -> None:
    assert decide([waits, *others], 4)[2].text == text


def test_those_in_line_are_served_one_after_another() -> None:
    waits = [job(number, more=1, typical=typical) for number, typical in ((1, 30.0), (2, 600.0), (4, 600.0))]
    found = decide([*waits, job(3, "0 1 2 3", part=0.6, left=[100.0, 5000.0, 6000.0, 7000.0])], 4)
    assert [(found[n].place, found[n].waiting, found[n].starts_in) for n in (1, 2, 4)] == [
        (1, 3, 100.0), (2, 3, 130.0), (3, 3, 730.0),
    ]  # fmt: skip


def test_what_could_never_start_is_told_and_takes_nothing_from_others() -> None:
    """A GPU has gone, and those that are left are smaller than what each of its trials asks for."""
    large = job(1, more=4)._replace(request=Request(1, 2 * BYTES))
    found = decide([large, job(2, more=3), job(3, "0", part=0.3, spot=True)])
    assert starts(found) == {2: 1} and give_way(found) == {2: [30]}, "nobody gives way to it"
    assert found[1].text == (
        "4 more trials could run, but each asks for 2 GB on 1 GPU, and 0 of the 2 GPUs of pool gpu have as much: none "
        "can start. Clone it with less, or for another pool."
    )
    assert found[1].place == 0 and found[2].place == 1 == found[2].waiting


# --- what is kept -----------------------------------------------------------------------------------------------------


ALL = job(9, "0 1 2 3", part=0.6, left=[100.0, 200.0, 300.0, 400.0])


@pytest.mark.parametrize(
    ("jobs", "size", "expected", "on"),
    [
        # Where there is room, all start.
        ([job(1, more=2), job(2, more=4, part=0.3)], 4, {1: 2, 2: 4}, {"1", "2"}),
        # What comes free first is kept from later turns, else parts would pass a whole one for ever...
        ([job(1, more=1), job(2, more=4, part=0.3), ALL], 4, {2: 3}, {"1", "2", "3"}),
        ([job(1, more=1), job(2, more=4, part=0.3), job(9, "1 2 3", part=0.6)], 4, {1: 1, 2: 3},
         {"1", "2", "3"}),
        # ...and not from earlier ones, nor from whoever has used less.
        ([job(2, more=4, part=0.3), job(1, more=1), ALL], 4, {2: 4}, {"0", "1", "2", "3"}),
        # Nothing else is kept: 0.7 fits on neither of these, is the next on one of them, and 0.3 fits on the other.
        ([job(1, more=2, part=0.7), job(2, more=2, part=0.3), job(9, "0 1", part=0.6)], 2, {2: 1}, {"1"}),
        ([job(2, more=2, part=0.3), job(1, more=2, part=0.7), job(9, "0 1", part=0.6)], 2, {2: 2}, {"0", "1"}),
        ([job(1, more=2), job(2, more=2, part=0.3), job(9, "0 1", part=0.6)], 2, {2: 1}, {"1"}),
        # What one cannot use goes on to the next, also if the number of devices would be enough for it.
        ([job(1, more=1, count=2), job(2, more=2, part=0.3), job(9, "0 1 2", part=0.2)], 3, {2: 2}, {"2"}),
        # Two that wait keep a device each.
        ([job(1, more=1), job(3, more=1), job(2, more=9, part=0.3), ALL], 4, {2: 2}, {"2", "3"}),
    ],
)  # fmt: skip
def test_what_is_kept(jobs: list[Job], size: int, expected: dict[int, int], on: set[str]) -> None:
    found = decide(jobs, size)
    assert starts(found) == expected
    assert {device for ids in found[2].devices for device in ids} == on


def test_who_leaves_a_device_to_an_earlier_turn_is_told() -> None:
    found = decide([job(1, more=1, count=2), job(2, more=1), job(9, "1 2 3", part=0.6, left=[50.0])], 4)
    text = "0 of 4 are free" if found[2].start else "1 of 4 are free. GPUs in use: job-9 3. What is free is kept for"
    assert text in found[2].text and "jobs whose turn comes first. It is number 2 of 2 in line" in found[2].text


def test_what_another_pool_still_holds_of_a_device_is_seen() -> None:
    """The device was in another pool when the trial on it began: the number of devices knows nothing of it."""
    jobs = [job(1, more=2), job(2, more=2)]
    floor = seated(jobs, host(2))
    floor.taken.append(Taken(gpus.Grant(("0",))))
    grants = plan([Pool(CPU, 9), Pool(GPU, 2, CPU)], [one.demand for one in jobs], floor=floor)
    assert starts(grants) == {1: 1} and grants[1].devices == (("1",),)
    assert "waits for 1 free GPU: 0 of 2 are free" in grants[2].text


# --- who gives way ----------------------------------------------------------------------------------------------------


SPOT = job(1, "0 1", part=0.6, spot=True)


@pytest.mark.parametrize(
    ("waits", "others", "expected"),
    [
        # 0.8 are free and 0.4 on no one device: one of them gives way, the youngest, whatever is wanted there.
        (job(2, more=1, part=0.6), [SPOT], [11]),
        (job(2, more=1, part=0.7), [SPOT], [11]),
        (job(2, more=1), [SPOT], [11]),
        (job(2, more=1, part=0.4), [SPOT], []),
        (job(2, more=2, part=0.6), [SPOT], [11, 10]),
        (job(2, more=1, count=2), [SPOT], [11, 10]),
        (job(2, more=1, part=0.6, spot=True), [SPOT], []),
        (job(2, more=1, part=0.6), [job(1, "0 1", part=0.6)], []),
        (job(2, more=1, part=0.6), [job(1, "0 1", part=0.6, spot=True, ran=1.0)], []),
        # What is on its way counts, once.
        (job(2, more=1, part=0.6), [job(1, "0 1", part=0.6, spot=True, ending=1)], []),
        (job(2, more=2, part=0.6), [job(1, "0 1", part=0.6, spot=True, ending=1)], [10]),
        # All that share a device together make a whole one, on that one where they are the fewest.
        (job(2, more=1), [job(1, "0 0 1 1", part=0.5, spot=True)], [13, 12]),
        (job(2, more=1), [job(1, "0 0 0 1 1", part=0.3, spot=True)], [14, 13]),
        (job(2, more=1), [job(1, "0 0", part=0.3, spot=True), job(3, "1", part=0.6, spot=True)], [30]),
        # Never for nothing: a trial that is no spot trial stays on its device.
        (job(2, more=1), [job(1, "0 0 1", part=0.3, spot=True), job(3, "1", part=0.3)], [11, 10]),
        (job(2, more=1), [job(1, "0 1", part=0.3, spot=True), job(3, "0 1", part=0.3)], []),
        (job(2, more=1, count=2), [job(1, "0 0", part=0.3, spot=True), job(3, "1", part=0.3)], []),
        # No more than are needed: 0.2 more have to come free.
        (job(2, more=1, part=0.4), [job(1, "0 0 0 0 1 1 1 1", part=0.2, spot=True)], [17]),
        (job(2, more=1, part=0.5), [job(1, "0 1", part=0.2, spot=True), job(3, "0 1", part=0.6, spot=True)], [31]),
        # A trial that takes several devices gives them all back.
        (job(2, more=1, count=2), [job(1, "01", part=0.6, count=2, spot=True)], [10]),
    ],
)  # fmt: skip
def test_who_gives_way_on_shared_devices(waits: Job, others: list[Job], expected: list[int]) -> None:
    assert give_way(decide([waits, *others])) == ({2: expected} if expected else {})


def test_who_gives_way_is_told_that_the_room_lies_in_pieces() -> None:
    (told,) = decide([job(2, more=1, part=0.6), SPOT])[2].preempts
    assert (
        "waits for 0.6 of pool gpu, where 0.8 of 2 are free, but not enough on 1 GPU, and is no spot job" in told.reason
    )
    numbers = {"needed": 0.6, "free": 0.8, "size": 2, "held": 1.2, "guaranteed": 0}
    assert told.numbers == pytest.approx(numbers, abs=0.001)


def test_nobody_gives_way_within_a_guarantee_on_a_shared_device() -> None:
    shares = {("a", GPU): Share(2), ("b", GPU): Share(0)}
    spot, waits = job(1, "0 1", part=0.6, spot=True, team="a"), job(2, more=1, part=0.6, team="b")
    assert give_way(decide([waits, spot], shares=shares)) == {}
    shares["a", GPU] = Share(1)
    assert give_way(decide([waits, spot], shares=shares)) == {}, "0.2 are beyond it, and 0.6 would be given back"
    shares["a", GPU] = Share(0)
    assert give_way(decide([waits, spot], shares=shares)) == {2: [11]}


# --- every plan -------------------------------------------------------------------------------------------------------


SHAPE = st.tuples(
    st.integers(1, 3), st.sampled_from([1.0, 0.25, 0.4, 0.6, 0.75]), st.integers(0, 3), st.integers(0, 4),
    st.booleans(), st.sampled_from(["", "a", "b"]), st.none() | st.floats(0, 1e5),
)  # fmt: skip
SHARES = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b"]), st.just(GPU)), st.builds(Share, st.integers(0, 3)), max_size=2
)


def drawn(shapes: Sequence[tuple[int, float, int, int, bool, str, float | None]], size: int) -> list[Job]:
    """As many of their trials run as the devices have room for."""
    found: list[Job] = []
    held: list[gpus.Grant] = []
    for at, (count, part, live, more, spot, team, left) in enumerate(shapes, 1):
        request = job(at, part=part, count=count).request
        on = []
        while len(on) < live and (grant := gpus.allocate(host(size), held, request)):
            held.append(grant)
            on.append("".join(grant.devices))
        found.append(job(at, " ".join(on), more, part, count, left=[left] * len(on), spot=spot, team=team))
    return found


@settings(max_examples=300, deadline=None)
@given(st.lists(SHAPE, max_size=6), SHARES, st.integers(1, 4))
def test_every_plan_holds_together(
    shapes: list[tuple[int, float, int, int, bool, str, float | None]], shares: dict[Any, Share], size: int
) -> None:
    """Who starts what it is granted finds devices for all of it; who gets less is in line, or could never start."""
    jobs = drawn(shapes, size)
    grants = decide(jobs, size, shares=shares)
    held = [one.grant for one in seated(jobs, host(size)).taken]
    for one in sorted(jobs, key=lambda one: grants[one.demand.job].turn):
        grant = grants[one.demand.job]
        assert len(grant.devices) == grant.start
        for ids in grant.devices:
            got = gpus.allocate([device for device in host(size) if device.id in ids], held, one.request)
            assert got is not None
            held.append(got)
        assert grant.start + grant.missing == one.demand.wanted - one.demand.live
        assert bool(grant.missing) == bool(grant.reason)
        if grant.missing:
            assert bool(grant.place) == (one.request.count <= size)
    places = sorted(grant.place for grant in grants.values() if grant.place)
    assert places == list(range(1, len(places) + 1))
    idle = Wish(Request(1), host(size))
    while got := gpus.allocate(idle.devices, held, idle.request):
        held.append(got)
        waits = [one for one in jobs if grants[one.demand.job].place]
        assert not waits or max(one.request.count for one in waits) > 1, "a whole device is free, and one waits for it"


@settings(max_examples=300, deadline=None)
@given(st.lists(SHAPE, max_size=6), SHARES, st.integers(1, 4))
@example([(1, 1.0, 0, 1, False, "b", None), (1, 1.0, 0, 1, True, "b", None), (2, 1.0, 0, 1, False, "b", None)],
         {("b", GPU): Share(1)}, 1)  # fmt: skip
# With its spot trials `a` would hold more than the team that waits for three GPUs, and without them less.
@example([(1, 1.0, 0, 1, False, "a", None), (1, 0.6, 0, 2, True, "a", None), (3, 0.25, 0, 1, False, "", None),
          (3, 0.25, 1, 0, False, "", None)], {}, 3)  # fmt: skip
def test_it_comes_to_rest(
    shapes: list[tuple[int, float, int, int, bool, str, float | None]], shares: dict[Any, Share], size: int
) -> None:
    """Whoever gave way does not get the place back from those for whom it did: nobody is asked again and again."""
    jobs, newest = drawn(shapes, size), 1000
    for _ in range(40):
        grants = decide(jobs, size, shares=shares)
        out = {one.attempt for grant in grants.values() for one in grant.preempts}
        assert out <= {held.attempt for one in jobs if one.demand.spot for held in one.demand.running}
        assert len(out) == sum(len(grant.preempts) for grant in grants.values()), "each once"
        if not out and not starts(grants):
            return
        jobs, newest = later(jobs, grants, out, newest)
    pytest.fail("it goes on for ever")


def later(jobs: Sequence[Job], grants: Mapping[int, Grant], out: set[int], newest: int) -> tuple[list[Job], int]:
    """Those that were asked have stopped, those that may have started, and all have run for a while."""
    found = []
    for one in jobs:
        stays = [pair for pair in zip(one.where, one.demand.running, strict=True) if pair[1].attempt not in out]
        for ids in grants[one.demand.job].devices:
            newest += 1
            stays.append(("".join(ids), Holding(GPU, one.demand.devices, None, newest)))
        demand = replace(one.demand, running=tuple(holding for _, holding in stays))
        found.append(Job(demand, [on for on, _ in stays], one.request))
    return found, newest
