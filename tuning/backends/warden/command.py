# ruff: noqa: SIM105 - contextlib is too dear here
"""From the warden's fork to the trial's own process."""

import posix
import resource

from . import linux
from .order import Order

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator
    from typing import NoReturn
else:
    import _signal as signal  # signal imports enum, which costs as much as the interpreter's start

NICE = 10  # the service must answer, and the warden reach the processor, whatever the trials do with it
FORK_ROOM = 8192  # processes and threads of the user beyond those running now, before a fork fails: see limits
SIGNALS = (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ)
ALL_SIGNALS = tuple(signal.valid_signals())


class Command:
    """What the trial's process begins with, made ready before the fork: a fork copies each page that it writes to."""

    def __init__(self, order: Order) -> None:
        self.argv = order.argv
        self.environment = dict(entry.split(b"=", 1) for entry in order.environment)
        self.cwd = order.cwd
        self.read_only = order.read_only
        self.limits = list(limits(order))
        # What has a handler loses it with exec; not so what our parents ignored, as `nohup` and a shell's `&` do.
        self.ignored = [number for number in ALL_SIGNALS if signal.getsignal(number) == signal.SIG_IGN]
        program = order.argv[0]
        folders = [b""] if b"/" in program else self.environment.get(b"PATH", b"/usr/bin:/bin").split(b":")
        self.programs = [folder + b"/" + program if folder else program for folder in folders]

    def become(self, output: int, warden: int) -> "NoReturn":
        """In the fork: up to exec of the trial's own process. Ends with 127 or 126, as a shell does, if it cannot."""
        try:
            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
            linux.prctl(linux.PR_SET_DUMPABLE, 1)  # or a warden that hides itself could not write what is in /proc/self
            if posix.getppid() != warden:
                posix._exit(126)  # it died before the line above
            posix.setpgid(0, 0)
            posix.dup2(output, 1)
            posix.dup2(output, 2)
            protect(self.read_only)
            linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)  # a setuid program could not be killed afterwards
            posix.nice(NICE)
            for kind, limit in self.limits:
                resource.setrlimit(kind, limit)
            be_killed_first()
            signal.set_wakeup_fd(-1)
            for number in self.ignored:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            posix.chdir(self.cwd)
            for program in self.programs:
                try:
                    posix.execve(program, self.argv, self.environment)
                except (FileNotFoundError, NotADirectoryError):
                    pass
            complain(b"cannot run %b: no such program\n" % self.argv[0])
            posix._exit(127)
        except BaseException as error:
            complain(f"cannot run the command: {error}\n".encode("utf-8", "replace"))
        posix._exit(126)


def complain(message: bytes) -> None:
    try:
        posix.write(2, b"[hpt] " + message)
    except OSError:
        pass


def protect(paths: list[bytes]) -> None:
    """Make the inputs read-only for the trial alone, where the kernel lets us (as root). Else their modes must do."""
    if not paths or linux.libc(b"unshare", linux.CLONE_NEWNS) != 0:
        return
    if linux.libc(b"mount", b"none", b"/", 0, linux.MS_REC | linux.MS_SLAVE, 0) != 0:
        return  # the mounts below would show on the host
    for path in paths:
        if linux.libc(b"mount", path, path, 0, linux.MS_BIND, 0) == 0:
            kept = posix.statvfs(path).f_flag & 0xE  # nosuid, nodev, noexec: the same bits in both calls
            linux.libc(b"mount", b"none", path, 0, linux.MS_BIND | linux.MS_REMOUNT | linux.MS_RDONLY | kept, 0)


def be_killed_first() -> None:
    try:
        linux.write_file("/proc/self/oom_score_adj", b"500")  # rather a trial than the database
    except OSError:
        pass  # some containers forbid it


def limits(order: Order) -> "Iterator[tuple[int, tuple[int, int]]]":
    """What setrlimit takes."""
    wanted = [(resource.RLIMIT_CORE, 0)]
    if order.open_files is not None:
        wanted.append((resource.RLIMIT_NOFILE, order.open_files))
    if order.file_bytes is not None:
        wanted.append((resource.RLIMIT_FSIZE, order.file_bytes))
    if order.memory_bytes is not None:
        # A backstop that turns one absurd allocation into a MemoryError; the warden watches the limit itself. Not
        # RLIMIT_AS, which counts libraries and what CUDA reserves; and with room for what counts here without being
        # used: the stack and the BLAS buffer of a thread per core.
        reserve = (1 << 30) + (64 << 20) * len(posix.sched_getaffinity(0))
        wanted.append((resource.RLIMIT_DATA, order.memory_bytes + reserve))
    if order.processes is not None:
        # Counts all of the user's processes, so it is no limit for one trial, but the end of a fork bomb's growth.
        wanted.append((resource.RLIMIT_NPROC, linux.tasks() + FORK_ROOM + order.processes))
    for kind, value in wanted:
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        yield kind, (value, value)
