"""Who may start how many trials: a table of situations, and the reasons that are given (design 8; demands 18 to 21)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from hpt_web.jobs.sharing.admission import Demand, Grant, Holding, Limit, Pool, Share, plan

CPU, GPU = "cpu", "gpu"


def demand(
    job: int, live: int, wanted: int, project: str = "lab", user: str = "alice", *, team: str = "", pool: str = CPU,
    devices: int = 1, left: float | None = None,
) -> Demand:  # fmt: skip
    held = (Holding(pool, devices, left),) * live
    return Demand(job, f"job-{job}", project, wanted, user, team, pool, devices, held)


def gang(job: int, live: int, wanted: int, devices: int, **more: str) -> Demand:
    return demand(job, live, wanted, pool=GPU, devices=devices, **more)  # type: ignore[arg-type]


def starts(grants: dict[int, Grant], demands: Sequence[Demand]) -> list[int]:
    return [grants[demand.job].start for demand in demands]


# --- one pool, nothing shared out -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capacity", "demands", "caps", "expected"),
    [
        (4, [demand(1, 0, 2), demand(2, 0, 2)], {}, [2, 2]),  # room for all
        (4, [demand(1, 0, 50)], {}, [4]),  # one alone takes everything
        (4, [demand(1, 4, 50), demand(2, 0, 2)], {}, [0, 0]),  # full: nothing is taken away...
        (4, [demand(1, 3, 50), demand(2, 0, 2)], {}, [0, 1]),  # ...but what gets free goes to who has less
        (4, [demand(1, 2, 50), demand(2, 1, 2)], {}, [0, 1]),
        (5, [demand(1, 0, 50), demand(2, 0, 50)], {}, [3, 2]),  # the odd place goes to the older job
        (4, [demand(1, 0, 1), demand(2, 0, 50)], {}, [1, 3]),  # what one does not want, the other gets
        (4, [demand(1, 0, 0), demand(2, 0, 50)], {}, [0, 4]),
        (8, [demand(1, 0, 8, "a"), demand(2, 0, 8, "b")], {"a": 2}, [2, 6]),  # a project's cap, the rest to the others
        (8, [demand(1, 2, 8), demand(2, 0, 8)], {"lab": 2}, [0, 0]),  # shared within the project
        (8, [demand(1, 5, 8)], {"lab": 2}, [0]),  # a lowered cap kills nothing and starts nothing
        (1, [demand(1, 0, 5), demand(2, 0, 5), demand(3, 0, 5)], {}, [1, 0, 0]),
        (0, [demand(1, 0, 5)], {}, [0]),
        (4, [], {}, []),
        # People share first, then the jobs of each: seven jobs of one leave the share of the other alone.
        (4, [*(demand(n, 0, 9) for n in range(1, 8)), demand(8, 0, 9, user="bob")], {}, [1, 1, 0, 0, 0, 0, 0, 2]),
    ],
)  # fmt: skip
def test_table(capacity: int, demands: list[Demand], caps: dict[str, int], expected: list[int]) -> None:
    limits = [Limit(most, project) for project, most in caps.items()]
    assert starts(plan([Pool(CPU, capacity)], demands, limits=limits), demands) == expected


@pytest.mark.parametrize(
    ("limits", "demands", "expected"),
    [
        ([Limit(3, user="alice")], [demand(1, 1, 9), demand(2, 0, 9, "b"), demand(3, 0, 9, user="bob")], [1, 1, 6]),
        ([Limit(3, "lab", "alice")], [demand(1, 0, 9), demand(2, 0, 9, "b")], [3, 6]),  # a person in one project
        ([Limit(3)], [demand(1, 0, 9), demand(2, 0, 9, "b")], [2, 1]),  # the installation
        ([Limit(5, "lab"), Limit(2, user="alice")], [demand(1, 0, 9), demand(2, 0, 9, user="bob")], [2, 3]),
        ([Limit(2, "lab", pool=GPU)], [demand(1, 0, 9)], [9]),  # devices of another pool
        ([Limit(2, "lab", pool=CPU)], [demand(1, 0, 9)], [2]),
        ([Limit(5, "lab"), Limit(3, "lab")], [demand(1, 0, 9)], [3]),  # the narrower of two
    ],
)
def test_limits_of_projects_and_people(limits: list[Limit], demands: list[Demand], expected: list[int]) -> None:
    assert starts(plan([Pool(CPU, 9)], demands, limits=limits), demands) == expected


# --- teams ------------------------------------------------------------------------------------------------------------


def team(job: int, live: int, wanted: int, name: str, devices: int = 1) -> Demand:
    return demand(job, live, wanted, name, name, team=name, devices=devices)


@pytest.mark.parametrize(
    ("shares", "demands", "expected"),
    [
        # A guarantee comes first, whatever the weights.
        ({"a": Share(6), "b": Share(0, None, 99)}, [team(1, 0, 9, "a"), team(2, 0, 9, "b")], [6, 2]),
        # What is over goes by weight.
        ({"a": Share(2, None, 1), "b": Share(0, None, 2)}, [team(1, 0, 9, "a"), team(2, 0, 9, "b")], [4, 4]),
        ({"a": Share(0, None, 3), "b": Share(0, None, 1)}, [team(1, 0, 9, "a"), team(2, 0, 9, "b")], [6, 2]),
        # What a team does not want is lent, also its guarantee,...
        ({"a": Share(6)}, [team(1, 0, 1, "a"), team(2, 0, 9, "b")], [1, 7]),
        # ...up to a cap,...
        ({"b": Share(0, 3)}, [team(1, 0, 1, "a"), team(2, 0, 9, "b")], [1, 3]),
        # ...and given back as trials end, none of which is stopped: one has come free here, and it is a's.
        ({"a": Share(6)}, [team(1, 0, 9, "a"), team(2, 7, 9, "b")], [1, 0]),
        ({"a": Share(6)}, [team(1, 0, 9, "a"), team(2, 8, 9, "b")], [0, 0]),
        # Guarantees of more than there is: the emptiest first.
        ({"a": Share(8), "b": Share(4)}, [team(1, 4, 9, "a"), team(2, 1, 9, "b")], [1, 2]),
        # A cap that was lowered below what runs.
        ({"a": Share(0, 2)}, [team(1, 5, 9, "a"), team(2, 0, 9, "b")], [0, 3]),
        # Projects without a team share as one.
        ({}, [demand(1, 0, 9), demand(2, 0, 9, "other"), team(3, 0, 9, "b")], [2, 2, 4]),
        # Of an idle guarantee only so much is lent; the team has the rest at once,...
        ({"a": Share(6, lends=2)}, [team(2, 0, 9, "b")], [4]),
        ({"a": Share(6, lends=0)}, [team(1, 0, 1, "a"), team(2, 0, 9, "b")], [1, 2]),
        ({"a": Share(6, lends=2)}, [team(1, 0, 9, "a"), team(2, 4, 9, "b")], [4, 0]),
        ({"a": Share(6, lends=6)}, [team(2, 0, 9, "b")], [8]),
        ({"a": Share(6, lends=0)}, [team(1, 6, 6, "a"), team(2, 0, 9, "b")], [0, 2]),  # what it uses is not idle
        # ...also from another team that is within its own guarantee, beyond what it keeps for itself.
        ({"a": Share(4, lends=2), "b": Share(4, lends=0)}, [team(1, 0, 9, "a"), team(3, 2, 2, "c")], [2, 0]),
        # A trial that takes more than is ever lent never starts, and keeps nothing from others.
        ({"a": Share(6, lends=0)}, [team(1, 0, 2, "b", 3), team(2, 0, 9, "c")], [0, 2]),
        # A trial that would go beyond the guarantee is not within it.
        ({"a": Share(2), "b": Share(5)}, [team(1, 0, 9, "a", 3), team(2, 0, 8, "b")], [1, 5]),
        # 6 of 8 go to b whenever it wants them, so 3 would never come free: they are not kept for nothing.
        ({"a": Share(2), "b": Share(6)}, [team(1, 0, 9, "a", 3), team(2, 0, 8, "b")], [0, 8]),
    ],
)
def test_teams(shares: dict[str, Share], demands: list[Demand], expected: list[int]) -> None:
    of = {(name, CPU): share for name, share in shares.items()}
    assert starts(plan([Pool(CPU, 8)], demands, shares=of), demands) == expected


def ranked(job: int, live: int, wanted: int, name: str, priority: int, **more: Any) -> Demand:
    return replace(team(job, live, wanted, name), priority=priority, **more)


@pytest.mark.parametrize(
    ("shares", "demands", "expected"),
    [
        # Of teams without a guarantee those of the highest priority get what they want, then the next,...
        ({}, [ranked(1, 0, 9, "a", 0), ranked(2, 0, 6, "b", 1)], [2, 6]),
        ({}, [ranked(1, 0, 9, "a", -1), ranked(2, 0, 2, "b", 0), ranked(3, 0, 3, "c", 5)], [3, 2, 3]),
        # ...those of one share as ever, by their weights,...
        ({"a": Share(0, None, 3)}, [ranked(1, 0, 9, "a", 2), ranked(2, 0, 9, "b", 2), ranked(3, 0, 9, "c", 1)],
         [6, 2, 0]),
        # ...whatever they hold, as nothing is taken back.
        ({}, [ranked(1, 5, 9, "a", 0), ranked(2, 2, 9, "b", 1)], [0, 1]),
        ({}, [ranked(1, 2, 9, "a", 0), ranked(2, 5, 9, "b", 1)], [0, 1]),
        # A guarantee comes before every priority,...
        ({"a": Share(6)}, [ranked(1, 0, 9, "a", 0), ranked(2, 0, 9, "b", 100)], [6, 2]),
        # ...and its owner's rest after it;
        ({"a": Share(2)}, [ranked(1, 0, 9, "a", 0), ranked(2, 0, 9, "b", 1)], [2, 6]),
        ({"a": Share(2)}, [ranked(1, 0, 9, "a", 1), ranked(2, 0, 9, "b", 0)], [8, 0]),
        # a team that is short of its own comes first, too, though its next trial takes more than that.
        ({"a": Share(3)}, [replace(team(1, 0, 1, "a", 4), priority=0), ranked(2, 0, 9, "b", 9)], [1, 4]),
        # Caps, and what is not lent, hold for every priority.
        ({"b": Share(0, 3)}, [ranked(1, 0, 9, "a", 0), ranked(2, 0, 9, "b", 1)], [5, 3]),
        ({"a": Share(6, lends=2)}, [ranked(2, 0, 9, "b", 100)], [4]),
        # Spot trials come after all others beyond the guarantees, of whatever priority, and among themselves by it.
        ({}, [ranked(1, 0, 6, "a", 0), ranked(2, 0, 9, "b", 9, spot=True), ranked(3, 0, 9, "c", 1, spot=True)],
         [6, 2, 0]),
    ],
)  # fmt: skip
def test_teams_of_higher_priority_come_first_beyond_the_guarantees(
    shares: dict[str, Share], demands: list[Demand], expected: list[int]
) -> None:
    of = {(name, CPU): share for name, share in shares.items()}
    assert starts(plan([Pool(CPU, 8)], demands, shares=of), demands) == expected


def test_what_is_kept_for_a_large_trial_is_passed_by_higher_priorities_alone() -> None:
    large = replace(team(1, 0, 1, "a", 4), priority=1)
    holds = team(9, 6, 6, "z")
    used = {("a", "a", CPU): 100.0}  # whoever has used less lately would pass among equals
    for priority, expected in ((0, 0), (2, 2)):
        demands = [holds, large, ranked(2, 0, 9, "b", priority)]
        assert starts(plan([Pool(CPU, 8)], demands, usage=used), demands) == [0, 0, expected]


def test_a_team_that_is_outranked_is_told_so() -> None:
    demands = [team(9, 8, 8, "z"), ranked(1, 0, 2, "a", 0), ranked(2, 0, 2, "b", 5)]
    grants = plan([Pool(CPU, 8)], demands)
    assert [grants[job].place for job in (1, 2)] == [2, 1]
    assert grants[1].reason == (
        "2 more trials could run, but this host runs 8 at once: other projects 8. "
        "Beyond the guarantees a team of priority 5 comes before this one, whose priority is 0."
    )
    assert "priority" not in grants[2].reason
    within = plan([Pool(CPU, 8)], demands, shares={("a", CPU): Share(2)})
    assert "priority" not in within[1].reason and within[1].place == 1


def test_of_equals_whoever_has_used_least_lately_comes_first() -> None:
    demands = [demand(1, 0, 1, user="alice"), demand(2, 0, 1, user="bob")]
    assert starts(plan([Pool(CPU, 1)], demands), demands) == [1, 0]
    used = {("", "alice", CPU): 900.0, ("", "bob", CPU): 30.0, ("", "bob", GPU): 9000.0}
    assert starts(plan([Pool(CPU, 1)], demands, usage=used), demands) == [0, 1]
    teams = [team(1, 0, 1, "a"), team(2, 0, 1, "b")]
    assert starts(plan([Pool(CPU, 1)], teams, usage={("a", "x", CPU): 5.0, ("a", "y", CPU): 5.0}), teams) == [0, 1]


# --- devices ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("demands", "expected"),
    [
        ([gang(1, 0, 9, 4)], [2]),  # all or none: 8 devices are two trials of 4
        ([gang(1, 0, 9, 3)], [2]),
        ([gang(1, 0, 9, 9)], [0]),  # never
        ([gang(1, 0, 9, 9), gang(2, 0, 9, 1)], [0, 8]),  # and nothing is kept for what can never start
        ([gang(1, 0, 1, 8), gang(2, 5, 9, 1, user="bob")], [0, 0]),  # kept for the large one, whose turn it is
        ([gang(1, 0, 1, 8), gang(2, 1, 9, 1)], [0, 0]),  # also between one person's jobs
        ([gang(1, 1, 2, 4), gang(2, 3, 9, 1, user="bob")], [0, 1]),  # not its turn: it holds more than bob
        ([gang(1, 0, 1, 2), gang(2, 0, 9, 1)], [1, 6]),
        ([demand(1, 0, 9), gang(2, 0, 9, 2)], [6, 4]),  # a slot of the host besides
        ([demand(1, 9, 9), gang(2, 0, 9, 2)], [0, 1]),
        ([demand(1, 10, 10), gang(2, 0, 9, 2)], [0, 0]),  # no slot: the devices have to wait
        ([demand(1, 0, 9, pool="gone")], [0]),
    ],
)
def test_devices(demands: list[Demand], expected: list[int]) -> None:
    assert starts(plan([Pool(CPU, 10), Pool(GPU, 8, host=CPU)], demands), demands) == expected


@pytest.mark.parametrize("shares", [{}, {("", GPU): Share(4)}, {("", GPU): Share(8)}, {("", GPU): Share(2, 8, 3.0)}])
@pytest.mark.parametrize("limits", [[], [Limit(8, "lab", pool=GPU)], [Limit(12)]])
@pytest.mark.parametrize("other", ["alice", "bob"])
def test_small_trials_do_not_starve_a_large_one(
    shares: dict[tuple[str, str], Share], limits: list[Limit], other: str
) -> None:
    """Small trials that go on for ever end one after the other, each at once followed by the next where that may be."""
    small, large = 8, 0
    for _ in range(20):
        demands = [gang(1, small, 99, 1, user=other), gang(2, large, 1, 8)]
        grants = plan([Pool(CPU, 99), Pool(GPU, 8, host=CPU)], demands, shares=shares, limits=limits)
        small, large = small + grants[1].start, large + grants[2].start
        if large:
            return
        small -= 1
    pytest.fail("the trial with 8 devices has not started while 20 small ones ended")


def test_large_and_small_trials_take_turns() -> None:
    """Two people, one with trials of a device, one with trials of all: an hour each, for two hundred hours."""
    used = {"ann": 0.0, "ben": 0.0}
    small = [1, 2, 3, 4, 5, 6, 7, 8]  # the hours in which those that run end
    large: list[int] = []
    idle = 0
    for hour in range(1, 201):
        small, large = [end for end in small if end > hour], [end for end in large if end > hour]
        demands = [
            gang(1, len(small), len(small) + 9, 1, user="ann"),
            gang(2, len(large), len(large) + 1, 8, user="ben"),
        ]
        usage = {("", user, GPU): seconds for user, seconds in used.items()}
        grants = plan([Pool(GPU, 8)], demands, usage=usage)
        small += [hour + 4 + place % 3 for place in range(grants[1].start)]
        large += [hour + 4] * grants[2].start
        used = {"ann": used["ann"] + len(small), "ben": used["ben"] + 8 * len(large)}
        idle += 8 - len(small) - 8 * len(large)
    assert 0.7 < used["ann"] / used["ben"] < 1.4
    assert idle < 0.25 * 8 * 200


def test_a_limit_on_what_runs_is_shared_between_pools() -> None:
    """Whoever waits for CPUs is not passed for ever by their project's trials on GPUs."""
    demands = [gang(1, 3, 99, 1), demand(2, 0, 99, user="bob")]
    grants = plan([Pool(CPU, 20), Pool(GPU, 8, host=CPU)], demands, limits=[Limit(4, "lab")])
    assert starts(grants, demands) == [0, 1]


# --- reasons ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("demands", "limits", "job", "reason"),
    [
        ([demand(1, 3, 50), demand(2, 1, 50)], [], 2,
         "49 more trials could run, but this host runs 4 at once: job-1 3, job-2 1. It is next in line."),
        ([demand(1, 2, 3)], [Limit(2, "lab")], 1,
         "1 more trial could run, but the project may run 2 trials at once: job-1 2. It is next in line."),
        ([demand(1, 1, 3)], [Limit(1, user="alice")], 1,
         "2 more trials could run, but alice may run 1 trial at once: job-1 1. It is next in line."),
        ([demand(1, 1, 3)], [Limit(1, "lab", "alice")], 1,
         "2 more trials could run, but alice may run 1 trial at once in this project: job-1 1. It is next in line."),
        ([demand(1, 1, 3)], [Limit(0)], 1,
         "2 more trials could run, but each takes 1 at once, and the installation may run 0 trials at once: "
         "none can start until that is raised."),
        # Jobs of other projects are counted, not named.
        ([demand(1, 3, 9, "secret"), demand(2, 1, 2)], [], 2,
         "1 more trial could run, but this host runs 4 at once: job-2 1, other projects 3. It is next in line."),
        ([demand(1, 4, 9, "secret"), demand(2, 0, 2), demand(3, 0, 2)], [], 3,
         "2 more trials could run, but this host runs 4 at once: other projects 4. It is number 2 of 3 in line."),
        ([gang(1, 6, 9, 1, user="bob"), gang(2, 0, 1, 4)], [], 2,
         "1 more trial could run, but pool gpu has 8 devices: job-1 6. "
         "A trial needs 4 at once; the 2 that are free are kept for it. It is next in line."),
        ([gang(1, 6, 9, 1, user="bob"), gang(2, 0, 1, 4)], [], 1,
         "3 more trials could run, but pool gpu has 8 devices: job-1 6. "
         "The 2 that are free are kept for job-2, whose trials need 4 at once. It is number 2 of 2 in line."),
        ([gang(1, 7, 9, 1, user="bob"), gang(2, 0, 1, 4, project="x")], [], 1,
         "2 more trials could run, but pool gpu has 8 devices: job-1 7. "
         "The 1 that is free is kept for a job of another project, whose trials need 4 at once. "
         "It is number 2 of 2 in line."),
        ([gang(1, 0, 1, 9)], [], 1,
         "1 more trial could run, but each takes 9 at once, and pool gpu has 8 devices: "
         "none can start until that is raised."),
        ([gang(1, 0, 9, 2)], [Limit(4, "lab", pool=GPU)], 1,
         "7 more trials could run, but the project may hold 4 devices of pool gpu at once: job-1 4. "
         "It is next in line."),
    ],
)  # fmt: skip
def test_a_reason_names_the_bound_and_who_holds_what(
    demands: list[Demand], limits: list[Limit], job: int, reason: str
) -> None:
    grants = plan([Pool(CPU, 4), Pool(GPU, 8)], demands, limits=limits)
    assert grants[job].text == reason.replace(" in line.", " in line; when a trial may start is not known yet.")


def test_what_is_not_lent_is_told() -> None:
    of = {("a", CPU): Share(6, lends=1)}
    text = plan([Pool(CPU, 8)], [team(2, 3, 9, "b")], shares=of)[2].reason
    assert text == (
        "6 more trials could run, but this host runs 8 at once: job-2 3. Of the 5 that are free, other teams lend 0."
    )
    never = plan([Pool(CPU, 8)], [team(2, 0, 1, "b", 4)], shares=of)[2]
    assert never.reason == (
        "1 more trial could run, but each takes 4 at once, and this host runs 8 at once, of which other teams never "
        "lend 5: none can start."
    )
    assert never.place == 0


def test_a_teams_cap_is_named() -> None:
    grants = plan([Pool(CPU, 8)], [team(1, 0, 9, "vision")], shares={("vision", CPU): Share(0, 2)})
    assert grants[1].reason == (
        "7 more trials could run, but team vision may hold 2 of pool cpu at once: job-1 2."
    )  # fmt: skip


def test_many_holders_are_not_all_named() -> None:
    demands = [demand(job, 1, 1) for job in range(1, 8)] + [demand(9, 0, 1)]
    reason = plan([Pool(CPU, 7)], demands)[9].reason
    assert reason.endswith("job-1 1, job-2 1, job-3 1, job-4 1, job-5 1, 2 more jobs 2.")


@pytest.mark.parametrize(
    ("lefts", "jobs", "expected"),
    [
        ([300.0, 60.0], 1, [60.0]),  # the first to end
        ([300.0, 60.0], 2, [60.0, 300.0]),  # each waits for one more
        ([300.0, 60.0], 4, [60.0, 300.0, 450.0, 600.0]),  # beyond what is known: at the same pace
        ([None, None], 1, [None]),  # nothing is known
        ([None, 60.0], 2, [60.0, 120.0]),
    ],
)
def test_the_start_is_estimated_from_what_runs(
    lefts: list[float | None], jobs: int, expected: list[float | None]
) -> None:
    running = Demand(1, "job-1", "lab", 2, "root", running=tuple(Holding(CPU, 1, left) for left in lefts))
    grants = plan([Pool(CPU, 2)], [running, *(demand(job, 0, 1) for job in range(2, 2 + jobs))])
    assert [grants[job].starts_in for job in range(2, 2 + jobs)] == expected
    assert [grants[job].place for job in range(2, 2 + jobs)] == list(range(1, jobs + 1))
    assert expected[0] is None or "a trial may start in about 1 min" in grants[2].text


def test_a_gang_waits_for_as_many_as_it_needs() -> None:
    running = Demand(1, "job-1", "lab", 8, running=tuple(Holding(GPU, 1, 60.0 * n) for n in range(1, 8)), pool=GPU)
    grants = plan([Pool(GPU, 8)], [running, gang(2, 0, 1, 4, user="bob")])
    assert grants[2].starts_in == 180.0  # one is free
