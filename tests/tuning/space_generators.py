"""Search spaces of every kind, drawn by hypothesis."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from tuning.expressions import FORMS
from tuning.space import Categorical, Condition, Expression, Float, Integer, SearchSpace

NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,10}", fullmatch=True)
ENDS = {
    "linear": st.floats(-1e6, 1e6, allow_nan=False),
    "log": st.floats(1e-6, 1e6),
    "reverse-log": st.floats(0, 0.999999),
    "auto": st.floats(-1e6, 1e6, allow_nan=False),
}


@st.composite
def floats(draw, name):
    scale = draw(st.sampled_from(list(ENDS)))
    low, high = sorted(draw(st.tuples(ENDS[scale], ENDS[scale])))
    steps = draw(st.none() | st.integers(1, 1000))
    wide = high - low > max(1e-300, 1e-3 * max(abs(low), abs(high)))
    step = (high - low) / steps if steps and wide else None
    return Float(name, low, high, scale, step)


@st.composite
def integers(draw, name):
    scale = draw(st.sampled_from(["linear", "log", "auto"]))
    low, high = sorted(draw(st.tuples(*[st.integers(1 if scale == "log" else -1000, 100_000)] * 2)))
    step = draw(st.none() | st.integers(1, max(high - low, 1)))
    return Integer(name, low, high, scale, step)


@st.composite
def categoricals(draw, name):
    texts = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=5).map("v".__add__)
    values = draw(st.lists(texts | st.integers(-99, 99), min_size=1, max_size=6, unique_by=str))
    return Categorical(name, tuple(values), draw(st.booleans()))


@st.composite
def expressions(draw, name):
    form = draw(st.sampled_from(list(FORMS)))
    normal, exponential, rounded = FORMS[form]
    size = 3.0 if exponential else 1000.0
    first = draw(st.floats(-size, size))
    second = draw(st.floats(0.01, size / 3)) if normal else first + draw(st.floats(0, size))
    return Expression(name, form, first, second, draw(st.sampled_from([1, 8, 0.5, 0.1])) if rounded else None)


@st.composite
def spaces(draw):
    """Up to five hyperparameters; some have a condition on one that stands before them."""
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    kinds = st.sampled_from([floats, integers, categoricals, expressions])
    parameters = []
    for name in names:
        parameter = draw(draw(kinds)(name))
        deciding = [p for p in parameters if p.size is not None and p.size <= 20]
        if deciding and draw(st.booleans()):
            parent = draw(st.sampled_from(deciding))
            values = draw(st.lists(st.sampled_from(list(parent.grid(20))), min_size=1, unique=True))
            parameter = replace(parameter, when=Condition(parent.name, tuple(values)))
        parameters.append(parameter)
    return SearchSpace(tuple(parameters))
