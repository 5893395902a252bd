"""Whatever is wrong with a request, the answer is a problem document that says what to mend."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from django.test import override_settings

from hpt_web.accounts import actions
from tests.web.api.kit import Api


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nonsense", b"\xff\xfe", b'{"a": NaN}', b'{"a": Infinity}', b'{"slug": "a", "slug": "b"}',
     b"[" * 100_000, b'{"a": ' * 5000, b'"' + b"9" * 5000, b"9" * 5000],
)  # fmt: skip
def test_what_is_not_json_is_told(alice: Api, body: bytes) -> None:
    answer = alice.call("POST", "projects", raw=body)
    assert (answer.status, answer.json["type"]) == (400, "malformed" if body else "invalid")
    assert answer.media_type == "application/problem+json"


@pytest.mark.parametrize("body", [[], "text", 5, None, True])
def test_a_document_is_an_object(alice: Api, body: Any) -> None:
    for address in ("projects", "projects/lab/algorithms/line/versions", "projects/lab/jobs"):
        answer = alice.post(address, body)
        assert answer.status == 400
        assert "" in answer.fields, answer.json


@pytest.mark.parametrize("text", ["nul\x00", "\ud800 half", "\udfff"])
def test_texts_that_nothing_can_store_are_refused_everywhere(alice: Api, text: str) -> None:
    answer = alice.post("projects", {"slug": "new", "description": text})
    assert "description" in answer.fields
    answer = alice.post("projects/lab/jobs", {"name": "x", "static": {"a": [{"b": text}], text: 1}})
    assert answer.status == 400
    assert "static.a[0].b" in answer.fields


@pytest.mark.parametrize(
    "query",
    ["q=%00", "q=%ED%A0%80", "cursor=x", "cursor=%00", "cursor=W10", "cursor=WzFd", "limit=0", "limit=201", "limit=x",
     "limit=-1", "limit=1e3", "limit=" + "9" * 50],
)  # fmt: skip
def test_a_query_that_cannot_be_is_refused(alice: Api, query: str) -> None:
    answer = alice.get(f"projects?{query}")
    # Bytes that are not UTF-8 are replaced before anybody sees them.
    assert answer.status == (200 if "%ED" in query else 400), answer.content
    if answer.status == 400:
        assert set(answer.fields) == {query.split("=")[0]}


def test_a_body_of_another_kind_is_refused(alice: Api) -> None:
    answer = alice.call("POST", "projects", raw=b"slug=new", content_type="application/x-www-form-urlencoded")
    assert (answer.status, answer.json["type"]) == (415, "unsupported-media-type")


def test_a_huge_document_is_refused(alice: Api) -> None:
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=1000):
        answer = alice.post("projects", {"slug": "new", "description": "x" * 1000})
    assert (answer.status, answer.json["type"]) == (413, "too-large")


@pytest.mark.parametrize(
    "path",
    ["nowhere", "projects/lab/nowhere", "projects/", "projects//datasets", "PROJECTS",
     "projects/lab/jobs/first/trials/99", "projects/lab/jobs/first/trials/x", "projects/lab/jobs/none",
     "projects/lab/algorithms/line/versions/99", "projects/lab/figures/none?job=first",
     "projects/lab/jobs/first/trials/" + "9" * 30],
)  # fmt: skip
def test_what_is_not_there_is_a_problem_too(alice: Api, path: str) -> None:
    answer = alice.get(path)
    assert (answer.status, answer.json["type"]) == (404, "not-found")
    assert answer.json["detail"]


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_is_nowhere_for_every_verb(nobody: Api, verb: str) -> None:
    assert nobody.call(verb, "nowhere").status == 404


def test_a_database_that_is_away_is_not_the_users_fault(alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: Any) -> None:
        raise OperationalError("connection refused: password=canary")

    monkeypatch.setattr(actions, "create_project", away)
    answer = alice.post("projects", {"slug": "new"})
    assert (answer.status, answer.json["type"]) == (503, "unavailable")
    assert "canary" not in answer.content.decode()


def test_our_own_failures_tell_nothing_of_the_inside(alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: Any) -> None:
        raise ZeroDivisionError("canary at /srv/secret.py")

    monkeypatch.setattr(actions, "create_project", broken)
    alice.client.raise_request_exception = False
    answer = alice.post("projects", {"slug": "new"})
    assert (answer.status, answer.json["type"]) == (500, "internal")
    assert "canary" not in answer.content.decode()


def test_pages_are_walked_without_loss_or_repeat_while_rows_come_and_go(alice: Api) -> None:
    for n in range(7):
        alice.post("projects/lab/datasets", {"name": f"set-{n}"})
    seen, cursor = [], ""
    while True:
        page = alice.get(f"projects/lab/datasets?limit=3&cursor={cursor}").json
        assert len(page["items"]) <= 3
        seen += [found["name"] for found in page["items"]]
        if cursor == "":
            alice.delete("projects/lab/datasets/set-1")
            alice.post("projects/lab/datasets", {"name": "aaa"})  # before the cursor: not seen
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [f"set-{n}" for n in range(7)] + ["table"]


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400, "9223372036854775808", "-9223372036854775809"])
def test_numbers_that_nothing_can_store_are_refused_everywhere(alice: Api, number: str) -> None:
    answer = alice.call("POST", "projects/lab/jobs", raw=b'{"space": [{"min": %s}]}' % number.encode())
    assert "space[0].min" in answer.fields
