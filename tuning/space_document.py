"""Reading a hyperparameter from its document: the kinds, and HyperDrive's expressions, into one canonical form each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from tuning.documents import shown
from tuning.errors import Fault, InvalidSpec
from tuning.expressions import FORMS, Expression, argument_names
from tuning.parameter_rules import MAX_VALUES, Condition, is_number, name_faults, number_faults, order_faults
from tuning.parameters import Categorical, Float, Integer, Parameter
from tuning.scales import SCALE_NAMES

# The arguments of a kind after its name (by keyword), and the faults that keep them from being read.
Read = tuple[dict[str, object], list[Fault]]


def read_parameter(item: object) -> Parameter:
    """Read one hyperparameter. Raises InvalidSpec with fields relative to the item ("" for the item itself)."""
    if not isinstance(item, Mapping):
        raise InvalidSpec([Fault("", f"is {shown(item)}; give an object with name, type and range", "type")])
    kind = item.get("type")
    if not isinstance(kind, str) or kind not in KINDS:
        code = "required" if kind is None else "unknown"
        raise InvalidSpec([Fault("type", f"is {shown(kind)}; use one of {', '.join(KINDS)}", code)])
    members, make, read = KINDS[kind]
    known = {"name", "type", "when", *members}
    faults = [
        Fault(str(key), f"is not a field of type {kind}; use {', '.join(sorted(known))}", "unknown")
        for key in item
        if key not in known
    ]
    name = item.get("name", "")
    when, wrong = _condition(item.get("when"))
    arguments, unreadable = read(item)
    faults += wrong
    if unreadable:
        raise InvalidSpec([*faults, *name_faults(name), *unreadable])
    try:
        parameter = make(name=name, when=when, **arguments)
    except InvalidSpec as error:
        renamed = [Fault(_RENAMED.get((kind, f.field), f.field), f.message, f.code) for f in error.faults]
        raise InvalidSpec([*faults, *renamed]) from None
    if faults:
        raise InvalidSpec(faults)
    return parameter


def _condition(doc: object) -> tuple[Condition | None, list[Fault]]:
    if doc is None:
        return None, []
    if not isinstance(doc, Mapping):
        return None, [Fault("when", f"is {shown(doc)}; give an object with parameter and in", "type")]
    unknown = [key for key in doc if key not in _WHEN]
    faults = [Fault(f"when.{key}", "is not known; use parameter and in", "unknown") for key in unknown]
    parameter, values = doc.get("parameter"), doc.get("in")
    if not isinstance(parameter, str):
        code = "required" if parameter is None else "type"
        faults.append(Fault("when.parameter", f"is {shown(parameter)}; name another hyperparameter", code))
    if not isinstance(values, (list, tuple)):
        code = "required" if values is None else "type"
        faults.append(Fault("when.in", f"is {shown(values)}; list the values under which this one is active", code))
    if not isinstance(parameter, str) or not isinstance(values, (list, tuple)):
        return None, faults
    try:
        return Condition(parameter, tuple(values)), faults
    except InvalidSpec as error:
        return None, [*faults, *error.faults]


def _values(item: Mapping[object, object]) -> Read:
    values, ordered = item.get("values"), item.get("ordered", False)
    faults = []
    if not isinstance(values, (list, tuple)):
        code = "required" if values is None else "type"
        faults.append(Fault("values", f"is {shown(values)}; give a list of values", code))
    if not isinstance(ordered, bool):
        faults.append(Fault("ordered", f"is {shown(ordered)}; give true or false", "type"))
    return ({} if faults else {"values": tuple(values), "ordered": ordered}), faults  # type: ignore[arg-type]


def _choice(item: Mapping[object, object]) -> Read:
    """F34: ``values``, or ``range`` as [stop], [start, stop] or [start, stop, step], stop excluded."""
    limits = item.get("range")
    if limits is None:
        return _values(item)
    if "values" in item:
        return {}, [Fault("range", "is given beside values; give one of the two", "duplicate")]
    whole = isinstance(limits, (list, tuple)) and 1 <= len(limits) <= 3 and all(type(end) is int for end in limits)
    if not whole or (len(limits) == 3 and limits[2] == 0):  # type: ignore[arg-type, index]
        message = f"is {shown(limits)}; give whole numbers: [stop], [start, stop] or [start, stop, step]"
        return {}, [Fault("range", message, "type")]
    values = range(*limits)  # type: ignore[misc]
    # len() of a range beyond the machine's words overflows; a slice of it does not.
    if len(values[: MAX_VALUES + 1]) > MAX_VALUES:
        return {}, [Fault("range", f"has more than {MAX_VALUES} values; use randint or an integer", "limit")]
    return _values({**item, "values": list(values)})


def _range(item: Mapping[object, object], *, whole: bool) -> Read:
    """The arguments of Float or Integer."""
    arguments, faults = _numbers(item, ("min", "max"), whole=whole)
    if item.get("step") is not None:
        step, wrong = _numbers(item, ("step",), whole=whole)
        arguments, faults = arguments | step, faults + wrong
    scale = item.get("scale", "linear")
    if not isinstance(scale, str) or scale not in SCALE_NAMES:
        faults.append(Fault("scale", f"is {shown(scale)}; use one of {', '.join(SCALE_NAMES)}", "unknown"))
    renamed = {"min": "low", "max": "high", "step": "step"}
    return {renamed[name]: value for name, value in arguments.items()} | {"scale": scale}, faults


def _numbers(item: Mapping[object, object], names: tuple[str, ...], *, whole: bool = False) -> Read:
    """The members called ``names``, as floats (or whole numbers)."""
    found: dict[str, object] = {}
    faults: list[Fault] = []
    for field in names:
        value = item.get(field)
        if value is None:
            ends = field in ("min", "max")
            message = "is missing; give the range as min and max" if ends else "is missing; give a number"
            faults.append(Fault(field, message, "required"))
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            faults.append(Fault(field, f"is {shown(value)}; give a number", "type"))
        elif whole and isinstance(value, float) and not value.is_integer():
            faults.append(Fault(field, f"is {value!r}; give a whole number, or use type float", "type"))
        else:
            found[field] = int(value) if whole else _as_float(value)
    return found, faults


def _randint(item: Mapping[object, object]) -> Read:
    """F38: randint(upper) is a whole number of 0 ... upper - 1."""
    found, faults = _numbers(item, ("upper",), whole=True)
    upper = found.get("upper")
    if isinstance(upper, int) and upper < 1:
        faults.append(Fault("upper", f"is {upper}; give 1 or more: the values are 0 to upper - 1", "range"))
    return {"low": 0, "high": upper - 1 if isinstance(upper, int) else 0}, faults


def _uniform(item: Mapping[object, object], *, exponential: bool = False) -> Read:
    """F36: the bounds of loguniform are natural-log exponents: the values are exp(low) to exp(high)."""
    found, faults = _numbers(item, ("low", "high"))
    given = {name: item[name] for name in found if is_number(item[name])}  # as written: 10 is not 10.0
    if len(given) == 2 and not number_faults(given):  # type: ignore[arg-type]
        faults += order_faults(given["low"], given["high"], ("low", "high"))  # type: ignore[arg-type]
    if not exponential:
        return found, faults
    for name, exponent in found.items():
        if isinstance(exponent, float) and not -700 <= exponent <= 700:
            message = f"is {shown(item[name])}, an exponent of e; give a number within -700 and 700"
            faults.append(Fault(name, message, "range"))
    low, high = found.get("low"), found.get("high")
    if faults or not isinstance(low, float) or not isinstance(high, float):
        return {}, faults
    return {"low": math.exp(low), "high": math.exp(high), "scale": "log"}, []


def _expression(form: str) -> Callable[[Mapping[object, object]], Read]:
    names = argument_names(form)

    def read(item: Mapping[object, object]) -> Read:
        found, faults = _numbers(item, names)
        return {"form": form} | dict(zip(("a", "b", "q"), found.values(), strict=False)), faults

    return read


# type: (members beside name, type and when; what it makes; how its arguments are read)
KINDS: dict[str, tuple[tuple[str, ...], Callable[..., Parameter], Callable[[Mapping[object, object]], Read]]] = {
    "float": (("min", "max", "scale", "step"), Float, lambda item: _range(item, whole=False)),
    "integer": (("min", "max", "scale", "step"), Integer, lambda item: _range(item, whole=True)),
    "categorical": (("values", "ordered"), Categorical, _values),
    "choice": (("values", "range", "ordered"), Categorical, _choice),
    "randint": (("upper",), Integer, _randint),
    "uniform": (("low", "high"), Float, _uniform),
    "loguniform": (("low", "high"), Float, lambda item: _uniform(item, exponential=True)),
    **{form: (argument_names(form), Expression, _expression(form)) for form in FORMS},
}
_WHEN = {"parameter", "in"}
# What a class calls its members, by what the document called them.
_RENAMED = {
    ("randint", "max"): "upper",
    ("uniform", "min"): "low",
    ("uniform", "max"): "high",
    ("loguniform", "min"): "low",
    ("loguniform", "max"): "high",
}


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a JSON integer of hundreds of digits
        return math.inf if value > 0 else -math.inf
