from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


class Command(BaseCommand):
    help = "Bring the tables up to date and make what a new installation needs: `migrate`, then `bootstrap`."

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        executor = MigrationExecutor(connection)
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        if missing:
            self.stdout.write(f"Applying {missing} migrations.")
            call_command("migrate", interactive=False, verbosity=0)
        call_command("bootstrap")
