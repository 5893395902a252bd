"""The early-stopping policies, by name. A new one is a file here, an entry below, and a subclass of
testing.PolicySuite; one of another package is found by its entry point (plugins.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from tuning import plugins
from tuning.contracts import Policy, Verdict
from tuning.earlystop import asha, automatic, bandit, median, truncation
from tuning.history import History
from tuning.registry import Broken, Option, Registry
from tuning.registry import Info as PolicyInfo
from tuning.watched import watch_policy

__all__ = ["Broken", "Option", "PolicyInfo", "broken", "catalogue", "create", "judge_reports", "look_again", "packages"]

_REGISTRY: Registry[Policy] = Registry(partial(plugins.discover, plugins.POLICIES, watch_policy))
_REGISTRY.add(median.INFO, median.MedianStopping)
_REGISTRY.add(bandit.INFO, bandit.Bandit, bandit.faults)
_REGISTRY.add(truncation.INFO, truncation.Truncation)
_REGISTRY.add(asha.INFO, asha.SuccessiveHalving, asha.faults)
_REGISTRY.add(automatic.INFO, automatic.Automatic)


def catalogue() -> list[PolicyInfo]:
    """Every policy with its options, in the order in which they are offered; those of other packages come last."""
    return _REGISTRY.catalogue()


def broken() -> tuple[Broken, ...]:
    """The policies of other packages that cannot be used, and why (see plugins.py)."""
    return _REGISTRY.found().broken


def packages() -> dict[str, str]:
    """The package, with its version, of each of the policies that is of another one, by name."""
    return _REGISTRY.packages()


def look_again() -> None:
    """Find the policies of packages that were installed meanwhile; for tests."""
    _REGISTRY.forget_found()


def create(name: str, options: Mapping[str, object], field: str = "early_stopping") -> Policy:
    """The policy called ``name``.

    Raises:
        InvalidSpec: at ``field.name`` or ``field.options.x``, every fault at once.
    """
    return _REGISTRY.create(name, options, field)


def judge_reports(policy: Policy, number: int, history: History, judged: int = 0) -> Verdict:
    """Judge trial ``number`` at each report after the first ``judged`` ones; the first stop verdict, else the last.

    For a caller that reads several reports at once: a report in the middle of the batch is judged like any other, and
    an interval is never missed because of how the reading was cut.

    Raises:
        ValueError: the trial is unknown or has no report after ``judged``.
    """
    trial = history.trial(number)
    if trial is None or len(trial.curve) <= judged:
        raise ValueError(f"trial {number} has no report after the first {judged}")
    for count in range(judged + 1, len(trial.curve) + 1):
        cut = replace(trial, curve=trial.curve[:count])
        own = tuple(cut if other.number == number else other for other in history.own)
        verdict = policy.judge(number, replace(history, own=own))
        if verdict.stop:
            break
    return verdict
