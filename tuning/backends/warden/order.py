"""What the launcher tells the warden."""


class Order:
    """What to run, and within which limits. Strings are bytes, as the kernel takes them; None means no limit."""

    def __init__(
        self,
        argv: list[bytes],
        environment: list[bytes],
        cwd: bytes,
        read_only: list[bytes],
        wall_seconds: float | None,
        memory_bytes: int | None,
        processes: int | None,
        open_files: int | None,
        file_bytes: int | None,
        disk_bytes: int | None,
        log_bytes: int,
        writable: list[bytes],
        keep_alive: float = 0.0,
        mounted: "list[bytes] | tuple[bytes, ...]" = (),
        checkpoints: bytes = b"",
        limit_grace: float = 10.0,
        pipes: "list[bytes] | tuple[bytes, ...]" = (),
    ) -> None:
        self.argv = argv
        self.environment = environment  # b"NAME=value"
        self.cwd = cwd
        self.read_only = read_only  # paths that the command must not write to
        self.wall_seconds = wall_seconds
        self.limit_grace = limit_grace  # seconds between SIGTERM and SIGKILL once they are over
        self.memory_bytes = memory_bytes
        self.processes = processes
        self.open_files = open_files
        self.file_bytes = file_bytes
        self.disk_bytes = disk_bytes
        self.log_bytes = log_bytes
        self.writable = writable  # folders whose contents count as the command's use of the disk
        # In containers only: for how many seconds to wait for a next order after a good end; and, as b"inode path",
        # the folders that this attempt must find under the paths at which an earlier one had its own.
        self.keep_alive = keep_alive
        self.mounted = mounted
        self.checkpoints = checkpoints  # the folder in which the command leaves them; empty if it has none
        # For each channel that is given through pipes: the FIFOs' path without their number, and the file or folder.
        self.pipes = pipes


def pack(order: Order) -> bytes:
    """NUL-separated fields: no argument, variable or path can hold a NUL, so nothing needs quoting."""
    numbers = (
        *(order.wall_seconds, order.memory_bytes, order.processes),
        *(order.open_files, order.file_bytes, order.disk_bytes),
    )
    fields = [b"" if number is None else b"%r" % number for number in numbers]
    fields += [b"%d" % order.log_bytes, order.cwd, b"%r" % float(order.keep_alive), order.checkpoints]
    fields += [b"%r" % float(order.limit_grace)]
    for group in (order.read_only, order.argv, order.environment, order.writable, order.mounted):
        fields += [b"%d" % len(group), *group]
    if order.pipes:
        fields += [b"%d" % len(order.pipes), *order.pipes]
    return b"\0".join([*fields, b"end"])


def unpack(data: bytes) -> Order:
    """The order again. ValueError if the launcher died while it wrote: half an order is never run."""
    fields = data.split(b"\0")
    if fields.pop() != b"end":
        raise ValueError("the order is cut off")
    wall, memory, processes, files, size, disk, log, cwd, keep_alive, checkpoints, limit_grace = fields[:11]
    groups = []
    at = 11
    while at < len(fields):
        count = int(fields[at])
        groups.append(fields[at + 1 : at + 1 + count])
        at += 1 + count
    return Order(
        argv=groups[1],
        environment=groups[2],
        cwd=cwd,
        read_only=groups[0],
        wall_seconds=float(wall) if wall else None,
        memory_bytes=int(memory) if memory else None,
        processes=int(processes) if processes else None,
        open_files=int(files) if files else None,
        file_bytes=int(size) if size else None,
        disk_bytes=int(disk) if disk else None,
        log_bytes=int(log),
        writable=groups[3],
        keep_alive=float(keep_alive),
        mounted=groups[4],
        checkpoints=checkpoints,
        limit_grace=float(limit_grace),
        pipes=groups[5] if len(groups) > 5 else (),
    )
