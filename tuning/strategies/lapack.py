"""LAPACK's Cholesky factor of a matrix, and the inverse from it.

scipy's own, without the rest of ``scipy.linalg``: importing that takes 21 MB of every process that suggests and a third
of a second, mostly for parts of numpy that it never uses. Where its module of LAPACK is not found alone, as it may be
in a scipy of another build, ``scipy.linalg`` it is; both give the same digits.
"""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

import scipy

__all__ = ["dpotrf", "dpotri"]


def _alone(folder: Path) -> ModuleType | None:
    """The module of LAPACK in ``folder``; None if there is none that can be loaded."""
    spec = FileFinder(str(folder), (ExtensionFileLoader, EXTENSION_SUFFIXES)).find_spec("_flapack")
    if spec is None or spec.loader is None:
        return None
    try:
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    except ImportError:
        return None
    return module if hasattr(module, "dpotrf") and hasattr(module, "dpotri") else None


def _routines() -> ModuleType:
    alone = None if "scipy.linalg" in sys.modules else _alone(Path(scipy.__file__).parent / "linalg")
    if alone is not None:
        return alone
    whole: ModuleType = scipy.linalg.lapack
    return whole


dpotrf, dpotri = _routines().dpotrf, _routines().dpotri
