"""Another process that runs pieces of code: started once, as importing the numeric libraries takes longer than most."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache

_LOOP = """
import contextlib, io, json, sys, traceback
for line in sys.stdin:
    printed, error = io.StringIO(), None
    try:
        with contextlib.redirect_stdout(printed):
            exec(json.loads(line), {"__name__": "__main__"})
    except Exception:
        error = traceback.format_exc()
    print(json.dumps([printed.getvalue(), error]), flush=True)
"""


def printed(code: str) -> str:
    """What ``code`` prints in another process, one with another hash seed and another number of threads: nothing may
    depend on the order of sets or of sums.

    Raises:
        RuntimeError: with its traceback, if the code raises one.
    """
    process = _process()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(code) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        _process.cache_clear()
        raise RuntimeError(f"the other process ended with {process.wait()}")
    text, error = json.loads(answer)
    if error:
        raise RuntimeError(error)
    return str(text)


@cache
def _process() -> subprocess.Popen[str]:
    """It ends with this one, whose end closes its input."""
    return subprocess.Popen(
        [sys.executable, "-c", _LOOP],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "77", "OPENBLAS_NUM_THREADS": "2"},
    )
