"""The queue of nudges. `dramatiq hpt_web.broker hpt_web.jobs.tasks` runs a worker.

A message is only a nudge to look at the database; one that is lost costs until the next sweep, never a trial. So
messages are not retried, and a dead worker's ones are handed over within seconds instead of minutes.

Workers sleep on the queue itself. Dramatiq's own consumer asks at ever longer intervals, up to a second: a slot would
stand empty for a good part of what its last trial took.
"""

import os

import django
import dramatiq
import redis
from django.apps import apps
from django.conf import settings
from django.db import close_old_connections
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import AgeLimit, Callbacks, Pipelines, ShutdownNotifications

from hpt_web import crash, garbage, pulse

if not apps.ready and not apps.apps_ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hpt_web.settings")
    django.setup()


class Alive(dramatiq.Middleware):
    """Says that this worker lives, and readies it for a long life."""

    def after_process_boot(self, broker: dramatiq.Broker) -> None:
        pulse.start("worker")
        garbage.spare_what_is_loaded()


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


class WakefulConsumer(_RedisConsumer):
    """Wakes up as soon as there is a message, or after `timeout` milliseconds, when the heartbeat is due."""

    def __next__(self) -> dramatiq.MessageProxy | None:
        self.misses = 0  # whatever it does not find, it looks again after 5 to 10 ms
        if not self.message_cache and self.outstanding_message_count < self.prefetch:
            queue = f"{self.broker.namespace}:{self.queue_name}"
            try:  # moves the first message to where it is: waits for one, and changes nothing
                self.broker.client.blmove(queue, queue, self.timeout / 1000, "LEFT", "LEFT")
            except redis.ConnectionError as error:
                raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]
        return super().__next__()  # type: ignore[no-any-return, no-untyped-call]


class WakefulBroker(RedisBroker):
    @property
    def consumer_class(self) -> type[WakefulConsumer]:
        return WakefulConsumer


broker = WakefulBroker(  # type: ignore[no-untyped-call]
    url=settings.REDIS_URL,
    middleware=[AgeLimit(), ShutdownNotifications(), Callbacks(), Pipelines(), DatabaseConnections(), Alive()],
    # Dramatiq looks for dead workers on a random share of its commands, by default so rarely that it takes minutes.
    maintenance_chance=1_000_000,
    heartbeat_timeout=10_000,
)
dramatiq.set_broker(broker)
