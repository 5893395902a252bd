"""Warm-start parents: their ranks, and how far to trust them.

For strategies without a model of their own that could weigh them (the Gaussian process does: see transfer.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from tuning.contracts import Suggestion
from tuning.history import History, Observation
from tuning.parameters import Floats
from tuning.space import SearchSpace
from tuning.strategies.untried import draw_untried

TRUST = 0.7  # before the child has results of its own
_TRUST_WORTH = 2.0  # how many own results that is worth
_NEIGHBOURS = 3  # of a parent's trials tell the rank to expect at a point
_TESTED, _EVERY = 8, 4  # of the first 8 trials each fourth tests the parents, beginning with the second
_LATEST = 200  # own results are asked: of more, their pairs are too many
_BLOCK = 2**18  # elements of an array of differences at a time, 2 MB
_MEAN_GAP = 1 / 3  # of two ranks drawn from 0 to 1


@dataclass(frozen=True, slots=True)
class Parent:
    """One parent: its usable trials, best first, and how far it is believed, from 0 to 1."""

    name: str
    trials: tuple[Observation, ...]
    trust: float

    @property
    def weight(self) -> float:
        """The trust t times min(1, t / 0.7)^2, for where trials near the parent are the stake.

        A parent of no use keeps a trust of 0.1 to 0.2 by chance for long, and each trial spent near its best is lost.
        """
        return self.trust * min(1.0, self.trust / TRUST) ** 2


def parents_of(space: SearchSpace, history: History) -> tuple[Parent, ...]:
    """The parents of a history whose inherited values are not comparable, in the order of their names."""
    return () if history.comparable else weighed(space, history)


def weighed(space: SearchSpace, history: History) -> tuple[Parent, ...]:
    """The parents, by ranks alone, in the order of their names; values may be comparable or not.

    A parent's trust begins at 0.7 and is then what the own results make of it: the rank correlation (Kendall's, each
    pair of own trials weighing as much as the ranks that the parent's nearest trials make expect lie apart), averaged
    with the start. Own trials where the parent expects about the same say little for or against it. Own trials that
    failed are the worst. Never below 0: what contradicts the own results is forgotten.
    """
    broken = {trial.number for trial in history.failed}
    own = [trial for trial in history.own if trial.usable or trial.number in broken][-_LATEST:]
    losses = [-history.goal.sign * (trial.value or 0.0) if trial.usable else np.inf for trial in own]
    places = np.unique(losses, return_inverse=True)[1]  # equal values, and all failures, share one
    features = space.unit_features(space.encode_all([trial.config for trial in own]))
    found = []
    for name, trials in families(history):
        theirs = space.unit_features(space.encode_all([trial.config for trial in trials]))
        found.append(Parent(name, trials, _trust(_expected(features, theirs), places)))
    return tuple(found)


def tests_parents(number: int) -> bool:
    """Whether trial ``number`` should be a uniformly random one, if there are parents that are trusted.

    Where parents say the best lies, trials alone cannot tell whether they are right: it takes others to compare with.
    """
    return number <= _TESTED and number % _EVERY == 2


def parents_test(space: SearchSpace, used: set[str], rng: np.random.Generator) -> Suggestion:
    """The suggestion of such a trial. Raises SpaceExhausted."""
    reason = "Uniform random: to compare with the trials that were chosen after the parents."
    return Suggestion(draw_untried(space, used, rng), reason, {"tests_parents": 1})


def families(history: History) -> list[tuple[str, tuple[Observation, ...]]]:
    """Each parent's name and its usable trials, best first (of equal ones the earlier), by name."""
    usable = sorted((trial for trial in history.inherited if trial.usable), key=_parent)
    return [
        (name, tuple(sorted(group, key=lambda trial: -history.goal.sign * (trial.value or 0.0))))
        for name, group in groupby(usable, key=_parent)
    ]


def _parent(trial: Observation) -> str:
    return trial.inherited_from or ""


def _expected(features: Floats, theirs: Floats) -> Floats:
    """The rank (m,), 0 for the best and 1 for the worst, that trials best first expect at ``features`` (m, D)."""
    nearest = np.empty((len(features), min(_NEIGHBOURS, len(theirs))))
    rows = max(1, _BLOCK // theirs.size)
    for first in range(0, len(features), rows):
        block = slice(first, first + rows)
        squares = ((features[block, None] - theirs[None]) ** 2).sum(-1)
        nearest[block] = np.argsort(squares, axis=1, kind="stable")[:, :_NEIGHBOURS]
    expected: Floats = nearest.mean(axis=1) / max(len(theirs) - 1, 1)
    return expected


def _trust(expected: Floats, places: NDArray[np.intp]) -> float:
    first, second = np.triu_indices(len(places), 1)
    gaps = expected[first] - expected[second]
    told = float(np.abs(gaps).sum())
    if told == 0.0:
        return TRUST
    agreed = float(np.sum(gaps * np.sign(places[first] - places[second])))
    # In own results: one less than there are (the first has none to compare with), or fewer if they lie close together.
    worth = min(len(places) - 1, 2 * told / _MEAN_GAP / len(places))
    return max(0.0, (_TRUST_WORTH * TRUST + worth * agreed / told) / (_TRUST_WORTH + worth))
