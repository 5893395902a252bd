"""Curves: what every trial reported of one metric, one line per trial (F100, F101)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hpt_web.figures import axes, layout, palette
from hpt_web.figures.data import (
    Curve,
    Drawing,
    FigureKind,
    FigureOptions,
    JobTrials,
    Trace,
    TrialPoint,
    Unavailable,
    choice,
    count,
)
from hpt_web.figures.sampling import digits_for, rounded, thin
from tuning.states import TrialState

X_CHOICES = ("step", "elapsed", "time")
# More lines than this can neither be told apart nor drawn quickly (stack.md measured 100 lines at half a second).
MAX_CURVES = 60
MAX_POINTS = 200


@dataclass(frozen=True, slots=True)
class Line:
    """One trial's curve, thinned. ``x`` is the step, the seconds since the trial's start, or seconds since 1970.

    ``rank`` is 0 for the best of its job's drawn trials and grows to 1; None while the trial has no result.
    """

    job: JobTrials
    trial: TrialPoint
    x: tuple[float, ...]
    y: tuple[float, ...]
    points: int
    rank: float | None


@dataclass(frozen=True, slots=True)
class Curves:
    """``available`` counts the curves there are, of which ``lines`` are drawn."""

    metric: str
    kind: str
    jobs: tuple[JobTrials, ...]
    lines: tuple[Line, ...]
    available: int


def chosen(jobs: Sequence[JobTrials], limit: int = MAX_CURVES) -> dict[str, list[int]]:
    """Numbers of the trials whose curves are drawn, by job: of each job the best half of its share and the newest.

    Needs no curves, so that a caller loads the points of these trials only.
    """
    share = max(2, limit // max(1, len(jobs)))
    result = {}
    for job in jobs:
        started = sorted((trial for trial in job.trials if trial.started_at is not None), key=lambda t: -t.number)
        ranked = sorted((t for t in started if t.counted), key=lambda t: -job.goal.sign * (t.objective or 0.0))
        picked = {trial.number: None for trial in ranked[: share // 2]}
        for trial in started:
            if len(picked) >= share:
                break
            picked.setdefault(trial.number)
        result[job.name] = sorted(picked)
    return result


def collect(jobs: Sequence[JobTrials], metric: str | None = None, kind: str = "step") -> Curves | Unavailable:
    """The lines of ``metric``, by default the first job's objective."""
    if not jobs:
        return Unavailable("Choose at least one job to draw.")
    metric = metric or jobs[0].metric
    numbers = chosen(jobs)
    lines = tuple(line for job in jobs for line in _lines(job, set(numbers[job.name]), metric, kind))
    if not lines:
        return _nothing(jobs, metric)
    available = sum(trial.started_at is not None for job in jobs for trial in job.trials)
    return Curves(metric, kind, tuple(jobs), lines, max(available, len(lines)))


def _nothing(jobs: Sequence[JobTrials], metric: str) -> Unavailable:
    known = sorted({curve.metric for job in jobs for curve in job.curves})
    if known and metric not in known:
        return Unavailable(f"No trial has reported {metric!r}; reported so far: {', '.join(known)}.")
    return Unavailable(f"No trial has reported {metric!r} yet.")


def _lines(job: JobTrials, numbers: set[int], metric: str, kind: str) -> Iterable[Line]:
    trials = {trial.number: trial for trial in job.trials if trial.number in numbers}
    ranks = _ranks(job, trials.values())
    for curve in sorted(job.curves, key=lambda curve: curve.trial):
        trial = trials.get(curve.trial)
        if trial is None or curve.metric != metric or not curve.values:
            continue
        x = _places(curve, trial, kind)
        kept = thin(x, curve.values, MAX_POINTS)
        yield Line(
            job=job,
            trial=trial,
            x=tuple(x[i] for i in kept),
            y=tuple(curve.values[i] for i in kept),
            points=len(curve.values),
            rank=ranks.get(trial.number),
        )


def _ranks(job: JobTrials, trials: Iterable[TrialPoint]) -> dict[int, float]:
    ranked = sorted((t for t in trials if t.counted), key=lambda t: (-job.goal.sign * (t.objective or 0.0), t.number))
    return {trial.number: place / max(1, len(ranked) - 1) for place, trial in enumerate(ranked)}


def _places(curve: Curve, trial: TrialPoint, kind: str) -> Sequence[float]:
    if kind == "step":
        return curve.steps
    if kind == "time":
        return curve.times
    start = trial.started_at if trial.started_at is not None else curve.times[0]
    return [at - start for at in curve.times]


def draw(curves: Curves) -> Drawing:
    """One ``curve`` trace per trial, the best last and thickest, then per job the ``ends`` of those stopped early."""
    reach = max(line.x[-1] for line in curves.lines)
    unit, length = axes.time_unit(reach) if curves.kind == "elapsed" else ("", 1.0)
    digits = digits_for(value for line in curves.lines for value in line.y)
    # the better on top
    ordered = sorted(curves.lines, key=lambda line: -(line.rank if line.rank is not None else 0.5))
    traces = [_curve(line, curves, length, digits) for line in ordered]
    ends = [trace for job in curves.jobs if (trace := _ends(job, curves, length, digits)) is not None]
    for trace in ends[1:]:
        trace["showlegend"] = False  # the mark means the same for all
    traces += ends
    xaxes: dict[str, dict[str, Any]] = {
        "step": {"title": {"text": "step"}},
        "elapsed": {"title": {"text": f"{unit} since the trial's start"}, "rangemode": "tozero"},
        "time": {"title": {"text": "time (UTC)"}, "type": "date"},
    }
    values = [value for line in curves.lines for value in line.y]
    yaxis: dict[str, Any] = {"title": {"text": layout.escape(curves.metric)}}
    goals = {job.goal for job in curves.jobs if job.metric == curves.metric}
    if len(goals) == 1 and axes.log_objective(values, next(iter(goals))):
        yaxis["type"] = "log"
    meta = {"figure": "curves", "metric": curves.metric, "x": {"kind": curves.kind, "unit_seconds": length}}
    title = (
        f"{curves.metric} by {curves.kind if curves.kind != 'elapsed' else 'time since the start'}, one line per trial"
    )
    return layout.figure(title, traces, xaxes[curves.kind], yaxis, notes=_notes(curves), meta=meta)


def _notes(curves: Curves) -> list[str]:
    notes = []
    if curves.available > len(curves.lines):
        notes.append(f"{len(curves.lines):,} of {count(curves.available, 'trial')}: the best and the newest.")
    thinned = sum(line.points > len(line.x) for line in curves.lines)
    if thinned:
        longest = max(line.points for line in curves.lines)
        notes.append(f"{count(thinned, 'line')} drawn with {MAX_POINTS} of up to {longest:,} points.")
    return notes


def _x(places: Sequence[float], kind: str, length: float) -> list[Any]:
    if kind == "time":
        return layout.milliseconds(places)
    if kind == "step":
        return list(places)
    return [round(at / length, 4) for at in places]


def _curve(line: Line, curves: Curves, length: float, digits: int) -> Trace:
    index = curves.jobs.index(line.job)
    best = line.rank == 0
    running = not line.trial.state.terminal
    # better lines are stronger; a running one is seen, whatever it will come to
    opacity = 1.0 if best else 0.85 if running else 0.25 + 0.45 * (1 - (line.rank if line.rank is not None else 1.0))
    name = f"{layout.escape(line.job.name)} · trial {line.trial.number}"
    return layout.scatter(
        x=_x(line.x, curves.kind, length),
        y=rounded(line.y, digits),
        mode="lines+markers" if len(line.x) == 1 else "lines",
        line={
            "color": palette.colour(index),
            "width": 3 if best else 1.4,
            "dash": "dot" if running else palette.dash(index),
        },
        opacity=round(opacity, 2),
        name=f"{name} (best)" if best else name,
        legendgroup=str(index),
        showlegend=best,
        meta={"role": "curve", "job": line.job.name, "trial": line.trial.number, "metric": curves.metric},
        hovertemplate=(
            f"<b>{layout.escape(line.job.name)}</b> · trial {line.trial.number}<br>"
            f"{layout.escape(curves.metric)} %{{y}} at %{{x}}<extra></extra>"
        ),
    )


def _ends(job: JobTrials, curves: Curves, length: float, digits: int) -> Trace | None:
    """A mark where the policy ended a trial, so that a short line does not look like a missing one."""
    ended = [line for line in curves.lines if line.job is job and line.trial.state is TrialState.EARLY_STOPPED]
    if not ended:
        return None
    symbol = palette.SYMBOLS[TrialState.EARLY_STOPPED]
    return layout.scatter(
        x=_x([line.x[-1] for line in ended], curves.kind, length),
        y=rounded([line.y[-1] for line in ended], digits),
        customdata=[line.trial.number for line in ended],
        mode="markers",
        marker={"symbol": symbol, "size": 8, "color": palette.colour(curves.jobs.index(job)), "line": {"width": 1.5}},
        name=palette.SYMBOL_MEANING[symbol],
        legendgroup=str(curves.jobs.index(job)),
        meta={"role": "ends", "job": job.name, "metric": curves.metric},
        hovertemplate=f"<b>{layout.escape(job.name)}</b> · trial %{{customdata}}<br>stopped early<extra></extra>",
    )


def build(jobs: Sequence[JobTrials], options: FigureOptions) -> Drawing | Unavailable:
    kind = choice(options.x, X_CHOICES)
    if isinstance(kind, Unavailable):
        return kind
    curves = collect(jobs, options.metric, kind)
    return curves if isinstance(curves, Unavailable) else draw(curves)


KIND = FigureKind(
    name="curves",
    title="Metric curves",
    summary="A metric at every step, one line per trial.",
    build=build,
    x=X_CHOICES,
    takes_metric=True,
    needs_curves=True,
)
