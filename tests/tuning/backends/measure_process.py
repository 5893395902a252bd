"""What the process backend costs: python -m tests.tuning.backends.measure_process [trials]

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
from tuning.backends.process import ProcessBackend

PRINTER = """
import time
for _ in range(200):
    time.sleep(0.01)
    print(time.monotonic_ns())
"""


def cpu_seconds() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def collect() -> None:
    """Wardens are handed to this process when they are orphaned, so that their CPU time counts here."""
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


def per_trial(work: Callable[[int], None], trials: int) -> tuple[float, float]:
    cpu, wall = cpu_seconds(), time.perf_counter()
    for number in range(trials):
        work(number)
    wall = time.perf_counter() - wall
    collect()
    return (cpu_seconds() - cpu) / trials * 1000, wall / trials * 1000


def measure_cost(root: Path, trials: int, command: tuple[str, ...]) -> None:
    backend = ProcessBackend(root / "attempts")

    def floor(_: int) -> None:
        subprocess.Popen(command).wait()

    def trial(number: int) -> None:
        attempt = f"{time.monotonic_ns()}-{number}"
        backend.launch(
            LaunchSpec(attempt=attempt, command=command, checkpoints=root / "checkpoints", limits=Limits(3600))
        )
        while backend.status(attempt).phase is not Phase.ENDED:
            backend.wait([attempt], 10)
        backend.discard(attempt)

    for work in (floor, trial):
        per_trial(work, 10)
    bare, whole = per_trial(floor, trials), per_trial(trial, trials)
    print(f"{' '.join(command)[:60]}: {trials} trials, ms per trial")
    print(f"  floor   cpu {bare[0]:6.2f}  wall {bare[1]:6.2f}")
    print(f"  backend cpu {whole[0]:6.2f}  wall {whole[1]:6.2f}")
    print(f"  over    cpu {whole[0] - bare[0]:6.2f}  wall {whole[1] - bare[1]:6.2f}")
    backend.close()


def measure_latency(root: Path, running: int) -> None:
    """``running`` trials print a line with the time every 10 ms each."""
    backend = ProcessBackend(root / "printing")
    attempts = [f"printer-{number}" for number in range(running)]
    for attempt in attempts:
        backend.launch(LaunchSpec(attempt=attempt, command=(sys.executable, "-c", PRINTER), checkpoints=root / "c"))
    offsets = dict.fromkeys(attempts, 0)
    delays: list[float] = []
    cpu = time.process_time()
    while offsets:
        changed = backend.wait(list(offsets), 10)
        now = time.monotonic_ns()
        for attempt in changed:
            data = backend.read_log(attempt, offsets[attempt], 1 << 20)
            offsets[attempt] += len(data)
            delays += [(now - int(line)) / 1e6 for line in data.split() if int(line) < now]
            if backend.status(attempt).phase is Phase.ENDED:
                del offsets[attempt]
    cpu = time.process_time() - cpu
    collect()
    centiles = statistics.quantiles(delays, n=100)
    print(
        f"printed -> wait() returned, {running} trials at 100 lines/s each: p50 {centiles[49]:.2f} ms, "
        f"p99 {centiles[98]:.2f} ms of {len(delays)} lines; the waiting thread used {cpu * 1000:.0f} ms of CPU"
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
    total = 0
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        fields = Path(f"/proc/{child}/stat").read_bytes().rpartition(b")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: see collect
    with tempfile.TemporaryDirectory() as folder:
        measure_cost(Path(folder), trials, ("/bin/true",))
        measure_cost(Path(folder), trials, (sys.executable, "-c", "print('f1=0.5')"))
        measure_latency(Path(folder), 1)
        measure_latency(Path(folder), 20)
        measure_idle(Path(folder))


if __name__ == "__main__":
    main()
