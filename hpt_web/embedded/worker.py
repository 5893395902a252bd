"""Dramatiq's master, which does not outlive its worker process for long.

It does that by itself, but for one moment: where the worker process is killed while it tells that it has started, it
holds a lock for which the master then waits for ever, and no step would run any more.
"""

import contextlib
import os
import signal
import sys

from dramatiq import cli

LAST_SECONDS = 10  # for the master to end by itself


def main() -> int:
    master = os.getpid()

    def child_changed(*_: object) -> None:
        if os.getpid() != master:  # the worker process has inherited this, and children of its own
            return
        with contextlib.suppress(ChildProcessError):  # the master has seen its end itself
            if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):  # it has ended, and not only stopped
                signal.alarm(LAST_SECONDS)

    signal.signal(signal.SIGCHLD, child_changed)
    return int(cli.main() or 0)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    sys.exit(main())
