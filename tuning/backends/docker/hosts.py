"""What an administrator should know about an engine before trials of others run on it."""

from __future__ import annotations

import os
import re

from tuning.backends.docker.accounts import account
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
    found = _unsuitable(engine)
    for component in version.get("Components") or ():
        runc = _numbers(str(component.get("Version", ""))) if component.get("Name") == "runc" else ()
        if runc and not sound(runc):
            wanted = " or ".join(".".join(map(str, release)) for release in SOUND_RUNC)
            found.append(
                f"runc {component['Version']} is older than {wanted}, before which containers could be escaped from: "
                "update it, unless your distribution has mended this version"
            )
    found += [
        f"the engine cannot limit {what}: turn on that control group, or trials can starve each other"
        for name, what in LIMITS.items()
        if info.get(name) is False
    ]
    if not any("seccomp" in str(option) for option in info.get("SecurityOptions") or ()):
        found.append("the engine runs containers without seccomp: turn on its default profile")
    if info.get("LiveRestoreEnabled") is False:
        found.append("a restart of the engine ends all trials: set live-restore to true in its daemon.json")
    return found


def _unsuitable(engine: Engine) -> list[str]:
    try:
        account(engine, (os.geteuid(), os.getegid()))
    except BackendError as error:
        return [str(error)]
    return []


def sound(runc: tuple[int, ...]) -> bool:
    return runc >= SOUND_RUNC[-1] or any(runc[:2] == release[:2] and runc >= release for release in SOUND_RUNC)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
