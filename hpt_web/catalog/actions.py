"""Every change to datasets and algorithms: right, check, change and audit in one transaction.

Content comes first and is dropped again unless the transaction that names it gets to its end.
"""

from __future__ import annotations

import mimetypes
import re
from pathlib import PurePosixPath

from django.db import IntegrityError, transaction
from django.db.models import Max, ProtectedError, RestrictedError

from hpt_web.accounts import audit, refusals
from hpt_web.accounts.access import project_for, require
from hpt_web.accounts.actions import LONGEST_DESCRIPTION, held_by, refuse, text_faults
from hpt_web.accounts.errors import Conflict, Fault, Faulty, Forbidden, Invalid
from hpt_web.accounts.models import NAME_PATTERN, Project, Role, User
from hpt_web.catalog import bundles, storage
from hpt_web.catalog.archives import name_problem
from hpt_web.catalog.bundles import Bundle
from hpt_web.catalog.models import (
    Algorithm,
    AlgorithmVersion,
    Dataset,
    DatasetVersion,
    StoredBundle,
    digest_of_what_runs,
)
from hpt_web.catalog.queries import algorithm_for, dataset_for
from hpt_web.catalog.quotas import refuse_storage
from hpt_web.catalog.storage import Readable
from hpt_web.catalog.validation import VersionDocument, read_version
from tuning.backends.docker.launch import network_problem

_NAME = re.compile(NAME_PATTERN)
_KEPT_UNNAMED = 24 * 3600.0  # seconds
_BUNDLE_SUFFIXES = (".py", ".zip", ".tar.gz", ".tgz")


# --- datasets ---------------------------------------------------------------------------------------------------------


def create_dataset(*, actor: User, project: str, name: str, description: str = "") -> Dataset:
    """A dataset without content; `add_dataset_version` gives it some. Needs the role editor."""
    row = _create(Dataset, actor, project, name, description)
    assert isinstance(row, Dataset)
    return row


def create_algorithm(*, actor: User, project: str, name: str, description: str = "") -> Algorithm:
    """An algorithm without a version; `add_algorithm_version` gives it one. Needs the role editor."""
    row = _create(Algorithm, actor, project, name, description)
    assert isinstance(row, Algorithm)
    return row


Entry = Dataset | Algorithm


def _create(kind: type[Dataset] | type[Algorithm], actor: User, project: str, name: str, description: str) -> Entry:
    team = project_for(actor, project, Role.EDITOR)
    word = kind._meta.verbose_name
    refuse(_entry_faults(kind, team, name, description))
    try:
        with transaction.atomic():
            row = kind.objects.create(project=team, name=name, description=description, created_by=actor)
            audit.record(actor=actor, action=f"{word}.create", target_kind=str(word), target=name, project=team)
    except IntegrityError as error:
        if "name_unique_per_project" not in str(error):
            raise
        raise Invalid([_taken(str(word), name)]) from error
    return row


def _entry_faults(
    kind: type[Dataset] | type[Algorithm], project: Project, name: str, description: str, own: int = 0
) -> list[Fault]:
    faults = text_faults("description", description, LONGEST_DESCRIPTION)
    if not _NAME.fullmatch(name):
        faults.append(Fault("name", f"is {name[:80]!r}; use 1 to 63 letters and digits, with hyphens between them"))
    elif kind.objects.filter(project=project, name__iexact=name).exclude(pk=own).exists():
        faults.append(_taken(str(kind._meta.verbose_name), name))
    return faults


def _taken(word: str, name: str) -> Fault:
    article = "an" if word[0] in "aeiou" else "a"
    return Fault("name", f"is {name!r}, which {article} {word} of the project has already; choose another", "taken")


def update_dataset(
    *, actor: User, project: str, dataset: str, name: str | None = None, description: str | None = None
) -> Dataset:
    """Change what is given; None leaves it as it is. Needs the role editor."""
    row = dataset_for(actor, project, dataset, Role.EDITOR)
    _update(row, actor, name, description)
    return row


def update_algorithm(
    *, actor: User, project: str, algorithm: str, name: str | None = None, description: str | None = None
) -> Algorithm:
    """Change what is given; None leaves it as it is. Needs the role editor."""
    row = algorithm_for(actor, project, algorithm, Role.EDITOR)
    _update(row, actor, name, description)
    return row


def grant_network(*, actor: User, project: str, algorithm: str, network: str) -> Algorithm:
    """Let the algorithm's trials in containers reach the network of this name, or none again (""). For administrators:
    what such a trial can reach, everybody who may change the algorithm's code can.

    Raises Forbidden, and Invalid if it is the host's own network, or another container's.
    """
    row = algorithm_for(actor, project, algorithm, Role.EDITOR)
    if not actor.is_superuser:
        raise Forbidden("Only an administrator can give an algorithm's trials a network; ask one.")
    if network and (problem := network_problem(network)):
        raise Invalid([Fault("network", f"is {network[:80]!r}, which is {problem}", "invalid")])
    before, row.network = row.network, network
    with transaction.atomic():
        row.save(update_fields=["network"])
        audit.record(
            actor=actor, action="algorithm.network", target_kind="algorithm", target=row.name, project=row.project,
            data={"network": network, "before": before},
        )  # fmt: skip
    return row


def _update(row: Entry, actor: User, name: str | None, description: str | None) -> None:
    before, word = row.name, str(row._meta.verbose_name)
    row.name = before if name is None else name
    row.description = row.description if description is None else description
    refuse(_entry_faults(type(row), row.project, row.name, row.description, own=row.pk))
    with transaction.atomic():
        row.save(update_fields=["name", "description"])
        data = {"name": name, "description": description}
        audit.record(
            actor=actor, action=f"{word}.change", target_kind=word, target=before, project=row.project, data=data
        )


def delete_dataset(*, actor: User, project: str, dataset: str) -> None:
    """Delete a dataset with its versions, unless a job refers to one. Needs the role editor."""
    _delete(dataset_for(actor, project, dataset, Role.EDITOR), actor)


def delete_algorithm(*, actor: User, project: str, algorithm: str) -> None:
    """Delete an algorithm with its versions, unless a job refers to one. Needs the role editor."""
    _delete(algorithm_for(actor, project, algorithm, Role.EDITOR), actor)


def _delete(row: Entry, actor: User) -> None:
    word = str(row._meta.verbose_name)
    with transaction.atomic():
        audit.record(actor=actor, action=f"{word}.delete", target_kind=word, target=row.name, project=row.project)
        try:
            row.delete()
        except (ProtectedError, RestrictedError) as error:
            text = f"{word.capitalize()} {row.name!r} is used by {held_by(error)}, whose record would lose its meaning."
            raise Conflict(text) from error


# --- dataset versions -------------------------------------------------------------------------------------------------


@refusals.counted
def add_dataset_version(
    *,
    actor: User,
    project: str,
    dataset: str,
    filename: str,
    stream: Readable,
    limit: int,
    announced: int | None = None,
) -> DatasetVersion:
    """Store the bytes of `stream` as the next version of a dataset. Needs the role editor.

    `limit` is the most bytes that are taken, `announced` how many there should be (None if that was not said).
    Raises Invalid, OverQuota, and what `storage.receive` raises; in each case nothing of it is kept.
    """
    row = dataset_for(actor, project, dataset, Role.EDITOR)
    if problem := _filename_problem(filename):
        raise Invalid([Fault("filename", f"is {ascii(filename)[:80]}, which {problem}; choose another", "name")])
    refuse_storage(actor, row.project, announced or 0)
    with storage.receive(stream, limit=limit, announced=announced) as received, transaction.atomic():
        Dataset.objects.select_for_update().get(pk=row.pk)  # numbers are given out one after the other
        require(actor, row.project, Role.EDITOR)  # the upload may have taken an hour
        refuse_storage(actor, row.project, received.size)
        version = DatasetVersion.objects.create(
            dataset=row,
            number=_next(row.versions.aggregate(last=Max("number"))["last"]),
            filename=filename,
            digest=received.digest,
            size=received.size,
            media_type=mimetypes.guess_type(filename)[0] or "application/octet-stream",
            created_by=actor,
        )
        version.refresh_from_db(fields=["created_at"])
        data = {"digest": received.digest, "size": received.size}
        target = f"{row.name}/{version.number}"
        audit.record(
            actor=actor, action="dataset.add_version", target_kind="dataset", target=target, project=row.project,
            data=data,
        )  # fmt: skip
        received.keep()
    return version


def _next(last: int | None) -> int:
    return (last or 0) + 1


def _filename_problem(filename: str) -> str | None:
    """A dataset's file is one file: its name has no folders."""
    if "/" in filename:
        return "has a slash"
    return name_problem(filename)


def sweep_store() -> tuple[int, int]:
    """Remove what died while arriving and what no row names any more; how many files of each. May run at any time.

    Content is touched whenever a row is about to name it, and only goes a day after its last touch, so that the order
    of "which digests are named" and "which files are there" does not matter.
    """
    named = set(DatasetVersion.objects.values_list("digest", flat=True).distinct())
    named |= set(StoredBundle.objects.values_list("digest", flat=True).distinct())
    named |= set(AlgorithmVersion.objects.exclude(bundle="").values_list("bundle", flat=True).distinct())
    return storage.sweep_incoming(), storage.sweep_unused(named, older_than=_KEPT_UNNAMED)


# --- bundles and algorithm versions -----------------------------------------------------------------------------------


@refusals.counted
def add_bundle(
    *, actor: User, project: str, filename: str, stream: Readable, limit: int, announced: int | None = None
) -> StoredBundle:
    """Check and store code for an algorithm version to come. Needs the role editor."""
    team = project_for(actor, project, Role.EDITOR)
    problem = name_problem(filename)
    if problem or not filename.endswith(_BUNDLE_SUFFIXES):
        problem = problem or f"does not end in {', '.join(_BUNDLE_SUFFIXES)}"
        raise Invalid([Fault("filename", f"is {ascii(filename)[:80]}, which {problem}; choose another", "name")])
    limit = min(limit, bundles.MAX_ARCHIVE)
    with storage.receive(stream, limit=limit, announced=announced, what="The bundle") as received:
        bundle = bundles.from_upload(received, PurePosixPath(filename).name)
    return _recorded(actor, team, bundle)


def _recorded(actor: User, project: Project, bundle: Bundle) -> StoredBundle:
    """The project's row of the bundle. Raises OverQuota if it is new and too large."""
    files = [{"name": file.name, "size": file.size} for file in bundle.files]
    with transaction.atomic():
        known = StoredBundle.objects.filter(project=project, digest=bundle.digest).first()
        if known is not None:
            return known
        refuse_storage(actor, project, bundle.size)
        return StoredBundle.objects.get_or_create(
            project=project,
            digest=bundle.digest,
            defaults={"size": bundle.size, "files": files, "created_by": actor},
        )[0]


def add_algorithm_version(*, actor: User, project: str, algorithm: str, document: object) -> AlgorithmVersion:
    """Add the next version of an algorithm from its document. Needs the role editor; `equivalent_to` an owner (F9).

    Raises Invalid with every fault of the document.
    """
    row = algorithm_for(actor, project, algorithm, Role.EDITOR)
    read, found = read_version(document)
    faults: list[Faulty] = list(found)
    if read.equivalent_to is not None:
        require(actor, row.project, Role.OWNER)
    twin = row.versions.filter(number=read.equivalent_to).first() if read.equivalent_to is not None else None
    if read.equivalent_to is not None and twin is None:
        count = row.versions.count()
        faults.append(Fault("equivalent_to", f"is {read.equivalent_to}; the algorithm has {count} versions", "unknown"))
    bundle = _bundle(actor, row.project, read, faults)
    names = [file["name"] for file in bundle.files] if bundle is not None else []
    if bundle is not None and read.entry_point and read.entry_point not in names:
        shown = ", ".join(names[:10])
        faults.append(Fault("entry_point", f"is {read.entry_point!r}, which is not in the bundle: {shown}", "unknown"))
    if faults:
        raise Invalid(faults)
    return _add_version(actor, row, read, bundle, twin)


def _bundle(actor: User, project: Project, read: VersionDocument, faults: list[Faulty]) -> StoredBundle | None:
    """The bundle that the document gives or names."""
    if read.files:
        try:
            return _recorded(actor, project, bundles.from_texts(read.files, "source.files"))
        except Invalid as error:
            faults.extend(error.faults)
    if read.bundle:
        bundle = project.bundles.filter(digest=read.bundle).first()
        if bundle is not None and storage.touch(read.bundle):
            return bundle
        text = f"is {read.bundle}, which this project does not have; POST it to its bundles first"
        faults.append(Fault("source.bundle", text, "unknown"))
    return None


def _kind(read: VersionDocument) -> AlgorithmVersion.Kind:
    if read.external:
        return AlgorithmVersion.Kind.EXTERNAL
    return AlgorithmVersion.Kind.IMAGE if read.image else AlgorithmVersion.Kind.SCRIPT


def _add_version(
    actor: User, row: Algorithm, read: VersionDocument, bundle: StoredBundle | None, twin: AlgorithmVersion | None
) -> AlgorithmVersion:
    with transaction.atomic():
        Algorithm.objects.select_for_update().get(pk=row.pk)  # numbers are given out one after the other
        number = _next(row.versions.aggregate(last=Max("number"))["last"])
        # What runs elsewhere is out of our sight: a new version says that it is something else.
        source = bundle.digest if bundle else read.image or f"external:{row.pk}/{number}"
        source += f" in {read.base_image}" if read.base_image else ""
        digest = digest_of_what_runs(source=source, entry_point=read.entry_point, environment=read.environment)
        version = AlgorithmVersion.objects.create(
            algorithm=row,
            number=number,
            kind=_kind(read),
            bundle=bundle.digest if bundle else "",
            files=bundle.files if bundle else [],
            image=read.image or "",
            entry_point=read.entry_point,
            runs_in=read.runs_in,
            base_image=read.base_image,
            hyperparameters=read.hyperparameters,
            metrics=read.metrics,
            objectives=read.objectives,
            strategies=read.strategies,
            channels=read.channels,
            resources=read.resources,
            environment=read.environment,
            digest=digest,
            equivalent_to=twin,
            identity=twin.identity if twin else digest,
            created_by=actor,
        )
        version.refresh_from_db(fields=["created_at"])
        # The names of the environment's variables may be read by all, their values may be secrets.
        data = {"digest": digest, "equivalent_to": twin.number if twin else None}
        audit.record(
            actor=actor, action="algorithm.add_version", target_kind="algorithm",
            target=f"{row.name}/{version.number}", project=row.project, data=data,
        )  # fmt: skip
    return version
