"""Sums over rows of the usage ledger: what was used, how long it was waited for, what early stopping saved of it.

Each figure of a key is made of the rows with this key, and that of all of them of all rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Aggregate, Count, F, FloatField, Max, QuerySet, Sum
from django.utils import timezone

from hpt_web.jobs.models import LedgerSums, UsageEntry
from hpt_web.jobs.sharing.savings import NOTHING, Saved, saved, stopped_early
from tuning.states import TrialState

ONLY = 1  # the row of `LedgerSums`
SETTLED_AFTER = timedelta(hours=1)  # a row is written as its attempt ends, and committed at once
MOST_KEYS = 200  # of one list of sums; what is beyond is one sum
Row = dict[str, Any]
ADDED = ("attempts", "seconds", "gpu_seconds", "cost", "saved_seconds", "saved_gpu_seconds")  # waits are not


class Percentile(Aggregate):
    """The value below which the part `part` of all lie; rows without one do not count."""

    function = "percentile_cont"
    template = "%(function)s(%(part)s) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


def _figures() -> dict[str, Aggregate]:
    """By names that are not those of the rows' columns."""
    return {
        "n": Count("pk"),
        "total": Sum("seconds"),
        "gpu_total": Sum("gpu_seconds"),
        "price": Sum("cost"),
        "p50": Percentile("waited", part=0.5),
        "p95": Percentile("waited", part=0.95),
    }


def total(entries: QuerySet[UsageEntry], savings: Mapping[int, Saved] | None = None) -> Row:
    """Of all rows; `savings` are those of `savings_of`, if they are known."""
    known = savings_of(entries) if savings is None else savings
    return _row(entries.aggregate(**_figures()), _sum(known.values()))


def grouped(
    entries: QuerySet[UsageEntry],
    keys: Mapping[str, Any],
    *,
    newest_first: Sequence[str] = (),
    apart: Mapping[str, str] | None = None,
) -> dict[str, list[Row]]:
    """For each of the `keys` (expressions) its sums, the largest first, or the newest; those beyond are one without a
    key. What has the same key, but another value in the column that `apart` names for it, is a sum of its own, with
    this value as `id`."""
    named = entries.annotate(**keys)
    columns = {name: (name, (apart or {}).get(name, name)) for name in keys}
    saved_by = _by_keys(named, savings_of(entries), columns)
    return {name: _grouped(named, columns[name], saved_by[name], newest_first=name in newest_first) for name in columns}


def _grouped(
    entries: QuerySet[Any], columns: tuple[str, str], savings: Mapping[object, Saved], *, newest_first: bool
) -> list[Row]:
    name, own = columns
    order = [f"-{name}"] if newest_first else ["-gpu_total", "-total", name, own]
    figures = {**_figures(), "last": Max("ended_at")}
    found = entries.order_by().values(*dict.fromkeys(columns)).annotate(**figures).order_by(*order)
    rows = [
        {
            "key": sums[name],
            "id": sums[own],
            "last_at": sums["last"],
            **_row(sums, savings.get((sums[name], sums[own]), NOTHING)),
        }
        for sums in found
    ]
    return rows[:MOST_KEYS] + ([_together(rows[MOST_KEYS:])] if rows[MOST_KEYS:] else [])


def _together(rows: Sequence[Row]) -> Row:
    others = {"key": None, "id": None, "last_at": None, "wait_p50": None, "wait_p95": None}
    return {**others, **{name: sum(row[name] for row in rows) for name in ADDED}}


def _row(sums: Mapping[str, Any], savings: Saved) -> Row:
    return {
        "attempts": sums["n"],
        "seconds": sums["total"] or 0,
        "gpu_seconds": sums["gpu_total"] or 0,
        "cost": sums["price"] or 0,
        "wait_p50": sums["p50"],
        "wait_p95": sums["p95"],
        "saved_seconds": savings.seconds,
        "saved_gpu_seconds": savings.gpu_seconds,
    }


# --- all that there ever was ------------------------------------------------------------------------------------------


class Ever(NamedTuple):
    """What all attempts of a project have held of a pool that came to one outcome."""

    project: str
    pool: str
    outcome: str
    attempts: int
    seconds: float
    gpu_seconds: float
    cost: float


def ever() -> list[Ever]:
    """Of the whole ledger, by project, pool and outcome; it costs the same however long that is."""
    return _with_newer(LedgerSums.objects.filter(pk=ONLY).first() or LedgerSums())


def add_up() -> None:
    """Add what is new in the ledger to the sums that `ever` begins with; the newest rows only a while later, when no
    transaction may be left that is about to commit one before them."""
    settled = UsageEntry.objects.filter(ended_at__lt=timezone.now() - SETTLED_AFTER).order_by("-ended_at")
    last = settled.values_list("pk", flat=True).first()
    with transaction.atomic():
        known, _ = LedgerSums.objects.select_for_update().get_or_create(pk=ONLY)
        if last is not None and last > known.last_entry:
            known.sums, known.last_entry = _with_newer(known, last), last
            known.save()


def _with_newer(known: LedgerSums, last: int | None = None) -> list[Ever]:
    """With the rows that have come since, up to the `last` one."""
    newer = UsageEntry.objects.filter(pk__gt=known.last_entry, **({} if last is None else {"pk__lte": last}))
    figures = {"n": Count("pk"), "held": Sum("seconds"), "gpus": Sum("gpu_seconds"), "price": Sum("cost")}
    rows = newer.order_by().values_list("project_slug", "pool", "outcome").annotate(**figures)
    found: dict[tuple[str, str, str], list[float]] = {}
    for project, pool, outcome, *figure in (*known.sums, *rows):
        before = found.get((project, pool, outcome), [0, 0.0, 0.0, 0.0])
        found[project, pool, outcome] = [one + other for one, other in zip(before, figure, strict=True)]
    return [Ever(*key, int(attempts), *rest) for key, (attempts, *rest) in sorted(found.items())]


# --- savings ----------------------------------------------------------------------------------------------------------


def savings_of(entries: QuerySet[UsageEntry]) -> dict[int, Saved]:
    """By the ids of the rows: what was saved stands in the row of the last attempt of each trial that was stopped
    early. What is typical of a job follows from all of its rows."""
    rows = list(_stopped(entries).values_list("pk", "job_id", "trial_number", "seconds", "gpu_seconds"))
    known = stopped_early({job for _, job, *_ in rows if job is not None})
    found = {}
    for pk, job, number, seconds, gpu_seconds in rows:
        if trial := known.get((job, number)):
            found[pk] = saved(trial.ran, gpu_seconds / seconds if seconds else 0.0, trial.typical)
    return found


def _stopped(entries: QuerySet[Any]) -> QuerySet[Any]:
    early = entries.filter(attempt__trial__state=TrialState.EARLY_STOPPED)
    return early.filter(attempt__trial__attempt=F("attempt_number")).order_by()


def _by_keys(
    entries: QuerySet[Any], savings: Mapping[int, Saved], columns: Mapping[str, tuple[str, str]]
) -> dict[str, dict[object, Saved]]:
    found: dict[str, dict[object, Saved]] = {name: {} for name in columns}
    asked = dict.fromkeys(column for pair in columns.values() for column in pair)
    for row in _stopped(entries).values("pk", *asked) if savings else ():
        pk = row["pk"]  # one that came meanwhile is told with the next look
        for name, (key, own) in columns.items():
            value = row[key], row[own]
            found[name][value] = _sum([found[name].get(value, NOTHING), savings.get(pk, NOTHING)])
    return found


def _sum(savings: Any) -> Saved:
    seconds = gpu_seconds = 0.0
    for one in savings:
        seconds, gpu_seconds = seconds + one.seconds, gpu_seconds + one.gpu_seconds
    return Saved(seconds, gpu_seconds)
