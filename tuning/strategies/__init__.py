"""The strategies, by name. A new one is a file here, an entry below and a subclass of testing.StrategySuite; one of
another package is found by its entry point (plugins.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from tuning import plugins
from tuning.contracts import Scheduler, Strategy
from tuning.initial_points import InitialPoints, Points
from tuning.registry import Broken, Option, Registry
from tuning.registry import Info as StrategyInfo
from tuning.repeats import Repeated
from tuning.strategies import anneal, auto, bayesian, grid, hyperband, random_search, sobol, tpe
from tuning.strategies.scheduled import Scheduled
from tuning.watched import watch_strategy

__all__ = [
    "Broken",
    "Option",
    "StrategyInfo",
    "broken",
    "catalogue",
    "create",
    "inferred",
    "look_again",
    "packages",
    "planned",
    "wrapped",
]

_REGISTRY: Registry[Strategy] = Registry(partial(plugins.discover, plugins.STRATEGIES, watch_strategy))
_REGISTRY.add(auto.INFO, auto.Auto)
_REGISTRY.add(bayesian.INFO, bayesian.Bayesian)
_REGISTRY.add(tpe.INFO, tpe.TPE)
_REGISTRY.add(anneal.INFO, anneal.Anneal)
_REGISTRY.add(random_search.INFO, random_search.RandomSearch)
_REGISTRY.add(sobol.INFO, sobol.QuasiRandom)
_REGISTRY.add(grid.INFO, grid.Grid)
_REGISTRY.add(hyperband.INFO, hyperband.Hyperband, hyperband.faults)


def catalogue() -> list[StrategyInfo]:
    """Every strategy with its options, in the order in which they are offered; those of other packages come last."""
    return _REGISTRY.catalogue()


def broken() -> tuple[Broken, ...]:
    """The strategies of other packages that cannot be used, and why (see plugins.py)."""
    return _REGISTRY.found().broken


def packages() -> dict[str, str]:
    """The package, with its version, of each of the strategies that is of another one, by name."""
    return _REGISTRY.packages()


def look_again() -> None:
    """Find the strategies of packages that were installed meanwhile; for tests."""
    _REGISTRY.forget_found()


def create(name: str, options: Mapping[str, object], field: str = "strategy") -> Strategy:
    """The strategy called ``name``.

    Raises:
        InvalidSpec: at ``field.name`` or ``field.options.x``, every fault at once.
    """
    return _REGISTRY.create(name, options, field)


def inferred(
    name: str, options: Mapping[str, object], static: Mapping[str, object], field: str = "strategy"
) -> dict[str, object]:
    """The options of strategy ``name``, with what the job's static hyperparameters tell of those left out (F45).

    Raises:
        InvalidSpec: at ``field.options.x``, for an option that the strategy needs and that is in neither.
    """
    if name == hyperband.INFO.name:
        return hyperband.inferred(options, static, field)
    return dict(options)


def planned(
    name: str,
    options: Mapping[str, object],
    initial_points: Points = (),
    repeats: int = 1,
    field: str = "strategy",
) -> Strategy:
    """The strategy of a job: ``name`` with its ``options`` (see ``inferred``), after the ``initial_points``, each point
    run ``repeats`` times. A Scheduler if that strategy is one.

    Raises:
        InvalidSpec: at ``field.name`` or ``field.options.x``, every fault at once.
    """
    return wrapped(create(name, options, field), initial_points, repeats)


def wrapped(strategy: Strategy, initial_points: Points = (), repeats: int = 1) -> Strategy:
    """``strategy`` after the ``initial_points``, each point run ``repeats`` times; a Scheduler stays one."""
    front = Repeated(repeats, strategy) if repeats > 1 else strategy
    front = InitialPoints(initial_points, front) if initial_points else front
    return Scheduled(front, strategy) if isinstance(strategy, Scheduler) and front is not strategy else front
