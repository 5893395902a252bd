"""A real Docker Engine for the tests: its own daemon, data and socket in a scratch folder, and no network bridge.

Needs root and Debian's docker.io (`make engine`). The images that it runs are made from the distribution's packages, so
that no registry is needed. Everything of a run that was killed is removed by the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from docker import APIClient

PREFIX = "hpt-engine-"
START_SECONDS = 60.0
CGROUPS = Path("/sys/fs/cgroup")


def missing() -> str | None:
    """Why there can be no engine here, or None."""
    if os.geteuid() != 0:
        return "starting a container engine needs root"
    absent = [name for name in ("dockerd", "containerd", "runc", "apt-get", "dpkg") if shutil.which(name) is None]
    return f"{', '.join(absent)} is missing; on Debian: make engine" if absent else None


class Engine:
    """dockerd and, as on a real host, a containerd of its own beside it."""

    def __init__(self, *options: str) -> None:
        for stale in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            _demolish_unused(stale)
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.options = options
        # dockerd takes it for NVIDIA's and gives out GPUs that there are none of: a container is told their ids.
        hook = self.folder / "bin" / "nvidia-container-runtime-hook"
        hook.parent.mkdir()
        hook.write_text("#!/bin/sh\n")
        hook.chmod(0o755)
        containerd = self.folder / "containerd"
        containerd.mkdir()
        (containerd / "config.toml").write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        self.containerd = self._run(
            *("containerd", "--config", str(containerd / "config.toml"), "--root", str(containerd / "root")),
            *("--state", str(containerd / "state"), "--address", str(self.folder / "containerd.sock")),
            *("--log-level", "warn"),
        )
        self.start()

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    def client(self) -> APIClient:
        return APIClient(self.url, version="auto", timeout=60)

    def start(self) -> None:
        folder = self.folder
        self.daemon = self._run(
            *("dockerd", "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
            *("--containerd", str(folder / "containerd.sock"), "--pidfile", str(folder / "dockerd.pid")),
            *("--host", self.url, "--bridge", "none", "--iptables=false", "--ip6tables=false", "--live-restore"),
            *("--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/{folder.name}"),
            *("--log-level", "warn", *self.options),
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                log = (folder / "engine.log").read_text(errors="replace")
                self.remove()
                raise RuntimeError(f"dockerd did not start:\n{log[-4000:]}")
            time.sleep(0.05)

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "engine.log").open("ab") as output:
            return subprocess.Popen(
                command,
                env={**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd="/",
            )

    def _answers(self) -> bool:
        try:
            client = self.client()
            client.close()
        except Exception:
            return False
        return True

    def kill(self) -> None:
        """The daemon alone, the hard way; what it has started lives on."""
        self.daemon.kill()
        self.daemon.wait()
        (self.folder / "dockerd.pid").unlink(missing_ok=True)

    def remove(self) -> None:
        for process in (self.daemon, self.containerd):
            process.kill()
            process.wait()
        demolish(self.folder)
        os.close(self._lock)


def _demolish_unused(folder: Path) -> None:
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # being made at this moment
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        demolish(folder)
    except BlockingIOError:
        pass
    finally:
        os.close(lock)


def demolish(folder: Path) -> None:
    """End every process of an engine and its containers, and remove what it had mounted and written."""
    deadline = time.monotonic() + 30
    while pids := [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _of(entry, folder)]:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in reversed([mount for mount in mounts if mount.startswith(f"{folder}/")]):
        subprocess.run(["umount", "-l", mount], check=False, stderr=subprocess.DEVNULL)
    for group in sorted([*CGROUPS.glob(folder.name), *CGROUPS.glob(f"*/{folder.name}")]):
        for path in sorted((path for path in [group, *group.rglob("*")] if path.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                path.rmdir()
    shutil.rmtree(folder, ignore_errors=True)


def _of(process: Path, folder: Path) -> bool:
    """Its own processes name the folder; those of its containers are in its control groups."""
    try:
        state = (process / "stat").read_bytes().rpartition(b")")[2].split()[0]
        told = (process / "cmdline").read_bytes().startswith((b"dockerd", b"containerd", b"/usr/bin/containerd-shim"))
        ours = told and f"{folder}/".encode() in (process / "cmdline").read_bytes()
        return state not in (b"Z", b"X") and (ours or f"/{folder.name}/" in (process / "cgroup").read_text())
    except OSError:
        return False


# Images


def system_image(cache: Path, name: str, packages: tuple[str, ...], files: dict[str, str]) -> Path:
    """A tar file with the distribution's ``packages`` and what they depend on, and ``files`` (executable).

    Made once and kept in ``cache``.
    """
    archive = cache / f"{name}.tar"
    if archive.exists():
        return archive
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "archives/partial").mkdir(parents=True)
        (folder / "status").touch()  # as on a machine on which nothing is installed
        subprocess.run(
            [
                *("apt-get", "-qq", "-y", "--no-install-recommends", "--download-only", "install"),
                *("-o", f"Dir::State::status={folder}/status", "-o", f"Dir::Cache::archives={folder}/archives"),
                *("-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root", *packages),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        root = folder / "root"
        for package in sorted((folder / "archives").glob("*.deb")):
            subprocess.run(["dpkg", "-x", str(package), str(root)], check=True)
        for unneeded in ("usr/share/doc", "usr/share/man", "usr/share/locale"):
            shutil.rmtree(root / unneeded, ignore_errors=True)
        (root / "tmp").mkdir(mode=0o1777, exist_ok=True)
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
            (root / path).chmod(0o755)
        draft = archive.with_suffix(f".{os.getpid()}")
        subprocess.run(["tar", "-cf", str(draft), "-C", str(root), "."], check=True)
        draft.rename(archive)
    return archive
