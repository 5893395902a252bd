"""The parents' trials, in the child's space: what a strategy of the child may learn from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from tuning.history import History, Observation
from tuning.parameter_rules import same_value
from tuning.space import SearchSpace, Value
from tuning.warmstart.outline import JobOutline, WarmStartType


@dataclass(frozen=True, slots=True)
class Dropped:
    """A parent's trial that the child cannot use; ``reason`` names the values."""

    parent: str
    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Inherited:
    """``observations`` have the child's tunable hyperparameters only and name their parent in ``inherited_from``."""

    observations: tuple[Observation, ...]
    dropped: tuple[Dropped, ...]


def inherit(
    space: SearchSpace,
    parents: Sequence[tuple[JobOutline, History]],
    static: Mapping[str, Value] | None = None,
    kind: WarmStartType = WarmStartType.IDENTICAL_DATA_AND_ALGORITHM,
) -> Inherited:
    """Map the trials that each parent ran itself (not those it inherited: F19) into the child's ``space``.

    A trial is used if it has a value, if all tunable hyperparameters of the child that are active there have a value in
    their range (a parent's static value is a coordinate where the hyperparameter is tunable now, and a number's text is
    the number), if it has no hyperparameter that the child does not know (F16: its value depends on that one as well),
    and, for IDENTICAL, if it measured what the child's point would: what is ``static`` in the child had the same value,
    and nothing had one that is not active at the point here. TRANSFER_LEARNING uses the order of the values only, and
    keeps such trials.
    """
    searched = {parameter.name for parameter in space.parameters}
    known = searched | (static or {}).keys()
    strict = kind is WarmStartType.IDENTICAL_DATA_AND_ALGORITHM
    observations: list[Observation] = []
    dropped: list[Dropped] = []
    for outline, history in parents:
        for trial in history.own:
            config = {**outline.static, **trial.config}
            mapped = space.canonical(config)
            reason = _unusable(trial) or _strangers(trial, known) or space.problem_with(mapped)
            if reason is None and strict:
                were = {parameter.name for parameter in outline.space.parameters}
                reason = _other_static(config, were, static or {}) or _inactive_here(config, searched, mapped)
            if reason is not None:
                dropped.append(Dropped(outline.name, trial.number, reason))
                continue
            observations.append(
                Observation(trial.number, mapped, trial.state, trial.value, trial.curve, inherited_from=outline.name)
            )
    return Inherited(tuple(observations), tuple(dropped))


def _unusable(trial: Observation) -> str | None:
    if trial.usable:
        return None
    if not trial.state.terminal:
        return f"it has not ended: {trial.state}"
    if trial.value is None:
        return f"it is {trial.state} without an objective value"
    return f"it is {trial.state}" if math.isfinite(trial.value) else f"its objective value is {trial.value}"


def _strangers(trial: Observation, known: Set[str]) -> str | None:
    unknown = [name for name in trial.config if name not in known]
    if not unknown:
        return None
    names = f"{', '.join(unknown)} {'is no hyperparameter' if len(unknown) == 1 else 'are no hyperparameters'} here"
    return f"{names}; search {'it' if len(unknown) == 1 else 'them'}, or name the value among the statics"


def _other_static(config: Mapping[str, Value], searched: Set[str], static: Mapping[str, Value]) -> str | None:
    """What is ``static`` here and was something else; or nothing, as what its parent ``searched`` was not active."""
    different = [
        f"{name} was {config.get(name, 'not active')} and is static {value} now"
        for name, value in static.items()
        if (not same_value(config[name], value) if name in config else name in searched)
    ]
    return "; ".join(different) or None


def _inactive_here(config: Mapping[str, Value], searched: Set[str], mapped: Mapping[str, Value]) -> str | None:
    """What had a value there, and is ``searched`` here but not active at the point."""
    different = [
        f"{name} was {value} and is not active here"
        for name, value in config.items()
        if name in searched and name not in mapped
    ]
    return "; ".join(different) or None
