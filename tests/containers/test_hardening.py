"""What a trial finds around itself, asked from inside a real container (security.md 4b)."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.containers.harness import ContainerTrials
from tests.engine import Engine
from tuning.backends import Limits, Phase
from tuning.backends.docker import container

AROUND = """
import json, os, socket
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
def refused(action):
    try: action()
    except OSError as error: return error.strerror
def reach(address):
    with socket.create_connection((address, 80), timeout=2): pass
print(json.dumps({
    "status": status,
    "ids": [os.getuid(), os.getgid(), os.getgroups()],
    "interfaces": sorted(os.listdir("/sys/class/net")),
    "write": {path: refused(lambda: open(path + "/probe", "w")) for path in
              ("/", "/usr/bin", "/etc", "/opt/ml/input/config", "/.hpt/runtime", "/.hpt/asked")},
    "reach": [refused(lambda: reach(address)) for address in ("10.0.0.1", "169.254.169.254")],
    "sockets": [path for path in ("/var/run/docker.sock", "/run/docker.sock") if os.path.exists(path)],
    "root": refused(lambda: os.setuid(0)),
    "memory of the first process": refused(lambda: open("/proc/1/mem", "rb")),
    "environment of the first process": refused(lambda: open("/proc/1/environ", "rb")),
    "kill the first process": [refused(lambda: os.kill(1, number)) for number in (9, 19)],
    "environment": dict(os.environ),
    "told": sorted(os.listdir("/.hpt/told")),
    "asked": sorted(os.listdir("/.hpt/asked")),
}))
"""


class TestDefaults:
    def test_from_inside(self, containers: ContainerTrials, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_URL", "postgres://secret")
        status, log = containers.run(AROUND)
        assert status.exit_code == 0, log
        seen = json.loads(log)
        user, group = containers.backend._account.inside  # nobody; in a rootless engine root, without capabilities
        assert seen["ids"] == [user, group, []] or seen["ids"] == [user, group, [group]]
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(seen["status"][name], 16) == 0, name
        assert (seen["status"]["NoNewPrivs"], seen["status"]["Seccomp"]) == ("1", "2")
        assert seen["interfaces"] == ["lo"]
        assert set(seen["write"].values()) == {"Read-only file system"}
        assert seen["reach"] == ["Network is unreachable"] * 2
        assert seen["sockets"] == []
        assert seen["root"] == ("Operation not permitted" if user else None)
        assert seen["memory of the first process"] == "Permission denied"
        assert seen["environment of the first process"] == "Permission denied"
        assert "DATABASE_URL" not in seen["environment"]
        assert "secret" not in log.decode()
        assert seen["told"] == ["exit.new", "log", "taken"], "the order with its token is gone before the trial begins"
        assert seen["asked"] == []

    def test_the_engine_is_told_no_secrets(self, containers: ContainerTrials, engine: Engine) -> None:
        """security.md 13.3: not in argv, labels or `docker inspect`."""
        attempt = containers.hold(
            environment={"API_KEY": "canary-1"}, hyperparameters={"lr": "canary-2"}, names={"job": "j", "project": "p"}
        )
        client = engine.client()
        told = client.inspect_container(containers.backend.name(attempt))
        client.close()
        assert "canary" not in json.dumps(told)
        labels = told["Config"]["Labels"]
        assert (labels["hpt.attempt"], labels["hpt.job"], labels["hpt.project"]) == (attempt, "j", "p")
        told = b"".join(path.read_bytes() for path in containers.base(attempt).rglob("*") if path.is_file())
        assert b"canary-1" not in told, "nor is it written to a disk"

    def test_nothing_that_is_ours_is_left_out_of_the_mounts(self, tmp_path: Path, containers: ContainerTrials) -> None:
        spec = containers.spec("", channels={"train": tmp_path})
        writable = {m["Target"] for m in container.mounts(spec, tmp_path, tmp_path) if not m["ReadOnly"]}
        own = {"/.hpt/told", "/tmp"}
        folders = {f"/opt/ml/{name}" for name in ("code", "model", "output", "home", "checkpoints")}
        assert writable == own | folders


class TestLimits:
    @pytest.mark.usefixtures("bounded")
    def test_a_fork_bomb_stops_at_the_limit_and_others_go_on(self, containers: ContainerTrials) -> None:
        other = containers.hold()
        script = """
import os, time
born = 0
try:
    for _ in range(200):
        if os.fork() == 0:
            time.sleep(600)
        born += 1
except OSError as error:
    print(born, error.strerror)
"""
        status, log = containers.run(script, limits=Limits(processes=32))
        assert (status.exit_code, log) == (0, b"31 Resource temporarily unavailable\n")
        assert containers.backend.status(other).phase is Phase.RUNNING
        assert containers.backend.list_owned() == [other]

    def test_out_of_memory_is_told_as_such(self, containers: ContainerTrials) -> None:
        status, _ = containers.run("x = b'x' * (1 << 30)", limits=Limits(memory_bytes=1 << 27))
        assert (status.exit_code, status.signal, status.ended_by) == (None, signal.SIGKILL, "memory_bytes")

    @pytest.mark.usefixtures("bounded")
    def test_also_when_only_a_child_was_killed_for_it(self, containers: ContainerTrials) -> None:
        script = """
import os
if os.fork() == 0:
    x = b"x" * (1 << 30)
raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]) and 3)
"""
        status, _ = containers.run(script, limits=Limits(memory_bytes=1 << 27))
        assert (status.exit_code, status.ended_by) == (3, "memory_bytes")

    def test_its_own_kill_is_no_want_of_memory(self, containers: ContainerTrials) -> None:
        status, _ = containers.run("import os; os.kill(os.getpid(), 9)", limits=Limits(memory_bytes=1 << 27))
        assert (status.signal, status.ended_by) == (signal.SIGKILL, None)

    def test_shared_memory_cannot_end_the_warden(self, containers: ContainerTrials) -> None:
        script = """
with open("/dev/shm/fill", "wb") as file:
    try:
        while True: file.write(bytes(1 << 20))
    except OSError as error: print(error.strerror)
"""
        status, log = containers.run(script, limits=Limits(memory_bytes=1 << 27))
        assert (status.exit_code, log) == (0, b"No space left on device\n")

    @pytest.mark.usefixtures("bounded")
    def test_processors(self, containers: ContainerTrials) -> None:
        script = """
import os
paths = ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu.max")
quota = [open(path).read() for path in paths if os.path.exists(path)]
print(quota[0].split()[0], os.environ["SM_NUM_CPUS"])
"""
        _, log = containers.run(script, limits=Limits(cpus=0.5))
        assert log == b"50000 1\n"

    def test_open_files_and_file_size(self, containers: ContainerTrials) -> None:
        script = """
try:
    keep = [open("/dev/null") for _ in range(100)]
except OSError as error: print(error.strerror)
try:
    with open("big", "wb") as file: file.write(bytes(2_000_000))
except OSError as error: print(error.strerror)
"""
        _, log = containers.run(script, limits=Limits(open_files=50, file_bytes=1_000_000))
        assert log.decode().splitlines() == ["Too many open files", "File too large"]


class TestForgery:
    """A trial may write to the folder in which its warden speaks; it cannot speak for it."""

    def test_an_end_without_the_token_is_none(self, containers: ContainerTrials) -> None:
        script = """
import json, time
end = dict(exit_code=0, signal=None, ended_by=None, started_at=1, ended_at=2, cpu_seconds=0, max_rss_bytes=0,
           log_lost_bytes=0, token="guess")
json.dump(end, open("/.hpt/told/exit.json", "w"))
print("forged", flush=True)
time.sleep(600)
"""
        attempt = containers.hold(script, b"forged\n")
        assert containers.backend.status(attempt).phase is Phase.RUNNING
        assert containers.backend.list_owned() == [attempt]
        containers.backend.stop(attempt, 0)
        assert containers.end(attempt).ended_by == "stop"

    @pytest.mark.parametrize("trick", ["os.symlink('/etc/passwd', log)", "os.mkfifo(log)", "os.mkdir(log)"])
    def test_as_log(self, containers: ContainerTrials, trick: str) -> None:
        status, log = containers.run(f"import os; log = '/.hpt/told/log'; os.remove(log); {trick}")
        assert (status.exit_code, log) == (0, b"")

    def test_as_checkpoints_of_the_next_attempt(self, containers: ContainerTrials, tmp_path: Path) -> None:
        """Links that it leaves are not followed when the folder is handed over again."""
        secret = tmp_path / "secret"
        secret.write_text("x")
        owner = secret.stat().st_uid
        containers.run(f"import os; os.symlink({str(secret)!r}, os.environ['HPT_CHECKPOINTS'] + '/link')")
        status, _ = containers.run("pass")
        assert status.exit_code == 0
        assert (secret.stat().st_uid, os.geteuid()) == (owner, owner)
