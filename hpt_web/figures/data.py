"""What a figure is made from: plain values that the API fills from the database, and a notebook by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuning.space import Value
from tuning.states import Goal, TrialState

# The states in which a trial's objective is its result; what a failed or lost trial printed before it broke is not.
COUNTED = frozenset({TrialState.COMPLETED, TrialState.EARLY_STOPPED, TrialState.STOPPED})
# An axis has differences, a margin and rounded numbers, which must be floats too: what lies beyond is drawn there.
LARGEST = 1e300


def drawable(value: Value) -> Value:
    """A value within what an axis can show; a text and what is not finite as it is."""
    if isinstance(value, str) or not math.isfinite(value) or -LARGEST <= value <= LARGEST:
        return value
    return math.copysign(LARGEST, value)


@dataclass(frozen=True, slots=True)
class TrialPoint:
    """One trial. Times are seconds since 1970 UTC; ``objective`` is final once the trial has ended, else the latest."""

    number: int
    state: TrialState
    objective: float | None
    started_at: float | None
    ended_at: float | None
    hyperparameters: Mapping[str, Value]

    def __post_init__(self) -> None:
        if self.objective is not None:
            object.__setattr__(self, "objective", drawable(self.objective))
        shown = {name: drawable(value) for name, value in self.hyperparameters.items()}
        object.__setattr__(self, "hyperparameters", shown)

    @property
    def measured(self) -> bool:
        """True if there is a value to show."""
        return self.objective is not None and math.isfinite(self.objective)

    @property
    def counted(self) -> bool:
        """True if the value is the trial's result."""
        return self.measured and self.state in COUNTED


@dataclass(frozen=True, slots=True)
class Curve:
    """What one trial reported of one metric, in the order of its steps. The three sequences are equally long."""

    trial: int
    metric: str
    steps: Sequence[int]
    values: Sequence[float]
    times: Sequence[float]

    def __post_init__(self) -> None:
        if self.values and max(map(abs, self.values)) > LARGEST:
            object.__setattr__(self, "values", [drawable(value) for value in self.values])


@dataclass(frozen=True, slots=True)
class ParameterAxis:
    """One dimension of a job's search space. ``values`` is empty for a numeric one."""

    name: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    values: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        for end in ("low", "high"):
            if (value := getattr(self, end)) is not None:
                object.__setattr__(self, end, drawable(value))

    @property
    def numeric(self) -> bool:
        return not self.values


@dataclass(frozen=True, slots=True)
class JobTrials:
    """One job with its trials; ``curves`` may be empty for the figures that do not show any."""

    name: str
    goal: Goal
    metric: str
    parameters: tuple[ParameterAxis, ...]
    trials: tuple[TrialPoint, ...]
    curves: tuple[Curve, ...] = ()

    def axis(self, parameter: str) -> ParameterAxis | None:
        return next((axis for axis in self.parameters if axis.name == parameter), None)

    @property
    def best(self) -> TrialPoint | None:
        """The trial with the best result, the first of equals."""
        best: TrialPoint | None = None
        for trial in self.trials:
            if trial.counted and (best is None or self.goal.better(trial.objective or 0.0, best.objective or 0.0)):
                best = trial
        return best


@dataclass(frozen=True, slots=True)
class FigureOptions:
    """What a request may choose; None is the figure's own choice."""

    parameter: str | None = None
    metric: str | None = None
    x: str | None = None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The figure cannot be drawn (yet); ``reason`` is a sentence that tells a person why."""

    reason: str

    def __post_init__(self) -> None:
        if not self.reason:
            raise ValueError("say why the figure cannot be drawn")


Trace = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure in plotly's own JSON form, as lists and dictionaries.

    The service answers with these as they are. plotly's Python objects would validate every point of them twice (6,000
    dots: 120 ms against 20) and take 0.3 s to load; the tests pass every drawing through them instead.
    """

    data: list[Trace]
    layout: dict[str, Any]

    def figure(self) -> Any:
        """The same as a ``plotly.graph_objects.Figure``, for a notebook."""
        import plotly.graph_objects as go  # here, as the service does without

        return go.Figure(data=self.data, layout=self.layout)


@dataclass(frozen=True, slots=True)
class FigureKind:
    """A figure's entry in the registry.

    ``build(jobs, options)`` gives a Drawing or Unavailable. ``x`` lists the choices of ``options.x``, the default
    first. With ``needs_curves`` the jobs must carry curves, at least those that `curves.chosen` names; with
    ``needs_usage`` the same of what was sampled while the trials ran (`usage.measure`).
    """

    name: str
    title: str
    summary: str
    build: Callable[[Sequence[JobTrials], FigureOptions], Drawing | Unavailable]
    x: tuple[str, ...] = ()
    takes_parameter: bool = False
    takes_metric: bool = False
    needs_curves: bool = False
    needs_usage: bool = False


def parameter_axes(space: Sequence[Mapping[str, Any]]) -> tuple[ParameterAxis, ...]:
    """The axes of a search space in its JSON form (``SearchSpace.to_json``)."""
    axes = []
    for item in space:
        if "values" in item:
            axes.append(ParameterAxis(item["name"], values=tuple(item["values"])))
        else:
            axes.append(ParameterAxis(item["name"], item.get("min"), item.get("max"), item.get("scale") == "log"))
    return tuple(axes)


def choice(asked: str | None, choices: Sequence[str]) -> str | Unavailable:
    """The asked one of ``choices``, the first if none was asked."""
    if asked is None:
        return choices[0]
    if asked not in choices:
        return Unavailable(f"The horizontal axis cannot be {asked!r}; choose one of {', '.join(choices)}.")
    return asked


def count(n: int, one: str, many: str | None = None) -> str:
    """ "1 trial", "2 trials"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
