"""Deleting by prefix: of all jobs whose names begin so the outputs, the checkpoints, or their whole record; of the
catalogue the datasets (F92). One kind goes and the others stay, as one asks.

What is still needed stays, and is answered with the reason: jobs that are not over, those that another job starts
from, checkpoints that somebody is about to continue, datasets that a job refers to. The best trial of each job keeps
its files as long as its job does. Ask for a rehearsal first: it answers the same and deletes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet, Sum

from hpt_web.accounts.access import project_for
from hpt_web.accounts.audit import record
from hpt_web.accounts.errors import Conflict, Invalid, NotVisible
from hpt_web.accounts.models import Project, Role, User
from hpt_web.catalog.actions import delete_dataset
from hpt_web.catalog.models import Dataset, DatasetVersion
from hpt_web.jobs.documents.amending import locked
from hpt_web.jobs.models import EXTERNAL, Trial, TuningJob
from hpt_web.jobs.outputs import retention
from hpt_web.jobs.queries import best_trials
from hpt_web.jobs.running import dispatch, launching
from tuning.backends.folder import remove
from tuning.documents import Document, shown
from tuning.errors import BackendError

OUTPUTS, CHECKPOINTS, JOBS, DATASETS = WHAT = ("outputs", "checkpoints", "jobs", "datasets")
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class Item:
    """Something that goes, with what it took on disk; or (`reason`) that stays."""

    kind: str
    name: str
    bytes: int = 0
    reason: str = ""


@dataclass(slots=True)
class Cleaned:
    """What went, or in a rehearsal would go, and what begins with the prefix as well but has to stay."""

    rehearsal: bool
    gone: list[Item] = field(default_factory=list)
    kept: list[Item] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return sum(item.bytes for item in self.gone)


def clean_up(*, actor: User, project: str, document: object) -> Cleaned:
    """Delete `what` of everything in the project whose name begins with `prefix`, whatever its case, or with `exact` is
    this; with `rehearsal` only say what that is.

    Needs the role editor, and owner for the record of jobs. Doing it again after a crash in the middle goes on there.

    Raises:
        Invalid: with every fault of the document.
    """
    doc = Document(document)
    what = _what(doc)
    prefix = doc.text("prefix", longest=63)
    if prefix and not _PREFIX.fullmatch(prefix):
        doc.fault("prefix", f"is {shown(prefix)}; give the first letters of names, such as 'sweep-'")
    rehearsal = doc.flag("rehearsal")
    named = {"name__iexact" if doc.flag("exact") else "name__istartswith": prefix}
    doc.close()
    row = project_for(actor, project, Role.OWNER if JOBS in what else Role.EDITOR)
    if doc.faults:
        raise Invalid(doc.faults)
    cleaned = Cleaned(rehearsal)
    jobs = TuningJob.objects.filter(project=row, **named).order_by("-pk")  # children before parents
    if JOBS in what:
        for job in jobs:
            _delete_job(actor, job, cleaned)
    elif files := [kind for kind in (OUTPUTS, CHECKPOINTS) if kind in what]:
        for job in jobs:
            _delete_files(actor, job, files, cleaned)
    if DATASETS in what:
        for dataset in Dataset.objects.filter(project=row, **named).order_by("name"):
            _delete_dataset(actor, row, dataset, cleaned)
    return cleaned


def _what(doc: Document) -> list[str]:
    value = doc.raw("what")
    if not isinstance(value, list) or not value:
        told = "is missing" if value is None else f"is {shown(value)}"
        doc.fault("what", f"{told}; give a list of some of {', '.join(WHAT)}", "required" if value is None else "type")
        return []
    for at, kind in enumerate(value):
        if kind not in WHAT:
            doc.fault(f"what[{at}]", f"is {shown(kind)}; choose among {', '.join(WHAT)}", "unknown")
    return [kind for kind in value if kind in WHAT]


# --- jobs -------------------------------------------------------------------------------------------------------------


def _why_it_stays(job: TuningJob, going: set[str]) -> str:
    """Why a job's record has to stay; `going` are the jobs that go before it."""
    if job.ended_at is None:
        return f"it is {job.state}; stop it first"
    heirs = [name for name in job.child_links.values_list("job__name", flat=True) if name not in going]
    if heirs:
        return f"{', '.join(sorted(heirs))} warm-started from it; delete that first"
    waiting = Trial.objects.filter(origin__job=job, state__in=dispatch.ABOUT_TO_RUN).exclude(job=job)
    if any(map(dispatch.begins_at_origin, waiting.select_related("job"))):
        return "another job is about to continue one of its trials"
    return ""


def _delete_job(actor: User, job: TuningJob, cleaned: Cleaned) -> None:
    with transaction.atomic():
        try:
            job = locked(job)
        except NotVisible:  # somebody else has deleted it meanwhile
            return
        if reason := _why_it_stays(job, {item.name for item in cleaned.gone}):
            cleaned.kept.append(Item("job", job.name, reason=reason))
            return
        item = Item("job", job.name, retention.stored([job.pk])[job.pk].total)
        # The files before the rows: whoever dies in between leaves a job that can be deleted again.
        try:
            for token in () if cleaned.rehearsal else _tokens(job):
                launching.backend().discard(token)
        except BackendError as error:
            cleaned.kept.append(Item("job", job.name, reason=f"what it left cannot be removed now: {error}"))
            return
        cleaned.gone.append(item)
        if cleaned.rehearsal:
            return
        remove(settings.HPT_HOME / "checkpoints" / str(job.pk))
        data = {"bytes": item.bytes, "trials": job.trials.count()}
        record(actor=actor, action="job.delete", target_kind="job", target=job.name, project=job.project, data=data)
        job.usage.update(deleted_job=job.pk)
        job.delete()


def _tokens(job: TuningJob) -> Iterator[str]:
    """Of all attempts that this host ran."""
    for trial in job.trials.prefetch_related("attempts"):
        for attempt in trial.attempts.all():
            if attempt.backend != EXTERNAL:
                yield attempt.token


def _delete_files(actor: User, job: TuningJob, what: list[str], cleaned: Cleaned) -> None:
    """Of trials that are over, of jobs that may go on: what runs is left alone."""
    champion = best_trials([job], ended=True).get(job.pk)
    trials = job.trials.filter(ended_at__isnull=False).order_by("number")
    for trial in trials:
        name = f"{job.name}/{trial.number}"
        spared = champion is not None and trial.pk == champion.pk
        size = retention.discard(trial.pk, what, rehearsal=cleaned.rehearsal or spared)
        if size is None:
            cleaned.kept.append(
                Item("trial", name, reason="it is about to be continued, or its files are just written")
            )
        elif size and spared:
            cleaned.kept.append(Item("trial", name, reason="it is the best of its job"))
        elif size:
            cleaned.gone.append(Item("trial", name, size))
    if cleaned.gone and not cleaned.rehearsal:
        data = {"what": what, "bytes": cleaned.bytes}
        record(actor=actor, action="job.clean", target_kind="job", target=job.name, project=job.project, data=data)


# --- the catalogue ----------------------------------------------------------------------------------------------------


def _delete_dataset(actor: User, project: Project, dataset: Dataset, cleaned: Cleaned) -> None:
    versions: QuerySet[DatasetVersion] = dataset.versions.all()
    size = int(versions.aggregate(total=Sum("size"))["total"] or 0)
    try:
        with transaction.atomic():
            delete_dataset(actor=actor, project=project.slug, dataset=dataset.name)
            transaction.set_rollback(cleaned.rehearsal)
    except Conflict as error:
        cleaned.kept.append(Item("dataset", dataset.name, reason=str(error)))
    else:
        cleaned.gone.append(Item("dataset", dataset.name, size))
