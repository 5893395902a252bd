"""Smaller ranges for a child job, suggested from finished trials: where the good ones lie, with a margin.

A range is narrowed only where the good trials lie closer together than as many trials drawn at random from those that
were run at about the same time, and a value of a categorical hyperparameter is dropped only if it was tried then often
enough that a good trial with it was to be expected. Both are permutation tests within blocks of six trials in a row of
a job. They need no model, and hardly take the habit of a search for evidence: one that learns has most of its good
trials late, when it looks in one corner of the space, in hyperparameters without effect as well, and late trials lie
closer together than others whether they are good or not. The price is that less is found: where nearly all of the late
trials are good, there is nothing of that time to compare them with, and the range is kept.

So of hyperparameters without effect one in 20 is narrowed after a random search, and about as many after others, as far
as the trials of a block were chosen in the same way (measured: docs/bench.md). The best trial is never excluded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise

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
_CHANCE = 0.05  # that a hyperparameter without effect is narrowed, if the trials of a block were chosen alike
_SHUFFLES = 200
_BLOCK = 6  # trials in a row that a search is taken to have chosen in the same way
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
    tried = _in_order([*finished, *history.failed])
    evidence = _Evidence(space, good, tried, [space.project(trial.config) for trial in tried], best)
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
class _Seen:
    """The n ``values`` of a hyperparameter in the order in which they were tried, where it was active.

    ``good`` (n,) tells which of them are of good trials; ``blocks`` (n,), never falling, which were tried together.
    """

    values: list[Value]
    good: NDArray[np.bool_]
    blocks: NDArray[np.intp]

    def counts(self, which: NDArray[np.bool_]) -> NDArray[np.intp]:
        """How many of ``which`` (n,) there are in each block."""
        return np.bincount(self.blocks, which, minlength=int(self.blocks.max()) + 1).astype(np.intp)

    def drawn(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Indices of as many trials as are good, from each block as many, drawn at random; shape (shuffles, good)."""
        # Sorted by block and then by chance, the first of each block are chosen.
        shuffled = np.argsort(self.blocks + rng.random((_SHUFFLES, len(self.values))), axis=1)
        within = np.arange(len(self.blocks)) - np.searchsorted(self.blocks, self.blocks)
        return shuffled[:, within < self.counts(self.good)[self.blocks]]


@dataclass(frozen=True, slots=True)
class _Evidence:
    """``tried`` are the trials of each job in their order, job by job; ``active`` what is active in each."""

    space: SearchSpace
    good: list[Observation]
    tried: list[Observation]
    active: list[dict[str, Value]]
    best: Observation

    def seen(self, name: str) -> _Seen:
        best = {(trial.inherited_from, trial.number) for trial in self.good}
        values: list[Value] = []
        good: list[bool] = []
        jobs: list[str] = []
        for trial, active in zip(self.tried, self.active, strict=True):
            if name in active:
                values.append(active[name])
                good.append((trial.inherited_from, trial.number) in best)
                jobs.append(trial.inherited_from or "")
        return _Seen(values, np.array(good, dtype=bool), _blocks(jobs))

    def decides(self, name: str) -> bool:
        """Whether other hyperparameters are active by this one's value."""
        return any(p.when is not None and p.when.parameter == name for p in self.space.parameters)


def _in_order(trials: list[Observation]) -> list[Observation]:
    return sorted(trials, key=lambda trial: (trial.inherited_from or "", trial.number))


def _blocks(jobs: list[str]) -> NDArray[np.intp]:
    """The index of its block for each trial, of six in a row of the same job."""
    blocks = [(job, place // _BLOCK) for job, of_it in groupby(jobs) for place, _ in enumerate(of_it)]
    found: NDArray[np.intp] = np.cumsum([0, *(one != other for one, other in pairwise(blocks))])[: len(jobs)]
    return found


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
    seen = evidence.seen(parameter.name)
    if (count := int(seen.good.sum())) < _LEAST_GOOD:
        return parameter, f"Kept: it is active in {count} of the good trials only.", {"good": count}
    return _smaller_range(parameter, seen, evidence.best.config.get(parameter.name), rng)


def _smaller_range(parameter: Parameter, seen: _Seen, best: Value | None, rng: np.random.Generator) -> _Found:
    everywhere = parameter.encode_all(seen.values)
    at = everywhere[seen.good]
    covered = max(math.ceil(_COVERED * len(at)), min(len(at), _LEAST_GOOD))
    low, high = (float(end[0]) for end in _shortest(at[None, :], covered))
    (held,) = _held(everywhere, np.array([low]), np.array([high]))
    by_chance = _held(everywhere, *_shortest(everywhere[seen.drawn(rng)], covered)) <= held
    chance = (int(np.count_nonzero(by_chance)) + 1) / (_SHUFFLES + 1)
    numbers: dict[str, Number] = {"good": len(at), "tried": len(everywhere), "chance": round(chance, 4)}
    if chance > _CHANCE:
        return (
            parameter,
            f"Kept: the {len(at)} good trials are spread like any {len(at)} that were run when they were.",
            numbers,
        )
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
    seen = evidence.seen(parameter.name)
    good, tried = int(seen.good.sum()), len(seen.values)
    if good < _LEAST_GOOD:
        return parameter, f"Kept: it is active in {good} of the good trials only.", {"good": good}
    having = {value: np.array([one == value for one in seen.values]) for value in parameter.values}
    counts = {value: int(which.sum()) for value, which in having.items()}
    chance = _CHANCE / len(parameter.values)
    dropped = [value for value, which in having.items() if _chance_of_none(seen, which) <= chance]
    numbers: dict[str, Number] = {"good": good, "tried": tried}
    if not dropped:
        return parameter, "Kept: every value has a good trial, or was tried too seldom to tell.", numbers
    reason = (
        f"None of the {good} good trials has "
        + " or ".join(f"{value} ({counts[value]} trials)" for value in dropped)
        + f", of {tried} trials in all."
    )
    kept = tuple(value for value in parameter.values if value not in dropped)
    return replace(parameter, values=kept), reason, {**numbers, "left_out": sum(counts[value] for value in dropped)}


def _chance_of_none(seen: _Seen, which: NDArray[np.bool_]) -> float:
    """The chance that none of the good trials is one of ``which`` (n,), drawn from each block; 1 where one is."""
    if (seen.good & which).any():
        return 1.0
    per_block = zip(*(seen.counts(one).tolist() for one in (seen.good | True, seen.good, which)), strict=True)
    return math.prod(math.comb(tried - count, good) / math.comb(tried, good) for tried, good, count in per_block)


def _shown(before: Parameter, after: Parameter, reason: str, numbers: dict[str, Number]) -> Narrowed:
    kept = 1.0
    if isinstance(before, Categorical) and isinstance(after, Categorical):
        kept = len(after.values) / len(before.values)
        if before.values == after.values and not reason.startswith("Kept"):
            reason = "Kept: other hyperparameters depend on its values."
    elif after.to_json() != before.to_json():
        kept = float(numbers.get("share", 1.0))
    return Narrowed(before.to_json(), after.to_json(), kept, reason, numbers)
