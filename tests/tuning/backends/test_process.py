"""What only the process backend has: its folders, its limits, and its ways of waiting."""

from __future__ import annotations

import os
import signal
import stat
import threading
from pathlib import Path

import pytest

from tests.tuning.backends.harness import BROOD, HOLD, ProcessTrials, Trials
from tuning.backends import Limits, Phase
from tuning.backends.folder import locked
from tuning.backends.nursery import NotStartedError
from tuning.backends.process import ProcessBackend
from tuning.errors import BackendError


class TestLaunch:
    def test_why_it_could_not_be_started_is_one_line(
        self, processes: ProcessTrials, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise NotStartedError(
                "Traceback (most recent call last):\n  File\nOSError: [Errno 28] No space left on device"
            )

        monkeypatch.setattr("tuning.backends.process.start_warden", full)
        with pytest.raises(BackendError, match=r"^cannot launch \S+: OSError: .* No space left on device$"):
            processes.backend.launch(processes.spec("pass"))

    def test_the_command_inherits_no_descriptors_and_default_signals(self, processes: ProcessTrials) -> None:
        descriptor = os.open("/dev/null", os.O_RDONLY)
        os.set_inheritable(descriptor, True)
        try:
            _, log = processes.run("""
import os, signal
print(sorted(set(os.listdir("/proc/self/fd")) - {"3"}), os.readlink("/proc/self/fd/0"))
print([line for line in open("/proc/self/status") if line.startswith(("SigBlk", "SigIgn", "NoNewPrivs"))])
print(os.getpgrp() == os.getpid(), os.umask(0))
""")
        finally:
            os.close(descriptor)
        lines = log.decode().splitlines()
        assert lines[0] == "['0', '1', '2'] /dev/null"
        blocked, ignored, privileges = eval(lines[1])
        assert (blocked, privileges) == ("SigBlk:\t0000000000000000\n", "NoNewPrivs:\t1\n")
        # Python itself ignores SIGPIPE (bit 12) and SIGXFSZ (bit 24) in every program. Bits 31 and 32 belong to libc:
        # make's children have them ignored, and no call sets them back.
        assert int(ignored.split()[1], 16) & ~(0b11 << 31) == 0x1001000
        assert lines[2] == f"True {0o077}"

    def test_folders_are_private(self, processes: ProcessTrials) -> None:
        processes.run("pass")
        root = processes.base("t-1")
        modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in [root.parent, root, *root.iterdir()]}
        assert {mode for path, mode in modes.items() if path.is_dir() and not path.is_symlink()} == {0o700}
        assert modes[root / "log"] == 0o600

    def test_a_launcher_that_hangs_is_waited_for_and_then_reported(
        self, processes: ProcessTrials, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tuning.backends.process.LOCK_SECONDS", 0.05)
        spec = processes.spec("print('ran')")
        with locked(processes.base(spec.attempt), 0, create=True) as lock:
            assert lock is not None
            with pytest.raises(BackendError, match="another launch") as error:
                processes.launch(spec)
            assert error.value.retryable
            with pytest.raises(BackendError, match="being launched"):
                processes.backend.discard(spec.attempt)
        processes.launch(spec)
        assert processes.end(spec.attempt).exit_code == 0

    def test_a_warden_that_cannot_start_leaves_nothing(
        self, processes: ProcessTrials, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tuning.backends.nursery.ENTRANCE", "raise SystemExit('broken')")
        spec = processes.spec("pass")
        with pytest.raises(BackendError, match="broken") as error:
            processes.launch(spec)
        assert error.value.retryable
        assert not processes.base(spec.attempt).exists()

    def test_inputs_cannot_be_written(self, processes: ProcessTrials, tmp_path: Path) -> None:
        data = tmp_path / "train.csv"
        data.write_text("the original")
        data.chmod(0o444)
        script = """
import os
path = os.environ["SM_CHANNEL_TRAIN"] + "/train.csv"
print(open(path).read())
try: open(path, "w").write("spoilt")
except OSError as error: print(type(error).__name__)
"""
        _, log = processes.run(script, channels={"train": data})
        assert data.read_text() == "the original"
        assert log.decode().splitlines()[0] == "the original"
        assert len(log.decode().splitlines()) == 2

    def test_a_root_with_any_name(self, tmp_path: Path) -> None:
        backend = ProcessBackend(tmp_path / "w\u00e9ird $(x) \u4e2d")
        trials = Trials(backend, tmp_path)
        status, log = trials.run("print('ran')")
        assert (status.exit_code, log) == (0, b"ran\n")
        backend.close()

    def test_several_roots_do_not_see_each_other(self, processes: ProcessTrials, tmp_path: Path) -> None:
        attempt = processes.hold(HOLD, attempt="same")
        other = ProcessBackend(tmp_path / "other")
        assert other.list_owned() == []
        other.stop(attempt, 0)
        assert processes.backend.status(attempt).phase is Phase.RUNNING


class TestLimits:
    def test_memory_of_all_processes_together(self, processes: ProcessTrials) -> None:
        script = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        x = bytearray(os.urandom(1)) * 60_000_000
        time.sleep(600)
time.sleep(600)
"""
        status, _ = processes.run(script, limits=Limits(memory_bytes=150_000_000))
        assert (status.signal, status.ended_by) == (signal.SIGKILL, "memory_bytes")

    def test_memory_that_forks_share_counts_once(self, processes: ProcessTrials) -> None:
        script = """
import os, time
x = bytearray(b"x") * 60_000_000
pids = [os.fork() for _ in range(1)]
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        time.sleep(1.2)
        os._exit(0)
    pids.append(pid)
"""
        status, _ = processes.run(
            script + "for pid in pids: os.waitpid(pid, 0)", limits=Limits(memory_bytes=150_000_000)
        )
        assert status.ended_by is None

    def test_one_absurd_allocation_is_a_memory_error(self, processes: ProcessTrials) -> None:
        status, log = processes.run("bytearray(1 << 40)", limits=Limits(memory_bytes=1 << 28))
        assert status.exit_code == 1
        assert b"MemoryError" in log

    def test_numpy_and_scikit_learn_live_within_a_small_limit(self, processes: ProcessTrials) -> None:
        script = "import numpy as np, sklearn.ensemble; a = np.ones((500, 500)); print((a @ a).sum())"
        status, log = processes.run(script, limits=Limits(memory_bytes=512 << 20))
        assert status.exit_code == 0, log

    def test_processes(self, processes: ProcessTrials) -> None:
        status, _ = processes.run(BROOD + "time.sleep(600)", limits=Limits(processes=20))
        assert status.ended_by == "processes"

    def test_open_files_and_file_size(self, processes: ProcessTrials) -> None:
        script = """
try:
    keep = [open("/dev/null") for _ in range(100)]
except OSError as error: print(error.strerror)
try:
    with open("big", "wb") as file: file.write(bytes(2_000_000))
except OSError as error: print(error.strerror)
import resource; print(resource.getrlimit(resource.RLIMIT_CORE))
"""
        _, log = processes.run(script, limits=Limits(open_files=50, file_bytes=1_000_000))
        assert log.decode().splitlines() == ["Too many open files", "File too large", "(0, 0)"]


class TestWithoutInotify:
    def test_files_are_compared_instead(self, processes: ProcessTrials, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise OSError("too many instances")

        monkeypatch.setattr("tuning.backends.watch.INotify", refuse)
        status, log = processes.run("print('x')")
        assert (status.exit_code, log) == (0, b"x\n")
        attempt = processes.hold()
        processes.backend.wait([attempt], 0)
        threading.Timer(0.02, processes.backend.wake).start()
        assert processes.backend.wait([attempt], 30) == set()
        os.kill(processes.warden(attempt), signal.SIGKILL)
        assert processes.backend.wait([attempt], 30) == {attempt}

    def test_a_fork_watches_for_itself(self, processes: ProcessTrials) -> None:
        attempt = processes.hold()
        processes.backend.wait([attempt], 0)
        child = os.fork()
        if child == 0:
            os._exit(0 if processes.backend.wait([attempt], 5) == {attempt} else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    def test_one_wait_at_a_time(self, processes: ProcessTrials) -> None:
        attempt = processes.hold()
        processes.backend.wait([attempt], 0)
        errors: list[BaseException] = []

        def second() -> None:
            try:
                processes.backend.wait([attempt], 0)
            except BackendError as error:
                errors.append(error)
            finally:
                processes.backend.wake()

        thread = threading.Timer(0.05, second)
        thread.start()
        processes.backend.wait([attempt], 30)
        thread.join()
        assert len(errors) == 1


class TestFirstOutput:
    def test_of_a_short_trial_comes_with_its_end(
        self, processes: ProcessTrials, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tuning.backends.watch.FIRST_GAP", 600.0)
        attempt = processes.start("print('all there is')")
        assert processes.backend.wait([attempt], 30.0) == {attempt}
        assert processes.backend.status(attempt).phase is Phase.ENDED
        assert processes.log(attempt) == b"all there is\n"

    def test_of_a_long_trial_comes_soon(self, processes: ProcessTrials) -> None:
        attempt = processes.start(HOLD)
        assert processes.backend.wait([attempt], 600.0) == {attempt}
        assert processes.log(attempt) == b"started\n"
