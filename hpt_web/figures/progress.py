"""Progress: a dot per trial and the best result so far, of one job or several (F95, F99)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hpt_web.figures import axes, layout, palette
from hpt_web.figures.data import Drawing, FigureKind, FigureOptions, JobTrials, Trace, TrialPoint, Unavailable, choice
from hpt_web.figures.sampling import digits_for, rounded
from tuning.states import TrialState

X_CHOICES = ("start", "elapsed", "number")


@dataclass(frozen=True, slots=True)
class JobProgress:
    """One job's dots, in the order of x, and the corners of its best-so-far line.

    ``x`` is the start in seconds since 1970 (start), seconds since the job's first trial began (elapsed) or the trial's
    number. ``origin`` is when that first trial began.
    """

    job: JobTrials
    x: tuple[float, ...]
    y: tuple[float, ...]
    numbers: tuple[int, ...]
    states: tuple[TrialState, ...]
    best_x: tuple[float, ...]
    best_y: tuple[float, ...]
    origin: float


@dataclass(frozen=True, slots=True)
class Progress:
    """``kind`` is one of X_CHOICES."""

    kind: str
    jobs: tuple[JobProgress, ...]


def collect(jobs: Sequence[JobTrials], kind: str = "start") -> Progress | Unavailable:
    """The dots of all jobs. A trial without an objective, or that never started, has none."""
    if (reason := layout.nothing_measured(jobs)) is not None:
        return reason
    return Progress(kind, tuple(_collect_job(job, kind) for job in jobs))


def _collect_job(job: JobTrials, kind: str) -> JobProgress:
    shown = [trial for trial in job.trials if trial.measured and trial.started_at is not None]
    origin = min((trial.started_at or 0.0 for trial in shown), default=0.0)
    placed = sorted(((_position(trial, kind, origin), trial) for trial in shown), key=lambda p: (p[0], p[1].number))
    best_x, best_y = _best_so_far(job, placed)
    return JobProgress(
        job=job,
        x=tuple(at for at, _ in placed),
        y=tuple(trial.objective or 0.0 for _, trial in placed),
        numbers=tuple(trial.number for _, trial in placed),
        states=tuple(trial.state for _, trial in placed),
        best_x=best_x,
        best_y=best_y,
        origin=origin,
    )


def _position(trial: TrialPoint, kind: str, origin: float) -> float:
    if kind == "number":
        return float(trial.number)
    started = trial.started_at or 0.0
    return started - origin if kind == "elapsed" else started


def _best_so_far(
    job: JobTrials, placed: Sequence[tuple[float, TrialPoint]]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The corners of the step line: where the best result improves, and the last dot's place.

    Running over starting times, the line passes through the dots that made it, as people expect of it; that a result
    was known only at its trial's end is told by the table.
    """
    xs: list[float] = []
    ys: list[float] = []
    for at, trial in placed:
        value = trial.objective or 0.0
        if trial.counted and (not ys or job.goal.better(value, ys[-1])):
            xs.append(at)
            ys.append(value)
    if xs and placed[-1][0] > xs[-1]:
        xs.append(placed[-1][0])
        ys.append(ys[-1])
    return tuple(xs), tuple(ys)


def draw(progress: Progress) -> Drawing:
    """Two traces per job, ``trials`` and ``best``, then the legend of marks."""
    jobs = [line.job for line in progress.jobs]
    webgl = sum(len(line.x) for line in progress.jobs) > layout.WEBGL_ABOVE
    reach = max((line.x[-1] for line in progress.jobs if line.x), default=0.0)
    unit, length = axes.time_unit(reach) if progress.kind == "elapsed" else ("", 1.0)
    places = _Places(progress.kind, unit, length, digits_for(y for line in progress.jobs for y in line.y))
    traces: list[Trace] = []
    for index, line in enumerate(progress.jobs):
        traces.append(_trials(line, index, places, webgl))
        traces.append(_best(line, index, places, webgl))
    traces += layout.job_keys(jobs)
    traces += layout.symbol_keys(state for line in progress.jobs for state in line.states)
    traces.append(_best_key())
    yaxis, notes = layout.objective_axis(jobs)
    xaxes: dict[str, dict[str, Any]] = {
        "start": {"title": {"text": "start of the trial (UTC)"}, "type": "date"},
        "elapsed": {"title": {"text": f"{unit} since the job's first trial began"}},
        "number": {"title": {"text": "trial"}},
    }
    meta = {
        "figure": "progress",
        "x": {
            "kind": progress.kind,
            "unit_seconds": length,
            "origins": {line.job.name: layout.milliseconds([line.origin])[0] for line in progress.jobs},
        },
    }
    title = f"{layout.objective_title(jobs)} by {'trial' if progress.kind == 'number' else 'start of the trial'}"
    return layout.figure(
        title,
        traces,
        xaxes[progress.kind],
        yaxis,
        notes=notes + layout.missing_note(jobs) + layout.colours_note(jobs),
        meta=meta,
    )


@dataclass(frozen=True, slots=True)
class _Places:
    """How places in the figure are written."""

    kind: str
    unit: str
    length: float
    digits: int

    def x(self, x: Sequence[float]) -> list[Any]:
        if self.kind == "start":
            return layout.milliseconds(x)
        if self.kind == "number":
            return [int(at) for at in x]
        return [round(at / self.length, 4) for at in x]

    def y(self, y: Sequence[float]) -> list[float]:
        return rounded(y, self.digits)


def _trials(line: JobProgress, index: int, places: _Places, webgl: bool) -> Trace:
    where = {
        "start": "<br>started %{x|%Y-%m-%d %H:%M:%S}",
        "elapsed": f"<br>started after %{{x}} {places.unit}",
        "number": "",
    }[places.kind]
    return layout.dots(
        line.job,
        index,
        webgl,
        line.states,
        x=places.x(line.x),
        y=places.y(line.y),
        customdata=list(line.numbers),
        meta={"role": "trials", "job": line.job.name, "metric": line.job.metric},
        hovertemplate=(
            f"<b>{layout.escape(line.job.name)}</b> · trial %{{customdata}}<br>"
            f"{layout.escape(line.job.metric)} %{{y}}{where}<extra></extra>"
        ),
    )


def _best(line: JobProgress, index: int, places: _Places, webgl: bool) -> Trace:
    return layout.marks(
        webgl,
        x=places.x(line.best_x),
        y=places.y(line.best_y),
        mode="lines",
        line={"color": palette.colour(index), "width": 2, "dash": "dot", "shape": "hv"},
        name="best so far",
        legendgroup=str(index),
        showlegend=False,
        meta={"role": "best", "job": line.job.name, "metric": line.job.metric},
        hovertemplate=f"<b>{layout.escape(line.job.name)}</b><br>best so far %{{y}}<extra></extra>",
    )


def _best_key() -> Trace:
    return layout.scatter(
        x=[None],
        y=[None],
        mode="lines",
        line={"color": palette.NEUTRAL, "width": 2, "dash": "dot"},
        name="best so far",
        legendgroup="marks",
        meta={"role": "key"},
        hoverinfo="skip",
    )


def build(jobs: Sequence[JobTrials], options: FigureOptions) -> Drawing | Unavailable:
    kind = choice(options.x, X_CHOICES)
    if isinstance(kind, Unavailable):
        return kind
    progress = collect(jobs, kind)
    return progress if isinstance(progress, Unavailable) else draw(progress)


KIND = FigureKind(
    name="progress",
    title="Progress",
    summary="The objective of every trial by its start, with the best so far.",
    build=build,
    x=X_CHOICES,
)
