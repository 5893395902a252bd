"""Starting what was written, and what becomes of attempts that cannot be started.

An attempt holds its place from the moment it is written. So one that cannot be started is tried again by the sweep
for a while, then gives its place back and its trial is queued again; if that happens again and again, the trial fails,
and equal failures open the circuit breaker.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from hpt_web.jobs.events import append, trial_entry
from hpt_web.jobs.models import Attempt, Trial
from hpt_web.jobs.queries import live_attempts
from hpt_web.jobs.running import launching
from hpt_web.jobs.running.endings import End, settle
from tuning.backends import Phase, Status
from tuning.errors import BackendError
from tuning.states import TrialState

logger = logging.getLogger(__name__)

START_SECONDS = 120  # for which an attempt may hold a place without being started
MOST_STARTS = 3  # of a trial that could not be started


def launch(attempt: Attempt) -> None:
    """Start a written attempt. One that cannot be started ever fails its trial; one that cannot now is swept up."""
    try:
        launching.launch(attempt)
    except (BackendError, OSError) as error:
        if isinstance(error, BackendError) and error.retryable:
            logger.warning("Attempt %s could not be started yet: %s", attempt.token, error)
            if _is_overdue(attempt):
                _give_up(attempt, error)
            else:
                _tell_waiting(attempt, f"Not started yet: {error}.")
            return
        logger.exception("Attempt %s could not be started", attempt.token)
        _settle(attempt, End(TrialState.FAILED, Attempt.Outcome.EXITED, f"It could not be started: {error}"))


def _is_overdue(attempt: Attempt) -> bool:
    """By the database's clock, which wrote the time: this host's may be minutes off."""
    since = Now() - timedelta(seconds=START_SECONDS)
    return Attempt.objects.filter(pk=attempt.pk, created_at__lt=since).exists()


def _give_up(attempt: Attempt, error: BackendError) -> None:
    """Give the attempt's place back; it never runs from here on."""
    backend = launching.backend()
    if backend.status(attempt.token).phase is not Phase.UNKNOWN:
        return  # it was started after all
    backend.stop(attempt.token, 0)
    if backend.status(attempt.token).phase is not Phase.UNKNOWN:
        return  # in this very moment: the follower sees to its end
    earlier = attempt.trial.attempts.filter(outcome=Attempt.Outcome.NOT_STARTED, number__gt=attempt.trial.retried_after)
    what = f"Attempt {attempt.number} could not be started in {START_SECONDS} s: {error}"
    if (so_far := earlier.count() + 1) < MOST_STARTS:
        reason = f"{what}. It has given its place back and is tried again, {so_far} of {MOST_STARTS} times by now."
        _settle(attempt, End(TrialState.QUEUED, Attempt.Outcome.NOT_STARTED, reason))
        return
    reason = f"It could not be started {MOST_STARTS} times, for {START_SECONDS} s each: {error}"
    _settle(attempt, End(TrialState.FAILED, Attempt.Outcome.NOT_STARTED, reason))


def _settle(attempt: Attempt, end: End) -> None:
    """Unless somebody has asked for its end meanwhile: that wish is the sweep's to carry out."""
    with transaction.atomic():
        locked = live_attempts().select_for_update(of=("self",), no_key=True)
        now = locked.filter(pk=attempt.pk, stop_requested_at__isnull=True).first()
        if now is not None:
            append(now.trial.job_id, settle(now, Status(phase=Phase.UNKNOWN), end))


def _tell_waiting(attempt: Attempt, reason: str) -> None:
    """What an attempt that is to be started waits for."""
    waiting = Trial.objects.filter(pk=attempt.trial_id, state=TrialState.STARTING).exclude(reason=reason)
    with transaction.atomic():
        if waiting.update(reason=reason):
            attempt.trial.refresh_from_db(fields=["state", "reason"])
            append(attempt.trial.job_id, [trial_entry(attempt.trial)])
