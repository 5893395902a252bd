import os
import sys
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand

from hpt_web.embedded import home


class Command(BaseCommand):
    help = "Start the whole service in the foreground: database, queue, web, worker and follower. Ctrl-C ends it."
    requires_system_checks = ()  # the database need not run yet

    def handle(self, *_arguments: Any, **_options: Any) -> NoReturn:
        os.chdir(home.REPOSITORY)
        command = [sys.executable, "-m", "hpt_web.embedded", settings.HPT_HOST, str(settings.HPT_PORT)]
        os.execv(command[0], command)  # noqa: S606, no shell
