"""Each address answers what the OpenAPI document promises (the client checks that), and what is in the database."""

import pytest

from tests.factories import TABLE, World
from tests.web.api.kit import Api

ADDRESSES = (
    "session",
    "access-keys",
    "health",
    "strategies",
    "policies",
    "profiles",
    "space-schema",
    "projects",
    "projects/lab",
    "projects/lab/members",
    "projects/lab/datasets",
    "projects/lab/datasets/table",
    "projects/lab/datasets/table/versions",
    "projects/lab/datasets/table/versions/1",
    "projects/lab/datasets/table/versions/1/content",
    "projects/lab/datasets/table/versions/1/preview",
    "projects/lab/algorithms",
    "projects/lab/algorithms/line",
    "projects/lab/algorithms/line/versions",
    "projects/lab/algorithms/line/versions/1",
    "projects/lab/algorithms/line/versions/1/file?name=train.py",
    "projects/lab/jobs",
    "projects/lab/jobs/first",
    "projects/lab/jobs/first/analysis/importance",
    "projects/lab/jobs/first/analysis/marginal-gain",
    "projects/lab/jobs/first/analysis/narrowing",
    "projects/lab/jobs/first/snapshot",
    "projects/lab/jobs/first/events",
    "projects/lab/jobs/first/decisions",
    "projects/lab/jobs/first/trials",
    "projects/lab/jobs/first/trials/1",
    "projects/lab/jobs/first/trials/1/metrics",
    "projects/lab/jobs/first/trials/1/logs",
    "projects/lab/jobs/first/trials/1/decisions",
    "projects/lab/figures/progress?job=first",
    "projects/lab/usage",
    "projects/lab/usage/entries",
    "queue",
    "pools",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_answers_as_described(alice: Api, address: str) -> None:
    answer = alice.get(address)
    assert answer.status == 200, answer.content


def test_content_is_an_attachment_that_no_browser_shows(alice: Api) -> None:
    answer = alice.get("projects/lab/datasets/table/versions/1/content")
    assert answer.content == TABLE
    assert answer.headers["Content-Disposition"] == 'attachment; filename="table.csv"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Length"] == str(len(TABLE))


def test_answers_travel_compressed_and_files_do_not(alice: Api) -> None:
    packed = {"Accept-Encoding": "gzip"}
    listed = alice.client.get("/api/v1/strategies", headers=packed)
    assert listed.headers["Content-Encoding"] == "gzip"
    content = alice.client.get("/api/v1/projects/lab/datasets/table/versions/1/content", headers=packed)
    assert "Content-Encoding" not in content.headers
    assert content.headers["Content-Length"] == str(len(TABLE))


def test_numbers_of_any_size_are_told(world: World, alice: Api) -> None:
    """A float that is whole comes back from the database without its point, as a whole number of any length."""
    at = world.job.trials.filter(number=1)
    at.update(hyperparameters={"lr": 1e25}, objective=1e308, best_objective=1e308)
    world.job.trials.filter(number=2).update(objective=-1e308)
    world.job.trials.filter(number=3).delete()
    assert alice.get("projects/lab/jobs/first/trials/1").json["hyperparameters"] == {"lr": 1e25}
    assert alice.get("projects/lab/jobs/first/snapshot").json["trials"]["hyperparameters"]["lr"][0] == 1e25
    assert alice.get("projects/lab/jobs/first").json["median"] == 0
