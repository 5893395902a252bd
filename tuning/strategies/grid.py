"""Grid search: every combination, in order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from tuning.contracts import Suggestion
from tuning.errors import SpaceExhausted
from tuning.grids import LOOKS
from tuning.history import History
from tuning.registry import Info, Option
from tuning.space import SearchSpace

INFO = Info(
    name="grid",
    title="Grid",
    summary="Tries every combination: all values of categorical hyperparameters, evenly spaced ones of numeric "
    "hyperparameters. The job ends when all have been tried. Of warm-start "
    "parents with the same data and algorithm it only uses which points are known.",
    options=(
        Option(
            "points_per_axis",
            "integer",
            5,
            1,
            1000,
            help="Values per numeric hyperparameter, evenly spaced on its scale, both ends included (1: the middle). "
            "An integer with fewer values uses each once.",
        ),
    ),
)
CUT = f"No further point of the grid was found that satisfies the constraints, in {LOOKS:,} looks at values."


class Grid:
    """The combinations of ``SearchSpace.grid`` in its order, without those already tried.

    The vendors' grids take categorical hyperparameters only; there this is the same: 3 x 2 values make six trials.

    Warm-start parents with the same data and algorithm leave out the points that they have completed (F2, F28); those
    with other data or another algorithm change nothing, and the rules of warm start refuse them.
    """

    def __init__(self, points_per_axis: int = 5) -> None:
        self.points_per_axis = points_per_axis

    def suggest(
        self,
        space: SearchSpace,
        history: History,
        numbers: Sequence[int],
        seed: int,
    ) -> list[Suggestion]:
        grid = space.grid_points(self.points_per_axis)
        total = grid.total
        suggestions = [
            Suggestion(config, f"Grid point {place + 1} of {total}.", {"point": place + 1, "points": total})
            for place, config in islice(grid.untried(history.used_keys(space)), len(numbers))
        ]
        if not suggestions and numbers:
            raise SpaceExhausted(f"All {total} points of the grid have been tried." if not grid.cut else CUT)
        return suggestions
