"""The queue of nudges. `dramatiq hpt_web.broker hpt_web.jobs.tasks` runs a worker.

A message is only a nudge to look at the database; one that is lost costs until the next sweep, never a trial. So
messages are not retried, and a dead worker's ones are handed over within seconds instead of minutes.
"""

import os

import django
import dramatiq
from django.apps import apps
from django.conf import settings
from django.db import close_old_connections
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, Callbacks, Pipelines, ShutdownNotifications

from hpt_web import crash

if not apps.ready and not apps.apps_ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hpt_web.settings")
    django.setup()


class DatabaseConnections(dramatiq.Middleware):
    """Gives the connection back to the pool after each message, and drops one that the database has closed."""

    def before_process_message(self, broker: dramatiq.Broker, message: dramatiq.MessageProxy) -> None:
        close_old_connections()

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: dramatiq.MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        crash.at("message.processed")
        close_old_connections()


broker = RedisBroker(  # type: ignore[no-untyped-call]
    url=settings.REDIS_URL,
    middleware=[AgeLimit(), ShutdownNotifications(), Callbacks(), Pipelines(), DatabaseConnections()],
    # Dramatiq looks for dead workers on a random share of its commands, by default so rarely that it takes minutes.
    maintenance_chance=1_000_000,
    heartbeat_timeout=10_000,
)
dramatiq.set_broker(broker)
