"""The suite that every backend inherits: tuning/backends/contract.py, sentence by sentence, with real trials.

A test module of a backend imports these classes and gives a fixture ``backend``, and ``harness``, the kind of Trials
that runs a script there. How an attempt's output is followed stands in contract_following.py.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tuning.backends.harness import DEAF, HOLD, Trials
from tuning.backends import Backend, Limits, Phase, Status
from tuning.errors import BackendError

HOSTILE = [
    "a b",
    'quo"te',
    "it's",
    "$(touch x) `id` ; | & > y",
    "--flag",
    "",
    "new\nline\ttab",
    "\u00e9\u4e2d",
    "-",
    "*",
    "\\",
]


class BackendContract:
    @pytest.fixture
    def trials(self, backend: Backend, harness: type[Trials], tmp_path: Path) -> Iterator[Trials]:
        trials = harness(backend, tmp_path)
        yield trials
        trials.clean_up()


class TestEnding(BackendContract):
    def test_exit_0_with_all_output_before_the_end_is_known(self, trials: Trials) -> None:
        script = "import sys\nfor i in range(5000): print('f1 =', i)\nprint('to stderr', file=sys.stderr)"
        status, log = trials.run(script)
        assert (status.phase, status.exit_code, status.signal, status.ended_by) == (Phase.ENDED, 0, None, None)
        assert log.decode().splitlines() == [f"f1 = {i}" for i in range(5000)] + ["to stderr"]
        assert trials.backend.log_size("t-1") == len(log)

    def test_exit_code_and_traceback_of_a_failure(self, trials: Trials) -> None:
        status, log = trials.run("raise SystemExit(3)")
        assert (status.exit_code, status.signal) == (3, None)
        status, log = trials.run("1 / 0")
        assert status.exit_code == 1
        assert b"ZeroDivisionError" in log

    def test_a_signal_is_told_from_an_exit(self, trials: Trials) -> None:
        status, _ = trials.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
        assert (status.exit_code, status.signal, status.ended_by) == (None, signal.SIGKILL, None)

    def test_times_and_use_are_measured(self, trials: Trials) -> None:
        before = time.time()
        status, _ = trials.run("sum(range(10**6)); x = bytearray(50_000_000)")
        assert status.started_at is not None
        assert status.ended_at is not None
        assert before - 1 <= status.started_at <= status.ended_at <= time.time() + 1
        assert status.cpu_seconds is not None
        assert status.cpu_seconds > 0.005
        assert status.max_rss_bytes is not None
        assert status.max_rss_bytes > 50_000_000

    def test_use_is_read_while_it_runs(self, trials: Trials) -> None:
        script = """
import os, sys, time
x = bytearray(b"x") * 40_000_000
if os.fork() == 0:
    y = bytearray(b"y") * 40_000_000
    sum(range(3 * 10**6))
    print("started", flush=True)
    time.sleep(600)
time.sleep(600)
"""
        attempt = trials.start(script)
        trials.until_log(attempt, b"started\n")
        usage = trials.backend.usage(attempt)
        assert usage is not None
        assert 75_000_000 < usage.memory_bytes < 200_000_000
        assert usage.cpu_seconds > 0.02
        assert len(usage.pids) == 3, "the warden and two of the trial"
        trials.backend.stop(attempt, 0)
        trials.end(attempt)
        assert trials.backend.usage(attempt) is None
        assert trials.backend.usage("never") is None

    def test_a_program_that_does_not_exist_is_the_trials_failure(self, trials: Trials) -> None:
        attempt = trials.launch(trials.spec(command=("no-such-program",)))
        assert trials.end(attempt).exit_code == 127
        assert b"no-such-program" in trials.log(attempt)

    def test_the_failure_file_cut_to_1024_characters(self, trials: Trials) -> None:
        script = """
import os
with open(os.environ["SM_OUTPUT_DIR"] + "/failure", "w") as file: file.write("\\u00e9" * 5000)
raise SystemExit(1)
"""
        status, _ = trials.run(script)
        assert status.failure == "\u00e9" * 1024

    def test_what_the_command_leaves_behind_ends_with_it(self, trials: Trials) -> None:
        script = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("daemon", flush=True)
        time.sleep(600)
    os._exit(0)
os.wait()
"""
        attempt = trials.start(script)
        assert trials.end(attempt).exit_code == 0
        assert attempt not in trials.backend.list_owned()


class TestTheTrialsView(BackendContract):
    def test_arguments_arrive_byte_for_byte(self, trials: Trials) -> None:
        """security.md 1.2.5: no shell, no splitting."""
        _, log = trials.run("import json, sys; print(json.dumps(sys.argv[1:]))", *HOSTILE)
        assert json.loads(log) == HOSTILE

    def test_hyperparameters_as_strings_in_the_file_and_decoded_in_the_environment(self, trials: Trials) -> None:
        given = {"lr": "0.10", "n-estimators": "57", "max": "NaN", "text": "a b\n'", "_tuning_objective_metric": "f1"}
        script = """
import json, os
base = os.environ["SAGEMAKER_BASE_DIR"]
print(json.dumps([json.load(open(base + "/input/config/hyperparameters.json")), dict(os.environ)]))
"""
        _, log = trials.run(script, hyperparameters=given, names={"trial": "job-7", "job": "j", "project-id": "p"})
        file, environment = json.loads(log)
        assert file == given
        assert environment["SM_HP_LR"] == "0.10"
        assert environment["SM_HP_N-ESTIMATORS"] == "57"
        assert json.loads(environment["SM_HPS"]) == {"lr": 0.1, "n-estimators": 57, "max": "NaN", "text": "a b\n'"}
        assert json.loads(environment["SM_USER_ARGS"])[:2] == ["--lr", "0.10"]
        assert (environment["SM_USER_ENTRY_POINT"], environment["SM_MODULE_NAME"]) == ("train.py", "train")
        (group,) = json.loads(environment["SM_INSTANCE_GROUPS"])
        assert json.loads(environment["SM_INSTANCE_GROUPS_DICT"])[group]["instance_group_name"] == group
        assert environment["TRAINING_JOB_NAME"] == "job-7"
        assert environment["TRAINING_JOB_ARN"] == "arn:aws:sagemaker:local:000000000000:training-job/job-7"
        assert (environment["HPT_JOB"], environment["HPT_PROJECT_ID"]) == ("j", "p")

    def test_the_environment_is_only_what_was_given(self, trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_URL", "secret")
        _, log = trials.run(
            "import json, os; print(json.dumps(dict(os.environ)))",
            environment={"MINE": "1", "HOME": "/nowhere", "HPT_ATTEMPT": "forged"},
        )
        environment = json.loads(log)
        assert "DATABASE_URL" not in environment
        assert "OMP_NUM_THREADS" not in environment
        assert (environment["MINE"], environment["HOME"]) == ("1", "/nowhere")
        assert environment["HPT_ATTEMPT"] == "t-1"

    def test_the_folders_of_the_training_contract(self, trials: Trials, tmp_path: Path) -> None:
        script = """
import json, os
out = {}
for name in ("SM_MODEL_DIR", "SM_OUTPUT_DATA_DIR", "SM_OUTPUT_INTERMEDIATE_DIR", "HPT_CHECKPOINTS", "TMPDIR"):
    if name in os.environ:
        open(os.environ[name] + "/probe", "w").close()
        out[name] = True
config = os.environ["SM_INPUT_CONFIG_DIR"]
out["resources"] = json.load(open(config + "/resourceconfig.json"))
out["inputs"] = json.load(open(config + "/inputdataconfig.json"))
out["train"] = open(os.environ["SM_CHANNEL_TRAIN"] + "/train.csv").read()
out["folder"] = sorted(os.listdir(os.environ["SM_CHANNEL_A-FOLDER"]))
print(json.dumps(out))
"""
        data = tmp_path / "data"
        data.mkdir()
        (data / "train.csv").write_text("a,b\n1,2\n")
        channels = {"train": data / "train.csv", "a-folder": data}
        status, log = trials.run(script, channels=channels, content_types={"train": "text/csv"})
        assert status.exit_code == 0, log
        out = json.loads(log)
        assert out["SM_MODEL_DIR"]
        assert out["HPT_CHECKPOINTS"]
        assert out["resources"]["current_host"] in out["resources"]["hosts"]
        plain = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
        assert out["inputs"] == {"train": {**plain, "ContentType": "text/csv"}, "a-folder": plain}
        assert out["train"] == "a,b\n1,2\n"
        assert out["folder"] == ["train.csv"]
        assert (tmp_path / "checkpoints/probe").exists()

    def test_the_code_is_a_copy(self, trials: Trials) -> None:
        """A trial may write beside its script, and the next one does not see it."""
        script = "import os; print(sorted(os.listdir('.'))); open('train.py', 'a').write('#'); open('new', 'w')"
        spec = trials.spec(script)
        trials.end(trials.launch(spec))
        _, log = trials.run(script)
        assert log == b"['train.py']\n"
        assert spec.code is not None
        assert (spec.code / "train.py").read_text() == script

    def test_checkpoints_outlive_the_attempt(self, trials: Trials) -> None:
        script = "import os; p = os.environ['HPT_CHECKPOINTS'] + '/epoch'; print(os.path.exists(p)); open(p, 'w')"
        _, first = trials.run(script)
        trials.backend.discard("t-1")
        _, second = trials.run(script)
        assert (first, second) == (b"False\n", b"True\n")


class TestLaunching(BackendContract):
    def test_launched_twice_it_runs_once(self, trials: Trials) -> None:
        spec = trials.spec("import os; open(os.environ['HPT_CHECKPOINTS'] + '/ran', 'a').write('x')")
        trials.launch(spec)
        trials.launch(spec)
        trials.end(spec.attempt)
        trials.launch(spec)
        assert (spec.checkpoints / "ran").read_text() == "x"

    def test_launched_by_many_at_once_it_runs_once(self, trials: Trials) -> None:
        spec = trials.spec("import os; open(os.environ['HPT_CHECKPOINTS'] + '/ran', 'a').write('x')")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: trials.launch(spec), range(8)))
        assert trials.end(spec.attempt).exit_code == 0
        assert (spec.checkpoints / "ran").read_text() == "x"

    def test_an_attempt_that_nobody_launched_is_unknown(self, trials: Trials) -> None:
        assert trials.backend.status("never") == Status(Phase.UNKNOWN)
        assert trials.backend.read_log("never", 0, 10) == b""
        assert trials.backend.log_size("never") == 0
        trials.backend.discard("never")

    @pytest.mark.parametrize("attempt", ["", ".", "..", "a/b", "../x", "a\0b", "-a", ".a", "a" * 129, "a\n", "\u00e9"])
    def test_hostile_attempt_ids_are_refused_everywhere(self, trials: Trials, attempt: str) -> None:
        backend = trials.backend
        spec = replace(trials.spec(attempt="x"), attempt=attempt)
        for call in (
            lambda: backend.launch(spec),
            lambda: backend.status(attempt),
            lambda: backend.read_log(attempt, 0, 1),
            lambda: backend.log_size(attempt),
            lambda: backend.stop(attempt, 0),
            lambda: backend.wait([attempt], 0),
            lambda: backend.discard(attempt),
        ):
            with pytest.raises(BackendError) as error:
                call()
            assert not error.value.retryable

    def test_everything_wrong_with_a_request_is_named_at_once_and_nothing_stays(
        self, trials: Trials, tmp_path: Path
    ) -> None:
        spec = trials.spec(
            command=("python", "nul\0"),
            channels={"../up": tmp_path, "gone": tmp_path / "gone"},
            environment={"A=B": "x", "C": "\0"},
            code=tmp_path / "nowhere",
            limits=Limits(wall_seconds=-1, grace_seconds=-1, log_bytes=3, disk_bytes=0, cpus=float("nan")),
            gpus=("0,1",),
        )
        with pytest.raises(BackendError) as error:
            trials.launch(spec)
        for word in (
            "command",
            "../up",
            "gone",
            "'A=B'",
            "'C'",
            "nowhere",
            "wall_seconds",
            "grace_seconds",
            "log_bytes",
            "disk_bytes",
            "cpus",
            "0,1",
        ):
            assert word in str(error.value)
        assert not error.value.retryable
        assert trials.backend.status(spec.attempt).phase is Phase.UNKNOWN


class TestStopping(BackendContract):
    def test_sigterm_first_so_that_a_trial_can_save_its_work(self, trials: Trials) -> None:
        script = """
import signal, sys, time
def save(*_):
    print("saved", flush=True)
    sys.exit(7)
signal.signal(signal.SIGTERM, save)
print("started", flush=True)
while True: time.sleep(600)
"""
        attempt = trials.start(script)
        trials.until_log(attempt, b"started\n")
        trials.backend.stop(attempt, 30)
        status = trials.end(attempt)
        assert (status.exit_code, status.ended_by) == (7, "stop")
        assert trials.log(attempt).endswith(b"saved\n")

    def test_sigkill_after_the_grace(self, trials: Trials) -> None:
        attempt = trials.start(DEAF)
        trials.until_log(attempt, b"deaf\n")
        started = time.monotonic()
        trials.backend.stop(attempt, 0.3)
        status = trials.end(attempt)
        assert (status.signal, status.ended_by) == (signal.SIGKILL, "stop")
        assert time.monotonic() - started >= 0.3

    def test_a_second_stop_can_only_hurry(self, trials: Trials) -> None:
        attempt = trials.start(DEAF)
        trials.until_log(attempt, b"deaf\n")
        trials.backend.stop(attempt, 600)
        trials.backend.stop(attempt, 900)
        assert trials.backend.status(attempt).phase is Phase.RUNNING
        trials.backend.stop(attempt, 0)
        assert trials.end(attempt).signal == signal.SIGKILL

    def test_stopped_before_its_launch_it_never_starts(self, trials: Trials) -> None:
        """So a launcher that wakes up late, its lease long given away, does no harm (reliability.md R9)."""
        spec = trials.spec("import os; open(os.environ['HPT_CHECKPOINTS'] + '/ran', 'w')")
        trials.backend.stop(spec.attempt, 0)
        assert trials.backend.status(spec.attempt).phase is Phase.UNKNOWN
        assert trials.backend.list_owned() == []
        trials.launch(spec)
        status = trials.end(spec.attempt)
        assert (status.phase, status.exit_code, status.signal, status.ended_by) == (Phase.ENDED, None, None, "stop")
        assert status.started_at is None
        assert not (spec.checkpoints / "ran").exists()

    def test_stopping_what_has_ended_changes_nothing(self, trials: Trials) -> None:
        status, _ = trials.run("pass")
        trials.backend.stop("t-1", 0)
        assert trials.backend.status("t-1") == status

    @pytest.mark.parametrize("grace", [-1.0, float("nan"), float("inf")])
    def test_a_grace_that_is_no_time_is_refused(self, trials: Trials, grace: float) -> None:
        with pytest.raises(BackendError, match="grace"):
            trials.backend.stop("t-1", grace)

    def test_the_wall_clock_limit(self, trials: Trials) -> None:
        status, _ = trials.run(HOLD, limits=Limits(wall_seconds=0.2))
        assert (status.signal, status.ended_by) == (signal.SIGTERM, "wall_seconds")
        status, _ = trials.run(DEAF, limits=Limits(wall_seconds=0.5, grace_seconds=0.2))
        assert (status.signal, status.ended_by) == (signal.SIGKILL, "wall_seconds"), (
            "one that is deaf to it has so long"
        )

    def test_the_disk_limit(self, trials: Trials) -> None:
        """All that it writes, checkpoints and temporary files too; looked at every few seconds."""
        script = """
import os, tempfile, time
for folder in (os.environ["SM_MODEL_DIR"], os.environ["HPT_CHECKPOINTS"], tempfile.gettempdir()):
    os.makedirs(folder + "/deep")
    with open(folder + "/deep/file", "wb") as file: file.write(bytes(4_000_000))
time.sleep(600)
"""
        status, _ = trials.run(script, limits=Limits(disk_bytes=10_000_000))
        assert (status.signal, status.ended_by) == (signal.SIGKILL, "disk_bytes")

    def test_the_disk_limit_sees_files_that_are_open_and_in_no_folder(self, trials: Trials) -> None:
        script = """
import os, time
for n in range(2):
    file = open(f"gone-{n}", "wb")
    os.unlink(file.name)
    file.write(bytes(6_000_000))
    file.flush()
    globals()[f"kept_{n}"] = file
time.sleep(600)
"""
        status, _ = trials.run(script, limits=Limits(disk_bytes=10_000_000))
        assert (status.signal, status.ended_by) == (signal.SIGKILL, "disk_bytes")

    def test_list_owned_and_discard(self, trials: Trials) -> None:
        attempts = [trials.start(HOLD) for _ in range(3)]
        for attempt in attempts:
            trials.until_log(attempt, b"started\n")
        assert trials.backend.list_owned() == sorted(attempts)
        with pytest.raises(BackendError, match="running") as error:
            trials.backend.discard(attempts[0])
        assert error.value.retryable
        trials.backend.stop(attempts[0], 0)
        trials.end(attempts[0])
        assert trials.backend.list_owned() == sorted(attempts[1:])
        trials.backend.discard(attempts[0])
        assert trials.backend.status(attempts[0]).phase is Phase.UNKNOWN
        assert trials.log(attempts[0]) == b""
