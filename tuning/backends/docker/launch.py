"""Making an attempt's folder ready, and starting its container with the warden in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tuning.backends import layout
from tuning.backends.contract import LaunchSpec
from tuning.backends.docker import container
from tuning.backends.docker.container import ASKED, PIPES, TOLD
from tuning.backends.docker.engine import Engine
from tuning.backends.nursery import START_SECONDS, NotStartedError
from tuning.backends.processes import Identity
from tuning.backends.warden.order import pack
from tuning.errors import BackendError

LOOK_SECONDS = 0.25  # between asking the engine whether a container that says nothing is still there
NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z")  # so none of another container's, as container:... is
SHARED = ("host", "default", "private", "pasta", "slirp4netns")  # not networks, but the host's own, by some engine
TOKEN = "token"  # noqa: S105 - the name of the file


def check(spec: LaunchSpec, user: tuple[int, int]) -> None:
    """Beyond what every backend asks: an image, and inputs that the container's user can read. BackendError."""
    layout.check(spec)
    faults = []
    if not spec.image:
        faults.append("image is missing: name the image that the container is made from")
    if spec.network is not None and (problem := network_problem(spec.network)):
        faults.append(f"network {spec.network!r} is {problem}")
    for channel, source in spec.channels.items():
        if not _readable(source, user):
            faults.append(f"channel {channel!r}: {source} cannot be read by user {user[0]}: chmod -R o+rX it")
    if faults:
        raise BackendError(f"attempt {spec.attempt!r} cannot be launched: " + "; ".join(faults))


def network_problem(name: str) -> str | None:
    """Why a container cannot be put into this network, and what to do; None if it may be."""
    if NETWORK.match(name) and name not in SHARED:
        return None
    return "none of the engine's own networks: name one that it has made"


def _readable(path: Path, user: tuple[int, int]) -> bool:
    """The file or folder itself: none above it is on the container's way to it, and those below are not looked at."""
    found = path.stat()
    needed = 0o5 if stat.S_ISDIR(found.st_mode) else 0o4
    shift = 6 if found.st_uid == user[0] else 3 if found.st_gid == user[1] else 0
    return (found.st_mode >> shift) & needed == needed


def furnish(folder: Path, spec: LaunchSpec, user: tuple[int, int]) -> str:
    """Make all that is mounted, or fill what is. Returns the token by which the warden's word is known."""
    token = secrets.token_hex(16)
    try:
        layout.make(folder, spec)
        (folder / TOLD).mkdir(mode=0o700, exist_ok=True)
        data = _make_pipes(folder, spec) if spec.pipes else folder / "input/data"
        for channel, source in spec.channels.items():  # what is mounted on must be there, as the container cannot write
            if channel in spec.pipes:
                continue
            shown = data / channel
            shown.mkdir(mode=0o700, exist_ok=True)
            if not source.resolve().is_dir():
                (shown / source.name).touch(mode=0o600)
        make_asked(folder)
        os.mkfifo(folder / TOLD / "order.new", 0o600)
        spec.checkpoints.mkdir(mode=0o700, parents=True, exist_ok=True)
        for given in (*layout.FOLDERS, TOLD):
            if "/" not in given:
                _hand_over(folder / given, user)
        _hand_over(spec.checkpoints.resolve(), user)
        (folder / TOKEN).write_text(token)
        (folder / TOKEN).chmod(0o600)
        (folder / TOLD / "order.new").rename(folder / TOLD / "order")  # a warden that waits takes it at once
    except OSError as error:
        raise NotStartedError(str(error)) from error
    return token


def _make_pipes(folder: Path, spec: LaunchSpec) -> Path:
    """The folder that is shown as that of the channels, with each pipe's first FIFO."""
    data = folder / PIPES
    data.mkdir(mode=0o700)
    for channel in spec.pipes:
        os.mkfifo(data / f"{channel}_0", 0o600)
    return data


def make_asked(folder: Path) -> None:
    (folder / ASKED).mkdir(exist_ok=True)
    (folder / ASKED).chmod(0o755)  # for the container's user; nobody else gets into the folder around it


def _hand_over(path: Path, user: tuple[int, int]) -> None:
    """Give a folder with all that is in it to the container's user, if that is another one."""
    if os.geteuid() == user[0]:
        return
    os.chown(path, *user, follow_symlinks=False)
    for _, folders, files, fd in os.fwalk(path, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, *user, dir_fd=fd, follow_symlinks=False)


class Handover:
    """The launcher's end of the pipe by which a warden gets its order: never on a disk, as it may hold secrets.

    A warden that was not given all of it starts nothing. So when the launcher dies, the attempt either was launched or
    can be launched again.
    """

    def __init__(
        self,
        folder: Path,
        spec: LaunchSpec,
        image: Mapping[str, Any],
        token: str,
        *,
        moved: bool = False,
        bounded: bool = True,
    ) -> None:
        order = pack(container.order(spec, image, _cpus(spec), folder if moved else None, bounded=bounded))
        self._left = memoryview(b"%b %d\n%b" % (token.encode(), len(order), order))
        self._taken = folder / TOLD / "taken"
        # Both ends, so that it opens although nobody reads yet.
        self._fd = os.open(folder / TOLD / "order", os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # else it goes in parts
            fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, len(self._left))
        self._push()

    def close(self) -> None:
        os.close(self._fd)

    def await_taken(self, engine: Engine, name: str) -> None:
        """Returns once the warden has taken the attempt over. NotStartedError if it ended before."""
        deadline = time.monotonic() + START_SECONDS
        look = time.monotonic() + LOOK_SECONDS
        while not self._taken.exists():
            self._push()
            now = time.monotonic()
            if now > look:
                look = now + LOOK_SECONDS
                state = engine.state(name)
                if (state is None or not state["Running"]) and not self._taken.exists():
                    raise NotStartedError(f"the container ended at once: {self._complaint()}")
            if now > deadline:
                raise NotStartedError(f"the container does not begin within {START_SECONDS:.0f} s")
            time.sleep(0.002)

    def _complaint(self) -> str:
        try:
            return layout.read_file(self._taken.with_name("warden.log"), 4096).decode("utf-8", "replace").strip()
        except OSError:
            return "its runtime could not start our interpreter in it"

    def _push(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._left:
                self._left = self._left[os.write(self._fd, self._left) :]


def _cpus(spec: LaunchSpec) -> int:
    host = len(os.sched_getaffinity(0))
    return host if spec.limits.cpus is None else max(1, min(host, round(spec.limits.cpus)))


def read_token(folder: Path) -> str | None:
    try:
        return layout.read_file(folder / TOKEN, 64).decode() or None
    except (OSError, UnicodeDecodeError):
        return None


def pass_on(folder: Path, warden: Identity) -> None:
    """Note who the first process is where an earlier attempt's is this one's, too."""
    _publish(folder, "warden.json", asdict(warden))


def identify(folder: Path, state: Mapping[str, Any] | None) -> None:
    """Note who the container's first process is to this host, so that nobody needs the engine to see it end.

    Where its number means nothing here, as in another pid namespace, 0 is noted, and the engine is asked each time.
    """
    pid = int(state["Pid"]) if state and state["Running"] else 0
    started = _start_time(pid, str(state["Id"])) if state and pid else None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    document = {"pid": pid if started else 0, "start_time": started or 0, "boot": boot}
    _publish(folder, "warden.json", document)


def note_end(folder: Path, ended_by: str, number: int) -> None:
    """An end that the engine knows of, as the warden would have left it."""
    document = {"exit_code": None, "signal": int(number), "ended_by": ended_by, "started_at": None}
    counted = {"cpu_seconds": 0.0, "max_rss_bytes": 0, "log_lost_bytes": 0}
    _publish(folder, "exit.json", document | counted | {"ended_at": time.time()})


def _publish(folder: Path, name: str, document: Mapping[str, object]) -> None:
    new = folder / f"{name}.{os.getpid()}.{time.monotonic_ns()}"
    new.write_text(json.dumps(document))
    new.chmod(0o600)
    new.rename(folder / name)


def _start_time(pid: int, container_id: str) -> int | None:
    """None if the number is another process's here. The second file is for engines that have no control groups: they
    mount files of the container's own, such as /etc/hosts."""
    try:
        if not any(container_id in Path(f"/proc/{pid}/{name}").read_text() for name in ("cgroup", "mountinfo")):
            return None
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except OSError:
        return None
