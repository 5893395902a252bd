"""The warden as a process of the host: forked by its launcher's nursery, and of use to more than one attempt.

One whose attempt has ended well, and of which nothing is left, may be handed the next. Whatever is told it by signal is
told by a file, too, in the attempt's folder: a signal that was meant for the attempt before is found out.
"""
# ruff: noqa: SIM105 - contextlib is too dear here

import posix
import sys

from . import linux
from .handover import receive
from .main import Warden
from .order import Order, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import NoReturn

BOOT = linux.read_file("/proc/sys/kernel/random/boot_id").decode().strip()


def live(orders: "_socket.socket", folder: bytes, descriptors: list[int]) -> "NoReturn":
    """In a process of its own: be the warden of the attempt in this folder, and then of those that come from `orders`,
    until nobody hands on any more."""
    posix.setsid()
    posix.umask(0o077)
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    earlier = ""
    while folder:
        path = folder.decode("utf-8", "surrogateescape")
        serve(path, earlier, *descriptors)
        earlier = path
        try:
            orders.send(b"i")  # idle
            posix.chdir("/")
            folder, descriptors = receive(orders)
        except OSError:
            break
    posix._exit(0)  # without the interpreter's tidying, which costs 1 ms


def serve(folder: str, earlier: str, order: int, answer: int, lock: int) -> None:
    """Be the warden of one attempt, to its end. Returns only if there may be another one after it."""
    for standard in (1, 2):
        posix.dup2(answer, standard)
    posix.close(answer)
    warden = Warden(folder, read_order(order), earlier=earlier)
    posix.chdir(folder)  # by which it is told from other wardens
    take_over(folder)  # before it looks for a stop: a stop either finds the warden or is found by it
    try:
        warden.run()
    except BaseException:
        posix.dup2(posix.open(folder + "/warden.log", posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600), 2)
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        warden.kill_all()
        posix._exit(0)
    if not (warden.reported and warden.ended_well()) or warden.terminated:
        posix._exit(0)
    warden.give_back()
    posix.close(lock)


def read_order(order: int) -> Order:
    parts = []
    while part := posix.read(order, linux.CHUNK):
        parts.append(part)
    posix.close(order)
    return unpack(b"".join(parts))


def take_over(folder: str) -> None:
    """Become findable: identity by pid, start time and boot, so that a recycled pid is never taken for this process."""
    start_time = linux.read_file("/proc/self/stat").rpartition(b")")[2].split()[19].decode()
    identity = f'{{"pid": {posix.getpid()}, "start_time": {start_time}, "boot": "{BOOT}"}}\n'
    linux.write_file(folder + "/warden.new", identity.encode())
    posix.rename(folder + "/warden.new", folder + "/warden.json")
    try:
        posix.write(1, b"ok\n")
    except OSError:
        pass  # the launcher is dead, and the attempt no less launched
    null = posix.open("/dev/null", posix.O_RDWR)
    for fd in (1, 2):
        posix.dup2(null, fd)
    posix.close(null)
