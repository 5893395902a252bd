"""The model behind Bayesian search by numbers: targets, kernel, posterior, acquisition, gradients."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import integrate, stats

from tuning.space import Categorical, Float, Integer, SearchSpace
from tuning.strategies import gp
from tuning.strategies.acquisition import Acquisition, log_improvement, shown
from tuning.strategies.candidates import every_unit, propose
from tuning.strategies.targets import Targets
from tuning.strategies.transfer import Source, transferred

GROUPS = np.array([0, 1, 2, 2, 2])
RNG = np.random.default_rng(0)
FEATURES = RNG.random((30, 5))
TARGETS = np.sin(5 * FEATURES[:, 0]) + FEATURES[:, 1] ** 2 + 0.1 * RNG.normal(size=30)
TARGETS = (TARGETS - TARGETS.mean()) / TARGETS.std()
QUERY = RNG.random((4, 5))


def numeric_gradient(function, x, step=1e-6):
    columns = [(function(x + step * unit) - function(x - step * unit)) / (2 * step) for unit in np.eye(x.shape[-1])]
    return np.stack(columns, axis=-1)


def test_the_gradient_of_the_posterior_density_is_that_of_the_function():
    centre = np.array([-0.5, -0.4, -0.3, 0.0, -3.0])
    spread = np.array([1.0, 1.0, 1.0, 1.0, 2.0])
    theta = centre + 0.3 * RNG.normal(size=5)
    arguments = (FEATURES, TARGETS, GROUPS, centre, spread)
    value, gradient = gp._negative_log_posterior(theta, *arguments)
    numeric = numeric_gradient(lambda t: gp._negative_log_posterior(t, *arguments)[0], theta)
    assert math.isfinite(value)
    assert gradient == pytest.approx(numeric, rel=1e-5, abs=1e-5)


def test_the_posterior_is_the_textbooks():
    """Rasmussen and Williams 2.25 and 2.26, written out."""
    kernel = gp.Kernel(np.array([0.5, 0.7, 1.0, 1.0, 1.0]), 1.3, 0.05)
    model = gp.condition(kernel, FEATURES, TARGETS)

    def covariance(a, b):
        distance = np.sqrt((((a[:, None] - b[None]) / kernel.columns) ** 2).sum(-1))
        return 1.3 * (1 + math.sqrt(5) * distance + 5 / 3 * distance**2) * np.exp(-math.sqrt(5) * distance)

    inverse = np.linalg.inv(covariance(FEATURES, FEATURES) + 0.05 * np.eye(30))
    mean = (inverse @ TARGETS).sum() / inverse.sum()
    k = covariance(QUERY, FEATURES)
    means, sds = model.predict(QUERY)
    assert means == pytest.approx(mean + k @ inverse @ (TARGETS - mean))
    assert sds**2 == pytest.approx(1.3 - np.diag(k @ inverse @ k.T))


def test_the_fit_finds_what_matters():
    kernel = gp.fit(FEATURES, TARGETS, GROUPS)
    first, second, third = kernel.columns[[0, 1, 2]]
    assert first < second < third
    assert kernel.noise < 0.2
    rest = np.random.default_rng(1).random((200, 5))
    truth = np.sin(5 * rest[:, 0]) + rest[:, 1] ** 2
    predicted = gp.condition(kernel, FEATURES, TARGETS).predict(rest)[0]
    assert np.corrcoef(predicted, truth)[0, 1] > 0.95


def test_believing_ones_own_prediction_changes_no_mean_and_shrinks_doubt():
    model = gp.model(FEATURES, TARGETS, GROUPS)
    believed = model.believe(QUERY[:1])
    assert believed.predict(QUERY)[0] == pytest.approx(model.predict(QUERY)[0], abs=1e-6)
    assert np.all(believed.predict(QUERY)[1] <= model.predict(QUERY)[1] + 1e-9)
    assert believed.predict(QUERY[:1])[1] < 0.9 * model.predict(QUERY[:1])[1]
    assert model.believe(np.zeros((0, 5))) is model


def test_repeated_points_and_constant_targets_are_survived():
    repeated = np.repeat(FEATURES[:3], 10, axis=0)
    model = gp.model(repeated, np.zeros(30), GROUPS)
    mean, sd = model.predict(QUERY)
    assert np.all(np.isfinite(mean)) and np.all(np.isfinite(sd))


def transfer_model():
    source = Source("p", gp.model(FEATURES, TARGETS, GROUPS), FEATURES[:, :3], FEATURES)
    return transferred((source,), FEATURES[:12], TARGETS[:12] + 0.1, GROUPS)


@pytest.mark.parametrize("model", [gp.model(FEATURES, TARGETS, GROUPS), transfer_model()], ids=["pooled", "transfer"])
@pytest.mark.parametrize("kind", ["ei", "ucb", "poi"])
def test_gradients_of_acquisition_are_those_of_the_function(model, kind):
    acquisition = Acquisition(model, -1.0, kind, kappa=2.0, xi=0.01)
    value, gradient = acquisition.score_gradient(QUERY)
    assert value == pytest.approx(acquisition.score(QUERY))
    assert gradient == pytest.approx(numeric_gradient(acquisition.score, QUERY), rel=1e-4, abs=1e-4)


def test_acquisition_scores_are_the_users_formulas():
    """F48, for maximisation: the losses here are its values with the other sign."""
    model = gp.model(FEATURES, TARGETS, GROUPS)
    mean, sd = model.predict(QUERY)
    best, xi = -0.5, 0.1  # as losses: improvement is going below
    z = (best - xi - mean) / sd
    expected = {
        "ucb": -mean + 2.0 * sd,
        "ei": np.log((best - xi - mean) * stats.norm.cdf(z) + sd * stats.norm.pdf(z)),
        "poi": stats.norm.logcdf(z),
    }
    for kind, values in expected.items():
        assert Acquisition(model, best, kind, kappa=2.0, xi=xi).score(QUERY) == pytest.approx(values, rel=1e-6)


def test_shown_acquisition_values_are_the_users_formulas_by_hand():
    """F48: mean 5999.49, sd 1.17, best 5999.89; minimised the same as its mirror, but for the bound, which is a value.

    With xi 0.1, z = -0.5 / 1.17 = -0.42735: cdf 0.334562, pdf 0.364125.
    """
    up = {kind: shown(kind, 5999.49, 1.17, 5999.89, sign=1, kappa=2.5, xi=0.1) for kind in ("ucb", "ei", "poi")}
    assert up["ucb"] == pytest.approx(6002.415)
    assert up["poi"] == pytest.approx(0.334562, abs=1e-5)
    assert up["ei"] == pytest.approx(-0.5 * 0.334562 + 1.17 * 0.364125, abs=1e-5)
    down = {kind: shown(kind, -5999.49, 1.17, -5999.89, sign=-1, kappa=2.5, xi=0.1) for kind in ("ucb", "ei", "poi")}
    assert down == pytest.approx(up | {"ucb": -6002.415})


@pytest.mark.parametrize("mean", [-1.7e308, -1.0, 0.5, 1.7e308])
@pytest.mark.parametrize("sd", [0.0, 1e-300, 1.0, 1.7e308])
def test_shown_acquisition_values_are_finite_at_the_ends_of_the_floats(mean, sd):
    for kind, sign in product(("ucb", "ei", "poi"), (1, -1)):
        value = shown(kind, mean, sd, 1.7e308, sign=sign, kappa=1000.0)
        assert math.isfinite(value) and (kind == "ucb" or value >= 0.0)


@pytest.mark.parametrize("z", [3.0, 0.0, -0.99, -1.01, -5.0, -30.0, -900.0, -1100.0])
def test_log_improvement_is_the_integral_that_it_stands_for(z):
    """E[max(z + N, 0)] = int u pdf(u - z) du over u > 0; with exp(-z^2 / 2) taken out nothing vanishes."""
    upper = min(40.0, 40.0 / abs(z)) if z < 0 else 40.0
    integral = integrate.quad(lambda u: u * math.exp(-u * u / 2 + u * z), 0, upper, epsabs=0, epsrel=1e-12)[0]
    expected = -z * z / 2 - 0.5 * math.log(2 * math.pi) + math.log(integral)
    assert log_improvement(np.array([z]))[0] == pytest.approx(expected, rel=1e-8)


def test_log_improvement_is_smooth_and_finite_everywhere():
    z = -np.logspace(-3, 8, 4000)
    values = log_improvement(z)
    assert np.all(np.isfinite(values))
    assert np.all(np.diff(values) < 0)


LOSSES = arrays(float, st.integers(1, 30), elements=st.floats(-1e9, 1e9))


@given(LOSSES)
def test_transformed_targets_are_standard_and_keep_the_order(losses):
    targets = Targets.fit(losses)
    assert np.all(np.isfinite(targets.values))
    assert abs(targets.values.mean()) < 1e-6
    assert targets.values.std() == pytest.approx(1.0) or np.ptp(losses) == pytest.approx(
        0, abs=1e-6 * (1 + abs(losses).max())
    )
    order = np.argsort(losses)
    assert np.all(np.diff(targets.values[order]) >= -1e-9)


@given(arrays(float, 12, elements=st.floats(-100, 100), unique=True))
def test_the_transform_can_be_undone(losses):
    targets = Targets.fit(losses)
    middle, spread = np.median(losses), np.subtract(*np.quantile(losses, [0.75, 0.25]))
    kept = losses <= middle + 30 * spread
    back = targets.to_loss(targets.values)
    assert back[kept] == pytest.approx(losses[kept], rel=1e-4, abs=1e-4 * (1 + np.ptp(losses)))


def test_long_tails_are_bent_in():
    losses = np.exp(np.random.default_rng(0).normal(0, 2, 100))
    values = Targets.fit(losses).values
    assert abs(stats.skew(values)) < 1 < 2.5 < stats.skew(losses)
    clipped = Targets.fit(np.array([1.0, 2, 3, 4, 1e300])).values
    assert clipped[3] - clipped[0] > 0.05


def test_every_unit_lists_a_countable_space():
    space = SearchSpace((Integer("a", 1, 3), Categorical("b", ("x", "y"))))
    units = every_unit(space)
    assert {space.key(space.decode(unit)) for unit in units} == {space.key(config) for config in space.grid(9)}


def test_the_best_point_of_a_small_space_is_found_exactly():
    space = SearchSpace((Integer("a", 1, 40), Integer("b", 1, 40)))
    units = every_unit(space)[::37]
    features = space.unit_features(units)
    model = gp.model(features, ((features - 0.6) ** 2).sum(1) * 10, space.groups)
    acquisition = Acquisition(model, model.incumbent)
    best = propose(acquisition, space, units[:1], set(), np.random.default_rng(0))
    scores = acquisition.score(space.unit_features(every_unit(space)))
    assert best.score == pytest.approx(scores.max())
    second = propose(acquisition, space, units[:1], {space.key(best.config)}, np.random.default_rng(0))
    assert second.config != best.config


def test_ascent_beats_scattering():
    space = SearchSpace(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(6)))
    rng = np.random.default_rng(0)
    units = rng.random((40, 6))
    model = gp.model(units, ((units - 0.37) ** 2).sum(1) * 5, space.groups)
    acquisition = Acquisition(model, model.incumbent)
    found = propose(acquisition, space, units[:2], set(), np.random.default_rng(1))
    assert found.score > acquisition.score(rng.random((20_000, 6))).max()


def test_values_that_no_observation_has_change_nothing_but_are_left_out_of_the_arithmetic():
    """Of thousands of categories most have not been tried: their columns are 0, and cost nothing."""
    space = SearchSpace(tuple(Categorical(name, tuple(range(400))) for name in "ab"))
    rng = np.random.default_rng(0)
    units = space.encode_all([{"a": int(a), "b": int(b)} for a, b in rng.integers(0, 400, (40, 2)) // 10 * 10])
    features, targets = space.unit_features(units), rng.normal(size=40)
    kernel, wide = gp.fit(features, targets, space.groups), gp._WIDE
    found = gp.condition(kernel, features, targets).predict(space.unit_features(units[::-1]))
    try:
        gp._WIDE = features.shape[1]
        whole = gp.fit(features, targets, space.groups)
        expected = gp.condition(kernel, features, targets).predict(space.unit_features(units[::-1]))
    finally:
        gp._WIDE = wide
    assert kernel.columns == pytest.approx(whole.columns, rel=1e-4)
    assert found == pytest.approx(np.array(expected), rel=1e-9)


@given(
    arrays(float, st.integers(1, 30), elements=st.floats(-1e9, 1e9)),
    st.floats(-6, 6),
    st.floats(1e-6, 7),
)
def test_what_people_read_of_a_prediction_stays_near_what_was_seen(losses, mean, sd):
    """F48: in the objective's unit, however far the transform explodes beyond the losses that it was learnt from."""
    targets = Targets.fit(losses)
    expected, spread = targets.told(mean, sd)
    seen = np.ptp(losses) + 1e-6 * (1 + abs(losses).max()) + targets.scale
    assert losses.min() - 15 * seen <= expected <= losses.max() + 15 * seen
    assert 0 <= spread <= 15 * seen
    assert targets.told(mean + 0.5)[0] >= targets.told(mean)[0]


def test_mean_and_spread_are_the_moments_of_the_transformed_prediction():
    losses = np.exp(np.random.default_rng(0).normal(0, 1, 60))
    targets = Targets.fit(losses)
    drawn = targets.to_loss(np.random.default_rng(1).normal(0.2, 0.3, 200_000))
    assert targets.told(0.2, 0.3) == pytest.approx((drawn.mean(), drawn.std()), rel=0.02)
    assert targets.told(0.2)[0] == pytest.approx(float(targets.to_loss(0.2)))
