"""The job page while trials run: what it shows is what the database has, without a reload, over broken connections."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, WebSocketRoute, expect

from tests.e2e.conftest import Console
from tests.e2e.people import Person
from tests.service import Service, wait_for

SignIn = Callable[[str], Page]
SLOW = {"epochs": 400, "pause": 0.1}


def dots(page: Page) -> int:
    """How many trials the progress chart shows."""
    chart = page.get_by_role("img", name="f1 of every trial by its start, with the best so far")
    return chart.locator(".scatterlayer .trace .points path.point").count()


def test_trials_appear_and_the_job_ends_before_ones_eyes(sign_in: SignIn, alice: Person, project: str) -> None:
    page = sign_in("bob")
    alice.make_job(project, "live", trials=6, static={"epochs": 5, "pause": 0.15})
    page.goto(f"/projects/{project}/jobs/live")
    progress = page.get_by_role("region", name="Progress of the job")
    expect(page.get_by_role("banner").or_(page.locator("header")).get_by_text("Running").first).to_be_visible()
    expect(progress).to_contain_text("6 of 6 trials")
    expect(page.locator("h1 + span")).to_contain_text("Completed")
    wait_for(lambda: dots(page) == 6, 30, "six dots")
    job = alice.job(project, "live")
    best = page.get_by_role("region", name="Best trial")
    expect(best).to_contain_text(f"Trial {job['best']['trial']}")
    rows = page.get_by_role("table", name="Trials").get_by_role("row")
    expect(rows).to_have_count(7)


def test_the_table_is_the_databases_row_by_row(sign_in: SignIn, alice: Person, lab: str) -> None:
    page = sign_in("alice")
    page.goto(f"/projects/{lab}/jobs/first")
    expect(page.get_by_role("table", name="Trials").get_by_role("row")).to_have_count(9)
    for trial in alice.get(f"/projects/{lab}/jobs/first/trials")["items"]:
        row = page.get_by_role("row").filter(
            has=page.get_by_role("button", name=f"Open trial {trial['number']}", exact=True)
        )
        expect(row).to_contain_text(re.compile(rf"{trial['objective']:.5g}".rstrip("0")))
        expect(row).to_contain_text(trial["hyperparameters"]["criterion"])


def test_a_broken_connection_loses_and_doubles_nothing(
    sign_in: SignIn, console: Console, alice: Person, project: str
) -> None:
    """Design part 6: the page catches up from its cursor, however often its socket breaks."""
    console.allow("closed before the connection is established")  # the test's own connection, not the page's
    page = sign_in("alice")
    routes: list[WebSocketRoute] = []

    def through(route: WebSocketRoute) -> None:
        route.connect_to_server()
        routes.append(route)

    page.route_web_socket(re.compile(r"/ws/v1/"), through)
    alice.make_job(project, "broken", trials=8, static={"epochs": 8, "pause": 0.2})
    page.goto(f"/projects/{project}/jobs/broken")
    for _ in range(3):
        expect(page.get_by_role("status").get_by_text("live", exact=True)).to_be_visible()
        before = len(routes)
        routes[-1].close(code=1011, reason="test")
        wait_for(lambda before=before: page.evaluate("1") and len(routes) > before, 30, "the next socket")
    alice.wait_for_job(project, "broken")
    expect(page.locator("h1 + span")).to_contain_text("Completed")
    counts = alice.job(project, "broken")["counts"]
    expect(page.get_by_role("region", name="Progress of the job")).to_contain_text(f"{counts['Completed']} completed")
    wait_for(lambda: dots(page) == 8, 30, "eight dots")
    expect(page.get_by_role("table", name="Trials").get_by_role("row")).to_have_count(9)


def test_the_page_outlives_the_web_server(
    sign_in: SignIn, console: Console, service: Service, alice: Person, project: str
) -> None:
    """Design principle 3: kill -9 of the web process loses nothing; the page says that it waits, and catches up."""
    console.allow("WebSocket connection|Failed to load resource|ERR_CONNECTION")
    page = sign_in("alice")
    alice.make_job(project, "outlives", trials=6, static={"epochs": 10, "pause": 0.2})
    page.goto(f"/projects/{project}/jobs/outlives")
    status = page.get_by_role("status")
    expect(status.get_by_text("live", exact=True)).to_be_visible()
    service.kill("web")
    expect(status.get_by_text("reconnecting", exact=True)).to_be_visible()
    expect(page.locator("h1 + span")).to_contain_text("Completed", timeout=120_000)
    wait_for(lambda: dots(page) == 6, 60, "six dots")
    assert alice.wait_for_job(project, "outlives")["counts"] == {"Completed": 6}


def test_zoom_survives_what_arrives(sign_in: SignIn, alice: Person, project: str) -> None:
    page = sign_in("alice")
    alice.make_job(project, "zoom", trials=90, static={"epochs": 5, "pause": 0.1})
    page.goto(f"/projects/{project}/jobs/zoom")
    wait_for(lambda: dots(page) >= 4, 60, "some dots")
    read = "document.querySelector('.js-plotly-plot').layout.yaxis.range.join()"
    box = page.get_by_role("img", name="f1 of every trial by its start").locator(".nsewdrag").bounding_box()
    assert box
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 240, box["y"] + 140, steps=5)
    page.mouse.up()
    zoomed = page.evaluate(read)
    seen = alice.job(project, "zoom")["counts"].get("Completed", 0)
    wait_for(lambda: alice.job(project, "zoom")["counts"].get("Completed", 0) > seen + 3, 60, "more trials")
    page.wait_for_timeout(1500)
    assert page.evaluate(read) == zoomed
    alice.post(f"/projects/{project}/jobs/zoom/stop")


def test_a_trial_in_full(sign_in: SignIn, alice: Person, lab: str) -> None:
    """Parameters, metrics, log with search, attempts and the reasons of decisions with their numbers."""
    page = sign_in("alice")
    page.goto(f"/projects/{lab}/jobs/first")
    page.get_by_role("button", name="Open trial 2", exact=True).click()
    trial = page.get_by_role("complementary", name="Trial 2")
    expect(trial.get_by_role("region", name="Hyperparameters")).to_contain_text("criterion")
    expect(trial.get_by_role("region", name="Metrics")).to_contain_text("at step 5")
    expect(trial.get_by_role("region", name="Decisions")).to_contain_text("Suggested")
    expect(trial.get_by_role("region", name="Attempts")).to_contain_text("exit code 0")
    log = trial.get_by_role("log")
    expect(log).to_contain_text("epoch 5 pre:")
    trial.get_by_label("Find in the log").fill("epoch 4")
    expect(trial.get_by_text("1/1")).to_be_visible()
    expect(log.locator("mark")).to_have_text("epoch 4")
    page.keyboard.press("Escape")
    expect(trial).to_have_count(0)
    expect(page).to_have_url(re.compile("first$"))


def test_a_log_grows_while_one_reads_it(sign_in: SignIn, alice: Person, project: str) -> None:
    page = sign_in("alice")
    alice.make_job(project, "talks", trials=1, parallel=1, static=SLOW)
    page.goto(f"/projects/{project}/jobs/talks?trial=1")
    log = page.get_by_role("log")
    expect(log).to_contain_text("epoch 2 ")
    expect(log).to_contain_text("epoch 20 ")
    alice.post(f"/projects/{project}/jobs/talks/stop")


def test_stopping_a_trial_and_then_the_job(sign_in: SignIn, alice: Person, project: str) -> None:
    page = sign_in("bob")
    alice.make_job(project, "endless", trials=5, static=SLOW)
    page.goto(f"/projects/{project}/jobs/endless?trial=1")
    trial = page.get_by_role("complementary", name="Trial 1")
    expect(trial.get_by_role("region", name="Metrics")).to_contain_text("at step")
    trial.get_by_role("button", name="Stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop the trial").click()
    expect(trial.locator("header")).to_contain_text("Stopped")
    page.get_by_role("button", name="Stop", exact=True).first.click()
    grace = alice.job(project, "endless")["stop_grace_seconds"]
    words = f"{grace // 60} min" if grace >= 90 else f"{grace} s"
    expect(page.get_by_role("dialog")).to_contain_text(f"told to end, with {words} for a last checkpoint")
    page.get_by_role("dialog").get_by_role("button", name="Stop the job").click()
    expect(page.locator("h1 + span")).to_contain_text("Stopped")
    assert alice.wait_for_job(project, "endless", ("Stopped",))["counts"].get("Running", 0) == 0


def test_a_job_whose_trials_fail_says_why(sign_in: SignIn, alice: Person, project: str) -> None:
    page = sign_in("alice")
    alice.make_job(project, "fails", trials=2, parallel=1, static={"epochs": 0, "pause": 0})
    alice.wait_for_job(project, "fails", ("Completed", "Failed"))
    page.goto(f"/projects/{project}/jobs/fails?trial=1")
    trial = page.get_by_role("complementary", name="Trial 1")
    expect(trial.locator("header")).to_contain_text("Failed")
    expect(trial).to_contain_text("f1")
    expect(page.get_by_text(re.compile("No trial has reported 'f1' yet")).first).to_be_visible()
