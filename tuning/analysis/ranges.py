"""A hyperparameter with a part of its range, valid and short to read; and a space whose conditions still make sense."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from tuning.errors import InvalidSpec
from tuning.expressions import FORMS
from tuning.parameters import Categorical, Float, Integer, Parameter, Value

_DIGITS = 3
_SMALLEST = 1e-290  # what is smaller has no power of ten that makes it a whole number


def between(parameter: Parameter, low: float, high: float) -> Parameter | None:
    """``parameter`` from unit coordinate ``low`` to ``high``, or a little more; None if it has no bounds to narrow.

    Ends that are inside the range are rounded outwards to three digits of the range (on a log scale: of themselves;
    on a reverse-log scale: of their distance to 1). The ends of a range with steps are values of it.
    """
    low, high = max(low, 0.0), min(high, 1.0)
    if isinstance(parameter, Categorical):
        return None
    if isinstance(parameter, Integer):
        return replace(parameter, low=parameter.decode(low), high=parameter.decode(high))
    if isinstance(parameter, Float):
        ends = parameter.decode(low), parameter.decode(high)
        if parameter.step is None:
            ends = _outwards(parameter, *ends)
        return _with_ends(parameter, *ends)
    normal, exponential, rounded = FORMS[parameter.form]
    if normal or not rounded or parameter.q is None:
        return None
    # Half a quantum more, so that the end values keep whole cells of probability.
    first, last = parameter.decode(low) - parameter.q / 2, parameter.decode(high) + parameter.q / 2
    if exponential:
        first, last = math.log(max(first, math.exp(parameter.a))), math.log(last)
    return replace(parameter, a=max(first, parameter.a), b=min(last, parameter.b))


def _with_ends(parameter: Float, low: float, high: float) -> Float:
    """As it is where the part cannot be a range of its own, such as a single step that is short by a rounding."""
    try:
        return replace(parameter, low=low, high=high)
    except InvalidSpec:
        return parameter


def describe(parameter: Parameter) -> str:
    if isinstance(parameter, Categorical):
        return ", ".join(map(str, parameter.values))
    return f"{parameter.low:.6g} to {parameter.high:.6g}"


def conditioned(before: Sequence[Parameter], after: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """The ``after`` of each of ``before``, with conditions that speak of values that are left.

    A value that is all that another hyperparameter waits for is put back: without it that one could never be active,
    and a warm-started child must have all of its parent's hyperparameters.
    """
    found = dict(zip((parameter.name for parameter in before), after, strict=True))
    for parameter in before:
        decider = found.get(parameter.when.parameter) if parameter.when else None
        if parameter.when is None or not isinstance(decider, Categorical):
            continue
        if not any(value in decider.values for value in parameter.when.values):
            origin = next(p for p in before if p.name == decider.name)
            assert isinstance(origin, Categorical)
            needed = {*decider.values, *parameter.when.values}
            values = tuple(value for value in origin.values if value in needed)
            found[decider.name] = replace(decider, values=values)
    return tuple(_with_condition(found[parameter.name], found) for parameter in before)


def _with_condition(parameter: Parameter, found: dict[str, Parameter]) -> Parameter:
    decider = found[parameter.when.parameter] if parameter.when else None
    if parameter.when is None or not isinstance(decider, Categorical):
        return parameter
    left: tuple[Value, ...] = tuple(value for value in parameter.when.values if value in decider.values)
    return replace(parameter, when=replace(parameter.when, values=left))


def _outwards(parameter: Float, low: float, high: float) -> tuple[float, float]:
    """``low`` rounded down and ``high`` rounded up, within the range."""
    span = high - low
    sizes = {"log": (low, high), "reverse-log": (1.0 - low, 1.0 - high)}.get(parameter.scale, (span, span))
    down, up = _rounded(low, sizes[0], math.floor), _rounded(high, sizes[1], math.ceil)
    return max(min(down, low), parameter.low), min(max(up, high), parameter.high)


def _rounded(value: float, size: float, towards: Callable[[float], int]) -> float:
    """To so many digits of ``size``."""
    if size < _SMALLEST:
        return value
    digits = _DIGITS - 1 - math.floor(math.log10(size))
    return float(f"{towards(value * 10.0**digits) / 10.0**digits:.12g}")
