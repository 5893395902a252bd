"""A strategy that is driven from outside is the same strategy: the engine's contract, over POST .../ask.

Whatever history a test of the suite makes up is written as the rows of an external job (its trials with their attempts
and points, and the jobs that it inherits from), whose next trials are then asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from hpt_web.catalog.models import AlgorithmVersion
from hpt_web.jobs.models import (
    EXTERNAL,
    SPEC_SCHEMA,
    Attempt,
    EventCursor,
    JobParent,
    MetricPoint,
    Trial,
    TuningJob,
)
from hpt_web.jobs.search import choosing, parents
from tests import factories
from tests.factories import BEGINNING, World
from tests.tuning.plugin_kit import EXAMPLE, install, installed
from tests.web.api.kit import Api
from tuning import strategies
from tuning.contracts import Strategy, Suggestion
from tuning.errors import SpaceExhausted
from tuning.history import History, Observation
from tuning.simulate import simulate
from tuning.space import Config, SearchSpace
from tuning.specification import parse
from tuning.states import Goal, JobState, TrialState
from tuning.testing import StrategySuite
from tuning.testing.strategy_suite import CONDITIONAL, MIXED, bowl
from tuning.warmstart import WarmStartType

METRIC = "f1"
OUTCOMES = {TrialState.LOST: Attempt.Outcome.LOST, TrialState.STOPPED: Attempt.Outcome.STOPPED}


@dataclass
class Service:
    """Alice's script and the jobs that are made for it."""

    world: World
    api: Api
    version: AlgorithmVersion
    names: Iterator[int] = field(default_factory=lambda: count(1))
    families: list[tuple[tuple[Observation, ...], list[TuningJob]]] = field(default_factory=list)

    def job(self, space: SearchSpace, goal: Goal, trials: Sequence[Observation], **changes: Any) -> TuningJob:
        """A job with these trials; `changes` are of its document."""
        document = factories.job_document(
            algorithm={"name": "notebook"}, channels={}, static={}, objective={"metric": METRIC, "goal": str(goal)},
            **{"name": f"job-{next(self.names)}", **document_of(space), **changes},
        )  # fmt: skip
        spec = parse(document)
        row = TuningJob.objects.create(
            project=self.world.lab, name=spec.name, spec=spec.to_json(), schema=SPEC_SCHEMA,
            algorithm_version=self.version, metric=METRIC, goal=goal, seed=spec.seed,
            max_trials=spec.limits.max_trials, max_parallel=spec.limits.max_parallel, created_by=self.world.alice,
        )  # fmt: skip
        EventCursor.objects.create(job=row)
        write_trials(row, trials)
        return row

    def parents(self, space: SearchSpace, goal: Goal, inherited: tuple[Observation, ...]) -> list[TuningJob]:
        """The jobs from which these trials come, written once under the names that the trials say."""
        for known, family in self.families:
            if known is inherited:
                return family
        names = list(dict.fromkeys(str(trial.inherited_from) for trial in inherited))
        family = [
            self.job(space, goal, [trial for trial in inherited if trial.inherited_from == name], name=name)
            for name in names
        ]
        TuningJob.objects.filter(pk__in=[job.pk for job in family]).update(
            state=JobState.COMPLETED, started_at=BEGINNING, ended_at=BEGINNING
        )
        self.families.append((inherited, family))
        return family


def document_of(space: SearchSpace) -> dict[str, Any]:
    return {
        "space": [parameter.to_json() for parameter in space.parameters],
        "constraints": [constraint.text for constraint in space.constraints],
    }


def write_trials(job: TuningJob, trials: Sequence[Observation]) -> None:
    """The rows of trials that were handed out once each; those that have not ended still run somewhere."""
    rows = Trial.objects.bulk_create(
        Trial(
            job=job, number=trial.number, state=trial.state, attempt=1, hyperparameters=dict(trial.config),
            objective=trial.value, best_objective=trial.value, started_at=BEGINNING,
            ended_at=BEGINNING if trial.state.terminal else None,
        )
        for trial in trials
    )  # fmt: skip
    attempts = Attempt.objects.bulk_create(
        Attempt(
            trial=row, number=1, token=f"{job.pk}-{row.number}", backend=EXTERNAL, started_at=BEGINNING,
            ended_at=row.ended_at, exit_code=row.number,  # each fails in its own way: equal failures pause a job
            outcome=OUTCOMES.get(TrialState(row.state), Attempt.Outcome.EXITED) if row.ended_at else "",
        )
        for row in rows
    )  # fmt: skip
    MetricPoint.objects.bulk_create(
        MetricPoint(attempt=attempt, metric=METRIC, step=step, value=value, at=BEGINNING)
        for attempt, trial in zip(attempts, trials, strict=True)
        for step, value in trial.curve
    )


class Asked:
    """A strategy whose points are those that the service hands out."""

    def __init__(self, service: Service, name: str, options: dict[str, object]) -> None:
        self.service, self.choice = service, {"name": name, "options": options}

    def suggest(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> list[Suggestion]:
        if not numbers:  # there is no asking for none
            return []
        job = self._job(space, history, numbers, seed)
        at = f"projects/lab/jobs/{job.name}"
        answer = self.service.api.post(f"{at}/ask", {"n": len(numbers)})
        assert answer.status == 200, answer.content
        handed, wait = answer.json["trials"], answer.json["wait"]
        if not handed:
            raise SpaceExhausted(wait or self.service.api.get(at).json["reason"])
        assert [trial["number"] for trial in handed] == list(numbers[: len(handed)])
        assert wait or len(handed) == len(numbers), "fewer than asked for, and nothing says why"
        return [Suggestion(trial["hyperparameters"], trial["reason"], trial["numbers"]) for trial in handed]

    def _job(self, space: SearchSpace, history: History, numbers: Sequence[int], seed: int) -> TuningJob:
        budget = max(history.budget or 0, numbers[-1])
        changes: dict[str, Any] = {
            "strategy": self.choice,
            "seed": seed,
            "limits": {"max_trials": budget, "max_parallel": len(history.pending) + len(numbers)},
        }
        family = self.service.parents(space, history.goal, history.inherited) if history.inherited else []
        if family:
            kind = WarmStartType.IDENTICAL_DATA_AND_ALGORITHM if history.comparable else WarmStartType.TRANSFER_LEARNING
            changes["warm_start"] = {"type": str(kind), "parents": [job.name for job in family]}
        job = self.service.job(space, history.goal, history.own, **changes)
        JobParent.objects.bulk_create(
            JobParent(job=job, parent=parent, position=at) for at, parent in enumerate(family)
        )
        return job


class SameAsTheEngine:
    """Whoever asks over REST gets what the engine suggests to a notebook: point for point, with the same numbers."""

    name: str
    options: Mapping[str, object] = {}

    @pytest.fixture(autouse=True)
    def _service(self, world: World, alice: Api) -> None:
        choosing.strategy_of.cache_clear()
        parents.inherited.cache_clear()
        version = factories.algorithm_version(
            world.alice, "lab", "notebook", source={"external": True}, entry_point="", hyperparameters=[],
            metrics=[{"name": METRIC}], channels=[],
        )  # fmt: skip
        self.service = Service(world, alice, version)

    def make(self) -> Strategy:
        return Asked(self.service, self.name, dict(self.options))

    def engine(self) -> Strategy:
        return strategies.create(self.name, self.options)

    def test_a_search_has_the_same_trials(self) -> None:
        def objective(config: Config) -> float:
            return math.log10(float(config["lr"]))

        asked, here = (
            simulate(strategy, CONDITIONAL, objective, trials=11, goal=Goal.MINIMIZE, parallel=2, seed=3)
            for strategy in (self.make(), self.engine())
        )
        assert [trial.config for trial in asked.own] == [trial.config for trial in here.own]

    @pytest.mark.parametrize("comparable", [True, False])
    def test_what_is_inherited_is_the_same(self, comparable: bool) -> None:
        parent = simulate(strategies.create("random", {}), MIXED, bowl, trials=20, seed=9)
        inherited = tuple(
            Observation(t.number, t.config, t.state, t.value, inherited_from="parent") for t in parent.own
        )
        own = tuple(replace(trial, inherited_from=None, number=at) for at, trial in enumerate(inherited[:4], 1))
        history = History(Goal.MAXIMIZE, own, inherited, comparable)
        asked = self.make().suggest(MIXED, history, [5, 6, 7], 4)
        here = self.engine().suggest(MIXED, history, [5, 6, 7], 4)
        assert [(one.config, one.numbers) for one in asked] == [(one.config, one.numbers) for one in here]


class AskSuite(SameAsTheEngine, StrategySuite):
    """What any strategy promises, of one that is asked over REST."""

    # Whether any process gives the same trials is a question to the engine, and its suite has asked it; what is asked
    # over REST is the same as in this process (test_a_search_has_the_same_trials).
    test_the_same_seed_gives_the_same_trials_in_another_process = None  # type: ignore[assignment]

    def test_unknown_and_bad_options_are_refused_all_at_once(self) -> None:
        (info,) = [info for info in strategies.catalogue() if info.name == self.name]
        options = {**{option.name: [] for option in info.options}, "nonsense": 1}
        document = factories.job_document(name="second", strategy={"name": self.name, "options": options})
        answer = self.service.api.post("projects/lab/jobs", document)
        assert answer.status == 400
        assert set(answer.fields) == {f"strategy.options.{name}" for name in options}

    def test_it_is_in_the_catalogue_with_working_defaults(self) -> None:
        (info,) = [one for one in self.service.api.get("strategies").json["items"] if one["name"] == self.name]
        assert info["title"] and info["summary"] and all(option["help"] for option in info["options"])
        options = {option["name"]: option["default"] for option in info["options"]}
        document = factories.job_document(name="second", strategy={"name": self.name, "options": options})
        assert self.service.api.post("projects/lab/job-checks", document).json["faults"] == []


class TestAuto(AskSuite):
    name = "auto"


class TestPlugIn(AskSuite):
    """The example of docs/plugins.md: of another package, and driven from outside."""

    name = "hill-climbing"

    @pytest.fixture(autouse=True)
    def _package(self, tmp_path: Path) -> Iterator[None]:
        with installed(install(EXAMPLE, tmp_path)):
            yield


# The others are the same code of the service with another name in the document.


class TestBayesian(SameAsTheEngine):
    name = "bayesian"


class TestTPE(SameAsTheEngine):
    name = "tpe"
    options = {"n_initial_points": 5}


class TestAnneal(SameAsTheEngine):
    name = "anneal"


class TestRandom(SameAsTheEngine):
    name = "random"


class TestQuasiRandom(SameAsTheEngine):
    name = "sobol"


class TestGrid(SameAsTheEngine):
    name = "grid"
