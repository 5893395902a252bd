"""Several backends as one keep the contract of all backends, and are waited for together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tuning.backends.contract import (  # noqa: F401 - collected here
    TestEnding,
    TestLaunching,
    TestStopping,
    TestTheTrialsView,
)
from tests.tuning.backends.contract_following import TestLogs, TestWaiting  # noqa: F401
from tests.tuning.backends.harness import HOLD, Trials
from tuning.backends.process import ProcessBackend
from tuning.backends.several import Several
from tuning.errors import BackendError


class Deaf(ProcessBackend):
    """A part whose engine is down."""

    def list_owned(self) -> list[str]:
        raise BackendError("the engine does not answer", retryable=True)


def odd_or_even(attempt: str) -> str:
    return "odd" if sum(attempt.encode()) % 2 else "even"


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Several]:
    parts = {name: ProcessBackend(tmp_path / name) for name in ("odd", "even")}
    backend = Several(parts, odd_or_even)
    yield backend
    backend.close()


@pytest.fixture
def trials(backend: Several, tmp_path: Path) -> Iterator[Trials]:
    trials = Trials(backend, tmp_path)
    yield trials
    trials.clean_up()


def test_attempts_of_both_are_told_of_by_one_wait(trials: Trials, backend: Several) -> None:
    script = "import sys, time; print('begins', flush=True); time.sleep(float(sys.argv[1])); print('ends')"
    pair = [trials.start(script, delay, attempt=name) for name, delay in (("a", "0.2"), ("b", "0.5"))]
    assert {odd_or_even(attempt) for attempt in pair} == {"odd", "even"}
    told: dict[str, int] = dict.fromkeys(pair, 0)
    deadline = time.monotonic() + 30
    while min(told.values()) < len("begins\nends\n"):
        assert time.monotonic() < deadline, told
        for attempt in backend.wait(pair, 10):
            told[attempt] = backend.log_size(attempt)


def test_a_wake_ends_the_wait_for_both(trials: Trials, backend: Several) -> None:
    pair = [trials.start(HOLD, attempt=name) for name in ("a", "b")]
    for attempt in pair:
        trials.until_log(attempt, b"started\n")
    while backend.wait(pair, 0.05):
        pass
    backend.wake()
    started = time.monotonic()
    assert backend.wait(pair, 60) == set()
    assert time.monotonic() - started < 30
    assert backend.list_owned() == pair


def test_a_part_that_is_down_does_not_hide_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    backend = Several({"odd": ProcessBackend(tmp_path / "odd"), "even": Deaf(tmp_path / "even")}, odd_or_even)
    trials = Trials(backend, tmp_path)
    attempt = trials.start(HOLD, attempt="a")
    assert backend.list_owned() == backend.list_owned() == [attempt]
    assert caplog.text.count("the engine does not answer") == 1, "not again with every sweep"
    trials.clean_up()
    backend.close()
