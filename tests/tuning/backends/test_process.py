"""What only the process backend has: folders, wardens, and the deaths of either and of their launchers."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tuning.backends.contract import DEAF, HOLD
from tests.tuning.backends.harness import ProcessTrials, Trials, poll
from tuning.backends import LaunchSpec, Limits, Phase
from tuning.backends.folder import locked
from tuning.backends.process import ProcessBackend
from tuning.errors import BackendError

ROOT = Path(__file__).resolve().parents[3]
# 50 descendants in all the ways there are to get away: plain, deaf, in a session of their own, orphaned, without the
# environment, stopped. Each writes its pid.
BROOD = """
import os, signal, subprocess, sys, time
pids = os.open("pids", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def live(number):
    signal.signal(signal.SIGTERM, signal.SIG_IGN if number % 2 else signal.SIG_DFL)
    os.write(pids, b"%d\\n" % os.getpid())
    if number % 7 == 0: os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(600)
for number in range(40):
    if os.fork() == 0:
        if number % 4 > 0: os.setsid()
        if number % 4 > 1 and os.fork(): os._exit(0)
        if number % 4 > 2 and os.fork(): os._exit(0)
        live(number)
for number in range(10):
    code = "import os, time; os.write(%d, b'%%d\\\\n' %% os.getpid()); time.sleep(600)" % pids
    subprocess.Popen([sys.executable, "-c", code], env={}, pass_fds=[pids], start_new_session=number % 2 == 0)
while len(open("pids").readlines()) < 50: time.sleep(0.01)
print("all there", flush=True)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def brood(trials: ProcessTrials, attempt: str) -> list[int]:
    return [int(line) for line in (trials.base(attempt) / "code/pids").read_text().split()]


def warden(trials: ProcessTrials, attempt: str) -> int:
    return int(json.loads((trials.base(attempt) / "warden.json").read_text())["pid"])


def hold(trials: Trials, script: str = HOLD, text: bytes = b"started\n", **fields: object) -> str:
    attempt = trials.start(script, **fields)
    trials.until_log(attempt, text)
    return attempt


class TestDescendants:
    def test_all_are_gone_after_a_stop(self, processes: ProcessTrials) -> None:
        """issue 2: a script that forks children."""
        attempt = hold(processes, BROOD + "time.sleep(600)", b"all there\n")
        pids = brood(processes, attempt)
        assert len(pids) == 50
        assert all(map(alive, pids))
        processes.backend.stop(attempt, 0.2)
        assert processes.end(attempt).signal in (signal.SIGTERM, signal.SIGKILL)
        assert [pid for pid in pids if alive(pid)] == []

    def test_all_are_gone_after_the_commands_own_end(self, processes: ProcessTrials) -> None:
        status, _ = processes.run(BROOD)
        assert (status.exit_code, status.ended_by) == (0, None)
        assert [pid for pid in brood(processes, "t-1") if alive(pid)] == []

    @pytest.mark.parametrize("limit", [None, 10])
    def test_those_that_flee_from_pid_to_pid_are_caught(self, processes: ProcessTrials, limit: int | None) -> None:
        """Each lives for a moment in a session of its own, forks its successor and ends."""
        script = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(30):
    if os.fork() == 0:
        while True:
            time.sleep(0.005)
            if os.fork(): os._exit(0)
            os.setsid()
print("started", flush=True)
time.sleep(600)
"""
        attempt = processes.start(script, limits=Limits(processes=limit))
        if limit is None:
            processes.until_log(attempt, b"started\n")
            processes.backend.stop(attempt, 0)
        status = processes.end(attempt)
        assert (status.signal, status.ended_by) == (signal.SIGKILL, "stop" if limit is None else "processes")
        assert processes.backend.list_owned() == []

    def test_a_cleaner_gets_a_moment_after_the_command(self, processes: ProcessTrials) -> None:
        """As multiprocessing's resource tracker, which ignores SIGTERM and unlinks semaphores when its parent ends."""
        script = """
import os, signal
r, w = os.pipe()
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.close(w)
    os.read(r, 1)
    print("cleaned", flush=True)
    os._exit(0)
"""
        status, log = processes.run(script)
        assert status.exit_code == 0
        assert log == b"cleaned\n"


class TestDeaths:
    def test_of_the_launcher(self, processes: ProcessTrials) -> None:
        """reliability.md R4-R6: whoever comes next sees the trial run on, and its exit code."""
        script = "import sys; print('started', flush=True); open('go').read(); print('done'); sys.exit(5)"
        spec = processes.spec(script)
        assert spec.code is not None
        os.mkfifo(spec.code / "go")  # is not copied
        spec = processes.spec("import os; os.mkfifo('go'); " + script, attempt=spec.attempt)
        processes.launched.append(spec.attempt)
        launcher = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, str(processes.folder / "attempts"), spec.attempt, str(spec.code)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert launcher.stdin is not None
        assert launcher.stdout is not None
        launcher.stdin.write(b"go\n")
        launcher.stdin.close()
        assert launcher.stdout.readline() + launcher.stdout.readline() == b"ready\nlaunched\n"
        processes.until_log(spec.attempt, b"started\n")
        launcher.kill()
        launcher.wait()
        launcher.stdout.close()
        assert processes.backend.status(spec.attempt).phase is Phase.RUNNING
        (processes.base(spec.attempt) / "code/go").write_text("x")
        assert processes.end(spec.attempt).exit_code == 5
        assert processes.log(spec.attempt) == b"started\ndone\n"

    def test_of_the_launcher_before_the_warden_lives(self, processes: ProcessTrials) -> None:
        """An interrupted launch reads as unknown, leaves half a folder, and is simply repeated."""
        spec = processes.spec("print('ran')")
        folder = processes.base(spec.attempt)
        (folder / "input/config").mkdir(parents=True)
        (folder / "code").mkdir()
        (folder / "code/half").touch()
        (folder / "lock").touch()
        assert processes.backend.status(spec.attempt).phase is Phase.UNKNOWN
        assert processes.backend.list_owned() == []
        processes.launch(spec)
        assert processes.end(spec.attempt).exit_code == 0
        assert not (folder / "code/half").exists()

    def test_of_the_launcher_at_any_moment_of_the_launch(self, processes: ProcessTrials) -> None:
        """reliability.md R5: killed 0 to 45 ms after it began, and launched again: the command runs exactly once."""
        script = "import os; open(os.environ['TMPDIR'] + '/../model/ran', 'a').write('x')"
        phases = []
        for number in range(16):
            spec = processes.spec(script, attempt=f"moment-{number}")
            processes.launched.append(spec.attempt)
            with subprocess.Popen(
                [sys.executable, "-c", LAUNCHER, str(processes.folder / "attempts"), spec.attempt, str(spec.code)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            ) as launcher:
                assert launcher.stdin is not None
                assert launcher.stdout is not None
                assert launcher.stdout.readline() == b"ready\n"
                launcher.stdin.write(b"go\n")
                launcher.stdin.flush()
                time.sleep(number * 0.003)
                launcher.kill()
            phases.append(processes.backend.status(spec.attempt).phase)
            processes.launch(spec)
            assert processes.end(spec.attempt).exit_code == 0
            folder = processes.base(spec.attempt)
            assert (folder / "model/ran").read_text() == "x"
        assert Phase.UNKNOWN in phases

    @pytest.mark.parametrize("script", [HOLD, BROOD + "time.sleep(600)"])
    def test_of_the_warden(self, processes: ProcessTrials, script: str) -> None:
        attempt = hold(processes, script, b"\n")
        if script != HOLD:
            processes.until_log(attempt, b"all there\n")
        pids = [] if script == HOLD else brood(processes, attempt)
        processes.backend.wait([attempt], 0)
        os.kill(warden(processes, attempt), signal.SIGKILL)
        assert processes.backend.wait([attempt], 20) == {attempt}, "its end is told although it wrote nothing"
        assert processes.end(attempt).phase is Phase.VANISHED
        assert [pid for pid in pids if alive(pid)] == []
        assert processes.backend.list_owned() == []
        processes.launch(processes.spec(script, attempt=attempt))
        assert processes.backend.status(attempt).phase is Phase.VANISHED, "it does not run a second time"

    def test_stop_and_list_owned_find_what_a_dead_warden_left(self, processes: ProcessTrials) -> None:
        attempt = hold(processes, BROOD + "time.sleep(600)", b"all there\n")
        os.kill(warden(processes, attempt), signal.SIGKILL)
        poll(lambda: not alive(warden(processes, attempt)))
        assert processes.backend.list_owned() == [attempt]
        processes.backend.stop(attempt, 0)
        poll(lambda: not any(map(alive, brood(processes, attempt))))
        assert processes.backend.list_owned() == []

    def test_a_stopped_warden_still_obeys(self, processes: ProcessTrials) -> None:
        attempt = hold(processes, DEAF, b"deaf\n")
        os.kill(warden(processes, attempt), signal.SIGSTOP)
        assert processes.backend.status(attempt).phase is Phase.RUNNING
        assert processes.backend.list_owned() == [attempt]
        processes.backend.stop(attempt, 0)
        assert processes.end(attempt).ended_by == "stop"

    def test_a_warden_that_does_not_do_its_work_is_killed_in_the_end(self, processes: ProcessTrials) -> None:
        attempt = hold(processes, DEAF, b"deaf\n")
        folder = processes.base(attempt)
        os.kill(warden(processes, attempt), signal.SIGSTOP)
        long_ago = time.clock_gettime(time.CLOCK_BOOTTIME) - 3600
        (folder / "stop").write_text(f"0 {long_ago}\n")
        processes.backend.stop(attempt, 0)
        assert processes.end(attempt).phase is Phase.VANISHED
        assert processes.backend.list_owned() == []

    def test_a_shutdown_of_the_machine_is_no_stop(self, processes: ProcessTrials) -> None:
        """SIGTERM from anybody else: the trial may save its work, and the attempt is tried again."""
        attempt = hold(processes)
        os.kill(warden(processes, attempt), signal.SIGTERM)
        assert processes.end(attempt).phase is Phase.VANISHED
        assert processes.backend.list_owned() == []

    def test_a_recycled_pid_is_not_mistaken(self, processes: ProcessTrials) -> None:
        attempt = hold(processes)
        folder = processes.base(attempt)
        identity = json.loads((folder / "warden.json").read_text())
        os.kill(identity["pid"], signal.SIGKILL)
        poll(lambda: not alive(identity["pid"]))
        with subprocess.Popen(["sleep", "600"]) as stranger:
            (folder / "warden.json").write_text(json.dumps(identity | {"pid": stranger.pid}))
            processes.backend.stop(attempt, 0)
            assert processes.backend.status(attempt).phase is Phase.VANISHED
            assert stranger.poll() is None
            stranger.kill()

    def test_a_reboot_is_not_survived(self, processes: ProcessTrials) -> None:
        attempt = hold(processes)
        folder = processes.base(attempt)
        identity = json.loads((folder / "warden.json").read_text())
        (folder / "warden.json").write_text(json.dumps(identity | {"boot": "another"}))
        # The lock says that it is alive after all, as for a warden in another container.
        assert processes.backend.status(attempt).phase is Phase.RUNNING
        os.kill(identity["pid"], signal.SIGKILL)
        assert processes.end(attempt).phase is Phase.VANISHED

    def test_no_zombie_is_left_to_the_launcher(self, processes: ProcessTrials) -> None:
        processes.run("pass")
        children = Path(f"/proc/self/task/{threading.main_thread().native_id}/children").read_text().split()
        states = [Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] for pid in children]
        assert b"Z" not in states


LAUNCHER = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from tuning.backends import LaunchSpec
    from tuning.backends.process import ProcessBackend
    root, attempt, code = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    backend = ProcessBackend(root)
    print("ready", flush=True)
    sys.stdin.readline()
    backend.launch(LaunchSpec(
        attempt=attempt, command=(sys.executable, "train.py"), code=code, checkpoints=root.parent / "checkpoints"))
    print("launched", flush=True)
    time.sleep(600)
""")


class TestLaunch:
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
        # Python itself ignores SIGPIPE (bit 12) and SIGXFSZ (bit 24) in every program.
        assert eval(lines[1]) == ["SigBlk:\t0000000000000000\n", "SigIgn:\t0000000001001000\n", "NoNewPrivs:\t1\n"]
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
        monkeypatch.setattr("tuning.backends.start.ENTRANCE", "raise SystemExit('broken')")
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
        attempt = hold(processes, HOLD, attempt="same")
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


class TestHostileFiles:
    """A trial may put anything in its folder; nobody who reads it hangs, follows links or falls over."""

    @pytest.mark.parametrize(
        "trick",
        [
            "os.symlink('/etc/passwd', '{base}/output/failure')",
            "os.mkfifo('{base}/output/failure')",
            "os.mkdir('{base}/output/failure')",
            "os.rmdir('{base}/output/data'), os.rmdir('{base}/output/intermediate'), os.rmdir('{base}/output'), "
            "os.symlink('/etc', '{base}/output')",
            "open('{base}/output/failure', 'w')",
        ],
    )
    def test_as_failure_file(self, processes: ProcessTrials, trick: str) -> None:
        code = f"import os; base = os.environ['SAGEMAKER_BASE_DIR']; {trick}".replace("'{base}", "base + '")
        status, log = processes.run(code)
        assert (status.exit_code, status.failure) == (0, None), log

    def test_a_failure_with_nul_and_broken_text(self, processes: ProcessTrials) -> None:
        status, _ = processes.run("open('../output/failure', 'wb').write(b'a\\0b\\xff')")
        assert status.failure == "a\ufffdb\ufffd"

    @pytest.mark.parametrize(
        "trick", ["os.symlink('/etc/passwd', '../log')", "os.mkfifo('../log')", "os.mkdir('../log')"]
    )
    def test_as_log(self, processes: ProcessTrials, trick: str) -> None:
        status, log = processes.run(f"import os; os.remove('../log'); {trick}")
        assert (status.exit_code, log) == (0, b"")
        processes.backend.log_size("t-1")

    @pytest.mark.parametrize("text", ["", "[" * 4000, "[]", "{}", '{"exit_code": "x"}', "\0", '{"exit_code": 0}'])
    def test_as_exit_json_after_a_power_cut(self, processes: ProcessTrials, text: str) -> None:
        processes.run("pass")
        folder = processes.base("t-1")
        poll(lambda: not alive(warden(processes, "t-1")))
        (folder / "exit.json").write_text(text)
        assert processes.backend.status("t-1").phase is Phase.VANISHED
        (folder / "vanished").unlink()
        (folder / "warden.json").write_text(text)
        assert processes.backend.status("t-1").phase is Phase.VANISHED

    def test_folders_that_are_hard_to_remove(self, processes: ProcessTrials) -> None:
        script = """
import os
os.makedirs("closed/inner")
open("closed/inner/file", "w").close()
os.chmod("closed/inner", 0); os.chmod("closed", 0)
for _ in range(1100):
    os.mkdir("d" * 100); os.chdir("d" * 100)
"""
        status, log = processes.run(script)
        assert status.exit_code == 0, log
        processes.backend.discard("t-1")
        root = processes.base("t-1").parent
        assert list((root / ".discarded").iterdir()) == []

    def test_inputs_survive_a_discard(self, processes: ProcessTrials, tmp_path: Path) -> None:
        data = tmp_path / "data"
        data.mkdir()
        (data / "file").write_text("x")
        processes.run("import os; os.symlink(os.environ['SM_CHANNEL_TRAIN'], 'more')", channels={"train": data})
        processes.backend.discard("t-1")
        assert (data / "file").read_text() == "x"
        assert (tmp_path / "checkpoints").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_costs_output_but_not_the_end(tmp_path: Path) -> None:
    """reliability.md R22: no half number, no hang, and the exit code is known."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    try:
        backend = ProcessBackend(disk / "attempts")
        trials = Trials(backend, tmp_path)
        script = """
import os
for i in range(2000): print("f1 = 0.123456789")
with open("fill", "wb", buffering=0) as file:
    try:
        while True: file.write(bytes(1000))
    except OSError: pass
for i in range(20000): print("f1 = 0.123456789")
os.remove("fill")
for i in range(10): print("f1 = 0.123456789", flush=True)
raise SystemExit(4)
"""
        status, log = trials.run(script)
        assert status.exit_code == 4
        assert status.log_lost_bytes > 0
        lines = log.decode().splitlines()
        assert {line for line in lines if not line.startswith("[hpt]")} == {"f1 = 0.123456789"}
        backend.close()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


class TestWithoutInotify:
    def test_files_are_compared_instead(self, processes: ProcessTrials, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise OSError("too many instances")

        monkeypatch.setattr("tuning.backends.watch.INotify", refuse)
        status, log = processes.run("print('x')")
        assert (status.exit_code, log) == (0, b"x\n")
        attempt = hold(processes)
        processes.backend.wait([attempt], 0)
        threading.Timer(0.02, processes.backend.wake).start()
        assert processes.backend.wait([attempt], 30) == set()
        os.kill(warden(processes, attempt), signal.SIGKILL)
        assert processes.backend.wait([attempt], 30) == {attempt}

    def test_a_fork_watches_for_itself(self, processes: ProcessTrials) -> None:
        attempt = hold(processes)
        processes.backend.wait([attempt], 0)
        child = os.fork()
        if child == 0:
            os._exit(0 if processes.backend.wait([attempt], 5) == {attempt} else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    def test_one_wait_at_a_time(self, processes: ProcessTrials) -> None:
        attempt = hold(processes)
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


def test_a_spec_keeps_its_fields_by_name() -> None:
    spec = LaunchSpec(attempt="a", command=("x",), checkpoints=Path("c"))
    assert replace(spec, attempt="b").attempt == "b"
    assert spec.limits.log_bytes == 256 * 1024 * 1024
