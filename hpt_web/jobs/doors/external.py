"""Ask and tell: the trials of a job whose algorithm runs elsewhere, in a notebook or a script, as people's actions.

`ask` hands trials out, `report` takes their values as they come and says whether to stop, `tell` ends them. An attempt
is fenced by its number: once another one has its trial's place, nothing of it is taken any more. Each may be sent again
when its answer was lost: the same key asks for the same trials, a step that was reported is not taken twice, and a
trial that was told is told.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.db.models.functions import Now

from hpt_web.accounts.audit import record
from hpt_web.accounts.errors import Conflict, Fault, Invalid
from hpt_web.accounts.models import Role, User
from hpt_web.jobs import rows, tasks
from hpt_web.jobs.documents.amending import locked
from hpt_web.jobs.events import Entry, append, job_entry, trial_entry
from hpt_web.jobs.lifecycle import GO_ON_LATER, move_trial
from hpt_web.jobs.models import EXTERNAL, Attempt, Decision, ExternalRun, Trial, TuningJob
from hpt_web.jobs.queries import counts_by_state, job_for, live_attempts, trial_for
from hpt_web.jobs.running import dispatch
from hpt_web.jobs.running.endings import End, ending, settle
from hpt_web.jobs.running.judging import carry_out, judge_for
from hpt_web.jobs.running.points import Numbered, number_steps, objective_after, points_entries, store_points
from hpt_web.jobs.search import choosing
from tuning.backends import Phase, Status
from tuning.documents import Document, shown
from tuning.metrics import Point
from tuning.space import Value
from tuning.specification import MAX_PARALLEL
from tuning.states import JobState, TrialState

MAX_POINTS = 1000  # of one report
LONGEST_KEY = 64
LONGEST_FAILURE = 10_000
_STARTED_BY = (Decision.Kind.SUGGEST, Decision.Kind.PROMOTE, Decision.Kind.RETRY)
_STOPPED_BY = (Decision.Kind.EARLY_STOP, Decision.Kind.PAUSE, Decision.Kind.PREEMPT)
Numbers = Mapping[str, float | int | str]


@dataclass(frozen=True, slots=True)
class HandedOut:
    """A trial to run. `resume`: it went on before and was paused; it goes on from the checkpoint that it wrote then."""

    number: int
    attempt: int
    hyperparameters: dict[str, Value]
    reason: str
    numbers: Numbers
    resume: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What an ask gets. `wait` says why it is less than was asked for, if more may come; without trials and without
    `wait` the job is over."""

    trials: list[HandedOut]
    wait: str | None
    state: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a report gets: whether the trial is to `stop`, for good or to `pause`, and how many points were new."""

    stop: bool
    pause: bool
    reason: str
    numbers: Numbers = field(default_factory=dict)
    stored: int = 0


# --- ask --------------------------------------------------------------------------------------------------------------


def ask(*, actor: User, project: str, name: str, document: object) -> Asked:
    """Hand out up to `n` trials: those to be run again, promoted ones, then new points. Needs the role editor.

    Raises:
        Invalid: with every fault of the document.
        Conflict: the service itself runs this job's trials.
    """
    job = _external(job_for(actor, project, name, Role.EDITOR))
    doc = Document(document)
    wanted = doc.whole("n", low=1, high=MAX_PARALLEL, default=1) or 1
    key = doc.text("request", default="", longest=LONGEST_KEY)
    _close(doc)
    for other in dispatch.advance(job.pk):  # it may have come to its end
        tasks.nudge(other)
    with transaction.atomic():
        job = locked(job)
        again = ExternalRun.objects.filter(request=key, attempt__trial__job=job) if key else ExternalRun.objects.none()
        if again:
            return Asked(
                [_handed_out(run.attempt) for run in again.order_by("attempt__trial__number")], None, job.state
            )
        if job.ended_at is not None:
            return Asked([], None, job.state)
        if job.stop_requested_at is not None:
            return Asked([], f"The job is being stopped: {job.reason}", job.state)
        if job.state != JobState.RUNNING:
            return Asked([], f"The job is {job.state}: {job.reason}", job.state)
        attempts, wait, entries = _hand_out(job, wanted, key)
        if attempts:
            numbers: dict[str, object] = {"trials": [attempt.trial.number for attempt in attempts]}
            record(
                actor=actor, action="trial.ask", target_kind="job", target=job.name, project=job.project, data=numbers
            )
        answer = Asked([_handed_out(attempt) for attempt in attempts], wait, job.state)
        append(job.pk, [*entries, job_entry(job)] if entries else [])
    return answer


def _external(job: TuningJob) -> TuningJob:
    if not dispatch.runs_elsewhere(job):
        raise Conflict(
            f"The trials of job {job.name!r} are run by the service itself; only external ones are asked for."
        )
    return job


def _close(doc: Document) -> None:
    doc.close()
    if doc.faults:
        raise Invalid(doc.faults)


def _hand_out(job: TuningJob, wanted: int, key: str) -> tuple[list[Attempt], str | None, list[Entry]]:
    """The attempts that are handed out now, why there are no more, and what is told of it. The job's row is locked."""
    counts = counts_by_state([job.pk])[job.pk]
    live = live_attempts().filter(trial__job=job).count()
    room = min(wanted, job.max_parallel - live)
    queued = list(job.trials.select_related("job").filter(state=TrialState.QUEUED).order_by("number")[: max(0, room)])
    choice = choosing.choose(job, counts, room - len(queued))
    if choice.over:
        return [], None, dispatch.end_without_more(job, choice.over, failed=choice.failed)
    chosen, told = choosing.write(job, choice, room - len(queued))
    attempts = [_begin(trial, key) for trial in [*queued, *chosen]]
    before = job.reason
    dispatch.say(job, "", waits=choice.waits)
    wait = None
    if len(attempts) < wanted:
        wait = choice.waits or _why_no_more(job, live + len(attempts))
    entries = [*(trial_entry(attempt.trial) for attempt in attempts), *told]
    return attempts, wait, entries or ([job_entry(job)] if job.reason != before else [])


def _why_no_more(job: TuningJob, live: int) -> str:
    if live >= job.max_parallel:
        return f"{live} trials are handed out, and max_parallel is {job.max_parallel}: tell of one of them first."
    return f"All {job.max_trials} trials of max_trials are handed out; {live} of them are not told of yet."


def _begin(trial: Trial, key: str) -> Attempt:
    """Hand a trial out: from now on whoever asked runs it."""
    attempt = dispatch.write_attempt(trial, EXTERNAL)
    move_trial(trial, TrialState.RUNNING)
    silence = timedelta(seconds=trial.job.spec["limits"]["trial_seconds"])
    Attempt.objects.filter(pk=attempt.pk).update(started_at=Now(), lease_until=Now() + silence)
    ExternalRun.objects.create(attempt=attempt, request=key)
    return attempt


def _handed_out(attempt: Attempt) -> HandedOut:
    trial = attempt.trial
    before = trial.decisions.filter(kind__in=_STARTED_BY, at__lte=attempt.created_at).order_by("-id")
    why = before.first()
    return HandedOut(
        number=trial.number,
        attempt=attempt.number,
        hyperparameters={**trial.job.spec["static"], **trial.hyperparameters},
        reason=why.reason if why else "",
        numbers=why.numbers if why else {},
        resume=attempt.resumed,
    )


# --- report -----------------------------------------------------------------------------------------------------------


def report(*, actor: User, project: str, name: str, number: int, document: object) -> Answer:
    """Store values of a running trial, and say whether it is to stop. Needs the role editor.

    A point that names a step which is not ahead of the last one is left out: it was reported before.

    Raises:
        Invalid: with every fault of the document.
        Conflict: the attempt is over, and not because it was asked to stop.
    """
    trial = trial_for(actor, project, name, number, Role.EDITOR)
    _external(trial.job)
    doc = Document(document)
    attempt = _attempt_number(doc)
    metric = doc.text("metric", default=trial.job.metric)
    points = _points(doc, metric)
    if metric not in (names := [known["name"] for known in trial.job.algorithm_version.metrics]):
        doc.fault("metric", f"is {shown(metric)}; the algorithm reports {', '.join(names)}", "unknown")
    _close(doc)
    with transaction.atomic():
        found = _locked(trial, attempt)
        if found.ended_at is not None:
            return _told_to_stop(found)
        judge = judge_for(found.trial.job) if metric == trial.job.metric else None  # before anything is written
        stored, entries = _store(found, points)
        verdict = judge.hear(found, stored) if judge else None
        entries += carry_out(found, verdict)
        if found.stop_requested_at is None:
            silence = timedelta(seconds=found.trial.job.spec["limits"]["trial_seconds"])
            Attempt.objects.filter(pk=found.pk).update(lease_until=Now() + silence)
            said = verdict.reason if verdict else "Go on."
            answer = Answer(False, False, said, verdict.numbers if verdict else {}, len(stored))
        else:
            answer = _told_to_stop(found, len(stored))
        append(found.trial.job_id, entries)
    return answer


def _attempt_number(doc: Document) -> int:
    return doc.whole("attempt", low=1, high=32767) or 0


def _points(doc: Document, metric: str) -> list[Point]:
    items = doc.raw("points")
    if not isinstance(items, list) or not items:
        what = "is missing" if items is None else f"is {shown(items)}"
        doc.fault("points", f"{what}; give a list of objects such as {{'value': 0.5, 'step': 1}}", "type")
        return []
    if len(items) > MAX_POINTS:
        doc.fault("points", f"has {len(items)} points; report at most {MAX_POINTS} at a time", "limit")
        return []
    points = []
    for index, item in enumerate(items):
        part = Document(item, f"points[{index}]", doc.faults)
        value = _finite(part, "value", required=True)
        points.append(Point(metric, value or 0.0, part.whole("step", low=0, high=2**53, optional=True)))
        part.close()
    return points


def _finite(doc: Document, name: str, *, required: bool = False) -> float | None:
    value = doc.raw(name)
    if value is None and not required:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        what = "is missing" if value is None else f"is {shown(value)}"
        doc.fault(name, f"{what}; give a finite number", "required" if value is None else "type")
        return None
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        doc.fault(name, f"is {shown(value)}; give a finite number", "range")
        return None
    return number


def _locked(trial: Trial, number: int) -> Attempt:
    """The attempt of this number, over or not, with its row locked."""
    attempts = Attempt.objects.select_for_update(of=("self",), no_key=True).select_related("trial__job__project")
    found = attempts.filter(trial=trial, number=number).first()
    if found is None:
        newest = f"its newest is {trial.attempt}" if trial.attempt else "it has not been handed out yet: ask for it"
        message = f"is {number}; trial {trial.number} has no such attempt, {newest}"
        raise Invalid([Fault("attempt", message)])
    found.trial.refresh_from_db()
    return found


def _store(attempt: Attempt, points: list[Point]) -> tuple[list[Numbered], list[Entry]]:
    """Store what is new of `points`, as the follower does with what it reads."""
    known = dict(attempt.steps)
    new = []
    for point in points:
        if point.step is None or point.step > known.get(point.metric, -1):
            new.append(point)
            if point.step is not None:
                known[point.metric] = point.step
    at = time.time()
    steps, found = number_steps(attempt, new)
    rows.update(attempt, {"steps": steps}, "true")
    store_points(attempt, found, at)
    trial = attempt.trial
    if objective := objective_after(trial, [point.value for point in found if point.metric == trial.job.metric]):
        rows.update(trial, objective, "true")
    return found, points_entries(trial, found, at)


def _told_to_stop(attempt: Attempt, stored: int = 0) -> Answer:
    """The answer to whoever reports although the attempt is over, or is to be. Raises Conflict if it was not asked to
    stop: it was told of, or not heard of for too long."""
    over = attempt.ended_at is not None
    if not attempt.stop_kind or (over and attempt.outcome == Attempt.Outcome.EXITED):
        raise Conflict(_why_over(attempt))
    numbers: Numbers = {}
    later = attempt.stop_kind in GO_ON_LATER
    if attempt.stop_kind == Attempt.StopKind.POLICY or later:
        why = attempt.trial.decisions.filter(kind__in=_STOPPED_BY).order_by("-id").first()
        numbers = why.numbers if why else {}
    return Answer(True, later, attempt.stop_reason, numbers, stored)


def _why_over(attempt: Attempt) -> str:
    trial = attempt.trial
    which = f"Attempt {attempt.number} of trial {trial.number}"
    if attempt.outcome != Attempt.Outcome.LOST:
        return f"{which} was told of at {attempt.ended_at:%Y-%m-%d %H:%M:%S} UTC already; nothing can be added to it."
    silent = trial.job.spec["limits"]["trial_seconds"]
    now = (
        f"attempt {trial.attempt} has its place now"
        if trial.attempt > attempt.number
        else f"the trial is {trial.state}"
    )
    return f"{which} was given up at {attempt.ended_at:%Y-%m-%d %H:%M:%S} UTC, not heard of for {silent} s; {now}."


# --- tell -------------------------------------------------------------------------------------------------------------


def tell(*, actor: User, project: str, name: str, number: int, document: object) -> Trial:
    """Say what came of a trial: its `value` (the last one reported if left out), or its `failure`.

    A trial that was asked to stop or to pause is what it was asked to be; what was told counts. Telling the same twice
    is the same as once. Needs the role editor.

    Raises:
        Invalid: with every fault of the document; a trial without any value is one.
        Conflict: the attempt is over already, and was told something else or was given up.
    """
    trial = trial_for(actor, project, name, number, Role.EDITOR)
    _external(trial.job)
    doc = Document(document)
    attempt = _attempt_number(doc)
    value = _finite(doc, "value")
    failure = doc.text("failure", default="", longest=LONGEST_FAILURE)
    if value is not None and failure:
        doc.fault("failure", "is given with a value; a trial has one of the two")
    _close(doc)
    with transaction.atomic():
        found = _locked(trial, attempt)
        told = {"value": value, "failure": failure}
        run = ExternalRun.objects.get(pk=found.pk)
        if found.ended_at is not None:
            if run.told == told or (run.told is None and found.stop_kind):
                return found.trial
            raise Conflict(_why_over(found))
        entries: list[Entry] = []
        if value is not None and value != found.trial.objective:
            entries = _store(found, [Point(trial.job.metric, value)])[1]
        end = _end(found, failure)
        entries += settle(found, Status(phase=Phase.ENDED), end)
        ExternalRun.objects.filter(pk=found.pk).update(told=told)
        where = f"{trial.job.name}/{trial.number}"
        record(
            actor=actor,
            action="trial.tell",
            target_kind="trial",
            target=where,
            project=trial.job.project,
            data=dict(told),
        )
        append(trial.job_id, entries)
        transaction.on_commit(partial(tasks.nudge, trial.job_id))
    return found.trial


def _end(attempt: Attempt, failure: str) -> End:
    """What a told attempt means for its trial."""
    if failure:
        first = failure.strip().splitlines()[0][:200] if failure.strip() else "no reason is told"
        return End(TrialState.FAILED, Attempt.Outcome.EXITED, f"It failed: {first}", failure)
    if attempt.stop_kind:
        return ending(attempt, Status(phase=Phase.ENDED, ended_by="stop"), reported=True, lost_before=0, log_tail="")
    if attempt.trial.objective is None:
        message = "is missing, and the trial has reported none; give its value, or its failure"
        raise Invalid([Fault("value", message, "required")])
    return End(TrialState.COMPLETED, Attempt.Outcome.EXITED, "")
