"""Finishes the example: waits for its first two jobs and starts the third from them: `manage.py example`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from hpt_web.example import loading


class Command(BaseCommand):
    help = "Wait for the example's Random and Bayesian jobs and start the job that warm-starts from them."

    def handle(self, *args: Any, **options: Any) -> None:
        owner = loading.owner_of_example()
        if owner is not None:
            loading.wait_and_finish(owner)
