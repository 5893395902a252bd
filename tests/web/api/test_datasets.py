"""Datasets and their versions: streamed in, capped, digested, never changed, and nothing left of what went wrong."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from hpt_web.accounts import actions as accounts
from hpt_web.accounts.models import AuditEvent
from hpt_web.catalog import actions, storage
from hpt_web.catalog.errors import CutOff, TooLarge
from hpt_web.catalog.models import DatasetVersion
from tests import factories
from tests.factories import World
from tests.web.api.kit import Api

VERSIONS = "projects/lab/datasets/table/versions"


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def test_an_upload_is_stored_under_its_digest(fresh_store: Callable[[], list[str]], alice: Api) -> None:
    before = fresh_store()
    content = b"a,b\n" + b"1,2\n" * 700_000  # more than Django keeps in memory, and more than one chunk
    answer = alice.upload(f"{VERSIONS}?filename=train.csv", content)
    assert answer.status == 201
    assert answer.json == answer.json | {
        "number": 2,
        "filename": "train.csv",
        "digest": digest_of(content),
        "size": len(content),
        "media_type": "text/csv",
        "created_by": "alice",
    }
    place = storage.path(answer.json["digest"])
    assert place.read_bytes() == content
    assert place.stat().st_mode & 0o777 == 0o444
    assert len(fresh_store()) == len(before) + 1
    assert alice.get(f"{VERSIONS}/2/content").content == content
    event = AuditEvent.objects.latest("id")
    assert (event.action, event.target, event.data["digest"]) == ("dataset.add_version", "table/2", digest_of(content))


def test_the_same_content_is_stored_once(fresh_store: Callable[[], list[str]], alice: Api) -> None:
    numbers = [alice.upload(f"{VERSIONS}?filename=t.csv", b"same").json["number"] for _ in range(3)]
    assert numbers == [2, 3, 4]
    assert sum(digest_of(b"same")[7:] in name for name in fresh_store()) == 1


def test_an_empty_file_is_a_file(alice: Api) -> None:
    answer = alice.upload(f"{VERSIONS}?filename=empty.csv", b"")
    assert (answer.status, answer.json["size"]) == (201, 0)
    assert alice.get(f"{VERSIONS}/2/content").content == b""
    assert alice.get(f"{VERSIONS}/2/preview").json["rows"] == []


# --- what goes wrong leaves nothing -----------------------------------------------------------------------------------


def test_more_than_the_limit_is_refused(fresh_store: Callable[[], list[str]], alice: Api, settings: Any) -> None:
    settings.HPT_UPLOAD_LIMIT_BYTES = 1000
    before = fresh_store()
    answer = alice.upload(f"{VERSIONS}?filename=t.csv", b"x" * 1001)
    assert answer.status == 413
    assert "1,000 bytes" in answer.json["detail"]
    assert fresh_store() == before
    assert DatasetVersion.objects.count() == 1
    assert alice.upload(f"{VERSIONS}?filename=t.csv", b"x" * 1000).status == 201


class Breaking(io.RawIOBase):
    """A body whose client goes away after so many bytes."""

    def __init__(self, size: int, error: Exception | None = None) -> None:
        self._left, self._error = size, error

    def read(self, size: int = -1) -> bytes:
        if not self._left and self._error:
            raise self._error
        piece = b"x" * min(self._left, size)
        self._left -= len(piece)
        return piece


@pytest.mark.parametrize("error", [None, ConnectionResetError("gone"), KeyboardInterrupt()])
def test_an_upload_that_is_cut_off_leaves_nothing(
    fresh_store: Callable[[], list[str]], world: World, error: Any
) -> None:
    before = fresh_store()
    with pytest.raises((CutOff, ConnectionResetError, KeyboardInterrupt)):
        actions.add_dataset_version(
            actor=world.alice, project="lab", dataset="table", filename="t.csv",
            stream=Breaking(3_000_000, error), limit=10**9, announced=6_000_000,
        )  # fmt: skip
    assert fresh_store() == before
    assert DatasetVersion.objects.count() == 1


def test_more_than_was_announced_is_not_taken(fresh_store: Callable[[], list[str]], world: World) -> None:
    before = fresh_store()
    with pytest.raises(CutOff):
        actions.add_dataset_version(
            actor=world.alice, project="lab", dataset="table", filename="t.csv",
            stream=io.BytesIO(b"x" * 11), limit=100, announced=10,
        )  # fmt: skip
    assert fresh_store() == before


def test_too_much_is_refused_before_it_is_read(world: World) -> None:
    stream = io.BytesIO(b"x" * 101)
    with pytest.raises(TooLarge):
        actions.add_dataset_version(
            actor=world.alice, project="lab", dataset="table", filename="t.csv", stream=stream, limit=100,
            announced=101,
        )  # fmt: skip
    assert stream.tell() == 0


def test_a_full_disk_is_told_and_leaves_nothing(
    fresh_store: Callable[[], list[str]], alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fresh_store()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", full)
    answer = alice.upload(f"{VERSIONS}?filename=t.csv", b"x" * 1001)
    assert (answer.status, answer.json["type"]) == (507, "disk-full")
    assert fresh_store() == before


def test_who_lost_the_right_during_the_upload_stores_nothing(
    fresh_store: Callable[[], list[str]], world: World
) -> None:
    before = fresh_store()

    class Long(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            world.lab.memberships.filter(user=world.bob).update(role="viewer")
            return super().read(size)

    with pytest.raises(Exception, match="role editor"):
        actions.add_dataset_version(
            actor=world.bob, project="lab", dataset="table", filename="t.csv", stream=Long(b"x"), limit=100
        )
    assert fresh_store() == before


@pytest.mark.parametrize(
    "filename",
    ["", ".", "..", "../up.csv", "/etc/passwd", "a/b.csv", "..\\up.csv", "C:up.csv", "~root", "a\x00b", "a\nb", " a",
     "e\u0301.csv", "x" * 256, "\u202ecsv.exe", "\ud800"],
)  # fmt: skip
def test_a_file_name_is_only_a_name(fresh_store: Callable[[], list[str]], world: World, filename: str) -> None:
    before = fresh_store()
    with pytest.raises(Exception, match="filename"):
        actions.add_dataset_version(
            actor=world.alice, project="lab", dataset="table", filename=filename, stream=io.BytesIO(b"x"), limit=100
        )
    assert fresh_store() == before


@pytest.mark.parametrize("name", ["%2e%2e%2fup", "%252e%252e%252fup", "..%5cup", "%00", "a%0ab"])
def test_an_encoded_file_name_is_decoded_once(alice: Api, name: str) -> None:
    answer = alice.upload(f"{VERSIONS}?filename={name}", b"x")
    # Decoded once, `%252e%252e%252fup` is a strange name without any path in it.
    assert answer.status == (201 if name.startswith("%25") else 400)
    if answer.status == 400:
        assert "filename" in answer.fields
    else:
        assert answer.json["filename"] == "%2e%2e%2fup"


@pytest.mark.parametrize("path", ["..", "%2e%2e", "table%2f..", "a.b", "x" * 64, "%00", "..%2f..%2fother"])
def test_a_path_in_an_address_leads_nowhere(alice: Api, path: str) -> None:
    assert alice.get(f"projects/lab/datasets/{path}/versions/1/content").status == 404


def test_a_form_is_not_a_file(alice: Api) -> None:
    for media_type in ("multipart/form-data; boundary=x", "application/x-www-form-urlencoded"):
        answer = alice.call("POST", f"{VERSIONS}?filename=t.csv", raw=b"--x\r\n", content_type=media_type)
        assert answer.status == 415


def test_the_storage_quota_refuses_with_its_numbers(world: World, alice: Api) -> None:
    used = len(factories.TABLE) + len(factories.SCRIPT)  # the project has a dataset and a bundle of code
    accounts.set_quota(actor=world.root, resource="storage_bytes", limit=used + 10, project=world.lab)
    answer = alice.upload(f"{VERSIONS}?filename=t.csv", b"x" * 11)
    assert (answer.status, answer.json["type"]) == (409, "over-quota")
    for number in (used + 10, used, 11):
        assert f"{number:,}" in answer.json["detail"]
    assert alice.upload(f"{VERSIONS}?filename=t.csv", b"x" * 10).status == 201


def test_what_writers_left_behind_is_swept(
    fresh_store: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_BEGINNING", 0.0)
    incoming = storage.path("sha256:" + "0" * 64).parents[2] / "incoming"
    incoming.mkdir(parents=True)
    (incoming / "left").write_bytes(b"half")
    with storage.receive(io.BytesIO(b"x"), limit=10) as received:
        assert storage.sweep_incoming() == 1
        assert received.path.exists()  # its writer lives
    assert fresh_store() == []


def test_unused_content_is_swept_when_it_is_old(fresh_store: Callable[[], list[str]]) -> None:
    digests = []
    for content in (b"used", b"unused"):
        with storage.receive(io.BytesIO(content), limit=10) as received:
            received.keep()
        digests.append(received.digest)
    assert storage.sweep_unused({digests[0]}, older_than=3600) == 0
    assert storage.sweep_unused({digests[0]}, older_than=-1) == 1
    assert (storage.has(digests[0]), storage.has(digests[1])) == (True, False)


def test_a_digest_names_no_other_place() -> None:
    for digest in ("sha256:../../secrets/fields", "../x", "sha256:" + "0" * 63, "sha256:" + "0" * 64 + "\n", ""):
        with pytest.raises(ValueError, match="not a digest"):
            storage.path(digest)
        assert not storage.has(digest)


# --- rows -------------------------------------------------------------------------------------------------------------


def test_a_version_never_changes(world: World) -> None:
    version = DatasetVersion.objects.get()
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        DatasetVersion.objects.filter(pk=version.pk).update(size=1)
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        DatasetVersion.objects.filter(pk=version.pk).update(filename="other.csv")


def test_missing_content_is_told_as_our_failure(world: World, alice: Api, fresh_store: Callable[[], list[str]]) -> None:
    storage.path(DatasetVersion.objects.get().digest).unlink(missing_ok=True)
    answer = alice.get(f"{VERSIONS}/1/content")
    assert (answer.status, answer.json["type"]) == (500, "content-missing")
    assert "backup" in answer.json["detail"]


def test_every_fault_is_named_at_once(alice: Api) -> None:
    answer = alice.post("projects/lab/datasets", {"name": "no spaces please", "description": 5, "colour": "red"})
    assert answer.status == 400
    assert set(answer.fields) == {"name", "description", "colour"}
    assert "'no spaces please'" in answer.fields["name"]


@pytest.mark.parametrize("name", ["table", "TABLE"])
def test_a_name_is_taken_whatever_its_case(alice: Api, name: str) -> None:
    answer = alice.post("projects/lab/datasets", {"name": name})
    assert [fault["code"] for fault in answer.json["faults"]] == ["taken"]


def test_a_dataset_is_renamed_and_found_whatever_the_case(alice: Api) -> None:
    assert alice.patch("projects/lab/datasets/TABLE", {"name": "Digits"}).json["name"] == "Digits"
    assert alice.get("projects/lab/datasets/digits").json["versions"] == 1
    assert alice.patch("projects/lab/datasets/digits", {"name": "DIGITS"}).status == 200  # its own name is not taken


def test_a_dataset_that_a_job_used_stays(world: World, alice: Api) -> None:
    world.job.channels.create(name="train", dataset_version=DatasetVersion.objects.get())
    answer = alice.delete("projects/lab/datasets/table")
    assert answer.status == 409
    assert "job channel" in answer.json["detail"]
    world.job.channels.all().delete()
    assert alice.delete("projects/lab/datasets/table").status == 204
    assert alice.get("projects/lab/datasets/table").status == 404


# --- previews ---------------------------------------------------------------------------------------------------------


def preview_of(api: Api, filename: str, content: bytes) -> Any:
    number = api.upload(f"{VERSIONS}?filename={filename}", content).json["number"]
    return api.get(f"{VERSIONS}/{number}/preview").json


def test_a_table_is_shown_as_one(alice: Api) -> None:
    shown = alice.get(f"{VERSIONS}/1/preview").json
    assert shown["columns"] == ["length", "width", "kind"]
    assert shown["rows"] == [["1.5", "2.5", "round"], ["3.5", "4.5", "square"]]
    assert shown["truncated"] is False


def test_only_the_beginning_of_a_large_table_is_read(alice: Api) -> None:
    shown = preview_of(alice, "big.csv", b"a,b\n" + b"1,2\n" * 100_000)
    assert (len(shown["rows"]), shown["truncated"]) == (20, True)


@pytest.mark.parametrize(
    ("filename", "content", "kind"),
    [
        ("a.txt", b"hello", "text"),
        ("a.bin", b"\x00\x01", "binary"),
        ("a.csv", b"\xff\xfe\x00", "binary"),
        ("a.csv", b'"' + b"x" * 200_000, "table"),
        ("cut.txt", "\u00e9".encode() * 40_000, "text"),
        ("odd.txt", b"x" + "\u00e9".encode() * 40_000, "text"),
        ("bom.csv", "\ufeffa,b\n1,2\n".encode(), "table"),
        ("cr.csv", b"a,b\r1,2\r", "table"),
    ],
)
def test_any_bytes_can_be_previewed(alice: Api, filename: str, content: bytes, kind: str) -> None:
    shown = preview_of(alice, filename, content)
    assert shown["kind"] == kind
    if filename == "bom.csv":
        assert shown["columns"] == ["a", "b"]


def test_the_sweep_takes_only_what_nobody_names(
    fresh_store: Callable[[], list[str]], world: World, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "_KEPT_UNNAMED", -1.0)
    kept = alice.upload(f"{VERSIONS}?filename=t.csv", b"kept").json["digest"]
    bundle = alice.upload("projects/lab/bundles?filename=a.py", b"x = 1\n").json["digest"]
    with storage.receive(io.BytesIO(b"orphan"), limit=10) as received:
        received.keep()
    assert actions.sweep_store() == (0, 1)
    assert (storage.has(kept), storage.has(bundle), storage.has(received.digest)) == (True, True, False)
