"""The warden's own interpreter, to be shown in containers whose images need not hold any.

It is the service's Python with the few libraries that the warden loads, started by the dynamic loader that comes with
them. So nothing of the image is used but the kernel below it: an image with one static program in it will do.

    loader                      ld-linux or ld-musl
    so/                         the shared libraries that are not Python's modules
    bin/python3  lib/python3.x/ what the interpreter looks for around itself
    warden/                     the program
"""

from __future__ import annotations

import hashlib
import json
import os
import py_compile
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from tuning.backends.folder import remove
from tuning.errors import BackendError

SHOWN = "/.hpt/runtime"  # in the container
WARDEN = Path(__file__).parents[1] / "warden"
# Prints what an interpreter has loaded when it has all that the warden needs: its program, libraries and modules.
PROBE = """
import sys, json, posix, select, resource, time, _signal, _ctypes
with open("/proc/self/maps") as maps:
    mapped = {line.split(None, 5)[5].strip() for line in maps if line.count("/")}
modules = [module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
print(json.dumps([posix.readlink("/proc/self/exe"), sorted(mapped), modules, sys.version_info[:2]]))
"""
ENTRANCE = (
    "import sys; sys.path.insert(0, sys.argv[1]); from warden.contained import main; main(sys.argv[2], sys.argv[3])"
)


def command(told: str, asked: str) -> list[str]:
    """How a container starts the warden, with the folders that it speaks and listens in."""
    loader, libraries, python = f"{SHOWN}/loader", f"{SHOWN}/so", f"{SHOWN}/bin/python3"
    return [loader, "--library-path", libraries, python, "-I", "-S", "-c", ENTRANCE, SHOWN, told, asked]


def prepare(root: Path) -> Path:
    """The folder to be shown as SHOWN; made once for each interpreter and each version of the warden."""
    program, libraries, modules, version = _probe()
    sources = [program, *libraries, *modules, *sorted(WARDEN.glob("*.py"))]
    identity = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in sources]
    folder = root / hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    if folder.is_dir():
        return folder
    draft = root / f".{folder.name}.{os.getpid()}.{threading.get_ident()}"
    try:
        draft.mkdir(mode=0o755, parents=True)
        _fill(draft, program, libraries, modules, f"lib/python{version[0]}.{version[1]}")
        for path in [draft, *draft.rglob("*")]:  # whatever our umask: the trial's user must read it
            path.chmod(0o755 if path.is_dir() or path.suffix != ".py" else 0o644)
        draft.rename(folder)
    except OSError:
        if not folder.is_dir():  # else somebody else was first
            raise
    finally:
        remove(draft)
    return folder


def _probe() -> tuple[Path, list[Path], list[Path], tuple[int, int]]:
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROBE],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C.UTF-8"},
    )
    if found.returncode != 0:
        raise BackendError(f"{sys.executable} cannot show what it is made of: {found.stderr.strip()}")
    program, mapped, modules, version = json.loads(found.stdout)
    libraries = [Path(path) for path in mapped if path != program and ".so" in Path(path).name]
    # json is there for the probe alone
    needed = [Path(path) for path in modules if not {"json", "re"} & set(Path(path).parts)]
    return Path(program), libraries, needed, (version[0], version[1])


def _fill(draft: Path, program: Path, libraries: list[Path], modules: list[Path], library: str) -> None:
    extensions = {path for path in modules if ".so" in path.name}
    loaders = [path for path in libraries if path.name.startswith(("ld-", "ld."))]
    if len(loaders) != 1:
        raise BackendError(f"{program} is not started by a dynamic loader, so it cannot be lent to containers")
    _copy(program, draft / "bin/python3")
    _copy(loaders[0], draft / "loader")
    for path in libraries:
        if path not in loaders and path not in extensions:
            _copy(path, draft / "so" / _soname(path))
    (draft / library / "lib-dynload").mkdir(parents=True)
    (draft / library / "os.py").touch()  # by this the interpreter knows that it has found its library
    for path in extensions:
        _copy(path, draft / library / "lib-dynload" / path.name)
    for path in modules:
        if path.suffix == ".py" and path not in extensions:
            at = path.parts.index(Path(library).name) if Path(library).name in path.parts else -2
            _copy(path, draft / library / Path(*path.parts[at + 1 :]))
    for path in WARDEN.glob("*.py"):
        _copy(path, draft / "warden" / path.name)
    for path in draft.rglob("*.py"):  # compiled here, as the container cannot write
        py_compile.compile(str(path), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def _soname(path: Path) -> str:
    """The name by which others ask for a library; the file that was mapped may have a longer one (libffi.so.8.1.2)."""
    stem, _, version = path.name.partition(".so.")
    return f"{stem}.so.{version.split('.')[0]}" if version and not stem.startswith("libpython") else path.name


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
