"""F41: the vendors' limits, asked for by name."""

import pytest

from tests.tuning.strategy_suite import CONDITIONAL, CONSTRAINED, MIXED
from tuning.errors import InvalidSpec
from tuning.profiles import profile_faults
from tuning.space import Categorical, Float, Integer, SearchSpace


def floats(count):
    return SearchSpace(tuple(Float(f"x{index}", 0, 1) for index in range(count)))


def choices(count):
    return SearchSpace((Categorical("c", tuple(range(count))),))


@pytest.mark.parametrize(
    ("profile", "space", "static", "fields"),
    [
        ("sagemaker", floats(30), 70, []),
        ("sagemaker", floats(31), 0, ["space"]),
        ("sagemaker", floats(30), 71, ["space"]),
        ("sagemaker", choices(30), 0, []),
        ("sagemaker", choices(31), 0, ["space[0].values"]),
        ("sagemaker", MIXED, 0, []),
        ("sagemaker", SearchSpace((Integer("n", 0, 8, step=4),)), 0, ["space[0].step"]),
        ("sagemaker", CONSTRAINED, 0, ["space[2].type", "space[3].type", "space.constraints"]),
        ("modelarts", floats(40), 0, []),
        ("modelarts", MIXED, 0, ["space[2].type", "space[3].type", "space[4].type"]),
        ("hyperdrive", choices(1000), 500, []),
        ("hyperdrive", CONDITIONAL, 0, ["space[2].when", "space[3].when", "space[4].when"]),
        ("hyperdrive", CONSTRAINED, 0, ["space.constraints"]),
    ],
)
def test_limits_are_checked_by_field(profile, space, static, fields):
    faults = profile_faults(profile, space, static)
    assert [fault.field for fault in faults] == fields
    assert {fault.code for fault in faults} <= {"limit"}


def test_an_unknown_profile_is_refused():
    with pytest.raises(InvalidSpec, match="use one of sagemaker, modelarts, hyperdrive"):
        profile_faults("aws", MIXED)


def test_no_limit_of_a_vendor_holds_by_itself():
    assert len(floats(100)) == 100
    assert choices(1000).size == 1000
