"""What a trial sees: the folders, files and variables of SageMaker's training contract, and a few of HPT's own.

The same for every backend; only where the base folder lies differs (an attempt's folder here, /opt/ml in a container):

    input/config/{hyperparameters,inputdataconfig,resourceconfig}.json
    input/data/<channel>/    read-only; or input/data/<channel>_<epoch>, a FIFO each
    code/                    a copy of the script's folder, and the working directory
    model/  output/data/  output/intermediate/  output/failure
    checkpoints/             outlives the attempt
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuning.backends.contract import FAILURE_CHARS, MOST_KEEP_ALIVE_SECONDS, LaunchSpec, Limits
from tuning.errors import BackendError

ATTEMPT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
CHANNEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}\Z")
VARIABLE = re.compile(r"[^=\0]+\Z")
DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9/:._-]{0,127}\Z")
FOLDERS = (
    *("input", "input/config", "input/data", "model"),
    *("output", "output/data", "output/intermediate", "code", "home", "tmp"),
)
SCRATCH = ("code", "input", "home", "tmp", "output/intermediate")  # of no use once the attempt is over
CONFIG = ("hyperparameters", "inputdataconfig", "resourceconfig")
# Every name in hosts must resolve, or SageMaker's toolkit retries for 15 minutes.
HOST = "localhost"
GROUP = "homogeneousCluster"
INSTANCE = "local"
LEAST_LOG_BYTES = 1024
AT_ONCE_BYTES = 1 << 20  # of a file that is copied


def check_attempt(attempt: str) -> str:
    if not ATTEMPT.match(attempt):
        raise BackendError(
            f"attempt {attempt!r} cannot name a folder: use 1 to 128 letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit"
        )
    return attempt


def check(spec: LaunchSpec) -> None:
    """BackendError, naming everything that is wrong, if this attempt could never be started as it is written."""
    if faults := list(_faults(spec)):
        raise BackendError(f"attempt {spec.attempt!r} cannot be launched: " + "; ".join(faults))


def _faults(spec: LaunchSpec) -> Iterator[str]:
    check_attempt(spec.attempt)
    if not spec.command or not spec.command[0]:
        yield "command is empty: give at least the program"
    if any("\0" in argument for argument in spec.command):
        yield "command holds a NUL character, which no argument can carry"
    for kind, mapping in (
        ("environment", spec.environment),
        ("hyperparameters", spec.hyperparameters),
        ("names", spec.names),
    ):
        pattern = LABEL if kind == "names" else VARIABLE
        for name, value in mapping.items():
            if not pattern.match(name):
                yield f"{kind} name {name!r} cannot be part of a variable's name"
            if "\0" in value:
                yield f"{kind}[{name!r}] holds a NUL character, which no variable can carry"
    for channel, path in spec.channels.items():
        if not CHANNEL.match(channel):
            yield f"channel {channel!r} cannot name a folder: use letters, digits, '.', '_' and '-'"
        if not path.exists():
            yield f"channel {channel!r}: {path} does not exist"
    for channel in spec.pipes:
        yield from _pipe_faults(channel, spec)
    if spec.code is not None and not spec.code.is_dir():
        yield f"code: {spec.code} is not a folder"
    for device in spec.gpus or ():
        if not DEVICE.match(device):
            yield f"gpu {device!r} is no device id: give its number or its UUID"
    if not 0 <= spec.keep_alive_seconds <= MOST_KEEP_ALIVE_SECONDS:
        yield f"keep_alive_seconds is {spec.keep_alive_seconds}: give 0 to {MOST_KEEP_ALIVE_SECONDS}"
    yield from _limit_faults(spec.limits)


def _pipe_faults(channel: str, spec: LaunchSpec) -> Iterator[str]:
    if channel not in spec.channels:
        yield f"pipes: {channel!r} is none of the channels"
    for other in spec.channels:
        if taken_by_pipe(other, channel):
            yield f"channel {other!r} has the name of a pipe of {channel!r}: rename one"


def taken_by_pipe(name: str, channel: str) -> bool:
    """Whether a FIFO of this channel would have that name."""
    return name.startswith(f"{channel}_") and name[len(channel) + 1 :].isdecimal()


def _limit_faults(limits: Limits) -> Iterator[str]:
    for name in ("wall_seconds", "memory_bytes", "processes", "open_files", "file_bytes", "disk_bytes", "cpus"):
        value = getattr(limits, name)
        if value is not None and not (value > 0 and math.isfinite(value)):
            yield f"limits.{name} is {value}: give a positive number, or None for no limit"
    if not 0 <= limits.grace_seconds < math.inf:
        yield f"limits.grace_seconds is {limits.grace_seconds}: give seconds, 0 or more"
    if limits.log_bytes < LEAST_LOG_BYTES:
        yield f"limits.log_bytes is {limits.log_bytes}: give at least {LEAST_LOG_BYTES}"


def make(folder: Path, spec: LaunchSpec) -> None:
    """Make everything in the base folder but the channels and checkpoints, which each backend shows in its own way."""
    make_folders(folder)
    fill(folder, spec)


def make_folders(folder: Path | str) -> None:
    """Those that are the same for every attempt."""
    for name in FOLDERS:
        with contextlib.suppress(FileExistsError):
            os.mkdir(f"{folder}/{name}", 0o700)  # noqa: PTH102 - a Path would take as long to make as the folder


def fill(folder: Path, spec: LaunchSpec) -> None:
    """Put into them what this attempt is to see."""
    hyperparameters, channels = json.dumps(dict(spec.hyperparameters)), json.dumps(input_data_config(spec))
    for name, text in zip(CONFIG, (hyperparameters, channels, RESOURCE_CONFIG), strict=True):
        write_file(f"{folder}/input/config/{name}.json", text.encode())
    _remove_strangers(folder / "code", spec.code)
    if spec.code is not None:
        _copy(spec.code, folder / "code")


def _remove_strangers(folder: Path, source: Path | None) -> None:
    """Of the files that an attempt before has left in a folder for code (`skeletons`), those that will not be written
    over with what is in `source`."""
    for file in folder.iterdir():
        mode = 0
        if source is not None:
            with contextlib.suppress(FileNotFoundError):
                mode = (source / file.name).lstat().st_mode
        if not stat.S_ISREG(mode) or mode & 0o100:
            file.unlink()


def _copy(source: Path, target: Path) -> None:
    """Copy a folder so that the trial may write to the copy, whatever the modes of the original."""
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                _copy_file(entry.path, f"{target}/{entry.name}")
                continue
            path = target / entry.name
            if entry.is_symlink():
                path.symlink_to(Path(entry.path).readlink())
            elif entry.is_dir():
                path.mkdir(mode=0o700)
                _copy(Path(entry.path), path)


def _copy_file(source: str, target: str) -> None:
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        mode = 0o600 | (found.st_mode & 0o100)
        if found.st_size <= AT_ONCE_BYTES:
            write_file(target, os.read(fd, AT_ONCE_BYTES), mode)
            return
    finally:
        os.close(fd)
    shutil.copyfile(source, target)
    Path(target).chmod(mode)


def write_file(path: str, data: bytes, mode: int = 0o600) -> None:
    """Write a small file, whole or with an OSError.

    One that is there is written over and cut to its length: file systems bring what was emptied first to the disk.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        if os.write(fd, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        if os.fstat(fd).st_size > len(data):
            os.ftruncate(fd, len(data))
    finally:
        os.close(fd)


def input_data_config(spec: LaunchSpec) -> dict[str, dict[str, str]]:
    channel = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    types = spec.content_types
    given = {name: channel | ({"ContentType": types[name]} if name in types else {}) for name in spec.channels}
    for name in spec.pipes:
        given[name]["TrainingInputMode"] = "Pipe"
    return given


def resource_config() -> dict[str, Any]:
    return {
        "current_host": HOST,
        "hosts": [HOST],
        "network_interface_name": "lo",
        "current_instance_type": INSTANCE,
        "current_group_name": GROUP,
        "instance_groups": [{"instance_group_name": GROUP, "instance_type": INSTANCE, "hosts": [HOST]}],
    }


RESOURCE_CONFIG = json.dumps(resource_config())
INSTANCE_GROUPS = {group["instance_group_name"]: group for group in resource_config()["instance_groups"]}


def environment(spec: LaunchSpec, base: str, cpus: int) -> dict[str, str]:
    """The variables of the contract. ``base`` is the base folder as the trial sees it."""
    visible = spec.environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if spec.gpus is None else spec.gpus
    gpus = sum(1 for device in visible if device.strip())
    tuned = {k: v for k, v in spec.hyperparameters.items() if not k.startswith(("sagemaker_", "_tuning_"))}
    values = {name: _decoded(text) for name, text in tuned.items()}
    arguments = [part for name in sorted(tuned) for part in (f"--{name}", tuned[name])]
    folders = {
        "SM_INPUT_DIR": "input",
        "SM_INPUT_CONFIG_DIR": "input/config",
        "SM_MODEL_DIR": "model",
        "SM_MODULE_DIR": "code",
        "SM_OUTPUT_DIR": "output",
        "SM_OUTPUT_DATA_DIR": "output/data",
        "SM_OUTPUT_INTERMEDIATE_DIR": "output/intermediate",
        "HPT_CHECKPOINTS": "checkpoints",
    } | {f"SM_CHANNEL_{name.upper()}": f"input/data/{name}" for name in spec.channels}
    documents = {
        "SM_CHANNELS": sorted(spec.channels),
        "SM_HPS": values,
        "SM_USER_ARGS": arguments,
        "SM_INPUT_DATA_CONFIG": input_data_config(spec),
        "SM_HOSTS": [HOST],
        "SM_INSTANCE_GROUPS": [GROUP],
        "SM_INSTANCE_GROUPS_DICT": {
            group["instance_group_name"]: group for group in resource_config()["instance_groups"]
        },
        "SM_DISTRIBUTION_INSTANCE_GROUPS": [],
        "SM_CURRENT_INSTANCE_GROUP_HOSTS": [HOST],
        "SM_FRAMEWORK_PARAMS": {},
    }
    name, script = spec.names.get("trial", spec.attempt), entry_point(spec)
    plain = {
        "SAGEMAKER_BASE_DIR": base,
        "TRAINING_JOB_NAME": name,
        "TRAINING_JOB_ARN": f"arn:aws:sagemaker:local:000000000000:training-job/{name.lower()}",
        "SM_CURRENT_HOST": HOST,
        "SM_CURRENT_INSTANCE_TYPE": INSTANCE,
        "SM_CURRENT_INSTANCE_GROUP": GROUP,
        "SM_IS_HETERO": "false",
        "SM_USER_ENTRY_POINT": script,
        "SM_MODULE_NAME": script.removesuffix(".py"),
        "SM_FRAMEWORK_MODULE": "",  # of none of SageMaker's own images
        "SM_NETWORK_INTERFACE_NAME": "lo",
        "SM_NUM_CPUS": str(cpus),
        "SM_NUM_GPUS": str(gpus),
        "SM_NUM_NEURONS": "0",
        "SM_LOG_LEVEL": "20",
        "SM_RESOURCE_CONFIG": RESOURCE_CONFIG,
        "SM_TRAINING_ENV": json.dumps(_training_env(spec, base, values, cpus, gpus, script)),
        "HPT_ATTEMPT": spec.attempt,
    }
    return (
        {f"SM_HP_{name.upper()}": text for name, text in tuned.items()}
        | {f"HPT_{name.upper().replace('-', '_')}": text for name, text in spec.names.items()}
        | {name: f"{base}/{path}" for name, path in folders.items()}
        | {name: json.dumps(document) for name, document in documents.items()}
        | plain
    )


def entry_point(spec: LaunchSpec) -> str:
    """The file of the code that is run, by itself or by an interpreter; empty for what an image brings along."""
    if spec.code is None:
        return ""
    files = (part.removeprefix("./") for part in spec.command if not part.startswith(("/", "-")))
    return next((file for file in files if file.endswith(".py")), spec.command[0].removeprefix("./"))


def _training_env(
    spec: LaunchSpec, base: str, values: Mapping[str, object], cpus: int, gpus: int, script: str
) -> dict[str, object]:
    return {
        "job_name": spec.names.get("trial", spec.attempt),
        "hyperparameters": values,
        "channel_input_dirs": {name: f"{base}/input/data/{name}" for name in spec.channels},
        "input_dir": f"{base}/input",
        "input_config_dir": f"{base}/input/config",
        "model_dir": f"{base}/model",
        "module_dir": f"{base}/code",
        "output_dir": f"{base}/output",
        "output_data_dir": f"{base}/output/data",
        "output_intermediate_dir": f"{base}/output/intermediate",
        "current_host": HOST,
        "hosts": [HOST],
        "network_interface_name": "lo",
        "num_cpus": cpus,
        "num_gpus": gpus,
        "num_neurons": 0,
        "log_level": 20,
        "user_entry_point": script,
        "module_name": script.removesuffix(".py"),
    }


def _decoded(text: str) -> object:
    """SageMaker's toolkit decodes what is JSON; what JSON has no word for (NaN, Infinity) stays text."""

    def refuse(_: str) -> None:
        raise ValueError

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return text


def read_failure(folder: Path | str) -> str | None:
    """What the trial wrote to output/failure, cut to what SageMaker keeps."""
    try:
        if stat.S_ISLNK(os.lstat(f"{folder}/output").st_mode):
            return None
        text = read_file(f"{folder}/output/failure", 4 * FAILURE_CHARS).decode("utf-8", "replace")
    except OSError:
        return None
    return text.replace("\0", "\ufffd")[:FAILURE_CHARS] or None


def read_file(path: Path | str, limit: int, offset: int = 0) -> bytes:
    """Part of a regular file, in a folder where a trial may have put anything. OSError for anything else.

    No link is followed, or a trial could show us a file that it may not read; and no pipe is waited for.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(f"{path} is not a file")
        return os.pread(fd, limit, offset)
    finally:
        os.close(fd)
