"""What is found where constraints leave hardly anything of a space, as the table of docs/bench.md.

    python tests/bench/scarce_spaces.py --seeds 8 --trials 40

A ten-thousandth to a hundredth of each space satisfies its constraints. The objective is the squared distance in the
unit cube from a point: one that satisfies them, so that the least value is 0, or one beyond the border. Each figure is
the median over the seeds of the best value found.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tuning import Tuner
from tuning.constraints import Constraint
from tuning.space import Categorical, Config, Float, Integer, SearchSpace

STRATEGIES = {"random": "random", "anneal": "annealing", "tpe": "TPE", "bayesian": "Bayesian"}


class Task(NamedTuple):
    title: str
    space: SearchSpace
    best: Config  # where the objective would be 0

    def value(self, config: Config) -> float:
        return float(((self.space.encode(config) - self.space.encode(self.best)) ** 2).sum())


def cube(title: str, best: dict[str, float], *constraints: str) -> Task:
    parameters = tuple(Float(name, 0.0, 1.0) for name in best)
    return Task(title, SearchSpace(parameters, tuple(map(Constraint, constraints))), dict(best))


BALL = dict(zip("abcdef", (0.3, 0.6, 0.5, 0.4, 0.7, 0.55), strict=True))
INSIDE = dict(zip("abcdef", (0.35, 0.55, 0.53, 0.43, 0.66, 0.52), strict=True))
TASKS = (
    cube("a + b < .01, least 1.9e-5", {"a": 0.0078, "b": 0.0084}, "a + b < 0.01"),
    cube(
        "a ball of radius .15 in 6 dimensions",
        INSIDE,
        " + ".join(f"({name} - {at}) ** 2" for name, at in BALL.items()) + " < 0.0225",
    ),
    cube(
        "abs(a - b) < .002, abs(c - d) < .01",
        {"a": 0.7, "b": 0.7005, "c": 0.23, "d": 0.234},
        "abs(a - b) < 0.002",
        "abs(c - d) < 0.01",
    ),
    cube("abs(a + b + c - 1) < .002, and d", {"a": 0.2, "b": 0.5, "c": 0.3, "d": 0.6}, "abs(a + b + c - 1) < 0.002"),
    Task(
        "a product of a rate and a size within 1 %, a category, a number",
        SearchSpace(
            (
                Float("rate", 1e-6, 1.0, "log"),
                Integer("size", 1, 4096, "log"),
                Categorical("kind", ("x", "y")),
                Float("part", 0.0, 1.0),
            ),
            (Constraint("0.99e-3 < rate * size < 1.01e-3"),),
        ),
        {"rate": 1e-3 / 64, "size": 64, "kind": "y", "part": 0.3},
    ),
    cube(
        "a + b + c + d + e < .5, least 1.8e-2",
        {"a": 0.1, "b": 0.16, "c": 0.2, "d": 0.14, "e": 0.2},
        "a + b + c + d + e < 0.5",
    ),
)


def best_of(task: Task, strategy: str, seed: int, trials: int) -> float:
    tuner = Tuner(task.space, "minimize", strategy, seed)
    for _ in range(trials):
        (trial,) = tuner.ask()
        tuner.tell(trial, task.value(trial.config))
    return min(trial.value for trial in tuner.trials if trial.value is not None)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seeds", type=int, default=8)
    arguments.add_argument("--trials", type=int, default=40)
    given = arguments.parse_args()
    print(f"| space | {' | '.join(STRATEGIES.values())} |\n|---|{'---|' * len(STRATEGIES)}")
    for task in TASKS:
        found = [
            np.median([best_of(task, strategy, seed, given.trials) for seed in range(given.seeds)])
            for strategy in STRATEGIES
        ]
        print(f"| {task.title} | {' | '.join(f'{value:.1e}' for value in found)} |", flush=True)


if __name__ == "__main__":
    main()
