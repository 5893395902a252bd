"""The standard normal distribution against scipy's, far into its tail."""

import numpy as np
import pytest
from scipy import special

from tuning.normal import cdf, quantile
from tuning.strategies import normal

Z = np.concatenate([np.linspace(-60.0, 12.0, 7201), -np.geomspace(60.0, 1e6, 50)])


def test_the_logarithm_of_the_distribution_function():
    assert normal.log_cdf(Z) == pytest.approx(special.log_ndtr(Z), rel=1e-13, abs=1e-15)


def test_the_logarithm_of_the_expected_improvement():
    near = Z[Z > -19.0]
    bracket = 1.0 + near * np.exp(special.log_ndtr(near) + 0.5 * near**2 + normal.LOG_SQRT_2PI)
    expected = -0.5 * near**2 - normal.LOG_SQRT_2PI + np.log(bracket)
    assert normal.log_improvement(near) == pytest.approx(expected, abs=1e-9)


def test_the_series_goes_on_where_the_formula_ends():
    z = np.array([-20.0 - 1e-9, -20.0 + 1e-9])
    for function in (normal.log_cdf, normal.log_improvement):
        before, after = function(z[:1])[0], function(z[1:])[0]
        assert before < after
        assert after - before == pytest.approx(20.0 * 2e-9, rel=0.2)
    assert np.isfinite(normal.log_improvement(Z)).all()
    assert (np.diff(normal.log_improvement(np.unique(Z))) > 0.0).all()


def test_quantiles():
    probabilities = np.concatenate([np.geomspace(1e-12, 0.5, 100), 1.0 - np.geomspace(1e-12, 0.5, 100)])
    assert quantile(probabilities) == pytest.approx(special.ndtri(probabilities), rel=1e-12, abs=1e-15)
    assert quantile(np.array([[-0.1, 0.0, 1.0]])).tolist() == [[-np.inf, -np.inf, np.inf]]


def test_probabilities_and_their_shape():
    z = np.linspace(-37.0, 37.0, 3000).reshape(3, 1000)
    assert cdf(z) == pytest.approx(special.ndtr(z), rel=1e-12, abs=0.0)
    assert quantile(cdf(z[0])) == pytest.approx(z[0], rel=1e-9)


def test_nothing_gives_nothing():
    for function in (normal.log_cdf, normal.log_improvement, cdf, quantile):
        assert function(np.zeros(0)).shape == (0,)
