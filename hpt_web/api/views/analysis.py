"""What finished trials tell: which hyperparameters matter, where to search on, what stopping early would have saved."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response

from hpt_web.api.pagination import number_parameter
from hpt_web.api.permissions import SignedInToRead
from hpt_web.api.schema import operation, query
from hpt_web.api.serializers import analysis as shapes
from hpt_web.api.views.base import View
from hpt_web.jobs.queries import job_for
from hpt_web.jobs.search.analysis import durations_of, learnt_from, read_replay, recording_of
from tuning import specification
from tuning.analysis.importance import importance
from tuning.analysis.marginal_gain import marginal_gain
from tuning.analysis.narrowing import Narrowing, narrow
from tuning.analysis.replay import Replay, replay
from tuning.analysis.unavailable import Unavailable
from tuning.history import Observation

_TAG = "analysis"
Row = dict[str, Any]


class ImportanceView(View):
    @operation(
        "getImportance", "Which hyperparameters matter, and how sure that is", tag=_TAG, gives=shapes.ImportanceAnswer,
        parameters=[
            query(
                "best_share", "Only what matters within this best share of the trials; 1, all of them, if left out.",
                OpenApiTypes.FLOAT,
            )
        ],
    )  # fmt: skip
    def get(self, request: Request, project: str, job: str) -> Response:
        row = job_for(request.user, project, job)
        share = number_parameter(request, "best_share", default=1.0, low=0.05, high=1.0)
        history = learnt_from(row)
        space = specification.stored(row.spec).space
        found = history if isinstance(history, Unavailable) else importance(space, history, best_share=share)
        return _answer("importance", found if isinstance(found, Unavailable) else asdict(found))


class NarrowingView(View):
    @operation(
        "getNarrowing", "Narrower ranges for a child job, with the numbers why", tag=_TAG, gives=shapes.NarrowingAnswer,
        parameters=[
            query("share", "The share of the trials that counts as good; 0.2 if left out.", OpenApiTypes.FLOAT)
        ],
    )  # fmt: skip
    def get(self, request: Request, project: str, job: str) -> Response:
        row = job_for(request.user, project, job)
        share = number_parameter(request, "share", default=0.2, low=0.05, high=0.5)
        history = learnt_from(row)
        space = specification.stored(row.spec).space
        found = history if isinstance(history, Unavailable) else narrow(space, history, share=share)
        return _answer("narrowing", found if isinstance(found, Unavailable) else _narrowing(found))


class MarginalGainView(View):
    @operation(
        "getMarginalGain", "What the next per cent of improvement would cost", tag=_TAG,
        gives=shapes.MarginalGainAnswer,
        parameters=[query("gain", "As a share of the best value; 0.01 if left out.", OpenApiTypes.FLOAT)],
    )  # fmt: skip
    def get(self, request: Request, project: str, job: str) -> Response:
        row = job_for(request.user, project, job)
        gain = number_parameter(request, "gain", default=0.01, low=1e-6, high=10.0)
        history = learnt_from(row)
        if isinstance(history, Unavailable):
            return _answer("marginal_gain", history)
        found = marginal_gain(history, gain=gain, seconds=durations_of(row))
        return _answer("marginal_gain", found if isinstance(found, Unavailable) else asdict(found))


class ReplayView(View):
    """Nothing is written: whoever sees the job may ask."""

    permission_classes = [SignedInToRead]

    @operation(
        "replayPolicy", "What an early-stopping policy would have saved and lost in this job", tag=_TAG,
        takes=shapes.ReplayDocument, gives=shapes.ReplayAnswer,
    )  # fmt: skip
    def post(self, request: Request, project: str, job: str) -> Response:
        row = job_for(request.user, project, job)
        asked = read_replay(request.data)
        recording = recording_of(row, asked.policies)
        if isinstance(recording, Unavailable):
            return _replayed(unavailable=recording.reason)
        outcomes = []
        for policy in asked.policies:
            outcome = replay(recording, policy)
            if isinstance(outcome, Unavailable):
                return _replayed(unavailable=outcome.reason)
            outcomes.append(outcome)
        if asked.values is None:
            return _replayed(replay={**_summary(outcomes[0]), "stopped": [asdict(one) for one in outcomes[0].stopped]})
        swept = zip(asked.values, outcomes, strict=True)
        return _replayed(sweep=[{"value": value, "outcome": _summary(outcome)} for value, outcome in swept])


def _answer(name: str, found: Row | Unavailable) -> Response:
    if isinstance(found, Unavailable):
        return Response({name: None, "unavailable": found.reason})
    return Response({name: found, "unavailable": None})


def _replayed(**found: Any) -> Response:
    return Response({"replay": None, "sweep": None, "unavailable": None, **found})


def _narrowing(found: Narrowing) -> Row:
    parameters = [{"name": one.name, "changed": one.changed, **asdict(one)} for one in found.parameters]
    return {
        "space": found.space.to_json(),
        "parameters": parameters,
        "good": found.good,
        "trials": found.trials,
        "excluded": found.excluded,
        "best_excluded": found.best_excluded,
        "volume": found.volume,
    }


def _summary(outcome: Replay) -> Row:
    same = ("trials", "steps", "saved_steps", "saved_share", "seconds", "saved_seconds", "regret", "cut_short", "timed")
    return {
        **{name: getattr(outcome, name) for name in same},
        "stops": len(outcome.stopped),
        "best": _trial(outcome.best),
        "kept": _trial(outcome.kept),
    }


def _trial(trial: Observation | None) -> Row | None:
    return None if trial is None else {"number": trial.number, "value": trial.value}
