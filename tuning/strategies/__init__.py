"""The strategies, by name. A new one is a file here, an entry below and a subclass of strategy_suite.py."""

from __future__ import annotations

from collections.abc import Mapping

from tuning.contracts import Strategy
from tuning.registry import Info as StrategyInfo
from tuning.registry import Option, Registry
from tuning.strategies import anneal, bayesian, grid, random_search, sobol, tpe

__all__ = ["Option", "StrategyInfo", "catalogue", "create"]

_REGISTRY: Registry[Strategy] = Registry()
_REGISTRY.add(bayesian.INFO, bayesian.Bayesian)
_REGISTRY.add(tpe.INFO, tpe.TPE)
_REGISTRY.add(anneal.INFO, anneal.Anneal)
_REGISTRY.add(random_search.INFO, random_search.RandomSearch)
_REGISTRY.add(sobol.INFO, sobol.QuasiRandom)
_REGISTRY.add(grid.INFO, grid.Grid)


def catalogue() -> list[StrategyInfo]:
    """Every strategy with its options, in the order in which they are offered."""
    return _REGISTRY.catalogue()


def create(name: str, options: Mapping[str, object], field: str = "strategy") -> Strategy:
    """The strategy called ``name``.

    Raises:
        InvalidSpec: at ``field.name`` or ``field.options.x``, every fault at once.
    """
    return _REGISTRY.create(name, options, field)
