"""Between two attempts in one container: is it as it was before the first, and what is to run next?

The folders that an attempt wrote to are emptied from outside, by whoever hands the container on. Here is everything
that only the inside can see: processes, shared memory, and what a process of the same user may do to the warden itself.
Whatever is not as it should be ends the container: it costs a start, and no more.
"""

import posix
import resource
import select
import time

from . import linux

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal

    from .order import Order
else:
    import _signal as signal

INOTIFY_FLAGS = posix.O_CLOEXEC | posix.O_NONBLOCK
CREATED, MOVED_TO = 0x100, 0x80  # from linux/inotify.h
LOOK_MS = 1000  # between looks without a sign, which nothing but a lost one would need; where there are no signs:
HASTY_LOOK_MS = 50
MEMORY = ("/dev/shm", "/dev/mqueue")  # noqa: S108 - what two processes may share without a file that we know of
SYSTEM_V = (("shm", b"shmctl"), ("sem", b"semctl"), ("msg", b"msgctl"))
MOST_ENTRIES = 2000  # to be removed; whoever leaves more of them pays with a new container
OURS = {"taken", "log", "log.times", "exit.new", "exit.json"}  # what a warden leaves where it speaks
# Mounts that the engine makes, and in which an unprivileged user cannot leave anything that is not looked at here.
KNOWN = ("/proc", "/sys", "/dev", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
RESOURCES = 16  # kinds of limits that the kernel knows


def condition() -> "tuple[object, ...]":
    """What a process of the same user may change of the warden without a signal or a look at its memory."""
    limits = [resource.getrlimit(kind) for kind in range(RESOURCES)]
    scheduled = posix.sched_getscheduler(0), posix.sched_getparam(0).sched_priority
    return limits, posix.sched_getaffinity(0), posix.getpriority(posix.PRIO_PROCESS, 0), scheduled


def wiped(told: str, order: "Order", before: "tuple[object, ...]") -> bool:
    """Remove what the attempt left in memory. True if nothing is left that the next one could find.

    ``before`` is the warden's ``condition`` before the first attempt.
    """
    try:
        left = [0]
        for folder in (*MEMORY, *[path for path, memory in unknown_mounts(order.writable) if memory]):
            remove_all(folder, left)
        remove_system_v()
        alone = [name for name in posix.listdir("/proc") if name.isdigit()] == ["1"]
        as_before = condition() == before and set(posix.listdir(told)) <= OURS
        return alone and as_before and not strange_mounts(order.writable)
    except (OSError, ValueError, RecursionError):
        return False


def remove_all(folder: str, left: list[int]) -> None:
    """Of a folder's contents; those of a folder that is not there are none."""
    try:
        entries = list(posix.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        left[0] += 1
        if left[0] > MOST_ENTRIES:
            raise ValueError("too much is left")
        if entry.is_dir(follow_symlinks=False):
            posix.chmod(entry.path, 0o700)
            remove_all(entry.path, left)
            posix.rmdir(entry.path)
        else:
            posix.unlink(entry.path)


def remove_system_v() -> None:
    """Shared memory, semaphores and messages of System V, which have no files."""
    for kind, control in SYSTEM_V:
        path = f"/proc/sysvipc/{kind}"
        for line in linux.read_file(path).splitlines()[1:]:
            identity = int(line.split()[1])
            linux.libc(control, identity, 0, 0)  # IPC_RMID is 0
        if len(linux.read_file(path).splitlines()) > 1:
            raise ValueError(f"{kind} of System V cannot be removed")


def unknown_mounts(writable: list[bytes]) -> "list[tuple[str, bool]]":
    """What else can be written to, and whether it is a whole file system in memory, which only the container sees.

    Podman adds such, as /run and /var/tmp, where the root is read-only.
    """
    known = {path.decode() for path in writable} | {"/.hpt/told"}
    found = []
    for line in linux.read_file("/proc/self/mountinfo").decode().splitlines():
        fields = line.split()
        path, options = fields[4].replace("\\040", " "), fields[5].split(",")
        if "rw" in options and path not in known and not any(path == at or path.startswith(at + "/") for at in KNOWN):
            found.append((path, fields[fields.index("-") + 1] == "tmpfs" and fields[3] == "/"))
    return found


def strange_mounts(writable: list[bytes]) -> bool:
    """Whether something can be written to that is none of ours and was not emptied, such as a volume of the image."""
    for path, memory in unknown_mounts(writable):
        # A device or a socket that is mounted stores nothing.
        kind = posix.stat(path).st_mode & 0o170000
        if not memory and (kind == 0o040000 or (kind == 0o100000 and posix.access(path, posix.W_OK))):
            return True
    return False


def await_order(told: str, asked: str, until: float, wake: int) -> bool:
    """Sleep until there is a next order. False at ``until`` (monotonic), at a signal, or when asked to stop."""
    signs = linux.libc(b"inotify_init1", INOTIFY_FLAGS)
    poll = select.poll()
    poll.register(wake, select.POLLIN)
    if signs >= 0:
        poll.register(signs, select.POLLIN)
        for folder in (told, asked):
            linux.libc(b"inotify_add_watch", signs, folder.encode(), CREATED | MOVED_TO)
    try:
        while True:
            if exists(asked + "/stop"):
                return False
            if exists(told + "/order"):
                return True
            left = until - time.monotonic()
            if left <= 0:
                return False
            pause = LOOK_MS if signs >= 0 else HASTY_LOOK_MS
            for fd, _ in poll.poll(min(left * 1000 + 1, pause)):
                if signal.SIGTERM in posix.read(fd, linux.CHUNK) and fd == wake:
                    return False
    finally:
        if signs >= 0:
            posix.close(signs)


def exists(path: str) -> bool:
    try:
        posix.lstat(path)
    except OSError:
        return False
    return True


def check_mounted(order: "Order") -> None:
    """ValueError if the folders that were put in place outside are not those that are seen here."""
    for entry in order.mounted:
        inode, _, path = entry.partition(b" ")
        if posix.stat(path).st_ino != int(inode):
            raise ValueError(f"{path.decode()} is not the folder of this attempt")
