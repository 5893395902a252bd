"""Figures: made once, in Python, for the page, scripts and notebooks alike."""

from __future__ import annotations

from django.db.models.functions import Lower
from rest_framework.request import Request
from rest_framework.response import Response

from hpt_web import figures
from hpt_web.accounts.errors import Fault, Invalid, NotVisible
from hpt_web.api.pagination import text_parameter
from hpt_web.api.plotting import jobs_of_figure
from hpt_web.api.schema import operation, query
from hpt_web.api.serializers import jobs as shapes
from hpt_web.api.views.base import View
from hpt_web.figures import FIGURES, FigureKind, FigureOptions
from hpt_web.jobs.models import TuningJob
from hpt_web.jobs.queries import jobs_in

MAX_JOBS = 20


class FigureView(View):
    @operation(
        "getFigure", "A plotly figure of one or more jobs: " + ", ".join(FIGURES), tag="figures", gives=shapes.Figure,
        parameters=[
            query("job", "A job's name; several jobs are compared in one figure.", required=True, many=True),
            query("parameter", "The hyperparameter, where the figure is of one."),
            query("metric", "The metric, where the figure is of one; the objective if left out."),
            query("x", "What runs along the horizontal axis, where the figure has a choice."),
        ],
    )  # fmt: skip
    def get(self, request: Request, project: str, figure: str) -> Response:
        jobs = jobs_in(request.user, project)
        kind = FIGURES.get(figure)
        if kind is None:
            raise NotVisible(f"There is no figure {figure!r}; there are {', '.join(FIGURES)}.")
        options = FigureOptions(
            parameter=text_parameter(request, "parameter") or None,
            metric=text_parameter(request, "metric") or None,
            x=text_parameter(request, "x") or None,
        )
        folded = [name.lower() for name in _names(request)]
        found = jobs.annotate(folded=Lower("name")).filter(folded__in=folded)
        chosen = _chosen(request, {job.name.lower(): job for job in found})
        return Response(_drawn(kind, chosen, options))


def _names(request: Request) -> list[str]:
    names = [name for name in request.query_params.getlist("job") if name and "\x00" not in name]
    if not 1 <= len(names) <= MAX_JOBS:
        raise Invalid([Fault("job", f"is given {len(names)} times; name 1 to {MAX_JOBS} jobs", "required")])
    return names


def _chosen(request: Request, found: dict[str, TuningJob]) -> list[TuningJob]:
    names = list(dict.fromkeys(name.lower() for name in _names(request)))
    for name in names:
        if name not in found:
            raise NotVisible(f"There is no tuning job {name[:80]!r} in this project.")
    return [found[name] for name in names]


def _drawn(kind: FigureKind, jobs: list[TuningJob], options: FigureOptions) -> dict[str, object]:
    built = kind.build(jobs_of_figure(jobs, kind, options), options)
    return {"figure": None, "unavailable": None, **figures.to_document(built)}
