"""What a new installation shows: project `digits` with a Random, a Bayesian and a warm-started job, run for real.

Each step looks first whether it was done, so that doing it again, also after a crash in the middle, does it once.
"""

from __future__ import annotations

import io
import secrets
import time
from pathlib import Path

from django.db import transaction
from sklearn.datasets import load_digits

from hpt_web.accounts.actions import create_project, create_user
from hpt_web.accounts.models import AuditEvent, Project, User
from hpt_web.catalog.actions import add_algorithm_version, add_dataset_version, create_algorithm, create_dataset
from hpt_web.catalog.models import Algorithm, Dataset
from hpt_web.jobs.doors.actions import create_job
from hpt_web.jobs.models import TuningJob
from tuning.states import JobState

PROJECT, DATASET, ALGORITHM = "digits", "handwritten-digits", "random-forest"
RANDOM, BAYESIAN, WARM = "digits-random", "digits-bayesian", "digits-warm-start"
LOADED = "example.load"
FIRST_ADMIN = "admin"
LOOK_SECONDS = 1.0

SPACE: list[dict[str, object]] = [
    {"name": "n-estimators", "type": "integer", "min": 1, "max": 200, "scale": "linear"},
    {"name": "max-depth", "type": "integer", "min": 1, "max": 20, "scale": "linear"},
    {"name": "min-samples-leaf", "type": "integer", "min": 1, "max": 10, "scale": "linear"},
    {"name": "max-features", "type": "categorical", "values": ["sqrt", "log2"]},
    {"name": "min-weight-fraction-leaf", "type": "float", "min": 0.01, "max": 0.5, "scale": "linear"},
]
METRICS = [
    {"name": "precision", "regex": r"pre:\s+(-?[0-9.]+)"},
    {"name": "recall", "regex": r"rec:\s+(-?[0-9.]+)"},
    {"name": "f1", "regex": r"f1:\s+(-?[0-9.]+)"},
]


def first_admin() -> tuple[User, str] | None:
    """The first administrator and a password that is told once; None if there is an administrator already."""
    with transaction.atomic():
        if User.objects.filter(is_superuser=True).exists():
            return None
        password = secrets.token_urlsafe(12)
        return create_user(actor=None, username=FIRST_ADMIN, password=password, is_superuser=True), password


def load(owner: User) -> None:
    """The project with its dataset, its algorithm and the two jobs that need no parents; they begin by themselves."""
    if not Project.objects.filter(slug=PROJECT).exists():
        text = "The handwritten digits of scikit-learn, a random forest, and three ways to tune it."
        create_project(actor=owner, slug=PROJECT, name="Handwritten digits", description=text)
    if not Dataset.objects.filter(project__slug=PROJECT, name=DATASET).exists():
        _load_dataset(owner)
    if not Algorithm.objects.filter(project__slug=PROJECT, name=ALGORITHM).exists():
        _load_algorithm(owner)
    _load_job(owner, RANDOM, {"name": "random"}, seed=1)
    _load_job(owner, BAYESIAN, {"name": "bayesian", "options": {"n_initial_points": 25}}, seed=2)


@transaction.atomic
def _load_dataset(owner: User) -> None:
    images, digits = load_digits(return_X_y=True)
    header = ",".join([*(f"pixel_{i}" for i in range(images.shape[1])), "digit"])
    rows = (",".join(str(int(value)) for value in (*image, digit)) for image, digit in zip(images, digits, strict=True))
    content = io.BytesIO("\n".join([header, *rows, ""]).encode())
    text = "1,797 images of 8 by 8 pixels with the digit they show, from scikit-learn."
    create_dataset(actor=owner, project=PROJECT, name=DATASET, description=text)
    size = len(content.getvalue())
    add_dataset_version(
        actor=owner, project=PROJECT, dataset=DATASET, filename="digits.csv", stream=content, limit=size
    )


@transaction.atomic
def _load_algorithm(owner: User) -> None:
    text = "A plain script: it takes its hyperparameters as arguments and prints precision, recall and F1."
    create_algorithm(actor=owner, project=PROJECT, name=ALGORITHM, description=text)
    add_algorithm_version(
        actor=owner,
        project=PROJECT,
        algorithm=ALGORITHM,
        document={
            "source": {"files": {"train.py": Path(__file__).with_name("train.py").read_text("utf-8")}},
            "entry_point": "train.py",
            "hyperparameters": [
                {key: value for key, value in parameter.items() if key != "scale"} | {"default": default}
                for parameter, default in zip(SPACE, (100, 10, 1, "sqrt", 0.01), strict=True)
            ],
            "metrics": METRICS,
            "objectives": [{"metric": "f1", "goal": "maximize"}],
            "channels": [
                {"name": "train", "required": True, "description": "A CSV file; the last column is the class."}
            ],
            "resources": {"cpus": 1, "memory_mb": 2048, "gpus": 0},
        },
    )


def _load_job(owner: User, name: str, strategy: dict[str, object], *, seed: int, parents: tuple[str, ...] = ()) -> None:
    if TuningJob.objects.filter(project__slug=PROJECT, name=name).exists():
        return
    warm_start = {"type": "IDENTICAL_DATA_AND_ALGORITHM", "parents": list(parents)} if parents else None
    document = {
        "name": name,
        "algorithm": {"name": ALGORITHM},
        "channels": {"train": {"dataset": DATASET}},
        "objective": {"metric": "f1", "goal": "maximize"},
        "space": SPACE,
        "strategy": strategy,
        "limits": {"max_trials": 50, "max_parallel": 2, "trial_seconds": 600},
        "warm_start": warm_start,
        "seed": seed,
    }
    create_job(actor=owner, project=PROJECT, document=document)


def finish(owner: User) -> bool:
    """Add the job that starts from the other two, once both have completed. Whether the example is complete.

    Parents must be over before their child begins (F14), so somebody has to wait for them.
    """
    if TuningJob.objects.filter(project__slug=PROJECT, name=WARM).exists():
        return True
    parents = TuningJob.objects.filter(project__slug=PROJECT, name__in=[RANDOM, BAYESIAN])
    states = set(parents.values_list("state", flat=True))
    if states == {JobState.COMPLETED}:
        _load_job(owner, WARM, {"name": "bayesian"}, seed=3, parents=(RANDOM, BAYESIAN))
        return True
    # If somebody stopped one of them, they do not want the example; it is not forced upon them.
    return any(JobState(state).terminal and state != JobState.COMPLETED for state in states)


def wait_and_finish(owner: User) -> None:
    while not finish(owner):
        time.sleep(LOOK_SECONDS)


def owner_of_example() -> User | None:
    """Who loaded the example; None if this installation has none, or its owner left."""
    project = Project.objects.filter(slug=PROJECT).select_related("created_by").first()
    loaded = AuditEvent.objects.filter(action=LOADED).exists()
    return project.created_by if project and loaded and project.created_by.is_active else None
