"""A client that speaks JSON and holds every answer against the OpenAPI document; the world that the tests look at."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponseBase
from django.test import Client

from hpt_web.accounts.models import User
from tests import factories
from tests.factories import World
from tests.web.api import contract

NOTHING = object()
BASE = "/api/v1"


class Answer:
    def __init__(self, response: HttpResponseBase) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.media_type = response.headers.get("Content-Type", "")
        self.cookies = response.cookies
        self.content = b"".join(response) if response.streaming else response.content  # type: ignore[attr-defined,arg-type]

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def fields(self) -> dict[str, str]:
        """The faults of a problem: the message for each field."""
        return {fault["field"]: fault["message"] for fault in self.json["faults"]}


class Api:
    """One person's way in. `bearer` is the value of the Authorization header; without it and `user` it is nobody."""

    def __init__(self, user: User | None = None, bearer: str = "", *, csrf: bool = False) -> None:
        self.client = Client(enforce_csrf_checks=csrf, raise_request_exception=True)
        self._headers = {"Authorization": bearer} if bearer else {}
        if user is not None:
            self.client.force_login(user)

    def call(
        self, verb: str, path: str, body: Any = NOTHING, *, raw: bytes | None = None,
        content_type: str = "application/json", headers: dict[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """Send `body` as JSON, or `raw` as it is, to an address below /api/v1."""
        data = raw if raw is not None else b"" if body is NOTHING else json.dumps(body).encode()
        address = path if path.startswith("/") else f"{BASE}/{path}"
        response = self.client.generic(
            verb, address, data, content_type=content_type, headers={**self._headers, **(headers or {})}
        )
        answer = Answer(response)
        contract.check(verb, address.split("?")[0], answer.status, answer.media_type, answer.content)
        return answer

    def get(self, path: str, **options: Any) -> Answer:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = NOTHING, **options: Any) -> Answer:
        return self.call("POST", path, body, **options)

    def patch(self, path: str, body: Any = NOTHING, **options: Any) -> Answer:
        return self.call("PATCH", path, body, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        return self.call("DELETE", path, **options)

    def upload(self, path: str, content: bytes, **options: Any) -> Answer:
        return self.call("POST", path, raw=content, content_type="application/octet-stream", **options)


@pytest.fixture
def world(db: None) -> World:
    return factories.world()


@pytest.fixture
def root(world: World) -> Api:
    return Api(world.root)


@pytest.fixture
def alice(world: World) -> Api:
    return Api(world.alice)


@pytest.fixture
def bob(world: World) -> Api:
    return Api(world.bob)


@pytest.fixture
def vera(world: World) -> Api:
    return Api(world.vera)


@pytest.fixture
def charlie(world: World) -> Api:
    return Api(world.charlie)


@pytest.fixture
def nobody(db: None) -> Api:
    return Api()


@pytest.fixture
def fresh_store(settings: Any, tmp_path: Any) -> Callable[[], list[str]]:
    """An empty HPT_HOME; call it for the names of all files in the blob store."""
    settings.HPT_HOME = tmp_path

    def files() -> list[str]:
        return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())

    return files
