"""Which processes of the service are alive: each says so every few seconds, in one hash of the broker. And whether
those that live get on: a worker that hangs says so no less.

It is shown to administrators and decides nothing: what a dead process leaves is found by leases and sweeps.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from dataclasses import dataclass
from typing import Literal, cast

import redis
from django.conf import settings

Kind = Literal["web", "worker", "follower"]
KINDS: tuple[Kind, ...] = ("web", "worker", "follower")
SECONDS = 5.0  # between two beats
LATE_SECONDS = 20.0  # a process that was heard of longer ago hangs, or is gone
FORGOTTEN_SECONDS = 60.0
_KEY = "hpt:pulse"
ENDS = "hpt:ends"  # ids of jobs of which a trial has ended, by the time since which they wait (`jobs/tasks.py`)
QUEUE = "dramatiq:default"  # Dramatiq's ids of the nudges that no worker has taken, the oldest first


@dataclass(frozen=True, slots=True)
class Pulse:
    """A process that was heard of `silent_seconds` ago."""

    kind: Kind
    host: str
    pid: int
    silent_seconds: float

    @property
    def late(self) -> bool:
        return self.silent_seconds > LATE_SECONDS


def start(kind: Kind, stopped: threading.Event | None = None) -> None:
    """Say from a thread of its own that this process lives, until `stopped` or its end."""
    until = stopped or threading.Event()
    threading.Thread(target=_run, args=(kind, until), name="pulse", daemon=True).start()


def _run(kind: Kind, stopped: threading.Event) -> None:
    client = _client()
    name = f"{kind} {socket.gethostname()} {os.getpid()}"
    while True:
        _say(client, name)
        if stopped.wait(SECONDS):
            _forget(client, [name])
            return


def _say(client: redis.Redis, name: str) -> None:
    with contextlib.suppress(redis.RedisError):  # it is away; everybody is heard of again when it is back
        client.hset(_KEY, name, repr(time.time()))


def alive() -> list[Pulse]:
    """The processes that were heard of lately, by kind; redis.RedisError while the broker is away."""
    client, now = _client(), time.time()
    try:
        beats = cast("dict[bytes, bytes]", client.hgetall(_KEY))
        silent = {name.decode(): max(0.0, now - float(at)) for name, at in beats.items()}
        _forget(client, [name for name, seconds in silent.items() if seconds > FORGOTTEN_SECONDS])
    finally:
        client.close()
    found = []
    for name, seconds in silent.items():
        kind, host, pid = name.split(" ")
        if seconds <= FORGOTTEN_SECONDS:
            found.append(Pulse(cast("Kind", kind), host, int(pid), seconds))
    return sorted(found, key=lambda pulse: (KINDS.index(pulse.kind), pulse.host, pulse.pid))


def stalled() -> str:
    """Why nothing is advanced, as a sentence; empty if workers take what they are told. redis.RedisError while the
    broker is away."""
    alive_workers = [pulse for pulse in alive() if pulse.kind == "worker" and not pulse.late]
    if not alive_workers:
        return "No worker says that it lives, so nothing new is started: look at its log, or start it again."
    client = _client()
    try:
        waited = _waited(client)
    finally:
        client.close()
    if waited <= max(LATE_SECONDS, 2 * settings.HPT_SWEEP_SECONDS):
        return ""
    return (
        f"What was told to the workers {waited:.0f} s ago is taken by none of them, so nothing new is started: they "
        "hang, or are too few. Look at their log, or start them again."
    )


def _waited(client: redis.Redis) -> float:
    """For how many seconds the oldest word waits that no worker has taken: that a trial has ended, or a nudge, which
    each job that may go on gets at every sweep."""
    ends = cast("list[tuple[bytes, float]]", client.zrange(ENDS, 0, 0, withscores=True))
    first = cast("bytes | None", client.lindex(QUEUE, 0))
    nudge = cast("bytes | None", client.hget(f"{QUEUE}.msgs", first.decode())) if first else None
    since = [score for _, score in ends] + ([json.loads(nudge)["message_timestamp"] / 1000] if nudge else [])
    return max((time.time() - at for at in since), default=0.0)


def _forget(client: redis.Redis, names: list[str]) -> None:
    if names:
        with contextlib.suppress(redis.RedisError):
            client.hdel(_KEY, *names)


def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2.0, socket_connect_timeout=2.0)
