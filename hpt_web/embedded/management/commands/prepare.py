import time
from collections.abc import Callable
from typing import Any

import psycopg
import redis
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

POLL_SECONDS = 0.5


class Command(BaseCommand):
    help = "Wait for the servers, bring the tables up to date and make what a new installation needs (`bootstrap`)."
    requires_system_checks = ()  # they ask the database, which may not answer yet

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--patience", type=float, default=30.0, help="seconds to wait for the servers to answer")

    def handle(self, *_arguments: Any, patience: float, **_options: Any) -> None:
        self._wait("DATABASE_URL", _reach_database, patience)
        self._wait("REDIS_URL", _reach_queue, patience)
        executor = MigrationExecutor(connection)
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        if missing:
            self.stdout.write(f"Applying {missing} migrations.")
            call_command("migrate", interactive=False, verbosity=0)
        call_command("bootstrap")

    def _wait(self, variable: str, reach: Callable[[], None], patience: float) -> None:
        """Wait for a server that another machine, or another container, may still be starting."""
        deadline = time.monotonic() + patience
        while True:
            try:
                return reach()
            except (psycopg.OperationalError, redis.RedisError) as error:
                if time.monotonic() > deadline:
                    reason = str(error).strip().replace("\n", " ")
                    raise CommandError(f"The server of {variable} does not answer: {reason}") from error
            time.sleep(POLL_SECONDS)


def _reach_database() -> None:
    """Connect past Django's pool, which would keep the reason to itself."""
    database = settings.DATABASES["default"]
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    parameters: dict[str, Any] = {name: database[key] for name, key in names.items() if database.get(key)}
    psycopg.connect(**parameters, connect_timeout=3).close()


def _reach_queue() -> None:
    with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=3) as client:
        client.ping()
