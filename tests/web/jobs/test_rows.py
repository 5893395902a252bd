"""The plain statements store and read what the ORM would."""

from collections.abc import Callable

import pytest

from hpt_web.jobs import rows
from hpt_web.jobs.events import Entry, append
from hpt_web.jobs.models import Attempt, Decision, Event, Trial, TuningJob
from hpt_web.jobs.queries import median_objectives
from tests.web.jobs.lab import live

NewJob = Callable[..., TuningJob]


@pytest.mark.parametrize("model", [Attempt, Trial, TuningJob])
def test_a_row_is_read_as_the_orm_reads_it(new_job: NewJob, model: type[Attempt | Trial | TuningJob]) -> None:
    new_job()
    expected = model.objects.get()
    (found,) = rows.read(model, "id = %s", expected.pk)
    names = [column.attname for column in model._meta.concrete_fields]
    assert [getattr(found, name) for name in names] == [getattr(expected, name) for name in names]
    assert not found._state.adding


def test_several_rows_are_added_with_keys_and_times_of_the_database(new_job: NewJob) -> None:
    job = new_job()
    numbers = {"text": "ü'\"\\%s", "value": -0.0}
    made = [Decision(job=job, kind=Decision.Kind.LIMIT, reason=reason, numbers=numbers) for reason in ("one", "two")]
    rows.insert(*made)
    stored = list(Decision.objects.filter(pk__in=[row.pk for row in made]).order_by("pk"))
    assert [(row.reason, row.numbers, row.at) for row in stored] == [(row.reason, row.numbers, row.at) for row in made]


def test_a_row_is_written_only_if_the_condition_holds(new_job: NewJob) -> None:
    job = new_job()
    attempt = Attempt.objects.get(token=live(job)[0])
    assert not rows.update(attempt, {"log_offset": 7}, "log_offset = %s", 5)
    assert attempt.log_offset == 0
    assert rows.update(attempt, {"log_offset": 7, "steps": {"loss": 3}}, "log_offset = %s", 0)
    assert (attempt.log_offset, attempt.steps) == (7, {"loss": 3})
    attempt.refresh_from_db()
    assert (attempt.log_offset, attempt.steps) == (7, {"loss": 3})


def test_a_name_that_is_no_column_is_refused(new_job: NewJob) -> None:
    with pytest.raises(AssertionError, match="no column of TuningJob"):
        rows.update(new_job(), {"colour": "red"}, "true")


def test_events_are_numbered_in_the_order_in_which_they_are_given(new_job: NewJob) -> None:
    job = new_job()
    before = job.events.count()
    texts = ["a", '"b"', "{c}", "ü\\n", "", "NULL"]
    append(job.pk, [Entry("decision", {"reason": text, "value": 1e-300}) for text in texts])
    stored = Event.objects.filter(job=job, seq__gt=before).order_by("seq")
    assert [event.data["reason"] for event in stored] == texts
    assert [event.seq for event in stored] == list(range(before + 1, before + 1 + len(texts)))


@pytest.mark.parametrize(
    ("values", "median"),
    [([], None), ([3.0], 3.0), ([1.0, 2.0], 1.5), ([5.0, 1.0, 2.0], 2.0), ([1.7e308, 1.6e308], 1.65e308)],
)
def test_the_median_of_objectives(new_job: NewJob, values: list[float], median: float | None) -> None:
    job = new_job()
    job.trials.all().delete()
    broken = Trial(job=job, number=99, hyperparameters={}, state="Failed", objective=1e9)
    ended = [Trial(job=job, number=n, hyperparameters={}, state="Completed", objective=v) for n, v in enumerate(values)]
    rows.insert(broken, *ended)
    assert median_objectives([job.pk]).get(job.pk) == (median and pytest.approx(median))
