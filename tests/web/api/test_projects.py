"""Projects, members and access keys: faults all at once, an owner always left, everything in the audit."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from hpt_web.accounts import actions
from hpt_web.accounts.errors import AccountsError, Forbidden, Invalid
from hpt_web.accounts.models import AccessKey, AuditEvent, Membership, Project, Quota, Role, User
from hpt_web.accounts.sealing import seal, unseal
from tests import factories
from tests.factories import World
from tests.web.api.kit import Api

# --- projects ---------------------------------------------------------------------------------------------------------


def test_a_new_project_belongs_to_who_made_it(charlie: Api) -> None:
    answer = charlie.post("projects", {"slug": "vision-2", "description": "cats"})
    assert answer.status == 201
    assert answer.json == answer.json | {
        "slug": "vision-2", "name": "vision-2", "description": "cats", "role": "owner", "created_by": "charlie",
        "datasets": 0, "algorithms": 0, "jobs": 0, "active_jobs": 0,
    }  # fmt: skip
    assert AuditEvent.objects.latest("id").action == "project.create"


def test_a_project_counts_what_is_in_it(alice: Api) -> None:
    found = alice.get("projects/lab").json
    assert (found["datasets"], found["algorithms"], found["jobs"], found["active_jobs"]) == (1, 1, 1, 0)


@pytest.mark.parametrize("slug", ["", "Lab", "a_b", "-a", "a-", "a b", "../up", "x" * 64, "a/b", "ä", 5, None, ["a"]])
def test_a_slug_has_a_form(alice: Api, slug: Any) -> None:
    answer = alice.post("projects", {"slug": slug, "name": "n" * 101, "description": "d" * 10_001, "owner": "bob"})
    assert answer.status == 400
    assert set(answer.fields) == {"slug", "name", "description", "owner"}
    assert Project.objects.count() == 2


def test_a_slug_is_taken_once_in_the_whole_service(charlie: Api) -> None:
    answer = charlie.post("projects", {"slug": "lab"})
    assert [(fault["field"], fault["code"]) for fault in answer.json["faults"]] == [("slug", "taken")]


def test_the_database_keeps_the_rules_of_names(world: World) -> None:
    for slug in ("LAB", "not a slug"):
        with pytest.raises(DatabaseError), transaction.atomic():
            Project.objects.create(slug=slug, name="x", created_by=world.alice)


def test_a_project_with_anything_in_it_is_not_deleted(alice: Api, world: World) -> None:
    answer = alice.delete("projects/lab")
    assert answer.status == 409
    for held in ("1 dataset", "1 algorithm", "1 tuning job"):
        assert held in answer.json["detail"]
    assert AuditEvent.objects.filter(action="project.delete").count() == 0


def test_an_empty_project_goes_and_its_audit_stays(charlie: Api, world: World) -> None:
    assert charlie.delete("projects/other").status == 204
    assert charlie.get("projects/other").status == 404
    event = AuditEvent.objects.latest("id")
    assert (event.action, event.target, event.actor) == ("project.delete", "other", world.charlie)


def test_only_what_is_given_changes(alice: Api) -> None:
    alice.patch("projects/lab", {"description": "all about it"})
    answer = alice.patch("projects/lab", {"name": "Laboratory"})
    assert (answer.json["name"], answer.json["description"]) == ("Laboratory", "all about it")
    assert set(alice.patch("projects/lab", {"name": "", "slug": "new"}).fields) == {"name", "slug"}


def test_a_project_has_a_rule_for_files_of_jobs_that_name_none(alice: Api, world: World) -> None:
    assert alice.get("projects/lab").json["keep"] is None
    answer = alice.patch("projects/lab", {"keep": {"best": 3}})
    assert answer.json["keep"] == {"best": 3, "last": 1}
    assert alice.get("projects/lab/storage").json["keep"] == {"best": 3, "last": 1}
    assert alice.get("projects/lab/jobs/first").json["keep"] == {"best": 3, "last": 1}
    assert alice.patch("projects/lab", {"description": "as it was"}).json["keep"] == {"best": 3, "last": 1}
    faults = alice.patch("projects/lab", {"keep": {"best": 0, "first": 1}, "name": ""}).fields
    assert set(faults) == {"keep.best", "keep.first", "name"} and "from 1" in faults["keep.best"]
    assert AuditEvent.objects.filter(action="project.change").earliest("id").data == {"keep": {"best": 3, "last": 1}}
    root = Api(bearer=factories.access_key(world.root)[1])
    (row,) = [one for one in root.get("storage").json if one["project"] == "lab"]
    assert (row["keep"], row["jobs"], row["limit"]) == ({"best": 3, "last": 1}, 1, None)
    assert row["total"] == row["catalogue"] + row["outputs"] + row["checkpoints"] > 0
    assert row["total"] == alice.get("projects/lab/storage").json["total"]
    assert alice.get("storage").status == 403
    assert alice.patch("projects/lab", {"keep": None}).json["keep"] is None


# --- members ----------------------------------------------------------------------------------------------------------


def test_members_come_and_go(alice: Api, charlie: Api) -> None:
    assert alice.post("projects/lab/members", {"username": "Charlie", "role": "viewer"}).json["username"] == "charlie"
    assert charlie.get("projects/lab").json["role"] == "viewer"
    assert alice.patch("projects/lab/members/charlie", {"role": "editor"}).json["role"] == "editor"
    assert alice.delete("projects/lab/members/charlie").status == 204
    assert charlie.get("projects/lab").status == 404
    actions_done = AuditEvent.objects.filter(target_kind="member", target__iexact="charlie").order_by("id")
    assert [event.action for event in actions_done] == ["member.add", "member.change", "member.remove"]


def test_every_fault_of_a_new_member_is_named(alice: Api) -> None:
    faults = alice.post("projects/lab/members", {"username": "ghost", "role": "king"}).json["faults"]
    assert {fault["field"]: fault["code"] for fault in faults} == {"username": "unknown", "role": "unknown"}
    assert (
        alice.post("projects/lab/members", {"username": "bob", "role": "viewer"}).json["faults"][0]["code"] == "taken"
    )


def test_everybody_may_leave(bob: Api, vera: Api) -> None:
    assert vera.delete("projects/lab/members/bob").status == 403
    assert vera.delete("projects/lab/members/vera").status == 204
    assert bob.delete("projects/lab/members/BOB").status == 204


def test_an_owner_is_always_left(alice: Api, world: World) -> None:
    for answer in (
        alice.delete("projects/lab/members/alice"),
        alice.patch("projects/lab/members/alice", {"role": "editor"}),
    ):
        assert answer.status == 409
        assert "only owner" in answer.json["detail"]
    alice.patch("projects/lab/members/bob", {"role": "owner"})
    assert alice.delete("projects/lab/members/alice").status == 204


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", ["delete", "update"])
def test_the_database_refuses_to_lose_the_last_owner(change: str) -> None:
    factories.project(factories.person("alice"), "lab")
    rows = Membership.objects.filter(project__slug="lab")
    with pytest.raises(DatabaseError, match="without an owner"):
        rows.delete() if change == "delete" else rows.update(role=Role.EDITOR)
    assert Membership.objects.get().role == Role.OWNER


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_leave_at_once_do_not_both_leave() -> None:
    alice, bob = factories.person("alice"), factories.person("bob")
    factories.project(alice, "lab", bob=Role.OWNER)
    together, refused = threading.Barrier(2), []

    def leave(user: User) -> None:
        try:
            together.wait(10)
            actions.remove_member(actor=user, project="lab", username=user.username)
        except (AccountsError, DatabaseError) as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=leave, args=(user,)) for user in (alice, bob)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert Membership.objects.filter(role=Role.OWNER).count() == 1
    assert len(refused) == 1


# --- accounts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["", "short7", "password123", "ada-lovelace1", "12345678"])
def test_weak_passwords_are_refused_also_for_administrators(db: None, password: str) -> None:
    """CVE-2025-11200, CVE-2025-1474."""
    with pytest.raises(Invalid) as refused:
        actions.create_user(actor=None, username="ada-lovelace", password=password, is_superuser=True)
    assert {fault.field for fault in refused.value.faults} == {"password"}
    assert not User.objects.exists()


def test_every_fault_of_an_account_is_named(world: World) -> None:
    with pytest.raises(Invalid) as refused:
        actions.create_user(actor=world.root, username="a b", email="nonsense", password="x")
    assert {fault.field for fault in refused.value.faults} == {"username", "email", "password"}


def test_names_and_addresses_are_unique_whatever_their_case(world: World) -> None:
    with pytest.raises(Invalid):
        actions.create_user(actor=world.root, username="ALICE", password=factories.PASSWORD)
    with pytest.raises(DatabaseError), transaction.atomic():
        User.objects.create(username="ALICE")
    User.objects.create(username="one", email="x@example.org")
    with pytest.raises(DatabaseError), transaction.atomic():
        User.objects.create(username="two", email="X@example.org")


def test_only_administrators_make_accounts_and_quotas(world: World) -> None:
    with pytest.raises(Forbidden):
        actions.create_user(actor=world.alice, username="new", password=factories.PASSWORD)
    with pytest.raises(Forbidden):
        actions.set_quota(actor=world.alice, resource="running_trials", limit=5)


def test_a_quota_stands_once_for_its_scope(world: World) -> None:
    for limit in (5, 7):
        actions.set_quota(actor=world.root, resource="running_trials", limit=limit)
        actions.set_quota(actor=world.root, resource="running_trials", limit=limit, project=world.lab)
    assert sorted(Quota.objects.values_list("limit", flat=True)) == [7, 7]
    with pytest.raises(DatabaseError), transaction.atomic():
        Quota.objects.create(resource="running_trials", limit=1)
    actions.set_quota(actor=world.root, resource="running_trials", limit=None)
    assert Quota.objects.count() == 1


# --- access keys ------------------------------------------------------------------------------------------------------


def test_a_secret_is_shown_once_and_stored_sealed(alice: Api) -> None:
    made = alice.post("access-keys", {"name": "laptop", "scopes": ["write", "read"], "project": "lab"})
    assert made.status == 201
    assert made.headers["Cache-Control"] == "no-store"
    secret, key = made.json["secret"], AccessKey.objects.get()
    assert len(made.json["id"]) == 20 and made.json["id"].startswith("HPT")
    assert len(secret) >= 43  # 256 bits
    assert secret not in key.sealed_secret
    assert unseal(key.sealed_secret) == secret
    assert secret not in str(alice.get("access-keys").json)
    assert secret not in str(list(AuditEvent.objects.values_list("data", flat=True)))
    assert Api(bearer=f"Bearer {made.json['id']}.{secret}").get("projects").status == 200


def test_the_use_of_a_key_is_noted_at_most_once_a_minute(world: World) -> None:
    api = Api(bearer=factories.access_key(world.alice)[1])
    api.get("projects")
    first = AccessKey.objects.get().last_used_at
    api.get("projects")
    assert AccessKey.objects.get().last_used_at == first
    AccessKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    api.get("projects")
    assert AccessKey.objects.get().last_used_at >= first


def test_a_key_is_in_the_audit_of_what_it_did(world: World) -> None:
    key, bearer = factories.access_key(world.alice)
    Api(bearer=bearer).post("projects", {"slug": "new"})
    event = AuditEvent.objects.get(action="project.create", target="new")
    assert (event.actor, event.access_key) == (world.alice, key)


def test_revoking_ends_a_key_at_once_and_keeps_it_listed(world: World, alice: Api, charlie: Api) -> None:
    key, bearer = factories.access_key(world.alice)
    assert charlie.delete(f"access-keys/{key.key_id}").status == 404
    assert [alice.delete(f"access-keys/{key.key_id}").status for _ in range(2)] == [204, 204]
    assert Api(bearer=bearer).get("projects").status == 401
    assert alice.get("access-keys").json["items"][0]["revoked_at"]
    assert AuditEvent.objects.filter(action="key.revoke").count() == 1


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"scopes"}),
        ({"scopes": []}, {"scopes"}),
        ({"scopes": "read"}, {"scopes"}),
        ({"scopes": ["read", "admin"], "name": 1}, {"scopes", "name"}),
        ({"scopes": ["read"], "expires_at": "2001-01-01T00:00:00Z"}, {"expires_at"}),
        ({"scopes": ["read"], "expires_at": "tomorrow"}, {"expires_at"}),
        ({"scopes": ["read"], "expires_at": "2099-01-01T00:00:00"}, {"expires_at"}),
        ({"scopes": ["read"], "project": "other"}, {"project"}),
        ({"scopes": ["read"], "project": "none-such"}, {"project"}),
    ],
)
def test_every_fault_of_a_key_is_named(alice: Api, body: Any, fields: set[str]) -> None:
    answer = alice.post("access-keys", body)
    assert answer.status == 400
    assert set(answer.fields) == fields
    assert not AccessKey.objects.exists()


def test_sealing_keys_can_be_replaced(settings: Any) -> None:
    from cryptography.fernet import Fernet

    old, new = settings.HPT_FIELD_KEY, Fernet.generate_key().decode()
    sealed = seal("secret")
    settings.HPT_FIELD_KEY = f"{new}, {old}"
    assert unseal(sealed) == "secret"
    resealed = seal("secret")
    settings.HPT_FIELD_KEY = new
    assert (unseal(resealed), unseal(sealed)) == ("secret", None)


@pytest.mark.parametrize(
    "header", ["Basic YWxpY2U6eA==", "Bearer", "Bearer .", "Bearer x.y", "Bearer \x00.y", "bearer é.ü", "Token abc"]
)
def test_strange_credentials_are_refused_politely(world: World, header: str) -> None:
    answer = Api(world.alice, bearer=header).get("projects")
    assert (answer.status, answer.json["type"]) == (401, "not-signed-in")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
