"""Trials that run elsewhere, as a script of somebody's asks for them and tells of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hpt_web.catalog.actions import add_algorithm_version, create_algorithm
from hpt_web.jobs.doors import actions, external
from hpt_web.jobs.doors.external import Answer, Asked
from hpt_web.jobs.models import Attempt, Trial, TuningJob
from hpt_web.jobs.running.follow import Follower
from tests.web.jobs.lab import Team, job_document
from tests.web.jobs.scripted import ScriptedBackend

LIMITS = {"max_trials": 3, "max_parallel": 2}
EXTERNAL = {"source": {"external": True}, "metrics": [{"name": "score"}, {"name": "loss"}]}


class Elsewhere:
    """Somebody's script: alice's unless it says otherwise."""

    def __init__(self, team: Team, job: TuningJob) -> None:
        self.team, self.job = team, job

    def ask(self, **document: Any) -> Asked:
        return external.ask(actor=self.team.alice, project="lab", name=self.job.name, document=document)

    def report(self, number: int, *values: float, attempt: int = 1, **document: Any) -> Answer:
        document = {"attempt": attempt, "points": [{"value": value} for value in values], **document}
        return external.report(
            actor=self.team.alice, project="lab", name=self.job.name, number=number, document=document
        )

    def tell(self, number: int, attempt: int = 1, **document: Any) -> Trial:
        document["attempt"] = attempt
        return external.tell(actor=self.team.alice, project="lab", name=self.job.name, number=number, document=document)

    def is_silent(self) -> None:
        """Time passes, and nothing is heard of whatever runs."""
        Attempt.objects.filter(ended_at=None).update(lease_until="2000-01-01T00:00:00Z")


New = Callable[..., Elsewhere]


@pytest.fixture
def elsewhere(team: Team, backend: ScriptedBackend, follower: Follower) -> Callable[..., Elsewhere]:
    create_algorithm(actor=team.alice, project="lab", name="notebook")
    add_algorithm_version(actor=team.alice, project="lab", algorithm="notebook", document=EXTERNAL)

    def create(**changes: Any) -> Elsewhere:
        document = job_document(algorithm={"name": "notebook"}, channels={}, **{"limits": LIMITS, **changes})
        return Elsewhere(team, actions.create_job(actor=team.alice, project="lab", document=document))

    return create
