"""Searching where constraints leave hardly anything: ranges are narrowed, and what a strategy thinks of is mended."""

from functools import cache

import numpy as np
import pytest

from tuning import strategies
from tuning.constraints import Constraint
from tuning.focus import narrowed
from tuning.simulate import simulate
from tuning.space import Categorical, Condition, Float, Integer, SearchSpace
from tuning.states import Goal


def space(parameters, *constraints):
    return SearchSpace(tuple(parameters), tuple(map(Constraint, constraints)))


def floats(count):
    return [Float(f"p{index}", 0, 1) for index in range(count)]


CORNER = space(floats(2), "p0 + p1 < 0.01")
BALL = space(floats(3), "(p0 - 0.3) ** 2 + (p1 - 0.6) ** 2 + (p2 - 0.5) ** 2 < 0.0025")
BAND = space(floats(3), "abs(p0 - p1) < 0.002")
MIXED = space(
    [Float("lr", 1e-6, 1, "log"), Integer("size", 1, 4096, "log"), Categorical("c", ("x", "y")), Float("m", 0, 1)],
    "0.99e-3 < lr * size < 1.01e-3",
)
SCARCE = {"corner": CORNER, "ball": BALL, "band": BAND, "mixed": MIXED}


@pytest.mark.parametrize(
    ("parameter", "text", "low", "high"),
    [
        (Float("a", 0, 1), "a < 0.25", 0, 0.25),
        (Float("a", -2, 2), "a ** 2 < 0.04", -0.2, 0.2),
        (Float("a", 0, 10), "a ** 3 >= 512", 8, 10),
        (Float("a", 0.001, 1000, "log"), "1 / a > 10", 0.001, 0.1),
        (Float("a", 1, 100), "50 / a >= 2 * a", 1, 5),
        (Float("a", 0, 1), "abs(a - 0.5) < 0.1", 0.4, 0.6),
        (Float("a", 0, 1), "a < 0.1 or a > 0.9", 0, 1),  # gaps stay
        (Float("a", -1, 1), "1 / a ** 2 > 100", -0.1, 0.1),
        (Float("a", 0, 1), "2 ** a < 1.1", 0, 1),  # powers of what varies are not calculated
        (Float("a", 0, 1), "1 / (a - 0.5) > 4", 0.5, 0.75),
        (Integer("a", 1, 1000), "90 <= a <= 110", 90, 110),
        (Float("a", 0, 1, step=0.1), "a > 0.75", 0.8, 1),
    ],
)
def test_a_range_is_cut_as_far_as_intervals_tell(parameter, text, low, high):
    (left,) = narrowed([parameter], [Constraint(text)])
    slack = 0.002 * (parameter.high - parameter.low) + (parameter.step or 0)
    assert low - slack <= left.low <= low
    assert high <= left.high <= high + slack
    assert (left.name, left.scale, left.step) == (parameter.name, parameter.scale, parameter.step)


def test_what_decides_about_others_and_what_hangs_on_it_keep_their_ranges():
    parameters = (
        Integer("layers", 1, 8),
        Integer("units", 1, 512, when=Condition("layers", (5,))),
        Float("rate", 0, 1),
    )
    texts = ("layers < 3", "units < 9", "rate < 0.5")
    left = narrowed(parameters, tuple(map(Constraint, texts)))
    assert left[:2] == parameters[:2]
    assert left[2].high < 0.501


@pytest.mark.parametrize("of", SCARCE.values(), ids=SCARCE)
def test_the_focused_space_holds_the_same_points(of):
    assert of.scarce
    rng = np.random.default_rng(0)
    for _ in range(12):
        config = of.sample(rng)
        assert of.focused.problem_with(config) is None
        assert of.focused.key(config) == of.key(config)
        assert of.problem_with(of.focused.sample(rng)) is None


def test_spaces_of_which_enough_is_left_are_searched_as_they_are():
    for of in (space(floats(2)), space(floats(2), "p0 < p1"), space(floats(2), "p0 + p1 < 0.3")):
        assert not of.scarce
        assert of.focused is of
        config = {"p0": 0.9, "p1": 0.8}
        assert of.mended(config, np.random.default_rng(0)) == config
    assert BAND.focused is BAND  # nothing to cut


def test_a_point_is_mended_near_where_it_was():
    rng = np.random.default_rng(0)
    for _ in range(20):
        config = {"p0": float(rng.random()), "p2": float(rng.random())}
        config["p1"] = min(max(config["p0"] + float(rng.normal(0, 0.05)), 0.0), 1.0)
        mended = BAND.mended(config, rng)
        assert BAND.problem_with(mended) is None
        assert max(abs(mended[name] - config[name]) for name in config) < 4 * abs(config["p0"] - config["p1"]) + 0.01
        assert mended["p2"] == config["p2"]  # no constraint speaks of it
    allowed = BAND.sample(rng)
    assert BAND.mended(allowed, rng) == allowed


@cache
def searched(name, kind, seed):
    """The best of 30 values of the squared distance from some point, in units of the focused space."""
    of = SCARCE[kind].focused
    best = of.encode(of.sample(np.random.default_rng(5)))

    def objective(config):
        return float(((of.encode(config) - best) ** 2).sum())

    options = {"n_initial_points": 10} if name == "tpe" else {}
    history = simulate(strategies.create(name, options), of, objective, 30, goal=Goal.MINIMIZE, seed=seed)
    return history.best.value


@pytest.mark.parametrize(
    ("name", "kind"),
    # Of one line between two scales in a space of four, TPE knows too little after 30 trials.
    [(name, kind) for name in ("anneal", "tpe", "bayesian") for kind in SCARCE if (name, kind) != ("tpe", "mixed")],
)
def test_strategies_learn_where_hardly_any_point_is_allowed(name, kind):
    found, drawn = ([searched(one, kind, seed) for seed in range(3)] for one in (name, "random"))
    assert np.median(found) < np.median(drawn) / (10 if name == "bayesian" else 1.2)
