"""What a job runs next: the paused trials that its scheduler promotes, then new points; and who judges what runs.

The choice is made of the stored history alone and writes nothing; what is written afterwards may be less of it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from hpt_web.jobs import rows
from hpt_web.jobs.events import Entry, decide, decide_all, trial_entry
from hpt_web.jobs.lifecycle import move_trial
from hpt_web.jobs.models import Decision, Trial, TuningJob
from hpt_web.jobs.search import parents
from hpt_web.jobs.search.completion import all_ended
from hpt_web.jobs.search.history import Known, known
from tuning import earlystop, specification, strategies
from tuning.contracts import Policy, Promotion, Scheduler, Strategy, Suggestion
from tuning.errors import InvalidSpec, SpaceExhausted, StrategyFailed
from tuning.history import History, Observation
from tuning.space import SearchSpace
from tuning.states import TrialState
from tuning.watched import Missing

logger = logging.getLogger(__name__)

WAITS = "The strategy waits for results of what runs before it starts more."
NOT_PROMOTED = "Not promoted after its pause: the search is over, and the strategy let no paused trial go on."


@dataclass(frozen=True, slots=True)
class Choice:
    """What a job would start now.

    `fresh` are new points with the numbers of their trials. `waits` says why it would start less than there is room
    for; `over` why nothing will ever come any more, although nothing of the job runs; `failed`: because its strategy,
    which is of another package, is broken or gone.
    """

    promotions: tuple[Promotion, ...] = ()
    fresh: tuple[tuple[int, Suggestion], ...] = ()
    waits: str = ""
    over: str = ""
    failed: bool = False

    @property
    def size(self) -> int:
        return len(self.promotions) + len(self.fresh)


@lru_cache(maxsize=64)
def strategy_of(job_id: int) -> Strategy:
    """A stored job's strategy. It holds nothing but options, and these never change, so it may be kept."""
    spec = specification.stored(TuningJob.objects.get(pk=job_id).spec)
    try:
        return strategies.planned(spec.strategy.name, spec.strategy.options, spec.initial_points, spec.repeats)
    except InvalidSpec as error:  # of a package that is gone
        return Missing(f"The job's strategy cannot be made: {error}.")


@lru_cache(maxsize=64)
def space_of(job_id: int) -> SearchSpace:
    """A stored job's space, which never changes."""
    return specification.stored(TuningJob.objects.get(pk=job_id).spec).space


def policy_of(job: TuningJob) -> Policy | None:
    """Who judges the job's trials at each report of the objective: its early-stopping policy, or its scheduler."""
    chosen = job.spec["early_stopping"]
    if chosen is not None:
        try:
            return earlystop.create(chosen["name"], chosen["options"])
        except InvalidSpec as error:  # of a package that is gone: what trials report must be stored all the same
            logger.error("Job %s goes on without its early stopping: %s", job.pk, error)
            return None
    strategy = strategy_of(job.pk)
    return strategy if isinstance(strategy, Scheduler) else None


def may_run_out(job: TuningJob) -> bool:
    """Whether the job's space can be exhausted: it has finitely many points."""
    return space_of(job.pk).size is not None


def learns_from_curves(job: TuningJob, counts: Mapping[str, int] | None = None) -> bool:
    """Whether the job's strategy is shown curves: of trials that are cut short the model learns by them. They are if
    somebody judges them, or did: those of its parents, or its own, of which `counts` tells the states."""
    judged = job.spec["early_stopping"] is not None or isinstance(strategy_of(job.pk), Scheduler)
    return judged or bool(counts and counts.get(TrialState.EARLY_STOPPED)) or parents.cut_short(job)


def shown(job: TuningJob) -> Known:
    """The job's own trials, with their curves if its strategy is shown them."""
    curves = learns_from_curves(job)
    found = known(job, curves=curves)
    return found if curves or not learns_from_curves(job, found.tally.counts) else known(job, curves=True)


def load_parents(job_id: int) -> None:
    """Before a job's first step, which needs their trials: of large parents that takes seconds."""
    job = TuningJob.objects.get(pk=job_id)
    parents.load(job, curves=learns_from_curves(job))


def choose(
    job: TuningJob, counts: Mapping[str, int], room: int, *, own: tuple[Observation, ...] | None = None
) -> Choice:
    """What the job would start in `room` free places. `counts` are its trials by state, as of now; `own` are the trials
    themselves as of then, with their curves if it learns from them, if they are known already."""
    total = sum(counts.values())
    left = 0 if job.reopened is not None else max(0, job.max_trials - total)
    paused = counts.get(TrialState.PAUSED, 0) if job.reopened is None else 0
    idle = all(TrialState(state).terminal or state == TrialState.PAUSED for state, number in counts.items() if number)
    # That nobody is promoted any more may be found out although there is no room.
    asked = max(1, room) if idle and not left and paused else room
    if asked <= 0 or not (left or paused):
        return Choice()
    strategy = strategy_of(job.pk)
    scheduler = strategy if isinstance(strategy, Scheduler) else None
    history = parents.whole_history(job, curves=learns_from_curves(job, counts), keep=True, own=own)
    promotions = _promote(scheduler, history, asked)
    numbers = range(total + 1, total + 1 + min(asked - len(promotions), left))
    fresh, exhausted = _suggest(job, strategy, _with_promoted(history, promotions), numbers)
    if exhausted and not promotions:  # whoever waited for trials that will never come waits no longer
        promotions = _promote(scheduler, replace(history, budget=total), asked)
    if idle and not promotions and not fresh:
        used_up = all_ended(total)
        told = exhausted and f"{exhausted.reason} {total} trials ended."
        nothing = f"The strategy suggests nothing more. {total} trials ended."
        return Choice(over=told or nothing if left else used_up, failed=isinstance(exhausted, StrategyFailed))
    more = left > len(fresh) or paused > len(promotions)
    waits = exhausted.reason if exhausted else WAITS
    short = len(promotions) + len(fresh) < asked and more
    return Choice(tuple(promotions[: max(0, room)]), tuple(fresh), waits=waits if short else "")


def _promote(scheduler: Scheduler | None, history: History, room: int) -> list[Promotion]:
    return scheduler.promote(history, room)[:room] if scheduler and history.paused else []


def _suggest(
    job: TuningJob, strategy: Strategy, history: History, numbers: Sequence[int]
) -> tuple[list[tuple[int, Suggestion]], SpaceExhausted | None]:
    """New points for trials `numbers`, and why there are none where the space has run out."""
    if not numbers:
        return [], None
    try:
        return list(zip(numbers, strategy.suggest(space_of(job.pk), history, numbers, job.seed), strict=False)), None
    except SpaceExhausted as exhausted:
        return [], exhausted


def _with_promoted(history: History, promotions: Sequence[Promotion]) -> History:
    """The history in which these trials go on already."""
    going = {promotion.number for promotion in promotions}
    own = tuple(
        replace(trial, state=TrialState.QUEUED, promotions=trial.promotions + 1) if trial.number in going else trial
        for trial in history.own
    )
    return replace(history, own=own) if going else history


# --- writing it -------------------------------------------------------------------------------------------------------


def write(job: TuningJob, choice: Choice, most: int) -> tuple[list[Trial], list[Entry]]:
    """Write what was chosen, `most` of it, the promotions first: the trials that are Queued now, and what is told."""
    promoted, told = promote(job, choice, most)
    new, why = made(job, choice, most)
    if new:
        rows.insert(*new)
        for trial, decision in zip(new, why, strict=True):
            decision.trial = trial  # by its key
    return [*promoted, *new], [*told, *decide_all(why)]


def promote(job: TuningJob, choice: Choice, most: int) -> tuple[list[Trial], list[Entry]]:
    """Write the promotions, `most` of them: the trials that are Queued now, and what is told."""
    trials: list[Trial] = []
    why: list[Decision] = []
    for promotion in choice.promotions[: max(0, most)]:
        trial = job.trials.get(number=promotion.number)
        trial.job = job
        if not move_trial(trial, TrialState.QUEUED, promotions=trial.promotions + 1, reason=promotion.reason):
            continue  # a person has stopped it meanwhile
        trials.append(trial)
        why.append(_decision(trial, Decision.Kind.PROMOTE, promotion))
    return trials, decide_all(why)


def made(job: TuningJob, choice: Choice, most: int, **fields: object) -> tuple[list[Trial], list[Decision]]:
    """New trials with these `fields`, as far as there is room beside the promotions, and why they were chosen; neither
    is written."""
    fresh = choice.fresh[: max(0, most - len(choice.promotions))]
    new = [Trial(job=job, number=number, hyperparameters=one.config, **fields) for number, one in fresh]
    return new, [_decision(trial, Decision.Kind.SUGGEST, one) for trial, (_, one) in zip(new, fresh, strict=True)]


def _decision(trial: Trial, kind: Decision.Kind, chosen: Promotion | Suggestion) -> Decision:
    return Decision(job=trial.job, trial=trial, kind=kind, reason=chosen.reason, numbers=dict(chosen.numbers))


def give_up_paused(job: TuningJob) -> list[Entry]:
    """Nobody is promoted any more: whoever is paused has been stopped early, and what it reported is its result."""
    entries: list[Entry] = []
    for trial in job.trials.select_related("job").filter(state=TrialState.PAUSED).order_by("number"):
        if move_trial(trial, TrialState.EARLY_STOPPED, reason=NOT_PROMOTED):
            entries.append(trial_entry(trial))
            numbers: dict[str, float | int | str] = {"promotions": trial.promotions}
            if trial.objective is not None:
                numbers["objective"] = trial.objective
            entries.append(decide(job, Decision.Kind.EARLY_STOP, NOT_PROMOTED, trial=trial, numbers=numbers))
    return entries
