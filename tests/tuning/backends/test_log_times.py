"""How long a log was when a checkpoint was written, from what its warden noted."""

import json
from pathlib import Path

import pytest

from tuning.backends.folder import log_size_at

PERIODIC = [(10, 100.0), (20, 105.0), (30, 110.0)]
AT_ONCE = [(7, 100.0), (20, 100.004)]  # the first line, printed with what came before it, and then nothing for long


@pytest.mark.parametrize(
    ("notes", "ended_at", "moment", "size"),
    [
        (PERIODIC, 112.0, 100.5, 10),  # the next line came long after it
        (PERIODIC, 112.0, 104.5, 20),  # saved, then printed
        (PERIODIC, None, 104.5, 20),
        (PERIODIC, 112.0, 105.01, 20),  # printed, then saved
        (AT_ONCE, 115.0, 100.001, 20),  # a busy machine took 3 ms to get it into the log
        (AT_ONCE, None, 100.001, 20),  # of a warden that was killed
        (PERIODIC, 112.0, 1.0, 10),  # it was there before the attempt
    ],
)
def test_what_is_printed_right_after_it_counts_as_printed(
    tmp_path: Path, notes: list[tuple[int, float]], ended_at: float | None, moment: float, size: int
) -> None:
    (tmp_path / "log.times").write_text("".join(f"{size} {at:.6f}\n" for size, at in notes))
    if ended_at is not None:
        end = {"exit_code": 0, "signal": None, "ended_by": None, "started_at": 99.0, "ended_at": ended_at}
        end |= {"cpu_seconds": 0, "max_rss_bytes": 0, "log_lost_bytes": 0}
        (tmp_path / "exit.json").write_text(json.dumps(end))
    assert log_size_at(tmp_path / "log", moment) == size
