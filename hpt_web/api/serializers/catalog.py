"""Datasets and algorithms with their versions, as the API writes them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from hpt_web.api.serializers.common import OptionField, Shape, ValueField, choices_of
from hpt_web.catalog.models import AlgorithmVersion as AlgorithmVersionRow
from hpt_web.catalog.validation import INPUT_MODES
from tuning.specification import RUNS_IN
from tuning.states import Goal


class DatasetVersion(Shape):
    number = serializers.IntegerField()
    filename = serializers.CharField(help_text="What a trial sees the file as.")
    digest = serializers.CharField(help_text="`sha256:` and 64 hexadecimal digits.")
    size = serializers.IntegerField(help_text="Bytes.")
    media_type = serializers.CharField()
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()


class Dataset(Shape):
    name = serializers.CharField()
    description = serializers.CharField()
    versions = serializers.IntegerField(source="version_count", help_text="How many there are.")
    latest_version = DatasetVersion(allow_null=True)
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()


class CatalogRequest(Shape):
    """A new dataset or algorithm; its versions are added afterwards."""

    name = serializers.CharField()
    description = serializers.CharField(required=False)

    class Meta:
        ref_name = "CatalogEntry"


class CatalogChange(Shape):
    name = serializers.CharField(required=False)
    description = serializers.CharField(required=False)


class AlgorithmChange(CatalogChange):
    network = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="For administrators: one of the container engine's networks, which its trials reach; empty for none.",
    )


class Preview(Shape):
    """The beginning of a file."""

    kind = serializers.ChoiceField(["table", "text", "binary"])
    columns = serializers.ListField(child=serializers.CharField())
    rows = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))
    text = serializers.CharField()
    truncated = serializers.BooleanField(help_text="There is more in the file than is shown.")


class BundleFile(Shape):
    name = serializers.CharField()
    size = serializers.IntegerField()


class Bundle(Shape):
    digest = serializers.CharField(help_text="Put it into an algorithm version as `source.bundle`.")
    size = serializers.IntegerField()
    files = BundleFile(many=True)


class HyperparameterDefinition(Shape):
    name = serializers.CharField()
    type = serializers.ChoiceField(["float", "integer", "categorical", "text"])
    default = ValueField(required=False, allow_null=True)
    min = serializers.FloatField(required=False, allow_null=True)
    max = serializers.FloatField(required=False, allow_null=True)
    values = serializers.ListField(child=ValueField(), required=False, allow_null=True)
    tunable = serializers.BooleanField(required=False)
    description = serializers.CharField(required=False)


class MetricDefinition(Shape):
    name = serializers.CharField()
    regex = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="RE2 syntax with exactly one group, which captures the number. Empty where trials run elsewhere.",
    )


class Objective(Shape):
    metric = serializers.CharField()
    goal = serializers.ChoiceField(choices_of(Goal))


class ChannelDefinition(Shape):
    name = serializers.CharField()
    required = serializers.BooleanField(required=False)  # type: ignore[assignment]
    description = serializers.CharField(required=False)
    content_type = serializers.CharField(
        required=False, help_text="What a trial reads of its data in inputdataconfig.json (ContentType), as text/csv."
    )
    input_mode = serializers.ChoiceField(
        INPUT_MODES,
        required=False,
        help_text="Pipe: trials read it through pipes, one for each epoch. With the others, and if left out, they find "
        "files, and it is not told again.",
    )


class ChannelDocument(ChannelDefinition):
    # Of a name of its own, or the schema would promise that answers hold all of it (`api.schema.complete_answers`).
    """One as it is sent."""


class Resources(Shape):
    """What one trial needs."""

    cpus = serializers.FloatField(required=False)
    memory_mb = serializers.IntegerField(required=False, allow_null=True)
    gpus = serializers.IntegerField(required=False, help_text="All of them, or it waits.")
    gpu_memory_mb = serializers.IntegerField(
        required=False,
        allow_null=True,
        help_text="What it takes of each of its GPUs, whose rest others may have. Null: they are its own.",
    )
    pool = serializers.CharField(
        required=False, allow_null=True, help_text="The pool in which it runs. Null: one in which it fits."
    )
    keep_alive_seconds = serializers.IntegerField(
        required=False,
        help_text="For how long the container of a trial that ended well waits for the job's next trial, which is "
        "then started in a tenth of the time; at most 3600. 0: each trial has a container of its own.",
    )


class AlgorithmSource(Shape):
    """What runs: of the request's four kinds exactly one is given. An answer has `files` for a bundle."""

    bundle = serializers.CharField(allow_null=True)
    image = serializers.CharField(allow_null=True)
    files = BundleFile(many=True)
    external = serializers.BooleanField()


class AlgorithmVersion(Shape):
    number = serializers.IntegerField()
    kind = serializers.ChoiceField(AlgorithmVersionRow.Kind.choices)
    source = serializers.SerializerMethodField()  # type: ignore[assignment]
    entry_point = serializers.CharField()
    runs_in = serializers.ChoiceField(
        list(RUNS_IN), allow_null=True, help_text="Where a script runs; null: in a container if it has a base image."
    )
    base_image = serializers.CharField(allow_null=True, help_text="What a script's containers are made from.")
    hyperparameters = HyperparameterDefinition(many=True)
    metrics = MetricDefinition(many=True)
    objectives = Objective(many=True)
    strategies = serializers.ListField(
        child=serializers.CharField(), help_text="Those that its jobs may use. Empty: any."
    )
    channels = ChannelDefinition(many=True)
    resources = Resources()
    environment = serializers.DictField(child=serializers.CharField())
    digest = serializers.CharField(help_text="What runs, as one value.")
    equivalent_to = serializers.IntegerField(
        source="equivalent_to.number", allow_null=True, default=None, help_text="Declared to be the same algorithm."
    )
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()

    def to_representation(self, instance: AlgorithmVersionRow) -> dict[str, Any]:
        shown = super().to_representation(instance)
        return {**shown, "runs_in": shown["runs_in"] or None, "base_image": shown["base_image"] or None}

    @extend_schema_field(AlgorithmSource)
    def get_source(self, version: AlgorithmVersionRow) -> Any:
        return {
            "bundle": version.bundle or None,
            "image": version.image or None,
            "files": version.files,
            "external": version.kind == AlgorithmVersionRow.Kind.EXTERNAL,
        }


class Algorithm(Shape):
    name = serializers.CharField()
    description = serializers.CharField()
    network = serializers.CharField(
        help_text="The network that its trials in containers reach; empty: none. Administrators grant it."
    )
    versions = serializers.IntegerField(source="version_count", help_text="How many there are.")
    latest_version = AlgorithmVersion(allow_null=True)
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()


class AlgorithmSourceRequest(Shape):
    """Exactly one of the four."""

    files = serializers.DictField(
        child=serializers.CharField(), required=False, help_text="File names and their texts."
    )
    bundle = serializers.CharField(required=False, help_text="The digest that POST bundles answered.")
    image = serializers.CharField(required=False, help_text="A container image: `repository/name:tag`.")
    external = serializers.BooleanField(
        required=False, help_text="true: the trials run elsewhere; they are asked for and told of here."
    )

    class Meta:
        ref_name = "AlgorithmSource"


class AlgorithmVersionRequest(Shape):
    source = AlgorithmSourceRequest()  # type: ignore[assignment]
    entry_point = serializers.CharField(
        required=False,
        help_text="The script to start, needed for a script; or what an image is given as its command, with the "
        "hyperparameters as arguments. Without one an image is given `train`, as by SageMaker.",
    )
    runs_in = serializers.ChoiceField(
        list(RUNS_IN), required=False, allow_null=True, help_text="Where a script runs; a process if left out."
    )
    base_image = serializers.CharField(
        required=False, allow_blank=True, help_text="Run the script in containers made from this image."
    )
    hyperparameters = HyperparameterDefinition(many=True, required=False)
    metrics = MetricDefinition(many=True)
    objectives = Objective(many=True, required=False)
    strategies = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="The names of the strategies that its jobs may use. Left out or empty: any.",
    )
    channels = ChannelDocument(many=True, required=False)
    resources = Resources(required=False)
    environment = serializers.DictField(child=serializers.CharField(), required=False)
    equivalent_to = serializers.IntegerField(
        required=False, allow_null=True, help_text="An earlier version that an owner declares to be the same algorithm."
    )

    class Meta:
        ref_name = "AlgorithmVersion"


class SourceFile(Shape):
    name = serializers.CharField()
    text = serializers.CharField(help_text="At most the first 256 KiB; bytes that are not UTF-8 are replaced.")
    truncated = serializers.BooleanField()


class CatalogueOption(Shape):
    """One option of a strategy or policy, for a form."""

    name = serializers.CharField()
    type = serializers.CharField()
    default = OptionField(allow_null=True)
    minimum = serializers.FloatField(allow_null=True)
    maximum = serializers.FloatField(allow_null=True)
    choices = serializers.ListField(child=serializers.CharField(), allow_null=True)
    help = serializers.CharField()


class CatalogueEntry(Shape):
    """A strategy or an early-stopping policy."""

    name = serializers.CharField()
    title = serializers.CharField()
    summary = serializers.CharField()
    options = CatalogueOption(many=True)
    schedules = serializers.BooleanField(
        help_text="It decides by itself how far each trial goes: the job's `early_stopping` must be null."
    )
    package = serializers.CharField(
        allow_null=True, help_text="The package that brought it, with its version; null for those of HPT itself."
    )


class BrokenEntry(Shape):
    """What a package offers and nobody can use."""

    name = serializers.CharField()
    package = serializers.CharField(help_text="With its version.")
    reason = serializers.CharField(help_text="What its author has to mend.")


class Catalogue(Shape):
    items = CatalogueEntry(many=True)
    broken = BrokenEntry(many=True, help_text="Of installed packages; they are left out of `items`.")


class Profile(Shape):
    """The rules of another service, to which a job is held whose `profile` names it. Null is no limit."""

    name = serializers.CharField()
    title = serializers.CharField()
    strategies = serializers.ListField(child=serializers.CharField(), help_text="The first is its default.")
    policies = serializers.ListField(child=serializers.CharField())
    no_policy_with = serializers.ListField(
        child=serializers.CharField(), help_text="Strategies with which nothing is stopped early."
    )
    searches = serializers.ListField(
        child=serializers.CharField(), help_text="Types of hyperparameters, or expressions, that it can search."
    )
    searches_with = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()), help_text="Fewer of them, by strategy."
    )
    max_searched = serializers.IntegerField(allow_null=True)
    max_hyperparameters = serializers.IntegerField(allow_null=True, help_text="Searched and static together.")
    max_values = serializers.IntegerField(allow_null=True, help_text="Of one categorical.")
    max_trials = serializers.IntegerField(allow_null=True)
    max_trials_with = serializers.DictField(child=serializers.IntegerField(), help_text="Other limits, by strategy.")
    max_parallel = serializers.IntegerField(allow_null=True)
    options = serializers.DictField(
        child=serializers.DictField(child=OptionField()), help_text="Its defaults of options, by strategy."
    )


class Profiles(Shape):
    items = Profile(many=True)
