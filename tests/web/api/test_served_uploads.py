"""Uploads and downloads through the real web server: cut off half-way, chunked, too large, in bounded memory."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hpt_web.catalog.models import DatasetVersion
from tests import factories
from tests.web.live_kit import WebServer, until

MEGABYTE = 1024 * 1024
LIMIT = 200 * MEGABYTE
ADDRESS = "/api/v1/projects/lab/datasets/table/versions?filename=big.csv"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HPT_UPLOAD_LIMIT_BYTES", str(LIMIT))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path / "home"


@pytest.fixture
def bearer(transactional_db: None, settings: Any) -> str:
    # The keys are sealed by this process and opened by the server: both must have the same key.
    os.environ["HPT_FIELD_KEY"] = settings.HPT_FIELD_KEY
    alice = factories.person("alice")
    factories.project(alice, "lab")
    factories.dataset_version(alice, "lab")
    return factories.access_key(alice)[1]


@pytest.fixture
def server(home: Path, bearer: str, tmp_path: Path) -> Iterator[WebServer]:
    server = WebServer(tmp_path / "web.log")
    yield server
    server.stop()


def connection_to(server: WebServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)


def pieces(count: int) -> Iterator[bytes]:
    for n in range(count):
        yield bytes([n % 256]) * MEGABYTE


def answer_of(connection: http.client.HTTPConnection) -> tuple[int, Any]:
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def peak_memory(server: WebServer) -> int:
    status = Path(f"/proc/{server._process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def test_a_large_file_goes_in_and_out_in_bounded_memory(server: WebServer, bearer: str) -> None:
    size = 150 * MEGABYTE
    headers = {"Authorization": bearer, "Content-Length": str(size), "Content-Type": "application/octet-stream"}
    connection = connection_to(server)
    connection.request("GET", "/api/v1/strategies", headers={"Authorization": bearer})
    answer_of(connection)  # everything is loaded
    before = peak_memory(server)
    connection = connection_to(server)
    connection.request("POST", ADDRESS, body=pieces(150), headers=headers)
    status, version = answer_of(connection)
    assert (status, version["size"]) == (201, size)
    running = hashlib.sha256()
    for piece in pieces(150):
        running.update(piece)
    assert version["digest"] == f"sha256:{running.hexdigest()}"

    connection = connection_to(server)
    address = "/api/v1/projects/lab/datasets/table/versions/2/content"
    connection.request("GET", address, headers={"Authorization": bearer})
    response, back = connection.getresponse(), hashlib.sha256()
    while piece := response.read(MEGABYTE):
        back.update(piece)
    assert back.hexdigest() == running.hexdigest()
    assert peak_memory(server) - before < 60 * MEGABYTE


def test_a_chunked_body_needs_no_announced_length(server: WebServer, bearer: str) -> None:
    connection = connection_to(server)
    connection.request("POST", ADDRESS, body=pieces(3), headers={"Authorization": bearer}, encode_chunked=True)
    status, version = answer_of(connection)
    assert (status, version["size"]) == (201, 3 * MEGABYTE)


def test_an_upload_cut_off_half_way_leaves_nothing(server: WebServer, bearer: str, home: Path) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        head = [f"POST {ADDRESS} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: {bearer}"]
        client.sendall("\r\n".join([*head, f"Content-Length: {8 * MEGABYTE}", "", ""]).encode())
        for piece in pieces(4):
            client.sendall(piece)
    # The server still answers, and then has neither file nor row of it.
    connection = connection_to(server)
    connection.request("GET", "/api/v1/health")
    assert answer_of(connection)[0] == 200
    until(lambda: not _open_spools(server), "the temporary file is closed")
    assert not files_under(home / "blobs")
    assert not files_under(home.parent / "temporary")
    assert DatasetVersion.objects.count() == 1


def _open_spools(server: WebServer) -> list[str]:
    """Deleted files that the server still holds open under its temporary folder."""
    found = []
    for link in Path(f"/proc/{server._process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            target = str(link.readlink())
            found += [target] if "/temporary/" in target else []
    return found


@pytest.mark.parametrize("announced", [True, False])
def test_more_than_the_limit_is_refused_before_a_disk_is_filled(
    server: WebServer, bearer: str, home: Path, announced: bool
) -> None:
    """Even without a key: the size is asked before anything else."""
    headers = {"Content-Length": str(LIMIT + 1)} if announced else {}
    connection = connection_to(server)
    with suppress(BrokenPipeError, ConnectionResetError):  # refused while we were still sending
        connection.request("POST", ADDRESS, body=pieces(300), headers=headers, encode_chunked=not announced)
    status, problem = answer_of(connection)
    assert (status, problem["type"]) == (413, "too-large")
    assert f"{LIMIT:,}" in problem["detail"]
    assert not files_under(home / "blobs")


def test_a_huge_document_is_refused_before_it_is_read(server: WebServer, bearer: str) -> None:
    connection = connection_to(server)
    connection.putrequest("POST", "/api/v1/projects")
    connection.putheader("Content-Length", str(50 * MEGABYTE))
    connection.putheader("Content-Type", "application/json")
    connection.endheaders()
    status, problem = answer_of(connection)
    assert (status, problem["type"]) == (413, "too-large")
