"""Whether a model foretells trials at all: each of them from the others, against what their mean and spread foretell.

Symbols and shapes
    n         observations
    y, c      targets (n,) and the model's constant mean
    K         covariance of the observations with noise, (n, n); alpha = K^-1 (y - c)

Leaving one out costs no new fit: y_i given all others is normal with mean y_i - alpha_i / (K^-1)_ii and variance
1 / (K^-1)_ii (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, 5.10 to 5.12), c being kept.
"""

from __future__ import annotations

import numpy as np

from tuning.strategies import gp


def skill(model: gp.Posterior) -> float:
    """The gain in log predictive density over the others' mean and the common spread, in nats per observation.

    0 or less says that hyperparameters explain nothing yet. It is 0 where all targets are equal.
    """
    targets, count = model.targets, len(model.targets)
    if count < 2 or np.ptp(targets) == 0.0:
        return 0.0
    precision = np.diag(model.inverse)
    plain = (targets - targets.mean()) * count / (count - 1)  # from the mean of the others
    variance = float(plain.var())
    ours = 0.5 * np.log(precision) - 0.5 * model.alpha**2 / precision
    theirs = -0.5 * np.log(variance) - 0.5 * plain**2 / variance
    return float((ours - theirs).mean())
