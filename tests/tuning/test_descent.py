"""The minimiser in a box that the Gaussian process is fitted and asked with: where scipy's ends, it ends."""

import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der

from tuning.strategies.descent import descend


def quadratic(matrix, centre):
    return lambda x: (0.5 * float((x - centre) @ matrix @ (x - centre)), matrix @ (x - centre))


def random_matrix(rng, size):
    half = rng.normal(size=(size, size)) * 10 ** rng.uniform(-1, 1, size)
    return half.T @ half + 0.01 * np.eye(size)


@pytest.mark.parametrize("seed", range(20))
def test_a_quadratic_in_a_box_is_minimised_as_well_as_by_scipy(seed):
    """The centre lies outside of the box in about half of the coordinates, so that sides hold them."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 12))
    objective = quadratic(random_matrix(rng, size), rng.uniform(-0.5, 1.5, size))
    low, high, start = np.zeros(size), np.ones(size), rng.random(size)
    found = descend(objective, start, low, high, 400)
    best = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(0, 1)] * size, options={"maxiter": 4000})
    assert np.all((found >= low) & (found <= high))
    assert objective(found)[0] == pytest.approx(best.fun, rel=1e-3, abs=1e-5)


def test_a_valley_is_followed_in_few_evaluations():
    seen = []

    def objective(x):
        seen.append(x)
        return float(rosen(x)), rosen_der(x)

    found = descend(objective, np.array([-1.2, 1.0, -0.5, 0.8]), np.full(4, -2.0), np.full(4, 2.0), 200)
    assert found == pytest.approx(np.ones(4), abs=1e-2)
    assert len(seen) < 100


def test_it_stays_in_the_box_and_takes_no_more_steps_than_it_may():
    objective = quadratic(np.diag([1.0, 100.0]), np.array([5.0, 5.0]))
    assert descend(objective, np.array([9.0, -9.0]), np.zeros(2), np.ones(2), 50) == pytest.approx([1.0, 1.0])
    once = descend(quadratic(np.eye(2), np.array([0.5, 0.5])), np.zeros(2), np.zeros(2), np.ones(2), 0)
    assert once.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_where_the_function_is_not_finite_no_step_goes(value):
    def objective(x):
        return (value, np.full(1, np.nan)) if x[0] > 0.5 else (-float(x[0]), np.array([-1.0]))

    assert descend(objective, np.array([0.9]), np.zeros(1), np.ones(1), 20).tolist() == [0.9]
    if value != -float("inf"):
        assert 0.0 < descend(objective, np.array([0.0]), np.zeros(1), np.ones(1), 20)[0] <= 0.5
