"""Parents of another scale (F11, F12): their rankings, and what own results leave of the trust in them."""

import tracemalloc

import numpy as np
import pytest

from tuning.history import History, Observation
from tuning.space import Float, SearchSpace
from tuning.states import Goal, TrialState
from tuning.strategies import parents
from tuning.strategies.parents import Parent, parents_of

LINE = SearchSpace((Float("x", 0.0, 1.0),))
TENTHS = [n / 10 for n in range(11)]


def trials(xs, values, parent=None):
    return tuple(
        Observation(n, {"x": x}, TrialState.COMPLETED, float(value), inherited_from=parent)
        for n, (x, value) in enumerate(zip(xs, values, strict=True), start=1)
    )


def trust(own=(), goal=Goal.MAXIMIZE, parent=None):
    """In a parent whose value is x, unless another is given."""
    inherited = parent or trials(TENTHS, TENTHS, "a")
    (found,) = parents_of(LINE, History(goal, tuple(own), inherited, comparable=False))
    return found.trust


def test_each_parent_is_ranked_by_its_own_values():
    inherited = (*trials([0.1, 0.2, 0.3], [5, 9, 9], "b"), *trials([0.4], [1000], "a"))
    failed = Observation(9, {"x": 0.9}, TrialState.FAILED, None, inherited_from="a")
    found = parents_of(LINE, History(Goal.MAXIMIZE, (), (failed, *inherited), comparable=False))
    assert [(one.name, [t.config["x"] for t in one.trials]) for one in found] == [("a", [0.4]), ("b", [0.2, 0.3, 0.1])]
    found = parents_of(LINE, History(Goal.MINIMIZE, (), inherited, comparable=False))
    assert [t.config["x"] for t in found[1].trials] == [0.1, 0.2, 0.3]


def test_comparable_parents_are_observations_and_need_no_trust():
    assert parents_of(LINE, History(Goal.MAXIMIZE, (), trials([0.5], [1.0], "a"))) == ()


def test_trust_begins_at_seven_tenths_and_follows_the_order_of_the_own_results():
    assert trust() == trust(trials([0.5], [3.0])) == 0.7
    assert trust(trials(TENTHS, TENTHS)) > 0.9
    assert trust(trials(TENTHS, [1000 * x - 7 for x in TENTHS])) == trust(trials(TENTHS, TENTHS))
    assert trust(trials(TENTHS, [-x for x in TENTHS])) == 0.0
    assert trust(trials(TENTHS, np.random.default_rng(1).random(11))) < 0.6


def test_minimising_is_maximising_mirrored():
    down = tuple(TENTHS)
    assert trust(trials(TENTHS, [-x for x in down]), Goal.MINIMIZE, trials(TENTHS, [-x for x in down], "a")) == (
        trust(trials(TENTHS, down))
    )


def test_one_result_against_does_not_overthrow_and_a_few_do():
    """Own trials in the good and in the bad part of the range, of which the bad one turns out better."""
    assert 0.0 < trust(trials([0.95, 0.1], [0.0, 1.0])) < 0.4
    assert trust(trials([0.95, 0.1, 0.9, 0.2, 1.0], [0.0, 1.0, 0.1, 1.1, 0.0])) == 0.0


def test_trials_where_the_parent_expects_about_the_same_say_little():
    close = trust(trials([0.90, 0.97], [1.0, 0.0]))
    assert close == pytest.approx(0.7, abs=0.2)
    assert close > trust(trials([0.1, 0.97], [1.0, 0.0]))


def test_own_trials_of_one_value_say_nothing_against():
    assert 0.0 < trust(trials(TENTHS, [1.0] * 11)) < 0.7


def test_own_failures_count_as_the_worst():
    """Two that failed where the parent is best, beside one that is worse by far than it should be elsewhere."""
    failed = tuple(Observation(n, {"x": x}, TrialState.FAILED) for n, x in ((7, 0.95), (8, 1.0)))
    worst = trials([0.95, 1.0], [-1e300, -1e300])
    lost = tuple(Observation(n, {"x": x}, TrialState.LOST) for n, x in ((7, 0.95), (8, 1.0)))
    rest = trials([0.1, 0.4], [0.0, 1.0])
    assert trust(rest + failed) == trust(rest + worst) < 0.2
    assert trust(rest + lost) == trust(rest) > 0.7


def test_a_trust_that_is_no_more_than_chance_weighs_next_to_nothing():
    weights = [Parent("a", (), trust).weight for trust in (0.0, 0.14, 0.7, 0.9)]
    assert weights == pytest.approx([0.0, 0.14 * 0.2**2, 0.7, 0.9])


def test_each_fourth_of_the_first_trials_tests_the_parents():
    assert [number for number in range(1, 60) if parents.tests_parents(number)] == [2, 6]


def test_many_own_and_parents_trials_are_compared_in_little_memory():
    space = SearchSpace(tuple(Float(f"x{n}", 0.0, 1.0) for n in range(100)))
    rng = np.random.default_rng(0)

    def drawn(count, parent=None):
        return tuple(
            Observation(n, space.sample(rng), TrialState.COMPLETED, float(n), inherited_from=parent)
            for n in range(1, count + 1)
        )

    history = History(Goal.MAXIMIZE, drawn(100), drawn(1_000, "a"), comparable=False)
    tracemalloc.start()
    try:
        (found,) = parents_of(space, history)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0.0 <= found.trust <= 1.0
    assert peak < 20_000_000  # all differences at once are 80 MB
