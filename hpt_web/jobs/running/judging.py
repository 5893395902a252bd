"""What a job's policy or scheduler says of the values that its trials report, and what is done about it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from django.db import DatabaseError

from hpt_web.jobs.events import Entry, decide
from hpt_web.jobs.models import Attempt, Decision, TuningJob
from hpt_web.jobs.running.dispatch import stop_attempt
from hpt_web.jobs.running.points import Numbered
from hpt_web.jobs.search.choosing import policy_of
from hpt_web.jobs.search.parents import whole_history
from tuning import earlystop
from tuning.contracts import Policy, Verdict
from tuning.states import TrialState
from tuning.watched import told

logger = logging.getLogger(__name__)


class Judge:
    """Judges the reports that one transaction stores.

    It knows the job's trials as of the last commit, which are kept from one transaction to the next, and what it is
    told. So it must be made before the transaction writes anything of them.
    """

    def __init__(self, policy: Policy, job: TuningJob) -> None:
        self._policy = policy
        self._job = job.pk
        self._metric = job.metric
        self._history = whole_history(job, curves=True, keep=True)

    def hear(self, attempt: Attempt, points: Sequence[Numbered], *, over: bool = False) -> Verdict | None:
        """What is said of these new points, each judged as if it had come alone; None if none is of the objective, the
        attempt is `over` or to stop anyway, or whoever judges breaks: then the trial goes on, as it would unjudged."""
        trial = attempt.trial
        new = tuple((point.step, point.value) for point in points if point.metric == self._metric)
        known = self._history.trial(trial.number)
        if not new or known is None:
            return None
        heard = replace(known, state=TrialState(trial.state), value=new[-1][1], curve=known.curve + new)
        own = tuple(heard if other is known else other for other in self._history.own)
        self._history = replace(self._history, own=own)
        if over or attempt.stop_requested_at is not None:
            return None
        try:
            return earlystop.judge_reports(self._policy, trial.number, self._history, judged=len(known.curve))
        except Exception as error:
            _say_once(f"Trial {trial.number} of job {self._job} goes on unjudged: {told(error)}")
            return None


def judge_for(job: TuningJob) -> Judge | None:
    """Who judges the job's trials; None if nobody does, or can."""
    try:
        policy = policy_of(job)
        return None if policy is None else Judge(policy, job)
    except DatabaseError:
        raise
    except Exception as error:
        _say_once(f"Nobody judges the trials of job {job.pk}: {told(error)}")
        return None


@lru_cache(maxsize=256)
def _say_once(message: str) -> None:
    """Into the log with the error at hand, once in a process: reports may come many times a second."""
    logger.exception(message)


def carry_out(attempt: Attempt, verdict: Verdict | None) -> list[Entry]:
    """Ask the attempt to stop or to pause, if that is the verdict, and tell why."""
    if verdict is None or not verdict.stop:
        return []
    kind = Attempt.StopKind.PAUSE if verdict.pause else Attempt.StopKind.POLICY
    stopped = stop_attempt(attempt, kind, verdict.reason)
    if not stopped:  # a person was first
        return []
    decided = Decision.Kind.PAUSE if verdict.pause else Decision.Kind.EARLY_STOP
    why = decide(attempt.trial.job, decided, verdict.reason, trial=attempt.trial, numbers=verdict.numbers)
    return [why, *stopped]
