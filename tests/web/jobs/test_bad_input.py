"""What cannot become a job is refused with every fault at once, each naming field, value and remedy."""

from collections.abc import Callable
from typing import Any

import pytest

from hpt_web.accounts import policies
from hpt_web.accounts.errors import Conflict, Forbidden, Invalid, NotVisible
from hpt_web.accounts.models import Project, Quota
from hpt_web.accounts.models import Team as TeamRow
from hpt_web.catalog.actions import add_algorithm_version
from hpt_web.jobs.doors import actions
from hpt_web.jobs.models import Event, TuningJob
from hpt_web.jobs.running.follow import Follower
from tests.web.jobs.lab import Team, algorithm_document, job_document, live
from tests.web.jobs.scripted import ScriptedBackend

X = {"name": "x", "type": "float", "min": 0, "max": 1}


def faults(team: Team, **changes: Any) -> dict[str, str]:
    """Field -> message of everything that is wrong; also that nothing was written, and that the check says the same."""
    jobs = TuningJob.objects.count()
    with pytest.raises(Invalid) as refused:
        actions.create_job(actor=team.alice, project="lab", document=job_document(**changes))
    assert TuningJob.objects.count() == jobs
    assert not Event.objects.exclude(job__in=TuningJob.objects.all()).exists()
    found = {fault.field: fault.message for fault in refused.value.faults}
    check = actions.check_job(actor=team.alice, project="lab", document=job_document(**changes))
    assert {fault.field: fault.message for fault in check.faults} == found
    return found


def test_a_teams_policies_hold_for_its_jobs(team: Team, backend: ScriptedBackend) -> None:
    """What is left open is filled in; what says otherwise is refused with the value and whose policy it is."""
    project = Project.objects.get(slug="lab")
    project.team = TeamRow.objects.create(name="vision", images=["registry.example/vision/*"], fixed={"spot": True})
    project.save()
    told = "is false; team vision has it true: leave it out"
    assert faults(team, spot=False, limits={"max_trials": 0}).items() >= {"spot": told}.items()
    job = actions.create_job(actor=team.alice, project="lab", document=job_document(name="open"))
    assert job.spec["spot"] is True
    TeamRow.objects.update(fixed={"runs_in": "container"})
    found = faults(team, runs_in="process")
    assert found["runs_in"] == "is process; team vision has it container: leave it out"


def test_images_are_those_that_the_team_allows() -> None:
    row = TeamRow(name="vision", images=["registry.example/vision/*", "python:3.12"])
    for image in ("registry.example/vision/a:1", "registry.example/vision/a@sha256:00", "python:3.12@sha256:11"):
        assert policies.job_faults(row, {}, image) == []
    for image in ("registry.example/visions", "python:3.13", "evil/registry.example/vision/a"):
        (fault,) = policies.job_faults(row, {}, image)
        assert (fault.field, fault.code) == ("image", "policy")
        assert image in fault.message and "allows registry.example/vision/*, python:3.12" in fault.message
    assert policies.job_faults(TeamRow(name="free"), {}, "any") == []


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"name": ""}, "name", "give a text"),
        ({"name": "two words"}, "name", "'two words'"),
        ({"name": "x" * 64}, "name", "use 1 to 63 letters"),
        ({"space": [{**X, "min": 2, "max": 1}]}, "space[0].min", "2"),
        ({"space": [{**X, "scale": "log"}]}, "space[0].min", "log"),
        ({"space": [{**X, "max": 7}]}, "space[0].max", "the algorithm takes 1 or less"),
        ({"space": [{**X, "type": "integer"}]}, "space[0].type", "is float"),
        ({"space": [{**X, "name": "y"}]}, "space[0].name", "it has x, n"),
        ({"space": []}, "space", ""),
        ({"space": None}, "space", ""),
        ({"static": {"x": 1}}, "static.x", "searched in `space` as well"),
        ({"static": {"n": 11}}, "static.n", "give 9 or less"),
        ({"static": {"n": 1.5}}, "static.n", "give a whole number"),
        ({"objective": {"metric": "accuracy"}}, "objective.metric", "it reports score, loss"),
        ({"objective": {"metric": "score", "goal": "up"}}, "objective.goal", "maximize, minimize"),
        ({"algorithm": {"name": "curve"}}, "algorithm.name", "no algorithm here has that name"),
        ({"algorithm": {"name": "line", "version": 3}}, "algorithm.version", "1 to 1"),
        ({"channels": {}}, "channels.train", "choose a dataset"),
        ({"channels": {"train": {"dataset": "tables"}}}, "channels.train.dataset", "'tables'"),
        ({"channels": {"train": {"dataset": "table", "version": 9}}}, "channels.train.version", "1 to 1"),
        (
            {"channels": {"train": {"dataset": "table"}, "test": {"dataset": "table"}}},
            "channels.test",
            "it has train",
        ),
        ({"strategy": {"name": "guess"}}, "strategy.name", "random"),
        ({"strategy": {"name": "random", "options": {"luck": 1}}}, "strategy.options.luck", "not an option"),
        ({"early_stopping": {"name": "never"}}, "early_stopping.name", "median"),
        ({"limits": {"max_trials": 0}}, "limits.max_trials", "1 to 10000"),
        ({"limits": {"max_trails": 5}}, "limits.max_trails", "max_trials"),
        ({"limits": {"max_trials": True}}, "limits.max_trials", "whole number"),
        ({"resources": {"gpus": 1}}, "resources.gpus", "no GPUs"),
        ({"seed": -1}, "seed", "0 to"),
        ({"warm_start": {"type": "SIMILAR", "parents": []}}, "warm_start.type", "TRANSFER_LEARNING"),
        (
            {"warm_start": {"type": "TRANSFER_LEARNING", "parents": ["ghost"]}},
            "warm_start.parents[0]",
            "'ghost'",
        ),
        ({"colour": "red"}, "colour", "not known here"),
        ({"constraints": ["x <"]}, "constraints[0]", "no comparison"),
        ({"constraints": ["x < n"], "static": {"n": 3}}, "constraints[0]", "names what is static (n is 3)"),
        ({"initial_points": [{"x": 2}]}, "initial_points[0]", "x is 2, outside"),
        ({"repeats": 0}, "repeats", "1 to 100"),
        ({"completion": {"converged": 0}}, "completion.converged", "1 to 10000"),
        ({"profile": "aws"}, "profile", "sagemaker, hyperdrive, modelarts"),
        ({"profile": "modelarts"}, "strategy.name", "bayesian, tpe, anneal"),
        (
            {"strategy": {"name": "hyperband", "options": {"max_resource": 9}}, "early_stopping": {"name": "median"}},
            "early_stopping",
            "hyperband decides itself",
        ),
        ({"strategy": {"name": "hyperband"}}, "strategy.options.max_resource", "no static hyperparameter"),
    ],
)
def test_each_fault_names_its_field(
    team: Team, follower: Follower, changes: dict[str, Any], field: str, says: str
) -> None:
    found = faults(team, **changes)
    assert field in found, found
    assert says in found[field]


@pytest.mark.parametrize(
    ("parameter", "faults_at"),
    [
        ({"type": "float", "min": -1, "max": 2}, {"min": "is -1; the algorithm takes 0", "max": "is 2; the algorithm"}),
        ({"type": "uniform", "low": -1, "high": 2}, {"low": "is -1;", "high": "is 2;"}),
        (
            {"type": "loguniform", "low": -3, "high": 1},
            {"high": "is 1, which makes values up to 2.71828; the algorithm"},
        ),
        ({"type": "quniform", "low": -0.9, "high": 1.4, "q": 0.5}, {"low": "down to -1", "high": "up to 1.5"}),
        ({"type": "normal", "mu": 0.5, "sigma": 1}, {"sigma": "up to 6.5"}),
        ({"type": "normal", "mu": 2, "sigma": 0.1}, {"mu": "is 2, which makes values up to 2.6"}),
        ({"type": "lognormal", "mu": 1, "sigma": 0.01}, {"mu": "up to"}),
        (
            {"type": "categorical", "values": [0.5, 2, "a"]},
            {"values[1]": "give 1 or less", "values[2]": "give a number"},
        ),
        ({"type": "choice", "range": [0, 3]}, {"range": "holds a value that is 2; give 1 or less"}),
        ({"type": "choice", "values": [0.1, 0.9]}, {}),
        ({"type": "quniform", "low": 0, "high": 1, "q": 1}, {"type": "is quniform, whose values are integer; x of"}),
    ],
)
def test_a_range_beyond_the_algorithms_is_named_as_the_document_has_it(
    team: Team, follower: Follower, parameter: dict[str, Any], faults_at: dict[str, str]
) -> None:
    checked = actions.check_job(
        actor=team.alice, project="lab", document=job_document(space=[{"name": "x", **parameter}])
    )
    found = {fault.field: fault.message for fault in checked.faults}
    assert found.keys() == {f"space[0].{field}" for field in faults_at}
    assert all(says in found[f"space[0].{field}"] for field, says in faults_at.items())


@pytest.mark.parametrize(
    ("parameter", "faults_at"),
    [
        (
            {"type": "randint", "upper": 5},
            {"type": "is 'randint', which makes values down to 0; the algorithm takes 1"},
        ),
        ({"type": "randint", "upper": 11}, {"type": "down to 0", "upper": "is 11, which makes values up to 10"}),
        ({"type": "choice", "range": [1, 10]}, {}),
        ({"type": "categorical", "values": [1, 2.5]}, {"values[1]": "give a whole number"}),
        ({"type": "qnormal", "mu": 5, "sigma": 0.5, "q": 1}, {}),
        ({"type": "qnormal", "mu": 5, "sigma": 1, "q": 1}, {"sigma": "up to 11"}),
    ],
)
def test_whole_numbers_too(
    team: Team, follower: Follower, parameter: dict[str, Any], faults_at: dict[str, str]
) -> None:
    document = job_document(space=[X, {"name": "n", **parameter}])
    checked = actions.check_job(actor=team.alice, project="lab", document=document)
    found = {fault.field: fault.message for fault in checked.faults}
    for field, says in faults_at.items():
        assert says in found[f"space[1].{field}"]
    assert found.keys() >= {f"space[1].{field}" for field in faults_at}
    assert bool(found) == bool(faults_at)


def test_hyperband_takes_its_epochs_from_the_algorithms_default(team: Team, new_job: Callable[..., TuningJob]) -> None:
    """F45: a default is a static hyperparameter, too; what was found is stored."""
    epochs = {"name": "epochs", "type": "integer", "default": 27, "min": 1, "max": 100}
    document = algorithm_document()
    document["hyperparameters"] = [*document["hyperparameters"], epochs]
    add_algorithm_version(actor=team.alice, project="lab", algorithm="line", document=document)
    job = new_job(strategy={"name": "hyperband"})
    assert job.spec["strategy"]["options"] == {"max_resource": 27}
    assert job.spec["static"]["epochs"] == 27


def test_a_profile_counts_the_algorithms_defaults_as_static(team: Team, follower: Follower) -> None:
    """F41: 100 hyperparameters, static and searched."""
    document = algorithm_document()
    declared = document["hyperparameters"] + [
        {"name": f"extra-{n}", "type": "integer", "default": 1} for n in range(98)
    ]
    add_algorithm_version(
        actor=team.alice, project="lab", algorithm="line", document={**document, "hyperparameters": declared}
    )
    space = [{"name": name, "type": "integer", "min": 1, "max": 3} for name in ("n", "extra-1")] + [X]
    checked = actions.check_job(
        actor=team.alice, project="lab", document=job_document(space=space, profile="sagemaker")
    )
    assert not checked.faults  # 3 and 97


def test_advice_refuses_nothing(team: Team, new_job: Callable[..., TuningJob]) -> None:
    document = job_document(completion={"max_gpu_hours": 3})
    checked = actions.check_job(actor=team.alice, project="lab", document=document)
    assert [fault.field for fault in checked.advice] == ["completion.max_gpu_hours"]
    assert not checked.faults
    new_job(completion={"max_gpu_hours": 3})


def test_all_faults_at_once(team: Team, follower: Follower) -> None:
    found = faults(team, name="", strategy={"name": "guess"}, limits={"max_trials": 0}, channels={}, seed="x")
    assert {"name", "strategy.name", "limits.max_trials", "channels.train", "seed"} <= found.keys()


def test_a_wrong_space_hides_no_other_fault(team: Team, new_job: Callable[..., TuningJob]) -> None:
    new_job()
    found = faults(team, name="first", space=[{**X, "min": 2}], channels={"train": {"dataset": "tables"}})
    assert {"name", "channels.train.dataset"} < found.keys()
    assert any(field.startswith("space[0]") for field in found)


@pytest.mark.parametrize("document", [None, [], "job", 7, {}])
def test_a_document_that_is_none(team: Team, follower: Follower, document: object) -> None:
    with pytest.raises(Invalid) as refused:
        actions.create_job(actor=team.alice, project="lab", document=document)
    assert refused.value.faults


def test_a_name_taken_whatever_its_case(team: Team, new_job: Callable[..., TuningJob]) -> None:
    new_job()
    assert "another job here has" in faults(team, name="FIRST")["name"]


def test_quotas_refuse_with_their_numbers(team: Team, new_job: Callable[..., TuningJob]) -> None:
    Quota.objects.create(resource=Quota.Resource.TRIALS_PER_JOB, limit=5)
    assert "allows 5 trials per job" in faults(team, limits={"max_trials": 6})["limits.max_trials"]
    new_job()
    Quota.objects.create(resource=Quota.Resource.QUEUED_JOBS, limit=1, project=TuningJob.objects.get().project)
    assert "1 job is not over yet, and the quota of project 'lab' allows 1" in faults(team, name="second")[""]


# --- warm start (F5 to F21) -------------------------------------------------------------------------------------------


def warm(*parents: str, kind: str = "IDENTICAL_DATA_AND_ALGORITHM", **changes: Any) -> dict[str, Any]:
    return {"name": "child", "warm_start": {"type": kind, "parents": list(parents)}} | changes


def broken_rules(team: Team, **changes: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        actions.create_job(actor=team.alice, project="lab", document=job_document(**changes))
    return {fault.code: fault.message for fault in refused.value.faults}


@pytest.fixture
def finished(new_job: Callable[..., TuningJob], backend: ScriptedBackend, follower: Follower) -> Callable[..., str]:
    def run(name: str, **changes: Any) -> str:
        job = new_job(name=name, limits={"max_trials": 1, "max_parallel": 1}, **changes)
        (token,) = live(job)
        backend.prints(token, "score=0.5\nloss=2\n")
        backend.ends(token)
        follower.claim()
        return job.name

    return run


def test_warm_start_takes_the_parents_trials_over(
    team: Team, finished: Callable[..., str], new_job: Callable[..., TuningJob]
) -> None:
    """F25: a random and a Bayesian job as parents at once."""
    first, second = finished("one"), finished("two", strategy={"name": "bayesian"}, seed=8)
    third = finished("three", seed=9)
    child = new_job(**warm(first, second, third, strategy={"name": "bayesian"}))
    told = child.decisions.get(kind="warm_start")
    assert told.reason == "Starts from one, two, three: 3 trials taken over, 0 left out."
    assert "3 of the parents" in child.decisions.filter(kind="suggest").first().reason


def test_a_parent_still_running_is_refused(team: Team, new_job: Callable[..., TuningJob]) -> None:
    """F14."""
    new_job(name="parent")
    assert "Running" in broken_rules(team, **warm("parent"))["F14"]


def test_six_parents_are_refused(team: Team, finished: Callable[..., str]) -> None:
    """F13."""
    names = [finished(f"p{i}", seed=i) for i in range(6)]
    assert "6" in broken_rules(team, **warm(*names))["F13"]


def test_another_objective_is_refused(team: Team, finished: Callable[..., str]) -> None:
    """F15."""
    name = finished("parent", objective={"metric": "loss", "goal": "minimize"})
    assert "loss" in broken_rules(team, **warm(name))["F15"]


def test_another_algorithm_is_refused_for_identical_only(
    team: Team, finished: Callable[..., str], new_job: Callable[..., TuningJob]
) -> None:
    """F6, F9, F11."""
    name = finished("parent")
    other = algorithm_document(source={"files": {"train.py": "print('score=2')\n"}})
    add_algorithm_version(actor=team.alice, project="lab", algorithm="line", document=other)
    assert {"F6", "F9"} & broken_rules(team, **warm(name)).keys()
    new_job(**warm(name, kind="TRANSFER_LEARNING"))
    same = other | {"source": {"files": {"train.py": "print('score=1') # logs\n"}}, "equivalent_to": 1}
    add_algorithm_version(actor=team.alice, project="lab", algorithm="line", document=same)
    new_job(**warm(name, name="child-2"))


def test_a_job_searches_with_what_its_algorithm_is_made_for(team: Team) -> None:
    """F51; what was left out counts as the default, which such an algorithm may not have."""
    document = algorithm_document(strategies=["tpe", "random"])
    add_algorithm_version(actor=team.alice, project="lab", algorithm="line", document=document)
    says = "the algorithm is made for: tpe, random"
    for given in ({"name": "bayesian"}, None):
        assert says in faults(team, algorithm={"name": "line"}, strategy=given)["strategy.name"]
    first = {"name": "line", "version": 1}
    assert not actions.check_job(actor=team.alice, project="lab", document=job_document(algorithm=first)).faults
    made = actions.create_job(
        actor=team.alice, project="lab", document=job_document(algorithm={"name": "line"}, strategy={"name": "tpe"})
    )
    assert made.spec["strategy"]["name"] == "tpe"


# --- who may ----------------------------------------------------------------------------------------------------------


def test_three_people(team: Team, new_job: Callable[..., TuningJob]) -> None:
    new_job()
    with pytest.raises(NotVisible):
        actions.create_job(actor=team.charlie, project="lab", document=job_document(name="second"))
    with pytest.raises(NotVisible):
        actions.check_job(actor=team.charlie, project="lab", document=job_document(name="second"))
    with pytest.raises(NotVisible):
        actions.stop_job(actor=team.charlie, project="lab", name="first")
    with pytest.raises(NotVisible):
        actions.stop_trial(actor=team.charlie, project="lab", name="first", number=1)
    with pytest.raises(Forbidden, match="role editor"):
        actions.create_job(actor=team.vera, project="lab", document=job_document(name="second"))
    with pytest.raises(Forbidden, match="role editor"):
        actions.stop_job(actor=team.vera, project="lab", name="first")
    with pytest.raises(Forbidden, match="role editor"):
        actions.stop_trial(actor=team.vera, project="lab", name="first", number=1)
    assert actions.create_job(actor=team.bob, project="lab", document=job_document(name="second")).name == "second"


def test_what_is_over_cannot_be_stopped(team: Team, finished: Callable[..., str]) -> None:
    finished("done")
    with pytest.raises(Conflict, match="Completed"):
        actions.stop_job(actor=team.alice, project="lab", name="done")
    with pytest.raises(Conflict, match="Completed"):
        actions.stop_trial(actor=team.alice, project="lab", name="done", number=1)
