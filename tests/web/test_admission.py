"""Who may start how many trials: a table of situations (design 4.2, 8)."""

import pytest

from hpt_web.jobs.admission import Demand, plan


def demand(job: int, live: int, wanted: int, project: int = 1) -> Demand:
    return Demand(job=job, name=f"job-{job}", project=project, live=live, wanted=wanted)


@pytest.mark.parametrize(
    ("capacity", "demands", "caps", "starts"),
    [
        (4, [demand(1, 0, 2), demand(2, 0, 2)], {}, [2, 2]),  # room for all
        (4, [demand(1, 0, 50)], {}, [4]),  # one alone takes everything
        (4, [demand(1, 4, 50), demand(2, 0, 2)], {}, [0, 0]),  # full: nothing is taken away...
        (4, [demand(1, 3, 50), demand(2, 0, 2)], {}, [0, 1]),  # ...but what gets free goes to who has less
        (4, [demand(1, 2, 50), demand(2, 1, 2)], {}, [0, 1]),
        (5, [demand(1, 0, 50), demand(2, 0, 50)], {}, [3, 2]),  # the odd place goes to the older job
        (4, [demand(1, 0, 1), demand(2, 0, 50)], {}, [1, 3]),  # what one does not want, the other gets
        (4, [demand(1, 0, 0), demand(2, 0, 50)], {}, [0, 4]),
        (8, [demand(1, 0, 8, 1), demand(2, 0, 8, 2)], {1: 2}, [2, 6]),  # a project's cap, the rest to the others
        (8, [demand(1, 2, 8, 1), demand(2, 0, 8, 1)], {1: 2}, [0, 0]),  # shared within the project
        (8, [demand(1, 5, 8, 1)], {1: 2}, [0]),  # a lowered cap kills nothing and starts nothing
        (1, [demand(1, 0, 5), demand(2, 0, 5), demand(3, 0, 5)], {}, [1, 0, 0]),
        (0, [demand(1, 0, 5)], {}, [0]),
        (4, [], {}, []),
    ],
)
def test_table(capacity: int, demands: list[Demand], caps: dict[int, int], starts: list[int]) -> None:
    grants = plan(capacity, demands, caps)
    assert [grants[d.job].start for d in demands] == starts


@pytest.mark.parametrize("capacity", [0, 1, 3, 7])
@pytest.mark.parametrize("lives", [(0, 0, 0), (2, 0, 1), (3, 3, 1)])
def test_grants_hold_together(capacity: int, lives: tuple[int, int, int]) -> None:
    demands = [demand(job, live, 9, project=job % 2) for job, live in enumerate(lives)]
    grants = plan(capacity, demands, {0: 2})
    started = {d.job: grants[d.job].start for d in demands}
    assert sum(started.values()) <= max(0, capacity - sum(lives))
    in_project = [d for d in demands if d.project == 0]
    running = sum(d.live for d in in_project)
    assert running + sum(started[d.job] for d in in_project) <= max(2, running)


def test_reason_names_the_limit_and_who_holds_it() -> None:
    grants = plan(4, [demand(1, 3, 50), demand(2, 1, 50)], {})
    assert grants[2].reason == (
        "49 more trials could run, but this host runs 4 at once: job-1 3, job-2 1; the room is shared equally."
    )
    capped = plan(8, [demand(1, 2, 3)], {1: 2})
    assert capped[1].reason == "1 more trial could run, but the project may run 2 trials at once: job-1 2."
    assert plan(8, [demand(1, 2, 3)], {})[1].reason == ""
