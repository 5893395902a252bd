"""Who an access key speaks for."""

from __future__ import annotations

import hmac
import re
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from hpt_web.accounts.models import AccessKey, Origin, User
from hpt_web.accounts.sealing import unseal

_KEY_ID = re.compile("[A-Z0-9]{20}")
# Writing the time of use at each request would make every read a write.
_USE_GRAIN = timedelta(minutes=1)


def user_of_key(*, key_id: str, secret: str, address: str | None = None) -> User | None:
    """The person of the key with its restrictions on `origin`; None if the key does not work or the secret is wrong."""
    if not _KEY_ID.fullmatch(key_id):
        return None
    key = AccessKey.objects.select_related("user").filter(key_id=key_id).first()
    known = unseal(key.sealed_secret) if key is not None else None
    if not hmac.compare_digest((known or "").encode(), secret.encode()) or key is None or known is None:
        return None
    now = timezone.now()
    if key.problem_at(now) is not None:
        return None
    AccessKey.objects.filter(Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - _USE_GRAIN), pk=key.pk).update(
        last_used_at=now
    )
    user: User = key.user
    user.origin = Origin(access_key=key, address=address)
    return user
