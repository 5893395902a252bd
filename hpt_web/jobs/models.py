"""What a tuning job is made of. The database is the truth: a process that dies loses nothing that stands here.

Nothing is counted twice: there are no counters beside the rows they count. The two hot rows are apart on purpose:
`EventCursor` is locked for the short end of every transaction that says something, `TuningJob` by whoever advances it.
Rows are locked in the order TuningJob, Attempt, Trial, EventCursor; several of a kind by their keys.

Each index costs every trial: a foreign key has none of its own (`db_index=False`) where another one begins with it.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from hpt_web.accounts.models import Project
from hpt_web.catalog.models import AlgorithmVersion, DatasetVersion
from tuning.states import Goal, JobState, TrialState

# Jobs made under another major shape of the specification cannot be parents (F21).
SPEC_SCHEMA = 1
EXTERNAL = "external"  # the backend of attempts that run elsewhere and are told of over REST; nothing here runs them


def _one_of(field: str, values: type[JobState] | type[TrialState] | type[Goal], name: str) -> models.CheckConstraint:
    return models.CheckConstraint(condition=Q(**{f"{field}__in": [str(value) for value in values]}), name=name)


class TuningJob(models.Model):
    """A search. `spec` is the whole validated document (tuning.specification); the other columns are for queries."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="jobs")
    name = models.CharField(max_length=63)
    spec = models.JSONField()
    schema = models.PositiveSmallIntegerField(default=SPEC_SCHEMA)
    algorithm_version = models.ForeignKey(AlgorithmVersion, on_delete=models.PROTECT, related_name="jobs")
    metric = models.CharField(max_length=255)
    goal = models.CharField(max_length=8, choices=[(goal, goal) for goal in Goal])
    seed = models.BigIntegerField()
    max_trials = models.PositiveIntegerField()
    max_parallel = models.PositiveIntegerField()
    state = models.CharField(max_length=16, default=JobState.PENDING, choices=[(state, state) for state in JobState])
    reason = models.TextField(blank=True, default="")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=models.functions.Now())
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    stop_requested_at = models.DateTimeField(null=True)
    # Its strategy starts nothing more until something that runs has moved on: others may have its share meanwhile.
    waits = models.BooleanField(default=False)
    # What its trials run in is not on this host yet: it wants no place until it is, not even for those that are queued.
    lacks_image = models.BooleanField(db_default=False)
    # Before then it would have started no more trials even with room; null: it has asked for places since it was made.
    asks_since = models.DateTimeField(null=True)
    paused_at = models.DateTimeField(null=True)
    # Seconds since its start in which it was paused or over, before it went on: max_seconds does not count them.
    idle_seconds = models.FloatField(default=0)
    # Set while a job that was over only runs again some trials that a person asked for: its state and reason then.
    reopened = models.JSONField(null=True)
    # When the rule for its trials' files is to be applied, also if none of them ends: the job was over then, or it is
    # to be seen whether what had to stay may go (`outputs.retention`).
    keep_due_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("project", Lower("name"), name="job_name_unique_per_project"),
            _one_of("state", JobState, "job_state_known"),
            _one_of("goal", Goal, "job_goal_known"),
            models.CheckConstraint(condition=Q(max_trials__gte=1, max_parallel__gte=1), name="job_limits_positive"),
        ]
        indexes = [
            models.Index(fields=["project", "-created_at"], name="job_newest"),
            # The few jobs that are not over, whatever the number of those that are.
            models.Index(fields=["state"], condition=Q(ended_at__isnull=True), name="job_active"),
            models.Index(fields=["keep_due_at"], condition=Q(keep_due_at__isnull=False), name="job_keep_due"),
        ]

    def __str__(self) -> str:
        return self.name


class JobChannel(models.Model):
    """The dataset version that a job reads under a channel's name; it cannot be deleted while a job refers to it."""

    job = models.ForeignKey(TuningJob, on_delete=models.CASCADE, related_name="channels")
    name = models.CharField(max_length=64)
    dataset_version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "name"], name="channel_unique_per_job")]


class JobParent(models.Model):
    """A job that another one warm-starts from (F1); not recursive (F19)."""

    job = models.ForeignKey(TuningJob, on_delete=models.CASCADE, related_name="parent_links")
    parent = models.ForeignKey(TuningJob, on_delete=models.PROTECT, related_name="child_links")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["job", "parent"], name="parent_once_per_job"),
            models.UniqueConstraint(fields=["job", "position"], name="parent_position_unique"),
            models.CheckConstraint(condition=~Q(job=models.F("parent")), name="job_is_not_its_own_parent"),
        ]


class Trial(models.Model):
    """One point of the space and what came of it. `hyperparameters` holds the searched ones; the job's spec the static.

    `objective` is the last value of the objective metric and `best_objective` the best (F63); both move while it runs.
    """

    job = models.ForeignKey(TuningJob, on_delete=models.CASCADE, db_index=False, related_name="trials")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=16, default=TrialState.QUEUED, choices=[(state, state) for state in TrialState])
    attempt = models.PositiveSmallIntegerField(default=0)  # the newest attempt's number; 0 before the first
    promotions = models.PositiveSmallIntegerField(default=0)  # how often its scheduler let it go on after a pause
    hyperparameters = models.JSONField()
    # Of a trial that runs another one's point again, or `continues` it from its checkpoint: that trial, and its seed.
    origin = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, db_index=False, related_name="copies")
    continues = models.BooleanField(default=False)
    seed = models.BigIntegerField(null=True)
    # The newest attempt when a person had it run again: what was lost up to there counts no more for max_attempts, nor
    # does what ran for trial_seconds.
    retried_after = models.PositiveSmallIntegerField(default=0)
    # The newest attempt when it was to begin anew: checkpoints are kept in another folder from there on.
    fresh_after = models.PositiveSmallIntegerField(default=0)
    # Of all that it left, also before it was to begin anew, as of the end of its newest attempt.
    checkpoint_bytes = models.BigIntegerField(default=0)
    discarded_at = models.DateTimeField(null=True)  # its files were removed, by a rule (`keep`) or by hand
    objective = models.FloatField(null=True)
    best_objective = models.FloatField(null=True)
    reason = models.TextField(blank=True, default="")
    failure = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=models.functions.Now())
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ran_seconds = models.FloatField(default=0.0, db_default=0.0)  # of its attempts that are over, all together

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="trial_number_unique_per_job"),
            _one_of("state", TrialState, "trial_state_known"),
        ]
        indexes = [
            models.Index(fields=["job", "state"], name="trial_by_state"),
            models.Index(fields=["job", "objective"], name="trial_by_objective"),
            models.Index(fields=["origin"], condition=Q(origin__isnull=False), name="trial_copies"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}/{self.number}"


class Attempt(models.Model):
    """One run of a trial; while `ended_at` is empty it is live, and holds the trial's reservation of capacity.

    `token` names it to the backend: launching a token twice runs it once. `number` fences: only the live attempt may
    write. `follower` and `lease_until` say who reads its log; `log_offset` up to where, moved by compare-and-set in the
    transaction that stores what was read, so that no line is lost or counted twice. Of an attempt that runs elsewhere
    (backend EXTERNAL) `lease_until` is the moment by which it must have been heard of.
    """

    class Outcome(models.TextChoices):
        EXITED = "exited"  # it ended by itself; the exit code says how
        STOPPED = "stopped"  # ended on request
        PAUSED = "paused"  # ended on its scheduler's request, or with its job's pause; the trial may go on later
        PREEMPTED = "preempted"  # gave its place to somebody else; not the trial's fault
        LOST = "lost"  # vanished without an exit code
        SUSPENDED = "suspended"  # the service was shut down under it; not the trial's fault
        NOT_STARTED = "not_started"  # its backend could not start it; it gave its place back

    class StopKind(models.TextChoices):
        USER = "user"
        JOB = "job"  # the job ended or was stopped
        POLICY = "policy"  # early termination
        PAUSE = "pause"  # its scheduler's: it gives its place back, but is not over
        HOLD = "hold"  # its job was paused: it goes on with the job
        PREEMPT = "preempt"  # somebody else needs its place: it goes on when there is room
        SUSPEND = "suspend"

    trial = models.ForeignKey(Trial, on_delete=models.CASCADE, db_index=False, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    token = models.CharField(max_length=64)
    backend = models.CharField(max_length=32)
    # What it holds: so many devices (of the pool "cpu": slots). Nothing of this host if it runs elsewhere.
    pool = models.CharField(max_length=63, blank=True, default="cpu")
    device_count = models.PositiveSmallIntegerField(default=1)
    share = models.FloatField(default=1.0)  # the part of each device: of GPUs that it shares, of their memory
    devices = models.JSONField(default=list)  # the ids of GPUs
    # How long it waited follows from these: its job asked for places since then, and so many that it may have at once
    # were free when this one took the one that was free for longest. Null and 0 if it waits for nothing of this host.
    asked_at = models.DateTimeField(null=True)
    free_places = models.PositiveIntegerField(db_default=0)
    kept_container = models.BooleanField(default=False)  # it began in one that an earlier attempt had left
    # Continues from the checkpoint of the attempt before it, and goes on counting steps where that one stood.
    resumed = models.BooleanField(default=False)
    # A later attempt began anew: what this one reported is no longer part of the trial's curve.
    superseded = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=models.functions.Now())
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    follower = models.CharField(max_length=128, blank=True, default="")
    lease_until = models.DateTimeField(null=True)
    log_offset = models.BigIntegerField(default=0)
    log_skipping = models.BooleanField(default=False)
    steps = models.JSONField(default=dict)  # metric -> last step stored
    stop_requested_at = models.DateTimeField(null=True)
    stop_kind = models.CharField(max_length=16, blank=True, default="", choices=StopKind.choices)
    stop_reason = models.TextField(blank=True, default="")
    outcome = models.CharField(max_length=16, blank=True, default="", choices=Outcome.choices)
    exit_code = models.IntegerField(null=True)
    signal = models.IntegerField(null=True)
    failure = models.TextField(blank=True, default="")
    kept_bytes = models.BigIntegerField(null=True)  # of its log and output, once it was cleared of all else

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["token"], name="attempt_token_unique"),
            models.UniqueConstraint(fields=["trial", "number"], name="attempt_number_unique_per_trial"),
            models.UniqueConstraint(
                fields=["trial"], condition=Q(ended_at__isnull=True), name="one_live_attempt_per_trial"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, outcome="") | Q(ended_at__isnull=False) & ~Q(outcome=""),
                name="attempt_ended_with_outcome",
            ),
        ]
        indexes = [
            # Not by their leases: while no index has to follow, those are renewed within the row's page.
            models.Index(fields=["id"], condition=Q(ended_at__isnull=True), name="attempt_live"),
            models.Index(
                fields=["id"], condition=Q(ended_at__isnull=False, kept_bytes__isnull=True), name="attempt_to_clear"
            ),
        ]

    def __str__(self) -> str:
        return self.token


class UsageEntry(models.Model):
    """What an attempt that is over held, and for how long: one row for each, which never changes (`ledger.py`).

    Every figure of usage is a sum of these. The names stay when what they name is deleted.
    """

    class Outcome(models.TextChoices):
        COMPLETED = "completed"
        EARLY_STOPPED = "early_stopped"
        STOPPED = "stopped"
        FAILED = "failed"
        LOST = "lost"
        PAUSED = "paused"
        SUSPENDED = "suspended"
        PREEMPTED = "preempted"
        NOT_STARTED = "not_started"

    attempt = models.OneToOneField(Attempt, on_delete=models.SET_NULL, null=True, related_name="usage")
    attempt_number = models.PositiveSmallIntegerField()
    trial_number = models.PositiveIntegerField()
    job = models.ForeignKey(TuningJob, on_delete=models.SET_NULL, null=True, db_index=False, related_name="usage")
    job_name = models.CharField(max_length=63)
    deleted_job = models.BigIntegerField(null=True)  # the id that its job had: names are given again, ids are not
    project = models.ForeignKey(Project, on_delete=models.SET_NULL, null=True, db_index=False, related_name="usage")
    project_slug = models.CharField(max_length=63)
    # The project's team when the attempt ended, empty if it was in none, and the priority that this had.
    team = models.CharField(max_length=63, blank=True, db_default="")
    priority = models.SmallIntegerField(db_default=0)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    pool = models.CharField(max_length=63, blank=True)  # empty if it ran elsewhere
    devices = models.PositiveSmallIntegerField()
    seconds = models.FloatField()  # from the reservation, when nobody else could have them any more, to the end
    gpu_seconds = models.FloatField()  # times the GPUs that it held; of one that it shared, the part of its memory
    cost = models.FloatField(db_default=0.0)  # at its pool's price when it ended
    # From the moment when its job asked for it until it was reserved; null: not known, or nothing of this host.
    waited = models.FloatField(null=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    ended_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["project", "ended_at"], name="usage_of_project"),
            models.Index(fields=["ended_at"], name="usage_newest"),
            models.Index(fields=["job", "id"], name="usage_of_job"),
        ]
        constraints = [models.CheckConstraint(condition=Q(seconds__gte=0, gpu_seconds__gte=0), name="usage_positive")]

    def __str__(self) -> str:
        return f"{self.project_slug}/{self.job_name}/{self.trial_number}/{self.attempt_number}"


class LedgerSums(models.Model):
    """The sums of the ledger up to one of its rows (`sharing/sums.py`), in one row: whoever asks for all that there
    ever was reads this and what has come since."""

    last_entry = models.BigIntegerField(default=0)
    sums = models.JSONField(default=list)  # for each project, pool and outcome: these, and the figures


class ExternalRun(models.Model):
    """What is kept of an attempt that runs elsewhere, so that whoever asks or tells twice gets the same answer."""

    attempt = models.OneToOneField(Attempt, on_delete=models.CASCADE, primary_key=True, related_name="external")
    request = models.CharField(max_length=64, blank=True, default="", db_index=True)  # the key of the ask that got it
    told = models.JSONField(null=True)  # the value or failure that ended it; null if it was ended without


class MetricPoint(models.Model):
    """A value that a trial reported: the step-th of its metric in that attempt, counted from 1 (F59).

    `superseded`: it was reported after the checkpoint from which a later attempt went on, and is no part of the curve.
    """

    pk = models.CompositePrimaryKey("attempt_id", "metric", "step")
    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="points", db_index=False)
    metric = models.CharField(max_length=255)
    step = models.BigIntegerField()
    value = models.FloatField()
    at = models.DateTimeField()
    superseded = models.BooleanField(db_default=False)


class UsageSample(models.Model):
    """What an attempt used when it was looked at for the n-th time (`sampling.py`).

    `cpus` are the processors in use since the look before; `gpu_busy` is the part of its time in which its GPUs
    computed, on the average, 0 to 1. The last two are null where there is no GPU, or it does not tell.
    """

    pk = models.CompositePrimaryKey("attempt_id", "n")
    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="samples", db_index=False)
    n = models.IntegerField()
    at = models.DateTimeField()
    cpus = models.FloatField()
    memory_bytes = models.BigIntegerField()
    gpu_busy = models.FloatField(null=True)
    gpu_memory_bytes = models.BigIntegerField(null=True)


class EventCursor(models.Model):
    """The last sequence number given out for a job; its row lock makes the numbers gap-free and visible in order."""

    job = models.OneToOneField(TuningJob, on_delete=models.CASCADE, primary_key=True, related_name="cursor")
    seq = models.BigIntegerField(default=0)


class Event(models.Model):
    """Something that happened in a job, numbered without gaps; the pages and scripts catch up by it."""

    pk = models.CompositePrimaryKey("job_id", "seq")
    job = models.ForeignKey(TuningJob, on_delete=models.CASCADE, related_name="events", db_index=False)
    seq = models.BigIntegerField()
    at = models.DateTimeField(db_default=models.functions.Now())
    kind = models.CharField(max_length=16)
    data = models.JSONField()


class Decision(models.Model):
    """Why: each choice that the service made, in words with its numbers (design, principle 5)."""

    class Kind(models.TextChoices):
        SUGGEST = "suggest"
        EARLY_STOP = "early_stop"
        PAUSE = "pause"
        PROMOTE = "promote"
        WAIT = "wait"
        RETRY = "retry"
        PREEMPT = "preempt"
        RESUME = "resume"  # a job goes on
        CHANGE = "change"  # of a job's limits or rules
        FAILURES = "failures"  # so many failed equally that the job was paused
        STOP = "stop"
        LIMIT = "limit"
        METRIC = "metric"  # a value that was refused
        WARM_START = "warm_start"

    job = models.ForeignKey(TuningJob, on_delete=models.CASCADE, db_index=False, related_name="decisions")
    trial = models.ForeignKey(Trial, on_delete=models.CASCADE, null=True, related_name="decisions")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    at = models.DateTimeField(db_default=models.functions.Now())
    reason = models.TextField()
    numbers = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["job", "id"], name="decision_in_order")]
        constraints = [models.CheckConstraint(condition=~Q(reason=""), name="decision_has_a_reason")]
