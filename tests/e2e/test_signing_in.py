"""Signing in and out, and who sees what (alice owns, bob reads, charlie is an outsider)."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Console
from tests.e2e.people import PASSWORD, Person

SignIn = Callable[[str], Page]


def test_one_lands_where_one_wanted_to_go(page: Page, lab: str) -> None:
    page.goto(f"/projects/{lab}/jobs/first?trial=3")
    expect(page).to_have_url(re.compile("/login"))
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="first")).to_be_visible()
    expect(page.get_by_role("complementary", name="Trial 3")).to_be_visible()


def test_a_wrong_password_is_said_at_the_form(page: Page, console: Console) -> None:
    console.allow(r"401")
    page.goto("/login")
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password", exact=True).fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("password")
    expect(page).to_have_url(re.compile("/login$"))


def test_a_foreign_address_in_next_is_not_followed(page: Page) -> None:
    page.goto("/login?next=//example.org/")
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()


def test_signing_out_ends_the_session(sign_in: SignIn) -> None:
    page = sign_in("alice")
    page.goto("/projects")
    page.get_by_role("button", name="Account of alice").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to HPT")).to_be_visible()
    page.goto("/projects")
    expect(page.get_by_role("heading", name="Sign in to HPT")).to_be_visible()


def test_a_session_that_ends_elsewhere_leads_to_the_form(sign_in: SignIn, console: Console, lab: str) -> None:
    console.allow(r"401|403")
    page = sign_in("alice")
    page.goto(f"/projects/{lab}/jobs")
    expect(page.get_by_role("link", name="first")).to_be_visible()
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("link", name="Datasets").click()
    expect(page.get_by_role("heading", name="Sign in to HPT")).to_be_visible()


def test_a_reader_is_offered_nothing_that_changes_things(sign_in: SignIn, lab: str) -> None:
    page = sign_in("bob")
    page.goto(f"/projects/{lab}/jobs")
    expect(page.get_by_role("link", name="first")).to_be_visible()
    expect(page.get_by_role("link", name="New job")).to_have_count(0)
    page.goto(f"/projects/{lab}/jobs/first")
    expect(page.get_by_role("heading", name="Best trial")).to_be_visible()
    expect(page.get_by_role("link", name="Clone")).to_have_count(0)
    page.goto(f"/projects/{lab}/members")
    expect(page.get_by_role("cell", name="alice")).to_be_visible()
    expect(page.get_by_role("button", name="Remove alice")).to_have_count(0)
    page.goto(f"/projects/{lab}/datasets/rows")
    expect(page.get_by_role("heading", name="Versions")).to_be_visible()
    expect(page.get_by_role("button", name="Choose a file")).to_have_count(0)


def test_an_outsider_is_told_that_nothing_is_there(sign_in: SignIn, console: Console, lab: str) -> None:
    console.allow(r"404")
    page = sign_in("charlie")
    for path in (f"/projects/{lab}", f"/projects/{lab}/jobs/first", f"/projects/{lab}/datasets/rows"):
        page.goto(path)
        expect(page.get_by_role("alert")).to_contain_text("Nothing is here")


def test_losing_access_ends_an_open_page(sign_in: SignIn, alice: Person, project: str) -> None:
    alice.make_job(project, "seen", trials=2)
    alice.wait_for_job(project, "seen")
    page = sign_in("bob")
    page.goto(f"/projects/{project}/jobs/seen")
    expect(page.get_by_role("heading", name="Best trial")).to_be_visible()
    page.wait_for_load_state("networkidle")
    answer = alice.client.delete(f"/projects/{project}/members/bob")
    assert answer.is_success, answer.text
    expect(page.get_by_text("You may no longer see this job")).to_be_visible()


def test_a_password_is_changed_by_whoever_knows_it(sign_in: SignIn, console: Console) -> None:
    console.allow(r"40[01]")
    page = sign_in("dora")
    page.goto("/account")
    for present, new, field, words in (
        ("wrong", "another long Phrase 8", "Present password", "is not your password"),
        (PASSWORD, "password", "New password", "common"),
    ):
        page.get_by_label("Present password").fill(present)
        page.get_by_label("New password").fill(new)
        page.get_by_role("button", name="Change the password").click()
        expect(page.get_by_label(field)).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_text(words)).to_be_visible()
    page.get_by_label("New password").fill("another long Phrase 8")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_text("The password is changed.")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="dora")).to_be_visible()
