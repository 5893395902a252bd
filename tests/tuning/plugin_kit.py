"""Installing packages with entry points into a folder, as pip lays them out, while the tests run."""

import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tuning import earlystop, strategies

EXAMPLE = Path(__file__).resolve().parents[1] / "plugins" / "hpt-hill-climbing"


def install(source: Path, folder: Path) -> Path:
    """The package of a pyproject.toml in ``folder``: its modules, and the metadata that importlib reads."""
    project = tomllib.loads((source / "pyproject.toml").read_text())
    modules = {
        f"{name}.py": (source / f"{name}.py").read_text() for name in project["tool"]["setuptools"]["py-modules"]
    }
    about = project["project"]
    return write(folder, about["name"], about["version"], modules, about["entry-points"])


def write(
    folder: Path, name: str, version: str, modules: Mapping[str, str], entry_points: Mapping[str, Mapping[str, str]]
) -> Path:
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    for file, text in modules.items():
        (folder / file).write_text(text)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = (
        f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in entry_points.items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups))
    files = [*modules, f"{info.name}/METADATA", f"{info.name}/entry_points.txt", f"{info.name}/RECORD"]
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    return folder


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """Whatever was put into ``folder`` can be imported, and is offered."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    look_again()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
                del sys.modules[name]
        look_again()


def look_again() -> None:
    strategies.look_again()
    earlystop.look_again()
