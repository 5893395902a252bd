"""Trials that are paused and promoted (F45, Hyperband): places go round, curves go on, and a crash loses nothing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from django.db import connection

from hpt_web.jobs.doors import actions
from hpt_web.jobs.models import Attempt, Decision, Trial, TuningJob
from hpt_web.jobs.queries import curves_of, job_row
from hpt_web.jobs.running import dispatch
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.running.sweep import suspend, sweep
from hpt_web.jobs.search import choosing
from hpt_web.jobs.search.history import own_trials
from tests.web.jobs.lab import Team, live, state, trial
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_advance_and_follow import feed_is_gap_free
from tuning.contracts import Promotion, Suggestion, Verdict
from tuning.history import History
from tuning.space import SearchSpace
from tuning.strategies.random_search import RandomSearch

NewJob = Callable[..., TuningJob]
EPOCHS = 9


@dataclass
class PausesAll:
    """A scheduler that pauses every new trial at its first report, and promotes those that it is told to, once."""

    go: set[int] = field(default_factory=set)
    waits: bool = False

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        running = [trial for trial in history.pending if trial not in history.paused]
        if self.waits and running:
            return []
        return RandomSearch().suggest(space, history, numbers, seed)

    def judge(self, number: int, history: History) -> Verdict:
        trial = history.trial(number)
        assert trial is not None
        if trial.promotions:
            return Verdict(False, "It was promoted.")
        return Verdict(True, f"Paused at step {trial.curve[-1][0]}.", {"step": trial.curve[-1][0]}, pause=True)

    def promote(self, history: History, room: int) -> list[Promotion]:
        chosen = [trial.number for trial in history.paused if trial.number in self.go and not trial.promotions]
        return [Promotion(number, f"Trial {number} goes on.", {"place": 1}) for number in chosen[:room]]


@pytest.fixture
def scheduler(backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch) -> PausesAll:
    pauses = PausesAll()
    monkeypatch.setattr(choosing, "strategy_of", lambda job: pauses)
    return pauses


def reports(backend: ScriptedBackend, follower: Follower, token: str, *values: float) -> None:
    follower.claim()
    backend.prints(token, "".join(f"score={value}\n" for value in values))
    follower.look([token])


def stops(backend: ScriptedBackend, follower: Follower, token: str, *, checkpoint: bool = True) -> None:
    """The trial obeys SIGTERM: it writes its checkpoint and ends."""
    assert token in backend.stopped
    if checkpoint:
        folder = backend.plays[token].spec.checkpoints
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model").write_text("weights")
    backend.ends(token, 0, ended_by="stop")
    follower.claim()


def token_of(job: TuningJob, number: int) -> str:
    return Attempt.objects.get(trial__job=job, trial__number=number, ended_at__isnull=True).token


# --- one pause and one promotion --------------------------------------------------------------------------------------


def test_a_paused_trial_gives_its_place_back(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, scheduler: PausesAll
) -> None:
    job = new_job(limits={"max_trials": 3, "max_parallel": 1})
    (first,) = live(job)
    reports(backend, follower, first, 0.7)
    assert trial(job).state == "Stopping" and live(job) == [first], "it holds its place until it has ended"
    stops(backend, follower, first)
    paused = trial(job)
    assert (paused.state, paused.reason, paused.objective, paused.ended_at) == (
        "Paused",
        "Paused at step 1.",
        0.7,
        None,
    )
    attempt = paused.attempts.get()
    assert (attempt.outcome, attempt.stop_kind, attempt.exit_code) == ("paused", "pause", 0)
    decision = Decision.objects.get(job=job, kind="pause")
    assert (decision.trial_id, decision.reason, decision.numbers) == (paused.pk, "Paused at step 1.", {"step": 1})
    assert [Trial.objects.get(attempts__token=token).number for token in live(job)] == [2]
    assert job_row(job)["counts"] == {"Paused": 1, "Starting": 1}
    assert job_row(job)["best"] == {"trial": 1, "objective": 0.7}
    assert feed_is_gap_free(job)


def test_a_promoted_trial_goes_on_from_its_checkpoint_before_anything_new(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, scheduler: PausesAll
) -> None:
    job = new_job(limits={"max_trials": 3, "max_parallel": 1})
    (first,) = live(job)
    reports(backend, follower, first, 0.7, 0.8)  # it ran on while it was judged
    scheduler.go = {1}
    stops(backend, follower, first)
    (second,) = live(job)
    promoted = trial(job)
    assert (promoted.state, promoted.attempt, promoted.promotions) == ("Starting", 2, 1)
    assert own_trials(job)[0].promotions == 1
    decision = Decision.objects.get(job=job, kind="promote")
    assert (decision.reason, decision.numbers) == ("Trial 1 goes on.", {"place": 1})
    spec = backend.plays[second].spec
    assert spec.command[-2:] == ("--resume-from", str(spec.checkpoints))
    # It names its steps, and runs the one after its checkpoint again.
    follower.claim()
    backend.prints(second, "".join(f'{{"hpt": {{"score": 0.{step}, "step": {step}}}}}\n' for step in (2, 3, 4)))
    backend.ends(second)
    follower.claim()
    assert curves_of(job, "score")[1] == {"steps": [1, 2, 3, 4], "values": [0.7, 0.2, 0.3, 0.4]}
    assert trial(job).state == "Completed" and trial(job).objective == 0.4
    assert job.trials.count() == 2  # now there was room for a new one


def test_without_a_checkpoint_a_promoted_trial_begins_again(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, scheduler: PausesAll
) -> None:
    scheduler.go = {1}
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    (first,) = live(job)
    reports(backend, follower, first, 0.7)
    stops(backend, follower, first, checkpoint=False)
    (second,) = live(job)
    assert "--resume-from" not in backend.plays[second].spec.command
    assert trial(job).objective is None and curves_of(job, "score") == {}
    reports(backend, follower, second, 0.6, 0.9)
    backend.ends(second)
    follower.claim()
    assert curves_of(job, "score")[1] == {"steps": [1, 2], "values": [0.6, 0.9]}
    assert state(job) == "Completed"


@pytest.mark.parametrize(("exit_code", "becomes"), [(0, "Completed"), (3, "Failed")])
def test_a_trial_that_ended_before_the_signal_is_what_it_became(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, scheduler: PausesAll, exit_code: int, becomes: str
) -> None:
    job = new_job()
    (first,) = live(job)
    reports(backend, follower, first, 0.7)
    assert trial(job).state == "Stopping"
    backend.ends(first, exit_code)  # by itself
    follower.claim()
    assert trial(job).state == becomes and trial(job).objective == 0.7


def test_whoever_is_paused_at_the_end_was_stopped_early(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, scheduler: PausesAll
) -> None:
    job = new_job(limits={"max_trials": 2, "max_parallel": 2})
    for number, token in enumerate(live(job), 1):
        reports(backend, follower, token, 0.1 * number)
        stops(backend, follower, token)
    assert state(job) == "Completed" and job.reason == "All 2 trials have ended."
    assert [t.state for t in job.trials.order_by("number")] == ["EarlyStopped"] * 2
    assert trial(job).reason == choosing.NOT_PROMOTED
    assert trial(job).ended_at is not None
    told = Decision.objects.filter(job=job, kind="early_stop").order_by("id")
    assert [decision.numbers for decision in told] == [
        {"promotions": 0, "objective": 0.1},
        {"promotions": 0, "objective": 0.2},
    ]
    assert feed_is_gap_free(job)


def test_an_exhausted_space_ends_the_job_with_that_reason(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, scheduler: PausesAll
) -> None:
    job = new_job(
        space=[{"name": "n", "type": "integer", "min": 1, "max": 2}], static={"x": 0.5},
        limits={"max_trials": 5, "max_parallel": 1},
    )  # fmt: skip
    for _ in range(2):
        (token,) = live(job)
        reports(backend, follower, token, 0.5)
        stops(backend, follower, token)
    assert state(job) == "Completed" and job.reason.endswith("2 trials ended.")
    assert Counter(job.trials.values_list("state", flat=True)) == {"EarlyStopped": 2}


# --- people, the service's own end, and crashes -----------------------------------------------------------------------


def test_a_paused_trial_can_be_stopped(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower, scheduler: PausesAll
) -> None:
    job = new_job(limits={"max_trials": 3, "max_parallel": 1})
    (first,) = live(job)
    reports(backend, follower, first, 0.7)
    stops(backend, follower, first)
    actions.stop_trial(actor=team.bob, project="lab", name="first", number=1)
    assert (trial(job).state, trial(job).reason) == ("Stopped", "Stopped by bob.")
    scheduler.go = {1}
    dispatch.advance(job.pk)
    assert trial(job).state == "Stopped" and trial(job).promotions == 0


def test_a_persons_stop_is_stronger_than_a_pause(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower, scheduler: PausesAll
) -> None:
    job = new_job()
    (first,) = live(job)
    reports(backend, follower, first, 0.7)
    actions.stop_trial(actor=team.bob, project="lab", name="first", number=1)
    stops(backend, follower, first)
    assert (trial(job).state, trial(job).reason) == ("Stopped", "Stopped by bob.")
    assert trial(job).attempts.get().outcome == "stopped"


def test_the_jobs_stop_ends_paused_trials(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower, scheduler: PausesAll
) -> None:
    job = new_job(limits={"max_trials": 5, "max_parallel": 1})
    (first,) = live(job)
    reports(backend, follower, first, 0.7)
    stops(backend, follower, first)
    (second,) = live(job)
    reports(backend, follower, second, 0.6)  # is being paused
    actions.stop_job(actor=team.bob, project="lab", name="first")
    assert trial(job).state == "Stopped"
    stops(backend, follower, second)
    assert state(job) == "Stopped"
    assert [t.state for t in job.trials.order_by("number")] == ["Stopped", "Stopped"]


def test_a_shutdown_leaves_pauses_as_they_are(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, scheduler: PausesAll
) -> None:
    job = new_job(limits={"max_trials": 5, "max_parallel": 2})
    first, second = live(job)
    reports(backend, follower, first, 0.7)
    stops(backend, follower, first)
    reports(backend, follower, second, 0.6)
    third = token_of(job, 3)
    backend.ends(second, 0, ended_by="stop")
    backend.ends(third, None, signal=15, ended_by="stop")
    suspend(backend, grace=0, patience=5)
    assert [t.state for t in job.trials.order_by("number")] == ["Paused", "Paused", "Queued"]
    scheduler.go = {1}
    sweep(backend, follower.nudge)
    assert [t.state for t in job.trials.order_by("number")] == ["Starting", "Paused", "Starting"]


def test_a_crash_between_the_wish_to_pause_and_the_signal(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, scheduler: PausesAll
) -> None:
    job = new_job()
    (first,) = live(job)
    reports(backend, follower, first, 0.7)
    backend.stopped.clear()  # as if the follower was killed between its commit and the signal
    Attempt.objects.update(created_at="2000-01-01T00:00:00Z")
    sweep(backend, follower.nudge)
    assert first in backend.stopped
    stops(backend, follower, first)
    assert trial(job).state == "Paused"


def test_a_trial_that_vanishes_while_it_is_paused_is_paused(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, scheduler: PausesAll
) -> None:
    job = new_job()
    (first,) = live(job)
    reports(backend, follower, first, 0.7)
    backend.vanishes(first)
    follower.claim()
    assert trial(job).state == "Paused" and trial(job).objective == 0.7


def test_a_promoted_trial_that_vanishes_is_still_promoted(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, scheduler: PausesAll
) -> None:
    scheduler.go = {1}
    job = new_job(limits={"max_trials": 1, "max_parallel": 1})
    (first,) = live(job)
    reports(backend, follower, first, 0.7)
    stops(backend, follower, first)
    (second,) = live(job)
    backend.vanishes(second)
    follower.claim()
    (third,) = live(job)
    assert (trial(job).attempt, trial(job).promotions) == (3, 1)
    reports(backend, follower, third, 0.9)
    backend.ends(third)
    follower.claim()
    assert curves_of(job, "score")[1] == {"steps": [1, 2], "values": [0.7, 0.9]}
    assert Decision.objects.filter(job=job, kind="promote").count() == 1


def test_two_workers_promote_once(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, scheduler: PausesAll
) -> None:
    job = new_job(limits={"max_trials": 2, "max_parallel": 2})
    for token in live(job):
        follower.claim()
        backend.prints(token, "score=0.5\n")
        follower.look([token])
    first, second = live(job)
    follower.nudge = lambda job: None
    stops(backend, follower, first)
    stops(backend, follower, second)
    scheduler.go = {1, 2}
    errors: list[BaseException] = []
    together = threading.Barrier(4)

    def advance() -> None:
        try:
            together.wait()
            dispatch.advance(job.pk)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=advance) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(live(job)) == 2
    assert list(job.trials.order_by("number").values_list("promotions", "attempt")) == [(1, 2), (1, 2)]
    assert Decision.objects.filter(job=job, kind="promote").count() == 2


# --- who has the room -------------------------------------------------------------------------------------------------


def test_a_job_that_waits_leaves_its_room_to_others(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, scheduler: PausesAll, settings
) -> None:
    settings.HPT_TRIAL_SLOTS = 4
    scheduler.waits = True
    waiting = new_job(limits={"max_trials": 9, "max_parallel": 2})
    first, second = live(waiting)
    reports(backend, follower, first, 0.7)
    stops(backend, follower, first)
    assert live(waiting) == [second], "its strategy waits for the other"
    assert state(waiting) == "Running" and waiting.waits and "waits for results" in waiting.reason
    scheduler.waits = False
    other = new_job(name="second", limits={"max_trials": 9, "max_parallel": 9})
    assert len(live(other)) == 3, "one place is used, and nothing is kept for who would not take it"
    # It asks again when something of it has moved; what it then cannot have, it is told.
    reports(backend, follower, second, 0.7)
    stops(backend, follower, second)
    waiting.refresh_from_db()
    assert len(live(waiting)) == 1 and not waiting.waits
    assert "this host runs 4 at once: second 3" in waiting.reason


def test_two_jobs_that_wait_do_not_wake_each_other_for_ever(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, scheduler: PausesAll
) -> None:
    scheduler.waits = True
    jobs = [new_job(name=name, limits={"max_trials": 9, "max_parallel": 3}) for name in ("first", "second")]
    for job in jobs:
        reports(backend, follower, live(job)[0], 0.7)
        stops(backend, follower, live(job)[0])
    for job in jobs:
        assert dispatch.advance(job.pk) == []


# --- Hyperband itself -------------------------------------------------------------------------------------------------


def play(job: TuningJob, backend: ScriptedBackend, follower: Follower, *, checkpoints: bool, parallel: int) -> None:
    """Every trial prints an epoch at a time; one whose x is larger is better. Told to stop, it stops."""
    begun: dict[str, int] = {}
    for _ in range(500):
        tokens = live(job)
        if not tokens:
            return
        assert len(tokens) <= parallel
        for token in tokens:
            spec = backend.plays[token].spec
            model = spec.checkpoints / "model"
            begun.setdefault(token, int(model.read_text()) if "--resume-from" in spec.command else 0)
            epoch = begun[token] + backend.plays[token].log.count(b"\n") + 1
            backend.prints(token, f"score={float(spec.hyperparameters['x']) * epoch}\n")
            if checkpoints:
                model.parent.mkdir(parents=True, exist_ok=True)
                model.write_text(str(epoch))
            follower.claim()
            if epoch == EPOCHS:
                backend.ends(token)
            elif token in backend.stopped:
                backend.ends(token, None, signal=15, ended_by="stop")
            follower.claim()
    raise AssertionError("it never ends")


@pytest.mark.parametrize("checkpoints", [True, False], ids=["resuming", "beginning again"])
@pytest.mark.parametrize("mode", ["stopping", "promotion", "synchronous"])
def test_hyperband_to_its_end(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, mode: str, checkpoints: bool
) -> None:
    """F45: 1, 3, 9 epochs."""
    options = {"max_resource": EPOCHS, "mode": mode}
    job = new_job(strategy={"name": "hyperband", "options": options}, limits={"max_trials": 9, "max_parallel": 3})
    play(job, backend, follower, checkpoints=checkpoints, parallel=3)
    assert state(job) == "Completed" and job.reason == "All 9 trials have ended."
    ends = Counter(job.trials.values_list("state", flat=True))
    assert set(ends) == {"Completed", "EarlyStopped"} and ends["Completed"] >= 1 and ends["EarlyStopped"] >= 4
    curves = curves_of(job, "score")
    for row in job.trials.all():
        steps = curves[row.number]["steps"]
        assert steps == list(range(1, len(steps) + 1))
        assert len(steps) == EPOCHS if row.state == "Completed" else len(steps) < EPOCHS
        assert row.promotions == row.decisions.filter(kind="promote").count()
        assert row.attempts.filter(outcome="paused").count() == row.decisions.filter(kind="pause").count()
        assert row.attempts.count() == 1 + row.promotions
    promoted = sum(job.trials.values_list("promotions", flat=True))
    assert promoted >= 4 if mode == "synchronous" else promoted >= 1 if mode == "promotion" else promoted == 0
    if mode == "synchronous":  # 9 trials for 1 epoch, the best 3 for 3, the best for 9
        assert sorted(len(curve["steps"]) for curve in curves.values()) == [1] * 6 + [3] * 2 + [9]
        best = max(job.trials.all(), key=lambda row: row.hyperparameters["x"])
        assert best.state == "Completed"
    assert feed_is_gap_free(job)
