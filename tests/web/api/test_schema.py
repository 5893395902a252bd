"""The OpenAPI document is a file under review: what is served, committed and said by the code is the same."""

from __future__ import annotations

import json
import re

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from tests.web.api import contract
from tests.web.api.kit import Api


def test_the_committed_document_is_what_the_code_says(capsys: object) -> None:
    made = json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True)))
    assert made == contract.openapi(), "run `make schema` and commit hpt_web/api/openapi.json"
    validate_schema(made)


def test_every_operation_has_a_name_a_summary_and_a_problem() -> None:
    names = []
    for path, verbs in contract.openapi()["paths"].items():
        for verb, operation in verbs.items():
            names.append(operation["operationId"])
            assert operation["summary"], (verb, path)
            assert "application/problem+json" in operation["responses"]["default"]["content"]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", name) for name in names)


def test_no_two_enumerations_had_to_share_a_name() -> None:
    assert not [name for name in contract.openapi()["components"]["schemas"] if re.search(r"[0-9a-f]{3}Enum$", name)]


def test_the_docs_are_served_without_asking_a_stranger(nobody: Api) -> None:
    page = nobody.client.get("/api/v1/docs")
    assert page.status_code == 200
    text = page.content.decode()
    assert "/static/drf_spectacular_sidecar/" in text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)


def test_the_document_is_served(nobody: Api) -> None:
    answer = nobody.client.get("/api/v1/schema")
    assert answer.status_code == 200
    assert json.loads(answer.content)["paths"].keys() == contract.openapi()["paths"].keys()
