"""Quasi-random search: the points of a scrambled Sobol sequence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuning.contracts import Suggestion
from tuning.history import History
from tuning.parameters import Floats
from tuning.registry import Info
from tuning.space import SearchSpace, Value
from tuning.strategies.untried import draw_untried, free, in_turn

_BITS = 30  # of a coordinate
_POWERS = 1 << np.arange(_BITS, dtype=np.int64)
_TRIES, _BLOCK = 8_192, 64  # points that are looked at for those that constraints allow (1 s), and how many at a time
_TABLE = Path(__file__).with_name("joe_kuo.txt")  # for as many dimensions as a space may have

INFO = Info(
    name="sobol",
    title="Quasi-random (Sobol)",
    summary="Spreads the trials evenly over the space, without the clusters and gaps of random draws. Like random "
    "search it needs no results, so any number of trials can run at a time. Of warm-start parents with the "
    "same data and algorithm it only uses which points are known.",
)


class QuasiRandom:
    """Trial n is the n-th point of a Sobol sequence that the job's seed has scrambled (Owen), whatever else happens.

    Where the points of a discrete space coincide, a point that has been tried, or that a warm-start parent with the
    same data and algorithm has completed, is replaced by a random untried one. Under constraints trial n is the n-th
    point that they allow, so that what they leave is filled as evenly; where they forbid nearly all, it is moved to
    where they hold.
    """

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        space = space.focused
        used = history.used_keys(space)

        def suggest(number: int) -> Suggestion:
            rng = np.random.default_rng([seed, number])
            config, where, index = placed(space, number - 1, seed, used, rng)
            used.add(space.key(config))
            return Suggestion(config, f"{where[0].upper()}{where[1:]}.", {"point": index + 1})

        return in_turn(numbers, suggest)


def placed(
    space: SearchSpace, place: int, seed: int, used: set[str], rng: np.random.Generator
) -> tuple[dict[str, Value], str, int]:
    """The untried point for ``place`` (>= 0) of those that constraints allow, what it is, and its index.

    Raises:
        SpaceExhausted: no untried point is left, or none was found.
    """
    index = place if space.scarce else allowed(space, place, seed)
    if index is None:
        config = draw_untried(space, used, rng)
        return (
            config,
            f"a random untried point: the constraints allow no more of the first {_TRIES:,} of a Sobol sequence",
            place,
        )
    drawn = space.decode(point(len(space), index, seed))
    config = space.mended(drawn, rng)
    where = f"point {index + 1} of a Sobol sequence"
    if not free(space, config, used):
        config = draw_untried(space, used, rng)
        return config, f"a random untried point: {where} has been tried or is forbidden", index
    if config != drawn:
        where += ", moved to where the constraints hold"
    elif space.constraints:
        where += f", number {place + 1} of those that the constraints allow" if not space.scarce else ""
    return config, where, index


def allowed(space: SearchSpace, place: int, seed: int) -> int | None:
    """The index of the point in ``place`` (>= 0) of those that constraints allow; None beyond the first 8,192."""
    if not space.constraints:
        return place
    for block in range(_TRIES // _BLOCK):
        found = _allowed_within(space, seed, block)
        if place < len(found):
            return found[place]
        place -= len(found)
    return None


@lru_cache(maxsize=_TRIES // _BLOCK)
def _allowed_within(space: SearchSpace, seed: int, block: int) -> tuple[int, ...]:
    """The indices of a block that the constraints allow. Kept, as all trials of a search ask for the same blocks."""
    first = block * _BLOCK
    units = points(len(space), np.arange(first, first + _BLOCK), seed)
    return tuple(first + row for row, unit in enumerate(units) if space.allows(space.decode(unit)))


def point(dimensions: int, index: int, seed: int) -> Floats:
    """Point ``index`` (>= 0) of the sequence in at most 100 dimensions, shape (dimensions,), in [0, 1).

    Made anew at each call, 0.1 ms in 20 dimensions, even for the 10,000th point, so that nothing need be kept. The same
    points as of ``scipy.stats.qmc.Sobol``, which takes 22 MB of a process and half of the engine's loading time.
    """
    found: Floats = points(dimensions, np.array([index]), seed)[0]
    return found


def points(dimensions: int, indices: NDArray[np.int64], seed: int) -> Floats:
    """The points of these ``indices`` (n,), shape (n, dimensions)."""
    rng = np.random.default_rng(np.random.SeedSequence([seed]).spawn(1)[0])
    shift = rng.integers(2, size=(dimensions, _BITS), dtype=np.uint32).astype(np.int64) @ _POWERS
    # Instead of Owen's full scrambling: a random lower triangle and a shift (Matousek, J. Complexity 14, 1998).
    scramble = np.tril(rng.integers(2, size=(dimensions, _BITS, _BITS), dtype=np.uint32)).astype(np.int64)
    scramble[:, np.arange(_BITS), np.arange(_BITS)] = 1
    gray = (indices ^ (indices >> 1))[:, None] & _POWERS > 0
    plain = np.bitwise_xor.reduce(np.where(gray[:, None], _directions(dimensions), 0), axis=2)
    digits = (plain[:, :, None] & _POWERS[::-1] > 0).astype(np.int64)  # the highest first
    scrambled = (np.einsum("dij,ndj->ndi", scramble, digits) & 1) @ _POWERS[::-1]
    found: Floats = (scrambled ^ shift) / 2.0**_BITS
    return found


@lru_cache(maxsize=16)
def _directions(dimensions: int) -> NDArray[np.int64]:
    """Direction numbers, shape (dimensions, bits): Joe and Kuo's (SIAM Journal on Scientific Computing 30, 2008)."""
    found = np.ones((dimensions, _BITS), dtype=np.int64)
    for row, (_, degree, inner, *numbers) in enumerate(_table()[: dimensions - 1], 1):
        polynomial = (1 << degree) | (inner << 1) | 1
        for bit in range(degree, _BITS):
            number = numbers[bit - degree]
            for back in range(1, degree + 1):
                if polynomial >> (degree - back) & 1:
                    number ^= numbers[bit - back] << back
            numbers.append(number)
        found[row] = numbers[:_BITS]
    directions: NDArray[np.int64] = found * _POWERS[::-1]
    return directions


def _table() -> list[list[int]]:
    """A line for each dimension after the first: itself, degree and coefficients of its polynomial, first numbers."""
    lines = _TABLE.read_text(encoding="ascii").splitlines()
    return [list(map(int, line.split())) for line in lines if not line.startswith("#")]
