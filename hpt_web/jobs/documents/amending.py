"""A job's document with other limits or rules: read and held against the project like a new one, fault by fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpt_web.accounts.errors import Conflict, Invalid, NotVisible
from hpt_web.jobs.documents import drafts
from hpt_web.jobs.models import TuningJob
from hpt_web.jobs.queries import counts_by_state
from hpt_web.jobs.search.completion import ending
from hpt_web.jobs.search.parents import outline_of, parents_of
from hpt_web.jobs.sharing.quotas import bound_faults, more_faults, refuse_more_jobs
from tuning import specification, warmstart
from tuning.documents import Document
from tuning.errors import Fault
from tuning.specification import JobSpec
from tuning.states import JobState

_MORE = ("limits.max_trials", "limits.max_seconds", "limits.max_failures")
MEMBERS = ("limits", "completion", "keep")  # what may be changed; the rest is what the job is


def locked(job: TuningJob) -> TuningJob:
    """The job's row, locked as by whoever advances it; raises NotVisible if it was deleted since it was looked up."""
    rows = TuningJob.objects.select_for_update(of=("self",), no_key=True)
    found = rows.select_related("project", "created_by", "algorithm_version__algorithm").filter(pk=job.pk).first()
    if found is None:
        raise NotVisible(f"Tuning job {job.name!r} has just been deleted.")
    return found


def must_not_be_stopping(job: TuningJob, then: str) -> None:
    """Raise Conflict if the job is being stopped, from the moment when that was asked for: whoever did has the last
    word, and what others would change is over before it counts. `then`: what to do once it is over."""
    asked = job.stop_requested_at is not None and job.ended_at is None
    if asked or job.state == JobState.STOPPING:
        raise Conflict(f"Job {job.name!r} is being stopped; {then} once it is over.")


def close(doc: Document) -> None:
    """Raise Invalid if anything of the document is wrong."""
    doc.close()
    if doc.faults:
        raise Invalid(doc.faults)


@dataclass(frozen=True, slots=True)
class Amended:
    """The new document of a job, and what differs: path -> (before, after). Nothing is written yet."""

    document: dict[str, object]
    changes: dict[str, tuple[object, object]]

    def write(self, job: TuningJob) -> None:
        limits = self.document["limits"]
        assert isinstance(limits, dict)
        job.spec, job.max_trials, job.max_parallel = self.document, limits["max_trials"], limits["max_parallel"]
        job.save(update_fields=["spec", "max_trials", "max_parallel"])

    def __str__(self) -> str:
        return ", ".join(f"{name} = {_text(new)} (was {_text(old)})" for name, (old, new) in self.changes.items())


def amend(job: TuningJob, document: object) -> Amended:
    """The members that `document` names changed, those of `limits` and `completion` one by one.

    Raises:
        Invalid: with every fault.
    """
    doc = Document(document)
    before = specification.complete(job.spec)
    spec, faults = specification.read(_merged(doc, before))
    doc.close()
    faults = [fault for fault in (*faults, *specification.profile_faults(spec)) if fault.field.startswith(MEMBERS)]
    faults = [*doc.faults, *faults, *_count_faults(job, spec)]
    if faults:
        raise Invalid(faults)
    canonical = spec.to_json()
    after = {**before, **{name: canonical[name] for name in MEMBERS}}
    return Amended(after, _changes(before, after))


def _merged(doc: Document, before: Mapping[str, object]) -> dict[str, object]:
    merged = dict(before)
    for name in ("limits", "completion"):
        given, had = doc.raw(name), before[name]
        if isinstance(given, Mapping) and isinstance(had, Mapping):
            merged[name] = {**had, **given}
        elif doc.has(name):
            merged[name] = given
    if doc.raw("keep") is not None or doc.has("keep"):
        merged["keep"] = doc.raw("keep")
    return merged


def _count_faults(job: TuningJob, spec: JobSpec) -> list[Fault]:
    """What keeps the job from such limits: the trials that there are, quotas of whoever made it, as what it runs is
    theirs, and the rules of a child (F20)."""
    most, there, user = spec.limits.max_trials, job.trials.count(), job.created_by
    faults = bound_faults(user, job.project, spec, specification.read(job.spec)[0])
    if most < there:
        message = f"is {most}; the job has {there} trials already, give at least {there}"
        faults.append(Fault("limits.max_trials", message, "range"))
    if most > job.max_trials:
        faults += more_faults(user, job.project, spec, more_jobs=job.ended_at is not None)
        if spec.warm_start is not None:
            outlines = [outline_of(parent) for parent in parents_of(job)]
            rules = warmstart.check(outline_of(job), outlines, spec.warm_start.type, most)
            faults += [
                Fault("limits.max_trials", f"{rule.rule} {rule.title}: {rule.detail}", rule.rule)
                for rule in drafts.broken(rules)
            ]
    return faults


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, tuple[object, object]]:
    found: dict[str, tuple[object, object]] = {}
    for name in MEMBERS:
        old, new = before[name], after[name]
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            parts = {f"{name}.{part}": (old.get(part), new.get(part)) for part in new}
            found |= {path: pair for path, pair in parts.items() if pair[0] != pair[1]}
        elif old != new:
            found[name] = (old, new)
    return found


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return " and ".join(f"{name} {number}" for name, number in value.items())
    return "none" if value is None else str(value)


# --- a job that is over, and goes on ----------------------------------------------------------------------------------


def must_have_room(job: TuningJob) -> None:
    """Raise Invalid if limits leave no room for one more job that is not over, as for a new one."""
    if faults := more_faults(job.created_by, job.project, specification.stored(job.spec)):
        raise Invalid(faults)
    refuse_more_jobs(job.created_by, job.project)


def must_have_no_heirs(job: TuningJob) -> None:
    """Raise Conflict if a job that is not over starts from this one: what it inherits must not change under it."""
    heir = job.child_links.filter(job__ended_at__isnull=True).select_related("job").first()
    if heir is not None:
        raise Conflict(
            f"Job {heir.job.name!r} warm-starts from {job.name!r} and is {heir.job.state}: what it inherits must not "
            "change. Wait for its end, stop it, or clone the job."
        )


def must_have_ended_parents(job: TuningJob) -> None:
    """Raise Conflict if a job that this one starts from runs again (F14)."""
    for parent in parents_of(job):
        if not JobState(parent.state).terminal:
            raise Conflict(
                f"Job {job.name!r} warm-starts from {parent.name!r}, which is {parent.state} again; wait for its end."
            )


def extends(changes: Mapping[str, object]) -> bool:
    """Whether changes ask for more of a search, and not only for other ways to run what is asked for."""
    return any(path.startswith("completion") or path in _MORE for path in changes)


def must_go_on(job: TuningJob) -> None:
    """Raise Conflict, which undoes everything, if a job that was just reopened would end at once."""
    end = ending(job, counts_by_state([job.pk])[job.pk])
    if end is not None:
        raise Conflict(f"Job {job.name!r} would be over again at once: {end.reason} Change its limits or rules.")
