"""Listing the points that constraints leave of discrete hyperparameters, however many they forbid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from tuning.constraints import Constraint
from tuning.intervals import Interval
from tuning.parameters import Categorical, Parameter, Value

_LOOKS = 10_000  # values that are looked at, about 0.3 s

Places = tuple[int | None, ...]  # of each parameter, the place of its value on its axis; None where it is not active


class TooMany(Exception):
    """More values were looked at than were allowed."""


def listed(parameters: Sequence[Parameter], constraints: Sequence[Constraint]) -> tuple[dict[str, Value], ...] | None:
    """All points, the last parameter fastest; None if a parameter is continuous, or after 10,000 looks at a value."""
    if any(parameter.size is None for parameter in parameters):
        return None
    # Nobody gets beyond the values that may be looked at.
    axes = [list(islice(parameter.grid(parameter.size or 1), _LOOKS + 1)) for parameter in parameters]
    listing = Listing(parameters, axes, constraints)
    try:
        return tuple(listing.config(places) for places in listing.places(looks=_LOOKS))
    except TooMany:
        return None


def ranges(parameters: Sequence[Parameter]) -> dict[str, Interval]:
    """Between what the numbers lie before they have a value; nothing of what may be inactive, or is a category."""
    return {
        p.name: (float(p.low), float(p.high)) for p in parameters if p.when is None and not isinstance(p, Categorical)
    }


class Listing:
    """The combinations of ``axes``, a list of values for each parameter, that satisfy ``constraints``, in order.

    Backtracking: a value is given up at once where a constraint of which all names have a value forbids it, or where
    intervals tell that no later values can complete it.
    """

    def __init__(
        self, parameters: Sequence[Parameter], axes: Sequence[Sequence[Value]], constraints: Sequence[Constraint]
    ) -> None:
        self.parameters, self.axes = parameters, axes
        places = {parameter.name: index for index, parameter in enumerate(parameters)}
        self._ranges = ranges(parameters)
        # By the place of a parameter: the constraints that name no later one, and those that do.
        self._decided: list[list[Constraint]] = [[] for _ in parameters]
        self._open: list[list[Constraint]] = [[] for _ in parameters]
        for constraint in constraints:
            *earlier, last = sorted(places[name] for name in constraint.names)
            self._decided[last].append(constraint)
            for place in earlier:
                self._open[place].append(constraint)

    def config(self, places: Places) -> dict[str, Value]:
        """The configuration that has these places on the axes."""
        named = zip(self.parameters, self.axes, places, strict=True)
        return {parameter.name: axis[place] for parameter, axis, place in named if place is not None}

    def places(self, after: Places | None = None, looks: int | None = None) -> Iterator[Places]:
        """All combinations, the last parameter fastest; those that come after ``after``, if that is given.

        Raises:
            TooMany: none was found by looking at ``looks`` more values.
        """
        done: list[int | None] = list(after or ())
        config = self.config(after) if after else {}
        place = self._back(done, config) if after else 0  # to be looked at next, of the parameter at len(done)
        looked = 0
        while place is not None:
            index = len(done)
            if index == len(self.parameters):
                yield tuple(done)
                place = self._back(done, config)
            elif not self._active(index, config):
                done.append(None)
            elif place == len(self.axes[index]):
                place = self._back(done, config)
            elif looked == looks:
                raise TooMany
            else:
                looked += 1
                name = self.parameters[index].name
                config[name] = self.axes[index][place]
                if self._possible(config, index):
                    done.append(place)
                    place = 0
                else:
                    del config[name]
                    place += 1

    def _back(self, done: list[int | None], config: dict[str, Value]) -> int | None:
        """Take the last value back; the place after it, None if there is no value any more."""
        while done:
            place = done.pop()
            if place is not None:
                del config[self.parameters[len(done)].name]
                return place + 1
        return None

    def _active(self, index: int, config: Mapping[str, Value]) -> bool:
        when = self.parameters[index].when
        return when is None or when.met_by(config)

    def _possible(self, config: Mapping[str, Value], index: int) -> bool:
        """Whether ``config``, which ends with the parameter at ``index``, may be completed."""
        if not all(constraint.holds(config) for constraint in self._decided[index]):
            return False
        if not self._open[index]:
            return True
        given = {name: (float(v), float(v)) for name, v in config.items() if not isinstance(v, str)}
        return all(constraint.possible(self._ranges | given) for constraint in self._open[index])
