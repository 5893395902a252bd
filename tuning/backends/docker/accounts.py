"""Under which account a trial runs in its container, and whose its folders are outside of it.

Most engines leave accounts as they are. A rootless engine's containers have a root of their own, who is the engine's
account outside and has no rights there but that account's; all others in them are accounts that own nothing here.
With userns-remap every account of a container is another one outside, by a fixed distance.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tuning.backends.docker.engine import Engine
from tuning.errors import BackendError

Ids = tuple[int, int]  # uid and gid
REMAPPED = re.compile(r"/(\d+)\.(\d+)\Z")  # how the engine's folder ends then: the host's ids of the container's root
BOUNDS = ("MemoryLimit", "PidsLimit", "CpuCfsQuota")
ELSE = "or give HPT_DOCKER an engine that runs as root without userns-remap"


@dataclass(frozen=True, slots=True)
class Account:
    """``inside`` the container and ``outside``. ``bounded``: the engine can limit memory, processes and processors, or
    else the warden in the container limits the first two."""

    inside: Ids
    outside: Ids
    bounded: bool = True


def account(engine: Engine, user: Ids) -> Account:
    """Of trials that are to run as ``user``. BackendError with what to do if the engine's kind forbids it."""
    with engine.client("asking the engine what it is") as client:
        info: Mapping[str, Any] = client.info()
    options = " ".join(map(str, info.get("SecurityOptions") or ()))
    bounded = all(info.get(name) is not False for name in BOUNDS)
    if re.search(r"\bname=rootless\b", options):
        return _rootless(engine.url, bounded)
    if re.search(r"\bname=userns\b", options):
        return _remapped(str(info.get("DockerRootDir", "")), user, bounded)
    return Account(user, user, bounded)


def _rootless(url: str, bounded: bool) -> Account:
    ours, path = os.geteuid(), urlsplit(url).path
    owner = Path(path).stat().st_uid if url.startswith("unix:") and Path(path).exists() else None
    if ours == 0 or owner != ours:
        whose = "another account" if owner is None else f"the account {owner}"
        raise BackendError(
            f"the engine at {url} runs rootless under {whose} and cannot use the folders of the service's account, "
            f"{ours}: run both under one account that is not root, {ELSE}"
        )
    return Account((0, 0), (ours, os.getegid()), bounded)


def _remapped(folder: str, user: Ids, bounded: bool) -> Account:
    found = REMAPPED.search(folder)
    if os.geteuid() != 0 or found is None:
        raise BackendError(
            "the engine maps users (userns-remap), so that trials run as accounts to which only root can give their "
            f"folders: run the service as root, {ELSE}"
        )
    return Account(user, (int(found[1]) + user[0], int(found[2]) + user[1]), bounded)
