"""The arguments of a Tuner, read as a job's document is: every fault at once, each naming the argument."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from tuning import earlystop, profiles, search_rules, strategies
from tuning.completion import Criteria
from tuning.contracts import Policy, Scheduler, Strategy
from tuning.documents import Document, did_you_mean, shown
from tuning.errors import Fault, InvalidSpec
from tuning.initial_points import points_from_json
from tuning.plain import plain
from tuning.registry import Info as PolicyInfo
from tuning.space import SearchSpace, Value
from tuning.states import Goal
from tuning.strategies import StrategyInfo, auto
from tuning.warmstart import Inherited, WarmStartType
from tuning.warmstart.given import Child, inherit_given, read_warm_start, room_beside
from tuning.watched import watch_policy, watch_strategy

_MOST_TRIALS = 10**9
_SEEDS = 2**53
_DRAWN = 2**32  # a seed short enough to be written down
_LONGEST = 365 * 24 * 3600  # seconds, as of a job
# Where a Tuner has what a job's document has elsewhere.
_PLACES = {
    "limits.max_trials": "max_trials",
    "limits.max_seconds": "completion.max_seconds",
    "constraints": "space.constraints",
}
_OPTIONS = "strategy.options."
# What other libraries and services have among the arguments, and a Tuner has elsewhere.
_TRIALS = "how many trials there are is max_trials; set that"
_ELSEWHERE = {
    "constraints": 'they are part of the space; give it as {"parameters": [...], "constraints": [...]}',
    "max_parallel": "how many trials run at a time is up to you: ask(n) gives n",
    **dict.fromkeys(("num_samples", "n_trials", "max_jobs", "max_total_runs", "max_started"), _TRIALS),
}


class _Silent(int):
    """A number that nobody gave, so that a profile's own may stand in its place."""


SEED: int = _Silent(0)


@dataclass(frozen=True, slots=True)
class Arguments:
    """``strategy`` has the initial points and the repeats around it; ``policy`` is it, where it is a scheduler."""

    space: SearchSpace
    goal: Goal
    strategy: Strategy
    policy: Policy | None
    seed: int
    max_trials: int | None
    repeats: int
    criteria: Criteria
    improvement: float
    static: dict[str, Value]
    inherited: Inherited
    comparable: bool


def read_arguments(given: Mapping[str, object], options: Mapping[str, object]) -> Arguments:
    """``given`` are the arguments by name, ``options`` those of the strategy. Raises InvalidSpec with every fault."""
    options = {name: plain(value) for name, value in options.items()}
    silent = given["seed"] is SEED
    given, options = _filled({name: plain(value) for name, value in given.items()}, options, silent)
    doc = Document(given)
    goal = doc.choice("objective", [str(one) for one in Goal])
    seed = doc.whole("seed", low=0, high=_SEEDS, optional=True)
    max_trials = doc.whole("max_trials", low=1, high=_MOST_TRIALS, optional=True)
    repeats = search_rules.read_repeats(doc)
    criteria = _criteria(doc)
    space = doc.sub(lambda: _space(given["space"], given["static"]))
    static = search_rules.read_static(doc, space)
    strategy = doc.sub(lambda: _strategy(given["strategy"], options, static, given.keys()))
    policy = doc.sub(lambda: _policy(given["early_stopping"], strategy))
    kind = doc.sub(lambda: _kind(given["warm_start"], given["comparable"]))
    points = doc.sub(lambda: points_from_json(space, plain(_listed(given["initial_points"]))))
    known = Goal(goal) if goal in set(Goal) else None
    name = _named(given["strategy"]) or ""
    seconds = None if criteria.max_seconds is None else int(criteria.max_seconds)
    policy_name, parents = _named(given["early_stopping"]), _listed(given["parents"])
    search = profiles.Search(
        space,
        len(static),
        name,
        policy_name,
        max_seconds=seconds,
        repeats=repeats,
        max_not_improving=criteria.max_not_improving,
    )
    profile = search_rules.read_profile(doc)
    max_trials = _held(doc, profile, search, max_trials, room_beside(parents))
    child = Child(space, known, static, kind, name, max_trials)
    inherited = doc.sub(lambda: inherit_given(child, parents, given["inherited"]))
    if doc.faults:
        raise InvalidSpec(doc.faults)
    assert space is not None
    assert strategy is not None
    assert points is not None
    assert inherited is not None
    whole = strategies.wrapped(strategy, points, repeats)
    return Arguments(
        space=space,
        goal=Goal(goal),
        strategy=whole,
        policy=whole if isinstance(whole, Scheduler) else policy,
        seed=secrets.randbelow(_DRAWN) if seed is None else seed,
        max_trials=max_trials,
        repeats=repeats,
        criteria=criteria,
        improvement=profiles.improvement(profile),
        static=static,
        inherited=inherited,
        comparable=kind is WarmStartType.IDENTICAL_DATA_AND_ALGORITHM,
    )


def _filled(
    given: Mapping[str, object], options: Mapping[str, object], silent: bool
) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """Arguments and options with what the profile's service does where they are silent; so is "auto", and of the seed
    they are if ``silent``.
    """
    name, strategy = given["profile"], given["strategy"]
    profile = profiles.PROFILES.get(name) if isinstance(name, str) else None
    if profile is None or not isinstance(strategy, str):
        return given, options
    strategy = profile.strategies[0] if strategy == auto.INFO.name else strategy
    unset = {"seed": profile.seed_unset, "max_trials": profile.trials_unset}
    filled = {name: value for name, value in unset.items() if given[name] is None}
    if silent and profile.seed_unset is not None:
        filled["seed"] = profile.seed_unset
    space = profiles.with_scales(profile, given["space"])
    return {**given, **filled, "space": space, "strategy": strategy}, {
        **profile.options_unset.get(strategy, {}),
        **options,
    }


def _named(choice: object) -> str | None:
    if choice is None or isinstance(choice, str):
        return choice
    return str(choice.get("name", "")) if isinstance(choice, Mapping) else type(choice).__name__


def _held(
    doc: Document, profile: str | None, search: profiles.Search, max_trials: int | None, room: int | None
) -> int | None:
    """How many trials there may be: if nobody said, as many as the service of ``profile`` runs and the parents leave
    ``room`` for. What keeps the search from the service is added to the faults.
    """
    if profile is None:
        return room if max_trials is None else max_trials
    most = max_trials
    if most is None:
        whole, most = profiles.whole_grid(profile, search), profiles.most_trials(profile, search)
        most = most if room is None or whole is not None else min(room, most or room)
    faults = profiles.profile_faults(profile, replace(search, max_trials=most or 1))
    doc.faults.extend(replace(fault, field=_PLACES.get(fault.field, fault.field)) for fault in faults)
    return most


def _listed(items: object) -> object:
    return list(items) if isinstance(items, Iterable) and not isinstance(items, (str, Mapping)) else items


def _space(space: object, static: object) -> SearchSpace:
    if isinstance(space, SearchSpace):
        return space
    try:
        return SearchSpace.from_json(space)
    except InvalidSpec as error:
        members = space if isinstance(space, Mapping) else {"parameters": space}
        parts = (members.get("parameters"), members.get("constraints"))
        known = static if isinstance(static, Mapping) else {}
        raise InvalidSpec([search_rules.about_static(fault, *parts, known) for fault in error.faults]) from None


def _criteria(doc: Document) -> Criteria:
    part = doc.part("completion")
    seconds = part.whole("max_seconds", low=1, high=_LONGEST, optional=True) if part else None
    criteria = replace(search_rules.read_completion(part), max_seconds=seconds if seconds and seconds > 0 else None)
    if part is not None and criteria.max_gpu_hours is not None:
        part.fault("max_gpu_hours", f"is {criteria.max_gpu_hours:g}; a tuner sees no GPUs: leave it out")
    return criteria


def _kind(warm_start: object, comparable: object) -> WarmStartType:
    if warm_start is not None:
        return read_warm_start(warm_start)
    return WarmStartType.IDENTICAL_DATA_AND_ALGORITHM if comparable else WarmStartType.TRANSFER_LEARNING


def _strategy(
    strategy: object, options: Mapping[str, object], static: Mapping[str, Value], arguments: Collection[str]
) -> Strategy:
    """``arguments`` are the names of the Tuner's own: what is none of them was taken for an option."""
    if isinstance(strategy, str):
        try:
            return strategies.create(strategy, strategies.inferred(strategy, options, static))
        except InvalidSpec as error:
            raise InvalidSpec([_as_argument(fault, strategy, arguments) for fault in error.faults]) from None
    if options:
        message = "goes with a strategy's name only"
        raise InvalidSpec([Fault(f"{_OPTIONS}{name}", f"{message}{did_you_mean(name, arguments)}") for name in options])
    if isinstance(strategy, type) or not hasattr(strategy, "suggest") or not callable(strategy.suggest):
        message = f"is {shown(strategy)}; give the name of a strategy, or an object that has `suggest`"
        raise InvalidSpec([Fault("strategy", message, "type")])
    return _guarded(strategy)


def _as_argument(fault: Fault, strategy: str, arguments: Collection[str]) -> Fault:
    """A fault of an option; where there is no such option, it may have been meant for an argument."""
    name = fault.field.removeprefix(_OPTIONS)
    if fault.code != "unknown" or name == fault.field or name in _option_names(strategy):
        return fault
    if name in _ELSEWHERE:
        return replace(fault, message=f"is no argument: {_ELSEWHERE[name]}")
    own = _option_names(strategy)
    near = did_you_mean(name, [*arguments, *own])
    message = f"is no argument of a Tuner and no option of {strategy}{near}; the arguments are {', '.join(arguments)}"
    return replace(fault, message=f"{message}; the options of {strategy}: {', '.join(own) or 'none'}")


def _option_names(strategy: str) -> list[str]:
    return [option.name for info in strategies.catalogue() if info.name == strategy for option in info.options]


def _guarded(strategy: Strategy) -> Strategy:
    """A strategy of one's own with the guard of those that packages offer; HPT's own need none."""
    kind = type(strategy)
    if _of_hpt(kind):
        return strategy
    info = StrategyInfo(kind.__name__, kind.__name__, "Of one's own.", schedules=isinstance(strategy, Scheduler))
    return watch_strategy(strategy, info, kind.__module__)


def _guarded_policy(policy: Policy) -> Policy:
    kind = type(policy)
    info = PolicyInfo(kind.__name__, kind.__name__, "Of one's own.")
    return policy if _of_hpt(kind) else watch_policy(policy, info, kind.__module__)


def _of_hpt(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == __name__.partition(".")[0]


def _policy_with(choice: Mapping[str, object]) -> Policy:
    """The policy of a mapping with its name, and its options beside it or, as in a job's document, in ``options``."""
    apart = choice.get("options")
    if isinstance(apart, Mapping) and choice.keys() <= {"name", "options"}:
        return earlystop.create(str(choice["name"]), apart)
    beside = {name: value for name, value in choice.items() if name != "name"}
    try:
        return earlystop.create(str(choice["name"]), beside)
    except InvalidSpec as error:
        moved = [replace(fault, field=fault.field.replace(".options.", ".", 1)) for fault in error.faults]
        raise InvalidSpec(moved) from None


def _policy(policy: object, strategy: Strategy | None) -> Policy | None:
    if policy is not None and isinstance(strategy, Scheduler):
        message = "goes with no strategy that decides itself how far a trial goes; leave it out"
        raise InvalidSpec([Fault("early_stopping", message)])
    if isinstance(policy, str):
        return earlystop.create(policy, {})
    if isinstance(policy, Mapping):
        if policy.get("name") is None:
            known = ", ".join(info.name for info in earlystop.catalogue())
            raise InvalidSpec([Fault("early_stopping.name", f"is missing; choose one of {known}", "required")])
        return _policy_with(policy)
    if policy is None:
        return None
    if isinstance(policy, type) or not callable(getattr(policy, "judge", None)):
        message = f"is {shown(policy)}; give a policy's name, a mapping with its name and options, an object that has "
        raise InvalidSpec([Fault("early_stopping", f"{message}`judge`, or None", "type")])
    return _guarded_policy(cast(Policy, policy))
