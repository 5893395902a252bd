"""Following what runs: read the logs as they grow, store the metrics, judge, and settle what has ended.

What was read and how far are stored in one transaction, whose first statement moves the offset by compare-and-set: a
follower that lost its lease, or woke up after hours, stores nothing. So every line counts exactly once, whoever reads
it. What cannot be stored of one trial is left out, and says so: nobody else's output waits for it.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from psycopg.errors import ProgramLimitExceeded

from hpt_web import crash
from hpt_web.jobs import rows
from hpt_web.jobs.events import Entry, append, decide, trial_entry
from hpt_web.jobs.lifecycle import ended, moved
from hpt_web.jobs.models import EXTERNAL, Attempt, Decision, Trial, TuningJob
from hpt_web.jobs.running.endings import becomes, ending, how, losses, told
from hpt_web.jobs.running.judging import Judge, carry_out, judge_for
from hpt_web.jobs.running.points import moment, number_steps, objective_after, points_entries, reader_of
from hpt_web.jobs.running.reports import Report, write, write_lines
from hpt_web.jobs.running.resuming import elsewhere, go_back, unheard
from tuning.backends import Backend, Phase, Status
from tuning.contracts import Verdict
from tuning.errors import BackendError
from tuning.metrics import Point, Rejected
from tuning.states import TrialState

logger = logging.getLogger(__name__)

# For how long a trial may have begun before that is told, if it prints nothing: else it is told with its first line,
# which saves a transaction of those that are short.
SILENT_SECONDS = 0.2
READ_BYTES = 1024 * 1024  # of one log at a time, so that one loud trial does not keep the others waiting
TAIL_BYTES = 4096
TAIL_LINES = 50
REFUSALS_TOLD = 20  # values refused per trial that are worth a row; a script that prints nan for ever says nothing new
# A lease need not be on the disk: who has lost it to a crash of the database stores nothing, and takes it anew.
_CLAIM = """
    WITH leased AS (
        UPDATE jobs_attempt SET follower = %s, lease_until = now() + make_interval(secs => %s)
        WHERE id IN (
            SELECT id FROM jobs_attempt
            WHERE ended_at IS NULL AND backend <> %s
              AND (lease_until IS NULL OR lease_until < now() OR (follower = %s AND %s) OR %s)
            ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
        ) RETURNING *
    )
    SELECT {columns} FROM (SELECT set_config('synchronous_commit', 'off', true)) relaxed, leased AS jobs_attempt
    JOIN jobs_trial ON jobs_trial.id = jobs_attempt.trial_id
    LEFT JOIN jobs_tuningjob ON jobs_tuningjob.id = jobs_trial.job_id AND jobs_tuningjob.id <> ALL(%s)
    ORDER BY jobs_attempt.id
"""
_AGAIN = """
    SELECT {columns} FROM jobs_attempt JOIN jobs_trial ON jobs_trial.id = jobs_attempt.trial_id
    JOIN jobs_tuningjob ON jobs_tuningjob.id = jobs_trial.job_id
    WHERE jobs_attempt.id = ANY(%s) AND jobs_attempt.ended_at IS NULL AND follower = %s
"""


@dataclass(slots=True)
class Followed:
    """A live attempt whose lease is ours, as of the last commit."""

    attempt: Attempt
    unheard: set[str]  # metrics of the attempts that this one resumes, which it has not reported yet
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
    since: int  # the log's offset from which it was read
    offset: int
    skipping: bool
    drained: bool  # the log holds nothing more
    at: float
    judged: bool = True

    @property
    def over(self) -> bool:
        return self.drained and self.status.phase in (Phase.ENDED, Phase.VANISHED)

    @property
    def only_lines(self) -> bool:
        """Whether nothing else has happened than that it has printed more."""
        attempt = self.followed.attempt
        begun = attempt.started_at is not None and attempt.trial.state != TrialState.STARTING
        return begun and not self.over and not self.rejected


class Follower:
    """Follows every live attempt whose lease it can get. `nudge` tells the workers that a job has moved."""

    def __init__(self, name: str, backend: Backend, nudge: Callable[[int], None]) -> None:
        self.name = name
        self.backend = backend
        self.nudge = nudge
        self.followed: dict[str, Followed] = {}
        self._jobs: dict[int, TuningJob] = {}  # those of the followed, as of the last claim
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
            except Exception:  # whatever it was: there is nobody else to follow
                logger.exception("Could not follow; looking again soon")
                connection.close()
                stopped.wait(0.5)

    def claim(self, *, everybodys: bool = False) -> None:
        """Take or renew the leases of live attempts, by the database's clock, and look at each.

        `everybodys` takes them from whoever has them: for the shutdown, when nobody else follows any more.
        """
        leased = self._lease(ours=True, everybodys=everybodys)
        self._claimed_at = time.monotonic()
        for token in self.followed.keys() - leased.keys():  # somebody else's now, or over
            del self.followed[token]
        for followed in self.followed.values():
            followed.attempt.trial.job = self._jobs[followed.attempt.trial.job_id]
        self._begin(leased)
        self.look(list(self.followed))  # nobody tells when a trial vanishes

    def claim_new(self) -> None:
        """Take the leases of attempts that have just been written."""
        self._begin(self._lease(ours=False, everybodys=False))

    def _lease(self, *, ours: bool, everybodys: bool) -> dict[str, Attempt]:
        """Lease what is free, and what is `ours` once more: all that was leased now, by its tokens.

        Jobs are read anew with what is ours: of those that are known, a trial more need not bring the row along.
        """
        if ours:
            self._jobs.clear()
        lease, known = settings.HPT_LEASE_SECONDS, list(self._jobs)
        found = joined(_CLAIM, self.name, lease, EXTERNAL, self.name, ours, everybodys, known, jobs=self._jobs)
        return {attempt.token: attempt for attempt in found}

    def _begin(self, leased: dict[str, Attempt]) -> None:
        new = [attempt for token, attempt in leased.items() if token not in self.followed]
        for attempt in new:
            self.followed[attempt.token] = Followed(attempt, unheard(attempt))
        if new:
            crash.at("lease.taken")

    def look(self, tokens: Iterable[str]) -> None:
        """Read what is new of these attempts, and store it job by job.

        Of each log a piece: what is left waits for the next look, so that a flood keeps nobody's end, metric or lease.
        """
        wanted = [self.followed[token] for token in tokens if token in self.followed]
        self._unread -= {followed.attempt.token for followed in wanted}
        news = [item for followed in wanted if (item := self._read(followed)) is not None]
        news.sort(key=lambda item: (item.followed.attempt.trial.job_id, item.followed.attempt.pk))
        failed: DatabaseError | None = None
        for _, items in groupby(news, key=lambda item: item.followed.attempt.trial.job_id):
            parts: dict[bool, list[News]] = {False: [], True: []}
            for item in items:
                parts[item.only_lines].append(item)
            for only_lines, ours in parts.items():  # first those for whose end somebody may wait
                try:
                    if ours:
                        self._store(ours, only_lines=only_lines)
                except DatabaseError as error:
                    failed, self._claimed_at = error, 0.0
                    if not connection.is_usable():
                        raise
        if failed is not None:  # one job's transaction, of which nothing is lost: it is read again
            raise failed
        self._unread |= {item.followed.attempt.token for item in news if not item.drained}
        self._unread &= self.followed.keys()

    def _read(self, followed: Followed) -> News | None:
        """What is new of an attempt. One that cannot be read must not keep the others from being followed."""
        followed.looked_at = True
        try:
            return self._news_of(followed)
        except BackendError as error:
            logger.warning("Attempt %s cannot be followed at this moment: %s", followed.attempt.token, error)
        except DatabaseError:
            raise
        except Exception:
            logger.exception("Attempt %s cannot be followed at this moment", followed.attempt.token)
        return None

    def _news_of(self, followed: Followed) -> News | None:
        attempt = followed.attempt
        # The status first: if it says ended, everything that was printed is in the log already.
        status = self.backend.status(attempt.token)
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
            since=attempt.log_offset,
            offset=attempt.log_offset + reading.consumed,
            skipping=reading.skipping,
            drained=drained,
            at=time.time(),
        )

    def _store(self, news: list[News], *, only_lines: bool = False) -> None:
        """One job's news: together, or, where that fails for what they are, trial by trial."""
        try:
            if self._put(news, only_lines=only_lines):
                self._told(news)
            else:
                for item in news:
                    if self._put_alone(item):
                        self._told([item])
        except DatabaseError:
            self._forget(news)
            raise

    def _put_alone(self, news: News) -> bool:
        """Store what one trial has told, or as much of that as can be stored; whether it could."""
        for less in (lambda it: it, _unjudged, _without_values, _without_end):
            news = less(news)
            ours = self._still_ours([news])
            if not ours or self._put(ours, only_lines=news.only_lines):
                return True
        self._forget([news])
        return False

    def _forget(self, news: list[News]) -> None:
        """What is in memory may be ahead of the database: read it again."""
        for item in news:
            self.followed.pop(item.followed.attempt.token, None)

    def _put(self, news: list[News], *, only_lines: bool) -> bool:
        """Store it in one transaction, which is one statement if nothing else is to be done with it; whether it could.

        Raises:
            DatabaseError: the database is at fault, not what was to be stored; the same is to be tried again.
        """
        ends = any(item.over for item in news)
        crash.at("child.exited" if ends else "metric.line")
        ours = news
        try:
            for item in news:
                if first := elsewhere(item.followed.attempt, item.points, item.followed.unheard):
                    go_back(item.followed.attempt, self.name, first)
            while ours and not self._stored(ours, only_lines=only_lines):
                ours = self._still_ours(ours)
        except Exception as error:
            if _is_outage(error):
                raise
            numbers = ", ".join(str(item.followed.attempt.trial.number) for item in news)
            job = news[0].followed.attempt.trial.job_id
            logger.exception("What was told of job %s, trial %s, cannot be stored as it is", job, numbers)
            return False
        return True

    def _told(self, news: list[News]) -> None:
        """What was to be stored of these is, or is somebody else's."""
        for item in news:
            item.followed.unheard -= {point.metric for point in item.points}
        over = [item.followed.attempt.token for item in news if item.over or item.followed.gone]
        for token in over:
            del self.followed[token]
        if over:
            crash.at("result.committed")
            self.nudge(news[0].followed.attempt.trial.job_id)

    def _stored(self, news: list[News], *, only_lines: bool) -> bool:
        """Whether what it rests on still held; if not, nothing is stored."""
        heard = any(item.points and item.judged for item in news)
        judge = judge_for(news[0].followed.attempt.trial.job) if heard else None
        reports = [_report(item) for item in news]
        verdicts = [_judged(judge, report, item) for report, item in zip(reports, news, strict=True)]
        stops = [verdict for verdict in verdicts if verdict is not None and verdict.stop]
        if only_lines and not stops:
            return write_lines(reports, self.name)
        alone = len(news) == 1 and not stops  # so that nothing is locked after its events are numbered
        if alone and not news[0].over and not news[0].rejected:
            return write(reports[0], self.name, tell=True)
        with transaction.atomic():
            entries: list[Entry] = []
            for item, report, verdict in zip(news, reports, verdicts, strict=True):
                report.entries += self._tell_refusals(item)
                if item.over:
                    self._end(item, report)
                if not write(report, self.name, tell=alone):
                    transaction.set_rollback(True)
                    return False
                entries += [*report.entries, *carry_out(report.attempt, verdict)]
            if not alone:
                append(news[0].followed.attempt.trial.job_id, entries)
            if any(item.over for item in news):
                crash.at("result.written")
        return True

    def _still_ours(self, news: list[News]) -> list[News]:
        """Read the rows anew; what of the news is still to be stored."""
        found = {
            attempt.pk: attempt for attempt in joined(_AGAIN, [item.followed.attempt.pk for item in news], self.name)
        }
        for item in news:
            attempt = found.get(item.followed.attempt.pk)
            item.followed.gone = attempt is None or attempt.log_offset != item.since
            if attempt is not None:
                item.followed.attempt = attempt
        return [item for item in news if not item.followed.gone]

    def _end(self, news: News, report: Report) -> None:
        """Add the end of the attempt and what its trial becomes."""
        attempt, status = report.attempt, news.status
        if status.phase is not Phase.ENDED or status.ended_by == "wall_seconds":
            limits = rows.select("SELECT spec -> 'limits' FROM jobs_tuningjob WHERE id = %s", attempt.trial.job_id)
            attempt.trial.job.spec = {**attempt.trial.job.spec, "limits": json.loads(limits[0][0])}
        lost = losses(attempt.trial) if attempt.number > 1 else 0
        reported = attempt.trial.objective is not None
        fine = status.exit_code == 0 and reported and not status.log_lost_bytes
        end = ending(
            attempt, status, reported=reported, lost_before=lost, log_tail="" if fine else self._tail(attempt.token)
        )
        report.of_attempt(ended(end.outcome, **how(status, end)))
        report.ends = end.state
        if moves := becomes(attempt, end):
            report.of_trial(moves)
            report.entries += told(attempt.trial, end)

    def _tell_refusals(self, news: News) -> list[Entry]:
        trial = news.followed.attempt.trial
        refusals = news.rejected[: max(0, REFUSALS_TOLD - news.followed.refusals)]
        news.followed.refusals += len(refusals)
        return [
            decide(
                trial.job,
                Decision.Kind.METRIC,
                refused.reason,
                trial=trial,
                numbers={"metric": refused.metric, "text": refused.text},
            )
            for refused in refusals
        ]

    def _tail(self, token: str) -> str:
        size = self.backend.log_size(token)
        data = self.backend.read_log(token, max(0, size - TAIL_BYTES), TAIL_BYTES)
        return "\n".join(data.decode("utf-8", "replace").replace("\x00", "").splitlines()[-TAIL_LINES:])


def _report(news: News) -> Report:
    """What of the attempt and its trial changes with what was read."""
    attempt = news.followed.attempt
    trial, report = attempt.trial, Report.on(attempt, news.at)
    steps, report.points = number_steps(attempt, news.points)
    fields: dict[str, object] = {"log_offset": news.offset, "log_skipping": news.skipping, "steps": steps}
    if attempt.started_at is None and news.status.phase is not Phase.UNKNOWN:
        fields |= {"started_at": moment(news.status.started_at or news.at), "kept_container": news.status.kept}
    report.of_attempt(fields)
    report.entries += points_entries(trial, report.points, news.at)
    objective = objective_after(trial, [point.value for point in report.points if point.metric == trial.job.metric])
    if trial.state == TrialState.STARTING:
        report.of_trial(moved(trial, TrialState.RUNNING, reason="", **objective))
        report.entries.append(trial_entry(trial))
    elif objective:
        report.of_trial(objective)
    return report


def _judged(judge: Judge | None, report: Report, news: News) -> Verdict | None:
    return judge.hear(report.attempt, report.points, over=news.over) if judge and news.judged else None


def _is_outage(error: Exception) -> bool:
    """Whether the fault is the database's, so that the same is to be tried again, and not of what was to be stored."""
    found = isinstance(error, (OperationalError, InterfaceError))
    return found and not isinstance(error.__cause__, ProgramLimitExceeded)


def _unjudged(news: News) -> News:
    return replace(news, judged=False)


def _without_values(news: News) -> News:
    """Past what it printed, with a word of it."""
    why = "What it printed here could not be stored; the follower's log says why."
    return replace(news, points=[], rejected=[Rejected("", "", why)])


def _without_end(news: News) -> News:
    """As if nobody knew how it ended."""
    return replace(news, status=Status(Phase.VANISHED)) if news.over else news


def joined(sql: str, *arguments: Any, jobs: dict[int, TuningJob] | None = None) -> list[Attempt]:
    """The attempts of such a statement with their trials, and these with their jobs: those of the answer, which are
    then among the `jobs`, and else those that were there."""
    known, found = {} if jobs is None else jobs, []
    for attempt, trial, job in rows.read_joined((Attempt, Trial, TuningJob), sql, *arguments):
        if job.pk is not None:
            known[job.pk] = job
        attempt.trial, trial.job = trial, known[trial.job_id]
        found.append(attempt)
    return found
