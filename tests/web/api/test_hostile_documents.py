"""Documents with anything anywhere: the answer is a created thing or a problem that names faults, never a 500."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.factories import algorithm_document, job_document
from tests.web.api.kit import Api

JUNK: list[Any] = [
    None, True, False, 0, -1, 1.5, 10**18, 10**400, 1e308, -1e308, 5e-324, "", " ", "x" * 5000, "é\u202e", "${jndi:x}",
    "'; DROP TABLE", "../../x", "--flag", "{{7*7}}", "%s%n", [], [[]], [None], {}, {"": {}}, {"a": [{"b": [1]}]},
    ["x"] * 2000, {"name": []}, [{"name": {}}], "1e999", "NaN",
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document, the whole of it included."""
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from places(member, (*path, name))


def spoiled(document: Any, chance: random.Random) -> Any:
    """The document with junk in one to three places, a member missing, or one too many."""
    document = copy.deepcopy(document)
    for _ in range(chance.choice([1, 1, 2, 3])):
        inside = [place for place in places(document) if place]
        if not inside:
            break
        path = chance.choice(inside)
        holder = document
        for name in path[:-1]:
            holder = holder[name]
        deed, junk = chance.random(), copy.deepcopy(chance.choice(JUNK))
        if deed < 0.15:
            del holder[path[-1]]
        elif deed < 0.25 and isinstance(holder, dict):
            holder[str(chance.choice(JUNK))[:50]] = junk
        else:
            holder[path[-1]] = junk
    return document


WARM = {
    "warm_start": {"type": "TRANSFER_LEARNING", "parents": ["first"]},
    "early_stopping": {"name": "median", "options": {"delay_evaluation": 1}},
    "resources": {"cpus": 1, "memory_mb": 512, "gpus": 0},
    "strategy": {"name": "bayesian", "options": {}},
    "space": [
        {"name": "lr", "type": "float", "min": 0.001, "max": 0.1, "scale": "log"},
        {"name": "depth", "type": "integer", "min": 1, "max": 9},
    ],
    "static": {},
}
ADDRESSES: dict[str, Any] = {
    "projects/lab/jobs": job_document(name="second", **WARM),
    "projects/lab/job-checks": job_document(name="second", **WARM),
    "projects/lab/algorithms/line/versions": algorithm_document(
        environment={"A": "1"}, resources={"cpus": 1}, equivalent_to=1
    ),
    "projects": {"slug": "new", "name": "New", "description": "x"},
    "projects/lab/members": {"username": "charlie", "role": "viewer"},
    "projects/lab/datasets": {"name": "new", "description": ""},
    "access-keys": {"name": "k", "scopes": ["read"], "project": "lab", "expires_at": "2099-01-01T00:00:00Z"},
    "session": {"username": "alice", "password": "wrong"},
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_document_breaks_the_service(alice: Api, address: str) -> None:
    chance = random.Random(address)  # the same documents in every run
    for _ in range(150):
        document = spoiled(ADDRESSES[address], chance)
        answer = alice.post(address, document)
        assert answer.status in (200, 201, 400, 401, 409, 429), (answer.status, document)
        if answer.status == 400:
            assert answer.json["faults"], document
            assert all(fault["message"] for fault in answer.json["faults"])
