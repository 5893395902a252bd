"""What the process backend costs: python -m tests.tuning.backends.measure_process [batches]

Prints CPU and wall time per trial that does nothing, over the bare floor (the same child, spawned and awaited in a
loop), all processes counted; and how long a printed line needs until ``wait`` returns.
"""

from __future__ import annotations

import ctypes
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tuning.backends import LaunchSpec, Limits, Phase
from tuning.backends.nursery import ENTRANCE
from tuning.backends.process import ProcessBackend

BATCH = 20
PRINTER = """
import time
for _ in range(500):
    time.sleep(0.01)
    print(time.monotonic_ns())
"""


def cpu_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    ticks = sum(sum(times(pid, 11, 15)) for pid in children() if is_nursery(pid))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages) + ticks / os.sysconf("SC_CLK_TCK")


def collect() -> None:
    """Wait for all wardens. They end as children of a nursery, which counts their CPU time, or of this process."""
    while wardens():
        for pid in children():
            if not is_nursery(pid):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.002)


def wardens() -> list[int]:
    """Every process that this one or a nursery has to wait for."""
    return [warden for pid in children() for warden in (children(pid) if is_nursery(pid) else [pid])]


def children(pid: int = 0) -> list[int]:
    pid = pid or os.getpid()
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_nursery(pid: int) -> bool:
    return ENTRANCE.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()


def times(pid: int, first: int, end: int) -> list[int]:
    """From /proc/<pid>/stat: its user and system time, then those of children that it has waited for, in ticks."""
    return [int(field) for field in Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[first:end]]


def per_trial(work: Callable[[int], None], batches: int) -> tuple[list[float], list[float]]:
    """CPU and wall ms per trial, of each batch, sorted: on a machine that others use too, the least tells most."""
    cpus, walls = [], []
    for batch in range(batches + 1):
        cpu, wall = cpu_seconds(), time.perf_counter()
        for number in range(BATCH):
            work(number)
        wall = time.perf_counter() - wall
        collect()
        if batch:  # the first one warms up
            cpus.append((cpu_seconds() - cpu) / BATCH * 1000)
            walls.append(wall / BATCH * 1000)
    return sorted(cpus), sorted(walls)


def measure_cost(root: Path, batches: int, command: tuple[str, ...]) -> None:
    backend = ProcessBackend(root / "attempts")

    def floor(_: int) -> None:
        subprocess.Popen(command, stdout=subprocess.DEVNULL).wait()

    def trial(number: int) -> None:
        attempt = f"{time.monotonic_ns()}-{number}"
        limits = Limits(wall_seconds=3600)
        backend.launch(LaunchSpec(attempt=attempt, command=command, checkpoints=root / "checkpoints", limits=limits))
        while backend.status(attempt).phase is not Phase.ENDED:
            backend.wait([attempt], 10)
        backend.discard(attempt)

    print(f"{' '.join(command)[-40:]}: ms per trial, median (least) of {batches} batches of {BATCH}")
    results = [per_trial(work, batches) for work in (floor, trial)]
    for name, (cpus, walls) in zip(("floor", "backend"), results, strict=True):
        print(
            f"  {name:8} cpu {statistics.median(cpus):6.2f} ({cpus[0]:5.2f})  "
            f"wall {statistics.median(walls):6.2f} ({walls[0]:5.2f})"
        )
    backend.close()


def measure_latency(root: Path, running: int) -> None:
    """``running`` trials print a line with the time every 10 ms each."""
    backend = ProcessBackend(root / "printing")
    attempts = [f"printer-{number}" for number in range(running)]
    for attempt in attempts:
        backend.launch(LaunchSpec(attempt=attempt, command=(sys.executable, "-c", PRINTER), checkpoints=root / "c"))
    offsets = dict.fromkeys(attempts, 0)
    delays: list[float] = []
    for attempt in attempts:  # count what is printed once all are there
        offsets[attempt] = backend.log_size(attempt)
    cpu, wardens, begin = time.process_time(), warden_ticks(), time.monotonic_ns()
    used = 0
    while offsets:
        changed = backend.wait(list(offsets), 10)
        now = time.monotonic_ns()
        used = max(used, warden_ticks() - wardens)
        for attempt in changed:
            data = backend.read_log(attempt, offsets[attempt], 1 << 20)
            offsets[attempt] += len(data)
            delays += [(now - int(line)) / 1e6 for line in data.split() if begin < int(line) < now]
            if backend.status(attempt).phase is Phase.ENDED:
                del offsets[attempt]
    lines = max(1, len(delays))
    cpu = time.process_time() - cpu
    collect()
    centiles = statistics.quantiles(delays, n=100)
    print(
        f"printed -> wait() returned, {running} trials at 100 lines/s each: p50 {centiles[49]:.2f} ms, "
        f"p99 {centiles[98]:.2f} ms of {lines} lines; CPU per line {cpu / lines * 1e6:.0f} us here, "
        f"{used / os.sysconf('SC_CLK_TCK') / lines * 1e6:.0f} us in the wardens"
    )
    backend.close()


def measure_idle(root: Path) -> None:
    backend = ProcessBackend(root / "idle")
    for number in range(20):
        backend.launch(LaunchSpec(attempt=f"idle-{number}", command=("sleep", "60"), checkpoints=root / "c"))
    attempts = backend.list_owned()
    backend.wait(attempts, 0)
    cpu, wardens = time.process_time(), warden_ticks()
    backend.wait(attempts, 5)
    print(
        f"idle, 20 trials: wait() {1000 * (time.process_time() - cpu) / 5:.2f} ms of CPU per second, "
        f"all wardens {(warden_ticks() - wardens) / 5 * 1000 / os.sysconf('SC_CLK_TCK'):.1f} ms per second"
    )
    for attempt in attempts:
        backend.stop(attempt, 0)
    collect()
    backend.close()


def warden_ticks() -> int:
    return sum(sum(times(warden, 11, 13)) for warden in wardens())


def main() -> None:
    batches = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: see collect
    with tempfile.TemporaryDirectory() as folder:
        measure_cost(Path(folder), batches, ("/bin/true",))
        measure_cost(Path(folder), batches, (sys.executable, "-c", "print('f1=0.5')"))
        measure_latency(Path(folder), 1)
        measure_latency(Path(folder), 20)
        measure_idle(Path(folder))


if __name__ == "__main__":
    main()
