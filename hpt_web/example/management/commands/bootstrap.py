"""Gives a new installation its first administrator and the example: `manage.py bootstrap`. Later runs do nothing."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from hpt_web.accounts import audit
from hpt_web.accounts.models import AuditEvent, User
from hpt_web.example import loading


class Command(BaseCommand):
    help = "Create the first administrator, whose password is printed once, and load the example."

    def handle(self, *args: Any, **options: Any) -> None:
        made = loading.first_admin()
        if made is not None:
            user, password = made
            self.stdout.write(
                f"\n  Log in at http://{settings.HPT_HOST}:{settings.HPT_PORT} as {user.username} with the password "
                f"{password}\n  It is shown this once; change it on your account page.\n"
            )
            # The mark that the example belongs here: it is loaded for the first administrator only, and finished by
            # whichever start gets so far.
            audit.record(actor=user, action=loading.LOADED, target_kind="project", target=loading.PROJECT)
        mark = AuditEvent.objects.filter(action=loading.LOADED).select_related("actor").first()
        if mark is not None and isinstance(mark.actor, User) and mark.actor.is_active:
            loading.load(mark.actor)
