"""Trials: look at them, their curves, logs and decisions; stop one."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from hpt_web.accounts.errors import Fault, Invalid, NotVisible
from hpt_web.api import presenting
from hpt_web.api.pagination import page, text_parameter, whole_parameter
from hpt_web.api.schema import BINARY, CURSOR, LIMIT, operation, page_of, query, whole_query
from hpt_web.api.serializers import changes as changed
from hpt_web.api.serializers import jobs as shapes
from hpt_web.api.uploads import FileAnswer
from hpt_web.api.views.base import View, person
from hpt_web.jobs.doors import actions, reruns
from hpt_web.jobs.models import Attempt, Trial
from hpt_web.jobs.outputs import archives, artifacts
from hpt_web.jobs.queries import decisions_of, job_for, points_of, trial_for
from hpt_web.jobs.running.launching import backend
from tuning.states import TrialState

_TAG = "trials"
MAX_LOG = 1024 * 1024
_ATTEMPT = whole_query("attempt", "Of which attempt; the newest if left out.")


class TrialsView(View):
    @operation(
        "listTrials", "The trials of a job, by number", tag=_TAG, gives=page_of(shapes.Trial),
        parameters=[query("state", "Only those in one of these states, separated by commas."), LIMIT, CURSOR],
    )  # fmt: skip
    def get(self, request: Request, project: str, job: str) -> Response:
        trials = job_for(request.user, project, job).trials.all()
        if states := text_parameter(request, "state"):
            trials = trials.filter(state__in=_states(states))
        return page(request, trials, ["number"], presenting.trials)


def _states(text: str) -> list[str]:
    states = [state.strip() for state in text.split(",")]
    known = [str(state) for state in TrialState]
    for state in states:
        if state not in known:
            raise Invalid([Fault("state", f"is {state[:40]!r}; choose among {', '.join(known)}", "unknown")])
    return states


class TrialView(View):
    @operation("getTrial", "A trial with its attempts", tag=_TAG, gives=shapes.TrialDetail)
    def get(self, request: Request, project: str, job: str, number: int) -> Response:
        return Response(presenting.trial(trial_for(request.user, project, job, number)))


class StopTrialView(View):
    @operation("stopTrial", "Stop a trial; what it has reported counts", tag=_TAG, gives=shapes.TrialDetail)
    def post(self, request: Request, project: str, job: str, number: int) -> Response:
        actions.stop_trial(actor=person(request), project=project, name=job, number=number)
        return Response(presenting.trial(trial_for(request.user, project, job, number)))


class RetryTrialView(View):
    @operation(
        "retryTrial", "Run a trial that failed, was lost or was stopped again, under the same number", tag=_TAG,
        takes=changed.RetryDocument, gives=shapes.TrialDetail,
    )  # fmt: skip
    def post(self, request: Request, project: str, job: str, number: int) -> Response:
        reruns.retry_trial(actor=person(request), project=project, name=job, number=number, document=request.data)
        return Response(presenting.trial(trial_for(request.user, project, job, number)))


class RerunTrialView(View):
    @operation(
        "rerunTrial", "Run a trial's point and seed once more, as a new trial", tag=_TAG, gives=shapes.TrialDetail,
        status=201,
    )  # fmt: skip
    def post(self, request: Request, project: str, job: str, number: int) -> Response:
        copy = reruns.copy_trial(actor=person(request), project=project, name=job, number=number, document=request.data)
        return Response(presenting.trial(trial_for(request.user, project, job, copy.number)), 201)


class CloneTrialView(View):
    @operation(
        "cloneTrial", "Run a trial's point with some values changed, as a new trial", tag=_TAG,
        takes=changed.CloneDocument, gives=shapes.TrialDetail, status=201,
    )  # fmt: skip
    def post(self, request: Request, project: str, job: str, number: int) -> Response:
        copy = reruns.copy_trial(
            actor=person(request), project=project, name=job, number=number, document=request.data, changed=True
        )
        return Response(presenting.trial(trial_for(request.user, project, job, copy.number)), 201)


class PreemptTrialView(View):
    @operation(
        "preemptTrial", "Take the place of a running spot trial, which goes on later; for administrators", tag=_TAG,
        takes=changed.PreemptDocument, gives=shapes.TrialDetail,
    )  # fmt: skip
    def post(self, request: Request, project: str, job: str, number: int) -> Response:
        reruns.preempt_trial(actor=person(request), project=project, name=job, number=number, document=request.data)
        return Response(presenting.trial(trial_for(request.user, project, job, number)))


class ArtifactsView(View):
    @operation(
        "listArtifacts", "The files that a trial left in model/ and output/data/", tag=_TAG, gives=changed.Artifacts,
        parameters=[_ATTEMPT],
    )  # fmt: skip
    def get(self, request: Request, project: str, job: str, number: int) -> Response:
        return Response(presenting.artifacts(_attempt(request, trial_for(request.user, project, job, number))))


class ArtifactFileView(View):
    @operation(
        "downloadArtifact", "One of these files", tag=_TAG, gives=BINARY, gives_media="application/octet-stream",
        parameters=[query("path", "Its path in the list.", required=True), _ATTEMPT],
    )  # fmt: skip
    def get(self, request: Request, project: str, job: str, number: int) -> FileAnswer:
        attempt = _attempt(request, trial_for(request.user, project, job, number))
        path = text_parameter(request, "path")
        file, size = artifacts.open_file(attempt, path)
        return FileAnswer(file, filename=path.rpartition("/")[2], size=size, digest=f"{attempt.token}-{size}")


class ArchiveView(View):
    @operation(
        "downloadArchive", "All that a trial left in model/, or in output/data/ (output), as SageMaker packs it",
        tag=_TAG, gives=BINARY, gives_media="application/octet-stream", parameters=[_ATTEMPT],
    )  # fmt: skip
    def get(self, request: Request, project: str, job: str, number: int, archive: str) -> FileAnswer:
        attempt = _attempt(request, trial_for(request.user, project, job, number))
        return FileAnswer(archives.open_archive(attempt, archive), filename=f"{archive}.tar.gz")


def _attempt(request: Request, trial: Trial) -> Attempt:
    return artifacts.attempt_of(trial, whole_parameter(request, "attempt", default=0, low=0, high=32767))


class MetricsView(View):
    @operation(
        "getMetrics", "A trial's curves", tag=_TAG, gives=shapes.Metrics,
        parameters=[query("metric", "Only this metric.")],
    )  # fmt: skip
    def get(self, request: Request, project: str, job: str, number: int) -> Response:
        trial = trial_for(request.user, project, job, number)
        return Response({"items": presenting.series(points_of(trial, text_parameter(request, "metric") or None))})


class TrialUsageView(View):
    @operation(
        "getTrialUsage", "What a trial used of the host and its GPUs", tag=_TAG, gives=shapes.TrialUsage,
        parameters=[whole_query("attempt", "Of which attempt; the newest if left out.")],
    )  # fmt: skip
    def get(self, request: Request, project: str, job: str, number: int) -> Response:
        trial = trial_for(request.user, project, job, number)
        wanted = whole_parameter(request, "attempt", default=trial.attempt, low=0, high=32767)
        attempt = trial.attempts.filter(number=wanted).first()
        if attempt is None and wanted != trial.attempt:
            raise NotVisible(f"Trial {trial.number} has no attempt {wanted}.")
        return Response(presenting.usage(attempt))


class LogsView(View):
    @operation(
        "readLog", "A piece of a trial's log", tag=_TAG, gives=shapes.LogPart,
        parameters=[
            whole_query("offset", "Bytes from the beginning; below 0 from the end. -65536 if left out."),
            whole_query("limit", f"At most so many bytes: 1 to {MAX_LOG}, 65536 if left out."),
            whole_query("attempt", "Of which attempt; the newest if left out."),
        ],
    )  # fmt: skip
    def get(self, request: Request, project: str, job: str, number: int) -> Response:
        trial = trial_for(request.user, project, job, number)
        wanted = whole_parameter(request, "attempt", default=trial.attempt, low=0, high=32767)
        offset = whole_parameter(request, "offset", default=-65_536, low=-(2**62), high=2**62)
        limit = whole_parameter(request, "limit", default=65_536, low=1, high=MAX_LOG)
        return Response(_log_part(trial, wanted, offset, limit))


def _log_part(trial: Trial, wanted: int, offset: int, limit: int) -> presenting.Row:
    attempt = trial.attempts.filter(number=wanted).first()
    if attempt is None:
        if wanted != trial.attempt:
            raise NotVisible(f"Trial {trial.number} has no attempt {wanted}.")
        return {"attempt": 0, "offset": 0, "next": 0, "size": 0, "text": "", "ended": False}
    size = backend().log_size(attempt.token)
    start = min(max(0, size + offset) if offset < 0 else offset, size)
    data = backend().read_log(attempt.token, start, limit)
    begin, end = _whole_characters(data)
    return {
        "attempt": attempt.number,
        "offset": start + begin,
        "next": start + end,
        "size": max(size, start + len(data)),
        "text": data[begin:end].decode(errors="replace"),
        "ended": attempt.ended_at is not None,
    }


def _whole_characters(data: bytes) -> tuple[int, int]:
    """Where the first UTF-8 character begins, and where the last whole one ends: an offset may fall into one."""
    begin, end = 0, len(data)
    while begin < min(3, end) and data[begin] & 0xC0 == 0x80:
        begin += 1
    for back in range(1, min(4, end - begin) + 1):
        byte = data[end - back]
        if byte & 0xC0 == 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return (begin, end - back) if length > back else (begin, end)
        if byte & 0xC0 != 0x80:
            break
    return begin, end


class TrialDecisionsView(View):
    @operation(
        "listTrialDecisions", "What the service chose for a trial, and why, newest first", tag=_TAG,
        gives=page_of(shapes.Decision), parameters=[LIMIT, CURSOR],
    )  # fmt: skip
    def get(self, request: Request, project: str, job: str, number: int) -> Response:
        trial = trial_for(request.user, project, job, number)
        decisions = decisions_of(trial.job, trial)
        return page(request, decisions, ["-id"], lambda rows: [presenting.decision(row) for row in rows])
