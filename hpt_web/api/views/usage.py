"""Usage by the ledger: its rows, and sums of the same rows."""

from __future__ import annotations

import csv
import io
import secrets
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.models import F, QuerySet, Value
from django.db.models.functions import Coalesce, Concat, TruncDay, TruncMonth, TruncWeek
from django.utils.dateparse import parse_date, parse_datetime
from rest_framework.request import Request
from rest_framework.response import Response

from hpt_web.accounts import refusals
from hpt_web.accounts.access import project_for
from hpt_web.accounts.errors import Fault, Invalid
from hpt_web.accounts.sharing import require_admin
from hpt_web.api.pagination import page, text_parameter
from hpt_web.api.schema import BINARY, CURSOR, LIMIT, operation, page_of, query
from hpt_web.api.serializers import usage as shapes
from hpt_web.api.uploads import FileAnswer
from hpt_web.api.views.base import View, person
from hpt_web.jobs.models import TuningJob, UsageEntry
from hpt_web.jobs.queries import iso
from hpt_web.jobs.sharing import sums
from hpt_web.jobs.sharing.savings import NOTHING

_TAG = "usage"
MOST_REFUSALS = 200
_PERIODS = {"day": TruncDay, "week": TruncWeek, "month": TruncMonth}
_KEYS = {
    "by_project": F("project_slug"),
    "by_team": F("team"),
    "by_priority": F("priority"),
    "by_user": F("user__username"),
    "by_job": Concat("project_slug", Value("/"), "job_name"),
    "by_outcome": F("outcome"),
    "by_pool": F("pool"),
}
_COLUMNS = {
    "id": "id", "project": "project_slug", "user": "user__username", "job": "job_name", "trial": "trial_number",
    "attempt": "attempt_number", "pool": "pool", "devices": "devices", "seconds": "seconds",
    "gpu_seconds": "gpu_seconds", "cost": "cost", "waited": "waited", "outcome": "outcome", "ended_at": "ended_at",
    "team": "team", "priority": "priority",
}  # fmt: skip
FILTERS = [
    query("user", "Only of jobs of this person."),
    query("job", "Only of the job of this name."),
    query("outcome", "Only with one of these outcomes, separated by commas."),
    query("pool", "Only of this pool."),
    query("since", "Only what ended at this time (RFC 3339) or later."),
    query("until", "Only what ended before this time."),
]
PERIOD = query("period", "What `by_period` sums over: day, week or month; month if left out.")


class UsageView(View):
    @operation("getUsage", "What all projects have used", tag=_TAG, gives=shapes.Usage, parameters=[*FILTERS, PERIOD])
    def get(self, request: Request) -> Response:
        return _sums(request, _everything(request))


class UsageEntriesView(View):
    @operation(
        "listUsage", "Every attempt of all projects that is over, newest first", tag=_TAG,
        gives=page_of(shapes.UsageEntry), parameters=[*FILTERS, LIMIT, CURSOR],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        return _entries(request, _everything(request))


class UsageFileView(View):
    @operation(
        "downloadUsage", "The same rows as a CSV file", tag=_TAG, gives=BINARY, gives_media="application/octet-stream",
        parameters=FILTERS,
    )  # fmt: skip
    def get(self, request: Request) -> FileAnswer:
        return _file(request, _everything(request), "usage")


class RefusalsView(View):
    @operation(
        "getRefusals", "What limits have refused, in each project", tag=_TAG, gives=shapes.Refusals,
        parameters=[query("since", "Only on this day (UTC) or later."), query("until", "Only before this day.")],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        require_admin(person(request), "see what limits refuse")
        faults: list[Fault] = []
        found = refusals.by_limit(_time(request, "since", faults), _time(request, "until", faults))
        if faults:
            raise Invalid(faults)
        rows = list(found)
        total = sum(row["refused"] for row in rows)
        return Response(shapes.Refusals({"total": total, "items": rows[:MOST_REFUSALS]}).data)


class ProjectUsageView(View):
    @operation(
        "getProjectUsage", "What a project has used", tag=_TAG, gives=shapes.Usage, parameters=[*FILTERS, PERIOD]
    )
    def get(self, request: Request, project: str) -> Response:
        return _sums(request, UsageEntry.objects.filter(project=project_for(request.user, project)))


class ProjectUsageEntriesView(View):
    @operation(
        "listProjectUsage", "Every attempt of a project that is over, newest first", tag=_TAG,
        gives=page_of(shapes.UsageEntry), parameters=[*FILTERS, LIMIT, CURSOR],
    )  # fmt: skip
    def get(self, request: Request, project: str) -> Response:
        return _entries(request, UsageEntry.objects.filter(project=project_for(request.user, project)))


class ProjectUsageFileView(View):
    @operation(
        "downloadProjectUsage", "The same rows as a CSV file", tag=_TAG, gives=BINARY,
        gives_media="application/octet-stream", parameters=FILTERS,
    )  # fmt: skip
    def get(self, request: Request, project: str) -> FileAnswer:
        found = project_for(request.user, project)
        return _file(request, UsageEntry.objects.filter(project=found), f"usage-{found.slug}")


def _everything(request: Request) -> QuerySet[UsageEntry]:
    require_admin(person(request), "see the usage of all projects")
    return UsageEntry.objects.all()


def _entries(request: Request, entries: QuerySet[UsageEntry]) -> Response:
    rows = _filtered(request, entries).select_related("user")
    return page(request, rows, ["-id"], _with_savings)


def _with_savings(found: Sequence[UsageEntry]) -> Any:
    savings = sums.savings_of(UsageEntry.objects.filter(pk__in=[row.pk for row in found]))
    for row in found:
        row.saved = savings.get(row.pk, NOTHING)  # type: ignore[attr-defined]
    return shapes.UsageEntry(found, many=True).data


def _file(request: Request, entries: QuerySet[UsageEntry], name: str) -> FileAnswer:
    """Written to a file before it is sent, so that a ledger of any length costs no memory."""
    entries = _filtered(request, entries)
    savings = sums.savings_of(entries)
    rows = entries.order_by("-id").values_list(*_COLUMNS.values())
    file = tempfile.TemporaryFile()  # noqa: SIM115, the answer closes it
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    table = csv.writer(text)
    table.writerow([*_COLUMNS, "saved_seconds", "saved_gpu_seconds"])
    for row in rows.iterator(chunk_size=2000):
        table.writerow([*map(_cell, row), *savings.get(row[0], NOTHING)])
    text.detach()
    size = file.tell()
    file.seek(0)
    return FileAnswer(file, filename=f"{name}.csv", size=size, digest=secrets.token_hex(8))


def _cell(value: object) -> object:
    """A spreadsheet would run a text that begins like a formula, and a person's name may begin with + - or @."""
    if isinstance(value, datetime):
        return iso(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def _sums(request: Request, entries: QuerySet[UsageEntry]) -> Response:
    entries = _filtered(request, entries)
    period = text_parameter(request, "period") or "month"
    if period not in _PERIODS:
        raise Invalid([Fault("period", f"is {period[:40]!r}; choose one of {', '.join(_PERIODS)}", "unknown")])
    keys = {**_KEYS, "by_period": _PERIODS[period]("ended_at", tzinfo=UTC)}
    jobs = entries.annotate(of_job=Coalesce("job_id", "deleted_job"))
    found = sums.grouped(jobs, keys, newest_first=["by_period"], apart={"by_job": "of_job"})
    for row in found["by_period"]:
        row["key"] = row["key"] and f"{row['key']:%Y-%m-%d}"
    there = set(TuningJob.objects.filter(pk__in=[row["id"] for row in found["by_job"]]).values_list("pk", flat=True))
    for row in found["by_job"]:
        row["deleted"] = row["key"] is not None and row["id"] not in there
    return Response(shapes.Usage({"total": sums.total(entries), **found}).data)


def _filtered(request: Request, entries: QuerySet[UsageEntry]) -> QuerySet[UsageEntry]:
    """The rows that the query string asks for; Invalid with every fault of it."""
    faults: list[Fault] = []
    for name, field in (("user", "user__username__iexact"), ("job", "job_name__iexact"), ("pool", "pool")):
        if text := text_parameter(request, name):
            entries = entries.filter(**{field: text})
    if text := text_parameter(request, "outcome"):
        outcomes = [outcome.strip() for outcome in text.split(",")]
        unknown = [outcome for outcome in outcomes if outcome not in UsageEntry.Outcome.values]
        known = ", ".join(UsageEntry.Outcome.values)
        faults += [Fault("outcome", f"is {outcome[:40]!r}; choose among {known}", "unknown") for outcome in unknown]
        entries = entries.filter(outcome__in=outcomes)
    for name, field in (("since", "ended_at__gte"), ("until", "ended_at__lt")):
        if moment := _time(request, name, faults):
            entries = entries.filter(**{field: moment})
    if faults:
        raise Invalid(faults)
    return entries


def _time(request: Request, name: str, faults: list[Fault]) -> datetime | None:
    text = text_parameter(request, name)
    moment = _moment(text) if text else None
    if text and moment is None:
        faults.append(Fault(name, f"is {text[:40]!r}; give a time such as 2026-11-21T18:00:00Z", "type"))
    return moment


def _moment(text: str) -> datetime | None:
    """A time, or the beginning of a day; in UTC unless it names its zone."""
    try:
        if day := parse_date(text):
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        moment = parse_datetime(text.replace(" ", "+"))  # a plus sign in an address reads as a space
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
