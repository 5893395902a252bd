"""The process that forks the wardens: what it keeps, and what its death, sleep and launcher's end mean to trials."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tuning.backends.harness import HOLD, ProcessTrials, Trials, alive, poll
from tuning.backends import Phase
from tuning.backends.process import ProcessBackend
from tuning.errors import BackendError


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])


@pytest.fixture
def nursery(processes: ProcessTrials) -> Callable[[], int]:
    """Its pid, by a trial that it is asked to start."""
    return lambda: parent(processes.warden(processes.hold()))


class TestLife:
    def test_one_serves_all_launches_and_keeps_nothing_of_them(
        self, processes: ProcessTrials, nursery: Callable[[], int]
    ) -> None:
        first = nursery()
        before = sorted(Path(f"/proc/{first}/fd").iterdir())
        for _ in range(3):
            processes.run("pass")
        assert nursery() == first
        assert sorted(Path(f"/proc/{first}/fd").iterdir()) == before
        assert Path(f"/proc/{first}/environ").read_bytes() == b"LC_ALL=C.UTF-8\0LD_BIND_NOW=1\0"
        assert Path(f"/proc/{first}/cwd").readlink() == Path("/")
        poll(lambda: len(Path(f"/proc/{first}/task/{first}/children").read_text().split()) == 2)  # no zombies

    def test_it_ends_with_its_launcher_and_the_trials_do_not(self, processes: ProcessTrials) -> None:
        attempt = processes.hold()
        warden = processes.warden(attempt)
        pid = parent(warden)
        processes.backend.close()
        poll(lambda: not alive(pid))
        assert processes.backend.status(attempt).phase is Phase.RUNNING
        assert processes.backend.list_owned() == [attempt]
        assert parent(processes.warden(processes.hold())) != pid

    def test_a_fork_of_the_launcher_has_one_of_its_own(self, processes: ProcessTrials, tmp_path: Path) -> None:
        ours = parent(processes.warden(processes.hold()))
        spec = processes.spec(HOLD)
        child = os.fork()
        if child == 0:
            os._exit(0 if processes.launch(spec) and parent(processes.warden(spec.attempt)) != ours else 1)
        processes.launched.append(spec.attempt)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert parent(processes.warden(processes.hold())) == ours, "the fork has not ended it"


class TestDeath:
    def test_the_next_launch_starts_another_and_no_trial_notices(self, processes: ProcessTrials) -> None:
        attempt = processes.hold()
        pid = parent(processes.warden(attempt))
        os.kill(pid, signal.SIGKILL)
        poll(lambda: not alive(pid))
        status, log = processes.run("print('ran')")
        assert (status.exit_code, log) == (0, b"ran\n")
        assert processes.backend.status(attempt).phase is Phase.RUNNING
        processes.backend.stop(attempt, 0)
        assert processes.end(attempt).ended_by == "stop"

    def test_one_that_sleeps_is_replaced(
        self, processes: ProcessTrials, nursery: Callable[[], int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pid = nursery()
        os.kill(pid, signal.SIGSTOP)
        spec = processes.spec("print('ran')")
        with monkeypatch.context() as patched:
            patched.setattr("tuning.backends.nursery.START_SECONDS", 0.05)
            with pytest.raises(BackendError, match="does not answer") as error:
                processes.launch(spec)
        assert error.value.retryable
        poll(lambda: not alive(pid))
        processes.launch(spec)
        assert processes.end(spec.attempt).exit_code == 0
        assert processes.log(spec.attempt) == b"ran\n", "once"

    def test_a_backend_that_is_forgotten_leaves_none(self, tmp_path: Path) -> None:
        backend = ProcessBackend(tmp_path / "forgotten")
        trials = ProcessTrials(backend, tmp_path)
        pid = parent(trials.warden(trials.hold()))
        Trials.clean_up(trials)
        del backend, trials
        poll(lambda: not alive(pid))
