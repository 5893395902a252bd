"""The other half of the suite that every backend inherits (contract.py): logs, and waiting for what happens."""

from __future__ import annotations

import threading
import time

import pytest

from tests.tuning.backends.contract import BackendContract
from tests.tuning.backends.harness import HOLD, Trials, poll
from tuning.backends import Limits, Phase


class TestLogs(BackendContract):
    def test_read_by_offset(self, trials: Trials) -> None:
        attempt = trials.start("print('0123456789')")
        trials.end(attempt)
        assert trials.backend.read_log(attempt, 3, 4) == b"3456"
        assert trials.backend.read_log(attempt, 9, 100) == b"9\n"
        assert trials.backend.read_log(attempt, 1000, 100) == b""

    def test_a_huge_line_is_cut_at_the_cap_and_the_trial_goes_on(self, trials: Trials) -> None:
        """issue 2: a 2 GB line in a log; here 300 MB, in bounded time, memory and disk."""
        script = """
import os
block = b"x" * 1_000_000
for _ in range(300): os.write(1, block)
"""
        status, log = trials.run(script, limits=Limits(log_bytes=100_000))
        assert status.exit_code == 0
        assert len(log) <= 100_000
        assert log.startswith(b"x" * 99_000)
        assert log.count(b"\n[hpt] the log ends here: its limit of 100000 bytes is reached\n") == 1
        assert status.log_lost_bytes > 299_000_000

    def test_at_the_cap_no_number_is_cut_in_two(self, trials: Trials) -> None:
        _, log = trials.run("for i in range(10000): print('f1 = 0.123456789')", limits=Limits(log_bytes=5000))
        *lines, marker = log.decode().splitlines()
        assert set(lines) == {"f1 = 0.123456789"}
        assert marker.startswith("[hpt] ")
        assert len(log) <= 5000


CHECKPOINTS = """
import os, sys, time
model = os.path.join(os.environ["HPT_CHECKPOINTS"], "model")
def save(epoch):
    with open(model, "w") as file: file.write(str(epoch))
for epoch in range(1, 6):
    time.sleep(0.1)
    if "first" in sys.argv and epoch == 3: save(epoch)
    print("epoch", epoch)
    if "first" not in sys.argv and epoch == 3: save(epoch)
"""


class TestCheckpoints(BackendContract):
    @pytest.mark.parametrize("order", ["first", "then"])
    def test_what_a_checkpoint_holds_is_told_whether_it_is_saved_before_or_after_the_line(
        self, trials: Trials, order: str
    ) -> None:
        attempt = trials.start(CHECKPOINTS, order)
        trials.end(attempt)
        (model,) = (trials.folder / "checkpoints").iterdir()
        size = trials.backend.log_size_at(attempt, model.stat().st_mtime)
        assert size is not None and trials.backend.read_log(attempt, 0, size) == b"epoch 1\nepoch 2\nepoch 3\n"
        later = trials.start(CHECKPOINTS, order, attempt="later")
        trials.end(later)
        assert trials.backend.log_size_at(later, 1.0) == 0, "it was there before the attempt"

    def test_nothing_is_noted_where_there_is_no_checkpoint(self, trials: Trials) -> None:
        attempt = trials.start("print('x')")
        trials.end(attempt)
        assert trials.backend.log_size_at(attempt, time.time()) is None
        assert trials.backend.log_size_at("never", time.time()) is None


class TestWaiting(BackendContract):
    def test_it_wakes_on_output_and_on_the_end_within_milliseconds(self, trials: Trials) -> None:
        script = """
import time
for _ in range(20):
    time.sleep(0.02)
    print(time.monotonic_ns())
"""
        attempt = trials.start(script)
        offset, delays = 0, []
        while trials.backend.status(attempt).phase is Phase.RUNNING:
            if trials.backend.wait([attempt], 10):
                now = time.monotonic_ns()
                data = trials.backend.read_log(attempt, offset, 1 << 16)
                offset += len(data)
                delays += [(now - int(line)) / 1e6 for line in data.split()]
        delays.sort()
        assert len(delays) == 20
        assert delays[10] < 50, f"median {delays[10]:.1f} ms on a machine that may be busy"

    def test_nothing_that_happens_between_two_calls_is_lost(self, trials: Trials) -> None:
        attempts = [trials.start("print('x')") for _ in range(3)]
        seen: dict[str, int] = dict.fromkeys(attempts, 0)
        ended: set[str] = set()
        while ended != set(attempts):
            changed = trials.backend.wait(attempts, 10)
            assert changed, "an end was not told"
            for attempt in changed:
                # Whatever happens from here on must be told again.
                seen[attempt] = trials.backend.log_size(attempt)
                if trials.backend.status(attempt).phase is Phase.ENDED:
                    ended.add(attempt)
        assert set(seen.values()) == {2}

    def test_what_happened_before_the_first_call_is_told_once(self, trials: Trials) -> None:
        attempt = trials.start("print('x')")
        poll(lambda: trials.backend.status(attempt).phase is Phase.ENDED)
        assert trials.backend.wait([attempt], 10) == {attempt}
        assert trials.backend.wait([attempt], 0) == set()

    def test_it_returns_empty_after_its_timeout(self, trials: Trials) -> None:
        attempt = trials.start(HOLD)
        trials.until_log(attempt, b"started\n")
        trials.backend.wait([attempt], 0)  # the look at the log may have been faster than the word of it
        started = time.monotonic()
        assert trials.backend.wait([attempt], 0.1) == set()
        assert 0.09 < time.monotonic() - started < 5

    def test_it_notices_a_launch_that_comes_later(self, trials: Trials) -> None:
        spec = trials.spec("print('x')")
        assert trials.backend.wait([spec.attempt], 0) == set()
        trials.launch(spec)
        trials.end(spec.attempt)

    def test_an_attempt_left_out_for_a_while_is_told_of_again(self, trials: Trials) -> None:
        attempt = trials.start("print('x')")
        trials.end(attempt)
        trials.backend.wait([attempt], 0)
        assert trials.backend.wait([], 0) == set()
        assert trials.backend.wait([attempt], 10) == {attempt}

    def test_wake_from_another_thread(self, trials: Trials) -> None:
        attempt = trials.start(HOLD)
        trials.until_log(attempt, b"started\n")
        trials.backend.wait([attempt], 0)
        threading.Timer(0.05, trials.backend.wake).start()
        started = time.monotonic()
        assert trials.backend.wait([attempt], 60) == set()
        assert time.monotonic() - started < 30

    def test_a_wake_before_the_wait_is_not_lost(self, trials: Trials) -> None:
        trials.backend.wake()
        trials.backend.wake()
        started = time.monotonic()
        assert trials.backend.wait([], 60) == set()
        assert time.monotonic() - started < 30
        assert trials.backend.wait([], 0.01) == set()

    def test_idle_waiting_uses_no_processor_time(self, trials: Trials) -> None:
        attempt = trials.start(HOLD)
        trials.until_log(attempt, b"started\n")
        trials.backend.wait([attempt], 0)
        used = time.thread_time()
        trials.backend.wait([attempt], 0.5)
        assert time.thread_time() - used < 0.01
