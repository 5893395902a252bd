"""Trials that misbehave, through the whole service: each ends with an error that says what happened."""

from typing import Any

import pytest

from tests.faults.lab import Lab, trial_processes
from tests.service import Service, wait_for

SCRIPT = """
import argparse, os, subprocess, sys, time
p = argparse.ArgumentParser()
p.add_argument("--x", type=float)
p.add_argument("--mode")
a = p.parse_args()
if a.mode == "long-line":
    print("score=1", flush=True)
    chunk = b"x" * (1 << 20)
    for _ in range(2048):
        os.write(1, chunk)
    os.write(1, b" score=99\\n")
    print("score=2", flush=True)
elif a.mode == "nan":
    print("score=nan", flush=True)
elif a.mode == "overflow":
    print("score=1e999", flush=True)
elif a.mode == "exit":
    print("score=0.5\\nthe table has no column y", flush=True)
    sys.exit(1)
elif a.mode == "silent":
    print("accuracy: 0.9", flush=True)
elif a.mode == "forks":
    for _ in range(5):
        subprocess.Popen(["setsid", "sleep", "1000"])
    print("score=3", flush=True)
elif a.mode == "deaf":
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("score=4", flush=True)
    time.sleep(1000)
"""


@pytest.fixture(scope="module")
def lab(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    made = Lab(service, tmp_path_factory.mktemp("ledger"))
    made.post("/projects/lab/algorithms", {"name": "hostile"})
    made.post(
        "/projects/lab/algorithms/hostile/versions",
        {
            "source": {"files": {"train.py": SCRIPT}},
            "entry_point": "train.py",
            "hyperparameters": [
                {"name": "x", "type": "float", "min": 0, "max": 1},
                {"name": "mode", "type": "text", "tunable": False},
            ],
            "metrics": [{"name": "score", "regex": "score=(\\S+)"}],
        },
    )
    return made


def begin(lab: Lab, mode: str) -> None:
    lab.post(
        "/projects/lab/jobs",
        {
            "name": mode,
            "algorithm": {"name": "hostile"},
            "objective": {"metric": "score", "goal": "maximize"},
            "space": [{"name": "x", "type": "float", "min": 0, "max": 1}],
            "static": {"mode": mode},
            "strategy": {"name": "random"},
            "limits": {"max_trials": 1, "max_parallel": 1},
        },
    )


def trial_of(lab: Lab, mode: str) -> dict[str, Any]:
    begin(lab, mode)
    lab.wait_for_state(mode, {"Completed", "Failed", "Stopped"})
    (trial,) = lab.trials(mode)
    return dict(trial)


@pytest.mark.parametrize(
    ("mode", "says", "shows"),
    [
        ("nan", "its only values were refused", "score=nan"),
        ("overflow", "its only values were refused", "score=1e999"),
        ("exit", "It ended with exit code 1.", "the table has no column y"),
        ("silent", "no line of its output matched the regex", "accuracy: 0.9"),
    ],
)
def test_a_failed_trial_says_why_with_the_end_of_its_log(lab: Lab, mode: str, says: str, shows: str) -> None:
    trial = trial_of(lab, mode)
    assert trial["state"] == "Failed"
    assert says in trial["reason"]
    assert shows in trial["failure"]
    assert says in lab.job(mode)["reason"]  # the only trial failed, so the job did, and says the same


@pytest.mark.timeout(300)
def test_a_line_of_2_gb_costs_neither_the_disk_nor_the_metrics(service: Service, lab: Lab) -> None:
    trial = trial_of(lab, "long-line")
    assert trial["state"] == "Completed"
    # What stands far inside the line is not searched; what comes before it is read.
    assert trial["best_objective"] in (1, 2)
    kept = sum(path.stat().st_size for path in (service.home / "trials").rglob("log"))
    assert kept < 300 * 1024 * 1024


def test_what_a_trial_forks_ends_with_it(service: Service, lab: Lab) -> None:
    assert trial_of(lab, "forks")["state"] == "Completed"
    wait_for(lambda: not trial_processes(service), 15, "no process of a trial is left")


def test_a_trial_that_ignores_sigterm_is_killed(service: Service, lab: Lab) -> None:
    begin(lab, "deaf")
    wait_for(lambda: lab.job("deaf")["best"], 60, "it has reported")
    lab.post("/projects/lab/jobs/deaf/stop", {})
    job = lab.wait_for_state("deaf", {"Completed", "Failed", "Stopped"})
    assert job["state"] == "Stopped"
    assert lab.trials("deaf")[0]["objective"] == 4
    wait_for(lambda: not trial_processes(service), 15, "no process of a trial is left")
