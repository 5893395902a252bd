"""The administrator's pages make the same changes as the actions, with the same rules and the same audit."""

from __future__ import annotations

import pytest
from django.test import Client

from hpt_web.accounts.models import AuditEvent, Quota, User
from tests.factories import PASSWORD, World

PAGES = ("", "accounts/user/", "accounts/user/add/", "accounts/quota/", "accounts/quota/add/", "accounts/project/",
         "accounts/accesskey/", "accounts/auditevent/", "accounts/team/", "accounts/pool/",
         "accounts/poolshare/")  # fmt: skip


@pytest.fixture
def root(world: World) -> Client:
    client = Client()
    client.force_login(world.root)
    return client


@pytest.mark.parametrize("page", PAGES)
def test_only_administrators_get_in(world: World, root: Client, page: str) -> None:
    assert root.get(f"/admin/{page}").status_code == 200
    for other in (None, world.alice):
        client = Client()
        if other:
            client.force_login(other)
        assert client.get(f"/admin/{page}").status_code == 302


def test_an_account_is_made_with_the_password_policy(root: Client, world: World) -> None:
    body = {"username": "new", "email": "", "password1": "weak", "password2": "weak", "usable_password": "true"}
    assert root.post("/admin/accounts/user/add/", body).status_code == 200  # the form again, with its faults
    assert not User.objects.filter(username="new").exists()
    answer = root.post("/admin/accounts/user/add/", body | {"password1": PASSWORD, "password2": PASSWORD})
    assert answer.status_code == 302
    assert User.objects.get(username="new").check_password(PASSWORD)
    event = AuditEvent.objects.get(action="user.create", target="new")
    assert event.actor == world.root


def test_a_quota_is_set_and_taken_away(root: Client, world: World) -> None:
    body = {"resource": "running_trials", "limit": "4", "project": str(world.lab.pk), "user": ""}
    assert root.post("/admin/accounts/quota/add/", body).status_code == 302
    quota = Quota.objects.get()
    assert (quota.limit, quota.project) == (4, world.lab)
    assert root.post(f"/admin/accounts/quota/{quota.pk}/change/", body | {"limit": "6"}).status_code == 302
    assert Quota.objects.get().limit == 6
    assert root.post(f"/admin/accounts/quota/{Quota.objects.get().pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Quota.objects.exists()
    assert AuditEvent.objects.filter(action="quota.set").count() == 4


def test_a_limit_on_devices_names_a_pool(root: Client, world: World) -> None:
    body = {"resource": "devices", "limit": "4", "project": "", "user": ""}
    assert b"Name a pool" in root.post("/admin/accounts/quota/add/", body).content
    assert root.post("/admin/accounts/quota/add/", body | {"pool": "cpu"}).status_code == 302
    assert root.post("/admin/accounts/quota/add/", body | {"resource": "queued_jobs", "pool": "cpu"}).status_code == 200
    assert [(quota.resource, quota.pool) for quota in Quota.objects.all()] == [("devices", "cpu")]


def test_nothing_of_the_audit_can_be_changed(root: Client, world: World) -> None:
    event = AuditEvent.objects.earliest("id")
    assert root.get(f"/admin/accounts/auditevent/{event.pk}/change/").status_code == 200
    assert root.post(f"/admin/accounts/auditevent/{event.pk}/change/", {"action": "x"}).status_code == 403
    assert root.post(f"/admin/accounts/auditevent/{event.pk}/delete/", {"post": "yes"}).status_code == 403
    assert root.post(f"/admin/accounts/user/{world.alice.pk}/delete/", {"post": "yes"}).status_code == 403
