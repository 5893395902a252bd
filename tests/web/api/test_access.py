"""Who may do what: every operation of the OpenAPI document by every kind of person (F: security 8.2, 8.3, 8.4).

The rule is written here once more and by other means than in the service: by verb and address, not by role checks.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from hpt_web.accounts.models import AccessKey, Role, Scope, User
from hpt_web.jobs.models import Attempt
from hpt_web.jobs.running import launching
from tests import factories
from tests.factories import World
from tests.web.api import contract
from tests.web.api.kit import Answer, Api

HERE = {
    "project": "lab", "dataset": "table", "algorithm": "line", "job": "first", "number": "1", "username": "vera",
    "key": "HPT00000000000000000", "figure": "progress", "archive": "model",
    "pool": "cpu", "team": "none",
}  # fmt: skip
QUERY = {"readSourceFile": "?name=train.py", "getFigure": "?job=first", "uploadBundle": "?filename=a.py",
         "uploadDatasetVersion": "?filename=a.csv", "downloadArtifact": "?path=model/weights"}  # fmt: skip
# A body that each operation accepts, so that a refusal is never one of the body.
BODIES: dict[str, Any] = {
    "cleanUp": {"prefix": "nothing-", "what": ["outputs", "checkpoints", "datasets"]},
    "createProject": {"slug": "new"},
    "updateProject": {"name": "New", "keep": {"best": 3}},
    "addMember": {"username": "root", "role": "viewer"},
    "changeMember": {"role": "editor"},
    "createDataset": {"name": "new"},
    "updateDataset": {"description": "new"},
    "createAlgorithm": {"name": "new"},
    "updateAlgorithm": {"description": "new"},
    "createAlgorithmVersion": factories.algorithm_document(),
    "createJob": factories.job_document(name="second"),
    "checkJob": factories.job_document(name="second"),
    "createAccessKey": {"scopes": ["read"]},
    "reportPoints": {"attempt": 1, "points": [{"value": 0.5}]},
    "tellTrial": {"attempt": 1, "value": 0.5},
    "changeJob": {"keep": {"best": 2}},
    "replayPolicy": {"policy": {"name": "median"}},
}
OPEN = {"getSession", "login", "logout", "getHealth"}  # to whoever is not logged in
ADMINS = {
    "declarePool",
    "changePool",
    "withdrawPool",
    "listTeams",
    "createTeam",
    "getTeam",
    "changeTeam",
    "deleteTeam",
    "listShares",
    "setShare",
    "changeShare",
    "removeShare",
    "createQuota",
    "changeQuota",
    "removeQuota",
    "getUsage",
    "getRefusals",
    "listUsage",
    "downloadUsage",
    "preemptTrial",
    "getHost",
    "listStorage",
    "getPrometheusMetrics",
}  # test_quotas.py and test_usage.py have more of them
READS = {"replayPolicy"}  # takes a document, and changes nothing
OWNERS = {"updateProject", "deleteProject", "addMember", "changeMember", "removeMember"}


def _operations() -> list[tuple[str, str, str]]:
    return sorted(
        (operation["operationId"], verb.upper(), path.removeprefix("/api/v1/"))
        for path, verbs in contract.openapi()["paths"].items()
        for verb, operation in verbs.items()
    )


OPERATIONS = _operations()
IN_PROJECT = [found for found in OPERATIONS if found[2].startswith("projects/{project}")]
WRITES = [found for found in IN_PROJECT if found[1] != "GET" and found[0] not in READS]
each_write = pytest.mark.parametrize(("name", "verb", "path"), WRITES, ids=[name for name, _, _ in WRITES])


def ask(api: Api, name: str, verb: str, path: str, **names: str) -> Answer:
    address = path.format(**{**HERE, **names}) + QUERY.get(name, "")
    if name.startswith("upload"):
        return api.upload(address, b"print(1)\n")
    return api.call(verb, address, BODIES.get(name, {}))


def needed(name: str, verb: str) -> Role:
    if name in OWNERS:
        return Role.OWNER
    return Role.VIEWER if verb == "GET" or name in READS else Role.EDITOR


@pytest.fixture(autouse=True)
def artifact(request: pytest.FixtureRequest, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that downloadArtifact asks for."""
    if "world" in request.fixturenames:
        request.getfixturevalue("world")
        attempt = Attempt.objects.get(trial__job__name="first", trial__number=1)
        monkeypatch.setattr(type(launching.backend()), "folder", lambda self, token: tmp_path / token)
        (tmp_path / attempt.token / "model").mkdir(parents=True)
        (tmp_path / attempt.token / "model" / "weights").write_text("1 2 3")


# --- refusals change nothing, so one world serves all operations ------------------------------------------------------


def test_nobody_gets_in_without_logging_in(nobody: Api, world: World) -> None:
    for name, verb, path in OPERATIONS:
        status = ask(nobody, name, verb, path).status
        assert status < 300 if name in OPEN - {"login"} else status in (400, 401), (name, status)


def test_an_outsider_is_told_that_there_is_nothing(charlie: Api) -> None:
    for name, verb, path in IN_PROJECT:
        hidden, absent = (ask(charlie, name, verb, path, project=slug) for slug in ("lab", "abs"))
        assert hidden.status == 404, (name, hidden.status)
        # Nor is there a difference between what is hidden and what is not there at all.
        assert hidden.content.replace(b"lab", b"abs") == absent.content, name


def test_an_outsider_finds_nothing_of_it_in_lists_and_counts(charlie: Api) -> None:
    assert [(found["slug"], found["jobs"]) for found in charlie.get("projects").json["items"]] == [("other", 0)]
    assert charlie.get("projects?q=lab").json["items"] == []


def test_a_viewer_changes_nothing(world: World, vera: Api) -> None:
    for name, verb, path in WRITES:
        answer = ask(vera, name, verb, path, username="bob")
        assert answer.status == 403, (name, answer.status)
        assert f"needs the role {needed(name, verb)}" in answer.json["detail"]


def test_an_editor_is_no_owner(world: World, bob: Api) -> None:
    for name, verb, path in WRITES:
        if name in OWNERS:
            assert ask(bob, name, verb, path).status == 403, name


def test_a_key_that_may_only_read_changes_nothing(world: World) -> None:
    api = Api(bearer=factories.access_key(world.alice, scopes=["read"])[1])
    for name, verb, path in OPERATIONS:
        if name not in OPEN:
            status = ask(api, name, verb, path).status
            reads = (verb == "GET" and name not in ADMINS) or name in READS
            assert status == (200 if reads else 403), (name, status)


@pytest.mark.parametrize("flaw", ["revoked", "expired", "deactivated", "wrong secret", "no secret", "unknown"])
def test_a_dead_key_opens_nothing(world: World, flaw: str) -> None:
    key, bearer = factories.access_key(world.alice)
    now = timezone.now()
    if flaw == "revoked":
        AccessKey.objects.filter(pk=key.pk).update(revoked_at=now)
    elif flaw == "expired":
        AccessKey.objects.filter(pk=key.pk).update(expires_at=now - timedelta(seconds=1))
    elif flaw == "deactivated":
        User.objects.filter(pk=world.alice.pk).update(is_active=False)
    else:
        bearer = {
            "wrong secret": bearer[:-1] + ("a" if bearer[-1] != "a" else "b"),
            "no secret": f"Bearer {key.key_id}",
            "unknown": "Bearer HPT00000000000000000.secret",
        }[flaw]
    for name, verb, path in OPERATIONS:
        if name not in OPEN:
            assert ask(Api(bearer=bearer), name, verb, path).status == 401, name


def test_a_key_held_to_a_project_sees_no_other(world: World) -> None:
    factories.project(world.alice, "elsewhere")
    api = Api(bearer=factories.access_key(world.alice, project="elsewhere")[1])
    for name, verb, path in IN_PROJECT:
        assert ask(api, name, verb, path).status == 404, name
    assert [found["slug"] for found in api.get("projects").json["items"]] == ["elsewhere"]
    assert api.post("projects", {"slug": "third"}).status == 403


def test_an_administrators_key_held_to_a_project_is_no_administrators(world: World) -> None:
    api = Api(bearer=factories.access_key(world.root, project="lab")[1])
    for name, verb, path in OPERATIONS:
        if name in ADMINS and not path.startswith("projects/"):
            assert ask(api, name, verb, path).status == 403, name
    assert api.get("projects/lab").status == 200


# --- what is allowed changes the world, so each operation has its own -------------------------------------------------


def allowed(answer: Answer) -> bool:
    """409: what is in use cannot be deleted, what is over cannot be stopped."""
    return answer.status < 300 or answer.status == 409


@pytest.mark.parametrize("who", ["vera", "bob", "alice", "root"])
def test_every_member_reads_everything(world: World, who: str) -> None:
    for name, verb, path in IN_PROJECT:
        if verb == "GET" or name in READS:
            assert ask(Api(getattr(world, who)), name, verb, path).status == 200, name


@each_write
@pytest.mark.parametrize("who", ["bob", "alice", "alice's key", "root"])
def test_members_may_do_what_their_role_says(world: World, who: str, name: str, verb: str, path: str) -> None:
    if who == "bob" and name in OWNERS:
        return
    api = Api(bearer=factories.access_key(world.alice)[1]) if who == "alice's key" else Api(getattr(world, who))
    answer = ask(api, name, verb, path)
    assert answer.status == 403 if name in ADMINS and who != "root" else allowed(answer)


def test_keys_are_not_managed_by_keys(world: World) -> None:
    key, bearer = factories.access_key(world.alice)
    api = Api(bearer=bearer)
    assert api.post("access-keys", {"scopes": ["read"]}).status == 403
    assert api.delete(f"access-keys/{key.key_id}").status == 403
    assert api.get("access-keys").status == 200


@pytest.mark.parametrize("change", ["taken out", "made a viewer", "deactivated"])
def test_a_change_of_rights_applies_at_once(world: World, bob: Api, change: str) -> None:
    assert bob.post("projects/lab/datasets", {"name": "before"}).status == 201
    if change == "taken out":
        world.lab.memberships.get(user=world.bob).delete()
    elif change == "made a viewer":
        world.lab.memberships.filter(user=world.bob).update(role=Role.VIEWER)
    else:
        User.objects.filter(pk=world.bob.pk).update(is_active=False)
    expected = {"taken out": 404, "made a viewer": 403, "deactivated": 401}[change]
    assert bob.post("projects/lab/datasets", {"name": "after"}).status == expected


def test_a_verb_that_an_address_does_not_know_is_refused(world: World, alice: Api) -> None:
    for path in sorted({path for _, _, path in OPERATIONS}):
        known = {verb for _, verb, other in OPERATIONS if other == path}
        known |= {"HEAD"} if "GET" in known else set()
        for verb in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "SEARCH"} - known:
            answer = alice.call(verb, path.format(**HERE))
            assert answer.status == 405, (verb, path, answer.status)
            assert set(answer.headers["Allow"].split(", ")) - {"OPTIONS"} == known


def _routes(patterns: list[Any], prefix: str = "") -> list[str]:
    found = []
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            found += _routes(pattern.url_patterns, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            found.append(prefix + str(pattern.pattern))
    return found


def test_every_mounted_route_is_known_here() -> None:
    """A route that nobody thought of is how job APIs ended up outside the login elsewhere (CVE-2026-0545)."""
    described = {path for _, _, path in OPERATIONS}
    others = {"schema", "docs", ""}
    mounted = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.removeprefix("api/v1/"))
        for route in _routes(get_resolver().url_patterns)
        if route.startswith("api/v1/")
    }
    assert mounted == described | others


def test_scopes_and_roles_are_the_ones_tested_here() -> None:
    assert set(Role.values) == {"owner", "editor", "viewer"}
    assert set(Scope.values) == {"read", "write"}
