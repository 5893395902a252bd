"""Logging in with name and password, slowed for whoever guesses.

Wrong passwords make the next try wait, ever longer up to a bound, and are forgotten after a quarter of an hour without
one. They are counted per address and per account. So that nobody can keep the owner of an account out by guessing at
it, an address from which the owner has logged in before is counted apart: guesses from elsewhere do not slow it.
Nothing tells whether an account exists: unknown names are counted, slowed and answered in the same way, and cost the
same time (Django hashes a password for them too).
"""

from __future__ import annotations

import hashlib
import math
import secrets
from datetime import datetime, timedelta

from django.contrib.auth import authenticate
from django.db import transaction
from django.db.models import Case, F, Q, When
from django.utils import timezone

from hpt_web.accounts import audit
from hpt_web.accounts.errors import Fault, Invalid, NotSignedIn, TooSoon
from hpt_web.accounts.models import FamiliarAddress, Origin, SlowedLogin, User

# How many wrong passwords cost nothing, and the longest wait. An address may be a whole team behind one router.
FREE_PER_ACCOUNT, LONGEST_PER_ACCOUNT = 5, 15.0
FREE_PER_ADDRESS, LONGEST_PER_ADDRESS = 15, 60.0
FORGET_AFTER = timedelta(minutes=15)
FAMILIAR_FOR = timedelta(days=90)


def log_in(*, username: str, password: str, address: str | None) -> User:
    """The person with this name and password.

    Raises NotSignedIn with one text for every reason, TooSoon with the seconds to wait, Invalid for missing fields.
    """
    faults = [
        Fault(name, "is missing; give a text", "required")
        for name, value in (("username", username), ("password", password))
        if not value
    ]
    if faults:
        raise Invalid(faults)
    now = timezone.now()
    counters = _counters(username, address, now)
    _refuse_too_soon(counters, now)
    # Counted before the password is looked at: many guesses sent at once are all counted when the last is judged.
    _count(counters, now)
    user = authenticate(username=username, password=password) if "\x00" not in username else None
    if not isinstance(user, User):
        raise NotSignedIn("The name or the password is wrong.")
    user.origin = Origin(address=address)
    with transaction.atomic():
        # A right password clears what stands against the account here, not what the address did to other accounts.
        SlowedLogin.objects.filter(key=counters[0][0]).delete()
        for key, _, _ in counters[1:]:
            SlowedLogin.objects.filter(key=key).update(failures=F("failures") - 1)
        if address is not None:
            FamiliarAddress.objects.update_or_create(user=user, address=address, defaults={"last_login_at": now})
        audit.record(actor=user, action="session.open", target_kind="user", target=user.username)
    if secrets.randbelow(100) == 0:
        _tidy(now)
    return user


_Counter = tuple[str, int, float]  # key, free failures, longest wait in seconds


def _counters(username: str, address: str | None, now: datetime) -> list[_Counter]:
    folded = User.normalize_username(username).lower()
    account = hashlib.sha256(folded.encode()).hexdigest()
    familiar = (
        address is not None
        and FamiliarAddress.objects.filter(
            Q(user__username__iexact=folded), address=address, last_login_at__gt=now - FAMILIAR_FOR
        ).exists()
    )
    place = hashlib.sha256(f"{account} {address}".encode()).hexdigest() if familiar else account
    counters = [(f"account:{place}", FREE_PER_ACCOUNT, LONGEST_PER_ACCOUNT)]
    if address is not None:
        counters.append((f"address:{address}", FREE_PER_ADDRESS, LONGEST_PER_ADDRESS))
    return counters


def _wait(failures: int, free: int, longest: float) -> float:
    """Seconds between tries after so many failures: none while they are free, then 1, 2, 4, ... up to `longest`."""
    return 0.0 if failures < free else min(longest, 2.0 ** min(failures - free, 30))


def _refuse_too_soon(counters: list[_Counter], now: datetime) -> None:
    rows = SlowedLogin.objects.in_bulk([key for key, _, _ in counters])
    left = 0.0
    for key, free, longest in counters:
        row = rows.get(key)
        if row is not None and now - row.last_failure_at < FORGET_AFTER:
            ready_at = row.last_failure_at + timedelta(seconds=_wait(row.failures, free, longest))
            left = max(left, (ready_at - now).total_seconds())
    if left > 0:
        seconds = math.ceil(left)
        raise TooSoon(f"Too many wrong passwords lately; try again in {seconds} seconds.", seconds=seconds)


def _count(counters: list[_Counter], now: datetime) -> None:
    for key, _, _ in counters:
        SlowedLogin.objects.bulk_create([SlowedLogin(key=key, failures=0, last_failure_at=now)], ignore_conflicts=True)
        stale = Q(last_failure_at__lte=now - FORGET_AFTER)
        SlowedLogin.objects.filter(key=key).update(
            failures=Case(When(stale, then=1), default=F("failures") + 1), last_failure_at=now
        )


def _tidy(now: datetime) -> None:
    SlowedLogin.objects.filter(last_failure_at__lt=now - FORGET_AFTER).delete()
    FamiliarAddress.objects.filter(last_login_at__lt=now - FAMILIAR_FOR).delete()
