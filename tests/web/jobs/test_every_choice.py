"""Whatever the form offers works: every strategy runs a job to its end, and every policy stops a hopeless trial."""

from collections.abc import Callable

import pytest

from hpt_web.jobs import tasks
from hpt_web.jobs.models import Decision, TuningJob
from hpt_web.jobs.running.follow import Follower
from tests.web.jobs.lab import live, state, trial
from tests.web.jobs.scripted import ScriptedBackend
from tuning import earlystop, strategies

NewJob = Callable[..., TuningJob]


@pytest.mark.parametrize("strategy", [info.name for info in strategies.catalogue()])
def test_every_strategy_runs_a_job(
    strategy: str, new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    options = {"bayesian": {"n_initial_points": 3}, "tpe": {"n_initial_points": 3}, "hyperband": {"max_resource": 9}}
    job = new_job(
        strategy={"name": strategy, "options": options.get(strategy, {})}, limits={"max_trials": 5, "max_parallel": 1}
    )
    for number in range(1, 6):
        (token,) = live(job)
        backend.prints(token, f"score=0.{number}\n")
        backend.ends(token)
        follower.claim()
    assert state(job) == "Completed"
    tried = [row.hyperparameters["x"] for row in job.trials.all()]
    assert len(set(tried)) == 5 and all(0 <= x <= 1 for x in tried)
    told = Decision.objects.filter(job=job, kind="suggest")
    assert told.count() == 5 and all(decision.reason and decision.numbers for decision in told)


@pytest.mark.parametrize("policy", [info.name for info in earlystop.catalogue()])
def test_every_policy_stops_a_hopeless_trial(
    policy: str, new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    """F66 to F68, F53."""
    options = {"truncation_percentage": 50} if policy == "truncation" else {}
    job = new_job(early_stopping={"name": policy, "options": options}, limits={"max_trials": 3, "max_parallel": 1})
    for _ in range(2):
        (token,) = live(job)
        backend.prints(token, "score=0.9\n" * 3)
        backend.ends(token)
        follower.claim()
    (token,) = live(job)
    follower.claim()
    backend.prints(token, "score=0.1\n")
    follower.look([token])
    assert token in backend.stopped
    decision = Decision.objects.get(job=job, kind="early_stop")
    assert decision.reason.startswith("Stopped at") and decision.numbers
    assert trial(job, 3).state == "Stopping"


def test_points_come_first_each_is_repeated_and_constraints_hold(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    """Whatever the document says of the search is what runs."""
    space = [{"name": "x", "type": "float", "min": 0, "max": 1}, {"name": "n", "type": "integer", "min": 1, "max": 9}]
    job = new_job(
        space=space,
        constraints=["n * x < 1"],
        initial_points=[{"x": 0.5, "n": 1}],
        repeats=2,
        limits={"max_trials": 8, "max_parallel": 1},
    )
    seeds = []
    for number in range(1, 9):
        (token,) = live(job)
        seeds.append(int(backend.plays[token].spec.environment["HPT_SEED"]))
        backend.prints(token, f"score=0.{number}\n")
        backend.ends(token)
        follower.claim()
    assert state(job) == "Completed"
    assert seeds == [job.seed, job.seed + 1] * 4  # a run with the same seed would tell nothing new
    tried = [trial(job, number).hyperparameters for number in range(1, 9)]
    assert tried[0] == tried[1] == {"x": 0.5, "n": 1}
    assert tried[2] == tried[3] != tried[4] == tried[5] != tried[6] == tried[7]
    assert all(point["n"] * point["x"] < 1 for point in tried)
    told = [decision.reason for decision in Decision.objects.filter(job=job, kind="suggest").order_by("id")]
    assert told[0] == "Initial point 1 of 1, as the job asks."
    assert told[1] == "Run 2 of 2 of the point of trial 1."


def test_a_child_has_constraints_of_its_own(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> None:
    """F7: a narrower space; the parents' trials outside it are left out, with the reason."""
    parent = new_job(name="parent", initial_points=[{"x": 0.25}, {"x": 0.75}])
    for _ in range(2):
        (token,) = live(parent)
        backend.prints(token, "score=0.5\n")
        backend.ends(token)
        follower.claim()
    child = new_job(
        name="child",
        constraints=["x < 0.5"],
        warm_start={"type": "IDENTICAL_DATA_AND_ALGORITHM", "parents": ["parent"]},
    )
    told = list(child.decisions.filter(kind="warm_start").order_by("id").values_list("reason", flat=True))
    assert told[0] == "Starts from parent: 1 trials taken over, 1 left out."
    assert "it breaks the constraint x < 0.5" in told[1]
    assert trial(child, 1).hyperparameters["x"] < 0.5


@pytest.mark.django_db(transaction=True)
def test_a_child_says_which_parent_is_being_loaded(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F3: with large parents that takes seconds, and the job's own first step comes after it."""
    for name in ("one", "two"):
        parent = new_job(name=name, limits={"max_trials": 1, "max_parallel": 1})
        (token,) = live(parent)
        backend.prints(token, "score=0.5\n")
        backend.ends(token)
        follower.claim()
    asked = []
    monkeypatch.setattr(tasks, "nudge", lambda job, *, parents=False: asked.append((job, parents)))
    child = new_job(name="child", warm_start={"type": "TRANSFER_LEARNING", "parents": ["one", "two"]})
    assert asked == [(child.pk, True)]
    tasks.begin(child.pk)
    reasons = [event.data["reason"] for event in child.events.filter(kind="job").order_by("seq")]
    assert reasons[1:3] == ["Loading parents (1 of 2): 1 trials of one.", "Loading parents (2 of 2): 1 trials of two."]
    assert (state(child), child.reason) == ("Running", "")
