"""What a warm-start parent costs or saves that is of another scale (TRANSFER_LEARNING), good or misleading, as JSON.

    python tests/bench/misleading_parents.py --strategy bayesian --seeds 3 --tasks hartmann6,training

Parents, of 50 trials each, and what is wrong with them:
    same        nothing: the child's objective on another scale
    shuffled    the values belong to other trials: rank correlation about 0, and nothing to learn
    mirrored    the objective's best lies elsewhere: low or negative correlation, and a shape that looks right
    negated     the values' signs are changed: rank correlation -1
    reversed    it searched for the child's worst: the same, and most of its trials are there
    beside      a parent that is reversed, beside one that is the same

For each the mean number of trials until the child is as good as its cold run (same task, same engine, same seeds) is in
the median after 25 trials, at most 50; ``ratio`` is that over the cold run's: a goal is 1.1 where parents mislead.
``equalled`` is the share of the cold runs that it has beaten or equalled after 50 trials. Single searches vary by half
of that and more: read nothing from fewer than the eight tasks with four seeds.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tuning import Tuner
from tuning.history import Observation
from tuning.parameters import Floats
from tuning.space import Categorical, Config, Float, Integer, SearchSpace
from tuning.states import TrialState

Objective = Callable[[Config], float]  # minimised
TRIALS, PARENT_TRIALS, LEVEL_AT = 50, 50, 25

HARTMANN_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
HARTMANN_P = np.array(
    [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ]
)


def hartmann6(config: Config) -> float:
    x = np.array([float(config[f"x{i}"]) for i in range(6)])
    weights = np.array([1.0, 1.2, 3.0, 3.2])
    return -float(weights @ np.exp(-(HARTMANN_A * (x - HARTMANN_P) ** 2).sum(1)))


def training(config: Config) -> float:
    """Like a network's validation loss: the best learning rate depends on the batch, too large a rate diverges."""
    lr, batch = math.log10(float(config["lr"])), math.log2(float(config["batch"]))
    off = lr + 3.2 - 0.25 * (batch - 6)
    loss = 0.15 + 0.08 * off * off + 0.04 * (float(config["dropout"]) - 0.25) ** 2 + 0.3 / (3 + float(config["layers"]))
    loss += {"adam": 0.0, "sgd": 0.05 + 0.05 * abs(off - 1.0), "rms": 0.02}[str(config["optimizer"])]
    return min(2.3, loss + 2.0 / (1.0 + math.exp(-6.0 * (off - 1.6))))


def categories(config: Config) -> float:
    """Five choices that matter in pairs, and a number."""
    levels = [int(config[f"c{i}"]) for i in range(5)]
    loss = sum(((3 * levels[i] + 2 * i) % 5) / 5 for i in range(5))
    loss += sum(0.4 * ((levels[i] + 2 * levels[(i + 1) % 5]) % 5 != 1) for i in range(5))
    return loss + (float(config["x"]) - 0.3) ** 2


def valley(config: Config) -> float:
    """Rosenbrock's, in three dimensions, its logarithm."""
    x = [4.0 * float(config[name]) - 2.0 for name in "abc"]
    return math.log1p(sum(100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(2)))


def hills(config: Config) -> float:
    """Ackley's, off its centre: many small hills around one hole."""
    x = np.array([8.0 * float(config[name]) - 5.0 for name in "abcde"])
    waves = math.exp(float(np.cos(2 * math.pi * x).mean()))
    return 20.0 + math.e - 20.0 * math.exp(-0.2 * math.sqrt(float((x**2).mean()))) - waves


def branin(config: Config) -> float:
    x, y = 15.0 * float(config["a"]) - 5.0, 15.0 * float(config["b"])
    hollow = y - 5.1 / (4 * math.pi**2) * x * x + 5.0 / math.pi * x - 6.0
    return hollow**2 + 10.0 * (1.0 - 1.0 / (8 * math.pi)) * math.cos(x) + 10.0


def levy(config: Config) -> float:
    w = np.array([5.0 * float(config[name]) - 1.75 for name in "abcd"])
    middle = (w[:-1] - 1) ** 2 * (1 + 10 * np.sin(math.pi * w[:-1] + 1) ** 2)
    last = (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)
    return math.sin(math.pi * w[0]) ** 2 + float(middle.sum()) + last


def algorithms(config: Config) -> float:
    """Each of four choices has a best rate of its own, and a size that matters little."""
    floor, rate = {"a": (0.3, -2), "b": (0.25, -3), "c": (0.4, -1), "d": (0.2, -4)}[str(config["choice"])]
    size, part = float(config["size"]), float(config["part"])
    loss = floor + 0.05 * (math.log10(float(config["rate"])) - rate) ** 2 + 0.02 * abs(size - 7)
    return loss + 0.1 * (part - 0.6) ** 2 * (1 + size / 10) + 0.03 * math.sin(9 * part)


def cube(names: str) -> SearchSpace:
    return SearchSpace(tuple(Float(name, 0.0, 1.0) for name in names))


TASKS: dict[str, tuple[SearchSpace, Objective]] = {
    "hartmann6": (SearchSpace(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(6))), hartmann6),
    "training": (
        SearchSpace(
            (
                Float("lr", 1e-5, 1.0, "log"),
                Integer("batch", 8, 512, "log"),
                Float("dropout", 0.0, 0.9),
                Integer("layers", 1, 8),
                Categorical("optimizer", ("sgd", "adam", "rms")),
            )
        ),
        training,
    ),
    "categories": (
        SearchSpace((*(Categorical(f"c{i}", (0, 1, 2, 3, 4)) for i in range(5)), Float("x", 0.0, 1.0))),
        categories,
    ),
    "valley": (cube("abc"), valley),
    "hills": (cube("abcde"), hills),
    "branin": (cube("ab"), branin),
    "levy": (cube("abcd"), levy),
    "algorithms": (
        SearchSpace(
            (
                Float("rate", 1e-6, 1.0, "log"),
                Integer("size", 1, 20),
                Float("part", 0.0, 1.0),
                Categorical("choice", ("a", "b", "c", "d")),
            )
        ),
        algorithms,
    ),
}


def search(tuner: Tuner, objective: Objective, trials: int, parallel: int = 1) -> list[float]:
    while (left := trials - len(tuner.trials)) > 0:
        for trial in tuner.ask(min(parallel, left)):
            tuner.tell(trial, objective(trial.config))
    return [trial.value for trial in tuner.trials if trial.value is not None]


def parent(space: SearchSpace, objective: Objective, seed: int, name: str, searcher: str = "tpe") -> list[Observation]:
    """A job on another scale than the child's; of TPE, the first 25 trials are random."""
    options: dict[str, Any] = {"n_initial_points": 25} if searcher == "tpe" else {}
    tuner = Tuner(space, "minimize", searcher, seed + 1000, **options)
    search(tuner, lambda config: 100.0 * objective(config) + 7.0, PARENT_TRIALS)
    return [Observation(t.number, t.config, t.state, t.value, inherited_from=name) for t in tuner.trials]


def with_values(trials: list[Observation], values: list[float]) -> list[Observation]:
    return [
        Observation(t.number, t.config, TrialState.COMPLETED, value, inherited_from=t.inherited_from)
        for t, value in zip(trials, values, strict=True)
    ]


def mirrored(space: SearchSpace, objective: Objective) -> Objective:
    def elsewhere(config: Config) -> float:
        unit: Floats = space.encode(config)
        return objective(space.decode(space.snap(1.0 - unit[None])[0]))

    return elsewhere


def parents(kind: str, space: SearchSpace, objective: Objective, seed: int, searcher: str = "tpe") -> list[Observation]:
    if kind == "mirrored":
        return parent(space, mirrored(space, objective), seed, "parent", searcher)
    if kind == "reversed":
        return parent(space, lambda config: -objective(config), seed, "parent", searcher)
    honest = parent(space, objective, seed, "parent", searcher)
    values = [trial.value or 0.0 for trial in honest]
    if kind == "shuffled":
        return with_values(honest, list(np.random.default_rng(seed).permutation(values)))
    if kind == "negated":
        return with_values(honest, [-value for value in values])
    return honest + (parent(space, lambda c: -objective(c), seed, "other", searcher) if kind == "beside" else [])


def reached(values: list[float], level: float) -> int:
    return next((n for n, value in enumerate(values, 1) if value <= level), len(values) + 1)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--strategy", default="bayesian")
    arguments.add_argument("--seeds", type=int, default=4)
    arguments.add_argument("--tasks", default=",".join(TASKS))
    arguments.add_argument("--parallel", type=int, default=1, help="trials of the child at a time")
    arguments.add_argument("--searcher", default="tpe", help="strategy of the parents")
    arguments.add_argument("--kinds", default="same,shuffled,mirrored,negated,reversed,beside")
    given = arguments.parse_args()
    trials: dict[str, list[int]] = {"cold": [], **{kind: [] for kind in given.kinds.split(",")}}
    equalled: dict[str, list[float]] = {kind: [] for kind in trials}
    for task in given.tasks.split(","):
        space, objective = TASKS[task]
        runs: dict[str, list[list[float]]] = {kind: [] for kind in trials}
        for seed in range(given.seeds):
            for kind in trials:
                inherited = [] if kind == "cold" else parents(kind, space, objective, seed, given.searcher)
                tuner = Tuner(space, "minimize", given.strategy, seed, inherited=inherited, comparable=not inherited)
                runs[kind].append(search(tuner, objective, TRIALS, given.parallel))
        level = float(np.median([min(values[:LEVEL_AT]) for values in runs["cold"]]))
        for kind, found in runs.items():
            trials[kind] += [reached(values, level) for values in found]
            equalled[kind] += [sum(min(values) <= min(cold) for cold in runs["cold"]) / len(found) for values in found]
    cold = float(np.mean(trials["cold"]))
    report = {
        kind: {
            "trials": round(float(np.mean(counts)), 2),
            "ratio": round(float(np.mean(counts)) / cold, 3),
            "equalled": round(float(np.mean(equalled[kind])), 2),
            "by_task": np.reshape(counts, (-1, given.seeds)).mean(axis=1).round(1).tolist(),
        }
        for kind, counts in trials.items()
    }
    print(json.dumps({"strategy": given.strategy, "tasks": given.tasks, "seeds": given.seeds, "parents": report}))


if __name__ == "__main__":
    main()
