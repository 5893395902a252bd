"""The parent of wardens: forks one for each order that its launcher hands it over a socket.

A bare interpreter's start takes ten times what a fork of it takes, so a launcher keeps one with everything imported. It
ends when the launcher has closed the socket, or is dead; the wardens are in sessions of their own and go on.
"""

import _socket
import gc
import posix
import select
import sys

from .main import live

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal

MOST_BYTES = 65536  # of a message: an attempt's folder
INTEGER = 4  # bytes of a descriptor in a message
# With each message: the order, where to answer, and the attempt's lock.
DESCRIPTORS = 3


def main(fd: int) -> None:
    """Serve the launcher's socket. The process that was started ends at once, so that nobody has to wait for it."""
    if posix.fork():
        posix._exit(0)
    gc.disable()  # it would write to every object, and so copy the memory that wardens share
    posix.setsid()
    posix.umask(0o077)
    posix.chdir("/")
    launcher = _socket.socket(fileno=fd)
    posix.set_inheritable(fd, False)
    dead = watch_children()
    posix.write(1, b"%d\n" % posix.getpid())
    null = posix.open("/dev/null", posix.O_RDWR)
    for standard in (0, 1, 2):
        posix.dup2(null, standard)
    posix.close(null)
    poll = select.poll()
    for source in (fd, dead):
        poll.register(source, select.POLLIN)
    while True:
        ready = {source for source, _ in poll.poll()}
        if dead in ready:
            bury(dead)
        if fd in ready:
            folder, descriptors = receive(launcher)
            if not folder:
                posix._exit(0)
            if len(descriptors) == DESCRIPTORS and posix.fork() == 0:
                launcher.close()
                posix.close(dead)
                become_warden(folder, *descriptors)
            for descriptor in descriptors:
                posix.close(descriptor)


def receive(launcher: _socket.socket) -> tuple[bytes, list[int]]:
    """The next message and the descriptors that came with it; no message at the end."""
    room = _socket.CMSG_SPACE(DESCRIPTORS * INTEGER)
    try:
        message, extras, _, _ = launcher.recvmsg(MOST_BYTES, room, _socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return b"", []
    descriptors = []
    for level, kind, data in extras:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            whole = range(0, len(data) - len(data) % INTEGER, INTEGER)
            descriptors += [int.from_bytes(data[at : at + INTEGER], sys.byteorder) for at in whole]
    return message, descriptors


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


def become_warden(folder: bytes, order: int, answer: int, lock: int) -> None:
    """In the fork."""
    try:
        posix.close(signal.set_wakeup_fd(-1))
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        posix.dup2(order, 0)
        for standard in (1, 2):
            posix.dup2(answer, standard)
        posix.close(order)
        posix.close(answer)
        live(folder.decode("utf-8", "surrogateescape"), lock)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    posix._exit(1)
