"""What the warm-start rules need to know of a job, their limits, and how a rule answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from tuning.contracts import Number
from tuning.space import SearchSpace, Value
from tuning.states import Goal, JobState

Severity = Literal["error", "warning"]


class WarmStartType(StrEnum):
    IDENTICAL_DATA_AND_ALGORITHM = "IDENTICAL_DATA_AND_ALGORITHM"
    TRANSFER_LEARNING = "TRANSFER_LEARNING"


@dataclass(frozen=True, slots=True)
class WarmStartLimits:
    """``max_total`` counts the trials of the child and of all its parents (F20). ``oldest_schema`` is for F21."""

    max_parents: int = 5
    max_changes: int = 10
    max_total: int = 500
    oldest_schema: int = 1


@dataclass(frozen=True, slots=True)
class JobOutline:
    """What the rules need to know of a job.

    ``algorithm`` is the identity of what runs: a digest, shared by versions whose owner marked them as equivalent.
    ``data`` maps channels to digests. ``trials`` is how many trials the job launched (0 for one that is being made).
    ``schema`` is the version of the rules that the job was created under.
    """

    name: str
    state: JobState
    metric: str
    goal: Goal
    space: SearchSpace
    static: Mapping[str, Value]
    algorithm: str
    data: Mapping[str, str]
    trials: int
    strategy: str
    schema: int = 1


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """One rule, met or broken, for one parent (or for all of them together: ``parent`` is None)."""

    rule: str
    title: str
    ok: bool
    severity: Severity
    parent: str | None
    detail: str
    numbers: dict[str, Number] = field(default_factory=dict)

    @property
    def refuses(self) -> bool:
        """True if the job may not be created because of this."""
        return not self.ok and self.severity == "error"
