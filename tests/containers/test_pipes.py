"""Channels through pipes in a container: what feeds them is as closed to the trial as the warden is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.containers.harness import ContainerTrials
from tuning.backends.docker.container import may_be_pooled

SCRIPT = """
import os
path = os.environ["SM_CHANNEL_TRAIN"]
for pid in [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid()]:
    for name in ("mem", "environ", "fd/0", "fd/1", "fd/2"):  # a rootless engine's root may list the numbers
        try: os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error: print(name, type(error).__name__)
        else: print(name, "of", pid, "is open")
source = "/.hpt/pipes/train/d"
for attempt in (lambda: os.mkfifo(path + "_x"), lambda: os.unlink(path + "_0"), lambda: open(source, "a")):
    try: attempt()
    except OSError as error: print(error.errno == 30)
print(open(path + "_0").read())
"""


def test_a_trial_reaches_neither_the_feeder_nor_the_source_of_its_pipes(
    containers: ContainerTrials, tmp_path: Path
) -> None:
    (tmp_path / "d").write_text("data")
    (tmp_path / "d").chmod(0o666)  # so that it is the mount that keeps the trial from it
    status, log = containers.run(SCRIPT, channels={"train": tmp_path / "d"}, pipes=frozenset({"train"}))
    assert status.exit_code == 0, log
    closed = [f"{name} PermissionError" for name in ("mem", "environ", "fd/0", "fd/1", "fd/2")]
    assert log.decode().splitlines() == [*closed * 2, "True", "True", "True", "data"]  # of the warden and the feeder


def test_a_container_with_pipes_serves_one_attempt(containers: ContainerTrials, tmp_path: Path) -> None:
    spec = containers.spec(pool="job", keep_alive_seconds=60, channels={"train": tmp_path})
    assert may_be_pooled(spec, {}) and not may_be_pooled(replace(spec, pipes=frozenset({"train"})), {})
