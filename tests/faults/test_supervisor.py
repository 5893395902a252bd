"""The supervisor against kill -9 at every part, and its own end: real processes, watched from outside."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from hpt_web.embedded import processes
from tests.service import Service, wait_for

BACK_SECONDS = 60.0  # generous, as other tests keep the machine busy; the usual time is a few seconds


@pytest.fixture
def fresh() -> Iterator[Service]:
    with tempfile.TemporaryDirectory(prefix="hpt-") as folder:  # so short that the sockets lie in it
        made = Service(Path(folder), example=False)
        yield made
        made.stop()


def remember(service: Service, text: str) -> None:
    """Write something to both servers, acknowledged by both."""
    with psycopg.connect(service.database().url) as connection:
        connection.execute("create table if not exists kept (text text)")
        connection.execute("insert into kept values (%s)", [text])
    with redis.Redis(unix_socket_path=str(service.queue().socket)) as client:
        client.rpush("kept", text)


def remembered(service: Service) -> tuple[list[str], list[str]]:
    with psycopg.connect(service.database().url) as connection:
        rows = [row[0] for row in connection.execute("select text from kept")]
    with redis.Redis(unix_socket_path=str(service.queue().socket), decode_responses=True) as client:
        return rows, client.lrange("kept", 0, -1)


def back(service: Service, part: str, killed: int) -> bool:
    return service.pid(part) not in (0, killed)


@pytest.mark.parametrize("part", ["postgres", "valkey", "worker", "web", "follower"])
def test_a_killed_part_comes_back_and_nothing_is_lost(service: Service, part: str) -> None:
    remember(service, part)
    before = remembered(service)
    others = {name: service.pid(name) for name in ("postgres", "valkey", "worker", "web", "follower") if name != part}

    killed = service.kill(part)

    wait_for(lambda: back(service, part, killed), BACK_SECONDS, f"{part} runs again")
    wait_for(service.database().ready, BACK_SECONDS, "the database answers")
    wait_for(service.queue().ready, BACK_SECONDS, "the queue answers")
    wait_for(service.serves, BACK_SECONDS, "the page answers")
    assert remembered(service) == before
    assert others == {name: service.pid(name) for name in others}, "a part that was not killed was started again"
    assert f"{part}: was ended by SIGKILL" in service.console()


def test_the_workers_own_process_is_not_left_behind(service: Service) -> None:
    """Dramatiq's master leaves its worker process running when it is killed."""
    members = [pid for pid in processes.leftovers(service.home, "worker") if pid != service.pid("worker")]
    assert members, "Dramatiq runs its worker in a process of its own"
    killed = service.kill("worker")
    wait_for(lambda: back(service, "worker", killed), BACK_SECONDS, "the worker runs again")
    assert not [pid for pid in members if processes.alive(pid)]


def test_a_second_supervisor_in_the_same_home_is_refused(service: Service) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "tests.service"], env=service.environment(), capture_output=True, text=True, timeout=60
    )
    assert second.returncode == 1
    assert f"already runs in {service.home}" in second.stdout
    assert "HPT_HOME=" in second.stdout
    assert service.runs()
    assert service.serves()


def test_a_taken_port_is_named_with_its_remedy(fresh: Service) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", fresh.port))
        other.listen()
        fresh.begin()
        assert fresh.wait() == 1
    assert f"port {fresh.port} on 127.0.0.1 cannot be used" in fresh.console()
    assert f"HPT_PORT={fresh.port + 1}" in fresh.console()
    assert fresh.processes() == []


def test_ctrl_c_leaves_no_process_and_the_next_start_has_everything(fresh: Service) -> None:
    fresh.start()
    remember(fresh, "before")
    kept = remembered(fresh)

    fresh.interrupt()
    assert fresh.wait() == 0
    assert fresh.processes() == []
    assert not list((fresh.home / "run").glob("[!s]*.pid"))

    fresh.start()
    assert remembered(fresh) == kept


def test_ctrl_c_while_starting_leaves_no_process(fresh: Service) -> None:
    fresh.begin()
    wait_for(lambda: fresh.pid("postgres"), BACK_SECONDS, "the database was started")
    fresh.interrupt()
    assert fresh.wait() == 0
    assert fresh.processes() == []


def test_a_second_ctrl_c_kills_at_once(fresh: Service) -> None:
    fresh.start()
    os.kill(fresh.pid("follower"), signal.SIGSTOP)  # it will not end when asked
    fresh.interrupt()
    wait_for(lambda: "Stopping." in fresh.console(), 5, "the first Ctrl-C was taken")
    fresh.interrupt()
    assert fresh.wait(5) == 130
    assert fresh.processes() == []


def test_a_killed_supervisor_is_cleaned_up_after_and_trials_go_on(fresh: Service) -> None:
    fresh.start()
    remember(fresh, "before")
    kept = remembered(fresh)
    marks = {**fresh.environment(), processes.PART_VARIABLE: "follower", processes.ATTEMPT_VARIABLE: "1-1-1"}
    trial = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=marks, start_new_session=True)
    stubborn = fresh.pid("follower")
    os.kill(stubborn, signal.SIGSTOP)
    try:
        fresh.kill_supervisor()
        fresh.start()
        assert remembered(fresh) == kept
        assert not processes.alive(stubborn)
        assert trial.poll() is None, "a trial must outlive the supervisor"
    finally:
        trial.kill()
        trial.wait()


def test_a_lock_file_that_names_somebody_elses_process_does_not_stop_the_database(fresh: Service) -> None:
    """After a reboot, or a container's restart, the process id in postmaster.pid may be anybody's."""
    fresh.start()
    remember(fresh, "before")
    kept = remembered(fresh)
    killed = fresh.kill("postgres")
    fresh.kill_supervisor()
    wait_for(lambda: not processes.alive(killed), BACK_SECONDS, "the database has ended")
    lock = fresh.database().data / "postmaster.pid"
    lock.write_text(lock.read_text().replace(str(killed), str(os.getpid()), 1))
    fresh.start()
    assert remembered(fresh) == kept


def test_a_part_that_cannot_start_is_shown_with_its_last_lines(service: Service) -> None:
    """Here the web server, as somebody took its port while it was down."""
    killed = service.pid("web")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        os.kill(killed, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                other.bind(("127.0.0.1", service.port))
                break
        other.listen()
        wait_for(lambda: "address already in use" in service.console(), BACK_SECONDS, "the reason is on the console")
    wait_for(service.serves, BACK_SECONDS, "the page answers once the port is free")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else for PostgreSQL")
def test_postgres_runs_for_root_where_user_namespaces_are_forbidden(tmp_path: Path) -> None:
    """As in Docker: the kernel forbids them in a changed root, which the test makes over the same files."""
    script = (
        "from pathlib import Path; from tests import servers; import psycopg, sys;"
        "server = servers.start_postgres(Path(sys.argv[1]));"
        "print(psycopg.connect(server.url).execute('select 40 + 2').fetchone()[0]); server.stop()"
    )
    root = tmp_path / "root"
    root.mkdir()
    inside = f"mount --rbind / {root} && exec chroot {root} {sys.executable} - {tmp_path}"
    run = subprocess.run(
        ["unshare", "--mount", "sh", "-c", inside],
        input=f"import os; os.chdir({str(Path.cwd())!r}); import sys; sys.path.insert(0, '.');{script}",
        capture_output=True,
        text=True,
        timeout=60,
    )
    if "unshare" in run.stderr or "mount" in run.stderr:
        pytest.skip(f"no private mounts here: {run.stderr.strip()}")
    assert run.stdout.strip() == "42", run.stderr
    assert (tmp_path / "data").stat().st_uid == 65534
