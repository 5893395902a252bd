"""What the docker backend costs: python -m tests.containers.measure [trials]

Wall and CPU time of a trial that does nothing, over the bare floor (the same container, made, started, awaited and
removed by the engine's client in a loop); and how long a printed line needs until ``wait`` returns.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.containers.harness import PYTHON
from tests.engine import Engine, system_image
from tuning.backends import LaunchSpec, Limits, Phase
from tuning.backends.docker import DockerBackend

PRINTER = "import time\nfor _ in range(300):\n    time.sleep(0.01)\n    print(time.monotonic_ns())"


@contextlib.contextmanager
def engine_to_measure() -> Iterator[tuple[Engine, DockerBackend, Path]]:
    """An engine of its own that has the image PYTHON, a backend on it, and their scratch folder."""
    engine = Engine()
    try:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            archive = system_image(root, "python", ("python3-minimal", "libpython3-stdlib", "dash", "coreutils"), {})
            client = engine.client()
            client.import_image(str(archive), repository=PYTHON.split(":")[0], tag="1")
            client.close()
            with contextlib.closing(DockerBackend(root / "attempts", engine.url)) as backend:
                yield engine, backend, root
    finally:
        engine.remove()


def spread(name: str, values: list[float]) -> str:
    return f"{name} {statistics.median(values):.0f} ms (least {min(values):.0f})"


def measure_floor(engine: Engine, trials: int) -> None:
    client = engine.client()
    walls = []
    for _ in range(trials):
        begun = time.perf_counter()
        made = client.create_container(PYTHON, ["true"], host_config=client.create_host_config(network_mode="none"))
        client.start(made["Id"])
        client.wait(made["Id"])
        client.remove_container(made["Id"])
        walls.append((time.perf_counter() - begun) * 1000)
    client.close()
    print(spread("floor: made, started, ended and removed", walls))


def measure_trials(backend: DockerBackend, root: Path, trials: int) -> None:
    launches, ends, cpu = [], [], time.process_time()
    for number in range(trials):
        spec = LaunchSpec(
            attempt=f"noop-{number}",
            command=("true",),
            checkpoints=root / "c",
            image=PYTHON,
            limits=Limits(wall_seconds=3600, memory_bytes=1 << 28, processes=64),
        )
        begun = time.perf_counter()
        backend.launch(spec)
        launched = time.perf_counter()
        while backend.status(spec.attempt).phase is Phase.RUNNING:
            backend.wait([spec.attempt], 10)
        launches.append((launched - begun) * 1000)
        ends.append((time.perf_counter() - launched) * 1000)
    cpu = (time.process_time() - cpu) / trials * 1000
    print(f"{spread('backend: launch', launches)}, {spread('then its end', ends)}, CPU here {cpu:.1f} ms")
    begun = time.perf_counter()
    while backend.engine.labelled("hpt.attempt"):
        backend.list_owned()
    print(f"collecting what is over: {(time.perf_counter() - begun) / trials * 1000:.0f} ms each")


def measure_latency(backend: DockerBackend, root: Path) -> None:
    spec = LaunchSpec(attempt="p", command=("python3", "-c", PRINTER), checkpoints=root / "c", image=PYTHON)
    backend.launch(spec)
    offset, delays = 0, []
    while backend.status("p").phase is Phase.RUNNING:
        if backend.wait(["p"], 10):
            now = time.monotonic_ns()
            data = backend.read_log("p", offset, 1 << 20)
            offset += len(data)
            delays += [(now - int(line)) / 1e6 for line in data.split() if int(line) < now]
    centiles = statistics.quantiles(delays, n=100)
    print(f"printed -> wait() returned: p50 {centiles[49]:.2f} ms, p99 {centiles[98]:.2f} ms of {len(delays)} lines")


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with engine_to_measure() as (engine, backend, root):
        measure_floor(engine, trials)
        measure_trials(backend, root, trials)
        measure_latency(backend, root)


if __name__ == "__main__":
    main()
