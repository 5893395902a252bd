"""A new job's first trials go on where trials of another one stood: resume_child_runs (F29)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hpt_web.accounts.errors import Invalid
from hpt_web.jobs.models import Decision, TuningJob
from hpt_web.jobs.queries import points_of
from hpt_web.jobs.running.follow import Follower
from tests.web.jobs.lab import live, trial
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_changes import finishes, reports, writes_a_checkpoint

NewJob = Callable[..., TuningJob]


def test_a_new_job_continues_trials_of_another_one(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    (token,) = live(job)
    reports(backend, follower, token, 0.1, 0.2)
    writes_a_checkpoint(backend, token)
    finishes(backend, follower, token, 0.3)
    child = new_job(name="child", resume_child_runs=["FIRST/1"], static={"n": 4}, seed=8)
    first = trial(child)
    assert first.hyperparameters == trial(job).hyperparameters and first.objective == 0.3
    (going,) = live(child)
    play = backend.plays[going].spec
    assert "--resume-from" in play.command and (play.checkpoints / "model").read_text() == "weights"
    assert play.environment["HPT_SEED"] == "7", "the seed of the trial that it continues"
    finishes(backend, follower, going, 0.4)
    assert list(points_of(first).values_list("step", "value")) == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4)]
    assert trial(child).objective == 0.4 and trial(job).objective == 0.3
    decision = Decision.objects.filter(trial=first).earliest("id")
    assert decision.reason == "Continues trial 1 of first from its checkpoint, as the job asks."
    assert live(child) and trial(child, 2).origin is None, "the search goes on after it"


@pytest.mark.parametrize(
    ("changes_", "field", "says"),
    [
        ({"resume_child_runs": ["first/9"]}, "resume_child_runs[0]", "no tuning job"),
        ({"resume_child_runs": ["first/1"]}, "resume_child_runs[0]", "which is Starting"),
        ({"resume_child_runs": ["first"]}, "resume_child_runs[0]", "'my-job/3'"),
        ({"resume_child_runs": "first/1"}, "resume_child_runs", "list"),
        ({"resume_child_runs": ["first/1", "First/1"]}, "resume_child_runs[1]", "again"),
    ],
)
def test_what_cannot_be_continued(new_job: NewJob, changes_: dict[str, Any], field: str, says: str) -> None:
    new_job()
    with pytest.raises(Invalid) as refused:
        new_job(name="child", **changes_)
    (fault,) = [fault for fault in refused.value.faults if fault.field == field]
    assert says in fault.message


def test_a_trial_without_a_checkpoint_or_of_another_space_is_not_continued(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    (token,) = live(job)
    finishes(backend, follower, token)
    with pytest.raises(Invalid, match="left no checkpoint"):
        new_job(name="child", resume_child_runs=["first/1"])
    writes_a_checkpoint(backend, token)
    with pytest.raises(Invalid, match="no point of the search space"):
        new_job(
            name="child",
            resume_child_runs=["first/1"],
            space=[{"name": "x", "type": "float", "min": 0.99999, "max": 1}],
        )
