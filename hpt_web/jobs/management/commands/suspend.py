"""Stops the running trials before the service goes down, and queues them again: `manage.py suspend`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from hpt_web.jobs.running import launching
from hpt_web.jobs.running.sweep import suspend


class Command(BaseCommand):
    help = "Stop all running trials and queue them again; for when the follower and the workers are down."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--grace", type=float, default=3.0, help="seconds between SIGTERM and SIGKILL")
        parser.add_argument("--patience", type=float, default=8.0, help="seconds after which it gives up")

    def handle(self, *args: Any, **options: Any) -> None:
        count = suspend(launching.backend(), grace=options["grace"], patience=options["patience"])
        if count:
            self.stdout.write(f"{count} running trials were stopped and will run again")
