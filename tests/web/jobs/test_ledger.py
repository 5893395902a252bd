"""The ledger: one row for each attempt that is over, whatever its end, and every figure a sum of them (design 8)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone
from pytest_django.fixtures import Settings

from hpt_web.accounts.models import Pool, Project
from hpt_web.accounts.models import Team as AccountsTeam
from hpt_web.jobs import rows
from hpt_web.jobs.doors import actions
from hpt_web.jobs.models import Attempt, TuningJob, UsageEntry
from hpt_web.jobs.queries import gpu_hours_of
from hpt_web.jobs.running.endings import End, settle
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.sharing import ledger
from tests.web.jobs.lab import Team, live
from tests.web.jobs.scripted import ScriptedBackend
from tuning.backends import Phase, Status
from tuning.states import TrialState

NewJob = Callable[..., TuningJob]


def outcomes(job: TuningJob) -> list[str]:
    return list(UsageEntry.objects.filter(job=job).order_by("id").values_list("outcome", flat=True))


def end_all(backend: ScriptedBackend, follower: Follower, text: str = "score=1\n", **end: Any) -> None:
    for token in backend.list_owned():
        backend.prints(token, text)
        backend.ends(token, **end)
    follower.claim()
    follower.look(list(follower.followed))


@pytest.mark.parametrize(
    ("text", "end", "outcome"),
    [
        ("score=1\n", {}, "completed"),
        ("", {}, "failed"),  # without its objective
        ("score=1\n", {"exit_code": 3}, "failed"),
        ("score=1\n", {"exit_code": None, "signal": 9}, "failed"),
        ("score=1\n", {"exit_code": None, "signal": 15, "ended_by": "wall_seconds"}, "stopped"),
    ],
)
def test_each_end_is_entered(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, text: str, end: dict[str, Any], outcome: str
) -> None:
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    assert outcomes(job) == []  # it runs
    end_all(backend, follower, text, **end)
    assert outcomes(job) == [outcome]
    entry, attempt = UsageEntry.objects.get(), Attempt.objects.get()
    assert (entry.attempt, entry.trial_number, entry.attempt_number, entry.job_name) == (attempt, 1, 1, "first")
    assert (entry.project_slug, entry.user.username, entry.pool, entry.devices) == ("lab", "alice", "cpu", 1)
    assert attempt.ended_at is not None
    assert entry.seconds == pytest.approx((attempt.ended_at - attempt.created_at).total_seconds(), abs=1e-5)
    assert (entry.gpu_seconds, entry.ended_at) == (0, attempt.ended_at)


def test_a_row_tells_the_team_and_its_priority_as_they_were(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    lab = Project.objects.filter(slug="lab")
    vision, speech = (AccountsTeam.objects.create(name=name, priority=5) for name in ("vision", "speech"))
    new_job(limits={"max_trials": 3, "max_parallel": 1})
    end_all(backend, follower)
    lab.update(team=vision)
    end_all(backend, follower)
    lab.update(team=speech)
    AccountsTeam.objects.update(priority=7)
    end_all(backend, follower)
    rows = UsageEntry.objects.order_by("id").values_list("team", "priority")
    assert list(rows) == [("", 0), ("vision", 5), ("speech", 7)]
    UsageEntry.objects.update(team="", priority=0)
    with connection.cursor() as cursor:  # what the migration makes of rows that there were
        cursor.execute(import_module("hpt_web.jobs.migrations.0016_ledger_teams").FROM_NOW)
    assert set(rows.all()) == {("speech", 7)}


def test_a_trial_that_was_lost_and_runs_again_is_entered_twice(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 1, "max_parallel": 1, "max_attempts": 2})
    follower.claim()
    backend.vanishes(live(job)[0])
    follower.look(list(follower.followed))
    assert outcomes(job) == ["lost"]
    end_all(backend, follower)
    assert outcomes(job) == ["lost", "completed"]


def test_a_stop_is_entered_once_whoever_comes_second(
    team: Team, new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    actions.stop_trial(actor=team.alice, project="lab", name=job.name, number=1)
    stale = Attempt.objects.select_related("trial__job").get()
    end_all(backend, follower, exit_code=None, signal=15, ended_by="stop")
    assert outcomes(job) == ["stopped"]
    with transaction.atomic():
        end = End(TrialState.FAILED, Attempt.Outcome.EXITED, "late")
        assert settle(stale, Status(phase=Phase.ENDED), end) == []
    assert outcomes(job) == ["stopped"]


def test_nothing_is_entered_if_the_end_is_undone(new_job: NewJob, backend: ScriptedBackend) -> None:
    new_job(limits={"max_trials": 1, "max_parallel": 1})
    attempt = Attempt.objects.select_related("trial__job").get()
    with transaction.atomic():
        settle(attempt, Status(phase=Phase.ENDED, exit_code=0), End(TrialState.COMPLETED, Attempt.Outcome.EXITED, ""))
        assert UsageEntry.objects.count() == 1
        transaction.set_rollback(True)
    assert not UsageEntry.objects.exists()
    assert Attempt.objects.filter(ended_at=None).count() == 1


def test_devices_of_a_pool_of_gpus_are_gpu_seconds(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    hour = timezone.now() - timedelta(hours=1)
    Attempt.objects.update(pool="a100", device_count=4, created_at=hour)
    end_all(backend, follower)
    entry = UsageEntry.objects.get(job=job)
    assert entry.gpu_seconds == pytest.approx(4 * entry.seconds)
    assert entry.gpu_seconds == pytest.approx(4 * 3600, rel=0.01) == 3600 * gpu_hours_of(job)


def test_an_attempt_costs_what_its_pool_says_at_its_end(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 2, "max_parallel": 2})
    Attempt.objects.update(created_at=timezone.now() - timedelta(hours=2), device_count=3, share=0.5)
    Pool.objects.create(name="cpu", price=4.0)
    end_all(backend, follower)
    costs = UsageEntry.objects.filter(job=job).values_list("cost", flat=True)
    assert list(costs) == [pytest.approx(2 * 3 * 0.5 * 4.0, rel=0.01)] * 2


def test_of_a_gpu_that_is_shared_its_part_counts(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, settings: Settings
) -> None:
    settings.HPT_GPUS = "0:80GiB,1:80GiB"
    new_job(limits={"max_trials": 1, "max_parallel": 1}, resources={"gpus": 2, "gpu_memory_mb": 20 * 1024})
    end_all(backend, follower)
    entry = UsageEntry.objects.get()
    assert entry.gpu_seconds == pytest.approx(2 * 0.25 * entry.seconds)


def test_entries_outlive_what_they_name(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> None:
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    end_all(backend, follower)
    job.channels.all().delete()
    job.delete()
    entry = UsageEntry.objects.get()
    assert (entry.job, entry.attempt, entry.job_name, entry.outcome) == (None, None, "first", "completed")


def test_what_ran_before_there_was_a_ledger_is_entered(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    """The migration's SQL makes of the attempts' rows what was entered as they ended."""
    new_job(name="good", limits={"max_trials": 2, "max_parallel": 2})
    end_all(backend, follower)
    new_job(name="bad", limits={"max_trials": 1, "max_parallel": 1, "max_attempts": 2})
    follower.claim()
    backend.vanishes(live(TuningJob.objects.get(name="bad"))[0])
    follower.look(list(follower.followed))
    end_all(backend, follower, exit_code=1)
    new_job(name="running", limits={"max_trials": 1, "max_parallel": 1})
    columns = ("attempt_id", "trial_number", "attempt_number", "job_id", "project_slug", "user_id", "pool", "devices",
               "seconds", "gpu_seconds", "outcome", "ended_at")  # fmt: skip
    entered = list(UsageEntry.objects.order_by("attempt_id").values_list(*columns))
    assert [entry[10] for entry in entered] == ["completed", "completed", "lost", "failed"]
    UsageEntry.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(import_module("hpt_web.jobs.migrations.0004_usage_so_far").FILL)
    assert list(UsageEntry.objects.order_by("attempt_id").values_list(*columns)) == entered


# --- what is asked of it ----------------------------------------------------------------------------------------------


def entry(job: TuningJob, seconds: float, ago: timedelta = timedelta(0), **more: Any) -> UsageEntry:
    values = {
        "attempt_number": 1, "trial_number": 1, "job": job, "job_name": job.name, "project": job.project,
        "project_slug": job.project.slug, "user": job.created_by, "pool": "cpu", "devices": 1, "seconds": seconds,
        "gpu_seconds": 0.0, "outcome": "completed", "ended_at": timezone.now() - ago,
    }  # fmt: skip
    return UsageEntry.objects.create(**{**values, **more})


@pytest.fixture
def idle_job(new_job: NewJob) -> TuningJob:
    return TuningJob.objects.select_related("project", "created_by").get(pk=new_job().pk)


def test_half_is_forgotten_with_every_half_life(idle_job: TuningJob) -> None:
    recent = ledger.Recent(entry=0.0)
    key = idle_job.project_id, idle_job.created_by_id, "cpu"
    entry(idle_job, 800)
    entry(idle_job, 800, timedelta(days=7))
    entry(idle_job, 800, timedelta(days=14), devices=2)
    entry(idle_job, 800, timedelta(days=700))  # forgotten
    entry(idle_job, 800, pool="")  # elsewhere
    assert recent.used() == {key: pytest.approx(800 + 400 + 2 * 200, rel=1e-3)}
    entry(idle_job, 100)  # found without looking at the others again
    assert recent.used() == {key: pytest.approx(1700, rel=1e-3)}
    named = ledger.by_name(recent.used() | {(0, 0, "cpu"): 1.0}, {}, {})
    assert named == {("", "alice", "cpu"): pytest.approx(1700, rel=1e-3)}


def test_each_start_costs_something(idle_job: TuningJob) -> None:
    for _ in range(3):
        entry(idle_job, 1, devices=2)
    assert list(ledger.Recent(entry=60.0).used().values()) == [pytest.approx(3 * 2 * 61, rel=1e-3)]


def test_bringing_it_up_to_date_reads_no_old_rows(idle_job: TuningJob, django_assert_num_queries: Any) -> None:
    entry(idle_job, 100)
    recent = ledger.Recent(entry=0.0)
    recent.used()
    UsageEntry.objects.all().delete()  # they are not read again
    with django_assert_num_queries(1):
        assert list(recent.used().values()) == [pytest.approx(100, rel=1e-3)]


def test_what_is_typical_is_the_median_of_the_newest(idle_job: TuningJob) -> None:
    for seconds in [5000.0] * 40 + [10.0] * 20 + [20.0] * 10:
        entry(idle_job, seconds)
    entry(idle_job, 9999, outcome="lost")
    assert rows.select(f"SELECT {ledger.TYPICAL_SECONDS} FROM jobs_tuningjob j") == [(10.0,)]


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    moment = datetime(2026, 11, 21, 18, 30, tzinfo=UTC)  # a Saturday
    assert ledger.week_begins(moment) == datetime(2026, 11, 16, tzinfo=UTC)
    assert ledger.month_begins(moment) == datetime(2026, 11, 1, tzinfo=UTC)
    assert ledger.week_begins(datetime(2026, 11, 16, tzinfo=UTC)) == datetime(2026, 11, 16, tzinfo=UTC)


def test_figures_are_sums_of_rows(idle_job: TuningJob) -> None:
    entry(idle_job, 3600, gpu_seconds=7200.0, devices=2, pool="a100")
    entry(idle_job, 1800, gpu_seconds=1800.0, pool="a100")
    assert sum(one.hours for one in ledger.gpu_hours_since(timezone.now() - timedelta(days=1))) == 2.5
    assert gpu_hours_of(idle_job) == 2.5
    assert UsageEntry.objects.aggregate(total=Sum("seconds"))["total"] == 5400
