"""Secrets that must be readable again, encrypted with a key that is not in the database (settings.HPT_FIELD_KEY).

Access-key secrets cannot be stored as hashes: a signature over a request (AWS Signature Version 4) can only be checked
by whoever has the secret itself. Several keys may be given, separated by commas: the first one seals, all of them open,
so that a key can be replaced without a moment in which old secrets are unreadable.
"""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


def _box() -> MultiFernet:
    return MultiFernet([Fernet(key.strip()) for key in settings.HPT_FIELD_KEY.split(",") if key.strip()])


def seal(secret: str) -> str:
    """Encrypt `secret` for the database."""
    return _box().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str | None:
    """The secret again, or None if none of the present keys opens it (it was sealed with a key that is gone)."""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken:
        return None
