"""Listing the points that constraints leave of a space of discrete hyperparameters, however many they forbid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tuning.constraints import Constraint
from tuning.intervals import Interval
from tuning.parameters import Categorical, Parameter, Value

_LOOKS = 10_000  # values that are looked at, about 0.3 s


def listed(parameters: Sequence[Parameter], constraints: Sequence[Constraint]) -> tuple[dict[str, Value], ...] | None:
    """All points, the last parameter fastest; None if a parameter is continuous, or after 10,000 looks at a value."""
    if any(parameter.size is None for parameter in parameters):
        return None
    listing = _Listing(parameters, constraints)
    points = tuple(listing.completed({}, 0))
    return points if listing.left >= 0 else None


def ranges(parameters: Sequence[Parameter]) -> dict[str, Interval]:
    """Between what the numbers lie before they have a value; nothing of what may be inactive, or is a category."""
    return {
        p.name: (float(p.low), float(p.high)) for p in parameters if p.when is None and not isinstance(p, Categorical)
    }


class _Listing:
    """Backtracking: a value is given up at once where intervals tell that no later values can complete it."""

    def __init__(self, parameters: Sequence[Parameter], constraints: Sequence[Constraint]) -> None:
        self.parameters, self.left = parameters, _LOOKS
        self.naming = [[each for each in constraints if parameter.name in each.names] for parameter in parameters]
        self.ranges = ranges(parameters)

    def completed(self, begun: dict[str, Value], index: int) -> Iterator[dict[str, Value]]:
        """The points that agree with ``begun`` on all parameters before ``index``."""
        if index == len(self.parameters):
            yield begun
            return
        parameter = self.parameters[index]
        if parameter.when is not None and not parameter.when.met_by(begun):
            yield from self.completed(begun, index + 1)
            return
        for value in parameter.grid(parameter.size or 1):
            self.left -= 1
            if self.left < 0:
                return
            config = {**begun, parameter.name: value}
            if self._possible(config, index):
                yield from self.completed(config, index + 1)

    def _possible(self, config: dict[str, Value], index: int) -> bool:
        if not self.naming[index]:
            return True
        if not all(constraint.holds(config) for constraint in self.naming[index]):
            return False  # a constraint on what has no value yet counts as holding
        given = {name: (float(v), float(v)) for name, v in config.items() if not isinstance(v, str)}
        return all(constraint.possible(self.ranges | given) for constraint in self.naming[index])
