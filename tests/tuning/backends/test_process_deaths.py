"""What dies, and what may be left of it: descendants, wardens, launchers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from tests.tuning.backends.harness import BROOD, DEAF, HOLD, ProcessTrials, alive, poll
from tuning.backends import Limits, Phase

ROOT = Path(__file__).resolve().parents[3]
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


def brood(trials: ProcessTrials, attempt: str) -> list[int]:
    return [int(line) for line in (trials.base(attempt) / "code/pids").read_text().split()]


class TestDescendants:
    def test_all_are_gone_after_a_stop(self, processes: ProcessTrials) -> None:
        """issue 2: a script that forks children."""
        attempt = processes.hold(BROOD + "time.sleep(600)", b"all there\n")
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
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # before the fork: the child must not be told to end before it ignores it
if os.fork() == 0:
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
        attempt = processes.hold(script, b"\n")
        if script != HOLD:
            processes.until_log(attempt, b"all there\n")
        pids = [] if script == HOLD else brood(processes, attempt)
        processes.backend.wait([attempt], 0)
        os.kill(processes.warden(attempt), signal.SIGKILL)
        assert processes.backend.wait([attempt], 20) == {attempt}, "its end is told although it wrote nothing"
        assert processes.end(attempt).phase is Phase.VANISHED
        assert [pid for pid in pids if alive(pid)] == []
        assert processes.backend.list_owned() == []
        processes.launch(processes.spec(script, attempt=attempt))
        assert processes.backend.status(attempt).phase is Phase.VANISHED, "it does not run a second time"

    def test_stop_and_list_owned_find_what_a_dead_warden_left(self, processes: ProcessTrials) -> None:
        attempt = processes.hold(BROOD + "time.sleep(600)", b"all there\n")
        os.kill(processes.warden(attempt), signal.SIGKILL)
        poll(lambda: not alive(processes.warden(attempt)))
        assert processes.backend.list_owned() == [attempt]
        processes.backend.stop(attempt, 0)
        poll(lambda: not any(map(alive, brood(processes, attempt))))
        assert processes.backend.list_owned() == []

    def test_a_stopped_warden_still_obeys(self, processes: ProcessTrials) -> None:
        attempt = processes.hold(DEAF, b"deaf\n")
        os.kill(processes.warden(attempt), signal.SIGSTOP)
        assert processes.backend.status(attempt).phase is Phase.RUNNING
        assert processes.backend.list_owned() == [attempt]
        processes.backend.stop(attempt, 0)
        assert processes.end(attempt).ended_by == "stop"

    def test_a_warden_that_does_not_do_its_work_is_killed_in_the_end(self, processes: ProcessTrials) -> None:
        attempt = processes.hold(DEAF, b"deaf\n")
        folder = processes.base(attempt)
        os.kill(processes.warden(attempt), signal.SIGSTOP)
        long_ago = time.clock_gettime(time.CLOCK_BOOTTIME) - 3600
        (folder / "stop").write_text(f"0 {long_ago}\n")
        processes.backend.stop(attempt, 0)
        assert processes.end(attempt).phase is Phase.VANISHED
        assert processes.backend.list_owned() == []

    def test_a_shutdown_of_the_machine_is_no_stop(self, processes: ProcessTrials) -> None:
        """SIGTERM from anybody else: the trial may save its work, and the attempt is tried again."""
        attempt = processes.hold()
        os.kill(processes.warden(attempt), signal.SIGTERM)
        assert processes.end(attempt).phase is Phase.VANISHED
        assert processes.backend.list_owned() == []

    def test_a_recycled_pid_is_not_mistaken(self, processes: ProcessTrials) -> None:
        attempt = processes.hold()
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
        attempt = processes.hold()
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
