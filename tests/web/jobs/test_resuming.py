"""A checkpoint that lags behind what was reported: what is reported once more counts once (F30)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hpt_web.jobs.doors.reruns import retry_trial
from hpt_web.jobs.models import MetricPoint, TuningJob
from hpt_web.jobs.queries import curves_of
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.running.resuming import written_at
from hpt_web.jobs.search.history import kept_trials
from tests.web.jobs.lab import Team, live, trial
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_advance_and_follow import feed_is_gap_free
from tests.web.jobs.test_changes import finishes, reports, writes_a_checkpoint

NewJob = Callable[..., TuningJob]
ALONE = {"max_trials": 1, "max_parallel": 1, "max_attempts": 5}


def is_killed(backend: ScriptedBackend, follower: Follower, token: str, *, saved: int | None) -> None:
    """Its warden and all; `saved`: after so many lines it wrote its newest checkpoint (None: nobody knows)."""
    play = backend.plays[token]
    play.saved_at = None if saved is None else len(b"".join(play.log.splitlines(keepends=True)[:saved]))
    backend.vanishes(token)
    follower.claim()


def names(backend: ScriptedBackend, follower: Follower, token: str, **steps: float) -> None:
    """Reports with the steps that stand behind the underscores."""
    follower.claim()
    lines = (f'{{"hpt": {{"score": {value}, "step": {name.strip("_")}}}}}\n' for name, value in steps.items())
    backend.prints(token, "".join(lines))
    follower.look([token])


def curve(job: TuningJob) -> tuple[list[int], list[float]]:
    found = curves_of(job, "score")[1]
    assert kept_trials(job, curves=True)[0].curve == tuple(zip(found["steps"], found["values"], strict=True))
    return found["steps"], found["values"]


def superseded(job: TuningJob) -> list[tuple[int, int, float]]:
    rows = MetricPoint.objects.filter(attempt__trial__job=job, superseded=True).order_by("attempt__number", "step")
    return list(rows.values_list("attempt__number", "step", "value"))


def test_what_was_printed_after_the_checkpoint_counts_once(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits=ALONE)
    (first,) = live(job)
    reports(backend, follower, first, 0.1, 0.2, 0.9, 0.4)
    writes_a_checkpoint(backend, first)
    is_killed(backend, follower, first, saved=2)
    (second,) = live(job)
    assert curve(job) == ([1, 2], [0.1, 0.2]), "the curve ends where the checkpoint stands"
    assert (trial(job).objective, trial(job).best_objective) == (0.2, 0.2)
    reports(backend, follower, second, 0.8)
    is_killed(backend, follower, second, saved=0)  # its checkpoint is still that of the first
    (third,) = live(job)
    assert curve(job) == ([1, 2], [0.1, 0.2])
    reports(backend, follower, third, 0.7, 0.6)
    finishes(backend, follower, third, 0.5)
    assert curve(job) == ([1, 2, 3, 4, 5], [0.1, 0.2, 0.7, 0.6, 0.5])
    assert (trial(job).state, trial(job).objective, trial(job).best_objective) == ("Completed", 0.5, 0.7)
    assert superseded(job) == [(1, 3, 0.9), (1, 4, 0.4), (2, 3, 0.8)], "kept, and no part of the curve"
    feed_is_gap_free(job)


def killed_behind_its_checkpoint(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> TuningJob:
    """A job whose only trial was killed with three values told, and two of them in its checkpoint."""
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    (token,) = live(job)
    reports(backend, follower, token, 0.1, 0.2, 0.9)
    writes_a_checkpoint(backend, token)
    backend.plays[token].saved_at = len(b"score=0.1\nscore=0.2\n")
    backend.ends(token, None, signal=9)
    follower.claim()
    return job


def test_a_person_who_retries_a_killed_script_goes_on_where_its_checkpoint_stands(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, team: Team
) -> None:
    job = killed_behind_its_checkpoint(new_job, backend, follower)
    assert (trial(job).state, curve(job)) == ("Failed", ([1, 2, 3], [0.1, 0.2, 0.9])), "until it goes on, all counts"
    retry_trial(actor=team.bob, project="lab", name="first", number=1, document={"from": "checkpoint"})
    (second,) = live(job)
    assert trial(job).best_objective == 0.2
    finishes(backend, follower, second, 0.3)
    assert curve(job) == ([1, 2, 3], [0.1, 0.2, 0.3]) and superseded(job) == [(1, 3, 0.9)]


def test_a_line_that_was_half_printed_belongs_to_the_checkpoint(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits=ALONE)
    (first,) = live(job)
    reports(backend, follower, first, 0.1, 0.2, 0.3)
    writes_a_checkpoint(backend, first)
    is_killed(backend, follower, first, saved=1)
    assert curve(job) == ([1], [0.1])
    (second,) = live(job)
    reports(backend, follower, second, 0.2, 0.3)
    play = backend.plays[second]
    play.saved_at = len(b"score=0.2\nsco")
    backend.vanishes(second)
    follower.claim()
    assert curve(job) == ([1, 2, 3], [0.1, 0.2, 0.3])


def test_without_knowledge_of_the_checkpoint_everything_stays(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits=ALONE)
    (first,) = live(job)
    reports(backend, follower, first, 0.1, 0.2)
    writes_a_checkpoint(backend, first)
    is_killed(backend, follower, first, saved=None)
    assert curve(job) == ([1, 2], [0.1, 0.2]) and superseded(job) == []


def test_a_checkpoint_is_as_old_as_its_newest_file_that_is_whole(tmp_path: Path) -> None:
    assert written_at(tmp_path) is None and written_at(tmp_path / "none") is None
    ages = {"old/model": 10, "new/model": 30, "new/model.tmp": 50, ".hidden": 60, "tmp-new/model": 70, "model~": 80}
    for name, age in ages.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.utime(path, (age, age))
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    os.utime(tmp_path / "link", (20, 20), follow_symlinks=False)
    assert written_at(tmp_path) == 30


def test_steps_decide_where_they_are_named(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> None:
    job = new_job(limits=ALONE)
    (first,) = live(job)
    names(backend, follower, first, _1=0.1, _2=0.2, _3=0.9, _4=0.4)
    writes_a_checkpoint(backend, first)
    is_killed(backend, follower, first, saved=None)  # nobody knows, but the attempt
    (second,) = live(job)
    names(backend, follower, second, _3=0.35)
    assert curve(job) == ([1, 2, 3], [0.1, 0.2, 0.35])
    assert (trial(job).objective, trial(job).best_objective) == (0.35, 0.35)
    other = Follower("another", backend, nudge=lambda _: None)
    other.claim(everybodys=True)  # knows from the rows that the metric was heard
    names(backend, other, second, _4=0.45, _2=0.55)
    assert curve(job) == ([1, 2, 3, 4, 5], [0.1, 0.2, 0.35, 0.45, 0.55]), "within an attempt the curve only grows"
    assert superseded(job) == [(1, 3, 0.9), (1, 4, 0.4)]
    feed_is_gap_free(job)


def test_steps_bring_back_what_the_checkpoint_held_after_all(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    """It was saved before its line was printed, and long before."""
    job = new_job(limits=ALONE)
    (first,) = live(job)
    names(backend, follower, first, _1=0.1, _2=0.2, _3=0.3, _4=0.4)
    writes_a_checkpoint(backend, first)
    is_killed(backend, follower, first, saved=2)
    (second,) = live(job)
    assert curve(job) == ([1, 2], [0.1, 0.2])
    names(backend, follower, second, _4=0.45)
    assert curve(job) == ([1, 2, 3, 4], [0.1, 0.2, 0.3, 0.45])
    is_killed(backend, follower, second, saved=0)
    (third,) = live(job)
    names(backend, follower, third, _3=0.34, _4=0.44)
    backend.ends(third)
    follower.claim()
    assert curve(job) == ([1, 2, 3, 4], [0.1, 0.2, 0.34, 0.44])
    assert superseded(job) == [(1, 3, 0.3), (1, 4, 0.4), (2, 4, 0.45)]


def test_a_lost_reader_stores_no_step_back(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> None:
    job = new_job(limits=ALONE)
    (first,) = live(job)
    names(backend, follower, first, _1=0.1, _2=0.2)
    writes_a_checkpoint(backend, first)
    is_killed(backend, follower, first, saved=None)
    (second,) = live(job)
    follower.claim()
    backend.prints(second, '{"hpt": {"score": 0.22, "step": 2}}\n')
    other = Follower("another", backend, nudge=lambda _: None)
    other.claim(everybodys=True)
    follower.look([second])
    assert curve(job) == ([1, 2], [0.1, 0.22])
    assert superseded(job) == [(1, 2, 0.2)]


def test_a_trial_that_continues_another_begins_with_what_its_checkpoint_holds(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = killed_behind_its_checkpoint(new_job, backend, follower)
    resumes: dict[str, Any] = {"resume_child_runs": ["first/1"], "limits": {"max_trials": 1, "max_parallel": 1}}
    child = new_job(name="child", **resumes)
    (going,) = live(child)
    assert curve(child) == ([1, 2], [0.1, 0.2]) and trial(child).best_objective == 0.2
    names(backend, follower, going, _2=0.25, _3=0.3)
    assert curve(child) == ([1, 2, 3], [0.1, 0.25, 0.3]), "it stands where it says"
    finishes(backend, follower, going, 0.4)
    assert trial(child).objective == 0.4 and curve(job) == ([1, 2, 3], [0.1, 0.2, 0.9])
