"""What is kept of trials that are over, what may go, and how much it is (demand 24; F92)."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import socket
import struct
import tarfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hpt_web.accounts.actions import update_project
from hpt_web.accounts.errors import NotVisible
from hpt_web.accounts.models import Project
from hpt_web.jobs.doors import changes, reruns
from hpt_web.jobs.models import Attempt, TuningJob
from hpt_web.jobs.outputs import archives, artifacts, retention
from hpt_web.jobs.outputs.retention import Ended, Stored, expendable
from hpt_web.jobs.running import launching
from hpt_web.jobs.running.follow import Follower
from tests.web.jobs.lab import Team, live, state, trial
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_changes import fails, finishes, writes_a_checkpoint
from tuning.states import Goal, TrialState
from tuning.trial_rules import Keep

NewJob = Callable[..., TuningJob]
DONE, FAILED = TrialState.COMPLETED, TrialState.FAILED


@pytest.mark.parametrize(
    ("trials", "keep", "goal", "gone"),
    [
        ([], Keep(), Goal.MAXIMIZE, set()),
        ([(1, DONE, 0.1), (2, DONE, 0.9), (3, DONE, 0.5), (4, DONE, 0.2)], Keep(1, 1), Goal.MAXIMIZE, {1, 3}),
        ([(1, DONE, 0.1), (2, DONE, 0.9), (3, DONE, 0.5), (4, DONE, 0.2)], Keep(2, 0), Goal.MINIMIZE, {2, 3}),
        ([(1, DONE, 0.5), (2, DONE, 0.5), (3, DONE, 0.5)], Keep(1, 0), Goal.MAXIMIZE, {2, 3}),  # the first of equals
        ([(1, FAILED, 0.9), (2, DONE, 0.1), (3, FAILED, None)], Keep(1, 0), Goal.MAXIMIZE, {1, 3}),
        ([(1, FAILED, None), (2, FAILED, None)], Keep(5, 1), Goal.MAXIMIZE, {1}),
        ([(1, TrialState.EARLY_STOPPED, 0.9), (2, DONE, 0.1)], Keep(1, 0), Goal.MAXIMIZE, {2}),
    ],
)
def test_the_rule(trials: list[tuple[int, TrialState, float | None]], keep: Keep, goal: Goal, gone: set[int]) -> None:
    ended = [Ended(number, state, objective, float(number)) for number, state, objective in trials]
    assert expendable(ended, keep, goal) == gone


def furnish(token: str, model: int = 100) -> Path:
    """What a backend and a script leave in an attempt's folder."""
    folder = launching.backend().folder(token)
    for name in ("code", "input/data/train", "home", "tmp", "model/deep", "output/data", "output/intermediate"):
        (folder / name).mkdir(parents=True)
    (folder / "code/train.py").write_text("print(1)")
    (folder / "tmp/cache").write_bytes(b"x" * 1000)
    (folder / "model/deep/weights").write_bytes(b"w" * model)
    (folder / "output/data/table.csv").write_text("a,b\n")
    (folder / "log").write_text("score=1\n")
    return folder


def run(backend: ScriptedBackend, follower: Follower, job: TuningJob, value: float) -> Path:
    (token,) = live(job)
    folder = furnish(token)
    writes_a_checkpoint(backend, token)
    finishes(backend, follower, token, value)
    return folder


def test_an_attempt_that_is_over_loses_its_scratch_and_keeps_log_and_output(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job()
    folder = run(backend, follower, job, 0.5)
    (running,) = live(job)
    busy = furnish(running)
    assert retention.clear() == 1
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert left == ["log", "model/deep/weights", "output/data/table.csv"]
    assert (busy / "code/train.py").exists(), "what runs is left alone"
    assert retention.stored([job.pk]) == {job.pk: Stored(checkpoints=len("weights"), outputs=8 + 100 + 4)}
    assert retention.clear() == 0


def test_the_best_and_the_last_are_kept_and_the_best_always(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 4, "max_parallel": 1}, keep={"best": 1, "last": 1})
    folders = []
    for value in (0.9, 0.1, 0.2):
        folders.append(run(backend, follower, job, value))
        retention.clear()
    kept = [(folder / "model/deep/weights").exists() for folder in folders]
    assert kept == [True, False, True], "the best and the last"
    assert [launching.has_checkpoint(trial(job, number)) for number in (1, 2, 3)] == kept
    assert (folders[1] / "log").exists(), "logs stay"
    gone = trial(job, 2)
    assert gone.discarded_at is not None and gone.checkpoint_bytes == 0
    assert Attempt.objects.get(trial=gone).kept_bytes == len("score=1\n")


def test_a_rule_given_later_applies_to_what_is_there(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 3, "max_parallel": 1})
    folders = [run(backend, follower, job, value) for value in (0.1, 0.9, 0.2)]
    retention.clear()
    assert state(job) == "Completed" and all((folder / "model").exists() for folder in folders)
    changes.change_job(actor=team.bob, project="lab", name="first", document={"keep": {"best": 1, "last": 0}})
    assert [(folder / "model").exists() for folder in folders] == [False, True, False]
    assert state(job) == "Completed", "nothing of it runs again for that"


def test_the_projects_rule_is_that_of_jobs_that_name_none(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    plain = new_job(limits={"max_trials": 3, "max_parallel": 1})
    own = new_job(name="own", limits={"max_trials": 2, "max_parallel": 1}, keep={"best": 2, "last": 2})
    folders = [run(backend, follower, plain, value) for value in (0.1, 0.9, 0.2)]
    others = [run(backend, follower, own, value) for value in (0.1, 0.9)]
    retention.clear()
    assert all((folder / "model").exists() for folder in (*folders, *others))
    update_project(actor=team.alice, project="lab", keep=Keep(1, 0))
    retention.clear()
    assert [(folder / "model").exists() for folder in folders] == [False, True, False], "also of jobs that are over"
    assert all((folder / "model").exists() for folder in others)
    assert not Project.objects.get(slug="lab").keep_due
    assert trial(plain, 1).discarded_at is not None and trial(plain, 2).discarded_at is None
    late = new_job(name="late", limits={"max_trials": 2, "max_parallel": 1})
    folders = [run(backend, follower, late, value) for value in (0.9, 0.1)]
    retention.clear()
    assert [(folder / "model").exists() for folder in folders] == [True, False]
    update_project(actor=team.alice, project="lab", keep=None)
    assert retention.rule_of(late) is not None, "as of when it was read"
    late.refresh_from_db()
    assert retention.rule_of(late) is None


def test_a_trial_whose_files_are_gone_is_retried_from_scratch(
    new_job: NewJob, team: Team, backend: ScriptedBackend, follower: Follower
) -> None:
    job = new_job(limits={"max_trials": 2, "max_parallel": 1}, keep={"best": 1, "last": 0})
    (token,) = live(job)
    furnish(token)
    writes_a_checkpoint(backend, token)
    fails(backend, follower, token)
    run(backend, follower, job, 0.5)
    retention.clear()
    retry = {"actor": team.bob, "project": "lab", "name": "first", "number": 1}
    with pytest.raises(Exception, match="the rule `keep` or a clean-up has removed it"):
        reruns.retry_trial(**retry, document={"from": "checkpoint"})
    reruns.retry_trial(**retry, document={})
    assert trial(job).discarded_at is None and len(live(job)) == 1


# --- files to download ------------------------------------------------------------------------------------------------


def packed(attempt: Attempt, name: str) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(b"".join(iter(archives.open_archive(attempt, name).read, b""))))


def test_files_are_listed_and_opened_and_links_lead_nowhere(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, tmp_path: Path
) -> None:
    job = new_job()
    (token,) = live(job)
    folder = furnish(token)
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("k")
    (folder / "model/link").symlink_to(secret / "key")
    (folder / "model/inner").symlink_to(secret)
    (folder / "model/bad\nname").write_text("x")
    attempt = Attempt.objects.get(token=token)
    found = artifacts.listing(attempt)
    files = [(file.path, file.bytes) for file in found.files]
    assert files == [("model/deep/weights", 100), ("output/data/table.csv", 4)]
    assert (found.links, found.truncated) == ([], False)
    assert [left.path for left in found.left_out] == ["model/bad\\nname", "model/inner", "model/link"]
    file, size = artifacts.open_file(attempt, "output/data/table.csv")
    with file:
        assert (file.read(), size) == (b"a,b\n", 4)
    (folder / "model/empty").touch()
    (folder / "model/deep/large").write_bytes(bytes(range(256)) * 10_000)
    with packed(attempt, "model") as archive:
        content = {name: archive.extractfile(name).read() for name in archive.getnames()}  # type: ignore[union-attr]
    assert list(content) == ["deep/large", "deep/weights", "empty"], "no link, and no name that is no text"
    assert content["deep/large"] == bytes(range(256)) * 10_000
    for path in (
        "model/link", "model/inner/key", "model/../log", "log", "code/train.py", "/etc/passwd", "model//deep/weights",
        "model", "model/deep", "", "model/\0", "model/none", f"{secret}/key",
    ):  # fmt: skip
        with pytest.raises(NotVisible):
            artifacts.open_file(attempt, path)


def test_a_model_folder_that_is_a_link_is_none(
    new_job: NewJob, backend: ScriptedBackend, follower: Follower, tmp_path: Path
) -> None:
    job = new_job()
    (token,) = live(job)
    folder = launching.backend().folder(token)
    folder.mkdir(parents=True)
    (tmp_path / "key").write_text("k")
    (folder / "model").symlink_to(tmp_path)
    attempt = Attempt.objects.get(token=token)
    assert artifacts.listing(attempt) == artifacts.Listing()
    with pytest.raises(NotVisible):
        artifacts.open_file(attempt, "model/key")


def test_links_that_stay_inside_are_packed_as_links(new_job: NewJob, backend: ScriptedBackend, tmp_path: Path) -> None:
    """As tar and SageMaker pack them, so that a large model is not there twice (F82, F106)."""
    new_job()
    attempt = Attempt.objects.get()
    model = furnish(attempt.token) / "model"
    (model / "latest").symlink_to("deep")
    (model / "latest.pt").symlink_to("latest/weights")
    (model / "deep/up").symlink_to(".././/latest.pt")
    (model / "best.pt").symlink_to(model / "deep/weights")  # as a script writes it that joins SM_MODEL_DIR and a name
    (model / "gone.pt").symlink_to("none")
    found = artifacts.listing(attempt)
    links = {link.path: link.target for link in found.links}
    assert links == {
        "model/best.pt": "deep/weights", "model/deep/up": "../latest.pt", "model/gone.pt": "none",
        "model/latest": "deep", "model/latest.pt": "latest/weights",
    }  # fmt: skip
    assert found.left_out == []
    with packed(attempt, "model") as archive:
        archive.extractall(tmp_path / "fetched", filter="data")
    for name in ("best.pt", "latest.pt", "deep/up"):
        assert (tmp_path / "fetched" / name).is_symlink()
        assert (tmp_path / "fetched" / name).read_bytes() == b"w" * 100
    assert sorted(path.name for path in (tmp_path / "fetched/latest").iterdir()) == ["up", "weights"]
    with pytest.raises(NotVisible):
        artifacts.open_file(attempt, "model/latest.pt")


def test_what_is_left_out_is_named_with_why(new_job: NewJob, backend: ScriptedBackend, tmp_path: Path) -> None:
    """Links that lead away, pipes, and what is too deep or has no printable name (F82)."""
    new_job()
    attempt = Attempt.objects.get()
    model = furnish(attempt.token) / "model"
    away = {
        "absolute": "/etc/passwd", "sibling": f"{model}-other/key", "dotted": f"{model}/../log", "log": "../log",
        "deep/far": "../../log", "through": "deep/top/../../log", "name": "bad\nname",
    }  # fmt: skip
    for name, target in away.items():
        (model / name).symlink_to(target)
    (model / "deep/top").symlink_to("..")
    os.mkfifo(model / "pipe")
    (model / "/".join(["d"] * 33)).mkdir(parents=True)
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening, contextlib.chdir(model):
        listening.bind("socket")
    left = {left.path.removeprefix("model/"): left.reason for left in artifacts.listing(attempt).left_out}
    assert set(left) == {*away, "pipe", "socket", "/".join(["d"] * 33)}
    assert left["log"] == "a link to '../log', which may lead out of its folder"
    assert left["pipe"] == "no file, but a pipe, a socket or a device"
    with packed(attempt, "model") as archive:
        assert archive.getnames() == ["deep/top", "deep/weights"]
        assert archive.getmember("deep/top").linkname == ".."
    alone = model.parent / "output/data"
    (alone / "table.csv").unlink()
    (alone / "model").symlink_to("../../model")
    with pytest.raises(NotVisible, match="left nothing in output/data/ that can be packed"):
        archives.open_archive(attempt, "output")


def test_a_trial_that_swaps_its_files_while_they_are_packed_shows_nothing_of_others(
    new_job: NewJob, backend: ScriptedBackend, tmp_path: Path
) -> None:
    """A file, a folder, a pipe and links that lead away, in turns under one name (F82)."""
    new_job()
    attempt = Attempt.objects.get()
    folder = furnish(attempt.token)
    secret = tmp_path / "secret"
    (secret / "in").mkdir(parents=True)
    (secret / "in/weights").write_bytes(b"secret" * 1000)
    kinds = [folder / f"kind-{number}" for number in range(4)]
    kinds[0].write_bytes(b"own" * 1000)
    (kinds[1] / "in").mkdir(parents=True)
    (kinds[1] / "in/weights").write_bytes(b"own" * 1000)
    os.mkfifo(kinds[2])
    kinds[3].symlink_to(secret)
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            for kind in kinds:
                kind.rename(folder / "model/swapped")
                (folder / "model/swapped").rename(kind)

    seen: set[str] = set()
    with ThreadPoolExecutor(1) as pool:
        swapping = pool.submit(swap)
        try:
            for _ in range(300):
                with packed(attempt, "model") as archive:
                    for member in archive.getmembers():
                        assert member.isreg(), member.name
                        assert b"secret" not in archive.extractfile(member).read()  # type: ignore[union-attr]
                        seen.add(member.name)
        finally:
            over.set()
    swapping.result()
    assert seen - {"deep/weights"}, "the swapped one was met"


@pytest.mark.parametrize(
    ("written", "inside", "target"),
    [
        ("a", (), "a"), ("./a//b/", (), "a/b"), (".", (), "."), ("..", ("a",), ".."),
        ("../../c", ("a", "b"), "../../c"), ("/opt/ml/model/c", ("a", "b"), "../../c"),
        ("/opt/ml/model", ("a",), ".."), ("/opt/ml/model/", (), "."),
        ("..", (), None), ("../../c", ("a",), None), ("b/../c", ("a",), None), ("../b/..", ("a",), None),
        ("/opt/ml/model2/c", (), None), ("/opt/ml/model/../c", (), None), ("/opt/ml", (), None), ("/", (), None),
        ("a\udcff", (), None), ("a\nb", (), None),
    ],
)  # fmt: skip
def test_where_a_link_leads(written: str, inside: tuple[str, ...], target: str | None) -> None:
    assert artifacts.link_target(written, inside, "/opt/ml/model") == target


def test_what_cannot_be_read_is_named(new_job: NewJob, backend: ScriptedBackend) -> None:
    """Whoever leaves files that the service's user may not read is told so (F82)."""
    new_job()
    attempt = Attempt.objects.get()
    model = furnish(attempt.token) / "model"
    (model / "key").touch(mode=0)
    (model / "closed").mkdir(mode=0)
    found = without_root(lambda: artifacts.listing(attempt))
    assert {(left.path, left.reason) for left in found.left_out} == {
        ("model/closed", "cannot be read"), ("model/key", "cannot be read"),
    }  # fmt: skip
    assert [file.path for file in found.files] == ["model/deep/weights", "output/data/table.csv"]


def without_root(work: Callable[[], artifacts.Listing]) -> artifacts.Listing:
    """What it gives in a thread without capabilities: to it, modes apply also if root runs the tests."""

    def bare() -> artifacts.Listing:
        libc = ctypes.CDLL(None, use_errno=True)
        header, none = struct.pack("Ii", 0x20080522, 0), bytes(24)  # this thread, and all sets empty (capset(2))
        assert libc.capset(header, none) == 0, os.strerror(ctypes.get_errno())
        return work()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(bare).result()
