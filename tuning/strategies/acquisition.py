"""What a point is worth trying: expected improvement, probability of improvement, confidence bound.

All are for losses (less is better), are to be maximised, and come with their gradient by feature. Expected improvement
and probability are used as logarithms: far from the incumbent the values themselves are 0 in floating point, with no
slope to follow (Ament et al., Unexpected improvements to expected improvement, 2023).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import erfcx, log_ndtr

from tuning.parameters import Floats
from tuning.strategies.gp import Model

Kind = Literal["ei", "ucb", "poi"]
TITLES: dict[str, str] = {
    "ei": "expected improvement",
    "ucb": "confidence bound",
    "poi": "probability of improvement",
}
_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True, slots=True)
class Acquisition:
    """``incumbent`` is the loss to improve on by ``xi``; ``kappa`` weighs the uncertainty of the confidence bound.

    The user's formulas (for maximisation): ucb = mean + kappa sd; z = (mean - best - xi) / sd;
    ei = (mean - best - xi) cdf(z) + sd pdf(z); poi = cdf(z).
    """

    model: Model
    incumbent: float
    kind: Kind = "ei"
    kappa: float = 2.5
    xi: float = 0.0

    def score(self, features: Floats) -> Floats:
        """Worth of each of ``features`` (m, D)."""
        mean, sd = self.model.predict(features)
        if self.kind == "ucb":
            return self.kappa * sd - mean
        z = (self.incumbent - self.xi - mean) / sd
        value: Floats = np.log(sd) + log_improvement(z) if self.kind == "ei" else log_ndtr(z)
        return value

    def score_gradient(self, features: Floats) -> tuple[Floats, Floats]:
        """Worth (m,) and its gradient by feature (m, D)."""
        mean, sd, mean_gradient, sd_gradient = self.model.predict_gradient(features)
        if self.kind == "ucb":
            return self.kappa * sd - mean, self.kappa * sd_gradient - mean_gradient
        z = (self.incumbent - self.xi - mean) / sd
        if self.kind == "ei":
            log_h = log_improvement(z)
            slope = np.exp(log_ndtr(z) - log_h)  # d log h / dz
            value, by_sd = np.log(sd) + log_h, (1.0 - slope * z) / sd
        else:
            value = log_ndtr(z)
            slope = np.exp(-0.5 * z * z - _LOG_SQRT_2PI - value)
            by_sd = -slope * z / sd
        return value, by_sd[:, None] * sd_gradient - (slope / sd)[:, None] * mean_gradient

    def readable(self, score: float) -> float:
        """A score as the user's formula gives it (of the transformed objective)."""
        return score if self.kind == "ucb" else math.exp(score)


def log_improvement(z: Floats) -> Floats:
    """log(pdf(z) + z cdf(z)) of the standard normal, accurate for any z."""
    high = np.maximum(z, -1.0)
    density = np.exp(-0.5 * high * high - _LOG_SQRT_2PI)
    above = np.log(density + high * np.exp(log_ndtr(high)))
    low = np.minimum(z, -1.0)
    # pdf(z) (1 + z cdf(z) / pdf(z)), where the bracket is 1 - |z| sqrt(pi / 2) erfcx(|z| / sqrt(2)); for |z| large it
    # cancels, and its series 1/z^2 - 3/z^4 is exact to rounding.
    bracket = 1.0 + low * math.sqrt(math.pi / 2.0) * erfcx(-low / math.sqrt(2.0))
    series = (1.0 - 3.0 / (low * low)) / (low * low)
    below = -0.5 * low * low - _LOG_SQRT_2PI + np.log(np.where(low > -1e3, np.maximum(bracket, 1e-300), series))
    result: Floats = np.where(z >= -1.0, above, below)
    return result
