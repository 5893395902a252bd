"""GPUs go to trials by their ids, all or none, and a share of a device's memory is not given twice."""

from collections.abc import Callable

import pytest
from pytest_django.fixtures import Settings

from hpt_web.accounts import sharing
from hpt_web.accounts.actions import create_user
from hpt_web.accounts.errors import Invalid
from hpt_web.jobs.models import Attempt, TuningJob
from hpt_web.jobs.running import dispatch, launching
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.sharing.queueing import queue_for
from tests.web.jobs.lab import PASSWORD, Team, live
from tests.web.jobs.scripted import ScriptedBackend

NewJob = Callable[..., TuningJob]


@pytest.fixture(autouse=True)
def gpus(settings: Settings) -> None:
    settings.HPT_GPUS = "0:80GB,1:80GB,2:80GB,3:80GB"
    settings.HPT_TRIAL_SLOTS = 20


def held(job: TuningJob) -> list[list[str]]:
    """The devices of the job's live attempts, by trial."""
    attempts = Attempt.objects.filter(trial__job=job, ended_at__isnull=True)
    return list(attempts.order_by("trial__number").values_list("devices", flat=True))


def many(trials: int = 10) -> dict[str, int]:
    return {"max_trials": trials, "max_parallel": trials}


def test_each_trial_has_its_own_devices_all_or_none(new_job: NewJob, follower: Follower) -> None:
    pairs = new_job(limits=many(1), resources={"gpus": 3})
    singles = new_job(name="second", limits=many(), resources={"gpus": 1})
    assert (held(pairs), held(singles)) == ([["0", "1", "2"]], [["3"]])
    waits = new_job(name="third", limits=many(1), resources={"gpus": 2})
    assert held(waits) == [], "never only some of them"
    waits.refresh_from_db()
    assert waits.reason


def test_what_ends_gives_its_devices_back(new_job: NewJob, follower: Follower, backend: ScriptedBackend) -> None:
    job = new_job(limits={"max_trials": 6, "max_parallel": 4}, resources={"gpus": 1})
    follower.claim()
    tokens = live(job)
    assert held(job) == [["0"], ["1"], ["2"], ["3"]]
    backend.prints(tokens[2], "score=1\n")
    backend.ends(tokens[2])
    follower.look(tokens)
    assert held(job) == [["0"], ["1"], ["3"], ["2"]]


def test_shares_are_packed_and_none_is_given_twice(new_job: NewJob) -> None:
    whole = new_job(limits=many(2), resources={"gpus": 1})
    shared = new_job(name="second", limits=many(), resources={"gpus": 1, "gpu_memory_mb": 30_000})
    assert held(whole) == [["0"], ["1"]]
    # 30,000 MiB are 31.5 GB: two fit into 80 GB.
    assert sorted(held(shared)) == [["2"], ["2"], ["3"], ["3"]]
    shared.refresh_from_db()
    assert "waits for 31.5 GB on 1 GPU: 0 of 4 have as much left" in shared.reason
    blocked = new_job(name="third", limits=many(1), resources={"gpus": 1})
    assert held(blocked) == [], "a device that is shared is nobody's own"


def test_whoever_is_kept_out_by_parts_of_devices_is_the_next_in_line(new_job: NewJob, team: Team) -> None:
    new_job(limits=many(1), resources={"gpus": 4, "gpu_memory_mb": 9000})  # a part of each
    whole = new_job(name="whole", limits=many(1), resources={"gpus": 1})
    whole.refresh_from_db()
    assert whole.reason == (
        "1 more trial could run, but each waits for 1 free GPU: 0 of 4 are free. GPUs in use: first 4. "
        "It is next in line; when a trial may start is not known yet."
    )
    new_job(name="late", limits=many(1), resources={"gpus": 1})
    places = {job.name: (job.place, job.missing) for job in queue_for(team.alice).jobs if job.missing}
    assert places == {"whole": (1, 1), "late": (2, 1)}


def test_a_trial_sees_its_devices_and_no_others(new_job: NewJob) -> None:
    job = new_job(limits=many(1), resources={"gpus": 2, "gpu_memory_mb": 1000})
    plain = new_job(name="second", limits=many(1))
    given, none = (Attempt.objects.get(trial__job=of) for of in (job, plain))
    spec = launching.launch_spec(given)
    assert spec.gpus == ("0", "1")
    assert spec.environment["HPT_GPU_MEMORY_MB"] == "1000"
    assert launching.launch_spec(none).gpus == ()


def test_trials_of_a_pool_that_was_made_have_its_devices_by_id(new_job: NewJob, team: Team) -> None:
    """A process sees these in CUDA_VISIBLE_DEVICES, a container is given them: never all of the host, nor none."""
    root = create_user(actor=None, username="root", password=PASSWORD, is_superuser=True)
    sharing.declare_pool(actor=root, name="apart", devices=3)
    job = new_job(limits=many(), resources={"gpus": 1, "pool": "apart"})
    other = new_job(name="other", limits=many(), resources={"gpus": 1, "pool": "gpu-80gb"})
    assert (held(job), held(other)) == ([["0"], ["1"], ["2"]], [["3"]])
    for attempt in Attempt.objects.all():
        assert launching.launch_spec(attempt).gpus == tuple(attempt.devices)
    sharing.change_pool(actor=root, name="apart", devices=1)
    plain = new_job(name="plain", limits=many(1))
    gone = Attempt.objects.get(trial__job=plain)
    gone.pool = "gone"  # of a pool that nobody knows any more
    assert launching.launch_spec(gone).gpus == (), "nothing that it was not given"


@pytest.mark.parametrize(
    ("resources", "field", "says"),
    [
        ({"gpus": 5}, "resources.gpus", "the largest pool of GPUs has 4"),
        ({"gpus": 1, "gpu_memory_mb": 90_000}, "resources.gpu_memory_mb", "0 of this host's 4 have as much"),
        ({"gpus": 0, "gpu_memory_mb": 100}, "resources.gpu_memory_mb", "of each of 0 GPUs"),
        ({"gpus": 5, "gpu_memory_mb": 100}, "resources.gpus", "the largest pool of GPUs has 4"),
    ],
)
def test_what_can_never_be_had_is_refused_with_the_numbers(
    new_job: NewJob, resources: dict[str, int], field: str, says: str
) -> None:
    with pytest.raises(Invalid) as refused:
        new_job(resources=resources)
    assert [fault.field for fault in refused.value.faults] == [field]
    assert says in refused.value.faults[0].message


def test_jobs_that_wait_for_devices_do_not_wake_each_other_for_ever(new_job: NewJob) -> None:
    new_job(limits=many(4), resources={"gpus": 1})
    waiting = [new_job(name=f"w{i}", limits=many(2), resources={"gpus": 1, "gpu_memory_mb": 1000}) for i in range(2)]
    assert [dispatch.advance(job.pk) for job in waiting] == [[], []]
