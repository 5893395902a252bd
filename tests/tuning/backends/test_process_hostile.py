"""A trial that puts traps into its folder, and a disk that is full."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.tuning.backends.harness import ProcessTrials, Trials, alive, poll
from tuning.backends import Phase
from tuning.backends.process import ProcessBackend


class TestHostileFiles:
    """A trial may put anything in its folder; nobody who reads it hangs, follows links or falls over."""

    @pytest.mark.parametrize(
        "trick",
        [
            "os.symlink('/etc/passwd', '{base}/output/failure')",
            "os.mkfifo('{base}/output/failure')",
            "os.mkdir('{base}/output/failure')",
            "os.rmdir('{base}/output/data'), os.rmdir('{base}/output/intermediate'), os.rmdir('{base}/output'), "
            "os.symlink('/etc', '{base}/output')",
            "open('{base}/output/failure', 'w')",
        ],
    )
    def test_as_failure_file(self, processes: ProcessTrials, trick: str) -> None:
        code = f"import os; base = os.environ['SAGEMAKER_BASE_DIR']; {trick}".replace("'{base}", "base + '")
        status, log = processes.run(code)
        assert (status.exit_code, status.failure) == (0, None), log

    def test_a_failure_with_nul_and_broken_text(self, processes: ProcessTrials) -> None:
        status, _ = processes.run("open('../output/failure', 'wb').write(b'a\\0b\\xff')")
        assert status.failure == "a\ufffdb\ufffd"

    @pytest.mark.parametrize(
        "trick", ["os.symlink('/etc/passwd', '../log')", "os.mkfifo('../log')", "os.mkdir('../log')"]
    )
    def test_as_log(self, processes: ProcessTrials, trick: str) -> None:
        status, log = processes.run(f"import os; os.remove('../log'); {trick}")
        assert (status.exit_code, log) == (0, b"")
        processes.backend.log_size("t-1")

    @pytest.mark.parametrize(
        "text",
        ["", "[" * 4000, "[]", "{}", '{"exit_code": "x"}', "\0", '{"exit_code": 0}', '{"log_bytes": Infinity}'],
    )
    def test_as_exit_json_after_a_power_cut(self, processes: ProcessTrials, text: str) -> None:
        processes.run("pass")
        folder = processes.base("t-1")
        poll(lambda: not alive(processes.warden("t-1")))
        (folder / "exit.json").write_text(text)
        assert processes.backend.status("t-1").phase is Phase.VANISHED
        (folder / "vanished").unlink()
        (folder / "warden.json").write_text(text)
        assert processes.backend.status("t-1").phase is Phase.VANISHED

    def test_as_log_after_a_power_cut(self, processes: ProcessTrials) -> None:
        processes.run("print('seen')")
        folder = processes.base("t-1")
        poll(lambda: not alive(processes.warden("t-1")))
        (folder / "log").write_bytes(b"se")
        assert processes.backend.status("t-1").phase is Phase.ENDED, "the trial itself may have done that"
        warden = json.loads((folder / "warden.json").read_text())
        (folder / "warden.json").write_text(json.dumps(warden | {"boot": "an earlier one"}))
        assert processes.backend.status("t-1").phase is Phase.VANISHED

    def test_folders_that_are_hard_to_remove(self, processes: ProcessTrials) -> None:
        script = """
import os
os.makedirs("closed/inner")
open("closed/inner/file", "w").close()
os.chmod("closed/inner", 0); os.chmod("closed", 0)
for _ in range(1100):
    os.mkdir("d" * 100); os.chdir("d" * 100)
"""
        status, log = processes.run(script)
        assert status.exit_code == 0, log
        processes.backend.discard("t-1")
        root = processes.base("t-1").parent
        assert list((root / ".discarded").iterdir()) == []

    def test_inputs_survive_a_discard(self, processes: ProcessTrials, tmp_path: Path) -> None:
        data = tmp_path / "data"
        data.mkdir()
        (data / "file").write_text("x")
        processes.run("import os; os.symlink(os.environ['SM_CHANNEL_TRAIN'], 'more')", channels={"train": data})
        processes.backend.discard("t-1")
        assert (data / "file").read_text() == "x"
        assert (tmp_path / "checkpoints").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_costs_output_but_not_the_end(tmp_path: Path) -> None:
    """reliability.md R22: no half number, no hang, and the exit code is known."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    try:
        backend = ProcessBackend(disk / "attempts")
        trials = Trials(backend, tmp_path)
        script = """
import os
for i in range(2000): print("f1 = 0.123456789")
with open("fill", "wb", buffering=0) as file:
    try:
        while True: file.write(bytes(1000))
    except OSError: pass
for i in range(20000): print("f1 = 0.123456789")
os.remove("fill")
for i in range(10): print("f1 = 0.123456789", flush=True)
raise SystemExit(4)
"""
        status, log = trials.run(script)
        assert status.exit_code == 4
        assert status.log_lost_bytes > 0
        lines = log.decode().splitlines()
        assert {line for line in lines if not line.startswith("[hpt]")} == {"f1 = 0.123456789"}
        backend.close()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
