"""kill -9 of every part while trials run, and Ctrl-C in the middle: no trial is lost, none counted twice (design 2.3).

What really happened is read from a ledger that the trials write themselves, and held against the rows.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.faults.lab import Lab, trial_processes
from tests.service import Service, wait_for

SEED = int(time.time())
LINES = 20


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("hpt") / "home", example=False).start()
    yield running
    running.stop()


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
def test_every_part_is_killed_at_random_moments(service: Service, lab: Lab) -> None:
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    lab.create_job("killed", trials=10, parallel=3)
    order = ["worker", "follower", "web", "valkey", "postgres", "follower", "worker"]
    dice.shuffle(order)
    for part in order:
        running = wait_for(lambda: lab.job("killed")["counts"].get("Running", 0), 60, "trials run")
        assert running
        time.sleep(dice.uniform(0.0, 1.0))  # a random moment, not a wait for something
        if lab.job("killed")["state"] != "Running":
            break
        wait_for(lambda part=part: service.pid(part), 60, f"{part} runs")
        service.kill(part)
    job = lab.wait_for_state("killed", {"Completed", "Failed", "Stopped"}, 300)
    assert job["state"] == "Completed", job["reason"]
    check_the_ledger(lab, "killed", 10)
    # Trials outlive their watchers: not one of them had to run again.
    assert lab.noted("killed", "begins") == [(number, 1) for number in range(1, 11)]
    assert wait_for(lambda: not trial_processes(service), 10, "no process of a trial is left")


@pytest.mark.timeout(600)
def test_ctrl_c_leaves_no_process_and_the_next_start_goes_on(service: Service, lab: Lab) -> None:
    lab.create_job("interrupted", trials=4, parallel=3, pause=0.6)
    wait_for(lambda: lab.job("interrupted")["counts"].get("Running", 0) >= 3, 60, "trials run")
    service.interrupt()
    assert service.wait() == 0, service.console()
    assert not trial_processes(service)
    assert not service.processes()

    service.start()
    job = lab.wait_for_state("interrupted", {"Completed", "Failed", "Stopped"})
    assert job["state"] == "Completed", job["reason"]
    check_the_ledger(lab, "interrupted", 4)
    assert any(row["attempt"] > 1 for row in lab.trials("interrupted")), "what ran at the interruption ran again"
    assert [trial for trial, _ in lab.noted("interrupted", "ends")] == [1, 2, 3, 4], "each came to its end once"


@pytest.mark.timeout(600)
def test_all_at_once(service: Service, lab: Lab) -> None:
    """The supervisor and all parts are killed; the trials run on, and the next start takes them up."""
    lab.create_job("cut", trials=4, parallel=2, pause=0.3)
    wait_for(lambda: lab.job("cut")["counts"].get("Running", 0) >= 2, 60, "trials run")
    service.kill_supervisor()
    assert trial_processes(service), "trials outlive their watchers"
    service.start()
    assert lab.wait_for_state("cut", {"Completed", "Failed", "Stopped"})["state"] == "Completed"
    check_the_ledger(lab, "cut", 4)
    assert lab.noted("cut", "begins") == [(number, 1) for number in range(1, 5)]
