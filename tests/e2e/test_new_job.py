"""The new-job form: faults at their fields, the warm-start rules while one picks (F5-F21), cloning, starting."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Console
from tests.e2e.forms import choose, chosen
from tests.e2e.people import Person

SignIn = Callable[[str], Page]


def pick_parent(page: Page, name: str) -> None:
    page.get_by_role("combobox", name="Parents").fill(name)
    page.get_by_role("option", name=name).first.click()
    page.keyboard.press("Escape")


def test_a_job_is_made_and_runs(sign_in: SignIn, alice: Person, project: str) -> None:
    page = sign_in("bob")
    page.goto(f"/projects/{project}/new-job")
    page.get_by_label("Name", exact=True).fill("by-hand")
    choose(page, "train", "rows")
    page.get_by_label("Trials", exact=True).fill("3")
    choose(page, "Strategy", "Random")
    expect(page.get_by_text("Nothing stands against starting it.")).to_be_visible()
    page.get_by_role("button", name="Start the job").click()
    expect(page.get_by_role("heading", name="by-hand")).to_be_visible()
    expect(page.locator("h1 + span")).to_contain_text("Completed")
    job = alice.job(project, "by-hand")
    assert job["counts"] == {"Completed": 3}
    assert job["created_by"] == "bob"
    assert [parameter["name"] for parameter in job["specification"]["space"]] == ["depth", "rate", "criterion"]
    assert job["specification"]["static"] == {"epochs": 5, "pause": 0}


def expect_fault(page: Page, label: str, words: str) -> None:
    """The field is marked as wrong, and what is wrong is read out with it."""
    field = page.get_by_label(label, exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    described = (field.get_attribute("aria-describedby") or "").split()
    texts = [page.locator(f"[id='{part}']").inner_text() for part in described]
    assert words in " ".join(texts), texts


def test_every_fault_stands_at_its_field(sign_in: SignIn, lab: str) -> None:
    page = sign_in("alice")
    page.goto(f"/projects/{lab}/new-job")
    page.get_by_label("Name", exact=True).fill("first")
    expect_fault(page, "Name", "another job here has")
    page.get_by_label("Least depth").fill("30")
    page.get_by_label("Least rate").fill("0")
    choose(page, "Scale of rate", "log")
    page.get_by_label("Trials", exact=True).fill("0")
    expect_fault(page, "Least depth", "above max")
    expect_fault(page, "Least rate", "above 0")
    expect_fault(page, "Trials", "whole number from 1")
    summary = page.get_by_role("alert")
    expect(summary).to_contain_text("faults to mend")
    summary.get_by_role("button", name="space[0].min").click()
    expect(page.get_by_label("Least depth")).to_be_focused()


def test_what_is_missing_is_no_fault_until_one_starts(sign_in: SignIn, console: Console, lab: str) -> None:
    console.allow(r"400")
    page = sign_in("alice")
    page.goto(f"/projects/{lab}/new-job")
    expect(page.get_by_text("Still to be filled in")).to_contain_text("name")
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_role("button", name="Start the job").click()
    expect(page.get_by_role("alert")).to_contain_text("name")
    expect(page).to_have_url(re.compile("new-job"))


def test_the_rules_follow_while_one_picks(sign_in: SignIn, alice: Person, project: str) -> None:
    """Moonshot 1, F5-F21: each rule met or broken, with its numbers, as the form changes."""
    alice.make_job(project, "over", trials=3)
    alice.wait_for_job(project, "over")
    alice.make_job(project, "running", trials=1, parallel=1, static={"epochs": 400, "pause": 0.1})
    page = sign_in("alice")
    page.goto(f"/projects/{project}/new-job")
    page.get_by_label("Name", exact=True).fill("child")
    choose(page, "train", "rows")
    pick_parent(page, "over")
    rules = page.get_by_role("complementary", name="Check")
    for rule in ("F5", "F6", "F8", "F9", "F13", "F14", "F15", "F16", "F17", "F18", "F19", "F20", "F21"):
        expect(rules.get_by_text(rule, exact=True)).to_be_visible()
    expect(rules).to_contain_text("1 of at most 5 parents")
    expect(rules).to_contain_text(re.compile(r"rules met$|rules met(?!.*broken)"))

    pick_parent(page, "running")
    expect(rules.locator("li", has_text="F14")).to_have_attribute("data-verdict", "broken")
    expect(rules.locator("li", has_text="F14")).to_contain_text("running")
    expect(rules).to_contain_text("broken")
    alice.post(f"/projects/{project}/jobs/running/stop")
    page.keyboard.press("Escape")

    # A tunable one becomes static, which counts as a change.
    page.get_by_role("switch", name="Search criterion").focus()
    page.keyboard.press("Space")
    expect(rules.locator("li", has_text="F18")).to_contain_text(re.compile("[1-9] of at most 10"))


def test_six_parents_are_one_too_many(sign_in: SignIn, alice: Person, project: str) -> None:
    for number in range(6):
        alice.make_job(project, f"parent-{number}", trials=1, parallel=1)
    for number in range(6):
        alice.wait_for_job(project, f"parent-{number}")
    page = sign_in("alice")
    query = "&".join(f"parent=parent-{number}" for number in range(6))
    page.goto(f"/projects/{project}/new-job?{query}")
    rule = page.get_by_role("complementary", name="Check").locator("li", has_text="F13")
    expect(rule).to_have_attribute("data-verdict", "broken")
    expect(rule).to_contain_text("6")


def test_a_clone_begins_as_the_job_was(sign_in: SignIn, lab: str) -> None:
    page = sign_in("alice")
    page.goto(f"/projects/{lab}/jobs/second")
    page.get_by_role("link", name="Clone").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("second-2")
    expect(chosen(page, "Scale of rate")).to_have_value("log")
    expect(page.get_by_label("Trials", exact=True)).to_have_value("5")
    expect(page.get_by_role("complementary", name="Check")).to_contain_text("F13")
    expect(page.get_by_text("Nothing stands against starting it.")).to_be_visible()
