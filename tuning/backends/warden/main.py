# ruff: noqa: SIM105 - contextlib is too dear here
"""The warden's work: run an attempt's command, and see it and all its descendants to their end.

Where the order comes from, and who the warden is, is told in `hosted` and `contained`.
"""

import posix
import select
import time

from . import linux
from .command import SIGNALS, Command
from .log import Log
from .order import Order

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator
else:
    import _signal as signal

LOOK = 0.5  # s between looks at what the trial uses, and at the stop file in case its signal was lost
GLANCE = 0.1  # s between looks for a burst of processes, where those are limited
DISK_LOOK = 2.0  # s between looks at the disk
DISK_SLICE = 0.01  # s at most of one look at a time, so that a million files do not keep the output waiting
ROUND = 0.1  # s at most for sending one round of signals, so that the dead are collected in between
LINGER = 1.0  # s for what the command leaves behind: a pool's resource tracker still has semaphores to unlink
ORPHAN_GRACE = 10.0  # s between SIGTERM and SIGKILL when somebody other than the backend ends the warden
REST_MS = 1  # that the end of a line may lag behind the line
PIPE_BUF = 4096  # bytes; no longer writes are atomic
WRITE_RETRY = 60.0  # s to go on trying to write exit.json on a full disk
SYNC_AFTER = 10.0  # s; what ran for less is sooner run again after a power cut than its end is brought to the disk


class Warden:
    """Runs one order and everything that comes of it. Single-threaded: one poll over the output and the signals."""

    def __init__(self, folder: str, order: Order, asked: str = "", earlier: str = "") -> None:
        self.folder = folder  # where the log and the end are left
        self.asked = asked or folder  # where a request to stop is found
        self.earlier = earlier  # the folder of the attempt before, for which a signal may still be on its way
        self.order = order
        self.log = Log(folder + "/log", order.log_bytes, order.checkpoints)
        self.exit_fd = reserve(folder)
        self.wake = signal_pipe()
        self.poll = select.poll()
        self.poll.register(self.wake, select.POLLIN)
        self.output = -1
        self.pid = 0
        self.feeders: list[int] = []  # that live, and have something to do
        self.status: int | None = None  # of the command, as wait() gives it
        self.ended_by: str | None = None
        self.reported = False  # how it ended can be read; it may be read and taken away at any moment from then on
        self.orphaned = False  # told to end by somebody other than the backend
        self.terminated = False
        self.signalled = False  # since the last time that the dead were collected
        self.kill_at: float | None = None
        self.wall_at: float | None = None
        self.tick_at = 0.0
        self.look_at = 0.0
        self.tasks = 0  # on the whole machine, at the last look
        self.disk: Iterator[int] = iter(())  # the look at the disk that is under way
        self.disk_at = 0.0
        self.started_at: float | None = None  # epoch seconds; and the clock that nobody turns, for how long it ran
        self.began = 0.0
        self.cpu_seconds = 0.0
        self.max_rss = 0

    def run(self) -> None:
        if read_stop(self.asked) is not None:
            self.ended_by = "stop"
        else:
            self.start()
            while not self.signalled or self.reap():
                self.turn()
            # Whoever could write is dead, so what it wrote is in the pipe: read until that is empty. The bound is for
            # a stranger that was handed the other end.
            self.copy(64, last=True)
        if not self.orphaned:
            self.report()

    def start(self) -> None:
        self.output, write_end = posix.pipe2(posix.O_CLOEXEC)
        posix.set_blocking(self.output, False)
        self.poll.register(self.output, select.POLLIN)
        self.poll_output = select.poll()
        self.poll_output.register(self.output, select.POLLIN)
        warden = posix.getpid()
        self.started_at, self.began = time.time(), time.monotonic()
        # The first looks find nothing that the start did not.
        self.tick_at, self.disk_at = self.began + GLANCE, self.began + DISK_LOOK
        if self.order.wall_seconds is not None:
            self.wall_at = self.began + self.order.wall_seconds
        # Blocked until the fork has its own handlers; what comes meanwhile waits for the warden.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        if self.order.pipes:
            from . import feeder  # the others do without it

            self.feeders = feeder.start(self.order, write_end)
        command = Command(self.order)
        self.pid = posix.fork()
        if self.pid == 0:
            command.become(write_end, warden)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        posix.close(write_end)

    def turn(self) -> None:
        """Sleep until something happens, then see to output, stop requests and limits."""
        if self.status is not None:
            while self.feeders:
                linux.send(self.feeders.pop(), signal.SIGKILL)
            self.end(None, LINGER)
        now = time.monotonic()
        moments = (self.tick_at, self.kill_at, self.wall_at)
        pause = min(moment - now for moment in moments if moment is not None)
        for fd, _ in self.poll.poll(max(0.0, pause) * 1000 + 1):
            if fd == self.wake:
                self.take_signals()
            elif self.copy(16):
                self.poll.unregister(self.output)  # the end of it, which poll would report for ever
        now = time.monotonic()
        if now >= self.tick_at:
            self.tick_at = now + (LOOK if self.order.processes is None else GLANCE)
            self.signalled = True
            self.look_for_stop()
            self.check_limits(now)
            self.check_disk(now)
        if self.wall_at is not None and now >= self.wall_at:
            self.wall_at = None
            self.end("wall_seconds", self.order.limit_grace)
        if self.kill_at is not None and now >= self.kill_at:
            self.kill_all()
            self.kill_at = time.monotonic() + 0.005  # and again, until nothing is left

    def take_signals(self) -> None:
        try:
            asked = signal.SIGTERM in posix.read(self.wake, 512)
        except BlockingIOError:
            return
        self.signalled = True
        if asked and not self.look_for_stop() and not self.was_late() and self.status is None and not self.ended_by:
            # The machine goes down, say. Without exit.json the attempt reads as vanished and is tried again.
            self.orphaned = True
            self.end(None, ORPHAN_GRACE)

    def was_late(self) -> bool:
        """Whether the signal was for the attempt before, which ended as it was sent."""
        earlier, self.earlier = self.earlier, ""
        return bool(earlier) and read_stop(earlier) is not None

    def look_for_stop(self) -> bool:
        grace = read_stop(self.asked)
        if grace is None:
            return False
        self.orphaned = False
        self.end("stop", grace)
        return True

    def end(self, why: str | None, grace: float) -> None:
        """Begin the end, or hurry one that has begun: the first reason counts, and the nearest deadline."""
        if self.ended_by is None and self.status is None:
            self.ended_by = why
        if grace > 0 and not self.terminated:
            self.terminated = True
            self.signal_all(signal.SIGTERM, signal.SIGCONT)  # one that is stopped could not act on SIGTERM
        kill_at = time.monotonic() + grace
        self.kill_at = kill_at if self.kill_at is None else min(self.kill_at, kill_at)

    def check_limits(self, now: float) -> None:
        order = self.order
        if self.kill_at is not None or (order.processes is None and order.memory_bytes is None):
            return
        tasks = 0 if order.processes is None else linux.tasks()
        burst = order.processes is not None and tasks - self.tasks > order.processes // 2
        if now < self.look_at and not burst:
            return
        self.look_at, self.tasks = now + LOOK, tasks
        pids: list[int] = []
        for pid in linux.descendants():
            pids.append(pid)
            if order.processes is not None and len(pids) > order.processes:
                self.end("processes", 0.0)  # without counting what may grow faster than it is counted
                return
        if order.memory_bytes is not None and linux.memory_exceeds(pids, order.memory_bytes):
            self.end("memory_bytes", 0.0)

    def check_disk(self, now: float) -> None:
        limit = self.order.disk_bytes
        if limit is None or self.kill_at is not None:
            return
        for total in self.disk:
            if total > limit:
                self.end("disk_bytes", 0.0)
                return
            if time.monotonic() - now > DISK_SLICE:
                return
        if now >= self.disk_at:
            self.disk_at = now + DISK_LOOK
            self.disk = linux.disk_bytes(self.order.writable, linux.descendants())

    def reap(self) -> bool:
        """Collect what has ended. False once nothing of the trial is left."""
        self.signalled = False
        while True:
            try:
                pid, status, usage = posix.wait4(-1, posix.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            self.cpu_seconds += usage.ru_utime + usage.ru_stime
            self.max_rss = max(self.max_rss, usage.ru_maxrss * 1024)
            if pid == self.pid:
                self.status = status
                self.wall_at = None
            elif pid in self.feeders:
                self.feeders.remove(pid)
                if self.status is None:
                    self.end("pipes", 0.0)

    def kill_all(self) -> None:
        """SIGKILL to everything there is now. What is forked meanwhile is left to the next round."""
        if self.status is None:
            linux.send(-self.pid, signal.SIGKILL)  # one step for the kernel, with no fork in between
        linux.go_first()
        self.signal_all(signal.SIGKILL)

    def signal_all(self, *numbers: int) -> None:
        # Each is signalled as soon as it is found: one that has SIGKILL coming forks no more, and its children come to
        # the warden, which finds them in its next round.
        deadline = time.monotonic() + ROUND
        for pid in linux.descendants():
            for number in numbers:
                linux.send(pid, number)
            if time.monotonic() > deadline:
                break

    def copy(self, rounds: int, *, last: bool = False) -> bool:
        """Move output into the log, the `last` of it or what is there now. True at its end."""
        for _ in range(rounds):
            try:
                data = posix.read(self.output, linux.CHUNK)
            except BlockingIOError:
                return False
            if not data:
                return True
            short = len(data) < PIPE_BUF
            if short and not data.endswith(b"\n"):
                data += self.rest_of_line()
            self.log.write(data)
            if short and not last:
                break  # there was no more; and if there is by now, poll says so
        return False

    def rest_of_line(self) -> bytes:
        # An unbuffered Python writes a line and its end one after the other; followers should wake once for both.
        self.poll_output.poll(REST_MS)
        try:
            return posix.read(self.output, linux.CHUNK)
        except BlockingIOError:
            return b""

    def report(self) -> None:
        """Leave exit.json, which says how long the log is: no exit is ever taken for one with output missing.

        On disk are both only after that, so that nobody waits for it, and those of a short attempt when the system
        writes them. A power cut in between may take the end along, or the last of the log; then folder.read_end finds
        no end, and the attempt has vanished.
        """
        deadline = time.monotonic() + WRITE_RETRY
        while not (reported := publish(self.folder, self.exit_fd, self.exit_json())):
            if time.monotonic() > deadline:
                break
            time.sleep(LOOK)
            self.exit_fd = reserve(self.folder)
        self.reported = reported
        if time.monotonic() - self.began < SYNC_AFTER:
            return
        for fd in (self.log.fd, self.exit_fd):
            try:
                posix.fdatasync(fd)
            except OSError:
                pass

    def ended_well(self) -> bool:
        """Whether nothing of it is left that the next attempt could come upon."""
        return self.status == 0 and self.ended_by is None and self.log.lost == 0

    def give_back(self) -> None:
        """Close what was opened for this attempt."""
        for fd in (self.log.fd, self.log.times, self.exit_fd, self.output):
            if fd >= 0:
                posix.close(fd)
        close_signal_pipe(self.wake)

    def exit_json(self) -> bytes:
        code = number = "null"
        if self.status is not None and posix.WIFSIGNALED(self.status):
            number = str(posix.WTERMSIG(self.status))
        elif self.status is not None:
            code = str(posix.WEXITSTATUS(self.status))
        ended_by = f'"{self.ended_by}"' if self.ended_by else "null"
        started_at, ended_at = "null", time.time()
        if self.started_at is not None:
            started_at, ended_at = f"{self.started_at:.6f}", self.started_at + time.monotonic() - self.began
        return (
            f'{{"exit_code": {code}, "signal": {number}, "ended_by": {ended_by}, "started_at": {started_at}, '
            f'"ended_at": {ended_at:.6f}, "cpu_seconds": {self.cpu_seconds:.6f}, "max_rss_bytes": {self.max_rss}, '
            f'"log_lost_bytes": {self.log.lost}, "log_bytes": {self.log.size}}}\n'
        ).encode()


def read_stop(folder: str) -> float | None:
    """The grace that the backend asked for, or None if it asked for nothing."""
    words = linux.read_file(folder + "/stop").split()
    return float(words[0]) if words else None


def reserve(folder: str) -> int:
    """Room for exit.json, taken while there is some: a trial may fill the disk, and its end must still be written."""
    fd = -1
    try:
        fd = posix.open(folder + "/exit.new", posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
        posix.posix_fallocate(fd, 0, 1024)
    except OSError:
        pass
    return fd


def publish(folder: str, fd: int, data: bytes) -> bool:
    try:
        posix.pwrite(fd, data, 0)
        posix.ftruncate(fd, len(data))
        posix.rename(folder + "/exit.new", folder + "/exit.json")
    except OSError:
        return False
    return True


def signal_pipe() -> int:
    """A descriptor that becomes readable when SIGTERM or SIGCHLD comes."""
    read_end, write_end = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    return read_end


def close_signal_pipe(read_end: int) -> None:
    posix.close(signal.set_wakeup_fd(-1))
    posix.close(read_end)
