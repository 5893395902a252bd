"""Comparing the hyperparameters of a parent and a child, tunable and static.

Counting (F18, C15). What counts is a tunable hyperparameter made static and a static one given another value. The
documents define the count by two examples only: a tunable categorical {red, blue} made static counts 2, and a static
red changed to blue counts 2. Both are the number of *distinct values involved*, which is the rule here:

    static -> another static value       2 (the old and the new value)
    categorical -> static                its values, and the static one if it is not among them
    numeric range -> static              2 (its ends; 1 if they are equal)

Changing a range and making a static hyperparameter tunable cost nothing (F7, F8).
"""

from __future__ import annotations

from collections.abc import Mapping

from tuning.parameter_rules import number_in, same_value
from tuning.space import Categorical, Expression, Parameter, SearchSpace, Value


def count_changes(
    parent_space: SearchSpace, parent_static: Mapping[str, Value], child_static: Mapping[str, Value]
) -> tuple[int, list[str]]:
    """The number of changes, and its terms as text, such as "2 (optimizer: red to blue)"."""
    total = 0
    terms: list[str] = []
    tunable = {parameter.name: parameter for parameter in parent_space.parameters}
    for name, value in child_static.items():
        if name in tunable:
            count, from_what = _made_static(tunable[name], value)
            terms.append(f"{count} ({name}: {from_what} to static {value})")
        elif name in parent_static and not same_value(parent_static[name], value):
            count = 2
            terms.append(f"{count} ({name}: {parent_static[name]} to {value})")
        else:
            continue
        total += count
    return total, terms


def _made_static(parameter: Parameter, value: Value) -> tuple[int, str]:
    if isinstance(parameter, Categorical):
        shown = "{" + ", ".join(map(str, parameter.values)) + "}"
        listed = any(same_value(known, value) for known in parameter.values)
        return len(parameter.values) + (not listed), shown
    return len({parameter.low, parameter.high}), _range(parameter)


def moved(
    parent_space: SearchSpace,
    parent_static: Mapping[str, Value],
    child_space: SearchSpace,
    child_static: Mapping[str, Value],
) -> list[str]:
    """The hyperparameters that became static or tunable, as text."""
    was = {parameter.name for parameter in parent_space.parameters}
    now = {parameter.name for parameter in child_space.parameters}
    return [
        *(f"{name} is static now" for name in sorted(was & child_static.keys())),
        *(f"{name} is tunable now" for name in sorted(now & parent_static.keys())),
    ]


def range_changes(parent: SearchSpace, child: SearchSpace) -> list[str]:
    """The hyperparameters that are tunable in both with other ranges, values or scales, as text."""
    theirs = {parameter.name: parameter for parameter in parent.parameters}
    return [
        f"{ours.name} {_range(theirs[ours.name])} to {_range(ours)}"
        for ours in child.parameters
        if ours.name in theirs and theirs[ours.name] != ours
    ]


def type_change(name: str, old: Parameter | Value, new: Parameter | Value) -> str | None:
    """What changed about the type of a hyperparameter (F17), as text; None if it stayed.

    A static value has no declared type, so it must only be possible as a value of the tunable side's type: a number for
    float, a whole number for integer, anything for categorical. A number's text is
    a number, as it is to the script. Between two static values there is nothing to compare.
    """
    if isinstance(old, Parameter) and isinstance(new, Parameter):
        return None if old.kind == new.kind else f"{name} was {old.kind} and is {new.kind} now"
    if isinstance(old, Parameter):
        assert not isinstance(new, Parameter)
        return None if _fits(old, new) else f"{name} was {old.kind} and is static {new!r} now"
    if isinstance(new, Parameter):
        return None if _fits(new, old) else f"{name} was static {old!r} and is {new.kind} now"
    return None


def _fits(parameter: Parameter, value: Value) -> bool:
    if isinstance(parameter, Categorical):
        return True
    number = number_in(value)
    return number is not None and (parameter.kind == "float" or float(number).is_integer())


def _range(parameter: Parameter) -> str:
    if isinstance(parameter, Categorical):
        return "{" + ", ".join(map(str, parameter.values)) + "}"
    if isinstance(parameter, Expression):
        q = "" if parameter.q is None else f", {parameter.q:g}"
        return f"{parameter.form}({parameter.a:g}, {parameter.b:g}{q})"
    scale = "" if parameter.scale == "linear" else f" {parameter.scale}"
    return f"{parameter.low:g}..{parameter.high:g}{scale}"
