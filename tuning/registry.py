"""Named implementations with declared options: what the job form shows and what a job's document may say."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Generic, Literal, TypeVar

from tuning.documents import did_you_mean, shown
from tuning.errors import Fault, InvalidSpec, Unusable

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


# What other services have among the options, and a search has elsewhere.
_ELSEWHERE = {
    # F48, F49
    "num_samples": "how many trials there are is the search's max_trials (limits.max_trials in a job's document)",
}


def _unknown(option: str, name: str, declared: Sequence[str]) -> str:
    """What to write in the place of an ``option`` that ``name`` does not have."""
    if option in _ELSEWHERE:
        return f"is not an option of {name}: {_ELSEWHERE[option]}; set that"
    return (
        f"is not an option of {name}{did_you_mean(option, declared)}; its options are: {', '.join(declared) or 'none'}"
    )


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """One implementation. ``package`` is the one that it comes from, with its version; empty for those of HPT."""

    info: Info
    build: Callable[..., T]
    check: Check | None = None
    package: str = ""


@dataclass(frozen=True, slots=True)
class Broken:
    """An implementation that a package offers and that cannot be used; ``reason`` is a sentence for its author."""

    name: str
    package: str
    reason: str


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What other packages offer."""

    entries: tuple[Entry[T], ...] = ()
    broken: tuple[Broken, ...] = ()


class Registry(Generic[T]):
    """The implementations of one contract, by name, in the order in which they are offered.

    ``discover`` is given the names that are taken and finds what other packages offer (see plugins.py). It is called
    once, when somebody asks for the catalogue or for a name that is not known.
    """

    def __init__(self, discover: Callable[[Collection[str]], Found[T]] | None = None) -> None:
        self._entries: dict[str, Entry[T]] = {}
        self._discover = discover
        self._found: Found[T] | None = None
        self._lock = RLock()

    def add(self, info: Info, build: Callable[..., T], check: Check | None = None) -> None:
        """``build`` is called with the options as keyword arguments, all present and checked.

        ``check`` finds what is wrong with several options together. It is given all of them, each perhaps bad itself.
        """
        self._entries[info.name] = Entry(info, build, check)

    def catalogue(self) -> list[Info]:
        return [entry.info for entry in (*self._entries.values(), *self.found().entries)]

    def packages(self) -> dict[str, str]:
        """By name, the package that each implementation of another one comes from, with its version."""
        return {entry.info.name: entry.package for entry in self.found().entries}

    def found(self) -> Found[T]:
        """What other packages offer."""
        with self._lock:
            if self._found is None:
                # A package that asks for the catalogue while it is imported sees it without the packages.
                self._found = Found()
                self._found = self._discover(self._entries.keys()) if self._discover else Found()
            return self._found

    def forget_found(self) -> None:
        """Look again for what other packages offer; for tests, which install packages while they run."""
        with self._lock:
            self._found = None

    def create(self, name: str, options: Mapping[str, object], field: str) -> T:
        """Build the implementation called ``name``.

        Raises:
            InvalidSpec: with a fault at ``field.name``, or one at ``field.options.x`` for each bad or unknown option.
        """
        entry = self._entry(name, field)
        declared = {option.name: option for option in entry.info.options}
        faults = [
            Fault(f"{field}.options.{unknown}", _unknown(unknown, name, list(declared)), "unknown")
            for unknown in options
            if unknown not in declared
        ]
        values = {option.name: options.get(option.name, option.default) for option in entry.info.options}
        found = [option.problem_with(values[option.name]) for option in entry.info.options]
        unusable: Unusable | None = None
        try:
            found.extend(entry.check(values) if entry.check else ())
        except Unusable as error:  # perhaps for an option that is bad by itself
            unusable = error
        faults.extend(Fault(f"{field}.options.{fault.field}", fault.message, fault.code) for fault in found if fault)
        if faults:
            raise InvalidSpec(faults)
        try:
            if unusable:
                raise unusable
            return entry.build(**values)
        except Unusable as error:
            raise InvalidSpec([Fault(f"{field}.name", str(error))]) from error

    def _entry(self, name: object, field: str) -> Entry[T]:
        if isinstance(name, str) and name in self._entries:
            return self._entries[name]
        found = self.found()
        for entry in found.entries:
            if entry.info.name == name:
                return entry
        names = ", ".join(info.name for info in self.catalogue())
        message = f"is {shown(name)}; choose one of {names}"
        for broken in found.broken:
            if broken.name == name:
                message = f"is {shown(name)}, which {broken.package} offers, but {broken.reason}; choose one of {names}"
        raise InvalidSpec([Fault(f"{field}.name", message, "unknown")])
