"""The vendors' algorithms by their own names, with their documented defaults (F42, F46, F48-F50, F66-F68)."""

import pytest

from tuning import earlystop, strategies
from tuning.profiles import PROFILES, profile


@pytest.mark.parametrize("one", PROFILES, ids=lambda one: f"{one.vendor} {one.algorithm}")
def test_every_profile_can_be_made(one):
    create = strategies.create if one.part == "strategy" else earlystop.create
    assert create(one.name, one.options)


def test_a_name_of_a_vendor_means_one_thing():
    assert len({(one.vendor, one.algorithm, one.part) for one in PROFILES}) == len(PROFILES)


@pytest.mark.parametrize(
    ("algorithm", "made"),
    [
        ("bayes_opt_search", {"kind": "ucb", "kappa": 2.5, "xi": 0.0}),
        ("tpe_search", {"n_initial_points": 20, "gamma": 0.25}),
        ("anneal_search", {"avg_best_idx": 2.0, "shrink_coef": 0.1}),
    ],
)
def test_modelarts_defaults(algorithm, made):
    """F48, F49, F50."""
    one = profile("modelarts", algorithm)
    strategy = strategies.create(one.name, one.options)
    assert {name: getattr(strategy, name) for name in made} == made


def test_an_unknown_algorithm_has_no_profile():
    assert profile("azure", "tpe_search") is None
    assert profile("sagemaker", "Auto") is None
    assert profile("sagemaker", "Auto", "early_stopping").name == "automatic"
