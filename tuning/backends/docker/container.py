"""What the engine is told of an attempt: one container, as little of everything as the trial can do with.

By default: another user than root, no way to more privileges, no capabilities, a read-only root, no network, private
IPC, the engine's own seccomp and AppArmor profiles, bounded memory, processes and processors. The folders of the
training contract, /tmp and a home are the only places to write to.
"""

from __future__ import annotations

import hashlib
import json
import resource
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuning.backends import layout
from tuning.backends.contract import LaunchSpec
from tuning.backends.docker import runtime
from tuning.backends.warden.order import Order

BASE = "/opt/ml"
TOLD, ASKED = "told", "asked"  # folders of an attempt: what its warden leaves, and what is asked of it
INSIDE = "/.hpt"  # both of them, as the container sees them
# In the first of them, shown as input/data where channels come through pipes: the trial may not write there, but the
# warden, which is the same user, has to make FIFOs. And where it finds what to write into them.
PIPES, SOURCES = f"{TOLD}/data", f"{INSIDE}/pipes"
LABEL_ROOT, LABEL_ATTEMPT = "hpt.root", "hpt.attempt"
LABEL_POOLED = "hpt.container"  # its own name, where it may serve more attempts than the one that it was made for
WARDEN_BYTES = 32 << 20  # of memory, for the warden itself
WARDEN_TASKS = 1
SHM_BYTES = 1 << 30  # of /dev/shm, which frameworks share batches through; at most half of the memory
SOFT_FILES, HARD_FILES = 1024, 65536  # that a process may have open; an engine's own defaults are without end
GPU_USES = ["gpu", "compute", "utility"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Of the warden; the trial's come with its order, so that `inspect` shows none. What an image wants to be loaded into
# each of its programs does not fit the warden's libraries; and CUDA's images ask for all GPUs if nobody says otherwise.
ENVIRONMENT = ["LD_PRELOAD=", "LD_AUDIT="]
NO_GPUS = "NVIDIA_VISIBLE_DEVICES=void"
# Mounted from the attempt's folder: its name there, where the container sees it, and whether it may be written to.
FOLDERS = (
    ("input", f"{BASE}/input", False),
    ("model", f"{BASE}/model", True),
    ("output", f"{BASE}/output", True),
    ("home", f"{BASE}/home", True),
    ("tmp", "/tmp", True),  # noqa: S108 - the container's own
    (TOLD, f"{INSIDE}/{TOLD}", True),
    (ASKED, f"{INSIDE}/{ASKED}", False),
)


def mounts(spec: LaunchSpec, folder: Path, lent: Path) -> list[dict[str, Any]]:
    shown = [_bind(folder / name, target, writable=writable) for name, target, writable in FOLDERS]
    if spec.code is not None:  # an image may bring its own /opt/ml/code
        shown.append(_bind(folder / "code", f"{BASE}/code", writable=True))
    shown.append(_bind(spec.checkpoints.resolve(), f"{BASE}/checkpoints", writable=True))
    shown.append(_bind(lent, runtime.SHOWN, writable=False))
    if spec.pipes:
        shown.append(_bind(folder / PIPES, f"{BASE}/input/data", writable=False))
    for channel, source in spec.channels.items():
        path = source.resolve()
        inner = channel if path.is_dir() else f"{channel}/{source.name}"
        place = SOURCES if channel in spec.pipes else f"{BASE}/input/data"
        shown.append(_bind(path, f"{place}/{inner}", writable=False))
    return shown


def _bind(source: Path, target: str, *, writable: bool) -> dict[str, Any]:
    options = {"Propagation": "rprivate"}
    return {
        "Type": "bind",
        "Source": str(source),
        "Target": target,
        "ReadOnly": not writable,
        "BindOptions": options,
    }


def document(
    spec: LaunchSpec,
    image: Mapping[str, Any],
    folder: Path,
    lent: Path,
    user: tuple[int, int],
    root: str,
    pooled: str | None = None,
    bounded: bool = True,
) -> dict[str, Any]:
    """The body of the engine's `POST /containers/create`. ``image`` is as the engine inspects it.

    ``pooled`` is the container's name, if it may serve several attempts. An engine that cannot keep what it runs
    ``bounded`` is not asked to.
    """
    limits = spec.limits
    memory = None if limits.memory_bytes is None else limits.memory_bytes + WARDEN_BYTES
    host: dict[str, Any] = {
        # Not AutoRemove: an engine that comes back after a crash kills such containers, live restore or not.
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": True,
        "IpcMode": "private",
        "NetworkMode": spec.network or "none",
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "none"},  # the warden keeps it
        "Mounts": mounts(spec, folder, lent),
        "Ulimits": [{"Name": "nofile", "Soft": SOFT_FILES, "Hard": _hard_files()}],
        "ShmSize": SHM_BYTES if memory is None else min(SHM_BYTES, memory // 2),
    }
    if memory is not None and bounded:
        host |= {"Memory": memory, "MemorySwap": memory}
    if limits.processes is not None and bounded:
        host["PidsLimit"] = limits.processes + WARDEN_TASKS + len(spec.pipes)
    if limits.cpus is not None and bounded:
        host["NanoCpus"] = int(limits.cpus * 1e9)
    if spec.gpus:
        host["DeviceRequests"] = [{"Driver": "nvidia", "DeviceIDs": list(spec.gpus), "Capabilities": [GPU_USES]}]
    return {
        "Image": image["Id"],
        "User": f"{user[0]}:{user[1]}",
        "Hostname": layout.HOST,
        "Entrypoint": runtime.command(f"{INSIDE}/{TOLD}", f"{INSIDE}/{ASKED}"),
        "Cmd": [],
        "WorkingDir": _folder(spec, image),  # the engine makes one that the image only names
        "Env": ENVIRONMENT if spec.gpus else [*ENVIRONMENT, NO_GPUS],
        "Labels": _labels(spec, root, pooled),
        "StopSignal": "SIGTERM",
        **({"Healthcheck": {"Test": ["NONE"]}} if (image.get("Config") or {}).get("Healthcheck") else {}),
        "HostConfig": host,
    }


def _labels(spec: LaunchSpec, root: str, pooled: str | None) -> dict[str, str]:
    labels = {f"hpt.{name}": text for name, text in spec.names.items()}
    labels |= {LABEL_ROOT: root, LABEL_ATTEMPT: spec.attempt}
    if pooled is not None:
        labels.pop("hpt.trial", None)  # it is more than this one's
        labels[LABEL_POOLED] = pooled
    return labels


def may_be_pooled(spec: LaunchSpec, image: Mapping[str, Any]) -> bool:
    """Whether its container may serve a next attempt. An image's volumes would keep what is written to them, and the
    folder of the pipes stays with the attempt."""
    asked = spec.keep_alive_seconds > 0 and bool(spec.pool) and not spec.pipes
    return asked and not (image.get("Config") or {}).get("Volumes")


def likeness(spec: LaunchSpec, image: Mapping[str, Any], lent: Path, user: tuple[int, int], root: str) -> str:
    """What two attempts must have in common to share a container, as a digest.

    That is all that the engine would be told, but for where the folders of an attempt are and what it is called; and
    that the inputs which are mounted are still the same files.
    """
    told = document(replace(spec, attempt="", checkpoints=Path("/")), image, Path("/"), lent, user, root, "")
    inputs = [(str(path), (found := path.stat()).st_dev, found.st_ino) for path in spec.channels.values()]
    text = json.dumps([spec.pool, told, inputs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _hard_files() -> int:
    """Not more than this process has itself: an engine without privileges may not be able to give more."""
    own = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return HARD_FILES if own == resource.RLIM_INFINITY else min(HARD_FILES, own)


def order(
    spec: LaunchSpec, image: Mapping[str, Any], cpus: int, moved: Path | None = None, *, bounded: bool = True
) -> Order:
    """What the warden runs inside: the image's entrypoint with the command, in the image's environment and more.

    ``moved`` is the attempt's folder if it was put in the place of an earlier one's. Memory and processes are the
    warden's to limit if the engine has not ``bounded`` them.
    """
    config = image.get("Config") or {}
    entrypoint = tuple(config.get("Entrypoint") or ()) if spec.entrypoint is None else spec.entrypoint
    variables = _environment(spec, config, cpus)
    return Order(
        argv=[argument.encode() for argument in (*entrypoint, *spec.command)],
        environment=[f"{name}={value}".encode() for name, value in variables.items()],
        cwd=_folder(spec, image).encode(),
        read_only=[],
        wall_seconds=spec.limits.wall_seconds,
        limit_grace=spec.limits.grace_seconds,
        memory_bytes=None if bounded else spec.limits.memory_bytes,
        processes=None if bounded else spec.limits.processes,
        open_files=spec.limits.open_files,
        file_bytes=spec.limits.file_bytes,
        disk_bytes=spec.limits.disk_bytes,
        log_bytes=spec.limits.log_bytes,
        writable=[target.encode() for _, target, writable in FOLDERS if writable]
        + [f"{BASE}/checkpoints".encode()]
        + ([f"{BASE}/code".encode()] if spec.code is not None else []),
        checkpoints=f"{BASE}/checkpoints".encode(),
        keep_alive=spec.keep_alive_seconds if may_be_pooled(spec, image) else 0.0,
        mounted=[] if moved is None else _mounted(spec, moved),
        pipes=_pipes(spec) if spec.pipes else (),
    )


def _pipes(spec: LaunchSpec) -> list[bytes]:
    paths = [(f"{INSIDE}/{PIPES}/{channel}_", f"{SOURCES}/{channel}") for channel in sorted(spec.pipes)]
    return [path.encode() for pair in paths for path in pair]


def _mounted(spec: LaunchSpec, folder: Path) -> list[bytes]:
    shown = {target: folder / name for name, target, _ in FOLDERS} | {f"{BASE}/checkpoints": spec.checkpoints.resolve()}
    if spec.code is not None:
        shown[f"{BASE}/code"] = folder / "code"
    return [f"{path.stat().st_ino} {target}".encode() for target, path in shown.items()]


def _folder(spec: LaunchSpec, image: Mapping[str, Any]) -> str:
    return f"{BASE}/code" if spec.code is not None else str((image.get("Config") or {}).get("WorkingDir") or "/")


def _environment(spec: LaunchSpec, config: Mapping[str, Any], cpus: int) -> dict[str, str]:
    image = dict(entry.partition("=")[::2] for entry in config.get("Env") or ())
    defaults = {
        "HOME": f"{BASE}/home",
        "TMPDIR": "/tmp",  # noqa: S108 - the container's own
        "USER": "hpt",  # the image knows no name of our user, and some libraries ask for one
        "LOGNAME": "hpt",
        "PYTHONUNBUFFERED": "1",  # or a metric printed to a pipe would wait in a buffer for its page
    }
    plain = {"PATH": PATH, "LANG": "C.UTF-8"}
    return plain | image | defaults | dict(spec.environment) | layout.environment(spec, BASE, cpus)
