"""This host for administrators: what it has and what is in use now, what trials used in the last hour, its images."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import connection

from hpt_web.accounts.pools import host_gpus
from hpt_web.jobs.models import EXTERNAL, Attempt, UsageSample
from hpt_web.jobs.running import backends
from hpt_web.jobs.running.sampling import MOST, SECONDS
from tuning.backends import gpus
from tuning.errors import BackendError

MOST_IMAGES = 50


@dataclass(frozen=True, slots=True)
class Machine:
    """`load` is the average number of processes that compute or wait for the disk, of the last minute. The disk is the
    one of HPT_HOME. The memory is None where the system does not tell it."""

    processors: int
    load: float
    memory_bytes: int | None
    memory_used_bytes: int | None
    disk_bytes: int
    disk_used_bytes: int


def machine() -> Machine:
    memory = _memory()
    disk = shutil.disk_usage(settings.HPT_HOME)
    total, free = memory.get("MemTotal"), memory.get("MemAvailable")
    used = total - free if total is not None and free is not None else None
    return Machine(os.cpu_count() or 1, os.getloadavg()[0], total, used, disk.total, disk.total - disk.free)


def _memory() -> Mapping[str, int]:
    """Linux's table, in bytes; empty on other systems."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return {}
    rows = (line.replace(":", " ").split() for line in lines)
    return {row[0]: int(row[1]) * 1024 for row in rows if row[2:] == ["kB"]}


@dataclass(frozen=True, slots=True)
class GpuState:
    """A GPU and how busy it is, 0 to 1; None where it does not tell."""

    id: str
    name: str
    memory_bytes: int
    busy: float | None
    used_bytes: int | None


def gpu_states() -> list[GpuState]:
    devices = host_gpus()
    uses = {use.id: use for use in gpus.sample([device.id for device in devices])} if devices else {}
    found = []
    for device in devices:
        use = uses.get(device.id)
        busy, used = (use.busy, use.memory_bytes) if use else (None, None)
        found.append(GpuState(device.id, device.name, device.memory_bytes, busy, used))
    return found


# --- what trials use --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrialOnHost:
    """A trial that runs here, with the newest sample of what it uses; None before there is one."""

    project: str
    job: str
    trial: int
    user: str
    where: str
    devices: list[str]
    since: datetime
    cpus: float | None
    memory_bytes: int | None
    gpu_busy: float | None
    gpu_memory_bytes: int | None


def trials() -> list[TrialOnHost]:
    """The oldest first; two queries."""
    live = Attempt.objects.filter(ended_at__isnull=True).exclude(backend=EXTERNAL).order_by("pk")
    rows = list(live.select_related("trial__job__project", "trial__job__created_by"))
    newest = UsageSample.objects.filter(attempt__in=[row.pk for row in rows])
    samples = {one.attempt_id: one for one in newest.order_by("attempt_id", "-n").distinct("attempt_id")}
    found = []
    for row in rows:
        sample, job = samples.get(row.pk), row.trial.job
        found.append(
            TrialOnHost(
                project=job.project.slug,
                job=job.name,
                trial=row.trial.number,
                user=job.created_by.username,
                where=backends.part_of(row.token),
                devices=row.devices,
                since=row.created_at,
                cpus=sample.cpus if sample else None,
                memory_bytes=sample.memory_bytes if sample else None,
                gpu_busy=sample.gpu_busy if sample else None,
                gpu_memory_bytes=sample.gpu_memory_bytes if sample else None,
            )
        )
    return found


@dataclass(slots=True)
class Minutes:
    """What all trials together used, a row for each full minute of the last hour in which something was measured."""

    times: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    memory_bytes: list[float] = field(default_factory=list)
    gpus: list[float] = field(default_factory=list)  # as many as were busy, with parts
    gpu_memory_bytes: list[float] = field(default_factory=list)


def last_hour() -> Minutes:
    """Each sample counts for the time to the next one of its attempt, as only some are kept of those that run long."""
    sql = """
        WITH near AS (
            SELECT id FROM jobs_attempt WHERE ended_at IS NULL AND backend <> %(external)s
            UNION SELECT attempt_id FROM jobs_usageentry
            WHERE ended_at > now() - interval '1 hour' AND attempt_id IS NOT NULL
        ), stands AS (
            SELECT near.id, jsonb_array_length(a.devices) AS devices, %(seconds)s * power(2, ceil(log(2, greatest(1,
                (SELECT max(n) + 1 FROM jobs_usagesample WHERE attempt_id = near.id)::numeric / %(most)s)))) AS seconds
            FROM near JOIN jobs_attempt a ON a.id = near.id
        )
        SELECT extract(epoch FROM date_trunc('minute', s.at))::float, sum(s.cpus * k.seconds / 60)::float,
               sum(s.memory_bytes * k.seconds / 60)::float,
               coalesce(sum(s.gpu_busy * k.devices * k.seconds / 60), 0)::float,
               coalesce(sum(s.gpu_memory_bytes * k.seconds / 60), 0)::float
        FROM stands k JOIN jobs_usagesample s ON s.attempt_id = k.id
        WHERE s.at > now() - interval '1 hour' AND s.at < date_trunc('minute', now())
        GROUP BY 1 ORDER BY 1
    """
    found = Minutes()
    with connection.cursor() as cursor:
        cursor.execute(sql, {"external": EXTERNAL, "seconds": SECONDS, "most": MOST})
        for row in cursor.fetchall():
            columns = (found.times, found.cpus, found.memory_bytes, found.gpus, found.gpu_memory_bytes)
            for column, value in zip(columns, row, strict=True):
                column.append(value)
    return found


# --- images -----------------------------------------------------------------------------------------------------------


class Image(NamedTuple):
    name: str
    bytes: int
    created: int  # seconds since 1970


def images() -> list[Image] | None:
    """The newest images of this host's engine; None if it has none, or does not answer."""
    if backends.engine_url() is None:
        return None
    try:
        with backends.engine().client("listing images") as client:
            listed = client.images()
    except BackendError:
        return None
    found = []
    for image in listed:
        names = [name for name in image.get("RepoTags") or image.get("RepoDigests") or [] if "<none>" not in name]
        name = ", ".join(names) or image["Id"][:19]
        found.append(Image(name, int(image.get("Size") or 0), int(image.get("Created") or 0)))
    return sorted(found, key=lambda image: (-image.created, image.name))[:MOST_IMAGES]
