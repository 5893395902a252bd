"""What can go wrong in the engine, named by what the caller should do about it.

TuningError
|-- InvalidSpec       change the document: every fault in it is listed at once
|-- SpaceExhausted    end the search: no untried point is left
|   `-- StrategyFailed     the same, because a strategy that is not HPT's broke
|-- Unusable          choose something else: what another package offers broke
`-- BackendError      the machinery failed: try again if ``retryable``, else fail the trial
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a user's document.

    ``field`` is a JSON path in that document, such as ``space[2].min``; ``message`` names the value found and what to
    write instead; ``code`` is a stable word for programs: invalid, required, type, range, duplicate, unknown, limit.
    """

    field: str
    message: str
    code: str = "invalid"

    def __post_init__(self) -> None:
        # JSON may hold lone surrogates; no answer could be encoded with one in it.
        for name in ("field", "message"):
            object.__setattr__(self, name, getattr(self, name).encode("utf-8", "backslashreplace").decode("utf-8"))


class TuningError(Exception):
    """Base of every error that the engine raises on purpose."""


class InvalidSpec(TuningError):
    """The user's document is wrong; ``faults`` lists everything that is wrong with it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        if not self.faults:
            raise ValueError("InvalidSpec needs at least one fault")
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in self.faults))

    def __reduce__(self) -> tuple[type[InvalidSpec], tuple[tuple[Fault, ...]]]:
        return type(self), (self.faults,)


class SpaceExhausted(TuningError):
    """No untried point is left; ``reason`` is a sentence for the job's page."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class StrategyFailed(SpaceExhausted):
    """A strategy of another package or of a notebook broke; no more points will come. ``reason`` names the error."""


class Unusable(TuningError):
    """What another package offers cannot be made; the message names the package and the error."""


class BackendError(TuningError):
    """A backend could not do what was asked; ``retryable`` says whether asking again may help."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        self.retryable = retryable
        super().__init__(message)
