"""A strategy and a policy of another package in a job, and what becomes of it when the package breaks or is gone."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hpt_web.accounts.errors import Invalid
from hpt_web.jobs.doors import actions
from hpt_web.jobs.models import Decision, TuningJob
from hpt_web.jobs.running import dispatch
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.search import choosing
from tests.tuning.plugin_kit import EXAMPLE, install, installed, write
from tests.web.jobs.lab import Team, job_document, live, state, trial
from tests.web.jobs.scripted import ScriptedBackend

NewJob = Callable[..., TuningJob]
HILL = {"name": "hill-climbing", "options": {"step": 0.2}}
PATIENCE = {"name": "patience", "options": {"reports": 2, "at_least": 3}}


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    choosing.strategy_of.cache_clear()
    yield
    choosing.strategy_of.cache_clear()


@pytest.fixture
def example(tmp_path: Path) -> Iterator[None]:
    with installed(install(EXAMPLE, tmp_path)):
        yield


@pytest.fixture
def uninstalled_after(tmp_path: Path, new_job: NewJob) -> Callable[..., TuningJob]:
    """A job whose package is there when the job is made, and not any more afterwards."""

    def create(**changes: object) -> TuningJob:
        with installed(install(EXAMPLE, tmp_path)):
            job = new_job(**changes)
        choosing.strategy_of.cache_clear()
        return job

    return create


def play(job: TuningJob, backend: ScriptedBackend, follower: Follower, text: str) -> None:
    (token,) = live(job)
    backend.prints(token, text)
    backend.ends(token)
    follower.claim()


def test_a_job_runs_with_both(example: None, new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> None:
    job = new_job(strategy=HILL, early_stopping=PATIENCE, limits={"max_trials": 3, "max_parallel": 1})
    play(job, backend, follower, "score=0.9\n")
    play(job, backend, follower, "score=0.8\n")
    (token,) = live(job)
    follower.claim()
    backend.prints(token, "score=0.3\nscore=0.2\nscore=0.1\n")
    follower.look([token])
    assert token in backend.stopped
    stop = Decision.objects.get(job=job, kind="early_stop")
    assert stop.reason == "No improvement for 2 reports." and stop.numbers == {"reports": 3, "since": 2}
    backend.ends(token)
    follower.claim()
    assert state(job) == "Completed"
    reasons = list(Decision.objects.filter(job=job, kind="suggest").order_by("id").values_list("reason", flat=True))
    assert reasons[0] == "A random point: nothing is known yet."
    assert reasons[1:] == ["A step away from trial 1, the best so far."] * 2


def test_it_must_be_installed_to_be_chosen(team: Team, backend: ScriptedBackend) -> None:
    with pytest.raises(Invalid) as caught:
        actions.create_job(actor=team.alice, project="lab", document=job_document(strategy=HILL))
    assert [fault.field for fault in caught.value.faults] == ["strategy.name"]


def test_a_job_whose_strategy_is_gone_fails_with_that_reason(
    uninstalled_after: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = uninstalled_after(strategy=HILL, limits={"max_trials": 9, "max_parallel": 1})
    play(job, backend, follower, "score=0.5\n")
    assert state(job) == "Failed"
    assert "strategy.name: is 'hill-climbing'; choose one of" in job.reason and "1 trials ended" in job.reason
    assert trial(job).state == "Completed"


def test_without_its_policy_a_job_goes_on(
    uninstalled_after: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    job = uninstalled_after(early_stopping=PATIENCE, limits={"max_trials": 2, "max_parallel": 1})
    play(job, backend, follower, "score=0.5\n" * 9)
    play(job, backend, follower, "score=0.4\n" * 9)
    assert state(job) == "Completed"


def test_a_strategy_that_breaks_fails_the_job_not_the_service(
    tmp_path: Path, new_job: NewJob, backend: ScriptedBackend, follower: Follower
) -> None:
    text = (
        "from types import SimpleNamespace\nfrom tuning import strategies\nfrom tuning.registry import Info\n"
        "INFO = Info('brittle', 'Brittle', 'Breaks.')\n"
        "def build(): return SimpleNamespace(suggest=suggest)\n"
        "def suggest(space, history, numbers, seed):\n"
        "    assert len(history.own) < 2, 'worn out'\n"
        "    return strategies.create('random', {}).suggest(space, history, numbers, seed)\n"
    )
    with installed(
        write(tmp_path, "hpt-brittle", "2.0", {"brittle.py": text}, {"hpt.strategies": {"brittle": "brittle"}})
    ):
        job = new_job(strategy={"name": "brittle"}, limits={"max_trials": 9, "max_parallel": 1})
        other = new_job(name="other", limits={"max_trials": 1, "max_parallel": 1})
        play(job, backend, follower, "score=0.5\n")
        play(other, backend, follower, "score=0.5\n")
        play(job, backend, follower, "score=0.6\n")
    assert state(job) == "Failed" and state(other) == "Completed"
    assert "The strategy brittle of hpt-brittle 2.0 failed: AssertionError: worn out." in job.reason
    assert dispatch.advance(job.pk) == []
