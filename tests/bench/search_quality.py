"""How good the points are that ``auto`` finds, beside recorded peers: the search-quality bench and its tables.

    python -m tests.bench.search_quality path/to/bench --work /tmp/quality > /tmp/quality.md

The bench's folder (bench.py, its tasks, data and the peers' results) is copied to ``--work`` and left as it is. What is
finished there is not run again, so the command resumes. See docs/bench.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ADAPTER = Path(__file__).resolve().with_name("engine_adapter.py")
NAME = "hpt"
# Peers that were run on every cell, those that were run on some, and those that were run for 30 trials of ten tasks.
FAST = ("optuna_tpe", "optuna_cma", "hyperopt_tpe", "hyperopt_anneal", "nevergrad", "sobol", "random")
SLOW = ("optuna_gp", "syne12_gp", "smac_rf", "proto_mix", "proto")
SLOWEST = ("ax", "hebo", "openbox", "skopt_gp")
REPORTS: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    # title, seeds, peers, arguments
    ("16 tasks, 4 seeds, 50 trials", "0-3", FAST, ("--at", "10,30,50")),
    ("16 tasks, seed 0, 50 trials, the slow peers too", "0-0", (*FAST, *SLOW), ("--at", "10,30,50")),
    (
        "10 tasks, seeds 0 and 1, 50 trials, the slow peers too",
        "0-1",
        (*FAST, *SLOW[:3], "proto"),
        ("--at", "10,30,50"),
    ),
    ("10 tasks, seed 0, 30 trials, every peer", "0-0", (*FAST, *SLOW[:3], "proto", *SLOWEST), ("--at", "10,20,30")),
    (
        "10 tasks, seeds 0 and 1, 50 trials, 4 at a time",
        "0-1",
        ("optuna_tpe", "hyperopt_tpe", "proto", "random"),
        ("--at", "10,30,50", "--mode", "batch4"),
    ),
    (
        "10 tasks, seed 0, 50 trials, 4 at a time, with Syne Tune's Gaussian process",
        "0-0",
        ("optuna_tpe", "hyperopt_tpe", "syne12_gp", "proto", "random"),
        ("--at", "10,30,50", "--mode", "batch4"),
    ),
)


def bench(folder: Path, *arguments: str) -> str:
    """Run ``bench.py`` in its folder and get what it prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "bench.py", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def copied(folder: Path, work: Path) -> Path:
    """The writable copy of the bench."""
    target = work / "bench"
    if not target.exists():
        shutil.copytree(folder, target)
        for path in (target, *target.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)
    return target


def run(folder: Path, adapter: str, seeds: str) -> None:
    ours = ("--name", NAME, "--python", sys.executable, "--adapter", adapter)
    sys.stderr.write(bench(folder, "run", *ours, "--suite", "core", "--seeds", seeds))
    sys.stderr.write(bench(folder, "run", *ours, "--suite", "core10", "--seeds", "0-1", "--mode", "batch4"))
    sys.stderr.write(
        bench(
            folder,
            "latency",
            *ours[:-1],
            f"{ADAPTER}:AutoIdentical",
            "--ns",
            "10,50,100,200,500,1000,10000",
            "--limit",
            "600",
        )
    )


def tables(folder: Path) -> None:
    for title, seeds, peers, arguments in REPORTS:
        suite = "core" if title.startswith("16") else "core10"
        only = ",".join((NAME, *peers))
        report = bench(
            folder, "report", "--suite", suite, "--seeds", seeds, "--cover", ".1", "--only", only, *arguments
        )
        print(f"## {title}\n\n{report}")
    print(f"## Seconds per suggestion\n{bench(folder, 'report-latency')}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench", type=Path, help="the folder with bench.py")
    parser.add_argument("--work", type=Path, required=True, help="where the copy of it with our results is")
    parser.add_argument("--adapter", default=f"{ADAPTER}:Auto", help="file:class of the optimiser to run")
    parser.add_argument("--seeds", default="0-3")
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args()
    folder = copied(options.bench, options.work)
    if not options.report_only:
        run(folder, options.adapter, options.seeds)
    tables(folder)


if __name__ == "__main__":
    main()
