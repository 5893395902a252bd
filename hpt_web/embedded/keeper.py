"""Keeps one part running: starts it, knows when it is ready, starts it again when it dies, ends it when told to."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from hpt_web.embedded import processes
from hpt_web.embedded.errors import EmbeddedError, PartError
from hpt_web.embedded.logs import PartLog
from hpt_web.embedded.parts import Part

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0  # seconds between a death and the next start, doubling
STEADY_SECONDS = 20.0  # after which a part counts as well again
SETTLE_SECONDS = 3.0  # after which a part that cannot be asked, once it died, counts as back
READY_POLL_SECONDS = 0.05

Tell = Callable[[str, str], None]


class Keeper:
    """One part's life. `begin()` returns when it is ready for the first time, `end()` when nothing of it is left."""

    def __init__(self, part: Part, home: Path, tell: Tell) -> None:
        self.part = part
        self._home = home
        self._tell = tell
        self._log = PartLog(home / "logs" / f"{part.name}.log")
        self._pid_file = home / "run" / f"{part.name}.pid"
        self._process: subprocess.Popen[bytes] | None = None
        self._task: asyncio.Task[None] | None = None
        self._first_ready = asyncio.Event()
        self._last_tail = ""

    async def begin(self, patience: float) -> None:
        """Start the part, and go on starting it.

        Raises:
            EmbeddedError: it cannot be started, or was not ready within `patience` seconds; then with its last lines.
        """
        self._task = asyncio.create_task(self._keep())
        ready = asyncio.create_task(self._first_ready.wait())
        try:
            await asyncio.wait({self._task, ready}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if self._task.done():
            self._task.result()
        if not self._first_ready.is_set():
            tail = "\n".join(f"    {line}" for line in self._log.tail())
            raise PartError(
                f"{self.part.name} was not ready after {patience:.0f} s. {self._log.path} ends with\n{tail}"
            )

    async def end(self) -> None:
        """Stop it: its own signals first, SIGKILL for whatever is left after that."""
        process = self._process
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if process is not None:
            for stop_signal, seconds in self.part.stop_signals:
                if processes.alive(process.pid):
                    process.send_signal(stop_signal)
                    await ended(process, seconds)
        self.kill()
        self._log.close()

    def kill(self) -> None:
        """End it at once, with everything that it may have left."""
        if self._process is not None:
            end_group(self._process)
            self._process = None
        processes.kill(processes.leftovers(self._home, self.part.name))
        self._pid_file.unlink(missing_ok=True)

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while True:
            started = time.monotonic()
            try:
                code, how = await self._live()
                if self.part.once and code == 0:
                    return
            except (EmbeddedError, OSError) as error:
                if not self._first_ready.is_set():
                    raise
                how = f"cannot be started: {error}"
            lived = time.monotonic() - started
            if lived > STEADY_SECONDS:
                pause = FIRST_PAUSE
            self._tell(self.part.name, f"{how} Starting it again in {pause:.1f} s.")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _live(self) -> tuple[int, str]:
        """One life: from the start to the death; return its exit code, and a sentence about it."""
        process, stop_reading = self._start()
        started = time.monotonic()
        ready = asyncio.create_task(self._wait_until_ready())
        try:
            await ended(process)
        finally:
            ready.cancel()
            stop_reading()
        self.kill()
        lived, code = time.monotonic() - started, process.returncode
        if code < 0:
            return code, f"was ended by {signal.Signals(-code).name} after {lived:.0f} s."
        tail, before = "".join(f"\n    {line}" for line in self._log.tail()), self._last_tail
        self._last_tail = tail
        where = f"Its last lines ({self._log.path}):{tail}\n" if tail != before else f"See {self._log.path}, as before."
        return code, f"ended with exit code {code} after {lived:.0f} s. {where}"

    def _start(self) -> tuple[subprocess.Popen[bytes], Callable[[], None]]:
        """Start the process; return it, and what stops reading its output."""
        self.part.prepare()
        self._log.forget()
        inlet, outlet = os.pipe()
        os.set_blocking(inlet, False)
        loop = asyncio.get_running_loop()

        def stop_reading() -> None:
            self._copy(inlet)
            loop.remove_reader(inlet)
            os.close(inlet)

        try:
            self._process = processes.start(
                self.part.command,
                environment={**os.environ, **self.part.environment, **self._marks()},
                output=outlet,
                cwd=self.part.cwd,
                unprivileged=self.part.unprivileged,
                death_signal=self.part.death_signal,
            )
        except OSError:
            os.close(inlet)
            raise
        finally:
            os.close(outlet)
        self._pid_file.write_text(f"{self._process.pid}\n")
        loop.add_reader(inlet, self._copy, inlet)
        return self._process, stop_reading

    def _marks(self) -> dict[str, str]:
        return {"HPT_HOME": str(self._home), processes.PART_VARIABLE: self.part.name, "PYTHONUNBUFFERED": "1"}

    def _copy(self, inlet: int) -> None:
        try:
            data = os.read(inlet, 1 << 20)
        except BlockingIOError:
            return
        if data:
            self._log.write(data)
        else:
            asyncio.get_running_loop().remove_reader(inlet)

    async def _wait_until_ready(self) -> None:
        if self.part.ready is not None:
            while not await asyncio.to_thread(self.part.ready):
                await asyncio.sleep(READY_POLL_SECONDS)
        elif self._first_ready.is_set():
            await asyncio.sleep(SETTLE_SECONDS)
        if self._first_ready.is_set():
            self._tell(self.part.name, "is back.")
        self._first_ready.set()


async def ended(process: subprocess.Popen[bytes], seconds: float | None = None) -> bool:
    """Wait for a process to end; False if it still runs after so many seconds.

    It is not reaped, so that its process group keeps its number until the rest of the group is killed.
    """
    loop = asyncio.get_running_loop()
    descriptor = os.pidfd_open(process.pid)
    over = asyncio.Event()
    loop.add_reader(descriptor, over.set)
    try:
        await asyncio.wait_for(over.wait(), seconds)
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return True


def end_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the process and to all of its group, whether it has ended or not; then reap it."""
    processes.kill_group(process.pid)
    process.wait()
