"""Containers that serve one attempt after another: when they may, what the next one finds, and what is left of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.containers.harness import LINES, PYTHON, WarmTrials
from tests.engine import Engine
from tests.tuning.backends.harness import alive, poll
from tuning.backends import Limits, Phase
from tuning.backends.docker import DockerBackend, container
from tuning.errors import BackendError


@pytest.fixture
def warm(backend: DockerBackend, tmp_path: Path) -> Iterator[WarmTrials]:
    trials = WarmTrials(backend, tmp_path)
    yield trials
    trials.clean_up()


class TestReuse:
    def test_one_container_serves_attempt_after_attempt(self, warm: WarmTrials) -> None:
        wardens = set()
        for number in range(4):
            attempt = warm.first(f"print('f1 =', {number})", hyperparameters={"n": str(number)})
            assert warm.log(attempt) == f"f1 = {number}\n".encode()
            wardens.add(warm.served_by(attempt))
            assert len(warm.containers()) == 1
        assert len(wardens) == 1
        assert warm.backend.list_owned() == [], "an idle container is no attempt that runs"

    def test_each_is_followed_without_loss_or_repeat(self, warm: WarmTrials) -> None:
        """Also what is read of an attempt while its container goes on with the next."""
        script = "import time\nfor i in range(200): print('f1 =', i, flush=True); time.sleep(0.002)"
        one = warm.first(script)
        two = warm.start(script)
        assert warm.log(one).decode().splitlines() == [f"f1 = {i}" for i in range(200)]
        assert warm.backend.status(one).phase is Phase.ENDED
        read, warm.launched = b"", [one, two]
        while warm.backend.status(two).phase is Phase.RUNNING:
            if two in warm.backend.wait([one, two], 5):
                read += warm.backend.read_log(two, len(read), 1 << 20)
        read += warm.backend.read_log(two, len(read), 1 << 20)
        assert read.decode().splitlines() == [f"f1 = {i}" for i in range(200)]
        assert warm.served_by(one) == warm.served_by(two)

    def test_its_own_configuration_and_environment(self, warm: WarmTrials) -> None:
        script = """
import json, os
print(json.load(open("/opt/ml/input/config/hyperparameters.json")), os.environ.get("ONE"), os.environ.get("TWO"),
      os.environ["TRAINING_JOB_NAME"], sorted(os.listdir("/opt/ml/input/data/train")))
"""
        data = warm.folder / "data"
        data.mkdir()
        (data / "t.csv").write_text("1")
        both = {"channels": {"train": data}}
        one = warm.first(script, hyperparameters={"x": "1"}, environment={"ONE": "1"}, names={"trial": "a"}, **both)
        two = warm.first(script, hyperparameters={"x": "2"}, environment={"TWO": "2"}, names={"trial": "b"}, **both)
        assert warm.log(one).decode() == "{'x': '1'} 1 None a ['t.csv']\n"
        assert warm.log(two).decode() == "{'x': '2'} None 2 b ['t.csv']\n"
        assert warm.served_by(one) == warm.served_by(two)
        assert [warm.backend.status(attempt).kept for attempt in (one, two)] == [False, True]

    def test_what_it_left_stays_its_own(self, warm: WarmTrials, tmp_path: Path) -> None:
        script = """
import os, sys
open("/opt/ml/model/m", "w").write(sys.argv[1])
os.makedirs("/opt/ml/output/data/deep/er"); open("/opt/ml/output/data/deep/er/x", "w").write(sys.argv[1])
with open("/opt/ml/checkpoints/steps", "a") as file: file.write(sys.argv[1])
"""
        places = [tmp_path / "kept" / name for name in "ab"]
        attempts = [warm.start(script, name, checkpoints=place) for name, place in zip("ab", places, strict=True)]
        for attempt in attempts:
            assert warm.end(attempt).exit_code == 0
        attempts.append(warm.start(script, "c", checkpoints=places[0]))  # goes on from what the first one left
        assert warm.end(attempts[2]).exit_code == 0
        for name, attempt in zip("abc", attempts, strict=True):
            base = warm.base(attempt)
            assert (base / "model/m").read_text() == name
            assert (base / "output/data/deep/er/x").read_text() == name
            assert (base / "model/m").stat().st_nlink == 1
        assert (places[0] / "steps").read_text() == "ac"
        assert (places[1] / "steps").read_text() == "b"
        assert warm.served_by(attempts[2]) in {warm.served_by(attempt) for attempt in attempts[:2]}

    def test_limits_and_stops_are_those_of_the_attempt(self, warm: WarmTrials) -> None:
        one = warm.first()
        two = warm.hold("import time; print('started', flush=True); time.sleep(600)")
        assert warm.backend.list_owned() == [two]
        assert warm.backend.usage(two) is not None
        warm.backend.stop(two, 5)
        assert warm.end(two).ended_by == "stop"
        assert warm.served_by(one) == warm.served_by(two)
        three = warm.start("import time; time.sleep(600)", limits=Limits(wall_seconds=0.3))
        assert warm.end(three).ended_by == "wall_seconds"
        assert warm.served_by(three) != warm.served_by(two), "one that was stopped is not used again"

    def test_an_attempt_stopped_before_its_launch_never_runs(self, warm: WarmTrials) -> None:
        warm.first()
        spec = warm.spec("print('ran')")
        warm.backend.stop(spec.attempt, 0)
        warm.launch(spec)
        assert warm.end(spec.attempt).ended_by == "stop"
        assert warm.log(spec.attempt) == b""

    def test_discarding_an_attempt_leaves_its_container_to_the_next(self, warm: WarmTrials) -> None:
        one = warm.first()
        two = warm.hold()
        warm.backend.discard(one)
        assert warm.backend.status(two).phase is Phase.RUNNING
        warm.backend.stop(two, 0)
        assert warm.end(two).ended_by == "stop"

    def test_what_an_engine_adds_in_memory_is_emptied_too(
        self, warm: WarmTrials, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As Podman does where the root is read-only."""
        made, folders = container.document, {"/run": "mode=1777", "/var/tmp": "mode=1777"}

        def document(*arguments: Any, **named: Any) -> dict[str, Any]:
            told = made(*arguments, **named)
            return told | {"HostConfig": told["HostConfig"] | {"Tmpfs": folders}}

        monkeypatch.setattr(container, "document", document)
        script = """
import os
print(os.listdir("/run") + os.listdir("/var/tmp"))
os.makedirs("/run/a/b")
open("/var/tmp/x", "w").write("x")
"""
        one, two = warm.first(script), warm.first(script)
        assert warm.log(two) == b"[]\n"
        assert warm.served_by(one) == warm.served_by(two)


class TestMatching:
    @pytest.mark.parametrize(
        "change",
        [
            {"pool": "another job"},
            {"pool": "", "keep_alive_seconds": 0},
            {"limits": Limits(memory_bytes=1 << 28)},
            {"limits": Limits(processes=77)},
            {"limits": Limits(cpus=0.5)},
            {"names": {"project": "other"}},
            {"gpus": ()},
            {"entrypoint": (), "code": None, "command": ("/bin/true",)},
        ],
        ids=str,
    )
    def test_another_container_for_anything_else(self, warm: WarmTrials, change: dict[str, Any]) -> None:
        one = warm.first()
        two = warm.first(**({"gpus": None} | change)) if change != {"gpus": ()} else warm.first(gpus=("0",)[:0])
        same = change == {"gpus": ()}  # no GPUs, and those of the host, are the same container
        assert (warm.served_by(one) == warm.served_by(two)) is same

    @pytest.mark.usefixtures("gpus_of_none")
    def test_the_gpus_that_it_was_made_with(self, warm: WarmTrials) -> None:
        def devices(attempt: str) -> list[str]:
            variables = Path(f"/proc/{warm.served_by(attempt)}/environ").read_bytes().decode().split("\0")
            return [variable for variable in variables if variable.startswith("NVIDIA_VISIBLE_DEVICES=")]

        one, two = warm.first(gpus=("GPU-a",)), warm.first(gpus=("GPU-b",))
        three, four = warm.first(gpus=("GPU-a",)), warm.first(gpus=("GPU-a", "GPU-b"))
        wardens = [warm.served_by(attempt) for attempt in (one, two, three, four)]
        assert wardens[0] == wardens[2] and len(set(wardens)) == 3
        assert [devices(attempt) for attempt in (one, two, three, four)] == [
            [f"NVIDIA_VISIBLE_DEVICES={ids}"] for ids in ("GPU-a", "GPU-b", "GPU-a", "GPU-a,GPU-b")
        ]

    def test_another_dataset(self, warm: WarmTrials, tmp_path: Path) -> None:
        data = tmp_path / "data"
        data.mkdir()
        one = warm.first(channels={"train": data})
        two = warm.first(channels={"train": data})
        data.rename(tmp_path / "old")
        data.mkdir()
        three = warm.first(channels={"train": data})
        wardens = [warm.served_by(attempt) for attempt in (one, two, three)]
        assert wardens[0] == wardens[1] != wardens[2]

    def test_off_by_default(self, warm: WarmTrials) -> None:
        warm.first(keep_alive_seconds=0)
        poll(lambda: warm.backend.list_owned() == [] and warm.containers() == [])

    def test_what_is_asked_for_is_checked(self, warm: WarmTrials) -> None:
        with pytest.raises(BackendError, match="keep_alive_seconds is 3601"):
            warm.launch(warm.spec(keep_alive_seconds=3601))


DIRTY = {
    "files": """
import os
for folder in ("/tmp", "/opt/ml/home", "/opt/ml/model", "/opt/ml/output", "/opt/ml/output/data", "/opt/ml/code",
               "/opt/ml/checkpoints", "/dev/shm"):
    os.makedirs(folder + "/.hidden/deep", exist_ok=True)
    for name in ("/x", "/.hidden/deep/y"): open(folder + name, "w").write("secret")
    os.symlink("/etc/passwd", folder + "/link")
    os.mkfifo(folder + "/pipe")
""",
    "process": "import os, time\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0: time.sleep(600)\n os._exit(0)",
    "modes": "import os\nfor name in ('model', 'home', 'output'): os.chmod('/opt/ml/' + name, 0o777)",
    "closed": "import os\nos.makedirs('/tmp/a/b'); os.chmod('/tmp/a/b', 0); os.chmod('/tmp/a', 0)",
}
LOOK = """
import json, os
found = {}
for folder in ("/tmp", "/opt/ml/home", "/opt/ml/model", "/opt/ml/output", "/opt/ml/code", "/opt/ml/checkpoints",
               "/dev/shm", "/dev/mqueue", "/.hpt/told", "/.hpt/asked", "/opt/ml/input"):
    found[folder] = sorted(os.path.join(at, name) for at, folders, files in os.walk(folder) for name in folders + files)
    found[folder].append(oct(os.stat(folder).st_mode))
found["processes"] = len([name for name in os.listdir("/proc") if name.isdigit()])
found["environment"] = sorted(os.environ)
found["limits"] = open("/proc/self/limits").read()
found["ipc"] = [len(open("/proc/sysvipc/" + kind).readlines()) for kind in ("shm", "sem", "msg")]
print(json.dumps(found))
"""


class TestWiping:
    @pytest.mark.parametrize("dirt", DIRTY)
    def test_the_next_finds_what_the_first_found(self, warm: WarmTrials, tmp_path: Path, dirt: str) -> None:
        clean = json.loads(warm.log(warm.first(LOOK, pool="reference", checkpoints=tmp_path / "c1")))
        one = warm.first(DIRTY[dirt], environment={"SECRET": "x"}, checkpoints=tmp_path / "c2")
        two = warm.first(LOOK, checkpoints=tmp_path / "c3")
        looked_into = dirt != "closed" or os.geteuid() == 0  # what a service cannot look into is not used again
        assert (warm.served_by(one) == warm.served_by(two)) is looked_into
        assert json.loads(warm.log(two)) == clean
        if dirt == "files":
            assert (tmp_path / "c2/.hidden/deep/y").read_text() == "secret"
            assert (warm.base(one) / "model/link").is_symlink()

    @pytest.mark.parametrize(
        "suspicious",
        [
            "open('/.hpt/told/order', 'w').write('x 3\\nabc')",
            "import resource; resource.prlimit(1, resource.RLIMIT_FSIZE, (1000, 1000))",
            "import os; os.sched_setaffinity(1, {0})",
            "for i in range(5000): open(f'/tmp/{i}', 'w').close()",
            "import os; os.setxattr('/opt/ml/model', 'user.x', b'1')",
            "import os; os.remove('/.hpt/told/log'); os.mkfifo('/.hpt/told/logs')",
        ],
    )
    def test_what_looks_odd_is_not_used_again(self, warm: WarmTrials, suspicious: str) -> None:
        one = warm.first(suspicious)
        two = warm.first()
        assert warm.served_by(one) != warm.served_by(two)
        assert warm.log(two).count(b"f1") == LINES

    @pytest.mark.parametrize("end", ["raise SystemExit(1)", "import os; os.kill(os.getpid(), 9)"])
    def test_after_a_failure_there_is_a_new_one(self, warm: WarmTrials, end: str) -> None:
        one = warm.start(end)
        assert warm.end(one).exit_code != 0
        two = warm.first()
        assert warm.served_by(one) != warm.served_by(two)

    @pytest.mark.usefixtures("bounded")
    def test_after_a_child_that_was_killed_for_want_of_memory(self, warm: WarmTrials) -> None:
        limits = Limits(memory_bytes=1 << 27)
        one = warm.first("import os\nif os.fork() == 0: x = b'x' * (1 << 30)\nos.wait()", limits=limits)
        two = warm.first(limits=limits)
        assert warm.served_by(one) != warm.served_by(two)


class TestEnding:
    def test_after_its_time_although_nobody_of_ours_is_there(self, warm: WarmTrials) -> None:
        one = warm.first(keep_alive_seconds=0.5)
        warden = warm.served_by(one)
        assert alive(warden)
        poll(lambda: not alive(warden))
        two = warm.first()
        assert warm.served_by(two) != warden
        poll(lambda: warm.backend.list_owned() == [] and len(warm.containers()) == 1)

    def test_when_its_pool_is_over(self, warm: WarmTrials) -> None:
        wardens = [warm.served_by(warm.first(pool=pool)) for pool in ("one", "two")]
        running = warm.hold(pool="three")
        warm.backend.retire(["two", "three"])
        assert [alive(warden) for warden in wardens] == [False, True]
        warm.backend.retire(())
        assert [alive(warden) for warden in wardens] == [False, False]
        assert warm.backend.status(running).phase is Phase.RUNNING

    def test_one_that_is_killed_while_idle_is_replaced(self, warm: WarmTrials, engine: Engine) -> None:
        one = warm.first()
        client = engine.client()
        client.kill(warm.idle()[0])
        client.close()
        poll(lambda: not alive(warm.served_by(one)))
        assert warm.served_by(warm.first()) != warm.served_by(one)
        assert warm.backend.status(one).exit_code == 0

    def test_while_the_engine_is_away_it_ends_as_well(self, warm: WarmTrials, engine: Engine) -> None:
        one = warm.first(keep_alive_seconds=0.5)
        engine.kill()
        try:
            poll(lambda: not alive(warm.served_by(one)))
        finally:
            engine.start()


LAUNCHER = f"""
import sys
from pathlib import Path
from tuning.backends import LaunchSpec
from tuning.backends.docker import DockerBackend
folder, url, attempt = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
backend = DockerBackend(folder / "attempts", url)
backend.list_owned()
print("ready", flush=True)
sys.stdin.readline()
backend.launch(LaunchSpec(attempt=attempt, command=("python3", "train.py"), code=folder / "code" / attempt,
                          image={PYTHON!r}, checkpoints=folder / "checkpoints", pool="job", keep_alive_seconds=60))
"""


class TestOfTheLauncher:
    """Killed at any step of handing a container on: nothing is half done, and the attempt can be launched again."""

    @pytest.mark.parametrize(
        "step", ["_write", "_unshelve", "put_in", "furnish", "Handover.__init__", "Handover._push", "pass_on"]
    )
    def test_killed_while_it_takes_one(
        self, warm: WarmTrials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        keep = "for path in ('model/ran', 'checkpoints/step'): open('/opt/ml/' + path, 'a').write('x')"
        one = warm.first(keep, checkpoints=tmp_path / "c1")
        module = "launch" if step.startswith("Handover") else "backend" if step in ("furnish", "pass_on") else "pool"
        target = f"tuning.backends.docker.{module}.{'Pool.' if step in ('_write', '_unshelve') else ''}{step}"
        for before in (True, False):
            spec = warm.spec(keep, checkpoints=tmp_path / "c2")
            _die_at(monkeypatch, target, before)
            with pytest.raises(KeyboardInterrupt):
                warm.launch(spec)
            monkeypatch.undo()
            warm.launch(spec)
            status = warm.end(spec.attempt)
            if status.phase is not Phase.VANISHED:  # its container was removed at the moment in which it took the order
                assert (status.exit_code, (warm.base(spec.attempt) / "model/ran").read_text()) == (0, "x")
            assert warm.backend.status(one).exit_code == 0
            assert (tmp_path / "c1/step").read_text() == "x"

    @pytest.mark.parametrize("step", ["take_out", "empty", "Pool._shelve", "Pool._write"])
    def test_killed_while_it_parks_one(
        self, warm: WarmTrials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        script = "for name in ('model', 'checkpoints'): open(f'/opt/ml/{name}/kept', 'w').write('x')\nprint('f1 = 1')"
        for number, before in enumerate((True, False)):
            checkpoints = tmp_path / f"c{number}"
            attempt = warm.start(script, checkpoints=checkpoints)
            told = warm.base(attempt) / "told"
            poll((told / "exit.json").exists)
            _die_at(monkeypatch, f"tuning.backends.docker.pool.{step}", before)
            with pytest.raises(KeyboardInterrupt):
                warm.backend.status(attempt)
            monkeypatch.undo()
            assert warm.end(attempt).exit_code == 0
            assert warm.log(attempt) == b"f1 = 1\n"
            assert (warm.base(attempt) / "model/kept").read_text() == "x"
            assert (checkpoints / "kept").read_text() == "x"
        assert warm.first()

    def test_killed_outright_at_any_moment(self, warm: WarmTrials, engine: Engine) -> None:
        """reliability.md R5, with a container that waits: launched again, the command runs exactly once."""
        script = "open('/opt/ml/model/ran', 'a').write('x')"
        for number in range(6):
            warm.first()
            spec = warm.spec(script)
            launcher = subprocess.Popen(
                [sys.executable, "-c", LAUNCHER, str(warm.folder), engine.url, spec.attempt],
                cwd=Path(__file__).resolve().parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert launcher.stdin is not None and launcher.stdout is not None
            assert launcher.stdout.readline() == b"ready\n"
            launcher.stdin.write(b"go\n")
            launcher.stdin.flush()
            time.sleep(number * 0.008)  # the moment is what is tested
            launcher.kill()
            launcher.communicate()
            warm.launch(spec)
            status = warm.end(spec.attempt)
            if status.phase is not Phase.VANISHED:  # as above
                assert (status.exit_code, (warm.base(spec.attempt) / "model/ran").read_text()) == (0, "x")

    def test_two_launchers_do_not_take_the_same(self, warm: WarmTrials) -> None:
        warm.first()
        attempts = [warm.hold() for _ in range(2)]
        assert len({warm.served_by(attempt) for attempt in attempts}) == 2

    def test_launched_twice_it_runs_once(self, warm: WarmTrials) -> None:
        warm.first()
        spec = warm.spec("import os; open(os.environ['SM_MODEL_DIR'] + '/ran', 'a').write('x')")
        for _ in range(3):
            warm.launch(spec)
        warm.end(spec.attempt)
        warm.launch(spec)
        assert (warm.base(spec.attempt) / "model/ran").read_text() == "x"


def _die_at(monkeypatch: pytest.MonkeyPatch, target: str, before: bool) -> None:
    owner, _, name = target.rpartition(".")
    real = pytest.importorskip(owner) if not owner.rpartition(".")[2][0].isupper() else None
    if real is None:
        module, _, kind = owner.rpartition(".")
        real = getattr(pytest.importorskip(module), kind)
    function = getattr(real, name)

    def die(*arguments: Any, **named: Any) -> None:
        if not before:
            function(*arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(real, name, die)


def test_the_times_of_an_attempt_are_its_own(warm: WarmTrials) -> None:
    one = warm.backend.status(warm.first("x = sum(range(20_000_000))"))
    two = warm.backend.status(warm.first("pass"))
    assert one.ended_at is not None and two.started_at is not None and two.started_at >= one.ended_at
    assert one.cpu_seconds is not None and two.cpu_seconds is not None and two.cpu_seconds < one.cpu_seconds
