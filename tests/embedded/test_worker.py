"""The worker's master ends with its worker process, whatever lock that held when it was killed."""

import signal
import subprocess
import sys
import textwrap

from hpt_web.embedded import home

STUCK = textwrap.dedent("""
    import multiprocessing, os, signal
    from dramatiq import cli
    from hpt_web.embedded import worker

    def main():
        event = multiprocessing.Event()
        if os.fork() == 0:
            event._cond.acquire()
            os.kill(os.getpid(), signal.SIGKILL)
        event.wait()

    cli.main, worker.LAST_SECONDS = main, 1
    worker.main()
""")
INHERITED = textwrap.dedent("""
    import os, subprocess, sys, time
    from dramatiq import cli
    from hpt_web.embedded import worker

    def main():
        if (child := os.fork()) == 0:
            subprocess.run(["true"], check=True)
            time.sleep(1.5)
            os._exit(7)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    cli.main, worker.LAST_SECONDS = main, 1
    sys.exit(worker.main())
""")

STOPPED = textwrap.dedent("""
    import os, signal, sys, time
    from dramatiq import cli
    from hpt_web.embedded import worker

    def main():
        if (child := os.fork()) == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
            os._exit(7)
        time.sleep(1.5)
        os.kill(child, signal.SIGCONT)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    cli.main, worker.LAST_SECONDS = main, 1
    sys.exit(worker.main())
""")


def run(script: str) -> int:
    return subprocess.run([sys.executable, "-c", script], cwd=home.REPOSITORY, timeout=60, check=False).returncode


def test_it_does_not_wait_for_a_lock_of_the_dead() -> None:
    assert run(STUCK) == -signal.SIGALRM


def test_the_worker_process_may_have_children_that_end() -> None:
    assert run(INHERITED) == 7


def test_one_that_only_stops_for_a_while_does_not_end_it() -> None:
    assert run(STOPPED) == 7
