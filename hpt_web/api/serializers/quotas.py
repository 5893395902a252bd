"""Pools, teams, shares, quotas and the queue, as the API writes them."""

from rest_framework import serializers

from hpt_web.accounts.models import Quota as QuotaRow
from hpt_web.api.serializers.common import ObjectField, Shape


class Pool(Shape):
    name = serializers.CharField()
    devices = serializers.IntegerField(source="size", help_text="How many are given to trials.")
    present = serializers.IntegerField(help_text="How many of them this host has.")
    declared = serializers.BooleanField(help_text="An administrator has set the number of devices.")
    device_type = serializers.CharField()
    memory_bytes = serializers.IntegerField(allow_null=True, help_text="Of each device.")
    min_run_seconds = serializers.IntegerField(
        allow_null=True, help_text="A spot trial gives way once it has run for so long; null: 60 seconds."
    )
    price = serializers.FloatField(
        allow_null=True, help_text="Of a device for an hour, in the money of the installation."
    )
    gpus = serializers.ListField(
        source="ids", child=serializers.CharField(), help_text="The ids of the host's GPUs in it."
    )
    made = serializers.BooleanField(help_text="An administrator has made it of some of the host's GPUs.")
    lacking = serializers.IntegerField(help_text="So many of those that it was made of are not on this host any more.")


class PoolRequest(Shape):
    name = serializers.CharField(
        help_text="A new name, to make a pool of some of the host's GPUs; or that of one of its pools, to give less."
    )
    devices = serializers.IntegerField(help_text="The first of the host's GPUs that no other such pool has.")
    device_type = serializers.CharField(required=False, help_text="Only of GPUs with this in their type.")
    memory_bytes = serializers.IntegerField(
        required=False, allow_null=True, help_text="Only of GPUs with so much memory."
    )
    min_run_seconds = serializers.IntegerField(required=False, allow_null=True)
    price = serializers.FloatField(required=False, allow_null=True)

    class Meta:
        ref_name = "Pool"


class PoolChange(Shape):
    devices = serializers.IntegerField(required=False)
    min_run_seconds = serializers.IntegerField(required=False, allow_null=True)
    price = serializers.FloatField(required=False, allow_null=True)


class Share(Shape):
    pool = serializers.CharField()
    guaranteed = serializers.IntegerField(help_text="Devices that the team gets before all others.")
    cap = serializers.IntegerField(allow_null=True, help_text="Devices that it may hold at most; null: no cap.")
    weight = serializers.FloatField(help_text="Its part of what is not guaranteed to anybody.")
    lends = serializers.IntegerField(
        allow_null=True, help_text="Of the guaranteed devices so many are lent while it does not use them; null: all."
    )


class ShareRequest(Shape):
    pool = serializers.CharField()
    guaranteed = serializers.IntegerField(required=False)
    cap = serializers.IntegerField(required=False, allow_null=True)
    weight = serializers.FloatField(required=False)
    lends = serializers.IntegerField(required=False, allow_null=True)

    class Meta:
        ref_name = "Share"


class ShareChange(Shape):
    guaranteed = serializers.IntegerField(required=False)
    cap = serializers.IntegerField(required=False, allow_null=True)
    weight = serializers.FloatField(required=False)
    lends = serializers.IntegerField(required=False, allow_null=True)


RESOURCE = (
    "`running_trials` and `devices` are of this installation: trials that run elsewhere (ask and tell) do not count."
)
PRIORITY = "From -100 to 100, 0 if left out: beyond the guarantees teams of higher priority come first."


class Team(Shape):
    name = serializers.CharField()
    projects = serializers.ListField(child=serializers.CharField(), help_text="Their slugs.")
    shares = Share(many=True)
    priority = serializers.IntegerField(help_text=PRIORITY)
    images = serializers.ListField(
        child=serializers.CharField(), help_text="Containers of its jobs are made from these alone; none: from any."
    )
    fixed = ObjectField(help_text="Settings that all of its jobs have.")
    created_at = serializers.DateTimeField()


class TeamRequest(Shape):
    name = serializers.CharField()
    projects = serializers.ListField(child=serializers.CharField(), required=False)
    priority = serializers.IntegerField(required=False, help_text=PRIORITY)
    images = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Patterns, in which * is any text."
    )
    fixed = ObjectField(required=False, help_text="`spot`, `check_first` or `runs_in`, each with its value.")

    class Meta:
        ref_name = "Team"


class TeamChange(Shape):
    name = serializers.CharField(required=False)
    projects = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="All that are in it from now on."
    )
    priority = serializers.IntegerField(required=False, help_text=PRIORITY)
    images = serializers.ListField(child=serializers.CharField(), required=False)
    fixed = ObjectField(required=False, help_text="All that are fixed from now on.")


class Forecast(Shape):
    """At the pace of the last seven days."""

    at_end = serializers.FloatField(help_text="What will have counted towards the limit when its period is over.")
    ends = serializers.DateTimeField(help_text="The end of the period.")
    reached = serializers.DateTimeField(allow_null=True, help_text="When the limit is reached, if it is in the period.")


class Quota(Shape):
    id = serializers.IntegerField()
    project = serializers.CharField(source="project.slug", allow_null=True, default=None)
    user = serializers.CharField(source="user.username", allow_null=True, default=None)
    resource = serializers.ChoiceField(QuotaRow.Resource.choices, help_text=RESOURCE)
    pool = serializers.CharField(allow_blank=True, help_text="Whose devices are limited; empty for all else.")
    limit = serializers.IntegerField()
    used = serializers.FloatField(
        help_text="What counts towards it now; of limits on single jobs the most that a job asks for which is not over."
    )
    forecast = Forecast(allow_null=True, help_text="Of limits that have a period: those on GPU-hours.")


class QuotaRequest(Shape):
    project = serializers.CharField(required=False, allow_null=True)
    user = serializers.CharField(
        required=False, allow_null=True, help_text="Without project and user it is a limit of the installation."
    )
    resource = serializers.ChoiceField(QuotaRow.Resource.choices, help_text=RESOURCE)
    pool = serializers.CharField(required=False, allow_blank=True)
    limit = serializers.IntegerField()

    class Meta:
        ref_name = "Quota"


class QuotaChange(Shape):
    limit = serializers.IntegerField()


class OtherJobs(Shape):
    jobs = serializers.IntegerField()
    held = serializers.FloatField()
    missing = serializers.IntegerField()


class PoolState(Shape):
    name = serializers.CharField(source="pool.name")
    devices = serializers.IntegerField(source="pool.size")
    device_type = serializers.CharField(source="pool.device_type", allow_blank=True)
    memory_bytes = serializers.IntegerField(source="pool.memory_bytes", allow_null=True, help_text="Of each device.")
    gpus = serializers.ListField(source="pool.ids", child=serializers.CharField(), help_text="The ids of its GPUs.")
    held = serializers.FloatField(help_text="By trials that run; of GPUs that are shared, the parts of their memory.")
    waiting_jobs = serializers.IntegerField()
    missing = serializers.IntegerField(help_text="Trials that could run, but wait.")
    others = OtherJobs(help_text="What of it is of jobs that you may not see.")


class QueuedJob(Shape):
    project = serializers.CharField()
    name = serializers.CharField()
    user = serializers.CharField()
    team = serializers.CharField(allow_blank=True)
    pool = serializers.CharField()
    devices = serializers.FloatField(help_text="That each trial takes; a part of one if it shares its GPU.")
    running = serializers.IntegerField()
    missing = serializers.IntegerField(help_text="Trials that could run, but wait.")
    may_start = serializers.IntegerField(help_text="Trials that start in the next moment.")
    place = serializers.IntegerField(allow_null=True, help_text="In the line of its pool, from 1.")
    reason = serializers.CharField(allow_blank=True)
    starts_in = serializers.FloatField(allow_null=True, help_text="Seconds until its next trial may start, about.")
    spot = serializers.BooleanField(help_text="Its trials may be pre-empted.")
    giving_way = serializers.IntegerField(help_text="Spot trials of others that are about to give it their places.")


class Holder(Shape):
    pool = serializers.CharField(help_text="A trial in a pool of GPUs takes a slot of `cpu` besides.")
    devices = serializers.IntegerField()
    share = serializers.FloatField(help_text="Of each of them: 1, or the part of its memory that the trial takes.")
    gpus = serializers.ListField(child=serializers.CharField(), help_text="The ids of its GPUs.")
    spot = serializers.BooleanField(help_text="It may be pre-empted.")
    giving_way = serializers.BooleanField(help_text="It was asked to give its place to somebody, and ends in a moment.")
    kept_container = serializers.BooleanField(help_text="It runs in a container that an earlier trial had left.")
    project = serializers.CharField(allow_null=True, help_text="null, as all below: you may not see whose it is.")
    job = serializers.CharField(allow_null=True)
    user = serializers.CharField(allow_null=True)
    trial = serializers.IntegerField(allow_null=True)
    since = serializers.DateTimeField(allow_null=True)


class Standing(Shape):
    team = serializers.CharField(allow_blank=True, help_text="Empty: the projects that are in no team.")
    priority = serializers.IntegerField(help_text="Of the team: beyond the guarantees the higher come first.")
    pool = serializers.CharField()
    guaranteed = serializers.IntegerField(source="share.guaranteed")
    cap = serializers.IntegerField(source="share.cap", allow_null=True)
    weight = serializers.FloatField(source="share.weight")
    lends = serializers.IntegerField(source="share.lends", allow_null=True)
    held = serializers.FloatField()
    used_seconds = serializers.FloatField(
        help_text="Device-seconds, of which half is forgotten with every half-life; of equals the lower comes first."
    )


class Queue(Shape):
    pools = PoolState(many=True)
    jobs = QueuedJob(many=True)
    holders = Holder(many=True, help_text="What each running trial holds, the oldest first.")
    teams = Standing(many=True, help_text="How the teams of your projects stand in each pool.")
    half_life_days = serializers.FloatField()
