"""What a point is worth trying: expected improvement, probability of improvement, confidence bound.

All are for losses (less is better), are to be maximised, and come with their gradient by feature. Expected improvement
and probability are used as logarithms: far from the incumbent the values themselves are 0 in floating point, with no
slope to follow (Ament et al., Unexpected improvements to expected improvement, 2023).
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tuning.parameters import Floats
from tuning.strategies.gp import Model
from tuning.strategies.normal import LOG_SQRT_2PI, log_cdf, log_improvement

Kind = Literal["ei", "ucb", "poi"]
TITLES: dict[str, str] = {
    "ei": "expected improvement",
    "ucb": "confidence bound",
    "poi": "probability of improvement",
}
_CERTAIN = 1e4  # standard deviations, beyond which an improvement is certain, or out of the question
_FAR = 1e100  # of which the square, in the least standard deviations, is still a float


@dataclass(frozen=True, slots=True)
class Acquisition:
    """``incumbent`` is the loss to improve on by ``xi``; ``kappa`` weighs the uncertainty of the confidence bound.

    All are in the model's unit. The user's formulas (for maximisation): ucb = mean + kappa sd;
    z = (mean - best - xi) / sd; ei = (mean - best - xi) cdf(z) + sd pdf(z); poi = cdf(z).
    """

    model: Model
    incumbent: float
    kind: Kind = "ei"
    kappa: float = 2.5
    xi: float = 0.0

    @property
    def bar(self) -> float:
        """The loss to come below. Beyond so many of the model's units it orders points no other way."""
        return self.incumbent - min(self.xi, _FAR)

    def score(self, features: Floats) -> Floats:
        """Worth of each of ``features`` (m, D)."""
        mean, sd = self.model.predict(features)
        if self.kind == "ucb":
            return self.kappa * sd - mean
        z = (self.bar - mean) / sd
        value: Floats = np.log(sd) + log_improvement(z) if self.kind == "ei" else log_cdf(z)
        return value

    def score_gradient(self, features: Floats) -> tuple[Floats, Floats]:
        """Worth (m,) and its gradient by feature (m, D)."""
        mean, sd, mean_gradient, sd_gradient = self.model.predict_gradient(features)
        if self.kind == "ucb":
            return self.kappa * sd - mean, self.kappa * sd_gradient - mean_gradient
        z = (self.bar - mean) / sd
        if self.kind == "ei":
            log_h = log_improvement(z)
            slope = np.exp(log_cdf(z) - log_h)  # d log h / dz
            value, by_sd = np.log(sd) + log_h, (1.0 - slope * z) / sd
        else:
            value = log_cdf(z)
            slope = np.exp(-0.5 * z * z - LOG_SQRT_2PI - value)
            by_sd = -slope * z / sd
        return value, by_sd[:, None] * sd_gradient - (slope / sd)[:, None] * mean_gradient


def shown(
    kind: Kind, mean: float, sd: float, incumbent: float, *, sign: float, kappa: float = 0.0, xi: float = 0.0
) -> float:
    """The acquisition value that people read: the formulas above in the unit of the objective, as are all arguments.

    ``sign`` is 1 to maximise and -1 to minimise, where an improvement is a decrease and ucb is mean - kappa sd. The
    choice is made on the transformed objective (see targets.py), so that of two points the one with less may be chosen.
    """
    if kind == "ucb":
        return finite(mean + sign * kappa * sd)
    gain = sign * (mean - incumbent) - xi
    if sd == 0.0:
        return float(gain > 0.0) if kind == "poi" else finite(max(gain, 0.0))
    z = min(max(gain / sd, -_CERTAIN), _CERTAIN)
    if kind == "poi":
        return math.exp(log_cdf(np.array([z]))[0])
    return finite(gain if z == _CERTAIN else sd * math.exp(log_improvement(np.array([z]))[0]))


def finite(value: float) -> float:
    """Values near the largest float stop there."""
    return min(max(value, -sys.float_info.max), sys.float_info.max)
