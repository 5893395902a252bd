"""The search space: the tunable hyperparameters of a job as a document, as a unit cube and as model features."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuning.errors import Fault, InvalidSpec
from tuning.parameters import SCALES, Categorical, Float, Floats, Integer, Parameter, Value, name_faults

__all__ = ["Categorical", "Config", "Float", "Integer", "Parameter", "SearchSpace", "Value"]

Config = Mapping[str, Value]

MAX_PARAMETERS = 100

_FIELDS = {
    Float.kind: {"name", "type", "min", "max", "scale"},
    Integer.kind: {"name", "type", "min", "max", "scale"},
    Categorical.kind: {"name", "type", "values"},
}
_KINDS: dict[str, Callable[..., Parameter]] = {
    Float.kind: Float,
    Integer.kind: Integer,
    Categorical.kind: Categorical,
}


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """The tunable hyperparameters, in the order of the user's document.

    A *unit point* is a row of ``len(space)`` coordinates in [0, 1], one per parameter, uniform on its scale. A
    *snapped* unit point is one that ``encode`` could have made. *Features* are what models measure distances in: shape
    (n, width), a column per numeric parameter, one column per value of a categorical one.

    Raises:
        InvalidSpec: two parameters share a name, or there are none, or more than 100.
    """

    parameters: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        faults = _list_faults([p.name for p in self.parameters], "space")
        if faults:
            raise InvalidSpec(faults)

    def __len__(self) -> int:
        return len(self.parameters)

    @classmethod
    def from_json(cls, doc: object, field: str = "space") -> SearchSpace:
        """Read the document form: a list of objects as ``to_json`` writes them (``scale`` may be left out).

        Raises:
            InvalidSpec: with every fault of every parameter, fields named relative to ``field``.
        """
        if not isinstance(doc, (list, tuple)):
            raise InvalidSpec([Fault(field, f"is {_shown(doc)}; give a list of hyperparameters", "type")])
        faults: list[Fault] = []
        parameters: list[Parameter] = []
        names: list[object] = []
        for index, item in enumerate(doc[: MAX_PARAMETERS + 1]):
            names.append(item.get("name") if isinstance(item, Mapping) else None)
            try:
                parameters.append(_parameter(item))
            except InvalidSpec as error:
                at = f"{field}[{index}]"
                faults.extend(Fault(f"{at}.{f.field}" if f.field else at, f.message, f.code) for f in error.faults)
        faults.extend(_list_faults(names, field))
        if faults:
            raise InvalidSpec(faults)
        return cls(tuple(parameters))

    def to_json(self) -> list[dict[str, object]]:
        return [parameter.to_json() for parameter in self.parameters]

    @property
    def size(self) -> int | None:
        """The number of distinct points; None if a parameter is continuous."""
        sizes = [parameter.size for parameter in self.parameters]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    @property
    def width(self) -> int:
        """The number of model features."""
        return sum(parameter.width for parameter in self.parameters)

    @property
    def groups(self) -> NDArray[np.intp]:
        """The index of the parameter that each model feature belongs to, shape (width,)."""
        return np.repeat(np.arange(len(self.parameters)), [parameter.width for parameter in self.parameters])

    def sample(self, rng: np.random.Generator) -> dict[str, Value]:
        """One point, uniform on each parameter's scale."""
        return self.decode(rng.random(len(self.parameters)))

    def encode(self, config: Config) -> Floats:
        """The snapped unit point of a configuration, shape (len(space),)."""
        return np.array([parameter.encode(config[parameter.name]) for parameter in self.parameters])

    def decode(self, u: Floats | Sequence[float]) -> dict[str, Value]:
        """The configuration at a unit point."""
        return {p.name: p.decode(float(at)) for p, at in zip(self.parameters, u, strict=True)}

    def snap(self, units: Floats) -> Floats:
        """Unit points (n, len(space)) moved to the centre of the discrete cell that they lie in."""
        return np.column_stack([p.snap(units[:, i]) for i, p in enumerate(self.parameters)])

    def features(self, configs: Sequence[Config]) -> Floats:
        """Model features, shape (n, width), of configurations."""
        units = np.array([self.encode(config) for config in configs]).reshape(len(configs), len(self.parameters))
        return self.unit_features(units)

    def unit_features(self, units: Floats) -> Floats:
        """Model features, shape (n, width), of snapped unit points, shape (n, len(space))."""
        return np.hstack([p.features(units[:, i]) for i, p in enumerate(self.parameters)])

    def grid(self, points_per_axis: int) -> Iterator[dict[str, Value]]:
        """Every combination of at most ``points_per_axis`` values per numeric and all values per categorical parameter.

        The last parameter varies fastest.
        """
        names = [parameter.name for parameter in self.parameters]
        axes = [list(parameter.grid(points_per_axis)) for parameter in self.parameters]
        return (dict(zip(names, point, strict=True)) for point in itertools.product(*axes))

    def grid_size(self, points_per_axis: int) -> int:
        """The number of combinations that ``grid`` yields."""
        return math.prod(sum(1 for _ in parameter.grid(points_per_axis)) for parameter in self.parameters)

    def key(self, config: Config) -> str:
        """The identity of a point: equal for configurations that are the same to a script.

        Parameters in the order of the space; numbers to 12 significant digits, so that rounding on the way through
        JSON or a database makes no new point.
        """
        return json.dumps([_canonical(config[parameter.name]) for parameter in self.parameters])

    def problem_with(self, config: Mapping[str, object]) -> str | None:
        """A sentence on everything that keeps ``config`` from being a point of this space; None if it is one."""
        names = {parameter.name for parameter in self.parameters}
        problems = [f"{name} is missing" for name in names - config.keys()]
        problems += [f"{name} is not a hyperparameter of this space" for name in config.keys() - names]
        for parameter in self.parameters:
            if parameter.name in config and (problem := parameter.problem_with(config[parameter.name])):
                problems.append(problem)
        return "; ".join(sorted(problems)) or None


def _canonical(value: Value) -> str:
    return "s:" + value if isinstance(value, str) else "n:" + format(float(value), ".12g")


def _shown(value: object) -> str:
    """``value`` for a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _list_faults(names: Sequence[object], field: str) -> list[Fault]:
    """Faults that only the whole list can have."""
    if not names:
        return [Fault(field, "is empty; give at least one tunable hyperparameter", "required")]
    if len(names) > MAX_PARAMETERS:
        return [Fault(field, f"has more than {MAX_PARAMETERS} hyperparameters; search fewer at a time", "limit")]
    faults = []
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if isinstance(name, str) and first.setdefault(name, index) != index:
            message = f"is {name!r}, the name of {field}[{first[name]}] as well; give each its own name"
            faults.append(Fault(f"{field}[{index}].name", message, "duplicate"))
    return faults


def _parameter(item: object) -> Parameter:
    """Read one parameter. Raises InvalidSpec with fields relative to the item ("" for the item itself)."""
    if not isinstance(item, Mapping):
        raise InvalidSpec([Fault("", f"is {_shown(item)}; give an object with name, type and range", "type")])
    kind = item.get("type")
    if not isinstance(kind, str) or kind not in _FIELDS:
        code = "required" if kind is None else "unknown"
        raise InvalidSpec([Fault("type", f"is {_shown(kind)}; use one of {', '.join(_FIELDS)}", code)])
    faults = [
        Fault(str(key), f"is not a field of type {kind}; use {', '.join(sorted(_FIELDS[kind]))}", "unknown")
        for key in item
        if key not in _FIELDS[kind]
    ]
    name = item.get("name", "")
    arguments, unreadable = _values(item) if kind == Categorical.kind else _range(kind, item)
    if unreadable:
        raise InvalidSpec([*faults, *name_faults(name), *unreadable])
    try:
        parameter = _KINDS[kind](name, *arguments)
    except InvalidSpec as error:
        raise InvalidSpec([*faults, *error.faults]) from None
    if faults:
        raise InvalidSpec(faults)
    return parameter


def _values(item: Mapping[object, object]) -> tuple[tuple[object, ...], list[Fault]]:
    """The arguments of Categorical after the name, or the faults that keep them from being read."""
    values = item.get("values")
    if not isinstance(values, (list, tuple)):
        code = "required" if values is None else "type"
        return (), [Fault("values", f"is {_shown(values)}; give a list of values", code)]
    return (tuple(values),), []


def _range(kind: str, item: Mapping[object, object]) -> tuple[tuple[object, ...], list[Fault]]:
    """The arguments of Float or Integer after the name, or the faults that keep them from being read."""
    faults: list[Fault] = []
    ends: list[float] = []
    for field in ("min", "max"):
        value = item.get(field)
        if value is None:
            faults.append(Fault(field, "is missing; give the range as min and max", "required"))
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            faults.append(Fault(field, f"is {_shown(value)}; give a number", "type"))
        elif kind == Integer.kind and isinstance(value, float) and not value.is_integer():
            faults.append(Fault(field, f"is {value!r}; give a whole number, or use type float", "type"))
        else:
            ends.append(int(value) if kind == Integer.kind else _as_float(value))
    scale = item.get("scale", "linear")
    if not isinstance(scale, str) or scale not in SCALES:
        faults.append(Fault("scale", f"is {_shown(scale)}; use one of {', '.join(SCALES)}", "unknown"))
    return (*ends, scale), faults


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a JSON integer of hundreds of digits
        return math.inf if value > 0 else -math.inf
