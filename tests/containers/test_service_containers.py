"""Jobs of the whole service in real containers: an image that keeps to SageMaker's contract, and a script in a base
image. The worker and the follower are killed while they run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from docker.errors import ImageNotFound

from tests import engine as engines
from tests.containers.harness import BARE, PYTHON
from tests.containers.test_pulling import serving
from tests.faults.lab import Lab
from tests.service import Service, wait_for
from tuning.backends.docker import DockerBackend
from tuning.backends.docker.images import resolve
from tuning.errors import BackendError

LINES = 20
DEVICES = ["GPU-a", "GPU-b"]
TRAINER = "hpt-test/trainer:1"
# Knows nothing of HPT: it reads and writes the folders below /opt/ml, as SageMaker's documentation has it.
TRAIN = f"""#!/bin/busybox sh
given() {{ /bin/busybox sed -n "s/.*\\"$1\\": \\"\\([^\\"]*\\)\\".*/\\1/p" /opt/ml/input/config/hyperparameters.json; }}
x=$(given x) pause=$(given pause) done=0
[ -f /opt/ml/checkpoints/step ] && done=$(/bin/busybox cat /opt/ml/checkpoints/step) pause=0
echo "rows: $(/bin/busybox wc -l < /opt/ml/input/data/train/t.csv) of $TRAINING_JOB_NAME, given [$*]"
echo "resumes [$HPT_RESUME_FROM] after $done"
for i in $(/bin/busybox seq $((done + 1)) {LINES}); do
    echo "x=$x score=$i"
    echo "$i" > /opt/ml/checkpoints/step
    /bin/busybox sleep "$pause"
done
echo weights > /opt/ml/model/model.bin
"""
SCRIPT = f"""
import argparse, json, os, pathlib, time
p = argparse.ArgumentParser()
p.add_argument("--x", type=float)
p.add_argument("--pause", type=float)
p.add_argument("--resume-from")
a = p.parse_args()
print("user", os.getuid(), "interfaces", sorted(os.listdir("/sys/class/net")))
print("resumes", a.resume_from)
print("secrets", [name for name in os.environ if "SECRET" in name or "DATABASE" in name or "KEY" in name])
for i in range(1, {LINES} + 1):
    print(f"x={{a.x}} score={{i}}", flush=True)
    pathlib.Path(os.environ["HPT_CHECKPOINTS"], "step").write_text(str(i))
    time.sleep(0 if a.resume_from else a.pause)
"""
VERSION = {
    "hyperparameters": [
        {"name": "x", "type": "float", "min": 0, "max": 1},
        {"name": "pause", "type": "float", "default": 0.2, "tunable": False},
    ],
    "metrics": [{"name": "score", "regex": "score=(\\S+)"}],
}


@pytest.fixture(scope="module")
def trainer(engine: engines.Engine, pytestconfig: pytest.Config) -> str:
    """An image as SageMaker's users have them; its digest."""
    assert pytestconfig.cache is not None
    cache = pytestconfig.cache.mkdir("hpt-images")
    archive = engines.system_image(cache, "resuming-trainer", ("busybox-static",), {"usr/bin/train": TRAIN})
    client = engine.client()
    client.import_image(str(archive), repository=TRAINER, changes=["ENV PATH=/usr/bin:/bin"])
    identity = str(client.inspect_image(TRAINER)["Id"])
    client.close()
    return identity


@pytest.fixture(scope="module")
def service(engine: engines.Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    gpus = ",".join(f"{device}:1000MiB" for device in DEVICES)
    settings = {"HPT_DOCKER": engine.url, "HPT_BASE_IMAGE": PYTHON, "HPT_GPUS": gpus, "HPT_PULL_RETRY_SECONDS": "1"}
    running = Service(tmp_path_factory.mktemp("hpt") / "home", example=False, settings=settings).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def lab(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    lab = Lab(service, tmp_path_factory.mktemp("ledger"))
    lab.post("/projects/lab/datasets", {"name": "table"})
    headers = {"Content-Type": "application/octet-stream"}
    answer = lab.client.post(
        "/projects/lab/datasets/table/versions", params={"filename": "t.csv"}, content=b"a\n1\n2\n", headers=headers
    )
    assert answer.is_success, answer.text
    return lab


def algorithm(lab: Lab, name: str, **version: Any) -> None:
    lab.post("/projects/lab/algorithms", {"name": name})
    lab.post(f"/projects/lab/algorithms/{name}/versions", {**VERSION, **version})


def document(name: str, algorithm: str, trials: int = 3, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "algorithm": {"name": algorithm},
        "objective": {"metric": "score", "goal": "maximize"},
        "space": [{"name": "x", "type": "float", "min": 0, "max": 1}],
        "strategy": {"name": "random"},
        "limits": {"max_trials": trials, "max_parallel": 2},
        "resources": {"cpus": 0.5, "memory_mb": 256},
        "seed": 1,
        **changes,
    }


def containers(service: Service, engine: engines.Engine, *, running: bool = False) -> list[str]:
    """The service's own, in whatever state, or those that run; the engine may hold those of other tests."""
    ours = DockerBackend(service.home / "containers", engine.url).name("")
    client = engine.client()
    try:
        names = [name for found in client.containers(all=not running) for name in found["Names"]]
    finally:
        client.close()
    return [name for name in names if name.removeprefix("/").startswith(ours)]


def log(lab: Lab, job: str, trial: int) -> list[str]:
    return str(lab.get(f"/projects/lab/jobs/{job}/trials/{trial}/logs", offset=0)["text"]).splitlines()


def check_every_trial(lab: Lab, job: str, trials: int) -> None:
    """Each ran once to its end, and every line that it printed counts once."""
    rows = lab.trials(job)
    assert [(row["number"], row["state"], row["attempt"]) for row in rows] == [
        (number, "Completed", 1) for number in range(1, trials + 1)
    ]
    for row in rows:
        lines = [line for line in log(lab, job, row["number"]) if line.startswith("x=")]
        x = str(row["hyperparameters"]["x"])
        assert lines == [f"x={x} score={i}" for i in range(1, LINES + 1)]
        curve = lab.get(f"/projects/lab/jobs/{job}/trials/{row['number']}/metrics")["items"][0]
        assert (curve["steps"], curve["values"]) == (list(range(1, LINES + 1)), list(range(1, LINES + 1)))


@pytest.mark.timeout(300)
def test_an_unmodified_image_is_tuned_while_worker_and_follower_are_killed(
    service: Service, lab: Lab, engine: engines.Engine, trainer: str
) -> None:
    algorithm(lab, "sagemaker", source={"image": TRAINER}, channels=[{"name": "train", "required": True}])
    lab.post("/projects/lab/jobs", document("image", "sagemaker", channels={"train": {"dataset": "table"}}))
    specification = lab.job("image")["specification"]
    assert (specification["runs_in"], specification["image"]) == ("container", trainer), "pinned when the job was made"
    wait_for(lambda: lab.job("image")["counts"].get("Running", 0) == 2, 60, "trials run")
    for part in ("follower", "worker"):
        service.kill(part)
    assert containers(service, engine), "trials outlive their watchers"
    assert lab.wait_for_state("image", {"Completed", "Failed", "Stopped"})["state"] == "Completed"
    check_every_trial(lab, "image", 3)
    told = ["rows: 3 of image-0001, given []", "resumes [] after 0"]
    assert log(lab, "image", 1)[:2] == told, "the table, the name, and no arguments"
    wait_for(lambda: not containers(service, engine), 30, "no container is left")


@pytest.mark.timeout(300)
def test_a_script_runs_in_a_base_image_as_nobody_with_nothing_to_reach(
    service: Service, lab: Lab, engine: engines.Engine
) -> None:
    algorithm(lab, "script", source={"files": {"train.py": SCRIPT}}, entry_point="train.py")
    lab.post("/projects/lab/jobs", document("script", "script", trials=2, runs_in="container"))
    wait_for(lambda: lab.job("script")["counts"].get("Running", 0), 60, "trials run")
    service.kill("follower")
    assert lab.wait_for_state("script", {"Completed", "Failed", "Stopped"})["state"] == "Completed"
    check_every_trial(lab, "script", 2)
    assert log(lab, "script", 1)[:3] == ["user 65534 interfaces ['lo']", "resumes None", "secrets []"]
    wait_for(lambda: not containers(service, engine), 30, "no container is left")


@pytest.mark.timeout(300)
def test_what_cannot_run_here_is_said_before_anything_runs(lab: Lab) -> None:
    algorithm(lab, "absent", source={"image": "hpt-test/nowhere:1"})
    algorithm(lab, "bare", source={"image": BARE})

    def faults(**changes: Any) -> dict[str, str]:
        answer = lab.post("/projects/lab/job-checks", document("x", **changes))
        return {fault["field"]: fault["message"] for fault in answer["faults"]}

    assert "is neither on this host nor at its registry" in faults(algorithm="absent")["algorithm.version"]
    assert faults(algorithm="bare") == {}
    assert "which runs in a container" in faults(algorithm="bare", runs_in="process")["runs_in"]
    assert f"the algorithm's is {BARE}" in faults(algorithm="bare", image=PYTHON)["image"]
    assert "run as processes" in faults(algorithm="line", runs_in="process", image=PYTHON)["image"]


@pytest.mark.timeout(300)
def test_a_container_that_is_kept_serves_trial_after_trial_of_its_job(
    service: Service, lab: Lab, engine: engines.Engine
) -> None:
    """Also while worker and follower are killed; no container is left when the job is over."""
    algorithm(lab, "kept", source={"files": {"train.py": SCRIPT}}, entry_point="train.py", base_image=PYTHON)
    resources = {"cpus": 0.5, "memory_mb": 256, "keep_alive_seconds": 600}
    lab.post("/projects/lab/jobs", document("kept", "kept", trials=6, static={"pause": 0.05}, resources=resources))
    seen: set[str] = set()

    def ended(count: int) -> bool:
        seen.update(containers(service, engine))
        return bool(lab.job("kept")["counts"].get("Completed", 0) >= count)

    wait_for(lambda: ended(2), 60, "two trials have ended")
    assert len(seen) == 2
    service.kill("worker")
    service.kill("follower")
    wait_for(lambda: ended(6), 120, "all trials have ended")
    check_every_trial(lab, "kept", 6)
    assert len(seen) < 6, "some trial went on in another one's container"
    trials = [lab.get(f"/projects/lab/jobs/kept/trials/{number}") for number in range(1, 7)]
    kept = [attempt["kept_container"] for trial in trials for attempt in trial["attempts"]]
    assert set(kept) == {False, True}, "and the API tells which"
    wait_for(lambda: not containers(service, engine), 30, "no container is left")


@pytest.mark.timeout(300)
def test_a_job_whose_image_does_not_come_holds_no_place(
    service: Service, lab: Lab, engine: engines.Engine, trainer: str, tmp_path: Path
) -> None:
    """Its registry is down: the job is paused and says why; once it is mended, the same job goes on."""
    client = engine.client()
    with serving(tmp_path) as address:
        repository = f"{address}/team/trainer"
        client.tag(TRAINER, repository, "1")
        client.push(repository, tag="1")
        pinned = resolve(DockerBackend(tmp_path / "unused", engine.url).engine, f"{repository}:1")
    client.remove_image(f"{repository}:1")
    with contextlib.suppress(ImageNotFound):
        client.remove_image(pinned)
    client.close()
    algorithm(lab, "away", source={"image": f"{repository}:1"})
    lab.post("/projects/lab/jobs", document("away", "away", trials=1, image=pinned, static={"pause": 0}))
    wait_for(lambda: "its image is not here yet" in lab.job("away")["reason"], 30, "the job says what it waits for")
    assert lab.trials("away") == [], "nothing holds a place"
    wait_for(lambda: lab.job("away")["state"] == "Paused", 60, "a person is asked")
    reason = lab.job("away")["reason"]
    assert "connection refused. It was tried 4 times: see whether this host reaches the registry" in reason
    with serving(tmp_path, address=address):
        lab.post("/projects/lab/jobs/away/unpause", {})
        assert lab.wait_for_state("away", {"Completed", "Failed", "Stopped"})["state"] == "Completed"


HOLDER = """
import argparse, os, time
p = argparse.ArgumentParser()
p.add_argument("--x", type=float)
p.add_argument("--pause", type=float)
a = p.parse_args()
begun = time.monotonic()
time.sleep(0.3)
print(f"score={a.x} held {begun} {time.monotonic()} of {os.environ['SM_NUM_GPUS']}", flush=True)
"""


def attempt_of(lab: Lab, job: str, trial: int) -> tuple[dict[str, Any], list[str]]:
    """A trial's only attempt, and the words that it printed."""
    (attempt,) = lab.get(f"/projects/lab/jobs/{job}/trials/{trial}")["attempts"]
    return attempt, log(lab, job, trial)[0].split()


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("gpus_of_none")
def test_kept_containers_have_the_gpus_of_the_trials_that_they_serve(
    service: Service, lab: Lab, engine: engines.Engine
) -> None:
    """Two jobs take turns with the two GPUs: no GPU is ever held by two trials at once, whoever keeps a container."""
    algorithm(lab, "holder", source={"files": {"train.py": HOLDER}}, entry_point="train.py", base_image=PYTHON)
    resources = {"gpus": 1, "cpus": 0.5, "memory_mb": 256, "keep_alive_seconds": 600}
    for job in ("one", "two"):
        lab.post("/projects/lab/jobs", document(job, "holder", trials=4, resources=resources))
    backend = DockerBackend(service.home / "containers", engine.url)
    served: dict[str, list[str]] = {}  # the devices of the container that served an attempt

    def over() -> bool:
        for name in backend._pool.names():
            record = backend._pool.record(name)
            if record is not None and record.attempt is not None and record.attempt not in served:
                with contextlib.suppress(BackendError):  # it is being made
                    served[record.attempt] = given(name)
        return all(lab.job(job)["state"] == "Completed" for job in ("one", "two"))

    def given(name: str) -> list[str]:
        with backend.engine.client("looking at a container") as client:
            requests = client.inspect_container(name)["HostConfig"]["DeviceRequests"]
        return [device for request in requests for device in request["DeviceIDs"]]

    wait_for(over, 120, "both jobs are over")
    backend.close()
    assert len(served) == 8
    held: dict[str, list[tuple[float, float]]] = {device: [] for device in DEVICES}
    attempts = [attempt_of(lab, job, trial) for job in ("one", "two") for trial in range(1, 5)]
    for attempt, words in attempts:
        (device,) = attempt["devices"]
        held[device].append((float(words[2]), float(words[3])))
        assert words[-1] == "1"
    assert sorted(attempt["devices"] for attempt, _ in attempts) == sorted(served.values())
    assert any(attempt["kept_container"] for attempt, _ in attempts)
    for times in held.values():
        assert times, "both GPUs are used"
        assert all(ended <= begun for (_, ended), (begun, _) in pairwise(sorted(times))), times
    wait_for(lambda: not containers(service, engine), 30, "no container is left")


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("trainer")
def test_ctrl_c_leaves_no_container_and_the_next_start_resumes(
    service: Service, lab: Lab, engine: engines.Engine
) -> None:
    algorithm(lab, "resumed", source={"files": {"train.py": SCRIPT}}, entry_point="train.py", base_image=PYTHON)
    static = {"pause": 15}  # none ends by itself, however busy the machine
    lab.post("/projects/lab/jobs", document("resumed", "resumed", trials=2, static=static))
    algorithm(lab, "trained", source={"image": TRAINER}, channels=[{"name": "train", "required": True}])
    plain = document("image-resumed", "trained", 1, static=static, channels={"train": {"dataset": "table"}})
    lab.post("/projects/lab/jobs", plain)
    wait_for(lambda: lab.job("resumed")["counts"].get("Running", 0) == 2, 60, "trials run")
    wait_for(lambda: "score=1" in " ".join(log(lab, "image-resumed", 1)), 60, "the image's trial runs")
    service.interrupt()
    assert service.wait() == 0, service.console()
    wait_for(lambda: not containers(service, engine, running=True), 30, "nothing runs any more")
    service.start()
    assert lab.wait_for_state("resumed", {"Completed", "Failed", "Stopped"})["state"] == "Completed"
    assert [(row["state"], row["attempt"]) for row in lab.trials("resumed")] == 2 * [("Completed", 2)]
    assert "resumes /opt/ml/checkpoints" in log(lab, "resumed", 1)
    assert lab.wait_for_state("image-resumed", {"Completed", "Failed", "Stopped"})["state"] == "Completed"
    lines = log(lab, "image-resumed", 1)
    assert lines[0].endswith("given []"), "no argument says so: an image looks into /opt/ml/checkpoints by itself"
    assert lines[1] == "resumes [/opt/ml/checkpoints] after 1"
    curve = lab.get("/projects/lab/jobs/image-resumed/trials/1/metrics")["items"][0]
    assert (curve["steps"], curve["values"]) == (list(range(1, LINES + 1)), list(range(1, LINES + 1)))
    wait_for(lambda: not containers(service, engine), 30, "no container is left")
