"""Finding the untried point of highest acquisition: scattered and nearby points, then ascent, then discrete steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuning.parameters import Floats
from tuning.space import SearchSpace, Value
from tuning.strategies.acquisition import Acquisition
from tuning.strategies.descent import descend
from tuning.strategies.untried import draw_untried, exhausted, free, mended_units

_LISTED = 4096  # spaces up to this many points are scored whole
_SCATTERED = 1000
_NEAR = 60  # points around each anchor, at each of these scales
_MANY = 250  # observations, with more of which a score costs so much that half as many points are scored
_SCALES = (0.2, 0.05, 0.01)
_STARTS = 5  # points that are improved by ascent
_ASCENT_STEPS = 30
_SWEPT = 3  # points whose discrete neighbours are scored
_ROUNDS = 2
_DRAWN = 20  # points of ``propose_drawn``
_BLOCK = 2**21  # elements of an array of features at a time, 16 MB: only categories by the hundred make more


@dataclass(frozen=True, slots=True)
class Proposal:
    """A point with its snapped unit coordinates (d,) and its acquisition score."""

    config: dict[str, Value]
    unit: Floats
    score: float


def propose(
    acquisition: Acquisition,
    space: SearchSpace,
    anchors: Floats,
    used: set[str],
    rng: np.random.Generator,
    observed: int = 0,
) -> Proposal:
    """The best point found whose key is not in ``used``. ``anchors`` (k, d): snapped units of the best trials so far;
    ``observed``: how many trials the model has learnt from.

    Raises:
        SpaceExhausted: no untried point is left.
    """
    listed = space.size is not None and space.size <= _LISTED
    if listed:
        units = every_unit(space)
        scores = _scores(acquisition, space, units)
    else:
        units, scores = _search(acquisition, space, anchors, rng, 2 if observed > _MANY else 1)
    for index in np.argsort(-scores, kind="stable"):
        config = space.decode(units[index])
        if free(space, config, used):
            return Proposal(config, units[index], float(scores[index]))
    if listed:
        raise exhausted(space)
    return _untried(acquisition, space, used, rng)


def propose_drawn(acquisition: Acquisition, space: SearchSpace, used: set[str], rng: np.random.Generator) -> Proposal:
    """The best untried of a few uniformly random points.

    Where the model knows little it is least sure in the corners, and the search for its maximum ends in them, one after
    the other. Random points lie where the volume is; the best of a few of them are not near what has been tried.

    Raises:
        SpaceExhausted: no untried point is left, or none was found.
    """
    units = mended_units(space, space.snap(rng.random((_DRAWN, len(space)))), rng)
    scores = _scores(acquisition, space, units)
    for index in np.argsort(-scores, kind="stable"):
        config = space.decode(units[index])
        if free(space, config, used):
            return Proposal(config, units[index], float(scores[index]))
    return _untried(acquisition, space, used, rng)


def every_unit(space: SearchSpace) -> Floats:
    """The snapped unit points of a countable space, shape (size, d)."""
    if not space.plain:
        return space.encode_all(space.points() or ())
    axes = [p.encode_all(list(p.grid(p.size or 1))) for p in space.parameters]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def _scores(acquisition: Acquisition, space: SearchSpace, units: Floats) -> Floats:
    """The scores (k,) of snapped unit points (k, d)."""
    rows = max(1, _BLOCK // space.width)
    blocks = [units[first : first + rows] for first in range(0, max(len(units), 1), rows)]
    found: Floats = np.concatenate([acquisition.score(space.unit_features(block)) for block in blocks])
    return found


def _untried(acquisition: Acquisition, space: SearchSpace, used: set[str], rng: np.random.Generator) -> Proposal:
    config = draw_untried(space, used, rng)
    unit = space.encode(config)
    return Proposal(config, unit, float(acquisition.score(space.unit_features(unit[None]))[0]))


def _search(
    acquisition: Acquisition, space: SearchSpace, anchors: Floats, rng: np.random.Generator, thinned: int
) -> tuple[Floats, Floats]:
    """The points that were looked at, (k, d), and their scores (k,)."""
    scattered, near = rng.random((_SCATTERED // thinned, len(space))), _near(space, anchors, _NEAR // thinned, rng)
    units = space.snap(np.vstack([scattered, near]))
    scores = _scores(acquisition, space, units)
    best = units[np.argsort(-scores, kind="stable")[:_STARTS]]
    found = [best]
    discrete = any(parameter.size is not None for parameter in space.parameters)
    for _ in range(_ROUNDS if discrete else 1):
        best = space.snap(_ascend(acquisition, space, best))
        found.append(best)
        if discrete:
            best = _sweep(acquisition, space, np.vstack(found))
            found.append(best)
            best = best[:_SWEPT]
    if space.scarce:  # ascent ends beyond the border of what the constraints allow
        found.append(mended_units(space, np.vstack(found), rng))
    improved = np.vstack(found)
    return np.vstack([units, improved]), np.append(scores, _scores(acquisition, space, improved))


def _near(space: SearchSpace, anchors: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Points around the anchors, ``count`` of each at each scale: a few coordinates moved, so that good combinations
    survive.
    """
    d = len(space)
    centres = np.repeat(anchors, count * len(_SCALES), axis=0)
    scales = np.tile(np.repeat(_SCALES, count), len(anchors))[:, None]
    moves = rng.random(centres.shape) < max(0.4, 1.5 / d)
    step = rng.normal(size=centres.shape) * scales
    anew = rng.random(centres.shape)
    nominal = np.array([parameter.nominal for parameter in space.parameters])
    moved = np.where(nominal, anew, np.clip(centres + step, 0.0, 1.0))
    near: Floats = np.where(moves, moved, centres)
    return near


def _ascend(acquisition: Acquisition, space: SearchSpace, starts: Floats) -> Floats:
    """Follow the gradient in the numeric coordinates of all ``starts`` (k, d) at once, integers as if continuous.

    The sum of the scores is maximised: it is separable, and one optimisation of k points is far cheaper than k.
    """
    numeric = [i for i, p in enumerate(space.parameters) if not p.nominal and p.size != 1]
    if not numeric:
        return starts
    widths = np.array([parameter.width for parameter in space.parameters])
    columns = (np.cumsum(widths) - widths)[numeric]
    features = space.unit_features(starts)

    def loss(flat: Floats) -> tuple[float, Floats]:
        features[:, columns] = flat.reshape(len(starts), -1)
        value, gradient = acquisition.score_gradient(features)
        return -float(value.sum()), -gradient[:, columns].ravel()

    begin = starts[:, numeric].ravel()
    found = descend(loss, begin, np.zeros_like(begin), np.ones_like(begin), _ASCENT_STEPS)
    ended = starts.copy()
    ended[:, numeric] = found.reshape(len(starts), -1)
    return ended


def _sweep(acquisition: Acquisition, space: SearchSpace, units: Floats) -> Floats:
    """The best of ``units`` and of their neighbours along single discrete coordinates, best first, (k, d)."""
    scores = _scores(acquisition, space, units)
    best = units[np.argsort(-scores, kind="stable")[:_SWEPT]]
    neighbours = [best]
    for unit in best:
        for index, parameter in enumerate(space.parameters):
            levels = parameter.near(float(unit[index]))
            swept = np.repeat(unit[None], len(levels), axis=0)
            swept[:, index] = levels
            neighbours.append(swept)
    units = np.vstack(neighbours)
    if not space.plain:
        units = space.snap(units)  # another value may have switched hyperparameters on or off
    scores = _scores(acquisition, space, units)
    return units[np.argsort(-scores, kind="stable")[:_STARTS]]
