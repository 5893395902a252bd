"""The file that takes a trial's output, and beside it how long it was when, for trials that write checkpoints.

Whoever goes on from a checkpoint prints again what was printed after it was written. The clock is that of the files'
own times: no other says what came first.
"""

import posix
import time

METRIC_LINE = 8192  # bytes; metrics are never read from longer lines
LIMIT_REACHED = "[hpt] the log ends here: its limit"
TIMES = ".times"  # behind the log's name: a line for each write, the bytes after it and epoch seconds
MOST_TIMES = 100_000  # after which they begin anew: a trial may print byte for byte


class Log:
    """The file that takes the output: appended as it comes, bounded, and never a reason to end the trial.

    It always ends at the end of a line where something is missing, so that no metric is read from half a number.
    """

    def __init__(self, path: str, limit: int, checkpoints: bytes = b"") -> None:
        self.fd = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_NOFOLLOW, 0o600)
        self.marker = f"{LIMIT_REACHED} of {limit} bytes is reached\n".encode()
        self.limit = max(0, limit - len(self.marker) - 1)
        self.size = 0
        self.line = 0  # where the last line begins
        self.full = False
        self.torn = False  # a write failed; the output up to the next line is dropped with what was lost
        self.lost = 0
        self.path = path
        self.checkpoints = checkpoints
        self.untouched = last_change(checkpoints) if is_empty(checkpoints) else -1
        self.times = -1  # open once there is a checkpoint
        self.noted = 0
        self.at = time.time()  # of the last write

    def write(self, data: bytes) -> None:
        before, now = self.size, time.time()
        if self.torn and not self.full:
            rest = data.find(b"\n") + 1
            self.lost += rest or len(data)
            if not rest:
                return
            self.torn = False
            data = b"[hpt] output is missing here: the log could not be written\n" + data[rest:]
        if self.full:
            self.lost += len(data)
        elif self.size + len(data) <= self.limit:
            self.store(data)
        else:
            self.full = True
            kept = data[: self.limit - self.size]
            self.lost += len(data) - len(kept)
            self.store(kept)
            self.drop_half_line()
            self.store(b"\n" + self.marker if self.line < self.size else self.marker)
        if self.checkpoints and self.size != before and last_change(self.checkpoints) != self.untouched:
            self.note(before, now)
        self.at = now

    def note(self, before: int, now: float) -> None:
        """Say that it is as long as it is since `now`; and first how long it was `before` that, and since when."""
        try:
            if self.times < 0:
                flags = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_NOFOLLOW | posix.O_CLOEXEC
                self.times = posix.open(self.path + TIMES, flags, 0o600)
            if self.noted % MOST_TIMES == 0:
                posix.ftruncate(self.times, 0)
                posix.write(self.times, b"%d %.6f\n" % (before, self.at))
            posix.write(self.times, b"%d %.6f\n" % (self.size, now))
            self.noted += 1
        except OSError:  # a full disk: the next write may say it
            pass

    def store(self, data: bytes) -> None:
        done = 0
        try:
            while done < len(data):
                done += posix.write(self.fd, data[done:] if done else data)
        except OSError:  # a full disk, most likely
            self.lost += len(data) - done
            self.torn = True
        newline = data.rfind(b"\n", 0, done)
        if newline >= 0:
            self.line = self.size + newline + 1
        self.size += done
        if self.torn:
            self.drop_half_line()

    def drop_half_line(self) -> None:
        if 0 < self.size - self.line <= METRIC_LINE:
            posix.ftruncate(self.fd, self.line)
            self.lost += self.size - self.line
            self.size = self.line


def is_empty(folder: bytes) -> bool:
    try:
        return not posix.listdir(folder)
    except OSError:
        return False


def last_change(folder: bytes) -> int:
    """When something was put into a folder, or taken away, in nanoseconds; -1 if that cannot be told."""
    try:
        return posix.stat(folder).st_mtime_ns
    except OSError:
        return -1
