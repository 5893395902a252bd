"""Named implementations with declared options: what the job form shows and what a job's document may say."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from tuning.documents import shown
from tuning.errors import Fault, InvalidSpec

T = TypeVar("T")
OptionValue = float | int | str | bool | None
Check = Callable[[Mapping[str, object]], list[Fault]]


@dataclass(frozen=True, slots=True)
class Option:
    """One option of an implementation. A default of None means that leaving it out has a meaning, told in ``help``."""

    name: str
    type: Literal["float", "integer", "choice"]
    default: OptionValue
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    help: str = ""

    def problem_with(self, value: object) -> Fault | None:
        """A fault with this option's name as its field; None if ``value`` is good."""
        if value is None and self.default is None:
            return None
        if self.type == "choice":
            if value in self.choices:
                return None
            return Fault(self.name, f"is {shown(value)}; choose one of {', '.join(self.choices)}", "unknown")
        whole = self.type == "integer"
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        wanted = f"give {'a whole number' if whole else 'a number'} from {low:g} to {high:g}"
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            return Fault(self.name, f"is {shown(value)}; {wanted}", "type")
        if not low <= value <= high:  # also refuses NaN
            return Fault(self.name, f"is {shown(value)}; {wanted}", "range")
        return None


@dataclass(frozen=True, slots=True)
class Info:
    """What a person must know to choose an implementation.

    ``schedules``: a strategy that also decides how far each trial goes (a Scheduler), beside which no early-stopping
    policy can be chosen.
    """

    name: str
    title: str
    summary: str
    options: tuple[Option, ...] = ()
    schedules: bool = False


class Registry(Generic[T]):
    """The implementations of one contract, by name, in the order in which they are offered."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[Info, Callable[..., T], Check | None]] = {}

    def add(self, info: Info, build: Callable[..., T], check: Check | None = None) -> None:
        """``build`` is called with the options as keyword arguments, all present and checked.

        ``check`` finds what is wrong with several options together. It is given all of them, each perhaps bad itself.
        """
        self._entries[info.name] = (info, build, check)

    def catalogue(self) -> list[Info]:
        return [info for info, _, _ in self._entries.values()]

    def create(self, name: str, options: Mapping[str, object], field: str) -> T:
        """Build the implementation called ``name``.

        Raises:
            InvalidSpec: with a fault at ``field.name``, or one at ``field.options.x`` for each bad or unknown option.
        """
        if not isinstance(name, str) or name not in self._entries:
            message = f"is {shown(name)}; choose one of {', '.join(self._entries)}"
            raise InvalidSpec([Fault(f"{field}.name", message, "unknown")])
        info, build, check = self._entries[name]
        declared = {option.name: option for option in info.options}
        known = ", ".join(declared) or "none"
        faults = [
            Fault(f"{field}.options.{unknown}", f"is not an option of {name}; its options are: {known}", "unknown")
            for unknown in options.keys() - declared.keys()
        ]
        values = {option.name: options.get(option.name, option.default) for option in info.options}
        found = [option.problem_with(values[option.name]) for option in info.options]
        found.extend(check(values) if check else ())
        faults.extend(Fault(f"{field}.options.{fault.field}", fault.message, fault.code) for fault in found if fault)
        if faults:
            raise InvalidSpec(faults)
        return build(**values)
