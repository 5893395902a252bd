"""What the next per cent would cost: against known chances, and when nothing can be said."""

import json
import math

import numpy as np
import pytest

from tuning.analysis.marginal_gain import MarginalGain, marginal_gain
from tuning.analysis.unavailable import Unavailable
from tuning.history import History, Observation
from tuning.states import Goal, TrialState


def searched(values, goal=Goal.MAXIMIZE):
    """Trials of these values by number; None has failed."""
    return History(
        goal,
        tuple(
            Observation(
                n, {}, TrialState.FAILED if v is None else TrialState.COMPLETED, None if v is None else float(v)
            )
            for n, v in enumerate(values, 1)
        ),
    )


def answer(*args, **kwargs) -> MarginalGain:
    found = marginal_gain(*args, **kwargs)
    assert isinstance(found, MarginalGain), found
    return found


def peak(rng, n, d):
    """Values of random points around a smooth peak of 1 in the middle of ``d`` hyperparameters."""
    return 1.0 - ((rng.random((n, d)) - 0.5) ** 2).sum(axis=1)


# Drawn often enough that the true chance of reaching any target is known.
KINDS = {
    "peak of 2": lambda rng, n: peak(rng, n, 2),
    "peak of 5": lambda rng, n: peak(rng, n, 5),
    "bell": lambda rng, n: 0.8 + 0.05 * rng.standard_normal(n),
    "long tail": lambda rng, n: 1.0 + rng.exponential(size=n),
}


@pytest.mark.parametrize("trials", [30, 120])
def test_the_true_cost_lies_mostly_within_the_bounds(trials):
    inside = []
    for draw in KINDS.values():
        many = np.sort(draw(np.random.default_rng(99), 200_000))
        for seed in range(20):
            found = answer(searched(draw(np.random.default_rng(seed), trials)))
            reaching = len(many) - np.searchsorted(many, found.target)
            true = len(many) / reaching if reaching else math.inf
            inside.append(found.trials_low <= true <= found.trials_high)
    assert np.mean(inside) > 0.65  # of 0.8 that is promised


def test_the_bounds_are_in_order_and_the_sentence_says_them():
    found = answer(searched(peak(np.random.default_rng(0), 60, 3)))
    assert 1 <= found.trials_low <= found.trials <= found.trials_high
    assert found.target == pytest.approx(1.01 * found.best) and 0 < found.chance_in_10 < 0.5
    assert found.reason.startswith(f"The next 1 % of {found.best:.6g}, to {found.target:.6g}, costs about ")
    assert found.hours is None


def test_more_is_dearer():
    history = searched(KINDS["bell"](np.random.default_rng(1), 100))
    costs = [answer(history, gain=gain).trials for gain in (0.001, 0.01, 0.05)]
    assert costs == sorted(costs) and costs[0] < costs[2]


def test_the_longer_nothing_better_comes_the_dearer_it_is():
    rng = np.random.default_rng(2)
    first = [*KINDS["bell"](rng, 40), 0.95]
    soon, late = (answer(searched([*first, *(0.7 + 0.1 * rng.random(n))])) for n in (5, 300))
    assert late.trials > 3 * soon.trials


def test_a_search_that_still_climbs_is_not_judged_by_its_beginning():
    rng = np.random.default_rng(3)
    flat = 0.5 + 0.01 * rng.random(150)
    climbing = 0.6 + 0.002 * np.arange(50) + 0.02 * rng.random(50)
    assert answer(searched([*flat, *climbing])).trials < 20 < answer(searched([*climbing, *flat])).trials / 3


def test_minimising_is_maximising_mirrored():
    values = KINDS["bell"](np.random.default_rng(4), 50)
    up, down = answer(searched(values)), answer(searched(-values, Goal.MINIMIZE))
    assert (up.trials, up.trials_low, up.trials_high) == (down.trials, down.trials_low, down.trials_high)
    assert down.target == -up.target


def test_hours_follow_the_recent_trials():
    history = searched(peak(np.random.default_rng(0), 60, 3))
    found = answer(history, seconds=dict.fromkeys(range(1, 61), 7200.0))
    assert found.hours == pytest.approx(2 * found.trials) and found.hours_low == pytest.approx(2 * found.trials_low)
    assert "hours of trials" in found.reason


def test_failed_trials_cost_too():
    values = list(KINDS["bell"](np.random.default_rng(5), 60))
    broken = [value for pair in zip(values, [None] * 60, strict=True) for value in pair]
    assert answer(searched(broken)).trials > 1.2 * answer(searched(values)).trials


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ([0.5] * 19, "19 trials have a result; 20 are needed"),
        ([None] * 40, "0 trials have a result"),
        ([0.0] * 40, "best value is 0"),
        ([1e308] * 40, "too large"),
    ],
)
def test_it_says_why_there_is_no_answer(values, part):
    found = marginal_gain(searched(values))
    assert isinstance(found, Unavailable) and part in found.reason


@pytest.mark.parametrize("values", [[0.7] * 40, [0.1] * 10 + [0.7] * 30, [1e-300, 2e-300] * 20, [1e300, -1e300] * 20])
def test_extreme_and_equal_values_are_survived(values):
    found = answer(searched(values))
    assert found.trials >= 1 and "nan" not in found.reason
    assert json.dumps(found.chance_in_10, allow_nan=False)


def test_the_same_history_gives_the_same_numbers():
    history = searched(peak(np.random.default_rng(0), 60, 3))
    assert answer(history) == answer(history)


def test_failed_trials_are_told_apart_without_comparing_each_with_all():
    compared = []

    class Counted(Observation):
        def __eq__(self, other):
            compared.append(1)
            return super().__eq__(other)

        __hash__ = None

    trials = tuple(
        Counted(n, {}, TrialState.FAILED if n % 2 else TrialState.COMPLETED, None if n % 2 else n % 89)
        for n in range(1, 401)
    )
    answer(History(Goal.MAXIMIZE, trials))
    assert len(compared) <= len(trials)
