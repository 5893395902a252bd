"""What the members of a hyperparameter must be; each rule answers with faults whose fields are relative to it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from tuning.documents import shown
from tuning.errors import Fault, InvalidSpec
from tuning.scales import SCALE_NAMES, SCALES, resolved

Value = float | int | str

# Integers beyond this are not exact as float64, and JSON readers disagree about them.
MAX_INTEGER = 2**53
MAX_NAME = 255
MAX_VALUES = 1000
MAX_TEXT = 1024
STEP_TOLERANCE = 1e-6  # of a step: how far a value may lie off the lattice by rounding
DIGITS = 12  # significant ones by which values are told apart
_OF_THE_RANGE = 9  # digits that a decoded value has of its range (Scale.short)
ALL_DIGITS = 17  # of a float64
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)  # float() would also read 1_0, and inf
_PRINTED = 1e-14  # of a value: what printing it with 15 digits may change it by, twice
_FINEST = 1e-10  # of the ends: a finer step makes values that print alike


@dataclass(frozen=True, slots=True)
class Condition:
    """The hyperparameter is active only while ``parameter`` is active and has one of ``values``."""

    parameter: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        missing = Fault("when.parameter", "is empty; name another hyperparameter", "required")
        faults = [] if self.parameter else [missing]
        moved = [Fault(f.field.replace("values", "when.in", 1), f.message, f.code) for f in values_faults(self.values)]
        raise_faults([*faults, *moved])
        object.__setattr__(self, "values", tuple(self.values))

    def met_by(self, config: Mapping[str, object]) -> bool:
        value = config.get(self.parameter)
        return any(known == value and isinstance(known, str) == isinstance(value, str) for known in self.values)

    def __str__(self) -> str:
        return f"{self.parameter} is {' or '.join(map(str, self.values))}"

    def to_json(self) -> dict[str, object]:
        return {"parameter": self.parameter, "in": list(self.values)}


def is_number(value: object) -> TypeGuard[float]:
    """True for a finite number. (math.isfinite overflows on an integer of hundreds of digits.)"""
    return type(value) is int or (isinstance(value, (int, float)) and type(value) is not bool and math.isfinite(value))


def number_in(value: object) -> float | None:
    """The number that ``value`` is, or that its text says: a script reads 18 and '18' alike. None if there is none."""
    if isinstance(value, str):
        value = float(value) if _NUMBER.fullmatch(value) else None
    try:
        return value if is_number(value) and math.isfinite(value) else None
    except OverflowError:  # a whole number of hundreds of digits
        return None


def same_value(a: Value, b: Value) -> bool:
    """True if the two are the same to a script: 1, 1.0 and '1' are, and what differs by rounding, which whole numbers
    never do. Texts are as they stand."""
    if type(a) is type(b) and (a == b or isinstance(a, str)):
        return a == b
    one, other = number_in(a), number_in(b)
    return one is not None and other is not None and number_text(one) == number_text(other)


def number_text(value: float, digits: int = DIGITS) -> str:
    """``value`` to so many significant digits; a whole number with all of its own. -0 is 0."""
    if -(10**DIGITS) < value < 10**DIGITS or not float(value).is_integer():
        return format(value + 0.0, f".{digits}g")
    return str(int(value))


def digits_within(low: float, high: float) -> int:
    """How many significant digits tell the values of a continuous range apart: DIGITS, or more where the ends differ
    only in their last ones.
    """
    span, largest = high - low, max(abs(low), abs(high))
    if not 0.0 < span < largest:
        return DIGITS
    needed = _OF_THE_RANGE + math.floor(math.log10(largest)) - math.floor(math.log10(span))
    return min(max(needed, DIGITS), ALL_DIGITS)


def is_multiple(distance: float, step: float, value: float) -> bool:
    """Whether ``distance`` is a whole number of steps, as exactly as 15 digits of ``value`` can tell."""
    return abs((k := distance / step) - round(k)) <= max(STEP_TOLERANCE, _PRINTED * abs(value) / step)


def raise_faults(faults: list[Fault]) -> None:
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


def number_faults(members: Mapping[str, float]) -> list[Fault]:
    """Faults of numbers that must be finite and exact, by field."""
    faults = []
    for field, value in members.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            faults.append(Fault(field, f"is {shown(value)}; give a number", "type"))
        elif isinstance(value, float) and not math.isfinite(value):
            faults.append(Fault(field, f"is {value!r}; give a finite number", "range"))
        elif isinstance(value, int) and abs(value) > MAX_INTEGER:
            faults.append(Fault(field, f"is {value}; whole numbers must lie within -2^53 and 2^53", "range"))
    return faults


def order_faults(low: float, high: float, names: tuple[str, str] = ("min", "max")) -> list[Fault]:
    """Faults of the ends of a range of finite numbers."""
    low_name, high_name = names
    if low > high:
        message = f"is {low!r}, above {high_name} {high!r}; give a {low_name} that is at most {high_name}"
        return [Fault(low_name, message, "range")]
    if isinstance(high, float) and not math.isfinite(high - low):
        return [Fault(high_name, f"is {high!r}, too far from {low_name} {low!r}; narrow the range", "range")]
    return []


def range_faults(low: float, high: float, scale: str, step: float | None, *, whole: bool) -> list[Fault]:
    faults = number_faults({"min": low, "max": high} | ({} if step is None else {"step": step}))
    if whole and not faults:
        given = {"min": low, "max": high, "step": step}
        faults = [
            Fault(field, f"is {value!r}; give a whole number, or use a float", "type")
            for field, value in given.items()
            if isinstance(value, float)
        ]
    if scale not in SCALE_NAMES:
        faults.append(Fault("scale", f"is {scale!r}; use one of {', '.join(SCALE_NAMES)}", "unknown"))
    elif whole and scale == "reverse-log":
        faults.append(Fault("scale", "is 'reverse-log', which is for type float only; use linear, log or auto"))
    if faults:
        return faults
    faults = order_faults(low, high)
    domain = SCALES[resolved(scale, low, high, whole=whole)] if not faults else SCALES["linear"]
    if scale == "log" and low <= 0:
        message = f"is {low!r}; a {scale} scale needs min above 0: raise min or use scale linear"
        faults.append(Fault("min", message, "range"))
    if scale == "reverse-log" and low < 0:
        message = f"is {low!r}; a {scale} scale needs min of at least 0: raise min or use scale linear"
        faults.append(Fault("min", message, "range"))
    if domain.below <= high:
        message = f"is {high!r}; a {scale} scale needs max below 1: lower max or use scale linear"
        faults.append(Fault("max", message, "range"))
    if not faults and step is not None:
        faults += _step_faults(low, high, step)
    return faults


def _step_faults(low: float, high: float, step: float) -> list[Fault]:
    if step <= 0:
        return [Fault("step", f"is {step!r}; give a step above 0", "range")]
    if low < high and step > high - low:
        message = f"is {step!r}, more than max - min = {high - low!r}; give a smaller step or a categorical"
        return [Fault("step", message, "range")]
    if step < _FINEST * max(abs(low), abs(high)):
        return [Fault("step", f"is {step!r}, too fine for a range up to {high!r}; leave it out", "range")]
    return []


def values_faults(values: Sequence[object]) -> list[Fault]:
    if not isinstance(values, (list, tuple)):
        return [Fault("values", f"is {shown(values)}; give a list of values", "type")]
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
        text = value if isinstance(value, str) else format(float(value) + 0.0, ".17g")
        if text in seen:
            faults.append(Fault(field, f"is {value!r}, the same as values[{seen[text]}]; list each once", "duplicate"))
        seen.setdefault(text, index)
    return faults
