"""What the documents say of searches and metrics in a sentence, and no other file shows: one test for each rule."""

import math

import pytest

from tuning import Tuner, earlystop, strategies
from tuning.earlystop.intervals import not_due
from tuning.errors import InvalidSpec
from tuning.metrics import MAX_METRICS, MetricDefinition, MetricReader, metrics_from_json
from tuning.space import Categorical, Float, Integer, SearchSpace
from tuning.states import TrialState

RANGES = SearchSpace(
    (
        Float("lr", 1e-6, 1e-1, "log"),
        Integer("n-estimators", 100, 200),
        Categorical("optimizer", ("sgd", "adam")),
    )
)


def finished(tuner, trials, objective=lambda config: config["n-estimators"]):
    for _ in range(trials):
        (trial,) = tuner.ask()
        tuner.tell(trial, objective(trial.config))
    return tuner


@pytest.mark.parametrize("strategy", ["bayesian", "random", "sobol", "tpe", "anneal"])
def test_static_values_are_the_same_in_every_trial_and_tunable_ones_are_searched(strategy):
    """F31, F32."""
    tuner = Tuner(RANGES, strategy=strategy, static={"epochs": 30, "image_shape": "3,224,224"})
    arguments = [trial.arguments for trial in tuner.ask(16)]
    assert all((given["epochs"], given["image_shape"]) == (30, "3,224,224") for given in arguments)
    assert all(set(given) == {"epochs", "image_shape", "lr", "n-estimators", "optimizer"} for given in arguments)
    assert {given["optimizer"] for given in arguments} == {"sgd", "adam"}
    assert all(isinstance(given["n-estimators"], int) and 100 <= given["n-estimators"] <= 200 for given in arguments)
    assert len({given["n-estimators"] for given in arguments}) > 8
    logs = [math.log10(given["lr"]) for given in arguments]
    assert -6 <= min(logs) < -4 and -3 < max(logs) <= -1  # linear, four in five would lie above 10^-2


def test_a_wrapped_search_of_two_trials_one_at_a_time():
    """F54: BayesOptSearch with num_samples 2, max_concurrent_trials 1."""
    tuner = Tuner(RANGES, strategy="bayesian", max_trials=2)
    for number in (1, 2):
        assert not tuner.done
        (trial,) = tuner.ask()
        assert trial.number == number
        tuner.tell(trial, 0.5)
    assert tuner.done and tuner.ask() == []


def test_searches_beside_each_other_are_independent():
    """F55."""
    alone = [finished(Tuner(RANGES, seed=seed), 8) for seed in (1, 2)]
    beside = [Tuner(RANGES, seed=seed) for seed in (1, 2)]
    for _ in range(8):
        for tuner in beside:
            finished(tuner, 1)
    assert [tuner.trials for tuner in beside] == [tuner.trials for tuner in alone]


@pytest.mark.parametrize(("goal", "choose"), [("maximize", max), ("minimize", min)])
def test_the_objective_has_a_direction(goal, choose):
    """F56."""
    tuner = finished(Tuner(RANGES, goal), 12)
    values = [trial.value for trial in tuner.trials]
    assert tuner.best().value == choose(values)
    assert values.index(choose(values)) + 1 == tuner.best().number


@pytest.mark.parametrize(
    ("reported", "found"),
    [("Accuracy", [0.9]), ("accuracy", []), ("Accuracy ", []), ("validation Accuracy", [])],
)
def test_a_metric_is_found_by_its_exact_name(reported, found):
    """F57; F62: a value may be reported by name, instead of being printed for a regex."""
    reader = MetricReader([MetricDefinition("Accuracy", r"acc=([0-9.]+)")])
    reading = reader.read(b'{"hpt": {"%s": 0.9, "epoch": 1}}\n' % reported.encode())
    assert [point.value for point in reading.points] == found


def test_a_script_only_prints():
    """F52, F60: any line of a script that knows nothing of HPT, of whichever stream, is read."""
    reader = MetricReader(metrics_from_json([{"name": "loss", "regex": r"loss ([0-9.]+)"}]))
    output = b"Downloading...\nUserWarning: loss is high\nepoch 1 loss 0.5\n\x1b[0mepoch 2 loss 0.25\n"
    assert [point.value for point in reader.read(output).points] == [0.5, 0.25]


@pytest.mark.parametrize(("count", "refused"), [(20, False), (40, False), (41, True)])
def test_so_many_metrics_can_be_defined(count, refused):
    """F60: the vendor's limits page says 20, its metrics page 40 (C21)."""
    document = [{"name": f"m{index}", "regex": f"m{index}=([0-9.]+)"} for index in range(count)]
    assert MAX_METRICS == 40
    if not refused:
        assert len(metrics_from_json(document)) == count
        return
    with pytest.raises(InvalidSpec, match="has 41 metrics; define at most 40"):
        metrics_from_json(document)


@pytest.mark.parametrize(
    ("interval", "delay", "judged"),
    [
        (1, 0, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),  # F64: every report, unless something is said
        (2, 0, [2, 4, 6, 8, 10]),
        (1, 5, [5, 6, 7, 8, 9, 10]),
        (2, 5, [6, 8, 10]),  # F65
        (3, 6, [6, 9]),
        (5, 11, []),
    ],
)
def test_when_a_policy_is_applied(interval, delay, judged):
    assert [report for report in range(1, 11) if not_due(report, interval, delay) is None] == judged


def test_every_policy_of_intervals_judges_each_report_unless_told_otherwise():
    """F64 (C6): the default is 1."""
    for info in earlystop.catalogue():
        defaults = {option.name: option.default for option in info.options}
        if "evaluation_interval" in defaults:
            assert (defaults["evaluation_interval"], defaults["delay_evaluation"]) == (1, 0)


def test_without_a_policy_every_trial_runs_to_its_end():
    """F69."""
    tuner = Tuner(RANGES)
    good, poor = tuner.ask(2)
    for epoch in range(20):
        tuner.report(good, 0.9)
        tuner.report(poor, 0.01 * epoch)
        assert not tuner.should_stop(poor).stop
    assert tuner.tell(poor).state is tuner.tell(good).state is TrialState.COMPLETED


def test_the_form_has_the_advice_of_the_documents():
    """F70."""
    summaries = {info.name: info.summary for info in earlystop.catalogue()}
    assert "interval 1 and delay 5 it saves about 25 to 35 %" in summaries["median"]
    assert "saves more" in " ".join(summaries["bandit"].split()).lower()
    assert "larger percentage saves more" in summaries["truncation"]


def test_hyperband_stops_trials_by_itself():
    """F72."""
    assert next(info for info in strategies.catalogue() if info.name == "hyperband").schedules
    tuner = Tuner(RANGES, strategy="hyperband", mode="stopping", min_resource=1, max_resource=8, max_trials=9)
    while not tuner.done:
        for trial in tuner.ask():
            for epoch in range(1, 9):
                tuner.report(trial, -trial.number, epoch)
                if tuner.should_stop(trial).stop:
                    break
            tuner.tell(trial)
    states = {trial.state for trial in tuner.trials}
    assert states == {TrialState.COMPLETED, TrialState.EARLY_STOPPED}
