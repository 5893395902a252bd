from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from hpt_web.embedded import supervisor


class Command(BaseCommand):
    help = "Start the whole service in the foreground: database, queue, web, worker and follower. Ctrl-C ends it."
    requires_system_checks = ()  # the database need not run yet

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        raise SystemExit(supervisor.run(supervisor.plan(settings.HPT_HOST, settings.HPT_PORT)))
