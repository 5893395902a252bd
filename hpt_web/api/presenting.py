"""Jobs and trials as rows of answers, a page at a time, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, QuerySet

from hpt_web.accounts.models import Project, Quota
from hpt_web.catalog.models import AlgorithmVersion
from hpt_web.catalog.quotas import bytes_by_project, stored_bytes
from hpt_web.jobs.documents.drafts import Draft
from hpt_web.jobs.lifecycle import grace_of
from hpt_web.jobs.models import EXTERNAL, Attempt, Decision, Event, JobParent, MetricPoint, Trial, TuningJob, UsageEntry
from hpt_web.jobs.outputs.artifacts import listing
from hpt_web.jobs.outputs.retention import Stored, largest, rule_of, stored, stored_by_project
from hpt_web.jobs.queries import cursor_of, iso, job_rows, trial_row
from hpt_web.jobs.running.dispatch import STOP_SECONDS
from hpt_web.jobs.running.launching import has_checkpoint, seed_of
from hpt_web.jobs.running.sampling import samples_of
from hpt_web.jobs.sharing import sums
from hpt_web.jobs.sharing.queueing import reason_of
from tuning import specification
from tuning.profiles import Profile

Row = dict[str, Any]
_TRIAL_COLUMNS = (
    "number", "state", "objective", "best_objective", "reason", "failure", "attempt", "created_at", "started_at",
    "ended_at", "ran_seconds",
)  # fmt: skip


def jobs(rows: Sequence[TuningJob]) -> list[Row]:
    """Jobs as the list shows them. `rows` come with their algorithm_version__algorithm and created_by."""
    moving = job_rows(rows)
    parents: dict[int, list[str]] = {job.pk: [] for job in rows}
    for child, name in _parent_links(parents).values_list("job", "parent__name"):
        parents[child].append(name)
    return [{**_still(job), "parents": parents[job.pk], **moving[job.pk]} for job in rows]


def _parent_links(jobs: dict[int, list[str]]) -> QuerySet[JobParent]:
    return JobParent.objects.filter(job__in=list(jobs)).order_by("job", "position")


def _still(job: TuningJob) -> Row:
    """What does not move in a job."""
    version = job.algorithm_version
    return {
        "name": job.name,
        "description": job.spec.get("description", ""),
        "created_by": job.created_by.username,
        "created_at": iso(job.created_at),
        "algorithm": {"name": version.algorithm.name, "version": version.number},
        "objective": {"metric": job.metric, "goal": job.goal},
        "strategy": job.spec["strategy"]["name"],
    }


def job(row: TuningJob) -> Row:
    """One job with its whole specification."""
    elsewhere = row.algorithm_version.kind == AlgorithmVersion.Kind.EXTERNAL
    return {
        **jobs([row])[0],
        "reason": reason_of(row),
        "specification": specification.complete(row.spec),
        "bytes": _bytes(stored([row.pk])[row.pk]),
        "keep": rule_of(row),
        "stop_grace_seconds": STOP_SECONDS if elsewhere else settings.HPT_STOP_GRACE_SECONDS,
        "pause_grace_seconds": STOP_SECONDS if elsewhere else settings.HPT_PREEMPT_GRACE_SECONDS,
        "usage": sums.total(UsageEntry.objects.filter(job=row)),
        "reopened": row.reopened is not None,
        "metrics": [metric["name"] for metric in row.algorithm_version.metrics],
        "children": list(row.child_links.order_by("job__created_at").values_list("job__name", flat=True)),
    }


def _bytes(found: Stored) -> Row:
    return {"checkpoints": found.checkpoints, "outputs": found.outputs}


def storage(project: Project, rows: QuerySet[TuningJob]) -> Row:
    """What a project's jobs take, the largest first, and its datasets and code; those that take nothing are left
    out."""
    found = [(job, sizes) for job, sizes in largest(rows) if sizes.total]
    limit = Quota.objects.filter(project=project, user=None, resource=Quota.Resource.STORAGE_BYTES).first()
    total, trials = stored_bytes(project=project), sum(sizes.total for _, sizes in found)
    return {
        "checkpoints": sum(sizes.checkpoints for _, sizes in found),
        "outputs": sum(sizes.outputs for _, sizes in found),
        "catalogue": total - trials,
        "total": total,
        "limit": limit and limit.limit,
        "keep": project.keep,
        "jobs": [
            {
                "job": job.name,
                "state": job.state,
                "keep": job.spec.get("keep") or project.keep,
                "keeps_as_project": not job.spec.get("keep"),
                **_bytes(sizes),
            }
            for job, sizes in found
        ],
    }


def storages() -> list[Row]:
    """What each project takes, the largest first; a fixed number of queries."""
    limits = Quota.objects.filter(user=None, resource=Quota.Resource.STORAGE_BYTES).exclude(project=None)
    most = dict(limits.values_list("project", "limit"))
    catalogue, trials = bytes_by_project(), stored_by_project()
    found = []
    for project in Project.objects.annotate(jobs_count=Count("jobs")).order_by("slug"):
        sizes, data = trials.get(project.pk, Stored()), catalogue.get(project.pk, 0)
        row = {"project": project.slug, "name": project.name, "jobs": project.jobs_count, "catalogue": data}
        found.append(
            {**row, **_bytes(sizes), "total": data + sizes.total, "limit": most.get(project.pk), "keep": project.keep}
        )
    return sorted(found, key=lambda row: -row["total"])


def forecast(plan: Draft) -> Row:
    """The sums that a person wants to see before a job starts."""
    if plan.spec is None:
        return {}
    limits, space = plan.spec.limits, plan.spec.space
    rounds = -(-limits.max_trials // limits.max_parallel)
    longest = rounds * limits.trial_seconds
    return {
        "trials": limits.max_trials,
        "parallel": limits.max_parallel,
        "longest_seconds": longest if limits.max_seconds is None else min(longest, limits.max_seconds),
        "parameters": len(space.parameters),
        # Numbers are shown by programs that have no more than 53 bits for them.
        **({"points_in_space": space.size} if space.size is not None and space.size < 2**53 else {}),
    }


def snapshot(row: TuningJob) -> Row:
    """A job, its trials as columns, and the event from which on to follow.

    The cursor is read first: what happens in between is in the rows already and comes once more as an event, which
    replaces the row by the same.
    """
    cursor = cursor_of(row)
    return {"job": job(row), "cursor": cursor, "trials": trial_columns(row.trials.order_by("number"))}


def trial_columns(rows: QuerySet[Trial]) -> Row:
    """All trials, a list for each member and each hyperparameter."""
    found = list(rows.values_list("hyperparameters", *_TRIAL_COLUMNS))
    columns: Row = {name: [trial[at] for trial in found] for at, name in enumerate(_TRIAL_COLUMNS, 1)}
    names = dict.fromkeys(name for trial in found for name in trial[0])
    columns["hyperparameters"] = {name: [trial[0].get(name) for trial in found] for name in names}
    return columns


def trials(rows: Sequence[Trial]) -> list[Row]:
    return [dict(trial_row(trial)) for trial in rows]


def trial(row: Trial) -> Row:
    """One trial with its attempts and the last value of each metric (F63)."""
    newest = MetricPoint.objects.filter(attempt__trial=row, attempt__superseded=False, superseded=False)
    last = newest.order_by("metric", "-step").distinct("metric").values_list("metric", "step", "value")
    return {
        **trial_row(row),
        "job": row.job.name,
        "origin": _origin(row),
        "seed": seed_of(row),
        "checkpoint": has_checkpoint(row),
        "discarded_at": row.discarded_at,
        "static": row.job.spec["static"],
        "metrics": {metric: {"step": step, "value": value} for metric, step, value in last},
        "attempts": [attempt(found) for found in row.attempts.order_by("number")],
    }


def _origin(row: Trial) -> Row | None:
    origin = row.origin
    if origin is None:
        return None
    return {"job": origin.job.name, "trial": origin.number, "continues": row.continues}


def artifacts(row: Attempt) -> Row:
    found = listing(row)
    files = [{"path": file.path, "bytes": file.bytes, "modified_at": _moment(file.modified_at)} for file in found.files]
    return {
        "attempt": row.number,
        "items": files,
        "links": [{"path": link.path, "target": link.target} for link in found.links],
        "left_out": [{"path": left.path, "reason": left.reason} for left in found.left_out],
        "truncated": found.truncated,
        "discarded_at": row.trial.discarded_at,
    }


def _moment(seconds: float) -> datetime:
    """A trial sets its files' times as it likes; those beyond every calendar are shown as the first moment."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def attempt(row: Attempt) -> Row:
    return {
        "number": row.number,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "outcome": row.outcome or None,
        "exit_code": row.exit_code,
        "signal": row.signal,
        "stop_reason": row.stop_reason,
        "stops_by": _stops_by(row),
        "failure": row.failure,
        "kept_container": row.kept_container,
        "resumed": row.resumed,
        "superseded": row.superseded,
        "pool": row.pool,
        "devices": row.devices,
    }


def _stops_by(row: Attempt) -> datetime | None:
    if row.stop_requested_at is None or row.ended_at is not None or row.backend == EXTERNAL:
        return None
    return row.stop_requested_at + timedelta(seconds=grace_of(row))


def series(points: QuerySet[MetricPoint]) -> list[Row]:
    """Points, in the order of metric and step, as columns for each metric."""
    found: dict[str, Row] = {}
    for metric, step, value, at in points.values_list("metric", "step", "value", "at"):
        row = found.setdefault(metric, {"metric": metric, "steps": [], "values": [], "times": []})
        row["steps"].append(step)
        row["values"].append(value)
        row["times"].append(at.timestamp())
    return list(found.values())


def usage(attempt: Attempt | None) -> Row:
    """The samples of an attempt as columns."""
    samples = samples_of(attempt) if attempt is not None else []
    return {
        "attempt": attempt.number if attempt is not None else 0,
        "devices": attempt.devices if attempt is not None else [],
        "times": [sample.at.timestamp() for sample in samples],
        **{
            name: [getattr(sample, name) for sample in samples]
            for name in ("cpus", "memory_bytes", "gpu_busy", "gpu_memory_bytes")
        },
    }


def decision(row: Decision) -> Row:
    number = row.trial.number if row.trial is not None else None
    return {"trial": number, "kind": row.kind, "at": row.at, "reason": row.reason, "numbers": row.numbers}


def event(row: Event) -> Row:
    return {"seq": row.seq, "at": row.at, "kind": row.kind, "data": row.data}


def profile(name: str, rules: Profile) -> Row:
    return {
        "name": name,
        "title": rules.title,
        "strategies": rules.strategies,
        "policies": rules.policies,
        "no_policy_with": sorted(rules.no_policy_with),
        "searches": sorted(rules.searches),
        "searches_with": {strategy: sorted(found) for strategy, found in rules.searches_with.items()},
        "max_searched": rules.max_searched,
        "max_hyperparameters": rules.max_hyperparameters,
        "max_values": rules.max_values,
        "max_trials": rules.max_trials,
        "max_trials_with": rules.max_trials_with,
        "max_parallel": rules.max_parallel,
        "options": rules.options_unset,
    }
