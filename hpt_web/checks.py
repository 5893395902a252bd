"""Settings that are wrong in a way that would only show later, told at once with the remedy (`manage.py check`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from tuning.backends.gpus import discover, read_devices
from tuning.errors import InvalidSpec


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
    waits = ("HPT_LEASE_SECONDS", "HPT_SWEEP_SECONDS", "HPT_PULL_RETRY_SECONDS", *graces)
    names = ("HPT_TRIAL_SLOTS", "HPT_TRIAL_PROCESSES", "HPT_TRIAL_DISK_MB", *waits)
    return [
        Error(f"{name} is {getattr(settings, name)}.", hint="Give a whole number above 0.", id="hpt.E002")
        for name in names
        if getattr(settings, name) < 1
    ]


@register()
def gpus(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A list of GPUs that cannot be read."""
    try:
        read_devices(settings.HPT_GPUS or "")
    except InvalidSpec as error:
        hint = "List ids or UUIDs with their memory, such as 0:80GB,1:80GB; empty for none."
        return [Error(f"{fault.field}: {fault.message}.", hint=hint, id="hpt.E003") for fault in error.faults]
    return []


@register(deploy=True)
def gpus_there(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """GPUs are listed that this host does not have: trials that get them fail. Nobody can tell without a driver."""
    if not settings.HPT_GPUS or not (found := [device.id for device in discover()]):
        return []
    numbers = set(map(str, range(len(found))))
    gone = [
        device.id
        for device in read_devices(settings.HPT_GPUS)
        if device.id not in numbers
        and not device.id.startswith("MIG-")
        and not any(whole.startswith(device.id) for whole in found)
    ]
    hint = f"NVIDIA's driver finds {', '.join(found)}: list these, or unset HPT_GPUS."
    return [CheckWarning(f"HPT_GPUS lists {', '.join(gone)}, not on this host.", hint=hint, id="hpt.W002")] * bool(gone)


@register(deploy=True)
def reachable_without_tls(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if settings.HPT_HOST in ("127.0.0.1", "localhost", "::1") or settings.SESSION_COOKIE_SECURE:
        return []
    hint = "Put a TLS proxy in front and set HPT_HTTPS=1, or keep HPT_HOST=127.0.0.1."
    return [CheckWarning(f"HPT_HOST={settings.HPT_HOST} is served without TLS.", hint=hint, id="hpt.W001")]
