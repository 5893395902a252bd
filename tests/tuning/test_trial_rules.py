"""Which trials a job continues, which it keeps, spot, and equal failures, as its document says them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tuning.test_specification import document
from tuning.errors import InvalidSpec
from tuning.specification import parse
from tuning.trial_rules import Keep, TrialReference


def test_what_is_given_is_kept_and_read_back() -> None:
    spec = parse(
        document(
            resume_child_runs=["a-job/3", "a-job/12"],
            spot=True,
            keep={"best": 3},
            limits={"max_equal_failures": None},
        )
    )
    assert spec.resume_child_runs == (TrialReference("a-job", 3), TrialReference("a-job", 12))
    assert (spec.spot, spec.keep, spec.limits.max_equal_failures) == (True, Keep(3, 1), None)
    stored = spec.to_json()
    assert stored["resume_child_runs"] == ["a-job/3", "a-job/12"] and stored["keep"] == {"best": 3, "last": 1}
    assert parse(stored) == spec


def test_what_is_left_out() -> None:
    spec = parse(document())
    assert (spec.resume_child_runs, spec.spot, spec.keep, spec.limits.max_equal_failures) == ((), False, None, 5)
    assert parse(document(keep={})).keep == Keep(1, 1)


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"spot": "yes"}, "spot", "true or false"),
        ({"keep": {"best": 0}}, "keep.best", "from 1"),
        ({"keep": {"last": -1}}, "keep.last", "from 0"),
        ({"keep": {"first": 1}}, "keep.first", "not known"),
        ({"keep": 3}, "keep", "JSON object"),
        ({"limits": {"max_equal_failures": 0}}, "limits.max_equal_failures", "from 1"),
        ({"resume_child_runs": {"a": 1}}, "resume_child_runs", "list"),
        ({"resume_child_runs": ["a/0"]}, "resume_child_runs[0]", "'my-job/3'"),
        ({"resume_child_runs": ["a/1", 7]}, "resume_child_runs[1]", "'my-job/3'"),
        ({"resume_child_runs": ["a/1", "A/1"]}, "resume_child_runs[1]", "once"),
        ({"resume_child_runs": [f"a/{n}" for n in range(1, 1002)]}, "resume_child_runs", "at most 1000"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(changes: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        parse(document(**changes))
    (fault,) = refused.value.faults
    assert fault.field == field and says in fault.message
