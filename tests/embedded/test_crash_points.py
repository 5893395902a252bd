"""Crash points do nothing until they are armed, and then exactly once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from hpt_web import crash
from hpt_web.embedded import home

PASS = "from hpt_web import crash\nfor step in crash.STEPS: crash.at(step)\nprint('lived')"


def passes(folder: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HPT_CRASH_POINTS": folder}
    return subprocess.run([sys.executable, "-c", PASS], env=environment, capture_output=True, text=True, timeout=30)


def test_nothing_happens_unless_a_step_is_armed(tmp_path: Path) -> None:
    assert passes("").stdout == passes(str(tmp_path)).stdout == "lived\n"


def test_an_armed_step_happens_once(tmp_path: Path) -> None:
    (tmp_path / "result.committed").write_text("SIGKILL")
    assert passes(str(tmp_path)).returncode == -signal.SIGKILL
    assert passes(str(tmp_path)).stdout == "lived\n"
    assert not list(tmp_path.iterdir())


def test_another_process_may_be_the_one_that_dies(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        (tmp_path / "metric.line").write_text(f"SIGKILL {other.pid}")
        assert passes(str(tmp_path)).stdout == "lived\n"
        assert other.wait(10) == -signal.SIGKILL


def test_every_step_is_somewhere_in_the_service() -> None:
    sources = [
        path.read_text("utf-8") for path in (home.REPOSITORY / "hpt_web").rglob("*.py") if path.name != "crash.py"
    ]
    assert [step for step in crash.STEPS if not any(f'"{step}"' in text for text in sources)] == []
