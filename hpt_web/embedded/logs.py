"""What a part prints, kept in a file that cannot grow without bound."""

import os
from collections import deque
from pathlib import Path

LIMIT_BYTES = 10 * 1024 * 1024
KEPT = 3
TAIL_LINES = 15


class PartLog:
    """`<part>.log`, renamed to `.1`, `.2`, `.3` as it fills; its last lines are at hand for the console."""

    def __init__(self, path: Path, limit: int = LIMIT_BYTES, kept: int = KEPT) -> None:
        self.path = path
        self._limit = limit
        self._kept = kept
        self._file = path.open("ab", buffering=0)
        self._size = os.fstat(self._file.fileno()).st_size
        self._tail: deque[bytes] = deque(maxlen=TAIL_LINES)
        self._open_line = b""

    def write(self, data: bytes) -> None:
        """Append; a full disk must not take the service down, so what cannot be written is dropped."""
        *lines, self._open_line = (self._open_line + data).split(b"\n")
        self._open_line = self._open_line[-4096:]
        self._tail.extend(lines)
        try:
            if self._size + len(data) > self._limit:
                self._rotate()
            self._size += self._file.write(data) or 0
        except OSError:
            return

    def tail(self) -> list[str]:
        """The last lines written, without their ends."""
        lines = [*self._tail, self._open_line] if self._open_line else list(self._tail)
        return [line.decode(errors="replace") for line in lines]

    def forget(self) -> None:
        """Let the tail begin anew, as the part does."""
        self._tail.clear()
        self._open_line = b""

    def close(self) -> None:
        self._file.close()

    def _rotate(self) -> None:
        for number in range(self._kept, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            newer = self.path.with_name(f"{self.path.name}.{number - 1}") if number > 1 else self.path
            if newer.exists():
                newer.replace(older)
        self._file.close()
        self._file = self.path.open("ab", buffering=0)
        self._size = 0
