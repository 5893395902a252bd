"""What each strategy makes of warm-start parents (F2, F28; settles C4 and C17).

The documents disagree: one lets parents guide Bayesian and random search, another lets them guide Bayesian search and
only early stopping for random and grid. Both uses are here, and which of them a job has is told with the rule F2:

    auto, bayesian,         learn from the parents' trials, by both types of warm start
    tpe, anneal
    random                  a share of the trials (option parent_share) is drawn near the parents' best ones, less as
                            own results contradict them; with a share of 0, parents are used as for sobol
    sobol, grid             keep to their own points. IDENTICAL_DATA_AND_ALGORITHM: points that parents completed are
                            not run again, and early stopping compares with the parents' curves.
                            TRANSFER_LEARNING: nothing of that is left, so it is refused
    hyperband               new trials as its searcher, random or bayesian, makes them; the rungs compare with the
                            parents' curves by IDENTICAL_DATA_AND_ALGORITHM only

Early stopping uses the parents' curves with every strategy, where their values are comparable.
"""

from __future__ import annotations

from dataclasses import dataclass

from tuning.warmstart.outline import WarmStartType

_KNOWN = "points that parents completed are not run again"
_CURVES = "early stopping compares with the parents' curves too"
_RANKS = (
    "the order of each parent's values says where to begin, and is forgotten as far as this job's results contradict"
)
_SHARE = (
    "a share of the trials (parent_share) is drawn near the best of each parent, less as this job's results contradict"
)


@dataclass(frozen=True, slots=True)
class _Use:
    """What the trials of a strategy have of parents; None: nothing."""

    identical: str | None
    transfer: str | None


_OBSERVED = f"the parents' trials count like this job's own, {_KNOWN}, and {_CURVES}"
_USES = {
    "auto": _Use(_OBSERVED, _RANKS),
    "bayesian": _Use(_OBSERVED, _RANKS),
    "tpe": _Use(_OBSERVED, _RANKS),
    "anneal": _Use(_OBSERVED, _RANKS),
    "random": _Use(f"{_SHARE}, {_KNOWN}, and {_CURVES}", _SHARE),
    "sobol": _Use(f"the points stay the sequence's own; {_KNOWN}, and {_CURVES}", None),
    "grid": _Use(f"the points stay the grid's own; {_KNOWN}, and {_CURVES}", None),
    "hyperband": _Use(
        f"new trials are its searcher's, which knows the parents' trials; {_KNOWN}, and the rungs compare with the "
        "parents' curves too",
        "new trials are its searcher's, which knows the order of each parent's values; the rungs compare this job's "
        "own trials only",
    ),
}
# From another package: it is given the parents' trials as every strategy is.
_OTHER = _Use(f"what it makes of the parents' trials is its own; {_CURVES}", "what it makes of the parents is its own")


def use_of_parents(strategy: str, kind: WarmStartType) -> str | None:
    """What a job of this ``strategy`` has of parents by this type of warm start, as text; None if nothing."""
    use = _USES.get(strategy, _OTHER)
    return use.identical if kind is WarmStartType.IDENTICAL_DATA_AND_ALGORITHM else use.transfer


def strategies_that_learn() -> tuple[str, ...]:
    """The strategies that have a use for parents whose values are not comparable."""
    return tuple(name for name, use in _USES.items() if use.transfer is not None)
