"""Channels that are given through pipes (SageMaker's mode Pipe): a part of the suite that every backend inherits."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path

import pytest

from tests.tuning.backends.contract import BackendContract
from tests.tuning.backends.harness import Trials
from tuning.backends import Limits, Phase
from tuning.errors import BackendError

PIPES = frozenset({"train"})
# How a trial finds a channel's pipes.
READ = """
import json, os, sys, time
path = os.environ["SM_CHANNEL_TRAIN"]
def read(epoch):
    with open(f"{path}_{epoch}", "rb") as pipe: return pipe.read()
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Files whose order is that of their paths' bytes."""
    folder = tmp_path / "data"
    for name in ("b", "a/2", "a/1", "a.txt", "A", "empty"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("" if name == "empty" else f"<{name}>")
    return folder


class TestPipes(BackendContract):
    def test_each_epoch_gives_all_files_in_the_order_of_their_names(self, trials: Trials, data: Path) -> None:
        script = f"""{READ}
found = [os.path.exists(path + end) for end in ("", "_0")]
first, second = read(0).decode(), read(1).decode()
inputs = json.load(open(os.environ["SM_INPUT_CONFIG_DIR"] + "/inputdataconfig.json"))
other = open(os.environ["SM_CHANNEL_TEST"] + "/b").read()
print(json.dumps([found, os.path.exists(path + "_0"), first, second, inputs, other]))
"""
        channels = {"train": data, "test": data / "b"}
        status, log = trials.run(script, channels=channels, pipes=PIPES, limits=Limits(processes=64))
        assert status.exit_code == 0, log
        found, again, first, second, inputs, other = json.loads(log)
        assert (found, again) == ([False, True], False)
        assert first == second == "<A><a.txt><a/1><a/2><b>"
        assert (inputs["train"]["TrainingInputMode"], inputs["test"]["TrainingInputMode"]) == ("Pipe", "File")
        assert other == "<b>"

    def test_a_reader_that_closes_early_finds_the_next_epoch_from_its_beginning(
        self, trials: Trials, tmp_path: Path
    ) -> None:
        """And more than a pipe holds, byte for byte."""
        content = b"".join(b"%07d\n" % number for number in range(500_000))
        (tmp_path / "large.txt").write_bytes(content)
        script = f"""{READ}
import hashlib
with open(path + "_0", "rb", buffering=0) as pipe: print(pipe.read(8))
whole = read(1)
print(len(whole), hashlib.sha256(whole).hexdigest())
open(path + "_2", "rb").close()
print(read(3) == whole)
"""
        status, log = trials.run(script, channels={"train": tmp_path / "large.txt"}, pipes=PIPES)
        assert status.exit_code == 0, log
        digest = hashlib.sha256(content).hexdigest()
        assert log.decode().splitlines() == [r"b'0000000\n'", f"{len(content)} {digest}", "True"]

    def test_one_that_never_reads_ends_as_any_other(self, trials: Trials, data: Path) -> None:
        channels = {"train": data, "more": data}
        status, log = trials.run("import time; print(time.time())", channels=channels, pipes=frozenset(channels))
        assert (status.phase, status.exit_code, status.ended_by) == (Phase.ENDED, 0, None)
        assert status.ended_at is not None
        assert status.ended_at - float(log) < 0.9, "nobody waits for those who wait for a reader"
        assert "t-1" not in trials.backend.list_owned()

    def test_stopped_while_it_reads(self, trials: Trials, tmp_path: Path) -> None:
        """What still reads during the grace reads on: the end of an epoch is never a cut."""
        content = bytes(1_000_000)
        (tmp_path / "zeros").write_bytes(content)
        script = f"""{READ}
import signal
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
with open(path + "_0", "rb", buffering=0) as pipe:
    size = len(pipe.read(1000))
    print("reads", flush=True)
    while not asked: time.sleep(0.01)
    while part := pipe.read(65536): size += len(part)
print(size, len(read(1)), flush=True)
time.sleep(600)
"""
        attempt = trials.start(script, channels={"train": tmp_path / "zeros"}, pipes=PIPES)
        trials.until_log(attempt, b"reads\n")
        trials.backend.stop(attempt, 60)
        trials.until_log(attempt, f"{len(content)} {len(content)}\n".encode())
        trials.backend.stop(attempt, 0)
        status = trials.end(attempt)
        assert (status.signal, status.ended_by) == (signal.SIGKILL, "stop")
        assert attempt not in trials.backend.list_owned()

    def test_a_channel_that_cannot_be_read_ends_the_trial_and_says_why(self, trials: Trials, data: Path) -> None:
        """It must not take half of its data for all of them."""
        (data / "c").symlink_to("nowhere")
        status, log = trials.run(f"{READ}print(len(read(0)))", channels={"train": data}, pipes=PIPES)
        assert (status.signal, status.ended_by) == (signal.SIGKILL, "pipes")
        assert b"[hpt] the channel 'train' cannot be given" in log and b"No such file" in log
        assert log.count(b"\n") == 1, "it has not seen an end"

    def test_they_count_as_none_of_its_processes(self, trials: Trials, data: Path) -> None:
        channels = {f"c{number}": data for number in range(4)}
        # The warden looks after 0.1 s.
        script = "import os, time\nif os.fork() == 0: os._exit(0)\nos.wait()\ntime.sleep(0.3)"
        status, log = trials.run(script, channels=channels, pipes=frozenset(channels), limits=Limits(processes=2))
        assert (status.exit_code, status.ended_by) == (0, None), log

    def test_what_could_not_be_piped_is_refused(self, trials: Trials, data: Path) -> None:
        channels = {"train": data, "train_1": data, "train_x": data}
        with pytest.raises(BackendError) as error:
            trials.launch(trials.spec(channels=channels, pipes=PIPES | {"gone"}))
        assert "'train_1'" in str(error.value) and "'gone'" in str(error.value)
        assert "train_x" not in str(error.value) and not error.value.retryable
