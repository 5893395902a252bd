"""Jobs and trials that are paused, changed and run again on their page (F29, F30), by whoever may and nobody else."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Console
from tests.e2e.people import HYPERPARAMETERS, METRICS, Person
from tests.service import wait_for

SignIn = Callable[[str], Page]

# Goes on from the epoch that it kept; told so, its first attempt fails half-way.
SCRIPT = """\
import argparse
import os
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
parser.add_argument("--epochs", type=int)
parser.add_argument("--pause", type=float)
parser.add_argument("--failing", type=int, default=0)
parser.add_argument("--resume-from", type=Path)
options, _ = parser.parse_known_args()
done = int((options.resume_from / "epoch").read_text()) if options.resume_from else 0
print(f"begins after epoch {done}", flush=True)
for epoch in range(done + 1, options.epochs + 1):
    print(f"epoch {epoch} pre: 0.5 rec: 0.5 f1: {options.depth / 20 * (1 - 0.5 ** epoch):.4f}", flush=True)
    draft = Path(os.environ["HPT_CHECKPOINTS"], "draft")
    draft.write_text(str(epoch))
    draft.rename(draft.with_name("epoch"))
    if options.failing and os.environ["HPT_ATTEMPT_NUMBER"] == "1" and 2 * epoch > options.epochs:
        sys.exit("the loss is not finite")
    time.sleep(options.pause)
Path(os.environ["SM_MODEL_DIR"], "weights.txt").write_text("w" * 1500)
"""


@pytest.fixture
def resumable(alice: Person, project: str) -> str:
    """The test's project, whose algorithm keeps checkpoints."""
    failing = {"name": "failing", "type": "integer", "default": 0, "tunable": False}
    alice.post(
        f"/projects/{project}/algorithms/forest/versions",
        {
            "source": {"files": {"train.py": SCRIPT}},
            "entry_point": "train.py",
            "hyperparameters": [*HYPERPARAMETERS, failing],
            "metrics": METRICS,
            "objectives": [{"metric": "f1", "goal": "maximize"}],
            "channels": [{"name": "train", "required": True}],
        },
    )
    return project


def ask(at: Page | Locator, button: str) -> Locator:
    """Press a button that asks first; its dialog."""
    at.get_by_role("button", name=button, exact=True).click()
    page = at if isinstance(at, Page) else at.page
    return page.get_by_role("dialog")


def say(dialog: Locator, verb: str) -> None:
    dialog.get_by_role("button", name=verb, exact=True).click()


def test_a_job_is_paused_changed_unpaused_and_extended(
    sign_in: SignIn, console: Console, alice: Person, resumable: str
) -> None:
    page = sign_in("bob")
    alice.make_job(resumable, "patient", trials=1, parallel=1, static={"epochs": 250, "pause": 0.1})
    page.goto(f"/projects/{resumable}/jobs/patient?trial=1")
    state, progress = page.locator("h1 + span"), page.get_by_role("region", name="Progress of the job")
    trial = page.get_by_role("complementary", name="Trial 1")
    expect(trial.get_by_role("region", name="Metrics")).to_contain_text("at step")

    dialog = ask(page, "Pause")
    dialog.get_by_role("radio", name="stop them now").check()
    say(dialog, "Pause the job")
    expect(state).to_contain_text("Paused")
    expect(page.locator("header", has=page.locator("h1"))).to_contain_text("Paused by bob.")
    expect(trial.locator("header")).to_contain_text("Queued")

    dialog = ask(page, "Limits")
    dialog.get_by_label("At a time").fill("3")
    dialog.get_by_label("Target of f1").fill("0.99")
    dialog.get_by_label("The best").fill("2")
    say(dialog, "Change the job")
    expect(progress).to_contain_text("3 at a time")

    say(ask(page, "Unpause"), "Unpause the job")
    expect(state).to_contain_text("Completed")
    expect(trial.get_by_role("region", name="Metrics")).to_contain_text("at step 250")
    log = alice.get(f"/projects/{resumable}/jobs/patient/trials/1/logs", offset=0)
    assert re.match("begins after epoch [1-9]", log["text"]), log

    console.allow("400")
    dialog = ask(page, "Extend")
    expect(dialog.get_by_role("button", name="Extend the job")).to_be_disabled()
    dialog.get_by_label("Trials", exact=True).fill("0")
    say(dialog, "Extend the job")
    expect(dialog.get_by_role("alert")).to_contain_text("Nothing is changed yet")
    expect(dialog.get_by_label("Trials", exact=True)).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("Trials", exact=True).fill("2")
    say(dialog, "Extend the job")
    expect(progress).to_contain_text("2 of 2 trials")
    expect(state).to_contain_text("Completed")
    rules = alice.job(resumable, "patient")["specification"]
    assert (rules["limits"]["max_trials"], rules["limits"]["max_parallel"]) == (2, 3)
    assert (rules["completion"]["target"], rules["keep"]) == (0.99, {"best": 2, "last": 1})


def test_a_failed_trial_is_retried_and_run_again(
    sign_in: SignIn, alice: Person, resumable: str, tmp_path: Path
) -> None:
    page = sign_in("bob")
    alice.make_job(resumable, "fragile", trials=1, parallel=1, static={"epochs": 6, "pause": 0, "failing": 1})
    alice.wait_for_job(resumable, "fragile", ("Completed", "Failed"))
    page.goto(f"/projects/{resumable}/jobs/fragile?trial=1")
    trial = page.get_by_role("complementary", name="Trial 1")
    expect(trial.locator("header")).to_contain_text("Failed")
    expect(trial.get_by_role("region", name="Files")).to_contain_text("None in model/")

    dialog = ask(trial, "Retry")
    expect(dialog.get_by_role("radio", name="from its checkpoint")).to_be_checked()
    say(dialog, "Retry the trial")
    expect(trial.locator("header")).to_contain_text("Completed")
    expect(trial.get_by_role("button", name="Retry")).to_have_count(0)
    trial.get_by_role("link", name="Continue", exact=True).click()
    expect(page.get_by_role("heading", name="Continue fragile/1", level=1)).to_be_visible()
    expect(page.get_by_text("Nothing stands against starting it.")).to_be_visible()
    page.get_by_label("Trials to continue").first.fill("fragile/9")
    page.keyboard.press("Enter")
    expect(page.get_by_text("no tuning job of this project has that trial").first).to_be_visible()
    page.go_back()
    expect(trial.get_by_role("log")).to_contain_text("begins after epoch 4")

    files = trial.get_by_role("region", name="Files")
    expect(files.get_by_role("row", name="model/weights.txt")).to_contain_text("1.5 kB")
    with page.expect_download() as download:
        files.get_by_role("link", name="model/weights.txt").click()
    download.value.save_as(tmp_path / "weights.txt")
    assert (tmp_path / "weights.txt").read_text() == "w" * 1500

    say(ask(trial, "Re-run"), "Run it again")
    again = page.get_by_role("complementary", name="Trial 2")
    expect(again.get_by_role("region", name="Decisions")).to_contain_text("once more, as bob asked")
    same = "hyperparameters"
    trials = alice.get(f"/projects/{resumable}/jobs/fragile/trials")["items"]
    assert trials[0][same] == trials[1][same]

    dialog = ask(again, "Re-run")
    depth = 7 if trials[0][same]["depth"] != 7 else 8
    dialog.get_by_label("depth").fill(str(depth))
    say(dialog, "Run it changed")
    changed = page.get_by_role("complementary", name="Trial 3")
    why = f"Trial 2 with depth = {depth}, as bob asked"
    expect(changed.get_by_role("region", name="Decisions")).to_contain_text(why)
    expect(changed.get_by_role("region", name="Use")).to_contain_text(re.compile("looked at|processors"))

    clean_up(page, alice, resumable)
    page.goto(f"/projects/{resumable}/jobs/fragile?trial=2")  # as good as the first one, so never the best
    expect(again.get_by_role("region", name="Files")).to_contain_text("Removed to save space")


def clean_up(page: Page, alice: Person, project: str) -> None:
    """What trials left goes by prefix, once one has seen what that is; the job itself is the owner's."""
    left = lambda: alice.get(f"/projects/{project}/storage")["checkpoints"]  # noqa: E731
    asked = {"what": ["outputs", "checkpoints"], "prefix": "frag", "rehearsal": True}
    told = lambda: str(alice.post(f"/projects/{project}/clean-up", asked))  # noqa: E731
    wait_for(lambda: "the best of" in told() and "just written" not in told(), 60, "what the trials left is counted")
    page.goto(f"/projects/{project}/storage")
    cleaning = page.get_by_role("region", name="Clean up")
    expect(cleaning.get_by_role("checkbox", name="Whole jobs")).to_be_disabled()
    cleaning.get_by_label("Names that begin with").fill("frag")
    cleaning.get_by_role("button", name="Show what would go").click()
    expect(cleaning.get_by_role("status").first).to_contain_text(
        re.compile("fragile/[123]: it is the best of its job")  # the last is, if it was given a greater depth
    )
    cleaning.get_by_role("checkbox", name="Exactly this name").check()
    expect(cleaning.get_by_role("button", name=re.compile("^Delete"))).to_have_count(0)  # that was another question
    cleaning.get_by_role("checkbox", name="Exactly this name").uncheck()
    cleaning.get_by_role("button", name="Show what would go").click()
    expect(cleaning.get_by_role("status").first).to_contain_text(
        re.compile("Would be deleted: the files of [12] trials?")
    )
    assert left() > 0
    say(ask(cleaning, cleaning.get_by_role("button", name=re.compile("^Delete")).inner_text()), "Delete")
    expect(cleaning.get_by_role("status").first).to_contain_text("Deleted: the files of")


def test_a_viewer_looks_and_changes_nothing(sign_in: SignIn, lab: str) -> None:
    page = sign_in("bob")
    page.goto(f"/projects/{lab}/jobs/first?trial=1")
    trial = page.get_by_role("complementary", name="Trial 1")
    expect(trial.get_by_role("region", name="Files")).to_contain_text("None in model/")
    expect(
        page.get_by_role("button", name=re.compile("^(Extend|Limits|Pause|Resume|Retry|Re-run|Stop)$"))
    ).to_have_count(0)
    page.goto(f"/projects/{lab}/storage")
    expect(page.get_by_role("region", name="By job").get_by_role("link", name="first")).to_be_visible()
    expect(page.get_by_role("region", name="Clean up")).to_have_count(0)
    kept = page.get_by_role("region", name="Kept of trials that are over")
    expect(kept).to_contain_text("Checkpoints and outputs of all trials")
    expect(kept.get_by_role("button")).to_have_count(0)
