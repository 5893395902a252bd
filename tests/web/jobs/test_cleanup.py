"""What trials leave counts as stored, and is deleted by prefix, kind by kind (F92; demand 24)."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hpt_web.accounts.actions import set_quota
from hpt_web.accounts.errors import Forbidden, Invalid, NotVisible, OverQuota
from hpt_web.accounts.models import AuditEvent, Project, Quota, User
from hpt_web.catalog.actions import add_dataset_version, create_dataset
from hpt_web.catalog.models import Dataset
from hpt_web.catalog.quotas import stored_bytes
from hpt_web.jobs.doors import actions, changes, cleanup, external, reruns
from hpt_web.jobs.doors.cleanup import Cleaned, Item
from hpt_web.jobs.models import Event, MetricPoint, Trial, TuningJob, UsageEntry
from hpt_web.jobs.outputs import retention
from hpt_web.jobs.running import launching
from hpt_web.jobs.running.follow import Follower
from hpt_web.jobs.sharing.counting import used
from tests.web.jobs.elsewhere import New
from tests.web.jobs.lab import Team, state, trial
from tests.web.jobs.scripted import ScriptedBackend
from tests.web.jobs.test_retention import run

NewJob = Callable[..., TuningJob]
LOG, MODEL, TABLE, CHECKPOINT = 8, 100, 4, len("weights")
OUTPUT = MODEL + TABLE


@pytest.fixture
def done(new_job: NewJob, backend: ScriptedBackend, follower: Follower) -> Callable[..., tuple[TuningJob, list[Path]]]:
    """A job whose trials are over, with the folders of their attempts."""

    def make(name: str, *values: float, **more: Any) -> tuple[TuningJob, list[Path]]:
        job = new_job(name=name, limits={"max_trials": len(values), "max_parallel": 1}, **more)
        folders = [run(backend, follower, job, value) for value in values]
        retention.clear()
        assert state(job) == "Completed"
        return job, folders

    return make


def clean(actor: User, *what: str, prefix: str = "sweep", **more: Any) -> Cleaned:
    return cleanup.clean_up(actor=actor, project="lab", document={"prefix": prefix, "what": list(what), **more})


# --- what counts ------------------------------------------------------------------------------------------------------


def test_what_trials_leave_counts_as_stored_and_refuses_with_its_numbers(
    done: Any, new_job: NewJob, team: Team, root: User
) -> None:
    project = Project.objects.get(slug="lab")
    before = stored_bytes(project=project)
    done("first", 0.1, 0.2)
    trials = 2 * (LOG + OUTPUT + CHECKPOINT)
    assert stored_bytes(project=project) == stored_bytes(user=team.alice) == stored_bytes() == before + trials
    assert stored_bytes(project=project, user=team.bob) == 0
    set_quota(actor=root, resource="storage_bytes", limit=before + trials + 1, project=project)
    assert used(list(Quota.objects.all())) == {Quota.objects.get().pk: before + trials}
    new_job(name="second")
    with pytest.raises(OverQuota, match=rf"{before + trials:,} are in use and this needs 2"):
        add_dataset_version(
            actor=team.alice, project="lab", dataset="table", filename="t.csv", stream=io.BytesIO(b"ab"), limit=9
        )
    set_quota(actor=root, resource="storage_bytes", limit=before + trials, project=project)
    with pytest.raises(Invalid) as refused:
        new_job(name="third")
    (fault,) = refused.value.faults
    assert f"{before + trials:,} bytes are stored, {trials:,} of them by trials" in fault.message
    assert f"the storage quota of project 'lab' allows {before + trials:,}" in fault.message


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "freed", "left"),
    [
        (["outputs"], OUTPUT, (False, True)),
        (["checkpoints"], CHECKPOINT, (True, False)),
        (["outputs", "checkpoints"], OUTPUT + CHECKPOINT, (False, False)),
    ],
)
def test_one_kind_of_files_goes_and_the_other_stays(
    done: Any, team: Team, what: list[str], freed: int, left: tuple[bool, bool]
) -> None:
    job, folders = done("sweep-1", 0.1, 0.9)
    _, others = done("other", 0.1)

    def there(number: int) -> tuple[bool, bool]:
        return (folders[number - 1] / "model").exists(), launching.has_checkpoint(trial(job, number))

    said = clean(team.bob, *what, rehearsal=True)
    assert there(1) == (True, True), "a rehearsal deletes nothing"
    done_so = clean(team.bob, *what)
    assert (said.gone, said.kept, said.bytes) == (done_so.gone, done_so.kept, freed)
    assert done_so.gone == [Item("trial", "sweep-1/1", freed)]
    assert (trial(job, 1).discarded_at is not None) == (len(what) == 2), "as a rule would have it"
    assert done_so.kept == [Item("trial", "sweep-1/2", reason="it is the best of its job")]
    assert (there(1), there(2)) == (left, (True, True))
    assert (folders[0] / "log").exists() and (others[0] / "model").exists()
    assert retention.stored([job.pk])[job.pk].total == 2 * (LOG + OUTPUT + CHECKPOINT) - freed
    assert clean(team.bob, *what).gone == [], "twice is once"
    assert AuditEvent.objects.filter(action="job.clean", target="sweep-1").count() == 1
    clean(team.bob, "outputs", "checkpoints")
    assert trial(job, 1).discarded_at is not None, "nothing of both is left"


def test_one_that_still_runs_is_not_the_best_that_is_kept(done: Any, team: Team) -> None:
    job, folders = done("sweep-1", 0.1, 0.9)
    Trial.objects.create(job=job, number=3, state="Running", hyperparameters={}, objective=0.95)
    done_so = clean(team.bob, "outputs")
    assert done_so.kept == [Item("trial", "sweep-1/2", reason="it is the best of its job")]
    assert (folders[1] / "model").exists() and not (folders[0] / "model").exists()


# --- jobs -------------------------------------------------------------------------------------------------------------


def test_a_job_is_deleted_with_all_that_it_left_and_the_ledger_stays(done: Any, team: Team) -> None:
    job, _ = done("Sweep-1", 0.1, 0.9)
    pk, checkpoints = job.pk, launching.checkpoint_folder(trial(job)).parent
    usage = UsageEntry.objects.filter(job=pk).count()
    said = clean(team.alice, "jobs", rehearsal=True)
    assert checkpoints.exists() and said.gone == [Item("job", "Sweep-1", 2 * (LOG + OUTPUT + CHECKPOINT))]
    assert clean(team.alice, "jobs").gone == said.gone
    assert not TuningJob.objects.exists() and not Event.objects.exists() and not MetricPoint.objects.exists()
    assert not checkpoints.exists() and launching.backend().list_owned() == []
    assert UsageEntry.objects.filter(job=None, job_name="Sweep-1", deleted_job=pk).count() == usage == 2
    event = AuditEvent.objects.get(action="job.delete")
    assert (event.target, event.data["trials"]) == ("Sweep-1", 2)


def test_jobs_that_are_needed_stay_with_the_reason(done: Any, new_job: NewJob, team: Team) -> None:
    start = {"type": "IDENTICAL_DATA_AND_ALGORITHM", "parents": ["sweep-1"]}
    done("sweep-1", 0.1)
    done("child", 0.2, warm_start=start)
    new_job(name="sweep-2")
    cleaned = clean(team.alice, "jobs")
    assert cleaned.gone == [] and [(item.name, item.reason) for item in cleaned.kept] == [
        ("sweep-2", "it is Running; stop it first"),
        ("sweep-1", "child warm-started from it; delete that first"),
    ]
    assert TuningJob.objects.count() == 3


def test_a_child_goes_before_its_parent(done: Any, team: Team) -> None:
    done("sweep-1", 0.1)
    done("sweep-2", 0.2, warm_start={"type": "IDENTICAL_DATA_AND_ALGORITHM", "parents": ["sweep-1"]})
    for rehearsal in (True, False):
        assert [item.name for item in clean(team.alice, "jobs", rehearsal=rehearsal).gone] == ["sweep-2", "sweep-1"]
    assert not TuningJob.objects.exists()


# --- datasets, rights, documents --------------------------------------------------------------------------------------


def test_datasets_go_unless_a_job_refers_to_them(done: Any, team: Team) -> None:
    done("first", 0.1)
    create_dataset(actor=team.alice, project="lab", name="tab-2")
    assert clean(team.bob, "datasets", prefix="TAB", rehearsal=True).gone == [Item("dataset", "tab-2")]
    assert Dataset.objects.count() == 2
    cleaned = clean(team.bob, "datasets", prefix="TAB")
    assert [item.name for item in cleaned.gone] == ["tab-2"]
    ((kept),) = cleaned.kept
    assert kept.name == "table" and "is used by" in kept.reason
    assert list(Dataset.objects.values_list("name", flat=True)) == ["table"]


def test_who_may(done: Any, team: Team) -> None:
    done("sweep-1", 0.1, 0.2)
    for person, what, refusal in (
        (team.charlie, "outputs", NotVisible),
        (team.charlie, "jobs", NotVisible),
        (team.vera, "outputs", Forbidden),
        (team.bob, "jobs", Forbidden),
    ):
        with pytest.raises(refusal):
            clean(person, what)
    assert retention.stored([TuningJob.objects.get().pk])[TuningJob.objects.get().pk].total
    assert clean(team.bob, "outputs").gone


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ({}, {"what", "prefix"}),
        ({"prefix": "", "what": []}, {"what", "prefix"}),
        ({"prefix": "%", "what": ["outputs", "all"]}, {"prefix", "what[1]"}),
        ({"prefix": "a", "what": "jobs", "rehersal": True, "exact": 1}, {"what", "rehersal", "exact"}),
        ({"prefix": "a", "what": ["checkpoints"], "best": True}, {"best"}),  # the best is never deleted
        ([], {"", "what", "prefix"}),
    ],
)
def test_every_fault_is_named_at_once(team: Team, document: Any, fields: set[str]) -> None:
    with pytest.raises(Invalid) as refused:
        cleanup.clean_up(actor=team.alice, project="lab", document=document)
    assert {fault.field for fault in refused.value.faults} == fields


def test_exactly_one_name_takes_none_along_that_begins_so(done: Any, team: Team) -> None:
    for name in ("st", "stall"):
        done(name, 0.1, 0.2)
    said = clean(team.alice, "jobs", prefix="ST", exact=True, rehearsal=True)
    assert [item.name for item in said.gone] == ["st"]
    assert clean(team.alice, "jobs", prefix="ST", exact=True).gone == said.gone
    assert list(TuningJob.objects.values_list("name", flat=True)) == ["stall"]


# --- a job that goes while somebody looks at it -----------------------------------------------------------------------

ONE_TRIAL: dict[str, Any] = {"number": 1, "document": {}}
DOORS: list[tuple[Callable[..., object], dict[str, Any]]] = [
    (actions.stop_job, {}),
    (actions.stop_trial, {"number": 1}),
    (changes.pause_job, {"document": {}}),
    (changes.unpause_job, {}),
    (changes.resume_job, {"document": {}}),
    (changes.change_job, {"document": {"limits": {"max_trials": 9}}}),
    (reruns.retry_trial, ONE_TRIAL),
    (reruns.retry_failed, {"document": {}}),
    (reruns.copy_trial, ONE_TRIAL),
    (reruns.preempt_trial, ONE_TRIAL),
]


def goes_after_the_look(monkeypatch: pytest.MonkeyPatch, team: Team) -> None:
    """Whoever has found a job, or its trial, and seen that it may be changed, comes too late."""
    for door in (actions, changes, reruns, external):
        for name in {"job_for", "trial_for"} & set(vars(door)):
            look = getattr(door, name)

            def found(*of: Any, look: Callable[..., Any] = look) -> Any:
                seen = look(*of)
                clean(team.alice, "jobs")
                return seen

            monkeypatch.setattr(door, name, found)


@pytest.mark.parametrize(("door", "more"), DOORS, ids=lambda it: getattr(it, "__name__", ""))
def test_a_job_that_is_deleted_while_somebody_looks_at_it_is_not_there_for_them(
    done: Any, team: Team, root: User, monkeypatch: pytest.MonkeyPatch, door: Callable[..., object], more: Any
) -> None:
    done("sweep", 0.1, spot=True)
    goes_after_the_look(monkeypatch, team)
    with pytest.raises(NotVisible, match=r"has just been deleted|no tuning job"):
        door(actor=root, project="lab", name="sweep", **more)
    assert not AuditEvent.objects.filter(actor=root, target__startswith="sweep").exists()


def test_nor_is_one_of_which_somebody_asks_for_trials(
    elsewhere: New, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = elsewhere(name="sweep")
    actions.stop_job(actor=team.alice, project="lab", name="sweep")
    assert state(script.job) == "Stopped"
    goes_after_the_look(monkeypatch, team)
    with pytest.raises(NotVisible, match="'sweep' has just been deleted"):
        external.ask(actor=team.bob, project="lab", name="sweep", document={})


def test_two_clean_ups_at_once_delete_a_job_once(done: Any, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    done("sweep", 0.1)
    lock = cleanup.locked

    def late(job: TuningJob) -> TuningJob:
        monkeypatch.setattr(cleanup, "locked", lock)
        assert [item.name for item in clean(team.alice, "jobs").gone] == ["sweep"]
        return lock(job)

    monkeypatch.setattr(cleanup, "locked", late)
    second = clean(team.alice, "jobs")
    assert (second.gone, second.kept) == ([], [])
    assert AuditEvent.objects.filter(action="job.delete").count() == 1
