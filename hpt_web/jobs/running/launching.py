"""From an attempt's row to a running trial: which backend, and everything that it is told."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import sys
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from hpt_web.accounts.models import Project
from hpt_web.catalog import bundles, storage
from hpt_web.catalog.models import Algorithm, AlgorithmVersion, DatasetVersion
from hpt_web.catalog.validation import PIPE
from hpt_web.jobs.models import Attempt, JobChannel, Trial, TuningJob
from hpt_web.jobs.running import allowance, backends, images
from tuning.backends import Backend, LaunchSpec, Limits
from tuning.backends.docker.container import BASE
from tuning.errors import BackendError
from tuning.space import Value

PROCESS, CONTAINER = backends.PROCESS, backends.CONTAINER
MEBIBYTE = 1024 * 1024
TRAIN = "train"  # what SageMaker's images are run with
# Of the host's memory, for a container that declares none: what runs away must not take the service with it.
MOST_OF_MEMORY = 0.9


def backend() -> Backend:
    """This host's backend, whatever its trials run in."""
    return backends.backend()


def backend_of(job: TuningJob) -> str:
    """Where the trials of a job run that run on this host."""
    return CONTAINER if job.spec.get("runs_in") == CONTAINER else PROCESS


def new_token(trial: Trial, number: int, kind: str) -> str:
    """The name of an attempt to its backend, which it tells (`backends.part_of`)."""
    mark = backends.CONTAINER_MARK if kind == CONTAINER else ""
    return f"{mark}{trial.job_id}-{trial.number}-{number}-{secrets.token_hex(4)}"


def launch(attempt: Attempt) -> None:
    """Start the attempt; starting it twice runs it once. Raises BackendError."""
    backend().launch(launch_spec(attempt))


def require_image(job: TuningJob) -> None:
    """Return if what the job's trials need is on this host; else see to it. BackendError: see `images.require`."""
    if backend_of(job) == CONTAINER:
        images.require(job.spec["image"])


def launch_spec(attempt: Attempt) -> LaunchSpec:
    """Everything that the backend needs to run the attempt, from its rows alone."""
    trial = attempt.trial
    job = trial.job
    version = version_of(job.algorithm_version_id)
    values = {name: as_text(value) for name, value in {**job.spec["static"], **trial.hyperparameters}.items()}
    checkpoints = checkpoint_folder(trial)
    if trial.continues and attempt.resumed:
        _copy_checkpoints(trial, checkpoints)
    channels = {name: _input(version) for name, version in channels_of(job.pk)}
    share = _resources(job).get("gpu_memory_mb")
    contained = attempt.backend == CONTAINER
    shown = f"{BASE}/checkpoints" if contained else str(checkpoints)  # as the trial sees them
    resume_from = shown if attempt.resumed else None
    return LaunchSpec(
        attempt=attempt.token,
        command=_command(version, values, resume_from, contained=contained),
        environment={
            **version.environment,
            "HPT_OBJECTIVE": job.metric,
            "HPT_SEED": str(seed_of(trial)),
            "HPT_TRIAL_NUMBER": str(trial.number),
            "HPT_ATTEMPT_NUMBER": str(attempt.number),
            **({"HPT_RESUME_FROM": resume_from} if resume_from else {}),
            **({"HPT_GPU_MEMORY_MB": str(share)} if share else {}),
        },
        hyperparameters={**values, "_tuning_objective_metric": job.metric},
        channels=channels,
        pipes=_piped(version.pk).intersection(channels),
        content_types={one["name"]: one["content_type"] for one in version.channels if one.get("content_type")},
        code=_code(version) if version.bundle else None,
        checkpoints=checkpoints,
        names={"job": job.name, "trial": f"{job.name}-{trial.number:04d}", "project": _slug(job.project_id)},
        limits=_limits(attempt, contained=contained),
        gpus=tuple(attempt.devices),  # none at all for who has none
        image=job.spec["image"] if contained else None,
        entrypoint=() if contained and version.bundle else None,
        network=_network(version) if contained else None,
        pool=str(job.pk) if contained else "",
        keep_alive_seconds=_keep_alive(job) if contained else 0,
    )


@lru_cache(maxsize=64)
def version_of(pk: int) -> AlgorithmVersion:
    """A version of an algorithm, which never changes; the algorithm itself may."""
    return AlgorithmVersion.objects.get(pk=pk)


@lru_cache(maxsize=64)
def _piped(version: int) -> frozenset[str]:
    """The channels that trials of an algorithm's version read through pipes."""
    return frozenset(one["name"] for one in version_of(version).channels if one.get("input_mode") == PIPE)


def _network(version: AlgorithmVersion) -> str | None:
    """What an admin grants the algorithm's containers now."""
    return Algorithm.objects.values_list("network", flat=True).get(pk=version.algorithm_id) or None


@lru_cache(maxsize=64)
def _slug(project: int) -> str:
    """A project's, which never changes."""
    return Project.objects.values_list("slug", flat=True).get(pk=project)


@lru_cache(maxsize=64)
def channels_of(job_id: int) -> tuple[tuple[str, DatasetVersion], ...]:
    """What a job reads, by its channels' names, which never changes."""
    channels = JobChannel.objects.filter(job=job_id).select_related("dataset_version").order_by("pk")
    return tuple((channel.name, channel.dataset_version) for channel in channels)


def _resources(job: TuningJob) -> dict[str, Any]:
    """What each trial of the job takes: the job's word, or else its algorithm's."""
    resources: dict[str, Any] = job.spec["resources"] or version_of(job.algorithm_version_id).resources
    return resources


def _keep_alive(job: TuningJob) -> int:
    return _resources(job).get("keep_alive_seconds") or 0


def _limits(attempt: Attempt, *, contained: bool) -> Limits:
    resources = _resources(attempt.trial.job)
    memory = resources.get("memory_mb")
    most = int(MOST_OF_MEMORY * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) if contained else None
    return Limits(
        wall_seconds=max(allowance.SHORTEST, allowance.seconds_left(attempt.trial, attempt.number)),
        grace_seconds=float(settings.HPT_STOP_GRACE_SECONDS),
        memory_bytes=memory * MEBIBYTE if memory else most,
        processes=settings.HPT_TRIAL_PROCESSES,
        disk_bytes=settings.HPT_TRIAL_DISK_MB * MEBIBYTE,
        cpus=min(float(resources.get("cpus") or 1), os.cpu_count() or 1) if contained else None,
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
    if folder.is_dir():
        return
    if trial.origin is None or not has_checkpoint(trial.origin):
        raise BackendError("the checkpoint from which it was to go on is gone; run it again from scratch")
    source = checkpoint_folder(trial.origin)
    _appear(folder, lambda draft: shutil.copytree(source, draft, symlinks=True, dirs_exist_ok=True))


def _command(
    version: AlgorithmVersion, values: dict[str, str], resume_from: str | None, *, contained: bool
) -> tuple[str, ...]:
    """A script, or what an image is told, with the hyperparameters as arguments. `train` alone takes none: whoever
    keeps to SageMaker's contract reads them from a file, and goes on from what it finds in /opt/ml/checkpoints."""
    arguments = [part for name, value in values.items() for part in (f"--{name}", value)]
    if resume_from is not None:
        arguments += ["--resume-from", resume_from]
    entry_point = version.entry_point
    if not version.bundle:
        return (*shlex.split(entry_point), *arguments) if entry_point else (TRAIN,)
    if not entry_point.endswith(".py"):
        return (f"./{entry_point}", *arguments)
    python = "python3" if contained else os.environ.get("HPT_TRIAL_PYTHON") or sys.executable
    return (python, "-u", entry_point, *arguments)


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
        _appear(folder, lambda draft: shutil.copyfile(storage.path(version.digest), draft / version.filename))
    # For the user of containers; nobody else of this host gets into the folder around it.
    (folder / version.filename).chmod(0o644)
    folder.chmod(0o755)
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
