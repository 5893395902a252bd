"""What a container that is kept warm saves: python -m tests.bench.warm_containers [trials]

The same trial is run over and over, each launched as soon as the end of the one before is told: in containers that are
made anew, and in one that is kept. Both take turns in blocks, so that whatever else the machine does strikes both.
Prints JSON: milliseconds from the end of a trial (as the warden notes it) to the start of the next one's process, of
which the call of ``launch``; and CPU milliseconds per trial of the launcher, the engine with all that it starts, and
the containers. Needs root and Debian's docker.io (`make engine`).
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path

from tests.containers.harness import PYTHON
from tests.containers.measure import engine_to_measure
from tests.engine import CGROUPS, Engine
from tuning.backends import LaunchSpec, Limits, Phase
from tuning.backends.docker import DockerBackend

BLOCK = 5  # trials of one kind before it is the other's turn; the first of a block is not counted
KINDS = {"cold": 0.0, "warm": 600.0}
SCRIPTS = {"nothing": "pass", "checkpoint": "open('/opt/ml/checkpoints/c', 'wb').write(bytes(1_000_000))"}


class Meter:
    """CPU seconds of the engine's processes and of its containers, by their control groups."""

    def __init__(self, engine: Engine) -> None:
        old = (CGROUPS / "cpuacct").is_dir()
        self._root = CGROUPS / "cpuacct" if old else CGROUPS
        self._containers = self._root / engine.folder.name
        self._engine = self._root / f"{engine.folder.name}-itself"
        self._engine.mkdir()
        for pid in (engine.daemon.pid, engine.containerd.pid):
            for task in Path(f"/proc/{pid}/task").iterdir() if old else [Path(f"/proc/{pid}")]:
                (self._engine / ("tasks" if old else "cgroup.procs")).write_text(task.name)

    def read(self) -> dict[str, float]:
        return {
            "launcher": time.process_time(),
            "engine": self._seconds(self._engine),
            "containers": self._seconds(self._containers),
        }

    def _seconds(self, group: Path) -> float:
        if (group / "cpuacct.usage").exists():
            return int((group / "cpuacct.usage").read_text()) / 1e9
        words = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
        return int(words["usage_usec"]) / 1e6

    def close(self) -> None:
        for pid in (self._engine / "cgroup.procs").read_text().split():
            (self._root / "cgroup.procs").write_text(pid)
        self._engine.rmdir()


def run(backend: DockerBackend, root: Path, attempt: str, script: str, keep_alive: float) -> tuple[float, float, float]:
    """Epoch seconds of the start and the end of the trial's process, and how long ``launch`` took."""
    spec = LaunchSpec(
        attempt=attempt,
        command=("python3", "-c", script),
        checkpoints=root / "checkpoints" / attempt,
        image=PYTHON,
        limits=Limits(wall_seconds=3600, memory_bytes=1 << 28, processes=64, cpus=1),
        pool="bench",
        keep_alive_seconds=keep_alive,
    )
    begun = time.perf_counter()
    backend.launch(spec)
    launched = time.perf_counter() - begun
    while (status := backend.status(attempt)).phase is Phase.RUNNING:
        backend.wait([attempt], 10)
    assert status.exit_code == 0 and status.started_at is not None and status.ended_at is not None, status
    return status.started_at, status.ended_at, launched


def measure(backend: DockerBackend, meter: Meter, root: Path, script: str, trials: int) -> dict[str, object]:
    gaps, launches, cpu = defaultdict(list), defaultdict(list), defaultdict(list)
    for block in range(max(2, 2 * trials // (BLOCK - 1))):
        kind = list(KINDS)[block % 2]
        ended, before = 0.0, {}
        for number in range(BLOCK):
            attempt = f"{len(script)}-{block}-{number}"
            started, ended_now, launched = run(backend, root, attempt, script, KINDS[kind])
            if number:
                gaps[kind].append(1000 * (started - ended))
                launches[kind].append(1000 * launched)
            else:
                before = meter.read()
            ended = ended_now
        backend.list_owned()  # removes what is over, which is part of what a new container costs
        after = meter.read()
        cpu[kind].append({part: 1000 * (after[part] - before[part]) / (BLOCK - 1) for part in after})
        backend.retire(())
    return {
        kind: {
            "trials": len(gaps[kind]),
            "end_to_start_ms": spread(gaps[kind]),
            "launch_ms": spread(launches[kind]),
            "cpu_ms": {part: round(statistics.median(one[part] for one in cpu[kind]), 1) for part in cpu[kind][0]},
        }
        for kind in KINDS
    }


def spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    places = {"least": 0, "p50": len(ordered) // 2, "p90": 9 * len(ordered) // 10, "most": len(ordered) - 1}
    return {name: round(ordered[place], 1) for name, place in places.items()}


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with engine_to_measure() as (engine, backend, root):
        run(backend, root, "first", "pass", 0)  # what only the first launch of an installation costs
        with contextlib.closing(Meter(engine)) as meter:
            found = {name: measure(backend, meter, root, script, trials) for name, script in SCRIPTS.items()}
        load = os.getloadavg()[0]
        print(json.dumps({"cores": os.cpu_count(), "load": round(load, 1), "scripts": found}, indent=2))


if __name__ == "__main__":
    main()
