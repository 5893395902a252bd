"""The ledger of usage, as the API writes it."""

from rest_framework import serializers

from hpt_web.accounts.models import Quota
from hpt_web.api.serializers.common import Shape
from hpt_web.jobs.models import UsageEntry as Entry

# Of one attempt, and of many: the seconds.
SAVED = (
    "Estimate of what early stopping saved: for each trial stopped early the median seconds of its job's completed "
    "trials less its own, never below 0; 0 where none is completed. It stands with the trial's last attempt."
)


class UsageEntry(Shape):
    id = serializers.IntegerField()
    project = serializers.CharField(source="project_slug")
    user = serializers.CharField(source="user.username")
    team = serializers.CharField(
        allow_blank=True, help_text="That the project was in when the attempt ended; empty if it was in none."
    )
    priority = serializers.IntegerField(help_text="That this team had then, 0 without one.")
    job = serializers.CharField(source="job_name")
    trial = serializers.IntegerField(source="trial_number")
    attempt = serializers.IntegerField(source="attempt_number")
    pool = serializers.CharField(allow_blank=True, help_text="Empty if it ran elsewhere.")
    devices = serializers.IntegerField()
    seconds = serializers.FloatField(help_text="For which it held them.")
    gpu_seconds = serializers.FloatField()
    cost = serializers.FloatField(help_text="Of the devices of its pool, at their price when it ended.")
    waited = serializers.FloatField(
        allow_null=True,
        help_text="Seconds from the moment when its job asked for it until it held its place; null: not known, or it "
        "waited for nothing of this host.",
    )
    outcome = serializers.ChoiceField(Entry.Outcome.choices)
    ended_at = serializers.DateTimeField()
    saved_seconds = serializers.FloatField(source="saved.seconds", help_text=SAVED)
    saved_gpu_seconds = serializers.FloatField(source="saved.gpu_seconds", help_text="The same times its GPUs.")


class UsageTotal(Shape):
    attempts = serializers.IntegerField()
    seconds = serializers.FloatField()
    gpu_seconds = serializers.FloatField()
    cost = serializers.FloatField()
    wait_p50 = serializers.FloatField(
        allow_null=True, help_text="Half of the attempts waited for their places for at most so many seconds."
    )
    wait_p95 = serializers.FloatField(allow_null=True, help_text="The same of 95 in 100.")
    saved_seconds = serializers.FloatField(help_text=SAVED)
    saved_gpu_seconds = serializers.FloatField(help_text="The same times their GPUs.")


class UsageSum(UsageTotal):
    key = serializers.CharField(allow_null=True, help_text="null: all that are not listed; of these no wait is known.")


class UsageOfJob(UsageSum):
    id = serializers.IntegerField(
        allow_null=True, help_text="No two jobs have the same, whatever their names; null: not known any more."
    )
    last_at = serializers.DateTimeField(allow_null=True, help_text="When the last of these attempts ended.")
    deleted = serializers.BooleanField(help_text="The job is no more: its name may be another one's now.")


class Usage(Shape):
    total = UsageTotal()
    by_project = UsageSum(many=True)
    by_team = UsageSum(many=True, help_text="By the team that each project was in then; empty for none.")
    by_priority = UsageSum(many=True, help_text="By the priority that this team had then, 0 without one.")
    by_user = UsageSum(many=True)
    by_job = UsageOfJob(
        many=True, help_text="The key is `project/job`. Deleted jobs are apart from others of the same name."
    )
    by_outcome = UsageSum(many=True)
    by_pool = UsageSum(many=True)
    by_period = UsageSum(many=True, help_text="The key is the first day of each period, in UTC.")


class RefusalRow(Shape):
    project = serializers.CharField()
    resource = serializers.ChoiceField(Quota.Resource.choices)
    whose = serializers.CharField(help_text="Whom the limit bounds, in words.")
    limit = serializers.IntegerField(help_text="As it was then.")
    refused = serializers.IntegerField(help_text="So many requests.")
    people = serializers.IntegerField(help_text="Of so many people.")
    last_at = serializers.DateTimeField(source="last")


class Refusals(Shape):
    total = serializers.IntegerField(help_text="Requests that a limit refused; one that met two limits counts twice.")
    items = RefusalRow(many=True, help_text="By limit and project, the most frequent first; 200 at most.")
