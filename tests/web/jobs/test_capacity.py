"""From the rows to the plan: pools, teams, limits, usage; who starts when; and what it costs (design 8)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from pytest_django.fixtures import Settings

from hpt_web.accounts import sharing
from hpt_web.accounts.actions import create_project, set_quota
from hpt_web.accounts.errors import AccountsError, Invalid
from hpt_web.accounts.models import Quota, User
from hpt_web.accounts.pools import pools
from hpt_web.jobs.doors import actions, changes
from hpt_web.jobs.models import Attempt, Trial, TuningJob
from hpt_web.jobs.running import dispatch
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.running.sweep import IDLE_SWEEPS, sweep
from hpt_web.jobs.sharing import capacity
from hpt_web.jobs.sharing.admission import Limit, Share
from hpt_web.jobs.sharing.ledger import Recent
from tests.web.jobs.lab import Team, job_document, live
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_changes import obeys

NewJob = Callable[..., TuningJob]
WIDE = {"max_trials": 50, "max_parallel": 20}


@pytest.fixture
def slots(settings: Settings) -> Settings:
    settings.HPT_TRIAL_SLOTS = 4
    settings.HPT_GPUS = ""
    return settings


def reason(job: TuningJob) -> str:
    job.refresh_from_db()
    return job.reason


def ends(backend: ScriptedBackend, follower: Follower, *tokens: str) -> None:
    for token in tokens:
        backend.prints(token, "score=1\n")
        backend.ends(token)
    follower.claim()
    follower.look(list(follower.followed))


# --- pools ------------------------------------------------------------------------------------------------------------


def test_pools_are_made_from_what_the_host_has(slots: Settings, root: User) -> None:
    assert [(pool.name, pool.size) for pool in pools()] == [("cpu", 4)]
    slots.HPT_GPUS = "0:80GB,1:80GB,2:24GB"
    found = {pool.name: pool for pool in pools()}
    assert {name: (pool.size, pool.ids) for name, pool in found.items()} == {
        "cpu": (4, ()), "gpu-80gb": (2, ("0", "1")), "gpu-24gb": (1, ("2",)),
    }  # fmt: skip
    sharing.change_pool(actor=root, name="gpu-80gb", devices=1)
    sharing.declare_pool(actor=root, name="apart", devices=1, memory_bytes=50 * 10**9)
    sharing.change_pool(actor=root, name="gpu-24gb", devices=9)  # not more than are there
    sharing.change_pool(actor=root, name="cpu", devices=6)
    assert {pool.name: pool.size for pool in pools()} == {"cpu": 6, "gpu-80gb": 1, "gpu-24gb": 1, "apart": 1}
    assert [pool.ids for pool in pools()] == [(), ("1",), ("2",), ("0",)], "each device is in one pool"
    sharing.withdraw_pool(actor=root, name="cpu")
    assert pools()[0].size == 4


def test_a_trial_with_gpus_takes_them_and_a_slot(
    slots: Settings, new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    slots.HPT_GPUS = "0:80GB,1:80GB,2:80GB"
    first = new_job(limits=WIDE, resources={"gpus": 2})
    assert [(held.pool, held.device_count) for held in Attempt.objects.all()] == [("gpu-80gb", 2)]
    assert "pool gpu-80gb has 3 devices: first 2. A trial needs 2 at once; the 1 that is free is kept" in reason(first)
    second = new_job(name="second", limits=WIDE)
    assert len(live(second)) == 3  # of 4 slots
    assert "this host runs 4 at once: second 3, first 1" in reason(second)


def test_more_gpus_than_any_pool_has_are_refused(slots: Settings, team: Team, new_job: NewJob) -> None:
    slots.HPT_GPUS = "0:80GB,1:80GB"
    with pytest.raises(Invalid) as refused:
        new_job(resources={"gpus": 3})
    (fault,) = refused.value.faults
    assert fault.field == "resources.gpus" and "is 3" in fault.message and "has 2" in fault.message


# --- rows to arguments ------------------------------------------------------------------------------------------------


def test_the_plan_is_made_of_the_rows(slots: Settings, team: Team, root: User, new_job: NewJob) -> None:
    sharing.create_team(actor=root, name="vision", projects=["lab"])
    sharing.set_share(actor=root, team="vision", pool="cpu", guaranteed=2, cap=3, weight=2.0)
    set_quota(actor=root, resource="running_trials", limit=9, user=team.alice)
    set_quota(actor=root, resource="devices", limit=7, pool="cpu")
    set_quota(actor=root, resource="trials_per_job", limit=99)  # refuses, and is nothing to the plan
    job = new_job(limits=WIDE)
    found = capacity.situation()
    assert found.shares == {("vision", "cpu"): Share(2, 3, 2.0)}
    assert found.limits == [Limit(9, user="alice"), Limit(7, pool="cpu")]
    (demand,) = found.demands
    assert (demand.job, demand.team, demand.project, demand.user) == (job.pk, "vision", "lab", "alice")
    assert (demand.live, demand.wanted, demand.pool, demand.devices) == (3, 20, "cpu", 1)
    assert found.usage.keys() == {("vision", "alice", "cpu")}
    assert found.usage["vision", "alice", "cpu"] >= 180  # three starts
    assert "team vision may hold 3 of pool cpu at once" in reason(job)


def test_what_one_trial_takes_is_typical(
    slots: Settings, new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits=WIDE)
    ends(backend, follower, live(job)[0])
    (demand,) = capacity.demands()
    assert demand.typical is not None and demand.typical > 0
    assert all(held.left is not None and held.left > 0 for held in demand.running)
    late = new_job(name="late", limits=WIDE)
    assert "It is next in line; a trial may start in about a minute" in reason(late)


def test_it_is_known_of_a_job_that_runs_nothing_at_this_moment(
    slots: Settings, team: Team, new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    """As between two of its trials: its place in line has an estimate all the same."""
    job = new_job(limits={"max_trials": 50, "max_parallel": 1})
    changes.pause_job(actor=team.alice, project="lab", name=job.name, document={})
    ends(backend, follower, live(job)[0])
    (demand,) = capacity.demands()
    assert not live(job) and demand.typical is not None


def test_a_project_reads_only_its_own_names(slots: Settings, team: Team, root: User, new_job: NewJob) -> None:
    create_project(actor=team.charlie, slug="secret")
    job = new_job(limits=WIDE)
    mine = new_job(name="mine", limits=WIDE)
    project = team.charlie.memberships.get().project
    TuningJob.objects.filter(pk=job.pk).update(project=project)
    TuningJob.objects.filter(pk=mine.pk).update(reason="")
    slots.HPT_TRIAL_SLOTS = 3  # whatever was planned before is planned anew
    dispatch.advance(mine.pk)
    assert "this host runs 3 at once: other projects 4" in reason(mine)


# --- starting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", ["slots", "pool", "running_trials", "devices", "cap"])
def test_lowering_a_limit_kills_nothing(
    slots: Settings, team: Team, root: User, new_job: NewJob, backend: ScriptedBackend, follower: Follower, bound: str
) -> None:
    job = new_job(limits=WIDE)
    tokens = live(job)
    assert len(tokens) == 4
    if bound == "slots":
        slots.HPT_TRIAL_SLOTS = 2
    elif bound == "pool":
        sharing.change_pool(actor=root, name="cpu", devices=2)
    elif bound == "cap":
        sharing.create_team(actor=root, name="vision", projects=["lab"])
        sharing.set_share(actor=root, team="vision", pool="cpu", cap=2)
    else:
        pool = "cpu" if bound == "devices" else ""
        set_quota(actor=root, resource=bound, limit=2, user=team.alice, pool=pool)
    dispatch.advance(job.pk)
    assert (live(job), backend.stopped) == (tokens, {})
    for left in (3, 2):  # it comes down as trials end, and nothing new is started
        ends(backend, follower, live(job)[0])
        assert len(live(job)) == left
    ends(backend, follower, live(job)[0])
    assert len(live(job)) == 2  # one ended, one started
    assert backend.stopped == {}


def test_borrowed_places_come_back_as_trials_end(
    slots: Settings, team: Team, root: User, new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    sharing.create_team(actor=root, name="owners", projects=["lab"])
    sharing.set_share(actor=root, team="owners", pool="cpu", guaranteed=3)
    job = new_job(name="guest", limits=WIDE)
    create_project(actor=team.charlie, slug="guests")
    TuningJob.objects.filter(pk=job.pk).update(project=team.charlie.memberships.get().project, created_by=team.charlie)
    own = new_job(name="own", limits=WIDE)
    assert (len(live(job)), len(live(own))) == (4, 0)  # all is lent
    for back in (1, 2, 3):
        ends(backend, follower, live(job)[0])
        assert (len(live(job)), len(live(own))) == (4 - back, back)
    ends(backend, follower, live(job)[0])
    assert len(live(own)) + len(live(job)) == 4 and len(live(own)) >= 3


def test_two_workers_never_take_the_same_place(
    slots: Settings, team: Team, new_job: NewJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots.HPT_TRIAL_SLOTS = 0
    jobs = [new_job(name=f"job-{n}", limits=WIDE) for n in range(4)]
    slots.HPT_TRIAL_SLOTS = 5
    together(*(lambda job=job: dispatch.advance(job.pk) for job in jobs))
    assert Attempt.objects.count() == 5


def together(*calls: Callable[[], object]) -> list[BaseException]:
    """Run them at once, each in a thread with a connection of its own; what they raised."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        try:
            barrier.wait(10)
            call()
        except AccountsError as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return errors


# --- what is refused --------------------------------------------------------------------------------------------------


def test_of_jobs_made_at_once_only_as_many_are_as_the_limit_allows(
    slots: Settings, team: Team, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots.HPT_TRIAL_SLOTS = 0
    Quota.objects.create(resource=Quota.Resource.QUEUED_JOBS, limit=2)
    monkeypatch.setattr("hpt_web.jobs.documents.drafts.quota_faults", lambda *_: [])  # all of them saw room

    def create(name: str) -> Callable[[], object]:
        return lambda: actions.create_job(actor=team.alice, project="lab", document=job_document(name=name))

    errors = together(*(create(f"job-{n}") for n in range(5)))
    assert TuningJob.objects.count() == 2
    assert [type(error) for error in errors] == [Invalid] * 3
    assert "2 jobs are not over yet, and the quota of the installation allows 2" in str(errors[0])


@pytest.mark.parametrize("resource", ["gpu_hours_per_week", "gpu_hours_per_month"])
def test_gpu_hours_of_a_period_refuse_with_their_numbers(
    slots: Settings,
    team: Team,
    root: User,
    new_job: NewJob,
    backend: ScriptedBackend,
    follower: Follower,
    resource: str,
) -> None:
    slots.HPT_GPUS = "0:80GB,1:80GB"
    set_quota(actor=root, resource=resource, limit=3, user=team.alice)
    job = new_job(limits={"max_trials": 1, "max_parallel": 1}, resources={"gpus": 2})
    Attempt.objects.update(created_at=timezone.now() - timedelta(hours=2))
    with pytest.raises(Invalid) as refused:
        new_job(name="second", resources={"gpus": 1})
    assert "4.0 GPU-hours are used" in str(refused.value) and "the quota of alice allows 3" in str(refused.value)
    new_job(name="third")  # without GPUs
    ends(backend, follower, live(job)[0])
    with pytest.raises(Invalid):
        new_job(name="second", resources={"gpus": 1})
    set_quota(actor=root, resource=resource, limit=5, user=team.alice)
    new_job(name="second", resources={"gpus": 1})


# --- what it costs ----------------------------------------------------------------------------------------------------


def test_demands_take_as_many_queries_however_many_trials_are_over(
    slots: Settings, new_job: NewJob, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new_job(limits=WIDE)
    monkeypatch.setattr(capacity, "SHARED_SECONDS", 600.0)
    monkeypatch.setattr(capacity, "recent", Recent(capacity.ENTRY_SECONDS))  # knows nobody of the tests before
    capacity.demands()
    for first in (100, 200):
        rows = (Trial(job=job, number=first + n, state="Completed", hyperparameters={}) for n in range(100))
        Trial.objects.bulk_create(rows)
        with django_assert_num_queries(3):
            capacity.demands()


def test_what_was_planned_holds_under_the_lock_until_anything_changes(
    slots: Settings, team: Team, new_job: NewJob, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "SHARED_SECONDS", 600.0)
    slots.HPT_TRIAL_SLOTS = 3
    job, other = new_job(limits={"max_trials": 9, "max_parallel": 2}), new_job(name="other", limits=WIDE)
    made: list[int] = []
    real = capacity.situation
    monkeypatch.setattr(capacity, "situation", lambda asking=0, seen=None: made.append(asking) or real(asking, seen))
    capacity.likely(other)
    made.clear()
    before = capacity.granted(other)
    assert not made and before.grant == capacity.grants()[other.pk]
    made.clear()
    slots.HPT_TRIAL_SLOTS = 5
    assert capacity.granted(other).grant.start == 2 and made.pop()
    capacity.likely(other)
    made.clear()
    Quota.objects.create(resource="running_trials", limit=4)  # by whoever, with no word in the audit
    assert capacity.granted(other).grant.start == 1 and made.pop()
    capacity.likely(other)
    made.clear()
    Attempt.objects.filter(token=live(job)[0]).update(ended_at=timezone.now(), outcome="exited")
    assert capacity.granted(other).grant.start >= 1 and made.pop()
    capacity.likely(job)
    job.max_parallel = 1  # as its locked row says
    assert capacity.granted(job).grant.start == 0


def test_a_change_that_was_begun_before_another_and_ends_after_it_is_seen(
    slots: Settings, team: Team, new_job: NewJob, backend: ScriptedBackend, follower: Follower,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Its number in the audit is lower than the newest one that is known: the job that goes on with it must not start
    what there was room for without it."""
    monkeypatch.setattr(capacity, "SHARED_SECONDS", 600.0)
    job, other = new_job(limits={"max_trials": 9, "max_parallel": 2}), new_job(name="other", limits=WIDE)
    at: dict[str, Any] = {"actor": team.bob, "project": "lab", "name": "other"}
    changes.pause_job(document={"mode": "now"}, **at)
    for token in live(other):
        obeys(backend, follower, token)
    tell, audited, go = changes.append, threading.Event(), threading.Event()

    def late(*told: Any) -> None:
        audited.set()
        assert go.wait(30)
        tell(*told)

    monkeypatch.setattr(changes, "append", late)

    def meanwhile() -> None:
        try:
            assert audited.wait(30)
            create_project(actor=team.charlie, slug="newer")
            ends(backend, follower, live(job)[0])  # planned with room for all: the other is paused
        finally:
            go.set()

    together(lambda: changes.unpause_job(**at), meanwhile)
    assert audited.is_set() and len(live(job)) == 2
    dispatch.advance(other.pk)
    assert Attempt.objects.filter(ended_at=None).count() == 4


def test_a_sweep_leaves_jobs_alone_that_wait_for_a_place(
    slots: Settings, team: Team, new_job: NewJob, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, *waiting = (new_job(name=f"job-{n}", limits=WIDE) for n in range(7))
    slots.HPT_TRIAL_SLOTS = 4
    stopped = new_job(name="stopped", limits=WIDE)
    TuningJob.objects.filter(pk=stopped.pk).update(stop_requested_at=timezone.now())  # and the message is lost
    nudged: list[int] = []
    monkeypatch.setattr("hpt_web.jobs.running.sweep._turn", lambda: 0)
    sweep(backend, nudged.append)
    told = {job.pk for job in waiting if job.pk % IDLE_SWEEPS == 0}
    assert set(nudged) == {running.pk, stopped.pk} | told
    seen: set[int] = set()
    for turn in range(IDLE_SWEEPS):  # each of them in its turn
        monkeypatch.setattr("hpt_web.jobs.running.sweep._turn", lambda turn=turn: turn)
        nudged.clear()
        sweep(backend, nudged.append)
        seen |= set(nudged)
    assert seen >= {job.pk for job in waiting}
    slots.HPT_TRIAL_SLOTS = 5  # there is a place for one of them
    nudged.clear()
    sweep(backend, nudged.append)
    assert waiting[0].pk in nudged


def test_idle_jobs_share_a_plan(slots: Settings, new_job: NewJob, monkeypatch: pytest.MonkeyPatch) -> None:
    slots.HPT_TRIAL_SLOTS = 1
    jobs = [new_job(name=f"job-{n}", limits=WIDE) for n in range(6)]
    made: list[int] = []
    real = capacity.situation
    monkeypatch.setattr(capacity, "situation", lambda asking=0, seen=None: made.append(asking) or real(asking, seen))
    monkeypatch.setattr(capacity, "SHARED_SECONDS", 600.0)
    for job in jobs * 3:
        assert dispatch.advance(job.pk) == []
    assert len(made) <= 1
    before = len(made)
    slots.HPT_TRIAL_SLOTS = 2  # something has changed
    assert dispatch.advance(jobs[5].pk) == [jobs[1].pk]  # whose turn it is
    assert len(made) > before


def test_while_there_is_room_for_all_that_could_ever_start_ends_need_no_plan(
    slots: Settings, team: Team, new_job: NewJob, backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "SHARED_SECONDS", 600.0)
    slots.HPT_TRIAL_SLOTS = 5
    job, other = (new_job(name=name, limits={"max_trials": 9, "max_parallel": 2}) for name in ("one", "other"))
    made: list[int] = []
    real = capacity.situation
    monkeypatch.setattr(capacity, "situation", lambda asking=0, seen=None: made.append(asking) or real(asking, seen))
    capacity.granted(other)
    made.clear()
    Attempt.objects.filter(token=live(job)[0]).update(ended_at=timezone.now(), outcome="exited")
    granted = capacity.granted(job)
    assert (granted.grant.start, granted.grant.running, not made) == (1, 1, True)
    assert (
        granted.place == capacity.situation().places[job.pk] and granted.grant.start == capacity.grants()[job.pk].start
    )
    made.clear()
    slots.HPT_TRIAL_SLOTS = 3  # no longer for all of them
    assert capacity.granted(job).grant.start == 0 and made.pop() == job.pk
    Attempt.objects.filter(token=live(other)[0]).update(ended_at=timezone.now(), outcome="exited")
    assert capacity.granted(job).grant.start == 1 and made.pop() == job.pk, "planned anew"
    slots.HPT_TRIAL_SLOTS = 5
    monkeypatch.setattr(capacity, "SHARED_SECONDS", 0.0)
    capacity.granted(job)
    made.clear()
    capacity.granted(job)
    assert made, "it is not believed for long"
