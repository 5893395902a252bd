"""The file that takes a trial's output."""

import posix

METRIC_LINE = 8192  # bytes; metrics are never read from longer lines
LIMIT_REACHED = "[hpt] the log ends here: its limit"


class Log:
    """The file that takes the output: appended as it comes, bounded, and never a reason to end the trial.

    It always ends at the end of a line where something is missing, so that no metric is read from half a number.
    """

    def __init__(self, path: str, limit: int) -> None:
        self.fd = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_NOFOLLOW, 0o600)
        self.marker = f"{LIMIT_REACHED} of {limit} bytes is reached\n".encode()
        self.limit = max(0, limit - len(self.marker) - 1)
        self.size = 0
        self.line = 0  # where the last line begins
        self.full = False
        self.torn = False  # a write failed; the output up to the next line is dropped with what was lost
        self.lost = 0

    def write(self, data: bytes) -> None:
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
