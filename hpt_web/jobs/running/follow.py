"""Following what runs: read the logs as they grow, store the metrics, judge, and settle what has ended.

What was read and how far are stored in one transaction, whose first statement moves the offset by compare-and-set: a
follower that lost its lease, or woke up after hours, stores nothing. So every line counts exactly once, whoever reads
it.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from hpt_web import crash
from hpt_web.jobs import rows
from hpt_web.jobs.events import Entry, append, decide, trial_entry
from hpt_web.jobs.lifecycle import move_trial
from hpt_web.jobs.models import EXTERNAL, Attempt, Decision, Trial, TuningJob
from hpt_web.jobs.running.continuing import last_steps
from hpt_web.jobs.running.endings import ending, losses, settle
from hpt_web.jobs.running.judging import Judge, carry_out, judge_for
from hpt_web.jobs.running.points import moment, number_steps, objective_after, points_entries, store_points
from tuning.backends import Backend, Phase, Status
from tuning.errors import BackendError
from tuning.metrics import MetricReader, Point, Rejected, metrics_from_json
from tuning.states import TrialState

logger = logging.getLogger(__name__)

# For how long a trial may have begun before that is told, if it prints nothing: else it is told with its first line,
# which saves a transaction of those that are short.
SILENT_SECONDS = 0.2
READ_BYTES = 1024 * 1024  # of one log at a time, so that one loud trial does not keep the others waiting
TAIL_BYTES = 4096
TAIL_LINES = 50
REFUSALS_TOLD = 20  # values refused per trial that are worth a row; a script that prints nan for ever says nothing new
_CLAIM = """
    UPDATE jobs_attempt SET follower = %(me)s, lease_until = now() + make_interval(secs => %(lease)s)
    WHERE id IN (
        SELECT id FROM jobs_attempt
        WHERE ended_at IS NULL AND backend <> %(external)s
          AND (lease_until IS NULL OR lease_until < now() OR (follower = %(me)s AND %(ours)s) OR %(everybodys)s)
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    ) RETURNING token
"""
_REFRESH = """
    SELECT a.stop_kind, a.stop_reason, a.stop_requested_at, t.state, j.spec -> 'limits'
    FROM jobs_attempt a JOIN jobs_trial t ON t.id = a.trial_id JOIN jobs_tuningjob j ON j.id = t.job_id
    WHERE a.id = %s
"""


@dataclass(slots=True)
class Followed:
    """A live attempt whose lease is ours, as of the last commit."""

    attempt: Attempt
    known: dict[str, int]  # metric -> last step of the attempts that this one resumes
    since: float = field(default_factory=time.monotonic)
    looked_at: bool = False
    refusals: int = 0
    gone: bool = False  # somebody else's, or over


@dataclass(frozen=True, slots=True)
class News:
    """What one look at an attempt found, not yet stored."""

    followed: Followed
    status: Status
    points: list[Point]
    rejected: list[Rejected]
    offset: int
    skipping: bool
    drained: bool  # the log holds nothing more
    at: float

    @property
    def over(self) -> bool:
        return self.drained and self.status.phase in (Phase.ENDED, Phase.VANISHED)


class Follower:
    """Follows every live attempt whose lease it can get. `nudge` tells the workers that a job has moved."""

    def __init__(self, name: str, backend: Backend, nudge: Callable[[int], None]) -> None:
        self.name = name
        self.backend = backend
        self.nudge = nudge
        self.followed: dict[str, Followed] = {}
        self._claimed_at = 0.0
        self._unread: set[str] = set()  # the attempts of whose logs more is there than was read at the last look

    def run(self, stopped: threading.Event, news: threading.Event) -> None:
        """Follow until `stopped`; `news` says that there is something to claim (whoever sets it wakes the backend)."""
        while not stopped.is_set():
            try:
                if time.monotonic() - self._claimed_at > settings.HPT_LEASE_SECONDS / 3:
                    news.clear()
                    self.claim()
                elif news.is_set():
                    news.clear()
                    self.claim_new()
                silent = [followed for followed in self.followed.values() if not followed.looked_at]
                patience = 0.0 if self._unread else SILENT_SECONDS if silent else 1.0
                touched = self.backend.wait(self.followed.keys(), timeout=patience)
                long_ago = time.monotonic() - SILENT_SECONDS
                self.look(touched | self._unread | {item.attempt.token for item in silent if item.since < long_ago})
            except DatabaseError as error:
                logger.warning("The database is not there (%s); looking again soon", error)
                connection.close()
                stopped.wait(0.5)

    def claim(self, *, everybodys: bool = False) -> None:
        """Take or renew the leases of live attempts, by the database's clock, and look at each.

        `everybodys` takes them from whoever has them: for the shutdown, when nobody else follows any more.
        """
        tokens = self._lease(ours=True, everybodys=everybodys)
        self._claimed_at = time.monotonic()
        for token in self.followed.keys() - tokens:  # somebody else's now, or over
            del self.followed[token]
        self._begin(tokens)
        self.look(list(self.followed))  # nobody tells when a trial vanishes

    def claim_new(self) -> None:
        """Take the leases of attempts that have just been written."""
        self._begin(self._lease(ours=False, everybodys=False))

    def _lease(self, *, ours: bool, everybodys: bool) -> set[str]:
        """Lease what is free, and what is `ours` once more; the tokens of all that was leased now."""
        arguments: dict[str, Any] = {"me": self.name, "lease": settings.HPT_LEASE_SECONDS, "external": EXTERNAL}
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM, arguments | {"ours": ours, "everybodys": everybodys})
            return {token for (token,) in cursor.fetchall()}

    def _begin(self, tokens: set[str]) -> None:
        new = tokens - self.followed.keys()
        if new:
            for attempt in with_trials(rows.read(Attempt, "token = ANY(%s) ORDER BY id", list(new))):
                self.followed[attempt.token] = Followed(attempt, steps_before(attempt))
            crash.at("lease.taken")

    def look(self, tokens: Iterable[str]) -> None:
        """Read what is new of these attempts, and store it job by job.

        Of each log a piece: what is left waits for the next look, so that a flood keeps nobody's end, metric or lease.
        """
        wanted = [self.followed[token] for token in tokens if token in self.followed]
        self._unread -= {followed.attempt.token for followed in wanted}
        news = [item for followed in wanted if (item := self._read(followed)) is not None]
        news.sort(key=lambda item: (item.followed.attempt.trial.job_id, item.followed.attempt.pk))
        for _, items in groupby(news, key=lambda item: item.followed.attempt.trial.job_id):
            self._store(list(items))
        self._unread |= {item.followed.attempt.token for item in news if not item.drained}
        self._unread &= self.followed.keys()

    def _read(self, followed: Followed) -> News | None:
        attempt = followed.attempt
        followed.looked_at = True
        # The status first: if it says ended, everything that was printed is in the log already.
        try:
            status = self.backend.status(attempt.token)
        except BackendError as error:  # an engine that is down must not keep the others from being followed
            logger.warning("Attempt %s cannot be followed at this moment: %s", attempt.token, error)
            return None
        data = self.backend.read_log(attempt.token, attempt.log_offset, READ_BYTES)
        over = status.phase in (Phase.ENDED, Phase.VANISHED)
        drained = len(data) < READ_BYTES
        reader = reader_of(attempt.trial.job.algorithm_version_id)
        reading = reader.read(data, skipping=attempt.log_skipping, final=over and drained)
        moved = reading.consumed > 0 or (status.phase is not Phase.UNKNOWN and attempt.started_at is None)
        if not moved and not over:
            return None
        return News(
            followed=followed,
            status=status,
            points=reading.points,
            rejected=reading.rejected,
            offset=attempt.log_offset + reading.consumed,
            skipping=reading.skipping,
            drained=drained,
            at=time.time(),
        )

    def _store(self, news: list[News]) -> None:
        """One job's news in one transaction."""
        job = news[0].followed.attempt.trial.job
        ends = any(item.over for item in news)
        crash.at("child.exited" if ends else "metric.line")
        try:
            with transaction.atomic():
                judge = judge_for(job) if any(item.points for item in news) else None  # before anything is written
                entries: list[Entry] = []
                for item in news:
                    entries += self._store_one(item, judge)
                append(job.pk, entries)
                if ends:
                    crash.at("result.written")
        except Exception:
            for item in news:  # what is in memory may be ahead of the database: read it again
                self.followed.pop(item.followed.attempt.token, None)
            self._claimed_at = 0.0
            raise
        over = [item.followed.attempt.token for item in news if item.over or item.followed.gone]
        for token in over:
            del self.followed[token]
        if over:
            crash.at("result.committed")
            self.nudge(job.pk)

    def _store_one(self, news: News, judge: Judge | None) -> list[Entry]:
        """Move the offset and store what was read up to it; settle the attempt if it is over."""
        attempt = news.followed.attempt
        trial = attempt.trial
        steps, points = number_steps(attempt, news.points, news.followed.known)
        fields: dict[str, object] = {"log_offset": news.offset, "log_skipping": news.skipping, "steps": steps}
        if attempt.started_at is None and news.status.phase is not Phase.UNKNOWN:
            fields["started_at"] = moment(news.status.started_at or news.at)
            if news.status.kept:
                fields["kept_container"] = True
        ours = "ended_at IS NULL AND follower = %s AND log_offset = %s"
        if not rows.update(attempt, fields, ours, self.name, attempt.log_offset):
            news.followed.gone = True
            return []
        store_points(attempt, points, news.at)
        objectives = [point.value for point in points if point.metric == trial.job.metric]
        entries = points_entries(trial, points, news.at)
        objective = objective_after(trial, objectives)
        if trial.state == TrialState.STARTING and move_trial(trial, TrialState.RUNNING, reason="", **objective):
            entries.append(trial_entry(trial))
        elif objective:
            rows.update(trial, objective, "true")
        entries += self._tell_refusals(news)
        verdict = judge.hear(attempt, points, over=news.over) if judge else None
        if news.over:
            return entries + self._settle(news)
        return entries + carry_out(attempt, verdict)

    def _tell_refusals(self, news: News) -> list[Entry]:
        trial = news.followed.attempt.trial
        told = news.rejected[: max(0, REFUSALS_TOLD - news.followed.refusals)]
        news.followed.refusals += len(told)
        return [
            decide(
                trial.job,
                Decision.Kind.METRIC,
                refused.reason,
                trial=trial,
                numbers={"metric": refused.metric, "text": refused.text},
            )
            for refused in told
        ]

    def _settle(self, news: News) -> list[Entry]:
        attempt = news.followed.attempt
        refresh(attempt)
        lost = losses(attempt.trial) if attempt.number > 1 else 0
        tail = self._tail(attempt.token)
        reported = attempt.trial.objective is not None
        return settle(
            attempt, news.status, ending(attempt, news.status, reported=reported, lost_before=lost, log_tail=tail)
        )

    def _tail(self, token: str) -> str:
        size = self.backend.log_size(token)
        data = self.backend.read_log(token, max(0, size - TAIL_BYTES), TAIL_BYTES)
        return "\n".join(data.decode("utf-8", "replace").replace("\x00", "").splitlines()[-TAIL_LINES:])


def with_trials(attempts: list[Attempt]) -> list[Attempt]:
    """The same, with their trials and these with their jobs."""
    trials = {trial.pk: trial for trial in rows.read(Trial, "id = ANY(%s)", [a.trial_id for a in attempts])}
    jobs = {job.pk: job for job in rows.read(TuningJob, "id = ANY(%s)", [t.job_id for t in trials.values()])}
    for attempt in attempts:
        attempt.trial = trials[attempt.trial_id]
        attempt.trial.job = jobs[attempt.trial.job_id]
    return attempts


def refresh(attempt: Attempt) -> None:
    """Read what others may have changed since it is followed: wishes to stop it, and its job's limits."""
    trial, job = attempt.trial, attempt.trial.job
    [(*wish, state, limits)] = rows.select(_REFRESH, attempt.pk)
    attempt.stop_kind, attempt.stop_reason, attempt.stop_requested_at = wish
    trial.state = state
    job.spec = {**job.spec, "limits": json.loads(limits)}


def steps_before(attempt: Attempt) -> dict[str, int]:
    """The last step of each metric that the trial had reported when this attempt resumed it."""
    if not attempt.resumed:
        return {}
    earlier = attempt.trial.attempts.filter(superseded=False, number__lt=attempt.number).order_by("-number")
    steps = earlier.values_list("steps", flat=True).first()
    return last_steps(attempt) if steps is None else steps


@lru_cache(maxsize=256)
def reader_of(algorithm_version: int) -> MetricReader:
    """The compiled regexes of an algorithm's version, which never change."""
    job = TuningJob.objects.filter(algorithm_version=algorithm_version).select_related("algorithm_version").first()
    assert job is not None, "an attempt's job refers to the version"
    return MetricReader(metrics_from_json(job.algorithm_version.metrics))
