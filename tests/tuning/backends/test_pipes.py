"""What a trial's pipes leave behind as a process of this host: nothing that runs, and nothing for the next trial."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.tuning.backends.harness import ProcessTrials, alive, poll
from tuning.backends import Phase
from tuning.backends.skeletons import FOLDER, reclaim
from tuning.backends.warden import linux
from tuning.backends.warden.order import Order, pack, unpack


@pytest.fixture
def piped(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "train.csv").write_text("a,b\n")
    return {"channels": {"train": tmp_path / "train.csv"}, "pipes": frozenset({"train"})}


def feeders(processes: ProcessTrials, attempt: str) -> list[int]:
    """The children of its warden but for the command."""
    found = linux.descendants(processes.warden(attempt))
    return [pid for pid in found if b"train.py" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_they_end_with_their_warden(processes: ProcessTrials, piped: dict[str, Any]) -> None:
    attempt = processes.hold(**piped)
    (feeder,) = feeders(processes, attempt)
    os.kill(processes.warden(attempt), signal.SIGKILL)
    assert processes.end(attempt).phase is Phase.VANISHED
    poll(lambda: not alive(feeder))


def test_a_trial_whose_feeder_is_gone_ends(processes: ProcessTrials, piped: dict[str, Any]) -> None:
    """It would wait for ever to open the next pipe."""
    attempt = processes.hold(**piped)
    os.kill(feeders(processes, attempt)[0], signal.SIGKILL)
    status = processes.end(attempt)
    assert (status.signal, status.ended_by) == (signal.SIGKILL, "pipes")


def test_what_was_not_read_is_not_shown_to_the_next(processes: ProcessTrials, piped: dict[str, Any]) -> None:
    attempt = processes.start("open('../input/data/train_0').read()", **piped)
    assert processes.end(attempt).exit_code == 0
    folder = processes.base(attempt)
    ready = folder.parent / FOLDER
    poll(ready.is_dir)
    assert {path.name for path in (folder / "input/data").iterdir()} >= {"train_1"}
    data = (folder / "input/data").stat().st_ino
    reclaim(folder)
    (made,) = [path for path in ready.glob("*/input/data") if path.stat().st_ino == data]
    assert not list(made.iterdir())


def test_an_order_without_them_is_as_it_was_before_there_were_any() -> None:
    order = Order([b"x"], [], b"/", [], None, None, None, None, None, None, 1024, [])
    piped = Order(
        [b"x"], [], b"/", [], None, None, None, None, None, None, 1024, [], pipes=[b"/data/train_", b"/source"]
    )
    assert unpack(pack(order)).pipes == () and unpack(pack(piped)).pipes == [b"/data/train_", b"/source"]
    assert pack(piped).removesuffix(b"2\0/data/train_\0/source\0end") + b"end" == pack(order)
