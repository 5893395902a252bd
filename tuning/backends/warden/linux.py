# ruff: noqa: SIM105 - contextlib is too dear here
"""The few things of Linux that the warden needs, from built-in modules only."""

import _ctypes
import posix
import resource

TYPE_CHECKING = False  # importing typing would cost more than all the rest
if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 65536
PAGE = resource.getpagesize()
LIBC = _ctypes.dlopen(None, 2)  # type: ignore[arg-type]  # None is the program itself, which has libc in it
# From linux/prctl.h, linux/sched.h and linux/mount.h; Python names some of them, from 3.12 on.
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_SLAVE = 1, 32, 4096, 16384, 1 << 19


def libc(name: bytes, *arguments: int | bytes) -> int:
    # ctypes without its front end, which costs 3 ms
    address = _ctypes.dlsym(LIBC, name.decode())
    result: int = _ctypes.call_function(address, arguments)
    return result


def prctl(option: int, value: int) -> int:
    return libc(b"prctl", option, value, 0, 0, 0)


def descendants(warden: int = 0) -> "Iterator[int]":
    """Every process of the trial: orphans too, for the warden is their subreaper, whatever session they are in."""
    stack = [warden or posix.getpid()]
    while stack:
        parent = stack.pop()
        try:
            threads = posix.listdir(f"/proc/{parent}/task")
        except OSError:
            continue
        for thread in threads:
            for pid in map(int, read_file(f"/proc/{parent}/task/{thread}/children").split()):
                yield pid
                stack.append(pid)


def tasks() -> int:
    """Processes and threads on the whole machine: what a fork bomb moves, for the price of one small file."""
    return int(read_file("/proc/loadavg").split()[3].split(b"/")[1])


def go_first() -> None:
    """Be scheduled before a thousand processes that all want the processor. Root only; others: command.limits."""
    try:
        posix.sched_setscheduler(0, posix.SCHED_RR, posix.sched_param(1))
    except OSError:
        pass


def send(pid: int, number: int) -> None:
    # A child of the warden keeps its pid until it is reaped here; of a grandchild the pid was read microseconds ago.
    try:
        posix.kill(pid, number)
    except OSError:
        pass


def memory_exceeds(pids: list[int], limit: int) -> bool:
    # Pages that forks share count in each of them, so the cheap sum only says when the exact one is worth its cost.
    return sum(map(private_bytes, pids)) > limit and sum(map(proportional_bytes, pids)) > limit


def private_bytes(pid: int) -> int:
    fields = read_file(f"/proc/{pid}/statm").split()
    return (int(fields[1]) - int(fields[2])) * PAGE if fields else 0


def proportional_bytes(pid: int) -> int:
    for line in read_file(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith(b"Pss_Anon:"):
            return int(line.split()[1]) * 1024
    return private_bytes(pid)


def disk_bytes(folders: list[bytes], pids: "Iterator[int]") -> "Iterator[int]":
    """What all files below take on their disk, as a sum that grows with each entry that is looked at; and those files
    on the same disks that these processes have open and that stand in no folder any more."""
    total = 0
    stack = list(folders)
    while stack:
        try:
            entries = posix.scandir(stack.pop())
        except OSError:
            continue  # gone meanwhile, or closed to us: then nobody else writes there either
        with entries:
            for entry in entries:
                try:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                except OSError:
                    continue
                yield total
    seen: set[tuple[int, int]] = set()
    disks = {found.st_dev for found in map(stat, folders) if found is not None}  # shared memory is none of them
    for pid in pids:
        for found in open_files(pid):
            if found.st_nlink == 0 and found.st_dev in disks and (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                total += found.st_blocks * 512
            yield total


def open_files(pid: int) -> "Iterator[posix.stat_result]":
    try:
        names = posix.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for name in names:
        found = stat(f"/proc/{pid}/fd/{name}")
        if found is not None:
            yield found


def stat(path: str | bytes) -> "posix.stat_result | None":
    """None if it is gone, or closed."""
    try:
        return posix.stat(path)
    except OSError:
        return None


def read_file(path: str) -> bytes:
    """The whole of a small file; empty if it is not there (any more)."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return b""
    try:
        parts = []
        while part := posix.read(fd, CHUNK):
            parts.append(part)
        return b"".join(parts)
    except OSError:
        return b""
    finally:
        posix.close(fd)


def write_file(path: str, data: bytes) -> None:
    fd = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
    try:
        posix.write(fd, data)
    finally:
        posix.close(fd)
