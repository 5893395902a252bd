"""Warm start: a job's outline for the rules, and what a child inherits. The rules stand in tuning.warmstart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache

from django.db import connection, transaction

from hpt_web.catalog.models import AlgorithmVersion, DatasetVersion
from hpt_web.jobs.events import append, job_entry
from hpt_web.jobs.models import SPEC_SCHEMA, TuningJob
from hpt_web.jobs.search.history import kept_trials, own_trials
from tuning import specification
from tuning.history import History, Observation
from tuning.specification import JobSpec
from tuning.states import Goal, JobState
from tuning.strategies.fidelity import CUT_SHORT
from tuning.warmstart import Inherited, JobOutline, WarmStartType, inherit


def outline(
    spec: JobSpec,
    version: AlgorithmVersion,
    channels: Mapping[str, DatasetVersion],
    *,
    state: JobState = JobState.PENDING,
    trials: int = 0,
    schema: int = SPEC_SCHEMA,
) -> JobOutline:
    """What the rules need to know of a job, existing or about to be."""
    return JobOutline(
        name=spec.name,
        state=state,
        metric=spec.metric,
        goal=spec.goal,
        space=spec.space,
        static=spec.static,
        algorithm=version.identity,
        data={name: dataset.digest for name, dataset in channels.items()},
        trials=trials,
        strategy=spec.strategy.name,
        schema=schema,
    )


def outline_of(job: TuningJob) -> JobOutline:
    """The outline of a stored job."""
    channels = {channel.name: channel.dataset_version for channel in job.channels.select_related("dataset_version")}
    return outline(
        specification.stored(job.spec),
        job.algorithm_version,
        channels,
        state=JobState(job.state),
        trials=job.trials.count(),
        schema=job.schema,
    )


def parents_of(job: TuningJob) -> list[TuningJob]:
    links = job.parent_links.select_related("parent__algorithm_version", "parent__project")
    return [link.parent for link in links]


def inherited_from(parents: Iterable[TuningJob], spec: JobSpec, *, curves: bool = False) -> Inherited:
    """The parents' trials as observations in the space of `spec`, and why some could not be taken."""
    if spec.warm_start is None:
        return Inherited((), ())
    families = [
        (outline_of(parent), History(goal=Goal(parent.goal), own=own_trials(parent, curves=curves)))
        for parent in parents
    ]
    return inherit(spec.space, families, spec.static, spec.warm_start.type)


@lru_cache(maxsize=64)
def inherited(job_id: int, ended: tuple[datetime | None, ...], *, curves: bool = False) -> Inherited:
    """What a stored job inherits. Parents are over while it runs, so this may be kept. `ended`: since when they are,
    as they may have gone on while the child was over itself. A job that has not begun tells meanwhile how far it is.
    """
    job = TuningJob.objects.get(pk=job_id)
    return inherited_from(_one_by_one(job), specification.stored(job.spec), curves=curves)


def cut_short(job: TuningJob) -> bool:
    """Whether trials of its parents ended before they were whole, so that their last value is not their result."""
    return bool(job.spec["warm_start"]) and _cut_short(job.pk, _parents_ended(job))


@lru_cache(maxsize=64)
def _cut_short(job_id: int, ended: tuple[datetime | None, ...]) -> bool:
    return any(trial.state in CUT_SHORT for trial in inherited(job_id, ended).observations)


def load(job: TuningJob, *, curves: bool) -> None:
    """Have what the job inherits at hand before its first step, which locks its row."""
    if job.spec["warm_start"]:
        inherited(job.pk, _parents_ended(job), curves=curves)


def _one_by_one(job: TuningJob) -> Iterator[TuningJob]:
    """Its parents; a job that has not begun says which of them is being loaded (F3)."""
    parents = parents_of(job)
    for number, parent in enumerate(parents, 1):
        _tell(job, f"Loading parents ({number} of {len(parents)}): {parent.trials.count()} trials of {parent.name}.")
        yield parent


def _tell(job: TuningJob, reason: str) -> None:
    if connection.in_atomic_block:
        return  # nobody would hear of it before it is over
    with transaction.atomic():
        begins = TuningJob.objects.filter(pk=job.pk, state=JobState.PENDING, stop_requested_at__isnull=True)
        if begins.update(reason=reason):
            job.reason = reason
            append(job.pk, [job_entry(job)])


def _parents_ended(job: TuningJob) -> tuple[datetime | None, ...]:
    return tuple(job.parent_links.values_list("parent__ended_at", flat=True))


def whole_history(
    job: TuningJob, *, curves: bool = False, keep: bool = False, own: tuple[Observation, ...] | None = None
) -> History:
    """All that a strategy or a policy may know: the job's own trials, and what it inherits from its parents. `keep` is
    for whoever asks for it again and again, and has written nothing of the job's trials yet (`kept_trials`); `own` for
    whoever has asked already."""
    warm = job.spec["warm_start"]
    if own is None:
        own = kept_trials(job, curves=curves) if keep else own_trials(job, curves=curves)
    return History(
        goal=Goal(job.goal),
        own=own,
        inherited=inherited(job.pk, _parents_ended(job), curves=curves).observations if warm else (),
        comparable=not warm or warm["type"] == WarmStartType.IDENTICAL_DATA_AND_ALGORITHM,
        budget=job.max_trials,
    )
