"""Logging in and out: CSRF on every verb, guessing slowed without keeping the owner out, nothing told of accounts."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from hpt_web.accounts import login
from hpt_web.accounts.models import AuditEvent, User
from tests import factories
from tests.factories import PASSWORD, World
from tests.web.api.kit import Api


class Clock:
    """Time passes only when a test says so."""

    def __init__(self) -> None:
        self._now = timezone.now()

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(login, "timezone", clock)
    return clock


def browser() -> tuple[Api, str]:
    """A browser that has opened the page: its API with CSRF checked, and the token."""
    api = Api(csrf=True)
    answer = api.get("session")
    assert answer.json == {"user": None}
    return api, answer.cookies["csrftoken"].value


def log_in(
    api: Api, token: str = "", username: str = "alice", password: str = PASSWORD, address: str = "10.0.0.1"
) -> Any:
    api.client.defaults["REMOTE_ADDR"] = address
    return api.post("session", {"username": username, "password": password}, headers={"X-CSRFToken": token})


def test_a_person_logs_in_and_out(world: World) -> None:
    api, token = browser()
    answer = log_in(api, token)
    assert answer.status == 200
    assert answer.json == {"user": {"username": "alice", "email": "", "is_admin": False}}
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.cookies["sessionid"]["httponly"]
    assert answer.cookies["sessionid"]["samesite"] == "Lax"
    assert api.get("session").json["user"]["username"] == "alice"
    token = api.client.cookies["csrftoken"].value
    assert api.delete("session", headers={"X-CSRFToken": token}).status == 204
    assert api.get("session").json == {"user": None}
    assert api.get("projects").status == 401


def test_names_do_not_ask_for_their_case(world: World) -> None:
    api, token = browser()
    assert log_in(api, token, username="ALICE").json["user"]["username"] == "alice"


def test_a_login_changes_the_session_and_the_token(world: World) -> None:
    api, token = browser()
    log_in(api, token)
    assert api.client.cookies["csrftoken"].value != token


@pytest.mark.parametrize("token", ["", "x" * 32, "a" * 64])
def test_login_asks_for_the_token_of_the_page(world: World, token: str) -> None:
    api, _ = browser()
    answer = log_in(api, token)
    assert answer.status == 403
    assert "X-CSRFToken" in answer.json["detail"]
    assert api.get("session").json == {"user": None}


@pytest.mark.parametrize("verb", ["POST", "PATCH", "DELETE"])
def test_no_verb_changes_anything_without_the_token(world: World, verb: str) -> None:
    """CVE-2026-27482: a dashboard that guarded POST and PUT, and not DELETE."""
    api = Api(world.alice, csrf=True)
    address = {"POST": "projects", "PATCH": "projects/lab", "DELETE": "projects/lab/members/vera"}[verb]
    body = {"POST": {"slug": "new"}, "PATCH": {"name": "New"}, "DELETE": None}[verb]
    assert api.call(verb, address, body).status == 403
    assert api.call(verb, "session").status == 403


def test_a_foreign_origin_is_refused_even_with_a_token(world: World) -> None:
    api, token = browser()
    headers = {"X-CSRFToken": token, "Origin": "https://evil.example"}
    assert api.post("session", {"username": "alice", "password": PASSWORD}, headers=headers).status == 403


def test_a_key_needs_no_token(world: World) -> None:
    bearer = factories.access_key(world.alice)[1]
    assert Api(bearer=bearer, csrf=True).post("projects", {"slug": "new"}).status == 201


def test_a_session_beside_a_key_does_not_widen_it(world: World) -> None:
    api = Api(world.alice, bearer=factories.access_key(world.alice, scopes=["read"])[1])
    assert api.post("projects", {"slug": "new"}).status == 403


@pytest.mark.parametrize("body", [{}, {"username": "", "password": ""}, {"username": 3, "password": None}])
def test_every_missing_field_is_named(world: World, body: dict[str, Any]) -> None:
    api, token = browser()
    answer = api.post("session", body, headers={"X-CSRFToken": token})
    assert answer.status == 400
    assert set(answer.fields) == {"username", "password"}


@pytest.mark.parametrize("username", ["nobody-of-that-name", "alice", "idle", "a\u0430lice"])
def test_the_same_words_for_every_reason(world: World, username: str) -> None:
    User.objects.create(username="idle", password=world.alice.password, is_active=False)
    api, token = browser()
    password = PASSWORD if username == "idle" else "wrong"
    answer = log_in(api, token, username=username, password=password)
    assert answer.status == 401
    assert answer.json["detail"] == "The name or the password is wrong."


def guess(times: int, username: str = "alice", address: str = "10.6.6.6") -> list[Any]:
    api, token = browser()
    return [log_in(api, token, username, f"guess {n}", address) for n in range(times)]


@pytest.mark.parametrize("username", ["alice", "nobody-of-that-name"])
def test_guesses_at_an_account_are_slowed(world: World, username: str) -> None:
    answers = guess(20, username)
    assert [answer.status for answer in answers[:5]] == [401] * 5
    slowed = answers[5:]
    assert {answer.status for answer in slowed} == {429}
    assert int(slowed[0].headers["Retry-After"]) >= 1
    assert re.fullmatch(r"Too many wrong passwords lately; try again in \d+ seconds\.", slowed[0].json["detail"])


def test_the_waits_grow_up_to_a_bound(world: World, clock: Clock) -> None:
    waits = []
    for _ in range(12):
        guess(1, address=f"10.0.1.{len(waits)}")
        refused = guess(1, address="10.0.2.1")[0]
        waits.append(int(refused.headers.get("Retry-After", 0)))
        clock.advance(waits[-1])
    assert waits == sorted(waits)
    assert waits[-1] == login.LONGEST_PER_ACCOUNT


def test_the_owner_is_not_kept_out_from_a_familiar_address(world: World) -> None:
    api, token = browser()
    assert log_in(api, token, address="192.0.2.7").status == 200
    guess(20)
    api, token = browser()
    assert log_in(api, token, address="192.0.2.7").status == 200
    assert guess(1)[0].status == 429  # and whoever guesses is still slowed


def test_the_owner_gets_in_from_anywhere_after_the_wait(world: World, clock: Clock) -> None:
    guess(20)
    api, token = browser()
    refused = log_in(api, token, address="192.0.2.8")
    assert refused.status == 429
    clock.advance(int(refused.headers["Retry-After"]))
    assert log_in(api, token, address="192.0.2.8").status == 200


def test_guesses_from_one_address_are_slowed_over_all_accounts(world: World) -> None:
    """One common password against many names."""
    statuses = [guess(1, username=f"person-{n}")[0].status for n in range(30)]
    assert statuses[: login.FREE_PER_ADDRESS] == [401] * login.FREE_PER_ADDRESS
    assert set(statuses[login.FREE_PER_ADDRESS :]) == {429}


def test_wrong_passwords_are_forgotten(world: World, clock: Clock) -> None:
    guess(10)
    clock.advance(login.FORGET_AFTER.total_seconds() + 1)
    assert [answer.status for answer in guess(5)] == [401] * 5


def test_logins_are_in_the_audit_with_their_address(world: World) -> None:
    api, token = browser()
    log_in(api, token, address="192.0.2.9")
    event = AuditEvent.objects.latest("id")
    assert (event.action, event.actor, event.address) == ("session.open", world.alice, "192.0.2.9")


def test_a_forged_forwarded_address_counts_for_nothing(world: World) -> None:
    api, token = browser()
    api.client.defaults["REMOTE_ADDR"] = "10.6.6.6"
    for n in range(login.FREE_PER_ADDRESS):
        headers = {"X-CSRFToken": token, "X-Forwarded-For": f"10.1.1.{n}"}
        api.post("session", {"username": f"person-{n}", "password": "x"}, headers=headers)
    assert log_in(api, token, address="10.6.6.6").status == 429


def test_a_forged_host_is_refused(world: World) -> None:
    """CVE-2025-14279: without a check of Host, a foreign page reaches the service by DNS rebinding."""
    client = Client(headers={"Host": "evil.example"})
    client.force_login(world.alice)
    assert client.get("/api/v1/projects").status_code == 400


def test_expired_sessions_are_over(world: World, alice: Api) -> None:
    session = alice.client.session
    session.set_expiry(timezone.now() - timedelta(seconds=1))
    session.save()
    assert alice.get("projects").status == 401


def test_a_person_changes_the_password(world: World) -> None:
    api, token = browser()
    token = log_in(api, token).cookies["csrftoken"].value
    headers = {"X-CSRFToken": token}
    elsewhere, other = browser()
    log_in(elsewhere, other)

    wrong = api.post("session/password", {"current": "guess", "password": "Another phrase 8"}, headers=headers)
    assert wrong.status == 400
    assert [fault["field"] for fault in wrong.json["faults"]] == ["current"]
    weak = api.post("session/password", {"current": PASSWORD, "password": "alice"}, headers=headers)
    assert {fault["field"] for fault in weak.json["faults"]} == {"password"}

    assert (
        api.post("session/password", {"current": PASSWORD, "password": "Another phrase 8"}, headers=headers).status
        == 204
    )
    assert api.get("session").json["user"]["username"] == "alice"  # this session goes on
    assert elsewhere.get("session").json == {"user": None}  # and the others end
    fresh, token = browser()
    assert log_in(fresh, token).status == 401
    assert log_in(fresh, token, password="Another phrase 8").status == 200


def test_a_key_cannot_change_the_password(world: World) -> None:
    _, bearer = factories.access_key(world.alice)
    body = {"current": PASSWORD, "password": "Another phrase 8"}
    assert Api(bearer=bearer).post("session/password", body).status == 403
