"""When a policy is applied: evaluation_interval and delay_evaluation, alike for every policy."""

from __future__ import annotations

from tuning.registry import Option

# Each report of the objective is one interval, so the trial decides how often it can be judged.
OPTIONS = (
    Option(
        "evaluation_interval",
        "integer",
        1,
        1,
        1_000_000,
        help="Judge at every such report of the objective: 1 is every report, 2 every other one.",
    ),
    Option(
        "delay_evaluation",
        "integer",
        0,
        0,
        1_000_000,
        help="Judge at the multiples of the evaluation interval from this report on: interval 2 and delay 5 judge at "
        "6, 8, 10 and so on. 5 gives trials time to settle.",
    ),
)


def not_due(interval: int, evaluation_interval: int, delay_evaluation: int) -> str | None:
    """Why the policy is not applied at ``interval`` (reports so far); None if it is.

    It is applied at every multiple of ``evaluation_interval`` that is at least ``delay_evaluation``.
    """
    if interval >= max(delay_evaluation, 1) and interval % evaluation_interval == 0:
        return None
    after = max(interval + 1, delay_evaluation)
    due = -(-after // evaluation_interval) * evaluation_interval
    return f"Not judged at report {interval}: next at report {due}."
