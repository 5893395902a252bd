"""Jobs choose their pool; trials that share a GPU hold a part of it; spot trials give way; GPU-hours run out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from hpt_web.accounts import sharing
from hpt_web.accounts.actions import add_member, create_project, set_quota
from hpt_web.accounts.errors import Invalid
from hpt_web.accounts.models import User
from hpt_web.api import presenting
from hpt_web.jobs.doors import changes
from hpt_web.jobs.models import Attempt, Decision, TuningJob, UsageEntry
from hpt_web.jobs.queries import job_for
from hpt_web.jobs.running import dispatch
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.sharing import capacity
from hpt_web.jobs.sharing.queueing import queue_for, reason_of
from tests.web.jobs.lab import Team, live, state, trial
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_changes import finishes, obeys, reports

NewJob = Callable[..., TuningJob]
WIDE = {"max_trials": 50, "max_parallel": 20}
LARGE, SMALL = "gpu-80gb", "gpu-24gb"


@pytest.fixture(autouse=True)
def host(settings: Settings) -> Settings:
    settings.HPT_TRIAL_SLOTS = 20
    settings.HPT_GPUS = "0:80GB,1:80GB,2:80GB,3:24GB,4:24GB"
    return settings


def held(job: TuningJob) -> list[tuple[str, int, float, list[str]]]:
    rows = Attempt.objects.filter(trial__job=job, ended_at=None).order_by("trial__number")
    return list(rows.values_list("pool", "device_count", "share", "devices"))


def later(seconds: float = 3600) -> None:
    """All that runs has run for so long, and what was planned before is forgotten."""
    capacity._shared = None
    Attempt.objects.filter(ended_at=None).update(created_at=timezone.now() - timedelta(seconds=seconds))


# --- pools ------------------------------------------------------------------------------------------------------------


def test_a_job_runs_in_the_pool_that_it_names(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits=WIDE, resources={"gpus": 1, "pool": SMALL})
    assert held(job) == [(SMALL, 1, 1.0, ["3"]), (SMALL, 1, 1.0, ["4"])]
    job.refresh_from_db()
    assert job.spec["resources"]["pool"] == SMALL and "pool gpu-24gb has 2 devices: first 2" in job.reason
    (queued,) = queue_for(team.alice).jobs
    assert (queued.pool, queued.devices, queued.place) == (SMALL, 1, 1)
    finishes(backend, follower, live(job)[0])
    assert UsageEntry.objects.get().pool == SMALL
    assert held(new_job(name="second", limits=WIDE, resources={"gpus": 2})) == [(LARGE, 2, 1.0, ["0", "1"])]


def test_a_job_that_waits_names_who_holds_the_places_now(new_job: NewJob, team: Team) -> None:
    first = new_job(limits={"max_trials": 2, "max_parallel": 2}, resources={"gpus": 1, "pool": SMALL})
    second = new_job(name="second", limits={"max_trials": 1}, resources={"gpus": 2, "pool": SMALL})
    assert "has 2 devices: first 2." in job_for(team.alice, "lab", "second").reason
    Attempt.objects.filter(trial__job=first, trial__number=1).update(ended_at=timezone.now(), outcome="exited")
    second.refresh_from_db()
    assert "first 2." in second.reason and "first 1." in reason_of(second)
    assert "It is next in line" in presenting.job(job_for(team.alice, "lab", "second"))["reason"]
    Attempt.objects.update(ended_at=timezone.now(), outcome="exited")
    assert reason_of(second) == "", "it starts in a moment"
    changes.pause_job(actor=team.alice, project="lab", name="second", document={})
    second.refresh_from_db()
    assert second.reason and reason_of(second) == second.reason


def test_without_a_name_it_is_one_that_fits_and_is_the_teams(new_job: NewJob, root: User) -> None:
    sharing.create_team(actor=root, name="vision", projects=["lab"])
    sharing.set_share(actor=root, team="vision", pool=SMALL, guaranteed=1)
    assert held(new_job(limits={"max_trials": 1}, resources={"gpus": 1})) == [(SMALL, 1, 1.0, ["3"])]
    assert held(new_job(name="wide", limits={"max_trials": 1}, resources={"gpus": 3}))[0][0] == LARGE
    large = {"gpus": 1, "gpu_memory_mb": 40_000}
    memory = new_job(name="memory", resources=large)
    assert capacity.situation().places[memory.pk].pool == LARGE
    sharing.set_share(actor=root, team="vision", pool=SMALL, guaranteed=0, cap=0)
    capped = new_job(name="capped", resources={"gpus": 1})
    assert capacity.situation().places[capped.pk].pool == LARGE


@pytest.mark.parametrize(
    ("resources", "says"),
    [
        ({"gpus": 1, "pool": "a100"}, "is 'a100', which is no pool of this installation; choose 'gpu-24gb' (2), or"),
        ({"gpus": 1, "pool": "cpu"}, "which has no GPUs, and resources.gpus is 1; choose 'gpu-24gb' (2), or leave it"),
        ({"pool": SMALL}, "whose devices are GPUs, and resources.gpus is 0: set it to 1 or more; choose 'cpu' (20)"),
        ({"gpus": 3, "pool": SMALL}, "which has 2 of its devices for trials, less than each trial asks for; leave it"),
        ({"gpus": 1, "gpu_memory_mb": 40_000, "pool": SMALL}, "with 24,000,000,000 bytes each, less than each trial"),
        ({"gpus": 1, "pool": LARGE}, "of which the project may hold 0 at once, less than each trial asks for; choose"),
    ],
)
def test_a_pool_that_is_not_for_the_job_is_refused_with_those_that_are(
    new_job: NewJob, root: User, resources: dict[str, Any], says: str
) -> None:
    set_quota(actor=root, resource="devices", pool=LARGE, limit=0)
    with pytest.raises(Invalid) as refused:
        new_job(resources=resources)
    (fault,) = refused.value.faults
    assert fault.field == "resources.pool" and says in fault.message, fault.message


def test_a_trial_larger_than_what_the_project_may_hold_of_any_pool_is_refused_with_the_numbers(
    new_job: NewJob, team: Team, root: User
) -> None:
    set_quota(actor=root, resource="devices", pool=LARGE, limit=1)
    job = new_job(resources={"gpus": 2})
    assert capacity.situation().places[job.pk].pool == SMALL
    sharing.create_team(actor=root, name="vision", projects=["lab"])
    sharing.set_share(actor=root, team="vision", pool=SMALL, cap=1)
    with pytest.raises(Invalid) as refused:
        new_job(name="second", resources={"gpus": 2})
    (fault,) = refused.value.faults
    assert (fault.field, fault.code) == ("resources.gpus", "quota")
    assert fault.message == (
        "is 2; the project may hold 1 of pool 'gpu-80gb', 1 of pool 'gpu-24gb' at once: "
        "ask for less, or have an administrator raise that share or limit"
    )
    assert new_job(name="second", resources={"gpus": 1}).state == "Pending"
    set_quota(actor=root, resource="devices", pool="cpu", limit=1)
    assert new_job(name="third").state == "Pending", "of the CPU slots a trial takes one"


def test_a_job_whose_pool_is_withdrawn_says_so_and_what_to_do(new_job: NewJob, root: User) -> None:
    sharing.declare_pool(actor=root, name="tmp", devices=1)
    job = new_job(resources={"gpus": 1, "pool": "tmp"}, limits={"max_trials": 3, "max_parallel": 2})
    assert len(held(job)) == 1
    sharing.withdraw_pool(actor=root, name="tmp")
    later()
    dispatch.advance(job.pk)
    job.refresh_from_db()
    assert job.reason == (
        "1 more trial could run, but there is no pool tmp any more: none can start. "
        "Clone it for another pool, or have an administrator make one of this name."
    )
    sharing.declare_pool(actor=root, name="tmp", devices=2)
    later()
    dispatch.advance(job.pk)
    assert len(held(job)) == 2, "there it is again"


def test_trials_that_share_a_gpu_hold_their_part_of_its_pool(
    new_job: NewJob, team: Team, root: User, backend: ScriptedBackend, follower: Follower
) -> None:
    sharing.create_team(actor=root, name="vision", projects=["lab"])
    sharing.set_share(actor=root, team="vision", pool=LARGE, cap=1)
    shared = {"gpus": 1, "gpu_memory_mb": 19_073, "pool": LARGE}  # 20.0 of 80 GB
    job = new_job(limits={**WIDE, "max_trials": 6}, resources=shared)
    assert len(held(job)) == 4 and {row[:2] + row[3:] for row in map(tuple_of, held(job))} == {(LARGE, 1, "0")}
    job.refresh_from_db()
    assert "team vision may hold 1 of pool gpu-80gb at once: first 1." in job.reason
    pools = {state.pool.name: state.held for state in queue_for(team.alice).pools}
    assert pools["cpu"] == 4 and pools[LARGE] == pytest.approx(1, abs=0.01)
    assert capacity.situation().usage["vision", "alice", LARGE] == pytest.approx(60, rel=0.1)
    later()
    finishes(backend, follower, live(job)[0])
    entry = UsageEntry.objects.get()
    assert entry.pool == LARGE and entry.gpu_seconds == pytest.approx(entry.seconds / 4, rel=0.01)


def tuple_of(row: tuple[str, int, float, list[str]]) -> tuple[Any, ...]:
    return row[0], row[1], row[2], *row[3]


# --- spot -------------------------------------------------------------------------------------------------------------


def test_a_spot_trial_gives_its_place_to_a_job_that_is_none(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower, settings: Settings
) -> None:
    settings.HPT_TRIAL_SLOTS = 3
    settings.HPT_PREEMPT_GRACE_SECONDS = 90
    spot = new_job(name="cheap", spot=True, limits={"max_trials": 3, "max_parallel": 3, "max_attempts": 1})
    young = live(spot)[2]
    for token in live(spot):
        reports(backend, follower, token, 0.1)
    late = new_job(name="urgent", limits={"max_trials": 1, "max_parallel": 1})
    assert backend.stopped == {}, "who has just started is left alone"
    later()
    dispatch.advance(late.pk)
    dispatch.advance(late.pk)  # what was asked for is on its way
    assert backend.stopped == {young: 90}
    late.refresh_from_db()
    assert "this host runs 3 at once: cheap 3." in late.reason
    decision = Decision.objects.get(job=spot, kind="preempt")
    assert decision.trial is not None and decision.trial.number == 3
    assert decision.reason.startswith("Pre-empted: a trial of urgent waits for 1 of pool cpu, where 0 of 3 are free")
    assert decision.numbers == {"needed": 1, "free": 0, "size": 3, "held": 3, "guaranteed": 0}
    obeys(backend, follower, young)
    assert len(live(late)) == 1 and trial(spot, 3).state == "Queued"
    assert UsageEntry.objects.get().outcome == "preempted"
    later()
    dispatch.advance(spot.pk)
    assert len(live(late)) == 1 and len(live(spot)) == 2, "it does not take the place back"
    finishes(backend, follower, live(late)[0])
    again = live(spot)[2]
    assert "--resume-from" in backend.plays[again].spec.command
    for token in live(spot):
        finishes(backend, follower, token, 0.4)
    assert (state(spot), trial(spot, 3).attempt) == ("Completed", 2), "it is no failure, and uses up no attempt"


def test_a_guarantee_takes_spot_trials_of_others_who_learn_only_numbers(
    new_job: NewJob, team: Team, root: User, backend: ScriptedBackend, follower: Follower, settings: Settings
) -> None:
    settings.HPT_TRIAL_SLOTS = 4
    sharing.create_team(actor=root, name="owners", projects=["lab"])
    sharing.set_share(actor=root, team="owners", pool="cpu", guaranteed=2)
    guest = new_job(name="guest", spot=True, limits=WIDE)
    create_project(actor=team.charlie, slug="guests")
    add_member(actor=team.charlie, project="guests", username="bob", role="viewer")
    TuningJob.objects.filter(pk=guest.pk).update(
        project=team.charlie.memberships.get().project, created_by=team.charlie
    )
    tokens = live(guest)
    later()
    own = new_job(name="own", spot=True, limits=WIDE)
    assert sorted(backend.stopped) == sorted(tokens[2:]), "as many as are guaranteed, the youngest"
    for decision in Decision.objects.filter(job=guest, kind="preempt"):
        assert "a job of another project" in decision.reason and "own" not in decision.reason
        assert "is within what is guaranteed to its team" in decision.reason
    for token in tokens[2:]:
        obeys(backend, follower, token)
    assert (len(live(guest)), len(live(own))) == (2, 2)
    later()
    for job in (own, guest):
        dispatch.advance(job.pk)
    assert len(backend.stopped) == 2
    seen = {person.username: [job.name for job in queue_for(person).jobs] for person in (team.alice, team.charlie)}
    assert seen == {"alice": ["own"], "charlie": ["guest"]}
    assert sorted(job.name for job in queue_for(team.bob).jobs) == ["guest", "own"]


# --- GPU-hours --------------------------------------------------------------------------------------------------------


def test_gpu_hours_that_are_used_up_stop_what_would_start_and_nothing_that_runs(
    new_job: NewJob, team: Team, root: User, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 9, "max_parallel": 3}, resources={"gpus": 1, "pool": LARGE})
    plain = new_job(name="plain", limits={"max_trials": 9, "max_parallel": 1})
    set_quota(actor=root, resource="gpu_hours_per_week", limit=3, user=team.alice)
    later(4000)
    dispatch.advance(job.pk)
    assert len(live(job)) == 3 and backend.stopped == {}
    finishes(backend, follower, live(job)[0])
    assert len(live(job)) == 2
    job.refresh_from_db()
    assert job.reason.startswith("1 more trial could run, but alice has used 3.3 GPU-hours this week, and the quota")
    (queued,) = [one for one in queue_for(team.alice).jobs if one.name == "first"]
    assert (queued.place, queued.missing) == (None, 1) and queued.starts_in and queued.starts_in <= 7 * 86400
    finishes(backend, follower, live(plain)[0])
    assert len(live(plain)) == 1, "trials on CPUs go on"
    set_quota(actor=root, resource="gpu_hours_per_week", limit=9, user=team.alice)
    dispatch.advance(job.pk)
    assert len(live(job)) == 3
