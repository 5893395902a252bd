"""Strategies and policies of other packages, found by their entry points (docs/plugins.md).

An entry point of the group ``hpt.strategies`` or ``hpt.policies`` names an object, such as a module, with

    INFO        a ``tuning.registry.Info``; its name is that of the entry point
    build       makes the strategy or policy; called with every option of INFO by keyword
    faults      may be left out; what is wrong with several options together (see ``Registry.add``)

Nothing that such a package does may break the service. One that cannot be imported or that breaks these rules is left
out of the catalogue, and told of in the log and by ``broken``. What it makes is watched (``watched.py``).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, TypeVar

from tuning.errors import Fault, InvalidSpec, Unusable
from tuning.parameter_rules import name_faults
from tuning.registry import Broken, Check, Entry, Found, Info, Option
from tuning.watched import told

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

logger = logging.getLogger(__name__)

STRATEGIES, POLICIES = "hpt.strategies", "hpt.policies"

T = TypeVar("T")


def discover(group: str, watch: Callable[[T, Info, str], T], taken: Collection[str]) -> Found[T]:
    """What the installed packages offer in ``group``; ``watch`` is put around everything that they make."""
    from importlib import metadata  # a fiftieth of a second, which only those wait who look for packages

    entries: list[Entry[T]] = []
    broken: list[Broken] = []
    points = sorted(metadata.entry_points(group=group), key=lambda point: (point.name, _package(point)))
    offered = Counter(point.name for point in points)
    for point in points:
        package = _package(point)
        try:
            if point.name in taken:
                raise _Refused(f"the name {point.name} is taken by HPT itself; choose another one")
            if offered[point.name] > 1:
                others = ", ".join(sorted(_package(p) for p in points if p.name == point.name))
                raise _Refused(f"several packages offer that name ({others}); uninstall all but one")
            entries.append(_entry(point, package, watch))
        except (Exception, SystemExit) as error:
            reason = str(error) if isinstance(error, _Refused) else f"it cannot be loaded: {told(error)}"
            broken.append(Broken(point.name, package, reason))
            refused = isinstance(error, _Refused)
            logger.error("%s of %s is left out: %s", point.name, package, reason, exc_info=None if refused else error)
    return Found(tuple(entries), tuple(broken))


class _Refused(Exception):
    """The package breaks a rule; the message says which."""


def _package(point: EntryPoint) -> str:
    """The name and version of the package that an entry point is of."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unnamed package"


def _entry(point: EntryPoint, package: str, watch: Callable[[T, Info, str], T]) -> Entry[T]:
    offered = point.load()
    info = getattr(offered, "INFO", None)
    build = getattr(offered, "build", None)
    faults = getattr(offered, "faults", None)
    if not isinstance(info, Info):
        raise _Refused(f"{point.value} has no INFO of tuning.registry.Info")
    if not callable(build):
        raise _Refused(f"{point.value} has no build that can be called")
    if faults is not None and not callable(faults):
        raise _Refused(f"faults of {point.value} cannot be called; leave it out or make it a function")
    _check(info, point)
    known = Info(info.name, info.title, f"{info.summary} From the package {package}.", info.options, info.schedules)
    return Entry(known, _careful(build, known, package, watch), faults and _careful_faults(faults, package), package)


def _careful(build: Callable[..., T], info: Info, package: str, watch: Callable[[T, Info, str], T]) -> Callable[..., T]:
    def made(**options: object) -> T:
        try:
            return watch(build(**options), info, package)
        except (InvalidSpec, Unusable):
            raise
        except Exception as error:
            logger.exception("%s of %s cannot be made", info.name, package)
            raise Unusable(f"cannot be made: {told(error)} in {package}") from error

    return made


def _careful_faults(faults: Check, package: str) -> Check:
    def found(options: Mapping[str, object]) -> list[Fault]:
        try:
            return list(faults(options))
        except Exception as error:
            raise Unusable(f"cannot check its options: {told(error)} in {package}") from error

    return found


def _check(info: Info, point: EntryPoint) -> None:
    """Raise _Refused if a person could not choose this."""
    if info.name != point.name:
        raise _Refused(f"its INFO is named {info.name!r} and its entry point {point.name!r}; give both one name")
    if problems := name_faults(info.name):
        raise _Refused(f"its name {problems[0].message}")
    if not (info.title and info.summary):
        raise _Refused("its INFO needs a title and a summary")
    names = [option.name for option in info.options if isinstance(option, Option)]
    if len(set(names)) < len(info.options) or not all(name.isidentifier() for name in names):
        raise _Refused("its options must be Options with different names, each a Python name")
    for option in info.options:
        if problem := option.problem_with(option.default):
            raise _Refused(f"the default of its option {option.name} {problem.message}")
