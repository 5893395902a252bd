"""What a trial costs in HPT and in its peers beyond its own work, all of them by turns in one run.

    python -m tests.bench.orchestration_peers --venvs FOLDER [--rounds 3] [--trials 100] [--minutes 12] [--out FILE]

FOLDER holds a virtual environment for each peer, named `optuna` (with psycopg too), `syne` and `ray`; what is not there
is left out and named. In each round every system is started in a throw-away folder, warmed up, and runs the children of
`orchestration.py`: no-op ones, then streaming ones, four at a time, by random search. HPT is the whole service with
PostgreSQL, the queue and a page's socket. Directly before and after each, the bare floor runs: the same child, started
by `Popen` in four threads. Prints one JSON object: all rounds, and their medians by work and system:

    cpu_ms_over_floor   CPU time per trial of all processes, children and servers included, less the floors' mean
    in_floors           all of that CPU time, in floors
    trials_per_s        of the measured trials; `floor_trials_per_s` for the floors
    known_p50, _p99     from a value's print until the peer has it (HPT: the client of a page's socket), ms
    memory_mb           the most that all processes but the children held at a time (PSS)

The start is not measured, nor are the first trials: 12 of HPT's job after 20 in another, 40 of a peer's.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import psutil

from hpt_web.embedded import postgres, processes
from tests.bench.metric_to_screen import log_in, quantiles
from tests.bench.orchestration import (
    NOOP,
    PARAMETERS,
    PULSE,
    SLOTS,
    STREAM,
    Bench,
    Meter,
    cpu_seconds,
    floor,
    tell,
)
from tests.service import Service, wait_for

RUNNER = Path(__file__).with_name("orchestration_peers_runner.py")
WORKS = {"noop": NOOP, "stream": STREAM}
HPT = "hpt"
SYSTEMS = (HPT, "optuna-sqlite", "optuna-journal", "optuna-postgresql", "syne-0.01", "syne-0.05", "ray")
PEER_WARM_UP = 40  # trials, so that all slots are warm whatever each of them had to load
PEER_SECONDS = 150.0  # for one order; a peer that takes longer has failed
MEMORY_SECONDS = 0.5


class System(Protocol):
    """Something that runs trials, started and warm."""

    version: str

    def run(self, work: Mapping[str, float], trials: int) -> dict[str, float]: ...


class PeerFailed(Exception):
    pass


# --- all processes below this one -------------------------------------------------------------------------------------


class Spent:
    """CPU seconds, from now on, of every process that this one started, directly or not, and of those yet to come.

    Of a process that has ended the parent has the time, once it has collected it. A parent that ignores the ends of its
    children collects nothing (Ray's raylet): theirs count until they end, and what they used since now is not known.
    """

    def __init__(self) -> None:
        self._collected, self._before = self._read()
        self._unheard = {process for process in self._before if _unheard(process)}

    def seconds(self) -> float:
        collected, after = self._read()
        vanished = {process for process in self._unheard if process not in after}
        before = sum(seconds for process, seconds in self._before.items() if process not in vanished)
        return collected - self._collected + sum(after.values()) - before

    def _read(self) -> tuple[float, dict[psutil.Process, float]]:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        below = psutil.Process().children(recursive=True)
        return usage.ru_utime + usage.ru_stime, {process: cpu_seconds(process) for process in below}


def _unheard(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        status = Path(f"/proc/{process.ppid()}/status").read_text()
        ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
        return bool(ignored >> (signal.SIGCHLD - 1) & 1)
    return False


def clear_below() -> None:
    """End what a system left, and collect it."""
    left = psutil.Process().children(recursive=True)
    processes.kill(process.pid for process in left)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


class Memory(threading.Thread):
    """Looks twice a second how much memory all processes below this one hold, the trials themselves excepted."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._over = threading.Event()
        self.peak_mb = 0.0

    def __enter__(self) -> Memory:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.is_set():
            self.peak_mb = max(self.peak_mb, sum(map(_pss_mb, psutil.Process().children(recursive=True))))
            self._over.wait(MEMORY_SECONDS)


def _pss_mb(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        # Between fork and exec a child shows the memory of its parent once more.
        young = time.time() - process.create_time() < 1
        if not young and not any(part.endswith(PULSE.name) for part in process.cmdline()):
            return float(process.memory_full_info().pss) / 1e6
    return 0.0


# --- the systems ------------------------------------------------------------------------------------------------------


class Hpt:
    """The service, which keeps its folder from round to round and is down while it is not its turn."""

    def __init__(self, folder: Path) -> None:
        self._service = Service(folder / "hpt", example=False, settings={"HPT_TRIAL_SLOTS": str(SLOTS)})
        self._bench: Bench | None = None
        self.version = "this checkout"

    @contextlib.contextmanager
    def started(self) -> Iterator[System]:
        self._service.start()
        try:
            if self._bench is None:
                self._bench = Bench(self._service, log_in(self._service), "random")
                self._bench.prepare()
            self._bench.meter = Meter(self._service)
            self._bench.run(NOOP, 2 * SLOTS, 0)
            yield self
        finally:
            self._service.stop()

    def run(self, work: Mapping[str, float], trials: int) -> dict[str, float]:
        assert self._bench is not None
        found = self._bench.run(work, trials, 0)
        delays = found["printed_to_frame"]
        return {
            "cpu_ms": found["total"],
            "trials_per_s": found["trials_per_s"],
            "known_p50": delays["p50"],
            "known_p99": delays["p99"],
        }


class Peer:
    """A peer's process, in an interpreter of its own."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._log = log
        self._warm_up = PEER_WARM_UP
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=log.parent,  # some write into it
                start_new_session=True,
            )
        self.version = self._hear("ready")["version"]

    def run(self, work: Mapping[str, float], trials: int) -> dict[str, float]:
        order = {"command": [sys.executable, "-u", str(PULSE)], "work": work, "parameters": PARAMETERS}
        self._tell(order | {"slots": SLOTS, "warm_up": self._warm_up, "trials": trials})
        self._hear("warm")
        spent, began = Spent(), time.perf_counter()
        self._tell({})
        said = self._hear("over")
        ended, used = time.perf_counter(), spent.seconds()
        self._tell({})
        self._hear("ready")
        delays = quantiles(said["delays"])
        return {
            "cpu_ms": 1000 * used / trials,
            "trials_per_s": trials / (ended - began),
            "known_p50": delays["p50"],
            "known_p99": delays["p99"],
        }

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._tell({})
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(20)
        self._process.kill()

    def _tell(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _hear(self, event: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        limit = threading.Timer(PEER_SECONDS, self._process.kill)
        limit.start()
        line = self._process.stdout.readline()
        limit.cancel()
        said: dict[str, Any] = json.loads(line) if line else {}
        if said.get("event") != event:
            raise PeerFailed(f"no {event!r} from it: {self._log.read_text(errors='replace')[-2000:]}")
        return said


@contextlib.contextmanager
def started_postgres(folder: Path) -> Iterator[str]:
    """The URL of an empty database, of a server with the settings that HPT's own has."""
    server = postgres.Postgres(folder / "data", folder)
    server.prepare()
    environment = {**os.environ, "TZ": "UTC"}
    with (folder / "postgres.log").open("wb") as log:
        process = processes.start(
            server.command(), environment=environment, output=log.fileno(), cwd=server.data, unprivileged=server.data
        )
    try:
        wait_for(server.ready, 30, "PostgreSQL runs")
        yield server.url
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def started_peer(name: str, python: Path, folder: Path) -> Iterator[System]:
    with contextlib.ExitStack() as stack:
        stack.callback(clear_below)
        command = [str(python), str(RUNNER), name, str(folder)]
        if name == "optuna-postgresql":
            command.append(stack.enter_context(started_postgres(folder)))
        peer = Peer(command, folder / "runner.log")
        stack.callback(peer.close)
        yield peer


# --- rounds -----------------------------------------------------------------------------------------------------------


def timed_floor(work: Mapping[str, float], trials: int) -> tuple[float, float]:
    """CPU ms per trial, and trials per second."""
    began = time.perf_counter()
    cpu_ms = floor(work, trials).cpu_ms
    return cpu_ms, trials // SLOTS * SLOTS / (time.perf_counter() - began)


def between_floors(system: System, work: Mapping[str, float], trials: int) -> dict[str, float]:
    before = timed_floor(work, trials // 2)
    with Memory() as memory:
        found = system.run(work, trials)
    after = timed_floor(work, trials // 2)
    bare, rate = (statistics.mean(pair) for pair in zip(before, after, strict=True))
    cpu_ms = found.pop("cpu_ms")
    return {
        "cpu_ms_over_floor": cpu_ms - bare,
        "in_floors": cpu_ms / bare,
        "floor_cpu_ms": bare,
        **found,
        "floor_trials_per_s": rate,
        "memory_mb": memory.peak_mb,
    }


def turn(name: str, hpt: Hpt, python: Path, trials: int) -> dict[str, Any]:
    """One system's part of a round, or why it has none: the others go on."""
    with tempfile.TemporaryDirectory(prefix="peer-", ignore_cleanup_errors=True) as folder:
        starting = hpt.started() if name == HPT else started_peer(name, python, Path(folder))
        try:
            with starting as system:
                works = {label: between_floors(system, work, trials) for label, work in WORKS.items()}
                return {"system": name, "version": system.version, **works}
        except (PeerFailed, OSError, RuntimeError) as error:
            return {"system": name, "failed": str(error)}


def medians(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """By work and system: the median of each figure over the rounds."""
    whole = [turn for turn in turns if "failed" not in turn]
    table: dict[str, Any] = {work: {} for work in WORKS}
    for work, rows in table.items():
        for name in dict.fromkeys(turn["system"] for turn in whole):
            found = [turn[work] for turn in whole if turn["system"] == name]
            rows[name] = {key: round(statistics.median(row[key] for row in found), 2) for key in found[0]}
            rows[name]["rounds"] = len(found)
    return table


def measure(options: argparse.Namespace) -> dict[str, Any]:
    pythons = {name: options.venvs.absolute() / name.partition("-")[0] / "bin" / "python" for name in options.systems}
    names = [name for name in options.systems if name == HPT or pythons[name].exists()]
    began, longest, turns = time.monotonic(), 0.0, []
    with tempfile.TemporaryDirectory(prefix="hpt-bench-") as folder:
        hpt = Hpt(Path(folder))
        for number in range(options.rounds):
            start = time.monotonic()
            if start - began + longest > 60 * options.minutes:
                break
            first = number % len(names)  # nobody is always next to the same one
            for name in (*names[first:], *names[:first]):
                turns.append(turn(name, hpt, pythons[name], options.trials))
                print(json.dumps(turns[-1]), file=sys.stderr, flush=True)
            longest = max(longest, time.monotonic() - start)
    return {
        "versions": {turn["system"]: turn["version"] for turn in turns if "version" in turn},
        "left_out": [name for name in options.systems if name not in names],
        "failed": [turn for turn in turns if "failed" in turn],
        "medians": medians(turns),
        "turns": turns,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--venvs", type=Path, required=True, help="the folder of the peers' virtual environments")
    parser.add_argument("--systems", type=lambda text: text.split(","), default=list(SYSTEMS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=12.0, help="begin no round that would end later")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: what a system leaves alone is still ours to count
    tell(measure, options)


if __name__ == "__main__":
    main()
