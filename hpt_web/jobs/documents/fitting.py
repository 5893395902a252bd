"""A job's hyperparameters held against those that its algorithm declares: names, types, ranges and values.

Faults name the members that the document has. What HyperDrive's expressions are read as (a range, a list) is not what
their author wrote, so the ends of a range go by the type in the document.
"""

from __future__ import annotations

from collections.abc import Mapping

from hpt_web.catalog.models import AlgorithmVersion
from tuning.documents import shown
from tuning.errors import Fault
from tuning.parameters import Categorical, Parameter, Value
from tuning.specification import JobSpec

Declared = Mapping[str, object]

# The members that are the lower and the upper end of a range, by the type in the document; others have min and max.
# Every randint begins at 0: there only another type helps. The ends of a normal follow from mu and sigma.
_ENDS = {
    "randint": ("type", "upper"),
    **dict.fromkeys(("uniform", "loguniform", "quniform", "qloguniform"), ("low", "high")),
    **dict.fromkeys(("normal", "qnormal", "lognormal", "qlognormal"), ("sigma", "sigma")),
}


def space_faults(spec: JobSpec, version: AlgorithmVersion, document: object) -> list[Fault]:
    """What of the searched hyperparameters the algorithm does not have, or cannot take. The space must be readable."""
    declared = {item["name"]: item for item in version.hyperparameters}
    if not declared:
        return []
    assert isinstance(document, Mapping), "it was read"
    written = document["space"]
    faults = []
    for index, parameter in enumerate(spec.space.parameters):
        field = f"space[{index}]"
        item = declared.get(parameter.name)
        if item is None:
            message = f"is {shown(parameter.name)}, which the algorithm does not have; it has {', '.join(declared)}"
            faults.append(Fault(f"{field}.name", message, "unknown"))
        elif not item.get("tunable", True):
            faults.append(Fault(f"{field}.name", f"is {parameter.name}, which may not be searched; make it static"))
        elif isinstance(parameter, Categorical):
            faults += _value_faults(field, parameter, item, written[index])
        elif item["type"] != parameter.kind:
            message = f"is {_kind(parameter, written[index])}; {parameter.name} of the algorithm is {item['type']}"
            faults.append(Fault(f"{field}.type", message, "type"))
        else:
            faults += _range_faults(field, parameter, item, written[index])
    return faults


def _kind(parameter: Parameter, written: Mapping[str, object]) -> str:
    kind = str(written["type"])
    return kind if kind == parameter.kind else f"{kind}, whose values are {parameter.kind}"


def _value_faults(field: str, parameter: Categorical, item: Declared, written: Mapping[str, object]) -> list[Fault]:
    """A list of values may be of any type (F37: a choice of batch sizes), as long as the algorithm takes each."""
    listed = "values" in written
    found = [
        (index, problem) for index, value in enumerate(parameter.values) if (problem := value_problem(value, item))
    ]
    if not listed and found:
        return [Fault(f"{field}.range", f"holds a value that {found[0][1]}", "range")]
    return [Fault(f"{field}.values[{index}]", problem, "range") for index, problem in found]


def _range_faults(field: str, parameter: Parameter, item: Declared, written: Mapping[str, object]) -> list[Fault]:
    """The range must lie within what the algorithm declares that it can take."""
    assert not isinstance(parameter, Categorical)
    below, above = _ENDS.get(str(written["type"]), ("min", "max"))
    low, high = item.get("min"), item.get("max")
    middle = parameter.decode(0.5)
    faults = []
    if isinstance(low, (int, float)) and parameter.low < low:
        end = "mu" if below == "sigma" and middle < low else below
        says = f"{_reaching(written.get(end), parameter.low, 'down')}; the algorithm takes {low:g} or more"
        faults.append(Fault(f"{field}.{end}", says, "range"))
    if isinstance(high, (int, float)) and parameter.high > high:
        end = "mu" if above == "sigma" and middle > high else above
        says = f"{_reaching(written.get(end), parameter.high, 'up')}; the algorithm takes {high:g} or less"
        faults.append(Fault(f"{field}.{end}", says, "range"))
    return faults


def _reaching(written: object, value: float, way: str) -> str:
    return f"is {value:g}" if written == value else f"is {shown(written)}, which makes values {way} to {value:g}"


def static_faults(spec: JobSpec, version: AlgorithmVersion) -> list[Fault]:
    """What is wrong with the static hyperparameters; each of the algorithm's must be searched or have a value."""
    declared = {item["name"]: item for item in version.hyperparameters}
    if not declared:
        return []
    faults = [
        Fault(f"static.{name}", f"is not a hyperparameter of the algorithm; it has {', '.join(declared)}", "unknown")
        for name in spec.static.keys() - declared.keys()
    ]
    given = spec.static.keys() | {parameter.name for parameter in spec.space.parameters}
    for name in declared.keys() - given:
        faults.append(Fault(f"static.{name}", "has no value and no default; search it or give it one", "required"))
    for name in spec.static.keys() & declared.keys():
        if message := value_problem(spec.static[name], declared[name]):
            faults.append(Fault(f"static.{name}", message, "range"))
    return faults


def value_problem(value: Value, item: Declared) -> str | None:
    """Why the algorithm cannot take a value, and what it can; None if it can."""
    kind, values = item["type"], item.get("values")
    if kind == "integer" and not isinstance(value, int):
        return f"is {shown(value)}; give a whole number"
    if kind == "float" and not isinstance(value, (int, float)):
        return f"is {shown(value)}; give a number"
    if kind == "categorical" and isinstance(values, list) and values and value not in values:
        return f"is {shown(value)}; choose one of {', '.join(map(shown, values))}"
    low, high = item.get("min"), item.get("max")
    if isinstance(value, (int, float)) and isinstance(low, (int, float)) and value < low:
        return f"is {value:g}; give {low:g} or more"
    if isinstance(value, (int, float)) and isinstance(high, (int, float)) and value > high:
        return f"is {value:g}; give {high:g} or less"
    return None
