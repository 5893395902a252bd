"""What a point is worth trying (F48): as far as its options go, without a warning."""

import json
import sys

import numpy as np
import pytest

from tests.tuning.strategy_suite import MIXED, bowl
from tuning import Tuner
from tuning.strategies.targets import Targets


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["ei", "poi", "ucb"])
@pytest.mark.parametrize("xi", [sys.float_info.max, 1e300, 1e20, 5e-324])
@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_an_improvement_that_nobody_can_make_is_asked_for_in_vain_but_without_a_warning(kind, xi, goal):
    """F48: xi is in the objective's unit, and any number from 0 may be given."""
    tuner = Tuner(MIXED, goal, "bayesian", kind=kind, xi=xi, max_trials=12)
    while not tuner.done:
        for trial in tuner.ask():
            assert json.dumps(dict(trial.numbers), allow_nan=False)
            tuner.tell(trial, bowl(trial.config))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("losses", [[1.0, 2.0, 4.0, 8.0, 1e3], [1.7e308, -1.7e308, 0.0, 1.0, 2.0], [1.0] * 5])
def test_the_gain_of_a_transformed_loss_is_a_number(losses):
    targets = Targets.fit(np.array(losses))
    gains = [targets.gain(float(targets.values.min()), better) for better in (0.0, 1e-3, 1.0, 1e300, 1.7e308)]
    assert np.isfinite(gains).all()
    assert gains == sorted(gains) and gains[0] == 0.0
