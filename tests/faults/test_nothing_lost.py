"""Ctrl-C in the middle of a job: no trial is lost, none counted twice (design 2.3). What is killed, test_chaos kills.

What really happened is read from a ledger that the trials write themselves, and held against the rows.
"""

from collections import Counter

import pytest

from tests.faults.lab import Lab, trial_processes
from tests.service import Service, wait_for

LINES = 20


@pytest.fixture(scope="module")
def lab(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(service, tmp_path_factory.mktemp("ledger"))


def check_the_ledger(lab: Lab, name: str, trials: int) -> None:
    rows = lab.trials(name)
    assert sorted(row["number"] for row in rows) == list(range(1, trials + 1))
    assert Counter(row["state"] for row in rows) == {"Completed": trials}
    began = lab.noted(name, "begins")
    assert len(began) == len(set(began)), f"an attempt ran twice: {began}"
    attempts = {
        (row["number"], attempt["number"]): attempt
        for row in rows
        for attempt in lab.get(f"/projects/lab/jobs/{name}/trials/{row['number']}")["attempts"]
    }
    assert set(began) <= attempts.keys(), "something ran that no row knows of"
    for row in rows:
        curve = lab.get(f"/projects/lab/jobs/{name}/trials/{row['number']}/metrics")
        assert [series["metric"] for series in curve["items"]] == ["score"]
        assert curve["items"][0]["steps"] == list(range(1, LINES + 1)), f"trial {row['number']} lost or doubled a point"
    numbers = [event["seq"] for event in lab.events(name)]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.timeout(600)
def test_ctrl_c_leaves_no_process_and_the_next_start_goes_on(service: Service, lab: Lab) -> None:
    lab.create_job("interrupted", trials=4, parallel=3, pause=15)  # none ends by itself, however busy the machine
    wait_for(lambda: lab.job("interrupted")["counts"].get("Running", 0) >= 3, 60, "trials run")
    service.interrupt()
    assert service.wait() == 0, service.console()
    assert not trial_processes(service)
    assert not service.processes()

    (lab.folder / "interrupted.hurry").touch()
    service.start()
    job = lab.wait_for_state("interrupted", {"Completed", "Failed", "Stopped"})
    assert job["state"] == "Completed", job["reason"]
    check_the_ledger(lab, "interrupted", 4)
    assert any(row["attempt"] > 1 for row in lab.trials("interrupted")), "what ran at the interruption ran again"
    assert [trial for trial, _ in lab.noted("interrupted", "ends")] == [1, 2, 3, 4], "each came to its end once"
