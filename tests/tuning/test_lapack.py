"""LAPACK alone is the LAPACK of scipy.linalg, and both live in one process."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg

from tuning.strategies import gp, lapack

SUGGEST = """
import sys
from tuning import Tuner
from tuning.space import Expression, Float, SearchSpace
for strategy in ("tpe", "auto"):
    tuner = Tuner(SearchSpace((Float("x", 0.0, 1.0), Expression("y", "normal", 0.0, 1.0))), "minimize", strategy, 0)
    for _ in range(24 if strategy == "tpe" else 8):
        (trial,) = tuner.ask()
        tuner.tell(trial, (trial.config["x"] - 0.3) ** 2 + trial.config["y"])
heavy = [name for name in sys.modules if name in HEAVY]
assert not heavy, heavy
import scipy.linalg
import scipy.special
assert scipy.linalg.cholesky([[4.0]])[0, 0] == 2.0 and scipy.special.ndtr(0.0) == 0.5
tuner.tell(*[(trial, trial.config["x"]) for trial in tuner.ask()][0])
"""
# Each would be megabytes of every process that suggests (docs/bench.md).
HEAVY = {"scipy.linalg", "scipy.special", "scipy.stats", "scipy.optimize", "sklearn", "numpy.f2py", "numpy.testing"}


def matrix(size: int) -> np.ndarray:
    rng = np.random.default_rng(size)
    half = rng.standard_normal((size, size))
    return half @ half.T + np.eye(size)


def test_a_suggestion_loads_nothing_heavy_and_leaves_scipy_usable():
    code = SUGGEST.replace("HEAVY", repr(HEAVY))
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_alone_and_in_scipy_it_gives_the_same_digits():
    alone = lapack._alone(Path(scipy.__file__).parent / "linalg")
    assert alone is not None
    for size in (1, 7, 90):
        expected = scipy.linalg.lapack.dpotrf(matrix(size), lower=1)
        assert np.array_equal(alone.dpotrf(matrix(size), lower=1)[0], expected[0])
        inverse = scipy.linalg.lapack.dpotri(expected[0], lower=1)
        assert np.array_equal(alone.dpotri(expected[0], lower=1)[0], inverse[0])


def test_where_it_is_not_found_there_is_scipy(tmp_path):
    assert lapack._alone(tmp_path) is None
    (tmp_path / "_flapack.abi3.so").write_bytes(b"of another processor")
    assert lapack._alone(tmp_path) is None
    assert lapack._routines() is scipy.linalg.lapack, "it is loaded here"


def test_a_matrix_is_inverted_in_its_place():
    for size in (1, 2, 63, 64, 65, 200):
        there = matrix(size)
        half = gp._invert(there)
        assert np.allclose(there @ matrix(size), np.eye(size))
        assert np.array_equal(there, there.T)
        assert np.isclose(half, 0.5 * np.linalg.slogdet(matrix(size))[1])


def test_a_singular_matrix_is_inverted_with_a_little_on_its_diagonal():
    there = np.ones((100, 100)) - 1e-12 * np.eye(100)
    half = gp._invert(there)
    assert np.array_equal(there, there.T)
    assert np.isfinite(there).all()
    # The eigenvalues are 100, and 99 times what was added.
    added = np.exp((2.0 * half - np.log(100.0)) / 99)
    assert 1e-10 < added < 1e-6
    assert there @ np.ones(100) == pytest.approx(np.full(100, 0.01), rel=1e-3)
