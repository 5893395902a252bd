"""When a job is to end, and as what: asked of its rows each time, so that it survives a restart.

The cost does not grow with the trials that have ended: the rules are asked of a few numbers, which the database reads
off its indexes (`queries.standing_of`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hpt_web.jobs.lifecycle import seconds_run
from hpt_web.jobs.models import Decision, TuningJob
from hpt_web.jobs.queries import gpu_hours_of, standing_of
from tuning.completion import Completion, Criteria, Spent, Standing, met_by
from tuning.contracts import Number
from tuning.states import JobState, TrialState

_COUNTED = ("trials_completed", "trials_finished")  # the rules that more trials bring closer, whatever comes of them


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a job is to end, and as what; `numbers` are the reason's, for programs."""

    state: JobState
    reason: str
    numbers: dict[str, Number] = field(default_factory=dict)


def ending(job: TuningJob, counts: Mapping[str, int]) -> Ending | None:
    """The reason to end that holds now, if any. `counts` are the job's trials by state."""
    if job.stop_requested_at is not None:
        return Ending(JobState.STOPPED, _asked_for(job))
    if job.state == JobState.STOPPING and (first := _told(job)):
        return first
    if job.reopened is not None:
        return _after_runs_again(job, counts)
    return _by_rules(job, counts)


def _after_runs_again(job: TuningJob, counts: Mapping[str, int]) -> Ending | None:
    """The end of a job that was over and runs some trials again: none of its rules is asked before they have ended.

    It is what the rules make of it then, or else what it was.
    """
    if any(n and not TrialState(state).terminal for state, n in counts.items()):
        return None
    if end := _by_rules(job, counts):
        return end
    was = job.reopened or {}
    state, reason = JobState(was["state"]), was["reason"]
    if state is not JobState.FAILED:
        return Ending(state, reason)
    return Ending(JobState.STOPPED, f"It had failed ({reason.rstrip('.')}), and trials ran again since; resume it.")


def _by_rules(job: TuningJob, counts: Mapping[str, int]) -> Ending | None:
    total = sum(counts.values())
    over = sum(n for state, n in counts.items() if TrialState(state).terminal)
    failed = counts.get(TrialState.FAILED, 0)  # a lost one is not the script's fault
    most = job.spec["limits"]["max_failures"]
    if most is not None and failed > most:
        reason = f"{failed} trials failed, and max_failures is {most}."
        return Ending(JobState.FAILED, reason, {"rule": "failures", "count": failed, "limit": most})
    criteria = criteria_of(job)
    if met := _met(job, counts, criteria):
        return completed(job, counts, met.reason, {"rule": met.rule, **met.numbers})
    if total >= job.max_trials and over == total:
        return completed(job, counts, all_ended(total), {"rule": "trials_started", "count": total})
    return None


def _met(job: TuningJob, counts: Mapping[str, int], criteria: Criteria) -> Completion | None:
    now, spent = standing_of(job, counts, criteria), _spent(job, criteria)
    met = met_by(criteria, now, spent)
    if met is None or met.rule not in _COUNTED:  # most times: there are no more without the copies
        return met
    return met_by(criteria, _without_copies(job, now), spent)


def _without_copies(job: TuningJob, now: Standing) -> Standing:
    """Trials that a person has run as copies are beside what the search may run."""
    copies = job.trials.filter(origin__isnull=False, continues=False)
    states = [TrialState(state) for state in copies.values_list("state", flat=True)]
    return replace(
        now,
        completed=now.completed - states.count(TrialState.COMPLETED),
        finished=now.finished - sum(state.terminal for state in states),
    )


def completed(
    job: TuningJob, counts: Mapping[str, int], reason: str, numbers: dict[str, Number] | None = None
) -> Ending:
    """The end of a job that has done what it could; one of which every trial failed has failed, too."""
    total = sum(counts.values())
    if total and _failed(counts) == total:
        newest = job.trials.filter(state__in=[TrialState.FAILED, TrialState.LOST]).order_by("-number").first()
        which = "The only trial" if total == 1 else f"All {total} trials"
        says = newest.reason if newest else "nothing."
        return Ending(JobState.FAILED, f"{which} failed; the newest says: {says}", numbers or {})
    return Ending(JobState.COMPLETED, reason, numbers or {})


def all_ended(total: int) -> str:
    return "The job's only trial has ended." if total == 1 else f"All {total} trials have ended."


def criteria_of(job: TuningJob) -> Criteria:
    """The job's rules. max_trials is not among them: those that have started are waited for."""
    rules = job.spec.get("completion") or {}  # a job from before there were rules has none
    return Criteria(**rules, max_seconds=job.spec["limits"]["max_seconds"])


def _failed(counts: Mapping[str, int]) -> int:
    return counts.get(TrialState.FAILED, 0) + counts.get(TrialState.LOST, 0)


def _spent(job: TuningJob, criteria: Criteria) -> Spent:
    return Spent(seconds_run(job), gpu_hours_of(job) if criteria.max_gpu_hours is not None else 0.0)


def _asked_for(job: TuningJob) -> str:
    """Who asked for the job's end, as was written down then: the job's own reason says what holds now. The newest, as
    the job may have been over before."""
    asked = job.decisions.filter(kind=Decision.Kind.STOP, trial=None).order_by("-id").first()
    return asked.reason if asked else job.reason or "Stopped on request."


def _told(job: TuningJob) -> Ending | None:
    """The reason that was first, written down when it was: what came in while its trials are being stopped may be
    better than the best, or fail, and changes nothing any more. The newest, as the job may have been over before.
    """
    decision = job.decisions.filter(kind=Decision.Kind.LIMIT).order_by("-id").first()
    if decision is None:
        return None
    state = JobState(decision.numbers.get("state", JobState.COMPLETED))
    return Ending(state, decision.reason, decision.numbers)
