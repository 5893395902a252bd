"""Trials that begin where a trial of another job stood (F29): the same point and seed, its checkpoint and its curve."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from hpt_web.accounts.models import Project
from hpt_web.catalog.models import AlgorithmVersion
from hpt_web.jobs import rows
from hpt_web.jobs.events import Entry, decide, trial_entry
from hpt_web.jobs.models import Attempt, Decision, Trial, TuningJob
from hpt_web.jobs.running.launching import has_checkpoint, seed_of
from hpt_web.jobs.running.resuming import drop_last, last_steps, reported, reported_since
from tuning.documents import shown
from tuning.errors import Fault
from tuning.parameter_rules import same_value
from tuning.space import Value
from tuning.specification import JobSpec
from tuning.states import TrialState
from tuning.trial_rules import TrialReference

FIELD = "resume_child_runs"


def origins(
    project: Project, spec: JobSpec, version: AlgorithmVersion | None, faults: list[Fault], advice: list[Fault]
) -> tuple[Trial, ...]:
    """The trials that the job's first ones continue, in the order of the document; what is wrong goes to `faults`."""
    found = []
    for index, reference in enumerate(spec.resume_child_runs):
        field = f"{FIELD}[{index}]"
        trial = _find(project, reference)
        if trial is None:
            message = f"is {shown(str(reference))}; no tuning job of this project has that trial"
            faults.append(Fault(field, message, "unknown"))
        elif why := _why_not(trial, spec, version):
            faults.append(Fault(field, f"is {shown(str(reference))}, {why}"))
        else:
            found.append(trial)
            advice += _other_statics(field, trial, spec)
    if len(spec.resume_child_runs) > spec.limits.max_trials:
        most = spec.limits.max_trials
        message = f"names {len(spec.resume_child_runs)} trials; only {most} are run (limits.max_trials)"
        faults.append(Fault(FIELD, message, "limit"))
    return tuple(found)


def _find(project: Project, reference: TrialReference) -> Trial | None:
    trials = Trial.objects.filter(job__project=project, job__name__iexact=reference.job, number=reference.number)
    return trials.select_related("job__algorithm_version").first()


def _why_not(trial: Trial, spec: JobSpec, version: AlgorithmVersion | None) -> str:
    if not TrialState(trial.state).terminal:
        return f"which is {trial.state}; wait until it has ended, or stop it"
    if version is not None and trial.job.algorithm_version.algorithm_id != version.algorithm_id:
        return "which ran another algorithm; its checkpoint means nothing to this one"
    if version is not None and version.kind != AlgorithmVersion.Kind.EXTERNAL and not has_checkpoint(trial):
        return "which left no checkpoint, or none is kept; leave it out, or add its point to initial_points"
    if not spec.has_space:
        return ""
    if problem := spec.space.problem_with(_point(trial, spec)):
        return f"whose hyperparameters are no point of the search space: {problem}"
    searched = {parameter.name for parameter in spec.space.parameters}
    if gone := sorted(_values(trial).keys() - searched - spec.static.keys()):
        return f"which had {', '.join(gone)}; search {'it' if len(gone) == 1 else 'them'} as well, or make it static"
    return ""


def _values(trial: Trial) -> dict[str, Value]:
    """All hyperparameters that the trial ran with."""
    return {**trial.job.spec["static"], **trial.hyperparameters}


def _point(trial: Trial, spec: JobSpec) -> dict[str, Value]:
    """What the trial ran with, as a point of the new job's space."""
    return spec.space.canonical(_values(trial))


_NOTHING = object()


def _other_statics(field: str, trial: Trial, spec: JobSpec) -> list[Fault]:
    """It goes on with the new job's: often that is what is wanted (more epochs), and worth saying."""
    before = _values(trial)
    return [
        Fault(field, f"ran with {name} = {shown(before[name])}, and goes on with {shown(value)}", "advice")
        for name, value in spec.static.items()
        if name in before and not same_value(before[name], value)
    ]


def write_trials(job: TuningJob, spec: JobSpec, trials: Sequence[Trial]) -> list[Entry]:
    """The first trials of a new job, one for each of `trials`; they start when there is room."""
    entries: list[Entry] = []
    for number, origin in enumerate(trials, 1):
        trial = Trial.objects.create(
            job=job,
            number=number,
            hyperparameters=_point(origin, spec),
            origin=origin,
            continues=True,
            seed=seed_of(origin),
            objective=origin.objective,
            best_objective=origin.best_objective,
        )
        reason = f"Continues trial {origin.number} of {origin.job.name} from its checkpoint, as the job asks."
        numbers: dict[str, float | int | str] = {"job": origin.job.name, "trial": origin.number}
        trial.refresh_from_db(fields=["created_at"])
        entries += [trial_entry(trial), decide(job, Decision.Kind.SUGGEST, reason, trial=trial, numbers=numbers)]
    return entries


def take_over(attempt: Attempt) -> None:
    """Begin the curves of an attempt with those of the trial that its own continues, up to that one's checkpoint: they
    are one run."""
    trial, origin = attempt.trial, attempt.trial.origin
    assert origin is not None
    sql = """
        INSERT INTO jobs_metricpoint (attempt_id, metric, step, value, at)
        SELECT %s, p.metric, p.step, p.value, p.at
        FROM jobs_metricpoint p JOIN jobs_attempt a ON a.id = p.attempt_id AND NOT a.superseded
        WHERE a.trial_id = %s AND NOT p.superseded ON CONFLICT DO NOTHING
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [attempt.pk, origin.pk])
    newest = origin.attempts.filter(superseded=False).order_by("-number").first()
    if newest is not None and (lag := reported_since(newest, origin)):
        drop_last(attempt, lag)
    rows.update(trial, reported(trial), "true")
    rows.update(attempt, {"steps": last_steps(trial)}, "true")
