"""Rows for tests: people, a project with content, and a job with trials that nothing has to run for.

The three people of every access test: alice owns the project, bob is a member of it (editor; vera is a viewer), charlie
is an outsider with a project of his own.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from django.contrib.auth.hashers import make_password

from hpt_web.accounts import actions as accounts
from hpt_web.accounts.models import AccessKey, Project, Role, User
from hpt_web.catalog import actions as catalog
from hpt_web.catalog.models import AlgorithmVersion, DatasetVersion
from hpt_web.jobs.models import Attempt, Decision, Event, EventCursor, MetricPoint, Trial, TuningJob
from tuning.specification import parse
from tuning.states import Goal, JobState, TrialState

PASSWORD = "a long enough Phrase 7"
BEGINNING = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
TABLE = b"length,width,kind\n1.5,2.5,round\n3.5,4.5,square\n"
SCRIPT = "print('f1=0.5')\n"


@cache
def _hashed() -> str:
    """Hashing is slow on purpose; once is enough."""
    return make_password(PASSWORD)


def person(username: str, *, admin: bool = False) -> User:
    return User.objects.create(username=username, password=_hashed(), is_superuser=admin, is_staff=admin)


def project(owner: User, slug: str, **members: Role) -> Project:
    """A project of `owner`; `members` are usernames with their roles."""
    row = accounts.create_project(actor=owner, slug=slug, name=slug.title())
    for username, role in members.items():
        accounts.add_member(actor=owner, project=slug, username=username, role=role)
    return row


def access_key(user: User, **options: Any) -> tuple[AccessKey, str]:
    """A key and its value for the Authorization header; reading and writing unless `scopes` says otherwise."""
    key, secret = accounts.create_access_key(actor=user, **{"scopes": ["read", "write"], **options})
    return key, f"Bearer {key.key_id}.{secret}"


def dataset_version(actor: User, slug: str, name: str = "table", content: bytes = TABLE) -> DatasetVersion:
    """A new version of the dataset `name`, which is made if it is not there."""
    if not Project.objects.get(slug=slug).datasets.filter(name=name).exists():
        catalog.create_dataset(actor=actor, project=slug, name=name)
    return catalog.add_dataset_version(
        actor=actor, project=slug, dataset=name, filename="table.csv", stream=io.BytesIO(content), limit=10**6
    )


def algorithm_document(**changes: Any) -> dict[str, Any]:
    return {
        "source": {"files": {"train.py": SCRIPT}},
        "entry_point": "train.py",
        "hyperparameters": [
            {"name": "lr", "type": "float", "min": 0.0001, "max": 1, "default": 0.1},
            {"name": "depth", "type": "integer", "min": 1, "max": 10, "default": 3},
        ],
        "metrics": [{"name": "f1", "regex": "f1=([0-9.]+)"}],
        "objectives": [{"metric": "f1", "goal": "maximize"}],
        "channels": [{"name": "train", "required": True}],
    } | changes


def algorithm_version(actor: User, slug: str, name: str = "line", **changes: Any) -> AlgorithmVersion:
    """A new version of the algorithm `name`, which is made if it is not there."""
    if not Project.objects.get(slug=slug).algorithms.filter(name=name).exists():
        catalog.create_algorithm(actor=actor, project=slug, name=name)
    document = algorithm_document(**changes)
    return catalog.add_algorithm_version(actor=actor, project=slug, algorithm=name, document=document)


def job_document(**changes: Any) -> dict[str, Any]:
    return {
        "name": "first",
        "description": "",
        "algorithm": {"name": "line", "version": 1},
        "channels": {"train": {"dataset": "table", "version": 1}},
        "objective": {"metric": "f1", "goal": "maximize"},
        "space": [{"name": "lr", "type": "float", "min": 0.001, "max": 0.1, "scale": "log"}],
        "static": {"depth": 3},
        "strategy": {"name": "random", "options": {}},
        "limits": {"max_trials": 10, "max_parallel": 2},
        "seed": 1,
    } | changes


def job(actor: User, slug: str, version: AlgorithmVersion, name: str = "first", trials: int = 3) -> TuningJob:
    """A finished job, written straight into the tables with its trials, curves, decisions and feed."""
    spec = parse(job_document(name=name)).to_json()
    row = TuningJob.objects.create(
        project=Project.objects.get(slug=slug),
        name=name,
        spec=spec,
        algorithm_version=version,
        metric="f1",
        goal=Goal.MAXIMIZE,
        seed=1,
        max_trials=10,
        max_parallel=2,
        state=JobState.COMPLETED,
        created_by=actor,
        started_at=BEGINNING,
        ended_at=BEGINNING + timedelta(minutes=trials),
    )
    row.refresh_from_db()
    for number in range(1, trials + 1):
        trial(row, number)
    Event.objects.create(job=row, seq=1, kind="job", data={"state": "Completed"})
    Event.objects.create(job=row, seq=2, kind="decision", data={"trial": 1, "kind": "suggest", "reason": "random"})
    EventCursor.objects.create(job=row, seq=2)
    return row


def trial(row: TuningJob, number: int, state: TrialState = TrialState.COMPLETED) -> Trial:
    """A trial with one attempt, three points and a decision."""
    start = BEGINNING + timedelta(minutes=number)
    made = Trial.objects.create(
        job=row,
        number=number,
        state=state,
        hyperparameters={"lr": 0.01 * number},
        objective=0.1 * number,
        best_objective=0.1 * number,
        attempt=1,
        started_at=start,
        ended_at=start + timedelta(seconds=50),
    )
    attempt = Attempt.objects.create(
        trial=made,
        number=1,
        token=f"{row.pk}-{number}-1",
        backend="process",
        started_at=start,
        ended_at=start + timedelta(seconds=50),
        outcome=Attempt.Outcome.EXITED,
        exit_code=0,
    )
    MetricPoint.objects.bulk_create(
        MetricPoint(attempt=attempt, metric="f1", step=step, value=0.03 * number * step, at=start) for step in (1, 2, 3)
    )
    Decision.objects.create(job=row, trial=made, kind=Decision.Kind.SUGGEST, reason="drawn at random", numbers={"u": 1})
    return made


@dataclass(frozen=True)
class World:
    """Project `lab` with dataset `table`, algorithm `line` and job `first` (three trials), and its people."""

    alice: User  # owner
    bob: User  # editor
    vera: User  # viewer
    charlie: User  # outsider, owner of project `other`
    root: User  # administrator
    lab: Project
    job: TuningJob


def world() -> World:
    alice, bob, vera, charlie = (person(name) for name in ("alice", "bob", "vera", "charlie"))
    root = person("root", admin=True)
    lab = project(alice, "lab", bob=Role.EDITOR, vera=Role.VIEWER)
    project(charlie, "other")
    dataset_version(alice, "lab")
    version = algorithm_version(alice, "lab")
    return World(alice, bob, vera, charlie, root, lab, job(alice, "lab", version))
