"""Learning about whole trials from trials of any length."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.tuning.strategy_suite import MIXED, bowl
from tuning import earlystop, strategies
from tuning.history import History, Observation
from tuning.simulate import simulate
from tuning.space import Float, SearchSpace
from tuning.states import Goal, TrialState
from tuning.strategies.bayesian import Bayesian
from tuning.strategies.fidelity import Fidelities, fidelities_of

LINE = SearchSpace((Float("x", 0.0, 1.0),))
THREE = Fidelities((1, 3, 9), 27)


def trial(number, values, state=TrialState.EARLY_STOPPED, x=None, **more):
    curve = tuple(enumerate(values, 1))
    value = values[-1] if values and state.terminal and state is not TrialState.FAILED else None
    return Observation(number, {"x": number / 100 if x is None else x}, state, value, curve, **more)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (trial(1, [0.1, 0.2, 0.3, 0.4]), [(1, 0.1), (3, 0.3), (4, 0.4)]),
        (trial(1, [0.1, 0.2, 0.3], TrialState.PAUSED), [(1, 0.1), (3, 0.3)]),
        (trial(1, [0.1, 0.2], TrialState.RUNNING), [(1, 0.1), (2, 0.2)]),
        (trial(1, [0.1, 0.2], TrialState.COMPLETED), [(1, 0.1), (27, 0.2)]),  # nothing more is to come of it
        (trial(1, [0.5] * 40), [(1, 0.5), (3, 0.5), (9, 0.5), (27, 0.5)]),
        (trial(1, [math.nan, 0.2, math.nan]), [(1, 0.2), (3, 0.2)]),
        (trial(1, [], TrialState.RUNNING), []),
        (replace(trial(1, [], TrialState.COMPLETED), value=0.7), [(27, 0.7)]),
    ],
)
def test_a_trial_is_known_by_its_values_at_the_rungs_and_the_last(one, expected):
    assert THREE.values(one) == expected


def test_lengths_are_seen_from_the_trials_where_some_were_cut():
    def seen(*trials):
        return fidelities_of(History(Goal.MAXIMIZE, trials))

    whole = trial(1, [0.5] * 20, TrialState.COMPLETED)
    assert seen() is None
    assert seen(whole, trial(2, [0.5] * 5, TrialState.COMPLETED), trial(3, [0.5], TrialState.RUNNING)) is None
    assert seen(whole, trial(2, [0.5] * 5)) == Fidelities((1, 3, 9), 20)
    assert seen(trial(1, [0.5] * 7, TrialState.RUNNING), trial(2, [0.5] * 5)) == Fidelities((1, 3, 9), 21)
    assert seen(trial(1, [0.5] * 5), trial(2, [0.5] * 5)) is None
    assert seen(whole, trial(2, [0.5] * 5, TrialState.FAILED)) is None
    late = Observation(3, {"x": 1}, TrialState.COMPLETED, 0.5, ((100, 0.4), (200, 0.5), (1000, 0.5)))
    cut = Observation(4, {"x": 1}, TrialState.EARLY_STOPPED, 0.5, ((100, 0.4), (200, 0.5)))
    assert seen(late, cut) == Fidelities((100, 300, 900), 1000)


def curve(x, epochs=27):
    """Climbs slowly to its end: best at 0.7 in the end, and 2 below that after the first epoch."""
    return [-((x - 0.7) ** 2) - 2.0 / epoch for epoch in range(1, epochs + 1)]


def cut_and_whole():
    """Eight trials of one epoch all over, four whole ones in the poor half."""
    short = [trial(n, curve(x)[:1], x=x) for n, x in enumerate(np.linspace(0, 1, 8).tolist(), 1)]
    whole = [trial(n, curve(x), TrialState.COMPLETED, x) for n, x in [(9, 0.05), (10, 0.2), (11, 0.3), (12, 0.4)]]
    return History(Goal.MAXIMIZE, (*short, *whole))


def test_what_a_whole_trial_would_give_is_known_where_only_short_ones_were():
    surrogate = THREE.surrogate(LINE, cut_and_whole())
    points = [0.5, 0.6, 0.7, 0.9]
    means, _ = surrogate.model.predict(LINE.features([{"x": x} for x in points]))
    expected = -surrogate.targets.to_loss(means)
    assert expected == pytest.approx([curve(x)[-1] for x in points], abs=0.08)
    assert (surrogate.own, surrogate.on_the_way) == (12, 12)
    assert abs(surrogate.anchors[0][0] - 0.7) < 0.08, "the best expected, not the best seen"


def test_the_gradient_is_that_of_the_mean():
    model = THREE.surrogate(LINE, cut_and_whole()).model.believe(np.array([[0.9]]))
    at, step = np.array([[0.33], [0.62]]), 1e-5
    _, _, by_mean, by_sd = model.predict_gradient(at)
    assert by_sd.shape == by_mean.shape == (2, 1)
    high, low = model.predict(at + step)[0], model.predict(at - step)[0]
    assert by_mean[:, 0] == pytest.approx((high - low) / (2 * step), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("goal", list(Goal))
def test_the_search_is_not_led_astray_by_trials_that_were_cut(goal):
    """The whole trials look best by their last value, all of them below 0.4; the short ones promise more above."""
    history = cut_and_whole()
    own = tuple(
        replace(t, value=goal.sign * t.value, curve=tuple((s, goal.sign * v) for s, v in t.curve)) for t in history.own
    )
    (one,) = Bayesian().suggest(LINE, History(goal, own), [13], 0)
    assert one.config["x"] > 0.5
    assert "values on their way" in one.reason and one.numbers["values_on_the_way"] == 12
    assert one.numbers["mean"] == pytest.approx(goal.sign * curve(one.config["x"])[-1], abs=0.1)


def test_paused_trials_are_learnt_from_and_are_not_pending():
    own = tuple(
        replace(t, state=TrialState.PAUSED, value=None) if t.state is TrialState.EARLY_STOPPED else t
        for t in cut_and_whole().own
    )
    (one,) = Bayesian(fidelities=THREE).suggest(LINE, History(Goal.MAXIMIZE, own), [13], 0)
    assert one.numbers["pending_trials"] == 0 and one.numbers["own_trials"] == 12
    assert one.config["x"] > 0.5


def test_beside_parents_of_other_data_trials_count_as_what_they_would_come_to():
    parents = tuple(
        Observation(n, {"x": n / 20}, TrialState.COMPLETED, float(-abs(n / 20 - 0.6)), inherited_from="parent")
        for n in range(1, 20)
    )
    history = replace(cut_and_whole(), inherited=parents, comparable=False)
    ended = THREE.ended(LINE, history)
    assert [t.value for t in ended.own] == pytest.approx([curve(t.config["x"])[-1] for t in history.own], abs=0.1)
    (one,) = Bayesian(fidelities=THREE).suggest(LINE, history, [13], 0)
    assert "parents" in one.reason and abs(one.config["x"] - 0.65) < 0.2


def test_with_a_policy_bayesian_search_learns_from_every_length():
    """Against a search that takes the last value of a stopped trial for its result."""

    def slow(config):
        return [bowl(config) - 3.0 / epoch for epoch in range(1, 28)]

    found = []
    for cut in (False, True):
        policy = earlystop.create("bandit", {"slack_amount": 0.4, "delay_evaluation": 3})
        runs = [
            simulate(
                strategies.create("bayesian", {}),
                MIXED,
                slow,
                25,
                parallel=2,
                seed=seed,
                policy=policy if cut else None,
            )
            for seed in range(2)
        ]
        spent = sum(len(t.curve) for run in runs for t in run.own)
        found.append((float(np.mean([bowl(run.best.config) for run in runs])), spent))
    (full, all_epochs), (stopped, epochs) = found
    assert epochs < 0.7 * all_epochs
    assert stopped > full - 0.1


def test_failed_trials_are_the_worst_whole_ones():
    broken = tuple(trial(n, [0.9], TrialState.FAILED, x=0.7 + n / 1000) for n in range(13, 17))
    history = cut_and_whole()
    surrogate = THREE.surrogate(LINE, replace(history, own=(*history.own, *broken)))
    mean, _ = surrogate.model.predict(LINE.features([{"x": 0.71}, {"x": 0.4}]))
    assert mean[0] > mean[1]


def test_thousands_of_trials_are_no_burden():
    rng = np.random.default_rng(0)
    own = tuple(
        trial(
            n,
            curve(x)[: 27 if n % 10 == 0 else 3],
            TrialState.COMPLETED if n % 10 == 0 else TrialState.EARLY_STOPPED,
            x,
        )
        for n, x in enumerate(rng.random(5000).tolist(), 1)
    )
    (one,) = Bayesian().suggest(LINE, History(Goal.MAXIMIZE, own), [5001], 0)
    assert abs(one.config["x"] - 0.7) < 0.1
