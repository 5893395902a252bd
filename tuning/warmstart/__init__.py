"""Warm start: the rules on parents, and what the child inherits from them.

outline.py       what is known of a job, the limits, a rule's outcome
changes.py       comparing the hyperparameters of two jobs; how changes are counted
uses.py          what each strategy makes of parents
rules.py         F2 and F5 to F21, one function each
inheritance.py   the parents' trials in the child's space
given.py         parents as a notebook has them
"""

from __future__ import annotations

from tuning.warmstart.inheritance import Dropped, Inherited, inherit
from tuning.warmstart.outline import JobOutline, RuleCheck, WarmStartLimits, WarmStartType
from tuning.warmstart.rules import check
from tuning.warmstart.uses import use_of_parents

__all__ = [
    "Dropped",
    "Inherited",
    "JobOutline",
    "RuleCheck",
    "WarmStartLimits",
    "WarmStartType",
    "check",
    "inherit",
    "use_of_parents",
]
