"""The queue, usage, and what only administrators see: pools, teams, limits and the host (root, alice, bob, charlie)."""

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Console
from tests.e2e.forms import choose
from tests.e2e.people import Person
from tests.service import Service, wait_for

SignIn = Callable[[str], Page]


@pytest.fixture(scope="module")
def root(service: Service) -> Iterator[Person]:
    """The administrator; whatever is left of pools, teams and limits is taken away at the end."""
    person = Person(service, "root")
    yield person
    for quota in person.get("/quotas")["items"]:
        person.client.delete(f"/quotas/{quota['id']}")
    for team in person.get("/teams")["items"]:
        person.client.patch(f"/teams/{team['name']}", json={"projects": []})
        person.client.delete(f"/teams/{team['name']}")
    person.client.delete("/pools/cpu")


def panel(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def submit(page: Page, verb: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=verb, exact=True).click()


def test_the_queue_shows_who_is_on_which_place_and_why_others_wait(
    sign_in: SignIn, alice: Person, project: str
) -> None:
    """demands 21: who holds what, the place in line; live; of other projects only numbers."""
    slots = next(pool["devices"] for pool in alice.get("/queue")["pools"] if pool["name"] == "cpu")
    alice.make_job(project, "wide", trials=slots + 3, parallel=slots + 2, static={"epochs": 600, "pause": 0.5})

    def full() -> bool:
        return bool(alice.job(project, "wide")["counts"].get("Running") == slots)

    wait_for(full, 60, "every slot is taken")
    page = sign_in("bob")
    page.goto("/projects")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Queue").click()
    places = page.get_by_role("list", name="Places of CPU slots")
    expect(places.get_by_role("listitem")).to_have_count(slots)
    expect(places.get_by_role("link", name="wide", exact=True)).to_have_count(slots)
    waiting = panel(page, "Waiting")
    expect(waiting).to_contain_text(f"2 more trials could run, but this host runs {slots} at once: wide {slots}.")
    expect(waiting.get_by_title("Number 1 of 1 in line")).to_be_visible()
    stranger = _as_charlie(page)
    assert "wide" not in str(stranger) and project not in str(stranger)
    assert stranger["pools"][0]["others"] == {"jobs": 1, "held": slots, "missing": 2}
    places.get_by_role("link", name="Trial 1 of wide", exact=True).click()
    expect(page.get_by_role("complementary", name="Trial 1")).to_be_visible()
    page.go_back()
    expect(places).to_be_visible()
    alice.post(f"/projects/{project}/jobs/wide/stop")
    expect(places.get_by_text("free")).to_have_count(slots)  # without a reload
    expect(panel(page, "Waiting")).to_contain_text("Nothing of yours runs or waits")


def _as_charlie(page: Page) -> dict[str, list[dict[str, object]]]:
    """What an outsider's queue says at the same time."""
    service = type("At", (), {"url": page.url.partition("/queue")[0]})
    found: dict[str, list[dict[str, object]]] = Person(service, "charlie").get("/queue")  # type: ignore[arg-type]
    return found


def test_an_administrator_shares_out_a_pool(sign_in: SignIn, root: Person, project: str, console: Console) -> None:
    console.allow("400")
    page = sign_in("root")
    page.goto("/administration/teams")
    page.get_by_role("button", name="New team").first.click()
    page.get_by_label("Name").fill("-")
    submit(page, "Make the team")
    expect(page.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Name").fill("vision")
    page.get_by_role("combobox", name="Projects").click()
    page.get_by_role("option", name=project, exact=True).click()
    page.keyboard.press("Escape")  # the list; the dialog stays
    submit(page, "Make the team")
    expect(page.get_by_role("row", name=re.compile(f"vision.*{project}"))).to_be_visible()

    page.get_by_role("link", name="Pools and shares", exact=True).click()
    cpu = panel(page, "CPU slots")
    cpu.get_by_role("button", name="Size of cpu").click()
    page.get_by_label("Slots that are given to trials").fill("many")
    submit(page, "Set the size")
    expect(page.get_by_role("dialog").get_by_text("whole number")).to_be_visible()
    page.get_by_label("Slots that are given to trials").fill("3")
    expect(page.get_by_role("dialog")).to_contain_text("stops no trial")
    submit(page, "Set the size")
    expect(cpu).to_contain_text("set by an administrator")
    assert root.get("/pools")[0]["devices"] == 3

    cpu.get_by_role("button", name="Give a share of cpu").click()
    page.get_by_label("Guaranteed").fill("2")
    page.get_by_label("At most").fill("1")
    submit(page, "Give the share")
    expect(page.get_by_text("less than the 2 that are guaranteed")).to_be_visible()
    page.get_by_label("At most").fill("")
    submit(page, "Give the share")
    expect(cpu.get_by_role("row", name=re.compile("vision.*2.*no cap"))).to_be_visible()
    assert root.get("/teams/vision")["shares"] == [
        {"pool": "cpu", "guaranteed": 2, "cap": None, "weight": 1.0, "lends": None}
    ]


def test_an_administrator_sets_limits_beside_what_is_used(
    sign_in: SignIn, root: Person, lab: str, console: Console
) -> None:
    console.allow("400")
    page = sign_in("root")
    page.goto("/administration/quotas")
    page.get_by_role("button", name="New limit").first.click()
    page.get_by_label("Person").fill("nobody")
    choose(page, "What is limited", "Stored bytes")
    page.get_by_label("Limit, GB").fill("1")
    submit(page, "Set the limit")
    expect(page.get_by_label("Person")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("there is no account of that name")).to_be_visible()
    page.get_by_label("Person").fill("alice")
    submit(page, "Set the limit")
    row = page.get_by_role("row", name=re.compile("alice.*Stored bytes"))
    expect(row).to_contain_text("1.0 GB")
    (quota,) = root.get("/quotas")["items"]
    assert (quota["user"], quota["limit"]) == ("alice", 10**9)
    assert quota["used"] > 0
    row.get_by_role("button", name=re.compile("^Change")).click()
    page.get_by_label("Limit, GB").fill("0")
    expect(page.get_by_role("dialog")).to_contain_text("less than is used now. What is there stays")
    submit(page, "Set the limit")
    expect(row).to_contain_text("over")
    row.get_by_role("button", name=re.compile("^Take away")).click()
    submit(page, "Take it away")
    expect(page.get_by_text("No limit yet")).to_be_visible()


def test_usage_is_the_sum_of_the_ledger(sign_in: SignIn, lab: str, tmp_path: Path, alice: Person) -> None:
    """quotas C: every figure equals the sum of its list, and the list can be taken along."""
    page = sign_in("bob")
    page.goto(f"/usage?project={lab}&range=7")
    sums = panel(page, "Sums")
    sums.get_by_text("Job", exact=True).click()
    expect(sums.get_by_role("row", name=re.compile(r"^first lab.* 8$"))).to_be_visible()
    expect(sums.get_by_role("row", name=re.compile(r"^All.* 13$"))).to_be_visible()
    sums.get_by_text("Outcome", exact=True).click()
    sums.get_by_role("button", name="Completed").click()
    expect(page).to_have_url(re.compile("outcome=completed"))
    expect(page.get_by_text(re.compile("Only"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    download.value.save_as(tmp_path / "usage.csv")
    rows = list(csv.DictReader((tmp_path / "usage.csv").open()))
    total = alice.get(f"/projects/{lab}/usage", outcome="completed")["total"]
    assert (len(rows), total["attempts"]) == (13, 13)
    assert sum(float(row["seconds"]) for row in rows) == pytest.approx(total["seconds"])


def test_the_host_says_what_is_in_use_and_what_lives(sign_in: SignIn) -> None:
    page = sign_in("root")
    page.goto("/host")
    for name in ("Processors", "Memory", "Disk"):
        expect(page.get_by_role("meter", name=name)).to_be_visible()
    service = panel(page, "Service")
    for part in ("web", "worker", "follower"):
        expect(service.get_by_role("row", name=re.compile(f"^{part}.* ago$"))).to_be_visible()


@pytest.mark.parametrize("who", ["bob", "charlie"])
def test_others_than_administrators_find_no_administration(
    sign_in: SignIn, lab: str, who: str, console: Console
) -> None:
    console.allow("404")
    page = sign_in(who)
    for address in ("/host", "/administration", "/administration/quotas"):
        page.goto(address)
        expect(page.get_by_text("This page is for administrators")).to_be_visible()
    main = page.get_by_role("navigation", name="Main")
    expect(main.get_by_role("link", name="Queue")).to_be_visible()
    for name in ("Host", "Administration"):
        expect(main.get_by_role("link", name=name)).to_have_count(0)
    page.goto(f"/usage?project={lab}")
    seen = "The ledger" if who == "bob" else "Nothing is here"
    expect(page.get_by_text(seen)).to_be_visible()
