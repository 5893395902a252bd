"""One step of a job: settle what is over, decide how many trials may start, write them, commit, launch.

Whoever calls `advance` may be the second, the tenth, or come after a crash at any line: the job's row is locked
throughout, everything that will run is written before anything runs, and launching twice runs once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from django.db import transaction
from django.db.models.functions import Least, Now
from django.utils import timezone

from hpt_web import crash
from hpt_web.catalog.models import AlgorithmVersion
from hpt_web.jobs import rows
from hpt_web.jobs.events import Entry, append, decide, decision_entry, job_entry, trial_entry
from hpt_web.jobs.lifecycle import grace_of, move_job, move_trial, request_stop
from hpt_web.jobs.models import EXTERNAL, Attempt, Decision, Trial, TuningJob
from hpt_web.jobs.queries import counts_by_state, live_attempts
from hpt_web.jobs.running import allowance, breaker, launching, resuming
from hpt_web.jobs.running.beginnings import Beginning
from hpt_web.jobs.running.continuing import take_over
from hpt_web.jobs.running.starts import launch
from hpt_web.jobs.search import choosing
from hpt_web.jobs.search.completion import Ending, completed, ending
from hpt_web.jobs.search.history import Known
from hpt_web.jobs.sharing import capacity, checking, devices
from tuning.contracts import Number
from tuning.errors import BackendError
from tuning.states import JobState, TrialState

ACTIVE = [JobState.PENDING, JobState.RUNNING]  # may start trials
ABOUT_TO_RUN = [TrialState.QUEUED, TrialState.STARTING]
HOLD_PLACES = (TrialState.STARTING, TrialState.RUNNING, TrialState.STOPPING)
NEW_ATTEMPTS = "hpt_attempts"  # the channel on which followers hear that there is something new to follow
ADMISSION_SECONDS = 15  # between two statements, which take milliseconds
_ADMISSION = "SELECT set_config('idle_in_transaction_session_timeout', %s, true), pg_advisory_xact_lock(%s)"
# Nobody waits for the disk: what a crash of the database takes back nobody would be told of after it.
_TELL_FOLLOWERS = "SELECT set_config('synchronous_commit', 'off', true), pg_notify(%s, '')"
_SUPERSEDE = "UPDATE jobs_attempt SET superseded = true WHERE trial_id = %s AND number > %s RETURNING number"
STOP_SECONDS = 60  # whoever runs a trial elsewhere has so long to tell that it has stopped


def advance(job_id: int) -> list[int]:
    """Bring the job as far as it can go now; the ids of jobs that may have become able to go on."""
    with transaction.atomic():
        found = rows.read(TuningJob, "id = %s AND ended_at IS NULL FOR NO KEY UPDATE", job_id)
        if not found:
            return []
        (job,) = found
        before = (job.state, job.reason)
        known = choosing.shown(job)
        entries, started, beginning, again = _step(job, known)
        if started:
            beginning.write(job.pk, [*entries, job_entry(job, known.after(entries))])
        elif entries or (job.state, job.reason) != before:
            append(job.pk, [*entries, job_entry(job)])
        if started:
            crash.at("trial.row_written")
    if started:
        crash.at("trial.row_committed")
    for attempt in started:
        launch(attempt)
        crash.at("child.spawned")
    if started:  # not before: a place that is free would wait while they are leased
        rows.select(_TELL_FOLLOWERS, NEW_ATTEMPTS)
    others = capacity.waiting_jobs(besides=job_id) if JobState(job.state).terminal or job.waits or not started else []
    return [*others, job_id] if again else others


class Step(NamedTuple):
    """What is told of a step, the attempts that are to be launched, and what of it is not written yet."""

    entries: list[Entry]
    started: list[Attempt]
    beginning: Beginning
    again: bool = False  # there may be more to do at once


def _step(job: TuningJob, known: Known) -> Step:
    counts = known.tally.counts
    given_up: list[Entry] = []
    if job.reopened is not None and not _active(counts):  # it promotes nobody: it only runs again what was asked for
        given_up = choosing.give_up_paused(job)
        counts = counts_by_state([job.pk])[job.pk]
    end = ending(job, counts)
    if end is not None:
        return _only([*given_up, *_wind_up(job, end)])
    if job.state == JobState.PENDING:
        move_job(job, JobState.RUNNING, reason="")
    if job.state == JobState.RUNNING and (trip := breaker.tripped(job, counts)):
        move_job(job, JobState.PAUSED, reason=trip.reason)
        return _only([decide(job, Decision.Kind.FAILURES, trip.reason, trial=trip.trial, numbers=trip.numbers)])
    if job.state == JobState.PAUSED:
        return _only([])
    if runs_elsewhere(job):
        return _only(_end_if_nothing_comes(job, counts))
    return _start_trials(job, known)


def _only(entries: list[Entry]) -> Step:
    return Step(entries, [], Beginning())


def runs_elsewhere(job: TuningJob) -> bool:
    """Whether the job's trials are asked for and told of over REST; nothing of them runs on this host."""
    return launching.version_of(job.algorithm_version_id).kind == AlgorithmVersion.Kind.EXTERNAL


# --- the end of a job -------------------------------------------------------------------------------------------------


def _wind_up(job: TuningJob, end: Ending) -> list[Entry]:
    """Stop what runs; end the job once nothing does."""
    running = list(live_attempts().filter(trial__job=job))
    stopping = [entry for attempt in running for entry in stop_attempt(attempt, Attempt.StopKind.JOB, end.reason)]
    entries: list[Entry] = []
    # Those that wait after those that run: who gives its place back meanwhile, and waits, is seen here.
    for trial in job.trials.select_related("job").filter(state__in=[TrialState.QUEUED, TrialState.PAUSED]):
        if move_trial(trial, TrialState.STOPPED, reason=end.reason):
            entries.append(trial_entry(trial))
    entries += stopping
    first = job.state in (*ACTIVE, JobState.PAUSED)
    moved = (first or not running) and move_job(job, JobState.STOPPING if running else end.state, reason=end.reason)
    if moved and first:  # told once, when it is found out
        numbers = {**end.numbers, "state": str(end.state)}
        entries.append(decide(job, Decision.Kind.LIMIT, end.reason, numbers=numbers))
    return entries


def stop_attempt(attempt: Attempt, kind: Attempt.StopKind, reason: str) -> list[Entry]:
    """Write the wish to stop a running attempt and, after the commit, carry it out; the events that tell it."""
    if not request_stop(attempt, kind, reason):
        return []
    here = attempt.backend != EXTERNAL
    grace = f" It may take up to {grace_of(attempt):.0f} s to save its work." if here else ""
    move_trial(attempt.trial, TrialState.STOPPING, reason=f"{reason}{grace}")
    if not here:  # it hears of it at its next report; if none comes, the sweep settles it
        soon = Least("lease_until", Now() + timedelta(seconds=STOP_SECONDS))
        Attempt.objects.filter(pk=attempt.pk).update(lease_until=soon)
    else:
        transaction.on_commit(partial(_tell_to_stop, attempt))
    return [trial_entry(attempt.trial)]


def _tell_to_stop(attempt: Attempt) -> None:
    crash.at("stop.committed")
    launching.backend().stop(attempt.token, grace_of(attempt))


def preempt(attempt: Attempt, reason: str, numbers: Mapping[str, Number] | None = None) -> list[Entry]:
    """Have a spot trial's attempt give its place to somebody else: it gets a signal, time for a checkpoint, and goes on
    when there is room. It is no failure, and does not count for max_attempts. `reason` is a sentence; the events."""
    entries = stop_attempt(attempt, Attempt.StopKind.PREEMPT, reason)
    if not entries:
        return []
    told = decide(attempt.trial.job, Decision.Kind.PREEMPT, reason, trial=attempt.trial, numbers=dict(numbers or {}))
    return [*entries, told]


def make_room(job_id: int) -> None:
    """Pre-empt the spot trials that the plan names for a waiting job, as of now: whoever asks at the same time sees
    what was asked for already."""
    with transaction.atomic():
        _lock_admission()
        grant = capacity.grants(asking=job_id).get(job_id)
        chosen = {one.attempt: one for one in grant.preempts} if grant else {}
        rows = live_attempts().select_for_update(of=("self",), no_key=True)
        told: dict[int, list[Entry]] = {}
        for attempt in list(rows.filter(pk__in=chosen, stop_requested_at__isnull=True)):  # all are locked first
            why = chosen[attempt.pk]
            told.setdefault(why.job, []).extend(preempt(attempt, why.reason, why.numbers))
        for job in TuningJob.objects.filter(pk__in=told).order_by("pk"):
            append(job.pk, [*told[job.pk], job_entry(job)])


def _lock_admission() -> None:
    """Until the end of the transaction. Every other job waits for whoever has it, so the database takes it back from a
    process that has stopped in the middle (SIGSTOP, a host that is gone); what that one has written was never there."""
    rows.select(_ADMISSION, f"{ADMISSION_SECONDS}s", capacity.ADMISSION_LOCK)


def end_without_more(job: TuningJob, reason: str, *, failed: bool) -> list[Entry]:
    """End a job of which nothing runs, and for which nothing will ever be started: who is paused is over, too."""
    entries = choosing.give_up_paused(job)
    counts = counts_by_state([job.pk])[job.pk]
    return [*entries, *_wind_up(job, Ending(JobState.FAILED, reason) if failed else completed(job, counts, reason))]


def _end_if_nothing_comes(job: TuningJob, counts: Mapping[str, int]) -> list[Entry]:
    """A job whose trials are asked for learns here that there is nothing more to ask for, if nobody asks."""
    unused = sum(counts.values()) < job.max_trials
    if _active(counts) or job.reopened is not None or (unused and not choosing.may_run_out(job)):
        return []
    choice = choosing.choose(job, counts, room=1)
    return end_without_more(job, choice.over, failed=choice.failed) if choice.over else []


def _active(counts: Mapping[str, int]) -> bool:
    """Whether anything of the job runs, or is about to."""
    return any(n and not TrialState(state).terminal and state != TrialState.PAUSED for state, n in counts.items())


# --- the start of trials ----------------------------------------------------------------------------------------------


def _start_trials(job: TuningJob, known: Known) -> Step:
    counts = known.tally.counts
    likely = capacity.likely(job, live=_live(counts))
    if likely.start and (without := _without_image(job)) is not None:
        return without
    queued = _queued(job, likely.start) if counts.get(TrialState.QUEUED) else []
    if over := [entry for trial in queued for entry in _end_if_over(trial)]:
        return Step(over, [], Beginning(), again=True)
    crash.at("suggest.next")
    choice = choosing.choose(job, counts, likely.start - len(queued), own=known.trials)
    if choice.size:
        crash.at("trial.suggested")
    if choice.over:
        return _only(end_without_more(job, choice.over, failed=choice.failed))
    if not queued and not choice.size:
        if likely.preempts:
            transaction.on_commit(partial(make_room, job.pk))
        say(job, likely.text, waits=choice.waits)
        return _only([])
    _lock_admission()
    # Choosing takes a while, and another job may have taken the room; what is left over is chosen again.
    grant, place, wish = capacity.granted(job)
    if grant.preempts:
        transaction.on_commit(partial(make_room, job.pk))
    assigned = devices.assign(wish, grant.start)
    room = len(assigned) - len(queued)
    promoted, told = choosing.promote(job, choice, room)
    new, why = choosing.made(job, choice, room, state=TrialState.STARTING, attempt=1, created_at=timezone.now())
    again = [*queued[: len(assigned)], *promoted]
    asks = Asks(_asks_since(job), job.max_parallel - grant.running)
    attempts = [
        write_attempt(trial, place=place, gpus=gpus, asks=asks.after(n))
        for n, (trial, gpus) in enumerate(zip(again, assigned, strict=False))
    ]
    first = [
        _reservation(trial, 1, launching.backend_of(job), place, gpus, asks.after(n))
        for n, (trial, gpus) in enumerate(zip(new, assigned[len(again) :], strict=False), len(again))
    ]
    say(job, grant.text, waits=choice.waits if len(promoted) + len(new) == choice.size else "")
    started = [*attempts, *first]
    entries = [*(trial_entry(attempt.trial) for attempt in started), *told, *map(decision_entry, why)]
    return Step(entries, started, Beginning(new, why, first))


def _without_image(job: TuningJob) -> Step | None:
    """What is to be done about an image that is not on this host; None if it is, or none is needed. Meanwhile the job
    holds no place that others could use; if the image will not come, the job is paused, as for equal failures."""
    try:
        launching.require_image(job)
    except BackendError as error:
        if error.retryable:
            say(job, "", waits=f"Nothing more is started: {error}.", lacks_image=True)
            return _only([])
        reason = f"Paused by the service. No trial can be started: {error}."
        move_job(job, JobState.PAUSED, reason=reason)
        return _only([decide(job, Decision.Kind.FAILURES, reason, numbers={"image": job.spec["image"]})])
    return None


def _live(counts: Mapping[str, int]) -> int:
    """How many of the job's trials hold a place."""
    return sum(n for state, n in counts.items() if TrialState(state) in HOLD_PLACES)


def _queued(job: TuningJob, most: int) -> list[Trial]:
    found = list(job.trials.filter(state=TrialState.QUEUED).order_by("number")[:most])
    for trial in found:
        trial.job = job
    return found


def _end_if_over(trial: Trial) -> list[Entry]:
    """End a trial that waits to go on, but has no time left; what it reported counts."""
    reason = allowance.why_over(trial.job.spec["limits"]["trial_seconds"])
    over = allowance.is_over(trial) and move_trial(trial, TrialState.STOPPED, reason=reason)
    return [trial_entry(trial)] if over else []


def say(job: TuningJob, reason: str, *, waits: str, lacks_image: bool = False) -> None:
    """Why the job starts no more trials now: its strategy waits, it `lacks_image`, or (`reason`) there is no room."""
    if (job.reason, job.waits, job.lacks_image) != (waits or reason, bool(waits), lacks_image):
        held_back = _is_held_back(job)
        job.reason, job.waits, job.lacks_image = waits or reason, bool(waits), lacks_image
        fields: dict[str, object] = {"reason": job.reason, "waits": job.waits, "lacks_image": lacks_image}
        if held_back and not _is_held_back(job):
            fields["asks_since"] = timezone.now()
        TuningJob.objects.filter(pk=job.pk).update(**fields)


class Asks(NamedTuple):
    """Since when a job would run more trials than it does, and how many of its places are free."""

    since: datetime
    free: int

    def after(self, taken: int) -> Asks:
        return self._replace(free=max(0, self.free - taken))


def _is_held_back(job: TuningJob) -> bool:
    """Whether it is the job itself that starts nothing more, and not for want of room."""
    return job.waits or job.reason == checking.REASON


def _asks_since(job: TuningJob) -> datetime:
    return timezone.now() if _is_held_back(job) else job.asks_since or job.created_at


def write_attempt(
    trial: Trial,
    backend: str = "",
    place: capacity.Place = capacity.ELSEWHERE,
    gpus: Sequence[str] = (),
    asks: Asks | None = None,
) -> Attempt:
    """Reserve a place and write the attempt that will use it. It resumes if the trial left a checkpoint.

    The job's row is locked, so that nobody else moves a trial that waits (`lifecycle`).
    """
    backend = backend or launching.backend_of(trial.job)
    base = resumed_from(trial, backend)
    continues = base is None and is_to_continue(trial)
    later = [number for (number,) in rows.select(_SUPERSEDE, trial.pk, base.number if base else 0)]
    number = 1 + max(trial.attempt, base.number if base else 0, *later)  # of those that are there
    fields: dict[str, object] = {"attempt": number, "reason": ""}
    steps = resuming.cut_back(base) if base else {}
    if later or (base and steps != base.steps):
        fields |= resuming.reported(trial)
    if not move_trial(trial, TrialState.STARTING, **fields):  # undoes the step: nothing runs of a trial that is over
        raise RuntimeError(f"Trial {trial} was moved by somebody who had not locked its job.")
    attempt = _reservation(trial, number, backend, place, gpus, asks)
    attempt.resumed = base is not None or continues
    attempt.steps = steps
    rows.insert(attempt)
    if continues and trial.origin is not None:
        take_over(attempt)
    return attempt


def _reservation(
    trial: Trial, number: int, backend: str, place: capacity.Place, gpus: Sequence[str], asks: Asks | None
) -> Attempt:
    """An attempt that holds its place once it is written."""
    return Attempt(
        trial=trial,
        number=number,
        token=launching.new_token(trial, number, backend),
        backend=backend,
        pool=place.pool,
        device_count=place.devices,
        share=place.share,
        devices=list(gpus),
        asked_at=asks and asks.since,
        free_places=asks.free if asks else 0,
    )


def resumed_from(trial: Trial, backend: str) -> Attempt | None:
    """The attempt whose checkpoint the next one takes up, if there is one."""
    earlier = trial.attempts.filter(superseded=False).order_by("-number")
    if backend == EXTERNAL:  # its checkpoints are out of our sight: it has been asked to write one where it paused
        written = (Attempt.Outcome.PAUSED, Attempt.Outcome.PREEMPTED)
        return earlier.filter(outcome__in=written).first()
    return earlier.first() if launching.has_checkpoint(trial) else None


def is_to_continue(trial: Trial) -> bool:
    """Whether the next attempt is to begin with the checkpoint of the trial that this one continues: it has none of its
    own yet, if only as that one's could not be copied, and nobody had it begin from scratch. Without that checkpoint it
    cannot be started (`launching`)."""
    if not trial.continues or trial.fresh_after:
        return False
    if runs_elsewhere(trial.job):  # whoever runs it sees to its checkpoints
        return trial.origin is not None
    return not launching.checkpoint_folder(trial).is_dir()


def begins_at_origin(trial: Trial) -> bool:
    """Whether it is, and can."""
    if trial.origin is None or not is_to_continue(trial):
        return False
    return runs_elsewhere(trial.job) or launching.has_checkpoint(trial.origin)


def goes_on(trial: Trial) -> bool:
    """Whether the next attempt would go on from a checkpoint."""
    backend = EXTERNAL if runs_elsewhere(trial.job) else launching.backend_of(trial.job)
    return resumed_from(trial, backend) is not None or begins_at_origin(trial)
