"""One step of a job: settle what is over, decide how many trials may start, write them, commit, launch.

Whoever calls `advance` may be the second, the tenth, or come after a crash at any line: the job's row is locked
throughout, everything that will run is written before anything runs, and launching twice runs once.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from hpt_web.accounts.models import Quota
from hpt_web.jobs import launching, parents
from hpt_web.jobs.admission import Demand, Grant, plan
from hpt_web.jobs.endings import End, settle
from hpt_web.jobs.events import Entry, append, decide, job_entry, trial_entry
from hpt_web.jobs.lifecycle import move_job, move_trial, request_stop, seconds_since
from hpt_web.jobs.models import Attempt, Decision, Trial, TuningJob
from hpt_web.jobs.queries import counts_by_state, live_attempts
from tuning import specification, strategies
from tuning.backends import Phase, Status
from tuning.contracts import Suggestion
from tuning.errors import BackendError, SpaceExhausted
from tuning.states import JobState, TrialState

logger = logging.getLogger(__name__)

ACTIVE = [JobState.PENDING, JobState.RUNNING]
# Held from the last count of what runs to the commit of what will run: no two jobs see the same free place.
ADMISSION_LOCK = 0x48505401
NEW_ATTEMPTS = "hpt_attempts"  # the channel on which followers hear that there is something new to follow


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a job is to end, and as what."""

    state: JobState
    reason: str


def advance(job_id: int) -> list[int]:
    """Bring the job as far as it can go now; the ids of other jobs that may have become able to go on."""
    with transaction.atomic():
        job = (
            TuningJob.objects.select_for_update(of=("self",), no_key=True)
            .select_related("algorithm_version", "project")
            .filter(pk=job_id, ended_at__isnull=True)
            .first()
        )
        if job is None:
            return []
        before = (job.state, job.reason)
        entries, started = _step(job)
        if entries or started or (job.state, job.reason) != before:
            append(job.pk, [*entries, job_entry(job)])
    for attempt in started:
        launch(attempt)
    if started:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [NEW_ATTEMPTS])
    return waiting_jobs(besides=job_id) if JobState(job.state).terminal or not started else []


def _step(job: TuningJob) -> tuple[list[Entry], list[Attempt]]:
    counts = counts_by_state([job.pk])[job.pk]
    end = _ending(job, counts)
    if end is not None:
        return _wind_up(job, end), []
    if job.state == JobState.PENDING:
        move_job(job, JobState.RUNNING, reason="")
    return _start_trials(job, counts)


# --- the end of a job -------------------------------------------------------------------------------------------------


def _ending(job: TuningJob, counts: dict[str, int]) -> Ending | None:
    """The reason to end that holds now, if any. Derived from the rows each time, so that it survives a restart."""
    limits = job.spec["limits"]
    total = sum(counts.values())
    over = sum(n for state, n in counts.items() if TrialState(state).terminal)
    failed = counts.get(TrialState.FAILED, 0) + counts.get(TrialState.LOST, 0)
    if job.stop_requested_at is not None:
        return Ending(JobState.STOPPED, job.reason or "Stopped on request.")
    if limits["max_seconds"] and job.started_at and seconds_since(job.started_at) >= limits["max_seconds"]:
        return Ending(JobState.COMPLETED, f"Ran for max_seconds = {limits['max_seconds']}; {over} trials ended.")
    if limits["max_failures"] is not None and failed > limits["max_failures"]:
        return Ending(JobState.FAILED, f"{failed} trials failed, and max_failures is {limits['max_failures']}.")
    if total >= job.max_trials and over == total:
        return _completed(job, failed, total, f"All {total} trials of max_trials ended.")
    return None


def _completed(job: TuningJob, failed: int, total: int, reason: str) -> Ending:
    if failed == total:
        return Ending(JobState.FAILED, f"All {total} trials failed; the newest says: {_newest_failure(job)}")
    return Ending(JobState.COMPLETED, reason)


def _newest_failure(job: TuningJob) -> str:
    trial = job.trials.filter(state__in=[TrialState.FAILED, TrialState.LOST]).order_by("-number").first()
    return trial.reason if trial else "nothing."


def _wind_up(job: TuningJob, end: Ending) -> list[Entry]:
    """Stop what runs; end the job once nothing does."""
    entries: list[Entry] = []
    for trial in job.trials.select_related("job").filter(state=TrialState.QUEUED):
        if move_trial(trial, TrialState.STOPPED, reason=end.reason):
            entries.append(trial_entry(trial))
    running = list(live_attempts().filter(trial__job=job))
    for attempt in running:
        entries += stop_attempt(attempt, Attempt.StopKind.JOB, end.reason)
    if not running:
        if move_job(job, end.state, reason=end.reason):
            entries.append(decide(job, Decision.Kind.LIMIT, end.reason))
    elif job.state in ACTIVE:
        move_job(job, JobState.STOPPING, reason=end.reason)
    return entries


def stop_attempt(attempt: Attempt, kind: Attempt.StopKind, reason: str) -> list[Entry]:
    """Write the wish to stop a running attempt and, after the commit, carry it out; the events that tell it."""
    if not request_stop(attempt, kind, reason):
        return []
    move_trial(attempt.trial, TrialState.STOPPING, reason=reason)
    transaction.on_commit(lambda: launching.backend().stop(attempt.token, settings.HPT_STOP_GRACE_SECONDS))
    return [trial_entry(attempt.trial)]


# --- the start of trials ----------------------------------------------------------------------------------------------


def demands() -> list[Demand]:
    """What every job that is not over runs and wants, in one query whose cost does not grow with finished trials."""
    trials = Trial.objects.filter(job=OuterRef("pk"))
    live = Attempt.objects.filter(trial__job=OuterRef("pk"), ended_at__isnull=True)
    jobs = (
        TuningJob.objects.filter(ended_at__isnull=True)
        .annotate(
            live=_count(live),
            queued=_count(trials.filter(state=TrialState.QUEUED)),
            total=Coalesce(Subquery(trials.order_by("-number").values("number")[:1]), 0),
        )
        .order_by("pk")
    )
    return [
        Demand(
            job=job.pk,
            name=job.name,
            project=job.project_id,
            live=job.live,
            wanted=min(job.max_parallel, job.live + job.queued + job.max_trials - job.total)
            if job.state in ACTIVE
            else job.live,
        )
        for job in jobs
    ]


def _count(rows: QuerySet[Trial] | QuerySet[Attempt]) -> Coalesce:
    """The number of `rows` as a subquery."""
    return Coalesce(
        Subquery(rows.order_by().annotate(one=Value(1)).values("one").annotate(n=Count("pk")).values("n")), 0
    )


def grants() -> dict[int, Grant]:
    """How many trials each job may start now."""
    caps = Quota.objects.filter(resource=Quota.Resource.RUNNING_TRIALS, project__isnull=False, user__isnull=True)
    return plan(settings.HPT_TRIAL_SLOTS, demands(), dict(caps.values_list("project_id", "limit")))


def waiting_jobs(*, besides: int) -> list[int]:
    """Jobs that could start something if they were advanced now."""
    return [job for job, grant in grants().items() if grant.start and job != besides]


def _start_trials(job: TuningJob, counts: dict[str, int]) -> tuple[list[Entry], list[Attempt]]:
    room = grants()[job.pk].start
    queued = list(job.trials.select_related("job").filter(state=TrialState.QUEUED).order_by("number")[:room])
    total = sum(counts.values())
    numbers = range(total + 1, total + 1 + room - len(queued))
    try:
        suggestions = suggest(job, numbers)
    except SpaceExhausted as exhausted:
        if total and all(TrialState(state).terminal for state in counts):
            failed = counts.get(TrialState.FAILED, 0) + counts.get(TrialState.LOST, 0)
            return _wind_up(job, _completed(job, failed, total, f"{exhausted.reason} {total} trials ended.")), []
        suggestions = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADMISSION_LOCK])
    # Suggesting takes a while, and another job may have taken the room; what is left over is suggested again.
    grant = grants()[job.pk]
    fresh = list(zip(numbers, suggestions, strict=False))[: max(0, grant.start - len(queued))]
    new = [_write_trial(job, number, suggestion) for number, suggestion in fresh]
    attempts = [_write_attempt(trial) for trial in [*queued[: grant.start], *(trial for trial, _ in new)]]
    if job.reason != grant.reason:
        TuningJob.objects.filter(pk=job.pk).update(reason=grant.reason)
        job.reason = grant.reason
    told = [trial_entry(attempt.trial) for attempt in attempts] + [entry for _, entry in new]
    return told, attempts


def suggest(job: TuningJob, numbers: Sequence[int]) -> list[Suggestion]:
    """The points for trials `numbers`, from the job's stored history alone. Raises SpaceExhausted."""
    if not numbers:
        return []
    spec = specification.parse(job.spec)
    strategy = strategies.create(spec.strategy.name, spec.strategy.options)
    return strategy.suggest(spec.space, parents.whole_history(job), numbers, job.seed)


def _write_trial(job: TuningJob, number: int, suggestion: Suggestion) -> tuple[Trial, Entry]:
    trial = Trial.objects.create(job=job, number=number, hyperparameters=suggestion.config)
    return trial, decide(job, Decision.Kind.SUGGEST, suggestion.reason, trial=trial, numbers=suggestion.numbers)


def _write_attempt(trial: Trial) -> Attempt:
    """Reserve a place and write the attempt that will use it. A retry resumes if the trial left a checkpoint."""
    number = trial.attempt + 1
    resumed = number > 1 and launching.has_checkpoint(trial)
    fields: dict[str, object] = {"attempt": number, "reason": ""}
    if number > 1 and not resumed:
        trial.attempts.update(superseded=True)
        fields |= {"objective": None, "best_objective": None}
    move_trial(trial, TrialState.STARTING, **fields)
    steps = trial.attempts.get(number=number - 1).steps if resumed else {}
    return Attempt.objects.create(
        trial=trial,
        number=number,
        token=f"{trial.job_id}-{trial.number}-{number}-{secrets.token_hex(4)}",
        backend=launching.PROCESS,
        resumed=resumed,
        steps=steps,
    )


def launch(attempt: Attempt) -> None:
    """Start a written attempt. One that cannot be started ever fails its trial; one that cannot now is swept up."""
    try:
        launching.launch(attempt)
    except (BackendError, OSError) as error:
        if isinstance(error, BackendError) and error.retryable:
            logger.warning("Attempt %s could not be started yet: %s", attempt.token, error)
            return
        logger.exception("Attempt %s could not be started", attempt.token)
        reason = f"It could not be started: {error}"
        with transaction.atomic():
            end = End(TrialState.FAILED, Attempt.Outcome.EXITED, reason)
            append(attempt.trial.job_id, settle(attempt, Status(phase=Phase.UNKNOWN), end))
