"""The search space: the tunable hyperparameters of a job as a document, as a unit cube and as model features."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from types import UnionType

import numpy as np
from numpy.typing import NDArray

from tuning.constraints import Constraint
from tuning.documents import shown
from tuning.errors import Fault, InvalidSpec, SpaceExhausted
from tuning.feasible import Feasible
from tuning.focus import narrowed
from tuning.grids import COUNTED, Combinations, GridPoints
from tuning.parameter_rules import number_text
from tuning.parameters import Categorical, Condition, Expression, Float, Floats, Integer, Parameter, Value
from tuning.plain import plain
from tuning.space_document import read_parameter
from tuning.space_rules import MAX_PARAMETERS, constraint_faults, list_faults

__all__ = [
    "Categorical",
    "Condition",
    "Config",
    "Constraint",
    "Expression",
    "Float",
    "Integer",
    "Parameter",
    "SearchSpace",
    "Value",
]

Config = Mapping[str, Value]

# What a space is made of: the member, its field in a document, what each of it is, and how that is given.
_MEMBERS: tuple[tuple[str, str, type | UnionType, str], ...] = (
    ("parameters", "space", Parameter, "a Float, Integer, Categorical or Expression; from_json reads documents"),
    ("constraints", "space.constraints", Constraint, "a Constraint, such as Constraint('warmup < epochs / 2')"),
)
_DRAWS = 1_000  # random points; where none of so many satisfies the constraints, one is searched for
_FEW = 10  # of so many


@dataclass(frozen=True)
class SearchSpace:
    """The tunable hyperparameters, in the order of the user's document.

    A *unit point* is a row of ``len(space)`` coordinates in [0, 1], one per parameter, uniform on its scale. A
    *snapped* unit point is one that ``encode`` could have made. *Features* are what models measure distances in: shape
    (n, width), a column per numeric or ordered parameter, one column per value of any other categorical one.

    A parameter with a condition (``when``) is absent from configurations in which it is not active; its coordinate is
    the middle of its axis there, whatever else could stand in its place, so that models see one and the same point.
    ``constraints`` forbid points: ``sample`` and ``grid`` leave them out, and whoever decodes a unit point of its own
    asks ``allows``.

    Raises:
        InvalidSpec: two parameters share a name, or there are none, or more than 100; a condition or a constraint
            speaks of what is not there; no point seems to satisfy the constraints.
    """

    parameters: tuple[Parameter, ...]
    constraints: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        for member, field, kinds, one in _MEMBERS:
            object.__setattr__(self, member, _listed(getattr(self, member), field, kinds, one))
        faults = list_faults([p.name for p in self.parameters], self.parameters, "space")
        faults = faults or constraint_faults(self.parameters, self.constraints, "space.constraints")
        if faults:
            raise InvalidSpec(faults)
        if self._conditional:
            object.__setattr__(self, "parameters", _with_own_values(self.parameters))
        if self.constraints:
            self._require_feasible()

    def __len__(self) -> int:
        return len(self.parameters)

    @classmethod
    def from_json(cls, doc: object, field: str = "space") -> SearchSpace:
        """Read the document form: a list of hyperparameters as ``to_json`` writes them, or expressions of HyperDrive.

        With constraints it is an object instead: ``{"parameters": [...], "constraints": ["warmup < epochs", ...]}``.
        Numbers may be numpy's, and lists its arrays or range objects.

        Raises:
            InvalidSpec: with every fault of every parameter, fields named relative to ``field``.
        """
        try:
            doc = plain(doc)
        except RecursionError:
            message = "is nested too deeply; give a list of hyperparameters, each an object of plain members"
            raise InvalidSpec([Fault(field, message, "type")]) from None
        if not isinstance(doc, Mapping):
            return cls(_parameters(doc, field))
        faults = [
            Fault(f"{field}.{name}", "is not known here; use parameters and constraints", "unknown")
            for name in doc
            if name not in ("parameters", "constraints")
        ]
        parameters: tuple[Parameter, ...] = ()
        try:
            parameters = _parameters(doc.get("parameters"), f"{field}.parameters")
        except InvalidSpec as error:
            faults.extend(error.faults)
        constraints, wrong = _constraints(doc.get("constraints", ()), f"{field}.constraints")
        faults += wrong
        if parameters:
            faults += constraint_faults(parameters, constraints, f"{field}.constraints")
        if faults:
            raise InvalidSpec(faults)
        try:
            return cls(parameters, tuple(constraint for constraint in constraints if constraint is not None))
        except InvalidSpec as error:  # only that no point satisfies them is left to find
            raise InvalidSpec(Fault(f"{field}.constraints", f.message, f.code) for f in error.faults) from None

    def to_json(self) -> list[dict[str, object]]:
        """The parameters in their canonical form; all of the space where there are no constraints."""
        return [parameter.to_json() for parameter in self.parameters]

    def document(self) -> list[dict[str, object]] | dict[str, object]:
        """The whole space in its canonical form, which ``from_json`` reads back to an equal one."""
        if not self.constraints:
            return self.to_json()
        return {"parameters": self.to_json(), "constraints": [constraint.text for constraint in self.constraints]}

    @cached_property
    def plain(self) -> bool:
        """Whether every combination of values is a point: no conditions, no constraints."""
        return not self.constraints and not self._conditional

    @cached_property
    def _conditional(self) -> bool:
        return any(parameter.when for parameter in self.parameters)

    @cached_property
    def size(self) -> int | None:
        """The number of distinct points; None if a parameter is continuous or constraints make it too much to count."""
        combinations = self._combinations()
        if not self.constraints or combinations is None:
            return combinations
        if combinations > COUNTED:
            return len(self._feasible.points) if self._rare and self._feasible.points is not None else None
        return self.grid_size(self._longest)

    @property
    def width(self) -> int:
        """The number of model features."""
        return sum(parameter.width for parameter in self.parameters)

    @property
    def groups(self) -> NDArray[np.intp]:
        """The index of the parameter that each model feature belongs to, shape (width,)."""
        return np.repeat(np.arange(len(self.parameters)), [parameter.width for parameter in self.parameters])

    def sample(self, rng: np.random.Generator) -> dict[str, Value]:
        """One point, uniform on each parameter's scale (an expression: by its distribution).

        Where hardly any random point satisfies the constraints, one is searched for: spread over all that do, but not
        exactly uniform (see feasible.py).

        Raises:
            SpaceExhausted: no point that satisfies the constraints was found.
        """
        config = None if self._rare else next(self._drawn(rng), None)
        if config is None:
            config = self._feasible.draw(rng)
        if config is None:
            raise SpaceExhausted("No point that satisfies the constraints of the search space was found.")
        return config

    def _drawn(self, rng: np.random.Generator) -> Iterator[dict[str, Value]]:
        """Those of a thousand random points that satisfy the constraints."""
        for _ in range(_DRAWS):
            config = self.decode(rng.random(len(self.parameters)))
            if self.allows(config):
                yield config

    @cached_property
    def _rare(self) -> bool:
        """Whether so few points satisfy the constraints that drawing until one does takes too long."""
        return bool(self.constraints) and next(self._drawn(np.random.default_rng(0)), None) is None

    @cached_property
    def scarce(self) -> bool:
        """Whether fewer than 1 % of the points satisfy the constraints: what a strategy thinks of hardly ever does."""
        found = islice(self._drawn(np.random.default_rng(0)), _FEW) if self.constraints else range(_FEW)
        return sum(1 for _ in found) < _FEW

    @cached_property
    def focused(self) -> SearchSpace:
        """The same points; of a scarce space, within the ranges that the constraints leave (see focus.py)."""
        parameters = narrowed(self.parameters, self.constraints) if self.scarce else self.parameters
        if parameters == self.parameters:
            return self
        try:
            return replace(self, parameters=parameters)
        except InvalidSpec:  # other numbers are drawn there, and none may lead to a point
            return self

    def mended(self, config: Config, rng: np.random.Generator) -> dict[str, Value]:
        """``config`` itself; in a scarce space, a point near it that satisfies the constraints, if one is found."""
        if not self.scarce or self.allows(config):
            return dict(config)
        return self._feasible.near(config, rng) or dict(config)

    @cached_property
    def _feasible(self) -> Feasible:
        return Feasible(self.parameters, self.constraints, self.project)

    def points(self) -> Sequence[dict[str, Value]] | None:
        """All points, the last parameter fastest; None where a parameter is continuous or they are too many to list."""
        combinations = self._combinations()
        if combinations is None or combinations > COUNTED:
            return self._feasible.points if self.constraints else None
        return list(self.grid(self._longest))

    @property
    def _longest(self) -> int:
        """Of the discrete parameters' axes: as many values."""
        return max(parameter.size or 1 for parameter in self.parameters)

    def encode(self, config: Config) -> Floats:
        """The snapped unit point of a configuration, shape (len(space),)."""
        unit: Floats = self.encode_all((config,))[0]
        return unit

    def encode_all(self, configs: Sequence[Config]) -> Floats:
        """The snapped unit points of configurations, shape (n, len(space)): axis by axis, 20 times as fast."""
        units = np.empty((len(configs), len(self.parameters)))
        if self._conditional:
            configs = [self.project(config) for config in configs]
        for index, parameter in enumerate(self.parameters):
            name = parameter.name
            if parameter.when is None:
                units[:, index] = parameter.encode_all([config[name] for config in configs])
                continue
            active = [row for row, config in enumerate(configs) if name in config]
            units[:, index] = self._middle(parameter)
            units[active, index] = parameter.encode_all([configs[row][name] for row in active])
        return units

    def decode(self, u: Floats | Sequence[float]) -> dict[str, Value]:
        """The configuration at a unit point; whether it satisfies the constraints is asked of ``allows``."""
        config = {p.name: p.decode(float(at)) for p, at in zip(self.parameters, u, strict=True)}
        return self.project(config) if self._conditional else config

    def project(self, config: Mapping[str, Value]) -> dict[str, Value]:
        """What ``config`` says of the parameters of this space that are active in it, in the order of the space."""
        kept: dict[str, Value] = {}
        for parameter in self.parameters:
            if parameter.name in config and (parameter.when is None or parameter.when.met_by(kept)):
                kept[parameter.name] = config[parameter.name]
        return kept

    def canonical(self, config: Mapping[str, Value]) -> dict[str, Value]:
        """``project`` of a configuration from outside, each value as the space itself would suggest it: 2, not 2.0."""
        known = {p.name: p.canonical(config[p.name]) for p in self.parameters if p.name in config}
        return self.project(known)

    def allows(self, config: Config) -> bool:
        """Whether the constraints hold."""
        return all(constraint.holds(config) for constraint in self.constraints)

    def snap(self, units: Floats) -> Floats:
        """Unit points (n, len(space)) moved to the centre of the discrete cell that they lie in."""
        snapped = np.column_stack([p.snap(units[:, i]) for i, p in enumerate(self.parameters)])
        if self._conditional:
            for index, inactive in self._inactive(snapped):
                snapped[inactive, index] = self._middle(self.parameters[index])
        return snapped

    def _inactive(self, snapped: Floats) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Each conditional parameter's index with a mask (n,) of the points in which it is not active."""
        masks: dict[str, NDArray[np.bool_]] = {}
        places = {parameter.name: index for index, parameter in enumerate(self.parameters)}
        for index, parameter in enumerate(self.parameters):
            if parameter.when is None:
                continue
            parent = places[parameter.when.parameter]
            met = [self.parameters[parent].encode(value) for value in parameter.when.values]
            active = np.isclose(snapped[:, [parent]], np.array(met), rtol=0.0, atol=1e-9).any(axis=1)
            masks[parameter.name] = ~active | masks.get(parameter.when.parameter, np.zeros(len(snapped), dtype=bool))
            yield index, masks[parameter.name]

    @staticmethod
    def _middle(parameter: Parameter) -> float:
        """The unit coordinate that stands for "not active"."""
        return float(parameter.snap(np.array([0.5]))[0])

    def features(self, configs: Sequence[Config]) -> Floats:
        """Model features, shape (n, width), of configurations."""
        return self.unit_features(self.encode_all(configs))

    def unit_features(self, units: Floats) -> Floats:
        """Model features, shape (n, width), of snapped unit points, shape (n, len(space))."""
        return np.hstack([p.features(units[:, i]) for i, p in enumerate(self.parameters)])

    def grid(self, points_per_axis: int) -> Iterator[dict[str, Value]]:
        """Every combination of at most ``points_per_axis`` values per numeric and all values per categorical parameter.

        The last parameter varies fastest. A parameter that is not active is absent, and takes no turns; combinations
        that the constraints forbid are left out.
        """
        return iter(self.grid_points(points_per_axis))

    def grid_points(self, points_per_axis: int) -> GridPoints:
        """The same points for whoever asks for them one by one; what was found of them is kept as long as the space."""
        if points_per_axis not in self._grids:
            axes = [list(parameter.grid(points_per_axis)) for parameter in self.parameters]
            self._grids[points_per_axis] = GridPoints(self.parameters, axes, self.constraints, self.key)
        return self._grids[points_per_axis]

    @cached_property
    def _grids(self) -> dict[int, GridPoints]:
        return {}

    def grid_size(self, points_per_axis: int) -> int:
        """The number of combinations that ``grid`` yields (with constraints and over 100,000: at most)."""
        return self.grid_points(points_per_axis).total

    def _combinations(self) -> int | None:
        """How many configurations all values make, constraints aside; None if a parameter is continuous."""
        deciding = {parameter.when.parameter for parameter in self.parameters if parameter.when}
        axes: list[Sequence[Value]] = []
        for parameter in self.parameters:
            if parameter.size is None:
                return None
            decides = parameter.name in deciding
            axes.append(list(parameter.grid(parameter.size)) if decides else range(parameter.size))
        return Combinations(self.parameters, axes).count

    def key(self, config: Config) -> str:
        """The identity of a point: equal for configurations that are the same to a script.

        Parameters in the order of the space (nothing where not active); whole numbers as they are, others to 12
        significant digits (more where a range needs them), so that rounding on the way through JSON or a database
        makes no new point.
        """
        return self.keys((config,))[0]

    def keys(self, configs: Sequence[Config]) -> list[str]:
        """``key`` of each configuration."""
        named = self._digits
        if self._conditional:
            active = [self.project(config) for config in configs]
            return [",".join(_canonical(config[n], d) if n in config else "" for n, d in named) for config in active]
        return [",".join([_canonical(config[name], digits) for name, digits in named]) for config in configs]

    @cached_property
    def _digits(self) -> tuple[tuple[str, int], ...]:
        return tuple((parameter.name, parameter.digits) for parameter in self.parameters)

    def problem_with(self, config: Mapping[str, object]) -> str | None:
        """A sentence on everything that keeps ``config`` from being a point of this space; None if it is one."""
        known = {parameter.name for parameter in self.parameters}
        problems = [f"{name} is not a hyperparameter of this space" for name in config.keys() - known]
        active: dict[str, object] = {}
        for parameter in self.parameters:
            expected = parameter.when is None or parameter.when.met_by(active)
            if parameter.name in config and expected:
                active[parameter.name] = value = config[parameter.name]
                if problem := parameter.problem_with(value):
                    problems.append(problem)
                elif isinstance(value, (int, float, str)):  # for its conditions: it is what a script will be told
                    active[parameter.name] = parameter.canonical(value)
            elif expected:
                problems.append(f"{parameter.name} is missing")
            elif parameter.name in config:
                problems.append(f"{parameter.name} is given, but is active only where {parameter.when}")
        if not problems:
            point = {name: value for name, value in active.items() if isinstance(value, (int, float, str))}
            problems = [f"it breaks the constraint {c.text}" for c in self.constraints if not c.holds(point)]
        return "; ".join(sorted(problems)) or None

    def _require_feasible(self) -> None:
        if self._rare and self._feasible.known is None:
            texts = "; ".join(constraint.text for constraint in self.constraints)
            message = (
                f"are satisfied by none of {_DRAWS:,} random points, nor by one that was searched for ({texts}); "
                "loosen them, or change the ranges"
            )
            raise InvalidSpec([Fault("space.constraints", message, "range")])


def _listed(given: object, field: str, kinds: type | UnionType, one: str) -> tuple[object, ...]:
    """``given`` as a tuple, each of the ``kinds``. Raises InvalidSpec."""
    if not isinstance(given, (list, tuple)):
        raise InvalidSpec([Fault(field, f"is {shown(given)}; give a list", "type")])
    wrong = [(at, item) for at, item in enumerate(given) if not isinstance(item, kinds)]
    if wrong:
        raise InvalidSpec([Fault(f"{field}[{at}]", f"is {shown(item)}; give {one}", "type") for at, item in wrong])
    return tuple(given)


def _canonical(value: Value, digits: int) -> str:
    return json.dumps(value) if isinstance(value, str) else number_text(value, digits)


def _with_own_values(parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """``parameters``, whose conditions name the values of their parents as those suggest them: 0.3, not 0.1 * 3."""
    named = {parameter.name: parameter for parameter in parameters}

    def meant(when: Condition) -> Condition:
        return replace(when, values=tuple(dict.fromkeys(map(named[when.parameter].canonical, when.values))))

    return tuple(p if p.when is None else replace(p, when=meant(p.when)) for p in parameters)


def _parameters(doc: object, field: str) -> tuple[Parameter, ...]:
    if not isinstance(doc, (list, tuple)):
        raise InvalidSpec([Fault(field, f"is {shown(doc)}; give a list of hyperparameters", "type")])
    faults: list[Fault] = []
    parameters: list[Parameter | None] = []
    names: list[object] = []
    for index, item in enumerate(doc[: MAX_PARAMETERS + 1]):
        names.append(item.get("name") if isinstance(item, Mapping) else None)
        try:
            parameters.append(read_parameter(item))
        except InvalidSpec as error:
            parameters.append(None)
            at = f"{field}[{index}]"
            faults.extend(Fault(f"{at}.{f.field}" if f.field else at, f.message, f.code) for f in error.faults)
    faults.extend(list_faults(names, parameters, field))
    if faults:
        raise InvalidSpec(faults)
    return tuple(parameter for parameter in parameters if parameter is not None)


def _constraints(doc: object, field: str) -> tuple[list[Constraint | None], list[Fault]]:
    """The constraints, None where one cannot be read, and the faults."""
    if not isinstance(doc, (list, tuple)) or len(doc) > MAX_PARAMETERS:
        return [], [Fault(field, f"is {shown(doc)}; give a list of at most {MAX_PARAMETERS} texts", "type")]
    constraints: list[Constraint | None] = []
    faults: list[Fault] = []
    for index, text in enumerate(doc):
        try:
            constraints.append(Constraint(text))
        except InvalidSpec as error:
            constraints.append(None)
            faults.extend(Fault(f"{field}[{index}]", f.message, f.code) for f in error.faults)
    return constraints, faults
