"""The services that faults are done to: throw-away ones of several kinds, or an operator's staging system."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from hpt_web.embedded import home, parts, postgres, processes, valkey
from tests import engine as engines
from tests import servers
from tests.chaos.proxy import Proxy
from tests.service import Service, wait_for

SLOTS = 4
GPUS = "chaos-0:1000MiB,chaos-1:1000MiB"  # nothing looks for them: a script is shown their names
PYTHON_IMAGE = "hpt-test/python:1"


class Absent(Exception):
    """Why a kind of service cannot be had on this machine."""


class Stage(Service):
    """A service with crash points, on which everything may be broken."""

    def __init__(self, root: Path, settings: Mapping[str, str] | None = None) -> None:
        self.crash_points: Path | None = root.with_name(f"{root.name}.crash")
        self.crash_points.mkdir()
        chosen = {"HPT_CRASH_POINTS": str(self.crash_points), "HPT_TRIAL_SLOTS": str(SLOTS), "HPT_DOCKER": ""}
        chosen["HPT_GPUS"] = GPUS
        chosen["HPT_STOP_GRACE_SECONDS"] = "30"  # a trial that is deaf to SIGTERM would else come to its own end
        super().__init__(root, example=False, settings={**chosen, **(settings or {})})
        self.database_url = self.database().url
        self.engine: engines.Engine | None = None
        self.proxy: Proxy | None = None
        self.clock: Path | None = None
        self.start_seconds = 10.0
        self._more: dict[str, subprocess.Popen[bytes]] = {}

    owned = True  # whether it may be killed with its supervisor, and started again

    def why_not(self, who: str) -> str:
        """Why something of this service may not be broken; empty if it may."""
        return ""

    def redis(self) -> redis.Redis:
        once = Retry(NoBackoff(), 0)  # or whoever shuts it down would do so again once it is back
        if url := self.settings.get("REDIS_URL"):
            return redis.Redis.from_url(url, retry=once)
        return redis.Redis(unix_socket_path=str(self.queue().socket), retry=once)

    # --- more of the same, beside what the supervisor keeps ---
    def add(self, part: parts.Part, **changes: str) -> int:
        """Start a second one of a part, which nobody starts again; its process id."""
        name = f"second-{part.name}"
        marks = {processes.PART_VARIABLE: name, "PYTHONUNBUFFERED": "1"}
        with (self.home / "logs" / f"{name}.log").open("ab") as output:
            self._more[name] = subprocess.Popen(
                part.command,
                env={**self.environment(), **part.environment, **marks, **changes},
                cwd=part.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return self._more[name].pid

    def remove_more(self) -> None:
        for process in self._more.values():
            processes.kill_group(process.pid)
            process.wait()
        self._more.clear()

    def worker_process(self) -> int:
        """The process below Dramatiq's master that runs the steps."""
        own = self.pid("worker")
        found = [
            pid for pid in processes.leftovers(self.home, "worker") if pid != own and _command(pid, "embedded.worker")
        ]
        return found[0] if found else own

    def stop(self) -> None:
        self.remove_more()
        super().stop()


def _command(pid: int, word: str) -> bool:
    try:
        return word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


class Staging(Stage):
    """An operator's running service on this host: broken, but not started or ended by us."""

    owned = False

    def __init__(self, root: Path, scratch: Path) -> None:
        try:
            pid = int((root / "run" / "supervisor.pid").read_text())
            variables = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        except (OSError, ValueError) as error:
            raise Absent(f"no service runs in {root} as this user: start it with HPT_HOME={root} make run") from error
        environment = dict(variable.partition("=")[::2] for variable in variables if variable)
        os.environ["HPT_HOME"] = str(root)  # where the sockets lie is derived from it
        super().__init__(scratch / root.name, {})
        self.settings = {name: value for name, value in environment.items() if name.startswith(("HPT_", "DATABASE_"))}
        self.settings |= {name: environment[name] for name in ("REDIS_URL",) if name in environment}
        armed = environment.get("HPT_CRASH_POINTS")
        self.crash_points = Path(armed) if armed else None
        self.home = root
        self.port = int(environment.get("HPT_PORT") or 8000)
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = environment.get("DATABASE_URL") or postgres.Postgres.of_home().url
        if (code := _code_of(pid)) not in (None, home.REPOSITORY):
            raise Absent(f"the service in {root} runs from {code}: run this there, or its parts and ours differ")

    def why_not(self, who: str) -> str:
        for server, variable in (("PostgreSQL", "DATABASE_URL"), ("Valkey", "REDIS_URL")):
            if server in who and variable in self.settings:
                return f"its {server} is not its own ({variable} is set), and nothing would start that again"
        return ""

    def runs(self) -> bool:
        return self.pid("supervisor") != 0

    def queue(self) -> valkey.Valkey:
        return valkey.Valkey.of_home()

    def stop(self) -> None:
        self.remove_more()


def _code_of(supervisor: int) -> Path | None:
    """The checkout from which a service was started, if that can be told."""
    try:
        folder = Path(f"/proc/{supervisor}/cwd").readlink()
    except OSError:
        return None
    return folder if (folder / "manage.py").is_file() else None


Opening = Callable[[Path], AbstractContextManager[Stage]]


@contextmanager
def standing(scratch: Path) -> Iterator[Stage]:
    """As `make run` starts it."""
    with running(Stage(scratch / "home")) as stage:
        yield stage


@contextmanager
def containers(scratch: Path) -> Iterator[Stage]:
    """With a Docker Engine of its own, whose daemon may be killed while its containers live on."""
    if reason := engines.missing():
        raise Absent(reason)
    cache = home.REPOSITORY / ".pytest_cache" / "d" / "hpt-images"
    cache.mkdir(parents=True, exist_ok=True)
    packages = ("python3-minimal", "libpython3-stdlib", "dash", "coreutils")
    image = engines.system_image(cache, "python", packages, {})
    with ExitStack() as stack:
        engine = engines.Engine()
        stack.callback(engine.remove)
        client = engine.client()
        client.import_image(str(image), repository=PYTHON_IMAGE.split(":")[0], tag="1")
        client.close()
        settings = {"HPT_DOCKER": engine.url, "HPT_BASE_IMAGE": PYTHON_IMAGE}
        stage = stack.enter_context(running(Stage(scratch / "docked", settings)))
        stage.engine = engine
        yield stage


@contextmanager
def far_database(scratch: Path) -> Iterator[Stage]:
    """Its database is reached over TCP, through something that may drop everything."""
    folder = scratch / "far-database"
    folder.mkdir(mode=0o700)
    server = servers.start_postgres(folder)
    with ExitStack() as stack:
        stack.callback(server.stop)
        proxy = Proxy(folder / f".s.PGSQL.{home.POSTGRES_PORT}")
        stack.callback(proxy.close)
        address = f"postgresql://{postgres.USER}@127.0.0.1:{proxy.port}/{postgres.DATABASE}"
        stage = Stage(scratch / "far", {"DATABASE_URL": address})
        stage.database_url = server.url
        stack.enter_context(running(stage))
        stage.proxy = proxy
        yield stage


@contextmanager
def odd_clock(scratch: Path) -> Iterator[Stage]:
    """The wall clocks of its own processes, but not of its servers, are off by what a file says."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise Absent("a C compiler is missing; on Debian: apt-get install gcc libc6-dev")
    library, clock = scratch / "clock.so", scratch / "clock"
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"], check=True)
    clock.write_bytes(bytes(struct.calcsize("d")))
    with running(Stage(scratch / "odd", {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(clock)})) as stage:
        stage.clock = clock
        yield stage


def set_clock(clock: Path, seconds: float) -> None:
    """From now on the wall clocks of such a service are off by so much."""
    with clock.open("r+b") as file:  # in place, as it is mapped
        file.write(struct.pack("d", seconds))


@contextmanager
def running(stage: Stage) -> Iterator[Stage]:
    begun = time.monotonic()
    try:
        stage.start()
        stage.start_seconds = time.monotonic() - begun
        yield stage
    finally:
        stage.stop()
        end_trials(stage)


def end_trials(stage: Stage, job: int = 0) -> None:
    """What a broken row may have left must not stay on the machine; of this job alone, if one is given."""
    from tests.faults.lab import trial_processes

    processes.kill(trial_processes(stage, job))


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Short, as unix sockets lie in it; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="hpt-chaos-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def kill_everything(stage: Stage) -> None:
    """As if the power were cut, but for the trials: the supervisor and every part, at once."""
    with contextlib.suppress(AssertionError):
        stage.kill_supervisor()
    for pid in stage.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not stage.processes(), 20, "every part is dead")


def manage(stage: Stage, *arguments: str) -> None:
    """Run a management command on its data."""
    command = [sys.executable, str(home.REPOSITORY / "manage.py"), *arguments]
    subprocess.run(command, env=stage.environment(), check=True, capture_output=True)
