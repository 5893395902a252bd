"""From an attempt's row to a running trial: which backend, and everything that it is told."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

from django.conf import settings

from hpt_web.catalog import bundles, storage
from hpt_web.catalog.models import AlgorithmVersion, DatasetVersion
from hpt_web.jobs.endings import PROCESSES
from hpt_web.jobs.models import Attempt, Trial
from tuning.backends import Backend, LaunchSpec, Limits
from tuning.backends.process import ProcessBackend
from tuning.space import Value

PROCESS = "process"
MEBIBYTE = 1024 * 1024


@cache
def backend() -> Backend:
    """This host's backend. One object per process: it may keep watches on what it follows."""
    return ProcessBackend(settings.HPT_HOME / "trials")


def launch(attempt: Attempt) -> None:
    """Start the attempt; starting it twice runs it once. Raises BackendError."""
    backend().launch(launch_spec(attempt))


def launch_spec(attempt: Attempt) -> LaunchSpec:
    """Everything that the backend needs to run the attempt, from its rows alone."""
    trial = attempt.trial
    job = trial.job
    version = job.algorithm_version
    values = {name: as_text(value) for name, value in {**job.spec["static"], **trial.hyperparameters}.items()}
    arguments = [part for name, value in values.items() for part in (f"--{name}", value)]
    checkpoints = checkpoint_folder(trial)
    if trial.continues and attempt.number == 1:
        _copy_checkpoints(trial, checkpoints)
    if attempt.resumed:
        arguments += ["--resume-from", str(checkpoints)]
    resources = job.spec["resources"] or version.resources
    memory = resources.get("memory_mb")
    return LaunchSpec(
        attempt=attempt.token,
        command=(*_interpreter(version.entry_point), *arguments),
        environment={
            **version.environment,
            "HPT_OBJECTIVE": job.metric,
            "HPT_SEED": str(seed_of(trial)),
            "HPT_TRIAL_NUMBER": str(trial.number),
            "HPT_ATTEMPT_NUMBER": str(attempt.number),
        },
        hyperparameters={**values, "_tuning_objective_metric": job.metric},
        channels={channel.name: _input(channel.dataset_version) for channel in job.channels.all()},
        code=_code(version),
        checkpoints=checkpoints,
        names={"job": job.name, "trial": f"{job.name}-{trial.number:04d}", "project": job.project.slug},
        limits=Limits(
            wall_seconds=job.spec["limits"]["trial_seconds"],
            memory_bytes=memory * MEBIBYTE if memory else None,
            processes=PROCESSES,
            open_files=None,
            file_bytes=None,
        ),
    )


def seed_of(trial: Trial) -> int:
    """The job's seed in every trial, so that points are compared under the same luck; one more in each further run of a
    point that is repeated, which would else only be run again; that of the origin in a trial that was copied.
    """
    if trial.seed is not None:
        return trial.seed
    job = trial.job
    if job.spec.get("repeats", 1) == 1:
        return job.seed
    earlier = job.trials.filter(number__lt=trial.number, hyperparameters=trial.hyperparameters)
    return job.seed + earlier.count()


def as_text(value: Value) -> str:
    """A hyperparameter as a script's argument; a float as the shortest text that reads back to it."""
    return repr(value) if isinstance(value, float) else str(value)


def checkpoint_folder(trial: Trial) -> Path:
    """Where a trial keeps its checkpoints, over all of its attempts; another folder once it is to begin anew."""
    name = f"{trial.number}-{trial.fresh_after}" if trial.fresh_after else str(trial.number)
    return Path(settings.HPT_HOME / "checkpoints" / str(trial.job_id) / name)


def has_checkpoint(trial: Trial) -> bool:
    folder = checkpoint_folder(trial)
    return folder.is_dir() and any(folder.iterdir())


def _copy_checkpoints(trial: Trial, folder: Path) -> None:
    """Begin with what the trial's origin left, which stays as it is. Once: from then on it is the trial's."""
    if trial.origin is not None and not folder.is_dir() and has_checkpoint(trial.origin):
        source = checkpoint_folder(trial.origin)
        _appear(folder, lambda draft: shutil.copytree(source, draft, symlinks=True, dirs_exist_ok=True))


def _interpreter(entry_point: str) -> tuple[str, ...]:
    if entry_point.endswith(".py"):
        return (os.environ.get("HPT_TRIAL_PYTHON") or sys.executable, "-u", entry_point)
    return (f"./{entry_point}",)


def _code(version: AlgorithmVersion) -> Path:
    """The version's files, unpacked once per digest for all trials."""
    folder = Path(settings.HPT_HOME / "code" / version.bundle.removeprefix("sha256:"))
    if not folder.is_dir():
        _appear(folder, lambda draft: bundles.unpack(version.bundle, draft))
    return folder


def _input(version: DatasetVersion) -> Path:
    """A folder with the dataset's file under the name that the trial knows it by."""
    folder = Path(settings.HPT_HOME / "inputs" / str(version.pk))
    if not folder.is_dir():
        # A copy: a process that shares our account could write to what it is shown, and must not reach the store.
        _appear(folder, lambda draft: shutil.copy(storage.path(version.digest), draft / version.filename))
    return folder


def _appear(folder: Path, fill: Callable[[Path], object]) -> None:
    """Make `folder` with what `fill` puts into it, whole or not at all, also if two processes do it at once."""
    draft = folder.with_name(f".{folder.name}.{os.getpid()}.{threading.get_ident()}")
    draft.mkdir(mode=0o700, parents=True)
    try:
        fill(draft)
        draft.rename(folder)
    except OSError:
        if not folder.is_dir():  # else somebody else was first, with the same content
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
