"""Analyses over REST: what a job's rows tell, equal to what the engine says of the same history; who may ask."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from hpt_web.jobs.models import Attempt, Decision, Event, MetricPoint, Trial, TuningJob
from hpt_web.jobs.search import analysis
from hpt_web.jobs.search.parents import whole_history
from tests.factories import BEGINNING, World
from tests.web.api.kit import Api
from tuning import earlystop, specification
from tuning.analysis.importance import importance
from tuning.analysis.recording import Recording
from tuning.analysis.replay import replay

AT = "projects/lab/jobs/first/analysis"
EPOCHS = 5
MEDIAN = {"name": "median", "options": {"delay_evaluation": 2}}


@pytest.fixture
def job(world: World) -> TuningJob:
    """Forty trials of a minute each, two at a time; the best have a learning rate near 0.01."""
    world.job.trials.all().delete()
    numbers = range(1, 41)
    rates = {number: 10 ** (-3 + 2 * ((number * 0.618) % 1)) for number in numbers}
    finals = {number: 1 - (math.log10(rate) + 2) ** 2 for number, rate in rates.items()}
    begins = {number: BEGINNING + timedelta(seconds=60 * (number // 2)) for number in numbers}
    trials = Trial.objects.bulk_create(
        Trial(
            job=world.job, number=n, state="Completed", hyperparameters={"lr": rates[n]}, objective=finals[n],
            best_objective=finals[n], attempt=1, started_at=begins[n], ended_at=begins[n] + timedelta(seconds=60),
        )
        for n in numbers
    )  # fmt: skip
    attempts = Attempt.objects.bulk_create(
        Attempt(
            trial=trial, number=1, token=f"t-{trial.number}", backend="process", started_at=trial.started_at,
            ended_at=trial.ended_at, outcome="exited", exit_code=0,
        )
        for trial in trials
    )  # fmt: skip
    MetricPoint.objects.bulk_create(
        MetricPoint(
            attempt=attempt, metric="f1", step=step, at=begins[number] + timedelta(seconds=10 * step),
            value=finals[number] * step / EPOCHS,
        )
        for number, attempt in zip(numbers, attempts, strict=True)
        for step in range(1, EPOCHS + 1)
    )  # fmt: skip
    return world.job


def test_importance_is_that_of_the_engine(job: TuningJob, vera: Api) -> None:
    found = vera.get(f"{AT}/importance").json
    assert found["unavailable"] is None
    here: Any = importance(specification.stored(job.spec).space, whole_history(job))
    (rate,) = found["importance"]["parameters"]
    assert rate == {name: getattr(here.parameters[0], name) for name in rate}
    assert rate["name"] == "lr" and rate["mean"] > 0.9 and found["importance"]["trials"] == 40
    assert vera.get(f"{AT}/importance?best_share=0.5").json["unavailable"] is None


def test_narrower_ranges_are_those_of_a_child_job(job: TuningJob, alice: Api) -> None:
    found = alice.get(f"{AT}/narrowing").json["narrowing"]
    (rate,) = found["parameters"]
    assert rate["changed"] and rate["reason"] and rate["before"]["min"] == 0.001
    assert 0.001 < rate["after"]["min"] < 0.01 < rate["after"]["max"] < 0.1
    assert found["space"] == [rate["after"]] and len(found["good"]) == 8
    child = specification.complete(job.spec) | {"name": "child", "space": found["space"]}
    child["warm_start"] = {"type": "TRANSFER_LEARNING", "parents": ["first"]}
    assert alice.post("projects/lab/job-checks", child).json["faults"] == []


def test_the_next_per_cent_has_a_price_in_hours(job: TuningJob, bob: Api) -> None:
    found = bob.get(f"{AT}/marginal-gain?gain=0.0001").json["marginal_gain"]
    assert found["target"] == pytest.approx(found["best"] * 1.0001) and found["reason"]
    if found["trials"] is not None:
        assert found["hours"] == pytest.approx(found["trials"] / 60)
    assert bob.get(f"{AT}/marginal-gain?gain=10").json["marginal_gain"]["trials"] is None, "beyond any value"


def test_a_replay_is_that_of_the_engine(job: TuningJob, vera: Api) -> None:
    """In the order in which the reports came; nothing is written."""
    before = [(model, model.objects.count()) for model in (Event, Decision, Trial)]
    answer = vera.post(f"{AT}/replay", {"policy": MEDIAN}).json
    found = answer["replay"]
    recording = analysis.recording_of(job)
    assert isinstance(recording, Recording)
    here: Any = replay(recording, earlystop.create("median", MEDIAN["options"]))
    assert found["timed"] and found["stops"] == len(here.stopped) == len(found["stopped"]) > 5
    assert [one["number"] for one in found["stopped"]] == [one.number for one in here.stopped]
    assert (found["trials"], found["steps"], found["seconds"]) == (40, 40 * EPOCHS, 40 * 60)
    assert found["saved_steps"] == sum(one["saved_steps"] for one in found["stopped"]) > 0
    assert found["best"] == found["kept"] and found["regret"] == 0
    assert answer["sweep"] is answer["unavailable"] is None
    assert [(model, model.objects.count()) for model, _ in before] == before


def test_an_option_is_swept(job: TuningJob, alice: Api) -> None:
    sweep = {"option": "slack_amount", "values": [0.01, 0.1, 5]}
    found = alice.post(f"{AT}/replay", {"policy": {"name": "bandit"}, "sweep": sweep}).json["sweep"]
    assert [one["value"] for one in found] == [0.01, 0.1, 5]
    saved = [one["outcome"]["saved_steps"] for one in found]
    assert saved[0] > saved[1] > saved[2] == 0


def test_every_fault_of_a_request_is_told(job: TuningJob, alice: Api) -> None:
    for document, fields in (
        ({}, {"policy"}),
        ({"policy": {"name": "never"}}, {"policy.name"}),
        ({"policy": {"name": "median", "options": {"slack": 1}}, "x": 1}, {"policy.options.slack", "x"}),
        ({"policy": MEDIAN, "sweep": {}}, {"sweep.option", "sweep.values"}),
        ({"policy": MEDIAN, "sweep": {"option": "a", "values": []}}, {"sweep.values"}),
        ({"policy": MEDIAN, "sweep": {"option": "a", "values": [1] * 21}}, {"sweep.values"}),
        (
            {"policy": MEDIAN, "sweep": {"option": "evaluation_interval", "values": [1, 0, "x"]}},
            {"sweep.values[1]", "sweep.values[2]"},
        ),
    ):  # fmt: skip
        answer = alice.post(f"{AT}/replay", document)
        assert answer.status == 400 and set(answer.fields) == fields, answer.content
    for address in ("importance?best_share=2", "narrowing?share=nan", "marginal-gain?gain=much"):
        assert alice.get(f"{AT}/{address}").status == 400


def test_too_little_is_said_with_a_sentence(world: World, alice: Api) -> None:
    for name in ("importance", "narrowing", "marginal-gain"):
        found = alice.get(f"{AT}/{name}").json
        assert "3 trials have a result" in found["unavailable"]
        assert found[name.replace("-", "_")] is None
    world.job.trials.all().delete()
    answer = alice.post(f"{AT}/replay", {"policy": MEDIAN}).json
    assert "reported its objective more than once" in answer["unavailable"] and answer["replay"] is None


@pytest.mark.parametrize(
    ("limit", "most", "says"),
    [
        ("MAX_TRIALS", 39, "The job has 40 trials; a replay is made of up to 39."),
        ("MAX_CURVE", 4, "A trial has reported its objective 5 times; a replay is made of curves of up to 4."),
        ("MAX_REPORTS", 399, "have reported 200 times; a replay for each of 2 values is made of up to 199."),
    ],
)
def test_too_much_is_refused_with_the_limit(
    job: TuningJob, alice: Api, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, says: str
) -> None:
    monkeypatch.setattr(analysis, limit, most)
    document = {"policy": MEDIAN, "sweep": {"option": "delay_evaluation", "values": [1, 2]}}
    assert says in alice.post(f"{AT}/replay", document).json["unavailable"]
    if limit == "MAX_TRIALS":
        assert "40 trials, with those of the parents, are too many" in alice.get(f"{AT}/importance").json["unavailable"]


def test_only_those_who_see_the_job_may_ask(job: TuningJob, alice: Api, bob: Api, vera: Api, charlie: Api) -> None:
    for person, status in ((alice, 200), (bob, 200), (vera, 200), (charlie, 404)):
        for name in ("importance", "narrowing", "marginal-gain"):
            assert person.get(f"{AT}/{name}").status == status
        assert person.post(f"{AT}/replay", {"policy": MEDIAN}).status == status
    assert charlie.post(f"{AT}/replay", {"nonsense": 1}).status == 404, "a stranger learns nothing from faults"
