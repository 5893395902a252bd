"""What the rows say against what really runs, compared every few seconds, and each kind of difference repaired.

rows say                          the backend says        repair
live, never started               knows nothing of it     launch it (again; twice runs once); give its place back if
                                                          that does not work for long
live, asked to stop               running                 tell it again
live, asked to stop               knows nothing of it     settle it: there is nothing to stop
over, or no such attempt          running                 kill it
live, and runs elsewhere          (is not asked)          settle it if it was not heard of in time
a job that is not over            -                       nudge it: its message may have been lost
a job that is over                keeps containers        end them
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from hpt_web.jobs.events import append
from hpt_web.jobs.lifecycle import grace_of, request_stop
from hpt_web.jobs.models import EXTERNAL, Attempt, TuningJob
from hpt_web.jobs.queries import hosted_attempts, live_attempts
from hpt_web.jobs.running.dispatch import STOP_SECONDS
from hpt_web.jobs.running.endings import ending, losses, settle
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.running.starts import launch
from hpt_web.jobs.sharing import capacity
from tuning.backends import Backend, Phase, Status
from tuning.errors import BackendError

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 3.0  # whoever wrote an attempt is about to launch it
KILLED_SECONDS = 3.0  # until what was killed at a shutdown is settled
IDLE_SWEEPS = 12
RETURN_SECONDS = 600.0  # whoever runs a trial elsewhere has so long to be heard of again after the service was down
SHUTDOWN_REASON = "The service was shut down."


def sweep(backend: Backend, nudge: Callable[[int], None], *, listening: float = math.inf) -> None:
    """Repair every difference that a crash may have left. `listening` is for how many seconds the service has been up
    without a break: whoever could not be heard of before is not silent yet."""
    owned = backend.list_owned()  # first: what is in it was committed before, so a row is there if it belongs
    live = {attempt.token: attempt for attempt in hosted_attempts()}
    over = [token for token in owned if token not in live]
    still = set(backend.list_owned()) if over else set()  # most have ended, and were settled, between both looks
    for token in over:
        if token in still:
            logger.warning("Attempt %s runs although it is over; killing it", token)
            backend.stop(token, 0)
    for attempt in live.values():
        try:
            _repair(backend, attempt)
        except BackendError as error:  # the others must not wait for an engine that is down
            logger.warning("Attempt %s cannot be looked after at this moment: %s", attempt.token, error)
    _settle_silent(listening)
    # Only a job that goes on has a next trial for a container that is kept.
    backend.retire({str(pk) for pk in TuningJob.objects.filter(ended_at__isnull=True).values_list("pk", flat=True)})
    _nudge_all(nudge)


def _nudge_all(nudge: Callable[[int], None]) -> None:
    """Nudge every job that is not over; those that only wait for a place once in many sweeps."""
    in_line, turn = capacity.in_line(), _turn()
    jobs = TuningJob.objects.filter(ended_at__isnull=True).order_by("pk").values_list("pk", "stop_requested_at")
    for job, asked_to_stop in jobs:
        if asked_to_stop or job not in in_line or job % IDLE_SWEEPS == turn:
            nudge(job)


def _turn() -> int:
    return int(time.monotonic() // max(1, settings.HPT_SWEEP_SECONDS)) % IDLE_SWEEPS


def _repair(backend: Backend, attempt: Attempt) -> None:
    unknown = backend.status(attempt.token).phase is Phase.UNKNOWN
    if unknown and _is_new(attempt):
        return
    if attempt.stop_requested_at is None:
        if unknown:
            launch(attempt)
        return
    backend.stop(attempt.token, grace_of(attempt))
    status = backend.status(attempt.token)
    if unknown and status.phase is Phase.UNKNOWN:
        with transaction.atomic():
            now = _locked(attempt.pk)  # why it is to stop may be another reason by now
            if now is not None:
                end = ending(now, status, reported=False, lost_before=0, log_tail="")
                append(now.trial.job_id, settle(now, status, end))


def _locked(pk: int, **still: object) -> Attempt | None:
    """The attempt as it is now, with its row locked; None if it is over, or not as it was to be `still`."""
    return live_attempts().select_for_update(of=("self",), no_key=True).filter(pk=pk, **still).first()


def _patience(attempt: Attempt) -> float:
    """For how long the service must have listened before an attempt elsewhere may count as silent."""
    trial_seconds: float = attempt.trial.job.spec["limits"]["trial_seconds"]
    return STOP_SECONDS if attempt.stop_requested_at is not None else min(trial_seconds, RETURN_SECONDS)


def _is_new(attempt: Attempt) -> bool:
    """By the database's clock, which wrote the time: this host's may be minutes off."""
    since = Now() - timedelta(seconds=PATIENCE_SECONDS)
    return Attempt.objects.filter(pk=attempt.pk, created_at__gt=since).exists()


def _settle_silent(listening: float) -> None:
    """Give up the attempts elsewhere that were not heard of in time, and close those that did not tell their stop."""
    silent = Attempt.objects.filter(backend=EXTERNAL, ended_at__isnull=True, lease_until__lt=Now())
    for pk in silent.order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            attempt = _locked(pk, lease_until__lt=Now())  # looked at again, as it may be reporting at this moment
            if attempt is not None and listening >= _patience(attempt):
                status = Status(phase=Phase.VANISHED)
                end = ending(attempt, status, reported=False, lost_before=losses(attempt.trial), log_tail="")
                append(attempt.trial.job_id, settle(attempt, status, end))


def suspend(backend: Backend, *, grace: float, patience: float) -> int:
    """Before the service goes down: stop what runs, so that no process stays, and queue it again.

    Trials get SIGTERM and `grace` seconds to write a checkpoint. Answers how many were stopped. Whatever does not make
    it within `patience` seconds is killed; what is not settled even then is found by the next start.
    """
    attempts = list(hosted_attempts())
    for attempt in attempts:
        request_stop(attempt, Attempt.StopKind.SUSPEND, SHUTDOWN_REASON)
        backend.stop(attempt.token, grace)
    tokens = {attempt.token for attempt in attempts}
    follower = Follower("shutdown", backend, nudge=lambda _: None)
    follower.claim(everybodys=True)
    _follow_to_the_end(follower, patience)
    for token in tokens & set(backend.list_owned()):
        backend.stop(token, 0)
    _follow_to_the_end(follower, KILLED_SECONDS)
    backend.retire(())
    return len(attempts)


def _follow_to_the_end(follower: Follower, seconds: float) -> None:
    """Until all that it follows is over, or time is up."""
    deadline = time.monotonic() + seconds
    while follower.followed and time.monotonic() < deadline:
        follower.look(follower.backend.wait(follower.followed.keys(), timeout=0.2))
        follower.look(list(follower.followed))
