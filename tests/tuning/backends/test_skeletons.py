"""Folders that are ready before their attempts: taken whole, by one only, and never with anything in them."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tuning.backends.harness import DEADLINE, ProcessTrials, poll
from tuning.backends import layout
from tuning.backends.process import ProcessBackend
from tuning.backends.skeletons import FOLDER, MARK, READY, WRITTEN, Skeletons, reclaim, untouched


def ready(root: Path) -> list[Path]:
    folder = root / FOLDER
    return [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []


def await_ready(root: Path) -> list[Path]:
    poll(lambda: len(ready(root)) == READY)
    return ready(root)


def test_an_attempt_gets_one_that_was_ready_with_all_that_it_is_to_see(processes: ProcessTrials) -> None:
    processes.run("print(1)")
    root = processes.base("t-1").parent
    before = {path.stat().st_ino for path in await_ready(root)}
    script = "import json, os; print(json.load(open('../input/config/hyperparameters.json')), sorted(os.listdir('..')))"
    _, log = processes.run(script, hyperparameters={"x": "0.5"})
    folder = processes.base("t-2")
    assert folder.stat().st_ino in before and b"'x': '0.5'" in log and MARK.encode() not in log
    assert all((folder / name).is_dir() for name in layout.FOLDERS)
    assert len(await_ready(root)) == READY


def test_what_a_launch_that_was_cut_off_left_is_not_shown_to_the_next(processes: ProcessTrials) -> None:
    processes.run("print(1)")
    root = processes.base("t-1").parent
    first, second, *_ = await_ready(root)
    first.rename(root / "renamed")  # and then it died: as good as new
    (folder := second.rename(root / "begun")).joinpath("code/left.py").touch()
    assert untouched(folder) and not untouched(folder)
    for attempt in ("renamed", "begun"):
        _, log = processes.run("import os; print(os.listdir('.'))", attempt=attempt)
        assert b"train.py" in log and b"left.py" not in log


def test_a_request_to_stop_that_came_before_the_launch_is_kept(processes: ProcessTrials) -> None:
    processes.run("print(1)")
    await_ready(processes.base("t-1").parent)
    processes.backend.stop("early", 0.0)
    status, log = processes.run("print('ran')", attempt="early")
    assert (status.ended_by, log) == ("stop", b"")


def test_whoever_waits_for_an_attempt_sees_one_that_is_renamed_into_its_place(processes: ProcessTrials) -> None:
    processes.run("print(1)")
    await_ready(processes.base("t-1").parent)
    seen: set[str] = set()

    def wait() -> None:
        seen.update(processes.backend.wait(["later"], DEADLINE))

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert isinstance(processes.backend, ProcessBackend)
    poll(processes.backend._waiting.locked)
    processes.start("print(2)", attempt="later")
    waiting.join(DEADLINE)
    assert seen == {"later"}


def test_each_is_taken_once_whoever_asks_at_the_same_time(tmp_path: Path) -> None:
    takers = [Skeletons(tmp_path), Skeletons(tmp_path)]
    takers[0].take(tmp_path / "first")
    await_ready(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: takers[n % 2].take(tmp_path / f"attempt-{n}"), range(READY + 4)))
    taken = [path for path in tmp_path.glob("attempt-*") if (path / MARK).exists()]
    assert READY <= len(taken) <= READY + 4
    assert len({path.stat().st_ino for path in taken}) == len(taken)


def test_without_a_disk_to_make_them_on_launches_do_without(tmp_path: Path) -> None:
    takers = Skeletons(tmp_path / "gone")
    takers.take(tmp_path / "attempt")
    assert takers._maker is not None
    takers._maker.join(DEADLINE)
    assert list(tmp_path.iterdir()) == []


def ended(processes: ProcessTrials, script: str) -> tuple[Path, dict[str, int]]:
    """The folder of an attempt that has run this, and the inodes of its folders."""
    processes.run(script)
    folder = processes.base("t-1")
    await_ready(folder.parent)
    return folder, {name: (folder / name).stat().st_ino for name in layout.SCRATCH if (folder / name).is_dir()}


def test_what_an_attempt_leaves_over_serves_the_next(processes: ProcessTrials) -> None:
    folder, before = ended(processes, "open('left.txt', 'w'); open('../tmp/left', 'w'); open('../model/kept', 'w')")
    others = set(ready(folder.parent))
    reclaim(folder)
    (made,) = set(ready(folder.parent)) - others
    assert {name: (made / name).stat().st_ino for name in layout.SCRATCH} == before
    code = ["code/left.txt", "code/train.py"]  # of which the next launch writes over its own, and removes the others
    expected = sorted([*layout.FOLDERS, *WRITTEN, *code, "lock", MARK])
    assert sorted(str(path.relative_to(made)) for path in made.rglob("*")) == expected
    assert (folder / "model/kept").exists() and (folder / "log").exists() and not (folder / "output").exists()
    assert not any((folder / name).exists() for name in layout.SCRATCH)


def test_the_next_sees_nothing_of_the_one_before(processes: ProcessTrials) -> None:
    long = "# " + "x" * 1000 + "\n"
    folder, _ = ended(processes, f"{long}open('left.txt', 'w'); open('json.py', 'w').write('print(\"mine\")')")
    reclaim(folder)
    root = folder.parent
    for number in range(READY + 1):  # until it is the one that was taken from the first
        attempt = processes.start(
            "import json; print(json.load(open('../input/config/hyperparameters.json')))",
            hyperparameters={"y": str(number)},
        )
        processes.end(attempt)
        assert processes.log(attempt) == f"{{'y': '{number}'}}\n".encode()
        assert [path.name for path in (root / attempt / "code").iterdir()] == ["train.py"]
        assert "xxx" not in (root / attempt / "code/train.py").read_text()


def test_a_program_among_the_code_stays_one(processes: ProcessTrials) -> None:
    folder, _ = ended(processes, "open('run.sh', 'w').write('#!/bin/false')")
    reclaim(folder)
    spec = processes.spec("")
    assert spec.code is not None
    (program := spec.code / "run.sh").write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o700)
    taken = replace(spec, command=("./run.sh",))
    for number in range(READY + 1):
        attempt = processes.launch(replace(taken, attempt=f"program-{number}"))
        assert processes.end(attempt).exit_code == 0 and processes.log(attempt) == b"ran\n"


@pytest.mark.parametrize(
    "spoil", ["os.link('train.py', '../model/other')", "open('train.py', 'a').write(' ' * 70_000)"]
)
def test_code_that_a_trial_has_shared_or_blown_up_serves_nobody(processes: ProcessTrials, spoil: str) -> None:
    folder, _ = ended(processes, f"import os; {spoil}")
    others = set(ready(folder.parent))
    reclaim(folder)
    (made,) = set(ready(folder.parent)) - others
    assert list((made / "code").iterdir()) == []


@pytest.mark.parametrize("name", ["model", "output/data", "output"])
def test_what_a_trial_has_made_is_never_touched(processes: ProcessTrials, name: str) -> None:
    folder, _ = ended(processes, f"open('../{name}/made', 'w').write('x'); open('../output/intermediate/gone', 'w')")
    reclaim(folder)
    assert (folder / name / "made").read_text() == "x"
    assert not (folder / "output/intermediate").exists()


@pytest.mark.parametrize(
    "spoil",
    [
        "os.link(path, '../model/other')",
        "os.chmod(path, 0o666)",
        "os.unlink(path); os.symlink('/etc/passwd', path)",
        "os.unlink(path); os.mkfifo(path, 0o600)",
    ],
)
def test_a_file_that_a_trial_has_changed_serves_nobody(processes: ProcessTrials, spoil: str) -> None:
    path = "../input/config/resourceconfig.json"
    folder, _ = ended(processes, f"import os; path = '{path}'; {spoil}")
    others = set(ready(folder.parent))
    reclaim(folder)
    (made,) = set(ready(folder.parent)) - others
    names = {file.name for file in (made / "input/config").iterdir()}
    assert names == {"hyperparameters.json", "inputdataconfig.json"}


@pytest.mark.parametrize(
    "script",
    [
        "import os; os.mkdir('deep'); open('deep/left', 'w')",
        "import os; os.chmod('.', 0o755)",
        "import os; os.rename(os.getcwd(), os.path.realpath('../was')); os.symlink('/etc', '../code')",
        "import os; os.rename(os.getcwd(), os.path.realpath('../was')); open('../code', 'w')",
        "import os; os.rename(os.getcwd(), os.path.realpath('../was'))",
        "for n in range(200): open(f'{n}-' + 'x' * 200, 'w')",
    ],
)
def test_nothing_that_a_trial_has_changed_serves_another(processes: ProcessTrials, script: str) -> None:
    folder, before = ended(processes, script)
    others = set(ready(folder.parent))
    reclaim(folder)
    (*made,) = set(ready(folder.parent)) - others
    for one in made:
        assert (one / "code").stat().st_ino != before.get("code") and (one / "code").stat().st_mode & 0o777 == 0o700
        assert all((one / name).is_dir() for name in layout.FOLDERS) and not list((one / "code").iterdir())
    assert not any(os.path.lexists(folder / name) for name in layout.SCRATCH) and Path("/etc/passwd").exists()


def test_of_an_attempt_that_vanished_nothing_serves_another(processes: ProcessTrials) -> None:
    folder, _ = ended(processes, "print(1)")
    (folder / "exit.json").unlink()
    others = ready(folder.parent)
    reclaim(folder)
    assert sorted(ready(folder.parent)) == sorted(others) and not (folder / "code").exists()


def test_no_more_are_kept_than_a_few(processes: ProcessTrials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuning.backends.skeletons.MOST_READY", READY)
    folder, _ = ended(processes, "print(1)")
    reclaim(folder)
    assert len(ready(folder.parent)) == READY and not (folder / "code").exists()
