"""Every answer that a test sees is held against the committed OpenAPI document: nothing missing, nothing more."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

DOCUMENT = Path(__file__).resolve().parents[3] / "hpt_web" / "api" / "openapi.json"


@cache
def openapi() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DOCUMENT.read_text())
    return document


@cache
def _operations() -> list[tuple[str, re.Pattern[str], dict[str, Any]]]:
    found = []
    for path, verbs in openapi()["paths"].items():
        pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) + "$")
        found += [(verb.upper(), pattern, operation) for verb, operation in verbs.items()]
    return found


def operation(verb: str, path: str) -> dict[str, Any] | None:
    """What the document says of a verb at an address."""
    return next((found for name, pattern, found in _operations() if name == verb and pattern.match(path)), None)


@cache
def _components() -> dict[str, Any]:
    return {name: _as_json_schema(schema) for name, schema in openapi()["components"]["schemas"].items()}


def _as_json_schema(schema: Any) -> Any:
    """OpenAPI 3.0's dialect as JSON Schema: `nullable`, and objects closed to members they do not name."""
    if isinstance(schema, list):
        return [_as_json_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _as_json_schema(value) for name, value in schema.items() if name != "nullable"}
    if "$ref" in plain:
        return {"$ref": plain["$ref"].replace("#/components/schemas/", "#/$defs/")}
    if plain.get("type") == "object" and isinstance(plain.get("properties"), dict):
        plain.setdefault("additionalProperties", False)
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") else plain


def check(verb: str, path: str, status: int, media_type: str, body: bytes) -> None:
    """Fail unless the answer is one that the document promises."""
    described = operation(verb, path)
    if described is None:
        assert status in (401, 403, 404, 405), f"{verb} {path} answers {status} and is not in the document"
        return
    answers = described["responses"]
    promised = answers.get(str(status), answers["default"] if status >= 400 else None)
    assert promised is not None, f"{verb} {path} answers {status}, which the document does not promise"
    if "content" not in promised:
        assert not body
        return
    assert media_type in promised["content"], f"{verb} {path}: {media_type} not in {list(promised['content'])}"
    if media_type.endswith("json"):
        schema = {**_as_json_schema(promised["content"][media_type]["schema"]), "$defs": _components()}
        errors = sorted(Draft202012Validator(schema).iter_errors(json.loads(body)), key=str)
        assert not errors, f"{verb} {path} {status}: {errors[0].message} at {list(errors[0].absolute_path)}"
