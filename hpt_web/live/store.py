"""Reading events, on connections of the event loop's own.

Django's ORM would go through a thread for every doorbell, and decode JSON that is only to be sent on as text. Here a
page of events is one query whose rows are pasted together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db import connections
from psycopg import AsyncConnection, OperationalError
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from hpt_web.jobs.events import event_text
from hpt_web.jobs.models import Event, EventCursor

# One for the feeds, and a few for sockets that catch up; the web's own pool is apart from these.
CONNECTIONS = 3
TIMEOUT_SECONDS = 10.0
PAGE_EVENTS = 500

Unreachable = (OperationalError, PoolTimeout)
"""What reading raises while the database is away; trying again later helps."""

_PAGE = f"""
    SELECT seq, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), kind, data::text
    FROM {Event._meta.db_table} WHERE job_id = %s AND seq > %s ORDER BY seq LIMIT %s
"""  # noqa: S608 - the table's name is ours
_HEAD = f"SELECT seq FROM {EventCursor._meta.db_table} WHERE job_id = %s"  # noqa: S608


@dataclass(frozen=True)
class Page:
    """Events ``first`` to ``last`` of a job, without a gap, as the inside of a JSON list."""

    first: int
    last: int
    events: str
    more: bool = False  # there may be more already

    @cached_property
    def frame(self) -> str:
        """The message that carries them, made once for all sockets."""
        return f'{{"type":"events","events":[{self.events}],"cursor":{self.last}}}'


class EventStore:
    """The events of all jobs; for one event loop. All methods raise one of `Unreachable` while the database is away."""

    def __init__(self) -> None:
        self._pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
            kwargs=_connection_parameters(),
            min_size=1,
            max_size=CONNECTIONS,
            timeout=TIMEOUT_SECONDS,
            open=False,
            name="live",
        )

    async def open(self) -> None:
        """Begin to connect, unless that was done before."""
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    async def head(self, job_id: int) -> int:
        """The number of the job's newest committed event, 0 if there is none."""
        rows = await self._rows(_HEAD, (job_id,))
        return int(rows[0][0]) if rows else 0

    async def page(self, job_id: int, since: int, limit: int = PAGE_EVENTS) -> Page | None:
        """The next at most ``limit`` events after ``since`` that follow each other without a gap; None if none."""
        rows = await self._rows(_PAGE, (job_id, since, limit))
        if not rows:
            return None
        first = rows[0][0]
        # the numbers are gap-free as they are given out; a gap can only come from events that were cleared away
        events = [
            event_text(seq, at, kind, data) for place, (seq, at, kind, data) in enumerate(rows) if seq == first + place
        ]
        return Page(
            first, first + len(events) - 1, ",".join(events), more=len(rows) == limit or len(events) < len(rows)
        )

    async def _rows(self, sql: str, arguments: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            async with self._pool.connection() as connection:
                return await (await connection.execute(sql, arguments)).fetchall()
        except OperationalError:
            # the server was restarted: let the pool find out which of its connections are dead
            await self._pool.check()
            raise


def _connection_parameters() -> dict[str, Any]:
    parameters: dict[str, Any] = connections["default"].get_connection_params()
    for of_django in ("cursor_factory", "context"):
        parameters.pop(of_django, None)
    return {**parameters, "autocommit": True, "application_name": "hpt-live"}
