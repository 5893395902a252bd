"""The points of a grid: how many there are, and each by its place, without listing those before it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence, Set
from functools import cached_property

from tuning.constraints import Constraint
from tuning.listing import Listing, Places, TooMany
from tuning.parameters import Parameter, Value

LOOKS = 100_000  # at values, from one point that satisfies the constraints to the next: about 2 s
COUNTED = 100_000  # constrained combinations beyond that are not counted

Key = Callable[[dict[str, Value]], str]


class Combinations:
    """The combinations of ``axes``, a list of values for each parameter, the last parameter fastest.

    Parameters and their conditions are a forest: roots are independent, and so are the children of one value. One that
    is not active is absent, and takes no turns. Of a parameter on which nothing hangs, only the length of its axis is
    asked for to count.
    """

    def __init__(self, parameters: Sequence[Parameter], axes: Sequence[Sequence[Value]]) -> None:
        self._parameters, self._axes = parameters, axes
        self._children: dict[str, list[Parameter]] = {parameter.name: [] for parameter in parameters}
        for parameter in parameters:
            if parameter.when is not None:
                self._children[parameter.when.parameter].append(parameter)
        self._below: dict[str, int] = {}  # the combinations of a parameter and what hangs on it
        for parameter, axis in reversed(list(zip(parameters, axes, strict=True))):
            deciding = self._children[parameter.name]
            self._below[parameter.name] = sum(self._under(parameter, v) for v in axis) if deciding else len(axis)

    def _under(self, parameter: Parameter, value: Value) -> int:
        """The combinations of what hangs on ``parameter`` where it has ``value``."""
        children = self._children[parameter.name]
        return math.prod(self._below[p.name] for p in children if p.when and p.when.met_by({parameter.name: value}))

    @cached_property
    def count(self) -> int:
        return math.prod(self._below[parameter.name] for parameter in self._parameters if parameter.when is None)

    def __getitem__(self, place: int) -> dict[str, Value]:
        """The one at ``place``, from 0. Raises IndexError."""
        if not 0 <= place < self.count:
            raise IndexError(place)
        config: dict[str, Value] = {}
        left = self.count  # of those that begin like ``config``
        for parameter, axis in zip(self._parameters, self._axes, strict=True):
            if parameter.when is not None and not parameter.when.met_by(config):
                continue
            left //= self._below[parameter.name]
            if not self._children[parameter.name]:
                turn, place = divmod(place, left)
                config[parameter.name] = axis[turn]
                continue
            for value in axis:
                turns = left * self._under(parameter, value)
                if place < turns:
                    config[parameter.name], left = value, turns
                    break
                place -= turns
        return config


class GridPoints:
    """The combinations of ``axes`` that satisfy ``constraints``, in their order. What was found of them is kept, so
    that whoever asks for the next one again and again does not begin anew.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        axes: Sequence[Sequence[Value]],
        constraints: Sequence[Constraint],
        key: Key,
    ) -> None:
        self._listing = _thinned(parameters, axes, constraints)
        self._combinations = Combinations(parameters, self._listing.axes)
        self._constrained = bool(constraints)
        self._plain = not constraints and not any(parameter.when for parameter in parameters)
        self._key = key
        self.cut = False  # whether no further point was found, though there may be one
        # By place, and not lists: who asks beside somebody else finds the same.
        self._places: dict[int, Places | None] = {}
        self._keys: dict[int, str] = {}

    def __iter__(self) -> Iterator[dict[str, Value]]:
        if self._plain:
            names = [parameter.name for parameter in self._listing.parameters]
            return (dict(zip(names, point, strict=True)) for point in itertools.product(*self._listing.axes))
        return map(self._listing.config, self._listing.places())

    @cached_property
    def total(self) -> int:
        """The number of points (with constraints and over 100,000 combinations: at most)."""
        if not self._constrained or self._combinations.count > COUNTED:
            return self._combinations.count
        return sum(1 for _ in self._listing.places())

    def untried(self, used: Set[str]) -> Iterator[tuple[int, dict[str, Value]]]:
        """The points whose key is not in ``used``, with their places from 0."""
        for place in itertools.count():
            config = None
            if place not in self._keys:
                config = self._at(place)
                if config is None:
                    return
                self._keys[place] = self._key(config)
            if self._keys[place] not in used:
                yield place, config or self._at(place) or {}

    def _at(self, place: int) -> dict[str, Value] | None:
        """The point at ``place``, None beyond the last one; of constrained ones, the place before must be known."""
        if not self._constrained:
            return self._combinations[place] if place < self._combinations.count else None
        if place not in self._places:
            try:
                self._places[place] = next(self._listing.places(self._places.get(place - 1), LOOKS), None)
            except TooMany:
                self._places[place], self.cut = None, True
        places = self._places[place]
        return None if places is None else self._listing.config(places)


def _thinned(
    parameters: Sequence[Parameter], axes: Sequence[Sequence[Value]], constraints: Sequence[Constraint]
) -> Listing:
    """Without the values that a constraint on one parameter forbids, wherever it stands."""
    alone = {p.name: [one for one in constraints if one.names == {p.name}] for p in parameters}
    left = [
        [value for value in axis if all(one.holds({p.name: value}) for one in alone[p.name])]
        for p, axis in zip(parameters, axes, strict=True)
    ]
    if any(not axis and p.when is None for p, axis in zip(parameters, left, strict=True)):
        left = [[] for _ in axes]  # and nobody looks for the others' values
    return Listing(parameters, left, [one for one in constraints if len(one.names) > 1])
