"""Which processes belong to an installation, read from /proc, and how they are ended.

A part killed with -9 leaves its own children behind (PostgreSQL's backends, Dramatiq's workers), and a supervisor
killed with -9 may leave parts. Everything started by a supervisor carries HPT_HOME and HPT_PART in its environment.
Trials are marked HPT_ATTEMPT and are never touched here: they outlive their watchers.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

LAUNCH = Path(__file__).with_name("launch.py")
PART_VARIABLE = "HPT_PART"
ATTEMPT_VARIABLE = "HPT_ATTEMPT"


def start(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    output: int | None = None,
    pipes: bool = False,
    cwd: Path | None = None,
    unprivileged: Path | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own that gets `death_signal` when this process dies.

    `unprivileged` is the data folder of a program that refuses to run as root (see launch.py).
    `output` is a file descriptor for stdout and stderr together, or None to inherit both; `pipes` connects stdin and
    those two to the caller instead. Call it from the main
    thread: the kernel sends the signal when the thread that forked ends.
    """
    launcher = [sys.executable, "-I", "-S", str(LAUNCH), *([f"--unprivileged={unprivileged}"] if unprivileged else [])]
    return subprocess.Popen(
        [*launcher, str(int(death_signal)), str(os.getpid()), *command],
        stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
        stdout=subprocess.PIPE if pipes else output,
        stderr=None if output is None and not pipes else subprocess.STDOUT,
        env=dict(environment),
        cwd=cwd,
        start_new_session=True,
    )


def leftovers(home: Path, part: str | None = None) -> list[int]:
    """Processes that a supervisor of this HPT_HOME started (for this part), trials excepted, this process excepted."""
    marks = {f"HPT_HOME={home}".encode()} | ({f"{PART_VARIABLE}={part}".encode()} if part else set())

    def marked(pid: str) -> bool:
        variables = set(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
        names = {variable.partition(b"=")[0] for variable in variables}
        return marks <= variables and PART_VARIABLE.encode() in names and ATTEMPT_VARIABLE.encode() not in names

    return _matching(marked)


def working_in(folder: Path, executable: str) -> list[int]:
    """Processes of this program that work in this folder.

    PostgreSQL's backends write their titles over their environment, so they are found by their data folder instead.
    """

    def works(pid: str) -> bool:
        program = Path(f"/proc/{pid}/exe").readlink().name.removesuffix(" (deleted)")
        return program == executable and Path(f"/proc/{pid}/cwd").readlink() == folder

    return _matching(works)


def kill_group(leader: int) -> None:
    """SIGKILL to what is left of the process group that this process led."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def kill(pids: Iterable[int], deadline: float = 5.0) -> None:
    """SIGKILL to each, then wait (at most `deadline` seconds) until none of them is left."""
    left = set(pids)
    end = time.monotonic() + deadline
    while left and time.monotonic() < end:
        for pid in list(left):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                left.discard(pid)
        left = {pid for pid in left if alive(pid)}
        if left:
            time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in (b"Z", b"X")


def _matching(test: Callable[[str], bool]) -> list[int]:
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if test(entry.name):
                found.append(int(entry.name))
        except OSError:  # ended meanwhile, or somebody else's
            continue
    return found
