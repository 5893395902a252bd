"""Making an attempt's folder ready, and starting the warden over it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

from tuning.backends import layout
from tuning.backends.contract import LaunchSpec
from tuning.backends.processes import MARKER
from tuning.backends.warden.order import Order, pack

# The warden's package, imported by a bare interpreter from its folder, so that nothing of tuning comes with it.
ENTRANCE = (
    "import sys; sys.path.insert(0, sys.argv[1]); from warden.main import main; main(sys.argv[2], int(sys.argv[3]))"
)
START_SECONDS = 30.0  # for a warden to say ok on a machine that is very busy


class NotStartedError(Exception):
    """The warden is certainly not running."""


def furnish(folder: Path, spec: LaunchSpec) -> None:
    try:
        layout.make(folder, spec)
        for channel, source in spec.channels.items():
            shown = folder / "input/data" / channel
            target = source.resolve()
            if not target.is_dir():
                shown.mkdir(mode=0o700)
                shown /= source.name
            shown.symlink_to(target)
        spec.checkpoints.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "checkpoints").symlink_to(spec.checkpoints.resolve())
    except OSError as error:
        raise NotStartedError(str(error)) from error


def _environment(folder: Path, spec: LaunchSpec) -> dict[str, str]:
    defaults = {
        # The service's own interpreter is "python", with the packages installed beside it.
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",  # or a metric printed to a pipe would wait in a buffer for its page
    }
    contract = layout.environment(spec, str(folder), len(os.sched_getaffinity(0)))
    devices = {} if spec.gpus is None else {"CUDA_VISIBLE_DEVICES": ",".join(spec.gpus)}
    return defaults | dict(spec.environment) | contract | devices | {MARKER: str(folder)}


def _order(folder: Path, spec: LaunchSpec) -> bytes:
    limits = spec.limits
    return pack(
        Order(
            argv=[os.fsencode(argument) for argument in spec.command],
            environment=[os.fsencode(f"{name}={value}") for name, value in _environment(folder, spec).items()],
            cwd=os.fsencode(folder / "code"),
            read_only=[os.fsencode(path.resolve()) for path in spec.channels.values()],
            wall_seconds=limits.wall_seconds,
            memory_bytes=limits.memory_bytes,
            processes=limits.processes,
            open_files=limits.open_files,
            file_bytes=limits.file_bytes,
            disk_bytes=limits.disk_bytes,
            log_bytes=limits.log_bytes,
            writable=[os.fsencode(folder), os.fsencode(spec.checkpoints.resolve())],
        )
    )


def start_warden(folder: Path, spec: LaunchSpec, lock: int) -> None:
    """Returns once the warden has taken the attempt over. NotStartedError if it could not, OSError if that is open."""
    # A file in memory: whole before the warden starts, and on no disk, for the environment may hold secrets.
    order = os.memfd_create("order")
    answer, write_end = os.pipe()
    try:
        os.write(order, _order(folder, spec))
        os.lseek(order, 0, os.SEEK_SET)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", ENTRANCE, str(Path(__file__).parent), str(folder), str(lock)],
            stdin=order,
            stdout=write_end,
            stderr=write_end,
            pass_fds=(lock,),
            cwd="/",
            env={"LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
    except OSError as error:
        os.close(answer)
        raise NotStartedError(str(error)) from error
    finally:
        os.close(order)
        os.close(write_end)
    try:
        said = _read_answer(answer)
    finally:
        os.close(answer)
    process.wait()  # it forked the warden and ended, so no zombie is left to anybody
    if not said.startswith(b"ok\n"):
        raise NotStartedError(said.decode("utf-8", "replace").strip() or "the warden ended without a word")


def _read_answer(answer: int) -> bytes:
    """What the warden says: ``ok``, or its last words, complete because all its processes have closed the pipe."""
    deadline = time.monotonic() + START_SECONDS
    poll = select.poll()
    poll.register(answer, select.POLLIN)
    said = b""
    while said != b"ok\n":
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError(f"the warden does not answer within {START_SECONDS:.0f} s")
        part = os.read(answer, 4096)
        if not part:
            break
        said += part
    return said
