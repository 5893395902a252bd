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
    and, for IDENTICAL, if what is ``static`` in the child had the same value: with another one it measured another
    function. TRANSFER_LEARNING uses the order of the values only, and keeps such trials.
    """
    known = {parameter.name for parameter in space.parameters} | (static or {}).keys()
    strict = kind is WarmStartType.IDENTICAL_DATA_AND_ALGORITHM
    observations: list[Observation] = []
    dropped: list[Dropped] = []
    for outline, history in parents:
        for trial in history.own:
            config = {**outline.static, **trial.config}
            mapped = space.canonical(config)
            reason = _unusable(trial) or _strangers(trial, known) or space.problem_with(mapped)
            if reason is None and strict:
                reason = _other_static(config, static or {})
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


def _other_static(config: Mapping[str, Value], static: Mapping[str, Value]) -> str | None:
    different = [
        f"{name} was {config[name]} and is static {value} now"
        for name, value in static.items()
        if name in config and not same_value(config[name], value)
    ]
    return "; ".join(different) or None
