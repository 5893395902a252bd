"""Crash points: where the fault suite lets a process die in the middle of a step (docs/chaos.md).

Off unless HPT_CRASH_POINTS names a folder. A file in it, named after a step, holds what is to happen at the next moment
at which any process of the service comes to that step: a signal and, unless it is for that process itself, a process id
(`SIGKILL`, `SIGSTOP`, `SIGKILL 4711`). The file is taken first, so that it happens exactly once.
"""

import os
import signal
from pathlib import Path
from typing import Literal, get_args

Step = Literal[
    "message.received",  # a worker has a nudge
    "suggest.next",  # the job is locked; the strategy is about to be asked
    "trial.suggested",  # it has answered; nothing is written
    "trial.row_written",  # trials, attempts and events are written, and not committed
    "trial.row_committed",  # they are committed; nothing is launched
    "child.spawned",  # the first of them is launched; the others are not, and no follower was told
    "message.processed",  # the step is done, and the nudge not acknowledged
    "message.enqueued",  # a nudge was sent
    "lease.taken",  # a follower has leased attempts, and read nothing of them
    "metric.line",  # it has read metrics, and stored nothing
    "stop.committed",  # the wish to stop an attempt is written for good, and it was not told
    "child.exited",  # it has seen the end of an attempt, and stored nothing
    "result.written",  # the end is written, and not committed
    "result.committed",  # it is committed, and nobody was nudged
]
STEPS: tuple[Step, ...] = get_args(Step)

_folder = os.environ.get("HPT_CRASH_POINTS", "")


def at(step: Step) -> None:
    """Nothing, unless somebody has armed this step."""
    if _folder:
        _fall(Path(_folder, step))


def _fall(armed: Path) -> None:
    taken = armed.with_name(f"{armed.name}.{os.getpid()}")
    try:
        armed.rename(taken)
    except OSError:  # not armed, or another process was first
        return
    name, _, pid = taken.read_text().strip().partition(" ")
    taken.unlink()
    os.kill(int(pid or os.getpid()), signal.Signals[name])
