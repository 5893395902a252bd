"""The vendors' search algorithms and policies by the vendors' own names, as strategies and policies of this engine.

A profile is what somebody who comes from that service expects: the strategy that does the same, with the options that
its documents give as defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Vendor = Literal["sagemaker", "azure", "modelarts"]


@dataclass(frozen=True, slots=True)
class Profile:
    """``algorithm`` is the vendor's name; ``name`` and ``options`` are for ``create`` of ``part``."""

    vendor: Vendor
    algorithm: str
    part: Literal["strategy", "early_stopping"]
    name: str
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


def _options(**options: object) -> Mapping[str, object]:
    return MappingProxyType(options)


PROFILES: tuple[Profile, ...] = (
    Profile("sagemaker", "Bayesian", "strategy", "bayesian"),
    Profile("sagemaker", "Random", "strategy", "random"),
    Profile("sagemaker", "Grid", "strategy", "grid"),
    Profile("sagemaker", "Auto", "early_stopping", "automatic"),
    Profile("azure", "random", "strategy", "random", _options(parent_share=0.0)),
    Profile("azure", "sobol", "strategy", "sobol"),
    Profile("azure", "grid", "strategy", "grid"),
    Profile("azure", "bayesian", "strategy", "bayesian"),
    Profile("azure", "bandit", "early_stopping", "bandit"),
    Profile("azure", "median_stopping", "early_stopping", "median"),
    Profile("azure", "truncation_selection", "early_stopping", "truncation"),
    # ModelArts' documents call the first SMAC, and describe a Gaussian process.
    Profile("modelarts", "bayes_opt_search", "strategy", "bayesian", _options(kind="ucb", kappa=2.5, xi=0.0)),
    Profile("modelarts", "tpe_search", "strategy", "tpe", _options(n_initial_points=20, gamma=0.25)),
    Profile("modelarts", "anneal_search", "strategy", "anneal", _options(avg_best_idx=2.0, shrink_coef=0.1)),
)


def profile(vendor: Vendor, algorithm: str, part: Literal["strategy", "early_stopping"] = "strategy") -> Profile | None:
    """The profile of a vendor's algorithm; None if there is none."""
    wanted = (vendor, algorithm, part)
    return next((one for one in PROFILES if (one.vendor, one.algorithm, one.part) == wanted), None)
