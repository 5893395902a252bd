"""How long from a trial's print to the frame at a browser's socket, and to the screen; with the floor of the same run.

    python -m tests.bench.metric_to_screen [--trials 20] [--rate 2] [--seconds 30] [--sockets 1] [--screen] [--out FILE]

Starts the whole service in a throw-away folder, runs a job of that many trials at once (tests/bench/printer.py prints
the time of printing as its metric), listens on real sockets, and prints one JSON object. All latencies are in
milliseconds; `printed_to_read` ends where the follower has read the line, `printed_to_frame` at the socket's client,
`printed_to_screen` in the animation frame after Chromium has the value in its figure. `client_lag_p99` is how late the
measuring loop itself was: near the other numbers, it is them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson
from websockets.asyncio.client import connect

from hpt_web.embedded import home
from tests.service import Service, free_port, wait_for

PRINTER = Path(__file__).with_name("printer.py")
PASSWORD = "correct horse battery staple"
WARM_UP_SECONDS = 3.0
PROJECT, JOB = "bench", "latency"
# For every trial, whenever its line in the figure has a new last value: how old that value is in the next frame.
SCREEN_PROBE = """
() => {
  window.ages = [];
  const seen = new Map();
  const look = () => {
    for (const plot of document.querySelectorAll('.js-plotly-plot'))
      for (const trace of plot.data || []) {
        if (trace.meta?.role !== 'curve' || !trace.y?.length) continue;
        const last = trace.y[trace.y.length - 1], before = seen.get(trace.meta.trial);
        if (before === last) continue;
        seen.set(trace.meta.trial, last);
        if (before !== undefined) {
          const fresh = Array.from(trace.y).filter((value) => value > before);
          requestAnimationFrame(() => {
            const now = performance.timeOrigin + performance.now();
            for (const value of fresh) window.ages.push(now - 1000 * value);
          });
        }
      }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
"""
CURVES_DRAWN = (
    "[...document.querySelectorAll('.js-plotly-plot')].some(p => p.data?.some(t => t.meta?.role === 'curve'))"
)


def quantiles(latencies: Sequence[float]) -> dict[str, float | int]:
    """p50, p90, p99 and maximum in milliseconds, and the number of samples."""
    ordered = sorted(latencies)
    if not ordered:
        return {"n": 0}
    at = {f"p{q}": ordered[min(len(ordered) - 1, len(ordered) * q // 100)] for q in (50, 90, 99)}
    return {"n": len(ordered), **{name: round(1000 * s, 2) for name, s in {**at, "max": ordered[-1]}.items()}}


class Listener:
    """A socket's client: for every value that arrives, how long ago it was printed and how long ago it was read."""

    def __init__(self) -> None:
        self.printed: list[float] = []
        self.read: list[float] = []
        self.frames = 0

    async def listen(self, url: str, headers: dict[str, str], until: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout(until - time.time()),
                connect(url, additional_headers=headers, compression=None, max_size=None) as socket,
            ):
                async for text in socket:
                    self._take(orjson.loads(text), time.time())

    def _take(self, frame: dict[str, Any], now: float) -> None:
        points = [event["data"] for event in frame.get("events", []) if event["kind"] == "points"]
        self.frames += bool(points)
        for data in points:
            self.printed += [now - stamp for stamp in data["values"]]
            self.read += [now - at for at in data.get("times", [])]


async def client_lag(lags: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.02)
        lags.append(time.perf_counter() - began - 0.02)


def listen(url: str, headers: dict[str, str], sockets: int, seconds: float) -> dict[str, Any]:
    """Listen with so many sockets at once, for so long."""

    async def run() -> tuple[list[Listener], list[float]]:
        lags: list[float] = []
        ticker = asyncio.create_task(client_lag(lags))
        listeners = [Listener() for _ in range(sockets)]
        until = time.time() + seconds
        await asyncio.gather(*(listener.listen(url, headers, until) for listener in listeners))
        ticker.cancel()
        return listeners, lags

    listeners, lags = asyncio.run(run())
    printed = [s for listener in listeners for s in listener.printed]
    read = [s for listener in listeners for s in listener.read]
    result: dict[str, Any] = {"printed_to_frame": quantiles(printed)}
    if read:
        result["read_to_frame"] = quantiles(read)
        result["printed_to_read"] = quantiles([a - b for a, b in zip(printed, read, strict=True)])
    return result | {"frames": listeners[0].frames, "client_lag_p99": quantiles(lags).get("p99")}


# --- the floor --------------------------------------------------------------------------------------------------------


def floor(options: argparse.Namespace) -> dict[str, Any]:
    """The same printers, tailed by the least that could work."""
    with tempfile.TemporaryDirectory(prefix="hpt-floor-") as name, contextlib.ExitStack() as stack:
        folder, port = Path(name), free_port()
        for number in range(options.trials):
            log = stack.enter_context((folder / f"{number}.log").open("wb"))
            arguments = ["--rate", str(options.rate), "--seconds", str(options.seconds + 2), "--x", str(number)]
            stack.enter_context(ending(subprocess.Popen([sys.executable, PRINTER, *arguments], stdout=log)))
        server = [sys.executable, "-m", "tests.bench.floor_tail", str(folder), str(port)]
        stack.enter_context(ending(subprocess.Popen(server, cwd=home.REPOSITORY)))
        wait_for(lambda: _answers(port), 30, "the floor's server runs")
        time.sleep(WARM_UP_SECONDS)
        return listen(f"ws://127.0.0.1:{port}", {}, options.sockets, options.seconds - WARM_UP_SECONDS)


@contextlib.contextmanager
def ending(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    import socket

    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


# --- the service ------------------------------------------------------------------------------------------------------


def log_in(service: Service) -> httpx.Client:
    """An administrator's session, with the CSRF token on every request."""
    account = {f"DJANGO_SUPERUSER_{name}": value for name, value in
               {"USERNAME": "bench", "EMAIL": "bench@example.org", "PASSWORD": PASSWORD}.items()}  # fmt: skip
    command = [sys.executable, "manage.py", "createsuperuser", "--noinput"]
    subprocess.run(command, cwd=home.REPOSITORY, env=service.environment() | account, check=True, capture_output=True)
    client = httpx.Client(base_url=f"{service.url}/api/v1", timeout=60, headers={"Referer": service.url})
    client.get("/session").raise_for_status()
    client.headers["X-CSRFToken"] = client.cookies["csrftoken"]
    client.post("/session", json={"username": "bench", "password": PASSWORD}).raise_for_status()
    client.headers["X-CSRFToken"] = client.cookies["csrftoken"]  # logging in changed it
    return client


def start_job(client: httpx.Client, options: argparse.Namespace) -> None:
    """A job whose trials all run at once, and the wait until they do."""

    def post(path: str, document: dict[str, Any]) -> None:
        answer = client.post(path, json=document)
        assert answer.is_success, answer.text

    post("/projects", {"slug": PROJECT, "name": PROJECT})
    post(f"/projects/{PROJECT}/algorithms", {"name": "printer"})
    version = {
        "source": {"files": {"printer.py": PRINTER.read_text()}},
        "entry_point": "printer.py",
        "hyperparameters": [
            {"name": name, "type": "float", "min": 0, "max": 1e6, "default": 1, "tunable": name == "x"}
            for name in ("x", "rate", "seconds")
        ],
        "metrics": [{"name": "stamp", "regex": r"stamp=([0-9.]+)"}],
        "objectives": [{"metric": "stamp", "goal": "maximize"}],
        "channels": [],
        "resources": {"cpus": 1, "memory_mb": 256, "gpus": 0},
    }
    post(f"/projects/{PROJECT}/algorithms/printer/versions", version)
    job = {
        "name": JOB,
        "algorithm": {"name": "printer", "version": 1},
        "channels": {},
        "objective": {"metric": "stamp", "goal": "maximize"},
        "space": [{"name": "x", "type": "float", "min": 0, "max": 1, "scale": "linear"}],
        "static": {"rate": options.rate, "seconds": 2 * options.seconds + 60},
        "strategy": {"name": "random", "options": {}},
        "limits": {"max_trials": options.trials, "max_parallel": options.trials, "trial_seconds": 3600},
        "seed": 1,
    }
    post(f"/projects/{PROJECT}/jobs", job)

    def all_run() -> bool:
        counts = client.get(f"/projects/{PROJECT}/jobs/{JOB}").json()["counts"]
        return bool(counts.get("Running", 0) == options.trials)

    wait_for(all_run, 120, f"{options.trials} trials run")


def measure_service(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="hpt-bench-") as name:
        os.environ["HPT_TRIAL_SLOTS"] = str(options.trials)
        service = Service(Path(name) / "home", example=False).start()
        try:
            with contextlib.closing(log_in(service)) as client:
                start_job(client, options)
                cookie = f"sessionid={client.cookies['sessionid']}"
                url = f"ws://127.0.0.1:{service.port}/ws/v1/projects/{PROJECT}/jobs/{JOB}"
                headers = {"Cookie": cookie, "Origin": service.url}
                time.sleep(WARM_UP_SECONDS)
                used = cpu_seconds(service)
                result = listen(url, headers, options.sockets, options.seconds - WARM_UP_SECONDS)
                spent = {part: round(after - used[part], 2) for part, after in cpu_seconds(service).items()}
                result["cpu_seconds"] = spent
                if options.screen:
                    result["printed_to_screen"] = screen(service, client.cookies["sessionid"], options.seconds)
                return result
        finally:
            service.stop()


def cpu_seconds(service: Service) -> dict[str, float]:
    """Processor time of each part and its children so far."""
    import psutil

    used = {}
    for part in ("web", "worker", "follower", "postgres", "valkey"):
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(service.pid(part))
            times = [p.cpu_times() for p in (process, *process.children(recursive=True))]
            used[part] = sum(t.user + t.system for t in times)
    return used


def screen(service: Service, session: str, seconds: float) -> dict[str, float | int]:
    """The same on the page of the job, in a real Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1400, "height": 2000})
        context.add_cookies([{"name": "sessionid", "value": session, "url": service.url}])
        page = context.new_page()
        page.goto(f"{service.url}/projects/{PROJECT}/jobs/{JOB}")
        # Asked from here: the page's own waiting evaluates a text, which its Content Security Policy forbids.
        wait_for(lambda: page.evaluate(CURVES_DRAWN), 60, "the curves are drawn")
        page.evaluate(f"({SCREEN_PROBE})()")
        page.wait_for_timeout(seconds * 1000)
        ages: list[float] = page.evaluate("window.ages")
        browser.close()
    return quantiles([age / 1000 for age in ages])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--rate", type=float, default=2.0, help="lines a second of each trial")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--sockets", type=int, default=1)
    parser.add_argument("--screen", action="store_true", help="also in Chromium")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    random.seed(1)
    setting = {"trials": options.trials, "rate": options.rate, "sockets": options.sockets}
    machine = {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 2)}
    before, ours, after = floor(options), measure_service(options), floor(options)
    result = {**setting, **machine, "floor": before, "service": ours, "floor_after": after,
              "load_after": round(os.getloadavg()[0], 2)}  # fmt: skip
    text = orjson.dumps(result, option=orjson.OPT_INDENT_2).decode()
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
