"""Parameter: one hyperparameter against the objective, a dot per trial (F96, F100)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hpt_web.figures import axes, layout
from hpt_web.figures.data import (
    Drawing,
    FigureKind,
    FigureOptions,
    JobTrials,
    ParameterAxis,
    Trace,
    TrialPoint,
    Unavailable,
    count,
)
from hpt_web.figures.sampling import digits_for, rounded
from tuning.space import Value
from tuning.states import TrialState

# Width that the dots of one category spread over, of the distance 1 between categories.
SPREAD = 0.5


@dataclass(frozen=True, slots=True)
class JobParameter:
    """One job's dots. ``x`` is the value, or the place on the axis of ``categories``; ``texts`` is what was used."""

    job: JobTrials
    x: tuple[float, ...]
    y: tuple[float, ...]
    texts: tuple[str, ...]
    numbers: tuple[int, ...]
    states: tuple[TrialState, ...]


@dataclass(frozen=True, slots=True)
class ParameterDots:
    """``low`` and ``high`` span what the spaces declare and what was tried; ``lacking`` names jobs without it."""

    name: str
    jobs: tuple[JobParameter, ...]
    categories: tuple[str, ...]
    scale: axes.Scale
    low: float
    high: float
    lacking: tuple[str, ...]


def collect(jobs: Sequence[JobTrials], name: str | None) -> ParameterDots | Unavailable:
    """The dots of hyperparameter ``name``; by default the first of the first job's space."""
    if (reason := layout.nothing_measured(jobs)) is not None:
        return reason
    known = list(dict.fromkeys(axis.name for job in jobs for axis in job.parameters))
    if name is None and known:
        name = known[0]
    shown = {job.name: _shown(job, name) for job in jobs}
    if name is None or not any(shown.values()):
        if name in known:
            return Unavailable(f"No trial with a value of {name!r} has reported an objective yet.")
        return Unavailable(f"There is no hyperparameter {name!r} here; there are {', '.join(known) or 'none'}.")
    declared = [axis for job in jobs if (axis := job.axis(name)) is not None]
    values = [trial.hyperparameters[name] for trials in shown.values() for trial in trials]
    lacking = tuple(job.name for job in jobs if not shown[job.name] and job.axis(name) is None)
    if any(not axis.numeric for axis in declared) or any(isinstance(value, str) for value in values):
        categories = tuple(dict.fromkeys(map(text_of, [v for axis in declared for v in axis.values] + values)))
        placed = tuple(_categorical(job, shown[job.name], name, categories, i, len(jobs)) for i, job in enumerate(jobs))
        return ParameterDots(name, placed, categories, "linear", -0.5, len(categories) - 0.5, lacking)
    low, high = _span(declared, values)
    scale = axes.scale_for(low, high, declared_log=any(axis.log for axis in declared))
    numeric = tuple(_numeric(job, shown[job.name], name) for job in jobs)
    return ParameterDots(name, numeric, (), scale, low, high, lacking)


def _shown(job: JobTrials, name: str | None) -> list[TrialPoint]:
    return [trial for trial in job.trials if trial.measured and name in trial.hyperparameters]


def text_of(value: Value) -> str:
    """A category's name; 1 and 1.0 are one."""
    return value if isinstance(value, str) else format(value, ".12g")


def _span(declared: Sequence[ParameterAxis], values: Sequence[Value]) -> tuple[float, float]:
    numbers = [float(value) for value in values]
    for axis in declared:
        numbers += [float(end) for end in (axis.low, axis.high) if end is not None]
    return min(numbers), max(numbers)


def _numeric(job: JobTrials, trials: Sequence[TrialPoint], name: str) -> JobParameter:
    return _job(job, trials, [float(trial.hyperparameters[name]) for trial in trials], name)


def _categorical(
    job: JobTrials, trials: Sequence[TrialPoint], name: str, categories: Sequence[str], index: int, jobs: int
) -> JobParameter:
    """Dots of one category side by side: every job in its own lane, spread within it by the trial's number."""
    places = {category: place for place, category in enumerate(categories)}
    lane = SPREAD / jobs
    xs = []
    for trial in trials:
        # fractions of number * golden ratio fill the lane evenly, and a trial keeps its place as others arrive
        offset = (trial.number * 0.6180339887498949) % 1.0
        xs.append(places[text_of(trial.hyperparameters[name])] - SPREAD / 2 + lane * (index + offset))
    return _job(job, trials, xs, name)


def _job(job: JobTrials, trials: Sequence[TrialPoint], xs: Sequence[float], name: str) -> JobParameter:
    return JobParameter(
        job=job,
        x=tuple(xs),
        y=tuple(trial.objective or 0.0 for trial in trials),
        texts=tuple(text_of(trial.hyperparameters[name]) for trial in trials),
        numbers=tuple(trial.number for trial in trials),
        states=tuple(trial.state for trial in trials),
    )


def draw(dots: ParameterDots) -> Drawing:
    """One trace per job, ``parameter``, then the legend of marks."""
    jobs = [line.job for line in dots.jobs]
    webgl = sum(len(line.x) for line in dots.jobs) > layout.WEBGL_ABOVE
    x_digits = digits_for(at for line in dots.jobs for at in line.x)
    y_digits = digits_for(y for line in dots.jobs for y in line.y)
    traces = [
        _trace(
            line,
            index,
            dots,
            webgl,
            x=[round(at, 3) for at in line.x] if dots.categories else rounded(line.x, x_digits),
            y=rounded(line.y, y_digits),
        )
        for index, line in enumerate(dots.jobs)
        if line.x
    ]
    traces += layout.job_keys(jobs)
    traces += layout.symbol_keys(state for line in dots.jobs for state in line.states)
    yaxis, notes = layout.objective_axis(jobs)
    if dots.lacking:
        has = count(len(dots.lacking), "job has", "jobs have")
        notes.append(f"{has} no hyperparameter {dots.name!r}: {', '.join(dots.lacking)}.")
    meta = {"figure": "parameter", "parameter": dots.name, "x": {"kind": "category" if dots.categories else dots.scale}}
    title = f"{layout.objective_title(jobs)} by {dots.name}"
    return layout.figure(title, traces, _xaxis(dots), yaxis, notes=notes + layout.colours_note(jobs), meta=meta)


def _xaxis(dots: ParameterDots) -> dict[str, Any]:
    axis: dict[str, Any] = {"title": {"text": layout.escape(dots.name)}}
    if dots.categories:
        ticks = {"tickvals": list(range(len(dots.categories))), "ticktext": [_short(c) for c in dots.categories]}
        return axis | ticks | {"range": [dots.low, dots.high]}
    low, high = axes.padded(dots.low, dots.high, dots.scale)
    axis["range"] = [low, high]
    if dots.scale != "linear":
        axis["type"] = "log"
    if dots.scale == "log2":
        axis["tickvals"] = axes.powers_of_two(dots.low, dots.high)
    elif dots.scale == "log10":
        axis["dtick"] = 1 if math.log10(dots.high / dots.low) > 2 else "D2"
        axis["exponentformat"] = "power"
    return axis


def _short(category: str) -> str:
    return layout.escape(category if len(category) <= 24 else category[:23] + "…")


def _trace(
    line: JobParameter, index: int, dots: ParameterDots, webgl: bool, *, x: Sequence[float], y: Sequence[float]
) -> Trace:
    texts = {"text": [layout.escape(text) for text in line.texts]} if dots.categories else {}
    return layout.dots(
        line.job,
        index,
        webgl,
        line.states,
        x=x,
        y=y,
        customdata=list(line.numbers),
        meta={"role": "parameter", "job": line.job.name, "metric": line.job.metric, "parameter": dots.name},
        hovertemplate=(
            f"<b>{layout.escape(line.job.name)}</b> · trial %{{customdata}}<br>"
            f"{layout.escape(line.job.metric)} %{{y}}<br>"
            f"{layout.escape(dots.name)} {'%{text}' if dots.categories else '%{x}'}<extra></extra>"
        ),
        **texts,
    )


def build(jobs: Sequence[JobTrials], options: FigureOptions) -> Drawing | Unavailable:
    dots = collect(jobs, options.parameter)
    return dots if isinstance(dots, Unavailable) else draw(dots)


KIND = FigureKind(
    name="parameter",
    title="Hyperparameter",
    summary="One hyperparameter's values against the objective.",
    build=build,
    takes_parameter=True,
)
