"""Settings that are wrong in a way that would only show later, told at once with the remedy (`manage.py check`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning


@register()
def field_key(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Access keys are sealed with it; a wrong one would lock every script out."""
    try:
        Fernet(settings.HPT_FIELD_KEY)
    except ValueError:
        hint = "Make one: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
        return [Error("HPT_FIELD_KEY is not 32 bytes in URL-safe base64.", hint=hint, id="hpt.E001")]
    return []


@register()
def numbers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    graces = ("HPT_STOP_GRACE_SECONDS", "HPT_PREEMPT_GRACE_SECONDS")
    names = ("HPT_TRIAL_SLOTS", "HPT_LEASE_SECONDS", "HPT_SWEEP_SECONDS", *graces)
    return [
        Error(f"{name} is {getattr(settings, name)}.", hint="Give a whole number above 0.", id="hpt.E002")
        for name in names
        if getattr(settings, name) < 1
    ]


@register(deploy=True)
def reachable_without_tls(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if settings.HPT_HOST in ("127.0.0.1", "localhost", "::1") or settings.SESSION_COOKIE_SECURE:
        return []
    hint = "Put a TLS proxy in front and set HPT_HTTPS=1, or keep HPT_HOST=127.0.0.1."
    return [CheckWarning(f"HPT_HOST={settings.HPT_HOST} is served without TLS.", hint=hint, id="hpt.W001")]
