"""What only the hyperparameters of a space together can have wrong: names, conditions, constraints."""

from __future__ import annotations

from collections.abc import Sequence

from tuning.constraints import Constraint
from tuning.errors import Fault
from tuning.parameter_rules import MAX_VALUES
from tuning.parameters import Categorical, Parameter

MAX_PARAMETERS = 100


def list_faults(names: Sequence[object], parameters: Sequence[Parameter | None], field: str) -> list[Fault]:
    """Faults of the list at ``field``; ``parameters`` has None where one could not be read."""
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
    for index, parameter in enumerate(parameters):
        if parameter is not None and parameter.when is not None:
            faults += _condition_faults(parameter, index, first, parameters, f"{field}[{index}].when")
    return faults


def _condition_faults(
    parameter: Parameter, index: int, places: dict[str, int], parameters: Sequence[Parameter | None], field: str
) -> list[Fault]:
    assert parameter.when is not None
    name = parameter.when.parameter
    if name not in places:
        return [Fault(f"{field}.parameter", f"is {name!r}, no hyperparameter of this space", "unknown")]
    if places[name] == index:
        message = f"is {name!r}, the hyperparameter itself; name another one, which stands before it"
        return [Fault(f"{field}.parameter", message, "invalid")]
    if places[name] > index:
        message = f"is {name!r}, which does not stand before {parameter.name}; list it before"
        return [Fault(f"{field}.parameter", message, "invalid")]
    parent = parameters[places[name]]
    if parent is None:
        return []
    if parent.size is None or parent.size > MAX_VALUES:
        message = f"is {name!r}, which has more than {MAX_VALUES} values; only few values can decide about others"
        return [Fault(f"{field}.parameter", message, "range")]
    found = [parent.problem_with(value) for value in parameter.when.values]
    return [
        Fault(f"{field}.in[{at}]", f"is impossible: {problem}", "range") for at, problem in enumerate(found) if problem
    ]


def constraint_faults(
    parameters: Sequence[Parameter], constraints: Sequence[Constraint | None], field: str
) -> list[Fault]:
    """Faults in what the constraints say of ``parameters``; None stands for one that could not be read."""
    texts = {
        parameter.name: isinstance(parameter, Categorical) and any(isinstance(v, str) for v in parameter.values)
        for parameter in parameters
    }
    return [
        Fault(f"{field}[{index}]", problem)
        for index, constraint in enumerate(constraints)
        if constraint is not None and (problem := constraint.type_problem(texts))
    ]
