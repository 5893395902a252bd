"""The parent of wardens: finds one for each order that its launcher hands it over a socket.

A bare interpreter's start takes ten times what a fork of it takes, so a launcher keeps one with everything imported. A
warden whose attempt has ended well may take the next order, which takes a third of a fork; where there is none, one is
forked.

The nursery ends when the launcher has closed the socket, or is dead, and so do the wardens that have nothing to do; the
others are in sessions of their own and go on.
"""

import _socket
import gc
import posix
import select
import sys

from .handover import DESCRIPTORS, close, hand_on, receive
from .hosted import live

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import NoReturn
else:
    import _signal as signal

IDLE_MS = 1000  # without an order, after which nobody is kept for the next


def main(fd: int) -> None:
    """Serve the launcher's socket. The process that was started ends at once, so that nobody has to wait for it."""
    if posix.fork():
        posix._exit(0)
    gc.disable()  # it would write to every object, and so copy the memory that wardens share
    posix.setsid()
    posix.umask(0o077)
    posix.chdir("/")
    posix.set_inheritable(fd, False)
    nursery = Nursery(_socket.socket(fileno=fd))
    posix.write(1, b"%d\n" % posix.getpid())
    null = posix.open("/dev/null", posix.O_RDWR)
    for standard in (0, 1, 2):
        posix.dup2(null, standard)
    posix.close(null)
    nursery.serve()


class Nursery:
    """Hands orders on to the wardens that wait for one, and forks those that are missing."""

    def __init__(self, launcher: _socket.socket) -> None:
        self.launcher = launcher
        self.dead = watch_children()
        self.wardens: dict[int, _socket.socket] = {}  # by descriptor: those that may come back for an order
        self.idle: list[int] = []  # of these, those that wait
        self.poll = select.poll()
        for source in (launcher.fileno(), self.dead):
            self.poll.register(source, select.POLLIN)

    def serve(self) -> "NoReturn":
        while True:
            ready = {source for source, _ in self.poll.poll(IDLE_MS if self.idle else None)}
            if not ready:
                for fd in list(self.idle):
                    self.part_from(fd)
            if self.dead in ready:
                bury(self.dead)
            for fd in ready & self.wardens.keys():
                self.hear(fd)
            if self.launcher.fileno() in ready:
                folder, descriptors = receive(self.launcher)
                if not folder:
                    posix._exit(0)
                if len(descriptors) == DESCRIPTORS and not self.hand_to_idle(folder, descriptors):
                    self.bear(folder, descriptors)
                close(descriptors)

    def hear(self, fd: int) -> None:
        """A warden says that it waits for an order, or has ended."""
        try:
            said = self.wardens[fd].recv(1)
        except OSError:
            said = b""
        if said:
            self.idle.append(fd)
        else:
            self.part_from(fd)

    def part_from(self, fd: int) -> None:
        """One that waits ends with its socket."""
        self.poll.unregister(fd)
        self.wardens.pop(fd).close()
        if fd in self.idle:
            self.idle.remove(fd)

    def hand_to_idle(self, folder: bytes, descriptors: list[int]) -> bool:
        while self.idle:
            fd = self.idle.pop()
            if hand_on(self.wardens[fd], folder, descriptors):
                return True
            self.part_from(fd)
        return False

    def bear(self, folder: bytes, descriptors: list[int]) -> None:
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        if posix.fork() == 0:
            self.launcher.close()
            posix.close(self.dead)
            ours.close()
            for other in self.wardens.values():
                other.close()
            become_warden(theirs, folder, descriptors)
        theirs.close()
        self.wardens[ours.fileno()] = ours
        self.poll.register(ours.fileno(), select.POLLIN)


def watch_children() -> int:
    """A descriptor that becomes readable when a warden has ended."""
    read_end, write_end = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return read_end


def bury(dead: int) -> None:
    try:
        posix.read(dead, 512)
        while posix.waitpid(-1, posix.WNOHANG)[0]:
            pass
    except (BlockingIOError, ChildProcessError):
        pass


def become_warden(orders: _socket.socket, folder: bytes, descriptors: list[int]) -> "NoReturn":
    """In the fork."""
    try:
        posix.close(signal.set_wakeup_fd(-1))
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        live(orders, folder, descriptors)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    posix._exit(1)
