"""Axes: linear or log, from where to where, and in which unit of time (F100)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tuning.states import Goal

Scale = Literal["linear", "log10", "log2"]

LOG10_ABOVE = 50.0
LOG2_ABOVE = 10.0
# Below so many results nobody can say which of them is far away from the others.
CLIP_FROM = 8
PADDING = 0.04


def scale_for(low: float, high: float, declared_log: bool = False) -> Scale:
    """F100: base 10 where max/min is above 50, base 2 above 10; also base 10 where the space itself is searched so."""
    if low <= 0 or not math.isfinite(high):
        return "linear"
    ratio = high / low
    if ratio > LOG10_ABOVE:
        return "log10"
    if ratio > LOG2_ABOVE or (declared_log and ratio > 1):
        return "log2"
    return "linear"


def padded(low: float, high: float, scale: Scale) -> tuple[float, float]:
    """The range of an axis as plotly takes it: in decades where it is logarithmic."""
    if scale != "linear":
        low, high = math.log10(low), math.log10(high)
    pad = (high - low) * PADDING or abs(high) * PADDING or 0.5
    return low - pad, high + pad


def powers_of_two(low: float, high: float) -> list[float]:
    """Tick values of a base 2 axis (plotly's own log axes know decades only); at most about eight."""
    first, last = math.floor(math.log2(low)), math.ceil(math.log2(high))
    return [2.0**power for power in range(first, last + 1)]


def log_objective(values: Sequence[float], goal: Goal) -> bool:
    """True for a loss that spans more than F100's factor: its small values are the ones that matter.

    Never for something to maximise, where an accuracy of 0.01 beside 0.99 must not take half of the axis.
    """
    return goal is Goal.MINIMIZE and len(values) > 1 and min(values) > 0 and max(values) / min(values) > LOG10_ABOVE


@dataclass(frozen=True, slots=True)
class Clip:
    """Where an objective's axis ends although there are values beyond; ``hidden`` of them."""

    low: float | None = None
    high: float | None = None
    hidden: int = 0


def clip(values: Sequence[float], goal: Goal) -> Clip:
    """Keep a few diverged trials from flattening all others, and never hide a good one.

    With ``spread`` from the best value to the worst quarter, the axis ends 1.5 spreads behind that quarter, if the
    worst value lies more than 4 spreads behind the best.
    """
    if len(values) < CLIP_FROM:
        return Clip()
    merits = sorted((goal.sign * value for value in values), reverse=True)
    best, quarter, worst = merits[0], merits[(3 * len(merits)) // 4], merits[-1]
    spread = best - quarter
    if spread <= 0 or best - worst <= 4 * spread:
        return Clip()
    edge = quarter - 1.5 * spread
    hidden = sum(merit < edge for merit in merits)
    if goal is Goal.MAXIMIZE:
        return Clip(low=edge, hidden=hidden)
    return Clip(high=-edge, hidden=hidden)


def clipped_range(values: Sequence[float], clip: Clip) -> list[float]:
    """From the clipped end to a little beyond the best value."""
    low = min(values) if clip.low is None else clip.low
    high = max(values) if clip.high is None else clip.high
    pad = 2 * PADDING * (high - low)
    return [low - pad * (clip.low is None), high + pad * (clip.high is None)]


def time_unit(seconds: float) -> tuple[str, float]:
    """Name and length in seconds of the unit for an axis that reaches so far."""
    if seconds >= 2 * 86400:
        return "days", 86400.0
    if seconds >= 2 * 3600:
        return "hours", 3600.0
    if seconds >= 2 * 60:
        return "minutes", 60.0
    return "seconds", 1.0
