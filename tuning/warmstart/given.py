"""Parents as a notebook has them: other tuners, their histories, or bare observations; without a job around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

from tuning.documents import shown
from tuning.errors import Fault, InvalidSpec
from tuning.history import History, Observation
from tuning.space import SearchSpace, Value
from tuning.states import Goal, JobState
from tuning.warmstart.inheritance import Inherited, inherit
from tuning.warmstart.outline import JobOutline, WarmStartType

_UNNAMED = "earlier"  # observations that do not say of which search they are


@runtime_checkable
class Search(Protocol):
    """What can be a parent beside a History: a Tuner."""

    @property
    def history(self) -> History: ...

    @property
    def static(self) -> Mapping[str, Value]: ...


Parents = Mapping[str, Search | History] | Iterable[Search | History]


def read_warm_start(kind: object) -> WarmStartType:
    """``identical`` or ``transfer``, or the names that a job has for them. Raises InvalidSpec."""
    for known, short in zip(WarmStartType, ("identical", "transfer"), strict=True):
        if kind in (known, short):
            return known
    raise InvalidSpec([Fault("warm_start", f"is {shown(kind)}; use identical or transfer", "unknown")])


def inherit_given(
    space: SearchSpace,
    goal: Goal,
    parents: object,
    observations: object,
    static: Mapping[str, Value],
    kind: WarmStartType,
) -> Inherited:
    """What ``inherit`` makes of ``parents`` (by name, or in order: parent 1, parent 2, ...), and of ``observations``,
    each of the search that its ``inherited_from`` names.

    Raises:
        InvalidSpec: at ``parents`` or ``inherited``, where one is no such thing, or seeks the opposite.
    """
    faults: list[Fault] = []
    known = [*_searches(parents, goal, faults), *_observed(observations, goal, faults)]
    if faults:
        raise InvalidSpec(faults)
    return inherit(space, [(_outline(name, space, past, fixed), past) for name, past, fixed in known], static, kind)


def _searches(parents: object, goal: Goal, faults: list[Fault]) -> list[tuple[str, History, Mapping[str, Value]]]:
    if isinstance(parents, (str, Search, History)) or not isinstance(parents, Iterable):
        faults.append(Fault("parents", f"is {shown(parents)}; list tuners or their histories: [tuner]", "type"))
        return []
    named = isinstance(parents, Mapping)
    listed: list[tuple[object, object]] = (
        list(parents.items()) if isinstance(parents, Mapping) else list(enumerate(parents, 1))
    )
    found: list[tuple[str, History, Mapping[str, Value]]] = []
    for index, (name, parent) in enumerate(listed):
        at = f"parents.{name}" if named else f"parents[{index}]"
        past = parent.history if isinstance(parent, Search) else parent
        if not isinstance(past, History):
            faults.append(Fault(at, f"is {shown(parent)}; give a tuner, or its history", "type"))
        elif past.goal is not goal:
            message = f"is to {past.goal} its objective, and this search to {goal} its own; leave it out"
            faults.append(Fault(at, message, "invalid"))
        else:
            fixed = parent.static if isinstance(parent, Search) else {}
            found.append((str(name) if named else f"parent {name}", past, fixed))
    return found


def _observed(observations: object, goal: Goal, faults: list[Fault]) -> list[tuple[str, History, Mapping[str, Value]]]:
    if not isinstance(observations, Iterable):
        faults.append(Fault("inherited", f"is {shown(observations)}; list observations: other.trials", "type"))
        return []
    listed = list(observations)
    for place, one in enumerate(listed):
        if not isinstance(one, Observation):
            faults.append(Fault(f"inherited[{place}]", f"is {shown(one)}; give an Observation: other.trials", "type"))
        elif not isinstance(one.config, Mapping):
            faults.append(Fault(f"inherited[{place}].config", f"is {shown(one.config)}; give values by name", "type"))
    if faults:
        return []
    groups: dict[str, list[Observation]] = {}
    for one in listed:
        groups.setdefault(one.inherited_from or _UNNAMED, []).append(one)
    return [(name, History(goal, tuple(group)), {}) for name, group in groups.items()]


def _outline(name: str, space: SearchSpace, past: History, static: Mapping[str, Value]) -> JobOutline:
    """Of which only the name and the statics count for what is inherited."""
    return JobOutline(name, JobState.COMPLETED, "", past.goal, space, static, "", {}, len(past.own), "")
