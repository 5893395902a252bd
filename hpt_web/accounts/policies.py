"""What an administrator has decided for all jobs of a team: which images they run, and settings that nobody changes.

A job that leaves a fixed setting open gets it as it is fixed; one that says otherwise is refused. Jobs that are there
already stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from hpt_web.accounts.errors import Fault
from hpt_web.accounts.models import Team

SETTINGS: Mapping[str, tuple[bool | str, ...]] = {
    "spot": (True, False),
    "check_first": (True, False),
    "runs_in": ("process", "container"),
}
MOST_PATTERNS = 100
LONGEST_PATTERN = 255


def faults(images: Sequence[object], fixed: Mapping[str, object]) -> list[Fault]:
    """What is wrong with a team's policies."""
    found = []
    if len(images) > MOST_PATTERNS:
        found.append(Fault("images", f"has {len(images)} patterns; give at most {MOST_PATTERNS}", "range"))
    for at, pattern in enumerate(images[:MOST_PATTERNS]):
        if not _is_pattern(pattern):
            shown = f"is {pattern!r:.80}; give an image such as registry.example/team/*, where * is any text"
            found.append(Fault(f"images[{at}]", shown))
    for name, value in fixed.items():
        if name not in SETTINGS:
            message = f"cannot be fixed; choose among {', '.join(SETTINGS)}"
            found.append(Fault(f"fixed.{name[:40]}", message, "unknown"))
        elif not any(value is one or (isinstance(value, str) and value == one) for one in SETTINGS[name]):
            choices = " or ".join(_text(one) for one in SETTINGS[name])
            found.append(Fault(f"fixed.{name}", f"is {value!r:.40}; give {choices}", "unknown"))
    return found


def _is_pattern(pattern: object) -> bool:
    return (
        isinstance(pattern, str)
        and 0 < len(pattern) <= LONGEST_PATTERN
        and pattern.isprintable()
        and " " not in pattern
    )


def filled(document: object, team: Team | None) -> object:
    """A job's document with the fixed settings that it leaves open."""
    if team is None or not team.fixed or not isinstance(document, Mapping):
        return document
    return {**document, **{name: value for name, value in team.fixed.items() if document.get(name) is None}}


def job_faults(team: Team | None, settings: Mapping[str, object], image: str | None) -> list[Fault]:
    """What a job of the team may not be: `settings` are its own by name, `image` what its containers are made from."""
    if team is None:
        return []
    found = [
        Fault(name, f"is {_text(settings[name])}; team {team.name} has it {_text(value)}: leave it out", "policy")
        for name, value in team.fixed.items()
        if name in settings and settings[name] != value
    ]
    if image is not None and team.images and not allows(team.images, image):
        message = f"is {image[:80]!r}; team {team.name} allows {', '.join(team.images[:5])}: choose one of these"
        found.append(Fault("image", message, "policy"))
    return found


def allows(patterns: Sequence[str], image: str) -> bool:
    """Whether the image, with or without its digest, is one of those."""
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in (image, image.split("@")[0]))


def _text(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
