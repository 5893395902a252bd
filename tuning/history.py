"""What has been observed so far: the only input that strategies and policies have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tuning.space import SearchSpace, Value
from tuning.states import Goal, TrialState

# A failed or lost trial may have printed values before it broke; they are not a result of its configuration.
_COUNTED = frozenset({TrialState.COMPLETED, TrialState.EARLY_STOPPED, TrialState.STOPPED})


@dataclass(frozen=True, slots=True)
class Observation:
    """One trial as the engine sees it.

    ``value`` is the objective (final, or last reported if it was stopped), None if there is none. ``curve`` is
    (step, objective) in the order of reporting. ``inherited_from`` names the parent job of a warm-started one.
    ``promotions`` counts how often a scheduler let it go on after a pause.
    """

    number: int
    config: Mapping[str, Value]
    state: TrialState
    value: float | None = None
    curve: tuple[tuple[int, float], ...] = ()
    inherited_from: str | None = None
    promotions: int = 0
    # Its key in the space that was asked for last: whoever keeps observations does not make it again.
    _key: tuple[SearchSpace, str] | None = field(default=None, init=False, compare=False, repr=False)

    @property
    def usable(self) -> bool:
        """True if ``value`` is a result that a model may learn from."""
        return self.state in _COUNTED and self.value is not None and math.isfinite(self.value)


@dataclass(frozen=True)
class History:
    """All observations of a job (``own``, by trial number) and those it inherited from its warm-start parents.

    ``comparable`` says whether inherited objective values are on the scale of the own ones: True for
    IDENTICAL_DATA_AND_ALGORITHM, False for TRANSFER_LEARNING, where only their order means something. ``budget`` is how
    many trials the job may have in all, None if not known: what waits for trials to come must know when none do.
    """

    goal: Goal
    own: tuple[Observation, ...] = ()
    inherited: tuple[Observation, ...] = ()
    comparable: bool = True
    budget: int | None = None

    @cached_property
    def finished(self) -> tuple[Observation, ...]:
        """Own trials that ended with a usable value."""
        return tuple(trial for trial in self.own if trial.usable)

    @cached_property
    def pending(self) -> tuple[Observation, ...]:
        """Own trials that have not ended; paused ones are among them."""
        return tuple(trial for trial in self.own if not trial.state.terminal)

    @cached_property
    def paused(self) -> tuple[Observation, ...]:
        """Own trials that wait for their scheduler to promote them."""
        return tuple(trial for trial in self.own if trial.state is TrialState.PAUSED)

    @cached_property
    def failed(self) -> tuple[Observation, ...]:
        """Own trials that ran and broke: their configuration may be to blame. Lost trials are not among them."""
        return tuple(
            trial
            for trial in self.own
            if trial.state is TrialState.FAILED or (trial.state is TrialState.COMPLETED and not trial.usable)
        )

    @cached_property
    def best(self) -> Observation | None:
        """The own trial with the best value (the first of equals)."""
        return best_of(self.goal, self.finished)

    def trial(self, number: int) -> Observation | None:
        """The own trial with this number."""
        return next((trial for trial in self.own if trial.number == number), None)

    def used_keys(self, space: SearchSpace) -> set[str]:
        """``space.key`` of every point that need not be run again.

        Those are the own trials in whatever state, and, where values are comparable (same data, same algorithm), the
        inherited trials that completed: their result is known.
        """
        known = [t for t in self.inherited if t.usable and t.state is TrialState.COMPLETED] if self.comparable else []
        return set(keys_of(space, (*self.own, *known)))


def keys_of(space: SearchSpace, trials: Sequence[Observation]) -> list[str]:
    """``space.key`` of each trial, made once for as long as the trial is asked about in the same space."""
    known = [trial._key for trial in trials]  # read once: another thread may ask about another space
    new = [place for place, one in enumerate(known) if one is None or one[0] is not space]
    for place, key in zip(new, space.keys([trials[place].config for place in new]), strict=True):
        known[place] = (space, key)
        object.__setattr__(trials[place], "_key", known[place])
    return [one[1] for one in known if one is not None]


def best_of(goal: Goal, trials: Sequence[Observation]) -> Observation | None:
    """The trial with the best value, the first of equals; None if there is none. All must be ``usable``."""
    sign = goal.sign
    valued = (trial for trial in trials if trial.value is not None)
    return max(valued, key=lambda trial: sign * (trial.value or 0.0), default=None)
