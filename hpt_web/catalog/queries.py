"""What is read of datasets and algorithms: everything starts from the project that `accounts.access` lets one see."""

from __future__ import annotations

from typing import TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, Prefetch, QuerySet

from hpt_web.accounts.access import project_for
from hpt_web.accounts.errors import NotVisible
from hpt_web.accounts.models import Role, User
from hpt_web.catalog.models import Algorithm, AlgorithmVersion, Dataset, DatasetVersion

Person = User | AnonymousUser
_NEWEST = "newest"
E = TypeVar("E", Dataset, Algorithm)


def datasets_in(user: Person, project: str, at_least: Role = Role.VIEWER) -> QuerySet[Dataset]:
    """The datasets of a project, each with `version_count` and (in `newest`) its newest version."""
    newest = DatasetVersion.objects.select_related("created_by").order_by("dataset", "-number").distinct("dataset")
    return _with_versions(Dataset.objects.filter(project=project_for(user, project, at_least)), newest)


def algorithms_in(user: Person, project: str, at_least: Role = Role.VIEWER) -> QuerySet[Algorithm]:
    """The algorithms of a project, each with `version_count` and (in `newest`) its newest version."""
    newest = AlgorithmVersion.objects.select_related("created_by", "equivalent_to")
    newest = newest.order_by("algorithm", "-number").distinct("algorithm")
    return _with_versions(Algorithm.objects.filter(project=project_for(user, project, at_least)), newest)


def _with_versions(rows: QuerySet[E], newest: QuerySet[DatasetVersion] | QuerySet[AlgorithmVersion]) -> QuerySet[E]:
    # By mapping, as django-stubs would take these for columns that the models declare already.
    counted = rows.select_related("project", "created_by").annotate(**{"version_count": Count("versions")})
    return counted.prefetch_related(Prefetch("versions", newest, to_attr=_NEWEST))


def dataset_for(user: Person, project: str, name: str, at_least: Role = Role.VIEWER) -> Dataset:
    """The dataset `name`, whatever its case. Raises NotVisible, Forbidden."""
    return _named(datasets_in(user, project, at_least), name, f"dataset {name!r} in project {project!r}")


def algorithm_for(user: Person, project: str, name: str, at_least: Role = Role.VIEWER) -> Algorithm:
    """The algorithm `name`, whatever its case. Raises NotVisible, Forbidden."""
    return _named(algorithms_in(user, project, at_least), name, f"algorithm {name!r} in project {project!r}")


def _named(rows: QuerySet[E], name: str, what: str) -> E:
    row = rows.filter(name__iexact=name).first()
    if row is None:
        raise NotVisible(f"There is no {what}.")
    return row


def dataset_version_for(user: Person, project: str, name: str, number: int) -> DatasetVersion:
    dataset = dataset_for(user, project, name)
    version = dataset.versions.select_related("created_by").filter(number=number).first()
    if version is None:
        raise NotVisible(f"Dataset {dataset.name!r} has no version {number}.")
    return version


def algorithm_version_for(user: Person, project: str, name: str, number: int) -> AlgorithmVersion:
    algorithm = algorithm_for(user, project, name)
    version = algorithm.versions.select_related("created_by", "equivalent_to").filter(number=number).first()
    if version is None:
        raise NotVisible(f"Algorithm {algorithm.name!r} has no version {number}.")
    return version
