"""What every backend promises: how one attempt of a trial is started, followed, stopped and forgotten.

An *attempt* is one execution of a trial; its id is the idempotency key of everything here. The phases of an attempt:

    unknown --launch--> running --> ended         the command is over and nothing of it runs any more
                               `--> vanished      whoever watched over it died first; nothing of it runs any more

``launch`` may be called again at any time, by any process, and never runs an attempt twice. ``stop`` outlives the
moment: an attempt that was stopped before it was launched never starts its command, so a launcher that wakes up after
its lease was given away can do no harm. Any process on the host may call any method for any attempt.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from tuning.backends.usage import Usage

LOG_BYTES = 256 * 1024 * 1024
FAILURE_CHARS = 1024  # SageMaker's FailureReason takes so many of output/failure
MOST_KEEP_ALIVE_SECONDS = 3600  # as SageMaker's warm pools


class Phase(StrEnum):
    UNKNOWN = "unknown"
    RUNNING = "running"
    ENDED = "ended"
    VANISHED = "vanished"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one attempt may use; None means no limit.

    ``memory_bytes`` and ``processes`` count the command and everything it started, together; in a container threads
    count as processes, and a fork beyond the limit fails there instead of ending the trial. Once ``wall_seconds`` are
    over, all of it gets SIGTERM, and SIGKILL after ``grace_seconds``, as for a stop. ``log_bytes`` bounds what
    is kept of the output, not what may be printed. ``file_bytes`` is the size of any one file it writes;
    ``disk_bytes`` what all of its files take, its checkpoints included, looked at every few seconds. ``cpus`` is how
    many processors' time it gets, in containers only.
    """

    wall_seconds: float | None = None
    grace_seconds: float = 10.0
    memory_bytes: int | None = None
    processes: int | None = None
    open_files: int | None = None
    log_bytes: int = LOG_BYTES
    file_bytes: int | None = None
    disk_bytes: int | None = None
    cpus: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpec:
    """One attempt, complete: nothing else of the launching process reaches the trial.

    ``command`` is an argv, passed byte for byte; no shell reads it. ``environment`` is added to the few variables that
    a backend sets (PATH, HOME, LANG, TMPDIR ...) and may replace those, but not the SM_*, HPT_* and TRAINING_JOB_*
    variables of the training contract. ``channels`` maps a channel to a file or folder, shown read-only as
    ``input/data/<channel>/``; ``content_types`` says of some what is in it, as a media type. A channel in ``pipes`` is
    shown as FIFOs instead, ``input/data/<channel>_<epoch>`` with epochs from 0 on: each gives whoever opens it the
    files, one after the other in the order of their names. ``code`` is copied to ``code/``, the working
    directory. ``checkpoints`` is shown as ``checkpoints/`` and outlives the attempt. ``names`` labels the attempt:
    ``trial`` becomes TRAINING_JOB_NAME, and each key ``x-y`` becomes HPT_X_Y. ``gpus`` are the ids of the devices that
    it may use: none at all if empty, those of the host if None.

    For containers only: ``image`` is what they run, best pinned by digest; ``command`` is given to its entrypoint, as
    by ``docker run IMAGE COMMAND``, unless ``entrypoint`` replaces that (an empty one: the command is run as it is).
    ``network`` names a network of the engine; without one, the trial reaches nothing but itself. After an attempt that
    ended well, its container waits ``keep_alive_seconds`` (0 to 3600) for a next one of the same ``pool`` that needs
    just such a container; each finds it as if it were new. Without a ``pool`` there is no next one.
    """

    attempt: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, Path] = field(default_factory=dict)
    content_types: Mapping[str, str] = field(default_factory=dict)
    pipes: frozenset[str] = frozenset()
    code: Path | None = None
    checkpoints: Path
    names: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    gpus: tuple[str, ...] | None = None
    image: str | None = None
    entrypoint: tuple[str, ...] | None = None
    network: str | None = None
    pool: str = ""
    keep_alive_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Status:
    """Where an attempt stands. Times are epoch seconds.

    ``exit_code`` and ``signal`` describe the command itself: one of the two once it has ended, neither if it never
    started. ``ended_by`` says what made it end, if it did not end by itself: ``stop``, or the name of the limit that it
    broke (``wall_seconds``, ``memory_bytes``, ``processes``, ``disk_bytes``), or ``pipes`` if a channel could not be
    given through one to its end. A command that ends during the grace of a stop keeps its own exit code, and
    ``ended_by`` says ``stop``. ``failure`` is what the trial wrote to ``output/failure``. ``kept``: it runs, or ran, in
    a container that was kept from an earlier attempt.
    """

    phase: Phase
    exit_code: int | None = None
    signal: int | None = None
    failure: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    ended_by: str | None = None
    cpu_seconds: float | None = None
    max_rss_bytes: int | None = None
    log_lost_bytes: int = 0
    kept: bool = False


class Backend(Protocol):
    """The door to whatever runs trials. Every method is safe to call again and from several processes.

    All raise BackendError: ``retryable`` False if the request itself is wrong (a name that cannot be a folder, an input
    that is not there), True if the machinery failed (no space, no process) and asking again later may help.
    """

    def folder(self, attempt: str) -> Path:
        """The attempt's base folder on this host, with ``model/`` and ``output/``; it may not be there (yet)."""

    def launch(self, spec: LaunchSpec) -> None:
        """Start the attempt unless it was started or stopped before. When it returns, the attempt outlives its caller.

        A command that cannot be executed is the trial's failure, not the backend's: it ends with exit code 126 or 127
        and a line in its log. A launch that was cut off reads as ``unknown`` and may be repeated.
        """

    def status(self, attempt: str) -> Status:
        """Where the attempt stands. ``ended`` and ``vanished`` are final, and promise that nothing of it runs."""

    def usage(self, attempt: str) -> Usage | None:
        """What a running attempt uses of its host now; None if it does not run, or that cannot be told."""

    def read_log(self, attempt: str, offset: int, limit: int) -> bytes:
        """At most ``limit`` bytes of stdout and stderr from ``offset`` on; empty at the end or if there is no log."""

    def log_size(self, attempt: str) -> int:
        """Bytes of log so far. Once ``status`` says ended, the log is complete."""

    def log_size_at(self, attempt: str, moment: float) -> int | None:
        """How much of the log had been printed at a moment (epoch seconds), that at which a checkpoint was written.

        None if nobody knows, or nothing was printed after the first checkpoint. What came right after the moment, in
        less than half of the usual time between two outputs, counts as printed: some scripts print first and then save,
        others the other way round, and output takes a moment to get here.
        """

    def stop(self, attempt: str, grace: float) -> None:
        """Ask for the end and return at once: SIGTERM to all of the attempt, SIGKILL after ``grace`` seconds.

        Nothing happens to an attempt that has ended. One that was not launched yet will never run its command.
        A second call may shorten the grace, never lengthen it.
        """

    def list_owned(self) -> list[str]:
        """The attempts of which anything still runs, sorted, whoever launched them."""

    def wait(self, attempts: Collection[str], timeout: float) -> set[str]:
        """Sleep until some of ``attempts`` have output or an end that no earlier ``wait`` of this object returned.

        Returns those; empty after ``timeout`` seconds or a ``wake``. An attempt that is new to this object counts as
        changed if it has any output or an end. One thread at a time.
        """

    def wake(self) -> None:
        """Let the running ``wait``, or else the next one, return now. From any thread or signal handler."""

    def discard(self, attempt: str) -> None:
        """Remove the attempt's folder, and with it the memory that it ever ran. Raises BackendError while it runs.

        Its checkpoints stay. Discard an attempt only when nobody can launch it again.
        """

    def retire(self, keep: Collection[str]) -> None:
        """End what waits for a next attempt, but for these pools. Attempts that run are not touched."""
