"""How the suite is ended: Ctrl-C, SIGTERM and the end of its terminal are one KeyboardInterrupt, which undoes whatever
is broken at that moment and is not heard while something is being undone."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Door:
    """Whether an interrupt may come in: of those that come while it is shut the first is let in when it opens."""

    def __init__(self) -> None:
        self.shut = 0
        self.waiting: signal.Signals | None = None
        self.ending = False  # one has come in; the others have nothing to add

    def knock(self, number: int, _: FrameType | None) -> None:
        if not self.ending:
            self.waiting = signal.Signals(number)
        if self.shut or self.ending:
            print("What was broken is being put right; this takes a moment.", flush=True)
        else:
            self.let_in()

    def let_in(self) -> None:
        if self.waiting is not None and not self.ending:
            self.ending = True
            raise KeyboardInterrupt(self.waiting.name)


_door = _Door()


@contextmanager
def interruptible() -> Iterator[None]:
    """The three signals raise one KeyboardInterrupt within."""
    before = {number: signal.signal(number, _door.knock) for number in NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _door.waiting, _door.ending = None, False


@contextmanager
def undisturbed() -> Iterator[None]:
    """What comes meanwhile waits until this is done."""
    _door.shut += 1
    try:
        yield
    finally:
        _door.shut -= 1
        if not _door.shut:
            _door.let_in()
