"""What a job suggests is what a Tuner in a notebook does that was told the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.web.jobs.elsewhere import Elsewhere, New
from tuning import Tuner

BANDIT = {"slack_amount": 0.05, "delay_evaluation": 2}
SEARCH: Mapping[str, Any] = {
    "strategy": {"name": "bayesian", "options": {"n_initial_points": 4}},
    "limits": {"max_trials": 12, "max_parallel": 1},
}


def tuner_like(script: Elsewhere, **arguments: Any) -> Tuner:
    job = script.job
    return Tuner(job.spec["space"], strategy="bayesian", n_initial_points=4, seed=job.seed, max_trials=12, **arguments)


def run_both(script: Elsewhere, tuner: Tuner, trials: int = 12) -> None:
    """Trials of nine epochs each, as long as nobody stops them."""
    for _ in range(trials):
        (handed,), (expected,) = script.ask().trials, tuner.ask()
        assert handed.hyperparameters == expected.config
        assert (handed.reason, handed.numbers) == (expected.reason, expected.numbers)
        for epoch in range(1, 10):
            value = 1 - (float(expected.config["x"]) - 0.3) ** 2 - 0.5 / epoch
            tuner.report(expected, value)
            verdict = tuner.should_stop(expected)
            assert script.report(handed.number, value).stop == verdict.stop
            if verdict.stop:
                break
        assert script.tell(handed.number).state == tuner.tell(expected).state


def test_a_search_that_cuts_trials_short_is_the_one_of_the_engine(elsewhere: New) -> None:
    """What the service's model learns of stopped trials is what that of a Tuner does: their whole curves."""
    script = elsewhere(**SEARCH, early_stopping={"name": "bandit", "options": BANDIT})
    tuner = tuner_like(script, early_stopping={"name": "bandit", **BANDIT})
    run_both(script, tuner)
    assert {len(trial.curve) for trial in tuner.trials} > {9}, "some were cut short, and some were not"


def test_so_is_one_whose_parents_cut_theirs_short(elsewhere: New) -> None:
    """Nobody judges the child's own trials. It is shown their curves all the same, as its parent's are not whole."""
    parent = elsewhere(**SEARCH, early_stopping={"name": "bandit", "options": BANDIT})
    before = tuner_like(parent, early_stopping={"name": "bandit", **BANDIT})
    run_both(parent, before)
    warm = {"type": "IDENTICAL_DATA_AND_ALGORITHM", "parents": [parent.job.name]}
    child = elsewhere(**SEARCH, name="child", warm_start=warm)
    run_both(child, tuner_like(child, parents=[before]), trials=5)
