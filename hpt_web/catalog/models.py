"""What can be tuned, and on what: datasets and algorithms, each with numbered versions that never change.

The content of a version lies in the blob store (`storage.py`) under its digest. Triggers in the database refuse to
change a version's row.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from hpt_web.accounts.models import NAME_PATTERN, Project

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"


class Dataset(models.Model):
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="datasets")
    name = models.CharField(max_length=63)
    description = models.TextField(blank=True, default="")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    if TYPE_CHECKING:
        versions: RelatedManager[DatasetVersion]
        version_count: int  # both are there on what `queries.datasets_in` answers
        newest: list[DatasetVersion]

    class Meta:
        constraints = [
            models.UniqueConstraint("project", Lower("name"), name="dataset_name_unique_per_project"),
            models.CheckConstraint(condition=Q(name__regex=NAME_PATTERN), name="dataset_name_in_form"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def latest_version(self) -> DatasetVersion | None:
        return self.newest[0] if self.newest else None


class DatasetVersion(models.Model):
    """One file. `filename` is what a trial sees it as; `digest` finds its content."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    filename = models.CharField(max_length=255)
    digest = models.CharField(max_length=71)
    size = models.BigIntegerField()
    media_type = models.CharField(max_length=100)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="dataset_version_number_unique"),
            models.CheckConstraint(condition=Q(digest__regex=DIGEST_PATTERN), name="dataset_version_digest_in_form"),
            models.CheckConstraint(condition=Q(number__gte=1, size__gte=0), name="dataset_version_counts"),
        ]
        indexes = [models.Index(fields=["digest"], name="dataset_version_by_digest")]

    def __str__(self) -> str:
        return f"{self.dataset_id}/{self.number}"


class StoredBundle(models.Model):
    """Code that was uploaded to a project. A version can only be made of a bundle of its own project: knowing another
    project's digest opens nothing."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="bundles")
    digest = models.CharField(max_length=71)
    size = models.BigIntegerField()  # bytes of the files together
    files = models.JSONField()  # [{"name", "size"}]
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "digest"], name="bundle_once_per_project"),
            models.CheckConstraint(condition=Q(digest__regex=DIGEST_PATTERN), name="bundle_digest_in_form"),
        ]

    def __str__(self) -> str:
        return self.digest


class Algorithm(models.Model):
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="algorithms")
    name = models.CharField(max_length=63)
    description = models.TextField(blank=True, default="")
    # The engine's network that its trials in containers are in; none, and they reach nothing, unless an administrator
    # granted one.
    network = models.CharField(max_length=128, blank=True, default="")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    if TYPE_CHECKING:
        versions: RelatedManager[AlgorithmVersion]
        version_count: int  # both are there on what `queries.algorithms_in` answers
        newest: list[AlgorithmVersion]

    class Meta:
        constraints = [
            models.UniqueConstraint("project", Lower("name"), name="algorithm_name_unique_per_project"),
            models.CheckConstraint(condition=Q(name__regex=NAME_PATTERN), name="algorithm_name_in_form"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def latest_version(self) -> AlgorithmVersion | None:
        return self.newest[0] if self.newest else None


class AlgorithmVersion(models.Model):
    """What runs (a script bundle, an image, or something elsewhere), and what it declares: hyperparameters, metrics,
    objectives, channels.

    The JSON columns hold the validated lists and objects of the version document (`validation.py`), each complete with
    its defaults.
    """

    class Kind(models.TextChoices):
        SCRIPT = "script"
        IMAGE = "image"
        EXTERNAL = "external"  # its trials run elsewhere, and are asked for and told of over REST

    algorithm = models.ForeignKey(Algorithm, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    bundle = models.CharField(max_length=71, blank=True, default="")
    files = models.JSONField(default=list)  # [{"name", "size"}] of the bundle
    image = models.CharField(max_length=512, blank=True, default="")
    entry_point = models.CharField(max_length=255, blank=True, default="")
    runs_in = models.CharField(max_length=16, blank=True, default="")  # of a script: process or container
    base_image = models.CharField(max_length=512, blank=True, default="")  # what a script runs in, in a container
    hyperparameters = models.JSONField(default=list)
    metrics = models.JSONField(default=list)
    objectives = models.JSONField(default=list)
    strategies = models.JSONField(default=list)  # the names of those that its jobs may use; empty: any
    channels = models.JSONField(default=list)
    resources = models.JSONField(default=dict)
    environment = models.JSONField(default=dict)
    # What runs, as one value: two versions with the same digest run the same thing.
    digest = models.CharField(max_length=71)
    # An earlier version that an owner declared to be the same algorithm (F9: "does not affect the algorithm itself").
    equivalent_to = models.ForeignKey("self", on_delete=models.RESTRICT, null=True, related_name="equivalents")
    # The digest that the warm-start rules compare: that of the version at the root of `equivalent_to`, else the own.
    identity = models.CharField(max_length=71)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["algorithm", "number"], name="algorithm_version_number_unique"),
            models.CheckConstraint(
                condition=Q(kind="script", bundle__regex=DIGEST_PATTERN, image="") & ~Q(entry_point="")
                | Q(kind="image", bundle="") & ~Q(image="")
                | Q(kind="external", bundle="", image="", entry_point=""),
                name="algorithm_version_has_its_source",
            ),
            models.CheckConstraint(
                condition=Q(digest__regex=DIGEST_PATTERN, identity__regex=DIGEST_PATTERN, number__gte=1),
                name="algorithm_version_in_form",
            ),
        ]
        indexes = [models.Index(fields=["bundle"], name="algorithm_version_by_bundle")]

    def __str__(self) -> str:
        return f"{self.algorithm_id}/{self.number}"


def digest_of_what_runs(*, source: str, entry_point: str, environment: dict[str, str]) -> str:
    """One value for what a version runs: its bundle's digest or its image, what is started in it, and with which
    environment."""
    text = json.dumps([source, entry_point, environment], sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
