"""Hill climbing: each point is a random step away from the best one so far."""

import numpy as np

from tuning.contracts import Suggestion
from tuning.registry import Info, Option
from tuning.strategies.untried import draw_untried, in_turn

STEP = Option("step", "float", 0.1, 0.001, 1, help="How far a step goes, as a share of the range.")
INFO = Info("hill-climbing", "Hill climbing", "Tries points around the best one so far.", (STEP,))


class HillClimbing:
    def __init__(self, step):
        self.step = step

    def suggest(self, space, history, numbers, seed):
        used = history.used_keys(space)

        def near_best(rng):
            units = space.encode(history.best.config) + self.step * rng.standard_normal(len(space))
            return space.decode(np.clip(units, 0.0, 1.0))

        def suggest(number):
            config = draw_untried(space, used, np.random.default_rng([seed, number]), history.best and near_best)
            used.add(space.key(config))
            if history.best is None:
                return Suggestion(config, "A random point: nothing is known yet.", {"finished": 0})
            reason = f"A step away from trial {history.best.number}, the best so far."
            return Suggestion(config, reason, {"best": history.best.number, "step": self.step})

        return in_turn(numbers, suggest)


build = HillClimbing
