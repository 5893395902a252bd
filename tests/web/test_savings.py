"""What early stopping saved of one trial: never more than its job's completed trials show, never less than nothing."""

import pytest

from hpt_web.jobs.sharing.savings import NOTHING, saved


@pytest.mark.parametrize(
    ("ran", "gpus", "typical", "expected"),
    [
        (20, 0, 100, (80, 0)),
        (20, 2, 100, (80, 160)),
        (20, 0.25, 100, (80, 20)),
        (0, 1, 100, (100, 100)),
        (100, 1, 100, NOTHING),
        (140, 1, 100, NOTHING),  # it ran for longer than is typical
        (20, 1, None, NOTHING),  # nobody knows
    ],
)
def test_saved(ran: float, gpus: float, typical: float | None, expected: tuple[float, float]) -> None:
    assert saved(ran, gpus, typical) == expected
