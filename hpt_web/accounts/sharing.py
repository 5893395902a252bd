"""Every change to teams, pools and limits, by administrators: right, check, change and audit in one transaction.

None of them stops anything that runs; they only bound what may start.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

from django.db import transaction
from django.db.models import ProtectedError, Q, QuerySet

from hpt_web.accounts import access, audit, policies
from hpt_web.accounts.actions import held_by, refuse, refuse_held_key, set_quota
from hpt_web.accounts.errors import Conflict, Fault, Forbidden, NotVisible
from hpt_web.accounts.models import NAME_PATTERN, Pool, PoolShare, Project, Quota, Team, User
from hpt_web.accounts.pools import PoolInfo, pools

MOST_DEVICES = 100_000
MOST_PRIORITY = 100
MOST_WEIGHT = 1_000_000.0
MOST_PRICE = 1_000_000.0
LONGEST_MIN_RUN = 7 * 86400
_NAME = re.compile(NAME_PATTERN)
_IN_FORM = "use 1 to 63 letters and digits, with hyphens between them"


def require_admin(actor: User, what: str) -> None:
    if not actor.is_superuser:
        raise Forbidden(f"Only an administrator can {what}.")
    refuse_held_key(actor, what)


# --- pools ------------------------------------------------------------------------------------------------------------


def pool_named(name: str) -> PoolInfo:
    found = next((pool for pool in pools() if pool.name == name), None)
    if found is None:
        raise NotVisible(f"There is no pool {name!r}.")
    return found


@dataclass(frozen=True, slots=True)
class Terms:
    """Of a pool: a spot trial gives way once it has run for `min_run_seconds` (None: as everywhere), and a device costs
    `price` an hour (None: nothing)."""

    min_run_seconds: int | None = None
    price: float | None = None

    def faults(self) -> list[Fault]:
        found = []
        if self.min_run_seconds is not None and not 0 <= self.min_run_seconds <= LONGEST_MIN_RUN:
            message = f"is {self.min_run_seconds}; give seconds from 0 to {LONGEST_MIN_RUN}"
            found.append(Fault("min_run_seconds", message, "range"))
        if self.price is not None and not 0 <= self.price <= MOST_PRICE:
            found.append(Fault("price", f"is {self.price:g}; give 0 or more, at most {MOST_PRICE:g}", "range"))
        return found


@transaction.atomic
def declare_pool(
    *,
    actor: User,
    name: str,
    devices: int,
    device_type: str = "",
    memory_bytes: int | None = None,
    terms: Terms | None = None,
) -> PoolInfo:
    """Make a pool of some of the host's GPUs, or say how much of one of the host's pools is given to trials."""
    require_admin(actor, "declare pools")
    terms = terms or Terms()
    faults = [*_count_faults("devices", devices), *terms.faults()]
    row = Pool.objects.filter(name=name).first()
    if not _NAME.fullmatch(name):
        faults.append(Fault("name", f"is {name[:80]!r}; {_IN_FORM}"))
    elif row is not None and row.devices is not None:
        faults.append(Fault("name", f"is {name!r}, which is declared already; change it instead", "taken"))
    if memory_bytes is not None and not 0 < memory_bytes < 2**60:
        faults.append(Fault("memory_bytes", f"is {memory_bytes}; give more than 0, or leave it out", "range"))
    values = {"devices": devices, "device_type": device_type, "memory_bytes": memory_bytes, **asdict(terms)}
    refuse(faults or _lacking_faults(Pool(name=name, **values)))
    Pool.objects.update_or_create(name=name, defaults=values)
    _record(actor, "pool.declare", "pool", name, {"devices": devices, **asdict(terms)})
    return pool_named(name)


@transaction.atomic
def change_pool(*, actor: User, name: str, devices: int | None = None, terms: Terms | None = None) -> PoolInfo:
    """Give so many of a pool's devices to trials, or give them on other terms; None leaves as it is."""
    require_admin(actor, "change pools")
    found = pool_named(name)
    terms = terms or Terms(found.min_run_seconds, found.price)
    faults = [*(_count_faults("devices", devices) if devices is not None else []), *terms.faults()]
    values = asdict(terms) | ({} if devices is None else {"devices": devices})
    if devices is not None and found.made and not faults:
        row = Pool.objects.get(name=name)
        row.devices = devices
        faults += _lacking_faults(row)
    refuse(faults)
    Pool.objects.update_or_create(name=name, defaults=values)
    before = {"devices": found.size, "min_run_seconds": found.min_run_seconds, "price": found.price}
    _record(actor, "pool.change", "pool", name, {**values, "before": before})
    return pool_named(name)


@transaction.atomic
def withdraw_pool(*, actor: User, name: str) -> None:
    """Take back what was declared: a pool of the host is as large as the host says again, another one is gone."""
    require_admin(actor, "remove pools")
    found = pool_named(name)
    if not found.declared:
        raise Conflict(f"Pool {name!r} is what this host has; give 0 devices of it to trials instead.")
    if found.made:
        teams = Team.objects.filter(shares__pool=name).order_by("name").values_list("name", flat=True)
        if teams:
            raise Conflict(f"Pool {name!r} is shared by {', '.join(teams)}; take their shares away first.")
    Pool.objects.filter(name=name).delete()
    _record(actor, "pool.withdraw", "pool", name, {"before": found.size})


def _lacking_faults(row: Pool) -> list[Fault]:
    """What is wrong with the size of a pool made of the host's GPUs: it lacks some, or takes those of others."""
    before = {pool.name: pool.lacking for pool in pools()}
    after = {pool.name: pool for pool in pools(row)}
    lost = sum(pool.lacking - before.get(name, 0) for name, pool in after.items() if name != row.name)
    most = after[row.name].size - lost
    if not after[row.name].made or most >= (row.devices or 0):
        return []
    kind = " of that type and memory" if row.device_type or row.memory_bytes else ""
    remedy = f"give at most {most}, or have" if most > 0 else "have"
    message = (
        f"is {row.devices}; this host has {most} GPU{'' if most == 1 else 's'}{kind} that no other such pool has: "
        f"{remedy} the host's GPUs listed in HPT_GPUS, such as 0:80GB,1:80GB, if the driver does not tell them"
    )
    return [Fault("devices", message, "range")]


# --- teams ------------------------------------------------------------------------------------------------------------


def teams(actor: User) -> QuerySet[Team]:
    require_admin(actor, "see all teams")
    return Team.objects.all()


def team_named(actor: User, name: str) -> Team:
    team = teams(actor).filter(name__iexact=name).first()
    if team is None:
        raise NotVisible(f"There is no team {name!r}.")
    return team


@transaction.atomic
def create_team(
    *,
    actor: User,
    name: str,
    projects: Collection[str] = (),
    priority: int = 0,
    images: Sequence[str] = (),
    fixed: Mapping[str, object] | None = None,
) -> Team:
    """A new team of these projects, which leave the teams that they were in; its policies see `policies`."""
    require_admin(actor, "make teams")
    rows, faults = _projects(projects)
    faults += [*_team_name_faults(name), *_priority_faults(priority), *policies.faults(images, fixed or {})]
    refuse(faults)
    team = Team.objects.create(name=name, priority=priority, images=list(images), fixed=dict(fixed or {}))
    rows.update(team=team)
    data = {"projects": sorted(projects), "priority": priority, "images": team.images, "fixed": fixed}
    _record(actor, "team.create", "team", name, data)
    return team


@transaction.atomic
def change_team(
    *,
    actor: User,
    team: str,
    name: str | None = None,
    projects: Collection[str] | None = None,
    priority: int | None = None,
    images: Sequence[str] | None = None,
    fixed: Mapping[str, object] | None = None,
) -> Team:
    """Change what is given; None leaves it as it is. `projects` are all that are in it from now on."""
    require_admin(actor, "change teams")
    row = team_named(actor, team)
    found, faults = _projects(projects or ())
    if name is not None and name != row.name:
        faults += _team_name_faults(name, own=row.pk)
    faults += [*_priority_faults(priority or 0), *policies.faults(images or (), fixed or {})]
    refuse(faults)
    before = row.name
    row.name = row.name if name is None else name
    row.priority = row.priority if priority is None else priority
    row.images = row.images if images is None else list(images)
    row.fixed = row.fixed if fixed is None else dict(fixed)
    row.save(update_fields=["name", "priority", "images", "fixed"])
    if projects is not None:
        row.projects.update(team=None)
        found.update(team=row)
    given = {"name": name, "priority": priority, "images": images, "fixed": fixed}
    data = {**given, "projects": projects and sorted(projects)}
    _record(actor, "team.change", "team", before, data)
    return row


@transaction.atomic
def delete_team(*, actor: User, team: str) -> None:
    """Delete a team without projects, and its shares."""
    require_admin(actor, "delete teams")
    row = team_named(actor, team)
    _record(actor, "team.delete", "team", row.name, {})
    try:
        row.delete()
    except ProtectedError as error:
        raise Conflict(f"Team {row.name!r} still has {held_by(error)}; move them to another one first.") from error


def _projects(slugs: Collection[str]) -> tuple[QuerySet[Project], list[Fault]]:
    rows = Project.objects.filter(slug__in=slugs)
    known = set(rows.values_list("slug", flat=True))
    faults = [
        Fault(f"projects[{at}]", f"is {slug[:80]!r}; there is no such project", "unknown")
        for at, slug in enumerate(slugs)
        if slug not in known
    ]
    return rows, faults


def _priority_faults(priority: int) -> list[Fault]:
    if abs(priority) <= MOST_PRIORITY:
        return []
    return [Fault("priority", f"is {priority}; give a whole number from -{MOST_PRIORITY} to {MOST_PRIORITY}", "range")]


def _team_name_faults(name: str, own: int = 0) -> list[Fault]:
    if not _NAME.fullmatch(name):
        return [Fault("name", f"is {name[:80]!r}; {_IN_FORM}")]
    if Team.objects.filter(name__iexact=name).exclude(pk=own).exists():
        return [Fault("name", f"is {name!r}, which another team has; choose another", "taken")]
    return []


# --- shares -----------------------------------------------------------------------------------------------------------


def share_of(actor: User, team: str, pool: str) -> PoolShare:
    share = team_named(actor, team).shares.filter(pool=pool).select_related("team").first()
    if share is None:
        raise NotVisible(f"Team {team!r} has no share of pool {pool!r}.")
    return share


@transaction.atomic
def set_share(
    *,
    actor: User,
    team: str,
    pool: str,
    guaranteed: int = 0,
    cap: int | None = None,
    weight: float = 1.0,
    lends: int | None = None,
) -> PoolShare:
    """Give a team a share of a pool, in place of the one that it may have."""
    require_admin(actor, "share out pools")
    row = team_named(actor, team)
    faults = _count_faults("guaranteed", guaranteed)
    known = [found.name for found in pools()]
    if pool not in known:
        faults.append(Fault("pool", f"is {pool[:80]!r}; choose one of {', '.join(known)}", "unknown"))
    if cap is not None:
        faults += _count_faults("cap", cap)
        if 0 <= cap < guaranteed:
            faults.append(Fault("cap", f"is {cap}, less than the {guaranteed} that are guaranteed; raise it", "range"))
    if not 0 < weight <= MOST_WEIGHT:
        faults.append(Fault("weight", f"is {weight:g}; give more than 0, at most {MOST_WEIGHT:g}", "range"))
    if lends is not None:
        faults += _count_faults("lends", lends)
        if lends > guaranteed >= 0:
            message = (
                f"is {lends}, more than the {guaranteed} that are guaranteed; lower it, or leave it out to lend all"
            )
            faults.append(Fault("lends", message, "range"))
    refuse(faults)
    values = {"guaranteed": guaranteed, "cap": cap, "weight": weight, "lends": lends}
    share, _ = PoolShare.objects.update_or_create(team=row, pool=pool, defaults=values)
    _record(actor, "share.set", "share", f"{row.name}/{pool}", values)
    return share


@transaction.atomic
def remove_share(*, actor: User, team: str, pool: str) -> None:
    require_admin(actor, "share out pools")
    share = share_of(actor, team, pool)
    share.delete()
    _record(actor, "share.remove", "share", f"{share.team.name}/{pool}", {})


# --- quotas -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom a limit is: a project, a person, a person in a project, or (both None) the installation."""

    project: str | None = None
    user: str | None = None


def quotas(actor: User) -> QuerySet[Quota]:
    """An administrator's are all, everybody else's those that may stop jobs of theirs."""
    found = Quota.objects.select_related("project", "user")
    if actor.is_superuser:
        refuse_held_key(actor, "see all quotas")
        return found
    return found.filter(Q(user=None) | Q(user=actor), Q(project=None) | Q(project__in=access.visible_projects(actor)))


def quota_with_id(actor: User, number: int) -> Quota:
    require_admin(actor, "change quotas")
    quota = quotas(actor).filter(pk=number).first()
    if quota is None:
        raise NotVisible(f"There is no quota {number}.")
    return quota


@transaction.atomic
def create_quota(*, actor: User, scope: Scope, resource: str, limit: int, pool: str = "") -> Quota:
    """A limit that is not there yet."""
    require_admin(actor, "set quotas")
    project = Project.objects.filter(slug=scope.project).first() if scope.project is not None else None
    user = User.objects.filter(username__iexact=scope.user).first() if scope.user is not None else None
    faults = []
    if scope.project is not None and project is None:
        faults.append(Fault("project", f"is {scope.project[:80]!r}; there is no such project", "unknown"))
    if scope.user is not None and user is None:
        faults.append(Fault("user", f"is {scope.user[:80]!r}; there is no account of that name", "unknown"))
    if resource == Quota.Resource.DEVICES and pool not in (known := [found.name for found in pools()]):
        faults.append(Fault("pool", f"is {pool[:80]!r}; choose one of {', '.join(known)}", "unknown"))
    refuse(faults)
    same = Quota.objects.filter(project=project, user=user, resource=resource, pool=pool)
    if same.exists():
        raise Conflict(f"There is a quota on {resource} for these already: {same.get().limit}; change that one.")
    set_quota(actor=actor, resource=resource, limit=limit, project=project, user=user, pool=pool)
    return quotas(actor).get(pk=same.get().pk)


@transaction.atomic
def change_quota(*, actor: User, number: int, limit: int) -> Quota:
    _set(actor, quota_with_id(actor, number), limit)
    return quota_with_id(actor, number)


@transaction.atomic
def remove_quota(*, actor: User, number: int) -> None:
    _set(actor, quota_with_id(actor, number), None)


def _set(actor: User, quota: Quota, limit: int | None) -> None:
    set_quota(
        actor=actor, resource=quota.resource, limit=limit, project=quota.project, user=quota.user, pool=quota.pool
    )


def _count_faults(field: str, number: int) -> list[Fault]:
    if 0 <= number <= MOST_DEVICES:
        return []
    return [Fault(field, f"is {number}; give a whole number from 0 to {MOST_DEVICES}", "range")]


def _record(actor: User, action: str, kind: str, target: str, data: Mapping[str, object]) -> None:
    audit.record(actor=actor, action=action, target_kind=kind, target=target, data=data)
