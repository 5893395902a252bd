"""Fixed points to try first: what somebody already knows, or the defaults, before the strategy has its say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tuning.contracts import Strategy, Suggestion
from tuning.documents import shown
from tuning.errors import Fault, InvalidSpec, SpaceExhausted
from tuning.history import History, Observation
from tuning.space import SearchSpace, Value
from tuning.states import TrialState

MAX_POINTS = 1000

Points = tuple[dict[str, Value], ...]


def points_from_json(space: SearchSpace | None, doc: object, field: str = "initial_points") -> Points:
    """The points of a list of objects, each of which must be a whole point of ``space``; none where there is no space.

    Raises:
        InvalidSpec: with every fault of every point.
    """
    if not isinstance(doc, (list, tuple)):
        raise InvalidSpec([Fault(field, f"is {shown(doc)}; give a list of objects, a point each", "type")])
    if len(doc) > MAX_POINTS:
        raise InvalidSpec([Fault(field, f"has {len(doc)} points; give at most {MAX_POINTS}", "limit")])
    points: list[dict[str, Value]] = []
    faults: list[Fault] = []
    first: dict[str, int] = {}
    for index, item in enumerate(doc):
        at = f"{field}[{index}]"
        if not isinstance(item, Mapping):
            faults.append(Fault(at, f"is {shown(item)}; give an object with a value for each hyperparameter", "type"))
        elif space is None:
            continue
        elif problem := space.problem_with(item):
            faults.append(Fault(at, f"is no point of the search space: {problem}", "range"))
        else:
            point = space.canonical(item)
            if (same := first.setdefault(space.key(point), index)) != index:
                faults.append(Fault(at, f"is the same point as {field}[{same}]; list each once", "duplicate"))
            points.append(point)
    if faults:
        raise InvalidSpec(faults)
    return tuple(points)


class InitialPoints:
    """A strategy that suggests ``points`` in their order, leaving out what has been tried, and then asks ``strategy``.

    Like any strategy it holds no state: which points are left follows from the history.
    """

    def __init__(self, points: Points, strategy: Strategy) -> None:
        self.points = points
        self.strategy = strategy

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        used = history.used_keys(space)
        left = [(place, point) for place, point in enumerate(self.points, 1) if space.key(point) not in used]
        suggestions = [
            Suggestion(
                dict(point),
                f"Initial point {place} of {len(self.points)}, as the job asks.",
                {"initial_point": place, "initial_points": len(self.points)},
            )
            for place, point in left[: len(numbers)]
        ]
        rest = numbers[len(suggestions) :]
        if not rest:
            return suggestions
        given = zip(numbers, suggestions, strict=False)
        pending = tuple(Observation(number, one.config, TrialState.QUEUED) for number, one in given)
        try:
            return suggestions + self.strategy.suggest(
                space, replace(history, own=(*history.own, *pending)), rest, seed
            )
        except SpaceExhausted:
            if suggestions:
                return suggestions
            raise
