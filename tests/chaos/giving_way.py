"""Spot trials give way to a guarantee while somebody is killed: they are asked to end, have time for a checkpoint, and
go on from it when there is room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import psycopg

from tests.chaos import work
from tests.chaos.evidence import Evidence, as_document
from tests.chaos.scene import PATIENCE, Scene
from tests.chaos.work import Work
from tests.service import wait_for

GUEST = Work(trials=2, parallel=2, lines=10)
PROTECTED_SECONDS = 61  # nobody gives way who has run for less than a minute
CAUSE = {
    "the wish to stop it is committed, and nobody has told it": "stop.committed",
    "it writes its checkpoint": "",
    "its end is written, and not committed": "result.written",
    "its end is committed, and nobody was nudged": "result.committed",
}


def give_way(scene: Scene) -> None:
    """Another team, to which two places are guaranteed, asks for them while a spot job has all; somebody is killed."""
    wait_for(lambda: len(scene.alive()) == scene.work.parallel, PATIENCE, "spot trials hold every place")
    wait_for(lambda: all(row["objective"] is not None for row in scene.lab.trials(scene.name)), PATIENCE, "they report")
    _grow_older(scene)
    moment = scene.dice.choice(list(CAUSE))
    step = CAUSE[moment]
    if step and scene.stage.crash_points is not None:
        scene.arm(step, "SIGKILL")  # type: ignore[arg-type]
    project, name = scene.guest = (f"guest-{scene.name}", "guest")
    _invite(scene, project, name)
    scene.kills += GUEST.trials  # so many go on later
    scene.tell(f"a job of another team asks for the {GUEST.trials} places that are guaranteed to it")
    if step and scene.stage.crash_points is not None:
        armed = scene.stage.crash_points / step
        wait_for(lambda: not armed.exists(), PATIENCE, f"some process comes to {step}")
    else:
        wait_for(lambda: "writes" in _notes(scene), PATIENCE, "a spot trial writes its checkpoint")
        for part in ("worker", "follower"):
            scene.stage.kill(part)
    scene.tell(f"SIGKILL to whoever was at it, when of the first that gives way {moment}")
    over = f"/projects/{project}/jobs/{name}"
    wait_for(
        lambda: scene.lab.get(over)["state"] == "Completed", 2 * PATIENCE, "the job for which they gave way is over"
    )
    scene.lab.delete(f"/teams/{project}/shares/cpu")


def _grow_older(scene: Scene) -> None:
    """A minute goes by, for the rows."""
    with psycopg.connect(scene.stage.database_url, autocommit=True) as db:
        query = "UPDATE jobs_attempt SET created_at = created_at - %s * interval '1 s' WHERE ended_at IS NULL"
        db.execute(query.encode(), [PROTECTED_SECONDS])


def _invite(scene: Scene, project: str, name: str) -> None:
    lab = scene.lab
    lab.post("/projects", {"slug": project, "name": project})
    lab.post("/teams", {"name": project, "projects": [project]})
    lab.post(f"/teams/{project}/shares", {"pool": "cpu", "guaranteed": GUEST.trials})
    work.prepare(lab, project)
    lab.post(f"/projects/{project}/jobs", work.document(lab, name, GUEST, {}))


def _notes(scene: Scene) -> str:
    return (scene.lab.folder / scene.name).read_text()


def gave_way(e: Evidence) -> Iterator[str]:
    """As many as were needed gave way, each once, for a reason; they went on from where they stood, and no failure."""
    gone = [attempt for attempt in e.attempts if attempt["outcome"] == "preempted"]
    if len(gone) != GUEST.trials:
        yield f"{len(gone)} attempts were pre-empted, {GUEST.trials} places were needed"
    used = {row["attempt_id"]: row["outcome"] for row in e.usage}
    told = Counter(decision["trial_id"] for decision in e.decisions if decision["kind"] == "preempt")
    states = {
        (as_document(event["data"])["number"], as_document(event["data"])["state"])
        for event in e.events
        if event["kind"] == "trial"
    }
    for attempt in gone:
        number = attempt["trial"]
        if used.get(attempt["id"]) != "preempted":
            yield f"attempt {attempt['token']} is no preempted one in the usage ledger: {used.get(attempt['id'])}"
        if not told[attempt["trial_id"]]:
            yield f"nobody said why trial {number} gave way"
        if (number, "Queued") not in states:
            yield f"no event tells that trial {number} waits again"
        after = [a for a in e.attempts if a["trial"] == number and a["number"] > attempt["number"]]
        if not after or not after[0]["resumed"]:
            yield f"trial {number} gave way and did not go on from its checkpoint"
        steps = [step for a in e.attempts if a["trial"] == number for step, _ in e.stored.get(a["id"], [])]
        if steps != list(range(1, e.work.lines + 1)):
            yield f"trial {number} printed its points {steps}, over its attempts"
    if lost := [a["token"] for a in e.attempts if a["outcome"] not in ("preempted", "exited")]:
        yield f"attempts ended otherwise: {lost}"
    if [(trial["state"], trial["attempt"]) for trial in e.guest] != GUEST.trials * [("Completed", 1)]:
        yield f"the job for which they gave way: {[(trial['state'], trial['attempt']) for trial in e.guest]}"
