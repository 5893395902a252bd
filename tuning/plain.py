"""What a notebook holds, as what a document holds: numpy's numbers and arrays, and range objects, as Python's."""

from __future__ import annotations

import operator
from collections.abc import Mapping

from tuning.parameter_rules import MAX_VALUES


def plain(value: object) -> object:
    """``value`` with every number, array and range in it, however deep, as plain numbers and lists.

    What is none of these stays as it is, for the rules to judge. The member ``range`` of a choice (F34) is written by
    its ends, as a document has it; any other range as its values, one more than a list may have at most.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Mapping):
        return {name: _ends(one) if name == "range" else plain(one) for name, one in value.items()}
    if isinstance(value, range):
        return list(value[: MAX_VALUES + 1])
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return _number(value)


def _number(value: object) -> object:
    """A scalar or an array of whatever library."""
    dimensions = getattr(value, "ndim", None)
    if isinstance(dimensions, int):
        if dimensions == 0 and callable(item := getattr(value, "item", None)):
            return item()
        if callable(listed := getattr(value, "tolist", None)):
            return plain(listed())
    return operator.index(value) if hasattr(value, "__index__") else value


def _ends(value: object) -> object:
    return [value.start, value.stop, value.step] if isinstance(value, range) else plain(value)
