"""Points that satisfy constraints which random points hardly ever do.

A point is *repaired* and then *walked*. Both go from coordinate to coordinate and draw it anew within [0, 1]; a draw
that is refused becomes an end of a smaller interval around the present value (the shrinkage of Neal, Slice sampling,
Annals of Statistics 31, 2003). The repair refuses what makes the shortfall of the constraints greater, and so closes in
on them (like subset simulation: Au and Beck, Probabilistic Engineering Mechanics 16, 2001). The walk refuses what
breaks one. It would end in uniform points of the part of the space that single steps connect; it is cut short, so that
its points are spread, and not exactly uniform. A repair begins anywhere, so that each part may be found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tuning.constraints import Constraint
from tuning.listing import listed, ranges
from tuning.parameters import Parameter, Value

_FIRST = 10_000  # looks at a point that the first repair may take, about 0.2 s
_LOOKS = 4_000  # of any later repair
_MENDING = 100  # to mend a point, for each parameter: what takes longer ends far away
_SWEEPS = 10  # of the walk from a repaired point, and one more for each parameter
_LONG = 60  # of the walk from the one point that is known
_SHRINKS = 40  # draws of one coordinate

Project = Callable[[Mapping[str, Value]], dict[str, Value]]


@dataclass(frozen=True)
class Feasible:
    """The points of ``parameters`` that satisfy ``constraints``; ``project`` leaves out what is not active."""

    parameters: tuple[Parameter, ...]
    constraints: tuple[Constraint, ...]
    project: Project

    @cached_property
    def known(self) -> dict[str, Value] | None:
        """One point, always the same; None where there is none, or none was found."""
        bounds = ranges(self.parameters)
        if not all(constraint.possible(bounds) for constraint in self.constraints):
            return None
        state = self._begun(np.random.default_rng(0))
        if state.repaired(_FIRST):
            return state.config()
        return self.points[0] if self.points else None

    @cached_property
    def points(self) -> tuple[dict[str, Value], ...] | None:
        """All points, the last parameter fastest; None where they are too many to list, or not to be counted."""
        return listed(self.parameters, self.constraints)

    def draw(self, rng: np.random.Generator) -> dict[str, Value] | None:
        """A point, spread over all that there are; None where none is known."""
        if self.points:
            return dict(self.points[int(rng.integers(len(self.points)))])
        state = self._begun(rng)
        if state.repaired(_LOOKS):
            state.walk(_SWEEPS + len(self.parameters))
            return state.config()
        if self.known is None:
            return None
        state.put(self.known)
        state.walk(_LONG)
        return state.config()

    def near(self, config: Mapping[str, Value], rng: np.random.Generator) -> dict[str, Value] | None:
        """``config`` repaired: no step leads further from satisfying the constraints; None if none leads there."""
        state = self._begun(rng)
        state.put(config)
        return state.config() if state.repaired(_MENDING * len(self.parameters)) else None

    def _begun(self, rng: np.random.Generator) -> _State:
        return _State(self, rng, [float(u) for u in rng.random(len(self.parameters))])

    @cached_property
    def touched(self) -> list[list[int]]:
        """The constraints that a change of each parameter may break: also those of what hangs on it."""
        found = []
        for index, parameter in enumerate(self.parameters):
            names = {parameter.name}
            for later in self.parameters[index:]:
                if later.when is not None and later.when.parameter in names:
                    names.add(later.name)
            found.append([at for at, constraint in enumerate(self.constraints) if names & constraint.names])
        return found


@dataclass
class _State:
    """A unit point ``at`` on its way, with its values and the shortfall of each constraint."""

    space: Feasible
    rng: np.random.Generator
    at: list[float]
    values: dict[str, Value] = field(init=False)
    short: list[float] = field(init=False)
    looks: int = 0

    def __post_init__(self) -> None:
        pairs = zip(self.space.parameters, self.at, strict=True)
        self.put({parameter.name: parameter.decode(u) for parameter, u in pairs})

    def put(self, config: Mapping[str, Value]) -> None:
        """Go to ``config``; what is not active there stays where it is."""
        for index, parameter in enumerate(self.space.parameters):
            if parameter.name in config:
                self.at[index] = min(max(parameter.encode(config[parameter.name]), 0.0), 1.0)
        self.values = {
            p.name: config.get(p.name, p.decode(u)) for p, u in zip(self.space.parameters, self.at, strict=True)
        }
        found = self.config()
        self.short = [constraint.shortfall(found) for constraint in self.space.constraints]

    def config(self) -> dict[str, Value]:
        return self.space.project(self.values)

    def repaired(self, looks: int) -> bool:
        """Whether, in about so many looks, a point was reached that breaks no constraint."""
        while (total := sum(self.short)) > 0.0 and self.looks < looks:
            for index in self.rng.permutation(len(self.at)).tolist():
                if self.space.touched[index] and total > 0.0:
                    self._step(index, total)
                    total = sum(self.short)
        return total == 0.0

    def walk(self, sweeps: int) -> None:
        for _ in range(sweeps):
            for index in self.rng.permutation(len(self.at)).tolist():
                self._step(index, 0.0)

    def _step(self, index: int, limit: float) -> None:
        """Draw one coordinate anew where the shortfall is at most ``limit``, as it is now."""
        parameter, low, high = self.space.parameters[index], 0.0, 1.0
        for _ in range(_SHRINKS):
            u = low + (high - low) * float(self.rng.random())
            if self._moved(index, parameter, u, limit):
                return
            if u < self.at[index]:
                low = u
            else:
                high = u

    def _moved(self, index: int, parameter: Parameter, u: float, limit: float) -> bool:
        self.looks += 1
        before, self.values[parameter.name] = self.values[parameter.name], parameter.decode(u)
        config, short = self.config(), list(self.short)
        for at in self.space.touched[index]:
            short[at] = self.space.constraints[at].shortfall(config)
        if sum(short) <= limit:
            self.at[index], self.short = u, short
            return True
        self.values[parameter.name] = before
        return False
