"""Uploaded code: hostile archives are refused before anything is unpacked; the stored form says what is in it."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from hpt_web.accounts import actions as accounts
from hpt_web.accounts.errors import Invalid
from hpt_web.catalog import archives, bundles, storage
from hpt_web.catalog.models import StoredBundle
from tests import factories
from tests.factories import World
from tests.web.api.kit import Answer, Api

FILES = {"train.py": b"print(1)\n", "lib/__init__.py": b"", "lib/model.py": b"x = 1\n"}


def zipped(files: Iterable[tuple[str, bytes]], **attributes: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            info = zipfile.ZipInfo("placeholder")
            info.filename = info.orig_filename = name
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def tarred(members: Iterable[tuple[tarfile.TarInfo | str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def entry(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def send(api: Api, content: bytes, filename: str = "code.zip") -> Answer:
    return api.upload(f"projects/lab/bundles?filename={filename}", content)


# --- what is taken ----------------------------------------------------------------------------------------------------


def test_the_digest_says_what_is_in_it_however_it_is_packed(alice: Api) -> None:
    as_zip = send(alice, zipped(FILES.items()))
    assert as_zip.status == 201
    as_tar = send(alice, tarred(reversed(FILES.items())), "code.tar.gz")
    with_dot = send(alice, tarred((f"./{name}", content) for name, content in FILES.items()), "code.tgz")
    assert as_zip.json == as_tar.json == with_dot.json
    assert as_zip.json["size"] == sum(map(len, FILES.values()))
    assert [file["name"] for file in as_zip.json["files"]] == sorted(FILES)


def test_a_script_is_a_bundle_of_one_file(alice: Api) -> None:
    answer = send(alice, FILES["train.py"], "train.py")
    assert answer.json["files"] == [{"name": "train.py", "size": 9}]
    assert answer.json["digest"] == send(alice, zipped([("train.py", FILES["train.py"])])).json["digest"]


def test_folders_in_an_archive_are_only_names(alice: Api) -> None:
    plain = send(alice, tarred(FILES.items()), "a.tar.gz").json["digest"]
    with_folders = [(entry("lib", tarfile.DIRTYPE), b""), *FILES.items()]
    assert send(alice, tarred(with_folders), "a.tar.gz").json["digest"] == plain
    assert send(alice, zipped([("lib/", b""), *FILES.items()])).json["digest"] == plain


def test_a_bundle_comes_out_as_it_went_in(alice: Api, tmp_path: Path) -> None:
    members: list[tuple[tarfile.TarInfo | str, bytes]] = list(FILES.items())
    run = tarfile.TarInfo("run.sh")
    run.mode = 0o4777  # neither setuid nor writable by others
    digest = send(alice, tarred([*members, (run, b"#!/bin/sh\n")]), "code.tar.gz").json["digest"]
    bundles.unpack(digest, tmp_path / "code")
    found = {
        str(path.relative_to(tmp_path / "code")): path for path in (tmp_path / "code").rglob("*") if path.is_file()
    }
    assert {name: path.read_bytes() for name, path in found.items()} == {**FILES, "run.sh": b"#!/bin/sh\n"}
    assert found["run.sh"].stat().st_mode & 0o7777 == 0o755
    assert not found["train.py"].stat().st_mode & 0o111
    with pytest.raises(FileExistsError):  # never over what is there
        bundles.unpack(digest, tmp_path / "code")


# --- what is refused --------------------------------------------------------------------------------------------------

BAD_NAMES = {
    "up": "../evil.py",
    "up inside": "lib/../../evil.py",
    "absolute": "/etc/evil.py",
    "backslash": "..\\evil.py",
    "drive": "C:evil.py",
    "home": "~/evil.py",
    "dot": "lib/./evil.py",
    "double slash": "lib//evil.py",
    "newline": "evil\n.py",
    "escape": "evil\x1b[2J.py",
    "bidi": "evil\u202eyp.exe",
    "decomposed": "e\u0301.py",
    "space": " evil.py",
    "long": "x" * 300,
    "long part": "lib/" + "x" * 101,
    "deep": "/".join("abcdefghijklmnopqrs"),
}


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_hostile_name_is_refused(
    alice: Api, fresh_store: Callable[[], list[str]], pack: Callable[..., bytes], name: str
) -> None:
    before, content = fresh_store(), pack([("train.py", b""), (name, b"evil")])
    answer = send(alice, content, "code.zip")
    assert answer.status == 400, name
    assert "body" in answer.fields
    assert fresh_store() == before
    assert not StoredBundle.objects.filter(files__contains=[{"size": 4}]).exists()


def test_a_name_that_ends_at_a_nul_is_refused(alice: Api) -> None:
    assert send(alice, zipped([("train.py\x00.png", b"evil")])).status == 400


def test_a_folder_may_not_lead_out_either(alice: Api) -> None:
    assert send(alice, zipped([("../", b""), ("a.py", b"")])).status == 400
    assert send(alice, tarred([(entry("../../x", tarfile.DIRTYPE), b""), ("a.py", b"")]), "a.tgz").status == 400


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Z"]
)
def test_links_and_devices_are_refused(alice: Api, kind: bytes) -> None:
    answer = send(alice, tarred([("a.py", b""), (entry("evil", kind, "/etc/passwd"), b"")]), "a.tar.gz")
    assert "link or a device" in answer.fields["body"]


def test_writing_through_a_symlink_is_refused(alice: Api) -> None:
    members = [(entry("lib", tarfile.SYMTYPE, "/tmp"), b""), ("lib/evil.py", b"evil")]
    assert send(alice, tarred(members), "a.tar.gz").status == 400


def test_a_symlink_in_a_zip_is_refused(alice: Api) -> None:
    content = zipped([("evil", b"/etc/passwd")], create_system=3, external_attr=(stat.S_IFLNK | 0o777) << 16)
    assert "link or a device" in send(alice, content).fields["body"]


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("names", [("a.py", "a.py"), ("a.py", "A.PY"), ("a", "a/b.py"), ("\u00df.py", "SS.py")])
def test_no_file_stands_for_another(alice: Api, pack: Callable[..., bytes], names: tuple[str, str]) -> None:
    assert send(alice, pack([(name, b"") for name in names])).status == 400


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_too_many_files_are_refused_quickly(alice: Api) -> None:
    started = time.process_time()
    answer = send(alice, zipped((f"{n}.py", b"") for n in range(20_000)))
    assert "more than 1000 files" in answer.fields["body"]
    answer = send(alice, tarred((f"{n}.py", b"") for n in range(20_000)), "a.tgz")
    assert "more than 1000 files" in answer.fields["body"]
    assert time.process_time() - started < 20


def bomb_in_zip() -> bytes:
    return zipped(
        [("a.py", b"0" * (archives.MAX_SIZE // 4))] + [(f"{n}.py", b"0" * (archives.MAX_SIZE // 4)) for n in range(4)]
    )


def test_a_zip_bomb_is_refused_by_its_list(alice: Api, fresh_store: Callable[[], list[str]]) -> None:
    before, content = fresh_store(), bomb_in_zip()
    assert len(content) < 2_000_000
    answer = send(alice, content)
    assert "when unpacked" in answer.fields["body"]
    assert fresh_store() == before


def test_a_gzip_bomb_is_stopped_while_it_unpacks(alice: Api, fresh_store: Callable[[], list[str]]) -> None:
    buffer = io.BytesIO()
    with gzip.open(buffer, "wb", compresslevel=1) as packed:
        for _ in range(300):
            packed.write(b"\x00" * 2**20)
    before = fresh_store()
    answer = send(alice, buffer.getvalue(), "a.tar.gz")
    assert "unpacks to more than" in answer.fields["body"]
    assert fresh_store() == before


def test_overlapping_files_of_a_zip_are_refused(alice: Api) -> None:
    """The trick of the better zip bombs: many entries of the list share one piece of data."""
    content = bytearray(zipped([("a.py", b"0" * 1000), ("b.py", b"1" * 1000)]))
    first, second = (content.index(b"PK\x01\x02"), content.rindex(b"PK\x01\x02"))
    content[second + 42 : second + 46] = content[first + 42 : first + 46]  # the offset of its data
    assert send(alice, bytes(content)).status == 400


@pytest.mark.parametrize("size", [0, 10, 2**31])
def test_a_list_that_lies_about_sizes_is_refused(alice: Api, size: int) -> None:
    content = bytearray(zipped([("a.py", b"0" * 1000)]))
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", size)
    assert send(alice, bytes(content)).status == 400


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("a.zip", b"PK\x03\x04 but not a zip"),
        ("a.zip", zipped(FILES.items())[:-10]),
        ("a.tar.gz", tarred(FILES.items())[:-20]),
        ("a.tar.gz", gzip.compress(b"no tar at all" * 100)),
        ("a.tar.gz", b"\x1f\x8b" + b"x" * 50),
        ("a.zip", b""),
        ("a.zip", zipped([])),
        ("a.tar.gz", tarred([])),
        ("a.py", b"\xff\xfe"),
        ("a.py", b"x = 1\x00"),
        ("a.zip", b"print(1)"),
    ],
    # Compressed bytes hold the time of their making: as ids they would differ between the workers of pytest-xdist.
    ids=[
        "no zip",
        "cut zip",
        "cut tar",
        "no tar",
        "no gzip",
        "nothing",
        "empty zip",
        "empty tar",
        "no text",
        "nul",
        "text",
    ],
)
def test_what_is_damaged_or_something_else_is_refused(alice: Api, filename: str, content: bytes) -> None:
    answer = send(alice, content, filename)
    assert answer.status == 400
    assert answer.fields


def test_encrypted_files_are_refused(alice: Api) -> None:
    content = bytearray(zipped([("a.py", b"secret")]))
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        at = content.index(mark) + (6 if mark == b"PK\x03\x04" else 8)
        content[at] |= 1
    assert "encrypted" in send(alice, bytes(content)).fields["body"]


@pytest.mark.parametrize("filename", ["", "code.exe", "../code.zip", "code"])
def test_a_bundle_has_a_name_of_its_kind(alice: Api, filename: str) -> None:
    assert set(send(alice, zipped(FILES.items()), filename).fields) == {"filename"}


def test_a_tampered_store_does_not_write_outside(tmp_path: Path, fresh_store: Callable[[], list[str]]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:") as archive:
        archive.addfile(tarfile.TarInfo("../evil.py"))
    buffer.seek(0)
    with storage.receive(buffer, limit=10**6) as received:
        received.keep()
    with pytest.raises(Invalid):
        bundles.unpack(received.digest, tmp_path / "into" / "code")
    assert not (tmp_path / "into" / "evil.py").exists()


def test_the_storage_quota_counts_bundles_once(world: World, alice: Api) -> None:
    used = len(factories.TABLE) + len(factories.SCRIPT)
    accounts.set_quota(actor=world.root, resource="storage_bytes", limit=used + 10, project=world.lab)
    refused = alice.upload("projects/lab/bundles?filename=a.py", b"#" * 11)
    assert (refused.status, refused.json["type"]) == (409, "over-quota")
    assert f"{used:,} are in use and this needs 11" in refused.json["detail"]
    for _ in range(2):  # the same content again takes nothing
        assert alice.upload("projects/lab/bundles?filename=a.py", b"#" * 10).status == 201
    document = factories.algorithm_document(source={"files": {"train.py": "print('f1=0.25')\n"}})
    assert alice.post("projects/lab/algorithms/line/versions", document).status == 409
