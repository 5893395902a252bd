"""Pools, teams, shares and quotas are the administrators'; the queue is everybody's, each with their own projects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from hpt_web.accounts.models import AuditEvent, Pool, PoolShare, Project, Quota, Team
from hpt_web.jobs.models import Attempt, Trial, TuningJob
from hpt_web.jobs.sharing.counting import forecast
from tests import factories
from tests.factories import World
from tests.web.api.kit import Api


@pytest.fixture(autouse=True)
def host(settings: Settings) -> None:
    settings.HPT_TRIAL_SLOTS = 4
    settings.HPT_GPUS = "0:80GB,1:80GB"


# --- who may ----------------------------------------------------------------------------------------------------------

ADMINS = [
    ("POST", "pools", {"name": "x", "devices": 1}),
    ("PATCH", "pools/cpu", {"devices": 1}),
    ("DELETE", "pools/cpu", {}),
    ("GET", "teams", None),
    ("POST", "teams", {"name": "x"}),
    ("GET", "teams/x", None),
    ("PATCH", "teams/x", {"name": "y"}),
    ("DELETE", "teams/x", {}),
    ("GET", "teams/x/shares", None),
    ("POST", "teams/x/shares", {"pool": "cpu"}),
    ("PATCH", "teams/x/shares/cpu", {"cap": 1}),
    ("DELETE", "teams/x/shares/cpu", {}),
    ("POST", "quotas", {"resource": "running_trials", "limit": 1}),
    ("PATCH", "quotas/1", {"limit": 1}),
    ("DELETE", "quotas/1", {}),
]


@pytest.mark.parametrize("who", ["alice", "bob", "charlie"])
def test_only_administrators(world: World, who: str) -> None:
    before = AuditEvent.objects.count()
    for verb, path, body in ADMINS:
        answer = Api(getattr(world, who)).call(verb, path, {} if body is None else body)
        assert (answer.status, answer.json["type"]) == (403, "forbidden"), (verb, path)
        assert "Only an administrator" in answer.json["detail"]
    assert AuditEvent.objects.count() == before


def test_an_administrators_key_for_reading_changes_nothing(world: World) -> None:
    api = Api(bearer=factories.access_key(world.root, scopes=["read"])[1])
    for verb, path, body in ADMINS:
        if verb != "GET":
            assert api.call(verb, path, body).status == 403, (verb, path)


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        ("pools", {}, {"name", "devices"}),
        ("pools", {"name": "a b", "devices": -1, "memory_bytes": 0, "x": 3}, {"name", "devices", "memory_bytes", "x"}),
        ("teams", {"name": "-", "projects": ["lab", "nowhere"]}, {"name", "projects[1]"}),
        ("teams", {"name": "vision", "projects": "lab"}, {"name", "projects"}),
        ("teams/vision/shares", {"pool": "z", "guaranteed": 5, "cap": 4, "weight": 0}, {"pool", "cap", "weight"}),
        ("pools", {"name": "x", "devices": 1, "price": -1, "min_run_seconds": 1e9}, {"price", "min_run_seconds"}),
        ("teams/vision/shares", {"pool": "cpu", "guaranteed": "all"}, {"guaranteed"}),
        ("teams/vision/shares", {"pool": "cpu", "guaranteed": 2, "lends": 3}, {"lends"}),
        ("quotas", {}, {"resource", "limit"}),
        ("quotas", {"resource": "devices", "limit": -1, "user": "no"}, {"limit", "user", "pool"}),
        ("quotas", {"resource": "queued_jobs", "limit": 1.5, "project": "no"}, {"limit", "project"}),
        ("quotas", {"resource": "running_trials", "limit": 1, "pool": "cpu"}, {"pool"}),
        ("quotas", {"resource": "wishes", "limit": 1}, {"resource"}),
    ],
)  # fmt: skip
def test_every_fault_is_named_at_once(root: Api, path: str, body: Any, fields: set[str]) -> None:
    assert root.post("teams", {"name": "vision"}).status == 201
    before = AuditEvent.objects.count()
    answer = root.post(path, body)
    assert answer.status == 400
    assert set(answer.fields) == fields
    assert AuditEvent.objects.count() == before
    assert (Pool.objects.count(), PoolShare.objects.count(), Quota.objects.count()) == (0, 0, 0)


NOW = datetime(2026, 3, 4, tzinfo=UTC)
ENDS = NOW + timedelta(days=5)


@pytest.mark.parametrize(
    ("so_far", "lately", "at_end", "reached"),
    [
        (10, 0, 10, None),
        (10, 14, 20, None),  # 2 a day
        (10, 70, 60, NOW + timedelta(days=4)),  # 10 a day, to 50
        (50, 0, 50, NOW),
        (49, 1.4, 50, None),
    ],
)
def test_where_gpu_hours_go_is_told_by_the_last_days(
    so_far: float, lately: float, at_end: float, reached: datetime | None
) -> None:
    assert forecast(so_far, 50, lately, NOW, ENDS) == (pytest.approx(at_end), ENDS, reached)


def test_limits_with_a_period_have_a_forecast(root: Api) -> None:
    hours = root.post("quotas", {"resource": "gpu_hours_per_month", "limit": 5}).json["forecast"]
    assert (hours["at_end"], hours["reached"], hours["ends"][8:]) == (0, None, "01T00:00:00.000Z")
    assert root.post("quotas", {"resource": "queued_jobs", "limit": 5}).json["forecast"] is None


# --- teams ------------------------------------------------------------------------------------------------------------


def test_a_team_has_projects_and_shares(root: Api) -> None:
    made = root.post("teams", {"name": "vision", "projects": ["lab"]})
    assert (made.status, made.json["projects"], made.json["shares"]) == (201, ["lab"], [])
    share = root.post("teams/vision/shares", {"pool": "cpu", "guaranteed": 2})
    assert share.json == {"pool": "cpu", "guaranteed": 2, "cap": None, "weight": 1.0, "lends": None}
    assert root.patch("teams/vision/shares/cpu", {"cap": 3, "weight": 2, "lends": 1}).json == {
        "pool": "cpu", "guaranteed": 2, "cap": 3, "weight": 2.0, "lends": 1,
    }  # fmt: skip
    assert root.patch("teams/vision/shares/cpu", {"guaranteed": 0}).fields["lends"].startswith("is 1, more than the 0")
    assert root.patch("teams/vision/shares/cpu", {"lends": None}).json["lends"] is None
    assert root.patch("teams/vision/shares/cpu", {"guaranteed": 4}).fields["cap"].startswith("is 3, less than the 4")
    assert root.patch("teams/vision/shares/cpu", {"cap": None}).json["cap"] is None
    assert [found["pool"] for found in root.get("teams/vision/shares").json] == ["cpu"]
    changed = root.patch("teams/vision", {"name": "eyes", "projects": ["lab", "other"]}).json
    assert (changed["name"], changed["projects"], len(changed["shares"])) == ("eyes", ["lab", "other"], 1)
    assert root.get("teams/vision").status == 404
    assert [team["name"] for team in root.get("teams").json["items"]] == ["eyes"]
    assert (
        root.delete("teams/eyes").json["detail"] == "Team 'eyes' still has 2 projects; move them to another one first."
    )
    assert root.patch("teams/eyes", {"projects": []}).json["projects"] == []
    assert root.delete("teams/eyes/shares/cpu").status == 204
    assert root.delete("teams/eyes/shares/cpu").status == 404
    assert root.delete("teams/eyes").status == 204
    assert not Team.objects.exists() and Project.objects.filter(team=None).count() == 2


def test_a_team_has_policies(root: Api) -> None:
    made = root.post("teams", {"name": "vision", "images": ["python:*"], "fixed": {"spot": True}}).json
    assert (made["images"], made["fixed"]) == (["python:*"], {"spot": True})
    changed = root.patch("teams/vision", {"fixed": {"runs_in": "container", "check_first": False}}).json
    assert (changed["images"], changed["fixed"]) == (["python:*"], {"runs_in": "container", "check_first": False})
    audited = AuditEvent.objects.filter(action="team.change").latest("id").data
    assert audited["fixed"] == {"runs_in": "container", "check_first": False}
    bad = root.patch("teams/vision", {"images": ["a b", "ok"], "fixed": {"seed": 1, "spot": "yes", "runs_in": "vm"}})
    assert set(bad.fields) == {"images[0]", "fixed.seed", "fixed.spot", "fixed.runs_in"}
    assert bad.fields["fixed.runs_in"] == "is 'vm'; give process or container"
    assert set(root.patch("teams/vision", {"images": "x", "fixed": []}).fields) == {"images", "fixed"}
    assert root.patch("teams/vision", {"images": [], "fixed": {}}).json["fixed"] == {}


def test_a_team_has_a_priority(world: World, root: Api, alice: Api) -> None:
    assert root.post("teams", {"name": "vision", "projects": ["lab"]}).json["priority"] == 0
    assert root.patch("teams/vision", {"priority": 7}).json["priority"] == 7
    assert root.patch("teams/vision", {"name": "eyes"}).json["priority"] == 7
    assert root.post("teams", {"name": "ears", "priority": -100, "projects": ["other"]}).json["priority"] == -100
    assert root.post("teams", {"name": "x", "priority": 101}).fields.keys() == {"priority"}
    assert root.patch("teams/eyes", {"priority": 1.5}).fields.keys() == {"priority"}
    assert AuditEvent.objects.filter(action="team.change").earliest("id").data["priority"] == 7
    root.patch("pools/cpu", {"devices": 1})
    running(world, "theirs", "other", live=1)
    running(world, "wide", "lab", live=0)
    root.post("teams/eyes/shares", {"pool": "cpu", "weight": 2})
    (own,) = alice.get("queue").json["teams"]
    assert (own["team"], own["priority"]) == ("eyes", 7)
    late = {job["name"]: job for job in root.get("queue").json["jobs"]}
    assert (late["wide"]["place"], late["theirs"]["place"]) == (1, 2)
    assert late["theirs"]["reason"].endswith(
        "Beyond the guarantees a team of priority 7 comes before this one, whose priority is -100."
    )


# --- quotas -----------------------------------------------------------------------------------------------------------


def test_people_see_the_limits_of_themselves_and_their_projects(root: Api, world: World) -> None:
    """And of the whole installation; of nobody else, also in their own projects."""
    lab = world.lab.slug
    scopes = [{}, {"project": lab}, {"user": "alice"}, {"user": "bob"}, {"project": lab, "user": "bob"}]
    for scope in scopes:
        assert root.post("quotas", {"resource": "running_trials", "limit": 3, **scope}).status == 201
    mine = {
        name: [(quota["project"], quota["user"]) for quota in Api(person).get("quotas").json["items"]]
        for name, person in (("alice", world.alice), ("bob", world.bob), ("charlie", world.charlie))
    }
    assert mine["alice"] == [(None, None), (lab, None), (None, "alice")]
    assert mine["bob"] == [(None, None), (lab, None), (None, "bob"), (lab, "bob")]
    assert mine["charlie"] == [(None, None)]
    assert len(root.get("quotas").json["items"]) == len(scopes)


def test_quotas_are_set_changed_and_taken_away(root: Api, world: World) -> None:
    body = {"project": "lab", "user": "alice", "resource": "devices", "pool": "gpu-80gb", "limit": 2}
    made = root.post("quotas", body)
    assert made.status == 201
    assert {name: made.json[name] for name in body} == body
    assert root.post("quotas", body).status == 409
    assert root.post("quotas", {"resource": "running_trials", "limit": 9}).json["project"] is None
    number = made.json["id"]
    assert root.patch(f"quotas/{number}", {"limit": 1}).json["limit"] == 1
    assert root.patch(f"quotas/{number}", {}).fields.keys() == {"limit"}
    assert [quota["limit"] for quota in root.get("quotas").json["items"]] == [1, 9]
    assert root.delete(f"quotas/{number}").status == 204
    assert root.delete(f"quotas/{number}").status == 404
    assert Quota.objects.count() == 1
    assert AuditEvent.objects.filter(action="quota.set").count() == 4


def test_what_counts_towards_a_limit_stands_beside_it(
    root: Api, world: World, django_assert_max_num_queries: Any
) -> None:
    job = running(world, "wide", "lab", live=2)
    trial = Trial.objects.create(job=job, number=3, state="Running", hyperparameters={}, attempt=1)
    Attempt.objects.create(trial=trial, number=1, token="g", backend="process", pool="gpu-80gb", device_count=2)
    running(world, "theirs", "other", live=1)
    scopes: list[dict[str, Any]] = [{}, {"project": "lab"}, {"project": "lab", "user": "alice"}, {"user": "charlie"}]
    wanted = {
        ("running_trials", ""): [4, 3, 3, 0],
        ("devices", "cpu"): [4, 3, 3, 0],
        ("devices", "gpu-80gb"): [2, 2, 2, 0],
        ("queued_jobs", ""): [2, 1, 1, 0],
        ("trials_per_job", ""): [9, 9, 9, 0],
        ("parallel_per_job", ""): [9, 9, 9, 0],
        ("seconds_per_trial", ""): [86400, 86400, 86400, 0],
        ("gpus_per_trial", ""): [0, 0, 0, 0],
    }
    for resource, pool in wanted:
        for scope in scopes:
            assert root.post("quotas", {**scope, "resource": resource, "pool": pool, "limit": 9}).status == 201
    for resource in ("gpu_hours_per_week", "storage_bytes"):
        root.post("quotas", {"project": "lab", "resource": resource, "limit": 1})
    with django_assert_max_num_queries(19):
        rows = root.get("quotas").json["items"]
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        found.setdefault((row["resource"], row["pool"]), []).append(row["used"])
    assert found.pop(("storage_bytes", "")) > [0]
    hours = found.pop(("gpu_hours_per_week", ""))
    assert 0 < hours[0] < 0.1
    assert found == wanted


def test_a_limit_that_is_reached_refuses_with_its_numbers(root: Api, alice: Api) -> None:
    root.post("quotas", {"project": "lab", "resource": "queued_jobs", "limit": 0})
    root.post("quotas", {"resource": "trials_per_job", "limit": 4})
    answer = alice.post("projects/lab/jobs", factories.job_document(name="second"))
    assert (answer.status, answer.json["type"]) == (409, "over-quota")
    exceeded = {
        "": "cannot be queued: 0 jobs are not over yet, and the quota of project 'lab' allows 0",
        "limits.max_trials": "is 10; the quota of the installation allows 4 trials per job",
    }
    assert answer.fields == exceeded and {fault["code"] for fault in answer.json["faults"]} == {"quota"}
    mixed = alice.post("projects/lab/jobs", factories.job_document(name="second", wish=1))
    assert (mixed.status, mixed.json["type"]) == (400, "invalid"), "it is not only too much"
    assert mixed.fields.keys() == {*exceeded, "wish"}


def test_who_asks_last_of_those_that_ask_at_once_gets_the_same_answer_as_who_asks_later(
    root: Api, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.post("quotas", {"project": "lab", "resource": "queued_jobs", "limit": 0})
    later = alice.post("projects/lab/jobs", factories.job_document(name="second"))
    monkeypatch.setattr("hpt_web.jobs.documents.drafts.quota_faults", lambda *_: [])  # it had seen room
    at_once = alice.post("projects/lab/jobs", factories.job_document(name="second"))
    assert (later.status, later.json) == (at_once.status, at_once.json)
    assert (later.status, later.json["type"], later.json["title"]) == (409, "over-quota", "A limit is reached")


BOUNDS = {  # limits on single jobs, what is refused beyond them, and why
    "trials_per_job": ({"limits": {"max_trials": 5, "max_parallel": 2}}, "limits.max_trials",
                       "is 5; the quota of project 'lab' allows 2 trials per job"),
    "parallel_per_job": ({"limits": {"max_trials": 5, "max_parallel": 3}}, "limits.max_parallel",
                         "is 3; the quota of project 'lab' allows 2 trials of a job at once"),
    "seconds_per_trial": ({"limits": {"max_trials": 5, "trial_seconds": 3}}, "limits.trial_seconds",
                          "is 3; the quota of project 'lab' allows 2 seconds per trial"),
    "gpus_per_trial": ({"resources": {"gpus": 3}}, "resources.gpus",
                       "is 3; the quota of project 'lab' allows 2 GPUs per trial"),
}  # fmt: skip


@pytest.mark.parametrize("resource", BOUNDS)
def test_a_job_that_asks_for_more_than_one_may_be_is_refused_with_the_numbers(
    root: Api, alice: Api, settings: Settings, resource: str
) -> None:
    settings.HPT_GPUS = "0:80GB,1:80GB,2:80GB,3:80GB"
    settings.HPT_TRIAL_SLOTS = 4
    part, field, message = BOUNDS[resource]
    document = factories.job_document(name="second") | part
    found = alice.post("projects/lab/job-checks", document).json["faults"]
    assert field not in {fault["field"] for fault in found}
    root.post("quotas", {"project": "lab", "resource": resource, "limit": 2})
    assert alice.post("projects/lab/jobs", document).fields[field] == message


def test_a_limit_of_one_is_told_in_the_singular(root: Api, alice: Api) -> None:
    root.post("quotas", {"project": "lab", "resource": "parallel_per_job", "limit": 1})
    limits = {"max_trials": 2, "max_parallel": 2}
    found = alice.post("projects/lab/job-checks", factories.job_document(name="second", limits=limits)).json["faults"]
    assert [fault["message"].split("allows ")[1] for fault in found] == ["1 trial of a job at once"]


def test_a_job_is_not_changed_beyond_its_bounds_but_what_it_had_it_keeps(root: Api, world: World, alice: Api) -> None:
    job = running(world, "wide", "lab", live=0)
    had = {**job.spec["limits"], "max_trials": 9, "max_parallel": 9, "trial_seconds": 60}
    TuningJob.objects.filter(pk=job.pk).update(spec={**job.spec, "limits": had})
    for resource in BOUNDS:
        root.post("quotas", {"project": "lab", "resource": resource, "limit": 2})
    change = "projects/lab/jobs/wide"
    raised = alice.patch(change, {"limits": {"max_trials": 10, "max_parallel": 10, "trial_seconds": 61}})
    assert raised.fields.keys() == {"limits.max_trials", "limits.max_parallel", "limits.trial_seconds"}
    assert alice.patch(change, {"limits": {"max_parallel": 8, "trial_seconds": 59}}).status == 200


# --- the queue --------------------------------------------------------------------------------------------------------


def running(world: World, name: str, slug: str, live: int, state: str = "Running") -> TuningJob:
    """A job that is not over with `live` running trials."""
    version = world.job.algorithm_version
    job = factories.job(world.alice, slug, version, name=name, trials=0)
    TuningJob.objects.filter(pk=job.pk).update(state=state, ended_at=None, max_trials=9, max_parallel=9)
    for number in range(1, live + 1):
        trial = Trial.objects.create(job=job, number=number, state="Running", hyperparameters={}, attempt=1)
        Attempt.objects.create(trial=trial, number=1, token=f"{name}-{number}", backend="process")
    return job


def test_the_queue_shows_own_jobs_and_counts_others(world: World, alice: Api, charlie: Api, root: Api) -> None:
    running(world, "wide", "lab", live=3)
    running(world, "late", "lab", live=0)
    running(world, "hidden", "other", live=1)
    seen = {name: api.get("queue").json for name, api in (("alice", alice), ("charlie", charlie), ("root", root))}
    assert [job["name"] for job in seen["alice"]["jobs"]] == ["late", "wide"]
    assert [job["name"] for job in seen["charlie"]["jobs"]] == ["hidden"]
    assert sorted(job["name"] for job in seen["root"]["jobs"]) == ["hidden", "late", "wide"]
    late = seen["alice"]["jobs"][0]
    assert (late["place"], late["missing"], late["running"], late["may_start"]) == (1, 9, 0, 0)
    assert late["reason"] == (
        "9 more trials could run, but this host runs 4 at once: wide 3, other projects 1."
    )  # fmt: skip
    (hidden,) = seen["charlie"]["jobs"]
    assert "other projects 3" in hidden["reason"] and "wide" not in str(seen["charlie"])
    cpu = {name: queue["pools"][0] for name, queue in seen.items()}
    for pool in cpu.values():
        assert (pool["devices"], pool["held"], pool["waiting_jobs"], pool["missing"]) == (4, 4, 3, 23)
    assert cpu["alice"]["others"] == {"jobs": 1, "held": 1, "missing": 8}
    assert cpu["charlie"]["others"] == {"jobs": 2, "held": 3, "missing": 15}
    assert cpu["root"]["others"] == {"jobs": 0, "held": 0, "missing": 0}


def test_a_job_that_has_all_it_wants_has_no_place(world: World, alice: Api) -> None:
    running(world, "stopping", "lab", live=2, state="Stopping")
    (job,) = alice.get("queue").json["jobs"]
    assert (job["running"], job["missing"], job["place"], job["reason"], job["starts_in"]) == (2, 0, None, "", None)


def test_who_is_on_which_place(world: World, alice: Api, charlie: Api, root: Api) -> None:
    job = running(world, "wide", "lab", live=1)
    trial = Trial.objects.create(job=job, number=2, state="Running", hyperparameters={}, attempt=1)
    Attempt.objects.create(
        trial=trial, number=1, token="g", backend="process", pool="gpu-80gb", device_count=1, devices=["1"]
    )
    mine, gpu = alice.get("queue").json["holders"]
    assert (mine["project"], mine["job"], mine["trial"], mine["user"], mine["gpus"]) == ("lab", "wide", 1, "alice", [])
    assert (gpu["trial"], gpu["pool"], gpu["devices"], gpu["gpus"]) == (2, "gpu-80gb", 1, ["1"])
    plain = {"share": 1.0, "spot": False, "giving_way": False, "kept_container": False}
    assert {name: mine[name] for name in plain} == plain
    nobodys = {"project": None, "job": None, "user": None, "trial": None, "since": None}
    assert charlie.get("queue").json["holders"] == [
        {"pool": "cpu", "devices": 1, "gpus": [], **plain, **nobodys},
        {"pool": "gpu-80gb", "devices": 1, "gpus": ["1"], **plain, **nobodys},
    ]
    TuningJob.objects.filter(pk=job.pk).update(spec={**job.spec, "spot": True})
    Attempt.objects.filter(token="g").update(stop_kind="preempt", kept_container=True)
    gpu = charlie.get("queue").json["holders"][1]
    assert (gpu["spot"], gpu["giving_way"], gpu["kept_container"]) == (True, True, True)
    assert alice.get("projects/lab/jobs/wide/trials/2").json["attempts"][0]["kept_container"] is True
    assert root.get("queue").json["pools"][1]["gpus"] == ["0", "1"]


def test_teams_stand_in_pools_as_their_members_may_see(world: World, alice: Api, charlie: Api, root: Api) -> None:
    root.post("teams", {"name": "vision", "projects": ["lab"]})
    root.post("teams/vision/shares", {"pool": "cpu", "guaranteed": 2, "cap": 3, "weight": 2})
    running(world, "wide", "lab", live=3)
    (own,) = alice.get("queue").json["teams"]
    assert {name: own[name] for name in ("team", "pool", "guaranteed", "cap", "weight", "held")} == {
        "team": "vision", "pool": "cpu", "guaranteed": 2, "cap": 3, "weight": 2.0, "held": 3,
    }  # fmt: skip
    assert own["used_seconds"] >= 180  # each start counts a minute
    assert charlie.get("queue").json["teams"] == []
    assert [found["team"] for found in root.get("queue").json["teams"]] == ["vision"]


def test_the_queue_takes_a_fixed_number_of_queries(
    world: World, alice: Api, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        running(world, f"job-{number}", "lab", live=0)
    with django_assert_max_num_queries(18):
        assert len(alice.get("queue").json["jobs"]) == 6


# --- what is stored ---------------------------------------------------------------------------------------------------


def test_a_clean_up_is_rehearsed_and_done_over_rest(
    world: World, alice: Api, bob: Api, charlie: Api, root: Api
) -> None:
    name = world.job.name
    body = {"prefix": name, "what": ["jobs"], "rehearsal": True}
    assert charlie.post("projects/lab/clean-up", body).status == 404
    assert bob.post("projects/lab/clean-up", body).status == 403, "an editor deletes no record"
    said = alice.post("projects/lab/clean-up", body)
    assert (said.status, said.json["rehearsal"], said.json["kept"]) == (200, True, [])
    assert [item["name"] for item in said.json["gone"]] == [name]
    assert alice.get(f"projects/lab/jobs/{name}").status == 200
    assert alice.post("projects/lab/clean-up", {**body, "rehearsal": False}).json["gone"] == said.json["gone"]
    assert alice.get(f"projects/lab/jobs/{name}").status == 404
    root.post("quotas", {"project": "lab", "resource": "storage_bytes", "limit": 10**9})
    found = alice.get("projects/lab/storage").json
    assert found["total"] == found["catalogue"] + found["checkpoints"] + found["outputs"] > 0
    assert (found["limit"], found["jobs"]) == (10**9, [])
    assert charlie.get("projects/lab/storage").status == 404
