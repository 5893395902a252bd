"""The warm-start rules F2 and F5 to F21: each a function that says whether it is met, with its numbers.

Every rule is reported every time, met or broken, so that a form can show all of them while its user still picks. Some
cannot be broken: they tell what the chosen type means for these parents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tuning.contracts import Number
from tuning.warmstart.changes import count_changes, moved, range_changes, type_change
from tuning.warmstart.outline import JobOutline, RuleCheck, Severity, WarmStartLimits, WarmStartType
from tuning.warmstart.uses import strategies_that_learn, use_of_parents

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Family:
    """The child with all of its parents: what the rules on the whole are asked about."""

    child: JobOutline
    parents: Sequence[JobOutline]
    identical: bool
    kind: WarmStartType
    max_trials: int
    limits: WarmStartLimits


@dataclass(frozen=True, slots=True)
class _Pair:
    """The child with one parent."""

    child: JobOutline
    parent: JobOutline
    identical: bool
    limits: WarmStartLimits


@dataclass(frozen=True, slots=True)
class _Finding:
    ok: bool
    detail: str
    numbers: dict[str, Number] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Rule(Generic[T]):
    number: str
    title: str
    judge: Callable[[T], _Finding]
    severity: Severity = "error"

    def check(self, case: T, parent: str | None) -> RuleCheck:
        return self._as_check(self.judge(case), parent)

    def undecided(self) -> RuleCheck:
        return self._as_check(_Finding(True, "no parent chosen yet"), None)

    def _as_check(self, finding: _Finding, parent: str | None) -> RuleCheck:
        return RuleCheck(self.number, self.title, finding.ok, self.severity, parent, finding.detail, finding.numbers)


def check(
    child: JobOutline,
    parents: Sequence[JobOutline],
    kind: WarmStartType,
    max_trials: int,
    limits: WarmStartLimits | None = None,
) -> list[RuleCheck]:
    """Every rule in the order of its number; a rule on single parents once for each, in the order of ``parents``.

    ``max_trials`` is the number of trials that the child may launch. The child may be created if no check ``refuses``.
    While no parent is chosen, the rules on single parents are reported once, as met.
    """
    limits = limits or WarmStartLimits()
    identical = kind is WarmStartType.IDENTICAL_DATA_AND_ALGORITHM
    family = _Family(child, parents, identical, kind, max_trials, limits)
    checks = [rule.check(family, None) for rule in _OVERALL]
    for rule in _PER_PARENT:
        if not parents:
            checks.append(rule.undecided())
        checks.extend(rule.check(_Pair(child, parent, identical, limits), parent.name) for parent in parents)
    return sorted(checks, key=lambda one: int(one.rule[1:]))


def _strategy(family: _Family) -> _Finding:
    chosen = family.child.strategy
    if use := use_of_parents(chosen, family.kind):
        return _Finding(True, f"{chosen} search: {use}")
    learning = ", ".join(strategies_that_learn())
    remedy = f"choose {learning} or type {WarmStartType.IDENTICAL_DATA_AND_ALGORITHM}, or start without parents"
    return _Finding(False, f"{chosen} search has no use for parents of other data; {remedy}")


def _type(family: _Family) -> _Finding:
    if family.identical:
        return _Finding(True, f"{family.kind}: the parents' objective values are used as they are")
    return _Finding(True, f"{family.kind}: only the order of each parent's values is used")


def _overall_best(family: _Family) -> _Finding:
    if family.identical:
        return _Finding(True, "the overall best trial is the best of this job's and of all the parents' trials")
    return _Finding(True, "no overall best trial is given: the parents' values are not comparable with this job's")


def _parent_count(family: _Family) -> _Finding:
    names = [parent.name for parent in family.parents]
    most = family.limits.max_parents
    numbers: dict[str, Number] = {"parents": len(names), "limit": most}
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        return _Finding(False, f"{', '.join(repeated)} named more than once; name each parent once", numbers)
    if not names:
        return _Finding(False, f"0 parents; choose 1 to {most}", numbers)
    if len(names) > most:
        return _Finding(False, f"{len(names)} parents; choose at most {most}", numbers)
    return _Finding(True, f"{len(names)} of at most {most} parents", numbers)


def _not_recursive(family: _Family) -> _Finding:
    trials = sum(parent.trials for parent in family.parents)
    detail = f"only the {trials} trials that the named jobs ran themselves are used; to use a parent's parent, name it"
    return _Finding(True, detail, {"trials": trials})


def _total_trials(family: _Family) -> _Finding:
    launched = [parent.trials for parent in family.parents]
    most = family.limits.max_total
    total = sum(launched) + family.max_trials
    left = max(0, most - sum(launched))
    numbers: dict[str, Number] = {
        "parents_trials": sum(launched),
        "trials": family.max_trials,
        "total": total,
        "limit": most,
        "left": left,
    }
    arithmetic = f"{' + '.join(map(str, [*launched, family.max_trials]))} = {total}"
    if total <= most:
        return _Finding(True, f"{arithmetic} of at most {most} trials", numbers)
    remedy = f"set the number of trials to at most {left}" if left else "choose fewer parents"
    detail = f"{arithmetic} trials with those of the parents, above {most}: the parents leave {left}; {remedy}"
    return _Finding(False, detail, numbers)


def _same_data(pair: _Pair) -> _Finding:
    different = _different_channels(pair)
    numbers: dict[str, Number] = {"channels": len(pair.child.data), "different": len(different)}
    if not different:
        return _Finding(True, f"same data in {len(pair.child.data)} of {len(pair.child.data)} channels", numbers)
    detail = f"other data in channel {', '.join(different)}"
    if pair.identical:
        return _Finding(False, f"{detail}; use the parent's data, or type TRANSFER_LEARNING", numbers)
    return _Finding(True, f"{detail}, as TRANSFER_LEARNING allows", numbers)


def _ranges(pair: _Pair) -> _Finding:
    changed = range_changes(pair.parent.space, pair.child.space)
    detail = f"{len(changed)} other ranges, as allowed: {'; '.join(changed)}" if changed else "same ranges"
    return _Finding(True, detail, {"changed": len(changed)})


def _same_number(pair: _Pair) -> _Finding:
    (ours, our_sum), (theirs, their_sum) = (_parts(job) for job in (pair.child, pair.parent))
    detail = f"{our_sum}; the parent has {their_sum}"
    if moves := _moves(pair):
        detail += f" ({'; '.join(moves)})"
    if ours != theirs:
        detail += "; give this job exactly the parent's hyperparameters, tunable or static"
    return _Finding(ours == theirs, detail, {"child": ours, "parent": theirs, "moved": len(moves)})


def _same_algorithm(pair: _Pair) -> _Finding:
    if pair.child.algorithm == pair.parent.algorithm:
        return _Finding(True, "same algorithm, or versions marked as equivalent")
    if not pair.identical:
        return _Finding(True, "another algorithm version, as TRANSFER_LEARNING allows")
    remedy = "use the parent's, mark the new one as equivalent (only logging or data format changed)"
    return _Finding(False, f"another algorithm version; {remedy}, or use type TRANSFER_LEARNING")


def _may_differ(pair: _Pair) -> _Finding:
    if pair.identical:
        return _Finding(True, "not asked: for TRANSFER_LEARNING only")
    parts = {
        "data": bool(_different_channels(pair)),
        "algorithm version": pair.child.algorithm != pair.parent.algorithm,
        "ranges": bool(range_changes(pair.parent.space, pair.child.space)),
        "what is tunable": bool(_moves(pair)),
    }
    differing = [what for what, differs in parts.items() if differs]
    return _Finding(True, f"may differ, and do: {', '.join(differing) or 'none'}", {"differing": len(differing)})


def _worth(pair: _Pair) -> _Finding:
    if pair.identical:
        return _Finding(True, "not asked: for TRANSFER_LEARNING only")
    changed = [f"the data of channel {channel}" for channel in _different_channels(pair)]
    if pair.child.algorithm != pair.parent.algorithm:
        changed.append("the algorithm")
    numbers: dict[str, Number] = {"changed": len(changed)}
    if not changed:
        return _Finding(True, "data and algorithm are the parent's", numbers)
    detail = f"{' and '.join(changed)} changed: where that moves the objective much, this parent helps little"
    return _Finding(False, detail, numbers)


def _ended(pair: _Pair) -> _Finding:
    state = pair.parent.state
    if state.terminal:
        return _Finding(True, f"the parent is {state}")
    return _Finding(False, f"the parent is {state}; wait until it is Completed, Stopped or Failed, or stop it")


def _same_objective(pair: _Pair) -> _Finding:
    ours, theirs = (f"{job.goal} {job.metric}" for job in (pair.child, pair.parent))
    if ours == theirs:
        return _Finding(True, f"both {ours}")
    return _Finding(False, f"this job is to {ours}, the parent was to {theirs}; use the parent's objective")


def _same_names(pair: _Pair) -> _Finding:
    ours, theirs = ({p.name for p in job.space.parameters} | job.static.keys() for job in (pair.child, pair.parent))
    missing, extra = sorted(theirs - ours), sorted(ours - theirs)
    numbers: dict[str, Number] = {"same": len(ours & theirs), "missing": len(missing), "extra": len(extra)}
    if not missing and not extra:
        return _Finding(True, f"the same {len(ours)} names", numbers)
    parts = [f"missing here: {', '.join(missing)}"] if missing else []
    parts += [f"not in the parent: {', '.join(extra)}"] if extra else []
    detail = f"{'; '.join(parts)}; the names of tunable and static hyperparameters together must be the parent's"
    return _Finding(False, detail, numbers)


def _same_types(pair: _Pair) -> _Finding:
    ours, theirs = (
        dict(job.static) | {parameter.name: parameter for parameter in job.space.parameters}
        for job in (pair.child, pair.parent)
    )
    both = [name for name in ours if name in theirs]
    changed = [change for name in both if (change := type_change(name, theirs[name], ours[name]))]
    numbers: dict[str, Number] = {"same": len(both) - len(changed), "changed": len(changed)}
    if changed:
        return _Finding(False, f"{'; '.join(changed)}; keep the parent's types", numbers)
    return _Finding(True, f"the types of {len(both)} hyperparameters are the parent's", numbers)


def _few_changes(pair: _Pair) -> _Finding:
    total, terms = count_changes(pair.parent.space, pair.parent.static, pair.child.static)
    most = pair.limits.max_changes
    numbers: dict[str, Number] = {"changes": total, "limit": most}
    arithmetic = f"{' + '.join(terms)} = {total}" if terms else "0"
    if total <= most:
        return _Finding(True, f"{arithmetic} of at most {most} changes", numbers)
    return _Finding(False, f"{arithmetic} changes, above {most}; keep more of the parent's values", numbers)


def _compatible(pair: _Pair) -> _Finding:
    version, oldest, newest = pair.parent.schema, pair.limits.oldest_schema, pair.child.schema
    numbers: dict[str, Number] = {"schema": version, "oldest": oldest, "newest": newest}
    if oldest <= version <= newest:
        return _Finding(True, f"the parent was made under schema version {version}", numbers)
    detail = f"the parent was made under schema version {version}, usable are {oldest} to {newest}; run it again"
    return _Finding(False, detail, numbers)


def _different_channels(pair: _Pair) -> list[str]:
    ours, theirs = pair.child.data, pair.parent.data
    return [channel for channel in sorted(ours.keys() | theirs.keys()) if ours.get(channel) != theirs.get(channel)]


def _moves(pair: _Pair) -> list[str]:
    return moved(pair.parent.space, pair.parent.static, pair.child.space, pair.child.static)


def _parts(job: JobOutline) -> tuple[int, str]:
    total = len(job.space) + len(job.static)
    return total, f"{len(job.space)} tunable + {len(job.static)} static = {total}"


_OVERALL = (
    _Rule("F2", "Strategy", _strategy),
    _Rule("F5", "Type of warm start", _type),
    _Rule("F10", "Overall best trial", _overall_best),
    _Rule("F13", "Number of parents", _parent_count),
    _Rule("F19", "Not recursive", _not_recursive),
    _Rule("F20", "Trials with the parents' counted", _total_trials),
)
_PER_PARENT = (
    _Rule("F6", "Same data", _same_data),
    _Rule("F7", "Ranges may change", _ranges),
    _Rule("F8", "Same number of hyperparameters", _same_number),
    _Rule("F9", "Same algorithm", _same_algorithm),
    _Rule("F11", "What may differ", _may_differ),
    _Rule("F12", "Worth of the transfer", _worth, severity="warning"),
    _Rule("F14", "Parent has ended", _ended),
    _Rule("F15", "Same objective", _same_objective),
    _Rule("F16", "Same hyperparameter names", _same_names),
    _Rule("F17", "Same hyperparameter types", _same_types),
    _Rule("F18", "Number of changes", _few_changes),
    _Rule("F21", "Compatible version", _compatible),
)
