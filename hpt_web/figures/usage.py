"""Usage: what every trial used of its host and its GPUs while it ran, one line per trial, beside the curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hpt_web.figures import curves
from hpt_web.figures.data import Drawing, FigureKind, FigureOptions, JobTrials, Unavailable, choice

X_CHOICES = ("elapsed", "time")
# What can be shown, and how it is called on the axis; a request's ``metric`` is one of the first.
MEASURES: Mapping[str, str] = {
    "cpu": "processors in use",
    "memory": "memory, GB",
    "gpu": "GPUs busy, %",
    "gpu_memory": "memory of GPUs, GB",
}


def measure(options: FigureOptions) -> str | Unavailable:
    """The name of the asked measure as the curves carry it, processors if none was asked."""
    asked = options.metric or "cpu"
    if asked not in MEASURES:
        return Unavailable(f"{asked!r} is not measured; choose one of {', '.join(MEASURES)}.")
    return MEASURES[asked]


def build(jobs: Sequence[JobTrials], options: FigureOptions) -> Drawing | Unavailable:
    """``jobs`` carry as curves what was sampled of `measure`."""
    kind, asked = choice(options.x, X_CHOICES), measure(options)
    if isinstance(kind, Unavailable):
        return kind
    if isinstance(asked, Unavailable):
        return asked
    found = curves.collect(jobs, asked, kind)
    if isinstance(found, Unavailable):
        if not jobs:
            return found
        return Unavailable("Nothing was measured: the trials were over within seconds, ran elsewhere, or used no GPU.")
    return curves.draw(found)


KIND = FigureKind(
    name="usage",
    title="Use of the host and its GPUs",
    summary="Processors, memory or GPUs in use, one line per trial.",
    build=build,
    x=X_CHOICES,
    takes_metric=True,
    needs_usage=True,
)
