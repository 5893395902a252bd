"""Smaller ranges for a child job, suggested from finished trials: where the good ones lie, with a margin.

A range is narrowed only where the good trials lie closer together than as many trials drawn at random from all that
were tried, and a value of a categorical hyperparameter is dropped only if it was tried often enough that a good trial
with it was to be expected. Both are permutation tests: they need no model, and where a search has itself looked in one
corner they do not take its habit for evidence. The best trial is never excluded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tuning.analysis.ranges import between, conditioned, describe
from tuning.analysis.unavailable import Unavailable
from tuning.contracts import Number
from tuning.errors import InvalidSpec
from tuning.history import History, Observation, best_of
from tuning.parameters import Categorical, Floats, Parameter
from tuning.space import SearchSpace, Value

_LEAST_FINISHED, _LEAST_GOOD = 15, 5
_COVERED = 0.9  # of the good trials: a straggler must not keep a range wide
_CHANCE = 0.05  # that a hyperparameter without effect is narrowed
_SHUFFLES = 200
_MARGIN = 0.1  # of the good region's width at each side, at least
_NARROWEST = 0.05  # of the range
_WIDEST = 0.9  # of the range: to leave out less than the rest is not worth while


@dataclass(frozen=True, slots=True)
class Narrowed:
    """One hyperparameter: its ``before`` and ``after`` as documents, equal if it is kept, with the reason.

    ``kept`` is the share of its axis, on its own scale (or of its values), that is searched on.
    """

    before: Mapping[str, object]
    after: Mapping[str, object]
    kept: float
    reason: str
    numbers: Mapping[str, Number] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.before["name"])

    @property
    def changed(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Narrowing:
    """``space`` for the child job, how each hyperparameter came to be in it, and what it would have excluded.

    ``good`` are the numbers of the own trials that count as good. ``excluded`` of the ``trials`` with a result lie
    outside; ``best_excluded`` is the best value among them. ``volume`` is the share of the whole space that is left.
    """

    space: SearchSpace
    parameters: tuple[Narrowed, ...]
    good: tuple[int, ...]
    trials: int
    excluded: int
    best_excluded: float | None
    volume: float


def narrow(space: SearchSpace, history: History, *, share: float = 0.2, seed: int = 0) -> Narrowing | Unavailable:
    """Ranges that hold the best ``share`` of the trials; own ones, and inherited ones whose values compare.

    Failed trials count as bad ones. A hyperparameter on which others depend keeps what they need; an unbounded
    distribution (normal and its kin) is kept as it is. Constraints stay.
    """
    inherited = [trial for trial in history.inherited if trial.usable] if history.comparable else []
    finished = sorted([*history.finished, *inherited], key=lambda t: -history.goal.sign * float(t.value or 0.0))
    good, reason = _good(finished, share)
    if reason:
        return Unavailable(reason, {"trials": len(finished), "needed": _LEAST_FINISHED})
    best = best_of(history.goal, tuple(finished))
    assert best is not None
    evidence = _Evidence(space, good, [*finished, *history.failed], best)
    rng = np.random.default_rng([seed, len(finished)])
    found = [_narrowed(parameter, evidence, rng) for parameter in space.parameters]
    after = conditioned(space.parameters, [parameter for parameter, _, _ in found])
    if after == space.parameters:
        return Unavailable(
            f"The best {len(good)} of {len(finished)} trials are spread over the whole range of every hyperparameter: "
            "nothing can be left out yet.",
            {"trials": len(finished), "good": len(good)},
        )
    try:
        child = SearchSpace(after, space.constraints)
    except InvalidSpec as error:
        return Unavailable(f"The constraints leave nothing of the narrowed ranges: {error}.")
    outside = [trial for trial in finished if child.problem_with(trial.config)]
    assert best not in outside
    shown = [
        _shown(before, now, reason, numbers)
        for before, now, (_, reason, numbers) in zip(space.parameters, after, found, strict=True)
    ]
    return Narrowing(
        space=child,
        parameters=tuple(shown),
        good=tuple(sorted(trial.number for trial in good if trial.inherited_from is None)),
        trials=len(finished),
        excluded=len(outside),
        best_excluded=None if not outside else outside[0].value,
        volume=math.prod(one.kept for one in shown),
    )


@dataclass(frozen=True, slots=True)
class _Evidence:
    space: SearchSpace
    good: list[Observation]
    tried: list[Observation]
    best: Observation

    def values(self, name: str) -> tuple[list[Value], list[Value]]:
        """The values of a hyperparameter in the good trials and in all; of a conditional one, where it was active."""
        good, tried = (
            [active[name] for trial in trials if name in (active := self.space.project(trial.config))]
            for trials in (self.good, self.tried)
        )
        return good, tried

    def decides(self, name: str) -> bool:
        """Whether other hyperparameters are active by this one's value."""
        return any(p.when is not None and p.when.parameter == name for p in self.space.parameters)


_Found = tuple[Parameter, str, dict[str, Number]]


def _good(finished: list[Observation], share: float) -> tuple[list[Observation], str]:
    """The good trials, or why there are none. ``finished``: the best first."""
    if len(finished) < _LEAST_FINISHED:
        return (
            [],
            f"{len(finished)} trials have a result; {_LEAST_FINISHED} are needed to tell good regions from chance.",
        )
    count = max(_LEAST_GOOD, math.ceil(share * len(finished)))
    bar = finished[count - 1].value
    good = [trial for index, trial in enumerate(finished) if index < count or trial.value == bar]
    if len(good) > len(finished) / 2:
        return [], f"{len(good)} of {len(finished)} trials are equally good: nothing tells good regions from bad ones."
    return good, ""


def _narrowed(parameter: Parameter, evidence: _Evidence, rng: np.random.Generator) -> _Found:
    if parameter.size == 1:
        return parameter, "Kept: it has one value.", {}
    if isinstance(parameter, Categorical):
        return _fewer_values(parameter, evidence)
    if evidence.decides(parameter.name):
        return parameter, "Kept: other hyperparameters depend on its values.", {}
    good, tried = evidence.values(parameter.name)
    if len(good) < _LEAST_GOOD:
        return parameter, f"Kept: it is active in {len(good)} of the good trials only.", {"good": len(good)}
    return _smaller_range(parameter, good, tried, evidence.best.config.get(parameter.name), rng)


def _smaller_range(
    parameter: Parameter, good: list[Value], tried: list[Value], best: Value | None, rng: np.random.Generator
) -> _Found:
    at, everywhere = (np.array([parameter.encode(v) for v in values]) for values in (good, tried))
    covered = max(math.ceil(_COVERED * len(at)), min(len(at), _LEAST_GOOD))
    low, high = (float(end[0]) for end in _shortest(at[None, :], covered))
    (held,) = _held(everywhere, np.array([low]), np.array([high]))
    drawn = np.argpartition(rng.random((_SHUFFLES, len(everywhere))), len(at) - 1, axis=1)[:, : len(at)]
    by_chance = _held(everywhere, *_shortest(everywhere[drawn], covered)) <= held
    chance = (int(np.count_nonzero(by_chance)) + 1) / (_SHUFFLES + 1)
    numbers: dict[str, Number] = {"good": len(at), "tried": len(everywhere), "chance": round(chance, 4)}
    if chance > _CHANCE:
        return parameter, f"Kept: the {len(at)} good trials are spread like any {len(at)} trials.", numbers
    if best is not None:
        low, high = min(low, parameter.encode(best)), max(high, parameter.encode(best))
    # A sample's range falls short of that of what it was drawn from by one gap at each side.
    margin = (high - low) * max(_MARGIN, 1.0 / (covered - 1))
    width = high - low
    margin = max(margin, (_NARROWEST - (high - low)) / 2)
    low, high = _to_next_tried(everywhere, low, high, margin)
    after = between(parameter, low, high)
    if after is None:
        return parameter, "Kept: its distribution has no bounds that could be narrowed.", numbers
    if high - low > _WIDEST or after.to_json() == parameter.to_json():
        return parameter, f"Kept: the good region takes {high - low:.0%} of the range.", numbers
    left_out = len(everywhere) - int(_held(everywhere, np.array([low]), np.array([high]))[0])
    reason = (
        f"{covered} of the {len(at)} good trials lie within {width:.0%} of the range, where {held} of all "
        f"{len(everywhere)} do; {describe(after)} holds them with a margin and would have left out {left_out} trials."
    )
    return after, reason, {**numbers, "share": round(high - low, 4), "left_out": left_out}


def _shortest(at: Floats, covered: int) -> tuple[Floats, Floats]:
    """For each row of points, the ends of the shortest interval that holds ``covered`` of them."""
    ordered = np.sort(at, axis=1)
    first = np.argmin(ordered[:, covered - 1 :] - ordered[:, : at.shape[1] - covered + 1], axis=1)
    rows = np.arange(len(at))
    return ordered[rows, first], ordered[rows, first + covered - 1]


def _held(at: Floats, low: Floats, high: Floats) -> NDArray[np.intp]:
    """How many of the points each of the intervals holds."""
    ordered = np.sort(at)
    return np.searchsorted(ordered, high + 1e-12, side="right") - np.searchsorted(ordered, low - 1e-12)


def _to_next_tried(everywhere: Floats, low: float, high: float, margin: float) -> tuple[float, float]:
    """The interval with its margin, and at least up to where something else was tried: a gap is not known to be bad."""
    below, above = everywhere[everywhere < low - 1e-12], everywhere[everywhere > high + 1e-12]
    low = min(low - margin, float(below.max()) if len(below) else 0.0)
    high = max(high + margin, float(above.min()) if len(above) else 1.0)
    return max(low, 0.0), min(high, 1.0)


def _fewer_values(parameter: Categorical, evidence: _Evidence) -> _Found:
    """Without the values that have no good trial although one was to be expected."""
    good, tried = evidence.values(parameter.name)
    if len(good) < _LEAST_GOOD:
        return parameter, f"Kept: it is active in {len(good)} of the good trials only.", {"good": len(good)}
    counts = {value: tried.count(value) for value in parameter.values}
    dropped = [
        value
        for value in parameter.values
        if value not in good
        and _chance_of_none(len(tried), len(good), counts[value]) <= _CHANCE / len(parameter.values)
    ]
    numbers: dict[str, Number] = {"good": len(good), "tried": len(tried)}
    if not dropped:
        return parameter, "Kept: every value has a good trial, or was tried too seldom to tell.", numbers
    reason = (
        f"None of the {len(good)} good trials has "
        + " or ".join(f"{value} ({counts[value]} trials)" for value in dropped)
        + f", of {len(tried)} trials in all."
    )
    kept = tuple(value for value in parameter.values if value not in dropped)
    return replace(parameter, values=kept), reason, {**numbers, "left_out": sum(counts[value] for value in dropped)}


def _chance_of_none(tried: int, good: int, count: int) -> float:
    """The chance that none of ``good`` trials drawn from ``tried`` is one of ``count`` certain ones."""
    if count > tried - good:
        return 0.0
    return math.comb(tried - count, good) / math.comb(tried, good)


def _shown(before: Parameter, after: Parameter, reason: str, numbers: dict[str, Number]) -> Narrowed:
    kept = 1.0
    if isinstance(before, Categorical) and isinstance(after, Categorical):
        kept = len(after.values) / len(before.values)
        if before.values == after.values and not reason.startswith("Kept"):
            reason = "Kept: other hyperparameters depend on its values."
    elif after.to_json() != before.to_json():
        kept = float(numbers.get("share", 1.0))
    return Narrowed(before.to_json(), after.to_json(), kept, reason, numbers)
