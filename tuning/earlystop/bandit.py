"""The bandit policy, as Azure HyperDrive documents it: a slack around the best trial."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping

from tuning.contracts import Number, Verdict
from tuning.earlystop import curves, intervals
from tuning.earlystop.board import Board, HistoryBoard
from tuning.errors import Fault
from tuning.history import History
from tuning.registry import Info, Option
from tuning.states import Goal

DEFAULT_FACTOR = 0.1

INFO = Info(
    name="bandit",
    title="Bandit",
    summary="Stops a trial whose best value so far is not within a slack of the best trial's at the same report. Saves "
    "more than median stopping when the slack is small.",
    options=(
        Option(
            "slack_factor",
            "float",
            None,
            0,
            1_000_000,
            help="The slack as a ratio. To maximize, a trial is stopped below best / (1 + slack_factor): with 0.2 and "
            "a best of 0.8, below 0.6667. To minimize, above best x (1 + slack_factor). Only for objectives above 0. "
            f"Left out together with slack_amount, it is {DEFAULT_FACTOR}.",
        ),
        Option(
            "slack_amount",
            "float",
            None,
            0,
            None,
            help="The slack as a difference, instead of slack_factor. With 0.2 and a best of 0.8, a trial is stopped "
            "below 0.6 (to minimize: above 1).",
        ),
        *intervals.OPTIONS,
    ),
)


def faults(options: Mapping[str, object]) -> list[Fault]:
    """What is wrong with the options together."""
    if options["slack_factor"] is None or options["slack_amount"] is None:
        return []
    return [Fault("slack_amount", "is given together with slack_factor; give one of the two", "invalid")]


class Bandit:
    """Stop at report N if the trial's best value is beyond the slack from the best value of any trial up to report N.

    Nothing is rounded: 0.8 with slack_factor 0.2 stops below 0.8 / 1.2, and a value at the bar goes on. The best is
    that of the trials that have not failed, the judged one included, each with its reports 1 to N (as many as it has);
    inherited trials count where their values are comparable. The documents do not write the rule for a minimized
    objective; here it is the same rule for the reciprocal of the objective (factor) and for its negative (amount). A
    ratio says nothing where the best is 0 or less, so slack_factor stops nothing there, and says so.
    """

    def __init__(
        self,
        slack_factor: float | None = None,
        slack_amount: float | None = None,
        evaluation_interval: int = 1,
        delay_evaluation: int = 0,
    ) -> None:
        self.slack_amount = slack_amount
        self.slack_factor = DEFAULT_FACTOR if slack_factor is None else slack_factor
        self.evaluation_interval = evaluation_interval
        self.delay_evaluation = delay_evaluation

    def judge(self, number: int, history: History) -> Verdict:
        return self.judge_on(number, HistoryBoard(history))

    def judge_on(self, number: int, board: Board) -> Verdict:
        reports = board.reports(number)
        interval, own = reports.interval, reports.best
        if reason := intervals.not_due(interval, self.evaluation_interval, self.delay_evaluation):
            return Verdict(False, reason, {"interval": interval})
        best, trials = board.best(interval)
        if not trials or board.goal.better(own, best):  # the judged trial counts even if it is over, and broken
            best = own
        numbers: dict[str, Number] = {"interval": interval, **curves.finite(best=own, best_of_all=best)}
        numbers["trials"] = trials
        if not math.isfinite(best):
            return Verdict(False, f"Goes on at report {interval}: no trial has reported a finite number yet.", numbers)
        if self.slack_amount is None and best <= 0:
            reason = (
                f"Not judged at report {interval}: slack_factor is a ratio to the best value, and that is {best:.6g}, "
                "not above 0. Use slack_amount for this objective."
            )
            return Verdict(False, reason, numbers)
        bar, slack = self._bar(board.goal, best)
        stop = curves.clearly_better(board.goal, bar, own, scale=max(abs(best), self.slack_amount or 0.0))
        side = "below" if board.goal is Goal.MAXIMIZE else "above"
        reason = (
            f"{'Stopped' if stop else 'Goes on'} at report {interval}: its best value {curves.shown(own)} is "
            f"{side if stop else f'not {side}'} {bar:.6g}, the best value {best:.6g} of {trials} trials with "
            f"{slack}."
        )
        return Verdict(stop, reason, {**numbers, "bar": bar})

    def _bar(self, goal: Goal, best: float) -> tuple[float, str]:
        """The worst value that may go on, and the slack in words."""
        if self.slack_amount is not None:
            bar, slack = best - goal.sign * self.slack_amount, f"slack amount {self.slack_amount:g}"
        else:
            ratio = 1.0 + self.slack_factor
            bar, slack = (
                (best / ratio if goal is Goal.MAXIMIZE else best * ratio),
                f"slack factor {self.slack_factor:g}",
            )
        # Beyond the largest float lies no value: only what is none is worse than it.
        return min(max(bar, -sys.float_info.max), sys.float_info.max), slack
