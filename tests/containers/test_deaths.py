"""What dies, and what may be lost by it: launchers, wardens, followers, the engine. Nothing, mostly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.containers.harness import PYTHON, ContainerTrials
from tests.engine import Engine
from tests.tuning.backends.harness import BROOD, DEAF, poll
from tuning.backends import Limits, Phase
from tuning.backends.docker import DockerBackend
from tuning.errors import BackendError

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = textwrap.dedent(f"""
    import sys, time
    from pathlib import Path
    from tuning.backends import LaunchSpec
    from tuning.backends.docker import DockerBackend
    root, url, attempt, code = Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])
    backend = DockerBackend(root, url)
    print("ready", flush=True)
    sys.stdin.readline()
    backend.launch(LaunchSpec(attempt=attempt, command=("python3", "train.py"), code=code, image={PYTHON!r},
                              checkpoints=root.parent / "checkpoints"))
    print("launched", flush=True)
    sys.stdin.readline()
    backend.stop(attempt, 0.5)
    print("stopped", flush=True)
    time.sleep(600)
""")


class Launcher:
    """Another process that launches an attempt when it is told to, then stops it, and can be killed at any moment."""

    def __init__(self, trials: ContainerTrials, attempt: str) -> None:
        command = [sys.executable, "-c", LAUNCHER, str(trials.folder / "attempts"), trials.backend.engine.url]
        self.process = subprocess.Popen(
            [*command, attempt, str(trials.folder / "code" / attempt)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.expect("ready")

    def expect(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().decode() == f"{word}\n"

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


class TestOfTheLauncher:
    def test_at_any_moment_of_the_launch(self, containers: ContainerTrials) -> None:
        """reliability.md R5: killed 0 to 400 ms after it began, and launched again: the command runs exactly once."""
        script = "import os; open(os.environ['SM_MODEL_DIR'] + '/ran', 'a').write('x')"
        phases = set()
        for number in range(10):
            spec = containers.spec(script, attempt=f"moment-{number}")
            containers.launched.append(spec.attempt)
            launcher = Launcher(containers, spec.attempt)
            launcher.go()
            time.sleep(number * 0.045)  # the moment is what is tested
            launcher.kill()
            phases.add(containers.backend.status(spec.attempt).phase)
            containers.launch(spec)
            status = containers.end(spec.attempt)
            if status.phase is not Phase.VANISHED:  # its container was removed before anything of it had run
                assert status.exit_code == 0
                assert (containers.base(spec.attempt) / "model/ran").read_text() == "x"
        assert Phase.UNKNOWN in phases

    @pytest.mark.parametrize("moment", ["create", "start"])
    def test_what_it_left_is_collected(
        self, containers: ContainerTrials, monkeypatch: pytest.MonkeyPatch, moment: str
    ) -> None:
        """A container that was made, and maybe started, but has no order: its warden starts nothing."""
        spec = containers.spec("print('ran')")
        backend = containers.backend
        real = getattr(backend.engine, moment)

        def die(*arguments: object) -> None:
            real(*arguments)
            raise KeyboardInterrupt

        monkeypatch.setattr("tuning.backends.docker.launch.Handover._push", lambda _: None)
        monkeypatch.setattr(backend.engine, moment, die)
        with pytest.raises(KeyboardInterrupt):
            containers.launch(spec)
        monkeypatch.undo()
        assert backend.status(spec.attempt).phase is Phase.UNKNOWN
        assert (containers.left() == []) == (moment == "create")
        containers.launch(spec)
        assert containers.end(spec.attempt).exit_code == 0
        assert containers.log(spec.attempt) == b"ran\n"
        poll(lambda: containers.left() == [])

    def test_after_it_asked_for_the_end(self, containers: ContainerTrials) -> None:
        """A container that ignores SIGTERM gets SIGKILL although nobody of ours is alive to send it."""
        spec = containers.spec(DEAF)
        containers.launched.append(spec.attempt)
        launcher = Launcher(containers, spec.attempt)
        launcher.go()
        launcher.expect("launched")
        containers.until_log(spec.attempt, b"deaf\n")
        launcher.go()
        launcher.expect("stopped")
        launcher.kill()
        status = containers.end(spec.attempt)
        assert (status.signal, status.ended_by) == (signal.SIGKILL, "stop")

    def test_before_it_noted_who_the_warden_is(self, containers: ContainerTrials) -> None:
        attempt = containers.hold()
        (containers.base(attempt) / "warden.json").unlink()
        assert containers.backend.status(attempt).phase is Phase.RUNNING
        assert containers.warden(attempt) > 0
        (containers.base(attempt) / "warden.json").unlink()
        containers.launch(containers.spec("", attempt=attempt))
        assert containers.backend.status(attempt).phase is Phase.RUNNING
        assert containers.log(attempt) == b"started\n"


class TestOfTheWarden:
    def test_a_container_killed_by_hand(self, containers: ContainerTrials, engine: Engine) -> None:
        """reliability.md R24: neither an exit nor a lack of memory, but lost; everything in it is gone."""
        attempt = containers.hold()
        containers.backend.wait([attempt], 0)
        client = engine.client()
        client.kill(containers.backend.name(attempt))
        client.close()
        assert containers.backend.wait([attempt], 20) == {attempt}, "its end is told although it wrote nothing"
        assert containers.end(attempt).phase is Phase.VANISHED
        assert containers.backend.list_owned() == []
        containers.launch(containers.spec("", attempt=attempt))
        assert containers.backend.status(attempt).phase is Phase.VANISHED, "it does not run a second time"

    @pytest.mark.usefixtures("bounded")
    def test_for_want_of_memory(self, containers: ContainerTrials, engine: Engine) -> None:
        """Nobody in the container can say why any more. If the engine knows, it is told; else it is lost."""
        script = """
import os, time
open("/proc/self/oom_score_adj", "w").write("0")
print("started", flush=True)
while not os.path.exists(os.environ["HPT_CHECKPOINTS"] + "/go"): time.sleep(0.01)
x = b"x" * (1 << 30)
"""
        attempt = containers.hold(script, limits=Limits(memory_bytes=1 << 27))
        Path(f"/proc/{containers.warden(attempt)}/oom_score_adj").write_text("1000")
        (containers.folder / "checkpoints/go").touch()
        status = containers.end(attempt)
        client = engine.client()
        known = client.inspect_container(containers.backend.name(attempt))["State"]["OOMKilled"]
        client.close()
        told = (Phase.ENDED, signal.SIGKILL, "memory_bytes") if known else (Phase.VANISHED, None, None)
        assert (status.phase, status.signal, status.ended_by) == told

    def test_a_container_stopped_by_hand(self, containers: ContainerTrials, engine: Engine) -> None:
        attempt = containers.hold()
        client = engine.client()
        client.stop(containers.backend.name(attempt), timeout=20)
        client.close()
        assert containers.end(attempt).phase is Phase.VANISHED

    @pytest.mark.usefixtures("bounded")
    def test_a_container_paused_by_hand_still_obeys(self, containers: ContainerTrials, engine: Engine) -> None:
        attempt = containers.hold(DEAF, b"deaf\n")
        client = engine.client()
        client.pause(containers.backend.name(attempt))
        assert containers.backend.status(attempt).phase is Phase.RUNNING
        assert containers.backend.list_owned() == [attempt]
        containers.backend.stop(attempt, 0)
        assert containers.end(attempt).ended_by == "stop"
        client.close()

    def test_one_that_does_not_do_its_work_is_killed_in_the_end(self, containers: ContainerTrials) -> None:
        attempt = containers.hold(DEAF, b"deaf\n")
        os.kill(containers.warden(attempt), signal.SIGSTOP)
        asked = containers.base(attempt) / "asked"
        asked.mkdir(exist_ok=True)
        long_ago = time.clock_gettime(time.CLOCK_BOOTTIME) - 3600
        (asked / "stop").write_text(f"0 {long_ago}\n")
        containers.backend.stop(attempt, 0)
        assert containers.end(attempt).phase is Phase.VANISHED
        assert containers.backend.list_owned() == []

    @pytest.mark.parametrize("namespace", ["ours", "another"])
    def test_all_it_forked_ends_with_it(self, containers: ContainerTrials, namespace: str) -> None:
        attempt = containers.start(BROOD + "time.sleep(600)")
        containers.until_log(attempt, b"all there\n")
        if namespace == "another":  # where its number means nothing, the engine is asked
            (containers.base(attempt) / "warden.json").write_text('{"pid": 0, "start_time": 0, "boot": ""}')
            assert containers.backend.status(attempt).phase is Phase.RUNNING
        containers.backend.stop(attempt, 0.2)
        assert containers.end(attempt).ended_by == "stop"
        poll(lambda: containers.left() == [])


class TestOfTheEngine:
    def test_trials_run_on_and_are_followed_without_it(self, containers: ContainerTrials, engine: Engine) -> None:
        """reliability.md R23: kill -9 of dockerd: no line is lost or read twice, and ends and stops are as ever."""
        script = """
import os, time
number = 0
while not os.path.exists(os.environ["HPT_CHECKPOINTS"] + "/enough"):
    print("f1 =", number, flush=True)
    number += 1
    time.sleep(0.01)
raise SystemExit(5)
"""
        attempt = containers.hold(script, b"f1 = 1\n")
        stopped = containers.hold(DEAF, b"deaf\n")
        read = containers.log(attempt)
        engine.kill()
        try:
            assert containers.backend.status(attempt).phase is Phase.RUNNING
            with pytest.raises(BackendError, match="does not answer") as error:
                containers.backend.list_owned()
            assert error.value.retryable
            with pytest.raises(BackendError) as error:
                containers.launch(containers.spec("print('later')", attempt="later"))
            assert error.value.retryable
            containers.until(lambda: containers.backend.log_size(attempt) > len(read) + 200, attempt)
            containers.backend.stop(stopped, 0.1)
            assert containers.end(stopped).ended_by == "stop"
            # Another follower goes on where the first one was.
            follower = DockerBackend(containers.folder / "attempts", engine.url)
            read += follower.read_log(attempt, len(read), 1 << 20)
            follower.close()
        finally:
            engine.start()
        assert containers.backend.list_owned() == [attempt]
        (containers.folder / "checkpoints/enough").touch()
        assert containers.end(attempt).exit_code == 5
        read += containers.backend.read_log(attempt, len(read), 1 << 20)
        lines = read.decode().splitlines()
        assert lines == [f"f1 = {number}" for number in range(len(lines))]
        containers.launch(containers.spec("print('later')", attempt="later"))
        assert containers.end("later").exit_code == 0
        poll(lambda: containers.left() == [])
