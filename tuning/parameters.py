"""The kinds of hyperparameter and their scales: one class per kind, every transform in one place.

Each kind maps its values to one unit coordinate u in [0, 1] and back. ``decode`` accepts any u; ``encode`` gives a u
with ``decode(encode(v)) == v`` (a float to rounding). Every value of a discrete kind owns a cell of the unit interval,
so that a uniform u is a uniform value on the parameter's scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeGuard

import numpy as np
from numpy.typing import NDArray

from tuning.errors import Fault, InvalidSpec

Value = float | int | str
Floats = NDArray[np.float64]
ScaleName = Literal["linear", "log"]

# Integers beyond this are not exact as float64, and JSON readers disagree about them.
MAX_INTEGER = 2**53
MAX_NAME = 255
MAX_VALUES = 1000
MAX_TEXT = 1024


@dataclass(frozen=True, slots=True)
class Scale:
    """A strictly increasing transform of a numeric axis, on which search is uniform."""

    forward: Callable[[Floats], Floats]
    inverse: Callable[[Floats], Floats]
    positive: bool  # defined for values > 0 only


SCALES: dict[str, Scale] = {
    "linear": Scale(forward=lambda x: x, inverse=lambda t: t, positive=False),
    "log": Scale(forward=np.log, inverse=np.exp, positive=True),
}


@dataclass(frozen=True, slots=True)
class Float:
    """A real number in [low, high], both ends included."""

    name: str
    low: float
    high: float
    scale: ScaleName = "linear"
    kind: ClassVar[str] = "float"

    def __post_init__(self) -> None:
        _raise(name_faults(self.name) + _range_faults(self.low, self.high, self.scale))

    @property
    def size(self) -> int | None:
        return 1 if self.low == self.high else None

    @property
    def width(self) -> int:
        """Number of columns that the parameter takes as model features."""
        return 1

    def encode(self, value: Value) -> float:
        if self.low == self.high:
            return 0.5
        scale = SCALES[self.scale]
        low, high, at = scale.forward(np.array([self.low, self.high, float(value)]))
        return min(max(float((at - low) / (high - low)), 0.0), 1.0)

    def decode(self, u: float) -> float:
        # The ends are returned exactly: exp(log(x)) is not always x.
        if u <= 0.0 or self.low == self.high:
            return self.low
        if u >= 1.0:
            return self.high
        scale = SCALES[self.scale]
        low, high = scale.forward(np.array([self.low, self.high]))
        return min(max(self._short(float(scale.inverse((1.0 - u) * low + u * high))), self.low), self.high)

    def _short(self, value: float) -> float:
        """``value`` to 9 digits of the range (log: of itself): finer than any training can tell, and short to read.

        It also hides the last bits, in which two machines may differ.
        """
        if SCALES[self.scale].positive:
            return float(f"{value:.9g}")
        return round(value, 8 - math.floor(math.log10(self.high - self.low)))

    def snap(self, u: Floats) -> Floats:
        """The unit coordinates of the values that ``u`` decodes to; shape kept."""
        return np.full_like(u, 0.5) if self.low == self.high else np.clip(u, 0.0, 1.0)

    def features(self, u: Floats) -> Floats:
        """Model features, shape (n, width), of snapped unit coordinates, shape (n,)."""
        return u[:, None]

    def grid(self, points: int) -> Iterator[Value]:
        """At most ``points`` values, evenly spaced on the scale, both ends included (one point: the middle)."""
        if self.low == self.high:
            yield self.low
        elif points == 1:
            yield self.decode(0.5)
        else:
            yield from (self.decode(i / (points - 1)) for i in range(points))

    def problem_with(self, value: object) -> str | None:
        if not _is_number(value):
            return f"{self.name} is {value!r}, not a number"
        if not self.low <= value <= self.high:
            return f"{self.name} is {value!r}, outside {self.low!r} to {self.high!r}"
        return None

    def to_json(self) -> dict[str, object]:
        return {"name": self.name, "type": self.kind, "min": self.low, "max": self.high, "scale": self.scale}


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number in [low, high], both ends included."""

    name: str
    low: int
    high: int
    scale: ScaleName = "linear"
    kind: ClassVar[str] = "integer"

    def __post_init__(self) -> None:
        _raise(name_faults(self.name) + _range_faults(self.low, self.high, self.scale))

    @property
    def size(self) -> int | None:
        return self.high - self.low + 1

    @property
    def width(self) -> int:
        return 1

    def _ends(self) -> tuple[float, float]:
        """The scaled axis is half a step wider at each end, so that the end values get whole cells."""
        scale = SCALES[self.scale]
        low, high = scale.forward(np.array([self.low - 0.5, self.high + 0.5]))
        return float(low), float(high)

    def encode(self, value: Value) -> float:
        low, high = self._ends()
        return float((SCALES[self.scale].forward(np.array(float(value))) - low) / (high - low))

    def decode(self, u: float) -> int:
        return int(self._values(np.array([u]))[0])

    def _values(self, u: Floats) -> Floats:
        low, high = self._ends()
        at = SCALES[self.scale].inverse(low + np.clip(u, 0.0, 1.0) * (high - low))
        return np.clip(np.rint(at), self.low, self.high)

    def snap(self, u: Floats) -> Floats:
        low, high = self._ends()
        snapped: Floats = (SCALES[self.scale].forward(self._values(u)) - low) / (high - low)
        return snapped

    def features(self, u: Floats) -> Floats:
        return u[:, None]

    def grid(self, points: int) -> Iterator[Value]:
        """At most ``points`` different values, even on the scale, both ends included (one point: the middle)."""
        count = self.high - self.low + 1
        if count <= points:
            yield from range(self.low, self.high + 1)
            return
        if points == 1:
            yield self.decode(0.5)
            return
        low, high = SCALES[self.scale].forward(np.array([float(self.low), float(self.high)]))
        at = np.rint(SCALES[self.scale].inverse(np.linspace(low, high, points)))
        yield from (int(v) for v in np.unique(np.clip(at, self.low, self.high)))

    def problem_with(self, value: object) -> str | None:
        if not _is_number(value) or value != int(value):
            return f"{self.name} is {value!r}, not a whole number"
        if not self.low <= value <= self.high:
            return f"{self.name} is {value!r}, outside {self.low} to {self.high}"
        return None

    def to_json(self) -> dict[str, object]:
        return {"name": self.name, "type": self.kind, "min": self.low, "max": self.high, "scale": self.scale}


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of a list of values without order. Values that print alike are the same value to a script."""

    name: str
    values: tuple[Value, ...]
    kind: ClassVar[str] = "categorical"

    def __post_init__(self) -> None:
        _raise(name_faults(self.name) + _values_faults(self.values))

    @property
    def size(self) -> int | None:
        return len(self.values)

    @property
    def width(self) -> int:
        return len(self.values)

    def encode(self, value: Value) -> float:
        return (self._index(value) + 0.5) / len(self.values)

    def _index(self, value: Value) -> int:
        for index, known in enumerate(self.values):
            if known == value and isinstance(known, str) == isinstance(value, str):
                return index
        raise ValueError(f"{self.name} is {value!r}, not one of its values")

    def decode(self, u: float) -> Value:
        return self.values[min(max(int(u * len(self.values)), 0), len(self.values) - 1)]

    def snap(self, u: Floats) -> Floats:
        n = len(self.values)
        snapped: Floats = (np.clip(np.floor(u * n), 0, n - 1) + 0.5) / n
        return snapped

    def features(self, u: Floats) -> Floats:
        """One column per value; any two different values are at distance 1, as far as the ends of a numeric axis."""
        n = len(self.values)
        columns = np.zeros((len(u), n))
        columns[np.arange(len(u)), np.clip((u * n).astype(int), 0, n - 1)] = math.sqrt(0.5)
        return columns

    def grid(self, points: int) -> Iterator[Value]:
        """Every value: a category cannot be thinned out."""
        yield from self.values

    def problem_with(self, value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            return f"{self.name} is {value!r}, not a value"
        try:
            self._index(value)
        except ValueError:
            return f"{self.name} is {value!r}, not one of {', '.join(map(repr, self.values))}"
        return None

    def to_json(self) -> dict[str, object]:
        return {"name": self.name, "type": self.kind, "values": list(self.values)}


Parameter = Float | Integer | Categorical


def _is_number(value: object) -> TypeGuard[float]:
    """True for a finite number. (math.isfinite overflows on an integer of hundreds of digits.)"""
    return type(value) is int or (isinstance(value, (int, float)) and type(value) is not bool and math.isfinite(value))


def _raise(faults: list[Fault]) -> None:
    if faults:
        raise InvalidSpec(faults)


def name_faults(name: object) -> list[Fault]:
    """Faults of a hyperparameter's name, with field "name"."""
    # The name becomes the argument --name of the script, a column of the tables and a key of JSON.
    if not isinstance(name, str) or not name:
        return [Fault("name", f"is {name!r}; give the hyperparameter's name, such as learning-rate", "required")]
    if len(name) > MAX_NAME:
        return [Fault("name", f"has {len(name)} characters; use at most {MAX_NAME}", "limit")]
    if not (name[0].isalnum() or name[0] == "_") or not all(c.isalnum() or c in "._-" for c in name):
        return [Fault("name", f"is {name!r}; use letters, digits, '.', '_' and '-', not beginning with '.' or '-'")]
    return []


def _range_faults(low: float, high: float, scale: str) -> list[Fault]:
    faults = []
    for field, value in (("min", low), ("max", high)):
        if isinstance(value, float) and not math.isfinite(value):
            faults.append(Fault(field, f"is {value!r}; give a finite number", "range"))
        elif isinstance(value, int) and abs(value) > MAX_INTEGER:
            faults.append(Fault(field, f"is {value}; whole numbers must lie within -2^53 and 2^53", "range"))
    if scale not in SCALES:
        faults.append(Fault("scale", f"is {scale!r}; use one of {', '.join(SCALES)}", "unknown"))
    if faults:
        return faults
    if low > high:
        faults.append(Fault("min", f"is {low!r}, above max {high!r}; give a min that is at most max", "range"))
    elif isinstance(high, float) and not math.isfinite(high - low):
        faults.append(Fault("max", f"is {high!r}, too far from min {low!r}; narrow the range", "range"))
    if SCALES[scale].positive and low <= 0:
        faults.append(
            Fault("min", f"is {low!r}; a {scale} scale needs min above 0: raise min or use scale linear", "range")
        )
    return faults


def _values_faults(values: tuple[object, ...]) -> list[Fault]:
    if not values:
        return [Fault("values", "is empty; list at least one value", "required")]
    if len(values) > MAX_VALUES:
        return [Fault("values", f"has {len(values)} values; list at most {MAX_VALUES}", "limit")]
    faults: list[Fault] = []
    seen: dict[str, int] = {}
    for index, value in enumerate(values):
        field = f"values[{index}]"
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            faults.append(Fault(field, f"is {value!r}; use a text or a number (write true as the text 'true')", "type"))
            continue
        if isinstance(value, str) and (len(value) > MAX_TEXT or not all(c.isprintable() for c in value)):
            faults.append(Fault(field, f"is {value[:40]!r}; use printable text of at most {MAX_TEXT} characters"))
            continue
        if isinstance(value, float) and not math.isfinite(value):
            faults.append(Fault(field, f"is {value!r}; give a finite number", "range"))
            continue
        if isinstance(value, int) and abs(value) > MAX_INTEGER:
            faults.append(Fault(field, f"is {value}; whole numbers must lie within -2^53 and 2^53", "range"))
            continue
        # 1, 1.0 and '1' reach a script as one and the same thing.
        text = value if isinstance(value, str) else format(float(value), ".17g")
        if text in seen:
            faults.append(Fault(field, f"is {value!r}, the same as values[{seen[text]}]; list each once", "duplicate"))
        seen.setdefault(text, index)
    return faults
