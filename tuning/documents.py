"""Reading a user's JSON document field by field, so that all of its faults are found in one go."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import TypeVar

from tuning.errors import Fault, InvalidSpec

T = TypeVar("T")


def shown(value: object) -> str:
    """A value as a fault's message shows it: never more than a line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def did_you_mean(name: str, known: Collection[str]) -> str:
    """The nearest of the ``known`` names as the end of a clause; nothing if none is near."""
    near = get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


class Document:
    """One JSON object at the path `field`; `faults` is shared with its parts and gathers everything wrong.

    Each reader returns the value, or the default if it is absent or wrong, and the caller asks `faults` at the end.
    Members that nobody asked for are faults too (`close`): a misspelt limit must not be a limit that is not there.
    """

    def __init__(self, value: object, field: str = "", faults: list[Fault] | None = None) -> None:
        self.field = field
        self.faults: list[Fault] = [] if faults is None else faults
        self._asked: set[str] = set()
        self._members: Mapping[str, object] = {}
        if isinstance(value, Mapping):
            self._members = value
        else:
            self.faults.append(Fault(field, f"is {shown(value)}; give a JSON object", "type"))

    def path(self, name: str) -> str:
        return f"{self.field}.{name}" if self.field else name

    def fault(self, name: str, message: str, code: str = "invalid") -> None:
        self.faults.append(Fault(self.path(name), message, code))

    def raw(self, name: str) -> object:
        """The member as it is; None if it is absent."""
        self._asked.add(name)
        return self._members.get(name)

    def part(self, name: str, *, required: bool = False) -> Document | None:
        """The object at `name`, read with the same faults; None if it is absent or null."""
        value = self.raw(name)
        if value is None:
            if required:
                self.fault(name, "is missing; give a JSON object", "required")
            return None
        return Document(value, self.path(name), self.faults)

    def text(self, name: str, *, default: str | None = None, longest: int = 255) -> str:
        """A string; required, and then not empty, unless there is a default."""
        value = self.raw(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            missing = value is None
            self.fault(name, "is missing; give a text" if missing else f"is {shown(value)}; give a text",
                       "required" if missing else "type")  # fmt: skip
            return default or ""
        if not value and default is None:
            self.fault(name, "is empty; give a text", "required")
        elif len(value) > longest:
            self.fault(name, f"has {len(value)} characters; at most {longest} are possible", "range")
        elif "\x00" in value:
            self.fault(name, "holds a NUL character; leave it out")
        return value

    def choice(self, name: str, choices: Collection[str], *, default: str | None = None) -> str:
        if default is None and self.raw(name) is None:
            self.fault(name, f"is missing; choose one of {', '.join(choices)}", "required")
            return ""
        value = self.text(name, default=default)
        if value and value not in choices:
            self.fault(name, f"is {shown(value)}; choose one of {', '.join(choices)}", "unknown")
        return value

    def whole(
        self, name: str, *, low: int, high: int, default: int | None = None, optional: bool = False
    ) -> int | None:
        """A whole number in low..high. `optional` admits null, which comes back as None."""
        value = self.raw(name)
        if value is None:
            if default is None and not optional:
                self.fault(name, f"is missing; give a whole number from {low} to {high}", "required")
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            self.fault(name, f"is {shown(value)}; give a whole number from {low} to {high}", "type")
            return default
        if not low <= value <= high:
            self.fault(name, f"is {value}; give a whole number from {low} to {high}", "range")
        return value

    def number(self, name: str, *, low: float, high: float, default: float | None = None) -> float | None:
        """A finite number in low..high; null is the default."""
        value = self.raw(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.fault(name, f"is {shown(value)}; give a number from {low:g} to {high:g}", "type")
            return default
        if not low <= value <= high:  # also refuses NaN, and integers too large for a float
            self.fault(name, f"is {shown(value)}; give a number from {low:g} to {high:g}", "range")
            return default
        return float(value)

    def has(self, name: str) -> bool:
        """Whether the member is there, be it null."""
        return name in self._members

    def flag(self, name: str) -> bool:
        """True or false; false if it is absent."""
        value = self.raw(name)
        if value is not None and not isinstance(value, bool):
            self.fault(name, f"is {shown(value)}; give true or false", "type")
        return value is True

    def mapping(self, name: str) -> dict[str, object]:
        """An object with free member names, as a dict; absent is empty."""
        value = self.raw(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.fault(name, f"is {shown(value)}; give a JSON object", "type")
            return {}
        return dict(value)

    def sub(self, build: Callable[[], T]) -> T | None:
        """What `build` makes; None if it raises InvalidSpec, whose faults are gathered here."""
        try:
            return build()
        except InvalidSpec as error:
            self.faults.extend(error.faults)
            return None

    def close(self, elsewhere: Mapping[str, str] | None = None) -> None:
        """Name the members that nobody asked for; for some of them, ``elsewhere`` says what to write instead."""
        known = ", ".join(sorted(self._asked))
        for name in self._members:
            if name in self._asked:
                continue
            unknown = f"is not known here{did_you_mean(str(name), self._asked)}; the members are {known}"
            self.fault(str(name), (elsewhere or {}).get(str(name), unknown), "unknown")
