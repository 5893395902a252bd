"""Jobs made by hand for the figures' tests."""

from collections.abc import Sequence
from typing import Any

from hpt_web.figures import Curve, Drawing, JobTrials, TrialPoint, Unavailable, parameter_axes
from tuning.space import Value
from tuning.states import Goal, TrialState

T0 = 1_795_000_000.0
SPACE = parameter_axes(
    [
        {"name": "lr", "type": "float", "min": 1e-5, "max": 0.1, "scale": "log"},
        {"name": "depth", "type": "integer", "min": 2, "max": 12, "scale": "linear"},
        {"name": "criterion", "type": "categorical", "values": ["gini", "entropy"]},
    ]
)
DONE = TrialState.COMPLETED


def trial(
    number: int,
    objective: float | None,
    state: TrialState = DONE,
    start: float | None = None,
    **hyperparameters: Value,
) -> TrialPoint:
    began = T0 + 10 * number if start is None else start
    chosen: dict[str, Value] = {"lr": 0.001, "depth": 3, "criterion": "gini", **hyperparameters}
    return TrialPoint(number, state, objective, began, began + 5 if state.terminal else None, chosen)


def job(
    trials: Sequence[TrialPoint],
    name: str = "a",
    goal: Goal = Goal.MAXIMIZE,
    metric: str = "f1",
    curves: Sequence[Curve] = (),
) -> JobTrials:
    return JobTrials(name, goal, metric, SPACE, tuple(trials), tuple(curves))


def drawn(result: Drawing | Unavailable) -> Any:
    """The plotly Figure, which checks every attribute."""
    assert isinstance(result, Drawing), result
    return result.figure()


def curve(number: int, values: Sequence[float], metric: str = "f1") -> Curve:
    steps = range(1, len(values) + 1)
    return Curve(number, metric, list(steps), list(values), [T0 + 10 * number + step for step in steps])
