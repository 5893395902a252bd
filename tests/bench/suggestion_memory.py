"""How much memory suggesting takes over an interpreter that has imported numpy and scipy, as JSON.

    python tests/bench/suggestion_memory.py --observations 500 --dimensions 6 --strategy tpe

``engine``: the resident set, in MB, with the engine and numpy's random generators loaded; ``history``: what the
observations themselves take; ``suggesting``: the peak while suggesting, all over the interpreter, the history included.
Linux only.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from pathlib import Path

import numpy as np
import scipy  # noqa: F401  # part of what is measured against

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def resident() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--observations", type=int, default=500)
    arguments.add_argument("--dimensions", type=int, default=6)
    arguments.add_argument("--strategy", default="auto")
    given = arguments.parse_args()
    idle = resident()

    from tuning import strategies
    from tuning.history import History, Observation
    from tuning.space import Categorical, Float, SearchSpace
    from tuning.states import Goal, TrialState

    strategy = strategies.create(given.strategy, {})
    rng = np.random.default_rng(0)  # numpy loads its generators when they are asked for, which the engine does
    engine = resident()
    space = SearchSpace(
        tuple(
            Categorical(f"x{i}", ("a", "b", "c")) if i % 6 == 5 else Float(f"x{i}", 0.0, 1.0)
            for i in range(given.dimensions)
        )
    )
    own = []
    for number in range(1, given.observations + 1):
        config = space.sample(rng)
        value = sum((float(config[p.name]) - 0.4) ** 2 for p in space.parameters if not p.nominal)
        own.append(Observation(number, config, TrialState.COMPLETED, value + 0.01 * float(rng.standard_normal())))
    history = resident()
    strategy.suggest(space, History(Goal.MINIMIZE, tuple(own)), [given.observations + 1], 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report = {
        "strategy": given.strategy,
        "observations": given.observations,
        "dimensions": given.dimensions,
        "idle": round(idle),
        "engine": round(engine - idle),
        "history": round(history - engine),
        "suggesting": round(peak - idle),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
