"""Learning from parents whose objective values are not comparable with the child's (TRANSFER_LEARNING).

Per parent, a Gaussian process on the normal scores of its ranks says where that job's good region lies: a source. The
child's own model stands on those, each with an uncertain weight (see hierarchical.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from tuning import normal
from tuning.history import History, Observation
from tuning.parameters import Floats
from tuning.space import SearchSpace
from tuning.strategies import gp
from tuning.strategies.hierarchical import Basis, Inherited, Source, Transferred
from tuning.strategies.parents import families

__all__ = ["STARTERS", "Source", "Transferred", "sources_of", "starter", "transferred"]

STARTERS = 3  # own trials by the parents and the centre, before there is anything to weigh the parents with
_TRUST, _TRUST_SD = 0.7, 0.5  # of the summed weights before the child has results of its own
_SPREAD, _SPREAD_WORTH = 0.5, 2.0  # of a source over good trials, and how many own results that is worth
_ROUGH_NOISE = 0.5  # variance about the sources while the residual process is not known yet
_LENGTHS_SHARED = 0.5  # how far the residual's length scales follow the parents', in their logarithm
_SHARES = (1.0, 0.3, 0.1, 0.03, 0.01)  # of the fitted residual's variance: what the sources' doubt explains is less
_SHARE_SD = 3.0  # of the logarithm of that share
_CONDITIONED = 200  # trials of a parent that its model knows
_TELLING = 20  # trials of a parent that it takes to tell that its values are but noise
_GAIN = 0.2  # of log likelihood over noise, per trial, that is enough however many hyperparameters there are
_LEVELS = (0.3, 0.0)  # shares of what a parent contributes that are tried beside all of it
_DOUBTED = 4.0  # how much likelier, in logarithms, the observations must become by leaving a parent out
_FITTED, _LEAST_FITTED = 300, 40  # trials of all parents together, and of each, that their kernels are fitted to
_TOP = 10
_APART = 0.25  # good trials closer together are one: as a share of how far 10 evenly spread ones would lie apart


def sources_of(space: SearchSpace, history: History) -> tuple[Source, ...]:
    """A source for each parent with at least two usable trials, and whose values depend on the hyperparameters.

    With enough trials the latter can be told: the model must make them likelier than mere noise does, by more than the
    number of its own hyperparameters, which would be no better than chance.
    """
    found = [(name, trials) for name, trials in families(history) if len(trials) > 1]
    fitted = max(_LEAST_FITTED, _FITTED // max(len(found), 1))
    sources = (_source(space, history, name, trials, fitted) for name, trials in found)
    return tuple(source for source in sources if _tells(source.posterior, len(space)))


def _tells(posterior: gp.Posterior, dimensions: int) -> bool:
    count = len(posterior.targets)
    if count < _TELLING:
        return True
    surprise = posterior.targets - posterior.mean
    model = 0.5 * float(np.linalg.slogdet(posterior.inverse)[1]) - 0.5 * float(surprise @ posterior.alpha)
    noise = -0.5 * count * (1.0 + math.log(max(float(posterior.targets.var()), 1e-12)))
    return model - noise > min(dimensions + 2, count * _GAIN)


def _source(space: SearchSpace, history: History, name: str, trials: Sequence[Observation], fitted: int) -> Source:
    """The model of a parent's ``trials``, best first; its kernel is fitted to at most ``fitted`` of them."""
    losses = np.array([-history.goal.sign * (trial.value or 0.0) for trial in trials])
    # Ties share the mean of their ranks, so that a plateau is one.
    ranks = np.searchsorted(losses, losses, side="left") + np.searchsorted(losses, losses, side="right")
    scores = normal.quantile(np.clip(ranks / (2 * len(losses)), 0.5 / len(losses), 1 - 0.5 / len(losses)))
    chosen = _spread(len(trials), _CONDITIONED)
    units = space.encode_all([trials[index].config for index in chosen])
    features, scores = space.unit_features(units), scores[chosen]
    sample = _spread(len(chosen), fitted)
    kernel = gp.fit(features[sample], scores[sample], space.groups)
    return Source(name, gp.condition(kernel, features, scores), units, features)


def _spread(count: int, most: int) -> NDArray[np.intp]:
    """At most ``most`` of ``count`` indices: the first two fifths of that many, and an even spread of the others."""
    if count <= most:
        return np.arange(count)
    first = 2 * most // 5
    return np.concatenate([np.arange(first), np.linspace(first, count - 1, most - first).astype(int)])


def starter(sources: tuple[Source, ...], space: SearchSpace, taken: Floats) -> tuple[Floats, str]:
    """A unit point (d,) from the parents' trials alone, and why. ``taken`` (k, d): units of the own trials so far.

    First the parents' trial that all of them together expect most of, then a good one elsewhere, far from all taken: if
    they mislead about where exactly the best lies, the spread finds out.
    """
    ordered = [np.argsort(source.posterior.targets, kind="stable") for source in sources]
    chosen = [order[:_TOP] for order in ordered]
    if len(taken):
        apart = _APART * _TOP ** (-1.0 / len(space))
        others = space.unit_features(taken)
        found = zip(sources, ordered, strict=True)
        chosen = [_elsewhere(source.features, order, others, apart) for source, order in found]
    units = np.vstack([source.units[indices] for source, indices in zip(sources, chosen, strict=True)])
    names = [source.parent for source, indices in zip(sources, chosen, strict=True) for _ in indices]
    features = space.unit_features(units)
    if not len(taken):
        expected = np.mean([source.posterior.predict(features)[0] for source in sources], axis=0)
        best = int(np.argmin(expected))
        return units[best], f"what the parents expect most of, tried by {names[best]}"
    furthest = int(np.argmax(_distances(features, space.unit_features(taken))))
    return units[furthest], f"one of the best of {names[furthest]}, far from the trials so far"


def _elsewhere(features: Floats, order: NDArray[np.intp], others: Floats, apart: float) -> NDArray[np.intp]:
    """The ten best trials by ``order``; where none lies ``apart`` from ``others``, the best that do from each other.

    The ten best of a search by a model are one point, and none of them tells what another does not. Of the trials apart
    from all better ones, the better half is taken, at most 10.
    """
    if _distances(features[order[:_TOP]], others).max() >= apart:
        return order[:_TOP]
    kept = order[:1]
    for index in order[1:].tolist():
        if _distances(features[[index]], features[kept])[0] >= apart:
            kept = np.append(kept, index)
    return kept[: max(2, min(_TOP, (len(kept) + 1) // 2))]


def _distances(features: Floats, others: Floats) -> Floats:
    """The distance (n,) of each of ``features`` (n, D) from the nearest of ``others`` (k, D)."""
    found: Floats = np.sqrt(((features[:, None] - others[None]) ** 2).sum(-1)).min(1)
    return found


def transferred(sources: tuple[Source, ...], features: Floats, targets: Floats, groups: gp.Groups) -> Transferred:
    """The child's model, given its own observations: ``features`` (n, D) and standardised ``targets`` (n,).

    How far each parent is believed, wholly, in part or not at all, is what makes the observations likeliest.
    """
    predicted = np.column_stack([source.posterior.predict(features)[0] for source in sources])
    count, own = len(sources), len(targets)
    # The targets are standardised on the own trials, so must be the sources; the first few trials may be alike.
    scale = np.sqrt((own * predicted.var(axis=0) + _SPREAD_WORTH * _SPREAD**2) / (own + _SPREAD_WORTH))
    shift = predicted.mean(axis=0)
    standard = (predicted - shift) / scale
    start, spread = np.full(count, _TRUST / count), np.full(count, _TRUST_SD / math.sqrt(count))
    # Rough weights, by ridge regression, are good enough to learn the residual's length scales with.
    ridge = np.diag(_ROUGH_NOISE / spread**2)
    known = np.linalg.inv(standard.T @ standard + ridge)
    rough = start + known @ (standard.T @ (targets - standard @ start))
    # A child differs from a parent that it believes as much as before it had results. Of one that these speak against
    # no more is in doubt than they leave open: else the child were unsure of all that such a parent has never tried.
    in_doubt = np.minimum(spread**2, (spread / start * rough) ** 2 + _ROUGH_NOISE * np.diag(known))
    basis = Basis(sources, shift, scale, start, spread, (rough**2 + in_doubt) / scale**2)

    def kernel(levels: Floats) -> gp.Kernel:
        return _residual(sources, levels, features, targets - standard @ (levels * rough), groups)

    def given(levels: Floats, kernel: gp.Kernel, shares: Sequence[float]) -> tuple[float, Transferred]:
        inherited = Inherited.at(basis.trusting(levels), features)
        evidence, found = _likeliest(inherited, kernel, shares, targets)
        return evidence - float(np.sum(1.0 - levels)) * _DOUBTED, found

    levels = np.ones(count)
    best = given(levels, kernel(levels), _SHARES)
    for index, level in product(range(count), _LEVELS):
        other = np.where(np.arange(count) == index, level, levels)
        found = given(other, best[1].kernel, (1.0,))
        if found[0] > best[0]:
            best, levels = found, other
    for other in (levels, np.zeros(count)):
        found = given(other, kernel(other), _SHARES)
        if found[0] > best[0]:
            best = found
    return best[1]


def _likeliest(
    inherited: Inherited, kernel: gp.Kernel, shares: Sequence[float], targets: Floats
) -> tuple[float, Transferred]:
    """The model whose share of the residual's variance has most evidence, and that evidence."""
    tried = []
    for share in shares:
        found = Transferred.given(inherited, replace(kernel, signal=share * kernel.signal), targets)
        tried.append((found.evidence - 0.5 * (math.log(share) / _SHARE_SD) ** 2, found))
    return max(tried, key=lambda one: one[0])


def _residual(
    sources: tuple[Source, ...], levels: Floats, features: Floats, rest: Floats, groups: gp.Groups
) -> gp.Kernel:
    """The kernel of what the sources leave: what mattered to the parents that are believed is likely to matter here."""
    prior = math.log(0.5 * (int(groups.max()) + 1) ** 0.4)
    lengths = np.array([np.log(source.posterior.kernel.columns) for source in sources])
    stretch = np.exp(_LENGTHS_SHARED * (levels @ (lengths - prior)) / len(sources))
    kernel = gp.fit(features / stretch, rest, groups)
    return replace(kernel, columns=kernel.columns * stretch)
