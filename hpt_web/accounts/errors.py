"""Errors of people, projects and their rights, named by what the caller should do. `catalog` raises them as well.

AccountsError
├── NotVisible    look again at the address: there is no such thing, or not for you (the two are not told apart)
├── Forbidden     ask for the role that is named
├── NotSignedIn   name or password are wrong
├── TooSoon       wait for so many seconds
├── Invalid       mend the request: every fault is listed with its field
├── Conflict      something else stands in the way; the message says what
└── OverQuota     a limit is reached; the message has the numbers
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hpt_web.accounts.models import Quota


class Faulty(Protocol):
    """What a fault looks like to the doors; `tuning.errors.Fault` has the same shape."""

    @property
    def field(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def code(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a request: where, what was found there and what to write instead."""

    field: str
    message: str
    code: str = "invalid"


class AccountsError(Exception):
    """Base of all errors that `accounts` and `catalog` raise on purpose."""


class NotVisible(AccountsError):
    """Nothing of that name that this person may see."""


class Forbidden(AccountsError):
    """The person sees it, but may not do this; the message names what is needed."""


class NotSignedIn(AccountsError):
    """The name or the password is wrong; which of them is not said."""


class TooSoon(AccountsError):
    """Too many wrong passwords lately; `seconds` says when to try again."""

    def __init__(self, message: str, *, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(message)


class Invalid(AccountsError):
    """The request has faults; all of them are listed."""

    def __init__(self, faults: Iterable[Faulty]) -> None:
        self.faults: tuple[Faulty, ...] = tuple(faults)
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in self.faults))


class Conflict(AccountsError):
    """The state of other things does not allow it; the message says which and what to do first."""


class OverQuota(AccountsError):
    """A limit would be exceeded; the message has the limit, what is in use and what was asked for.

    `quota` is the limit's row.
    """

    def __init__(self, message: str, quota: Quota | None = None) -> None:
        self.quota = quota
        super().__init__(message)
