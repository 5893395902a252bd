from typing import Any

from django.core.management.base import BaseCommand

from hpt_web.catalog.actions import sweep_store


class Command(BaseCommand):
    help = "Remove content that nothing refers to and uploads that died half-way. May run while the service does."

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        unfinished, unused = sweep_store()
        self.stdout.write(f"Removed {unfinished} unfinished uploads and {unused} files that nothing refers to.")
