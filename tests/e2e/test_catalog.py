"""Projects, members, datasets and algorithms by hand, as a newcomer makes them."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Console
from tests.e2e.forms import choose, chosen
from tests.e2e.people import CSV, SCRIPT, Person

SignIn = Callable[[str], Page]


def test_a_project_from_nothing(sign_in: SignIn, console: Console, lab: str) -> None:
    console.allow(r"40[09]")
    page = sign_in("alice")
    page.goto("/projects")
    page.get_by_role("button", name="New project").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("Größe & Form")
    expect(dialog.get_by_label("Name in addresses")).to_have_value("gro-e-form")
    dialog.get_by_label("Name in addresses").fill(lab)
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.get_by_role("alert")).to_contain_text(lab)
    dialog.get_by_label("Name in addresses").fill("forms")
    dialog.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Größe & Form")).to_be_visible()
    expect(page.get_by_text("First, something to tune")).to_be_visible()


def test_members_come_change_and_go(sign_in: SignIn, console: Console, alice: Person, project: str) -> None:
    console.allow(r"40[0-9]")
    page = sign_in("alice")
    page.goto(f"/projects/{project}/members")
    page.get_by_label("Name of the account").fill("nobody-of-that-name")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_label("Name of the account")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Name of the account").fill("charlie")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("cell", name="charlie", exact=True)).to_be_visible()
    choose(page, "Role of charlie", "Editor")
    expect(chosen(page, "Role of charlie")).to_have_value(re.compile("Editor"))
    roles = {member["username"]: member["role"] for member in alice.get(f"/projects/{project}/members")["items"]}
    assert roles == {"alice": "owner", "bob": "editor", "charlie": "editor"}
    page.get_by_role("button", name="Remove charlie").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("cell", name="charlie", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Remove alice").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("owner")


def test_a_dataset_is_uploaded_and_looked_at(sign_in: SignIn, alice: Person, project: str, tmp_path: Path) -> None:
    file = tmp_path / "more.csv"
    file.write_text(CSV)
    page = sign_in("bob")
    page.goto(f"/projects/{project}/datasets")
    page.get_by_role("button", name="New dataset").click()
    page.get_by_role("dialog").get_by_label("Name").fill("uploads")
    page.get_by_role("button", name="Create, then upload").click()
    expect(page.get_by_text("Nothing uploaded yet")).to_be_visible()
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text("more.csv is version 1")).to_be_visible()
    preview = page.get_by_role("region", name="First rows")
    expect(preview.get_by_role("columnheader", name="label")).to_be_visible()
    expect(preview.get_by_role("row").nth(2)).to_contain_text("1")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert Path(download.value.path()).read_text() == CSV
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name="rows")).to_be_visible()
    names = [dataset["name"] for dataset in alice.get(f"/projects/{project}/datasets")["items"]]
    assert names == ["rows"]


def test_an_upload_that_breaks_says_so_and_keeps_nothing(
    sign_in: SignIn, console: Console, alice: Person, project: str, tmp_path: Path
) -> None:
    console.allow(r"ERR_|Failed to load")
    file = tmp_path / "cut.csv"
    file.write_text(CSV)
    page = sign_in("alice")
    page.goto(f"/projects/{project}/datasets/rows")
    page.route("**/versions?filename=*", lambda route: route.abort("connectionreset"))
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_role("alert")).to_contain_text("Nothing was kept")
    assert len(alice.get(f"/projects/{project}/datasets/rows/versions")["items"]) == 1


def test_an_algorithm_is_written_tried_and_tuned(
    sign_in: SignIn, console: Console, alice: Person, project: str
) -> None:
    console.allow(r"400")
    page = sign_in("bob")
    page.goto(f"/projects/{project}/new-algorithm")
    page.get_by_role("textbox", name="Name", exact=True).fill("pasted")
    page.get_by_label("Text of train.py").fill(SCRIPT)
    page.get_by_label("Name of the hyperparameter").fill("depth")
    choose(page, "Type of depth", "integer")
    page.get_by_label("Least depth").fill("9")
    page.get_by_label("Greatest depth").fill("1")
    page.get_by_label("Name of the metric").fill("f1")
    page.get_by_label("Regular expression of f1").fill("f1: [0-9.]+")
    lab = page.get_by_role("status", name="What would be read")
    expect(lab).to_contain_text("no group")
    page.get_by_role("button", name="Create the algorithm").click()
    expect(page.get_by_label("Least depth")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Regular expression of f1")).to_have_attribute("aria-invalid", "true")
    # Nothing half-made stays behind (the algorithm without a version).
    assert [algorithm["name"] for algorithm in alice.get(f"/projects/{project}/algorithms")["items"]] == ["forest"]

    page.get_by_label("Least depth").fill("1")
    page.get_by_label("Greatest depth").fill("9")
    page.get_by_label("Regular expression of f1").fill(r"f1:\s+(-?[0-9.]+)")
    page.get_by_label("Metric lab").fill("epoch 1 f1: 0.25\nnothing\nepoch 2 f1: 0.5 f1: nan")
    expect(lab).to_contain_text("2 values 0.25, 0.5")
    page.get_by_role("button", name="Create the algorithm").click()
    expect(page.get_by_role("heading", name="pasted")).to_be_visible()
    expect(page.get_by_role("region", name="train.py")).to_contain_text("argparse.ArgumentParser()")
    page.get_by_role("link", name="Tune it").click()
    expect(page.get_by_label("Greatest depth")).to_have_value("9")


def test_a_new_version_begins_as_the_newest(sign_in: SignIn, alice: Person, project: str) -> None:
    page = sign_in("alice")
    page.goto(f"/projects/{project}/algorithms/forest")
    page.get_by_role("link", name="New version").click()
    page.get_by_label("Default of epochs").fill("7")
    choose(page, "Declare it to be the same algorithm as", "the same as v1")
    page.get_by_role("button", name="Add the version").click()
    expect(chosen(page, "Version")).to_have_value("v2")
    version = alice.get(f"/projects/{project}/algorithms/forest/versions/2")
    assert version["equivalent_to"] == 1
    assert version["hyperparameters"][3]["default"] == 7
