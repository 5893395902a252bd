"""The model of a search so far: which trials it learns from, and on what scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from tuning.history import History, Observation
from tuning.parameters import Floats
from tuning.space import SearchSpace
from tuning.strategies import gp
from tuning.strategies.targets import Targets
from tuning.strategies.transfer import Source, Transferred, transferred

FITTED = 250  # observations that the kernel is fitted on
CONDITIONED = 700  # observations that the posterior is conditioned on
ANCHORS = 5
# Trainings are noisy: over the 16 tasks of docs/bench.md, 0.001 is 2 points of score behind, and as good without noise.
_NOISE = 1e-2


class Believer(gp.Model, Protocol):
    """A model that can be asked to believe what it expects of pending points."""

    def believe(self, features: Floats) -> Self:
        """The model after observing its own mean at ``features`` (m, D)."""
        ...


@dataclass(frozen=True, slots=True)
class Surrogate:
    """A model of the transformed loss. ``anchors`` (k, d) are the units of the best trials; counts are for people.

    ``on_the_way`` counts the values of trials before their end that the model has learnt from as well.
    """

    model: Believer
    targets: Targets
    anchors: Floats
    own: int
    inherited: int
    on_the_way: int = 0

    @property
    def trust(self) -> float | None:
        """The summed weight of transferred parents; None without any."""
        return float(self.model.weights.sum()) if isinstance(self.model, Transferred) else None


def pooled(space: SearchSpace, history: History) -> Surrogate:
    """One Gaussian process on the own trials and, where their values are comparable, the inherited ones.

    A failed trial counts as if it had the worst value seen: its configuration may be what broke it. Of many trials
    the best and an even spread of the others are kept, since the cost grows with the cube of their number.
    """
    inherited = [trial for trial in history.inherited if trial.usable] if history.comparable else []
    units, losses = _losses(space, history, inherited)
    own = len(losses) - len(inherited)
    chosen = kept(losses, CONDITIONED)
    units, losses = units[chosen], losses[chosen]
    targets = Targets.fit(losses)
    features = space.unit_features(units)
    fitted = kept(losses, FITTED)
    kernel = gp.fit(features[fitted], targets.values[fitted], space.groups, _NOISE)
    model = gp.condition(kernel, features, targets.values)
    return Surrogate(model, targets, _anchors(units, losses), own, len(inherited))


def with_parents(space: SearchSpace, history: History, sources: tuple[Source, ...]) -> Surrogate:
    """Own trials, modelled as what the parents' models leave unexplained (see transfer.py)."""
    units, losses = _losses(space, history, [])
    own = len(losses)
    chosen = kept(losses, FITTED)
    units, losses = units[chosen], losses[chosen]
    targets = Targets.fit(losses)
    model = transferred(sources, space.unit_features(units), targets.values, space.groups)
    anchors = np.vstack([_anchors(units, losses), *(source.units[:2] for source in sources)])
    return Surrogate(model, targets, anchors, own, sum(len(source.units) for source in sources))


def _losses(space: SearchSpace, history: History, inherited: list[Observation]) -> tuple[Floats, Floats]:
    """Units (n, d) and losses (n,) of the inherited, finished and failed trials, in this order."""
    valued = [*inherited, *history.finished]
    losses = [-history.goal.sign * float(trial.value or 0.0) for trial in valued]
    losses += [max(losses)] * len(history.failed)
    return space.encode_all([trial.config for trial in (*valued, *history.failed)]), np.array(losses)


def _anchors(units: Floats, losses: Floats) -> Floats:
    return units[np.argsort(losses, kind="stable")[:ANCHORS]]


def kept(losses: Floats, most: int) -> NDArray[np.intp]:
    """Indices of at most ``most`` observations: the best two fifths of that many, and an even spread of the others."""
    if len(losses) <= most:
        return np.arange(len(losses))
    order = np.argsort(losses, kind="stable")
    best, rest = order[: 2 * most // 5], np.sort(order[2 * most // 5 :])
    spread = rest[np.linspace(0, len(rest) - 1, most - len(best)).astype(int)]
    return np.sort(np.concatenate([best, spread]))
