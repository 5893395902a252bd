"""What people ask of jobs and trials that are there: pauses, changes, further runs, files; as the API writes it."""

from typing import Any

from rest_framework import serializers

from hpt_web.api.serializers.common import Keep, Shape, ValueField, choices_of
from hpt_web.api.serializers.jobs import Completion, Limits, StoredBytes
from hpt_web.jobs.doors.cleanup import WHAT
from tuning.states import JobState


class JobChanges(Shape):
    """What of a job may be changed; what is left out stays."""

    limits = Limits(required=False)
    completion = Completion(required=False)
    keep = Keep(required=False, allow_null=True)


class PauseDocument(Shape):
    mode = serializers.ChoiceField(
        ["drain", "now"], required=False,
        help_text="drain lets what runs go to its end; now stops it, to go on from its checkpoint with the job.",
    )  # fmt: skip


class ResumeDocument(Shape):
    failed = serializers.BooleanField(
        required=False,
        help_text="Whether failed and lost trials run again as well; if left out, they do where the job failed.",
    )


class JobStorage(StoredBytes):
    job = serializers.CharField()
    state = serializers.ChoiceField(choices_of(JobState))
    keep = Keep(allow_null=True, help_text="Its own rule, or else its project's; null keeps the files of all trials.")
    keeps_as_project = serializers.BooleanField(help_text="It names no rule of its own.")


class StorageOfProject(StoredBytes):
    project = serializers.CharField()
    name = serializers.CharField()
    jobs = serializers.IntegerField(help_text="How many jobs it has.")
    catalogue = serializers.IntegerField(help_text="Datasets and code.")
    total = serializers.IntegerField(help_text="What counts towards its limit.")
    limit = serializers.IntegerField(allow_null=True, help_text="On its stored bytes.")
    keep = Keep(allow_null=True, help_text="The rule for jobs that name none.")


class ProjectStorage(StoredBytes):
    """The sums over all jobs, and the jobs that take anything, the largest first."""

    catalogue = serializers.IntegerField(help_text="Datasets and code.")
    total = serializers.IntegerField(help_text="What counts towards the limit.")
    limit = serializers.IntegerField(allow_null=True, help_text="The project's limit on stored bytes.")
    keep = Keep(allow_null=True, help_text="The project's rule for jobs that name none; null keeps all.")
    jobs = JobStorage(many=True)


class CleanUpDocument(Shape):
    prefix = serializers.CharField(help_text="The first letters of the names, whatever their case.")
    what = serializers.ListField(
        child=serializers.ChoiceField(list(WHAT)),
        help_text="Of jobs that begin so the outputs or the checkpoints of trials that are over, but for the best of "
        "each job; or all of the job.",
    )
    rehearsal = serializers.BooleanField(required=False, help_text="Delete nothing, and answer what would go.")
    exact = serializers.BooleanField(
        required=False, help_text="Only what has exactly the name `prefix`, whatever its case."
    )


class GoneItem(Shape):
    kind = serializers.CharField(help_text="job, trial or dataset.")
    name = serializers.CharField(help_text="Of a trial: job/number.")
    bytes = serializers.IntegerField()


class KeptItem(Shape):
    kind = serializers.CharField(help_text="job, trial or dataset.")
    name = serializers.CharField()
    reason = serializers.CharField()


class CleanedUp(Shape):
    """What went, or in a rehearsal would go; and what begins with the prefix as well but stays, with the reason."""

    rehearsal = serializers.BooleanField()
    bytes = serializers.IntegerField()
    gone = GoneItem(many=True)
    kept = KeptItem(many=True)


class RetryDocument(Shape):
    begin = serializers.ChoiceField(
        ["checkpoint", "scratch"], required=False, help_text="If left out: the checkpoint, if the trial left one."
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {"from": super().get_fields()["begin"]}  # `from` is a word of Python


class CloneDocument(Shape):
    hyperparameters = serializers.DictField(
        child=ValueField(allow_null=True), required=False, help_text="What differs; null leaves one out."
    )


class PreemptDocument(Shape):
    reason = serializers.CharField(required=False)


class Artifact(Shape):
    """A file that a trial left."""

    path = serializers.CharField(help_text="Such as model/weights.pt.")
    bytes = serializers.IntegerField()
    modified_at = serializers.DateTimeField()


class ArtifactLink(Shape):
    """A symbolic link that stays inside model/ or output/data/: it is in the archive, as a link."""

    path = serializers.CharField(help_text="Such as model/latest.pt.")
    target = serializers.CharField(help_text="Where it leads from its own folder, such as epoch3.pt.")


class LeftOutArtifact(Shape):
    """What is in no archive and cannot be downloaded."""

    path = serializers.CharField(help_text="Such as model/pipe.")
    reason = serializers.CharField()


class Artifacts(Shape):
    attempt = serializers.IntegerField()
    items = Artifact(many=True)
    links = ArtifactLink(many=True)
    left_out = LeftOutArtifact(many=True)
    truncated = serializers.BooleanField(help_text="There is more than is listed.")
    discarded_at = serializers.DateTimeField(
        allow_null=True, help_text="When what there was was removed, by the rule `keep` or a clean-up."
    )
