"""Density: how a job's results are distributed, one curve per job or per value of a hyperparameter (F97)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpt_web.figures import axes, layout, palette
from hpt_web.figures.data import (
    LARGEST,
    Drawing,
    FigureKind,
    FigureOptions,
    JobTrials,
    Trace,
    TrialPoint,
    Unavailable,
    count,
)
from hpt_web.figures.parameter import text_of
from hpt_web.figures.sampling import digits_for, rounded

Floats = NDArray[np.float64]

# Two results always draw the same two bumps; a distribution begins to be one at three.
MIN_RESULTS = 3
GRID = 160
# F97: a hyperparameter with so many different values, or more, is not told apart.
MAX_GROUPS = 8
# The tails of a Gaussian kernel that are worth drawing, in bandwidths.
TAILS = 3.0
# Less has no density that a float can hold.
NARROWEST = 1e-290
MOST_DECADES = math.log10(LARGEST)


@dataclass(frozen=True, slots=True)
class Group:
    """One curve: ``density`` over ``grid`` (log10 of the objective on a logarithmic axis), and the results under it."""

    job: JobTrials
    value: str | None
    grid: tuple[float, ...]
    density: tuple[float, ...]
    bandwidth: float
    results: tuple[float, ...]
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Densities:
    """``by`` is the hyperparameter whose values are told apart, None for whole jobs."""

    jobs: tuple[JobTrials, ...]
    by: str | None
    log: bool
    groups: tuple[Group, ...]
    notes: tuple[str, ...]


def bandwidth(values: Floats) -> float:
    """Silverman's rule of thumb (Density Estimation, 1986, eq. 3.31): 0.9 min(sd, IQR / 1.34) n^(-1/5); > 0.

    Where half of the values are the same the interquartile range is 0 and the deviation alone decides.
    """
    # A power of two changes no digit, and squares of the largest and the least floats are none.
    exponent = math.frexp(float(np.abs(values).max()))[1]
    values = np.ldexp(values, -exponent)
    deviation = float(values.std(ddof=1))
    quartiles = np.percentile(values, [25, 75])
    spread = float(quartiles[1] - quartiles[0]) / 1.34
    width = min(deviation, spread) if spread > 0 else deviation
    return math.ldexp(0.9 * width / math.pow(len(values), 0.2), exponent)


def estimate(values: Floats, grid: Floats, width: float) -> Floats:
    """Gaussian kernel density of ``values`` (n,) at ``grid`` (m,); integrates to 1."""
    with np.errstate(over="ignore", under="ignore"):  # so far away nothing is left of the kernel
        z = (grid[:, None] - values[None, :]) / width
        sums: Floats = np.exp(-0.5 * z * z).sum(axis=1)
    return sums / (len(values) * width * math.sqrt(2 * math.pi))


def collect(jobs: Sequence[JobTrials], by: str | None = None) -> Densities | Unavailable:
    """The curves of all jobs; ``by`` splits each at the values of a hyperparameter."""
    if not jobs:
        return Unavailable("Choose at least one job to draw.")
    parted = _parted(jobs, by)
    if isinstance(parted, Unavailable):
        return parted
    usable, notes = [], []
    for job, value, trials in parted:
        name = job.name if value is None else f"{job.name}, {by} = {value}"
        if (lack := _lack(trials)) is None:
            usable.append((job, value, trials))
        else:
            notes.append(f"{name}: {lack}.")
    if not usable:
        return Unavailable("A density cannot be drawn yet. " + " ".join(notes))
    comparable = len({(job.metric, job.goal) for job in jobs}) == 1
    pooled = [trial.objective or 0.0 for _, _, trials in usable for trial in trials]
    log = comparable and axes.log_objective(pooled, jobs[0].goal)
    groups = tuple(_group(job, value, trials, log, comparable) for job, value, trials in usable)
    return Densities(tuple(jobs), by, log, groups, tuple(notes))


def _parted(
    jobs: Sequence[JobTrials], by: str | None
) -> list[tuple[JobTrials, str | None, list[TrialPoint]]] | Unavailable:
    counted = {job.name: [trial for trial in job.trials if trial.counted] for job in jobs}
    if by is None:
        return [(job, None, counted[job.name]) for job in jobs]
    values = {text_of(t.hyperparameters[by]) for trials in counted.values() for t in trials if by in t.hyperparameters}
    if not values:
        return Unavailable(f"No finished trial has a hyperparameter {by!r}.")
    if len(values) >= MAX_GROUPS:
        return Unavailable(
            f"{by!r} has {len(values)} different values; densities are told apart for fewer than {MAX_GROUPS}. "
            "Its own figure shows it better."
        )
    return [
        (
            job,
            value,
            [t for t in counted[job.name] if by in t.hyperparameters and text_of(t.hyperparameters[by]) == value],
        )
        for job in jobs
        for value in sorted(values)
    ]


def _lack(trials: Sequence[TrialPoint]) -> str | None:
    if len(trials) < MIN_RESULTS:
        return f"{count(len(trials), 'result')} so far, at least {MIN_RESULTS} are needed"
    if len({trial.objective for trial in trials}) == 1:
        return f"all {len(trials)} results are {trials[0].objective:.5g}, which has no width"
    results = [trial.objective or 0.0 for trial in trials]
    if max(results) - min(results) < NARROWEST:
        return f"all {len(trials)} results are within {NARROWEST:g} of each other"
    return None


def _group(job: JobTrials, value: str | None, trials: Sequence[TrialPoint], log: bool, comparable: bool) -> Group:
    results = np.array([trial.objective or 0.0 for trial in trials])
    scaled = np.log10(results) if log else results
    width = bandwidth(scaled)
    low, high = float(scaled.min()), float(scaled.max())
    if not log and comparable:
        clip = axes.clip(results.tolist(), job.goal)
        low, high = (
            max(low, clip.low if clip.low is not None else low),
            min(high, clip.high if clip.high is not None else high),
        )
    first, last = low - TAILS * width, high + TAILS * width
    if log:
        last = min(last, MOST_DECADES)
    grid = np.linspace(first, last, GRID)
    return Group(
        job=job,
        value=value,
        grid=tuple(grid.tolist()),
        density=tuple(estimate(scaled, grid, width).tolist()),
        bandwidth=width,
        results=tuple(results.tolist()),
        numbers=tuple(trial.number for trial in trials),
    )


def draw(densities: Densities) -> Drawing:
    """Per curve a ``density`` trace and a ``rug`` of its results below, in a lane of its own (F100)."""
    jobs = densities.jobs
    peak = max(max(group.density) for group in densities.groups)
    digits = digits_for(result for group in densities.groups for result in group.results)
    traces: list[Trace] = []
    for lane, group in enumerate(densities.groups):
        index = jobs.index(group.job) if group.value is None or len(jobs) > 1 else lane
        traces.append(_curve(group, index, lane, densities))
        traces.append(_rug(group, index, lane, densities, -peak * (0.05 + 0.045 * lane), digits))
    xaxis, notes = layout.objective_axis(jobs)
    per = "per decade" if densities.log else ""
    yaxis: dict[str, Any] = {"title": {"text": f"density {per}".strip()}, "showticklabels": False, "showgrid": False}
    meta = {"figure": "density", "parameter": densities.by, "x": {"kind": "log10" if densities.log else "linear"}}
    title = f"Distribution of {layout.objective_title(jobs)}" + (f" by {densities.by}" if densities.by else "")
    return layout.figure(title, traces, xaxis, yaxis, notes=[*notes, *densities.notes], meta=meta)


def _meta(role: str, group: Group, by: str | None) -> dict[str, Any]:
    meta: dict[str, Any] = {"role": role, "job": group.job.name, "metric": group.job.metric}
    return meta if group.value is None else meta | {"parameter": by, "value": group.value}


def _name(group: Group, densities: Densities) -> str:
    if group.value is None:
        return layout.escape(group.job.name)
    prefix = f"{group.job.name}: " if len(densities.jobs) > 1 else ""
    return layout.escape(f"{prefix}{densities.by} = {group.value}")


def _curve(group: Group, index: int, lane: int, densities: Densities) -> Trace:
    places = [10.0**at for at in group.grid] if densities.log else group.grid
    shade = palette.colour(index)
    by_value = group.value is not None and len(densities.jobs) > 1
    return layout.scatter(
        x=rounded(places, digits_for(places)),
        y=rounded(group.density, 4),
        mode="lines",
        name=_name(group, densities),
        legendgroup=str(lane),
        line={
            "color": shade,
            "width": 2,
            "dash": palette.DASHES[lane % len(palette.DASHES)] if by_value else palette.dash(index),
        },
        fill="tozeroy",
        fillcolor=palette.translucent(shade, 0.12),
        meta=_meta("density", group, densities.by) | {"bandwidth": float(f"{group.bandwidth:.5g}")},
        hovertemplate=(
            f"<b>{_name(group, densities)}</b><br>{layout.escape(group.job.metric)} %{{x}}<br>"
            f"{count(len(group.results), 'result')}, bandwidth {group.bandwidth:.3g}<extra></extra>"
        ),
    )


def _rug(group: Group, index: int, lane: int, densities: Densities, height: float, digits: int) -> Trace:
    shade = palette.colour(index)
    return layout.marks(
        len(group.results) > layout.WEBGL_ABOVE,
        x=rounded(group.results, digits),
        y=[float(f"{height:.4g}")] * len(group.results),
        mode="markers",
        marker={"symbol": "line-ns-open", "size": 9, "color": shade, "line": {"width": 1.2, "color": shade}},
        customdata=list(group.numbers),
        name=_name(group, densities),
        legendgroup=str(lane),
        showlegend=False,
        unselected={"marker": {"opacity": 0.2}},
        meta=_meta("rug", group, densities.by),
        hovertemplate=(
            f"<b>{layout.escape(group.job.name)}</b> · trial %{{customdata}}<br>"
            f"{layout.escape(group.job.metric)} %{{x}}<extra></extra>"
        ),
    )


def build(jobs: Sequence[JobTrials], options: FigureOptions) -> Drawing | Unavailable:
    densities = collect(jobs, options.parameter)
    return densities if isinstance(densities, Unavailable) else draw(densities)


KIND = FigureKind(
    name="density",
    title="Density",
    summary="How the results of each job are distributed.",
    build=build,
    takes_parameter=True,
)
