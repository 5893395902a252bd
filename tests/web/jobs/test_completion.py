"""When a job ends by its completion rules (F75, F78, F80): the reason, its numbers, and what happens to what runs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hpt_web.jobs.doors import actions
from hpt_web.jobs.models import Attempt, Decision, Trial, TuningJob, UsageEntry
from hpt_web.jobs.queries import counts_by_state, gpu_hours_of, standing_of
from hpt_web.jobs.running import dispatch
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.search.completion import criteria_of, ending
from hpt_web.jobs.search.history import own_trials
from tests.web.jobs.lab import Team, live, state, trial
from tests.web.jobs.scripted import ScriptedBackend
from tuning.completion import Criteria, standing
from tuning.history import History
from tuning.states import Goal

NewJob = Callable[..., TuningJob]


class Play:
    """Runs a job's trials to values that the test gives."""

    def __init__(self, job: TuningJob, backend: ScriptedBackend, follower: Follower) -> None:
        self.job, self.backend, self.follower = job, backend, follower

    def ends(self, value: float | None, exit_code: int = 0) -> None:
        """The oldest running trial reports a value (None: nothing) and ends."""
        token = live(self.job)[0]
        if value is not None:
            self.backend.prints(token, f"score={value}\n")
        self.backend.ends(token, exit_code)
        self.follower.claim()

    def stops(self) -> None:
        """What runs does as it was told."""
        for token in live(self.job):
            assert token in self.backend.stopped
            self.backend.ends(token, None, signal=15, ended_by="stop")
        self.follower.claim()


@pytest.fixture
def play(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> Callable[..., Play]:
    def begin(completion: dict[str, Any], *, parallel: int = 1, **changes: Any) -> Play:
        limits = {"max_trials": 9, "max_parallel": parallel}
        return Play(new_job(completion=completion, limits=limits, **changes), backend, follower)

    return begin


def limit(job: TuningJob) -> Decision:
    return Decision.objects.get(job=job, kind="limit")


@pytest.mark.parametrize(
    ("completion", "values", "reason", "numbers"),
    [
        (
            {"target": 0.8},
            [0.5, 0.8],
            "Target reached: trial 2 has 0.8, and 0.8 was asked for.",
            {"rule": "target", "trial": 2, "value": 0.8, "target": 0.8},
        ),
        (
            {"max_not_improving": 2},
            [0.5, 0.4, 0.5],
            "No improvement in 2 trials: the best is still trial 1 with 0.5.",
            {"rule": "no_improvement", "trial": 1, "value": 0.5, "trials_since": 2, "limit": 2},
        ),
        # A failed trial is no improvement either.
        (
            {"max_not_improving": 2},
            [0.5, None, 0.4],
            "No improvement in 2 trials: the best is still trial 1 with 0.5.",
            {"rule": "no_improvement", "trial": 1, "value": 0.5, "trials_since": 2, "limit": 2},
        ),
        (
            {"converged": 2, "tolerance": 0.1},
            [0.5, 0.51, 0.52],
            "Converged: the last 2 trials moved the best from 0.5 to 0.52, by no more than 0.1 of it.",
            {"rule": "convergence", "before": 0.5, "now": 0.52, "trials": 2, "tolerance": 0.1},
        ),
        (
            {"max_completed": 2},
            [0.5, None, 0.5],
            "2 trials have completed, and the limit is 2.",
            {"rule": "trials_completed", "count": 2, "limit": 2},
        ),
        (
            {"max_finished": 2},
            [0.5, None],
            "2 trials have finished, and the limit is 2.",
            {"rule": "trials_finished", "count": 2, "limit": 2},
        ),
        # Whichever comes first; of two at once the one about results.
        (
            {"max_finished": 2, "target": 0.9},
            [0.5, 0.95],
            "Target reached: trial 2 has 0.95, and 0.9 was asked for.",
            {"rule": "target", "trial": 2, "value": 0.95, "target": 0.9},
        ),
    ],
)
def test_a_rule_ends_the_job_and_says_so(
    play: Callable[..., Play],
    completion: dict[str, Any],
    values: list[float | None],
    reason: str,
    numbers: dict[str, Any],
) -> None:
    game = play(completion)
    for value in values:
        assert state(game.job) == "Running"
        game.ends(value)
    assert state(game.job) == "Completed"
    assert game.job.reason == limit(game.job).reason == reason
    assert limit(game.job).numbers == {**numbers, "state": "Completed"}
    assert game.job.trials.count() == len(values)


def test_running_trials_are_stopped_and_the_first_reason_stands(play: Callable[..., Play]) -> None:
    """What comes in while they stop may be better than the best: the rule that was met first has ended the job."""
    game = play({"max_not_improving": 1}, parallel=2)
    game.ends(0.5)
    tokens = live(game.job)
    game.backend.prints(tokens[1], "score=0.9\n")
    game.ends(0.4)
    assert state(game.job) == "Stopping"
    assert limit(game.job).numbers["trials_since"] == 1
    reason = game.job.reason
    dispatch.advance(game.job.pk)  # as the sweep does; nothing is said twice
    game.stops()
    assert state(game.job) == "Completed"
    assert game.job.reason == reason == limit(game.job).reason
    assert trial(game.job, 3).state == "Stopped" and trial(game.job, 3).objective == 0.9
    assert game.job.trials.count() == 3


def test_failures_while_a_job_stops_do_not_fail_it(play: Callable[..., Play], backend: ScriptedBackend) -> None:
    game = play({"target": 0.5}, parallel=3)
    TuningJob.objects.update(spec=game.job.spec | {"limits": game.job.spec["limits"] | {"max_failures": 0}})
    game.ends(0.7)
    for token in live(game.job):
        backend.ends(token, 1)
    game.follower.claim()
    assert state(game.job) == "Completed" and game.job.reason.startswith("Target reached")


def test_a_persons_stop_goes_before_a_rule(play: Callable[..., Play], team: Team) -> None:
    game = play({"target": 0.5}, parallel=2)
    game.ends(0.7)
    assert state(game.job) == "Stopping"
    actions.stop_job(actor=team.alice, project="lab", name="first")
    game.stops()
    assert state(game.job) == "Stopped" and game.job.reason == "Stopped by alice."


def test_a_running_trials_report_reaches_no_target(play: Callable[..., Play]) -> None:
    game = play({"target": 0.5})
    game.follower.claim()
    game.backend.prints(live(game.job)[0], "score=0.9\n")
    game.follower.look(live(game.job))
    dispatch.advance(game.job.pk)
    assert state(game.job) == "Running"
    game.backend.prints(live(game.job)[0], "score=0.1\n")  # it got worse again (F63)
    game.ends(None)
    assert state(game.job) == "Running"


def test_minimising_the_target_is_below(play: Callable[..., Play]) -> None:
    game = play({"target": 0.2}, objective={"metric": "score", "goal": "minimize"})
    game.ends(0.5)
    assert state(game.job) == "Running"
    game.ends(0.1)
    assert state(game.job) == "Completed"


def test_a_count_of_nothing_but_failures_fails_the_job(play: Callable[..., Play]) -> None:
    game = play({"max_finished": 2})
    game.ends(None, 1)
    game.ends(None, 1)
    assert state(game.job) == "Failed"
    assert game.job.reason == "All 2 trials failed; the newest says: It ended with exit code 1."
    assert limit(game.job).numbers["state"] == "Failed"


def test_time_is_up_while_trials_run(play: Callable[..., Play], follower: Follower) -> None:
    """F75, F80: the sweep asks every few seconds."""
    game = play({})
    TuningJob.objects.update(
        spec=game.job.spec | {"limits": game.job.spec["limits"] | {"max_seconds": 60}},
        started_at=timezone.now() - timedelta(seconds=61),
    )
    dispatch.advance(game.job.pk)
    assert state(game.job) == "Stopping"
    assert limit(game.job).reason == "Time is up: 61 s since the start, and the limit is 60 s."
    game.stops()
    assert state(game.job) == "Completed" and game.job.reason == limit(game.job).reason


def test_gpu_hours_are_those_of_every_attempt(play: Callable[..., Play]) -> None:
    """GPUs times hours from the reservation to the end, failed and running attempts too; of shared GPUs their parts."""
    game = play({"max_gpu_hours": 5}, parallel=2)
    job = game.job
    now = timezone.now()
    Attempt.objects.update(pool="a100", device_count=4, share=0.5, created_at=now - timedelta(hours=1))
    game.ends(0.5)
    running = Attempt.objects.filter(trial__job=job, ended_at__isnull=True).update(
        pool="a100", device_count=4, share=0.5, created_at=now - timedelta(minutes=30)
    )
    assert gpu_hours_of(job) == pytest.approx(2 * (1 + running * 0.5), rel=0.01)
    dispatch.advance(job.pk)
    assert state(job) == "Running"
    UsageEntry.objects.update(gpu_seconds=4 * 3600)
    dispatch.advance(job.pk)
    assert state(job) == "Stopping"
    assert limit(job).reason.startswith("GPU hours are spent: 6.0")
    assert limit(job).numbers["rule"] == "gpu_hours"


def test_without_gpus_no_gpu_hours_are_spent(play: Callable[..., Play]) -> None:
    game = play({"max_gpu_hours": 0.001})
    Attempt.objects.update(created_at=timezone.now() - timedelta(days=9))
    assert gpu_hours_of(game.job) == 0.0
    dispatch.advance(game.job.pk)
    assert state(game.job) == "Running"


def test_a_job_from_before_there_were_rules_goes_on(play: Callable[..., Play]) -> None:
    game = play({})
    later = ("constraints", "initial_points", "repeats", "completion", "profile")
    TuningJob.objects.update(spec={name: value for name, value in game.job.spec.items() if name not in later})
    game.job.refresh_from_db()
    assert criteria_of(game.job) == Criteria()
    game.ends(0.5)
    assert state(game.job) == "Running" and game.job.trials.count() == 2


def test_one_trial_is_called_one(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> None:
    game = Play(new_job(limits={"max_trials": 1, "max_parallel": 1}), backend, follower)
    game.ends(0.5)
    assert state(game.job) == "Completed" and game.job.reason == "The job's only trial has ended."


# --- the numbers come from the database -------------------------------------------------------------------------------


def many(job: TuningJob, count: int, first: int = 100) -> None:
    """Trials in every state, values both ways, some equal, some None."""
    states = ["Completed", "EarlyStopped", "Stopped", "Failed", "Lost", "Running", "Completed", "Paused"]
    Trial.objects.bulk_create(
        Trial(
            job=job,
            number=first + n,
            hyperparameters={"x": 0.5},
            state=states[n % len(states)],
            objective=None if n % 11 == 0 else round((n * 37 % 101) / 101, 2),
        )
        for n in range(count)
    )


@pytest.mark.parametrize("goal", list(Goal))
@pytest.mark.parametrize("window", [1, 7, 40, 10_000])
def test_the_database_and_the_history_agree(new_job: NewJob, goal: Goal, window: int) -> None:
    job = new_job(objective={"metric": "score", "goal": str(goal)})
    criteria = Criteria(target=0.0, max_not_improving=3, converged=window)
    for count in (0, 1, 5, 90):
        Trial.objects.filter(job=job, number__gte=100).delete()
        many(job, count)
        found = standing_of(job, counts_by_state([job.pk])[job.pk], criteria)
        assert found == standing(History(goal, own_trials(job)), window)


@pytest.mark.parametrize("goal", list(Goal))
@pytest.mark.parametrize("most", [1, 3, 40])
def test_the_database_and_the_history_agree_on_improvements_of_a_per_cent(
    new_job: NewJob, goal: Goal, most: int
) -> None:
    """F80: those of SageMaker's profile, as far back as the rule asks."""
    job = new_job(objective={"metric": "score", "goal": str(goal)}, profile="sagemaker")
    for count in (0, 1, 5, 90):
        Trial.objects.filter(job=job, number__gte=100).delete()
        many(job, count)
        found = standing_of(job, counts_by_state([job.pk])[job.pk], Criteria(max_not_improving=most))
        expected = standing(History(goal, own_trials(job)), None, 0.01)
        assert (found.best, found.improvement) == (expected.best, 0.01)
        assert min(found.since_improved, most) == min(expected.since_improved, most)


def test_a_job_under_sagemakers_profile_ends_where_nothing_improves_by_a_per_cent(play: Callable[..., Play]) -> None:
    """F80: three trials, each better, none by more than 1 %."""
    game = play({"max_not_improving": 3}, profile="sagemaker")
    for value in (0.5, 0.501, 0.502, 0.503):
        assert state(game.job) == "Running"
        game.ends(value)
    assert state(game.job) == "Completed"
    assert game.job.reason == "No improvement of more than 1 % in 3 trials: the best is trial 4 with 0.503."


def test_the_rules_cost_as_much_however_many_trials_there_are(new_job: NewJob) -> None:
    job = new_job(
        completion={"target": 2, "max_not_improving": 10_000, "converged": 5, "tolerance": 0, "max_gpu_hours": 1}
    )
    costs = []
    for count in (90, 2000):
        Trial.objects.filter(job=job, number__gte=100).delete()
        many(job, count)
        job.refresh_from_db()
        counts = counts_by_state([job.pk])[job.pk]
        with CaptureQueriesContext(connection) as queries:
            ending(job, counts)
        costs.append(len(queries))
        assert not any('"hyperparameters"' in query["sql"] for query in queries.captured_queries)
    assert costs[0] == costs[1] <= 6
