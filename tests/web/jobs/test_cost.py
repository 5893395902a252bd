"""How many statements a trial costs, which is most of what it costs at all, and how many each line more."""

from collections.abc import Callable

from django.db import connection
from django.test.utils import CaptureQueriesContext

from hpt_web.jobs.models import Attempt, TuningJob
from hpt_web.jobs.queries import curves_of, job_row
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.search.history import known
from tests.web.jobs.lab import live
from tests.web.jobs.scripted import ScriptedBackend

NewJob = Callable[..., TuningJob]
NUMBERING = "seq = seq + "


def run_one(
    job: TuningJob, backend: ScriptedBackend, follower: Follower, value: float, *, token: str = ""
) -> list[str]:
    """What a trial's end, the start of the next and its lease ask of the database."""
    token = token or live(job)[0]
    backend.prints(token, f"score={value}\n")
    backend.ends(token)
    with CaptureQueriesContext(connection) as queries:
        follower.look([token])
        follower.claim_new()
    return [query["sql"] for query in queries]


def test_a_trial_costs_few_statements_and_no_more_the_more_there_were(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 30, "max_parallel": 1})
    follower.claim()
    counts = [len(run_one(job, backend, follower, value)) for value in (0.5, 0.2, 0.9, 0.9, 0.1, 0.3)]
    assert counts[-1] <= 18  # two of them begin and end the transactions, of which there are two
    assert counts[-1] <= min(counts[2:]) + 1
    job.refresh_from_db()
    assert job_row(job, known(job).tally) == job_row(job)
    assert job_row(job)["best"] == {"trial": 3, "objective": 0.9}  # the first of equals


def test_a_line_more_costs_one_statement(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> None:
    job = new_job()
    follower.claim()
    (token,) = live(job)
    for value in (0.5, 0.6, 0.4):
        backend.prints(token, f"score={value}\n")
        with CaptureQueriesContext(connection) as queries:
            follower.look([token])
        (told,) = [query["sql"] for query in queries]
        assert NUMBERING in told
    values = [event.data["values"] for event in job.events.filter(kind="points").order_by("seq")]
    assert values == [[0.5], [0.6], [0.4]]


def test_a_wish_to_stop_that_came_meanwhile_is_seen_and_nothing_is_lost(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job()
    follower.claim()
    (token,) = live(job)
    backend.prints(token, "score=0.5\n")
    follower.look([token])
    attempt = job.trials.get().attempts.get()
    type(attempt).objects.filter(pk=attempt.pk).update(stop_kind="user", stop_reason="Enough.")
    job.trials.update(state="Stopping")
    backend.prints(token, "score=0.7\n")
    follower.look([token])
    backend.ends(token, 0, ended_by="stop")
    follower.look([token])
    trial = job.trials.get(number=1)
    assert (trial.state, trial.reason, trial.objective) == ("Stopped", "Enough.", 0.7)
    assert list(attempt.points.order_by("step").values_list("value", flat=True)) == [0.5, 0.7]


def test_a_trial_more_of_a_known_job_does_not_read_the_job_again_until_the_leases_are_renewed(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 9, "max_parallel": 2})
    follower.claim()
    TuningJob.objects.filter(pk=job.pk).update(idle_seconds=7)
    run_one(job, backend, follower, 0.5, token=live(job)[0])
    ours = [followed.attempt.trial.job for followed in follower.followed.values()]
    assert len(ours) == 2 and ours[0] is ours[1] and ours[0].idle_seconds == 0
    follower.claim()
    ours = [followed.attempt.trial.job for followed in follower.followed.values()]
    assert len(ours) == 2 and ours[0] is ours[1] and ours[0].idle_seconds == 7


def test_lines_of_several_trials_cost_one_statement(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 9, "max_parallel": 3})
    tokens = begun(job, backend, follower)
    for token, value in zip(tokens, (0.5, 0.6, 0.4), strict=True):
        backend.prints(token, f"score={value}\nscore={value / 2}\n")
    with CaptureQueriesContext(connection) as queries:
        follower.look(tokens)
    (told,) = [query["sql"] for query in queries]
    assert NUMBERING in told
    assert [curve["values"] for curve in curves_of(job, "score").values()] == [
        [0.0, 0.5, 0.25],
        [0.0, 0.6, 0.3],
        [0.0, 0.4, 0.2],
    ]
    assert list(job.trials.order_by("number").values_list("objective", "best_objective")) == [
        (0.25, 0.5),
        (0.3, 0.6),
        (0.2, 0.4),
    ]
    values = [(event.data["trial"], event.data["values"]) for event in job.events.filter(kind="points").order_by("seq")]
    assert values[-3:] == [(1, [0.5, 0.25]), (2, [0.6, 0.3]), (3, [0.4, 0.2])]


def test_lines_without_values_move_the_offset_and_tell_nothing(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 9, "max_parallel": 2})
    tokens = begun(job, backend, follower)
    before = job.events.count()
    for token in tokens:
        backend.prints(token, "nothing of interest\n")
    with CaptureQueriesContext(connection) as queries:
        follower.look(tokens)
    offsets = [len(backend.plays[token].log) for token in tokens]
    assert len(queries) == 1 and job.events.count() == before
    assert list(Attempt.objects.order_by("pk").values_list("log_offset", flat=True)) == offsets


def test_if_one_of_them_is_somebody_elses_now_only_the_others_are_stored(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 9, "max_parallel": 3})
    tokens = begun(job, backend, follower)
    for token in tokens:
        backend.prints(token, "score=0.5\n")
    Attempt.objects.filter(token=tokens[1]).update(follower="another")
    Attempt.objects.filter(token=tokens[2]).update(stop_kind="user", stop_reason="Enough.")
    follower.look(tokens)
    assert [curve["values"] for curve in curves_of(job, "score").values()] == [[0.0, 0.5], [0.0], [0.0, 0.5]]
    told = [(event.data["trial"], event.data["values"]) for event in job.events.filter(kind="points").order_by("seq")]
    assert told[-2:] == [(1, [0.5]), (3, [0.5])] and set(follower.followed) == {tokens[0], tokens[2]}


def begun(job: TuningJob, backend: ScriptedBackend, follower: Follower) -> list[str]:
    """The tokens of trials that run and have reported once."""
    tokens = live(job)
    for token in tokens:
        backend.prints(token, "score=0\n")
    follower.claim()
    return tokens
