"""Truncation selection, as Azure HyperDrive documents it: the lowest share goes."""

from __future__ import annotations

import math

from tuning.contracts import Number, Verdict
from tuning.earlystop import curves, intervals
from tuning.earlystop.board import Board, HistoryBoard
from tuning.history import History
from tuning.registry import Info, Option

INFO = Info(
    name="truncation",
    title="Truncation selection",
    summary="Stops a trial that is among the worst given percentage of all trials at the same report. A larger "
    "percentage saves more.",
    options=(
        Option(
            "truncation_percentage",
            "integer",
            20,
            1,
            99,
            help="How many percent of the trials with this many reports are stopped, rounded down: 20 % of 9 trials "
            "is 1 trial.",
        ),
        Option(
            "exclude_finished_jobs",
            "choice",
            "no",
            choices=("no", "yes"),
            help="yes compares with running trials only.",
        ),
        *intervals.OPTIONS,
    ),
)


class Truncation:
    """Stop at report N if the trial is among the floor(n p / 100) worst of the n trials that have N reports.

    Compared are the best values of reports 1 to N. A trial that is equal to one which goes on goes on too. Inherited
    trials count where their values are comparable. Trials reach report N at different times: each is judged there
    once, against those that have been there by then, so the share of all trials that is stopped may differ.
    """

    def __init__(
        self,
        truncation_percentage: int = 20,
        exclude_finished_jobs: str = "no",
        evaluation_interval: int = 1,
        delay_evaluation: int = 0,
    ) -> None:
        self.truncation_percentage = truncation_percentage
        self.exclude_finished = exclude_finished_jobs == "yes"
        self.evaluation_interval = evaluation_interval
        self.delay_evaluation = delay_evaluation

    def judge(self, number: int, history: History) -> Verdict:
        return self.judge_on(number, HistoryBoard(history))

    def judge_on(self, number: int, board: Board) -> Verdict:
        reports = board.reports(number)
        interval, value = reports.interval, reports.best
        if reason := intervals.not_due(interval, self.evaluation_interval, self.delay_evaluation):
            return Verdict(False, reason, {"interval": interval})
        better, trials = board.bests_better_than(number, value, interval, running=self.exclude_finished)
        quota = trials * self.truncation_percentage // 100
        # What is not finite is among the worst even if it shares that with more trials than are stopped.
        diverged = not math.isfinite(value) and better > 0 and quota > 0
        stop = trials - better <= quota or diverged
        reason = (
            f"{'Stopped' if stop else 'Goes on'} at report {interval}: {better} of {trials} trials are "
            f"better than its best value {curves.shown(value)} up to there; the worst "
            f"{self.truncation_percentage} %, {quota}, are stopped."
        )
        numbers: dict[str, Number] = {"interval": interval, **curves.finite(best=value), "trials": trials}
        return Verdict(stop, reason, {**numbers, "better": better, "quota": quota})
