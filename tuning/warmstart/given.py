"""Parents as a notebook has them: other tuners, their histories, or bare observations; without a job around them.

They are held to the rules as far as they are known. Of a tuner that is its space, its statics and its trials; of a
history only its trials, so that it is taken to have had the child's space and statics, and a trial that tells otherwise
is dropped with the reason. Of data and algorithm nothing is known. ``inherited`` are single trials and no search: no
rule is on them, but each must fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, cast, runtime_checkable

from tuning.documents import shown
from tuning.errors import Fault, InvalidSpec
from tuning.history import History, Observation
from tuning.plain import plain
from tuning.space import Float, SearchSpace, Value
from tuning.states import Goal, JobState
from tuning.warmstart.inheritance import Inherited, inherit
from tuning.warmstart.outline import JobOutline, WarmStartLimits, WarmStartType
from tuning.warmstart.rules import check

# The others tell what the type means, or ask for what a notebook has not: states, data, versions. (F8, how many
# hyperparameters there are, says less than F16, their names.)
_HELD = ("F2", "F13", "F16", "F17", "F18", "F20")
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
class Child:
    """The search that is to have the parents; ``space``, ``goal`` and ``kind`` are None where they have faults.

    ``trials`` is how many it may have, None: as many as its parents leave (F20). ``strategy`` is the name of one.
    """

    space: SearchSpace | None
    goal: Goal | None
    static: Mapping[str, Value]
    kind: WarmStartType | None
    strategy: str
    trials: int | None

    def outline(self) -> JobOutline:
        space, goal = self.space or _UNKNOWN, self.goal or Goal.MAXIMIZE
        return JobOutline("", JobState.RUNNING, "", goal, space, self.static, "", {}, 0, self.strategy)


@dataclass(frozen=True, slots=True)
class _Parent:
    """``space`` and ``static`` are None where they are not known; ``at`` is the argument's field."""

    name: str
    history: History
    space: SearchSpace | None = None
    static: Mapping[str, Value] | None = None
    at: str = ""

    def outline(self, child: JobOutline) -> JobOutline:
        """What is not told of it is as it is in the child."""
        return replace(
            child,
            name=self.name,
            state=JobState.COMPLETED,
            space=self.space or child.space,
            static=child.static if self.static is None else self.static,
            trials=len(self.history.own),
        )


Parents = Mapping[str, Search | History] | Iterable[Search | History]


def read_warm_start(kind: object) -> WarmStartType:
    """``identical`` or ``transfer``, or the names that a job has for them. Raises InvalidSpec."""
    for known, short in zip(WarmStartType, ("identical", "transfer"), strict=True):
        if kind in (known, short):
            return known
    raise InvalidSpec([Fault("warm_start", f"is {shown(kind)}; use identical or transfer", "unknown")])


def room_beside(parents: object) -> int | None:
    """How many trials the parents leave to a search that does not say how many it is to have (F20), one at least; None
    without parents. They need not be right otherwise.
    """
    searches = _searches(parents, None, [])
    launched = sum(len(one.history.own) for one in searches)
    return max(1, WarmStartLimits().max_total - launched) if searches else None


def inherit_given(child: Child, parents: object, observations: object) -> Inherited:
    """What ``inherit`` makes of ``parents`` (by name, or in order: parent 1, parent 2, ...), and of ``observations``,
    each of the search that its ``inherited_from`` names. Of a child with faults nothing is inherited.

    Raises:
        InvalidSpec: at ``parents`` or ``inherited``, where one is no such thing, seeks the opposite, or breaks a rule.
    """
    faults: list[Fault] = []
    searches = _searches(parents, child.goal, faults)
    known = [*searches, *_observed(observations, child.goal or Goal.MAXIMIZE, faults)]
    if searches:
        faults += _broken(child, searches)
    if faults:
        raise InvalidSpec(faults)
    if child.space is None or child.goal is None or child.kind is None:
        return Inherited((), ())
    outline = child.outline()
    return inherit(child.space, [(one.outline(outline), one.history) for one in known], child.static, child.kind)


def _broken(child: Child, parents: list[_Parent]) -> list[Fault]:
    """The rules that ``parents`` break, in the rules' words; of a child without a space, those on the whole."""
    outline = child.outline()
    outlines = [one.outline(outline) for one in parents]
    fields = {one.name: one.at for one in reversed(parents)}
    kind = child.kind or WarmStartType.IDENTICAL_DATA_AND_ALGORITHM
    return [
        Fault(fields.get(one.parent or "", "parents"), f"{one.rule} {one.title}: {one.detail}", one.rule)
        for one in check(outline, outlines, kind, child.trials or 1)
        if one.refuses and one.rule in _HELD and (child.space is not None or one.parent is None)
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
            known = (parent.space, parent.static) if isinstance(parent, Search) else (None, None)
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
