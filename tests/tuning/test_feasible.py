"""Spaces of which constraints leave so little that random points hardly ever satisfy them."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuning import strategies
from tuning.constraints import Constraint
from tuning.errors import InvalidSpec, SpaceExhausted
from tuning.history import History
from tuning.listing import listed
from tuning.simulate import simulate
from tuning.space import Categorical, Condition, Float, Integer, SearchSpace
from tuning.states import Goal

STRATEGIES = ("random", "sobol", "tpe", "anneal", "hyperband", "bayesian", "auto")


def space(parameters, *constraints):
    return SearchSpace(tuple(parameters), tuple(map(Constraint, constraints)))


def floats(count):
    return [Float(f"p{index}", 0, 1) for index in range(count)]


def chain(count):
    return space(floats(count), *(f"p{index} < p{index + 1}" for index in range(count - 1)))


def corner(sum_):
    return space([Float("a", 0, 1), Float("b", 0, 1)], f"a + b < {sum_}")


FEW = space([Integer(name, 1, 60) for name in "abc"], "a + b + c <= 9")  # 84 of 216,000
BRANCHES = space(
    [
        Categorical("opt", ("x", "y", "z")),
        Float("lr", 1e-6, 1, "log"),
        Integer("size", 1, 4096, "log"),
        Float("beta", 0, 1, when=Condition("opt", ("z",))),
    ],
    "opt != 'x'",
    "9e-6 < lr * size < 1e-5",
    "beta < 0.01 * lr",
)
RARE = {"corner": corner(0.03), "small corner": corner(0.001), "chain": chain(8), "branches": BRANCHES}


def searched(name, of, trials, parallel=1, seed=0):
    def objective(config):
        value = sum(number for number in config.values() if not isinstance(number, str))
        return [value] * 3 if name == "hyperband" else value

    return simulate(strategies.create(name, {}), of, objective, trials, parallel=parallel, seed=seed)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("of", RARE.values(), ids=RARE)
def test_a_search_in_a_rare_space_goes_on(name, of):
    for trials, parallel, seed in ((8, 1, 0), (6, 3, 1)):
        own = searched(name, of, trials, parallel, seed).own
        assert len({of.key(trial.config) for trial in own}) == trials
        assert [of.problem_with(trial.config) for trial in own] == [None] * trials


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name != "auto"])  # at present Bayesian
def test_every_one_of_few_points_is_found_before_the_space_is_exhausted(name):
    history = searched(name, FEW, 100, parallel=3)
    assert len({FEW.key(trial.config) for trial in history.own}) == len(history.own) == 84
    with pytest.raises(SpaceExhausted, match="All 84 points"):
        strategies.create(name, {}).suggest(FEW, history, [85], 0)


def test_all_points_are_listed_where_they_are_fewer_than_the_values_of_an_axis():
    of = space([Integer("a", 1, 25), Integer("b", 1, 25)], "a + b <= 4")
    assert of.size == len(searched("bayesian", of, 9).own) == len(searched("random", of, 9).own) == 6


def test_points_spread_over_all_that_is_allowed():
    rng = np.random.default_rng(0)
    narrow = corner(0.001)
    drawn = [narrow.sample(rng) for _ in range(120)]
    shares = np.array([point["a"] / (point["a"] + point["b"]) for point in drawn])
    assert abs(shares.mean() - 0.5) < 0.08  # of uniform points: uniform in [0, 1], so 0.5 +- 0.026
    assert abs(shares.std() - 12**-0.5) < 0.06
    assert abs(np.mean([point["a"] + point["b"] for point in drawn]) - 0.001 * 2 / 3) < 0.0001
    apart = space(floats(2), "abs(p0 - p1) > 0.99")
    high = np.mean([apart.sample(rng)["p0"] > 0.5 for _ in range(40)])
    assert 0.25 < high < 0.75  # two corners, of which no single step leads from one to the other
    steep = chain(8)
    mean = np.mean([list(steep.sample(rng).values()) for _ in range(40)], axis=0)
    assert np.abs(mean - np.arange(1, 9) / 9).max() < 0.1


def test_long_chains_are_accepted():
    of = chain(15)
    values = list(of.sample(np.random.default_rng(3)).values())
    assert values == sorted(values)


def test_the_same_number_gives_the_same_point_in_any_process_and_however_often_it_is_asked_for():
    strategy = strategies.create("random", {})
    history = History(Goal.MAXIMIZE)
    for of in (corner(0.001), chain(8), FEW, BRANCHES):
        together = strategy.suggest(of, history, [1, 2, 3], 5)
        again = SearchSpace.from_json(of.document())
        assert [strategy.suggest(again, history, [number], 5)[0].config for number in (3, 2, 1, 3)] == [
            together[at].config for at in (2, 1, 0, 2)
        ]
    script = (
        "import json, sys, numpy; from tuning.space import SearchSpace; rng = numpy.random.default_rng(7)\n"
        "print(json.dumps([SearchSpace.from_json(one).sample(rng) for one in json.loads(sys.argv[1])]))"
    )
    spaces = (corner(0.02), chain(8), FEW, BRANCHES)
    documents = json.dumps([of.document() for of in spaces])
    command = [sys.executable, "-c", script, documents]
    told = subprocess.run(command, env=os.environ, capture_output=True, check=True, text=True)
    rng = np.random.default_rng(7)
    assert json.loads(told.stdout) == [of.sample(rng) for of in spaces]


@pytest.mark.parametrize("texts", [("p0 > 2",), ("p0 < p1", "p1 < p0"), ("p0 < p1 < p0",), ("1 / (p0 - p0) > 0",)])
def test_a_space_without_a_point_is_refused_soon(texts):
    begun = time.process_time()
    with pytest.raises(InvalidSpec, match=r"satisfied by none of 1,000 random points, nor by one that was searched"):
        space(floats(2), *texts)
    assert time.process_time() - begun < 2  # 0.2 s


def test_lists_are_made_of_what_is_left_and_given_up_where_that_is_too_much():
    parameters = (
        Integer("a", 1, 10**9),
        Categorical("c", ("x", "y")),
        Integer("b", 0, 9, when=Condition("c", ("y",))),
    )
    assert listed(parameters, (Constraint("a == 3"),)) is None
    few = listed((*parameters[1:], Integer("a", 1, 300)), tuple(map(Constraint, ("a * a <= 4", "b > a + 6"))))
    assert [tuple(point.values()) for point in few] == [
        ("x", 1), ("x", 2), ("y", 8, 1), ("y", 9, 1), ("y", 9, 2),
    ]  # fmt: skip
    assert listed(floats(1), ()) is None


TEXTS = (
    "a < b", "a + b * a <= 3", "not (a - b >= 1)", "a == 2 or b == 3", "abs(a) > b and a != b", "min(a, b) > -1 < a",
    "-a < max(a, b, 2) - 3", "a / b > 1", "a ** 2 < b", "not (a < b < 3)", "a // 2 == b % 3", "not (a == b and a > 1)",
)  # fmt: skip


@settings(max_examples=60)
@given(st.sampled_from(TEXTS), st.integers(-4, 4), st.integers(-4, 4), st.integers(0, 3), st.integers(0, 3))
def test_shortfalls_and_intervals_agree_with_what_holds(text, a, b, wide_a, wide_b):
    constraint = Constraint(text)
    holds = constraint.holds({"a": a, "b": b})
    assert (constraint.shortfall({"a": a, "b": b}) == 0.0) is holds
    assert constraint.shortfall({"a": a}) == 0.0
    ranges = {"a": (a - wide_a, a + wide_b), "b": (b - wide_b, b + wide_a)}
    assert constraint.possible(ranges) or not holds
    assert constraint.possible({"a": (a, a)})


def test_shortfalls_measure_how_far_it_is():
    assert Constraint("a + b < 3").shortfall({"a": 2, "b": 5}) == 4
    assert Constraint("a < 1 and not (a > 2 or a == 3)").shortfall({"a": 3}) == 2 + 1 + 1e-300
    assert Constraint("a < 1 or a < 2").shortfall({"a": 3}) == 1
    assert Constraint("a == 'x'").shortfall({"a": "y"}) == 1
    assert Constraint("1 / a > 0").shortfall({"a": 0}) == float("inf")
    assert not Constraint("a * b > 7").possible({"a": (-1, 2), "b": (0, 3)})
    assert not Constraint("a - b < -5 or min(a, b) > 3").possible({"a": (-1, 2), "b": (0, 3)})
