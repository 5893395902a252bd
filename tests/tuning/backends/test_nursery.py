"""The process that forks the wardens: what it keeps, and what its death, sleep and launcher's end mean to trials."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tuning.backends.harness import HOLD, ProcessTrials, Trials, alive, poll
from tuning.backends import Phase, process
from tuning.backends.folder import read_end
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
            processes.run("raise SystemExit(1)")
        assert nursery() == first
        poll(lambda: len(list(Path(f"/proc/{first}/fd").iterdir())) == len(before) + 1)  # the way to the second warden
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


class TestWardens:
    """One whose attempt has ended well serves the next."""

    def test_one_serves_many_attempts_one_after_the_other(self, processes: ProcessTrials) -> None:
        wardens = set()
        for number in range(5):
            attempt = processes.start(f"print({number}); open('../model/ran', 'x')")
            assert processes.end(attempt).exit_code == 0
            assert processes.log(attempt) == b"%d\n" % number
            wardens.add(warden := processes.warden(attempt))
            await_idle(warden)
            assert processes.backend.list_owned() == []
        assert len(wardens) == 1

    def test_at_the_same_time_each_has_its_own(self, processes: ProcessTrials) -> None:
        await_idle(processes.warden(ended(processes)))
        first, second = processes.hold(), processes.hold()
        assert processes.warden(first) != processes.warden(second)
        processes.backend.stop(first, 0)
        assert processes.end(first).ended_by == "stop"
        assert processes.backend.status(second).phase is Phase.RUNNING

    @pytest.mark.parametrize(
        "script",
        [
            "raise SystemExit(1)",
            "import os; os.kill(os.getpid(), 9)",
            "import os; os.fork() or __import__('time').sleep(9)",
        ],
        ids=["failed", "killed", "left something"],
    )
    def test_not_after_any_other_end(self, processes: ProcessTrials, script: str) -> None:
        attempt = processes.start(script)
        processes.end(attempt)
        poll(lambda: not alive(processes.warden(attempt)))

    def test_it_keeps_nothing_of_an_attempt(self, processes: ProcessTrials) -> None:
        warden = processes.warden(ended(processes))
        await_idle(warden)
        before = sorted(Path(f"/proc/{warden}/fd").iterdir())
        attempt = ended(processes)
        assert processes.warden(attempt) == warden
        await_idle(warden)
        assert sorted(Path(f"/proc/{warden}/fd").iterdir()) == before
        assert processes.backend.usage(attempt) is None
        processes.backend.discard(attempt)
        assert not processes.base(attempt).exists()

    def test_a_stop_that_comes_late_does_not_hit_the_next(self, processes: ProcessTrials) -> None:
        first = ended(processes)
        await_idle(processes.warden(first))
        second = processes.hold()
        assert processes.warden(second) == processes.warden(first)
        (processes.base(first) / "stop").write_text("0 0\n")  # written just before the end, which nobody saw yet
        os.kill(processes.warden(second), signal.SIGTERM)
        processes.backend.wait([second], 0.2)
        assert processes.backend.status(second).phase is Phase.RUNNING
        os.kill(processes.warden(second), signal.SIGTERM)  # the machine goes down
        assert processes.end(second).phase is Phase.VANISHED

    def test_a_kill_that_comes_late_does_not_hit_the_next(
        self, processes: ProcessTrials, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The attempt ends between the look at it and the kill: the stopped warden is looked at once more."""
        first = ended(processes)
        await_idle(processes.warden(first))
        second = processes.hold()
        (processes.base(first) / "stop").write_text("0 0\n")
        looks = iter([None])
        with monkeypatch.context() as patched:
            patched.setattr(process, "read_end", lambda folder: next(looks, read_end(folder)))
            processes.backend.stop(first, 0)
        assert processes.backend.status(second).phase is Phase.RUNNING
        processes.backend.stop(second, 0)
        assert processes.end(second).ended_by == "stop"

    def test_those_that_wait_end_soon_or_with_their_launcher(self, processes: ProcessTrials) -> None:
        warden = processes.warden(ended(processes))
        poll(lambda: not alive(warden))
        warden = processes.warden(ended(processes))
        processes.backend.close()
        poll(lambda: not alive(warden))

    def test_one_that_died_while_it_waited_is_not_missed(self, processes: ProcessTrials) -> None:
        warden = processes.warden(ended(processes))
        await_idle(warden)
        os.kill(warden, signal.SIGKILL)
        assert processes.run("print('ran')")[1] == b"ran\n"


def ended(processes: ProcessTrials) -> str:
    attempt = processes.start("pass")
    assert processes.end(attempt).exit_code == 0
    return attempt


def await_idle(warden: int) -> None:
    poll(lambda: Path(f"/proc/{warden}/cwd").readlink() == Path("/"))


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
