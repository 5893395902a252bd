"""Tags, digests and pulls, at a real registry."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.containers.harness import PYTHON, ContainerTrials
from tests.engine import Engine
from tests.tuning.backends.harness import poll
from tuning.backends.docker.engine import Engine as Client
from tuning.backends.docker.images import Progress, Pull, pull, remove, resolve
from tuning.errors import BackendError

PASSWORD = "pull-canary-7"
# Of that, by bcrypt, which is all that a registry takes.
HTPASSWD = "hpt:$2b$04$kjvC/F3EMjsCr4o6gcL6Muu6pb9Li5yzZWT4xQqlixfroo0v.HfVm\n"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that asks for a name and a password."""
    folder = tmp_path_factory.mktemp("private")
    (folder / "htpasswd").write_text(HTPASSWD)
    with serving(folder, f"auth: {{htpasswd: {{realm: hpt, path: {folder}/htpasswd}}}}\n") as address:
        yield address


@contextlib.contextmanager
def serving(folder: Path, more: str = "", address: str = "") -> Iterator[str]:
    if shutil.which("docker-registry") is None:
        pytest.skip("docker-registry is missing; on Debian: make engine")
    if not address:
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
    (folder / "config.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\nhttp: {{addr: '{address}'}}\n{more}"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        poll(lambda: answers(f"http://{address}/v2/"))
        yield address
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 401
    except urllib.error.URLError:
        return False


@pytest.fixture
def client(engine: Engine) -> Iterator[Client]:
    client = Client(engine.url)
    yield client
    client.close()


def push(engine: Engine, reference: str, folder: Path, **credentials: Any) -> None:
    """A new image, to the registry alone: nothing of it stays on this host."""
    archive = folder / "image.tar"
    with tarfile.open(archive, "w") as file:
        content = tarfile.TarInfo("content")
        content.size = 3_000_000
        file.addfile(content, io.BytesIO(os.urandom(content.size)))
    client = engine.client()
    repository, _, tag = reference.rpartition(":")
    client.import_image(str(archive), repository=reference)
    assert not [
        event for event in client.push(repository, tag=tag, stream=True, decode=True, **credentials) if "error" in event
    ]
    client.remove_image(client.inspect_image(reference)["Id"], force=True)
    client.close()


def digest(reference: str) -> str:
    """What the registry says that a tag is."""
    registry, _, name = reference.partition("/")
    repository, _, tag = name.rpartition(":")
    request = urllib.request.Request(f"http://{registry}/v2/{repository}/manifests/{tag}", method="HEAD")
    kinds = ("vnd.docker.distribution.manifest.v2+json", "vnd.oci.image.manifest.v1+json")
    request.add_header("Accept", ", ".join(f"application/{kind}" for kind in kinds))
    with urllib.request.urlopen(request, timeout=10) as answer:
        return f"{registry}/{repository}@{answer.headers['Docker-Content-Digest']}"


@pytest.fixture
def asks_registries(client: Client) -> None:
    if client.is_podman():
        pytest.skip("Podman's Docker socket does not ask registries what a tag is")


def test_a_registry_that_says_nothing_is_not_awaited_for_ever(engine: Engine) -> None:
    impatient = Client(engine.url, silent_seconds=0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        pinned = f"127.0.0.1:{mute.getsockname()[1]}/team/none@sha256:{'0' * 64}"
        with pytest.raises(BackendError, match="nothing more was heard of it") as error:
            pull(impatient, pinned)
    assert error.value.retryable
    with pytest.raises(BackendError, match="nothing more" if impatient.is_podman() else "refused") as error:
        pull(impatient, pinned)  # Podman tries again for some seconds, and says nothing
    assert error.value.retryable
    impatient.close()


@pytest.mark.usefixtures("asks_registries")
def test_a_tag_is_pinned_and_the_pin_outlives_the_tag(
    engine: Engine, client: Client, registry: str, tmp_path: Path
) -> None:
    reference = f"{registry}/team/train:latest"
    push(engine, reference, tmp_path)
    pinned = resolve(client, reference)
    assert pinned.startswith(f"{registry}/team/train@sha256:")
    assert resolve(client, pinned) == pinned
    push(engine, reference, tmp_path)
    assert resolve(client, reference) != pinned
    with pytest.raises(BackendError, match="pull it first"):
        client.image(pinned)

    seen: list[Progress] = []
    pull(client, pinned, seen.append)
    assert seen[-1].layers == seen[-1].layers_done == 1
    assert seen[-1].bytes_done == seen[-1].total_bytes > 3_000_000
    assert pinned in client.image(pinned)["RepoDigests"]
    assert resolve(client, reference) != pinned, "the tag is not what was pulled"
    pull(client, pinned, lambda _: pytest.fail("it is there already"))


def test_what_was_pulled_is_removed_unless_somebody_has_a_use_for_it(
    engine: Engine, client: Client, registry: str, tmp_path: Path
) -> None:
    reference = f"{registry}/team/once:1"
    push(engine, reference, tmp_path)
    pinned = digest(reference)
    assert remove(client, pinned), "it is not here"
    pull(client, pinned)
    identity = client.image(pinned)["Id"]
    assert not remove(client, pinned, {identity}) and not remove(client, pinned, {pinned})
    docker = engine.client()
    docker.tag(pinned, f"{registry}/team/mine", "1")
    assert not remove(client, pinned), "it has a name of somebody"
    docker.remove_image(f"{registry}/team/mine:1")
    made = docker.create_container(pinned, ["/content"])["Id"]
    assert not remove(client, pinned), "there is a container of it"
    docker.remove_container(made)
    docker.close()
    assert client.image(pinned)["Id"] == identity
    assert remove(client, pinned)
    with pytest.raises(BackendError, match="pull it first"):
        client.image(pinned)


@pytest.mark.usefixtures("asks_registries")
def test_what_is_on_the_host_counts_first(engine: Engine, client: Client, registry: str, tmp_path: Path) -> None:
    assert resolve(client, PYTHON).startswith("sha256:")
    reference = f"{registry}/team/both:1"
    push(engine, reference, tmp_path)
    at_registry = resolve(client, reference)
    other = engine.client()
    other.tag(PYTHON, f"{registry}/team/both", "1")
    other.close()
    assert resolve(client, reference).startswith("sha256:")
    assert resolve(client, reference, fresh=True) == at_registry


def test_a_tag_that_the_engine_cannot_ask_for(
    engine: Engine, client: Client, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Podman, which answers that there is no such image, whatever there is."""
    reference = f"{registry}/team/asked:1"
    push(engine, reference, tmp_path)
    if not client.is_podman():
        monkeypatch.setattr(client, "is_podman", lambda: True)
        monkeypatch.setattr("docker.APIClient._url", lambda self, path, *_, **__: f"{self.base_url}/nothing")
    with pytest.raises(BackendError, match=r"is Podman.*team/asked@sha256.*by hand") as error:
        resolve(client, reference, fresh=True)
    assert not error.value.retryable
    monkeypatch.undo()
    pinned = digest(reference)
    assert resolve(client, pinned) == pinned
    pull(client, pinned)
    assert pinned in client.image(pinned)["RepoDigests"]
    assert remove(client, pinned)


def test_a_trial_runs_what_was_pinned(containers: ContainerTrials, client: Client) -> None:
    status, log = containers.run("print('ran')", image=resolve(client, PYTHON))
    assert (status.exit_code, log) == (0, b"ran\n")


def registry_config(path: Path, registry: str, password: str) -> Path:
    credentials = base64.b64encode(f"hpt:{password}".encode()).decode()
    path.write_text(json.dumps({"auths": {registry: {"auth": credentials}}}))
    return path


@pytest.mark.usefixtures("asks_registries")
def test_a_private_registry(engine: Engine, containers: ContainerTrials, private: str, tmp_path: Path) -> None:
    """Who we are stands in a file of the administrator's, which may change; nothing of it gets to a trial."""
    reference = f"{private}/team/secret:1"
    push(engine, reference, tmp_path, auth_config={"username": "hpt", "password": PASSWORD})
    stranger = Client(engine.url)
    with pytest.raises(BackendError, match="HPT_REGISTRY_CONFIG"):
        resolve(stranger, reference)
    config = registry_config(tmp_path / "config.json", private, "wrong")
    ours = Client(engine.url, config)
    with pytest.raises(BackendError, match="HPT_REGISTRY_CONFIG") as error:
        resolve(ours, reference)
    assert "wrong" not in str(error.value)
    registry_config(config, private, PASSWORD)
    pinned = resolve(ours, reference)
    with pytest.raises(BackendError, match="HPT_REGISTRY_CONFIG") as error:
        pull(stranger, pinned)
    assert not error.value.retryable
    pull(ours, pinned)
    assert pinned in ours.image(pinned)["RepoDigests"]
    script = "import os, time; print(dict(os.environ), 'started', flush=True); time.sleep(600)"
    attempt = containers.hold(script)
    other = engine.client()
    told = json.dumps(other.inspect_container(containers.backend.name(attempt)))
    other.close()
    secrets = (PASSWORD, json.loads(config.read_text())["auths"][private]["auth"], str(config))
    assert not [secret for secret in secrets if secret in told + containers.log(attempt).decode()]
    for client in (stranger, ours):
        client.close()


@pytest.mark.parametrize("text", [None, "", "{", "[1]", '{"auths": {"a": {"auth": "%%%canary"}}}'])
def test_credentials_that_cannot_be_read(engine: Engine, tmp_path: Path, text: str | None) -> None:
    config = tmp_path / "config.json"
    if text is not None:
        config.write_text(text)
    with pytest.raises(BackendError, match=r"credentials for registries in .*config\.json") as error:
        resolve(Client(engine.url, config), "registry.invalid/team/train:1")
    assert "canary" not in str(error.value)
    assert error.value.retryable, "the administrator may mend it"
    assert resolve(Client(engine.url, config), PYTHON), "what is on this host needs none"


@pytest.mark.parametrize("name", ["", "UPPER CASE", "-x", "a@b", "a\nb", "../../etc", "x" * 500, "sha256:1"])
def test_what_is_no_name(client: Client, name: str) -> None:
    with pytest.raises(BackendError) as error:
        resolve(client, name)
    assert not error.value.retryable


def test_what_is_nowhere(client: Client, registry: str) -> None:
    with pytest.raises(BackendError, match="neither"):
        resolve(client, f"{registry}/team/none:1")
    for pinned in (f"{registry}/team/none@sha256:{'0' * 64}", f"sha256:{'0' * 64}"):
        with pytest.raises(BackendError) as error:
            pull(client, pinned)
        assert not error.value.retryable


def test_a_registry_that_is_away_may_come_back(client: Client) -> None:
    with pytest.raises(BackendError) as error:
        pull(client, f"127.0.0.1:9/team/none@sha256:{'0' * 64}")
    assert error.value.retryable


def test_progress_is_summed_over_layers() -> None:
    state = Pull()
    for event in (
        {"status": "Pulling from team/train", "id": "latest"},
        {"status": "Already exists", "id": "a"},
        {"status": "Pulling fs layer", "id": "b", "progressDetail": {}},
        {"status": "Pulling fs layer", "id": "c", "progressDetail": {}},
        {"status": "Downloading", "id": "b", "progressDetail": {"current": 30, "total": 100}},
    ):
        state.take(event)
    assert state.progress == Progress(layers=3, layers_done=1, bytes_done=30, total_bytes=100)
    state.take({"status": "Download complete", "id": "b", "progressDetail": {}})
    state.take({"status": "Extracting", "id": "b", "progressDetail": {"current": 7, "total": 100}})
    assert state.progress == Progress(layers=3, layers_done=1, bytes_done=100, total_bytes=100)
    state.take({"status": "Pull complete", "id": "b", "progressDetail": {}})
    assert state.progress.layers_done == 2


def test_the_cache_of_images_is_small(pytestconfig: pytest.Config, engine: Engine) -> None:
    assert pytestconfig.cache is not None
    archives = list(Path(pytestconfig.cache.mkdir("hpt-images")).glob("*.tar"))
    assert archives
    assert sum(path.stat().st_size for path in archives) < 100_000_000
