"""Following what runs: read the logs as they grow, store the metrics, judge, and settle what has ended.

What was read and how far are stored in one transaction, whose first statement moves the offset by compare-and-set: a
follower that lost its lease, or woke up after hours, stores nothing. So every line counts exactly once, whoever reads
it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from hpt_web import crash
from hpt_web.jobs.events import Entry, append, decide, points_entry, trial_entry
from hpt_web.jobs.lifecycle import move_trial
from hpt_web.jobs.models import EXTERNAL, Attempt, Decision, MetricPoint, Trial, TuningJob
from hpt_web.jobs.queries import live_attempts
from hpt_web.jobs.running.continuing import last_steps
from hpt_web.jobs.running.dispatch import stop_attempt
from hpt_web.jobs.running.endings import ending, losses, settle
from hpt_web.jobs.search.choosing import policy_of
from hpt_web.jobs.search.parents import whole_history
from tuning import earlystop
from tuning.backends import Backend, Phase, Status
from tuning.contracts import Verdict
from tuning.errors import BackendError
from tuning.metrics import MetricReader, Point, Rejected, metrics_from_json
from tuning.states import Goal, TrialState

logger = logging.getLogger(__name__)

READ_BYTES = 1024 * 1024  # of one log at a time, so that one loud trial does not keep the others waiting
TAIL_BYTES = 4096
TAIL_LINES = 50
REFUSALS_TOLD = 20  # values refused per trial that are worth a row; a script that prints nan for ever says nothing new


@dataclass(slots=True)
class Followed:
    """A live attempt whose lease is ours, as of the last commit."""

    attempt: Attempt
    known: dict[str, int]  # metric -> last step of the attempts that this one resumes
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

    def run(self, stopped: threading.Event, news: threading.Event) -> None:
        """Follow until `stopped`; `news` says that there is something to claim (whoever sets it wakes the backend)."""
        while not stopped.is_set():
            try:
                if news.is_set() or time.monotonic() - self._claimed_at > settings.HPT_LEASE_SECONDS / 3:
                    news.clear()
                    self.claim()
                touched = self.backend.wait(self.followed.keys(), timeout=1.0)
                self.look(touched)
            except DatabaseError as error:
                logger.warning("The database is not there (%s); looking again soon", error)
                connection.close()
                stopped.wait(0.5)

    def claim(self, *, everybodys: bool = False) -> None:
        """Take or renew the leases of live attempts, by the database's clock, and look at each.

        `everybodys` takes them from whoever has them: for the shutdown, when nobody else follows any more.
        """
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE jobs_attempt SET follower = %(me)s, lease_until = now() + make_interval(secs => %(lease)s)
                WHERE id IN (
                    SELECT id FROM jobs_attempt
                    WHERE ended_at IS NULL AND backend <> %(external)s
                      AND (lease_until IS NULL OR lease_until < now() OR follower = %(me)s OR %(everybodys)s)
                    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
                ) RETURNING token
                """,
                {
                    "me": self.name,
                    "lease": settings.HPT_LEASE_SECONDS,
                    "everybodys": everybodys,
                    "external": EXTERNAL,
                },
            )
            tokens = {token for (token,) in cursor.fetchall()}
        self._claimed_at = time.monotonic()
        new = tokens - self.followed.keys()
        for attempt in live_attempts().filter(token__in=new):
            self.followed[attempt.token] = Followed(attempt, steps_before(attempt))
        for token in self.followed.keys() - tokens:  # somebody else's now, or over
            del self.followed[token]
        if new:
            crash.at("lease.taken")
        self.look(list(self.followed))  # nobody tells when a trial vanishes

    def look(self, tokens: Iterable[str]) -> None:
        """Read what is new of these attempts, store it job by job, and go on until nothing is left unread."""
        unread = [self.followed[token] for token in tokens if token in self.followed]
        while unread:
            news = [item for followed in unread if (item := self._read(followed)) is not None]
            news.sort(key=lambda item: (item.followed.attempt.trial.job_id, item.followed.attempt.pk))
            for _, items in groupby(news, key=lambda item: item.followed.attempt.trial.job_id):
                self._store(list(items))
            unread = [
                item.followed for item in news if not item.drained and item.followed.attempt.token in self.followed
            ]

    def _read(self, followed: Followed) -> News | None:
        attempt = followed.attempt
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
                entries: list[Entry] = []
                for item in news:
                    entries += self._store_one(item)
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

    def _store_one(self, news: News) -> list[Entry]:
        """Move the offset and store what was read up to it; settle the attempt if it is over."""
        attempt = news.followed.attempt
        trial = attempt.trial
        steps, rows = number_steps(attempt, news.points, news.at, news.followed.known)
        fields: dict[str, object] = {"log_offset": news.offset, "log_skipping": news.skipping, "steps": steps}
        if attempt.started_at is None and news.status.phase is not Phase.UNKNOWN:
            fields["started_at"] = moment(news.status.started_at or news.at)
        ours = Attempt.objects.filter(
            pk=attempt.pk, ended_at__isnull=True, follower=self.name, log_offset=attempt.log_offset
        )
        if not ours.update(**fields):
            news.followed.gone = True
            return []
        MetricPoint.objects.bulk_create(rows)
        for name, value in fields.items():
            setattr(attempt, name, value)
        objectives = [row.value for row in rows if row.metric == trial.job.metric]
        take_objective(trial, objectives)
        entries = [
            points_entry(trial, metric, [p.step for p in points], [p.value for p in points], [news.at] * len(points))
            for metric, points in by_metric(rows).items()
        ]
        if trial.state == TrialState.STARTING and move_trial(trial, TrialState.RUNNING, reason=""):
            entries.append(trial_entry(trial))
        entries += self._tell_refusals(news)
        if news.over:
            return entries + self._settle(news)
        if objectives:
            entries += carry_out(attempt, judge(attempt, reports=len(objectives)))
        return entries

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
        attempt.refresh_from_db(fields=["stop_kind", "stop_reason", "stop_requested_at"])
        attempt.trial.refresh_from_db(fields=["state"])
        attempt.trial.job.refresh_from_db(fields=["spec"])  # its limits may have been changed
        lost = losses(attempt.trial)
        tail = self._tail(attempt.token)
        reported = attempt.trial.objective is not None
        return settle(
            attempt, news.status, ending(attempt, news.status, reported=reported, lost_before=lost, log_tail=tail)
        )

    def _tail(self, token: str) -> str:
        size = self.backend.log_size(token)
        data = self.backend.read_log(token, max(0, size - TAIL_BYTES), TAIL_BYTES)
        return "\n".join(data.decode("utf-8", "replace").replace("\x00", "").splitlines()[-TAIL_LINES:])


def take_objective(trial: Trial, values: list[float]) -> None:
    """The last value is the trial's objective (F63). No event: whoever watches has the points."""
    if not values:
        return
    goal = Goal(trial.job.goal)
    best = max(
        [*values, *([] if trial.best_objective is None else [trial.best_objective])], key=lambda v: goal.sign * v
    )
    trial.objective, trial.best_objective = values[-1], best
    Trial.objects.filter(pk=trial.pk).update(objective=values[-1], best_objective=best)


def judge(attempt: Attempt, *, reports: int) -> Verdict | None:
    """What the job's policy or scheduler says of the newest `reports` values of the objective; None if nobody judges,
    or the attempt is to stop anyway."""
    trial = attempt.trial
    policy = None if attempt.stop_requested_at is not None else policy_of(trial.job)
    if policy is None:
        return None
    history = whole_history(trial.job, curves=True)
    observed = history.trial(trial.number)
    judged = max(0, len(observed.curve) - reports) if observed else 0
    return earlystop.judge_reports(policy, trial.number, history, judged)


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


def steps_before(attempt: Attempt) -> dict[str, int]:
    """The last step of each metric that the trial had reported when this attempt resumed it."""
    if not attempt.resumed:
        return {}
    earlier = attempt.trial.attempts.filter(superseded=False, number__lt=attempt.number).order_by("-number")
    steps = earlier.values_list("steps", flat=True).first()
    return last_steps(attempt) if steps is None else steps


def number_steps(
    attempt: Attempt, points: list[Point], at: float, known: Mapping[str, int]
) -> tuple[dict[str, int], list[MetricPoint]]:
    """The points as rows: each is the next step of its metric, or the step that it names if that lies ahead.

    A step that it names and that is among the `known` ones (metric -> last step) is left out: whoever resumes from a
    checkpoint runs again what came after it, and must not be counted twice.
    """
    steps = dict(attempt.steps)
    rows = []
    for point in points:
        if point.step is not None and point.step <= known.get(point.metric, -1):
            continue
        step = steps.get(point.metric, 0) + 1
        if point.step is not None and point.step > step:
            step = point.step
        steps[point.metric] = step
        rows.append(MetricPoint(attempt=attempt, metric=point.metric, step=step, value=point.value, at=moment(at)))
    return steps, rows


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def by_metric(rows: list[MetricPoint]) -> dict[str, list[MetricPoint]]:
    metrics: dict[str, list[MetricPoint]] = {}
    for row in rows:
        metrics.setdefault(row.metric, []).append(row)
    return metrics


@lru_cache(maxsize=256)
def reader_of(algorithm_version: int) -> MetricReader:
    """The compiled regexes of an algorithm's version, which never change."""
    job = TuningJob.objects.filter(algorithm_version=algorithm_version).select_related("algorithm_version").first()
    assert job is not None, "an attempt's job refers to the version"
    return MetricReader(metrics_from_json(job.algorithm_version.metrics))
