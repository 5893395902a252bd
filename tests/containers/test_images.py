"""Images as they are found in the world: SageMaker's contract, entrypoints, no Python, no shell."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.containers.harness import BARE, ContainerTrials
from tests.engine import Engine
from tests.tuning.backends.harness import poll
from tuning.backends import Limits, Phase
from tuning.backends.docker import container
from tuning.backends.docker.accounts import Account, _rootless, account
from tuning.backends.docker.backend import NOBODY
from tuning.backends.docker.engine import Engine as Client
from tuning.backends.docker.hosts import concerns, sound
from tuning.errors import BackendError

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="of a service that is root")


class TestSageMaker:
    def test_an_unmodified_image_whose_train_reads_opt_ml(self, containers: ContainerTrials, tmp_path: Path) -> None:
        """sagemaker-wire.md 6: `docker run IMAGE train`, an entrypoint in exec form, code in the image; no Python."""
        data = tmp_path / "train.csv"
        data.write_text("a,b\n")
        spec = containers.spec(
            image=BARE,
            command=("train",),
            code=None,
            hyperparameters={"lr": "0.1"},
            channels={"train": data},
            names={"trial": "job-1"},
        )
        containers.launch(spec)
        status = containers.end(spec.attempt)
        log = containers.log(spec.attempt).decode().splitlines()
        assert log == ["given: ", '{"lr": "0.1"}', "a,b", "bjob-1 in /srv, in"]
        assert (status.exit_code, status.failure) == (0, "it was my fault\n")
        assert (containers.base(spec.attempt) / "model/model.bin").read_text() == "weights\n"

    def test_the_entrypoint_replaced(self, containers: ContainerTrials) -> None:
        spec = containers.spec(image=BARE, entrypoint=(), command=("/bin/busybox", "echo", "$HOME"), code=None)
        containers.launch(spec)
        assert containers.end(spec.attempt).exit_code == 0
        assert containers.log(spec.attempt) == b"$HOME\n"


class TestRefusals:
    @AS_ROOT
    def test_what_only_containers_need(self, containers: ContainerTrials, tmp_path: Path) -> None:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        spec = containers.spec("", image=None, channels={"train": closed})
        with pytest.raises(BackendError) as error:
            containers.launch(spec)
        assert "image" in str(error.value)
        assert "chmod" in str(error.value)
        assert not containers.base(spec.attempt).exists()

    def test_an_image_that_is_not_there(self, containers: ContainerTrials) -> None:
        spec = containers.spec("", image="hpt-test/none:1")
        with pytest.raises(BackendError, match="pull it first") as error:
            containers.launch(spec)
        assert error.value.retryable
        assert not containers.base(spec.attempt).exists()
        assert containers.backend.status(spec.attempt).phase is Phase.UNKNOWN

    def test_gpus_without_their_runtime(self, containers: ContainerTrials, monkeypatch: pytest.MonkeyPatch) -> None:
        """The engine makes such a container, and cannot start it: nothing of it may stay."""
        monkeypatch.setattr("tuning.backends.docker.container.GPU_USES", ["gpu", "of no driver here"])
        spec = containers.spec("", gpus=("0",))
        remedy = "use a Docker Engine" if containers.backend.engine.is_podman() else "NVIDIA Container Toolkit"
        with pytest.raises(BackendError, match=remedy) as error:
            containers.launch(spec)
        assert not error.value.retryable
        assert containers.backend.engine.state(containers.backend.name(spec.attempt)) is None
        assert not containers.base(spec.attempt).exists()

    def test_no_gpus_are_no_obstacle(self, containers: ContainerTrials) -> None:
        _, log = containers.run("import os; print(os.environ['SM_NUM_GPUS'])", gpus=())
        assert log == b"0\n"

    def test_a_network_that_is_not_there(self, containers: ContainerTrials) -> None:
        spec = containers.spec("", network="no-such-network")
        with pytest.raises(BackendError, match="no-such-network"):
            containers.launch(spec)
        assert not containers.base(spec.attempt).exists()

    @pytest.mark.parametrize("network", ["host", "container:other", "ns:/proc/1/ns/net", "default", ""])
    def test_the_hosts_own_network(self, containers: ContainerTrials, network: str) -> None:
        with pytest.raises(BackendError, match="network") as error:
            containers.launch(containers.spec("", network=network))
        assert not error.value.retryable


def test_a_network_that_was_granted(containers: ContainerTrials, engine: Engine) -> None:
    client = engine.client()
    made = client.create_network("hpt-granted", driver="bridge", internal=True)
    try:
        _, log = containers.run("import os; print(sorted(os.listdir('/sys/class/net')))", network="hpt-granted")
        assert log == b"['eth0', 'lo']\n"
        poll(lambda: containers.left() == [])
    finally:
        client.remove_network(made["Id"])
        client.close()


def test_what_an_administrator_should_know(engine: Engine) -> None:
    """security.md 4b: a warning at start on hosts whose runc could be escaped from."""
    client = Client(engine.url)
    told = concerns(client)
    with client.client("asking") as api:
        components = {one["Name"]: one["Version"] for one in api.version()["Components"]}
        restores = api.info().get("LiveRestoreEnabled") is not False
    number = tuple(int(part) for part in re.findall(r"\d+", components.get("runc", "9.9.9"))[:3])  # Podman names none
    assert any("runc" in concern for concern in told) != sound(number)
    assert any("live-restore" in concern for concern in told) != restores
    assert not any("seccomp" in concern for concern in told)
    client.close()
    versions = [(1, 1, 5), (1, 2, 7), (1, 2, 8), (1, 3, 0), (1, 3, 3), (1, 4, 0)]
    assert [sound(version) for version in versions] == [False, False, True, False, True, True]


@AS_ROOT
class TestEnginesWhoseUsersAreOthers:
    """Whose a trial's folders must be; with real engines of both kinds this was tried by hand (docs/engines.md)."""

    def told(self, engine: Engine, monkeypatch: pytest.MonkeyPatch, **info: object) -> Account:
        monkeypatch.setattr("docker.APIClient.info", lambda _: info)
        return account(Client(engine.url), NOBODY)

    def test_usually_they_are_the_same(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        plain = account(Client(engine.url), NOBODY)
        assert plain == Account(NOBODY, NOBODY, bounded=True)
        unbounded = self.told(engine, monkeypatch, SecurityOptions=["name=seccomp"], PidsLimit=False)
        assert unbounded == Account(NOBODY, NOBODY, bounded=False)

    def test_remapped_ones_are_others_by_a_fixed_distance(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options = ["name=seccomp", "name=userns"]
        folder = "/var/lib/docker/100000.200000"
        found = self.told(engine, monkeypatch, SecurityOptions=options, DockerRootDir=folder)
        assert found == Account(NOBODY, (165534, 265534), bounded=True)
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        with pytest.raises(BackendError, match="run the service as root"):
            self.told(engine, monkeypatch, SecurityOptions=options, DockerRootDir=folder)

    def test_a_rootless_engines_root_is_its_account(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        with pytest.raises(BackendError, match=r"run both under one account.*HPT_DOCKER") as error:
            self.told(engine, monkeypatch, SecurityOptions=["name=rootless"])
        assert not error.value.retryable
        socket = tmp_path / "docker.sock"
        socket.touch()
        os.chown(socket, 1000, 1000)
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        monkeypatch.setattr("os.getegid", lambda: 1001)
        assert _rootless(f"unix://{socket}", bounded=False) == Account((0, 0), (1000, 1001), bounded=False)

    def test_use_is_read_without_control_groups(
        self, containers: ContainerTrials, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        unbounded = replace(containers.backend._account, bounded=False)
        monkeypatch.setattr(containers.backend, "_account", unbounded)
        theirs = "tuning.backends.docker.backend.of_container"
        monkeypatch.setattr(theirs, lambda _: pytest.fail("those groups are not its own"))
        attempt = containers.hold()
        mounted = Path(f"/proc/{containers.warden(attempt)}/mountinfo").read_text()
        state = containers.backend.engine.state(containers.backend.name(attempt))
        assert state is not None
        assert state["Id"] in mounted, "by which its first process is known then"
        usage = containers.backend.usage(attempt)
        assert usage is not None
        assert usage.memory_bytes > 1_000_000
        assert len(usage.pids) == 2, "the warden and the trial"

    def test_what_the_engine_does_not_bound_the_warden_does(self, containers: ContainerTrials, tmp_path: Path) -> None:
        spec = containers.spec("", limits=Limits(memory_bytes=1 << 27, processes=32, cpus=0.5))
        image = {"Id": "i"}
        told = container.document(spec, image, tmp_path, tmp_path, NOBODY, "r", bounded=False)["HostConfig"]
        assert not {"Memory", "MemorySwap", "PidsLimit", "NanoCpus"} & told.keys(), "it would refuse, or ignore it"
        order = container.order(spec, image, 1, bounded=False)
        assert (order.memory_bytes, order.processes) == (1 << 27, 32)


def test_why_nothing_starts_is_said(containers: ContainerTrials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docker.APIClient.info", lambda _: {"SecurityOptions": ["name=userns"]})
    with pytest.raises(BackendError, match="userns-remap") as error:
        containers.launch(containers.spec())
    assert not error.value.retryable
