"""What running trials use of their host and of its GPUs, looked at every few seconds and kept for their pages.

A trial has at most MOST samples of each of its attempts, whether it runs for a minute or for a month: the n-th look is
kept if n is a multiple of a stride that doubles as n grows, and what the larger stride leaves out is deleted. So the
samples are evenly spread, and what is kept follows from n alone, whoever looks.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from django.db import DatabaseError, connection
from django.db.models import F
from django.db.models.functions import Mod
from django.utils import timezone

from hpt_web.jobs.models import Attempt, UsageSample
from tuning.backends import Backend, Usage, gpus
from tuning.errors import BackendError

logger = logging.getLogger(__name__)

MOST = 720
SECONDS = 5.0  # between two looks


class Seen(NamedTuple):
    """The last look at an attempt."""

    at: float  # by the monotonic clock
    cpu_seconds: float


class Sampler:
    """Looks at the attempts that the follower `name` has leased."""

    def __init__(self, name: str, backend: Backend) -> None:
        self._name, self._backend = name, backend
        self._seen: dict[int, Seen] = {}
        self._strides: dict[int, int] = {}

    def run(self, stopped: threading.Event) -> None:
        while not stopped.wait(SECONDS):
            try:
                self.look()
            except (DatabaseError, BackendError, OSError) as error:
                logger.warning("Could not tell what the trials use (%s); trying again", error)
            except Exception:
                logger.exception("Could not tell what the trials use; trying again")
            finally:
                connection.close()

    def look(self) -> None:
        """One sample of each attempt that was seen before; the first look only says where its processor time stood."""
        running = Attempt.objects.filter(follower=self._name, ended_at__isnull=True, started_at__isnull=False)
        attempts = list(running.only("token", "devices", "started_at"))
        found = [sample for attempt in attempts if (sample := self._sample(attempt)) is not None]
        live = {attempt.pk for attempt in attempts}
        self._seen = {pk: seen for pk, seen in self._seen.items() if pk in live}
        self._strides = {pk: known for pk, known in self._strides.items() if pk in live}
        UsageSample.objects.bulk_create(found, ignore_conflicts=True)
        for sample in found:
            if self._strides.get(sample.attempt_id, 1) < (now := stride(sample.n)):
                thin(sample.attempt_id, now)
                self._strides[sample.attempt_id] = now

    def _sample(self, attempt: Attempt) -> UsageSample | None:
        usage = self._backend.usage(attempt.token)
        if usage is None or attempt.started_at is None:
            return None
        before, now = self._seen.get(attempt.pk), time.monotonic()
        self._seen[attempt.pk] = Seen(now, usage.cpu_seconds)
        at = timezone.now()
        n = int((at - attempt.started_at).total_seconds() / SECONDS)
        if before is None or now <= before.at or n < 0 or n % stride(n):
            return None
        busy, memory = _of_devices(attempt.devices, usage)
        return UsageSample(
            attempt=attempt,
            n=n,
            at=at,
            cpus=max(0.0, usage.cpu_seconds - before.cpu_seconds) / (now - before.at),
            memory_bytes=usage.memory_bytes,
            gpu_busy=busy,
            gpu_memory_bytes=memory,
        )


def _of_devices(devices: Sequence[str], usage: Usage) -> tuple[float | None, int | None]:
    """How busy its devices are on the average, whoever else is on them, and what it holds of their memory itself."""
    uses = gpus.sample(devices, usage.pids) if devices else ()
    busy = [use.busy for use in uses if use.busy is not None]
    held = [use.own_bytes for use in uses if use.own_bytes is not None]
    return sum(busy) / len(busy) if busy else None, sum(held) if held else None


def stride(n: int) -> int:
    """The smallest power of two of which at most MOST multiples lie in 0..n."""
    found = 1
    while n // found >= MOST:
        found *= 2
    return found


def thin(attempt: int, keep: int) -> None:
    """Delete the samples of an attempt whose number is no multiple of `keep`."""
    samples = UsageSample.objects.filter(attempt=attempt).annotate(rest=Mod(F("n"), keep))
    samples.exclude(rest=0).delete()


def samples_of(attempt: Attempt) -> list[UsageSample]:
    return list(UsageSample.objects.filter(attempt=attempt).order_by("n"))
