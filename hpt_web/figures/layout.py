"""What all figures share: the frame without theme colours, escaping, notes, marks and the JSON form."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hpt_web.figures import axes, palette
from hpt_web.figures.data import Drawing, JobTrials, Trace, TrialPoint, Unavailable, count
from tuning.states import TrialState

# Above this many dots SVG gets slow to pan and WebGL is worth its context (browsers allow about 16 per page).
WEBGL_ABOVE = 5000


def escape(text: object) -> str:
    """A user's text for plotly, which renders some HTML and fills %{...} in templates: shown literally."""
    return html.escape(str(text), quote=False).replace("%{", "%&#123;")


def figure(
    title: str,
    traces: Sequence[Trace],
    xaxis: Mapping[str, Any],
    yaxis: Mapping[str, Any],
    *,
    notes: Sequence[str] = (),
    meta: Mapping[str, Any] | None = None,
    **layout: Any,
) -> Drawing:
    """The frame. The page sets fonts and colours; here are only those that carry a meaning."""
    shown: dict[str, Any] = {
        "text": escape(title),
        "font": {"size": 15},
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
        "y": 1,
        "yref": "container",
        "yanchor": "top",
        "pad": {"t": 10},
    }
    if notes:
        shown["subtitle"] = {"text": "<br>".join(map(escape, notes)), "font": {"size": 12}}
    frame: dict[str, Any] = {
        "title": shown,
        "autosize": True,
        "margin": {"l": 64, "r": 16, "t": 40 + 18 * len(notes), "b": 48},
        "hovermode": "closest",
        "dragmode": "select",
        "legend": {
            "orientation": "h",
            "traceorder": "normal",
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
            "x": 0,
            "xanchor": "left",
        },
        "uirevision": "keep",  # zoom and selection survive an update
        "xaxis": {"zeroline": False, "automargin": True, **xaxis},
        "yaxis": {"zeroline": False, "automargin": True, **yaxis},
        "meta": {"symbols": symbols(), "notes": list(notes), **(meta or {})},
        **layout,
    }
    return Drawing(list(traces), frame)


def to_document(result: Drawing | Unavailable) -> dict[str, Any]:
    """What was built as the REST answer: ``{"figure": ...}`` or ``{"unavailable": "a sentence why"}``."""
    if isinstance(result, Unavailable):
        return {"unavailable": result.reason}
    return {"figure": {"data": result.data, "layout": result.layout}}


def symbols() -> dict[str, str]:
    return {str(state): symbol for state, symbol in palette.SYMBOLS.items()}


def scatter(**trace: Any) -> Trace:
    """A trace that the browser draws as SVG."""
    return {"type": "scatter", **trace}


def marks(webgl: bool, **trace: Any) -> Trace:
    """A trace of possibly very many marks."""
    return {"type": "scattergl" if webgl else "scatter", **trace}


def dots(job: JobTrials, index: int, webgl: bool, states: Sequence[TrialState], **trace: Any) -> Trace:
    """A trace with one mark per trial; ``trace`` has x, y, customdata, meta and hovertemplate."""
    shade = palette.colour(index)
    return marks(
        webgl,
        name=escape(job.name),
        legendgroup=str(index),
        showlegend=False,  # a legend shows the first dot's mark, whatever it happens to be; `job_keys` stand there
        mode="markers",
        marker={
            "symbol": [palette.SYMBOLS[state] for state in states],
            "size": mark_size(len(states)),
            "color": shade,
            "opacity": 0.85,
            "line": {"width": 1.5, "color": shade},
        },
        # the linked selection: what is not selected steps back but stays readable (F98)
        unselected={"marker": {"opacity": 0.25}},
        selected={"marker": {"opacity": 1}},
        **trace,
    )


def mark_size(dots: int) -> int:
    """Diameter in pixels: smaller where many would cover each other."""
    return 8 if dots <= 300 else 6 if dots <= 1500 else 4


def job_keys(jobs: Sequence[JobTrials]) -> list[Trace]:
    """Legend entries that name the jobs; clicking one shows or hides all of its job."""
    return [
        _key(escape(job.name), str(index), {"symbol": "circle", "size": 9, "color": palette.colour(index)})
        for index, job in enumerate(jobs)
    ]


def symbol_keys(states: Iterable[TrialState]) -> list[Trace]:
    """Legend entries for the marks that are not the plain dot, for those that occur."""
    occurring = {palette.SYMBOLS[state] for state in states}
    return [
        _key(meaning, "marks", {"symbol": symbol, "size": 8, "color": palette.NEUTRAL, "line": {"width": 1.5}})
        for symbol, meaning in palette.SYMBOL_MEANING.items()
        if symbol in occurring and symbol != "circle"
    ]


def _key(name: str, group: str, marker: Mapping[str, Any]) -> Trace:
    return scatter(
        x=[None],
        y=[None],
        name=name,
        legendgroup=group,
        mode="markers",
        marker=marker,
        meta={"role": "key"},
        hoverinfo="skip",
    )


def objective_title(jobs: Sequence[JobTrials]) -> str:
    """The common objective's name, or that there is none."""
    metrics = {job.metric for job in jobs}
    return metrics.pop() if len(metrics) == 1 else "objective"


def objective_axis(jobs: Sequence[JobTrials]) -> tuple[dict[str, Any], list[str]]:
    """The axis of the objective and what has to be said about it."""
    values = [trial.objective for job in jobs for trial in job.trials if trial.counted and trial.objective is not None]
    axis: dict[str, Any] = {"title": {"text": escape(objective_title(jobs))}}
    objectives = {(job.metric, job.goal) for job in jobs}
    if len(objectives) > 1:
        listed = "; ".join(f"{job.name} {job.goal}s {job.metric}" for job in jobs)
        return axis, [f"The jobs have different objectives, so heights cannot be compared: {listed}."]
    goal = jobs[0].goal
    if axes.log_objective(values, goal):
        return axis | {"type": "log"}, []
    clip = axes.clip(values, goal)
    if not clip.hidden:
        return axis, []
    side = "below" if clip.low is not None else "above"
    note = f"{count(clip.hidden, 'trial lies', 'trials lie')} {side} the visible range; zoom out to see."
    return axis | {"range": axes.clipped_range(values, clip)}, [note]


def missing_note(jobs: Sequence[JobTrials]) -> list[str]:
    """How many ended trials are not drawn as they have no objective (F100)."""
    missing = sum(trial.state.terminal and not trial.measured for job in jobs for trial in job.trials)
    return [f"{count(missing, 'trial')} without an objective not shown."] if missing else []


def colours_note(jobs: Sequence[JobTrials]) -> list[str]:
    """Said where dots alone cannot tell so many jobs apart."""
    colours = len(palette.JOB_COLOURS)
    return (
        [f"More than {colours} jobs: colours repeat, point at a dot to see whose it is."] if len(jobs) > colours else []
    )


def nothing_measured(jobs: Sequence[JobTrials]) -> Unavailable | None:
    """Why a figure of trials cannot be drawn yet, if it cannot."""
    if not jobs:
        return Unavailable("Choose at least one job to draw.")
    trials: list[TrialPoint] = [trial for job in jobs for trial in job.trials]
    if any(trial.measured for trial in trials):
        return None
    if not trials:
        return Unavailable("No trial has been started yet.")
    ended = sum(trial.state.terminal for trial in trials)
    return Unavailable(
        f"No trial has reported {objective_title(jobs)!r} yet: of {count(len(trials), 'trial')}, {ended:,} ended "
        f"without a value and {len(trials) - ended:,} are on the way."
    )


def milliseconds(times: Iterable[float]) -> list[int]:
    """Seconds since 1970 as plotly's date axes take them."""
    return [round(time * 1000) for time in times]
