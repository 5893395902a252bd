"""Parents as a notebook has them: other tuners, their histories, or bare observations; without a job around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, cast, runtime_checkable

from tuning.documents import shown
from tuning.errors import Fault, InvalidSpec
from tuning.history import History, Observation
from tuning.plain import plain
from tuning.space import Float, SearchSpace, Value
from tuning.states import Goal, JobState
from tuning.warmstart.inheritance import Inherited, inherit
from tuning.warmstart.outline import JobOutline, WarmStartType
from tuning.warmstart.rules import check

# Of a notebook's parents nothing else is known, or a reason for each trial that cannot be used says more.
_HELD = ("F13", "F17")
_UNKNOWN = SearchSpace((Float("unknown", 0.0, 1.0),))  # no rule that looks at a space is asked of it
_UNNAMED = "earlier"  # observations that do not say of which search they are


@runtime_checkable
class Search(Protocol):
    """What can be a parent beside a History: a Tuner."""

    @property
    def history(self) -> History: ...

    @property
    def space(self) -> SearchSpace: ...

    @property
    def static(self) -> Mapping[str, Value]: ...


@dataclass(frozen=True, slots=True)
class _Parent:
    """``space`` is None where it is not known; ``at`` is the argument's field."""

    name: str
    history: History
    space: SearchSpace | None = None
    static: Mapping[str, Value] = field(default_factory=dict)
    at: str = ""

    def outline(self, space: SearchSpace, goal: Goal) -> JobOutline:
        """What is not told of it is as it is in the child, whose ``space`` and ``goal`` these are."""
        trials = len(self.history.own)
        return JobOutline(
            self.name, JobState.COMPLETED, "", goal, self.space or space, self.static, "", {}, trials, "auto"
        )


Parents = Mapping[str, Search | History] | Iterable[Search | History]


def read_warm_start(kind: object) -> WarmStartType:
    """``identical`` or ``transfer``, or the names that a job has for them. Raises InvalidSpec."""
    for known, short in zip(WarmStartType, ("identical", "transfer"), strict=True):
        if kind in (known, short):
            return known
    raise InvalidSpec([Fault("warm_start", f"is {shown(kind)}; use identical or transfer", "unknown")])


def inherit_given(
    space: SearchSpace | None,
    goal: Goal | None,
    parents: object,
    observations: object,
    static: Mapping[str, Value],
    kind: WarmStartType | None,
) -> Inherited:
    """What ``inherit`` makes of ``parents`` (by name, or in order: parent 1, parent 2, ...), and of ``observations``,
    each of the search that its ``inherited_from`` names. The parents are held to the rules F13 and F17, as a job's.

    ``space``, ``goal`` and ``kind`` are the child's, None where they have faults themselves; then nothing is inherited.

    Raises:
        InvalidSpec: at ``parents`` or ``inherited``, where one is no such thing, seeks the opposite, or breaks a rule.
    """
    faults: list[Fault] = []
    searches = _searches(parents, goal, faults)
    known = [*searches, *_observed(observations, goal or Goal.MAXIMIZE, faults)]
    if searches:
        faults += _broken(space, goal or Goal.MAXIMIZE, searches, static, kind)
    if faults:
        raise InvalidSpec(faults)
    if space is None or goal is None or kind is None:
        return Inherited((), ())
    return inherit(space, [(one.outline(space, goal), one.history) for one in known], static, kind)


def _broken(
    space: SearchSpace | None,
    goal: Goal,
    parents: list[_Parent],
    static: Mapping[str, Value],
    kind: WarmStartType | None,
) -> list[Fault]:
    """The rules that ``parents`` break, in the rules' words; of a child without a space, those on their number."""
    somewhere = space or _UNKNOWN
    outlines = [one.outline(somewhere, goal) for one in parents]
    child = JobOutline("", JobState.RUNNING, "", goal, somewhere, static, "", {}, 0, "auto")
    fields = {one.name: one.at for one in reversed(parents)}
    return [
        Fault(fields.get(one.parent or "", "parents"), f"{one.rule} {one.title}: {one.detail}", one.rule)
        for one in check(child, outlines, kind or WarmStartType.IDENTICAL_DATA_AND_ALGORITHM, 0)
        if one.refuses and one.rule in _HELD and (space is not None or one.parent is None)
    ]


def _searches(parents: object, goal: Goal | None, faults: list[Fault]) -> list[_Parent]:
    if isinstance(parents, (str, Search, History)) or not isinstance(parents, Iterable):
        faults.append(Fault("parents", f"is {shown(parents)}; list tuners or their histories: [tuner]", "type"))
        return []
    named = isinstance(parents, Mapping)
    listed: list[tuple[object, object]] = (
        list(parents.items()) if isinstance(parents, Mapping) else list(enumerate(parents, 1))
    )
    found: list[_Parent] = []
    for index, (name, parent) in enumerate(listed):
        at = f"parents.{name}" if named else f"parents[{index}]"
        past = parent.history if isinstance(parent, Search) else parent
        if not isinstance(past, History):
            faults.append(Fault(at, f"is {shown(parent)}; give a tuner, or its history", "type"))
        elif goal is not None and past.goal is not goal:
            message = f"is to {past.goal} its objective, and this search to {goal} its own; leave it out"
            faults.append(Fault(at, message, "invalid"))
        else:
            called = _same(past, found) or (str(name) if named else f"parent {name}")
            known = (parent.space, parent.static) if isinstance(parent, Search) else (None, {})
            found.append(_Parent(called, past, known[0], known[1], at))
    return found


def _same(past: History, found: list[_Parent]) -> str | None:
    """The name of the parent that is this very search, so that the rules see it twice."""
    return next((one.name for one in found if past.own and one.history.own == past.own), None)


def _observed(observations: object, goal: Goal, faults: list[Fault]) -> list[_Parent]:
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
        config = {name: cast(Value, plain(value)) for name, value in one.config.items()}
        groups.setdefault(one.inherited_from or _UNNAMED, []).append(replace(one, config=config))
    return [_Parent(name, History(goal, tuple(group))) for name, group in groups.items()]
