"""What the devices have room for: who is cut down, what is kept for them, and what they are told. No database."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpt_web.jobs.sharing.allotting import Taken, Wish, bounded
from hpt_web.jobs.sharing.demands import Demand, Grant
from tuning.backends.gpus import Device, Request, allocate
from tuning.backends.gpus import Grant as Held

GB = 10**9
DEVICES = [Device(str(number), 80 * GB) for number in range(4)]
WHOLE, PAIR, PART = Request(1), Request(2), Request(1, 30 * GB)


def job(number: int, project: str = "lab", typical: float | None = None) -> Demand:
    return Demand(number, f"job-{number}", project, wanted=9, pool="gpu", typical=typical)


def part(of: Demand, device: int, left: float | None = None, memory: int = 50 * GB) -> Taken:
    return Taken(Held((str(device),), memory), of, left)


def told(asks: dict[int, tuple[Request, int]], taken: list[Taken], demands: list[Demand]) -> list[str]:
    found = allot(asks, taken, demands)
    return [found[number].text for number in asks]


def allot(asks: dict[int, tuple[Request, int]], taken: list[Taken], demands: list[Demand]) -> dict[int, Grant]:
    """`asks` are what each job's trials need and how many of them the plan would start, in the order of the turns."""
    planned = {demand.job: Grant(0) for demand in demands}
    planned |= {number: Grant(start, turn=turn) for turn, (number, (_, start)) in enumerate(asks.items())}
    wishes = {number: Wish(request, DEVICES) for number, (request, _) in asks.items()}
    return bounded(planned, wishes, demands, taken)


A, B, C = job(1), job(2), job(3, "secret")
ON_ALL = [part(A, 0, 900.0), part(A, 1, 120.0), part(C, 2), part(C, 3)]


@pytest.mark.parametrize(
    ("taken", "request_", "start", "text"),
    [
        (ON_ALL, WHOLE, 1,
         "1 more trial could run, but each waits for 1 free GPU: 0 of 4 are free. GPUs in use: job-1 2, other projects "
         "2. It is next in line; a trial may start in about 2 min."),
        (ON_ALL, PAIR, 1,
         "1 more trial could run, but each waits for 2 free GPUs: 0 of 4 are free. GPUs in use: job-1 2, other "
         "projects 2. It is next in line; a trial may start in about 15 min."),
        (ON_ALL[:3], PAIR, 2,
         "2 more trials could run, but each waits for 2 free GPUs: 1 of 4 are free. GPUs in use: job-1 2, other "
         "projects 1. It is next in line; a trial may start in about 2 min."),
        (ON_ALL[2:], WHOLE, 3,
         "1 more trial could run, but each waits for 1 free GPU: 0 of 4 are free. GPUs in use: job-2 2, other projects "
         "2. It is next in line; when a trial may start is not known yet."),
        ([part(A, device, 60.0, 60 * GB) for device in range(4)], PART, 2,
         "2 more trials could run, but each waits for 30 GB on 1 GPU: 0 of 4 have as much left. GPUs in use: job-1 4. "
         "It is next in line; a trial may start in about 1 min."),
    ],
)  # fmt: skip
def test_who_is_kept_out_by_parts_learns_who_holds_what_the_place_and_the_time(
    taken: list[Taken], request_: Request, start: int, text: str
) -> None:
    assert told({2: (request_, start)}, taken, [A, B, C]) == [text]


def test_those_in_line_are_served_one_after_another() -> None:
    asks = {1: (WHOLE, 1), 2: (WHOLE, 1), 4: (WHOLE, 1)}
    jobs = [job(1, typical=30.0), job(2, typical=600.0), job(4, typical=600.0), C]
    taken = [part(C, 0, 100.0), part(C, 1, 5000.0), part(C, 2, 6000.0), part(C, 3, 7000.0)]
    found = allot(asks, taken, jobs)
    assert [(found[n].place, found[n].waiting, found[n].starts_in) for n in asks] == [
        (1, 3, 100.0), (2, 3, 130.0), (3, 3, 730.0),
    ]  # fmt: skip


def test_what_comes_free_first_is_kept_from_later_turns_and_not_from_earlier_ones() -> None:
    """Else trials that take a part would pass one that wants a whole device as long as there are any."""
    taken = [part(A, device, 100.0 * (device + 1)) for device in range(4)]
    later = allot({2: (WHOLE, 1), 1: (PART, 4)}, taken, [A, B])
    assert (later[2].start, later[1].start, set(later[1].barred)) == (0, 3, {"0"})
    freed = allot({2: (WHOLE, 1), 1: (PART, 4)}, taken[1:], [A, B])
    assert (freed[2].start, freed[1].start, set(freed[1].barred)) == (1, 3, {"0"}), "whoever asks first"
    earlier = allot({1: (PART, 4), 2: (WHOLE, 1)}, taken, [A, B])
    assert (earlier[1].start, len(earlier[1].barred), earlier[2].start) == (4, 0, 0)
    text = allot({2: (PAIR, 1), 1: (WHOLE, 1)}, taken[2:3] + taken[3:] + [part(A, 1, 50.0)], [A, B])[1].text
    assert "1 of 4 are free. GPUs in use: job-1 3. What is free is kept for jobs whose turn comes first." in text


def test_whoever_waits_already_comes_behind_and_later() -> None:
    planned = {1: Grant(1), 2: replace(Grant(0), place=1, waiting=1, missing=2, reason="Full.", starts_in=40.0)}
    wishes = {1: Wish(WHOLE, DEVICES), 2: Wish(WHOLE, DEVICES)}
    taken = [part(C, device, 100.0 * (device + 1)) for device in range(4)]
    found = bounded(planned, wishes, [A, B, C], taken)
    assert [(found[n].place, found[n].waiting, found[n].starts_in) for n in (1, 2)] == [(1, 2, 100.0), (2, 2, 200.0)]


def test_where_there_is_room_nothing_changes() -> None:
    found = allot({1: (WHOLE, 2), 2: (PART, 4)}, [], [A, B])
    assert [(found[n].start, found[n].reason, found[n].place) for n in (1, 2)] == [(2, "", 0), (4, "", 0)]


REQUEST = st.builds(Request, st.integers(1, 4), st.sampled_from([None, 10 * GB, 30 * GB, 50 * GB]))
LEFT = st.none() | st.floats(0, 1e5)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(REQUEST, LEFT), max_size=6), st.lists(st.tuples(REQUEST, st.integers(1, 5)), max_size=5))
def test_every_plan_holds_together(held: list[tuple[Request, float | None]], wanted: list[tuple[Request, int]]) -> None:
    """Who starts what it is granted finds devices for all of it; who gets less is in line, and told why."""
    taken: list[Taken] = []
    for request, left in held:
        if grant := allocate(DEVICES, [one.grant for one in taken], request):
            taken.append(Taken(grant, A, left))
    jobs = [A, *(job(number) for number in range(10, 10 + len(wanted)))]
    asks = {10 + at: ask for at, ask in enumerate(wanted)}
    found = allot(asks, taken, jobs)
    grants = [one.grant for one in taken]
    for number, (request, start) in asks.items():
        wish = Wish(request, DEVICES).without(found[number].barred)
        for _ in range(found[number].start):
            grant = allocate(wish.devices, grants, request)
            assert grant is not None
            grants.append(grant)
        assert found[number].start + found[number].missing == start
        assert bool(found[number].missing) == bool(found[number].reason) == bool(found[number].place)
    places = sorted(found[number].place for number in asks if found[number].place)
    assert places == list(range(1, len(places) + 1))
    waits = sorted((found[number].place, found[number].starts_in) for number in asks if found[number].place)
    known = [soon for _, soon in waits if soon is not None]
    assert known == sorted(known), "nobody is foretold to start before whoever is ahead"
