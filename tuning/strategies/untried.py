"""Drawing points that have not been tried yet, also when few are left."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tuning.contracts import Suggestion
from tuning.errors import SpaceExhausted
from tuning.parameters import Floats
from tuning.space import Config, SearchSpace, Value

_DRAWS = 100
_MORE = 900  # draws where they cannot be listed


def exhausted(space: SearchSpace, size: int | None = None) -> SpaceExhausted:
    return SpaceExhausted(f"All {size or space.size} points of the search space have been tried.")


def free(space: SearchSpace, config: Config, used: set[str]) -> bool:
    """Whether a decoded point can be suggested: untried, and not forbidden by the space's constraints."""
    return space.key(config) not in used and space.allows(config)


def mended_units(space: SearchSpace, units: Floats, rng: np.random.Generator) -> Floats:
    """Snapped unit points (n, d) as they are; in a scarce space, each mended (see ``SearchSpace.mended``)."""
    return space.encode_all([space.mended(space.decode(unit), rng) for unit in units]) if space.scarce else units


def in_turn(numbers: Sequence[int], suggest: Callable[[int], Suggestion]) -> list[Suggestion]:
    """``suggest`` for each of the numbers, as many as the space has points for.

    Raises:
        SpaceExhausted: from the first one.
    """
    suggestions: list[Suggestion] = []
    for number in numbers:
        try:
            suggestions.append(suggest(number))
        except SpaceExhausted:
            if suggestions:
                break
            raise
    return suggestions


def draw_untried(
    space: SearchSpace,
    used: set[str],
    rng: np.random.Generator,
    draw: Callable[[np.random.Generator], dict[str, Value]] | None = None,
) -> dict[str, Value]:
    """A point whose key is not in ``used``: from ``draw`` if that can make one, else uniform.

    Raises:
        SpaceExhausted: no untried point is left, or none was found.
    """
    for source in (draw, space.sample):
        for _ in range(_DRAWS if source else 0):
            assert source is not None
            config = space.mended(source(rng), rng)
            if free(space, config, used):
                return config
    points = space.points()
    if points is None:
        return _persistent(space, used, rng)
    left = [config for config in points if space.key(config) not in used]
    if not left:
        raise exhausted(space, len(points))
    return left[int(rng.integers(len(left)))]


def _persistent(space: SearchSpace, used: set[str], rng: np.random.Generator) -> dict[str, Value]:
    """An untried point of a space in which many draws in a row had been tried, though it cannot be listed."""
    for _ in range(_MORE):
        config = space.sample(rng)
        if space.key(config) not in used:
            return config
    raise SpaceExhausted(
        f"{_DRAWS + _MORE:,} random points in a row had all been tried: hardly any point of the search space is left."
    )
