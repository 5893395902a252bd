"""Some rows of the fault suite (docs/chaos.md), on one service: whatever is killed, each invariant of the row holds.

`make chaos` plays all rows. HPT_CHAOS_SEED replays a run of these.
"""

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from hpt_web.embedded import home, processes
from tests.chaos import invariants, ledger, stages
from tests.chaos.bounds import Bounds, bounded, gpus_of
from tests.chaos.ledger import Entry
from tests.chaos.rows import BY_NAME, ROWS, SHORT
from tests.chaos.runner import Theatre
from tests.chaos.watching import Sample, Sampler
from tests.faults.lab import Lab
from tests.service import wait_for

X = {"name": "x", "type": "float", "min": 0, "max": 1}
SEED = int(os.environ.get("HPT_CHAOS_SEED") or time.time())


def test_every_row_is_documented() -> None:
    text = (home.REPOSITORY / "docs" / "chaos.md").read_text("utf-8")
    assert [row.name for row in ROWS if f"| {row.name} | {row.who} | {row.what} |" not in text] == []


@pytest.fixture(scope="module")
def played() -> Iterator[list[Entry]]:
    entries: list[Entry] = []
    yield entries
    print(f"\n{ledger.account(entries, SEED)}")


@pytest.fixture(scope="module")
def theatre(played: list[Entry]) -> Iterator[Theatre]:
    with stages.scratch_folder() as scratch, stages.standing(scratch) as stage:
        folder = scratch / "ledger"
        folder.mkdir()
        yield Theatre(stage, folder, SEED)


@pytest.mark.timeout(300)
def test_every_invariant_holds_without_a_fault(theatre: Theatre, played: list[Entry]) -> None:
    played.append(theatre.measure(contained=False))
    assert not played[-1].broken


@pytest.mark.timeout(300)
def test_what_is_beyond_a_bound_is_reported(theatre: Theatre, played: list[Entry]) -> None:
    """Two trials that run elsewhere, made by hand into two that hold the same GPU here, of one that may run."""
    without_fault = (played or [theatre.measure(contained=False)])[0].evidence
    assert without_fault is not None
    assert [*invariants.within_bounds(without_fault), *invariants.places(without_fault)] == []
    pool = gpus_of(theatre.pools)
    assert pool is not None
    bounds = Bounds(running=1, slots=1, limit=1, cap=1)
    with bounded(theatre.lab, "beyond", bounds, pool) as lab, ExitStack() as stack:
        number, project = two_elsewhere(lab, theatre.stage.database_url)
        sampler = Sampler(theatre.stage.database_url, theatre.stage.home)
        with (
            psycopg.connect(theatre.stage.database_url) as nobody_else,
            psycopg.connect(theatre.stage.database_url, autocommit=True) as db,
        ):
            query = b"SELECT id FROM jobs_trial WHERE job_id = %s FOR UPDATE"
            trials = [row[0] for row in nobody_else.execute(query, [number]).fetchall()]
            found = db.execute(b"SELECT token FROM jobs_attempt WHERE trial_id = ANY(%s)", [trials]).fetchall()
            tokens = {row[0] for row in found}
            for token in tokens:
                stack.callback(processes.kill, [pretended(theatre.stage.home, token, pool.ids[0])])
            changes = b"backend = %s, pool = %s, devices = %s, device_count = %s"
            query = b"UPDATE jobs_attempt SET " + changes + b" WHERE trial_id = ANY(%s)"
            db.execute(query, ["process", pool.name, json.dumps(pool.ids[:1]), 1, trials])
            wait_for(lambda: any(both(sample, tokens) for sample in sampler.samples), 20, "both are seen")
            db.execute(query, ["external", "", "[]", 0, trials])
        lab.post("/projects/beyond/jobs/elsewhere/stop", {})
        samples = sampler.stop()
    bounds = dataclasses.replace(bounds, project=project, gpus=pool.name)
    pools = theatre.pools | {pool.name: dataclasses.replace(pool, devices=1)}
    seen = dataclasses.replace(without_fault, samples=samples, bounds=bounds, pools=pools)
    whats = ["parts of the GPU chaos-0", "trials of the project", "slots of the team"]
    whats += [f"devices of {pool.name} by the project", f"devices of {pool.name} by the team"]
    assert sorted(invariants.within_bounds(seen)) == sorted(
        f"2 {what} were {how} at one moment, of 1" for what in whats for how in ("reserved", "really taken")
    )
    assert f"2 devices of the pool {pool.name} were reserved at one moment, of 1" in list(invariants.places(seen))


def two_elsewhere(lab: Lab, database_url: str) -> tuple[int, int]:
    """A job of which two trials run elsewhere; its number and that of its project."""
    lab.post("/projects/beyond/algorithms", {"name": "elsewhere"})
    version = {"source": {"external": True}, "hyperparameters": [X], "metrics": [{"name": "score"}]}
    lab.post("/projects/beyond/algorithms/elsewhere/versions", version)
    document = {
        "name": "elsewhere",
        "algorithm": {"name": "elsewhere"},
        "objective": {"metric": "score", "goal": "maximize"},
        "space": [X],
        "strategy": {"name": "random"},
        "limits": {"max_trials": 2, "max_parallel": 2},
    }
    lab.post("/projects/beyond/jobs", document)
    asked = "/projects/beyond/jobs/elsewhere/ask"
    for number in (1, 2):
        wait_for(lambda: lab.post(asked, {"n": 1})["trials"], 30, f"trial {number} is handed out")
    with psycopg.connect(database_url) as db:
        found = db.execute(b"SELECT id, project_id FROM jobs_tuningjob WHERE name = 'elsewhere'").fetchone()
    assert found is not None
    return found


def both(sample: Sample, tokens: set[str]) -> bool:
    return tokens <= sample.alive and tokens <= {place.token for place in sample.reserved or []}


def pretended(home: Path, token: str, device: str) -> int:
    """A process that looks like the script of an attempt."""
    marks = {"HPT_ATTEMPT": token, "HPT_ATTEMPT_FOLDER": str(home / "trials" / token), "CUDA_VISIBLE_DEVICES": device}
    command = [sys.executable, "-c", "import time; time.sleep(60)", "train.py"]
    return subprocess.Popen(command, env={**os.environ, **marks}).pid


@pytest.mark.timeout(600)
@pytest.mark.parametrize("row", SHORT)
def test_every_invariant_holds(theatre: Theatre, played: list[Entry], row: str) -> None:
    if theatre.per_round is None:  # a row was asked for alone
        theatre.measure(contained=False)
    played.append(theatre.play(BY_NAME[row]))
    assert not played[-1].broken, ledger.account(played[-1:], SEED)
