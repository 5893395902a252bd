"""How many statements a trial costs, which is most of what it costs at all, and how many each line more."""

from collections.abc import Callable

from django.db import connection
from django.test.utils import CaptureQueriesContext

from hpt_web.jobs.models import TuningJob
from hpt_web.jobs.queries import job_row
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.search.history import known
from tests.web.jobs.lab import live
from tests.web.jobs.scripted import ScriptedBackend

NewJob = Callable[..., TuningJob]
NUMBERING = "seq = seq + "


def run_one(job: TuningJob, backend: ScriptedBackend, follower: Follower, value: float) -> list[str]:
    """What a trial's end, the start of the next and its lease ask of the database."""
    (token,) = live(job)
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
    assert counts[-1] <= 20  # two of them begin and end the transactions, of which there are two
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
