"""What an administrator should know about an engine before trials of others run on it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import Any

from tuning.backends.docker.engine import Engine
from tuning.errors import BackendError

# The first release of each line of runc without the known ways out of a container (CVE-2025-31133, -52565, -52881;
# before them CVE-2024-21626). Distributions mend older ones under the old number, which no version tells.
SOUND_RUNC = ((1, 2, 8), (1, 3, 3))
LIMITS = {"MemoryLimit": "memory", "PidsLimit": "processes", "CpuCfsQuota": "processors"}


def concerns(engine: Engine) -> list[str]:
    """Sentences for the log at start, each with what to do; empty if all is well. BackendError without an engine."""
    with engine.client("asking the engine what it is") as client:
        version, info = client.version(), client.info()
    found = [unsupported] if (unsupported := mapped_users(info)) else []
    for component in version.get("Components") or ():
        runc = _numbers(str(component.get("Version", ""))) if component.get("Name") == "runc" else ()
        if runc and not sound(runc):
            wanted = " or ".join(".".join(map(str, release)) for release in SOUND_RUNC)
            found.append(
                f"runc {component['Version']} is older than {wanted}, before which containers could be escaped from: "
                "update it, unless your distribution has mended this version"
            )
    found += [
        f"the engine cannot limit {what}: trials can starve each other; turn on that control group"
        for name, what in LIMITS.items()
        if info.get(name) is False
    ]
    if not any("seccomp" in str(option) for option in info.get("SecurityOptions") or ()):
        found.append("the engine runs containers without seccomp: turn on its default profile")
    if info.get("LiveRestoreEnabled") is False:
        found.append("a restart of the engine ends all trials: set live-restore to true in its daemon.json")
    return found


def mapped_users(info: Mapping[str, Any]) -> str | None:
    """Why trials cannot run on this engine, and what to do; None if they can. ``info`` is as the engine tells it.

    Where a container's users are others outside of it, its trial has no right to the folders that it is shown.
    """
    options = " ".join(map(str, info.get("SecurityOptions") or ()))
    for name, what in (("rootless", "runs rootless"), ("userns", "maps users (userns-remap)")):
        if re.search(rf"\bname={name}\b", options):
            return (
                f"the engine {what}, so the folders of a trial belong to nobody in its container, and none can start: "
                "give HPT_DOCKER an engine that runs as root without userns-remap"
            )
    return None


def why_not_started(engine: Engine) -> str | None:
    """What of the engine itself keeps containers from starting; None if that is unknown."""
    with contextlib.suppress(BackendError), engine.client("asking the engine what it is") as client:
        return mapped_users(client.info())
    return None


def sound(runc: tuple[int, ...]) -> bool:
    return runc >= SOUND_RUNC[-1] or any(runc[:2] == release[:2] and runc >= release for release in SOUND_RUNC)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
