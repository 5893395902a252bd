# ruff: noqa: SIM105 - contextlib is too dear here
"""Gives channels to a trial through pipes (SageMaker's input mode Pipe), a small process for each of them.

A feeder waits for whoever opens the FIFO of an epoch, writes the channel's files into it, one after the other, and goes
on to the next epoch's. It is a fork of the warden, so it stays as closed to the trial as that is: in a container it has
in its memory what the end is signed with. It lives as long as the command: not shorter, as what reads on after a
SIGTERM must not take a cut for the end of an epoch. So one that fails freezes the trial first, and the warden ends it.
"""

import posix

from . import linux
from .command import NICE, complain
from .order import Order

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import NoReturn
else:
    import _signal as signal

FORMAT, FOLDER, FIFO = 0o170000, 0o040000, 0o010000  # of st_mode
PLACE = 3  # the descriptor of the FIFOs' folder, in a feeder


def start(order: Order, output: int) -> list[int]:
    """Fork the feeders, before the command can be at its folders, and with signals blocked; their pids.

    The first FIFOs are there already. What feeders say of a fault goes to ``output``.
    """
    warden = posix.getpid()
    feeders = []
    for prefix, source in zip(order.pipes[::2], order.pipes[1::2], strict=True):
        folder, _, name = prefix.rpartition(b"/")
        place = posix.open(folder, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC)
        pid = posix.fork()
        if pid == 0:
            become_feeder(place, name, source, output, warden)
        posix.close(place)
        feeders.append(pid)
    if order.processes is not None:
        order.processes += len(feeders)  # they are none of the trial's own
    return feeders


def become_feeder(place: int, name: bytes, source: bytes, output: int, warden: int) -> "NoReturn":
    """In the fork."""
    try:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        if posix.getppid() != warden:
            posix._exit(1)  # it died before the line above
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        posix.dup2(output, 2)
        posix.dup2(place, PLACE)
        for fd in map(int, posix.listdir("/proc/self/fd")):
            if fd > PLACE:
                close(fd)
        posix.nice(NICE)
        feed(name, source)
    except BaseException as error:
        channel = name[:-1].decode()
        freeze(warden)  # before the pipe is closed, which would look like its end
        complain(f"the channel {channel!r} cannot be given through its pipe: {error}\n".encode("utf-8", "replace"))
    posix._exit(1)


def close(fd: int) -> None:
    try:
        posix.close(fd)
    except OSError:
        pass  # that by which the folder was listed


def freeze(warden: int) -> None:
    own = posix.getpid()
    for pid in linux.descendants(warden):
        if pid != own:
            linux.send(pid, signal.SIGSTOP)


def feed(name: bytes, source: bytes) -> "NoReturn":
    """Serve one epoch after the other. OSError if the source cannot be read, or the trial was at the FIFOs."""
    epoch = 0
    while True:
        current = b"%b%d" % (name, epoch)
        epoch += 1
        posix.mkfifo(b"%b%d" % (name, epoch), 0o600, dir_fd=PLACE)  # first: a reader may go on before we are awake
        # Returns when somebody opens it to read.
        pipe = posix.open(current, posix.O_WRONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC, dir_fd=PLACE)
        if posix.fstat(pipe).st_mode & FORMAT != FIFO:
            raise OSError(f"{current.decode()} is no pipe any more")
        try:
            for path in files(source):
                copy(path, pipe)
        except BrokenPipeError:
            pass  # closed early
        # Before its end: whoever opens it once more finds nothing, instead of waiting for ever.
        try:
            posix.unlink(current, dir_fd=PLACE)
        except FileNotFoundError:
            pass  # the trial has done so
        posix.close(pipe)


def files(source: bytes) -> list[bytes]:
    """A file itself; or all that is in a folder and below, as S3 lists what has a prefix: by the bytes of the paths."""
    if posix.stat(source).st_mode & FORMAT != FOLDER:
        return [source]
    found: list[bytes] = []
    folders = [source]
    while folders:
        with posix.scandir(folders.pop()) as entries:
            for entry in entries:
                (folders if entry.is_dir(follow_symlinks=False) else found).append(entry.path)
    return sorted(found)


def copy(path: bytes, pipe: int) -> None:
    fd = posix.open(path, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    try:
        while data := posix.read(fd, linux.CHUNK):
            while data:
                data = data[posix.write(pipe, data) :]
    finally:
        posix.close(fd)
