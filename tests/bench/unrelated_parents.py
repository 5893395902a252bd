"""What a warm-start parent costs that has nothing to do with the child: rank correlation 0 or negative, as JSON.

    python tests/bench/unrelated_parents.py --tasks 24 --seeds 4 --work FOLDER
    python tests/bench/unrelated_parents.py --pairs path/to/bench --seeds 3 --work FOLDER

Objectives are made at random, of four kinds (bowls, waves, bowls with ripples, and choices that each have a bowl of
their own), in 2 to 6 dimensions; the parent's is another one of the same kind whose ranks over 400 random points are
not positively correlated with the child's. With ``--pairs`` they are the 22 pairs below of surrogates of the
search-quality bench in that folder: of its data sets, drawn at random among those that are not positively correlated.

A parent has 50 trials: of `auto`, or of `tpe` of which the first 25 are random. Counted are the child's trials until
it is as good as its cold run (same engine, same seeds) is in the median after 25, or within 1 % of the way from there
to the best known, at most 50 (51 if never); ``ratio`` is that over the cold run's, with a standard error over the
tasks. The goal is 1.1. Finished searches are kept in ``--work`` and not run again.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.engine_adapter import parameter, plain
from tuning import Tuner
from tuning.history import Observation
from tuning.parameters import Floats
from tuning.space import Categorical, Config, Float, SearchSpace

Objective = Callable[[Config], float]  # minimised
Shape = Callable[[Floats, tuple[int, int]], float]  # of the numbers, and of two choices' places
TRIALS, PARENT_TRIALS, LEVEL_AT, CLOSE = 50, 50, 25, 0.01
KINDS = ("bowl", "waves", "ripples", "choices")
FIRST, SECOND = ("p", "q", "r", "s"), ("u", "v", "w")
PAIRS = (
    ("lc_168868", "lc_167149"),
    ("lc_167083", "lc_189906"),
    ("lc_189354", "lc_167152"),
    ("lc_3945", "lc_189908"),
    ("lc_168329", "lc_34539"),
    ("lc_167201", "lc_189873"),
    ("xgb_40685", "xgb_334"),
    ("xgb_1063", "xgb_151"),
    ("xgb_23517", "xgb_44"),
    ("xgb_1111", "xgb_4534"),
    ("xgb_41159", "xgb_4135"),
    ("xgb_41161", "xgb_1056"),
    ("xgb_40966", "xgb_1220"),
    ("xgb_40927", "xgb_4154"),
    ("rpart_54", "rpart_1479"),
    ("rpart_1489", "rpart_1056"),
    ("rpart_4154", "rpart_1485"),
    ("rpart_1461", "rpart_1068"),
    ("rpart_1050", "rpart_40975"),
    ("rpart_1040", "rpart_23381"),
    ("rpart_23517", "rpart_24"),
    ("rpart_1487", "rpart_41143"),
)


class Task(NamedTuple):
    name: str
    space: SearchSpace
    child: Objective
    parent: Objective


# --- made at random ---------------------------------------------------------------------------------------------------


def shape(kind: str, rng: np.random.Generator, d: int) -> Shape:
    if kind == "waves":  # a sample of a smooth process, by random Fourier features
        lengths = np.exp(rng.normal(math.log(0.35), 0.3, d)) * d**0.25
        frequencies, phases = rng.normal(size=(60, d)) / lengths, rng.uniform(0, 2 * math.pi, 60)
        heights = rng.normal(size=60) * math.sqrt(2 / 60)
        return lambda x, _: float((heights * np.cos(frequencies @ x + phases)).sum())
    if kind == "ripples":
        under, phases, frequencies = shape("bowl", rng, d), rng.uniform(0, 6, d), rng.uniform(6, 14, d)
        return lambda x, at: under(x, at) + 0.12 * float(np.cos(frequencies * x + phases).mean())
    if kind == "choices":
        bowls, floors, second = (
            [shape("bowl", rng, d) for _ in FIRST],
            rng.normal(0, 0.5, 4),
            rng.normal(0, 0.4, (4, 3)),
        )
        return lambda x, at: bowls[at[0]](x, at) + float(floors[at[0]] + second[at])
    centre, steepness = rng.uniform(0.1, 0.9, d), np.exp(rng.normal(0, 0.8, d))
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0] if rng.random() < 0.5 else np.eye(d)
    return lambda x, _: math.log1p(20 * float((((x - centre) @ turn) ** 2 * steepness).sum()))


def made(index: int) -> Task:
    rng = np.random.default_rng(9000 + index)
    kind = KINDS[index % len(KINDS)]
    d = int(rng.integers(2, 4 if kind == "choices" else 7))
    numbers = tuple(Float(f"x{i}", 0.0, 1.0) for i in range(d))
    choices = (Categorical("first", FIRST), Categorical("second", SECOND)) if kind == "choices" else ()
    space = SearchSpace((*numbers, *choices))

    def objective() -> Objective:
        of = shape(kind, rng, d)

        def value(config: Config) -> float:
            x = np.array([float(config[f"x{i}"]) for i in range(d)])
            at = (FIRST.index(str(config["first"])), SECOND.index(str(config["second"]))) if choices else (0, 0)
            return of(x, at)

        return value

    child = objective()
    points = [space.decode(unit) for unit in rng.random((400, len(space)))]
    ranks = np.argsort(np.argsort([child(point) for point in points]))
    while True:
        parent = objective()
        if np.corrcoef(ranks, np.argsort(np.argsort([parent(point) for point in points])))[0, 1] <= 0:
            return Task(f"{kind}-{index}", space, child, parent)


# --- of the bench -----------------------------------------------------------------------------------------------------


def of_bench(folder: Path) -> list[Task]:
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    get: Callable[[str], Any] = importlib.import_module("tasks").get

    def task(source: str, target: str) -> Task:
        parent, child = get(source), get(target)
        choices = {one["name"]: {plain(c): c for c in one["choices"]} for one in child.space if one["type"] == "cat"}

        def objective(of: Any) -> Objective:
            return lambda config: float(of.f(of.check({n: choices.get(n, {}).get(v, v) for n, v in config.items()})))

        return Task(target, SearchSpace(tuple(map(parameter, child.space))), objective(child), objective(parent))

    return [task(source, target) for source, target in PAIRS]


# --- searches ---------------------------------------------------------------------------------------------------------


def search(tuner: Tuner, objective: Objective, trials: int) -> list[float]:
    for _ in range(trials):
        (trial,) = tuner.ask()
        tuner.tell(trial, objective(trial.config))
    return [float(trial.value or 0.0) for trial in tuner.trials]


def parents(task: Task, searcher: str, seed: int) -> list[Observation]:
    options: dict[str, Any] = {"n_initial_points": 25} if searcher == "tpe" else {}
    tuner = Tuner(task.space, "minimize", searcher, seed + 1000, **options)
    search(tuner, lambda config: 100.0 * task.parent(config) + 7.0, PARENT_TRIALS)
    return [Observation(t.number, t.config, t.state, t.value, inherited_from="parent") for t in tuner.trials]


def values(task: Task, kind: str, seed: int, work: Path) -> list[float]:
    path = work / f"{task.name}-{kind}-{seed}.json"
    if path.exists():
        found: list[float] = json.loads(path.read_text())
        return found
    inherited = [] if kind == "cold" else parents(task, kind, seed)
    tuner = Tuner(task.space, "minimize", "auto", seed, inherited=inherited, comparable=not inherited)
    found = search(tuner, task.child, TRIALS)
    path.write_text(json.dumps(found))
    return found


def reached(runs: dict[str, list[list[float]]]) -> dict[str, float]:
    """The mean number of trials by kind of parent."""
    best = min(min(run) for found in runs.values() for run in found)
    middle = float(np.median([run[:6] for run in runs["cold"]]))
    level = float(np.median([min(run[:LEVEL_AT]) for run in runs["cold"]]))
    level = max(level, best + CLOSE * (middle - best))
    return {
        kind: float(np.mean([next((n for n, v in enumerate(run, 1) if v <= level), len(run) + 1) for run in found]))
        for kind, found in runs.items()
    }


def report(counts: list[dict[str, float]], kind: str) -> dict[str, float]:
    warm, cold = (np.array([one[which] for one in counts]) for which in (kind, "cold"))
    drawn = np.random.default_rng(0).integers(0, len(counts), (2000, len(counts)))
    error = float(np.std(warm[drawn].mean(1) / cold[drawn].mean(1)))
    return {
        "trials": round(float(warm.mean()), 1),
        "ratio": round(float(warm.mean() / cold.mean()), 3),
        "standard_error": round(error, 3),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--tasks", type=int, default=24, help="how many objectives are made")
    arguments.add_argument("--from", type=int, default=0, dest="first", help="the first of them")
    arguments.add_argument("--seeds", type=int, default=4)
    arguments.add_argument("--pairs", type=Path, help="the folder of the search-quality bench, for its pairs")
    arguments.add_argument("--searchers", default="auto,tpe", help="strategies of the parents")
    arguments.add_argument("--work", type=Path, required=True)
    given = arguments.parse_args()
    work = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    kinds = ["cold", *given.searchers.split(",")]
    tasks = of_bench(given.pairs.resolve()) if given.pairs else map(made, range(given.first, given.first + given.tasks))
    counts = [
        reached({kind: [values(task, kind, seed, work) for seed in range(given.seeds)] for kind in kinds})
        for task in tasks
    ]
    print(json.dumps({"tasks": len(counts), "seeds": given.seeds, **{kind: report(counts, kind) for kind in kinds}}))


if __name__ == "__main__":
    main()
