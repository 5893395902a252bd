"""What is read of jobs, and by whom: everything starts from the project that `accounts.access` lets the user see."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypedDict

from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models import DurationField, ExpressionWrapper, F, Q, QuerySet, Sum
from django.db.models.functions import Now

from hpt_web.accounts.access import project_for
from hpt_web.accounts.errors import NotVisible
from hpt_web.accounts.models import Role, User
from hpt_web.accounts.pools import CPU
from hpt_web.jobs.models import (
    EXTERNAL,
    Attempt,
    Decision,
    Event,
    EventCursor,
    JobParent,
    MetricPoint,
    Trial,
    TuningJob,
    UsageEntry,
)
from hpt_web.jobs.rows import select
from hpt_web.jobs.tally import Tally
from tuning import profiles
from tuning.completion import Criteria, Result, Standing, improves
from tuning.states import Goal, TrialState
from tuning.warmstart import WarmStartType

Person = User | AnonymousUser
USABLE = [TrialState.COMPLETED, TrialState.EARLY_STOPPED, TrialState.STOPPED]  # their objective is a result
SEARCHED = Q(origin=None) | Q(continues=True)  # no copy that a person has run


class Best(TypedDict):
    trial: int
    objective: float


class OverallBest(TypedDict):
    job: str
    trial: int
    objective: float


class JobRow(TypedDict):
    """What moves in a job while it runs."""

    state: str
    reason: str
    counts: dict[str, int]
    best: Best | None
    overall_best: OverallBest | None
    median: float | None
    started_at: str | None
    ended_at: str | None
    max_trials: int
    max_parallel: int


class TrialRow(TypedDict):
    """A trial in one row; pages and scripts replace the whole row by its number."""

    number: int
    state: str
    hyperparameters: dict[str, float | int | str]
    objective: float | None
    best_objective: float | None
    reason: str
    failure: str
    attempt: int
    created_at: str | None
    started_at: str | None
    ended_at: str | None
    ran_seconds: float


# --- who may see what -------------------------------------------------------------------------------------------------


def jobs_in(user: Person, project: str) -> QuerySet[TuningJob]:
    """The jobs of a project that `user` may see; raises NotVisible for an outsider."""
    return TuningJob.objects.filter(project=project_for(user, project)).select_related("project", "created_by")


def job_for(user: Person, project: str, name: str, at_least: Role = Role.VIEWER) -> TuningJob:
    """The job `name` (whatever its case) if `user` has the role `at_least` in its project.

    Raises NotVisible for an outsider as for an unknown name, Forbidden for a member without the right.
    """
    jobs = TuningJob.objects.filter(project=project_for(user, project, at_least), name__iexact=name)
    job = jobs.select_related("project", "created_by", "algorithm_version__algorithm").first()
    if job is None:
        raise NotVisible(f"There is no tuning job {name!r} in project {project!r}.")
    return job


def trial_for(user: Person, project: str, name: str, number: int, at_least: Role = Role.VIEWER) -> Trial:
    job = job_for(user, project, name, at_least)
    trial = job.trials.filter(number=number).select_related("job").first()
    if trial is None:
        raise NotVisible(f"Tuning job {job.name!r} has no trial {number}.")
    return trial


# --- rows -------------------------------------------------------------------------------------------------------------


def counts_by_state(jobs: Iterable[int]) -> dict[int, dict[str, int]]:
    """For each job id, the number of its trials per state; one query for all."""
    counts: dict[int, dict[str, int]] = {job: {} for job in jobs}
    sql = "SELECT job_id, state, count(*) FROM jobs_trial WHERE job_id = ANY(%s) GROUP BY job_id, state"
    for job, state, number in select(sql, list(counts)):
        counts[job][state] = number
    return counts


def best_trials(jobs: Iterable[TuningJob], *, ended: bool = False) -> dict[int, Trial]:
    """For each job id, the trial with the best objective, the first of equals; one query for each goal. `ended`: of
    those that are over, as one that runs may yet fail."""
    best: dict[int, Trial] = {}
    for goal in Goal:
        ids = [job.pk for job in jobs if job.goal == goal]
        order = F("objective").desc() if goal is Goal.MAXIMIZE else F("objective").asc()
        valued = Trial.objects.filter(job__in=ids, objective__isnull=False).exclude(
            state__in=[TrialState.FAILED, TrialState.LOST]
        )
        if ended:
            valued = valued.filter(ended_at__isnull=False)
        for trial in valued.order_by("job", order, "number").distinct("job"):
            best[trial.job_id] = trial
    return best


def overall_bests(jobs: Iterable[TuningJob]) -> dict[int, OverallBest]:
    """For each job that continues others, the best trial of it and its parents, if there is one (F10).

    Only with IDENTICAL_DATA_AND_ALGORITHM, where their objectives are the same thing. A fixed number of queries, none
    if no job has parents.
    """
    identical = WarmStartType.IDENTICAL_DATA_AND_ALGORITHM
    heirs = [job for job in jobs if (job.spec.get("warm_start") or {}).get("type") == identical]
    if not heirs:
        return {}
    families: dict[int, list[TuningJob]] = {job.pk: [job] for job in heirs}
    for link in JobParent.objects.filter(job__in=list(families)).order_by("job", "position").select_related("parent"):
        families[link.job_id].append(link.parent)
    best = best_trials({member.pk: member for family in families.values() for member in family}.values())
    found: dict[int, OverallBest] = {}
    for heir, family in families.items():
        for member in family:
            trial = best.get(member.pk)
            if trial is None or trial.objective is None:
                continue
            if heir not in found or Goal(member.goal).better(trial.objective, found[heir]["objective"]):
                found[heir] = OverallBest(job=member.name, trial=trial.number, objective=trial.objective)
    return found


def standing_of(job: TuningJob, counts: Mapping[str, int], criteria: Criteria) -> Standing:
    """Where the job stands for its completion rules; only what they ask is filled in, each by an index.

    `counts` are its trials by state. A copy that a person has run may be the best one as any other trial, but is none
    of those that the search has tried in vain.
    """
    goal, improvement = Goal(job.goal), profiles.improvement(job.spec.get("profile"))
    rules = (criteria.target, criteria.max_not_improving, criteria.converged)
    best, since, before = None, 0, None
    if any(rule is not None for rule in rules):
        usable = job.trials.filter(state__in=USABLE, objective__isnull=False).order_by()
        best = _best_of(usable, goal)
        if criteria.max_not_improving is not None:
            failed = Q(state=TrialState.FAILED) | Q(state=TrialState.COMPLETED, objective__isnull=True)
            told = failed | Q(state__in=USABLE, objective__isnull=False)
            improved = best.trial if best else 0
            if best and improvement:
                improved = _last_improvement(usable, goal, improvement, criteria.max_not_improving)
            since = job.trials.filter(told, SEARCHED, number__gt=improved).count()
        if best is not None and (window := criteria.converged) is not None:
            last = _first_of_last(usable, window)
            earlier = _best_of(usable.filter(number__lt=last), goal) if last else None
            before = earlier and earlier.value
    return Standing(
        goal=goal,
        best=best,
        since_improved=since,
        improvement=improvement,
        before=before,
        started=sum(counts.values()),
        completed=counts.get(TrialState.COMPLETED, 0),
        finished=sum(n for state, n in counts.items() if TrialState(state).terminal),
    )


def _last_improvement(usable: QuerySet[Trial], goal: Goal, share: float, most: int) -> int:
    """The number of the last trial that was better by more than a share than all before it; of the one before the last
    `most` with a value, if none of these was: the rule asks no further."""
    first = _first_of_last(usable, most) or 1
    rows = usable.filter(number__gte=first).order_by("number").values_list("number", "objective")
    best, last = _best_of(usable.filter(number__lt=first), goal), first - 1
    for row in [Result(number, value) for number, value in rows if value is not None]:
        if best is None or improves(goal, row.value, best.value, share):
            last = row.trial
        if best is None or goal.better(row.value, best.value):
            best = row
    return last


def _first_of_last(usable: QuerySet[Trial], trials: int) -> int | None:
    """The number of the first of the last so many that the search has tried; None if there are fewer."""
    numbers = usable.filter(SEARCHED).order_by("-number").values_list("number", flat=True)
    return next(iter(numbers[trials - 1 : trials]), None)


def _best_of(usable: QuerySet[Trial], goal: Goal) -> Result | None:
    order = "-objective" if goal is Goal.MAXIMIZE else "objective"
    row = usable.order_by(order, "number").values_list("number", "objective").first()
    return None if row is None or row[1] is None else Result(row[0], row[1])


def gpu_hours_of(job: TuningJob) -> float:
    """The hours for which all attempts of the job together held GPUs, from the reservation, when nobody else could have
    them any more: those that are over by the ledger of usage, and what runs so far. Of GPUs that are shared they are
    the parts.
    """
    over: float = UsageEntry.objects.filter(job=job).aggregate(total=Sum("gpu_seconds"))["total"] or 0.0
    held = ExpressionWrapper(Now() - F("created_at"), output_field=DurationField())
    live = Attempt.objects.filter(trial__job=job, ended_at__isnull=True).exclude(pool__in=["", CPU])
    rows = live.annotate(held=held).values_list("held", "device_count", "share")
    running: float = sum(held.total_seconds() * count * share for held, count, share in rows)
    return (over + running) / 3600


def median_objectives(jobs: Iterable[int]) -> dict[int, float]:
    """For each job id with a value, the median of its trials' objectives; failed and lost trials have none."""
    measured = "job_id = asked.id AND objective IS NOT NULL AND state NOT IN ('Failed', 'Lost')"
    # The index has them in order: a walk to the middle. Not percentile_cont, which sorts them, and answers infinity
    # between values near the largest float, which no JSON can hold.
    sql = f"""
        SELECT asked.id, middle.low, middle.high FROM unnest(%s::bigint[]) AS asked (id),
        LATERAL (SELECT count(*) AS n FROM jobs_trial WHERE {measured}) known,
        LATERAL (
            SELECT min(objective) AS low, max(objective) AS high FROM (
                SELECT objective FROM jobs_trial WHERE {measured}
                ORDER BY objective OFFSET (known.n - 1) / 2 LIMIT 2 - known.n %% 2
            ) pair
        ) middle
        WHERE known.n > 0
    """  # noqa: S608 - the condition is ours
    rows = select(sql, list(jobs))
    return {job: _median(low, high) for job, low, high in rows}


def _median(low: float, high: float) -> float:
    """Of the two values in the middle."""
    if low == high:
        return low
    middle = (low + high) / 2
    return middle if math.isfinite(middle) else low / 2 + high / 2


def job_row(job: TuningJob, tally: Tally | None = None) -> JobRow:
    """The moving part of a job; with the `tally` of its trials nothing is asked that grows with their number."""
    if tally is None:
        return job_rows([job])[job.pk]
    best, pair = tally.best(Goal(job.goal)), tally.middle()
    return _moving(
        job,
        dict(tally.counts),
        best and Best(trial=best[0], objective=best[1]),
        overall_bests([job]).get(job.pk),
        pair and _median(*pair),
    )


def job_rows(jobs: Sequence[TuningJob]) -> dict[int, JobRow]:
    """The moving part of several jobs, in a fixed number of queries."""
    counts = counts_by_state(job.pk for job in jobs)
    best = best_trials(jobs)
    overall = overall_bests(jobs)
    medians = median_objectives(job.pk for job in jobs)
    return {
        job.pk: _moving(job, counts[job.pk], _best(best.get(job.pk)), overall.get(job.pk), medians.get(job.pk))
        for job in jobs
    }


def _moving(
    job: TuningJob, counts: dict[str, int], best: Best | None, overall: OverallBest | None, median: float | None
) -> JobRow:
    return JobRow(
        state=job.state,
        reason=job.reason,
        counts=counts,
        best=best,
        overall_best=overall,
        median=median,
        started_at=iso(job.started_at),
        ended_at=iso(job.ended_at),
        max_trials=job.max_trials,
        max_parallel=job.max_parallel,
    )


def _best(trial: Trial | None) -> Best | None:
    if trial is None or trial.objective is None:
        return None
    return Best(trial=trial.number, objective=trial.objective)


def trial_row(trial: Trial) -> TrialRow:
    return TrialRow(
        number=trial.number,
        state=trial.state,
        hyperparameters=trial.hyperparameters,
        objective=trial.objective,
        best_objective=trial.best_objective,
        reason=trial.reason,
        failure=trial.failure,
        attempt=trial.attempt,
        created_at=iso(trial.created_at),
        started_at=iso(trial.started_at),
        ended_at=iso(trial.ended_at),
        ran_seconds=trial.ran_seconds,
    )


def iso(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC with milliseconds, as every time is in the API."""
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- the feed and the curves ------------------------------------------------------------------------------------------


def cursor_of(job: TuningJob) -> int:
    """The number of the job's newest committed event."""
    return EventCursor.objects.values_list("seq", flat=True).get(job=job)


def events_since(job_id: int, since: int, limit: int) -> list[Event]:
    return list(Event.objects.filter(job_id=job_id, seq__gt=since).order_by("seq")[:limit])


def decisions_of(job: TuningJob, trial: Trial | None = None) -> QuerySet[Decision]:
    decisions = job.decisions.select_related("trial")
    return decisions if trial is None else decisions.filter(trial=trial)


def points_of(trial: Trial, metric: str | None = None) -> QuerySet[MetricPoint]:
    """The trial's curve, by metric and step: of its newest attempt and of those that this one resumed."""
    points = MetricPoint.objects.filter(attempt__trial=trial, attempt__superseded=False, superseded=False)
    if metric is not None:
        points = points.filter(metric=metric)
    return points.order_by("metric", "step")


class Curve(TypedDict):
    steps: list[int]
    values: list[float]


def curves_of(job: TuningJob, metric: str) -> dict[int, Curve]:
    """Every trial's curve of one metric, by trial number, as columns made in the database."""
    sql = """
        SELECT t.number, array_agg(p.step ORDER BY p.step), array_agg(p.value ORDER BY p.step)
        FROM jobs_trial t
        JOIN jobs_attempt a ON a.trial_id = t.id AND NOT a.superseded
        JOIN jobs_metricpoint p ON p.attempt_id = a.id AND p.metric = %s AND NOT p.superseded
        WHERE t.job_id = %s GROUP BY t.number
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [metric, job.pk])
        return {number: Curve(steps=steps, values=values) for number, steps, values in cursor.fetchall()}


# --- attempts ---------------------------------------------------------------------------------------------------------


def live_attempts() -> QuerySet[Attempt]:
    """Attempts that hold a reservation: they run, or are about to. In the order in which rows are locked."""
    return Attempt.objects.filter(ended_at__isnull=True).select_related("trial__job__project").order_by("pk")


def hosted_attempts() -> QuerySet[Attempt]:
    """The live attempts that this host runs, or is about to."""
    return live_attempts().exclude(backend=EXTERNAL)
