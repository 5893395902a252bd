"""The actors of the workers. Each takes an id, does one step, and may run twice; a lost message costs one sweep."""

from __future__ import annotations

import dramatiq

from hpt_web import broker, crash  # noqa: F401  actors register with the broker
from hpt_web.jobs.running import dispatch


@dramatiq.actor
def advance(job_id: int) -> None:
    crash.at("message.received")
    for other in dispatch.advance(job_id):
        nudge(other)


def nudge(job_id: int) -> None:
    """Have a worker look at the job soon."""
    advance.send(job_id)
    crash.at("message.enqueued")
