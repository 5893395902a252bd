"""What the engine can do, done in the browser: every kind of space (F31-F41), completion (F80), schedulers (F45)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Request, expect

from tests.e2e.forms import choose, chosen
from tests.e2e.people import Person

SignIn = Callable[[str], Page]
READY = "Nothing stands against starting it."


def begin(page: Page, project: str, name: str) -> None:
    page.goto(f"/projects/{project}/new-job")
    page.get_by_label("Name", exact=True).fill(name)
    choose(page, "train", "rows")


def start(page: Page, name: str) -> None:
    expect(page.get_by_text(READY)).to_be_visible()
    page.get_by_role("button", name="Start the job").click()
    expect(page.get_by_role("heading", name=name, level=1, exact=True)).to_be_visible()


def checked_document(page: Page, act: Callable[[], object]) -> Any:
    """What the form asks the server about, for what `act` does to it."""
    with page.expect_request(lambda request: request.url.endswith("/job-checks")) as asked:
        act()
    request: Request = asked.value
    return request.post_data_json


def fill_rich_space(page: Page) -> None:
    """Depth in steps, rate an expression and active under gini only, a constraint and two points to try first."""
    page.get_by_label("More about depth").click()
    page.get_by_label("Step of depth").fill("2")
    page.get_by_label("More about rate").click()
    choose(page, "What rate is drawn from", "loguniform")
    page.get_by_label("low, exponent of rate").fill("-6")
    page.get_by_label("high, exponent of rate").fill("-1")
    expect(page.get_by_role("note", name="Values that rate can take")).to_contain_text("0.0024788 to 0.36788")
    choose(page, "rate is active only when", "criterion")
    page.get_by_label("Values under which rate is active").click()
    page.get_by_role("option", name="gini").locator("visible=true").click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Add a constraint").click()
    page.get_by_label("Constraint", exact=True).fill("depth<16")
    for point in (1, 2):
        page.get_by_role("button", name="Add a point to try first").click()
        page.get_by_label(f"depth of point {point}").fill(str(2 * point + 1))
    choose(page, "criterion of point 2", "entropy")
    page.get_by_label("rate of point 2").fill("")


def test_a_conditional_constrained_space_is_made_and_cloned(sign_in: SignIn, alice: Person, project: str) -> None:
    page = sign_in("alice")
    begin(page, project, "rich")
    fill_rich_space(page)
    page.get_by_label("Trials", exact=True).fill("8")
    page.get_by_label("Repeats").fill("2")
    page.get_by_label("Trials without improvement").fill("30")
    choose(page, "Strategy", "Random")
    start(page, "rich")
    alice.wait_for_job(project, "rich")
    spec = alice.job(project, "rich")["specification"]
    space = {parameter["name"]: parameter for parameter in spec["space"]}
    assert list(space) == ["depth", "criterion", "rate"], "what decides stands before what depends on it"
    assert space["depth"]["step"] == 2
    assert space["rate"]["when"] == {"parameter": "criterion", "in": ["gini"]}
    assert spec["constraints"] == ["depth < 16"]
    assert spec["repeats"] == 2
    assert spec["completion"]["max_not_improving"] == 30
    trials = alice.get(f"/projects/{project}/jobs/rich/trials")["items"]
    tried = [trial["hyperparameters"] for trial in sorted(trials, key=lambda trial: trial["number"])]
    assert tried[:2] == spec["initial_points"]
    assert tried[:2] == [{"depth": 3, "criterion": "gini", "rate": 0.1}, {"depth": 5, "criterion": "entropy"}]
    assert all(tried.count(values) == 2 for values in tried)
    assert all(("rate" in values) is (values["criterion"] == "gini") and values["depth"] < 16 for values in tried)

    specification = page.get_by_role("region", name="Specification")
    expect(specification).to_contain_text("when criterion is gini")
    expect(specification).to_contain_text("depth < 16")
    again = checked_document(page, lambda: page.goto(f"/projects/{project}/new-job?clone=rich"))
    assert again["name"] == "rich-2"
    assert difference(again, spec) == []
    expect(page.get_by_text(READY)).to_be_visible()


def difference(sent: dict[str, Any], stored: dict[str, Any]) -> list[str]:
    """The members of a clone's document that are not the job's; what a document leaves out is null or a default."""

    def given(value: Any) -> Any:
        if not isinstance(value, dict):
            return value or None if isinstance(value, list) else value
        return {name: each for name, each in value.items() if each is not None and name != "tolerance"}

    members = stored.keys() - {"name", "seed"}  # a copy has its own
    return [name for name in members if given(sent.get(name)) != given(stored[name])]


def expect_fault(page: Page, label: str, words: str) -> None:
    field = page.get_by_label(label, exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile(re.escape(words)))


def test_faults_of_a_rich_space_stand_at_their_fields(sign_in: SignIn, lab: str) -> None:
    page = sign_in("alice")
    begin(page, lab, "wrong")
    page.get_by_label("More about rate").click()
    choose(page, "What rate is drawn from", "qnormal")
    for label, text in (("mu", "1"), ("sigma", "-1"), ("q", "0")):
        page.get_by_label(f"{label} of rate").fill(text)
    page.get_by_label("More about depth").click()
    page.get_by_label("Step of depth").fill("50")
    expect_fault(page, "sigma of rate", "above 0")
    expect_fault(page, "q of rate", "above 0")
    expect_fault(page, "Step of depth", "more than max - min")
    page.get_by_label("Target of f1").fill("high")
    page.get_by_label("Trials without improvement").fill("0")
    expect_fault(page, "Target of f1", "give the value of the objective")
    expect_fault(page, "Trials without improvement", "from 1")
    # What only the whole space can tell is told once each of its hyperparameters can be read.
    choose(page, "What rate is drawn from", "the range")
    page.get_by_label("Step of depth").fill("")
    page.get_by_role("button", name="Add a constraint").click()
    page.get_by_label("Constraint", exact=True).fill("width > 3")
    expect_fault(page, "Constraint", "names width")
    page.get_by_label("Constraint", exact=True).fill("depth > 3")
    page.get_by_role("button", name="Add a point to try first").click()
    page.get_by_label("depth of point 1").fill("2")
    points = page.get_by_role("group", name="Points to try first")
    expect(points).to_contain_text("Point 1 is no point of the search space")
    choose(page, "Rules of", "Huawei ModelArts hyperparameter search")
    row = page.get_by_role("group", name="criterion", exact=True)
    expect(row).to_contain_text("Huawei ModelArts")


def test_a_job_ends_when_a_completion_rule_is_met(sign_in: SignIn, alice: Person, project: str) -> None:
    """F80: the target is reached long before the trials are used up, and the page says so."""
    page = sign_in("alice")
    begin(page, project, "soon")
    page.get_by_label("Target of f1").fill("0.01")
    page.get_by_label("At a time").fill("1")
    choose(page, "Strategy", "Random")
    start(page, "soon")
    job = alice.wait_for_job(project, "soon")
    assert job["counts"]["Completed"] < 10
    expect(page.get_by_text(re.compile("Target reached: trial 1 has"))).not_to_have_count(0)
    expect(page.get_by_role("region", name="Specification")).to_contain_text("f1 ≥ 0.01")


def test_hyperband_pauses_and_promotes_to_the_end(sign_in: SignIn, alice: Person, project: str) -> None:
    """F45, F72, C18: its early stopping is its own, so the form offers none beside it."""
    page = sign_in("alice")
    begin(page, project, "rungs")
    choose(page, "Early stopping", "Median stopping")
    choose(page, "Strategy", "Hyperband")
    expect(page.get_by_text("Early stopping is off")).to_be_visible()
    expect(chosen(page, "Early stopping")).to_have_count(0)
    choose(page, "mode", "promotion")
    page.get_by_label("reduction factor").fill("2")
    page.get_by_label("Value of epochs").fill("4")
    page.get_by_label("Value of pause").fill("0.2")
    page.get_by_label("Trials", exact=True).fill("6")
    start(page, "rungs")
    expect(page.get_by_label("Progress of the job")).to_contain_text("paused")
    job = alice.wait_for_job(project, "rungs")
    assert sum(job["counts"].values()) == 6
    assert job["counts"]["Completed"] >= 1
    assert "Paused" not in job["counts"]
    assert job["specification"]["early_stopping"] is None
    page.reload()
    decisions = page.get_by_role("region", name="Decisions").last
    expect(decisions.get_by_text("Promoted").first).to_be_attached()
    expect(decisions.get_by_text("Paused", exact=True).first).to_be_attached()
    page.get_by_role("button", name=re.compile("^Open trial")).first.click()
    expect(page.get_by_role("complementary", name=re.compile("^Trial"))).to_be_visible()


def test_trials_that_run_elsewhere_are_asked_for_and_told_of(sign_in: SignIn, alice: Person, project: str) -> None:
    """Made in the forms; then the very lines that the job's page shows run its trials."""
    page = sign_in("alice")
    page.goto(f"/projects/{project}/new-algorithm")
    page.get_by_role("textbox", name="Name", exact=True).fill("notebook")
    page.get_by_text("Runs elsewhere").click()
    page.get_by_label("Name of the hyperparameter").fill("x")
    page.get_by_label("Least x").fill("0")
    page.get_by_label("Greatest x").fill("1")
    page.get_by_label("Name of the metric").fill("score")
    page.get_by_role("button", name="Create the algorithm").click()
    expect(page.get_by_text("trials run elsewhere")).to_be_visible()
    page.get_by_role("link", name="Tune it").click()
    page.get_by_label("Name", exact=True).fill("asked")
    page.get_by_label("Trials", exact=True).fill("4")
    choose(page, "Strategy", "Random")
    start(page, "asked")
    lines = page.get_by_role("region", name="Lines to copy").inner_text()
    made = alice.post("/access-keys", {"name": project, "scopes": ["read", "write"], "project": project})
    train = "def train(epoch, values):\n    return values['x'] * (1 - 0.5 ** epoch)\n\n\n"
    run = [sys.executable, "-c", train + lines]
    subprocess.run(run, env={**os.environ, "HPT_KEY": f"{made['id']}.{made['secret']}"}, check=True, timeout=60)
    job = alice.wait_for_job(project, "asked")
    assert job["counts"] == {"Completed": 4}
    expect(page.locator("h1 + span")).to_contain_text("Completed")
    page.get_by_role("button", name="Open trial 1", exact=True).click()
    expect(page.get_by_role("complementary", name="Trial 1")).to_contain_text("what it prints stays where it runs")
