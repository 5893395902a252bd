"""What a notebook tells of a trial, read: a value, a curve or a failure, of whatever library the numbers are."""

from __future__ import annotations

import math
import operator
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import SupportsFloat

from tuning.documents import shown
from tuning.errors import Fault, InvalidSpec

Curve = Sequence[SupportsFloat] | Sequence[tuple[int, SupportsFloat]]
Points = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``value`` and ``points`` (step, value) as they were told, None if they were not; ``failure`` is a text."""

    value: float | None = None
    points: Points | None = None
    failure: str | None = None


def read_outcome(value: object, curve: object = None, failure: object = None) -> Outcome:
    """The arguments of ``Tuner.tell``; what stands in the place of ``value`` may be any of the three.

    Raises:
        InvalidSpec: with every fault, whose fields are the arguments.
    """
    faults: list[Fault] = []
    if isinstance(value, BaseException):
        value, failure = None, _only_once("failure", value, failure, faults)
    elif isinstance(value, (list, tuple)) or _dimensions(value):
        value, curve = None, _only_once("curve", value, curve, faults)
    number = None if value is None else _number("value", value, faults)
    points = None if curve is None else _points(curve, faults)
    if failure is not None and not isinstance(failure, (str, BaseException)):
        faults.append(Fault("failure", f"is {shown(failure)}; give a text or an exception", "type"))
    if faults:
        raise InvalidSpec(faults)
    return Outcome(number, points, None if failure is None else _text(failure))


def read_report(value: object, step: object = None) -> tuple[float, int | None]:
    """The arguments of ``Tuner.report``. Raises InvalidSpec."""
    faults: list[Fault] = []
    number = _number("value", value, faults)
    at = None if step is None else _step("step", step, faults)
    if faults:
        raise InvalidSpec(faults)
    return number, at


def read_count(n: object) -> int:
    """The argument of ``Tuner.ask``. Raises InvalidSpec."""
    count = operator.index(n) if hasattr(n, "__index__") and not isinstance(n, bool) else -1
    if count < 0:
        raise InvalidSpec([Fault("n", f"is {shown(n)}; give the number of trials that are to run, from 0", "range")])
    return count


def _only_once(name: str, told: object, keyword: object, faults: list[Fault]) -> object:
    if keyword is not None:
        faults.append(Fault(name, f"is {shown(keyword)} beside {shown(told)}; give one of the two", "duplicate"))
    return told


def _dimensions(value: object) -> int:
    """Of an array of whatever library; 0 for anything else."""
    dimensions = getattr(value, "ndim", 0)
    return dimensions if isinstance(dimensions, int) else 0


def _text(failure: object) -> str:
    """An exception as the last line of its traceback."""
    return (
        "".join(traceback.format_exception_only(failure)).strip()
        if isinstance(failure, BaseException)
        else str(failure)
    )


def _number(field: str, value: object, faults: list[Fault]) -> float:
    """``value`` as a float, NaN and the infinities included; NaN where it is none."""
    remedy = "give a number, a curve or an exception" if field == "value" else "give a number"
    if isinstance(value, str):
        remedy = "give a number, or say what failed with failure='...'" if field == "value" else remedy
    elif not isinstance(value, bool):
        try:
            return float(value)  # type: ignore[arg-type]  # numpy's and torch's scalars among them
        except OverflowError:
            faults.append(Fault(field, f"is {_long(value)}, beyond the largest float, 1.8e308; scale it", "range"))
            return math.nan
        except (TypeError, ValueError, RuntimeError):
            pass
    faults.append(Fault(field, f"is {shown(value)}; {remedy}", "type"))
    return math.nan


def _long(value: object) -> str:
    # Python refuses to print an integer of more than 4300 digits.
    return f"a whole number of {value.bit_length()} bits" if isinstance(value, int) else shown(value)


def _step(field: str, value: object, faults: list[Fault]) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        step = int(value) if isinstance(value, float) and value.is_integer() else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        faults.append(Fault(field, f"is {shown(value)}; give the step as a whole number", "type"))
        return 0
    if step < 0:
        faults.append(Fault(field, f"is {step}; give the step as a whole number from 0", "range"))
    return step


def _points(curve: object, faults: list[Fault]) -> Points:
    """A curve of values by epoch, or of pairs of step and value: lists, tuples, arrays and whatever else can be gone
    through in order."""
    if isinstance(curve, (str, bytes)) or not isinstance(curve, Iterable) or not hasattr(curve, "__len__"):
        message = f"is {shown(curve)}; list a value by epoch, or pairs of step and value"
        faults.append(Fault("curve", message, "type"))
        return ()
    points: list[tuple[int, float]] = []
    for index, item in enumerate(curve):
        at = f"curve[{index}]"
        if not isinstance(item, (list, tuple)) and not _dimensions(item):
            points.append((index + 1, _number(at, item, faults)))
        elif len(item) != 2:
            faults.append(Fault(at, f"is {shown(item)}; give a value, or a pair of step and value", "type"))
        else:
            points.append((_step(f"{at}[0]", item[0], faults), _number(f"{at}[1]", item[1], faults)))
    faults += _disorder(points) if not faults else []
    return tuple(points)


def _disorder(points: Sequence[tuple[int, float]]) -> list[Fault]:
    """Every step that does not lie ahead of the one before: rules look steps up, and a curve goes one way."""
    return [
        Fault(f"curve[{index}][0]", f"is {step}, after step {before}; list the points by rising step", "range")
        for index, ((before, _), (step, _)) in enumerate(pairwise(points), 1)
        if step <= before
    ]
