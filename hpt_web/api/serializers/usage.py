"""The ledger of usage, as the API writes it."""

from rest_framework import serializers

from hpt_web.api.serializers.common import Shape
from hpt_web.jobs.models import UsageEntry as Entry


class UsageEntry(Shape):
    id = serializers.IntegerField()
    project = serializers.CharField(source="project_slug")
    user = serializers.CharField(source="user.username")
    job = serializers.CharField(source="job_name")
    trial = serializers.IntegerField(source="trial_number")
    attempt = serializers.IntegerField(source="attempt_number")
    pool = serializers.CharField(allow_blank=True, help_text="Empty if it ran elsewhere.")
    devices = serializers.IntegerField()
    seconds = serializers.FloatField(help_text="For which it held them.")
    gpu_seconds = serializers.FloatField()
    cost = serializers.FloatField(help_text="Of the devices of its pool, at their price when it ended.")
    outcome = serializers.ChoiceField(Entry.Outcome.choices)
    ended_at = serializers.DateTimeField()


class UsageSum(Shape):
    key = serializers.CharField(allow_null=True, help_text="null: all that are not listed.")
    attempts = serializers.IntegerField()
    seconds = serializers.FloatField()
    gpu_seconds = serializers.FloatField()
    cost = serializers.FloatField()


class UsageTotal(Shape):
    attempts = serializers.IntegerField()
    seconds = serializers.FloatField()
    gpu_seconds = serializers.FloatField()
    cost = serializers.FloatField()


class Usage(Shape):
    total = UsageTotal()
    by_project = UsageSum(many=True)
    by_user = UsageSum(many=True)
    by_job = UsageSum(many=True, help_text="The key is `project/job`.")
    by_outcome = UsageSum(many=True)
    by_pool = UsageSum(many=True)
    by_period = UsageSum(many=True, help_text="The key is the first day of each period, in UTC.")
