"""What the figures are made from, filled from the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from hpt_web.figures import (
    Curve,
    FigureKind,
    FigureOptions,
    JobTrials,
    TrialPoint,
    Unavailable,
    curves,
    parameter_axes,
    usage,
)
from hpt_web.jobs.models import MetricPoint, TuningJob, UsageSample
from tuning.states import Goal, TrialState


def jobs_of_figure(jobs: Sequence[TuningJob], kind: FigureKind, options: FigureOptions) -> list[JobTrials]:
    """The jobs with their trials, and with the curves that a figure of this kind will show."""
    found = [_trials_of(job) for job in jobs]
    if not (kind.needs_curves or kind.needs_usage) or not jobs:
        return found
    metric, numbers = options.metric or jobs[0].metric, curves.chosen(found)
    if kind.needs_usage:
        return [
            replace(trials, curves=_usage(job, options, numbers[job.name]))
            for job, trials in zip(jobs, found, strict=True)
        ]
    return [
        replace(trials, curves=_curves(job, metric, numbers[job.name])) for job, trials in zip(jobs, found, strict=True)
    ]


def _trials_of(job: TuningJob) -> JobTrials:
    rows = job.trials.order_by("number").values_list(
        "number", "state", "objective", "started_at", "ended_at", "hyperparameters"
    )
    return JobTrials(
        name=job.name,
        goal=Goal(job.goal),
        metric=job.metric,
        parameters=parameter_axes(job.spec["space"]),
        trials=tuple(
            TrialPoint(number, TrialState(state), objective, _seconds(started), _seconds(ended), hyperparameters)
            for number, state, objective, started, ended, hyperparameters in rows
        ),
    )


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _curves(job: TuningJob, metric: str, numbers: list[int]) -> tuple[Curve, ...]:
    curves = MetricPoint.objects.filter(attempt__trial__job=job, attempt__superseded=False, superseded=False)
    points = curves.filter(attempt__trial__number__in=numbers, metric=metric)
    by_trial: dict[int, list[tuple[int, float, datetime]]] = {}
    for number, step, value, at in points.order_by("attempt__trial__number", "step").values_list(
        "attempt__trial__number", "step", "value", "at"
    ):
        by_trial.setdefault(number, []).append((step, value, at))
    return tuple(
        Curve(
            trial=number,
            metric=metric,
            steps=[step for step, _, _ in found],
            values=[value for _, value, _ in found],
            times=[at.timestamp() for _, _, at in found],
        )
        for number, found in by_trial.items()
    )


# The column of each measure, and what it is divided by to be shown.
_MEASURED = {"cpu": ("cpus", 1.0), "memory": ("memory_bytes", 1e9), "gpu": ("gpu_busy", 0.01),
             "gpu_memory": ("gpu_memory_bytes", 1e9)}  # fmt: skip


def _usage(job: TuningJob, options: FigureOptions, numbers: list[int]) -> tuple[Curve, ...]:
    """What was sampled of the asked measure, over all attempts of each trial."""
    name = usage.measure(options)
    if isinstance(name, Unavailable):
        return ()
    column, unit = _MEASURED[options.metric or "cpu"]
    samples = UsageSample.objects.filter(
        attempt__trial__job=job, attempt__trial__number__in=numbers, **{f"{column}__isnull": False}
    )
    by_trial: dict[int, list[tuple[float, float]]] = {}
    rows = samples.order_by("attempt__trial__number", "at").values_list("attempt__trial__number", column, "at")
    for number, value, at in rows:
        by_trial.setdefault(number, []).append((value / unit, at.timestamp()))
    return tuple(
        Curve(number, name, range(1, len(found) + 1), [value for value, _ in found], [at for _, at in found])
        for number, found in by_trial.items()
    )
