"""The ranges that constraints leave of each hyperparameter, whatever the values of the others.

Shaving: an end of a range is cut off as far as interval arithmetic tells that no point there satisfies a constraint
(Martin and Shmoys, A new approach to computing optimal schedules for the job-shop scheduling problem, 1996). What is
cut holds no point; what is kept may hold few.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tuning.constraints import Constraint
from tuning.intervals import Interval
from tuning.listing import ranges
from tuning.parameters import Float, Integer, Parameter

_ROUNDS = 4  # one end cut lets others be cut further
_HALVINGS = 12  # of the range, to find how much can be cut


def narrowed(parameters: Sequence[Parameter], constraints: Sequence[Constraint]) -> tuple[Parameter, ...]:
    """``parameters`` with the ranges that are left; those that decide about others, or hang on them, as they are."""
    found = list(parameters)
    deciding = {parameter.when.parameter for parameter in parameters if parameter.when}
    for _ in range(_ROUNDS):
        for index, parameter in enumerate(found):
            if isinstance(parameter, (Float, Integer)) and not parameter.when and parameter.name not in deciding:
                naming = [constraint for constraint in constraints if parameter.name in constraint.names]
                found[index] = _shaved(parameter, naming, ranges(found))
    return tuple(found)


def _shaved(parameter: Float | Integer, naming: Sequence[Constraint], others: dict[str, Interval]) -> Parameter:
    def possible(low: float, high: float) -> bool:
        return all(constraint.possible({**others, parameter.name: (low, high)}) for constraint in naming)

    if not naming:
        return parameter
    low = parameter.decode(_cut(lambda u: possible(parameter.low, parameter.decode(u))))
    high = parameter.decode(1.0 - _cut(lambda u: possible(parameter.decode(1.0 - u), parameter.high)))
    return replace(parameter, low=low, high=high) if low < high else parameter  # type: ignore[arg-type]


def _cut(possible: Callable[[float], bool]) -> float:
    """How much of a unit range can be cut off, where ``possible`` tells of a part whether it may hold a point."""
    cut, step = 0.0, 0.5
    for _ in range(_HALVINGS):
        if not possible(cut + step):
            cut += step
        step /= 2
    return cut
