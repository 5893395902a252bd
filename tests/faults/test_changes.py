"""A job is paused now and goes on while the worker and the follower are killed: each trial goes on from its checkpoint,
every curve is whole, and nothing ran twice (demands 5 and 13).
"""

import random
import time
from typing import Any

import pytest

from tests.faults.lab import Lab, trial_processes
from tests.faults.test_pausing import SCRIPT
from tests.service import Service, wait_for

SEED = int(time.time())
EPOCHS = 9  # of SCRIPT, which writes a checkpoint after each
TRIALS = 4
JOB = "/projects/lab/jobs/held"


@pytest.fixture(scope="module")
def lab(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    lab = Lab(service, tmp_path_factory.mktemp("ledger"))
    lab.post("/projects/lab/algorithms", {"name": "epochs"})
    lab.post(
        "/projects/lab/algorithms/epochs/versions",
        {
            "source": {"files": {"train.py": SCRIPT}},
            "entry_point": "train.py",
            "metrics": [{"name": "score", "regex": "score=(\\S+)"}],
        },
    )
    lab.post(
        "/projects/lab/jobs",
        {
            "name": "held",
            "algorithm": {"name": "epochs"},
            "objective": {"metric": "score", "goal": "maximize"},
            "space": [{"name": "x", "type": "float", "min": 0.5, "max": 1}],
            "static": {"ledger": str(lab.folder / "held")},
            "strategy": {"name": "random"},
            "limits": {"max_trials": TRIALS, "max_parallel": 2},
            "seed": 1,
        },
    )
    return lab


def attempts(lab: Lab, number: int) -> list[dict[str, Any]]:
    return list(lab.get(f"{JOB}/trials/{number}")["attempts"])


@pytest.mark.timeout(300)
def test_pausing_and_going_on_survive_kills(service: Service, lab: Lab) -> None:
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    for part in ("worker", "follower"):
        wait_for(lambda: lab.job("held")["counts"].get("Running", 0) or lab.job("held")["ended_at"], 60, "trials run")
        time.sleep(dice.uniform(0.2, 0.6))  # a random moment, not a wait for something
        if lab.job("held")["ended_at"]:
            break
        lab.post(f"{JOB}/pause", {"mode": "now"})
        service.kill(part)
        wait_for(lambda: not trial_processes(service), 60, "a paused job's trials are gone")
        wait_for(lambda: lab.job("held")["counts"].get("Stopping", 0) == 0, 60, "their ends are written")
        job = lab.job("held")
        if job["state"] != "Paused":  # its last trials came to their end first
            break
        assert job["counts"].keys() <= {"Queued", "Completed"}, job["counts"]
        wait_for(lambda part=part: service.pid(part), 60, f"{part} runs")
        lab.post(f"{JOB}/unpause", {})
    job = lab.wait_for_state("held", {"Completed", "Failed", "Stopped"}, 200)
    assert (job["state"], job["reason"]) == ("Completed", f"All {TRIALS} trials have ended.")
    began = lab.noted("held", "begins")
    assert len(began) == len(set(began)), f"an attempt ran twice: {began}"
    for number in range(1, TRIALS + 1):
        outcomes = [attempt["outcome"] for attempt in attempts(lab, number)]
        assert outcomes[-1] == "exited" and set(outcomes[:-1]) <= {"paused"}, outcomes
        (series,) = lab.get(f"{JOB}/trials/{number}/metrics")["items"]
        assert series["steps"] == list(range(1, EPOCHS + 1)), f"trial {number}: {series['steps']}"
    numbers = [event["seq"] for event in lab.events("held")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert wait_for(lambda: not trial_processes(service), 10, "no process of a trial is left")
