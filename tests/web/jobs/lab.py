"""A project with a dataset, an algorithm and people; a scripted backend under the real dispatch and follower."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from hpt_web.accounts.actions import add_member, create_project, create_user
from hpt_web.accounts.models import User
from hpt_web.catalog.actions import add_algorithm_version, add_dataset_version, create_algorithm, create_dataset
from hpt_web.jobs import tasks
from hpt_web.jobs.doors import actions
from hpt_web.jobs.models import Attempt, Trial, TuningJob
from hpt_web.jobs.running import dispatch, launching
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.search import choosing, history, parents
from tests.web.jobs.scripted import ScriptedBackend
from tuning.history import Observation

PASSWORD = "a long enough Phrase 7"


@dataclass
class Team:
    """alice owns the project `lab`, bob edits, vera views, charlie is somebody else."""

    alice: User
    bob: User
    vera: User
    charlie: User


@pytest.fixture
def team(transactional_db: None, settings: Settings) -> Team:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # nobody logs in here
    alice, bob, vera, charlie = (
        create_user(actor=None, username=name, password=PASSWORD) for name in ("alice", "bob", "vera", "charlie")
    )
    create_project(actor=alice, slug="lab", name="Lab")
    add_member(actor=alice, project="lab", username="bob", role="editor")
    add_member(actor=alice, project="lab", username="vera", role="viewer")
    create_dataset(actor=alice, project="lab", name="table")
    add_dataset_version(
        actor=alice, project="lab", dataset="table", filename="t.csv", stream=io.BytesIO(b"a,b\n1,2\n"), limit=100
    )
    create_algorithm(actor=alice, project="lab", name="line")
    add_algorithm_version(actor=alice, project="lab", algorithm="line", document=algorithm_document())
    return Team(alice, bob, vera, charlie)


@pytest.fixture
def root(team: Team) -> User:
    """An administrator."""
    return create_user(actor=None, username="root", password=PASSWORD, is_superuser=True)


def algorithm_document(**changes: Any) -> dict[str, Any]:
    return {
        "source": {"files": {"train.py": "print('score=1')\n"}},
        "entry_point": "train.py",
        "hyperparameters": [
            {"name": "x", "type": "float", "min": 0, "max": 1},
            {"name": "n", "type": "integer", "default": 3, "min": 1, "max": 9},
        ],
        "metrics": [{"name": "score", "regex": "score=(\\S+)"}, {"name": "loss", "regex": "loss=(\\S+)"}],
        "channels": [{"name": "train", "required": True}],
    } | changes


def job_document(**changes: Any) -> dict[str, Any]:
    return {
        "name": "first",
        "algorithm": {"name": "line"},
        "channels": {"train": {"dataset": "table"}},
        "objective": {"metric": "score", "goal": "maximize"},
        "space": [{"name": "x", "type": "float", "min": 0, "max": 1}],
        "strategy": {"name": "random"},
        "limits": {"max_trials": 2, "max_parallel": 1},
        "seed": 7,
    } | changes


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> ScriptedBackend:
    scripted = ScriptedBackend()
    monkeypatch.setattr(launching, "backend", lambda: scripted)
    monkeypatch.setattr(parents, "kept_trials", _checked)
    history.shelf.clear()
    parents.inherited.cache_clear()
    choosing.strategy_of.cache_clear()
    choosing.space_of.cache_clear()
    launching.channels_of.cache_clear()
    return scripted


def _checked(job: TuningJob, *, curves: bool = False) -> tuple[Observation, ...]:
    """In every test: what is kept of a job's trials is what its rows say."""
    kept = history.kept_trials(job, curves=curves)
    assert kept == history.own_trials(job, curves=curves)
    return kept


@pytest.fixture
def follower(backend: ScriptedBackend, monkeypatch: pytest.MonkeyPatch) -> Follower:
    """Its nudges, as those of the actions, are carried out on the spot instead of by a worker."""

    def nudge(job: int, *, parents: bool = False) -> None:
        for other in dispatch.advance(job):
            nudge(other)

    monkeypatch.setattr(tasks, "nudge", nudge)
    return Follower("test", backend, nudge)


@pytest.fixture
def new_job(team: Team, follower: Follower) -> Callable[..., TuningJob]:
    def create(**changes: Any) -> TuningJob:
        return actions.create_job(actor=team.alice, project="lab", document=job_document(**changes))

    return create


def live(job: TuningJob) -> list[str]:
    """The tokens of the attempts that hold a reservation, by trial number."""
    return list(
        Attempt.objects.filter(trial__job=job, ended_at__isnull=True)
        .order_by("trial__number")
        .values_list("token", flat=True)
    )


def trial(job: TuningJob, number: int = 1) -> Trial:
    return Trial.objects.get(job=job, number=number)


def state(job: TuningJob) -> str:
    job.refresh_from_db()
    return job.state
