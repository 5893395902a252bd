# ruff: noqa: PTH115, PTH120, PTH211 - as in skeletons
"""Making an attempt's folder ready, and having a warden started over it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tuning.backends import layout
from tuning.backends.contract import LaunchSpec
from tuning.backends.folder import clear
from tuning.backends.nursery import NotStartedError, Nursery
from tuning.backends.processes import MARKER
from tuning.backends.skeletons import untouched
from tuning.backends.warden.order import Order, pack


def furnish(folder: Path, spec: LaunchSpec) -> None:
    """The caller holds the attempt's lock."""
    try:
        if not untouched(folder):
            clear(folder)  # what a launch that was cut off left
            layout.make_folders(folder)
        layout.fill(folder, spec)
        for channel, source in spec.channels.items():
            shown = folder / "input/data" / channel
            if channel in spec.pipes:
                os.mkfifo(f"{shown}_0", 0o600)
                continue
            target = source.resolve()
            if not target.is_dir():
                shown.mkdir(mode=0o700)
                shown /= source.name
            shown.symlink_to(target)
        spec.checkpoints.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.symlink(os.path.realpath(spec.checkpoints), f"{folder}/checkpoints")
    except OSError as error:
        raise NotStartedError(str(error)) from error


def _environment(folder: Path, spec: LaunchSpec) -> dict[str, str]:
    defaults = {
        # The service's own interpreter is "python", with the packages installed beside it.
        "PATH": f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', os.defpath)}",
        "HOME": f"{folder}/home",
        "TMPDIR": f"{folder}/tmp",  # noqa: S108
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",  # or a metric printed to a pipe would wait in a buffer for its page
    }
    contract = layout.environment(spec, str(folder), len(os.sched_getaffinity(0)))
    devices = {} if spec.gpus is None else {"CUDA_VISIBLE_DEVICES": ",".join(spec.gpus)}
    return defaults | dict(spec.environment) | contract | devices | {MARKER: str(folder)}


def _order(folder: Path, spec: LaunchSpec) -> bytes:
    limits, checkpoints = spec.limits, os.fsencode(os.readlink(f"{folder}/checkpoints"))
    variables = "\0".join(f"{name}={value}" for name, value in _environment(folder, spec).items())
    return pack(
        Order(
            argv=[os.fsencode(argument) for argument in spec.command],
            environment=os.fsencode(variables).split(b"\0"),
            cwd=os.fsencode(f"{folder}/code"),
            read_only=[os.fsencode(path.resolve()) for path in spec.channels.values()],
            wall_seconds=limits.wall_seconds,
            limit_grace=limits.grace_seconds,
            memory_bytes=limits.memory_bytes,
            processes=limits.processes,
            open_files=limits.open_files,
            file_bytes=limits.file_bytes,
            disk_bytes=limits.disk_bytes,
            log_bytes=limits.log_bytes,
            writable=[os.fsencode(folder), checkpoints],
            checkpoints=checkpoints,
            pipes=_pipes(folder, spec) if spec.pipes else (),
        )
    )


def _pipes(folder: Path, spec: LaunchSpec) -> list[bytes]:
    prefixes = {channel: f"{folder}/input/data/{channel}_" for channel in sorted(spec.pipes)}
    return [
        os.fsencode(path) for channel, prefix in prefixes.items() for path in (prefix, spec.channels[channel].resolve())
    ]


def start_warden(folder: Path, spec: LaunchSpec, lock: int, nursery: Nursery) -> None:
    """Returns once the warden has taken the attempt over. NotStartedError if it could not, OSError if that is open."""
    # A file in memory: whole before the warden starts, and on no disk, for the environment may hold secrets.
    order = os.memfd_create("order")
    try:
        os.write(order, _order(folder, spec))
        os.lseek(order, 0, os.SEEK_SET)
        nursery.bear(folder, order, lock)
    finally:
        os.close(order)
