"""Tuning jobs, trials and what they left, as the API writes them."""

from typing import Any

from rest_framework import serializers

from hpt_web.api.serializers.catalog import Objective, Resources
from hpt_web.api.serializers.common import FaultShape, Keep, ObjectField, Shape, ValueField, choices_of
from hpt_web.api.serializers.usage import UsageTotal
from hpt_web.jobs.models import Attempt as AttemptRow
from hpt_web.jobs.models import Decision as DecisionRow
from tuning.profiles import PROFILES
from tuning.scales import SCALE_NAMES
from tuning.space_document import KINDS
from tuning.specification import RUNS_IN
from tuning.states import JobState, TrialState
from tuning.warmstart import WarmStartType

_JOB_STATES = choices_of(JobState)
_TRIAL_STATES = choices_of(TrialState)


class VersionReference(Shape):
    name = serializers.CharField()
    version = serializers.IntegerField(required=False, allow_null=True, help_text="The newest if left out.")


class ChannelReference(Shape):
    dataset = serializers.CharField()
    version = serializers.IntegerField(required=False, allow_null=True, help_text="The newest if left out.")


class Condition(Shape):
    """A hyperparameter is active only while another one, listed before it, has one of these values."""

    parameter = serializers.CharField()
    values = serializers.ListField(child=ValueField())

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        return {"parameter": fields["parameter"], "in": fields["values"]}  # `in` is a word of Python


class Parameter(Shape):
    """One searched hyperparameter; GET space-schema says exactly which members go with which `type`.

    A float or integer has `min` and `max`, and may have `scale` and `step`; a categorical has `values`, and may be
    `ordered`. The other types are HyperDrive's expressions. Answers have no choice (it is a categorical), randint (an
    integer), uniform or loguniform (a float).
    """

    name = serializers.CharField()
    type = serializers.ChoiceField(list(KINDS))
    min = serializers.FloatField(required=False)
    max = serializers.FloatField(required=False)
    scale = serializers.ChoiceField(list(SCALE_NAMES), required=False, help_text="Answers never have auto.")
    step = serializers.FloatField(required=False, allow_null=True)
    values = serializers.ListField(child=ValueField(), required=False)
    ordered = serializers.BooleanField(required=False)
    range = serializers.ListField(
        child=serializers.IntegerField(),
        required=False,
        help_text="Of a choice: [stop], [start, stop] or [start, stop, step].",
    )
    upper = serializers.IntegerField(required=False, help_text="Of randint: above the greatest value.")
    low = serializers.FloatField(required=False, help_text="Of a uniform expression; of e where it is a loguniform.")
    high = serializers.FloatField(required=False)
    mu = serializers.FloatField(required=False, help_text="Of a normal expression; of e where it is a lognormal.")
    sigma = serializers.FloatField(required=False)
    q = serializers.FloatField(required=False, help_text="Of a rounded expression: its values are multiples of this.")
    when = Condition(required=False, allow_null=True)


class Choice(Shape):
    """A strategy or policy of the catalogue with its options."""

    name = serializers.CharField()
    options = ObjectField(required=False)


class Limits(Shape):
    max_trials = serializers.IntegerField(
        required=False,
        help_text="Trials that are started in all. Each counts once, also if it fails or is lost; its retries and more "
        "attempts do not. For so many that end well set `completion.max_completed`, and this higher.",
    )
    max_parallel = serializers.IntegerField(required=False, help_text="Trials that run at once.")
    max_seconds = serializers.IntegerField(required=False, allow_null=True)
    trial_seconds = serializers.IntegerField(
        required=False,
        help_text="For how long a trial runs, all of its attempts together; then it is stopped, and what it reported "
        "counts. Being paused, pre-empted or lost gives it no time back; a person's retry gives it all. Of one that "
        "runs elsewhere: for how long nothing may be heard of it.",
    )
    max_attempts = serializers.IntegerField(required=False)
    max_failures = serializers.IntegerField(
        required=False, allow_null=True, help_text="With more failed trials than this, the job fails."
    )
    max_equal_failures = serializers.IntegerField(
        required=False, allow_null=True,
        help_text="After so many trials in a row that failed equally, it is paused; 5 if left out, null for never.",
    )  # fmt: skip


class Completion(Shape):
    """Rules by which a job is over before its limits are; whichever is met first. Null switches a rule off."""

    target = serializers.FloatField(
        required=False, allow_null=True, help_text="A value of the objective that is good enough."
    )
    max_not_improving = serializers.IntegerField(
        required=False, allow_null=True,
        help_text="So many trials since the best one, none of them better; failed ones count. "
        "Under the profile sagemaker, better is by more than 1 %.",
    )  # fmt: skip
    converged = serializers.IntegerField(
        required=False, allow_null=True, help_text="So many last trials moved the best by no more than `tolerance`."
    )
    tolerance = serializers.FloatField(
        required=False,
        help_text="Relative to the best before them; 0.01 if left out. It goes with `converged`.",
    )
    max_completed = serializers.IntegerField(
        required=False, allow_null=True, help_text="So many trials ran to their own end."
    )
    max_finished = serializers.IntegerField(
        required=False, allow_null=True, help_text="So many trials ended, in whatever way."
    )
    max_gpu_hours = serializers.FloatField(
        required=False, allow_null=True, help_text="All trials together held GPUs for so many hours."
    )


class WarmStart(Shape):
    type = serializers.ChoiceField(choices_of(WarmStartType))
    parents = serializers.ListField(child=serializers.CharField())


class JobDocument(Shape):
    """The whole specification of a tuning job."""

    name = serializers.CharField()
    description = serializers.CharField(required=False)
    algorithm = VersionReference()
    channels = serializers.DictField(child=ChannelReference(), required=False)
    objective = Objective()
    space = Parameter(many=True)
    constraints = serializers.ListField(
        child=serializers.CharField(), required=False,
        help_text="Comparisons that every point satisfies, such as `warmup < epochs / 2`.",
    )  # fmt: skip
    static = serializers.DictField(child=ValueField(), required=False)
    strategy = Choice(required=False)
    early_stopping = Choice(
        required=False, allow_null=True, help_text="Null with a strategy that schedules: it decides by itself."
    )
    initial_points = serializers.ListField(
        child=serializers.DictField(child=ValueField()), required=False,
        help_text="Points to try first, in this order; each has a value for every hyperparameter active in it.",
    )  # fmt: skip
    repeats = serializers.IntegerField(
        required=False, help_text="How often each point is run: 1 to 100, 1 if left out."
    )
    limits = Limits(required=False)
    completion = Completion(required=False)
    profile = serializers.ChoiceField(
        list(PROFILES), required=False, allow_null=True,
        help_text="Hold the job to the rules of this service, and take its defaults where the document is silent: of "
        "`sagemaker` the scale `auto` too, as its Python SDK does (its API reference names no default).",
    )  # fmt: skip
    warm_start = WarmStart(required=False, allow_null=True)
    runs_in = serializers.ChoiceField(
        list(RUNS_IN), required=False, allow_null=True, help_text="Null: as the algorithm says."
    )
    image = serializers.CharField(
        required=False, allow_null=True, help_text="What its containers are made from; answers have it with its digest."
    )
    resume_child_runs = serializers.ListField(
        child=serializers.CharField(), required=False,
        help_text="Trials (`job/number`) whose points the first trials take, going on from their checkpoints.",
    )  # fmt: skip
    spot = serializers.BooleanField(
        required=False, help_text="Its trials may be pre-empted: they write a checkpoint, and go on when there is room."
    )
    check_first = serializers.BooleanField(
        required=False,
        help_text="One trial has to report the objective before the others start; if it fails, the job is paused.",
    )
    keep = Keep(required=False, allow_null=True, help_text="Null: as the project has it.")
    resources = Resources(required=False, allow_null=True)
    seed = serializers.IntegerField(required=False, allow_null=True)


class BestTrial(Shape):
    trial = serializers.IntegerField()
    objective = serializers.FloatField()


class OverallBest(Shape):
    """The best trial of the job and all its parents (F10); null unless their data and algorithm are identical."""

    job = serializers.CharField()
    trial = serializers.IntegerField()
    objective = serializers.FloatField()


class Job(Shape):
    name = serializers.CharField()
    description = serializers.CharField()
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    algorithm = VersionReference()
    objective = Objective()
    strategy = serializers.CharField()
    parents = serializers.ListField(child=serializers.CharField(), help_text="Jobs that it warm-starts from.")
    state = serializers.ChoiceField(_JOB_STATES)
    reason = serializers.CharField(help_text="Why it is in this state, in a sentence.")
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="Trials per state.")
    best = BestTrial(allow_null=True)
    median = serializers.FloatField(allow_null=True, help_text="The median of its trials' objectives")
    overall_best = OverallBest(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    max_trials = serializers.IntegerField()
    max_parallel = serializers.IntegerField()


class StoredBytes(Shape):
    """What the job's trials that are over take on disk."""

    checkpoints = serializers.IntegerField()
    outputs = serializers.IntegerField(help_text="Logs, models and other output.")


class JobDetail(Job):
    specification = JobDocument()
    bytes = StoredBytes()
    keep = Keep(allow_null=True, help_text="Its own rule for files, or else its project's; null keeps those of all.")
    stop_grace_seconds = serializers.IntegerField(
        help_text="For so long a trial that is told to stop may go on, to write a checkpoint; then it is killed."
    )
    pause_grace_seconds = serializers.IntegerField(
        help_text="The same of one that is to go on later: its job is paused now, or it is pre-empted."
    )
    usage = UsageTotal(help_text="Of its attempts that are over, as the ledger of usage has them.")
    reopened = serializers.BooleanField(
        help_text="It was over, and only runs again some trials that a person asked for."
    )
    metrics = serializers.ListField(child=serializers.CharField(), help_text="Names of all metrics that trials report.")
    children = serializers.ListField(child=serializers.CharField(), help_text="Jobs that warm-start from it.")


class RuleCheck(Shape):
    """One rule of warm start, met or broken."""

    rule = serializers.CharField(help_text="Its number in the documents, such as `F13`.")
    title = serializers.CharField()
    ok = serializers.BooleanField()
    severity = serializers.ChoiceField(["error", "warning"])
    parent = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    detail = serializers.CharField()
    numbers = serializers.DictField(child=ValueField())


class JobCheck(Shape):
    """What would happen to the same document at POST jobs; nothing is created."""

    faults = FaultShape(many=True)
    advice = FaultShape(many=True, help_text="What is allowed and probably not meant; it refuses nothing.")
    warm_start = RuleCheck(many=True)
    numbers = serializers.DictField(child=ValueField())


class Trial(Shape):
    number = serializers.IntegerField()
    state = serializers.ChoiceField(_TRIAL_STATES)
    hyperparameters = serializers.DictField(child=ValueField())
    objective = serializers.FloatField(allow_null=True, help_text="The last value of the objective metric.")
    best_objective = serializers.FloatField(allow_null=True)
    reason = serializers.CharField()
    failure = serializers.CharField()
    attempt = serializers.IntegerField(help_text="The newest attempt's number; 0 before the first.")
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    ran_seconds = serializers.FloatField(
        help_text="For how long its attempts ran that are over, all together, without the time between them. After a "
        "retry it may be more than trial_seconds, which count from there."
    )


class Attempt(Shape):
    """One run of a trial."""

    number = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    outcome = serializers.ChoiceField(AttemptRow.Outcome.choices, allow_null=True, help_text="null while it lives.")
    exit_code = serializers.IntegerField(allow_null=True)
    signal = serializers.IntegerField(allow_null=True)
    stop_reason = serializers.CharField()
    stops_by = serializers.DateTimeField(
        allow_null=True, help_text="Asked to stop, it may save its work until then; it is killed after that."
    )
    failure = serializers.CharField()
    kept_container = serializers.BooleanField(help_text="It ran in a container that an earlier trial had left.")
    resumed = serializers.BooleanField(
        help_text="It went on from a checkpoint: of the attempt before, or of the trial that this one continues."
    )
    superseded = serializers.BooleanField(
        help_text="A later one began anew: what this one reported is not in the curve."
    )
    pool = serializers.CharField(help_text="In which it held a place; empty if it ran elsewhere.")
    devices = serializers.ListField(child=serializers.CharField(), help_text="The ids of its GPUs.")


class Origin(Shape):
    """The trial whose point this one runs again."""

    job = serializers.CharField()
    trial = serializers.IntegerField()
    continues = serializers.BooleanField(help_text="It began with that trial's checkpoint and curve.")


class LastValue(Shape):
    step = serializers.IntegerField()
    value = serializers.FloatField()


class TrialDetail(Trial):
    job = serializers.CharField()
    origin = Origin(allow_null=True)
    seed = serializers.IntegerField(help_text="What its script gets as HPT_SEED.")
    checkpoint = serializers.BooleanField(help_text="There is one that a retry can go on from.")
    discarded_at = serializers.DateTimeField(
        allow_null=True, help_text="When its files were removed, by the rule `keep` or a clean-up."
    )
    static = serializers.DictField(child=ValueField(), help_text="The hyperparameters that all trials share.")
    metrics = serializers.DictField(child=LastValue(), help_text="The last value of each metric (F63).")
    attempts = Attempt(many=True)


class TrialColumns(Shape):
    """All trials of a job, a list per member; `hyperparameters` has a list per name."""

    number = serializers.ListField(child=serializers.IntegerField())
    state = serializers.ListField(child=serializers.ChoiceField(_TRIAL_STATES))
    hyperparameters = serializers.DictField(child=serializers.ListField(child=ValueField(allow_null=True)))
    objective = serializers.ListField(child=serializers.FloatField(allow_null=True))
    best_objective = serializers.ListField(child=serializers.FloatField(allow_null=True))
    reason = serializers.ListField(child=serializers.CharField())
    failure = serializers.ListField(child=serializers.CharField())
    attempt = serializers.ListField(child=serializers.IntegerField())
    created_at = serializers.ListField(child=serializers.DateTimeField())
    started_at = serializers.ListField(child=serializers.DateTimeField(allow_null=True))
    ended_at = serializers.ListField(child=serializers.DateTimeField(allow_null=True))
    ran_seconds = serializers.ListField(child=serializers.FloatField())


class Snapshot(Shape):
    """A job and its trials as they were when the event `cursor` was the newest."""

    job = JobDetail()
    cursor = serializers.IntegerField()
    trials = TrialColumns()


class MetricSeries(Shape):
    metric = serializers.CharField()
    steps = serializers.ListField(child=serializers.IntegerField())
    values = serializers.ListField(child=serializers.FloatField())
    times = serializers.ListField(child=serializers.FloatField(), help_text="Seconds since the epoch.")


class Metrics(Shape):
    items = MetricSeries(many=True)


class TrialUsage(Shape):
    """What an attempt used while it ran, a column for each measure; a look every few seconds at first, fewer later."""

    attempt = serializers.IntegerField(help_text="0 before the first.")
    devices = serializers.ListField(child=serializers.CharField(), help_text="The ids of its GPUs.")
    times = serializers.ListField(child=serializers.FloatField(), help_text="Seconds since the epoch.")
    cpus = serializers.ListField(child=serializers.FloatField(), help_text="Processors in use.")
    memory_bytes = serializers.ListField(child=serializers.IntegerField())
    gpu_busy = serializers.ListField(
        child=serializers.FloatField(allow_null=True),
        help_text="The part of its time in which its GPUs computed, on the average, whoever else is on them: 0 to 1.",
    )
    gpu_memory_bytes = serializers.ListField(
        child=serializers.IntegerField(allow_null=True), help_text="What it held of its GPUs' memory itself."
    )


class LogPart(Shape):
    """A piece of a trial's log."""

    attempt = serializers.IntegerField()
    offset = serializers.IntegerField(help_text="Where the text begins, in bytes from the log's beginning.")
    next = serializers.IntegerField(help_text="The offset to ask for next.")
    size = serializers.IntegerField(help_text="Bytes in the log at this moment.")
    text = serializers.CharField()
    ended = serializers.BooleanField(help_text="The attempt is over: the log does not grow any more.")


class Decision(Shape):
    """Something that the service chose, and why."""

    trial = serializers.IntegerField(allow_null=True)
    kind = serializers.ChoiceField(DecisionRow.Kind.choices)
    at = serializers.DateTimeField()
    reason = serializers.CharField()
    numbers = serializers.DictField(child=ValueField())


class Event(Shape):
    seq = serializers.IntegerField()
    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(["job", "trial", "points", "decision"])
    data = ObjectField()  # type: ignore[assignment]


class Events(Shape):
    events = Event(many=True)
    cursor = serializers.IntegerField(help_text="The `since` to ask with next.")


class Figure(Shape):
    """A plotly figure, or a sentence why it cannot be drawn (yet)."""

    figure = ObjectField(allow_null=True)
    unavailable = serializers.CharField(allow_null=True)
