"""The members of a job's document that say how to search: space, statics, first points, repeats, completion."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace

from tuning.completion import TOLERANCE, Criteria
from tuning.constraints import Constraint
from tuning.documents import Document, shown
from tuning.errors import Fault, InvalidSpec
from tuning.initial_points import Points, points_from_json
from tuning.parameter_rules import is_number
from tuning.profiles import PROFILES
from tuning.repeats import MAX_REPEATS
from tuning.space import SearchSpace, Value

MAX_COUNT = 10_000  # of trials, in a rule that counts them
MAX_GPU_HOURS = 10_000_000.0

# Criteria beside these two are the job's limits: max_trials (started) and max_seconds.
COMPLETION = ("target", "max_not_improving", "converged", "tolerance", "max_completed", "max_finished", "max_gpu_hours")


_STARTED = "is not known here: how many trials may start is the search's max_trials"
_NO_RULES = {"max_started": f"{_STARTED} (limits.max_trials in a job's document); set that"}


def read_space(doc: Document) -> SearchSpace | None:
    """The space of ``space`` (a list: everything that reads a stored job counts on it) and ``constraints``."""
    space, constraints = doc.raw("space"), doc.raw("constraints")
    if isinstance(space, Mapping):
        doc.fault("space", f"is {shown(space)}; give a list of hyperparameters", "type")
        return None
    try:
        return SearchSpace.from_json({"parameters": space, "constraints": [] if constraints is None else constraints})
    except InvalidSpec as error:
        static = doc.raw("static")
        given = static if isinstance(static, Mapping) else {}
        doc.faults.extend(_in_the_job(fault, space, constraints, given) for fault in error.faults)
        return None


def _in_the_job(fault: Fault, space: object, constraints: object, static: Mapping[object, object]) -> Fault:
    """A space's fault as one of the job's document, where the space's two members stand apart, beside the statics."""
    fault = about_static(fault, space, constraints, static)
    return Fault(_renamed(fault.field), _renamed(fault.message), fault.code)


def about_static(fault: Fault, space: object, constraints: object, static: Mapping[object, object]) -> Fault:
    """A space's fault; where a constraint or a condition names what is static, it says so, and what to do."""
    message = fault.message
    if match := re.search(r"\bconstraints\[(\d+)]$", fault.field):
        named = _static_names(_at(constraints, match[1]), static)
        if named:
            values = ", ".join(f"{name} is {shown(static[name])}" for name in named)
            message = f"names what is static ({values}); write the value instead, or search it"
    elif match := re.search(r"\[(\d+)]\.when\.parameter$", fault.field):
        name = _parent(_at(space, match[1]))
        if isinstance(name, str) and name in static:
            message = f"is {shown(name)}, which is static; leave the condition out, or search {name}"
    return replace(fault, message=message)


def _at(items: object, index: str) -> object:
    return items[int(index)] if isinstance(items, (list, tuple)) else None


def _renamed(text: str) -> str:
    return text.replace("space.parameters", "space").replace("space.constraints", "constraints")


def _static_names(text: object, static: Mapping[object, object]) -> list[str]:
    try:
        return sorted(Constraint(text).names & static.keys())  # type: ignore[arg-type]
    except InvalidSpec:
        return []


def _parent(parameter: object) -> object:
    when = parameter.get("when") if isinstance(parameter, Mapping) else None
    return when.get("parameter") if isinstance(when, Mapping) else None


def read_static(doc: Document, space: SearchSpace | None) -> dict[str, Value]:
    """Plain values by name; a name may not be searched as well."""
    searched = {parameter.name for parameter in space.parameters} if space else set()
    static: dict[str, Value] = {}
    for name, value in doc.mapping("static").items():
        at = f"static.{name}"
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            doc.fault(at, f"is {shown(value)}; give a text or a number", "type")
        elif isinstance(value, float) and not math.isfinite(value):
            doc.fault(at, f"is {value}; give a finite number", "range")
        elif name in searched:
            doc.fault(at, "is searched in `space` as well; keep it in one of the two", "duplicate")
        else:
            static[name] = value
    return static


def read_points(doc: Document, space: SearchSpace | None) -> Points:
    """The points to try first; what is wrong with one can only be told where there is a space."""
    points = doc.raw("initial_points")
    if points is None or space is None:
        return ()
    return doc.sub(lambda: points_from_json(space, points)) or ()


def read_repeats(doc: Document) -> int:
    return doc.whole("repeats", low=1, high=MAX_REPEATS, default=1) or 1


def read_completion(doc: Document | None) -> Criteria:
    """The rules by which the search is over before its limits are reached."""
    if doc is None:
        return Criteria()
    count = {
        name: doc.whole(name, low=1, high=MAX_COUNT, optional=True)
        for name in ("max_not_improving", "converged", "max_completed", "max_finished")
    }
    tolerance = doc.number("tolerance", low=0, high=1, default=TOLERANCE)
    hours = doc.number("max_gpu_hours", low=0, high=MAX_GPU_HOURS)
    target = _target(doc)
    if hours == 0:
        doc.fault("max_gpu_hours", "is 0; give a number of hours above 0", "range")
        hours = None
    if doc.raw("tolerance") == tolerance is not None and not doc.has("converged"):
        message = f"is {tolerance:g}, the tolerance of converged, which is missing; give converged, the number of"
        doc.fault("tolerance", f"{message} trials to look back on, or leave both out", "required")
    doc.close(_NO_RULES)
    counts = {name: value if value is not None and value > 0 else None for name, value in count.items()}
    return Criteria(
        target=target, tolerance=TOLERANCE if tolerance is None else tolerance, max_gpu_hours=hours, **counts
    )


def _target(doc: Document) -> float | None:
    target = doc.raw("target")
    if target is None:
        return None
    if not is_number(target) or abs(target) > sys.float_info.max:
        doc.fault("target", f"is {shown(target)}; give the value of the objective that is good enough", "type")
        return None
    return float(target)


def completion_json(criteria: Criteria) -> dict[str, object]:
    members = asdict(criteria)
    return {name: members[name] for name in COMPLETION}


def read_profile(doc: Document) -> str | None:
    name = doc.raw("profile")
    if name is None or (isinstance(name, str) and name in PROFILES):
        return name
    doc.fault("profile", f"is {shown(name)}; use one of {', '.join(PROFILES)}, or null", "unknown")
    return None
