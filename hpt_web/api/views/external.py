"""Trials that run elsewhere: ask for them, report their values, tell what came of them."""

from __future__ import annotations

from dataclasses import asdict

from rest_framework.request import Request
from rest_framework.response import Response

from hpt_web.api import presenting
from hpt_web.api.schema import operation
from hpt_web.api.serializers import external as shapes
from hpt_web.api.serializers.jobs import TrialDetail
from hpt_web.api.views.base import View, person
from hpt_web.jobs.doors import external
from hpt_web.jobs.queries import trial_for

_TAG = "external trials"


class AskView(View):
    @operation(
        "askTrials", "Ask for trials to run elsewhere", tag=_TAG, takes=shapes.AskDocument, gives=shapes.AskedTrials
    )
    def post(self, request: Request, project: str, job: str) -> Response:
        asked = external.ask(actor=person(request), project=project, name=job, document=request.data)
        return Response(asdict(asked))


class ReportView(View):
    @operation(
        "reportPoints", "Report values of a running trial, and hear whether to stop", tag=_TAG,
        takes=shapes.ReportDocument, gives=shapes.ReportAnswer,
    )  # fmt: skip
    def post(self, request: Request, project: str, job: str, number: int) -> Response:
        answer = external.report(actor=person(request), project=project, name=job, number=number, document=request.data)
        return Response(asdict(answer))


class TellView(View):
    @operation(
        "tellTrial", "Tell what came of a trial: its value, or why it failed", tag=_TAG, takes=shapes.TellDocument,
        gives=TrialDetail,
    )  # fmt: skip
    def post(self, request: Request, project: str, job: str, number: int) -> Response:
        external.tell(actor=person(request), project=project, name=job, number=number, document=request.data)
        return Response(presenting.trial(trial_for(request.user, project, job, number)))
