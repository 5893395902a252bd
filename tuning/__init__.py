"""The engine: search spaces, strategies, early stopping, metrics, warm start. Plain Python; knows no web framework.

Everything here is a function of stored history, with the random generator seeded by the caller: the same arguments give
the same answer in any process, at any time. In a notebook: ``tuning.Tuner`` (see tuner.py for an example).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuning.tuner import Trial, Tuner

__all__ = ["Trial", "Tuner"]


def __getattr__(name: str) -> object:
    # Loaded when asked for: the numeric libraries take a second, and most processes need few parts of the engine.
    if name in __all__:
        from tuning import tuner

        return getattr(tuner, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
