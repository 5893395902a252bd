"""GPUs of which trials take parts: what nobody can use goes on to others, and who shares them gives way (issue 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from hpt_web.accounts import sharing
from hpt_web.accounts.actions import create_project, set_quota
from hpt_web.accounts.models import Project, User
from hpt_web.jobs.doors import actions
from hpt_web.jobs.models import Decision, TuningJob
from hpt_web.jobs.running import dispatch
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.sharing.queueing import queue_for
from tests.web.jobs.lab import Team, job_document, live
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_changes import finishes, obeys, reports
from tests.web.jobs.test_pools import held, later

NewJob = Callable[..., TuningJob]
ONE = {"max_trials": 4, "max_parallel": 1, "max_attempts": 1}
TWO = {**ONE, "max_parallel": 2}
LARGE = {"gpus": 1, "gpu_memory_mb": 1500}


@pytest.fixture(autouse=True)
def host(settings: Settings) -> Settings:
    settings.HPT_TRIAL_SLOTS = 8
    settings.HPT_GPUS = "0:1000MiB,1:1000MiB"
    return settings


def part(memory: int) -> dict[str, int]:
    return {"gpus": 1, "gpu_memory_mb": memory}


def bobs(team: Team, **document: Any) -> TuningJob:
    return actions.create_job(actor=team.bob, project="lab", document=job_document(**document))


def on(job: TuningJob) -> list[list[str]]:
    """The devices of each of its live trials."""
    return [ids for *_, ids in held(job)]


def told(job: TuningJob) -> str:
    later()
    dispatch.advance(job.pk)
    job.refresh_from_db()
    return job.reason


# --- what can never start ---------------------------------------------------------------------------------------------


def no_devices(settings: Settings, root: User, alice: User) -> None:
    sharing.change_pool(actor=root, name="gpu-2gb", devices=0)


def no_quota(settings: Settings, root: User, alice: User) -> None:
    project = Project.objects.get(slug="lab")
    set_quota(actor=root, project=project, user=alice, resource="devices", pool="gpu-2gb", limit=0)


def gone(settings: Settings, root: User, alice: User) -> None:
    settings.HPT_GPUS = "0:1000MiB"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            no_devices,
            "could run, but each takes 0.75 at once, and pool gpu-2gb has 0 devices: none can start until that",
        ),
        (no_quota, "takes 0.75 at once, and alice may hold 0 devices of pool gpu-2gb at once in this project: none"),
        (gone, "each asks for 1.57 GB on 1 GPU, and 0 of the 1 GPU of pool gpu-1gb have as much: none can start"),
    ],
)
def test_a_job_that_can_never_start_takes_no_gpu_from_others(
    new_job: NewJob, team: Team, root: User, settings: Settings, backend: ScriptedBackend, follower: Follower,
    change: Callable[[Settings, User, User], None], says: str,
) -> None:  # fmt: skip
    """Three ways in which its GPU may go: the pool gives none, its project may hold none, the host has none."""
    settings.HPT_GPUS = "0:1000MiB,1:2000MiB"
    sharing.change_pool(actor=root, name="gpu-1gb", terms=sharing.Terms(min_run_seconds=0))
    spot = bobs(team, name="cheap", resources={"gpus": 1, "pool": "gpu-1gb"}, spot=True, limits=ONE)
    large = new_job(name="large", resources=LARGE, limits=ONE)
    assert (on(spot), on(large)) == ([["0"]], [["1"]])
    change(settings, root, team.alice)
    finishes(backend, follower, live(large)[0])
    assert on(large) == [] and says in told(large)
    assert backend.stopped == {} and on(spot) == [["0"]], "nobody gives way to it"
    finishes(backend, follower, live(spot)[0])
    later()
    dispatch.advance(spot.pk)
    assert on(spot) == [["0"]], "and what is free goes on to others"
    small = bobs(team, name="small", resources={"gpus": 1, "pool": "gpu-1gb"}, limits=ONE)
    places = {job.name: job.place for job in queue_for(root).jobs if job.missing}
    assert places == {"large": None, "small": 1}
    assert "It is next in line" in told(small)


# --- who gives way ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wants", [part(600), part(700), {"gpus": 1}])
def test_a_spot_trial_that_shares_its_gpu_gives_way(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower, wants: dict[str, int]
) -> None:
    """0.8 of the GPUs are free and on none of them enough."""
    spot = new_job(name="cheap", spot=True, limits=TWO, resources=part(600))
    tokens = live(spot)
    for token in tokens:
        reports(backend, follower, token, 0.1)
    later()
    late = new_job(name="late", limits=ONE, resources=wants)
    assert list(backend.stopped) == [tokens[1]], "one of them is enough, and the youngest gives way"
    assert "GPUs in use: cheap 2. It is next in line; a trial may start in about 2 min." in told(late)
    reason = Decision.objects.get(job=spot, kind="preempt").reason
    assert ("where 0.8 of 2 are free, but not enough on 1 GPU, and is no spot job" in reason) is (
        "gpu_memory_mb" in wants
    )
    obeys(backend, follower, tokens[1])
    assert (on(late), on(spot)) == ([["1"]], [["0"]])
    later()
    dispatch.advance(spot.pk)
    assert (on(late), on(spot)) == ([["1"]], [["0"]]), "it does not take the place back"
    assert list(backend.stopped) == [tokens[1]]


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_only_the_gpu_that_comes_free_first_is_kept(new_job: NewJob, team: Team) -> None:
    holds = new_job(name="holds", limits=TWO, resources=part(600))
    waits = bobs(team, name="waits", limits=ONE, resources=part(700))
    fits = new_job(name="fits", limits=TWO, resources=part(300))
    assert on(holds) == [["0"], ["1"]] and on(waits) == []
    assert on(fits) == [["1"]], "one GPU is kept for the job before it, the other is not"
    assert told(waits) == (
        "1 more trial could run, but each waits for 0.734 GB on 1 GPU: 0 of 2 have as much left. "
        "GPUs in use: holds 2, fits 1. It is next in line; when a trial may start is not known yet."
    )
    assert "1 of 2 have as much left. GPUs in use: holds 2, fits 1. What is free is kept for jobs whose turn" in told(
        fits
    )


def test_who_names_no_pool_learns_of_another_that_has_room(
    new_job: NewJob, settings: Settings, backend: ScriptedBackend, follower: Follower
) -> None:
    settings.HPT_GPUS = "0:1000MiB,1:1000MiB,2:2000MiB"
    first = new_job(name="first", limits=TWO, resources={"gpus": 1})
    waits = new_job(name="waits", limits=ONE, resources={"gpus": 1})
    assert (on(first), on(waits)) == ([["0"], ["1"]], []), "all in the largest pool"
    hint = "Pool gpu-2gb has room for a trial: a job that names it (resources.pool) does not wait for this one."
    assert hint in told(waits)
    named = new_job(name="named", limits={**ONE, "max_trials": 2}, resources={"gpus": 1, "pool": "gpu-2gb"})
    assert hint not in told(waits) and "It is next in line" in waits.reason
    finishes(backend, follower, live(named)[0])
    assert on(named) == [["2"]], "its last one, which is expected to end some time"
    assert hint not in told(waits)
    finishes(backend, follower, live(named)[0])
    assert hint in told(waits)


def test_a_gpu_that_jobs_of_others_share_counts_once(new_job: NewJob, team: Team, settings: Settings) -> None:
    settings.HPT_GPUS = "0:1000MiB"
    guests = [new_job(name=name, limits=TWO, resources=part(300)) for name in "ab"]
    assert [len(on(guest)) for guest in guests] == [2, 1]
    create_project(actor=team.charlie, slug="guests")
    project = team.charlie.memberships.get().project
    TuningJob.objects.filter(pk__in=[guest.pk for guest in guests]).update(project=project, created_by=team.charlie)
    late = new_job(name="late", limits=ONE, resources=part(900))
    assert "0 of 1 have as much left. GPUs in use: other projects 1. It is" in told(late)
