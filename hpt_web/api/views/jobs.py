"""Tuning jobs: create, look at, stop."""

from __future__ import annotations

from dataclasses import asdict

from rest_framework.request import Request
from rest_framework.response import Response

from hpt_web.accounts.access import project_for
from hpt_web.accounts.errors import Fault, Invalid
from hpt_web.accounts.sharing import require_admin
from hpt_web.api import presenting
from hpt_web.api.pagination import page, text_parameter, whole_parameter
from hpt_web.api.schema import CURSOR, LIMIT, operation, page_of, query, whole_query
from hpt_web.api.serializers import changes as changed
from hpt_web.api.serializers import jobs as shapes
from hpt_web.api.views.base import View, person
from hpt_web.jobs.doors import actions, changes, cleanup, reruns
from hpt_web.jobs.queries import decisions_of, events_since, job_for, jobs_in
from tuning.states import JobState

_TAG = "jobs"
MAX_EVENTS = 5000


class JobsView(View):
    @operation(
        "listJobs", "The tuning jobs of a project, newest first", tag=_TAG, gives=page_of(shapes.Job),
        parameters=[
            query("state", "Only those in one of these states, separated by commas."),
            query("algorithm", "Only those that tune the algorithm of this name."),
            query("q", "Only those with this text in their name."), LIMIT, CURSOR,
        ],
    )  # fmt: skip
    def get(self, request: Request, project: str) -> Response:
        jobs = jobs_in(request.user, project).select_related("algorithm_version__algorithm")
        if text := text_parameter(request, "q"):
            jobs = jobs.filter(name__icontains=text)
        if algorithm := text_parameter(request, "algorithm"):
            jobs = jobs.filter(algorithm_version__algorithm__name__iexact=algorithm)
        if states := text_parameter(request, "state"):
            jobs = jobs.filter(state__in=_states(states))
        return page(request, jobs, ["-created_at", "-id"], presenting.jobs)

    @operation(
        "createJob", "Create a tuning job, which starts by itself", tag=_TAG, takes=shapes.JobDocument,
        gives=shapes.JobDetail, status=201,
    )  # fmt: skip
    def post(self, request: Request, project: str) -> Response:
        job = actions.create_job(actor=person(request), project=project, document=request.data)
        return Response(_detail(request, project, job.name), 201)


def _states(text: str) -> list[str]:
    states = [state.strip() for state in text.split(",")]
    known = [str(state) for state in JobState]
    for state in states:
        if state not in known:
            raise Invalid([Fault("state", f"is {state[:40]!r}; choose among {', '.join(known)}", "unknown")])
    return states


def _detail(request: Request, project: str, name: str) -> presenting.Row:
    return presenting.job(job_for(request.user, project, name))


class JobChecksView(View):
    @operation(
        "checkJob", "What POST jobs would say to this document; nothing is created", tag=_TAG,
        takes=shapes.JobDocument, gives=shapes.JobCheck,
    )  # fmt: skip
    def post(self, request: Request, project: str) -> Response:
        draft = actions.check_job(actor=person(request), project=project, document=request.data)
        return Response(
            {
                "faults": [asdict(fault) for fault in draft.faults],
                "advice": [asdict(fault) for fault in draft.advice],
                "warm_start": [asdict(rule) for rule in draft.rules],
                "numbers": presenting.forecast(draft),
            }
        )


class JobView(View):
    @operation("getJob", "A tuning job", tag=_TAG, gives=shapes.JobDetail)
    def get(self, request: Request, project: str, job: str) -> Response:
        return Response(_detail(request, project, job))

    @operation(
        "changeJob", "Change limits, completion rules or what is kept; a job that is over goes on with more", tag=_TAG,
        takes=changed.JobChanges, gives=shapes.JobDetail,
    )  # fmt: skip
    def patch(self, request: Request, project: str, job: str) -> Response:
        changes.change_job(actor=person(request), project=project, name=job, document=request.data)
        return Response(_detail(request, project, job))


class PauseJobView(View):
    @operation(
        "pauseJob", "Start nothing more of a job until it goes on", tag=_TAG, takes=changed.PauseDocument,
        gives=shapes.JobDetail,
    )  # fmt: skip
    def post(self, request: Request, project: str, job: str) -> Response:
        changes.pause_job(actor=person(request), project=project, name=job, document=request.data)
        return Response(_detail(request, project, job))


class UnpauseJobView(View):
    @operation("unpauseJob", "Let a paused job go on", tag=_TAG, gives=shapes.JobDetail)
    def post(self, request: Request, project: str, job: str) -> Response:
        changes.unpause_job(actor=person(request), project=project, name=job)
        return Response(_detail(request, project, job))


class ResumeJobView(View):
    @operation(
        "resumeJob", "Let a job that was stopped, or failed, go on, its trials from their checkpoints", tag=_TAG,
        takes=changed.ResumeDocument, gives=shapes.JobDetail,
    )  # fmt: skip
    def post(self, request: Request, project: str, job: str) -> Response:
        changes.resume_job(actor=person(request), project=project, name=job, document=request.data)
        return Response(_detail(request, project, job))


class RetryFailedView(View):
    @operation(
        "retryFailedTrials", "Run all trials of a job that failed or were lost again, under their numbers", tag=_TAG,
        takes=changed.RetryDocument, gives=shapes.JobDetail,
    )  # fmt: skip
    def post(self, request: Request, project: str, job: str) -> Response:
        reruns.retry_failed(actor=person(request), project=project, name=job, document=request.data)
        return Response(_detail(request, project, job))


class StorageView(View):
    @operation("getStorage", "What the trials of a project's jobs take on disk", tag=_TAG, gives=changed.ProjectStorage)
    def get(self, request: Request, project: str) -> Response:
        return Response(presenting.storage(project_for(request.user, project), jobs_in(request.user, project)))


class StoragesView(View):
    @operation(
        "listStorage", "What each project takes on disk, the largest first; for administrators", tag="quotas",
        gives=changed.StorageOfProject(many=True),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        require_admin(person(request), "see what all projects store")
        return Response(presenting.storages())


class CleanUpView(View):
    @operation(
        "cleanUp", "Delete by prefix: outputs, checkpoints, whole jobs, datasets; or rehearse it", tag=_TAG,
        takes=changed.CleanUpDocument, gives=changed.CleanedUp,
    )  # fmt: skip
    def post(self, request: Request, project: str) -> Response:
        cleaned = cleanup.clean_up(actor=person(request), project=project, document=request.data)
        return Response(changed.CleanedUp(cleaned).data)


class StopJobView(View):
    @operation("stopJob", "Stop a job and its trials", tag=_TAG, gives=shapes.JobDetail)
    def post(self, request: Request, project: str, job: str) -> Response:
        actions.stop_job(actor=person(request), project=project, name=job)
        return Response(_detail(request, project, job))


class SnapshotView(View):
    @operation("getSnapshot", "A job with all its trials, as columns", tag=_TAG, gives=shapes.Snapshot)
    def get(self, request: Request, project: str, job: str) -> Response:
        return Response(presenting.snapshot(job_for(request.user, project, job)))


class EventsView(View):
    @operation(
        "listEvents", "What happened in a job since a cursor", tag=_TAG, gives=shapes.Events,
        parameters=[
            whole_query("since", "The cursor: only events above it. 0 if left out."),
            whole_query("limit", f"At most so many events: 1 to {MAX_EVENTS}, 500 if left out."),
        ],
    )  # fmt: skip
    def get(self, request: Request, project: str, job: str) -> Response:
        row = job_for(request.user, project, job)
        since = whole_parameter(request, "since", default=0, low=0, high=2**62)
        limit = whole_parameter(request, "limit", default=500, low=1, high=MAX_EVENTS)
        events = events_since(row.pk, since, limit)
        cursor = events[-1].seq if events else since
        return Response({"events": [presenting.event(event) for event in events], "cursor": cursor})


class JobDecisionsView(View):
    @operation(
        "listJobDecisions", "What the service chose in a job, and why, newest first", tag=_TAG,
        gives=page_of(shapes.Decision), parameters=[LIMIT, CURSOR],
    )  # fmt: skip
    def get(self, request: Request, project: str, job: str) -> Response:
        decisions = decisions_of(job_for(request.user, project, job))
        return page(request, decisions, ["-id"], lambda rows: [presenting.decision(row) for row in rows])
