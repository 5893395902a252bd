"""Every change that a person or a script can make to jobs: the one door behind REST, and later the other dialects.

Permission, validation, audit and the first event of a change are made here, in one transaction; the nudge follows the
commit.
"""

from __future__ import annotations

from functools import partial

from django.db import IntegrityError, transaction
from django.utils import timezone

from hpt_web.accounts import refusals
from hpt_web.accounts.access import project_for
from hpt_web.accounts.audit import record
from hpt_web.accounts.errors import Conflict, Invalid
from hpt_web.accounts.models import Role, User
from hpt_web.jobs import tasks
from hpt_web.jobs.documents.amending import locked
from hpt_web.jobs.documents.drafts import Draft, draft
from hpt_web.jobs.events import Entry, append, decide, job_entry, trial_entry
from hpt_web.jobs.lifecycle import move_trial
from hpt_web.jobs.models import Attempt, Decision, EventCursor, JobChannel, JobParent, Trial, TuningJob
from hpt_web.jobs.queries import job_for, live_attempts, trial_for
from hpt_web.jobs.running import continuing
from hpt_web.jobs.running.dispatch import stop_attempt
from hpt_web.jobs.search import parents
from hpt_web.jobs.sharing.quotas import refuse_more_jobs
from tuning.errors import Fault
from tuning.states import JobState, TrialState


def check_job(*, actor: User, project: str, document: object) -> Draft:
    """Say everything that `create_job` would say, and write nothing. Needs the role editor."""
    return draft(actor, project_for(actor, project, Role.EDITOR), document)


@refusals.counted
def create_job(*, actor: User, project: str, document: object) -> TuningJob:
    """Create a tuning job, which begins by itself. Needs the role editor.

    Raises:
        Invalid: with every fault of the document, each naming its field; also when another job was made at the same
            moment, and was the last one that a limit allows.
    """
    team = project_for(actor, project, Role.EDITOR)
    plan = draft(actor, team, document)
    if plan.faults or plan.version is None:
        raise Invalid(plan.faults)
    spec = plan.spec
    assert spec.seed is not None, "a draft pins the seed"
    try:
        with transaction.atomic():
            refuse_more_jobs(actor, team)
            job = TuningJob.objects.create(
                project=team,
                name=spec.name,
                spec=spec.to_json(),
                algorithm_version=plan.version,
                metric=spec.metric,
                goal=spec.goal,
                seed=spec.seed,
                max_trials=spec.limits.max_trials,
                max_parallel=spec.limits.max_parallel,
                created_by=actor,
            )
            _write_references(job, plan)
            record(actor=actor, action="job.create", target_kind="job", target=job.name, project=team)
            entries = [*_warm_start_entries(job, plan), *continuing.write_trials(job, spec, plan.continued)]
            append(job.pk, [*entries, job_entry(job)])
            transaction.on_commit(partial(tasks.nudge, job.pk, parents=bool(plan.parents)))
    except IntegrityError as error:
        if "job_name_unique_per_project" not in str(error):
            raise
        raise Invalid(
            [Fault("name", f"is {spec.name!r}, which another job here has; choose another", "taken")]
        ) from None
    return job


def _write_references(job: TuningJob, plan: Draft) -> None:
    EventCursor.objects.create(job=job)
    JobChannel.objects.bulk_create(
        JobChannel(job=job, name=name, dataset_version=version) for name, version in plan.channels.items()
    )
    JobParent.objects.bulk_create(
        JobParent(job=job, parent=parent, position=position) for position, parent in enumerate(plan.parents)
    )


def _warm_start_entries(job: TuningJob, plan: Draft) -> list[Entry]:
    """What the job takes over from its parents, told at once, with each trial that it could not take."""
    if not plan.parents:
        return []
    taken = parents.inherited_from(plan.parents, plan.spec)
    names = ", ".join(parent.name for parent in plan.parents)
    reason = f"Starts from {names}: {len(taken.observations)} trials taken over, {len(taken.dropped)} left out."
    entries = [
        decide(
            job,
            Decision.Kind.WARM_START,
            reason,
            numbers={"taken": len(taken.observations), "dropped": len(taken.dropped)},
        )
    ]
    why: dict[tuple[str, str], int] = {}
    for dropped in taken.dropped:
        why[dropped.parent, dropped.reason] = why.get((dropped.parent, dropped.reason), 0) + 1
    for (parent, because), count in why.items():
        text = f"{count} of {parent}'s trials left out: {because}"
        entries.append(decide(job, Decision.Kind.WARM_START, text, numbers={"dropped": count}))
    return entries


def stop_job(*, actor: User, project: str, name: str) -> TuningJob:
    """Stop a job and all of its trials; asking twice is the same as once. Needs the role editor.

    Raises:
        Conflict: the job has ended by itself already.
    """
    job = job_for(actor, project, name, Role.EDITOR)
    with transaction.atomic():
        job = locked(job)
        if job.state == JobState.STOPPED or job.stop_requested_at is not None:
            return job
        if JobState(job.state).terminal:
            raise Conflict(f"Job {job.name!r} is {job.state} since {job.ended_at:%Y-%m-%d %H:%M} UTC; nothing to stop.")
        job.stop_requested_at = timezone.now()
        job.reason = f"Stopped by {actor.username}."
        job.save(update_fields=["stop_requested_at", "reason"])
        record(actor=actor, action="job.stop", target_kind="job", target=job.name, project=job.project)
        append(job.pk, [decide(job, Decision.Kind.STOP, job.reason)])
        transaction.on_commit(partial(tasks.nudge, job.pk))
    return job


def stop_trial(*, actor: User, project: str, name: str, number: int) -> Trial:
    """Stop one trial; what it has reported counts. Needs the role editor.

    Raises:
        Conflict: the trial is over already.
    """
    trial = trial_for(actor, project, name, number, Role.EDITOR)
    with transaction.atomic():  # what runs does not wait for its job's step, which may take a while to choose
        if (attempt := _locked_attempt(trial)) is not None:
            _stop(actor, trial, attempt)
            return trial
    # Nothing of it runs, so it is the job's to move, and the job's step may be just starting it. The job is locked
    # before the attempt, so in another transaction: one that has just ended is not found in the first, but is locked by
    # it all the same.
    with transaction.atomic():
        locked(trial.job)
        _stop(actor, trial, _locked_attempt(trial))
    return trial


def _locked_attempt(trial: Trial) -> Attempt | None:
    """The attempt of a trial that runs, if one does, with its row locked."""
    return live_attempts().select_for_update(of=("self",), no_key=True).filter(trial=trial).first()


def _stop(actor: User, trial: Trial, attempt: Attempt | None) -> None:
    """Have the attempt stop, or the trial, of which none runs, not start: then its job is locked."""
    trial.refresh_from_db()
    reason = f"Stopped by {actor.username}."
    if attempt is not None:
        attempt.trial = trial
        entries = stop_attempt(attempt, Attempt.StopKind.USER, reason)
    elif move_trial(trial, TrialState.STOPPED, reason=reason):
        entries = [trial_entry(trial)]
    else:
        raise Conflict(f"Trial {trial.number} of {trial.job.name!r} is {trial.state}; nothing to stop.")
    if not entries:
        return  # it is being stopped for good already
    where, job = f"{trial.job.name}/{trial.number}", trial.job
    record(actor=actor, action="trial.stop", target_kind="trial", target=where, project=job.project)
    append(job.pk, [*entries, decide(job, Decision.Kind.STOP, reason, trial=trial)])
    transaction.on_commit(partial(tasks.nudge, job.pk))
