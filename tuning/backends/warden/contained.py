"""The warden as the first process of a container: the same life, but for where it comes from and whom it answers.

It runs as the trial's own user, without any capability. The trial cannot harm it all the same: the kernel lets no
process signal the first one of its container with what that does not handle, and it hides its memory from them.

After an attempt that ended well it may wait for the next order (``warm``), if the launcher asked for that.
"""

import posix
import select
import sys
import time

from . import linux, warm
from .main import Warden
from .order import Order, unpack

ORDER_SECONDS = 30.0  # to wait for a launcher that has died
# How many processes of this container were killed for want of memory, by either kind of control groups.
OOM_FILES = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")


class ContainedWarden(Warden):
    """Signs the end with the token of the order, which the trial never sees."""

    def __init__(self, folder: str, order: Order, asked: str, token: str, condition: "tuple[object, ...]" = ()) -> None:
        super().__init__(folder, order, asked)
        self.token = token
        self.condition = condition  # of this process before any trial ran
        self.idle_until: float | None = None  # monotonic; it then waits for a next order

    def report(self) -> None:
        killed = self.status is not None and posix.waitstatus_to_exitcode(self.status) != 0
        if self.ended_by is None and killed and oom_kills() > 0:
            self.ended_by = "memory_bytes"
        if self.order.keep_alive > 0 and self.ended_well() and self.wiped():
            self.idle_until = time.monotonic() + self.order.keep_alive
        super().report()

    def ended_well(self) -> bool:
        return super().ended_well() and oom_kills() == 0

    def wiped(self) -> bool:
        return warm.wiped(self.folder, self.order, self.condition)

    def exit_json(self) -> bytes:
        idle = "null" if self.idle_until is None else f"{self.idle_until:.6f}"
        return super().exit_json().rstrip(b"}\n") + f', "idle_until": {idle}, "token": "{self.token}"}}\n'.encode()

    def may_go_on(self) -> bool:
        """Whether there is a next order; sleeps until there is. All of this attempt is given back by then."""
        try:
            idle = self.idle_until is not None and self.reported
            return idle and warm.await_order(self.folder, self.asked, self.idle_until or 0.0, self.wake)
        finally:
            self.give_back()


def oom_kills() -> int:
    for path in OOM_FILES:
        for line in linux.read_file(path).splitlines():
            word, _, number = line.partition(b" ")
            if word == b"oom_kill":
                return int(number)
    return 0


def read_order(path: str) -> tuple[str, Order]:
    """The token and the order, from the pipe into which the launcher wrote ``<token> <length>``, a line end and it.

    ValueError if the launcher died meanwhile.
    """
    fd = posix.open(path, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    said, length = b"", -1
    while length < 0 or len(said) < length:
        if not poll.poll(ORDER_SECONDS * 1000):
            raise ValueError("nobody says what to run")
        part = posix.read(fd, linux.CHUNK)
        if not part:
            raise ValueError("the order is cut off")
        said += part
        if length < 0 and b"\n" in said:
            head, _, said = said.partition(b"\n")
            token, _, number = head.partition(b" ")
            length = int(number)
    posix.close(fd)
    posix.unlink(path)
    return token.decode(), unpack(said)


def main(told: str, asked: str) -> None:
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    posix.umask(0o077)
    condition = warm.condition()
    warden = None
    try:
        while True:
            token, order = read_order(told + "/order")
            warm.check_mounted(order)
            warden = ContainedWarden(told, order, asked, token, condition)
            linux.write_file(told + "/taken", b"")  # before it looks for a stop, and before the command
            warden.run()
            if not warden.may_go_on():
                break
            warden = None
    except BaseException:
        posix.dup2(posix.open(told + "/warden.log", posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600), 2)
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        if warden is not None:
            warden.kill_all()
        posix._exit(1)
    posix._exit(0)
