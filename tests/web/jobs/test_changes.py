"""Jobs that are paused, resumed, extended and changed while they run (F29, F30; demands 7 and 13)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hpt_web.accounts.errors import Conflict, Forbidden, Invalid, NotVisible
from hpt_web.accounts.models import AuditEvent
from hpt_web.catalog.actions import add_algorithm_version, create_algorithm
from hpt_web.jobs.doors import actions, changes, external
from hpt_web.jobs.lifecycle import seconds_run
from hpt_web.jobs.models import Attempt, Decision, MetricPoint, Trial, TuningJob
from hpt_web.jobs.queries import points_of
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.running.sweep import sweep
from tests.web.jobs.lab import Team, live, state, trial
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_advance_and_follow import feed_is_gap_free
from tests.web.jobs.test_scheduling import PausesAll, scheduler  # noqa: F401  a fixture

NewJob = Callable[..., TuningJob]


def reports(backend: ScriptedBackend, follower: Follower, token: str, *values: float) -> None:
    follower.claim()
    backend.prints(token, "".join(f"score={value}\n" for value in values))
    follower.look([token])


def writes_a_checkpoint(backend: ScriptedBackend, token: str) -> None:
    folder = backend.plays[token].spec.checkpoints
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model").write_text("weights")


def obeys(backend: ScriptedBackend, follower: Follower, token: str, *, checkpoint: bool = True) -> None:
    """The trial hears the signal, writes its checkpoint, and ends."""
    assert token in backend.stopped
    if checkpoint:
        writes_a_checkpoint(backend, token)
    backend.ends(token, 0, ended_by="stop")
    follower.claim()


def finishes(backend: ScriptedBackend, follower: Follower, token: str, value: float = 0.5) -> None:
    backend.prints(token, f"score={value}\n")
    backend.ends(token)
    follower.claim()


def fails(backend: ScriptedBackend, follower: Follower, token: str, line: str = "boom", exit_code: int = 1) -> None:
    backend.prints(token, f"{line}\n")
    backend.ends(token, exit_code)
    follower.claim()


@pytest.fixture
def change(team: Team) -> Callable[..., TuningJob]:
    """What bob, an editor, does to the job `first`."""

    def act(verb: Callable[..., TuningJob], document: Any = None) -> TuningJob:
        more = {} if document is None else {"document": document}
        return verb(actor=team.bob, project="lab", name="first", **more)

    return act


Change = Callable[..., TuningJob]


# --- pause ------------------------------------------------------------------------------------------------------------


def test_a_draining_job_lets_its_trials_end_and_starts_nothing(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, change: Change
) -> None:
    job = new_job(limits={"max_trials": 3, "max_parallel": 1})
    (first,) = live(job)
    change(changes.pause_job, {})
    assert state(job) == "Paused" and job.reason == "Paused by bob." and live(job) == [first]
    assert not backend.stopped
    finishes(backend, follower, first)
    assert trial(job).state == "Completed" and live(job) == [], "a paused job holds no place"
    sweep(backend, follower.nudge)
    assert state(job) == "Paused" and live(job) == []
    change(changes.unpause_job)
    assert state(job) == "Running" and len(live(job)) == 1
    kinds = Decision.objects.filter(job=job, trial=None).values_list("kind", "reason")
    assert list(kinds) == [
        ("pause", "Paused by bob: 1 trial that runs goes to its end."),
        ("resume", "Goes on, by bob."),
    ]
    audited = AuditEvent.objects.filter(target="first").exclude(action="job.create").values_list("action", flat=True)
    assert sorted(audited) == ["job.pause", "job.unpause"]
    assert feed_is_gap_free(job)


def test_pausing_now_stops_trials_which_go_on_from_their_checkpoints(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, change: Change, settings: Any
) -> None:
    job = new_job(limits={"max_trials": 2, "max_parallel": 2})
    first, second = live(job)
    reports(backend, follower, first, 0.1, 0.2)
    change(changes.pause_job, {"mode": "now"})
    assert backend.stopped == dict.fromkeys([first, second], settings.HPT_PREEMPT_GRACE_SECONDS)
    sweep(backend, follower.nudge)
    assert backend.stopped[first] == settings.HPT_PREEMPT_GRACE_SECONDS, "the sweep does not cut the time short"
    obeys(backend, follower, first)
    obeys(backend, follower, second, checkpoint=False)
    assert [t.state for t in job.trials.order_by("number")] == ["Queued", "Queued"]
    assert trial(job).reason == "Paused by bob. It goes on with the job."
    assert {a.outcome for a in Attempt.objects.filter(trial__job=job)} == {"paused"}
    assert state(job) == "Paused" and live(job) == []
    change(changes.unpause_job)
    again, anew = live(job)
    assert "--resume-from" in backend.plays[again].spec.command
    assert "--resume-from" not in backend.plays[anew].spec.command
    finishes(backend, follower, again, 0.3)
    finishes(backend, follower, anew, 0.4)
    assert state(job) == "Completed"
    assert list(points_of(trial(job)).values_list("step", "value")) == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert job.trials.count() == 2 and MetricPoint.objects.filter(attempt__trial__job=job).count() == 4


def test_a_job_that_drains_may_be_paused_now_and_twice_is_once(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, change: Change
) -> None:
    job = new_job()
    (token,) = live(job)
    for mode in ("drain", "drain", "now", "now"):
        change(changes.pause_job, {"mode": mode})
    assert token in backend.stopped
    assert Decision.objects.filter(job=job, kind="pause").count() == 2


def test_a_person_who_stops_a_held_trial_or_job_has_the_last_word(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower, change: Change
) -> None:
    job = new_job(limits={"max_trials": 2, "max_parallel": 2})
    first, second = live(job)
    change(changes.pause_job, {"mode": "now"})
    actions.stop_trial(actor=team.alice, project="lab", name="first", number=1)
    obeys(backend, follower, first)
    assert trial(job).state == "Stopped"
    obeys(backend, follower, second)
    actions.stop_job(actor=team.alice, project="lab", name="first")
    assert state(job) == "Stopped" and trial(job, 2).state == "Stopped"


def test_the_time_of_a_pause_does_not_count(new_job: NewJob, change: Change, follower: Follower) -> None:
    job = new_job(limits={"max_trials": 2, "max_parallel": 1, "max_seconds": 1000})
    TuningJob.objects.update(started_at="2026-01-01T00:00:00Z")
    job.refresh_from_db()
    assert seconds_run(job) > 1000
    TuningJob.objects.update(paused_at="2026-01-01T00:10:00Z", state="Paused")
    job.refresh_from_db()
    assert seconds_run(job) == pytest.approx(600, abs=1)
    change(changes.unpause_job)
    job.refresh_from_db()
    assert seconds_run(job) == pytest.approx(600, abs=5) and job.state == "Running"


def test_a_paused_job_that_has_run_all_it_may_is_over(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, change: Change
) -> None:
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    change(changes.pause_job, {})
    finishes(backend, follower, *live(job))
    assert (state(job), job.reason) == ("Completed", "The job's only trial has ended.")


def test_what_cannot_be_paused_or_unpaused_is_refused_and_says_why(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, change: Change
) -> None:
    new_job(limits={"max_trials": 1, "max_parallel": 1})
    with pytest.raises(Conflict, match="is Running, not paused"):
        change(changes.unpause_job)
    with pytest.raises(Invalid, match="drain, now"):
        change(changes.pause_job, {"mode": "later"})
    with pytest.raises(Invalid, match="not known"):
        change(changes.pause_job, {"modus": "now"})
    finishes(backend, follower, *live(TuningJob.objects.get()))
    with pytest.raises(Conflict, match="nothing to pause"):
        change(changes.pause_job, {})
    with pytest.raises(Conflict, match="is Completed, not stopped"):
        change(changes.resume_job, {})


# --- resume -----------------------------------------------------------------------------------------------------------


def test_a_stopped_job_resumes_its_trials_from_their_checkpoints_and_goes_on(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower, change: Change
) -> None:
    job = new_job(limits={"max_trials": 3, "max_parallel": 2})
    first, second = live(job)
    reports(backend, follower, first, 0.1, 0.2)
    actions.stop_trial(actor=team.alice, project="lab", name="first", number=2)
    obeys(backend, follower, second)
    (third,) = set(live(job)) - {first}
    actions.stop_job(actor=team.alice, project="lab", name="first")
    obeys(backend, follower, first)
    obeys(backend, follower, third, checkpoint=False)
    assert state(job) == "Stopped"
    change(changes.resume_job, {})
    assert (state(job), job.stop_requested_at, job.ended_at) == ("Running", None, None)
    assert trial(job, 2).state == "Stopped", "alice had stopped it for itself"
    again, anew = live(job)
    assert "--resume-from" in backend.plays[again].spec.command
    assert backend.plays[again].spec.hyperparameters == backend.plays[first].spec.hyperparameters
    finishes(backend, follower, again, 0.3)
    finishes(backend, follower, anew, 0.4)
    assert (state(job), job.trials.count()) == ("Completed", 3)
    assert list(points_of(trial(job)).values_list("step", flat=True)) == [1, 2, 3]
    assert feed_is_gap_free(job)


def test_a_job_that_failed_resumes_with_its_failed_trials_unless_it_would_fail_again(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, change: Change
) -> None:
    job = new_job(limits={"max_trials": 3, "max_parallel": 1, "max_failures": 0})
    fails(backend, follower, *live(job))
    assert state(job) == "Failed"
    with pytest.raises(Conflict, match="over again at once: 1 trials failed"):
        change(changes.resume_job, {"failed": False})
    assert state(job) == "Failed" and trial(job).state == "Failed", "nothing half-done stays"
    change(changes.resume_job, {})
    for _ in range(3):
        finishes(backend, follower, *live(job))
    assert state(job) == "Completed" and job.trials.count() == 3


# --- extend and change ------------------------------------------------------------------------------------------------


def test_a_finished_job_goes_on_with_more_trials(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, change: Change
) -> None:
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    finishes(backend, follower, *live(job))
    assert state(job) == "Completed"
    change(changes.change_job, {"limits": {"max_trials": 2}})
    assert state(job) == "Running" and job.max_trials == 2 and job.spec["limits"]["max_trials"] == 2
    finishes(backend, follower, *live(job), 0.7)
    assert (state(job), job.reason) == ("Completed", "All 2 trials have ended.")
    decision = Decision.objects.get(job=job, kind="change")
    assert decision.reason == "Changed by bob: limits.max_trials = 2 (was 1)."
    assert AuditEvent.objects.get(action="job.change").data == {"changes": {"limits.max_trials": [1, 2]}}
    assert feed_is_gap_free(job)


def test_how_many_run_at_once_changes_while_they_run(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, change: Change
) -> None:
    job = new_job(limits={"max_trials": 4, "max_parallel": 1})
    change(changes.change_job, {"limits": {"max_parallel": 3}})
    assert len(live(job)) == 3
    change(changes.change_job, {"limits": {"max_parallel": 1}})
    first, second, third = live(job)
    assert not backend.stopped, "lowering stops nothing"
    finishes(backend, follower, first)
    finishes(backend, follower, second)
    assert live(job) == [third]
    finishes(backend, follower, third)
    assert len(live(job)) == 1


def test_a_rule_that_is_met_already_ends_the_job_and_one_taken_back_lets_it_go_on(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, change: Change
) -> None:
    job = new_job(limits={"max_trials": 3, "max_parallel": 1})
    finishes(backend, follower, *live(job), 0.9)
    change(changes.change_job, {"completion": {"target": 0.8}})
    (token,) = live(job)
    obeys(backend, follower, token)
    assert state(job) == "Completed" and "0.8" in job.reason
    with pytest.raises(Conflict, match="over again at once"):
        change(changes.change_job, {"limits": {"max_parallel": 2}})
    change(changes.change_job, {"completion": {"target": None}})
    assert state(job) == "Running" and len(live(job)) == 1


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ({"limits": {"max_trials": 0, "max_parallel": "two"}}, {"limits.max_trials", "limits.max_parallel"}),
        ({"limits": {"max_trails": 3}, "name": "x"}, {"limits.max_trails", "name"}),
        ({"completion": {"target": "high"}, "keep": {"best": 0}}, {"completion.target", "keep.best"}),
        ({"limits": 3}, {"limits"}),
        ([1], {""}),
    ],
)
def test_a_change_names_all_its_faults_and_changes_nothing(
    new_job: NewJob, change: Change, document: Any, fields: set[str]
) -> None:
    job = new_job()
    before = dict(job.spec)
    with pytest.raises(Invalid) as refused:
        change(changes.change_job, document)
    assert {fault.field for fault in refused.value.faults} == fields
    job.refresh_from_db()
    assert job.spec == before


def test_a_job_cannot_have_fewer_trials_than_it_has(new_job: NewJob, change: Change) -> None:
    new_job(limits={"max_trials": 3, "max_parallel": 2})
    with pytest.raises(Invalid, match="has 2 trials already"):
        change(changes.change_job, {"limits": {"max_trials": 1}})


def test_a_parent_rests_while_a_child_of_it_runs(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, change: Change
) -> None:
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    finishes(backend, follower, *live(job))
    kind = "IDENTICAL_DATA_AND_ALGORITHM"
    child = new_job(name="child", strategy={"name": "bayesian"}, warm_start={"type": kind, "parents": ["first"]})
    with pytest.raises(Conflict, match="'child' warm-starts from 'first'"):
        change(changes.change_job, {"limits": {"max_trials": 2}})
    while live(child):
        finishes(backend, follower, *live(child))
    change(changes.change_job, {"limits": {"max_trials": 2}})
    assert state(job) == "Running"


def test_only_editors_change_jobs(new_job: NewJob, team: Team) -> None:
    new_job()
    verbs: list[tuple[Callable[..., Any], dict[str, Any]]] = [
        (changes.pause_job, {"document": {}}),
        (changes.unpause_job, {}),
        (changes.resume_job, {"document": {}}),
        (changes.change_job, {"document": {}}),
    ]
    for verb, more in verbs:
        with pytest.raises(Forbidden):
            verb(actor=team.vera, project="lab", name="first", **more)
        with pytest.raises(NotVisible):
            verb(actor=team.charlie, project="lab", name="first", **more)


# --- other kinds of jobs ----------------------------------------------------------------------------------------------


def with_one_paused(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> TuningJob:
    """Of two trials, one at a time, under a scheduler that pauses whatever reports; the second runs."""
    job = new_job(limits={"max_trials": 2, "max_parallel": 1})
    (first,) = live(job)
    reports(backend, follower, first, 0.5)
    obeys(backend, follower, first)
    return job


def test_a_trial_that_waited_for_its_scheduler_waits_for_it_again(
    new_job: NewJob,
    team: Team,
    backend: ScriptedBackend,
    follower: Follower,
    change: Change,
    scheduler: PausesAll,  # noqa: F811
) -> None:
    job = with_one_paused(new_job, backend, follower)
    (second,) = live(job)
    assert trial(job).state == "Paused"
    actions.stop_job(actor=team.alice, project="lab", name="first")
    obeys(backend, follower, second)
    assert (state(job), trial(job).state) == ("Stopped", "Stopped")
    change(changes.resume_job, {})
    assert (trial(job).state, trial(job, 2).state) == ("Paused", "Starting")
    scheduler.go = {1}
    finishes(backend, follower, *live(job))
    (again,) = live(job)
    assert backend.plays[again].spec.names["trial"] == "first-0001"


def test_a_trial_that_was_promoted_and_waited_for_a_place_waits_for_one_again(
    new_job: NewJob,
    team: Team,
    backend: ScriptedBackend,
    follower: Follower,
    change: Change,
    scheduler: PausesAll,  # noqa: F811
) -> None:
    job = with_one_paused(new_job, backend, follower)
    scheduler.go = {1}
    reports(backend, follower, *live(job), 0.4)
    obeys(backend, follower, *live(job))
    (again,) = live(job)
    assert backend.plays[again].spec.names["trial"] == "first-0001"
    backend.plays.pop(again)  # it was never started
    Attempt.objects.filter(token=again).delete()
    Trial.objects.filter(job=job, number=1).update(state="Queued", attempt=1)
    actions.stop_job(actor=team.alice, project="lab", name="first")
    assert (state(job), trial(job).state) == ("Stopped", "Stopped")
    change(changes.resume_job, {})
    assert (trial(job).state, trial(job).promotions) == ("Starting", 1), "not Paused on a rung that it has not run to"


def test_trials_that_run_elsewhere_are_told_to_pause_and_handed_out_again(
    new_job: NewJob, team: Team, change: Change
) -> None:
    create_algorithm(actor=team.alice, project="lab", name="notebook")
    version = {"source": {"external": True}, "metrics": [{"name": "score"}]}
    add_algorithm_version(actor=team.alice, project="lab", algorithm="notebook", document=version)
    job = new_job(algorithm={"name": "notebook"}, channels={}, limits={"max_trials": 1, "max_parallel": 1})
    at: dict[str, Any] = {"actor": team.bob, "project": "lab", "name": "first"}
    external.ask(**at, document={})
    change(changes.pause_job, {"mode": "now"})
    points = [{"value": 0.5, "step": 1}]
    answer = external.report(**at, number=1, document={"attempt": 1, "points": points})
    assert (answer.stop, answer.pause, answer.reason) == (True, True, "Paused by bob.")
    external.tell(**at, number=1, document={"attempt": 1})
    assert (trial(job).state, state(job)) == ("Queued", "Paused")
    assert external.ask(**at, document={}).wait == "The job is Paused: Paused by bob."
    change(changes.unpause_job)
    (handed,) = external.ask(**at, document={}).trials
    assert (handed.number, handed.attempt, handed.resume) == (1, 2, True)
    external.tell(**at, number=1, document={"attempt": 2, "value": 0.9})
    assert (state(job), trial(job).objective) == ("Completed", 0.9)
