"""How long each attempt waited for its place: from the moment when its job asked for one more to its reservation."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from hpt_web.jobs.doors import changes
from hpt_web.jobs.models import Attempt, Trial, TuningJob, UsageEntry
from hpt_web.jobs.running import dispatch
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.sharing import ledger
from tests.web.jobs.lab import Team, live
from tests.web.jobs.scripted import ScriptedBackend
from tuning.states import TrialState

NewJob = Callable[..., TuningJob]
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
Held = tuple[int, int, int, int]  # the trial, minutes of start and end, places that were free as it took one

# What attempts held, by their ends, and for how many minutes each of them waited; the job asked from minute 0 on.
ENTERED: dict[str, tuple[list[Held], list[float | None]]] = {
    "the first ones wait since the job was made": ([(1, 1, 5, 2), (2, 3, 7, 1)], [1, 3]),
    "the next one waits since the end before it": ([(1, 0, 5, 1), (2, 6, 9, 1), (3, 9, 10, 1)], [0, 1, 0]),
    "of two free places the older one is taken first": (
        [(1, 0, 5, 2), (2, 0, 7, 1), (3, 10, 20, 2), (4, 10, 30, 1)], [0, 0, 5, 3]
    ),
    "a place that was never taken is always free": ([(1, 0, 9, 3), (2, 4, 10, 2), (3, 6, 11, 1)], [0, 4, 6]),
    "an end after its start does not count": ([(2, 2, 4, 2), (1, 0, 5, 3), (3, 3, 6, 1)], [2, 0, 3]),
    "a trial that runs again waits since its own end": ([(1, 0, 5, 1), (2, 0, 6, 3), (2, 8, 9, 3)], [0, 0, 2]),
    "what waits for nothing of this host": ([(1, 3, 5, 0)], [None]),
}  # fmt: skip


@pytest.mark.parametrize(("held", "waited"), ENTERED.values(), ids=ENTERED)
def test_what_is_entered(new_job: NewJob, held: list[Held], waited: list[float | None]) -> None:
    job = new_job()
    job.trials.all().delete()
    UsageEntry.objects.all().delete()
    for number, begins, ends, free in held:
        trial, _ = Trial.objects.get_or_create(job=job, number=number, hyperparameters={})
        Attempt.objects.create(
            trial=trial, number=trial.attempts.count() + 1, token=f"{number}-{begins}", backend="process",
            created_at=NOON + timedelta(minutes=begins), ended_at=NOON + timedelta(minutes=ends), outcome="exited",
            asked_at=NOON, free_places=free,
        )  # fmt: skip
    for attempt in Attempt.objects.select_related("trial__job").order_by("ended_at"):
        ledger.enter(attempt, TrialState.COMPLETED)
    found = UsageEntry.objects.order_by("id").values_list("waited", flat=True)
    assert [None if seconds is None else seconds / 60 for seconds in found] == waited


# --- what an attempt is written with ----------------------------------------------------------------------------------


def asked(job: TuningJob) -> list[tuple[bool, int]]:
    """Of each attempt by its start: whether its job had asked ever since it was made, and the places that were free."""
    rows = Attempt.objects.filter(trial__job=job).order_by("id").values_list("asked_at", "free_places")
    return [(at == job.created_at, free) for at, free in rows]


def end(backend: ScriptedBackend, follower: Follower, token: str, text: str = "score=1\n", **how: Any) -> None:
    backend.prints(token, text)
    backend.ends(token, **how)
    follower.claim()
    follower.look(list(follower.followed))


def test_a_job_asks_since_it_was_made_for_as_many_places_as_it_may_have(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, settings: Settings
) -> None:
    settings.HPT_TRIAL_SLOTS = 3
    wide = new_job(limits={"max_trials": 9, "max_parallel": 4})
    late = new_job(name="late", limits={"max_trials": 2, "max_parallel": 2})
    assert (asked(wide), asked(late)) == ([(True, 4), (True, 3), (True, 2)], [])
    TuningJob.objects.filter(pk=late.pk).update(created_at=late.created_at - timedelta(hours=1))
    late.refresh_from_db()
    end(backend, follower, live(wide)[0])
    assert asked(late) == [(True, 2)]  # by its turn
    end(backend, follower, live(late)[0])
    assert UsageEntry.objects.get(job=late).waited == pytest.approx(3600, abs=60)
    assert UsageEntry.objects.get(job=wide).waited == pytest.approx(0, abs=60)


def test_what_the_check_of_the_first_trial_takes_is_no_wait(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, settings: Settings
) -> None:
    settings.HPT_TRIAL_SLOTS = 3
    job = new_job(limits={"max_trials": 3, "max_parallel": 3}, check_first=True)
    end(backend, follower, live(job)[0])
    assert asked(job)[:2] == [(True, 3), (False, 3)]


def test_the_wait_of_a_strategy_for_results_is_none(new_job: NewJob, backend: ScriptedBackend) -> None:
    job = new_job(limits={"max_trials": 3, "max_parallel": 1})
    dispatch.say(job, "", waits="It waits for results.")
    job.refresh_from_db()
    assert (job.waits, job.asks_since) == (True, None)
    dispatch.say(job, "No room.", waits="")
    job.refresh_from_db()
    assert (job.waits, job.reason) == (False, "No room.") and job.asks_since is not None


@pytest.mark.parametrize("what", ["pause", "change"])
def test_a_person_makes_it_ask_anew(
    team: Team, new_job: NewJob, backend: ScriptedBackend, follower: Follower, what: str
) -> None:
    job = new_job(limits={"max_trials": 3, "max_parallel": 1})
    who: dict[str, Any] = {"actor": team.alice, "project": "lab", "name": job.name}
    if what == "pause":
        changes.pause_job(**who, document={})
        end(backend, follower, live(job)[0])
        changes.unpause_job(**who)
    else:
        changes.change_job(**who, document={"limits": {"max_parallel": 2}})
    assert asked(job) == [(True, 1), (False, 1)]
