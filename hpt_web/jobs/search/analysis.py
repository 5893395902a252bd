"""A job's rows as the analyses of the engine take them, and how much of them is analysed at a time.

Everything here only reads. What would take too long is refused with a sentence that says the limit (`Unavailable`), so
that nobody holds a worker of the service for more than some seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count

from hpt_web.accounts.errors import Invalid
from hpt_web.jobs.models import MetricPoint, TuningJob
from hpt_web.jobs.search.parents import whole_history
from tuning import earlystop
from tuning.analysis.recording import RecordedTrial, Recording
from tuning.analysis.unavailable import Unavailable
from tuning.contracts import Policy
from tuning.documents import Document, shown
from tuning.earlystop.board import BoardPolicy
from tuning.errors import Fault, InvalidSpec
from tuning.history import History

MAX_TRIALS = 10_000  # own and inherited ones together
MAX_REPORTS = 200_000  # of a replay, for each value of a sweep once more
MAX_CURVE = 1_000  # reports of one trial
MAX_COMPARED = 5_000_000  # reports times trials, for a policy that looks at the whole history at each report
MAX_SWEPT = 20


def learnt_from(job: TuningJob) -> History | Unavailable:
    """The trials that tell something of the hyperparameters, without their curves."""
    history = whole_history(job)
    trials = len(history.own) + len(history.inherited)
    if trials > MAX_TRIALS:
        return Unavailable(
            f"{trials} trials, with those of the parents, are too many: up to {MAX_TRIALS} are analysed."
        )
    return history


def durations_of(job: TuningJob) -> dict[int, float]:
    """For how many seconds each trial that has ended ran, all its attempts together, by number."""
    sql = """
        SELECT t.number, sum(extract(epoch FROM a.ended_at - a.started_at))::float8
        FROM jobs_trial t JOIN jobs_attempt a ON a.trial_id = t.id
        WHERE t.job_id = %s AND t.ended_at IS NOT NULL AND a.started_at IS NOT NULL AND a.ended_at IS NOT NULL
        GROUP BY t.number
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [job.pk])
        return dict(cursor.fetchall())


# --- replay -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """The policies to replay: one, or one for each of the `values` of the option that is swept."""

    policies: Sequence[Policy]
    values: Sequence[object] | None = None


def read_replay(document: object) -> Asked:
    """What a replay is asked to be: `policy` with its name and options, and perhaps a `sweep` of one of them.

    Raises:
        Invalid: with every fault.
    """
    doc = Document(document)
    part, sweep = doc.part("policy", required=True), doc.part("sweep")
    name = part.text("name") if part else ""
    options = part.mapping("options") if part else {}
    if part:
        part.close()
    made: list[Policy] = []
    values: list[object] | None = None
    if sweep is not None:
        option, values = sweep.text("option"), _values(sweep)
        sweep.close()
        if name and option:
            made = _swept(doc, name, options, option, values)
    elif name and (policy := doc.sub(lambda: earlystop.create(name, options, "policy"))) is not None:
        made = [policy]
    doc.close()
    if doc.faults:
        raise Invalid(doc.faults)
    return Asked(made, values)


def _values(sweep: Document) -> list[object]:
    values = sweep.raw("values")
    if isinstance(values, list) and 1 <= len(values) <= MAX_SWEPT:
        return values
    what = "is missing" if values is None else f"is {shown(values)}"
    sweep.fault("values", f"{what}; give a list of 1 to {MAX_SWEPT} values of the option", "type")
    return []


def _swept(doc: Document, name: str, options: dict[str, object], option: str, values: list[object]) -> list[Policy]:
    """The policy with each of the values; what is wrong with a value is told of at the value."""
    made = []
    for index, value in enumerate(values):
        try:
            made.append(earlystop.create(name, {**options, option: value}, "policy"))
        except InvalidSpec as error:
            for fault in error.faults:
                at = f"sweep.values[{index}]" if fault.field == f"policy.options.{option}" else fault.field
                if at not in {known.field for known in doc.faults}:
                    doc.faults.append(Fault(at, fault.message, fault.code))
    return made


def recording_of(job: TuningJob, policies: Sequence[Policy] = ()) -> Recording | Unavailable:
    """The job's trials with their curves and the times of their reports, if they are few enough for these policies."""
    if reason := _too_much(job, policies):
        return Unavailable(reason)
    history = whole_history(job, curves=True)
    times = _times(job)
    spans = {
        number: (began.timestamp() if began else None, ended.timestamp() if ended else None)
        for number, began, ended in job.trials.values_list("number", "started_at", "ended_at")
    }
    recorded = []
    for trial in history.own:
        began, ended = spans.get(trial.number, (None, None))
        # Read a moment after the curve, which may have grown.
        recorded.append(RecordedTrial(trial, began, ended, times.get(trial.number, [])[: len(trial.curve)]))
    return Recording.of(history, recorded)


def _too_much(job: TuningJob, policies: Sequence[Policy]) -> str:
    """Why a replay would take too long, or nothing."""
    trials = job.trials.count()
    if trials > MAX_TRIALS:
        return f"The job has {trials} trials; a replay is made of up to {MAX_TRIALS}."
    points = MetricPoint.objects.filter(
        attempt__trial__job=job, attempt__superseded=False, superseded=False, metric=job.metric
    )
    counts = sorted(points.values("attempt__trial").annotate(n=Count("*")).order_by().values_list("n", flat=True))
    reports, longest = sum(counts), max(counts, default=0)
    if longest > MAX_CURVE:
        return f"A trial has reported its objective {longest} times; a replay is made of curves of up to {MAX_CURVE}."
    rounds = max(len(policies), 1)
    if reports * rounds > MAX_REPORTS:
        times = f" for each of {rounds} values" if rounds > 1 else ""
        return f"The trials have reported {reports} times; a replay{times} is made of up to {MAX_REPORTS // rounds}."
    slow = sum(not isinstance(policy, BoardPolicy) for policy in policies)
    if slow * reports * trials > MAX_COMPARED:
        most = MAX_COMPARED // (slow * trials)
        return (
            f"The trials have reported {reports} times; with this policy a replay of {trials} trials has up to {most}."
        )
    return ""


def _times(job: TuningJob) -> dict[int, list[float]]:
    """When each trial reported its objective, in seconds since the epoch, in the order of its curve."""
    sql = """
        SELECT t.number, array_agg(extract(epoch FROM p.at)::float8 ORDER BY p.step)
        FROM jobs_trial t
        JOIN jobs_attempt a ON a.trial_id = t.id AND NOT a.superseded
        JOIN jobs_metricpoint p ON p.attempt_id = a.id AND p.metric = %s AND NOT p.superseded
        WHERE t.job_id = %s GROUP BY t.number
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [job.metric, job.pk])
        return dict(cursor.fetchall())
