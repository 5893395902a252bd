"""What a trial costs beyond its own work, with the floor of the same run, and whether that grows with the job.

    python -m tests.bench.orchestration [--trials 60] [--ages 10,100,1000] [--strategy random] [--out FILE]

Starts the whole service in a throw-away folder and runs jobs through REST whose trials do nothing (one line), and one
whose trials stream (20 lines, 10 ms apart), on 4 slots, with a page's socket open. The floor is the same command,
started by `Popen` and read in 4 threads, and nothing else. Before a job is measured it is given a past: so many trials
that are over, with their points, written straight into its tables. On ext4 another run within five minutes is dearer:
new files then wait for the inodes that this one has removed at its end. Prints one JSON object:

    cpu_ms_over_floor   CPU time per trial of all processes together, less the floor's; `cpu_ms` has it by process
    utilisation         of the slots, by the trials' lives up to their last print, and as a share of the floor's
    end_to_start        from a trial's last print to the start of the one that takes its place, ms
    printed_to_frame    from the print to the client of a socket, ms
    statements          SQL statements per trial, counted in a job of its own
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.bench.metric_to_screen import log_in, quantiles
from tests.bench.past import give_past
from tests.service import Service, wait_for
from tuning.states import JobState, TrialState

PULSE = Path(__file__).with_name("pulse.py")
SLOTS = 4
PARTS = ("web", "worker", "follower", "postgres", "valkey")
PARAMETERS = [f"x{number}" for number in range(6)]
PROJECT = "bench"
NOOP, STREAM = {"lines": 1, "pause": 0.0}, {"lines": 20, "pause": 0.01}
PATIENCE_SECONDS = 900.0
MOST_TRIALS = 10_000  # of a job: the oldest one is measured at its end
WARM_UP = 3 * SLOTS  # trials whose CPU time does not count


# --- the floor --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Floor:
    cpu_ms: float
    slots: dict[str, Any]


def floor(work: Mapping[str, float], trials: int) -> Floor:
    """The same children, started in a loop by as many threads as there are slots, and read to their end."""
    arguments = [part for name in PARAMETERS for part in (f"--{name}", "0.5123456789")]
    command = [sys.executable, "-u", str(PULSE), *arguments, *(f"--{k}={v}" for k, v in work.items())]
    command = [part for argument in command for part in (argument.split("=") if "=" in argument else [argument])]
    lives: list[tuple[float, float]] = []

    def slot() -> None:
        for _ in range(trials // SLOTS):
            began, stamps = time.time(), []
            with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
                assert child.stdout is not None
                stamps = [json.loads(line)["stamp"] for line in child.stdout]
            lives.append((began, stamps[-1]))

    used = own_cpu()
    threads = [threading.Thread(target=slot) for _ in range(SLOTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Floor(1000 * (own_cpu() - used) / len(lives), slots_of(sorted(lives)))


def slots_of(lives: list[tuple[float, float]]) -> dict[str, Any]:
    """How well the slots were used by trials that began and ended at these times, in the order of their starts."""
    starts, stops = [start for start, _ in lives], sorted(stop for _, stop in lives)
    gaps = [start - stop for start, stop in zip(starts[SLOTS:], stops, strict=False)]
    last = stops[-SLOTS]  # until then there was work for all slots
    busy = sum(min(stop, last) - start for start, stop in lives if start < last)
    return {"utilisation": busy / (SLOTS * (last - starts[0])), "end_to_start": quantiles(gaps)}


def own_cpu() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


# --- the service's processes ------------------------------------------------------------------------------------------


class Meter:
    """CPU seconds so far by kind of process. Wardens are handed to this process when their launchers leave them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.supervisor = service._supervisor.pid  # type: ignore[union-attr]
        self._wardens_cpu = 0.0
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER

    def read(self) -> dict[str, float]:
        used = dict.fromkeys((*PARTS, "fork server"), 0.0)
        for part in PARTS:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(self._service.pid(part))
                used[part] = sum(cpu_seconds(member) for member in (process, *process.children(recursive=True)))
        self._collect()
        forked = 0.0
        for child in psutil.Process().children():
            if _is_fork_server(child):
                times = child.cpu_times()
                used["fork server"] += times.user + times.system
                forked += times.children_user + times.children_system
        return used | {"wardens and trials": self._wardens_cpu + forked}

    def _collect(self) -> None:
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error, ChildProcessError):
                if child.pid == self.supervisor or child.status() != psutil.STATUS_ZOMBIE:
                    continue  # Popen's own, or at work
                _, _, usage = os.wait4(child.pid, os.WNOHANG)
                self._wardens_cpu += usage.ru_utime + usage.ru_stime


def cpu_seconds(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def _is_fork_server(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return any("warden.nursery" in part for part in process.cmdline())
    return False


def memory_mb(service: Service) -> dict[str, float]:
    """Proportional set size of each part with its children."""
    found = {}
    for part in PARTS:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(service.pid(part))
            members = (process, *process.children(recursive=True))
            found[part] = round(sum(member.memory_full_info().pss for member in members) / 1e6, 1)
    return found


# --- a page's socket --------------------------------------------------------------------------------------------------


@dataclass
class Watcher:
    """A client of a job's socket: which trials have ended, whether the job has, and how old the points are."""

    service: Service
    client: httpx.Client
    job: str
    ended: set[int] = field(default_factory=set)
    delays: list[float] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        url = f"ws://127.0.0.1:{self.service.port}/ws/v1/projects/{PROJECT}/jobs/{self.job}?since=0"
        headers = {"Cookie": f"sessionid={self.client.cookies['sessionid']}", "Origin": self.service.url}
        with (
            contextlib.suppress(ConnectionClosed, TimeoutError),
            connect(url, additional_headers=headers, compression=None, max_size=None) as socket,
        ):
            while not self.over.is_set():
                self._take(json.loads(socket.recv(timeout=PATIENCE_SECONDS)), time.time())

    def _take(self, frame: dict[str, Any], now: float) -> None:
        for event in frame.get("events", []):
            data = event["data"]
            if event["kind"] == "points":
                self.delays += [now - stamp for stamp in data["values"]]
            elif event["kind"] == "trial" and TrialState(data["state"]).terminal:
                self.ended.add(data["number"])
            elif event["kind"] == "job" and JobState(data["state"]).terminal:
                self.over.set()


# --- a job ------------------------------------------------------------------------------------------------------------


class Bench:
    def __init__(self, service: Service, client: httpx.Client, strategy: str) -> None:
        self.service, self.client, self.strategy = service, client, strategy
        self.meter = Meter(service)
        self.count = 0

    def post(self, path: str, document: dict[str, Any]) -> None:
        answer = self.client.post(path, json=document)
        assert answer.is_success, answer.text

    def prepare(self) -> None:
        self.post("/projects", {"slug": PROJECT, "name": PROJECT})
        self.post(f"/projects/{PROJECT}/algorithms", {"name": "pulse"})
        number = {"type": "float", "min": 0, "max": 1000, "default": 1}
        version = {
            "source": {"files": {"pulse.py": PULSE.read_text()}},
            "entry_point": "pulse.py",
            "hyperparameters": [
                *({"name": name, **number, "tunable": True} for name in PARAMETERS),
                {"name": "pause", **number, "tunable": False},
                {"name": "lines", **number, "type": "integer", "tunable": False},
            ],
            "metrics": [{"name": "stamp", "regex": r'"stamp": ([0-9.]+)'}],
            "objectives": [{"metric": "stamp", "goal": "maximize"}],
            "channels": [],
            "resources": {"cpus": 1, "memory_mb": 256, "gpus": 0},
        }
        self.post(f"/projects/{PROJECT}/algorithms/pulse/versions", version)

    def start(self, work: Mapping[str, float], trials: int) -> Watcher:
        self.count += 1
        name = f"job-{self.count}"
        job = {
            "name": name,
            "algorithm": {"name": "pulse", "version": 1},
            "channels": {},
            "objective": {"metric": "stamp", "goal": "maximize"},
            "space": [{"name": x, "type": "float", "min": 0, "max": 1, "scale": "linear"} for x in PARAMETERS],
            "static": dict(work),
            "strategy": {"name": self.strategy, "options": {}},
            "limits": {"max_trials": trials, "max_parallel": SLOTS, "trial_seconds": 600},
            "seed": 1,
        }
        self.post(f"/projects/{PROJECT}/jobs", job)
        watcher = Watcher(self.service, self.client, name)
        threading.Thread(target=watcher.watch, daemon=True).start()
        return watcher

    def run(self, work: Mapping[str, float], trials: int, age: int) -> dict[str, Any]:
        """A job of `age` trials in the past and `trials` that are measured."""
        past = max(0, min(age, MOST_TRIALS - trials) - WARM_UP)
        watcher = self.start(work, past + WARM_UP + trials)
        await_trials(watcher, 1)
        if past:
            give_past(self.service.database().url, watcher.job, past)
        await_trials(watcher, WARM_UP)
        before, at = self.meter.read(), len(watcher.ended)
        peak = memory_mb(self.service)
        wait_for(watcher.over.is_set, PATIENCE_SECONDS, "the job ends")
        wait_for(lambda: not self._left(), 30, "the wardens are gone")
        after = self.meter.read()
        measured = len(watcher.ended) - at
        spent = {kind: 1000 * (after[kind] - before[kind]) / measured for kind in after}
        return {
            "age": age,
            "trials": measured,
            "cpu_ms": {kind: round(ms, 2) for kind, ms in spent.items()},
            "total": sum(spent.values()),
            **self.lives(watcher.job),
            "printed_to_frame": quantiles(watcher.delays[int(work["lines"]) * WARM_UP :]),
            "memory_mb": peak,
        }

    def _left(self) -> bool:
        self.meter.read()
        others = [child for child in psutil.Process().children() if child.pid != self.meter.supervisor]
        return any(child.children() if _is_fork_server(child) else True for child in others)

    def lives(self, job: str) -> dict[str, Any]:
        """Utilisation and the gaps between trials, each from its start to its last print."""
        sql = """SELECT extract(epoch FROM a.started_at)::float, max(p.value) FROM jobs_attempt a
                 JOIN jobs_trial t ON t.id = a.trial_id JOIN jobs_tuningjob j ON j.id = t.job_id
                 JOIN jobs_metricpoint p ON p.attempt_id = a.id
                 WHERE j.name = %s AND a.token NOT LIKE 'past-%%' GROUP BY a.id ORDER BY 1"""
        with psycopg.connect(self.service.database().url) as connection:
            lives = [(start, stop) for start, stop in connection.execute(sql, [job])][WARM_UP:]
        return {"trials_per_s": round(len(lives) / (lives[-1][1] - lives[0][0]), 2), **slots_of(lives)}

    def statements(self, work: Mapping[str, float], trials: int, dump: Path | None) -> dict[str, float]:
        """SQL per trial, from the server's log."""
        self._log_statements("all")
        log = self.service.home / "logs" / "postgres.log"
        position = log.stat().st_size
        watcher = self.start(work, trials)
        wait_for(watcher.over.is_set, PATIENCE_SECONDS, "the job ends")
        self._log_statements("none")
        with log.open(errors="replace") as lines:
            lines.seek(position)
            text = lines.read()
        if dump:
            dump.write_text(text)
        found = [line for line in text.splitlines() if "  execute " in line or "  statement: " in line]
        kinds = ("SELECT", "INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT", "WITH")
        counts = {kind.lower(): sum(f": {kind}" in line for line in found) for kind in kinds}
        return {kind: round(count / trials, 1) for kind, count in ({"all": len(found)} | counts).items() if count}

    def _log_statements(self, which: str) -> None:
        with psycopg.connect(self.service.database().url, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET log_statement = '{which}'".encode())
            connection.execute("SELECT pg_reload_conf()")


def await_trials(watcher: Watcher, count: int) -> None:
    wait_for(lambda: len(watcher.ended) >= count or watcher.over.is_set(), PATIENCE_SECONDS, f"{count} trials end")


# --- all of it --------------------------------------------------------------------------------------------------------


def against(found: dict[str, Any], bare: Floor) -> dict[str, Any]:
    total, utilisation = found.pop("total"), found.pop("utilisation")
    return {
        "cpu_ms_over_floor": round(total - bare.cpu_ms, 1),
        "floor_cpu_ms": round(bare.cpu_ms, 1),
        "utilisation": round(utilisation, 3),
        "utilisation_over_floor": round(utilisation / bare.slots["utilisation"], 2),
        **found,
        "floor_end_to_start": bare.slots["end_to_start"],
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="hpt-bench-") as name:
        settings = {"HPT_TRIAL_SLOTS": str(SLOTS)}
        service = Service(Path(name) / "home", example=False, settings=settings).start()
        try:
            with contextlib.closing(log_in(service)) as client:
                bench = Bench(service, client, options.strategy)
                bench.prepare()
                bench.run(NOOP, 2 * SLOTS, 0)
                noop = [
                    against(bench.run(NOOP, options.trials, age), floor(NOOP, options.trials)) for age in options.ages
                ]
                stream = against(bench.run(STREAM, options.trials, 0), floor(STREAM, options.trials))
                counted = bench.statements(NOOP, 20, options.sql)
                return {"noop": noop, "stream": stream, "statements": counted}
        finally:
            service.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--ages", type=lambda text: [int(age) for age in text.split(",")], default=[10, 100, 1000])
    parser.add_argument("--strategy", default="random")
    parser.add_argument("--sql", type=Path, help="leave the statements of 20 trials here")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    tell(measure, options)


def tell(measured: Callable[[argparse.Namespace], dict[str, Any]], options: argparse.Namespace) -> None:
    """Print what was measured, with the machine's load before and after, and leave it in `options.out`, too."""
    load = round(os.getloadavg()[0], 2)
    result = {"cores": os.cpu_count(), "load_before": load, **measured(options), "load_after": os.getloadavg()[0]}
    text = json.dumps(result, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
