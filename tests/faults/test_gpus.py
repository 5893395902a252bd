"""GPUs of a fixed list, given to processes while worker and follower are killed: no device is ever given twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults.lab import Lab
from tests.service import Service, wait_for

# Notes when it holds which devices, by a clock that all processes of the host share.
SCRIPT = """
import argparse, json, os, time
p = argparse.ArgumentParser()
p.add_argument("--x", type=float)
p.add_argument("--ledger")
a = p.parse_args()
begun = time.monotonic()
time.sleep(0.5 + a.x)
print(f"score={a.x}", flush=True)
held = {"devices": os.environ["CUDA_VISIBLE_DEVICES"].split(","), "mb": int(os.environ.get("HPT_GPU_MEMORY_MB", 0))}
with open(a.ledger, "a") as f:
    f.write(json.dumps({**held, "begun": begun, "ended": time.monotonic(), "gpus": os.environ["SM_NUM_GPUS"]}) + "\\n")
"""
SIZE_MB = 1000
SETTINGS = {"HPT_GPUS": ",".join(f"GPU-{letter}:{SIZE_MB}MiB" for letter in "abc"), "HPT_TRIAL_SLOTS": "12"}


@pytest.mark.timeout(600)
def test_no_device_is_given_twice_whoever_is_killed(service: Service, tmp_path: Path) -> None:
    lab = Lab(service, tmp_path)
    lab.post("/projects/lab/algorithms", {"name": "gpu"})
    hyperparameters = [{"name": "x", "type": "float", "min": 0, "max": 1}]
    hyperparameters += [{"name": "ledger", "type": "text", "tunable": False}]
    version = {
        "source": {"files": {"train.py": SCRIPT}},
        "entry_point": "train.py",
        "hyperparameters": hyperparameters,
        "metrics": [{"name": "score", "regex": "score=(\\S+)"}],
    }
    lab.post("/projects/lab/algorithms/gpu/versions", version)

    def begin(name: str, trials: int, **resources: Any) -> None:
        document = {
            "name": name,
            "algorithm": {"name": "gpu"},
            "objective": {"metric": "score", "goal": "maximize"},
            "space": [{"name": "x", "type": "float", "min": 0, "max": 1}],
            "static": {"ledger": str(tmp_path / "ledger")},
            "strategy": {"name": "random"},
            "limits": {"max_trials": trials, "max_parallel": 6},
            "resources": resources,
        }
        lab.post("/projects/lab/jobs", document)

    begin("pairs", 4, gpus=2)
    begin("singles", 6, gpus=1)
    begin("shares", 10, gpus=1, gpu_memory_mb=400)
    for part in ("worker", "follower", "worker"):
        wait_for(
            lambda: any(lab.job(job)["counts"].get("Running") for job in ("pairs", "singles", "shares")), 60, "run"
        )
        wait_for(lambda part=part: service.pid(part), 60, f"{part} runs")
        service.kill(part)
    for job in ("pairs", "singles", "shares"):
        assert lab.wait_for_state(job, {"Completed", "Failed", "Stopped"})["state"] == "Completed"
    held = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    assert len(held) == 20
    assert {(len(one["devices"]), one["gpus"], one["mb"]) for one in held} == {(2, "2", 0), (1, "1", 0), (1, "1", 400)}
    shared = 0
    for one in held:  # what was given of each device at the moment at which this one began
        for device in one["devices"]:
            beside = [o for o in held if device in o["devices"] and o["begun"] <= one["begun"] < o["ended"]]
            assert sum(o["mb"] or SIZE_MB for o in beside) <= SIZE_MB, (device, beside)
            shared = max(shared, len(beside))
    assert shared == 2, "two shares of 400 MB fit into 1000"
