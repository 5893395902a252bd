"""The bounded kinds of hyperparameter: one class per kind. (HyperDrive's unbounded and rounded ones: expressions.py.)

Each kind maps its values to one unit coordinate u in [0, 1] and back. ``decode`` accepts any u; ``encode`` gives a u
with ``decode(encode(v)) == v``, but for the rounding of u: of a float, and of steps so fine, far out in the upper tail
of an expression, that their cells are narrower than u can tell. Every value of a discrete kind owns a cell of the unit
interval, so that a uniform u is a uniform value on the parameter's scale.

What every kind has: ``name``, ``kind`` (float, integer or categorical: what its values are), ``when`` (its condition),
``size`` (number of values, None if continuous), ``width`` (columns that it takes as model features), ``nominal`` (its
values have no order), ``encode`` (and ``encode_all``, for many values at once), ``decode``, ``snap``, ``features``,
``grid``, ``near``, ``digits`` (significant ones by which its values are told apart), ``problem_with``, ``canonical``,
``to_json``.

``canonical`` gives a value from outside the form that ``decode`` would have given it: no script is told 2.0 where it
expects 2. A number's text is read as the number, and the number as the text if that is listed; what is no value of the
parameter is left for ``problem_with`` to say.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

import numpy as np

from tuning.expressions import Expression
from tuning.parameter_rules import (
    ALL_DIGITS,
    DIGITS,
    MAX_INTEGER,
    STEP_TOLERANCE,
    Condition,
    Value,
    digits_within,
    is_multiple,
    is_number,
    name_faults,
    number_in,
    number_text,
    raise_faults,
    range_faults,
    same_value,
    values_faults,
)
from tuning.plain import plain
from tuning.scales import SCALES, Floats, Lattice, Scale, ScaleName, resolved

__all__ = [
    "MAX_INTEGER",
    "SCALES",
    "Categorical",
    "Condition",
    "Expression",
    "Float",
    "Floats",
    "Integer",
    "Parameter",
    "Scale",
    "ScaleName",
    "Value",
    "name_faults",
]

_NOISE = 1e-15  # of the numbers that were added: what rounding may leave


@dataclass(frozen=True, slots=True)
class Float:
    """A real number in [low, high], both ends included; with a ``step``, one of low, low + step, ... <= high.

    The scale ``auto`` is resolved at once (see ``scales.resolved``): ``scale`` and the document tell to what.
    """

    name: str
    low: float
    high: float
    scale: ScaleName = "linear"
    step: float | None = None
    when: Condition | None = None
    kind: ClassVar[str] = "float"
    nominal: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for member in ("low", "high", "step"):
            object.__setattr__(self, member, plain(getattr(self, member)))
        raise_faults(name_faults(self.name) + range_faults(self.low, self.high, self.scale, self.step, whole=False))
        object.__setattr__(self, "scale", resolved(self.scale, self.low, self.high, whole=False))

    @property
    def size(self) -> int | None:
        if self.low == self.high:
            return 1
        return None if self.step is None else self._lattice(self.step).count

    @property
    def digits(self) -> int:
        return DIGITS if self.step is not None else digits_within(self.low, self.high)

    @property
    def width(self) -> int:
        return 1

    def _lattice(self, step: float) -> Lattice:
        # The tolerance keeps 0.1 + 2 * 0.1 within 0.3.
        count = math.floor((self.high - self.low) / step + STEP_TOLERANCE) + 1
        return Lattice(self.low, step, count, SCALES[self.scale])

    def _rung(self, lattice: Lattice, k: int) -> float:
        value = float(f"{self.low + k * lattice.step:.15g}")
        if self.low < 0.0:
            value = self._cancelled(lattice.step, k, value)
        return min(max(value, self.low), self.high) + 0.0

    def _cancelled(self, step: float, k: int, value: float) -> float:
        """``value``, low + k * step, without what rounding left next to 0, where digits cancel out: 0, not 5.6e-17."""
        exact = Decimal(repr(float(self.low))) + k * Decimal(repr(float(step)))
        noise = _NOISE * max(-self.low, abs(value))
        if noise == 0.0:  # next to the least float there is
            return value
        short = round(exact, math.floor(-math.log10(noise)))
        meant = len(short.normalize().as_tuple().digits) <= DIGITS and abs(short - exact) <= noise
        return float(short) if meant else value

    def encode(self, value: Value) -> float:
        return float(self.encode_all((value,))[0])

    def encode_all(self, values: Sequence[Value]) -> Floats:
        numbers = np.array(values, dtype=float)
        if self.low == self.high:
            return np.full_like(numbers, 0.5)
        if self.step is not None:
            return self._lattice(self.step).units(numbers)
        scale = SCALES[self.scale]
        low, high = scale.forward(np.array([self.low, self.high]))
        if low == high:  # ends so close together that their logarithms are equal
            return np.full_like(numbers, 0.5)
        units: Floats = np.clip((scale.forward(numbers) - low) / (high - low), 0.0, 1.0)
        return units

    def decode(self, u: float) -> float:
        if self.step is not None and self.low < self.high:
            lattice = self._lattice(self.step)
            return self._rung(lattice, lattice.place(u))
        # The ends are returned exactly: exp(log(x)) is not always x. (+ 0.0: no value is -0.)
        if u <= 0.0 or self.low == self.high:
            return self.low + 0.0
        if u >= 1.0:
            return self.high + 0.0
        scale = SCALES[self.scale]
        low, high = scale.forward(np.array([self.low, self.high]))
        value = float(scale.inverse((1.0 - u) * low + u * high))
        return min(max(scale.short(value, self.high - self.low), self.low), self.high) + 0.0

    def snap(self, u: Floats) -> Floats:
        """The unit coordinates of the values that ``u`` decodes to; shape kept."""
        if self.low == self.high:
            return np.full_like(u, 0.5)
        return np.clip(u, 0.0, 1.0) if self.step is None else self._lattice(self.step).snap(u)

    def features(self, u: Floats) -> Floats:
        """Model features, shape (n, width), of snapped unit coordinates, shape (n,)."""
        return u[:, None]

    def grid(self, points: int) -> Iterator[Value]:
        """At most ``points`` values, evenly spaced on the scale, both ends included (one point: the middle)."""
        if self.low == self.high:
            yield self.low + 0.0
        elif self.step is not None:
            lattice = self._lattice(self.step)
            yield from (self._rung(lattice, k) for k in lattice.spread(points))
        elif points == 1:
            yield self.decode(0.5)
        else:
            # Where the ends are next to each other, fewer values can be told apart (by ``SearchSpace.key``).
            found = (self.decode(i / (points - 1)) for i in range(points))
            values = {number_text(value, self.digits): value for value in found}
            yield from values.values()

    def near(self, u: float) -> Floats:
        """Unit coordinates of the values next to the one at ``u``; none if there is no next one."""
        if self.step is None or self.low == self.high:
            return np.empty(0)
        lattice = self._lattice(self.step)
        return self.encode_all([self._rung(lattice, k) for k in lattice.near(u)])

    def problem_with(self, value: object) -> str | None:
        if not is_number(value):
            return f"{self.name} is {value!r}, not a number"
        if not self.low <= value <= self.high:
            return f"{self.name} is {value!r}, outside {self.low!r} to {self.high!r}"
        if self.step is not None and not is_multiple(value - self.low, self.step, value):
            return f"{self.name} is {value!r}, not {self.low!r} plus a multiple of {self.step!r}"
        return None

    def canonical(self, value: Value) -> Value:
        number = number_in(value)
        if number is None:
            return value
        if self.step is None or self.problem_with(number):
            return float(number) + 0.0
        lattice = self._lattice(self.step)
        return self._rung(lattice, round((number - self.low) / self.step))

    def to_json(self) -> dict[str, object]:
        document = {"name": self.name, "type": self.kind, "min": self.low, "max": self.high, "scale": self.scale}
        return _extended(document, step=self.step, when=self.when)


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number in [low, high], both ends included; with a ``step``, one of low, low + step, ... <= high."""

    name: str
    low: int
    high: int
    scale: ScaleName = "linear"
    step: int | None = None
    when: Condition | None = None
    kind: ClassVar[str] = "integer"
    nominal: ClassVar[bool] = False
    digits: ClassVar[int] = DIGITS

    def __post_init__(self) -> None:
        for member in ("low", "high", "step"):
            object.__setattr__(self, member, plain(getattr(self, member)))
        raise_faults(name_faults(self.name) + range_faults(self.low, self.high, self.scale, self.step, whole=True))
        object.__setattr__(self, "scale", resolved(self.scale, self.low, self.high, whole=True))

    @property
    def size(self) -> int | None:
        return (self.high - self.low) // (self.step or 1) + 1

    @property
    def width(self) -> int:
        return 1

    def _lattice(self) -> Lattice:
        return Lattice(self.low, self.step or 1, self.size or 1, SCALES[self.scale])

    def _rung(self, k: int) -> int:
        return self.low + k * (self.step or 1)

    def encode(self, value: Value) -> float:
        return float(self.encode_all((value,))[0])

    def encode_all(self, values: Sequence[Value]) -> Floats:
        return self._lattice().units(np.array(values, dtype=float))

    def decode(self, u: float) -> int:
        return self._rung(self._lattice().place(u))

    def snap(self, u: Floats) -> Floats:
        return self._lattice().snap(u)

    def features(self, u: Floats) -> Floats:
        return u[:, None]

    def grid(self, points: int) -> Iterator[Value]:
        """At most ``points`` different values, even on the scale, both ends included (one point: the middle)."""
        yield from (self._rung(k) for k in self._lattice().spread(points))

    def near(self, u: float) -> Floats:
        return self.encode_all([self._rung(k) for k in self._lattice().near(u)])

    def problem_with(self, value: object) -> str | None:
        if not is_number(value) or value != int(value):
            return f"{self.name} is {value!r}, not a whole number"
        if not self.low <= value <= self.high:
            return f"{self.name} is {value!r}, outside {self.low} to {self.high}"
        if self.step is not None and (int(value) - self.low) % self.step:
            return f"{self.name} is {value!r}, not {self.low} plus a multiple of {self.step}"
        return None

    def canonical(self, value: Value) -> Value:
        number = number_in(value)
        if number is None:
            return value
        return int(number) if number == int(number) else number

    def to_json(self) -> dict[str, object]:
        document = {"name": self.name, "type": self.kind, "min": self.low, "max": self.high, "scale": self.scale}
        return _extended(document, step=self.step, when=self.when)


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of a list of values. Values that print alike are the same value to a script.

    Of an ``ordered`` one, neighbours in the list are more alike than others: models see the place in the list.
    """

    name: str
    values: tuple[Value, ...]
    ordered: bool = False
    when: Condition | None = None
    kind: ClassVar[str] = "categorical"

    def __post_init__(self) -> None:
        values = plain(self.values)
        raise_faults(name_faults(self.name) + values_faults(values))  # type: ignore[arg-type]
        object.__setattr__(self, "values", tuple(values))  # type: ignore[arg-type]

    @property
    def size(self) -> int | None:
        return len(self.values)

    @property
    def digits(self) -> int:
        numbers = [value for value in self.values if not isinstance(value, str)]
        return DIGITS if len({number_text(value) for value in numbers}) == len(numbers) else ALL_DIGITS

    @property
    def width(self) -> int:
        return 1 if self.ordered else len(self.values)

    @property
    def nominal(self) -> bool:
        return not self.ordered

    def encode(self, value: Value) -> float:
        return float(self.encode_all((value,))[0])

    def encode_all(self, values: Sequence[Value]) -> Floats:
        places = {value: index for index, value in enumerate(self.values)}
        try:
            return (np.array([places[value] for value in values], dtype=float) + 0.5) / len(self.values)
        except KeyError as missing:
            raise ValueError(f"{self.name} is {missing.args[0]!r}, not one of its values") from None

    def decode(self, u: float) -> Value:
        return self.values[min(max(int(u * len(self.values)), 0), len(self.values) - 1)]

    def snap(self, u: Floats) -> Floats:
        n = len(self.values)
        snapped: Floats = (np.clip(np.floor(u * n), 0, n - 1) + 0.5) / n
        return snapped

    def features(self, u: Floats) -> Floats:
        """One column per value; any two different values are at distance 1, as far as the ends of a numeric axis.

        Of an ordered one, the unit coordinate, as for a number.
        """
        if self.ordered:
            return u[:, None]
        n = len(self.values)
        columns = np.zeros((len(u), n))
        columns[np.arange(len(u)), np.clip((u * n).astype(int), 0, n - 1)] = math.sqrt(0.5)
        return columns

    def grid(self, points: int) -> Iterator[Value]:
        """Every value: a category cannot be thinned out."""
        yield from self.values

    def near(self, u: float) -> Floats:
        """Every value: each is next to any other (of an ordered one, the list is short)."""
        n = len(self.values)
        return (np.arange(n) + 0.5) / n

    def problem_with(self, value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            return f"{self.name} is {value!r}, not a value"
        if value not in self.values:
            return f"{self.name} is {value!r}, not one of {', '.join(map(repr, self.values))}"
        return None

    def canonical(self, value: Value) -> Value:
        exact = (known for known in self.values if known == value and isinstance(known, str) == isinstance(value, str))
        alike = (known for known in self.values if same_value(known, value))
        return next(exact, next(alike, value))

    def to_json(self) -> dict[str, object]:
        document: dict[str, object] = {"name": self.name, "type": self.kind, "values": list(self.values)}
        return _extended(document, ordered=self.ordered or None, when=self.when)


Parameter = Float | Integer | Categorical | Expression


def _extended(document: dict[str, object], when: Condition | None, **members: object) -> dict[str, object]:
    """``document`` with the members that are not None: what is left out is not written either."""
    document.update({name: value for name, value in members.items() if value is not None})
    return document if when is None else {**document, "when": when.to_json()}
