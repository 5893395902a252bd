"""What would the next per cent cost? How many more trials, or hours, until the best value is 1 % better.

Taken from the order in which the values came, without a model of the objective. The chance that a trial beats the best
of n like it is Beta(1, n), whatever their distribution; that it does so by as much as the gain is told by the tail of
the values, whose excesses over a high bar have about a generalized Pareto distribution (Pickands 1975). Searches learn,
so old trials are no longer like the next one: only those since the middle of the search, or since the best, count.
Where the second half of a search beats the best more often than trials of one distribution would, it still climbs, and
the rate at which it did is carried on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tuning.analysis.unavailable import Unavailable
from tuning.contracts import Number
from tuning.history import History, Observation
from tuning.parameters import Floats

_LEAST_TRIALS = 20
_TAIL, _LEAST_TAIL = 0.3, 8  # the share and number of trials that are the tail
_DRAWS = 300
_CLIMBS = 4  # improvements in the second half: of trials of one distribution, one search in two hundred has as many
_MOST_TRIALS = 100_000.0  # beyond, nobody waits
_SHAPES = np.linspace(-2.0, 0.5, 50)  # without 0, of which the formulas need a limit
_USUAL_SHAPE, _SHAPE_SD = -0.5, 0.5


@dataclass(frozen=True, slots=True)
class MarginalGain:
    """From ``best`` to ``target``: the expected number of more ``trials``, and 80 % of the resampled fits in
    ``trials_low`` to ``trials_high``; math.inf where the fit says that the target is beyond the best possible value.

    ``hours`` and its bounds are the same in hours of trials (of all places together), None where the trials' durations
    are not known. ``chance_in_10`` is the chance that one of the next ten trials reaches it.
    """

    best: float
    target: float
    trials: float
    trials_low: float
    trials_high: float
    hours: float | None
    hours_low: float | None
    hours_high: float | None
    chance_in_10: float
    reason: str


def marginal_gain(
    history: History, *, gain: float = 0.01, seconds: Mapping[int, float] | None = None, seed: int = 0
) -> MarginalGain | Unavailable:
    """What an improvement by the share ``gain`` of the best value would cost, from the own trials by number.

    ``seconds`` are the durations of trials by number. Failed trials cost a trial and gain nothing.
    """
    failed = {trial.number for trial in history.failed}
    tried = [trial for trial in history.own if trial.usable or trial.number in failed]
    finished = [trial for trial in tried if trial.usable]
    best = history.best
    if len(finished) < _LEAST_TRIALS or best is None or best.value is None:
        numbers: dict[str, Number] = {"trials": len(finished), "needed": _LEAST_TRIALS}
        return Unavailable(f"{len(finished)} trials have a result; {_LEAST_TRIALS} are needed.", numbers)
    sign = history.goal.sign
    target = best.value + sign * gain * abs(best.value)
    if target == best.value:
        return Unavailable(f"The best value is {best.value:g}: a share of it is no gain.", {"trials": len(finished)})
    if not math.isfinite(2.0 * target):
        return Unavailable(f"The values, up to {best.value:g}, are too large to reckon with.", {"best": best.value})
    # Since the middle of the search, or since the best if that is longer ago: as long as nothing better has come.
    begin = min(len(tried) // 2, tried.index(best))
    recent = tried[begin:]
    values = np.array([sign * float(trial.value or 0.0) for trial in finished])
    chances = _chances(values, len(recent), sign * target, np.random.default_rng([seed, len(tried)]))
    low, trials, high = (_needed(float(chance)) for chance in np.quantile(chances, [0.9, 0.5, 0.1]))
    improvements, climbed = _climbed(tried[: len(tried) // 2], tried[len(tried) // 2 :], sign)
    if improvements >= _CLIMBS:
        by_rate = max((len(tried) - len(tried) // 2) * abs(target - best.value) / climbed, 1.0)
        low, trials, high = min(low, by_rate / 2), min(trials, by_rate), max(min(trials, high), 4 * by_rate)
    each = _hours(recent, seconds)
    return MarginalGain(
        best=best.value,
        target=target,
        trials=trials,
        trials_low=low,
        trials_high=high,
        hours=each and trials * each,
        hours_low=each and low * each,
        hours_high=each and high * each,
        chance_in_10=float(np.mean(1.0 - (1.0 - chances) ** 10)),
        reason=_sentence(gain, (best.value, target), (trials, low, high), each, len(recent)),
    )


def _chances(values: Floats, trials: int, target: float, rng: np.random.Generator) -> Floats:
    """Draws (n,) of the chance that the next trial reaches ``target``, above the best of ``values``."""
    best = float(values.max())
    count = min(max(math.ceil(_TAIL * len(values)), _LEAST_TAIL), len(values) - 1)
    ordered = np.sort(values)
    bar = float(ordered[-count - 1])
    beats = rng.beta(1.0, trials, size=_DRAWS)
    excesses = ordered[-count:] - bar
    if excesses[0] <= 0.0 or best == bar:  # many equal values: no tail to speak of
        return np.zeros(_DRAWS)
    shapes, scales, weights = _pareto(excesses, best - bar)
    some = rng.choice(len(shapes), size=_DRAWS, p=weights)
    chances: Floats = beats * _beyond(shapes[some], scales[some], best - bar, target - bar)
    return chances


def _beyond(shape: Floats, scale: Floats, best: float, target: float) -> Floats:
    """The chance that an excess above ``best`` is above ``target``, for each shape and scale."""
    left = np.maximum(1.0 + shape * target / scale, 0.0) / (1.0 + shape * best / scale)
    chance: Floats = left ** (-1.0 / shape)
    return chance


def _pareto(excesses: Floats, most: float) -> tuple[Floats, Floats, Floats]:
    """Shapes of generalized Pareto distributions that go beyond ``most``, their scales, and how likely each is.

    Before looking, a shape near -0.5 is likely: -2 / d is that of a smooth peak in the middle of d hyperparameters
    that matter, -1 / d of one in a corner. A handful of excesses alone would tell little.
    """
    mean = float(excesses.mean())
    scaled, top = excesses / mean, most / mean
    # For each shape the scale by the mean, scale = mean (1 - shape), or as far as the largest excess needs.
    scales = np.maximum(1.0 - _SHAPES, -_SHAPES * top * (1.0 + 1.0 / len(scaled)))
    inside = np.log1p(_SHAPES[:, None] * scaled / scales[:, None]).sum(axis=1)
    logs = -(1.0 + 1.0 / _SHAPES) * inside - len(scaled) * np.log(scales)
    logs -= 0.5 * ((_SHAPES - _USUAL_SHAPE) / _SHAPE_SD) ** 2
    weights = np.exp(logs - logs.max())
    return _SHAPES, scales * mean, weights / weights.sum()


def _needed(chance: float) -> float:
    return 1.0 / chance if chance * _MOST_TRIALS > 1.0 else math.inf


def _hours(recent: Sequence[Observation], seconds: Mapping[int, float] | None) -> float | None:
    known = [seconds[trial.number] for trial in recent if trial.number in seconds] if seconds else []
    return sum(known) / len(known) / 3600.0 if known else None


def _climbed(first: Sequence[Observation], second: Sequence[Observation], sign: int) -> tuple[int, float]:
    """How often the ``second`` half of the trials improved on the best so far, and by how much in all."""
    best = max((sign * float(trial.value or 0.0) for trial in first if trial.usable), default=-math.inf)
    begin, improvements = best, 0
    for trial in second:
        value = sign * float(trial.value or 0.0)
        if trial.usable and value > best:
            begin = value if math.isinf(begin) else begin
            best, improvements = value, improvements + 1
    return improvements, best - begin


def _sentence(
    gain: float, values: tuple[float, float], cost: tuple[float, float, float], each: float | None, recent: int
) -> str:
    best, target = values
    trials, low, high = cost
    more, hours = "needs more than anybody would wait for", ""
    if math.isfinite(trials):
        more = f"costs about {_rough(trials)} more trials"
        hours = "" if each is None else f", {_rough(trials * each)} hours of trials"
    return (
        f"The next {100 * gain:.3g} % of {best:.6g}, to {target:.6g}, {more}{hours} "
        f"(80 %: {_rough(low)} to {_rough(high)}), by the last {recent} trials."
    )


def _rough(number: float) -> str:
    return "no end" if math.isinf(number) else f"{number:.2g}" if number < 10 else f"{number:,.0f}"
