"""People, projects and their rights."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length, Lower, Now

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

# The form of every name in an address, that of SageMaker's names: letters and digits, with hyphens between them.
NAME_PATTERN = r"^[A-Za-z0-9](-*[A-Za-z0-9]){0,62}$"
SLUG_PATTERN = r"^[a-z0-9](-*[a-z0-9]){0,62}$"

models.CharField.register_lookup(Length)


class Role(models.TextChoices):
    """What a member may do: viewers read, editors change what is in the project, owners also who is in it."""

    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"

    @property
    def rank(self) -> int:
        return {Role.VIEWER: 1, Role.EDITOR: 2, Role.OWNER: 3}[self]

    def covers(self, needed: Role) -> bool:
        """True if this role may do what `needed` may do."""
        return self.rank >= needed.rank


class Scope(models.TextChoices):
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Origin:
    """How a person came in: by which access key, from which address. It restricts them and goes into the audit."""

    access_key: AccessKey | None = None
    address: str | None = None


class UserManager(DjangoUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        # Names are unique whatever their case, so logging in does not ask for it either.
        return self.annotate(folded=Lower("username")).get(folded=(username or "").lower())


class User(AbstractUser):
    """A person. A superuser is an administrator: owner of every project.

    Accounts are deactivated, never deleted: what they made keeps its author.
    """

    # Set by the door that let the person in, for this request only. It travels with the user so that no check can
    # forget that a person came with a restricted key.
    origin: Origin = Origin()

    objects: ClassVar[UserManager] = UserManager()

    class Meta(AbstractUser.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(Lower("username"), name="username_unique"),
            models.UniqueConstraint(Lower("email"), condition=~Q(email=""), name="email_unique"),
        ]


class Team(models.Model):
    """Projects that share what is guaranteed to them of the pools. Projects without a team share as one, of priority 0.

    Beyond the guarantees teams of higher priority come first.
    Policies of all their jobs: containers are made from `images` alone (patterns; any, if there are none), and what is
    in `fixed` is as it says there (`policies.py`).
    """

    name = models.CharField(max_length=63)
    priority = models.SmallIntegerField(db_default=0)
    images = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    fixed = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    if TYPE_CHECKING:
        projects: RelatedManager[Project]
        shares: RelatedManager[PoolShare]

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("name"), name="team_name_unique"),
            models.CheckConstraint(condition=Q(name__regex=NAME_PATTERN), name="team_name_in_form"),
        ]

    def __str__(self) -> str:
        return self.name


class Project(models.Model):
    """What people work in: datasets, algorithms and tuning jobs. `slug` is its name in addresses.

    `keep` is the rule for jobs that name none: of how many of the best trials, and of the last, the files are kept;
    None: of all. It is `keep_due` from a change of it until it was applied to the jobs that are there.
    """

    slug = models.CharField(max_length=63)
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True, default="")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="projects")
    keep = models.JSONField(null=True, blank=True)
    keep_due = models.BooleanField(db_default=False)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    if TYPE_CHECKING:
        memberships: RelatedManager[Membership]

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("slug"), name="project_slug_unique"),
            models.CheckConstraint(condition=Q(slug__regex=SLUG_PATTERN), name="project_slug_in_form"),
        ]

    def __str__(self) -> str:
        return self.slug


class Membership(models.Model):
    """A person's role in a project. A trigger in the database refuses to take a project's last owner away."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role.choices)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="membership_once"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role} of {self.project_id}"


def new_key_id() -> str:
    """20 characters, as AWS access key ids have, so that their tools accept ours."""
    return "HPT" + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(17))


class AccessKey(models.Model):
    """A pair of id and secret by which a script acts for a person, within the key's scopes, project and time."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="access_keys")
    key_id = models.CharField(max_length=20, unique=True, default=new_key_id)
    sealed_secret = models.TextField()
    name = models.CharField(max_length=100, blank=True, default="")
    scopes = ArrayField(models.CharField(max_length=8, choices=Scope.choices))
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, related_name="access_keys")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(scopes__contained_by=Scope.values) & Q(scopes__len__gte=1), name="access_key_scopes_known"
            ),
            models.CheckConstraint(condition=Q(key_id__length=20), name="access_key_id_in_form"),
        ]

    def __str__(self) -> str:
        return self.key_id

    def problem_at(self, now: datetime) -> str | None:
        """Why the key does not work at `now`, or None."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= now:
            return "expired"
        return None if self.user.is_active else "of a deactivated account"


class Pool(models.Model):
    """How many of its devices this installation gives to trials, and on which terms; without a row, or a number in
    it, a pool is as large as the host's.

    `pools.py` says which pools there are. `device_type` and `memory_bytes` describe one device to people.
    """

    name = models.CharField(max_length=63, unique=True)
    devices = models.PositiveIntegerField(null=True, blank=True)
    device_type = models.CharField(max_length=100, blank=True, default="")
    memory_bytes = models.BigIntegerField(null=True, blank=True)
    min_run_seconds = models.PositiveIntegerField(null=True, blank=True)  # before a spot trial gives way
    price = models.FloatField(null=True, blank=True)  # of a device for an hour, in the money of the installation

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(name__regex=NAME_PATTERN), name="pool_name_in_form"),
            models.CheckConstraint(
                condition=Q(memory_bytes__isnull=True) | Q(memory_bytes__gt=0), name="pool_memory_positive"
            ),
            models.CheckConstraint(condition=Q(price__isnull=True) | Q(price__gte=0), name="pool_price_not_negative"),
        ]

    def __str__(self) -> str:
        return self.name


class PoolShare(models.Model):
    """What a team has of a pool: so many devices `guaranteed`, `cap` at most, and of the rest by `weight`.

    It `lends` so many of the guaranteed ones while it does not use them; all of them if that is empty.
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="shares")
    pool = models.CharField(max_length=63)  # its name; the host's pools have no row
    guaranteed = models.PositiveIntegerField(default=0)
    cap = models.PositiveIntegerField(null=True, blank=True)
    weight = models.FloatField(default=1.0)
    lends = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "pool"], name="share_once"),
            models.CheckConstraint(
                condition=Q(weight__gt=0) & (Q(cap__isnull=True) | Q(cap__gte=models.F("guaranteed"))),
                name="share_makes_sense",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.team_id} of {self.pool}"


class Quota(models.Model):
    """A limit for a project, for a person, for a person within a project, or (both empty) for the installation.

    What is asked for beyond a limit on jobs, on what one job or trial may be, on GPU-hours or bytes is refused; what
    would run beyond a limit on running trials or devices waits.
    """

    class Resource(models.TextChoices):
        RUNNING_TRIALS = "running_trials"  # on this host: those that run elsewhere take nothing that others lack
        DEVICES = "devices"  # of `pool`, at once
        QUEUED_JOBS = "queued_jobs"
        TRIALS_PER_JOB = "trials_per_job"
        PARALLEL_PER_JOB = "parallel_per_job"  # trials of a job at once
        SECONDS_PER_TRIAL = "seconds_per_trial"
        GPUS_PER_TRIAL = "gpus_per_trial"
        GPU_HOURS_PER_WEEK = "gpu_hours_per_week"  # from Monday, UTC
        GPU_HOURS_PER_MONTH = "gpu_hours_per_month"  # from the first, UTC
        STORAGE_BYTES = "storage_bytes"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, blank=True, related_name="quotas")
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="quotas")
    resource = models.CharField(max_length=32, choices=Resource.choices)
    pool = models.CharField(max_length=63, blank=True, default="")  # for DEVICES alone
    limit = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "user", "resource", "pool"], nulls_distinct=False, name="quota_once"
            ),
            models.CheckConstraint(condition=Q(limit__gte=0), name="quota_not_negative"),
            models.CheckConstraint(
                condition=Q(resource="devices") & ~Q(pool="") | ~Q(resource="devices") & Q(pool=""),
                name="quota_of_devices_names_a_pool",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.resource} <= {self.limit}"

    @property
    def whose(self) -> str:
        """Whom it bounds, in words."""
        project = self.project and f"project {self.project.slug!r}"
        if self.user is None:
            return project or "the installation"
        return f"{self.user.username} in {project}" if project else self.user.username


class Refusal(models.Model):
    """How often a limit refused what a person asked for in a project on a day (UTC); see `refusals.py`.

    The limit is told as it was then: it may have been changed or taken away since.
    """

    day = models.DateField()
    project_slug = models.CharField(max_length=63)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    resource = models.CharField(max_length=32)
    whose = models.CharField(max_length=300)
    limit = models.BigIntegerField()
    count = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["day", "project_slug", "user", "resource", "whose", "limit"], name="refusal_once_a_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.count} by {self.resource} of {self.whose}"


class AuditEvent(models.Model):
    """Who did what to which thing, when, and from where. Rows stay when what they speak of is deleted."""

    at = models.DateTimeField(db_default=Now())
    actor = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    access_key = models.ForeignKey(AccessKey, on_delete=models.SET_NULL, null=True, related_name="+")
    project = models.ForeignKey(Project, on_delete=models.SET_NULL, null=True, related_name="audit_events")
    action = models.CharField(max_length=64)
    target_kind = models.CharField(max_length=32)
    target = models.CharField(max_length=255)
    data = models.JSONField(default=dict)
    address = models.GenericIPAddressField(null=True)

    class Meta:
        indexes = [models.Index(fields=["project", "-id"], name="audit_newest_of_project")]

    def __str__(self) -> str:
        return f"{self.action} {self.target}"


class SlowedLogin(models.Model):
    """Wrong passwords lately for one account, one address, or one account from one address (see `login.py`)."""

    key = models.CharField(max_length=80, primary_key=True)
    failures = models.PositiveIntegerField(default=0)
    last_failure_at = models.DateTimeField()


class FamiliarAddress(models.Model):
    """An address from which a person has logged in before; wrong passwords from elsewhere do not slow it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    address = models.GenericIPAddressField()
    last_login_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "address"], name="familiar_address_once")]
