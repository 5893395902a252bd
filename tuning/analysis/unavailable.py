"""The answer of an analysis that has too little to go by."""

from __future__ import annotations

from dataclasses import dataclass, field

from tuning.contracts import Number


@dataclass(frozen=True, slots=True)
class Unavailable:
    """``reason`` is a sentence that tells a person why there is no answer (yet); ``numbers`` the same for programs."""

    reason: str
    numbers: dict[str, Number] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.reason:
            raise ValueError("say why there is no answer")
