"""kill -9 of the worker and the follower while trials are paused and promoted: every curve is whole, and each pause,
promotion and run happened once (F45; design 2.3).

The trials write a checkpoint after every epoch, and name their epochs; a ledger of what really ran is held against the
rows, as in test_nothing_lost.
"""

import random
import time
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from tests.faults.lab import Lab, trial_processes
from tests.service import Service, wait_for

SEED = int(time.time())
EPOCHS = 9
PARALLEL = 3
TRIALS = 9
SCRIPT = """
import argparse, json, os, pathlib, time
p = argparse.ArgumentParser()
p.add_argument("--x", type=float)
p.add_argument("--ledger")
p.add_argument("--resume-from")
a = p.parse_args()
def note(word):
    with open(a.ledger, "a") as f:
        f.write(f"{os.environ['HPT_TRIAL_NUMBER']} {os.environ['HPT_ATTEMPT_NUMBER']} {word}\\n")
note("begins")
model = pathlib.Path(os.environ["HPT_CHECKPOINTS"], "model")
done = int(model.read_text()) if a.resume_from else 0
for epoch in range(done + 1, 10):
    time.sleep(0.12)
    print(json.dumps({"hpt": {"score": a.x * epoch, "step": epoch}}), flush=True)
    draft = model.with_suffix(".draft")
    draft.write_text(str(epoch))
    draft.rename(model)
note("ends")
"""


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
    return lab


def create_job(lab: Lab, name: str, mode: str) -> None:
    lab.post(
        "/projects/lab/jobs",
        {
            "name": name,
            "algorithm": {"name": "epochs"},
            "objective": {"metric": "score", "goal": "maximize"},
            "space": [{"name": "x", "type": "float", "min": 0.5, "max": 1}],
            "static": {"ledger": str(lab.folder / name)},
            "strategy": {"name": "hyperband", "options": {"max_resource": EPOCHS, "mode": mode}},
            "limits": {"max_trials": TRIALS, "max_parallel": PARALLEL},
            "seed": 1,
        },
    )


def most_at_once(attempts: list[dict[str, Any]]) -> int:
    """The largest number of attempts that held a place at the same time."""
    moves = [(datetime.fromisoformat(attempt["created_at"]), 1) for attempt in attempts]
    moves += [(datetime.fromisoformat(attempt["ended_at"]), -1) for attempt in attempts]
    live = most = 0
    for _, move in sorted(moves):
        live += move
        most = max(most, live)
    return most


def check_the_ledger(lab: Lab, name: str) -> None:
    rows = lab.trials(name)
    assert sorted(row["number"] for row in rows) == list(range(1, TRIALS + 1))
    states = Counter(row["state"] for row in rows)
    assert states["Completed"] >= 1 and states["Completed"] + states["EarlyStopped"] == TRIALS, states
    began = lab.noted(name, "begins")
    assert len(began) == len(set(began)), f"an attempt ran twice: {began}"
    attempts: list[dict[str, Any]] = []
    for row in rows:
        at = f"/projects/lab/jobs/{name}/trials/{row['number']}"
        own = lab.get(at)["attempts"]
        attempts += own
        decided = Counter(decision["kind"] for decision in lab.get(f"{at}/decisions", limit=200)["items"])
        outcomes = Counter(attempt["outcome"] for attempt in own)
        # Trials outlive their watchers: none was lost, and each run after the first follows a promotion.
        assert len(own) == 1 + decided["promote"], (row, decided)
        # One that ended before the signal reached it has exited although it was to pause.
        assert outcomes.keys() <= {"paused", "exited"} and outcomes["exited"] <= 1, (row, outcomes)
        assert outcomes["paused"] <= decided["pause"] <= len(own), (row, outcomes, decided)
        assert [number for trial, number in began if trial == row["number"]] == [each["number"] for each in own]
        (series,) = lab.get(f"{at}/metrics")["items"]
        steps = series["steps"]
        assert steps == list(range(1, len(steps) + 1)), f"trial {row['number']} lost or doubled a point: {steps}"
        assert (len(steps) == EPOCHS) >= (row["state"] == "Completed")
        assert series["values"] == [pytest.approx(row["hyperparameters"]["x"] * step) for step in steps]
    assert most_at_once(attempts) <= PARALLEL
    numbers = [event["seq"] for event in lab.events(name)]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", ["promotion", "synchronous"])
def test_worker_and_follower_are_killed_while_trials_pause(service: Service, lab: Lab, mode: str) -> None:
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    create_job(lab, mode, mode)
    for part in ("follower", "worker", "follower", "worker"):
        wait_for(lambda: lab.job(mode)["counts"].get("Running", 0) or lab.job(mode)["ended_at"], 60, "trials run")
        time.sleep(dice.uniform(0.0, 1.0))  # a random moment, not a wait for something
        if lab.job(mode)["ended_at"]:
            break
        wait_for(lambda part=part: service.pid(part), 60, f"{part} runs")
        service.kill(part)
    job = lab.wait_for_state(mode, {"Completed", "Failed", "Stopped"}, 300)
    assert (job["state"], job["reason"]) == ("Completed", f"All {TRIALS} trials have ended.")
    check_the_ledger(lab, mode)
    assert wait_for(lambda: not trial_processes(service), 10, "no process of a trial is left")
