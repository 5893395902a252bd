"""The jobs that run while something breaks. Their script notes what it does where no fault of the service reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.chaos.bounds import Pool
from tests.faults.lab import Lab

# Prints its points and notes its starts and ends; `mode` makes the first two trials misbehave in one way. All of a spot
# job take two seconds for a checkpoint when they are asked to end, and go on after it. All of one that saves (or names
# its steps as well) write a checkpoint with every fourth point, some before the point and some after it, and go on so.
SCRIPT = """
import argparse, os, signal, subprocess, sys, time
p = argparse.ArgumentParser()
p.add_argument("--x", type=float)
p.add_argument("--ledger")
p.add_argument("--lines", type=int)
p.add_argument("--pause", type=float)
p.add_argument("--mode")
p.add_argument("--resume-from")
a = p.parse_args()
number = int(os.environ["HPT_TRIAL_NUMBER"])
mode = a.mode if number <= 2 or a.mode in ("spot", "saves", "names") else "plain"
kept = os.path.join(os.environ["HPT_CHECKPOINTS"], "step")
def note(word):
    if a.ledger:
        with open(a.ledger, "a") as f:
            f.write(f"{number} {os.environ['HPT_ATTEMPT_NUMBER']} {word} {time.monotonic()} {os.getpid()}\\n")
note("begins")
if mode == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "daemons":
    subprocess.Popen(["setsid", "-f", "sleep", "1000"])
if mode == "forks":
    for _ in range(200):
        subprocess.Popen(["sleep", "1000"], start_new_session=number == 2)
if mode == "hoards":
    with open(kept, "wb") as f:
        while True:
            f.write(b"x" * 65536)
if mode == "flood":
    text = b"nothing to see here\\n" * 50000
    for _ in range(200):
        os.write(1, text)
hog, first, asked = [], 1, []
if mode == "spot":
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
if a.resume_from and mode != "plain":
    with open(os.path.join(a.resume_from, "step")) as f:
        first = int(f.read()) + 1
def save(step):
    with open(kept + ".draft", "w") as f:
        f.write(str(step))
    os.rename(kept + ".draft", kept)
for i in range(first, a.lines + 1):
    saves = mode in ("saves", "names") and i % 4 == 0
    if saves and number % 2:
        save(i)
    if mode == "names":
        print('{"hpt": {"score": %r, "step": %d}}' % (a.x + i, i), flush=True)
    else:
        print(f"score={a.x + i}", flush=True)
    if saves and not number % 2:
        save(i)
    if mode == "hog" and i > 3:
        hog.append(b"x" * (32 << 20))
    if mode == "fills":
        os.write(1, b"filler " * 40000 + b"\\n")
    time.sleep(a.pause if mode not in ("deaf", "daemons") else 1.0)
    if asked:
        note("writes")
        time.sleep(2)
        save(i)
        sys.exit(0)
note("ends")
"""
METRIC = {"name": "score", "regex": "score=(\\S+)"}
CONTAINED = {"cpus": 0.5, "memory_mb": 256}


@dataclass(frozen=True, slots=True)
class Work:
    """A job: so many trials, so many at once, each printing `lines` points `pause` seconds apart."""

    trials: int = 9
    parallel: int = 3
    lines: int = 20
    pause: float = 0.1
    mode: str = "plain"
    memory_mb: int | None = None
    contained: bool = False
    keep_alive: int = 0  # seconds for which containers are kept
    gpus: int = 0  # of each trial, where there are some
    share: float = 1.0  # of the memory of each of its GPUs

    def resources(self, pool: Pool | None) -> dict[str, Any]:
        """What each trial asks for; GPUs of that pool, or none if there is none."""
        found: dict[str, Any] = dict(CONTAINED) if self.contained else {}
        found |= {"memory_mb": self.memory_mb} if self.memory_mb else {}
        found |= {"keep_alive_seconds": self.keep_alive} if self.keep_alive else {}
        if self.gpus and pool is not None:
            found |= {"gpus": self.gpus, "pool": pool.name}
            found |= {"gpu_memory_mb": int(pool.memory_mb * self.share)} if self.share < 1 else {}
        return found


def prepare(lab: Lab, project: str = "") -> None:
    """The algorithm that all rows tune."""
    at = f"/projects/{project or lab.project}/algorithms"
    lab.post(at, {"name": "steps"})
    numbers = [("lines", "integer", 15), ("pause", "float", 0.1)]
    texts = [("ledger", ""), ("mode", "plain")]
    fixed = [{"name": name, "type": kind, "default": value, "tunable": False} for name, kind, value in numbers]
    fixed += [{"name": name, "type": "text", "default": value, "tunable": False} for name, value in texts]
    version = {
        "source": {"files": {"train.py": SCRIPT}},
        "entry_point": "train.py",
        "hyperparameters": [{"name": "x", "type": "float", "min": 0, "max": 1}, *fixed],
        "metrics": [METRIC],
    }
    lab.post(f"{at}/steps/versions", version)


def begin(lab: Lab, name: str, work: Work, pool: Pool | None = None) -> None:
    """Make the job."""
    lab.post(f"/projects/{lab.project}/jobs", document(lab, name, work, work.resources(pool)))


def document(lab: Lab, name: str, work: Work, resources: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "algorithm": {"name": "steps"},
        "objective": {"metric": "score", "goal": "maximize"},
        "space": [{"name": "x", "type": "float", "min": 0, "max": 1}],
        "static": {
            "ledger": "" if work.contained else str(lab.folder / name),
            "lines": work.lines,
            "pause": work.pause,
            "mode": work.mode,
        },
        "strategy": {"name": "random"},
        "limits": {"max_trials": work.trials, "max_parallel": work.parallel},
        "seed": 1,
        **({"resources": resources} if resources else {}),
        **({"runs_in": "container"} if work.contained else {}),
        **({"spot": True} if work.mode == "spot" else {}),
    }
